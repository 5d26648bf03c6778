"""Verdicts: what an estimate and its interval say about a bound."""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Literal, get_args

from pytest_vlmrobust.core.exact import Tails
from pytest_vlmrobust.core.intervals import Interval
from pytest_vlmrobust.errors import UsageError, unknown_name

Verdict = Literal["pass", "fail", "inconclusive"]
Mode = Literal["estimate", "confident"]
Bound = Literal["max", "min"]

MODES: tuple[str, ...] = get_args(Mode)

_BISECTIONS = 40
_SUREST = 1 - 1e-9


def reach_verdict(
    value: float, interval: Interval | None, *, threshold: float, bound: Bound, mode: Mode = "estimate"
) -> Verdict:
    """Hold an estimate, or its interval, against a bound.

    Args:
        value: the estimate.
        interval: its interval, or None where it has none; needed in mode "confident".
        threshold: the most that passes, or the least; the threshold itself passes.
        bound: "max" where less is better, "min" where more is.
        mode: "estimate": the estimate decides. "confident": it passes only if the whole interval does,
            and fails only if no part of the interval passes; else it is inconclusive. With an interval of
            95 % that errs alike on both sides, a pass and a fail are each wrong in at most 2.5 % of runs.

    Raises:
        UsageError: a number is NaN, the interval is missing or does not hold the estimate, or bound or
            mode is unknown.

    >>> reach_verdict(0.07, Interval(0.03, 0.12), threshold=0.05, bound="max")
    'fail'
    >>> reach_verdict(0.07, Interval(0.03, 0.12), threshold=0.05, bound="max", mode="confident")
    'inconclusive'
    >>> reach_verdict(0.02, Interval(0.01, 0.05), threshold=0.05, bound="max", mode="confident")
    'pass'
    """
    _check(value, interval, threshold, bound, mode)
    sign = 1 if bound == "max" else -1
    if mode == "estimate":
        return "pass" if sign * value <= sign * threshold else "fail"
    assert interval is not None  # _check saw to it
    best, worst = (interval.low, interval.high) if bound == "max" else (interval.high, interval.low)
    if sign * worst <= sign * threshold:
        return "pass"
    return "fail" if sign * best > sign * threshold else "inconclusive"


def tails_by_inversion(interval_at: Callable[[float], Interval], value: float, threshold: float) -> Tails:
    """Tails at a threshold of any figure that has an interval: one less the confidence that just reaches it.

    Args:
        interval_at: takes a confidence, strictly between 0.5 and 1, and returns the interval at it.
        value: the estimate.
        threshold: the value under the hypothesis.

    Returns:
        Tails from 5e-10 to 1; those above 0.25 are told as 0.25 towards the estimate and 1 away from it.

    Raises:
        UsageError: a number is NaN.

    >>> from pytest_vlmrobust.core.exact import exact_rate, rate_tails
    >>> by_hand = tails_by_inversion(lambda c: exact_rate(9, 100, confidence=c), 0.09, 0.03)
    >>> round(by_hand.at_least, 5), round(rate_tails(9, 100, 0.03).at_least, 5)
    (0.00322, 0.00322)
    """
    if math.isnan(value) or math.isnan(threshold):
        raise UsageError(f"value={value!r}, threshold={threshold!r}: NaN cannot be compared")
    low, high = 0.5, _SUREST
    for _ in range(_BISECTIONS):
        middle = (low + high) / 2
        low, high = (low, middle) if _reaches(interval_at(middle), threshold, value) else (middle, high)
    tail = (1 - high) / 2
    return Tails(at_least=tail, at_most=1.0) if threshold < value else Tails(at_least=1.0, at_most=tail)


def _reaches(interval: Interval, threshold: float, value: float) -> bool:
    return interval.low <= threshold if threshold < value else interval.high >= threshold


def _check(value: float, interval: Interval | None, threshold: float, bound: str, mode: str) -> None:
    if bound not in get_args(Bound):
        raise unknown_name("bound", bound, get_args(Bound))
    if mode not in MODES:
        raise unknown_name("gate mode", mode, MODES)
    if math.isnan(value) or math.isnan(threshold):
        raise UsageError(f"value={value!r}, threshold={threshold!r}: there is no verdict on NaN")
    if interval is None:
        if mode == "confident":
            raise UsageError("there is no interval, so no verdict can be confident: use mode 'estimate'")
    elif not interval.low <= value <= interval.high:
        raise UsageError(f"the interval {interval.low!r} to {interval.high!r} does not hold value={value!r}")
