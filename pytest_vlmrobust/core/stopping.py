"""Gates on a run whose samples come one after another: each is decided as soon as that is sure.

An interval of a run of fixed length may not be looked at again and again until it decides. The sequences of
`pytest_vlmrobust.core.sequential` may, so a run can end with the first look at which all of its gates are
decided, and no verdict is wrong more often than it says.

Valid for gates on means of independent samples with known bounds: rates, accuracy drops, P(correct). Not
valid where samples share a group, for the score of a benchmark's own, AUROC and calibration errors, nor for
gates that are made after looking.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pytest_vlmrobust.core.basis import MAX_UNSCORED_RATE, check_basis
from pytest_vlmrobust.core.findings import CONFIDENCE
from pytest_vlmrobust.core.gates import Gate, check_fraction
from pytest_vlmrobust.core.intervals import Interval
from pytest_vlmrobust.core.quantiles import check_confidence
from pytest_vlmrobust.core.quantities import PAIRABLE, terms
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.seeding import seeded
from pytest_vlmrobust.core.sequential import confidence_sequence, sequential_decision
from pytest_vlmrobust.core.verdicts import Verdict
from pytest_vlmrobust.errors import UsageError, VacuousError

_BOUNDS = {"accuracy_drop": (-1.0, 1.0)}
_UNBOUNDED = ("letter_entropy", "brier_score")
"""Means whose bounds depend on the samples, or are so far away that nothing would ever be decided."""


@dataclass(frozen=True, kw_only=True)
class Look:
    """What the samples so far say about a gate.

    Attributes:
        gate: the gate.
        verdict: "pass" or "fail" for good, or "inconclusive" so far.
        interval: of the true value; it holds at this look and at all before. None where no sample counts yet.
        n: how many samples count for the gate so far.
        decided_at: how many of these had decided it, or None.
        waiting: why a decided gate has no verdict yet, such as too many unread replies; else "".
    """

    gate: Gate
    verdict: Verdict
    interval: Interval | None
    n: int
    decided_at: int | None
    waiting: str = ""


def random_order(sample_ids: Sequence[str], seed: int) -> list[int]:
    """Rows of the samples in the order in which they are to be asked.

    It depends on ids and seed alone: leaving samples out leaves the order of the others.

    >>> random_order(["a", "b", "c"], 0) == [2 - row for row in random_order(["c", "b", "a"], 0)]
    True
    """
    keys = [seeded(seed, sample_id, "order").random() for sample_id in sample_ids]
    return sorted(range(len(keys)), key=keys.__getitem__)


def check_stoppable(gate: Gate) -> None:
    """Refuse a gate that cannot be decided one sample after another.

    Raises:
        UsageError: its figure is no mean with known bounds, or its threshold is one of them.
    """
    known = [name for name in PAIRABLE if name not in _UNBOUNDED]
    if gate.metric not in known:
        raise UsageError(
            f"{gate}: early stop is not valid for {gate.metric}, which is no mean of samples with known "
            f"bounds; it is for {', '.join(known)}"
        )
    least, largest = _bounds(gate)
    if not least < gate.threshold < largest:
        raise UsageError(
            f"{gate}: no number of samples can decide for sure about a bound at the end of the range, so "
            "early stop would never come; leave the gate out, or take another threshold"
        )


def look(
    run: Evaluation,
    gates: Sequence[Gate],
    *,
    confidence: float = CONFIDENCE,
    familywise: bool = False,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
) -> list[Look]:
    """Look at the gates of a run as far as it has come.

    Args:
        run: the samples so far, in the order of `random_order`, from the first one on.
        gates: all gates that the run is to decide, the same at every look.
        confidence: of each verdict, or of all of them together, strictly between 0.5 and 1.
        familywise: have the confidence hold for all gates together; each then has its share of the error
            (Bonferroni: at a look nobody knows what the other gates will come to).
        max_unscored_rate: see `pytest_vlmrobust.core.gates.check`; a gate without a basis waits.

    Returns:
        A look for each gate. The run may end when none of them is inconclusive, or when it likes.

    Raises:
        UsageError: a gate cannot be decided so, samples share a group, or an argument makes no sense.
        VacuousError: there are no gates, or a condition was not run.
    """
    check_confidence(confidence)
    check_fraction("max_unscored_rate", max_unscored_rate)
    if not gates:
        raise VacuousError("there are no gates, so nothing can be decided")
    if run.clusters is not None:
        raise UsageError(
            "samples that share a group are not independent, so early stop is not valid for them: "
            "run all of them"
        )
    for gate in gates:
        check_stoppable(gate)
    share = 1 - (1 - confidence) / len(gates) if familywise else confidence
    return [_looked(run, gate, share, max_unscored_rate) for gate in gates]


def _looked(run: Evaluation, gate: Gate, confidence: float, max_unscored_rate: float) -> Look:
    known = terms(run.view(gate.condition), gate.metric)
    values = known.values[known.counts].astype(np.float64)
    if not values.size:
        return Look(gate=gate, verdict="inconclusive", interval=None, n=0, decided_at=None)
    bounds = _bounds(gate)
    decision = sequential_decision(values, gate.threshold, bounds=bounds, confidence=confidence)
    interval = confidence_sequence(values, bounds=bounds, confidence=confidence)
    verdict, waiting = _verdict(gate, decision.side), ""
    if decision.side is not None:
        try:
            check_basis(run, gate.metric, gate.condition, max_unscored_rate=max_unscored_rate)
        except VacuousError as error:
            verdict, waiting = "inconclusive", str(error)
    return Look(
        gate=gate,
        verdict=verdict,
        interval=interval,
        n=int(values.size),
        decided_at=decision.decided_at,
        waiting=waiting,
    )


def _verdict(gate: Gate, side: str | None) -> Verdict:
    if side is None:
        return "inconclusive"
    return "pass" if (side == "below") == (gate.bound == "max") else "fail"


def _bounds(gate: Gate) -> tuple[float, float]:
    return _BOUNDS.get(gate.metric, (0.0, 1.0))
