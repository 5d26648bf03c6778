"""Tests and intervals that stay valid however often one looks, so that a run may end when it is decided.

An ordinary interval is right 95 times of 100 at one number of samples that was fixed beforehand. Who
looks after every batch and stops at the first look that decides is wrong far more often. Here a wager
is followed instead: a gambler bets against "the mean is m", sample by sample, at odds that are
fair if it is so. Then the chance that the wealth ever grows 1 / alpha times is alpha at most (Ville's
inequality), and a mean against which it has is rejected for good.

The bets are a fixed mixture of stakes, all of them placed from the first sample on. A mixture of fair
wagers is a fair wager; it needs no tuning, does not depend on how samples are batched, and finds
small and large differences.

References:
    Waudby-Smith and Ramdas (2024), "Estimating means of bounded random variables by betting",
    JRSS B 86, 1-27: the capital process, its inversion to a confidence sequence, and mixtures of stakes.
    Ville (1939), "Etude critique de la notion de collectif".

Valid for means of independent samples with known bounds: rates (0 to 1), P(correct), differences of two
measurements of the same sample (-1 to 1), and means over clusters of equal size, each taken as one
sample. They have to come in an order that has nothing to do with their values. Not valid for AUROC,
kappa, calibration errors and scores of a benchmark that are no plain means, nor when a threshold
or samples are chosen after looking.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np

from pytest_vlmrobust.core.arrays import FloatArray
from pytest_vlmrobust.core.clustered import unit_values
from pytest_vlmrobust.core.intervals import Interval
from pytest_vlmrobust.core.quantiles import check_confidence
from pytest_vlmrobust.errors import UsageError

_STAKES: FloatArray = np.geomspace(0.1, 4.0, 14)
"""Stakes on the unit scale: the best is about distance over variance, 0.2 to 2 where it is close."""

_BOLDEST = 0.95
"""Share of the wealth that is staked at most, so that no sample ruins."""

_BISECTIONS = 40
_LOOKS = 64
_EDGE = 1e-9


@dataclass(frozen=True, kw_only=True)
class Decision:
    """What a sequence of samples says about a threshold, whenever it was looked at.

    Attributes:
        side: "above" or "below" the threshold, as the mean was found to be; None while it is open.
        decided_at: after how many samples it was decided, or None.
        n: how many samples were looked at.
        log_above: greatest log wealth so far of the wager that the mean is above.
        log_below: the same for below.
    """

    side: str | None
    decided_at: int | None
    n: int
    log_above: float
    log_below: float


def sequential_decision(
    values: FloatArray,
    threshold: float,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
    confidence: float = 0.95,
) -> Decision:
    """Decide whether a mean is above or below a threshold, as soon as that is sure.

    Give it all samples so far, in the order in which they came: it finds the first
    number of them that decided, so neither the size of the batches nor how often one asks matters.

    Args:
        values: (n,) float within ``bounds``, in an order that has nothing to do with the values.
        threshold: strictly within ``bounds``.
        bounds: least and largest value there can be, such as (-1, 1) of a paired difference.
        confidence: strictly between 0.5 and 1; a side is wrong with a probability of at most
            (1 - confidence) / 2 each, however one stops.

    Raises:
        UsageError: the array has another shape or type, a value is NaN or out of bounds, the threshold
            or ``confidence`` is out of range.
        VacuousError: there are no samples.

    >>> flips = np.tile([0.0, 0.0, 0.0, 1.0], 30)  # a drop of 0.25
    >>> decision = sequential_decision(flips, 0.05, bounds=(-1, 1))
    >>> decision.side, decision.decided_at < 100
    ('above', True)
    """
    check_confidence(confidence)
    shares = unit_values("sequential_decision", values, bounds)
    least, largest = bounds
    if not least < threshold < largest:
        raise UsageError(f"threshold={threshold!r}: it lies strictly between the bounds {bounds!r}")
    needed = math.log(2 / (1 - confidence))
    at = (threshold - least) / (largest - least)
    wealths = {
        "above": np.maximum.accumulate(_log_wealth(shares, at)),
        "below": np.maximum.accumulate(_log_wealth(1 - shares, 1 - at)),
    }
    crossed = {side: int(np.searchsorted(wealth, needed)) for side, wealth in wealths.items()}
    side = min(crossed, key=lambda name: crossed[name])
    decided = crossed[side] < shares.size
    return Decision(
        side=side if decided else None,
        decided_at=crossed[side] + 1 if decided else None,
        n=int(shares.size),
        log_above=float(wealths["above"][-1]),
        log_below=float(wealths["below"][-1]),
    )


def confidence_sequence(
    values: FloatArray, *, bounds: tuple[float, float] = (0.0, 1.0), confidence: float = 0.95
) -> Interval:
    """Interval for a mean that is right at every number of samples at once.

    It holds the true mean, now and at all looks before, with probability ``confidence``, so it may be read
    after every batch. It is wider than an interval for one look, about one and a half times.

    Args:
        values: as for `sequential_decision`.
        bounds: as for `sequential_decision`.
        confidence: coverage of the whole sequence, strictly between 0.5 and 1.

    Returns:
        The means that no wager up to now has rejected; 64 looks, spread over the samples, are remembered.

    Raises:
        UsageError: as `sequential_decision`.
        VacuousError: there are no samples.

    >>> flips = np.tile([0.0, 0.0, 0.0, 1.0], 30)
    >>> interval = confidence_sequence(flips, bounds=(-1, 1))
    >>> 0.05 < interval.low < 0.25 < interval.high < 0.5
    True
    """
    check_confidence(confidence)
    shares = unit_values("confidence_sequence", values, bounds)
    needed = math.log(2 / (1 - confidence))
    low = _lower_bound(_Counts.of(shares), needed)
    high = 1 - _lower_bound(_Counts.of(1 - shares), needed)
    if low > high:  # a mean that never was: the true one is among those rejected at two looks
        low = high = float(shares.mean())
    least, width = bounds[0], bounds[1] - bounds[0]
    return Interval(least + width * low, least + width * high)


def _log_wealth(shares: FloatArray, mean: float) -> FloatArray:
    """(n,) log wealth after each sample of the wager that the mean is above ``mean``.

    A stake s multiplies the wealth by 1 + s (x - mean): fair when the mean of x is ``mean``.
    """
    return _mixed(np.cumsum(_growth(shares, mean), axis=0))


def _growth(shares: FloatArray, mean: float) -> FloatArray:
    """(n, stakes) by how much each sample raises the log wealth of each stake."""
    stakes = np.minimum(_STAKES, _BOLDEST / mean)
    growth: FloatArray = np.log1p(stakes[None, :] * (shares[:, None] - mean))
    return growth


def _mixed(logs: FloatArray) -> FloatArray:
    """Log of the mean wealth over the stakes, the last axis."""
    top = logs.max(axis=-1)
    mixed: FloatArray = top + np.log(np.exp(logs - top[..., None]).mean(axis=-1))
    return mixed


@dataclass(frozen=True, kw_only=True)
class _Counts:
    """How often each value has come by each look: (u,) values and (looks, u) counts."""

    values: FloatArray
    counts: FloatArray

    @classmethod
    def of(cls, shares: FloatArray) -> _Counts:
        values, which = np.unique(shares, return_inverse=True)
        ends = np.unique(np.geomspace(min(8, shares.size), shares.size, _LOOKS).round().astype(np.intp))
        look = np.searchsorted(ends, np.arange(1, shares.size + 1))
        counts = np.zeros((ends.size, values.size))
        np.add.at(counts, (look, which.reshape(-1)), 1.0)
        return cls(values=values, counts=np.cumsum(counts, axis=0))

    def greatest(self, mean: float) -> float:
        """Greatest log wealth at any look of the wager that the mean is above ``mean``."""
        return float(_mixed(self.counts @ _growth(self.values, mean)).max())


def _lower_bound(counts: _Counts, needed: float) -> float:
    """Least mean that is not rejected: wealth falls as the mean that it bets against rises."""
    low, high = 0.0, 1.0
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        rejected = counts.greatest(max(middle, _EDGE)) >= needed
        low, high = (middle, high) if rejected else (low, middle)
    return low
