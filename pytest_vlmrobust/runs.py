"""What a session has measured: evaluations, each made once, and what its gates said.

Nothing here knows pytest. The whole of it can be written as JSON, which is how the workers of
pytest-xdist hand their part to the process that reports.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from itertools import chain, count
from typing import Any, Literal

from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.errors import DataError

Verdict = Literal["pass", "fail", "error"]
"""What a gate said; "error" when there was too little to say anything."""


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """A model and everything that is asked for when it is loaded."""

    spec: str
    device: str = "auto"
    dtype: str = "auto"
    batch_size: int | None = None
    max_new_tokens: int = 512


@dataclass(frozen=True, kw_only=True)
class RunKey:
    """What an answer depends on, other than the condition: equal keys share their answers."""

    model: ModelRequest
    dataset: str
    limit: int
    seed: int
    judge: str

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> RunKey:
        """Read what ``dataclasses.asdict`` wrote."""
        return cls(**{**document, "model": ModelRequest(**document["model"])})


@dataclass(frozen=True, kw_only=True)
class GateRow:
    """A gate that a test checked.

    Attributes:
        key: the run that it was checked on.
        metric: name of the figure.
        condition: name of the condition.
        bound: whether the threshold is the largest or the smallest value allowed.
        threshold: a fraction in [0, 1].
        value: the figure, or None when there is no verdict.
        verdict: what the gate said.
        test: node id of the test.
    """

    key: RunKey
    metric: str
    condition: str
    bound: Literal["max", "min"]
    threshold: float
    value: float | None
    verdict: Verdict
    test: str

    @property
    def in_short(self) -> str:
        """The figure and its bound: "0.412 (max 0.05)"."""
        measured = "no verdict" if self.value is None else f"{self.value:.3f}"
        return f"{measured} ({self.bound} {self.threshold:g})"


class Runs:
    """Evaluations by what they depend on, and the gates that were checked on them."""

    def __init__(self) -> None:
        self._runs: dict[RunKey, Evaluation] = {}
        self._views: dict[tuple[RunKey, tuple[str, ...]], Evaluation] = {}
        self.gates: list[GateRow] = []

    def __bool__(self) -> bool:
        return bool(self._runs)

    def __iter__(self) -> Iterator[tuple[RunKey, Evaluation]]:
        return iter(self._runs.items())

    def get(
        self,
        key: RunKey,
        conditions: tuple[str, ...],
        measure: Callable[[tuple[str, ...]], Evaluation],
    ) -> Evaluation:
        """Return the evaluation under ``conditions``, measuring those that are not there yet.

        Args:
            key: what the answers depend on.
            conditions: the conditions that the result has, ``base`` first.
            measure: evaluates the conditions that it is given.
        """
        if (key, conditions) not in self._views:
            known = self._runs[key].conditions if key in self._runs else ()
            missing = tuple(name for name in conditions if name not in known)
            if missing:
                self.add(key, measure(missing))
            self._views[key, conditions] = _restricted(self._runs[key], conditions)
        return self._views[key, conditions]

    def add(self, key: RunKey, evaluation: Evaluation) -> None:
        """Keep an evaluation; of a condition that is there already the first answers stay.

        Raises:
            DataError: the samples are not those of the first evaluation.
        """
        first = self._runs.get(key)
        self._runs[key] = evaluation if first is None else _merged(key, first, evaluation)

    def sort(self, specs: Sequence[str]) -> None:
        """Put the runs in the order of their models, whichever worker was done first."""
        rank = {spec: index for index, spec in enumerate(specs)}
        self._runs = dict(
            sorted(self._runs.items(), key=lambda item: rank.get(item[0].model.spec, len(rank)))
        )

    def gates_of(self, key: RunKey) -> list[GateRow]:
        """The gates that were checked on one run, in order."""
        return [row for row in self.gates if row.key == key]

    def to_json(self) -> dict[str, Any]:
        """Everything as JSON."""
        return {
            "runs": [{"key": asdict(key), "run": run.to_json()} for key, run in self],
            "gates": [asdict(row) for row in self.gates],
        }

    def add_json(self, document: Mapping[str, Any]) -> None:
        """Add what another process measured, as its `to_json` wrote it.

        Where two processes got different answers for the same key, both are kept, and the second
        gets a name of its own.
        """
        names: dict[RunKey, RunKey] = {}
        for entry in document["runs"]:
            key, run = RunKey.from_json(entry["key"]), Evaluation.from_json(entry["run"])
            names[key] = self._name(key, run)
            self.add(names[key], run)
        for row in document["gates"]:
            key = RunKey.from_json(row["key"])
            self.gates.append(GateRow(**{**row, "key": names[key]}))

    def _name(self, key: RunKey, run: Evaluation) -> RunKey:
        """The key itself, or one like it under which nothing contradicts the run."""
        known = self._runs.get(key)
        if known is None or _agree(known, run):
            return key
        taken = [other.model.spec for other in self._runs]
        return replace(key, model=replace(key.model, spec=free_name(key.model.spec, taken)))


def free_name(name: str, taken: Sequence[str]) -> str:
    """Return ``name``, or with a number behind it where it is taken.

    >>> free_name("scripted", ["scripted"])
    'scripted (2)'
    """
    numbered = (f"{name} ({number})" for number in count(2))
    return next(free for free in chain([name], numbered) if free not in taken)


def _agree(first: Evaluation, second: Evaluation) -> bool:
    """Whether two evaluations have the same answers wherever they share sample and condition."""
    if first.sample_ids != second.sample_ids:
        return False
    shared = [name for name in first.conditions if name in second.conditions]
    return all(list(first.records(name)) == list(second.records(name)) for name in shared)


def _restricted(evaluation: Evaluation, conditions: Iterable[str]) -> Evaluation:
    """The part of an evaluation that belongs to some of its conditions; itself when it is all of it."""
    names = tuple(conditions)
    if names == evaluation.conditions:
        return evaluation
    return _rebuilt(evaluation, dict.fromkeys(names, evaluation))


def _merged(key: RunKey, first: Evaluation, second: Evaluation) -> Evaluation:
    if first.sample_ids != second.sample_ids:
        raise DataError(
            f"data set {key.dataset!r} gave other samples than before: its answers cannot be paired; "
            "a data set has to give the same samples for the same limit and seed"
        )
    sources = dict.fromkeys(second.conditions, second) | dict.fromkeys(first.conditions, first)
    order = [*first.conditions, *(name for name in second.conditions if name not in first.conditions)]
    failures = [
        run.provenance["judge_failures"] for run in (first, second) if "judge_failures" in run.provenance
    ]
    told = next((failure["first"] for failure in failures if failure["first"]), "")
    return _rebuilt(
        first,
        {name: sources[name] for name in order},
        judge_failures={"count": sum(failure["count"] for failure in failures), "first": told},
    )


def _rebuilt(template: Evaluation, sources: Mapping[str, Evaluation], **facts: object) -> Evaluation:
    """An evaluation with each condition taken from one of several, and some facts about it replaced."""
    described = [
        entry
        for name, source in sources.items()
        for entry in source.provenance.get("conditions", [])
        if entry["name"] == name
    ]
    records = (record for name, source in sources.items() for record in source.records(name))
    return Evaluation.from_records(
        records, provenance={**template.provenance, "conditions": described, **facts}
    )
