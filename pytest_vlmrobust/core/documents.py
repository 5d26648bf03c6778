"""The JSON report, schema ``vlmrobust/1``: runs put together, and read back."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from typing import Any

from pytest_vlmrobust.core.building import EvaluationBuilder
from pytest_vlmrobust.core.figures import METRICS, figure_to_json
from pytest_vlmrobust.core.panels import panel_to_json
from pytest_vlmrobust.core.predictions import calibration_to_json, predictions_to_json
from pytest_vlmrobust.core.provenance import json_values
from pytest_vlmrobust.core.records import SCHEMA, Evaluation
from pytest_vlmrobust.core.rows import record_from_json
from pytest_vlmrobust.core.scores.report import benchmark_to_json
from pytest_vlmrobust.errors import UsageError, VacuousError

_RUN_FIELDS = ("schema", "provenance", "conditions", "records")
_TOLERANCE = 1e-9
"""How far a stored figure may lie from the one that its records give; logarithms differ in the last bit."""


def report_document(runs: Iterable[Evaluation], context: Mapping[str, Any] | None = None) -> dict[str, Any]:
    """Put runs together into one report.

    Args:
        runs: one for each model and data set.
        context: what the caller knows about the whole session, such as ``created``, as JSON values.

    Returns:
        JSON values; the schema is in ``pytest_vlmrobust/reports/schema.json`` and described in
        docs/report_format.md.

    Raises:
        UsageError: the context is not made of JSON values, or claims ``schema`` or ``runs`` for itself.
    """
    known = json_values(context or {}, "context")
    for name in ("schema", "runs"):
        if name in known:
            raise UsageError(f"context.{name} is written by the report itself: leave it out")
    return {"schema": SCHEMA, **known, "runs": [run.to_json() for run in runs]}


def read_report(document: Mapping[str, Any]) -> list[Evaluation]:
    """Read the runs of a report back.

    Args:
        document: what `report_document` returned, perhaps after a trip through a file.

    Raises:
        UsageError: the schema is another one, or the document is damaged; the message names the field.
    """
    _check_schema(document, "report")
    runs = document.get("runs")
    if not isinstance(runs, list):
        raise UsageError(f"report: runs must be an array, got {type(runs).__name__}")
    evaluations = []
    for index, run in enumerate(runs):
        try:
            evaluations.append(read_run(run))
        except UsageError as error:
            raise UsageError(f"runs[{index}]: {error}") from error
    return evaluations


def read_run(document: Mapping[str, Any]) -> Evaluation:
    """Read one run back; what `Evaluation.to_json` wrote, nothing lost.

    Raises:
        UsageError: the schema is another one, the document is damaged, or its figures are not those
            that its records give; the message names the field.
    """
    _check_schema(document, "run")
    if "runs" in document:
        raise UsageError("this is a report of several runs: use read_report, or pass one entry of its 'runs'")
    for name in _RUN_FIELDS:
        if name not in document:
            raise UsageError(f"run: {name} is missing")
    for name, kind, wanted in (
        ("provenance", Mapping, "an object"),
        ("conditions", Mapping, "an object"),
        ("records", list, "an array"),
    ):
        if not isinstance(document[name], kind):
            raise UsageError(f"run: {name} must be {wanted}, got {type(document[name]).__name__}")
    evaluation = _rebuild(document)
    _check_figures(evaluation, document["conditions"])
    _check_panel(evaluation, document.get("panel"))
    _check_benchmark(evaluation, document.get("benchmark"))
    _check_predictions(evaluation, document)
    return evaluation


def _check_schema(document: object, kind: str) -> None:
    if not isinstance(document, Mapping):
        raise UsageError(f"a {kind} must be a JSON object, got {type(document).__name__}")
    if document.get("schema") != SCHEMA:
        raise UsageError(f"{kind}: schema is {document.get('schema')!r}; this version reads {SCHEMA!r}")


def _rebuild(document: Mapping[str, Any]) -> Evaluation:
    builder = EvaluationBuilder(conditions=tuple(document["conditions"]))
    try:
        for index, record in enumerate(document["records"]):
            builder.add(record_from_json(record, f"records[{index}]"))
        return builder.build(provenance=document["provenance"])
    except VacuousError as error:
        raise UsageError(f"run: records is empty: {error}") from error


def _check_figures(evaluation: Evaluation, stored: Mapping[str, Any]) -> None:
    """Refuse figures that were changed, or records that were."""
    if set(stored) != set(evaluation.conditions):
        ran = ", ".join(evaluation.conditions)
        raise UsageError(f"run: conditions lists {', '.join(stored)}, but the records are of {ran}")
    for condition, figures in stored.items():
        if not isinstance(figures, Mapping):
            raise UsageError(f"run: conditions.{condition} must be an object, got {type(figures).__name__}")
        if figures.get("approximate", False) != (condition in evaluation.approximate):
            raise UsageError(
                f"run: conditions.{condition}.approximate is {figures.get('approximate')!r}, but the "
                "provenance says otherwise: the document was changed or cut"
            )
        measured = {name: figure_to_json(figure) for name, figure in evaluation.figures(condition).items()}
        for name in METRICS:
            if not _same(figures.get(name), measured.get(name)):
                raise UsageError(
                    f"run: conditions.{condition}.{name} is {figures.get(name)!r}, but the records give "
                    f"{measured.get(name)!r}: the document was changed or cut"
                )


def _check_panel(evaluation: Evaluation, stored: object) -> None:
    measured = panel_to_json(evaluation.panel()) if evaluation.panel() else None
    if not _same(stored, measured):
        raise UsageError(
            f"run: panel is {stored!r}, but the records give {measured!r}: the document was changed or cut"
        )


def _check_benchmark(evaluation: Evaluation, stored: object) -> None:
    views = [evaluation.view(name) for name in evaluation.conditions]
    measured = benchmark_to_json(evaluation.scorer, views) if evaluation.scorer else None
    if not _same(stored, measured):
        raise UsageError(
            "run: benchmark holds other scores than the records give: the document was changed or cut"
        )


def _check_predictions(evaluation: Evaluation, document: Mapping[str, Any]) -> None:
    views = [evaluation.view(name) for name in evaluation.conditions]
    for name, measure in (("calibration", calibration_to_json), ("predictions", predictions_to_json)):
        if not _same(document.get(name), measure(views) or None):
            raise UsageError(
                f"run: {name} holds other figures than the records give: the document was changed or cut"
            )


def _same(stored: object, measured: object) -> bool:
    if isinstance(stored, Mapping) and isinstance(measured, Mapping):
        return set(stored) == set(measured) and all(_same(stored[key], measured[key]) for key in measured)
    if isinstance(stored, list) and isinstance(measured, list):
        return len(stored) == len(measured) and all(map(_same, stored, measured))
    if isinstance(stored, str) and isinstance(measured, str):
        return stored == measured
    if isinstance(stored, int | float) and isinstance(measured, int | float):
        return math.isclose(stored, measured, rel_tol=_TOLERANCE, abs_tol=_TOLERANCE)
    return stored is None and measured is None
