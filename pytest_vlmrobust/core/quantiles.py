"""Quantiles that intervals are built on: of the normal, Student's and the beta distribution.

The standard library has the first, a finite sum and a continued fraction give the others, so that a
run need not load ``scipy.stats``, whose import takes longer than all statistics of a small run.
"""

from __future__ import annotations

import math
from functools import lru_cache
from numbers import Real
from statistics import NormalDist

from pytest_vlmrobust.errors import UsageError

_NORMAL = NormalDist()
_BISECTIONS = 60
_MOST_TERMS = 10_000
_MOST_STEPS = 200
_EXACT_DF = 400
"""Up to here Student's distribution is summed up; beyond, the expansion is exact to 12 digits."""


def check_confidence(confidence: object) -> None:
    """Refuse what is no confidence of an interval.

    Raises:
        UsageError: it is not a number strictly between 0.5 and 1; percents are recognized.
    """
    known = isinstance(confidence, Real) and not isinstance(confidence, bool)
    number = float(confidence) if known else math.nan  # type: ignore[arg-type]
    if not 0.5 < number < 1:
        hint = f"; for {number:g} percent say {number / 100:g}" if 50 < number < 100 else ""
        raise UsageError(f"confidence={confidence!r}: it lies strictly between 0.5 and 1, such as 0.95{hint}")


def normal_quantile(confidence: float) -> float:
    """How many standard errors a two-sided normal interval reaches to each side.

    Args:
        confidence: coverage, strictly between 0.5 and 1.

    Raises:
        UsageError: ``confidence`` is out of range.

    >>> round(normal_quantile(0.95), 4)
    1.96
    """
    check_confidence(confidence)
    return _NORMAL.inv_cdf((1 + confidence) / 2)


def normal_tail(z: float) -> float:
    """P(Z > z) for a standard normal Z, exact far out as well.

    >>> round(normal_tail(1.96), 4)
    0.025
    """
    return math.erfc(z / math.sqrt(2)) / 2


@lru_cache(maxsize=1024)
def student_quantile(confidence: float, df: int) -> float:
    """How many standard errors a two-sided interval by Student's distribution reaches to each side.

    Args:
        confidence: coverage, strictly between 0.5 and 1.
        df: degrees of freedom; at least 1.

    Raises:
        UsageError: ``confidence`` or ``df`` is out of range.

    References:
        Abramowitz and Stegun (1964), "Handbook of Mathematical Functions", 26.7.3 and 26.7.4 (the
        finite sums) and 26.7.5 (the expansion for many degrees of freedom).

    >>> round(student_quantile(0.95, 9), 4)
    2.2622
    """
    check_confidence(confidence)
    if df < 1:
        raise UsageError(f"df={df!r}: at least 1 degree of freedom is needed")
    if df > _EXACT_DF:
        return _expanded(_NORMAL.inv_cdf((1 + confidence) / 2), df)
    low, high = 0.0, math.pi / 2
    for _ in range(_BISECTIONS):
        angle = (low + high) / 2
        low, high = (angle, high) if _central_mass(angle, df) < confidence else (low, angle)
    return math.sqrt(df) * math.tan((low + high) / 2)


def _central_mass(angle: float, df: int) -> float:
    """P(|t| < sqrt(df) tan(angle)) for Student's t."""
    sine, squared = math.sin(angle), math.cos(angle) ** 2
    odd = df % 2
    term = math.cos(angle) if odd else 1.0
    total = term if df > 1 else 0.0
    for k in range(3 if odd else 2, df - 1, 2):
        term *= squared * (k - 1) / k
        total += term
    return 2 / math.pi * (angle + sine * total) if odd else sine * total


def _expanded(x: float, df: int) -> float:
    squared = x * x
    terms = (
        x * (squared + 1) / 4,
        x * ((5 * squared + 16) * squared + 3) / 96,
        x * (((3 * squared + 19) * squared + 17) * squared - 15) / 384,
        x * ((((79 * squared + 776) * squared + 1482) * squared - 1920) * squared - 945) / 92160,
    )
    return math.fsum([x, *(term / float(df) ** power for power, term in enumerate(terms, start=1))])


def beta_mass(x: float, a: float, b: float) -> float:
    """P(X <= x) for X of the beta distribution: the regularized incomplete beta function.

    It gives binomial tails: at least c of n, each with probability p, has probability
    ``beta_mass(p, c, n - c + 1)``; ``a`` and ``b`` need not be whole.

    Args:
        x: in [0, 1].
        a: first parameter, above 0.
        b: second parameter, above 0.

    References:
        NIST Digital Library of Mathematical Functions, 8.17.22 (the continued fraction), evaluated by the
        modified Lentz method.

    >>> round(beta_mass(0.5, 8, 3), 5)  # at least 8 heads of 10
    0.05469
    """
    if x <= 0 or x >= 1:
        return 0.0 if x <= 0 else 1.0
    if x > (a + 1) / (a + b + 2):
        return 1.0 - beta_mass(1 - x, b, a)
    scale = a * math.log(x) + b * math.log1p(-x) - math.log(a) - _log_beta(a, b)
    return min(1.0, math.exp(scale) * _fraction(x, a, b))


def beta_quantile(mass: float, a: float, b: float) -> float:
    """The x that has a share ``mass`` of the beta distribution below it, to 9 digits.

    Args:
        mass: strictly between 0 and 1.
        a: first parameter, above 0.
        b: second parameter, above 0.

    >>> round(beta_quantile(0.025, 8, 3), 4)  # exact lower bound for 8 of 10
    0.4439
    """
    low, high, mean = 0.0, 1.0, a / (a + b)
    spread = math.sqrt(mean * (1 - mean) / (a + b + 1))
    x = min(max(mean + _NORMAL.inv_cdf(mass) * spread, mean / 8), 1 - (1 - mean) / 8)
    for _ in range(_MOST_STEPS):
        excess = beta_mass(x, a, b) - mass
        low, high = (x, high) if excess < 0 else (low, x)
        slope = math.exp((a - 1) * math.log(x) + (b - 1) * math.log1p(-x) - _log_beta(a, b))
        # Newton's step, or half the way where it leads out of what is known to hold the quantile.
        next_x = x - excess / slope if slope > 0 else low
        next_x = next_x if low < next_x < high else (low + high) / 2
        if abs(next_x - x) <= 1e-13 * x:
            return next_x
        x = next_x
    return x


def _log_beta(a: float, b: float) -> float:
    return math.lgamma(a) + math.lgamma(b) - math.lgamma(a + b)


def _fraction(x: float, a: float, b: float) -> float:
    # With x on its side of the mean no partial numerator or denominator comes near 0.
    denominator = 1 / (1 - (a + b) * x / (a + 1))
    numerator, total = 1.0, denominator
    for m in range(1, _MOST_TERMS):
        even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m))
        odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1))
        denominator, numerator = 1 / (1 + even * denominator), 1 + even / numerator
        total *= denominator * numerator
        denominator, numerator = 1 / (1 + odd * denominator), 1 + odd / numerator
        total *= denominator * numerator
        if abs(denominator * numerator - 1) < 1e-15:
            break
    return total
