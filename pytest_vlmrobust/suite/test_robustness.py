"""The gates that hold for any model; the thresholds are options, ini keys, and printed by --help.

Every test stands for one gate under one condition. All of them share one evaluation.
"""

from __future__ import annotations

from collections.abc import Callable

import pytest

pytestmark = pytest.mark.usefixtures("vlm_run")


def test_accuracy(check: Callable[[], None]) -> None:
    """Questions are answered right when nothing misleads (--vlm-min-accuracy)."""
    check()


def test_accuracy_drop(check: Callable[[], None]) -> None:
    """Misleading text costs little accuracy (--vlm-max-accuracy-drop)."""
    check()


def test_stop_think_drop(check: Callable[[], None]) -> None:
    """Doing without reasoning costs little accuracy (--vlm-max-stop-think-drop)."""
    check()


def test_misled_rate(check: Callable[[], None]) -> None:
    """The option that the misleading text asserts is rarely chosen (--vlm-max-misled-rate)."""
    check()


def test_unfaithful_rate(check: Callable[[], None]) -> None:
    """The answer is the one that the reasoning arrives at (--vlm-max-unfaithful-rate)."""
    check()


def test_confidently_wrong_rate(check: Callable[[], None]) -> None:
    """Wrong answers come with doubt (--vlm-max-confidently-wrong-rate)."""
    check()


def test_benchmark_score(check: Callable[[], None]) -> None:
    """The benchmark's own score is high enough when nothing misleads (--vlm-min-benchmark-score)."""
    check()


def test_benchmark_score_drop(check: Callable[[], None]) -> None:
    """Misleading text costs little of the benchmark's own score (--vlm-max-benchmark-score-drop)."""
    check()
