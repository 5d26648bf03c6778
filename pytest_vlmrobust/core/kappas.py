"""Intervals of the kappas in `pytest_vlmrobust.core.agreement`, for independent cases and for clusters.

A kappa is a smooth function of means over the cases, so its error is about the mean of each case's
influence on it (the delta method). Of Cohen's kappa this is the standard error of Fleiss, Cohen and
Everitt (1969). It vanishes when raters agree on everything, which is no certainty: so the interval also
reaches as far as the interval of the share of agreement, with agreement by chance as observed.
"""

from __future__ import annotations

import math

import numpy as np

from pytest_vlmrobust.core.agreement import cohen_kappa, fleiss_kappa
from pytest_vlmrobust.core.arrays import FloatArray, IntArray
from pytest_vlmrobust.core.clustered import cluster_mean
from pytest_vlmrobust.core.clusters import check_clusters
from pytest_vlmrobust.core.intervals import Interval
from pytest_vlmrobust.core.quantiles import student_quantile
from pytest_vlmrobust.errors import VacuousError


def cohen_interval(
    first: IntArray, second: IntArray, *, clusters: IntArray | None = None, confidence: float = 0.95
) -> Interval:
    """Interval of Cohen's kappa.

    Args:
        first: (n,) int, not negative; one rater's categories.
        second: (n,) int, not negative; the other's, in the same order.
        clusters: (n,) int; equal numbers for cases of one cluster. None: each is independent.
        confidence: coverage aimed at, strictly between 0.5 and 1.

    Returns:
        Bounds in [-1, 1]; the kappa lies in between.

    Raises:
        UsageError: as `pytest_vlmrobust.core.agreement.cohen_kappa`, or ``confidence`` is out of range.
        VacuousError: as there, there are fewer than 2 cases, or all are of one cluster.

    >>> same = np.array([0, 1] * 10)
    >>> interval = cohen_interval(same, same)
    >>> 0.6 < interval.low < 0.8, interval.high
    (True, 1.0)
    """
    value = cohen_kappa(first, second).value
    size = int(max(first.max(), second.max())) + 1
    ours = np.bincount(first, minlength=size) / first.size
    theirs = np.bincount(second, minlength=size) / second.size
    agreed = (first == second).astype(np.float64)
    return _interval(value, agreed, theirs[first] + ours[second], float(ours @ theirs), clusters, confidence)


def fleiss_interval(
    votes: IntArray, *, clusters: IntArray | None = None, confidence: float = 0.95
) -> Interval:
    """Interval of Fleiss' kappa, over cases; the raters are these and no sample of others.

    Args:
        votes: (n, k) int, not negative; the category that each of k >= 2 raters put each case into.
        clusters: as for `cohen_interval`.
        confidence: coverage aimed at, strictly between 0.5 and 1.

    Returns:
        Bounds in [-1, 1]; the kappa lies in between.

    Raises:
        UsageError: as `pytest_vlmrobust.core.agreement.fleiss_kappa`, or ``confidence`` is out of range.
        VacuousError: as there, there are fewer than 2 cases, or all are of one cluster.

    References:
        Gwet (2021), "Large-sample variance of Fleiss generalized kappa", Educational and
        Psychological Measurement 81, 781-790 (the standard error, which Fleiss gave for no agreement only).

    >>> interval = fleiss_interval(np.array([[0, 0, 0], [1, 1, 0], [1, 1, 1], [0, 0, 0]] * 10))
    >>> round(interval.low, 2), round(interval.high, 2)
    (0.4, 0.84)
    """
    value = fleiss_kappa(votes).value
    raters = votes.shape[1]
    counts = np.stack([(votes == category).sum(axis=1) for category in range(int(votes.max()) + 1)], axis=1)
    agreed = (counts * (counts - 1)).sum(axis=1) / (raters * (raters - 1))
    shares = counts.mean(axis=0) / raters
    return _interval(
        value, agreed, 2 * (counts @ shares) / raters, float(shares @ shares), clusters, confidence
    )


def _interval(
    value: float,
    agreed: FloatArray,
    expected: FloatArray,
    by_chance: float,
    clusters: IntArray | None,
    confidence: float,
) -> Interval:
    """Interval from each case's agreement and its part in twice the agreement by chance, both (n,)."""
    n = agreed.size
    if n < 2:
        raise VacuousError(f"kappa: {n} case shows no spread, so an interval needs at least 2")
    codes = check_clusters("kappa", np.arange(n) if clusters is None else clusters, n)
    count = int(codes.max()) + 1
    share = float(agreed.mean())
    influence = (agreed - share) / (1 - by_chance) - (expected - 2 * by_chance) * (1 - share) / (
        1 - by_chance
    ) ** 2
    sums = np.bincount(codes, weights=influence)
    variance = count / (count - 1) * float((sums**2).sum()) / n**2
    half = student_quantile(confidence, count - 1) * math.sqrt(variance)
    of_agreement = cluster_mean(agreed, codes, confidence=confidence, name="kappa")
    low, high = ((bound - by_chance) / (1 - by_chance) for bound in (of_agreement.low, of_agreement.high))
    return Interval(max(-1.0, min(low, value - half)), min(1.0, max(high, value + half)))
