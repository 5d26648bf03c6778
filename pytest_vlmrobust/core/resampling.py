"""Drawing clusters again with replacement, and the interval that the draws give."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np
from numpy.typing import NDArray

from pytest_vlmrobust.core.arrays import FloatArray
from pytest_vlmrobust.core.exact import exact_rate
from pytest_vlmrobust.core.intervals import Interval
from pytest_vlmrobust.core.quantiles import check_confidence, normal_quantile, student_quantile
from pytest_vlmrobust.errors import UsageError, VacuousError

_NORMAL = NormalDist()
_FEWEST_RESAMPLES = 100
_MOST_UNDEFINED = 0.05
"""Share of the resamples on which a statistic may be undefined (NaN) before its interval is refused."""


@dataclass(frozen=True, kw_only=True)
class Urn:
    """The clusters to draw from, told apart by kind where some contribute alike.

    Attributes:
        copies: (m,) how many clusters there are of each kind.
        layers: (m,) stratum of each kind, from 0.
        name: what is measured, for messages.
    """

    copies: NDArray[np.int64]
    layers: NDArray[np.intp]
    name: str

    @property
    def size(self) -> int:
        """How many clusters there are."""
        return int(self.copies.sum())

    @property
    def freedom(self) -> int:
        """Degrees of freedom: clusters less strata."""
        return self.size - int(self.layers.max()) - 1

    def draw(self, rng: np.random.Generator, resamples: int, *, at_once: int) -> Iterator[FloatArray]:
        """Yield (r, m) counts of how often each kind was drawn, ``resamples`` rows in all."""
        if resamples < _FEWEST_RESAMPLES:
            raise UsageError(f"resamples={resamples!r}: at least {_FEWEST_RESAMPLES} are needed")
        for done in range(0, resamples, max(1, at_once)):
            rows = min(max(1, at_once), resamples - done)
            counts = np.empty((rows, self.copies.size))
            for layer in range(int(self.layers.max()) + 1):
                here = np.flatnonzero(self.layers == layer)
                copies = self.copies[here]
                counts[:, here] = rng.multinomial(copies.sum(), copies / copies.sum(), size=rows)
            yield counts

    def without(self, kinds: NDArray[np.intp], *, at_once: int) -> Iterator[FloatArray]:
        """Yield (r, m) counts of all clusters but one of a kind, a row for each of ``kinds``."""
        for done in range(0, kinds.size, max(1, at_once)):
            part = kinds[done : done + max(1, at_once)]
            counts = np.tile(self.copies.astype(np.float64), (part.size, 1))
            counts[np.arange(part.size), part] -= 1
            yield counts

    def acceleration(self, without: FloatArray, kinds: NDArray[np.intp]) -> float:
        """Efron's acceleration, from the values that the statistic has without one cluster each."""
        known = np.isfinite(without)
        values, kinds = without[known], kinds[known]
        weights, layers = self.copies[kinds].astype(np.float64), self.layers[kinds]
        mass = np.bincount(layers, weights=weights)
        means = np.bincount(layers, weights=weights * values) / np.where(mass > 0, mass, 1.0)
        influence = means[layers] - values
        second, third = (float((weights * influence**power).sum()) for power in (2, 3))
        # Values that differ by rounding alone show nothing.
        if second <= 1e-24 * max(1.0, float((values**2).max(initial=0.0))):
            return 0.0
        return third / (6 * math.sqrt(second) ** 3) * math.sqrt(float(weights.sum()) / self.size)


def percentile_interval(
    estimate: float,
    values: FloatArray,
    acceleration: float,
    urn: Urn,
    *,
    confidence: float,
    bounds: tuple[float, float] | None,
) -> Interval:
    """BCa percentiles, at Student's levels in place of the normal ones and (G / (G - 1)) ** 0.5 wider.

    Args:
        estimate: the statistic of the samples as they are.
        values: (r,) the statistic of each resample; NaN where it is undefined.
        acceleration: what `Urn.acceleration` returned.
        urn: what was drawn from.
        confidence: coverage aimed at, strictly between 0.5 and 1.
        bounds: least and largest value of the statistic, or None.

    Raises:
        UsageError: ``confidence`` is out of range.
        VacuousError: the statistic is undefined on the samples or too many resamples, or it is the same on
            all of them and there are no ``bounds``.
    """
    check_confidence(confidence)
    known = values[np.isfinite(values)]
    if not math.isfinite(estimate) or known.size < (1 - _MOST_UNDEFINED) * values.size:
        where = f"{values.size - known.size} of {values.size} resamples"
        raise VacuousError(
            f"{urn.name}: it is undefined on {where if math.isfinite(estimate) else 'the samples'}, so "
            "there is no interval; more clusters would help where parts of it stand on few"
        )
    if np.ptp(known) <= 1e-12 * max(1.0, abs(estimate)):
        return _unvaried(estimate, urn, confidence, bounds)
    below = (known < estimate).sum() + (known == estimate).sum() / 2
    bias = _NORMAL.inv_cdf((below + 0.5) / (known.size + 1))
    reach = student_quantile(confidence, urn.freedom) * math.sqrt(urn.size / (urn.size - 1))
    levels = []
    for side in (bias - reach, bias + reach):
        room = 1 - acceleration * side
        levels.append(_NORMAL.cdf(bias + side / room if room > 0 else math.copysign(math.inf, side)))
    low, high = (float(bound) for bound in np.quantile(known, levels))
    if bounds is not None:
        other = _by_spread(estimate, float(np.var(known)), reach, bounds, confidence)
        low, high = min(low, other.low), max(high, other.high)
    return Interval(min(low, estimate), max(high, estimate))


def _by_spread(
    estimate: float, variance: float, reach: float, bounds: tuple[float, float], confidence: float
) -> Interval:
    """Exact interval of a rate that is as uncertain: percentiles alone are short near the bounds."""
    least, width = bounds[0], bounds[1] - bounds[0]
    share = min(max((estimate - least) / width, 0.0), 1.0)
    if not 0 < share < 1:
        return Interval(estimate, estimate)
    n = share * (1 - share) * width**2 / variance * (normal_quantile(confidence) / reach) ** 2
    rate = exact_rate(share * n, n, confidence=confidence)
    return Interval(least + width * rate.low, least + width * rate.high)


def _unvaried(estimate: float, urn: Urn, confidence: float, bounds: tuple[float, float] | None) -> Interval:
    """What G clusters that agree leave open: Wilson's bound for what was seen in none of them."""
    if bounds is None:
        raise VacuousError(
            f"{urn.name}: it is {estimate:g} on every resample, so resampling shows no uncertainty; "
            "give bounds=(least, largest) of the statistic"
        )
    squared = normal_quantile(confidence) ** 2
    unseen = squared / (urn.size + squared)
    least, largest = bounds
    return Interval(estimate - (estimate - least) * unseen, estimate + (largest - estimate) * unseen)
