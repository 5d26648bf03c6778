"""Every score of a benchmark under every condition, as it stands in a report."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from pytest_vlmrobust.core.figures import figure_to_json
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.scores.measuring import Scorer
from pytest_vlmrobust.core.views import View, without_score_drop


def score_name(scorer: Scorer | None) -> str:
    """How messages call the score that stands for a benchmark: "3dsrbench's own score (vanilla)"."""
    if scorer is None:
        return "the data set's own score"
    return f"{scorer.benchmark.name}'s own score ({scorer.headline})"


def score_figures(scorer: Scorer, view: View) -> dict[str, Figure]:
    """Measure every score that applies to one condition, by name, the one that stands for all first."""
    names = [name for name in scorer.names if not scorer.obstacle(name, view.came())]
    return {name: scorer.score(name, view.here.right, view.came()) for name in names}


def drop_figures(scorer: Scorer, view: View) -> dict[str, Figure]:
    """Measure how far every score falls from ``base``, by name; empty for ``base`` itself and without it."""
    if without_score_drop(view):
        return {}
    came, names = view.both_came(), scorer.names
    return {
        name: scorer.drop(name, view.base_right(), view.here.right, came)
        for name in names
        if not scorer.obstacle(name, came)
    }


def benchmark_to_json(scorer: Scorer, views: Iterable[View]) -> dict[str, Any]:
    """Return the JSON form of every score under every condition.

    Args:
        scorer: scores as the benchmark does.
        views: the conditions.

    Returns:
        ``name`` of the benchmark; ``scores``, what each score is that applies, and ``absent``, why another
        does not; ``headline``, the one that ``benchmark_score`` is; and
        ``conditions``: for each the scores with their ``parts``, and the ``drop`` of each from ``base``.
    """
    known = {score.name: score.says for score in scorer.benchmark.scores}
    return {
        "name": scorer.benchmark.name,
        "headline": scorer.headline,
        "scores": {name: known[name] for name in scorer.names},
        "absent": dict(scorer.missing),
        "conditions": {view.condition: _condition(scorer, view) for view in views},
    }


def _condition(scorer: Scorer, view: View) -> dict[str, Any]:
    drops, told = drop_figures(scorer, view), {}
    for name, figure in score_figures(scorer, view).items():
        parts = scorer.parts(name, view.here.right, view.came())
        told[name] = {
            **_written(figure),
            "parts": {key: _shares(figures) for key, figures in parts.items()},
            **({"drop": _written(drops[name])} if name in drops else {}),
        }
    return told


def _shares(figures: Mapping[str, Figure]) -> dict[str, dict[str, float | int]]:
    return {label: {"value": figure.value, "n": figure.n} for label, figure in figures.items()}


def _written(figure: Figure) -> dict[str, Any]:
    written = figure_to_json(figure)
    assert isinstance(written, dict)  # scores have intervals
    return written
