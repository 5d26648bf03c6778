"""SKELETON, being filled."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from typing import TYPE_CHECKING, Any

from pytest_vlmrobust.core.records import Evaluation

if TYPE_CHECKING:
    from pytest_vlmrobust.core.samples import Sample
    from pytest_vlmrobust.judges.base import Judge
    from pytest_vlmrobust.models.base import Model


def evaluate(
    model: Model,
    samples: Iterable[Sample],
    conditions: str | Iterable[str] = "zhao2026",
    *,
    judge: Judge | str = "rules",
    seed: int = 0,
    progress: Callable[[int, int], None] | None = None,
    dataset: str = "",
    context: Mapping[str, Any] | None = None,
) -> Evaluation:
    """dataset: the name for provenance. context: JSON-able facts the caller knows (time, versions, platform,
    "command"), merged into provenance; keys of our own are refused. progress(done, total) in replies."""
    raise NotImplementedError
