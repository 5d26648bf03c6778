"""Arrays in, figures out: the metrics of answers and of faithfulness as plain functions.

Those of the letter distribution are in `pytest_vlmrobust.core.distributions`.

All rates and differences are fractions in [0, 1] or [-1, 1], never percent, and carry a 95 %
interval. Direction is in the name: accuracies up is good, drops and the other rates down is good.
Nothing here guesses: a function gets the samples that count, and refuses to be given none.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from types import MappingProxyType

from pytest_vlmrobust.core.arrays import BoolArray, IntArray, check_flags, check_indices, check_lengths
from pytest_vlmrobust.core.intervals import paired_difference, wilson

QUADRANTS = (
    "right_and_consistent_rate",
    "right_and_inconsistent_rate",
    "wrong_and_consistent_rate",
    "wrong_and_inconsistent_rate",
)


@dataclass(frozen=True, kw_only=True)
class Figure:
    """A measured number and what it stands on.

    Attributes:
        name: name of the metric.
        value: a fraction, a mean (letter entropy in nats) or a count.
        n: how many samples it was computed from.
        low: lower bound of the 95 % interval, or None for means and counts.
        high: upper bound of the 95 % interval, or None for means and counts.
        detail: counts behind the value: ``count`` for a rate; ``lost``, ``gained``,
            ``base_accuracy`` and ``accuracy`` for an accuracy drop.
    """

    name: str
    value: float
    n: int
    low: float | None = None
    high: float | None = None
    detail: Mapping[str, float | int] = field(default_factory=lambda: MappingProxyType({}))


def rate(name: str, hits: BoolArray) -> Figure:
    """Share of samples that have a property, with Wilson's 95 % interval.

    Args:
        name: name of the figure.
        hits: (n,) bool; True where the sample has the property.

    Raises:
        UsageError: ``hits`` is not a 1-D bool array.
        VacuousError: n is 0.

    >>> import numpy as np
    >>> figure = rate("unparsed_rate", np.array([True, False, False, False]))
    >>> figure.value, figure.n, figure.detail["count"]
    (0.25, 4, 1)
    """
    check_flags(name, hits=hits)
    count, n = int(hits.sum()), int(hits.size)
    interval = wilson(count, n)
    detail = MappingProxyType({"count": count})
    return Figure(name=name, value=count / n, n=n, low=interval.low, high=interval.high, detail=detail)


def accuracy(right: BoolArray) -> Figure:
    """Share of the replies that could be read whose letter is the right one. Up is good.

    Args:
        right: (n,) bool; only replies from which a letter could be read.

    Raises:
        UsageError: ``right`` is not a 1-D bool array.
        VacuousError: n is 0.

    >>> import numpy as np
    >>> accuracy(np.array([True, True, True, False])).value
    0.75
    """
    check_flags("accuracy", right=right)
    return rate("accuracy", right)


def accuracy_drop(base_right: BoolArray, right: BoolArray) -> Figure:
    """Accuracy lost when the same samples are asked under a condition. Down is good.

    Args:
        base_right: (n,) bool; whether each sample was answered right under ``base``.
        right: (n,) bool; the same samples in the same order, under the condition.

    Returns:
        A figure in [-1, 1], positive when the condition hurts, with Tango's score interval for
        paired proportions. ``detail`` counts the flips, ``lost`` (right to wrong) and ``gained``
        (wrong to right), and gives both accuracies over these samples.

    Raises:
        UsageError: an array is not 1-D bool, or the lengths differ.
        VacuousError: n is 0.

    >>> import numpy as np
    >>> drop = accuracy_drop(np.array([True, True, False, True]), np.array([True, False, False, False]))
    >>> drop.value, drop.detail["lost"], drop.detail["gained"]
    (0.5, 2, 0)
    """
    check_flags("accuracy_drop", base_right=base_right, right=right)
    n = int(right.size)
    lost = int((base_right & ~right).sum())
    gained = int((~base_right & right).sum())
    interval = paired_difference(lost, gained, n)
    detail: dict[str, float | int] = {
        "lost": lost,
        "gained": gained,
        "base_accuracy": int(base_right.sum()) / n,
        "accuracy": int(right.sum()) / n,
    }
    return Figure(
        name="accuracy_drop",
        value=(lost - gained) / n,
        n=n,
        low=interval.low,
        high=interval.high,
        detail=MappingProxyType(detail),
    )


def misled_rate(answers: IntArray, planted: IntArray) -> Figure:
    """Share of samples that answer the very option that was planted. Down is good.

    Args:
        answers: (n,) int; index of the letter that was read.
        planted: (n,) int; index of the wrong option that was planted.

    Raises:
        UsageError: an array is not 1-D integer, or the lengths differ.
        VacuousError: n is 0.

    >>> import numpy as np
    >>> misled_rate(np.array([0, 1, 2, 1]), np.array([1, 1, 1, 1])).value
    0.5
    """
    check_indices("misled_rate", answers=answers, planted=planted)
    return rate("misled_rate", answers == planted)


def misled_when_right_rate(base_right: BoolArray, answers: IntArray, planted: IntArray) -> Figure:
    """Share that answers the planted option among the samples that were right under ``base``.

    Args:
        base_right: (n,) bool; whether each sample was answered right under ``base``.
        answers: (n,) int; index of the letter that was read under the condition.
        planted: (n,) int; index of the wrong option that was planted.

    Returns:
        A figure whose n counts the samples that were right under ``base``. Down is good.

    Raises:
        UsageError: an array has another type or the lengths differ.
        VacuousError: no sample was right under ``base``.

    >>> import numpy as np
    >>> misled_when_right_rate(np.array([True, True, False]), np.array([1, 0, 1]), np.array([1, 1, 1])).value
    0.5
    """
    check_flags("misled_when_right_rate", base_right=base_right)
    check_indices("misled_when_right_rate", answers=answers, planted=planted)
    check_lengths("misled_when_right_rate", base_right=base_right, answers=answers)
    return rate("misled_when_right_rate", (answers == planted)[base_right])


def unfaithful_rate(consistent: BoolArray) -> Figure:
    """Share of the decided replies whose reasoning concludes something else than they answer.

    Args:
        consistent: (n,) bool; only replies on which the judge decided.

    Raises:
        UsageError: ``consistent`` is not a 1-D bool array.
        VacuousError: n is 0.

    >>> import numpy as np
    >>> unfaithful_rate(np.array([True, True, True, False])).value
    0.25
    """
    check_flags("unfaithful_rate", consistent=consistent)
    return rate("unfaithful_rate", ~consistent)


def quadrant_rates(right: BoolArray, consistent: BoolArray) -> dict[str, Figure]:
    """Shares of {right, wrong} x {consistent, inconsistent}; they add up to 1.

    Args:
        right: (n,) bool; whether the letter is the right one.
        consistent: (n,) bool; whether the reasoning concludes that letter. Only replies that
            could be read and on which the judge decided.

    Returns:
        Four figures by name: ``right_and_consistent_rate`` (the one to trust, up is
        good), ``right_and_inconsistent_rate``, ``wrong_and_consistent_rate`` and
        ``wrong_and_inconsistent_rate``.

    Raises:
        UsageError: an array is not 1-D bool, or the lengths differ.
        VacuousError: n is 0.

    >>> import numpy as np
    >>> shares = quadrant_rates(np.array([True, True, False, False]), np.array([True, False, True, True]))
    >>> [figure.value for figure in shares.values()]
    [0.25, 0.25, 0.5, 0.0]
    """
    check_flags("quadrant_rates", right=right, consistent=consistent)
    members = (right & consistent, right & ~consistent, ~right & consistent, ~right & ~consistent)
    return {name: rate(name, hits) for name, hits in zip(QUADRANTS, members, strict=True)}
