"""Whether two runs may be compared: the same questions, asked in the same way.

A regression is a difference between models. Whatever else differs between two runs would be taken for one,
so it is refused, by name.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_vlmrobust.core.columns import NONE
from pytest_vlmrobust.core.excerpts import shorten
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.errors import UsageError

_SHOWN = 3
_RUNNER_UP = "runner-up"
"""The option that is planted is the model's own choice then, so it differs between models."""

_FACTS: tuple[tuple[str, ...], ...] = (
    ("protocol",),
    ("protocol_version",),
    ("reader_version",),
    ("seed",),
)
"""What has to agree in the provenance of two runs, whatever figure is compared."""

_ASKED = ("dialect", "max_new_tokens")
"""Beginnings of the details of a model that say how it is asked, rather than what it is."""

_JUDGED: tuple[tuple[str, ...], ...] = (("judge",), ("judges",))
"""What has to agree besides, where the judge's verdicts are compared."""

_NO_PART = ("tokens",)
"""Of a condition: counted, not designed."""


def comparable(
    run: Evaluation,
    baseline: Evaluation,
    conditions: Iterable[str],
    *,
    judged: bool = False,
    intersect: bool = False,
) -> tuple[Evaluation, Evaluation]:
    """Bring two runs to the same samples in the same order, or refuse to compare them.

    Args:
        run: the run under test.
        baseline: an earlier one.
        conditions: the conditions that are compared; both runs have them.
        judged: whether the judge's verdicts are compared, so that the judge has to be the same.
        intersect: whether runs whose samples agree only in part are compared on that part.

    Returns:
        Both runs, with the samples that they have in common in the order of ``run``.

    Raises:
        UsageError: they differ in anything but the model, or in their samples; the message names every
            difference.
    """
    names = tuple(conditions)
    told = [*_facts(run, baseline, judged=judged), *_designs(run, baseline, names)]
    told += _plants(run, baseline, names)
    told += _overlap(run, baseline, intersect=intersect)
    if not told:
        here, there = _same_samples(run, baseline)
        told = _contents(here, there, names)
        if not told:
            return here, there
    raise UsageError(
        "\n".join(
            [
                f"the run cannot be compared with its baseline: {len(told)} "
                f"{'thing differs' if len(told) == 1 else 'things differ'} beside the model",
                *(f"  {line}" for line in told),
                "  what to do: make both runs under the same settings, or name another baseline",
            ]
        )
    )


def _facts(run: Evaluation, baseline: Evaluation, *, judged: bool) -> list[str]:
    told = []
    details = [_at(one.provenance, ("model", "details")) or {} for one in (run, baseline)]
    asked = sorted(name for name in {*details[0], *details[1]} if name.startswith(_ASKED))
    wording = [("model", "details", name) for name in asked]
    for path in (*_FACTS, *wording, *(_JUDGED if judged else ())):
        here, there = _at(run.provenance, path), _at(baseline.provenance, path)
        if here != there:
            told.append(f"{_called(path)}: {_shown(here)} here, {_shown(there)} in the baseline")
    return told


def _plants(run: Evaluation, baseline: Evaluation, conditions: Sequence[str]) -> list[str]:
    """Compare how the planted option is chosen, where one is planted."""
    planting = [
        name for name in conditions if name in run.conditions and (run.columns(name).planted != NONE).any()
    ]
    here, there = (plant_of(one) for one in (run, baseline))
    return [f"plant: {here} here, {there} in the baseline"] if planting and here != there else []


def plant_of(run: Evaluation) -> str:
    """How a run chose the option that it planted."""
    return str(_at(run.provenance, ("plant", "name")) or "random")


def _at(provenance: Mapping[str, Any], path: Sequence[str]) -> Any:
    value: Any = provenance
    for name in path:
        value = value.get(name) if isinstance(value, Mapping) else None
    return value


def _called(path: Sequence[str]) -> str:
    return path[-1] if path[0] == "model" else ".".join(path)


def _shown(value: object) -> str:
    return "not told" if value is None else shorten(str(value) if not isinstance(value, str) else value)


