"""Which run of a report is meant."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

from pytest_vlmrobust.core.comparable import plant_of
from pytest_vlmrobust.core.excerpts import shorten
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.errors import UsageError, unknown_name


def choose_run(
    runs: Sequence[Evaluation], *, model: str = "", like: Evaluation | None = None, source: str = "the report"
) -> Evaluation:
    """Choose one run of several.

    Args:
        runs: the runs of a report.
        model: the spec of the model whose run it is; "" where any will do.
        like: the run that it is to be compared with. Where several are left, one of the same model goes
            before others, and one with the same samples and the same seed before others.
        source: how messages call the report.

    Raises:
        UsageError: there is no run, none of the model, or several are left.
    """
    if not runs:
        raise UsageError(f"{source}: holds no run, so there is nothing to compare with")
    chosen: Sequence[Evaluation] = runs
    if model:
        chosen = [run for run in runs if spec_of(run) == model]
        if not chosen:
            raise UsageError(f"{source}: {unknown_name('model', model, map(spec_of, runs))}")
    if like is not None:
        chosen = _narrowed(chosen, [spec_of(run) == spec_of(like) for run in chosen])
        chosen = _narrowed(chosen, [_asked(run) == _asked(like) for run in chosen])
    chosen = _narrowed(chosen, [run.incomplete is None for run in chosen])
    if len(chosen) > 1:
        listed = "\n".join(f"  {_told(run)}" for run in chosen)
        raise UsageError(
            f"{source}: holds {len(chosen)} runs that could be meant:\n{listed}\n"
            "  what to do: name the model, as PATH::MODEL in --vlm-baseline or model=... in code; where one "
            "model has several, write a report for each"
        )
    return chosen[0]


def spec_of(run: Evaluation) -> str:
    """The spec of the model of a run, or "" where it does not say."""
    model = run.provenance.get("model")
    return str(model.get("spec", "")) if isinstance(model, dict) else ""


def _narrowed(runs: Sequence[Evaluation], keeps: Iterable[bool]) -> Sequence[Evaluation]:
    """Those that are kept, or all where none is."""
    return [run for run, keep in zip(runs, keeps, strict=True) if keep] or runs


def _asked(run: Evaluation) -> tuple[Any, ...]:
    dataset = run.provenance.get("dataset")
    digest = dataset.get("digest") if isinstance(dataset, dict) else None
    return digest, run.provenance.get("seed"), plant_of(run)


def _told(run: Evaluation) -> str:
    dataset = run.provenance.get("dataset")
    name = dataset.get("name", "") if isinstance(dataset, dict) else ""
    words = [spec_of(run) or "a model without a name", f"on {name}" if name else ""]
    seed = run.provenance.get("seed")
    words.append(f"({run.n} samples{'' if seed is None else f', seed {seed}'})")
    return shorten(" ".join(filter(None, words)))
