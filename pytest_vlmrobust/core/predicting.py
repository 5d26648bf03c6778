"""Which samples to trust a model with: a threshold on what is known under ``base``, measured honestly."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

from pytest_vlmrobust.core.basis import MAX_UNSCORED_RATE, check_foretold
from pytest_vlmrobust.core.gates import check_fraction
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.predictors import get_predictor, predictor_scores, ranked, unforetold
from pytest_vlmrobust.core.quantiles import check_confidence
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.resolution import fewest_samples
from pytest_vlmrobust.core.selection import RiskCoverage, recommend_threshold, risk_coverage
from pytest_vlmrobust.errors import UsageError, VacuousError

PredictorName = Literal["p_base", "entropy", "confidence"]
"""P of the right letter, entropy of the letters, or P of the letter answered; each under ``base``."""

_LEAST = 20
"""The fewest samples: a half of fewer than 10 shows nothing."""


@dataclass(frozen=True, kw_only=True)
class Filter:
    """A threshold on what is known of a sample under ``base``, chosen on one half and measured on the other.

    Attributes:
        predictor: what is compared with the threshold: "p_base", "entropy" or "confidence".
        condition: the condition under which the samples that are kept are to be right.
        min_accuracy: the accuracy that was asked for.
        threshold: samples are kept whose number is this or higher; of the entropy, this or lower.
        accuracy: of the samples kept, on the half that had no part in the choice, with its interval.
        coverage: share of the samples kept, on that half, with its interval.
        chosen_on: on how many samples the threshold was chosen.
        confidence: of the intervals.
    """

    predictor: str
    condition: str
    min_accuracy: float
    threshold: float
    accuracy: Figure
    coverage: Figure
    chosen_on: int
    confidence: float

    @property
    def confirmed(self) -> bool:
        """Whether the half that had no part in the choice shows the accuracy that was asked for, surely."""
        return self.accuracy.low is not None and self.accuracy.low >= self.min_accuracy

    def __str__(self) -> str:
        """Say what is kept, what that costs, and whether it is sure."""
        known = get_predictor(self.predictor)
        sign = ">=" if known.sign > 0 else "<="
        lines = [
            f"keep samples with {known.called} {sign} {self.threshold:.9g} for an accuracy of "
            f"{self.min_accuracy:g} under {self.condition}",
            f"  accuracy   {_told(self.accuracy)}, of those kept",
            f"  coverage   {_told(self.coverage)}, of the samples kept",
            f"  measured   on {self.coverage.n} samples; chosen on {self.chosen_on} others",
        ]
        return "\n".join([*lines, *self._doubts()])

    def _doubts(self) -> list[str]:
        if self.confirmed:
            return []
        bound = fewest_samples(self.min_accuracy, "min", confidence=self.confidence)
        if bound.passing is not None and self.accuracy.n < bound.passing:
            return [
                f"  unsure     even if each were right it would take {bound.passing} samples kept to be sure "
                f"of {self.min_accuracy:g}; here are {self.accuracy.n}"
            ]
        return [f"  unsure     the interval reaches below {self.min_accuracy:g}"]


def _told(figure: Figure) -> str:
    return (
        f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}] ({figure.detail['count']} of {figure.n})"
    )


def recommend_p_base(
    run: Evaluation,
    *,
    condition: str,
    min_accuracy: float,
    predictor: PredictorName = "p_base",
    seed: int = 0,
    confidence: float = 0.95,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
) -> Filter:
    """Choose the threshold that keeps most samples at a wanted accuracy under a condition.

    It is chosen on a random half of the samples, whole groups together, and measured on the other half: on
    the samples that a threshold was chosen on it looks better than it is.

    Args:
        run: the evaluation of a model that gives letter probabilities; ``base`` was run too.
        condition: the condition under which the samples kept are to be right.
        min_accuracy: the accuracy that they are to have, a fraction in [0, 1].
        predictor: "p_base" needs the right answers, so it chooses data; "entropy" and "confidence" can be
            computed of any question.
        seed: seeds the split.
        confidence: of the intervals, strictly between 0.5 and 1.
        max_unscored_rate: the largest share of replies that may be unreadable, and of answers that may lack
            probabilities, a fraction in [0, 1].

    Returns:
        The threshold with what it is worth; see `Filter.confirmed`.

    Raises:
        VacuousError: there are fewer than 20 samples, no threshold reaches the accuracy, or there is no
            basis: probabilities are missing, a condition was not run, too much could not be read.
        UsageError: an argument makes no sense.
    """
    check_fraction("min_accuracy", min_accuracy)
    check_confidence(confidence)
    if isinstance(seed, bool) or not isinstance(seed, int) or seed < 0:
        raise UsageError(f"seed={seed!r}: an integer from 0 is needed")
    name = f"threshold on {get_predictor(predictor).called} under {condition}"
    check_foretold(run, name, condition, predictor, max_unscored_rate=max_unscored_rate)
    view = run.view(condition)
    counts = ranked(view, predictor)
    if counts.sum() < _LEAST:
        raise VacuousError(
            f"no {name}: {int(counts.sum())} samples cannot both choose and measure one; at least {_LEAST} "
            "are needed"
        )
    found = recommend_threshold(
        predictor_scores(view, predictor)[counts],
        view.here.right[counts],
        min_accuracy=min_accuracy,
        seed=seed,
        clusters=None if view.clusters is None else view.clusters[counts],
        confidence=confidence,
        name=name,
    )
    return Filter(
        predictor=predictor,
        condition=condition,
        min_accuracy=min_accuracy,
        threshold=get_predictor(predictor).sign * found.threshold,
        accuracy=found.accuracy,
        coverage=found.coverage,
        chosen_on=found.chosen_on,
        confidence=confidence,
    )


def trace_risk(run: Evaluation, *, condition: str, predictor: PredictorName = "p_base") -> RiskCoverage:
    """Trace what is wrong under a condition among the samples kept, as fewer are kept.

    Args:
        run: the evaluation of a model that gives letter probabilities; ``base`` was run too.
        condition: a condition that was run.
        predictor: what the samples are kept by, see `recommend_p_base`.

    Returns:
        The curve; of the entropy its ``thresholds`` have a minus, since a low entropy is kept.

    Raises:
        VacuousError: there is nothing to predict, or nothing to predict it from.
        UsageError: there is no such predictor.
    """
    view = run.view(condition)
    reason = unforetold(predictor)(view)
    if reason:
        raise VacuousError(f"there is no risk-coverage curve of {predictor} under {condition!r}: {reason}")
    counts = ranked(view, predictor)
    return risk_coverage(predictor_scores(view, predictor)[counts], view.here.right[counts])
