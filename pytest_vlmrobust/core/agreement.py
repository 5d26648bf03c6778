"""How far judges agree: with labels that are known, and with each other.

Verdicts come as indices of categories. A kappa is agreement beyond chance: 1 is perfect, 0 is what
raters reach who use the categories as often as these and know nothing of the cases. Where all
verdicts are of one category, chance agrees perfectly too and there is no kappa: that is an error
here, neither 0 nor 1.
"""

from __future__ import annotations

import math
from statistics import NormalDist
from types import MappingProxyType

import numpy as np

from pytest_vlmrobust.core.arrays import FloatArray, IntArray, check_indices
from pytest_vlmrobust.core.metrics import Figure, rate
from pytest_vlmrobust.errors import UsageError, VacuousError

_Z = NormalDist().inv_cdf(0.975)


def cohen_kappa(first: IntArray, second: IntArray, *, name: str = "kappa") -> Figure:
    """Agreement of two raters beyond chance, on the same cases.

    Args:
        first: (n,) int, not negative; one rater's categories, or the labels.
        second: (n,) int, not negative; the other's, in the same order.
        name: name of the figure.

    Returns:
        Cohen's kappa, in [-1, 1], with the large-sample 95 % interval cut to that range. ``detail``
        has the share on which they agree, ``agreement``.

    Raises:
        UsageError: an array is not 1-D integer or has negative entries, or the lengths differ.
        VacuousError: n is 0, or both have put every case into one and the same category.

    References:
        Cohen (1960), "A coefficient of agreement for nominal scales", Educational and Psychological
        Measurement 20, 37-46. Its standard error: Fleiss, Cohen and Everitt (1969), "Large sample
        standard errors of kappa and weighted kappa", Psychological Bulletin 72, 323-327, formula 13.

    >>> figure = cohen_kappa(np.array([0, 0, 1, 1]), np.array([0, 0, 1, 0]))
    >>> figure.value, figure.detail["agreement"]
    (0.5, 0.75)
    """
    check_indices(name, first=first, second=second)
    _check_categories(name, first, second)
    size, n = int(max(first.max(), second.max())) + 1, int(first.size)
    counts = np.zeros((size, size), dtype=np.int64)
    np.add.at(counts, (first, second), 1)
    # In whole numbers, so that perfect agreement is 1 and not nearly 1.
    agreed, by_chance = int(np.trace(counts)), int(counts.sum(axis=1) @ counts.sum(axis=0))
    if by_chance == n * n:
        raise VacuousError(f"{name}: every verdict is of one category, so chance alone would agree as well")
    value = (n * agreed - by_chance) / (n * n - by_chance)
    half = _Z * math.sqrt(max(0.0, _cohen_variance(counts / n, value, by_chance / (n * n)) / n))
    return Figure(
        name=name,
        value=value,
        n=n,
        low=max(-1.0, value - half),
        high=min(1.0, value + half),
        detail=MappingProxyType({"agreement": agreed / n}),
    )


def _cohen_variance(shares: FloatArray, kappa: float, by_chance: float) -> float:
    """Formula 13 of Fleiss, Cohen and Everitt (1969), times n."""
    ours, theirs = shares.sum(axis=1), shares.sum(axis=0)
    same = float((np.diag(shares) * (1 - (ours + theirs) * (1 - kappa)) ** 2).sum())
    crossed = (theirs[:, None] + ours[None, :]) ** 2 * shares
    other = float(crossed.sum() - np.trace(crossed)) * (1 - kappa) ** 2
    return (same + other - (kappa - by_chance * (1 - kappa)) ** 2) / (1 - by_chance) ** 2


def fleiss_kappa(votes: IntArray, *, name: str = "panel_kappa") -> Figure:
    """Agreement of several raters beyond chance, each of whom has judged every case.

    Args:
        votes: (n, k) int, not negative; the category that each of k >= 2 raters put each case into.
        name: name of the figure.

    Returns:
        Fleiss' kappa, in [-1, 1], without an interval.

    Raises:
        UsageError: ``votes`` is not 2-D integer, has fewer than 2 columns or negative entries.
        VacuousError: n is 0, or every vote is for one and the same category.

    References:
        Fleiss (1971), "Measuring nominal scale agreement among many raters", Psychological
        Bulletin 76, 378-382.

    >>> round(fleiss_kappa(np.array([[0, 0, 0], [1, 1, 0], [1, 1, 1]])).value, 4)
    0.55
    """
    _check_votes(name, votes)
    others, every = votes.shape[1] - 1, int(votes.size)
    counts = np.stack([(votes == category).sum(axis=1) for category in range(int(votes.max()) + 1)], axis=1)
    agreed, by_chance = int((counts * (counts - 1)).sum()), int((counts.sum(axis=0) ** 2).sum())
    if by_chance == every * every:
        raise VacuousError(f"{name}: every vote is for one category, so chance alone would agree as well")
    value = (agreed * every - by_chance * others) / ((every * every - by_chance) * others)
    return Figure(name=name, value=value, n=len(votes))


def strict_agreement(votes: IntArray, *, name: str = "panel_agreement") -> Figure:
    """Share of cases that all raters put into the same category. Up is good.

    Args:
        votes: (n, k) int, as in `fleiss_kappa`.
        name: name of the figure.

    Raises:
        UsageError: as `fleiss_kappa`.
        VacuousError: n is 0.

    >>> strict_agreement(np.array([[0, 0, 0], [1, 1, 0], [1, 1, 1], [2, 2, 2]])).value
    0.75
    """
    _check_votes(name, votes)
    return rate(name, (votes == votes[:, :1]).all(axis=1))


def _check_votes(name: str, votes: IntArray) -> None:
    if votes.ndim != 2 or not np.issubdtype(votes.dtype, np.integer) or votes.shape[1] < 2:
        raise UsageError(
            f"{name}: votes must be a 2-D integer array with a column for each of at least 2 raters, got "
            f"{votes.dtype} of shape {votes.shape}"
        )
    if len(votes) == 0:
        raise VacuousError(f"{name}: no cases that every rater has judged, so there is nothing to compare")
    _check_categories(name, votes)


def _check_categories(name: str, *arrays: IntArray) -> None:
    lowest = min(int(array.min()) for array in arrays)
    if lowest < 0:
        raise UsageError(f"{name}: categories are counted from 0, got {lowest}")
