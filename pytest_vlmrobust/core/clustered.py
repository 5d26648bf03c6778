"""Closed intervals of rates, paired differences and means for samples that come in clusters.

Each asks how many independent samples the clustered ones amount to, ``effective_samples``, and
takes the exact interval of so many. With few clusters Student's distribution in place of the normal
one, and an estimate of the design effect that leans towards the worst case, keep the coverage
(`benchmarks/coverage.py`).
"""

from __future__ import annotations

import math

import numpy as np

from pytest_vlmrobust.core.arrays import BoolArray, FloatArray, IntArray, check_flags
from pytest_vlmrobust.core.clusters import check_clusters
from pytest_vlmrobust.core.exact import Tails, difference_tails, exact_difference, exact_rate, rate_tails
from pytest_vlmrobust.core.intervals import Interval
from pytest_vlmrobust.core.quantiles import normal_quantile, student_quantile
from pytest_vlmrobust.errors import UsageError, VacuousError

_ROUNDING = 1e-6
"""How far beyond its bounds a value may be by rounding, on the unit scale."""

_PRIOR = 2
"""The worst case counts as much as so many samples, or clusters, on the rarer side of a mean."""


def effective_samples(values: FloatArray | BoolArray, clusters: IntArray, *, name: str = "mean") -> float:
    """How many independent samples n clustered ones amount to, for the mean of some value.

    n divided by the design effect: the variance of the mean between clusters over that of n
    independent samples. It is never taken to be below 1, and leans to its worst case, clusters of
    equal samples, the fewer clusters there are on the rarer side of the mean: a handful of mistakes
    cannot show that mistakes come alone.

    Args:
        values: (n,) bool or float, finite.
        clusters: (n,) int; equal numbers for samples of one cluster.
        name: what is measured, for messages.

    Returns:
        A number from 1 to n; n itself where each sample is a cluster of its own.

    Raises:
        UsageError: an array has another shape or type, or a value is not finite.
        VacuousError: there are no samples, or all are of one cluster.

    References:
        Kish (1965), "Survey Sampling", section 5.4 (design effect).
        Korn and Graubard (1998), see `pytest_vlmrobust.core.exact.exact_rate` (effective sample size).

    >>> right = np.array([True, True, False, False] * 10)
    >>> images = np.arange(40) // 2
    >>> round(effective_samples(right, images), 1)  # views of an image are right or wrong together
    19.6
    """
    if values.ndim != 1 or not np.isfinite(values).all():
        raise UsageError(f"{name}: values must be a 1-D array of finite numbers, got shape {values.shape}")
    codes = check_clusters(name, clusters, values.size)
    sizes = np.bincount(codes)
    n, count = values.size, sizes.size
    if count == n:
        return float(n)
    numbers = values.astype(np.float64)
    mean = math.fsum(numbers.tolist()) / n
    worst = float((sizes.astype(np.float64) ** 2).sum()) / n
    independent = float(((numbers - mean) ** 2).sum()) / (n - 1) / n
    if independent <= 1e-24 * max(1.0, mean * mean):
        return n / worst
    sums = np.bincount(codes, weights=numbers - mean)
    between = count / (count - 1) * float((sums**2).sum()) / n**2
    above = np.bincount(codes, weights=numbers > mean)
    rarer = min(int((above > 0).sum()), int((above < sizes).sum()))
    lean = _PRIOR / (_PRIOR + rarer)
    return n / ((1 - lean) * max(1.0, between / independent) + lean * worst)


def cluster_rate(
    hits: BoolArray, clusters: IntArray, *, confidence: float = 0.95, name: str = "rate"
) -> Interval:
    """Korn and Graubard's interval for the share of clustered samples that have a property.

    Args:
        hits: (n,) bool; True where the sample has the property.
        clusters: (n,) int; equal numbers for samples of one cluster, see
            `pytest_vlmrobust.core.clusters.cluster_codes`.
        confidence: coverage aimed at, strictly between 0.5 and 1.
        name: what is measured, for messages.

    Raises:
        UsageError: an array has another shape or type, or ``confidence`` is out of range.
        VacuousError: there are no samples, or all are of one cluster.

    References:
        As for `effective_samples`; like there, Student's quantile takes the place of the normal one.

    >>> wrong = np.array([False] * 36 + [True] * 4)
    >>> alone, fours = np.arange(40), np.arange(40) // 4
    >>> round(cluster_rate(wrong, alone).high, 2), round(cluster_rate(wrong, fours).high, 2)
    (0.24, 0.52)
    """
    check_flags(name, hits=hits)
    n = _adjusted(hits, clusters, confidence, name)
    return exact_rate(float(hits.mean()) * n, n, confidence=confidence)


