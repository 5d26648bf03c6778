"""Intervals for samples that come in clusters, such as forms of one question or views of one image.

Samples of a cluster tend to be right or wrong together, so n of them say less than n independent
ones, and an interval that ignores it is too short. Here clusters are the units that are
drawn again with replacement, for any statistic. Rates, differences and means have closed forms, which are
better and cheaper: `pytest_vlmrobust.core.clustered`.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from pytest_vlmrobust.core.arrays import FloatArray, IntArray, check_indices
from pytest_vlmrobust.core.intervals import Interval
from pytest_vlmrobust.core.resampling import Urn, percentile_interval
from pytest_vlmrobust.errors import UsageError, VacuousError

Statistic = Callable[[FloatArray], FloatArray]

_AT_ONCE = 4_000_000
"""How many numbers are held at once while resampling: 32 MB."""

_LEFT_OUT = 1000
"""How many clusters are left out in turn, at most, where each costs a pass over all samples."""


def cluster_codes(labels: Sequence[str]) -> NDArray[np.intp]:
    """Number the clusters that labels name; a sample with an empty label is a cluster of its own.

    Args:
        labels: n labels, such as the group of each sample.

    Returns:
        (n,) int from 0; equal labels have equal numbers.

    >>> cluster_codes(["cat", "", "cat", ""]).tolist()
    [0, 1, 0, 2]
    """
    numbers: dict[object, int] = {}
    codes = [numbers.setdefault(label or (row,), len(numbers)) for row, label in enumerate(labels)]
    return np.array(codes, dtype=np.intp)


def check_clusters(name: str, clusters: IntArray, n: int) -> NDArray[np.intp]:
    """Refuse clusters that an interval cannot be built on, and number the others from 0.

    Args:
        name: what is measured, for the message.
        clusters: (n,) int; equal numbers for samples of one cluster.
        n: how many samples there are.

    Returns:
        (n,) int, from 0 to the number of clusters less 1.

    Raises:
        UsageError: ``clusters`` is not (n,) integer.
        VacuousError: n is 0, or all samples are of one cluster.
    """
    check_indices(name, clusters=clusters)
    if clusters.size != n:
        raise UsageError(f"{name}: there are {n} samples, but clusters for {clusters.size}")
    _, codes = np.unique(clusters, return_inverse=True)
    if codes.max() == 0:
        raise VacuousError(
            f"{name}: all {n} samples are of one cluster, so nothing shows how clusters differ; "
            "an interval needs samples of at least 2 clusters"
        )
    numbered: NDArray[np.intp] = codes.astype(np.intp).reshape(-1)
    return numbered


def cluster_bootstrap(
    statistic: Statistic,
    clusters: IntArray,
    *,
    seed: int,
    confidence: float = 0.95,
    resamples: int = 2000,
    strata: IntArray | None = None,
    bounds: tuple[float, float] | None = None,
    name: str = "statistic",
) -> Interval:
    """Interval of any statistic, by drawing whole clusters again with replacement.

    Bias-corrected and accelerated percentiles, spread for the number of clusters: with few of them
    plain percentiles are too close. Where the statistic is a function of sums over the samples,
    `bootstrap_totals` gives the same for a fraction of the time.

    Args:
        statistic: takes (r, n) weights, how often each sample counts in each of r resamples, and
            returns the r values of the statistic; NaN where a resample leaves it undefined.
        clusters: (n,) int; equal numbers for samples of one cluster, see `cluster_codes`.
        seed: seeds the draws; the same seed gives the same interval.
        confidence: coverage aimed at, strictly between 0.5 and 1.
        resamples: how often to draw; at least 100.
        strata: (n,) int, one number for all samples of a cluster; the number of clusters that are drawn
            from each stratum is kept. None draws from all alike.
        bounds: least and largest value of the statistic, such as (0, 1) of a rate or (-1, 1) of a drop.
            Give them where there are any: percentiles are too close near a bound, and the interval then
            reaches as far as that of a rate with the same variance. Without them there is no interval where
            all resamples agree, as on the accuracy of a run without a mistake.
        name: name of the statistic, for messages.

    Returns:
        The interval; the statistic of the samples as they are lies in it.

    Raises:
        UsageError: an array has another shape or type, or an argument is out of range.
        VacuousError: there are no samples, only one cluster (or only one in some stratum), the
            statistic is undefined on the samples or on more than 5 % of the resamples, or all
            resamples agree and no ``bounds`` are given.

    References:
        Field and Welsh (2007), "Bootstrapping clustered data", JRSS B 69, 369-390 (drawing clusters).
        Efron (1987), "Better bootstrap confidence intervals", JASA 82, 171-185 (BCa).
        Hesterberg (2015), "What teachers should know about the bootstrap", The American
        Statistician 69, 371-386 (spread percentiles).

    >>> right = np.array([1.0, 1, 1, 0, 0, 1, 1, 1])
    >>> images = np.array([0, 0, 1, 1, 2, 2, 3, 3])
    >>> interval = cluster_bootstrap(lambda w: w @ right / w.sum(axis=1), images, seed=0)
    >>> 0.3 < interval.low < 0.75 < interval.high <= 1
    True
    """
    codes = check_clusters(name, clusters, clusters.size)
    layers = _layers(name, codes, strata)
    urn = Urn(copies=np.ones(layers.size, dtype=np.int64), layers=layers, name=name)

    def of(counts: FloatArray) -> FloatArray:
        return np.asarray(statistic(counts[:, codes]), dtype=np.float64)

    rng = np.random.default_rng(seed)
    left_out = rng.permutation(layers.size)[:_LEFT_OUT]
    drawn = urn.draw(rng, resamples, at_once=_AT_ONCE // codes.size)
    values = np.concatenate([of(counts) for counts in drawn])
    without = np.concatenate([of(part) for part in urn.without(left_out, at_once=_AT_ONCE // codes.size)])
    estimate = float(of(np.ones((1, layers.size)))[0])
    skewness = urn.acceleration(without, left_out)
    return percentile_interval(estimate, values, skewness, urn, confidence=confidence, bounds=bounds)


def bootstrap_totals(
    statistic: Statistic,
    values: FloatArray,
    clusters: IntArray,
    *,
    seed: int,
    confidence: float = 0.95,
    resamples: int = 2000,
    strata: IntArray | None = None,
    bounds: tuple[float, float] | None = None,
    name: str = "statistic",
) -> Interval:
    """Interval of a function of sums, by drawing whole clusters again with replacement.

    Many scores are functions of sums over the samples: the mean of the accuracies of two categories is one of
    four sums, right and all of each. Clusters that contribute alike are drawn together, so 100,000
    samples of right and wrong take no longer than a hundred.

    Args:
        statistic: takes (..., k) sums, returns (...) values; NaN where they leave it undefined.
        values: (n, k) float, finite; what each sample contributes to each sum. A figure of whole
            groups has one row for each group.
        clusters: as for `cluster_bootstrap`, like all that follows.
        seed: as there.
        confidence: as there.
        resamples: as there.
        strata: as there.
        bounds: as there.
        name: as there.

    Raises:
        UsageError: as there, or a value is not finite.
        VacuousError: as there.

    >>> right, left = np.array([1.0, 1, 0, 1, 1, 0]), np.array([1.0, 1, 1, 0, 0, 0])
    >>> sums = np.stack([right * left, left, right * (1 - left), 1 - left], axis=1)
    >>> mean_of_two = lambda t: (t[..., 0] / t[..., 1] + t[..., 2] / t[..., 3]) / 2
    >>> by_image = np.array([0, 1, 2, 3, 4, 5])
    >>> interval = bootstrap_totals(mean_of_two, sums, by_image, seed=0, strata=left.astype(int))
    >>> 0 <= interval.low < 2 / 3 < interval.high <= 1
    True
    """
    if values.ndim != 2 or not np.isfinite(values).all():
        raise UsageError(f"{name}: values must be a 2-D array of finite numbers, got shape {values.shape}")
    codes = check_clusters(name, clusters, len(values))
    layers = _layers(name, codes, strata)
    sums = np.stack([np.bincount(codes, weights=column) for column in values.T], axis=1)
    kinds, copies = np.unique(np.column_stack([layers, sums]), axis=0, return_counts=True)
    urn = Urn(copies=copies, layers=kinds[:, 0].astype(np.intp), name=name)
    kinds = kinds[:, 1:]

    def of(totals: FloatArray) -> FloatArray:
        return np.asarray(statistic(totals), dtype=np.float64)

    rng = np.random.default_rng(seed)
    drawn = urn.draw(rng, resamples, at_once=_AT_ONCE // copies.size)
    totals = np.concatenate([counts @ kinds for counts in drawn])
    whole = copies @ kinds
    every = np.arange(copies.size)
    skewness = urn.acceleration(of(whole - kinds), every)
    estimate = float(of(whole[None, :])[0])
    return percentile_interval(estimate, of(totals), skewness, urn, confidence=confidence, bounds=bounds)


def _layers(name: str, codes: NDArray[np.intp], strata: IntArray | None) -> NDArray[np.intp]:
    """Stratum of each cluster, numbered from 0."""
    size = int(codes.max()) + 1
    if strata is None:
        return np.zeros(size, dtype=np.intp)
    check_indices(name, strata=strata, clusters=codes)
    named, numbers = np.unique(strata, return_inverse=True)
    layers = np.zeros(size, dtype=np.intp)
    layers[codes] = numbers.reshape(-1)
    if (layers[codes] != numbers.reshape(-1)).any():
        raise UsageError(f"{name}: a cluster has samples in two strata; clusters lie within strata")
    alone = np.flatnonzero(np.bincount(layers) == 1)
    if alone.size:
        raise VacuousError(
            f"{name}: stratum {named[alone[0]]} has only one cluster, so nothing shows how clusters "
            "differ there; join strata, or draw without them"
        )
    return layers
