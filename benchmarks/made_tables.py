"""Tables of right and wrong with a known truth, for simulations."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from pytest_vlmrobust.core.arrays import BoolArray


def flip_rates(base: float, drop: float, correlation: float) -> tuple[float, float]:
    """Return P(right, then wrong) and P(wrong, then right) of two correlated measurements.

    The correlation is lowered to what the two accuracies allow.
    """
    after = base - drop
    together = base * after + correlation * math.sqrt(base * (1 - base) * after * (1 - after))
    together = min(together, base, after)
    return base - together, after - together


def cluster_chances(
    rng: np.random.Generator, clusters: int, p: float, correlation: float
) -> NDArray[np.float64]:
    """Draw the rate of each cluster, so that two of its samples have this correlation: (clusters,)."""
    if correlation == 0:
        return np.full(clusters, p)
    if correlation == 1:
        return (rng.random(clusters) < p).astype(np.float64)
    spread = (1 - correlation) / correlation
    return rng.beta(p * spread, (1 - p) * spread, clusters)


def clustered_hits(rng: np.random.Generator, n: int, p: float, size: int, correlation: float) -> BoolArray:
    """Draw n samples with rate ``p`` in clusters of ``size`` whose samples are correlated: (n,) bool."""
    chances = cluster_chances(rng, -(-n // size), p, correlation)
    hits: BoolArray = rng.random(n) < chances[np.arange(n) // size]
    return hits


def clustered_flips(
    rng: np.random.Generator, n: int, base: float, drop: float, size: int, correlation: float
) -> tuple[BoolArray, BoolArray]:
    """Draw right and wrong before and after, (n,) each: a sample flips with its cluster.

    Of the wrong ones a fifth turns right, and as many of the right ones turn wrong as the drop takes;
    whether right ones of a cluster turn is correlated.
    """
    before: BoolArray = rng.random(n) < base
    gained = (1 - base) * 0.2
    falls = clustered_hits(rng, n, (drop + gained) / base, size, correlation)
    rises = rng.random(n) < 0.2
    return before, np.where(before, ~falls, rises)
