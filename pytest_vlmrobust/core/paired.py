"""Differences between two measurements of the same samples, with their intervals."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pytest_vlmrobust.core.arrays import BoolArray, FloatArray, check_flags, check_lengths
from pytest_vlmrobust.core.clusters import check_clusters, cluster_codes
from pytest_vlmrobust.core.intervals import Interval, paired_difference
from pytest_vlmrobust.core.quantiles import student_quantile


@dataclass(frozen=True, kw_only=True)
class Difference:
    """A mean difference and its interval, both in the unit of the values."""

    value: float
    interval: Interval


def rate_difference(
    after: BoolArray, before: BoolArray, clusters: Sequence[str] | None = None, *, confidence: float = 0.95
) -> Difference:
    """Difference of two shares of the same samples, ``after`` less ``before``.

    Args:
        after: (n,) bool.
        before: (n,) bool; the same samples in the same order.
        clusters: n labels; samples with the same label, other than "", are not independent. None where
            all are.
        confidence: coverage aimed at, strictly between 0.5 and 1.

    Returns:
        The difference in [-1, 1] with Tango's score interval, or with clusters that of `mean_difference`.

    Raises:
        UsageError: an array has another shape or type, or ``confidence`` is out of range.
        VacuousError: n is 0, or all samples are of one cluster.

    >>> after, before = np.array([True, True, True, False]), np.array([True, False, False, False])
    >>> rate_difference(after, before).value
    0.5
    """
    check_flags("rate_difference", after=after, before=before)
    if clusters is not None:
        return mean_difference(
            after.astype(np.float64), before.astype(np.float64), clusters, confidence=confidence
        )
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    interval = paired_difference(gained, lost, after.size, confidence=confidence)
    return Difference(value=(gained - lost) / after.size, interval=interval)


def mean_difference(
    after: FloatArray,
    before: FloatArray,
    clusters: Sequence[str] | None = None,
    *,
    widest: float = 1.0,
    confidence: float = 0.95,
) -> Difference:
    """Difference of two means over the same samples, ``after`` less ``before``.

    The interval is Student's for the mean of the paired differences, after one change of 1 and one of -1
    were added to them, so that it does not shrink to nothing where all samples agree: few of them do not
    show that no sample ever changes. With clusters it stands on the sums of each cluster, with as many
    degrees of freedom as there are clusters less one (the linearized, cluster-robust variance), and
    the two changes are of clusters of mean size.

    Args:
        after: (n,) float, finite.
        before: (n,) float, finite; the same samples in the same order.
        clusters: n labels; samples with the same label, other than "", are not independent. None where
            all are.
        widest: the largest difference that a sample can show.
        confidence: coverage aimed at, strictly between 0.5 and 1.

    Raises:
        UsageError: the lengths differ, or ``confidence`` is out of range.
        VacuousError: n is 0, or all samples are of one cluster.

    References:
        Bonett and Price (2012), "Adjusted Wald confidence interval for a difference of binomial
        proportions based on paired data", Journal of Educational and Behavioral Statistics 37, 479-488
        (the two changes).
        Liang and Zeger (1986), "Longitudinal data analysis using generalized linear models",
        Biometrika 73, 13-22 (the variance by clusters).

    >>> difference = mean_difference(np.array([0.9, 0.8, 0.7] * 20), np.array([0.5, 0.6, 0.6] * 20))
    >>> round(difference.value, 4), round(difference.interval.low, 3), round(difference.interval.high, 3)
    (0.2333, 0.169, 0.283)
    """
    check_lengths("mean_difference", after=after, before=before)
    labels = clusters if clusters is not None else [""] * after.size
    changes = after - before
    value = math.fsum(changes.tolist()) / changes.size
    codes = check_clusters("mean_difference", cluster_codes(labels), changes.size)
    sizes, sums = np.bincount(codes).astype(np.float64), np.bincount(codes, weights=changes)
    count, added = sizes.size, changes.size / sizes.size
    whole = changes.size + 2 * added
    center = value * changes.size / whole
    squares = float(((sums - center * sizes) ** 2).sum()) + 2 * added**2 * (1 + center**2)
    variance = count / (count - 1) * squares / whole**2
    half = student_quantile(confidence, count - 1) * math.sqrt(variance)
    low, high = max(-widest, center - half), min(widest, center + half)
    return Difference(value=value, interval=Interval(min(low, value), max(high, value)))
