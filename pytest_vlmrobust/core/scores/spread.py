"""Intervals of weighted means over units that come in clusters, in closed form.

The forms of one question, or the images of one set, are right or wrong together; here such clusters are the
independent units. Each stratum has the interval of its own mean, and these are put together by their
distances from the estimates (square and add). Nothing is drawn at random: a report gives the same
interval wherever and whenever it is read.

References:
    Zou and Donner (2008), "Construction of confidence limits about effect measures: a general
    approach", Statistics in Medicine 27, 1693-1702 (square and add).
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_vlmrobust.core.arrays import BoolArray, FloatArray
from pytest_vlmrobust.core.clustered import cluster_difference, cluster_rate
from pytest_vlmrobust.core.exact import exact_difference, exact_rate
from pytest_vlmrobust.core.intervals import Interval, paired_difference, wilson


@dataclass(frozen=True, kw_only=True, eq=False)
class _Stratum:
    """Units of one stratum, their weight in the whole, and the cluster of each."""

    units: NDArray[np.intp]
    weight: float
    cluster: NDArray[np.intp]

    @property
    def clusters(self) -> int:
        """How many clusters there are."""
        return int(np.unique(self.cluster).size)

    def share(self, hits: BoolArray, confidence: float, *, exact: bool) -> Interval:
        """Interval of the share of (m,) hits; one cluster does not show how clusters differ."""
        if self.clusters == hits.size:
            alone = exact_rate if exact else wilson
            return alone(int(hits.sum()), hits.size, confidence=confidence)
        if self.clusters == 1:
            return Interval(0.0, 1.0)
        return cluster_rate(hits, self.cluster, confidence=confidence)

    def difference(self, before: BoolArray, after: BoolArray, confidence: float, *, exact: bool) -> Interval:
        """Interval of the share of ``before`` less that of ``after``."""
        if self.clusters == before.size:
            lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
            alone = exact_difference if exact else paired_difference
            return alone(lost, gained, before.size, confidence=confidence)
        if self.clusters == 1:
            return Interval(-1.0, 1.0)
        return cluster_difference(before, after, self.cluster, confidence=confidence)


@dataclass(frozen=True, kw_only=True, eq=False)
class Spread:
    """How u units are averaged, and which of them belong together.

    Attributes:
        stratum: (u,) the stratum of each unit; each has one.
        weights: (s,) weight of each stratum, adding up to 1.
        cluster: (u,) the cluster of each unit; clusters lie within strata.
    """

    stratum: NDArray[np.intp]
    weights: FloatArray
    cluster: NDArray[np.intp]

    def mean(self, hits: BoolArray) -> float:
        """The weighted mean of (u,) hits, in [0, 1]."""
        sizes = np.bincount(self.stratum, minlength=self.weights.size)
        sums = np.bincount(self.stratum, weights=hits, minlength=self.weights.size)
        # Weights such as a sixth add up to 1 but for a rounding.
        return min(1.0, math.fsum((self.weights * (sums / sizes)).tolist()))

    def share(self, hits: BoolArray, *, confidence: float = 0.95, exact: bool = False) -> Interval:
        """The interval of `mean`, in [0, 1].

        Of one stratum without clusters it is Wilson's, or the exact one of Clopper and Pearson.
        """
        parts = [
            (
                layer.weight,
                float(hits[layer.units].mean()),
                layer.share(hits[layer.units], confidence, exact=exact),
            )
            for layer in self._strata()
        ]
        return _together(self.mean(hits), parts, 0.0)

    def difference(
        self, before: BoolArray, after: BoolArray, *, confidence: float = 0.95, exact: bool = False
    ) -> Interval:
        """The interval of the mean before less the mean after, of the same units, in [-1, 1].

        Of one stratum without clusters it is that of an accuracy drop: Tango's, or the exact one.
        """
        changes = before.astype(np.float64) - after
        parts = [
            (
                layer.weight,
                float(changes[layer.units].mean()),
                layer.difference(before[layer.units], after[layer.units], confidence, exact=exact),
            )
            for layer in self._strata()
        ]
        return _together(self.mean(before) - self.mean(after), parts, -1.0)

    def _strata(self) -> Iterator[_Stratum]:
        for number, weight in enumerate(self.weights.tolist()):
            units = np.flatnonzero(self.stratum == number)
            yield _Stratum(units=units, weight=weight, cluster=self.cluster[units])


def _together(value: float, parts: list[tuple[float, float, Interval]], least: float) -> Interval:
    """Put intervals of strata together, each with its weight and estimate."""
    below = math.hypot(*(weight * (estimate - interval.low) for weight, estimate, interval in parts))
    above = math.hypot(*(weight * (interval.high - estimate) for weight, estimate, interval in parts))
    return Interval(max(least, value - below), min(1.0, value + above))
