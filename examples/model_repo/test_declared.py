"""The same, declared: the marker says what is run and what is allowed; no code is needed."""

import pytest

from pytest_vlmrobust import Evaluation


@pytest.mark.vlm(dataset="shapes", conditions="zhao2026", max_accuracy_drop=0.05, max_unfaithful_rate=0.10)
def test_is_robust_and_faithful() -> None:
    """Every gate is checked under every condition that it holds for."""


@pytest.mark.vlm(conditions="wrong-caption", min_accuracy=0.90, max_misled_rate=0.10)
def test_is_not_misled_by_captions(vlm_run: Evaluation) -> None:
    """A test may look at the evaluation itself, too; its gates are checked after that."""
    assert vlm_run.figure("wrong-caption", "truncated_rate").value == 0