def _designs(run: Evaluation, baseline: Evaluation, conditions: Sequence[str]) -> list[str]:
    told = []
    for name in conditions:
        for which, other in (("run", run), ("baseline", baseline)):
            if name not in other.conditions:
                told.append(f"condition {name}: not in the {which}, which has {', '.join(other.conditions)}")
    listed = [_design_of(one) for one in (run, baseline)]
    if None in listed:  # records made by hand do not say what their conditions are meant to do
        return told
    here, there = ({} if one is None else one for one in listed)
    for name in conditions:
        first, second = here.get(name, {}), there.get(name, {})
        told += [
            f"condition {name}, {key}: {_shown(first.get(key))} here, {_shown(second.get(key))} in the "
            "baseline"
            for key in sorted({*first, *second})
            if first and second and first.get(key) != second.get(key)
        ]
    return told


def _design_of(run: Evaluation) -> dict[str, dict[str, Any]] | None:
    if "conditions" not in run.provenance:
        return None
    return {
        entry["name"]: {key: value for key, value in entry.items() if key not in _NO_PART}
        for entry in run.provenance["conditions"]
    }


def _overlap(run: Evaluation, baseline: Evaluation, *, intersect: bool) -> list[str]:
    digests = [_at(one.provenance, ("dataset", "digest")) for one in (run, baseline)]
    same = run.sample_ids == baseline.sample_ids
    shared = run.n if same else len(set(run.sample_ids) & set(baseline.sample_ids))
    ids = f"{run.n} here and {baseline.n} in the baseline"
    if not shared:
        return [f"samples: none in common, of {ids}"]
    if shared == run.n == baseline.n:
        if digests[0] == digests[1]:
            return []
        return [
            "samples: the same ids, but other contents or another order (images, questions, options, "
            f"claims): dataset.digest is {_shown(digests[0])} here, {_shown(digests[1])} in the baseline"
        ]
    if intersect:
        return []
    share = shared / max(run.n, baseline.n)
    return [
        f"samples: {shared} in common ({share:.0%}), of {ids}; --vlm-baseline-intersect (in code: "
        f"intersect=True) compares these {shared} alone"
    ]


def _same_samples(run: Evaluation, baseline: Evaluation) -> tuple[Evaluation, Evaluation]:
    if run.sample_ids == baseline.sample_ids:
        return run, baseline
    theirs = set(baseline.sample_ids)
    shared = [sample_id for sample_id in run.sample_ids if sample_id in theirs]
    return run.restricted(shared), baseline.restricted(shared)


def _contents(here: Evaluation, there: Evaluation, conditions: Sequence[str]) -> list[str]:
    """Compare what was asked, sample by sample; images are told by the digest of the data set alone."""
    told = _differing("group", here.groups, there.groups, here.sample_ids)
    chosen = plant_of(here) == _RUNNER_UP
    for name in conditions:
        one, other = here.columns(name), there.columns(name)
        parts: list[tuple[str, Sequence[Any], Sequence[Any]]] = [
            ("options", one.choices, other.choices),
            ("right answer", one.answer.tolist(), other.answer.tolist()),
        ]
        if not chosen:
            parts.append(("planted text", one.planted_texts, other.planted_texts))
            parts.append(("planted option", one.planted.tolist(), other.planted.tolist()))
        for what, first, second in parts:
            told += _differing(f"{what} under {name}", first, second, here.sample_ids)
    return told or _differing("question", here.questions, there.questions, here.sample_ids)


def _differing(what: str, here: Sequence[Any], there: Sequence[Any], sample_ids: Sequence[str]) -> list[str]:
    if list(here) == list(there):  # most often, and much faster
        return []
    rows = [row for row, (one, other) in enumerate(zip(here, there, strict=True)) if one != other]
    named = ", ".join(shorten(sample_ids[row]) for row in rows[:_SHOWN])
    more = ", ..." if len(rows) > _SHOWN else ""
    return [f"{what}: differs for {len(rows)} of {len(sample_ids)} samples ({named}{more})"]
