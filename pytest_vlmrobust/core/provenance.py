"""What is known about a run, as JSON values."""

from __future__ import annotations

import json
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_vlmrobust.core.scores import BENCHMARKS
from pytest_vlmrobust.core.views import BASE
from pytest_vlmrobust.errors import UsageError, unknown_name

_CONDITION = {"name": (str,), "plants": (str, type(None)), "reasons": (bool,)}

_FACTS: dict[str, dict[str, type]] = {
    "incomplete": {"samples": int, "of": int, "reason": str},
    "judge_failures": {"count": int, "first": str},
    "replies": {"stored": int, "computed": int},
}
"""What figures, gates and summaries rely on, where it is there."""

_TOKENS: dict[str, type] = dict.fromkeys(("tokens_in", "tokens_out", "computed_in", "computed_out"), int)
"""What is counted of a condition's replies, where a server counts it: of all, and of those computed now."""

_FAULT: dict[str, type] = {"kind": str, "told": str, "count": int}
"""What summaries rely on, of each fault of the data."""

_JUDGES: dict[str, dict[str, type]] = {
    "judges": {"name": str},
    "judge_preflight": {"judge": str, "n": int, "unscored": int},
}
"""Lists, of whose entries summaries and messages rely on this."""

_WORDS: dict[type, str] = {int: "a whole number from 0", str: "a string"}


