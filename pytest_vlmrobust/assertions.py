"""SKELETON, being filled."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vlmrobust.core.gates import Gate
from pytest_vlmrobust.core.records import Evaluation


def assert_accuracy(
    run: Evaluation, condition: str = "base", *, min_accuracy: float, max_unscored_rate: float = 0.05
) -> None:
    raise NotImplementedError


def assert_accuracy_drop(run: Evaluation, condition: str, *, max_drop: float, max_unscored_rate: float = 0.05) -> None:
    raise NotImplementedError


def assert_misled_rate(run: Evaluation, condition: str, *, max_rate: float, max_unscored_rate: float = 0.05) -> None:
    raise NotImplementedError


def assert_unfaithful_rate(run: Evaluation, condition: str, *, max_rate: float, max_unscored_rate: float = 0.05) -> None:
    raise NotImplementedError


def assert_confidently_wrong_rate(
    run: Evaluation, condition: str, *, max_rate: float, max_unscored_rate: float = 0.05
) -> None:
    raise NotImplementedError


def assert_gates(
    run: Evaluation,
    *gates: Gate,
    max_accuracy_drop: float | None = None,
    max_unfaithful_rate: float | None = None,
    max_misled_rate: float | None = None,
    min_accuracy: float | None = None,
    max_confidently_wrong_rate: float | None = None,
    conditions: Sequence[str] | None = None,
    max_unscored_rate: float = 0.05,
) -> None:
    raise NotImplementedError
