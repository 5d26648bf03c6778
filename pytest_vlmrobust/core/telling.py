"""Which samples tell most about a figure: those a person should look at first."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_vlmrobust.core.arrays import BoolArray, FloatArray
from pytest_vlmrobust.core.distributions import CONFIDENT
from pytest_vlmrobust.core.predictors import AUROCS, predictor_scores, ranked
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.scores.measuring import DROP, SCORE
from pytest_vlmrobust.core.views import View, scorer_of


@dataclass(frozen=True, kw_only=True, eq=False)
class Telling:
    """The samples behind a figure.

    Attributes:
        label: what they have in common, as it reads after a number.
        rows: (m,) their rows, those to look at first in front.
    """

    label: str
    rows: NDArray[np.intp]


_Chooser = Callable[[View], tuple[str, BoolArray, FloatArray | BoolArray]]
"""Returns label, (n,) members, and (n,) priority: high goes first, then the order of the samples."""


def telling_samples(evaluation: Evaluation, metric: str, condition: str) -> Telling:
    """Choose the samples that make a gated figure what it is.

    Args:
        evaluation: the run.
        metric: a figure that a gate can be set on.
        condition: the condition that it was measured under.

    Raises:
        VacuousError: the condition was not run.
    """
    label, members, priority = _CHOOSERS[metric](evaluation.view(condition))
    rows = np.flatnonzero(members)
    order = np.argsort(-priority[rows].astype(np.float64), kind="stable")
    return Telling(label=label, rows=rows[order])


def _wrong(view: View) -> tuple[str, BoolArray, BoolArray]:
    wrong = view.here.answered & ~view.here.right
    return "that were answered wrong, misled ones first", wrong, view.here.misled


def _not_right(view: View) -> tuple[str, BoolArray, BoolArray]:
    label = "that were not answered right, misled ones first"
    return label, _scored(view, view.came()) & ~view.here.right, view.here.misled


def _scored(view: View, came: BoolArray) -> BoolArray:
    """(n,) True for the samples that the data set's own score stands on."""
    scorer = scorer_of(view)
    return scorer.counted(scorer.headline, came)


def _taken_away(view: View) -> tuple[str, BoolArray, BoolArray]:
    lost = _scored(view, view.both_came()) & view.base_right() & ~view.here.right
    return "that were right under base and are not here, misled ones first", lost, view.here.misled


def _lost(view: View) -> tuple[str, BoolArray, BoolArray]:
    lost = view.pairs() & view.base_right() & ~view.here.right
    return "that were lost, misled ones first", lost, view.here.misled


def _misled(view: View) -> tuple[str, BoolArray, BoolArray]:
    return "that were misled, those right under base first", view.here.misled, view.base_right()


def _turned(view: View) -> tuple[str, BoolArray, BoolArray]:
    turned = view.could_be_turned() & view.here.misled
    return "that were right under base and misled here", turned, turned


def _inconsistent(view: View) -> tuple[str, BoolArray, BoolArray]:
    inconsistent = view.here.has_verdict("inconsistent")
    return "whose reasoning ends in another option, right ones first", inconsistent, view.here.right


def _untrustworthy(view: View) -> tuple[str, BoolArray, BoolArray]:
    members = view.here.decided & ~(view.here.right & view.here.consistent)
    return "that are wrong or against their reasoning, right ones first", members, view.here.right


def _quadrant(*, right: bool, consistent: bool) -> _Chooser:
    def choose(view: View) -> tuple[str, BoolArray, BoolArray]:
        here = view.here
        members = here.decided & (here.right == right) & (here.consistent == consistent)
        outcome, manner = "right" if right else "wrong", "in line with" if consistent else "against"
        label = f"that are {outcome} {manner} their reasoning"
        return label, members, here.misled

    return choose


def _unlikely_right(view: View) -> tuple[str, BoolArray, FloatArray]:
    likely = _known(view.here.right_prob)
    return "with the lowest P(right letter)", view.here.has_probs, -likely


def _confidently_wrong(view: View) -> tuple[str, BoolArray, FloatArray]:
    own = _known(view.here.own_prob)
    sure = view.answered_probs() & ~view.here.right & (own >= CONFIDENT)
    return "that are confidently wrong, the surest first", sure, own


def _miscalibrated(view: View) -> tuple[str, BoolArray, FloatArray]:
    known, own = view.answered_probs(), _known(view.here.own_prob)
    return "whose probability was furthest from the outcome", known, np.abs(view.here.right - own)


def _misranked(predictor: str) -> _Chooser:
    def choose(view: View) -> tuple[str, BoolArray, FloatArray]:
        wrong = ranked(view, predictor) & ~view.here.right
        scores = np.where(wrong, predictor_scores(view, predictor), 0.0)
        return "that are wrong, those that base promised most of first", wrong, scores

    return choose


def _abstained(view: View) -> tuple[str, BoolArray, BoolArray]:
    return "that abstain, those right under base first", view.here.abstained, view.base_right()


def _not_answered_right(view: View) -> tuple[str, BoolArray, BoolArray]:
    label = "that were not answered right, wrong ones first"
    return label, view.here.parsed & ~view.here.right, view.here.answered


def _unparsed(view: View) -> tuple[str, BoolArray, BoolArray]:
    unread = ~view.here.parsed & ~view.here.failed
    return "that could not be read, truncated ones first", unread, view.here.truncated


def _truncated(view: View) -> tuple[str, BoolArray, BoolArray]:
    label = "that were ended by the token limit, unreadable ones first"
    return label, view.here.truncated, ~view.here.parsed


def _unscored(view: View) -> tuple[str, BoolArray, BoolArray]:
    return "that the judge failed on", view.here.has_verdict("unscored"), view.here.right


def _undecided(view: View) -> tuple[str, BoolArray, BoolArray]:
    return "that the judge could not decide on", view.here.has_verdict("undecided"), view.here.right


def _known(probabilities: FloatArray) -> FloatArray:
    """Put 0 where a probability is not known, so that such samples can be ordered too."""
    known: FloatArray = np.nan_to_num(probabilities, nan=0.0)
    return known


_CHOOSERS: dict[str, _Chooser] = {
    "accuracy": _wrong,
    "accuracy_drop": _lost,
    "abstention_rate": _abstained,
    "right_rate": _not_answered_right,
    "misled_rate": _misled,
    "misled_when_right_rate": _turned,
    "unfaithful_rate": _inconsistent,
    "right_and_consistent_rate": _untrustworthy,
    "right_and_inconsistent_rate": _quadrant(right=True, consistent=False),
    "wrong_and_consistent_rate": _quadrant(right=False, consistent=True),
    "wrong_and_inconsistent_rate": _quadrant(right=False, consistent=False),
    "p_correct": _unlikely_right,
    "confidently_wrong_rate": _confidently_wrong,
    "calibration_error": _miscalibrated,
    "brier_score": _miscalibrated,
    **{name: _misranked(predictor) for name, predictor in AUROCS.items()},
    "unparsed_rate": _unparsed,
    "truncated_rate": _truncated,
    "unscored_rate": _unscored,
    "undecided_rate": _undecided,
    SCORE: _not_right,
    DROP: _taken_away,
}
