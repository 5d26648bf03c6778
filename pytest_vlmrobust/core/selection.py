"""Answering only where a score is high: what it costs, what it gains, and where to draw the line."""

from __future__ import annotations

import math
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from pytest_vlmrobust.core.arrays import BoolArray, FloatArray, IntArray
from pytest_vlmrobust.core.clustered import cluster_rate
from pytest_vlmrobust.core.clusters import check_clusters
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.ranking import check_score
from pytest_vlmrobust.errors import UsageError, VacuousError


@dataclass(frozen=True, kw_only=True, eq=False)
class RiskCoverage:
    """Risk of the samples that are kept, for every line that can be drawn, from the strictest on.

    Attributes:
        thresholds: (m,) float, falling; samples with this score or a higher one are kept.
        coverage: (m,) share of the samples that are kept, rising to 1.
        risk: (m,) share of wrong ones among those kept.
        area: area under the risk over the coverage (AURC), in [0, 1]; down is good. Samples of equal
            score are kept in an order that is not known, so their mean counts.
    """

    thresholds: FloatArray
    coverage: FloatArray
    risk: FloatArray
    area: float


@dataclass(frozen=True, kw_only=True)
class Recommendation:
    """A line for a score, drawn on one half of the samples and measured on the other.

    Attributes:
        threshold: keep samples with this score or a higher one.
        accuracy: accuracy of those kept, on the half that had no part in the choice.
        coverage: share of samples kept, on that half.
        chosen_on: samples that the choice was made on.
    """

    threshold: float
    accuracy: Figure
    coverage: Figure
    chosen_on: int


def risk_coverage(score: FloatArray, right: BoolArray, *, name: str = "risk_coverage") -> RiskCoverage:
    """Trace what is wrong among the samples that are kept, as fewer are kept.

    Args:
        score: (n,) float without NaN; high where a sample is thought to be right.
        right: (n,) bool; whether it is.
        name: what is measured, for messages.

    Raises:
        UsageError: an array has another shape or type, a score is NaN, or the lengths differ.
        VacuousError: n is 0.

    References:
        Geifman and El-Yaniv (2017), "Selective classification for deep neural networks", section 2;
        the area: Geifman, Uziel and El-Yaniv (2019), "Bias-reduced uncertainty estimation for deep
        neural classifiers", section 3.

    >>> curve = risk_coverage(np.array([0.9, 0.8, 0.6, 0.4]), np.array([True, True, False, True]))
    >>> curve.coverage.tolist(), curve.risk.round(3).tolist(), round(curve.area, 3)
    ([0.25, 0.5, 0.75, 1.0], [0.0, 0.0, 0.333, 0.25], 0.146)
    """
    check_score(name, score, right)
    order = np.argsort(-score, kind="stable")
    ranked = score[order]
    last = np.append(np.flatnonzero(np.diff(ranked)), ranked.size - 1)
    kept = last + 1
    wrong = np.cumsum(~right[order])[last]
    # Within a tie the expected number of wrong ones grows evenly from its start to its end.
    places = np.arange(1, ranked.size + 1)
    expected = np.interp(places, np.append(0, kept), np.append(0, wrong))
    return RiskCoverage(
        thresholds=ranked[last],
        coverage=kept / ranked.size,
        risk=wrong / kept,
        area=math.fsum((expected / places).tolist()) / ranked.size,
    )


def recommend_threshold(
    score: FloatArray,
    right: BoolArray,
    *,
    min_accuracy: float,
    seed: int,
    clusters: IntArray | None = None,
    confidence: float = 0.95,
    name: str = "threshold",
) -> Recommendation:
    """Draw the line for a score that keeps most samples at an accuracy asked for, and measure it honestly.

    On the samples that a line was chosen on it looks better than it is. So one half of the
    clusters, drawn at random, has the choice, and accuracy, coverage and both intervals are of the other.

    Args:
        score: (n,) float without NaN; high where a sample is thought to be right.
        right: (n,) bool; whether it is.
        min_accuracy: accuracy that those kept should have, in [0, 1].
        seed: seeds the split.
        clusters: (n,) int; samples of one cluster go to the same half. None: each is independent.
        confidence: coverage of the intervals, strictly between 0.5 and 1.
        name: what is recommended, for messages.

    Returns:
        The line, with the accuracy that it has where it was not chosen: it may be below ``min_accuracy``,
        and its interval tells by how much the truth may be.

    Raises:
        UsageError: an array has another shape or type, a score is NaN, or ``min_accuracy`` is no fraction.
        VacuousError: there are fewer than 4 samples, only one cluster, no line reaches the accuracy, or too
            few samples of the other half are beyond the line.

    >>> rng = np.random.default_rng(0)
    >>> score = rng.random(2000)
    >>> right = rng.random(2000) < 0.5 + 0.5 * score
    >>> found = recommend_threshold(score, right, min_accuracy=0.9, seed=0)
    >>> 0.5 < found.threshold < 0.75, found.chosen_on, found.coverage.n
    (True, 1000, 1000)
    """
    check_score(name, score, right)
    if math.isnan(min_accuracy) or not 0 <= min_accuracy <= 1:
        raise UsageError(f"min_accuracy={min_accuracy!r}: it is a fraction and lies in [0, 1]")
    if score.size < 4:
        raise VacuousError(f"{name}: {score.size} samples cannot be split into halves; 4 are needed at least")
    groups = np.arange(score.size) if clusters is None else clusters
    codes = check_clusters(name, groups, score.size)
    chosen = _first_half(codes, seed)
    curve = risk_coverage(score[chosen], right[chosen])
    reaching = np.flatnonzero(1 - curve.risk >= min_accuracy)
    if not reaching.size:
        raise VacuousError(
            f"{name}: whatever is kept of {int(chosen.sum())} samples, its accuracy is below "
            f"{min_accuracy:g}; {float(1 - curve.risk.min()):.3f} is the most that a line reaches"
        )
    line = float(curve.thresholds[reaching[-1]])
    rest, held = ~chosen, ~chosen & (score >= line)
    if np.unique(codes[held]).size < 2:
        raise VacuousError(
            f"{name}: on the half that measures, the line keeps {int(held.sum())} of {int(rest.sum())} "
            "samples, and 2 that are independent are needed; more samples, or a lower min_accuracy, help"
        )
    return Recommendation(
        threshold=line,
        accuracy=_rate("accuracy", right[held], codes[held], confidence),
        coverage=_rate("coverage", score[rest] >= line, codes[rest], confidence),
        chosen_on=int(chosen.sum()),
    )


def _first_half(codes: IntArray, seed: int) -> BoolArray:
    """(n,) True for the samples of a random half of the clusters."""
    count = int(codes.max()) + 1
    picked = np.zeros(count, dtype=np.bool_)
    picked[np.random.default_rng(seed).permutation(count)[: count // 2]] = True
    half: BoolArray = picked[codes]
    return half


def _rate(name: str, hits: BoolArray, codes: IntArray, confidence: float) -> Figure:
    interval = cluster_rate(hits, codes, confidence=confidence, name=name)
    return Figure(
        name=name,
        value=float(hits.mean()),
        n=int(hits.size),
        low=interval.low,
        high=interval.high,
        detail=MappingProxyType({"count": int(hits.sum())}),
    )