def json_values(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a copy of ``values`` as plain JSON values.

    Args:
        values: what is to go into a report.
        name: how the message calls them.

    Raises:
        UsageError: something in them has no JSON form, such as NaN or an object.
    """
    try:
        copy: dict[str, Any] = json.loads(json.dumps(dict(values), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} must be made of JSON values: {error}") from error
    return copy


def checked_provenance(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a provenance that the rest of the package can rely upon.

    Args:
        provenance: free but for these, where they are there: ``conditions`` lists
            ``{"name": str, "plants": "wrong" | "right" | None, "reasons": bool}``, each perhaps with
            ``approximate``, ``reasoning_hidden`` and ``tokens``; ``incomplete`` is
            ``{"samples": int, "of": int, "reason": str}``, ``judges`` lists ``{"name": str}`` and
            ``judge_preflight`` ``{"judge": str, "n": int, "unscored": int}`` with the figures ``kappa``
            and ``accuracy`` where there are any, ``judge_failures`` is
            ``{"count": int, "first": str}`` and ``replies`` ``{"stored": int, "computed": int}``,
            ``faults`` of a ``dataset`` list ``{"kind": str, "told": str, "count": int}``, no number
            negative, and more samples asked than answered.

    Raises:
        UsageError: it is not made of JSON values, or one of these is something else; the message
            names the field.
    """
    copy = json_values(provenance, "provenance")
    _check_conditions(copy)
    for name, fields in _FACTS.items():
        if name in copy:
            _check_fact(copy[name], f"provenance.{name}", fields)
    for name, fields in _JUDGES.items():
        _check_judges(copy.get(name, []), f"provenance.{name}", fields)
    _check_dataset(copy.get("dataset"))
    _check_score(benchmark_name(copy), benchmark_headline(copy))
    told = incomplete(copy)
    if told is not None and not 1 <= told.samples < told.of:
        raise UsageError(
            f"provenance.incomplete has {told.samples} samples of {told.of}: at least one, and fewer than "
            "were asked, make an incomplete run"
        )
    return copy


def _check_conditions(copy: Mapping[str, Any]) -> None:
    listed = copy.get("conditions", [])
    if not isinstance(listed, list):
        raise UsageError(f"provenance.conditions must be an array, got {listed!r}")
    for index, entry in enumerate(listed):
        for key, kinds in _CONDITION.items():
            if not isinstance(entry, dict) or not isinstance(entry.get(key), kinds):
                raise UsageError(
                    f"provenance.conditions[{index}] must be an object with name (a string), plants "
                    f"('wrong', 'right' or null) and reasons (true or false), got {entry!r}"
                )
        where = f"provenance.conditions[{index}]"
        for key in ("approximate", "reasoning_hidden"):
            if not isinstance(entry.get(key, False), bool):
                raise UsageError(f"{where}.{key} must be true or false, got {entry[key]!r}")
        if "tokens" in entry:
            _check_fact(entry["tokens"], f"{where}.tokens", _TOKENS)


def benchmark_name(provenance: Mapping[str, Any]) -> str | None:
    """Name of the benchmark that the data set is, or None where it has no score of its own."""
    dataset = provenance.get("dataset")
    name: str | None = dataset.get("score") if isinstance(dataset, dict) else None
    return name


def benchmark_headline(provenance: Mapping[str, Any]) -> str:
    """Name of the score that stands for the whole data set, or "" where that is not known."""
    dataset = provenance.get("dataset")
    name: str = dataset.get("headline", "") if isinstance(dataset, dict) else ""
    return name


def _check_score(name: object, headline: object) -> None:
    if name is not None and (not isinstance(name, str) or name not in BENCHMARKS):
        raise UsageError(f"provenance.dataset.score: {unknown_name('benchmark', str(name), BENCHMARKS)}")
    known = [score.name for score in BENCHMARKS[str(name)].scores] if name is not None else []
    if headline != "" and headline not in known:
        raise UsageError(f"provenance.dataset.headline: {unknown_name('score', str(headline), known)}")


def _check_dataset(told: object) -> None:
    """Refuse faults of the data that no summary could list."""
    faults = told.get("faults", []) if isinstance(told, dict) else []
    if not isinstance(faults, list):
        raise UsageError(f"provenance.dataset.faults must be an array, got {faults!r}")
    for index, fault in enumerate(faults):
        _check_fact(fault, f"provenance.dataset.faults[{index}]", _FAULT)


def _check_judges(listed: object, where: str, fields: Mapping[str, type]) -> None:
    if not isinstance(listed, list):
        raise UsageError(f"{where} must be an array, got {listed!r}")
    for index, entry in enumerate(listed):
        _check_fact(entry, f"{where}[{index}]", fields)
        for name in ("kappa", "accuracy"):
            value = entry.get(name, {"value": 0.0})
            number = value.get("value") if isinstance(value, dict) else None
            if isinstance(number, bool) or not isinstance(number, int | float):
                raise UsageError(
                    f"{where}[{index}].{name} must be an object with value (a number), got {value!r}"
                )


def _check_fact(value: object, where: str, fields: Mapping[str, type]) -> None:
    """Refuse what is no object with these fields: texts, and whole numbers that are not negative."""
    for name, kind in fields.items():
        came = value.get(name) if isinstance(value, dict) else None
        if not isinstance(came, kind) or isinstance(came, bool) or (isinstance(came, int) and came < 0):
            wanted = ", ".join(f"{name} ({_WORDS[kind]})" for name, kind in fields.items())
            raise UsageError(f"{where} must be an object with {wanted}, got {value!r}")


@dataclass(frozen=True, kw_only=True)
class Design:
    """What a condition is meant to do.

    Attributes:
        plants: "wrong", "right", or None where it asserts no option.
        reasons: whether its replies should hold reasoning of the model's own.
        approximate: whether its thought was asked for in the prompt, where it belongs into the model's turn.
        hidden: whether the model has reasoned where nobody can read it.
    """

    plants: str | None
    reasons: bool
    approximate: bool = False
    hidden: bool = False


def designs(provenance: Mapping[str, Any]) -> dict[str, Design]:
    """Return the design of each condition that the provenance lists, by name."""
    listed = provenance.get("conditions", [])
    return {
        entry["name"]: Design(
            plants=entry["plants"],
            reasons=entry["reasons"],
            approximate=entry.get("approximate", False),
            hidden=entry.get("reasoning_hidden", False),
        )
        for entry in listed
    }


@dataclass(frozen=True, kw_only=True)
class Incomplete:
    """How much of a run there is that was stopped before its end.

    Attributes:
        samples: how many samples have a reply under every condition.
        of: how many were to be asked.
        reason: why it was stopped.
    """

    samples: int
    of: int
    reason: str


def incomplete(provenance: Mapping[str, Any]) -> Incomplete | None:
    """Return how much of the run there is, or None where nothing is missing."""
    told = provenance.get("incomplete")
    return told and Incomplete(samples=told["samples"], of=told["of"], reason=told["reason"])


def narrowed(provenance: Mapping[str, Any], conditions: Iterable[str]) -> dict[str, Any]:
    """Return the provenance of the part of a run that belongs to some of its conditions, in their order."""
    known = dict(provenance)
    if "conditions" in known:
        listed = {entry["name"]: entry for entry in known["conditions"]}
        known["conditions"] = [listed[name] for name in conditions if name in listed]
    return known


def joined(
    first: Mapping[str, Any], second: Mapping[str, Any], *, added: Collection[str], n: int
) -> dict[str, Any]:
    """Return the provenance of two runs put together.

    Args:
        first: of the run whose facts stay where the two differ.
        second: of the other; its counts are added.
        added: the conditions that are taken from the second run.
        n: how many samples they have in common; an incomplete run makes the whole incomplete.
    """
    known = dict(first)
    if "conditions" in first or "conditions" in second:
        own = [entry for entry in first.get("conditions", []) if entry["name"] not in added]
        listed = own + narrowed(second, added).get("conditions", [])
        known["conditions"] = sorted(listed, key=lambda entry: entry["name"] != BASE)
    for name in ("judge_failures", "replies"):
        told = [run[name] for run in (first, second) if name in run]
        if told:
            known[name] = {field: _sum([fact[field] for fact in told]) for field in _FACTS[name]}
    for run in (second, first):
        if "incomplete" in run:
            known["incomplete"] = {**run["incomplete"], "samples": n}
    return known


def _sum(values: Sequence[Any]) -> Any:
    """Add numbers up; of texts take the first that says something."""
    if isinstance(values[0], str):
        return next(filter(None, values), "")
    return sum(values)
