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
from pytest_vlmrobust.core.verdicts import Mode
from pytest_vlmrobust.errors import DataError

Verdict = Literal["pass", "fail", "inconclusive", "error"]
"""What a gate said; "error" when there was too little to say anything."""


@dataclass(frozen=True, kw_only=True)
class ModelRequest:
    """A model and everything that is asked for when it is loaded."""

    spec: str
    device: str = "auto"
    dtype: str = "auto"
    batch_size: int | None = None
    max_new_tokens: int | None = None
    dialect: str = "auto"
    reference: bool = False


@dataclass(frozen=True, kw_only=True)
class RunKey:
    """What an answer depends on, other than the condition: equal keys share their answers."""

    model: ModelRequest
    dataset: str
    limit: int
    seed: int
    judge: str
    plant: str = "random"

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
        approximate: whether the figure is approximate, see `Evaluation.approximate`.
        baseline: the run that the figure was compared with, or ""; ``value`` is then how much worse it is.
        n: how many samples the figure stands on.
        mode: how the gate decided, see `pytest_vlmrobust.core.findings.Finding`, as for all that follows.
        confidence: of the interval and of a confident verdict.
        low: lower bound of the interval, or None.
        high: upper bound of the interval, or None.
        clusters: in how many groups the samples come, or None.
        detectable: the true value that so many samples would have shown to be a breach, or None.
        needed: about how many samples would settle it, or None.
        fewest: the fewest samples that can pass, where there are fewer, or None.
        family: how many gates were judged together.
    """

    key: RunKey
    metric: str
    condition: str
    bound: Literal["max", "min"]
    threshold: float
    value: float | None
    verdict: Verdict
    test: str
    approximate: bool = False
    baseline: str = ""
    n: int = 0
    mode: Mode = "estimate"
    confidence: float = 0.95
    low: float | None = None
    high: float | None = None
    clusters: int | None = None
    detectable: float | None = None
    needed: int | None = None
    fewest: int | None = None
    family: int = 1

    @property
    def in_short(self) -> str:
        """The figure, its interval and its bound: "0.412 [0.345, 0.482] (max 0.05)"."""
        measured = "no verdict" if self.value is None else f"{self.value:.3f}"
        if self.low is not None and self.high is not None:
            measured += f" [{self.low:.3f}, {self.high:.3f}]"
        about = ", approximate" if self.approximate else ""
        if self.baseline:
            words = "no verdict against" if self.value is None else f"{measured} worse than in"
            return f"{words} {self.baseline} (max {self.threshold:g}{about})"
        return f"{measured} ({self.bound} {self.threshold:g}{about})"


class Runs:
    """Evaluations by what they depend on, and the gates that were checked on them.

    Incomplete ones are kept apart: they are shown, and take part in nothing else.
    """

    def __init__(self) -> None:
        self._runs: dict[RunKey, Evaluation] = {}
        self._stopped: dict[RunKey, Evaluation] = {}
        self._views: dict[tuple[RunKey, tuple[str, ...]], Evaluation] = {}
        self.gates: list[GateRow] = []

    def __bool__(self) -> bool:
        return bool(self._runs or self._stopped)

    def __iter__(self) -> Iterator[tuple[RunKey, Evaluation]]:
        for key in dict.fromkeys([*self._runs, *self._stopped]):
            yield from ((key, runs[key]) for runs in (self._runs, self._stopped) if key in runs)

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
            measure: evaluates the conditions that it is given. What it returns incomplete is handed
                on, and measured anew when it is asked for again.
        """
        if (key, conditions) not in self._views:
            known = self._runs[key].conditions if key in self._runs else ()
            missing = tuple(name for name in conditions if name not in known)
            if missing:
                measured = measure(missing)
                self.add(key, measured)
                if measured.incomplete is not None:
                    return measured
            self._views[key, conditions] = self._runs[key].select(conditions)
        return self._views[key, conditions]

    def add(self, key: RunKey, evaluation: Evaluation) -> None:
        """Keep an evaluation; of a condition that is there already the first answers stay.

        Of incomplete ones the one that got furthest is kept, until all its conditions are there whole.

        Raises:
            DataError: the samples are not those of the first evaluation.
        """
        if evaluation.incomplete is None:
            first = self._runs.get(key)
            self._runs[key] = evaluation if first is None else _merged(key, first, evaluation)
        elif key not in self._stopped or _size(evaluation) > _size(self._stopped[key]):
            self._stopped[key] = evaluation
        whole, stopped = self._runs.get(key), self._stopped.get(key)
        if whole and stopped and set(stopped.conditions) <= set(whole.conditions):
            del self._stopped[key]

    def sort(self, specs: Sequence[str]) -> None:
        """Put the runs in the order of their models, whichever worker was done first."""
        rank = {spec: index for index, spec in enumerate(specs)}
        keys = sorted([*self._runs, *self._stopped], key=lambda key: rank.get(key.model.spec, len(rank)))
        self._runs = {key: self._runs[key] for key in keys if key in self._runs}
        self._stopped = {key: self._stopped[key] for key in keys if key in self._stopped}

    def known(self, key: RunKey, conditions: Iterable[str]) -> bool:
        """Whether the answers under some conditions are there."""
        return key in self._runs and set(conditions) <= set(self._runs[key].conditions)

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
            if key not in names:  # an incomplete run follows the whole one of its key
                names[key] = self._name(key, run)
            self.add(names[key], run)
        for row in document["gates"]:
            key = RunKey.from_json(row["key"])
            self.gates.append(GateRow(**{**row, "key": names[key]}))

    def _name(self, key: RunKey, run: Evaluation) -> RunKey:
        """The key itself, or one like it under which nothing contradicts the run."""
        known = self._runs.get(key)
        if known is None or run.incomplete is not None or known.agrees_with(run):
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


def _size(evaluation: Evaluation) -> int:
    """How many replies an evaluation holds."""
    return evaluation.n * len(evaluation.conditions)


def _merged(key: RunKey, first: Evaluation, second: Evaluation) -> Evaluation:
    try:
        return first.merge(second)
    except DataError as error:
        raise DataError(
            f"data set {key.dataset!r} gave other samples than before, so its answers cannot be paired "
            f"({error}); a data set has to give the same samples for the same limit and seed"
        ) from error
