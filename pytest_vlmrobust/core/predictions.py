"""Calibration, and what predicts robustness, under every condition, as they stand in a report."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import numpy as np

from pytest_vlmrobust.core.calibration import BINS, ReliabilityBin, expected_calibration_error, reliability
from pytest_vlmrobust.core.predictors import PREDICTORS, predictor_scores, ranked, unforetold
from pytest_vlmrobust.core.ranking import ranking
from pytest_vlmrobust.core.selection import RiskCoverage, risk_coverage
from pytest_vlmrobust.core.views import View, without_answered_probs

POINTS = 50
"""The most points of a curve in a report."""


def calibration_to_json(views: Iterable[View]) -> dict[str, Any]:
    """Return the JSON form of how far probabilities mean what they say.

    Args:
        views: the conditions.

    Returns:
        By condition ``calibration_error``, ``by_chance`` (what it would be on average if the probabilities
        were right: the bias), ``n``, and ``table``, the bins that are not empty. Empty where the model tells
        no probabilities.
    """
    told = {view.condition: _calibration(view) for view in views if not without_answered_probs(view)}
    return {"bins": BINS, "conditions": told} if told else {}


def _calibration(view: View) -> dict[str, Any]:
    known = view.answered_probs()
    own, right = view.here.own_prob[known], view.here.right[known]
    order = np.lexsort((right, own))
    figure = expected_calibration_error(own[order], right[order])
    return {
        "calibration_error": figure.value,
        "by_chance": figure.detail["by_chance"],
        "n": figure.n,
        "table": [_bin(row) for row in reliability(own[order], right[order])],
    }


def _bin(row: ReliabilityBin) -> dict[str, float | int]:
    return {
        "from": row.low,
        "to": row.high,
        "n": row.n,
        "mean_prob": row.mean_prob,
        "accuracy": row.accuracy,
        "low": row.interval.low,
        "high": row.interval.high,
    }


def predictions_to_json(views: Iterable[View]) -> dict[str, Any]:
    """Return the JSON form of what is known under ``base`` and predicts right answers under a condition.

    Args:
        views: the conditions.

    Returns:
        By condition and predictor ``n``, ``auroc`` (absent where all answers are right, or all wrong),
        ``aurc``, the area under the risk-coverage curve, and the ``curve``: for each of at most 50
        thresholds the ``coverage`` that it keeps and the ``risk``, the share of wrong answers among those
        kept. Empty where the model tells no probabilities under ``base``.
    """
    told = {}
    for view in views:
        known = {name: _prediction(view, name) for name in PREDICTORS if not unforetold(name)(view)}
        if known:
            told[view.condition] = known
    return told


def _prediction(view: View, name: str) -> dict[str, Any]:
    counts = ranked(view, name)
    scores, right = predictor_scores(view, name)[counts], view.here.right[counts]
    mixed = right.any() and not right.all()
    curve = risk_coverage(scores, right, name=name)
    return {
        "n": int(right.size),
        **({"auroc": ranking(scores, right, None, name).value} if mixed else {}),
        "aurc": curve.area,
        "curve": _points(curve, PREDICTORS[name].sign),
    }


def _points(curve: RiskCoverage, sign: int) -> list[dict[str, float]]:
    """The curve at thresholds that lie evenly among all, the last one included."""
    size = curve.thresholds.size
    rows = np.unique(np.linspace(0, size - 1, min(size, POINTS)).round().astype(np.intp))
    return [
        {
            "threshold": sign * float(curve.thresholds[row]),
            "coverage": float(curve.coverage[row]),
            "risk": float(curve.risk[row]),
        }
        for row in rows.tolist()
    ]