def cluster_difference(
    base_right: BoolArray,
    right: BoolArray,
    clusters: IntArray,
    *,
    confidence: float = 0.95,
    name: str = "accuracy_drop",
) -> Interval:
    """Interval for the accuracy that clustered samples lose between two measurements.

    Args:
        base_right: (n,) bool; whether each sample was right the first time.
        right: (n,) bool; the same samples the second time.
        clusters: as for `cluster_rate`.
        confidence: coverage aimed at, strictly between 0.5 and 1.
        name: what is measured, for messages.

    Returns:
        The exact interval of a paired difference, `pytest_vlmrobust.core.exact.exact_difference`, on the
        effective number of samples.

    Raises:
        UsageError: an array has another shape or type, or ``confidence`` is out of range.
        VacuousError: there are no samples, or all are of one cluster.
    """
    lost, gained = _flips(base_right, right, name)
    n = max(1.0, _adjusted(lost.astype(np.float64) - gained, clusters, confidence, name))
    return exact_difference(*_shared_out(lost, gained, n), n, confidence=confidence)


def cluster_mean(
    values: FloatArray,
    clusters: IntArray | None = None,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    confidence: float = 0.95,
    name: str = "mean",
) -> Interval:
    """Interval for the mean of a bounded value, such as P(correct) or an entropy.

    On the scale of the bounds a mean m that has variance v stands on as much as a rate of m among
    m (1 - m) / v samples. The interval is the exact one of that rate: it keeps to the bounds and is
    lopsided near them, as Student's is not. With few samples on the rarer side of the mean the number leans
    to n, the least that the bounds allow: values that are rare and far off may not have been met yet.

    Args:
        values: (n,) float within ``bounds``; n at least 2.
        clusters: (n,) int; equal numbers for samples of one cluster. None: each is independent.
        bounds: least and largest value there can be: (0, 1) for probabilities, (0, ln k) for the entropy
            of k letters, (-1, 1) for differences of two probabilities.
        confidence: coverage aimed at, strictly between 0.5 and 1.
        name: what is measured, for messages.

    Raises:
        UsageError: the array has another shape or type, a value is NaN or out of bounds, or
            ``confidence`` is out of range.
        VacuousError: there are fewer than 2 samples, or all are of one cluster.

    >>> interval = cluster_mean(np.array([0.9, 0.8, 0.95, 0.99, 0.7, 0.85] * 10))
    >>> 0.75 < interval.low < 0.865 < interval.high < 0.95
    True
    """
    shares = unit_values(name, values, bounds)
    if shares.size == 1:
        raise VacuousError(f"{name}: one sample shows no spread, so an interval needs at least 2")
    if clusters is None:
        n = _fewer(shares.size, shares.size, confidence)
    else:
        n = _adjusted(shares, clusters, confidence, name, always=True)
    mean = math.fsum(shares.tolist()) / shares.size
    spread = float(((shares - mean) ** 2).sum()) / (shares.size - 1)
    above = int((shares > mean).sum())
    lean = _PRIOR / (_PRIOR + min(above, shares.size - above))
    possible = mean * (1 - mean)
    known = (1 - lean) * min(1.0, spread / possible) + lean if possible > 0 else 1.0
    interval = exact_rate(mean * n / known, n / known, confidence=confidence)
    least, width = bounds[0], bounds[1] - bounds[0]
    return Interval(least + width * interval.low, least + width * interval.high)


