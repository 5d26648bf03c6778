"""Runs a study and holds it against what was published; see README.md."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from study import Cell, Study

from pytest_vlmrobust import Evaluation, Model


def test_benchmark(
    dataset: str,
    vlm: Model,
    vlm_evaluate: Callable[..., Evaluation],
    benchmark: str,
    study: Study,
    runs: dict[tuple[str, str], Evaluation],
) -> None:
    runs[study.name_of(vlm.info.spec), benchmark] = vlm_evaluate(dataset=dataset)


def test_published(cell: Cell, runs: dict[tuple[str, str], Evaluation]) -> None:
    result = cell.compare(runs)
    if result.verdict == "not run":
        pytest.skip(f"not run: {result.measured}")
    if result.verdict == "differs":
        pytest.fail(
            f"published {result.published} ({cell.source}), measured {result.measured}", pytrace=False
        )
