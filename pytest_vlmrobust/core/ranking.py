"""How well a score, such as P_base, tells which samples will be right under a condition."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from pytest_vlmrobust.core.arrays import BoolArray, FloatArray, IntArray, check_flags, check_lengths
from pytest_vlmrobust.core.clusters import check_clusters
from pytest_vlmrobust.core.intervals import Interval
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.quantiles import normal_quantile, student_quantile
from pytest_vlmrobust.errors import UsageError, VacuousError

_BISECTIONS = 60


def auroc(
    score: FloatArray,
    outcome: BoolArray,
    *,
    clusters: IntArray | None = None,
    confidence: float = 0.95,
    name: str = "auroc",
) -> Figure:
    """Chance that a random sample with the outcome has a higher score than one without; ties count half.

    0.5 is a score that tells nothing, 1 one that tells all; below 0.5 it tells the opposite. Up is good.

    Args:
        score: (n,) float without NaN, such as P(correct) under ``base``, or entropy with a minus.
        outcome: (n,) bool; such as whether the sample was right under the condition.
        clusters: (n,) int; equal numbers for samples of one cluster. None: each is independent.
        confidence: coverage aimed at, strictly between 0.5 and 1.
        name: name of the figure.

    Returns:
        A figure in [0, 1]. Its interval reaches as far as either of two: DeLong's on the logit scale,
        which fails where one outcome is rare, and Newcombe's score interval, which holds there and for
        a perfect ranking. ``detail`` has ``positives`` and ``negatives``.

    Raises:
        UsageError: an array has another shape or type, a score is NaN, or the lengths differ.
        VacuousError: n is 0, all outcomes are the same, or all samples are of one cluster.

    References:
        DeLong, DeLong and Clarke-Pearson (1988), "Comparing the areas under two or more correlated receiver
        operating characteristic curves", Biometrics 44, 837-845.
        Obuchowski (1997), "Nonparametric analysis of clustered ROC curve data", Biometrics 53, 567-578.
        Newcombe (2006), "Confidence intervals for an effect size measure based on the Mann-Whitney
        statistic for ordinal variables. Part 2", Statistics in Medicine 25, 559-573, method 5.

    >>> sure = np.array([0.9, 0.8, 0.7, 0.3, 0.6, 0.2])
    >>> right = np.array([True, True, False, False, True, False])
    >>> figure = auroc(sure, right)
    >>> round(figure.value, 4), figure.detail["positives"]
    (0.8889, 3)
    """
    known = ranking(score, outcome, clusters, name)
    interval = known.interval(confidence)
    detail = MappingProxyType({"positives": known.positives, "negatives": known.negatives})
    return Figure(
        name=name,
        value=known.value,
        n=int(outcome.size),
        low=interval.low,
        high=interval.high,
        detail=detail,
    )


@dataclass(frozen=True, kw_only=True)
class Ranking:
    """What ranked samples show about the area: its interval at any confidence, at no further cost.

    Attributes:
        value: the area.
        positives: how many samples have the outcome.
        negatives: how many have it not.
        variance: DeLong's variance of the area, between clusters where there are any.
        kept: share of the samples that clustered ones are worth.
        clusters: in how many clusters the samples come; None where each is independent.
    """

    value: float
    positives: int
    negatives: int
    variance: float
    kept: float
    clusters: int | None

    @property
    def samples(self) -> float:
        """How many independent samples they are worth."""
        return max(1.0, (self.positives + self.negatives) * self.kept)

    def interval(self, confidence: float = 0.95) -> Interval:
        """The interval of `auroc`.

        Raises:
            UsageError: the confidence is out of range.
        """
        many = self.clusters is None
        z = normal_quantile(confidence) if many else student_quantile(confidence, (self.clusters or 2) - 1)
        interval = _newcombe(self.value, self.positives * self.kept, self.negatives * self.kept, z)
        if self.variance > 0 and 0 < self.value < 1:
            return _hull(interval, _on_logit_scale(self.value, z * math.sqrt(self.variance)))
        return interval


def ranking(score: FloatArray, outcome: BoolArray, clusters: IntArray | None, name: str = "auroc") -> Ranking:
    """Rank samples once, for intervals at several confidences; arguments and errors are those of `auroc`."""
    check_score(name, score, outcome)
    positives = int(outcome.sum())
    negatives = int(outcome.size) - positives
    if not positives or not negatives:
        raise VacuousError(
            f"{name}: all {outcome.size} samples have the same outcome, so there is nothing to rank; "
            "samples of both are needed"
        )
    placed = _placements(score, outcome)
    value = math.fsum(placed[outcome].tolist()) / positives
    shares = np.where(outcome, (placed - value) / positives, (placed - value) / negatives)
    variance, kept, count = _delong(shares, outcome), 1.0, None
    if clusters is not None:
        independent = variance
        codes = check_clusters(name, clusters, outcome.size)
        count = int(codes.max()) + 1
        sums = np.bincount(codes, weights=shares)
        variance = max(independent, count / (count - 1) * float((sums**2).sum()))
        kept = independent / variance if variance > 0 else count / outcome.size
    return Ranking(
        value=value, positives=positives, negatives=negatives, variance=variance, kept=kept, clusters=count
    )


def check_score(name: str, score: FloatArray, outcome: BoolArray) -> None:
    """Refuse scores and outcomes that do not belong together.

    Raises:
        UsageError: an array has another shape or type, a score is NaN, or the lengths differ.
        VacuousError: n is 0.
    """
    check_flags(name, outcome=outcome)
    if score.ndim != 1 or not np.issubdtype(score.dtype, np.floating):
        raise UsageError(f"{name}: score must be a 1-D float array, got {score.ndim}-D {score.dtype}")
    check_lengths(name, score=score, outcome=outcome)
    if np.isnan(score).any():
        raise UsageError(
            f"{name}: {int(np.isnan(score).sum())} of {score.size} scores are NaN; leave out the samples "
            "without a probability, and say how many"
        )


def _placements(score: FloatArray, outcome: BoolArray) -> FloatArray:
    """(n,) share of the samples of the other outcome that each is ranked rightly against."""
    high, low = np.sort(score[outcome]), np.sort(score[~outcome])
    placed = np.empty(score.size)
    beaten = np.searchsorted(low, score[outcome]) + np.searchsorted(low, score[outcome], side="right")
    placed[outcome] = beaten / (2 * low.size)
    below = np.searchsorted(high, score[~outcome]) + np.searchsorted(high, score[~outcome], side="right")
    placed[~outcome] = 1 - below / (2 * high.size)
    return placed


def _delong(shares: FloatArray, outcome: BoolArray) -> float:
    """Variance of the area from the placements' deviations, each over the number of its outcome."""
    variance = 0.0
    for group in (shares[outcome], shares[~outcome]):
        if group.size > 1:
            variance += group.size / (group.size - 1) * float((group**2).sum())
    return variance


def _on_logit_scale(value: float, half: float) -> Interval:
    center, reach = math.log(value / (1 - value)), half / (value * (1 - value))
    low, high = ((1 + math.tanh((center + side) / 2)) / 2 for side in (-reach, reach))
    return Interval(min(low, value), max(high, value))


def _newcombe(value: float, positives: float, negatives: float, z: float) -> Interval:
    """Areas from which the observed one is no more than z standard errors away, as these are there."""

    def off(area: float) -> bool:
        spread = 1 + ((positives + negatives) / 2 - 1) * ((1 - area) / (2 - area) + area / (1 + area))
        variance = area * (1 - area) * max(1.0, spread) / (positives * negatives)
        return (value - area) ** 2 > z * z * variance

    return Interval(
        0.0 if value == 0 else _boundary(off, 0.0, value), 1.0 if value == 1 else _boundary(off, 1.0, value)
    )


def _boundary(off: Callable[[float], bool], outside: float, inside: float) -> float:
    for _ in range(_BISECTIONS):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if off(middle) else (outside, middle)
    return outside


def _hull(one: Interval, other: Interval) -> Interval:
    return Interval(min(one.low, other.low), max(one.high, other.high))
