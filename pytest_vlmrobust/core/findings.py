"""From what the samples behind a figure show to a verdict on a bound, alone or in a family of bounds."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from statistics import NormalDist
from typing import Literal, Protocol, get_args

from pytest_vlmrobust.core.evidence import Evidence
from pytest_vlmrobust.core.exact import Tails
from pytest_vlmrobust.core.families import family_verdicts, holm
from pytest_vlmrobust.core.intervals import Interval, rounded_up, samples_to_settle
from pytest_vlmrobust.core.quantiles import check_confidence, normal_quantile
from pytest_vlmrobust.core.resolution import POWER, detectable_drop, detectable_rate, fewest_samples
from pytest_vlmrobust.core.verdicts import MODES, Bound, Mode, Verdict, reach_verdict
from pytest_vlmrobust.errors import UsageError, VacuousError, unknown_name

Inconclusive = Literal["fail", "warn", "skip"]
"""What becomes of a gate that is inconclusive."""

INCONCLUSIVE: tuple[str, ...] = get_args(Inconclusive)

_MOST = 2**20
_PRECISELY = 1.01

CONFIDENCE = 0.95
"""Of intervals and of confident verdicts, where nothing else is asked for."""


class Bounded(Protocol):
    """A bound on a figure."""

    @property
    def bound(self) -> Bound:
        """Whether it is the most or the least that passes."""
        ...

    @property
    def threshold(self) -> float:
        """The value that just passes."""
        ...

    def passes(self, value: float) -> bool:
        """Whether a value is within the bound."""
        ...


@dataclass(frozen=True, kw_only=True)
class Finding:
    """What was found about a bound, and how sure that is.

    Attributes:
        verdict: "pass", "fail" or, in mode "confident" alone, "inconclusive".
        mode: "estimate" where the estimate decides, "confident" where a verdict has to be sure.
        confidence: of the interval and, in mode "confident", of the verdict.
        interval: the interval of the figure; None where it has none, as where all samples are of one group.
        clusters: in how many groups the samples come, where some share one; None where all are
            independent.
        detectable: the true value nearest to the threshold that as many samples would have shown, 4 times
            in 5, to be beyond it; None where none would.
        needed: about how many samples would take the threshold out of the interval if the value stayed;
            None where it is not in it, or where no number would do.
        fewest: the fewest samples that can pass, where there are fewer; None where there are enough, or
            where no number can.
        family: how many gates were judged together; 1 where each stands alone.
        chance: of a family the adjusted probability (Holm) of a figure as far beyond the threshold, or
            within it, by chance alone; a verdict needs (1 - confidence) / 2 at most. Else None.
    """

    verdict: Verdict
    mode: Mode
    confidence: float
    interval: Interval | None
    clusters: int | None
    detectable: float | None
    needed: int | None
    fewest: int | None = None
    family: int = 1
    chance: float | None = None


def check_mode(mode: object, confidence: object, *, familywise: bool = False) -> None:
    """Refuse a way of judging that makes no sense.

    Raises:
        UsageError: the mode is unknown, ``confidence`` is out of range, or a family is not to be judged in
            mode "confident".
    """
    if mode not in MODES:
        raise unknown_name("gate mode", str(mode), MODES)
    check_confidence(confidence)
    if familywise and mode != "confident":
        raise UsageError(
            "familywise makes verdicts surer, so it needs verdicts that claim to be sure: use it with mode "
            "'confident' (--vlm-gate=confident)"
        )


def find(
    gate: Bounded, evidence: Evidence, *, mode: Mode = "estimate", confidence: float = CONFIDENCE
) -> Finding:
    """Judge one bound.

    Args:
        gate: the bound.
        evidence: what the samples behind its figure show.
        mode: see `Finding`.
        confidence: strictly between 0.5 and 1.

    Raises:
        VacuousError: in mode "confident" there is no interval, or there are too few samples for any verdict.
        UsageError: mode or confidence is none.
    """
    check_mode(mode, confidence)
    interval = _interval(gate, evidence, mode, confidence)
    value = evidence.figure.value
    verdict: Verdict
    if mode == "estimate":
        verdict = "pass" if gate.passes(value) else "fail"
    else:
        verdict = reach_verdict(value, interval, threshold=gate.threshold, bound=gate.bound, mode=mode)
    return _finding(gate, evidence, interval, verdict, mode=mode, confidence=confidence)


def find_all(
    cases: Sequence[tuple[Bounded, Evidence]], *, mode: Mode, confidence: float, familywise: bool
) -> list[Finding | VacuousError]:
    """Judge several bounds, each for itself or all together.

    Args:
        cases: bounds, each with its evidence.
        mode: see `Finding`.
        confidence: strictly between 0.5 and 1.
        familywise: judge them together, see `find_family`.

    Returns:
        For each what was found, or why there is no verdict on it.

    Raises:
        UsageError: an argument makes no sense.
    """
    check_mode(mode, confidence, familywise=familywise)
    if familywise:
        return find_family(cases, confidence=confidence)
    found: list[Finding | VacuousError] = []
    for gate, evidence in cases:
        try:
            found.append(find(gate, evidence, mode=mode, confidence=confidence))
        except VacuousError as error:
            found.append(error)
    return found


def find_family(
    cases: Sequence[tuple[Bounded, Evidence]], *, confidence: float = CONFIDENCE
) -> list[Finding | VacuousError]:
    """Judge bounds together in mode "confident": the confidence holds for all of their verdicts at once.

    Args:
        cases: at least one bound with its evidence.
        confidence: the probability that none of the verdicts is wrong, strictly between 0.5 and 1.

    Returns:
        For each what was found, or why there is no verdict on it, as `find` would raise; such a one is no
        member of the family.

    Raises:
        UsageError: the confidence is out of range.
    """
    found = find_all(cases, mode="confident", confidence=confidence, familywise=False)
    judged = [index for index, one in enumerate(found) if isinstance(one, Finding)]
    if judged:
        members = [cases[index] for index in judged]
        tails = [evidence.tails(gate.threshold, confidence) for gate, evidence in members]
        verdicts = family_verdicts(tails, [gate.bound for gate, _ in members], confidence=confidence)
        for index, verdict, chance in zip(judged, verdicts, _chances(tails), strict=True):
            alone = found[index]
            assert isinstance(alone, Finding)
            found[index] = _in_family(alone, *cases[index], verdict, chance, len(judged))
    return found


def _in_family(
    alone: Finding, gate: Bounded, evidence: Evidence, verdict: Verdict, chance: float, members: int
) -> Finding:
    # What so many samples can show, or would settle, is what would stand by itself among all of them.
    surer = 1 - (1 - alone.confidence) / members
    interval = evidence.interval(surer, exact=True)
    needed = None
    if verdict == "inconclusive":
        needed = _needed(gate, evidence, interval, surer)
    return replace(
        alone,
        verdict=verdict,
        detectable=_detectable(gate, evidence, interval, surer),
        needed=needed,
        fewest=_fewest(gate, evidence, alone.confidence) if verdict == "inconclusive" else None,
        family=members,
        chance=chance,
    )


def _chances(tails: Sequence[Tails]) -> list[float]:
    above, below = holm([tail.at_least for tail in tails]), holm([tail.at_most for tail in tails])
    return [min(pair) for pair in zip(above, below, strict=True)]


def _interval(gate: Bounded, evidence: Evidence, mode: Mode, confidence: float) -> Interval | None:
    try:
        return evidence.interval(confidence, exact=mode == "confident")
    except VacuousError as error:
        if mode == "estimate":
            return None
        raise VacuousError(f"no verdict on {gate}: without an interval none can be sure ({error})") from None


def _finding(
    gate: Bounded,
    evidence: Evidence,
    interval: Interval | None,
    verdict: Verdict,
    *,
    mode: Mode,
    confidence: float,
) -> Finding:
    fewest = _fewest(gate, evidence, confidence) if verdict == "inconclusive" else None
    needed = None
    if interval is not None:
        needed = _needed(gate, evidence, interval, confidence)
    return Finding(
        verdict=verdict,
        mode=mode,
        confidence=confidence,
        interval=interval,
        clusters=evidence.clusters,
        detectable=_detectable(gate, evidence, interval, confidence),
        needed=needed,
        fewest=fewest,
    )


def _needed(gate: Bounded, evidence: Evidence, interval: Interval, confidence: float) -> int | None:
    """About how many samples would take the threshold out of the interval if the value stayed."""
    value, n, threshold = evidence.figure.value, evidence.figure.n, gate.threshold
    rough = samples_to_settle(value, interval, threshold, n)
    if rough is None or evidence.scaled is None:
        return rough
    scaled, alpha = evidence.scaled, (1 - confidence) / 2

    def settled(samples: float) -> bool:
        tails = scaled(samples, threshold)
        return min(tails.at_least, tails.at_most) <= alpha

    low = high = evidence.samples
    while not settled(high):
        low, high = high, 2 * high
        if high > _MOST * evidence.samples:
            return rough
    while high > low * _PRECISELY:
        middle = math.sqrt(low * high)
        low, high = (low, middle) if settled(middle) else (middle, high)
    return max(n + 1, rounded_up(high * n / evidence.samples))


def _fewest(gate: Bounded, evidence: Evidence, confidence: float) -> int | None:
    """The fewest samples that can pass, where there are fewer; refuses where there cannot be any verdict."""
    n = evidence.figure.n
    if evidence.kind == "mean":
        return None
    fewest = fewest_samples(gate.threshold, gate.bound, confidence=confidence)
    enough = [number for number in (fewest.passing, fewest.failing) if number is not None]
    if all(n < number for number in enough):  # both are known: where one is not, the other is 1
        raise VacuousError(
            f"no verdict on {gate}: {n} sample{'s are' if n > 1 else ' is'} too few for any that is sure "
            f"({confidence:g}), whatever the model does: a pass takes {fewest.passing}, a fail "
            f"{fewest.failing} at least; raise --vlm-limit "
            "(in code: give more samples)"
        )
    if fewest.passing is None or n >= fewest.passing or evidence.gained:
        return None  # a sample that is gained makes up for one that might be lost
    return fewest.passing


def _detectable(
    gate: Bounded, evidence: Evidence, interval: Interval | None, confidence: float
) -> float | None:
    """The true value nearest to the threshold that so many samples would show to be a breach."""
    samples, threshold = max(1, math.floor(evidence.samples)), gate.threshold
    if evidence.kind == "rate":
        return detectable_rate(samples, threshold, gate.bound, confidence=confidence)
    if evidence.kind == "drop":
        if threshold >= 1:
            return None
        gained = min(evidence.gained, 0.5)
        return detectable_drop(samples, threshold, gained_rate=gained, confidence=confidence)
    if interval is None:
        return None
    # Of other figures the width of the interval is all that is known.
    value = evidence.figure.value
    reach = value - interval.low if gate.bound == "max" else interval.high - value
    reach *= 1 + NormalDist().inv_cdf(POWER) / normal_quantile(confidence)
    found = threshold + reach if gate.bound == "max" else threshold - reach
    return found if reach > 0 and -1 <= found <= 1 else None
