"""Confidence intervals for rates and for paired differences of rates.

Both invert a score test, so they keep to the range of the quantity, never shrink to nothing
at 0 or 1 as the textbook (Wald) interval does, and hold their coverage at a few dozen samples. Both
are closed form or a plain bisection: the standard library is enough, and the start-up cost of
``scipy.stats`` is saved.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_vlmrobust.core.quantiles import normal_quantile
from pytest_vlmrobust.errors import UsageError

_BISECTIONS = 60
"""Halvings of an interval no wider than 2: the bound is exact to the last bits of a float."""

_NEAREST = 1e-4
"""An estimate this near to a threshold, in units of its interval: no number of samples tells them apart."""


@dataclass(frozen=True)
class Interval:
    """A two-sided confidence interval; both bounds in the unit of the estimate."""

    low: float
    high: float

    def __contains__(self, value: float) -> bool:
        """Whether the value lies within the bounds, the bounds included."""
        return self.low <= value <= self.high


def wilson(successes: int, n: int, *, confidence: float = 0.95) -> Interval:
    """Wilson's score interval for a proportion, without continuity correction.

    Args:
        successes: how many of the ``n`` had the property; 0 to ``n``.
        n: how many were looked at; at least 1.
        confidence: coverage aimed at, strictly between 0.5 and 1.

    Returns:
        Bounds in [0, 1]; the estimate ``successes / n`` lies between them.

    Raises:
        UsageError: ``n`` is below 1, ``successes`` is outside 0 to ``n``, or ``confidence`` is not
            strictly between 0.5 and 1.

    References:
        Wilson (1927), "Probable inference, the law of succession, and statistical
        inference", JASA 22, 209-212. Recommended for small n by Brown, Cai and DasGupta (2001),
        "Interval estimation for a binomial proportion", Statistical Science 16, 101-133.

    >>> interval = wilson(190, 200)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.9104, 0.9726)
    """
    check_counts(n, successes=successes)
    z = normal_quantile(confidence)
    share = successes / n
    scale = 1.0 + z * z / n
    center = (share + z * z / (2 * n)) / scale
    half = z / scale * math.sqrt(share * (1 - share) / n + z * z / (4 * n * n))
    # At the ends the bound is the estimate itself; rounding would miss it by an ulp.
    low = 0.0 if successes == 0 else min(max(0.0, center - half), share)
    high = 1.0 if successes == n else max(min(1.0, center + half), share)
    return Interval(low, high)


def paired_difference(lost: float, gained: float, n: float, *, confidence: float = 0.95) -> Interval:
    """Tango's score interval for the difference of two proportions measured on the same samples.

    The difference is ``(lost - gained) / n``: what accuracy falls by when ``lost`` samples turn
    from right to wrong, and ``gained`` from wrong to right.

    Chosen over Newcombe's square-and-add interval (his method 10) because it depends on exactly the
    three counts that a person sees in the message, and because it agrees with the
    usual test: 0 lies outside of it just when McNemar's test (without correction) rejects
    equality at the same level.

    Args:
        lost: samples right in the first measurement and wrong in the second.
        gained: samples wrong in the first and right in the second.
        n: all samples measured twice; at least 1 and at least ``lost + gained``.
        confidence: coverage aimed at, strictly between 0.5 and 1.

    Returns:
        Bounds in [-1, 1]; the estimate lies between them.

    Raises:
        UsageError: a count is negative, ``lost + gained`` exceeds ``n``, ``n`` is below 1, or
            ``confidence`` is not strictly between 0.5 and 1.

    References:
        Tango (1998), "Equivalence test and confidence interval for the difference in proportions
        for the paired-sample design", Statistics in Medicine 17, 891-908, section 3.
        Compared with others by Fagerland, Lydersen and Laake (2014), "Recommended tests and
        confidence intervals for paired binomial proportions", Statistics in Medicine 33, 2850-2875.

    >>> interval = paired_difference(lost=14, gained=2, n=100)
    >>> round(interval.low, 4), round(interval.high, 4)
    (0.0478, 0.2052)
    """
    check_counts(n, lost=lost, gained=gained)
    z = normal_quantile(confidence)
    estimate = (lost - gained) / n
    low, high = -1.0, 1.0
    if lost - gained > -n:
        low = _crossing(lost, gained, n, level=z, left=-1.0, right=estimate)
    if lost - gained < n:
        high = _crossing(lost, gained, n, level=-z, left=estimate, right=1.0)
    return Interval(low, high)


def samples_to_settle(value: float, interval: Interval, threshold: float, n: int) -> int | None:
    """About how many samples would move the interval off the threshold, were the estimate to stay.

    A rough guide for the reader of a message, not a design of a trial: widths shrink
    with the square root of the number of samples (normal approximation), so the half that reaches
    over the threshold has to shrink to the distance between estimate and threshold.

    Args:
        value: the estimate.
        interval: its interval at ``n`` samples.
        threshold: what the estimate is compared with.
        n: how many samples the estimate stands on.

    Returns:
        A number above ``n``, rounded up to two digits, or None when the interval does not
        contain the threshold (nothing to settle) or the estimate as good as equals it (no number would do).

    >>> samples_to_settle(0.07, Interval(0.03, 0.15), 0.05, n=200)
    800
    """
    if threshold not in interval or value == threshold:
        return None
    reach = value - interval.low if threshold < value else interval.high - value
    if abs(value - threshold) < reach * _NEAREST:
        return None
    needed = n * (reach / abs(value - threshold)) ** 2
    return rounded_up(needed)


def rounded_up(number: float) -> int:
    """Round a number of samples up to two digits.

    >>> rounded_up(72.4), rounded_up(1234)
    (73, 1300)
    """
    unit: int = 10 ** max(0, math.floor(math.log10(number)) - 1)
    # The tiny allowance keeps a quotient such as 800.0000000000001 at 800.
    return math.ceil(number / unit - 1e-9) * unit


def _crossing(lost: float, gained: float, n: float, *, level: float, left: float, right: float) -> float:
    """Where the score statistic, which falls as the difference grows, passes ``level``."""
    for _ in range(_BISECTIONS):
        middle = (left + right) / 2
        if score_statistic(lost, gained, n, middle) > level:
            left = middle
        else:
            right = middle
    return (left + right) / 2


def score_statistic(lost: float, gained: float, n: float, difference: float) -> float:
    """Tango's statistic for the hypothesis that the true difference is ``difference``.

    Args:
        lost: samples right in the first measurement and wrong in the second.
        gained: samples wrong in the first and right in the second.
        n: all samples measured twice.
        difference: P(lost) - P(gained) under the hypothesis, in [-1, 1].

    Returns:
        About standard normal under the hypothesis; infinite where it allows one other outcome only.
    """
    distance = lost - gained - n * difference
    gained_rate = likeliest_gained_rate(lost, gained, n, difference)
    variance = n * (2 * gained_rate + difference * (1 - difference))
    if variance <= 0:  # the hypothesis allows one outcome only
        return math.copysign(math.inf, distance) if distance else 0.0
    return distance / math.sqrt(variance)


def likeliest_gained_rate(lost: float, gained: float, n: float, difference: float) -> float:
    """Estimate P(gained) by maximum likelihood, given that the true difference is ``difference``.

    Args:
        lost: samples right in the first measurement and wrong in the second.
        gained: samples wrong in the first and right in the second.
        n: all samples measured twice.
        difference: P(lost) - P(gained) under the hypothesis, in [-1, 1].

    Returns:
        The larger root of a quadratic equation, section 3 of Tango (1998); with P(lost) it is no more than 1.
    """
    a = 2.0 * n
    b = (2 * n - lost + gained) * difference - lost - gained
    c = -gained * difference * (1 - difference)
    return (math.sqrt(max(0.0, b * b - 4 * a * c)) - b) / (2 * a)


def check_counts(n: float, **counts: float) -> None:
    """Refuse counts that cannot be of ``n`` samples.

    Raises:
        UsageError: ``n`` is below 1, a count is negative, or together they exceed ``n``.
    """
    if n < 1:
        raise UsageError(f"n={n!r}: an interval needs at least 1 sample")
    for name, count in counts.items():
        if count < 0:
            raise UsageError(f"{name}={count!r}: a count is not negative")
    if sum(counts.values()) > n * (1 + 1e-12):  # shares of an effective number are rounded
        raise UsageError(f"{' + '.join(counts)} = {sum(counts.values())} exceeds n={n}")
