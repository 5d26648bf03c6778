"""The catalog of figures: what each is measured on, when it applies, and which way is good."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Literal

import numpy as np

from pytest_vlmrobust.core import distributions, metrics, predictors, views
from pytest_vlmrobust.core.agreement import fleiss_kappa, strict_agreement
from pytest_vlmrobust.core.calibration import brier_score, expected_calibration_error
from pytest_vlmrobust.core.metrics import QUADRANTS, Figure
from pytest_vlmrobust.core.scores.measuring import DROP, SCORE
from pytest_vlmrobust.core.views import Obstacle, View

Bound = Literal["max", "min"]
Basis = Literal["asked", "read", "paired", "judged", "letter_probs", "base_probs"]


@dataclass(frozen=True)
class Metric:
    """A figure of the catalog.

    Attributes:
        name: its name in messages, gates and JSON.
        bound: "max" where down is good, "min" where up is good, None where neither is: then
            no gate can be set on it.
        basis: what a verdict on it stands on: replies as "asked", those that could be "read",
            "paired" with readable ones under ``base``, "judged", or with "letter_probs"; "base_probs": read
            ones, paired with letter probabilities under ``base``.
        obstacle: says why it does not apply.
        measure: computes it; called only where there is no obstacle.
    """

    name: str
    bound: Bound | None
    basis: Basis
    obstacle: Obstacle
    measure: Callable[[View], Figure]


def _n(view: View) -> Figure:
    return _count("n", view.here.parsed.size)


def _accuracy(view: View) -> Figure:
    return metrics.accuracy(view.here.right[view.here.answered])


def _accuracy_drop(view: View) -> Figure:
    pairs = view.pairs()
    return metrics.accuracy_drop(view.base_right()[pairs], view.here.right[pairs])


def _misled_rate(view: View) -> Figure:
    asked = view.could_be_misled()
    return metrics.misled_rate(view.here.letter[asked], view.here.planted[asked])


def _misled_when_right_rate(view: View) -> Figure:
    asked = view.could_be_misled()
    return metrics.misled_when_right_rate(
        view.base_right()[asked], view.here.letter[asked], view.here.planted[asked]
    )


def _unfaithful_rate(view: View) -> Figure:
    return metrics.unfaithful_rate(view.here.consistent[view.here.decided])


def _quadrant(name: str) -> Callable[[View], Figure]:
    def measure(view: View) -> Figure:
        decided = view.here.decided
        return metrics.quadrant_rates(view.here.right[decided], view.here.consistent[decided])[name]

    return measure


def _p_correct(view: View) -> Figure:
    known = view.here.has_probs
    return distributions.p_correct(view.here.probs[known], view.here.answer[known])


def _letter_entropy(view: View) -> Figure:
    return distributions.letter_entropy(view.here.probs[view.here.has_probs])


def _normalized_letter_entropy(view: View) -> Figure:
    return distributions.normalized_letter_entropy(view.here.probs[view.here.has_probs])


def _confidently_wrong_rate(view: View) -> Figure:
    known = view.answered_probs()
    return distributions.confidently_wrong_rate(
        view.here.probs[known], view.here.letter[known], view.here.answer[known]
    )


def _calibration_error(view: View) -> Figure:
    known = view.answered_probs()
    own, right = view.here.own_prob[known], view.here.right[known]
    order = np.lexsort((right, own))  # the order of the samples shall not change a digit
    return expected_calibration_error(own[order], right[order])


def _brier_score(view: View) -> Figure:
    known = view.answered_probs()
    return brier_score(view.here.probs[known], view.here.answer[known])


def _auroc(predictor: str) -> Callable[[View], Figure]:
    return lambda view: predictors.area(view, predictor)


def _abstention_rate(view: View) -> Figure:
    return metrics.rate("abstention_rate", view.here.abstained[view.here.parsed])


def _right_rate(view: View) -> Figure:
    return metrics.rate("right_rate", view.here.right[view.here.parsed])


def _n_letter_probs(view: View) -> Figure:
    return _count("n_letter_probs", int(view.here.has_probs.sum()))


def _letter_mass(view: View) -> Figure:
    masses = view.here.mass[view.here.has_probs & ~np.isnan(view.here.mass)]
    return Figure(name="letter_mass", value=float(masses.mean()), n=int(masses.size))


def _unparsed_rate(view: View) -> Figure:
    return metrics.rate("unparsed_rate", ~view.here.parsed & ~view.here.failed)


def _failed_rate(view: View) -> Figure:
    return metrics.rate("failed_rate", view.here.failed)


def _truncated_rate(view: View) -> Figure:
    return metrics.rate("truncated_rate", view.here.truncated)


def _unscored_rate(view: View) -> Figure:
    return metrics.rate("unscored_rate", view.here.has_verdict("unscored")[view.here.reasoned])


def _undecided_rate(view: View) -> Figure:
    undecided = view.here.has_verdict("undecided")
    return metrics.rate("undecided_rate", undecided[view.here.decided | undecided])


def _panel_agreement(view: View) -> Figure:
    return strict_agreement(view.here.ballots)


def _panel_kappa(view: View) -> Figure:
    return fleiss_kappa(view.here.ballots)


def _benchmark_score(view: View) -> Figure:
    scorer = views.scorer_of(view)
    return scorer.score(scorer.headline, view.here.right, view.came())


def _benchmark_score_drop(view: View) -> Figure:
    scorer = views.scorer_of(view)
    return scorer.drop(scorer.headline, view.base_right(), view.here.right, view.both_came())


def _count(name: str, value: int) -> Figure:
    return Figure(name=name, value=value, n=value)


_CATALOG = (
    Metric("n", None, "asked", views.never, _n),
    Metric("accuracy", "min", "read", views.unanswered, _accuracy),
    Metric("accuracy_drop", "max", "paired", views.unpaired, _accuracy_drop),
    Metric("abstention_rate", "max", "read", views.without_abstention, _abstention_rate),
    Metric("right_rate", "min", "read", views.without_abstention, _right_rate),
    Metric("misled_rate", "max", "read", views.nothing_planted, _misled_rate),
    Metric("misled_when_right_rate", "max", "paired", views.never_right, _misled_when_right_rate),
    Metric("unfaithful_rate", "max", "judged", views.undecided, _unfaithful_rate),
    Metric(QUADRANTS[0], "min", "judged", views.undecided, _quadrant(QUADRANTS[0])),
    *(Metric(name, "max", "judged", views.undecided, _quadrant(name)) for name in QUADRANTS[1:]),
    Metric("p_correct", "min", "letter_probs", views.without_probs, _p_correct),
    Metric("letter_entropy", None, "letter_probs", views.without_probs, _letter_entropy),
    Metric(
        "normalized_letter_entropy", None, "letter_probs", views.without_probs, _normalized_letter_entropy
    ),
    Metric(
        "confidently_wrong_rate", "max", "letter_probs", views.without_answered_probs, _confidently_wrong_rate
    ),
    Metric("calibration_error", "max", "letter_probs", views.without_answered_probs, _calibration_error),
    Metric("brier_score", "max", "letter_probs", views.without_answered_probs, _brier_score),
    Metric("p_base_auroc", "min", "base_probs", predictors.unranked("p_base"), _auroc("p_base")),
    Metric("entropy_auroc", "min", "base_probs", predictors.unranked("entropy"), _auroc("entropy")),
    Metric("n_letter_probs", None, "letter_probs", views.without_probs, _n_letter_probs),
    Metric("letter_mass", None, "letter_probs", views.without_mass, _letter_mass),
    Metric("unparsed_rate", "max", "asked", views.never, _unparsed_rate),
    Metric("failed_rate", None, "asked", views.never, _failed_rate),
    Metric("truncated_rate", "max", "asked", views.never, _truncated_rate),
    Metric("unscored_rate", "max", "read", views.unreasoned, _unscored_rate),
    Metric("undecided_rate", "max", "read", views.unjudged, _undecided_rate),
    Metric("panel_agreement", None, "judged", views.unvoted, _panel_agreement),
    Metric("panel_kappa", None, "judged", views.unvaried, _panel_kappa),
    Metric(SCORE, "min", "read", views.without_score, _benchmark_score),
    Metric(DROP, "max", "paired", views.without_score_drop, _benchmark_score_drop),
)

METRICS: dict[str, Metric] = {metric.name: metric for metric in _CATALOG}
"""Every figure by name, in the order of reports."""


def figure_to_json(figure: Figure) -> float | int | dict[str, float | int]:
    """Return the JSON form: a number, or an object with value, interval, n and detail."""
    if figure.low is None or figure.high is None:
        return figure.value
    return {"value": figure.value, "low": figure.low, "high": figure.high, "n": figure.n, **figure.detail}
