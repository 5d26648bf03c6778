"""Intervals and tails of rates and paired differences that hold where the score intervals give way.

Wilson's and Tango's intervals keep their coverage on average over all true rates. A gate is held at
one threshold, and where few events are expected there the score methods can err several times as
often as they say: with 100 samples and a true rate of 0.01 Wilson's lower bound lies above it in 7.9 %
of the runs, not 2.5 %. A verdict that claims confidence therefore stands on the tails of this
module, computed from the distribution of the counts themselves.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pytest_vlmrobust.core.arrays import FloatArray
from pytest_vlmrobust.core.intervals import Interval, check_counts, likeliest_gained_rate
from pytest_vlmrobust.core.quantiles import beta_mass, beta_quantile, check_confidence
from pytest_vlmrobust.errors import UsageError

_MARGIN = 40
"""How many steps beyond nine standard deviations a sum is looked at, for counts that are far from normal."""

_BISECTIONS = 40
_SLACK = 1e-9


@dataclass(frozen=True, kw_only=True)
class Tails:
    """How often chance alone gives such a result when the true value is the threshold.

    Attributes:
        at_least: probability of a result as high or higher: small speaks for a true value above it.
        at_most: probability of a result as low or lower: small speaks for a true value below it.
    """

    at_least: float
    at_most: float


def exact_rate(successes: float, n: float, *, confidence: float = 0.95) -> Interval:
    """Clopper and Pearson's interval for a proportion, which never covers less than it says.

    Args:
        successes: how many of the ``n`` had the property; 0 to ``n``. Need not be whole: with
            effective numbers it is the interval of Korn and Graubard for clustered samples.
        n: how many were looked at, or to how many independent ones these amount; above 0.
        confidence: coverage, strictly between 0.5 and 1.

    Raises:
        UsageError: an argument is out of range.

    References:
        Clopper and Pearson (1934), "The use of confidence or fiducial limits", Biometrika 26, 404-413.
        Korn and Graubard (1998), "Confidence intervals for proportions with small expected number of
        positive counts estimated from survey data", Survey Methodology 24, 193-201.

    >>> interval = exact_rate(190, 200)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.91, 0.9758)
    """
    _check_real(n, successes=successes)
    check_confidence(confidence)
    tail = (1 - confidence) / 2
    missing = n - successes
    low = beta_quantile(tail, successes, missing + 1) if successes > 0 else 0.0
    high = beta_quantile(1 - tail, successes + 1, missing) if missing > 0 else 1.0
    return Interval(low, high)


def rate_tails(successes: float, n: float, threshold: float) -> Tails:
    """Binomial tails of a count when the true rate is the threshold.

    Args:
        successes: as for `exact_rate`.
        n: as for `exact_rate`.
        threshold: the rate under the hypothesis, in [0, 1].

    Raises:
        UsageError: an argument is out of range.

    >>> tails = rate_tails(9, 100, 0.05)
    >>> round(tails.at_least, 4), round(tails.at_most, 4)
    (0.0631, 0.9718)
    """
    _check_real(n, successes=successes)
    if not 0 <= threshold <= 1:
        raise UsageError(f"threshold={threshold!r}: a rate lies in [0, 1]")
    missing = n - successes
    return Tails(
        at_least=beta_mass(threshold, successes, missing + 1) if successes > 0 else 1.0,
        at_most=1 - beta_mass(threshold, successes + 1, missing) if missing > 0 else 1.0,
    )


def difference_tails(lost: float, gained: float, n: float, threshold: float) -> Tails:
    """Tails of ``lost - gained`` when the true difference is the threshold.

    The threshold leaves one thing open, how often samples change at all; it is set to what is most
    likely given the counts. Probabilities are summed exactly, so nothing is taken to be normal.

    Args:
        lost: samples right in the first measurement and wrong in the second; not negative. Need not be
            whole where ``n`` is an effective number.
        gained: samples wrong in the first and right in the second; not negative.
        n: all samples measured twice; at least ``lost + gained`` and at least 1.
        threshold: the difference under the hypothesis, in [-1, 1].

    Raises:
        UsageError: an argument is out of range.

    References:
        Storer and Kim (1990), "Exact properties of some exact test statistics for comparing two
        binomial proportions", JASA 85, 146-155 (setting what is open to its estimate); here for the
        paired table, with the estimate of Tango (1998).

    >>> round(difference_tails(14, 2, 100, 0.05).at_least, 3)
    0.04
    """
    _check_real(n, lost=lost, gained=gained)
    if not -1 <= threshold <= 1:
        raise UsageError(f"threshold={threshold!r}: a difference lies in [-1, 1]")
    trials = max(1, math.floor(n + _SLACK))
    seen = (lost - gained) * trials / n
    likeliest = likeliest_gained_rate(lost, gained, n, threshold)
    gained_rate = max(0.0, -threshold, min(likeliest, (1 - threshold) / 2))
    chances, first = _chances(trials, gained_rate + threshold, gained_rate)
    # Of effective numbers the next whole one is taken that makes the tail no smaller.
    least, most = math.floor(seen + _SLACK) - first, math.ceil(seen - _SLACK) - first
    return Tails(
        at_least=min(1.0, float(chances[max(0, least) :].sum())),
        at_most=min(1.0, float(chances[: max(0, most + 1)].sum())),
    )


def exact_difference(lost: float, gained: float, n: float, *, confidence: float = 0.95) -> Interval:
    """Interval for a paired difference: the thresholds that neither of the `difference_tails` rejects.

    Args:
        lost: as for `difference_tails`.
        gained: as for `difference_tails`.
        n: as for `difference_tails`.
        confidence: coverage aimed at, strictly between 0.5 and 1.

    Raises:
        UsageError: an argument is out of range.

    >>> interval = exact_difference(14, 2, 100)
    >>> round(interval.low, 3), round(interval.high, 3)
    (0.041, 0.208)
    """
    _check_real(n, lost=lost, gained=gained)
    check_confidence(confidence)
    estimate, tail = (lost - gained) / n, (1 - confidence) / 2
    low, high = -1.0, 1.0
    if estimate > -1:
        low = _edge(lambda at: difference_tails(lost, gained, n, at).at_least <= tail, -1.0, estimate)
    if estimate < 1:
        high = _edge(lambda at: difference_tails(lost, gained, n, at).at_most <= tail, 1.0, estimate)
    return Interval(low, high)


def _edge(rejected: Callable[[float], bool], outside: float, inside: float) -> float:
    for _ in range(_BISECTIONS):
        middle = (outside + inside) / 2
        outside, inside = (middle, inside) if rejected(middle) else (outside, middle)
    return outside


def _chances(n: int, up: float, down: float) -> tuple[FloatArray, int]:
    """Probabilities of consecutive sums of n steps of +1, 0 or -1, and the first of these sums.

    The characteristic function of one step to the power of n, transformed back, for all sums whose
    probability matters: the others together have less than 1e-12.
    """
    reach = min(2 * n, math.ceil(9 * math.sqrt(n * (up + down - (up - down) ** 2)) + _MARGIN))
    size: int = 2 ** math.ceil(math.log2(2 * reach + 1))
    turns = -2 * np.pi / size * np.arange(size // 2 + 1)
    step = 1 - up - down + (up + down) * np.cos(turns) + 1j * (up - down) * np.sin(turns)
    # The transform counts modulo its size: turn it so that it begins at the least sum.
    first = round(n * (up - down)) - reach
    chances: FloatArray = np.roll(np.fft.irfft(step**n, size), -first)[: 2 * reach + 1]
    return np.clip(chances, 0.0, 1.0), first


def _check_real(n: float, **counts: float) -> None:
    if not all(map(math.isfinite, (n, *counts.values()))):
        raise UsageError(f"counts must be finite numbers, got n={n!r} and {counts}")
    if n <= 0:
        raise UsageError(f"n={n!r}: an interval needs at least 1 sample")
    check_counts(max(1.0, n), **counts)
