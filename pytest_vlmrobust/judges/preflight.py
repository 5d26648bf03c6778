"""Measures judges on labelled thoughts before they are trusted."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from pytest_vlmrobust.core.agreement import cohen_kappa
from pytest_vlmrobust.core.figures import figure_to_json
from pytest_vlmrobust.core.metrics import Figure, rate
from pytest_vlmrobust.errors import JudgeError, VacuousError
from pytest_vlmrobust.judges.base import Consistency, Judge, Verdict
from pytest_vlmrobust.judges.labelled import LabelledCase, labelled_cases, labelled_digest
from pytest_vlmrobust.judges.panel import Panel, majority
from pytest_vlmrobust.judges.rules import RuleJudge
from pytest_vlmrobust.judges.scoring import Scoring

if TYPE_CHECKING:
    from pytest_vlmrobust.store import Store

MIN_KAPPA = 0.6
"""The least agreement with the labels that a judge is trusted with, unless set otherwise."""

MAX_UNSCORED = 0.05
"""The largest share of the labelled thoughts that a judge may give no verdict on."""

_FIRST = 32
"""How many thoughts a judge is given to begin with: one that gives no verdict on any of them gets no more."""

_AT_ONCE = 64
"""How many it is given at once after that; in between, progress is reported."""

_CODES = {verdict: code for code, verdict in enumerate(Consistency)}

Report = Callable[[int, int, int], None]


@dataclass(frozen=True, kw_only=True)
class Preflight:
    """How a judge did on the labelled thoughts.

    Attributes:
        judge: its name.
        judged: the thoughts that it was given, each with its verdict.
        problem: why the first thought without a verdict has none, as far as the judge says; or "".
    """

    judge: str
    judged: Sequence[tuple[LabelledCase, Verdict]]
    problem: str = ""

    @property
    def scored(self) -> list[tuple[LabelledCase, Consistency]]:
        """The thoughts that it gave a verdict on."""
        return [(labelled, verdict) for labelled, verdict in self.judged if verdict is not None]

    @property
    def wrong(self) -> list[tuple[LabelledCase, Consistency]]:
        """The thoughts that it judged wrong; those that it decided the wrong way come first."""
        missed = [(labelled, verdict) for labelled, verdict in self.scored if verdict != labelled.label]
        return sorted(missed, key=lambda one: Consistency.UNDECIDED in (one[0].label, one[1]))

    @property
    def unscored(self) -> int:
        """On how many thoughts it gave no verdict."""
        return len(self.judged) - len(self.scored)

    @property
    def accuracy(self) -> Figure | None:
        """Share of right verdicts, or None where it gave none."""
        hits = np.array([verdict == labelled.label for labelled, verdict in self.scored], dtype=np.bool_)
        return rate("accuracy", hits) if hits.size else None

    @property
    def kappa(self) -> Figure | None:
        """Cohen's kappa of verdicts and labels, or None where there are none, or all are of one kind."""
        if not self.scored:
            return None
        labels, verdicts = (
            np.array([_CODES[one] for one in side])
            for side in zip(*((labelled.label, verdict) for labelled, verdict in self.scored), strict=True)
        )
        try:
            return cohen_kappa(labels, verdicts)
        except VacuousError:
            return None

    @property
    def counts(self) -> Mapping[tuple[Consistency, Verdict], int]:
        """How many thoughts there are of each label and verdict."""
        return Counter((labelled.label, verdict) for labelled, verdict in self.judged)

    def to_json(self) -> dict[str, Any]:
        """Return it as JSON values, for a report; figures that there are none of are left out."""
        figures = {"accuracy": self.accuracy, "kappa": self.kappa}
        return {
            "judge": self.judge,
            "labelled": labelled_digest(),
            "n": len(self.judged),
            "unscored": self.unscored,
            **{name: figure_to_json(figure) for name, figure in figures.items() if figure is not None},
        }


def preflight(judge: Judge, store: Store | None = None, *, report: Report | None = None) -> list[Preflight]:
    """Measure a judge; a panel's members one by one, and then the panel.

    Args:
        judge: the judge.
        store: where verdicts are looked up and kept, of judges that say what theirs follow from.
        report: called with how many thoughts are judged, how many there are, and 0; for each judge anew.

    Raises:
        ModelError: a judge is a language model that cannot be loaded.
        StoreError: the store is damaged.
    """
    if not isinstance(judge, Panel):
        return [_measured(judge, store, report or _silent)]
    members = [_measured(member, store, report or _silent) for member in judge.members]
    ballots = [dict(member.judged) for member in members]
    shared = [labelled for labelled in ballots[0] if all(labelled in ballot for ballot in ballots)]
    whole = [(labelled, majority([ballot[labelled] for ballot in ballots])) for labelled in shared]
    problem = next(filter(None, (member.problem for member in members)), "")
    return [*members, Preflight(judge=judge.name, judged=whole, problem=problem)]


def check_preflight(results: Iterable[Preflight], min_kappa: float | None = MIN_KAPPA) -> None:
    """Refuse judges that are not to be trusted.

    Args:
        results: what `preflight` returned.
        min_kappa: the least agreement with the labels, which has to be more than chance, 0, in any case; None
            admits any judge.

    Raises:
        JudgeError: one agrees less with the labels, or has given too few verdicts; the message shows what
            it got wrong. Or none was measured.
    """
    if min_kappa is None:
        return
    from pytest_vlmrobust.judges.telling import distrusted, silent

    measured = list(results)
    if not measured:
        raise JudgeError("no judge was measured, so none is trusted: give what preflight(judge) returns")
    for result in measured:
        if result.unscored > MAX_UNSCORED * len(result.judged):
            raise JudgeError(silent(result))
        if result.kappa is None or result.kappa.value < min_kappa or result.kappa.value <= 0:
            raise JudgeError(distrusted(result, min_kappa))


_RULES: list[Preflight] = []
"""How the judge without a model did: measured once in a process, since its verdicts are always the same."""


def _silent(_done: int, _total: int, _stored: int) -> None:
    """Report nothing."""


def _measured(judge: Judge, store: Store | None, report: Report) -> Preflight:
    if type(judge) is not RuleJudge:
        return _judged(judge, store, report)
    if not _RULES:
        _RULES.append(_judged(judge, store, _silent))
    return _RULES[0]


def _judged(judge: Judge, store: Store | None, report: Report) -> Preflight:
    cases = labelled_cases()
    scoring = Scoring(judge, store)
    step = max(1, len(cases) // _FIRST)
    first = cases[::step][:_FIRST]  # spread over the file, since neighbors are alike
    rest = [labelled for labelled in cases if labelled not in first]
    parts = [first, *(rest[start : start + _AT_ONCE] for start in range(0, len(rest), _AT_ONCE))]
    verdicts: dict[LabelledCase, Verdict] = {}
    for part in parts:
        report(len(verdicts), len(cases), 0)
        given = scoring.verdicts([labelled.case for labelled in part])
        verdicts |= dict(zip(part, given, strict=True))
        if all(verdict is None for verdict in verdicts.values()):
            break
    judged = [(labelled, verdicts[labelled]) for labelled in cases if labelled in verdicts]
    return Preflight(judge=judge.name, judged=judged, problem=scoring.first_failure)
