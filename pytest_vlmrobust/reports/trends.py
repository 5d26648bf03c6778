"""The checkpoints of trainings in a session: their figures over the steps, as lines and as JSON."""

from __future__ import annotations

import os
from collections import Counter
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_vlmrobust.core.excerpts import printable
from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.trends import Spread, Training, Trend, checkpoint_of, make_trend, spread_of
from pytest_vlmrobust.core.views import BASE
from pytest_vlmrobust.errors import VacuousError
from pytest_vlmrobust.runs import RunKey, Runs

_SHOWN: tuple[tuple[str, str], ...] = (
    ("accuracy_drop", "drop"),
    ("unfaithful_rate", "unfaithful"),
    ("confidently_wrong_rate", "sure & wrong"),
)
"""Figures whose largest value over the conditions is shown, with their headings."""


def session_trends(runs: Runs) -> list[tuple[RunKey, Trend]]:
    """Find the trainings among the models of a session.

    Runs belong together that agree in everything but the model's folder. Those that are incomplete, and
    trainings with one checkpoint, are left out.

    Args:
        runs: what was measured.

    Returns:
        For each kind of run its key, with "" for the spec of the model, and its trend.
    """
    found: dict[RunKey, dict[str, Evaluation]] = {}
    for key, run in runs:
        spec = key.model.spec
        if run.incomplete is None and checkpoint_of(spec) and os.path.isdir(os.path.expanduser(spec)):
            found.setdefault(replace(key, model=replace(key.model, spec="")), {})[spec] = run
    trends = []
    for key, checkpoints in found.items():
        trend = _trend(checkpoints)
        if trend is not None:
            trends.append((key, trend))
    return trends


def _trend(checkpoints: Mapping[str, Evaluation]) -> Trend | None:
    """The trend of those that have another checkpoint of their training beside them."""
    places = {spec: checkpoint_of(spec) or ("", 0) for spec in checkpoints}
    steps = Counter(training for training, _ in places.values())
    chosen = {spec: run for spec, run in checkpoints.items() if steps[places[spec][0]] > 1}
    distinct = len(set(places.values())) == len(places)
    return make_trend(chosen) if chosen and distinct else None


def trend_tables(runs: Runs) -> Iterator[list[str]]:
    """Write a table for each training, and one of means for several: a title, a heading, a row for each step.

    Args:
        runs: what was measured.
    """
    for key, trend in session_trends(runs):
        about = f"on {printable(key.dataset)}, seed {key.seed}, judge {printable(key.judge)}"
        for training in trend.trainings:
            yield [f"training {printable(training.name)} {about}", *_rows(trend, training)]
        if len(trend.trainings) > 1 and trend.steps:
            title = f"mean and spread of {len(trend.trainings)} trainings {about}"
            yield [title, *_means(trend)]


def _rows(trend: Trend, training: Training) -> list[str]:
    columns = [("step", [str(step) for step in training.steps])]
    for heading, values in _columns(trend):
        columns.append((heading, [_number(values(point.run)) for point in training.checkpoints]))
    return _aligned(columns)


def _means(trend: Trend) -> list[str]:
    """The rows, and which changes since the first step the trainings do not agree on."""
    columns = [("step", [str(step) for step in trend.steps])]
    open_: list[str] = []
    for heading, values in _columns(trend):
        spreads = [_spread(trend, step, values) for step in trend.steps]
        columns.append((heading, [_with_spread(one) for one in spreads]))
        first, last = spreads[0], spreads[-1]
        if len(spreads) > 1 and first and last and last.spread > abs(last.mean - first.mean):
            open_.append(heading)
    rows = _aligned(columns)
    if open_:
        rows.append(
            f"the spread between trainings exceeds the change since step {trend.steps[0]}: {', '.join(open_)}"
        )
    return rows


def _spread(trend: Trend, step: int, values: Callable[[Evaluation], float | None]) -> Spread | None:
    known = [values(training.at(step).run) for training in trend.trainings]
    told = [value for value in known if value is not None]
    return spread_of(step, told) if len(told) == len(known) else None


def _columns(trend: Trend) -> list[tuple[str, Callable[[Evaluation], float | None]]]:
    """The figures that are shown: under ``base``, and the largest over the conditions."""
    columns: list[tuple[str, Callable[[Evaluation], float | None]]] = [
        ("accuracy", lambda run: _value(run, "accuracy", BASE)),
        ("entropy", lambda run: _value(run, "letter_entropy", BASE)),
    ]
    for metric, heading in _SHOWN:
        columns.append((f"largest {heading}", _largest(metric, trend.conditions)))
    return columns


def _largest(metric: str, conditions: Sequence[str]) -> Callable[[Evaluation], float | None]:
    def largest(run: Evaluation) -> float | None:
        known = [_value(run, metric, name) for name in conditions if "silencing" not in run.roles(name)]
        return max((value for value in known if value is not None), default=None)

    return largest


def _value(run: Evaluation, metric: str, condition: str) -> float | None:
    if condition not in run.conditions:
        return None
    try:
        return run.figure(condition, metric).value
    except VacuousError:
        return None


def _number(value: float | None) -> str:
    return "-" if value is None else f"{value:.3f}"


def _with_spread(spread: Spread | None) -> str:
    return "-" if spread is None else f"{spread.mean:.3f} ({spread.spread:.3f})"


def _aligned(columns: Sequence[tuple[str, Sequence[str]]]) -> list[str]:
    widths = [max(map(len, [heading, *cells])) for heading, cells in columns]
    lines = [[heading for heading, _ in columns], *zip(*(cells for _, cells in columns), strict=True)]
    return ["  ".join(text.rjust(width) for text, width in zip(line, widths, strict=True)) for line in lines]


def trends_to_json(runs: Runs) -> list[dict[str, Any]]:
    """Return the trends of a session as JSON values; see docs/report_format.md.

    Args:
        runs: what was measured.
    """
    return [
        {
            "dataset": key.dataset,
            "seed": key.seed,
            "judge": key.judge,
            "trainings": [_training_to_json(training, trend.conditions) for training in trend.trainings],
            **({"spread": _spreads_to_json(trend)} if len(trend.trainings) > 1 and trend.steps else {}),
        }
        for key, trend in session_trends(runs)
    ]


def _training_to_json(training: Training, conditions: Sequence[str]) -> dict[str, Any]:
    return {
        "name": training.name,
        "steps": list(training.steps),
        "models": [checkpoint.spec for checkpoint in training.checkpoints],
        "conditions": {name: _series(training, name) for name in conditions},
    }


def _series(training: Training, condition: str) -> dict[str, list[float | None]]:
    """Every figure that applies at some step: its value at each, null where it does not apply."""
    measured = [checkpoint.run.figures(condition) for checkpoint in training.checkpoints]
    return {
        metric: [figures[metric].value if metric in figures else None for figures in measured]
        for metric in METRICS
        if any(metric in figures for figures in measured)
    }


def _spreads_to_json(trend: Trend) -> dict[str, Any]:
    """Mean and spread over the trainings, of every figure that applies at every step that they share."""
    return {
        "steps": list(trend.steps),
        "conditions": {
            condition: {
                metric: {
                    "mean": [one.mean for one in spreads],
                    "spread": [one.spread for one in spreads],
                }
                for metric in METRICS
                if len(spreads := trend.spread(metric, condition)) == len(trend.steps)
            }
            for condition in trend.conditions
        },
    }
