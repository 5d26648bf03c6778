"""Many gates at once: how sure each has to be for the whole suite to be as sure as one gate."""

from __future__ import annotations

import math
from collections.abc import Sequence

from pytest_vlmrobust.core.exact import Tails
from pytest_vlmrobust.core.quantiles import check_confidence
from pytest_vlmrobust.core.verdicts import Bound, Verdict
from pytest_vlmrobust.errors import UsageError, VacuousError


def holm(p_values: Sequence[float]) -> tuple[float, ...]:
    """Adjust the p-values of a family by Holm's step-down method.

    Rejecting those that are at most alpha rejects a true hypothesis, any at all, with a probability
    of at most alpha, however the tests depend on each other. Never weaker than Bonferroni's correction.

    Args:
        p_values: one for each hypothesis, in [0, 1].

    Returns:
        Adjusted p-values, in the same order.

    Raises:
        UsageError: one is NaN or outside [0, 1].
        VacuousError: there are none.

    References:
        Holm (1979), "A simple sequentially rejective multiple test procedure", Scandinavian Journal
        of Statistics 6, 65-70.

    >>> holm([0.01, 0.04, 0.03])
    (0.03, 0.06, 0.06)
    """
    if not p_values:
        raise VacuousError("a family without tests has nothing to adjust")
    for index, p in enumerate(p_values):
        if math.isnan(p) or not 0 <= p <= 1:
            raise UsageError(f"p_values[{index}]={p!r}: a p-value lies in [0, 1]")
    adjusted, largest = [0.0] * len(p_values), 0.0
    for rank, index in enumerate(sorted(range(len(p_values)), key=p_values.__getitem__)):
        largest = max(largest, min(1.0, (len(p_values) - rank) * p_values[index]))
        adjusted[index] = largest
    return tuple(adjusted)


def family_verdicts(
    tails: Sequence[Tails], bounds: Sequence[Bound], *, confidence: float = 0.95
) -> tuple[Verdict, ...]:
    """Judge a family of gates in mode "confident" so that the confidence holds for all of them together.

    Args:
        tails: for each gate the tails of its figure at its threshold.
        bounds: for each gate "max" or "min".
        confidence: probability that no verdict of the family is wrong, strictly between 0.5 and 1. Failing
            and passing are two families of questions, and each gets half of the error.

    Returns:
        For each gate "fail" (a breach is sure), "pass" (that there is none is sure) or "inconclusive".

    Raises:
        UsageError: the lengths differ, or ``confidence`` is out of range.
        VacuousError: there are no gates.

    >>> sure, unsure = Tails(at_least=0.001, at_most=0.9999), Tails(at_least=0.02, at_most=0.99)
    >>> family_verdicts([sure, unsure], ["max", "max"])
    ('fail', 'fail')
    >>> family_verdicts([unsure, unsure], ["max", "max"])
    ('inconclusive', 'inconclusive')
    """
    check_confidence(confidence)
    if len(tails) != len(bounds):
        raise UsageError(f"there are tails for {len(tails)} gates, but bounds for {len(bounds)}")
    sided = [
        (tail.at_least, tail.at_most) if bound == "max" else (tail.at_most, tail.at_least)
        for tail, bound in zip(tails, bounds, strict=True)
    ]
    breached, kept = holm([bad for bad, _ in sided]), holm([good for _, good in sided])
    alpha = (1 - confidence) / 2
    return tuple(
        "fail" if breach <= alpha else "pass" if keep <= alpha else "inconclusive"
        for breach, keep in zip(breached, kept, strict=True)
    )
