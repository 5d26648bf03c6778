"""What each sample contributes to a figure: the terms that two runs of the same samples are paired by.

A figure is the mean of a quantity over the samples that count for it. Two runs are compared on the
samples that count in both, each sample with itself, which is what makes small differences visible.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pytest_vlmrobust.core.arrays import BoolArray, FloatArray
from pytest_vlmrobust.core.calibration import squared_distances
from pytest_vlmrobust.core.distributions import CONFIDENT
from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.views import View
from pytest_vlmrobust.errors import UsageError, unknown_name


@dataclass(frozen=True, kw_only=True, eq=False)
class Terms:
    """The terms of a figure.

    Attributes:
        counts: (n,) bool; whether a sample counts for the figure.
        values: (n,) bool for a rate, else float; the figure is their mean over the samples that
            count. What stands where a sample does not count means nothing.
    """

    counts: BoolArray
    values: BoolArray | FloatArray

    @property
    def is_rate(self) -> bool:
        """Whether the figure is a share of the samples."""
        return self.values.dtype == np.bool_


def terms(view: View, metric: str) -> Terms:
    """Take a figure apart into what each sample contributes.

    Args:
        view: a condition of a run, to which the figure applies.
        metric: a figure that is a mean over samples.

    Raises:
        UsageError: there is no such figure, or it is no mean over samples.
    """
    if metric not in METRICS:
        raise unknown_name("metric", metric, PAIRABLE)
    if metric not in _TERMS:
        raise UsageError(
            f"{metric} is no mean over samples, so two runs cannot be paired by it; "
            f"these can: {', '.join(PAIRABLE)}"
        )
    counts, values = _TERMS[metric](view)
    return Terms(counts=counts, values=values)


_Chooser = Callable[[View], tuple[BoolArray, BoolArray | FloatArray]]


def _accuracy(view: View) -> tuple[BoolArray, BoolArray]:
    return view.here.answered, view.here.right


def _abstained(view: View) -> tuple[BoolArray, BoolArray]:
    return view.here.parsed, view.here.abstained


def _right(view: View) -> tuple[BoolArray, BoolArray]:
    return view.here.parsed, view.here.right


def _accuracy_drop(view: View) -> tuple[BoolArray, FloatArray]:
    lost: FloatArray = view.base_right().astype(np.float64) - view.here.right
    return view.pairs(), lost


def _misled(view: View) -> tuple[BoolArray, BoolArray]:
    return view.could_be_misled(), view.here.misled


def _turned(view: View) -> tuple[BoolArray, BoolArray]:
    return view.could_be_turned(), view.here.misled


def _unfaithful(view: View) -> tuple[BoolArray, BoolArray]:
    return view.here.decided, ~view.here.consistent


def _quadrant(*, right: bool, consistent: bool) -> _Chooser:
    def quadrant(view: View) -> tuple[BoolArray, BoolArray]:
        same: BoolArray = (view.here.right == right) & (view.here.consistent == consistent)
        return view.here.decided, same

    return quadrant


def _p_correct(view: View) -> tuple[BoolArray, FloatArray]:
    return view.here.has_probs, np.nan_to_num(view.here.right_prob, nan=0.0)


def _entropy(view: View) -> tuple[BoolArray, FloatArray]:
    return view.here.has_probs, np.nan_to_num(view.here.entropy, nan=0.0)


def _normalized_entropy(view: View) -> tuple[BoolArray, FloatArray]:
    known, values = _entropy(view)
    letters = (~np.isnan(view.here.probs)).sum(axis=1)
    return known, values / np.log(np.maximum(letters, 2))


def _confidently_wrong(view: View) -> tuple[BoolArray, BoolArray]:
    return view.answered_probs(), ~view.here.right & (view.here.own_prob >= CONFIDENT)


def _brier(view: View) -> tuple[BoolArray, FloatArray]:
    known = view.answered_probs()
    values = np.zeros(known.size)
    values[known] = squared_distances(view.here.probs[known], view.here.answer[known])
    return known, values


def _all(view: View) -> BoolArray:
    return np.ones_like(view.here.parsed)


def _unparsed(view: View) -> tuple[BoolArray, BoolArray]:
    return _all(view), ~view.here.parsed & ~view.here.failed


def _truncated(view: View) -> tuple[BoolArray, BoolArray]:
    return _all(view), view.here.truncated


def _unscored(view: View) -> tuple[BoolArray, BoolArray]:
    return view.here.reasoned, view.here.has_verdict("unscored")


def _undecided(view: View) -> tuple[BoolArray, BoolArray]:
    undecided = view.here.has_verdict("undecided")
    return view.here.decided | undecided, undecided


_TERMS: dict[str, _Chooser] = {
    "accuracy": _accuracy,
    "accuracy_drop": _accuracy_drop,
    "abstention_rate": _abstained,
    "right_rate": _right,
    "misled_rate": _misled,
    "misled_when_right_rate": _turned,
    "unfaithful_rate": _unfaithful,
    "right_and_consistent_rate": _quadrant(right=True, consistent=True),
    "right_and_inconsistent_rate": _quadrant(right=True, consistent=False),
    "wrong_and_consistent_rate": _quadrant(right=False, consistent=True),
    "wrong_and_inconsistent_rate": _quadrant(right=False, consistent=False),
    "p_correct": _p_correct,
    "letter_entropy": _entropy,
    "normalized_letter_entropy": _normalized_entropy,
    "confidently_wrong_rate": _confidently_wrong,
    "brier_score": _brier,
    "unparsed_rate": _unparsed,
    "truncated_rate": _truncated,
    "unscored_rate": _unscored,
    "undecided_rate": _undecided,
}

PAIRABLE: tuple[str, ...] = tuple(_TERMS)
"""The figures that are means over samples, so that two runs can be paired by them."""