def cluster_rate_tails(
    hits: BoolArray, clusters: IntArray, threshold: float, *, confidence: float = 0.95, name: str = "rate"
) -> Tails:
    """Tails of a rate of clustered samples at a threshold, from the numbers of `cluster_rate`.

    Args:
        hits: as for `cluster_rate`.
        clusters: as for `cluster_rate`.
        threshold: the rate under the hypothesis, in [0, 1].
        confidence: where the tails are to be exact: at this confidence they agree with the interval.
        name: what is measured, for messages.

    Raises:
        UsageError: as `cluster_rate`, or the threshold is out of range.
        VacuousError: as `cluster_rate`.
    """
    check_flags(name, hits=hits)
    n = _adjusted(hits, clusters, confidence, name)
    return rate_tails(float(hits.mean()) * n, n, threshold)


def cluster_difference_tails(
    base_right: BoolArray,
    right: BoolArray,
    clusters: IntArray,
    threshold: float,
    *,
    confidence: float = 0.95,
    name: str = "accuracy_drop",
) -> Tails:
    """Tails of a paired difference of clustered samples, from the numbers of `cluster_difference`.

    Args:
        base_right: as for `cluster_difference`.
        right: as for `cluster_difference`.
        clusters: as for `cluster_difference`.
        threshold: the difference under the hypothesis, in [-1, 1].
        confidence: as for `cluster_rate_tails`.
        name: what is measured, for messages.

    Raises:
        UsageError: as `cluster_difference`, or the threshold is out of range.
        VacuousError: as `cluster_difference`.
    """
    lost, gained = _flips(base_right, right, name)
    n = max(1.0, _adjusted(lost.astype(np.float64) - gained, clusters, confidence, name))
    return difference_tails(*_shared_out(lost, gained, n), n, threshold)


def unit_values(name: str, values: FloatArray, bounds: tuple[float, float]) -> FloatArray:
    """Bring bounded values to the unit interval.

    Raises:
        UsageError: ``values`` is not 1-D float, one is NaN or out of ``bounds``, or these are none.
        VacuousError: there are none.
    """
    least, largest = bounds
    if not (math.isfinite(least) and math.isfinite(largest) and least < largest):
        raise UsageError(f"{name}: bounds={bounds!r}: give the least and the largest value there can be")
    if values.ndim != 1 or not np.issubdtype(values.dtype, np.floating):
        raise UsageError(f"{name}: values must be a 1-D float array, got {values.ndim}-D {values.dtype}")
    if values.size == 0:
        raise VacuousError(f"{name}: no samples, so there is nothing to measure")
    if np.isnan(values).any():
        raise UsageError(
            f"{name}: {int(np.isnan(values).sum())} of {values.size} values are NaN; leave out the "
            "samples without one, and say how many"
        )
    shares: FloatArray = (values - least) / (largest - least)
    if shares.min() < -_ROUNDING or shares.max() > 1 + _ROUNDING:
        raise UsageError(
            f"{name}: values from {values.min():g} to {values.max():g} are not within bounds={bounds!r}"
        )
    return np.clip(shares, 0.0, 1.0)


def _adjusted(
    values: FloatArray | BoolArray, clusters: IntArray, confidence: float, name: str, *, always: bool = False
) -> float:
    """Effective samples, fewer where the variance is estimated from few clusters."""
    n = effective_samples(values, clusters, name=name)
    count = int(np.unique(clusters).size)
    if count == values.size and not always:
        return n
    return _fewer(n, count, confidence)


def _fewer(n: float, clusters: int, confidence: float) -> float:
    """What so many samples are worth where their variance is estimated from so many clusters."""
    return max(1.0, n * (normal_quantile(confidence) / student_quantile(confidence, clusters - 1)) ** 2)


def _flips(base_right: BoolArray, right: BoolArray, name: str) -> tuple[BoolArray, BoolArray]:
    check_flags(name, base_right=base_right, right=right)
    return base_right & ~right, ~base_right & right


def _shared_out(lost: BoolArray, gained: BoolArray, n: float) -> tuple[float, float]:
    """How many of ``n`` samples were lost and gained; rounding must not make them more than ``n``."""
    number = float(lost.mean()) * n
    return number, min(float(gained.mean()) * n, n - number)
