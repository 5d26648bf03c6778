"""Whether probabilities mean what they say: reliability, expected calibration error, Brier score."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from pytest_vlmrobust.core.arrays import BoolArray, FloatArray, IntArray, check_probs
from pytest_vlmrobust.core.clustered import cluster_mean
from pytest_vlmrobust.core.exact import exact_rate
from pytest_vlmrobust.core.intervals import Interval
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.ranking import check_score
from pytest_vlmrobust.errors import UsageError

BINS = 15
"""Bins of a reliability table, as is usual since Guo et al. (2017)."""

_CHANCE_RUNS = 200
_DRAWN_AT_ONCE = 1_000_000
_SIMULATED = 20_000
"""Up to so many samples chance is drawn; beyond, the sums over bins are normal."""


@dataclass(frozen=True, kw_only=True)
class ReliabilityBin:
    """Samples of about the same probability.

    Attributes:
        low: lower edge; a probability on it is in the bin below, if there is one.
        high: upper edge, included.
        n: how many samples are in it.
        mean_prob: their mean probability.
        accuracy: the share of them that is right.
        interval: interval of that share.
    """

    low: float
    high: float
    n: int
    mean_prob: float
    accuracy: float
    interval: Interval


def reliability(
    prob: FloatArray, right: BoolArray, *, bins: int = BINS, confidence: float = 0.95
) -> tuple[ReliabilityBin, ...]:
    """Compare probabilities with what came true, in bins of equal width; empty bins are left out.

    Args:
        prob: (n,) float in [0, 1]; the probability of the letter that was answered.
        right: (n,) bool; whether it is the right one.
        bins: how many bins of equal width, at least 1.
        confidence: coverage of the intervals, strictly between 0.5 and 1.

    Raises:
        UsageError: an array has another shape or type, a probability is NaN or out of range, or ``bins``
            is below 1.
        VacuousError: n is 0.

    >>> table = reliability(np.array([0.95, 0.93, 0.55]), np.array([True, False, True]), bins=10)
    >>> [(row.n, row.accuracy, round(row.mean_prob, 2)) for row in table]
    [(1, 1.0, 0.55), (2, 0.5, 0.94)]
    """
    _check("reliability", prob, right, bins)
    which = _bins(prob, bins)
    rows = []
    for number in np.unique(which).tolist():
        here = which == number
        hits = right[here]
        rows.append(
            ReliabilityBin(
                low=number / bins,
                high=(number + 1) / bins,
                n=int(hits.size),
                mean_prob=float(prob[here].mean()),
                accuracy=float(hits.mean()),
                interval=exact_rate(int(hits.sum()), int(hits.size), confidence=confidence),
            )
        )
    return tuple(rows)


def expected_calibration_error(
    prob: FloatArray, right: BoolArray, *, bins: int = BINS, seed: int = 0, name: str = "calibration_error"
) -> Figure:
    """Mean distance between probability and accuracy over bins of equal width. Down is good.

    It is biased upwards: chance alone moves the accuracy of a bin off its probability, and every
    distance counts. By how much is in ``detail``: ``by_chance`` is what a model has on average that
    is right just as often as its probabilities say. A value near that is no sign of bad calibration.
    Means are compared within bins, so distances that cancel out in a bin are not seen.

    Args:
        prob: as for `reliability`.
        right: as for `reliability`.
        bins: as for `reliability`.
        seed: seeds the draws that ``by_chance`` is the mean of, 200 of them.
        name: name of the figure.

    Returns:
        A figure in [0, 1] without an interval: bias and spread are of the same size, so one would mislead.

    Raises:
        UsageError: as `reliability`.
        VacuousError: n is 0.

    References:
        Guo, Pleiss, Sun and Weinberger (2017), "On calibration of modern neural networks", formula 3.
        Its bias: Broecker (2012), "Estimating reliability and resolution of probability forecasts
        through decomposition of the empirical score", Climate Dynamics 39, 655-667.

    >>> figure = expected_calibration_error(np.full(100, 0.9), np.arange(100) < 80)
    >>> round(figure.value, 3), round(figure.detail["by_chance"], 2)
    (0.1, 0.02)
    """
    _check(name, prob, right, bins)
    which = _bins(prob, bins)
    gaps = np.bincount(which, weights=right - prob, minlength=bins)
    by_chance = _by_chance(prob, which, bins, np.random.default_rng(seed))
    return Figure(
        name=name,
        value=float(np.abs(gaps).sum()) / prob.size,
        n=int(prob.size),
        detail=MappingProxyType({"by_chance": by_chance, "bins": bins}),
    )


def brier_score(
    probs: FloatArray,
    correct: IntArray,
    *,
    clusters: IntArray | None = None,
    confidence: float = 0.95,
    name: str = "brier_score",
) -> Figure:
    """Mean squared distance between the letter distribution and the truth, over all letters. Down is good.

    Args:
        probs: (n, k) float; each row the probabilities of one sample's letters, NaN beyond them.
        correct: (n,) int; index of the right letter.
        clusters: (n,) int; equal numbers for samples of one cluster. None: each is independent.
        confidence: coverage of the interval, strictly between 0.5 and 1.
        name: name of the figure.

    Returns:
        A figure in [0, 2]; 0 where the right letter has all of the probability. Of one sample there is
        no interval.

    Raises:
        UsageError: an array has another shape or type, or an index points at no letter.
        VacuousError: n is 0, or all samples are of one cluster.

    References:
        Brier (1950), "Verification of forecasts expressed in terms of probability", Monthly Weather
        Review 78, 1-3, formula 2.

    >>> figure = brier_score(np.array([[0.8, 0.2], [0.4, 0.6]]), np.array([0, 0]))
    >>> round(figure.value, 3)
    0.4
    """
    check_probs(name, probs)
    if correct.shape != (len(probs),) or not np.issubdtype(correct.dtype, np.integer):
        raise UsageError(
            f"{name}: correct must be {len(probs)} integers, got {correct.dtype} {correct.shape}"
        )
    rows = np.arange(len(probs))
    inside = (correct >= 0) & (correct < probs.shape[1])
    if not inside.all() or np.isnan(probs[rows, correct]).any():
        raise UsageError(f"{name}: a letter index points at no letter of its sample")
    # Sorted, so that the order of the samples cannot change a digit.
    scores = squared_distances(probs, correct)
    scores = np.sort(scores) if clusters is None else scores
    value = math.fsum(scores.tolist()) / scores.size
    if scores.size == 1:
        return Figure(name=name, value=value, n=1)
    interval = cluster_mean(scores, clusters, bounds=(0.0, 2.0), confidence=confidence, name=name)
    return Figure(name=name, value=value, n=int(scores.size), low=interval.low, high=interval.high)


def squared_distances(probs: FloatArray, correct: IntArray) -> FloatArray:
    """(n,) squared distance of each letter distribution from the truth, in [0, 2].

    Args:
        probs: as for `brier_score`, which checks it.
        correct: as for `brier_score`.
    """
    known = np.where(np.isnan(probs), 0.0, probs)
    known[np.arange(len(probs)), correct] -= 1.0
    distances: FloatArray = np.minimum((known**2).sum(axis=1), 2.0)
    return distances


def _bins(prob: FloatArray, bins: int) -> IntArray:
    """(n,) bin of each probability; the upper edge belongs to the bin."""
    return np.clip(np.ceil(prob * bins).astype(np.intp) - 1, 0, bins - 1)


def _by_chance(prob: FloatArray, which: IntArray, bins: int, rng: np.random.Generator) -> float:
    """Mean error of samples that come true just as often as their probability says."""
    sums = np.bincount(which, weights=prob, minlength=bins)
    spread = np.sqrt(np.bincount(which, weights=prob * (1 - prob), minlength=bins))
    if prob.size > _SIMULATED:
        # Mean absolute deviation of a normal distribution: sqrt(2 / pi) of its standard deviation.
        return float(math.sqrt(2 / math.pi) * spread.sum()) / prob.size
    order = np.argsort(which, kind="stable")
    ranked, filled = which[order], np.unique(which)
    starts = np.searchsorted(ranked, filled)
    total, at_once = 0.0, max(1, _DRAWN_AT_ONCE // prob.size)
    for done in range(0, _CHANCE_RUNS, at_once):
        draws = rng.random((min(at_once, _CHANCE_RUNS - done), prob.size)) < prob
        hits = np.add.reduceat(draws[:, order], starts, axis=1, dtype=np.int64)
        total += float(np.abs(hits - sums[filled]).sum())
    return total / _CHANCE_RUNS / prob.size


def _check(name: str, prob: FloatArray, right: BoolArray, bins: int) -> None:
    check_score(name, prob, right)
    if (prob < 0).any() or (prob > 1).any():
        raise UsageError(f"{name}: probabilities lie in [0, 1], got {prob.min():g} to {prob.max():g}")
    if bins < 1:
        raise UsageError(f"{name}: bins={bins!r}: at least 1 is needed")
