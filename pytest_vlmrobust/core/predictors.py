"""What is known of a sample under ``base`` and may tell whether it will be right under a condition.

In Zhao et al. 2026 (arXiv 2602.12506) P_base, the probability of the right letter under ``base``, predicts
that with an AUROC of 0.94 and more, and the negative letter entropy -H with 0.60 to 0.75. P_base can be
known only where the right answer is, so it chooses training or test data; the other two need no truth.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from types import MappingProxyType

import numpy as np

from pytest_vlmrobust.core.arrays import BoolArray, FloatArray
from pytest_vlmrobust.core.columns import Columns
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.ranking import auroc
from pytest_vlmrobust.core.views import BASE, Obstacle, View, unanswered
from pytest_vlmrobust.errors import unknown_name


@dataclass(frozen=True, kw_only=True)
class Predictor:
    """A number that is known under ``base``.

    Attributes:
        name: its name.
        called: how messages call the number, such as "P_base".
        sign: 1 where a high number promises a right answer, -1 where a low one does.
        number: takes (n,) records under ``base`` and gives (n,) float; NaN where it is not known.
        needs_truth: whether it can be known only where the right answer is.
    """

    name: str
    called: str
    sign: int
    number: Callable[[Columns], FloatArray]
    needs_truth: bool = False


PREDICTORS = MappingProxyType(
    {
        one.name: one
        for one in (
            Predictor(
                name="p_base",
                called="P_base",
                sign=1,
                number=lambda columns: columns.right_prob,
                needs_truth=True,
            ),
            Predictor(
                name="entropy", called="letter entropy", sign=-1, number=lambda columns: columns.entropy
            ),
            Predictor(
                name="confidence", called="P(own letter)", sign=1, number=lambda columns: columns.own_prob
            ),
        )
    }
)
"""Every predictor by name; all are read under ``base``, the entropy in nats."""

AUROCS = MappingProxyType({"p_base_auroc": "p_base", "entropy_auroc": "entropy"})
"""The figures that say how well a predictor does, with its name."""


def get_predictor(name: str) -> Predictor:
    """Look a predictor up.

    Raises:
        UsageError: there is none of this name; near misses are named.

    >>> get_predictor("entropy").sign
    -1
    """
    if name not in PREDICTORS:
        raise unknown_name("predictor", str(name), PREDICTORS)
    return PREDICTORS[name]


def predictor_scores(view: View, name: str) -> FloatArray:
    """(n,) the number with its sign, so that high promises a right answer; NaN where it is not known."""
    predictor = get_predictor(name)
    if view.base is None:
        return np.full(view.here.parsed.size, np.nan)
    return predictor.sign * predictor.number(view.base)


def ranked(view: View, name: str) -> BoolArray:
    """(n,) True where the number is known and there is an answer here that is right or wrong."""
    known: BoolArray = view.here.answered & ~np.isnan(predictor_scores(view, name))
    return known


def unforetold(name: str) -> Obstacle:
    """Says why there is nothing to predict, or nothing to predict it from."""

    def obstacle(view: View) -> str:
        if view.base is None:
            return f"it predicts from {BASE}, which was not run"
        if view.condition == BASE and get_predictor(name).needs_truth:
            return f"P_base under {BASE} knows the right answer, and which one was given follows from it"
        reason = unanswered(view)
        if reason or ranked(view, name).any():
            return reason
        if not view.base.has_probs.any():
            return f"the model gave no letter probabilities under {BASE}"
        return f"no sample was answered here and has letter probabilities under {BASE}"

    return obstacle


def unranked(name: str) -> Obstacle:
    """Says why no AUROC of a predictor exists."""
    foretold = unforetold(name)

    def obstacle(view: View) -> str:
        reason = foretold(view)
        if reason:
            return reason
        right = view.here.right[ranked(view, name)]
        if right.all() or not right.any():
            outcome = "right" if right.all() else "wrong"
            return f"all {right.size} samples are {outcome} here, so there is nothing to tell apart"
        return ""

    return obstacle


def area(view: View, name: str) -> Figure:
    """AUROC of a predictor for "right under the condition"; called where `unranked` does not object."""
    counts = ranked(view, name)
    figure = next(figure for figure, predictor in AUROCS.items() if predictor == name)
    scores, right = predictor_scores(view, name)[counts], view.here.right[counts]
    order = np.lexsort((right, scores))  # the order of the samples shall not change a digit
    return auroc(scores[order], right[order], name=figure)
