"""An evaluation: all records of one model on one data set, and every figure about them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from types import MappingProxyType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_vlmrobust.core.clusters import cluster_codes
from pytest_vlmrobust.core.columns import Columns, SampleColumns
from pytest_vlmrobust.core.evidence import LARGEST, weigh
from pytest_vlmrobust.core.figures import METRICS, figure_to_json
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.pairing import shared_ids
from pytest_vlmrobust.core.panels import panel_figures, panel_to_json
from pytest_vlmrobust.core.predictions import calibration_to_json, predictions_to_json
from pytest_vlmrobust.core.provenance import (
    Incomplete,
    benchmark_headline,
    benchmark_name,
    designs,
    incomplete,
    joined,
    narrowed,
)
from pytest_vlmrobust.core.roles import Role, seen_roles
from pytest_vlmrobust.core.rows import VERDICTS, Record, record_to_json
from pytest_vlmrobust.core.samples import Tags
from pytest_vlmrobust.core.scores import Labels, Scorer
from pytest_vlmrobust.core.scores.measuring import DROP, SCORE
from pytest_vlmrobust.core.scores.report import benchmark_to_json, score_figures
from pytest_vlmrobust.core.views import BASE, View
from pytest_vlmrobust.errors import DataError, VacuousError, unknown_name

__all__ = ["BASE", "SCHEMA", "VERDICTS", "Evaluation", "Figure", "Record"]

SCHEMA = "vlmrobust/1"
"""Name and version of the JSON form."""


class Evaluation:
    """The records of every sample under every condition, held as columns.

    Made by `pytest_vlmrobust.evaluation.evaluate`, by `from_records` or from a report by
    `pytest_vlmrobust.core.documents.read_run`. It does not change, and each of its samples was
    asked under each of its conditions.
    """

    def __init__(
        self, *, samples: SampleColumns, columns: Mapping[str, Columns], provenance: Mapping[str, Any]
    ) -> None:
        """Use `from_records` or `EvaluationBuilder` instead."""
        self._samples = samples
        self._columns = {name: columns[name] for name in sorted(columns, key=lambda name: name != BASE)}
        self._provenance = MappingProxyType(dict(provenance))

    @classmethod
    def from_records(
        cls, records: Iterable[Record], *, provenance: Mapping[str, Any] | None = None
    ) -> Evaluation:
        """Build an evaluation from records in any order.

        Args:
            records: each sample once under each condition.
            provenance: what is known about the run, as JSON values.

        Raises:
            VacuousError: there are no records.
            DataError: records are doubled, missing or contradict each other.
            UsageError: the provenance is not made of JSON values, or a part that figures and
                reports rely on is malformed.
        """
        from pytest_vlmrobust.core.building import EvaluationBuilder  # builds on this module

        builder = EvaluationBuilder()
        for record in records:
            builder.add(record)
        return builder.build(provenance=provenance)

    @classmethod
    def from_json(cls, document: Mapping[str, Any]) -> Evaluation:
        """Read what `to_json` wrote; nothing is lost on the way.

        Raises:
            UsageError: the schema is another one, or the document is damaged; the message names
                the field.
        """
        from pytest_vlmrobust.core.documents import read_run  # builds on this module

        return read_run(document)

    def to_json(self) -> dict[str, Any]:
        """Return the run as JSON values: one entry of ``runs`` in schema ``vlmrobust/1``."""
        panel, views = self.panel(), [self.view(name) for name in self.conditions]
        calibration, predictions = calibration_to_json(views), predictions_to_json(views)
        return {
            "schema": SCHEMA,
            "provenance": json.loads(json.dumps(dict(self._provenance))),
            "conditions": {
                condition: {
                    **({"approximate": True} if condition in self.approximate else {}),
                    **{name: figure_to_json(figure) for name, figure in self.figures(condition).items()},
                }
                for condition in self.conditions
            },
            **({"panel": panel_to_json(panel)} if panel else {}),
            **({"benchmark": benchmark_to_json(self.scorer, views)} if self.scorer else {}),
            **({"calibration": calibration} if calibration else {}),
            **({"predictions": predictions} if predictions else {}),
            "records": [record_to_json(record) for record in self.records()],
        }

    @property
    def conditions(self) -> tuple[str, ...]:
        """Names of the conditions that were run, ``base`` first where it was."""
        return tuple(self._columns)

    @property
    def sample_ids(self) -> tuple[str, ...]:
        """Ids of the samples, in order."""
        return self._samples.ids

    @property
    def questions(self) -> Sequence[str]:
        """Question of each sample, in the order of `sample_ids`."""
        return self._samples.questions

    @property
    def categories(self) -> Sequence[str]:
        """Category of each sample, in the order of `sample_ids`."""
        return self._samples.categories

    @property
    def groups(self) -> Sequence[str]:
        """Group of each sample, or "", in the order of `sample_ids`."""
        return self._samples.groups

    @property
    def tags(self) -> Sequence[Tags]:
        """Tags of each sample, in the order of `sample_ids`."""
        return self._samples.tags

    @property
    def n(self) -> int:
        """How many samples were asked, under each condition."""
        return len(self._samples.ids)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What is known about the run, as JSON values; see docs/report_format.md."""
        return self._provenance

    @property
    def incomplete(self) -> Incomplete | None:
        """How much of the run there is when it was stopped before its end; no gate passes then."""
        return incomplete(self._provenance)

    def roles(self, condition: str) -> frozenset[Role]:
        """Return what part a condition has played, which decides about the thresholds that hold for it.

        Raises:
            VacuousError: it was not run.
        """
        return seen_roles(condition, designs(self._provenance).get(condition), self.columns(condition))

    @property
    def misleading(self) -> tuple[str, ...]:
        """The conditions under which a wrong option was planted."""
        return self._playing("misleading")

    @property
    def altering(self) -> tuple[str, ...]:
        """The conditions that assert no option and yet change what is shown, such as the image.

        Taken from the provenance; one that leaves no room for reasoning (``stop-think``) is not among them.
        """
        return self._playing("altering")

    @property
    def approximate(self) -> tuple[str, ...]:
        """The conditions whose thought was asked for in the prompt, since no turn could be begun with it.

        All figures under them are approximate.
        """
        known = designs(self._provenance)
        return tuple(name for name in self.conditions if name in known and known[name].approximate)

    @property
    def reasoned(self) -> tuple[str, ...]:
        """The conditions whose replies should hold reasoning of the model's own.

        Taken from the provenance where it lists the conditions; else those under which some
        reply was given to the judge.
        """
        return self._playing("reasoned")

    def select(self, conditions: str | Iterable[str]) -> Evaluation:
        """Return the part of the run that belongs to some of its conditions; nothing is copied.

        Args:
            conditions: the conditions to keep, in the order that they are to have, ``base`` first
                wherever it stands.

        Returns:
            That part, which is the run itself when it is all of it. What its provenance counts, such
            as the replies on which the judge failed, is still that of the whole run.

        Raises:
            VacuousError: one of them was not run, or there is none.
        """
        asked = [conditions] if isinstance(conditions, str) else conditions
        chosen = {name: self.columns(name) for name in sorted(asked, key=lambda name: name != BASE)}
        if not chosen:
            raise VacuousError(f"no condition was chosen; run were: {', '.join(self.conditions)}")
        if tuple(chosen) == self.conditions:
            return self
        known = narrowed(self._provenance, chosen)
        return Evaluation(samples=self._samples, columns=chosen, provenance=known)

    def merge(self, other: Evaluation) -> Evaluation:
        """Put two runs of the same samples together.

        Of a condition that both have, the records of this run stay; facts in which the provenances
        differ are those of this run, and counts are added up. Where one of the runs is incomplete,
        so is the result: it has the samples that are in both.

        Raises:
            DataError: the samples are not the same.
            VacuousError: one of the runs is incomplete, and they have no sample in common.
        """
        here, there = self, other
        if self.sample_ids != other.sample_ids:
            shared = shared_ids(self, other)
            here, there = self.restricted(shared), other.restricted(shared)
        if here._samples != there._samples:
            raise DataError(
                "the runs are not of the same samples: the ids are, but not question, category, group and "
                "tags"
            )
        added = {name: there.columns(name) for name in there.conditions if name not in here.conditions}
        known = joined(here.provenance, there.provenance, added=added, n=here.n)
        return Evaluation(samples=here._samples, columns={**here._columns, **added}, provenance=known)

    def agrees_with(self, other: Evaluation) -> bool:
        """Whether both are of the same samples, with the same records under each condition of both."""
        shared = [name for name in self.conditions if name in other.conditions]
        return self._samples == other._samples and all(
            self.columns(name).same_as(other.columns(name)) for name in shared
        )

    def restricted(self, sample_ids: Sequence[str]) -> Evaluation:
        """Copy the records of some samples, in the order of ``sample_ids``; the provenance stays."""
        rows = np.array([self._rows[sample_id] for sample_id in sample_ids], dtype=np.intp)
        return Evaluation(
            samples=self._samples.take(rows),
            columns={name: columns.take(rows) for name, columns in self._columns.items()},
            provenance=self._provenance,
        )

    def _playing(self, role: Role) -> tuple[str, ...]:
        return tuple(name for name in self.conditions if role in self.roles(name))

    @cached_property
    def _rows(self) -> dict[str, int]:
        return {sample_id: row for row, sample_id in enumerate(self.sample_ids)}

    def columns(self, condition: str) -> Columns:
        """Return the columns of a condition.

        Raises:
            VacuousError: it was not run.
        """
        if condition not in self._columns:
            ran = ", ".join(self._columns)
            raise VacuousError(f"condition {condition!r} was not run, so it shows nothing; run were: {ran}")
        return self._columns[condition]

    def view(self, condition: str) -> View:
        """Return a condition beside ``base``.

        Raises:
            VacuousError: it was not run.
        """
        design = designs(self._provenance).get(condition)
        return View(
            condition=condition,
            here=self.columns(condition),
            base=self._columns.get(BASE),
            own_reasoning=design is None or design.reasons,
            hidden_reasoning=design is not None and design.hidden,
            scorer=self.scorer,
            clusters=self.clusters,
        )

    def figure(self, condition: str, name: str) -> Figure:
        """Measure one figure.

        Args:
            condition: a condition that was run.
            name: a metric, such as "accuracy_drop".

        Raises:
            UsageError: there is no such metric.
            VacuousError: the condition was not run, or the figure does not apply to it; the message says why.
        """
        if name not in METRICS:
            raise unknown_name("metric", name, METRICS)
        view = self.view(condition)
        reason = METRICS[name].obstacle(view)
        if reason:
            raise VacuousError(f"there is no {name} under {condition!r}: {reason}")
        return self._measured(view, name)

    @cached_property
    def clusters(self) -> NDArray[np.intp] | None:
        """(n,) equal numbers for samples that share a group; None where no two of them do."""
        codes = cluster_codes(self.groups)
        return None if codes.max() == self.n - 1 else codes

    @cached_property
    def scorer(self) -> Scorer | None:
        """What scores the run as the data set's benchmark does; None where it has no score of its own."""
        name, known = benchmark_name(self._provenance), self._samples
        if name is None:
            return None
        tags = [dict(tags) for tags in known.tags]
        labels = Labels(ids=known.ids, categories=known.categories, groups=known.groups, tags=tags)
        return Scorer(name, labels, benchmark_headline(self._provenance))

    def scores(self, condition: str) -> dict[str, Figure]:
        """Measure every score of the data set's own that applies to a condition, by name; perhaps none.

        Raises:
            VacuousError: the condition was not run.
        """
        view = self.view(condition)
        return score_figures(self.scorer, view) if self.scorer else {}

    def panel(self) -> dict[str, Figure]:
        """Measure how far the judges of a panel agree, over all conditions; empty where none judged."""
        return panel_figures(self._columns.values())

    def figures(self, condition: str) -> dict[str, Figure]:
        """Measure every figure that applies to a condition, by name.

        Raises:
            VacuousError: the condition was not run.
        """
        view = self.view(condition)
        known = METRICS.items()
        return {name: self._measured(view, name) for name, metric in known if not metric.obstacle(view)}

    def _measured(self, view: View, name: str) -> Figure:
        """Measure a figure; its interval says less where samples share a group."""
        figure = METRICS[name].measure(view)
        if view.clusters is None or figure.low is None or name in (SCORE, DROP):
            return figure  # a score has clusters of its own
        evidence = weigh(view, name, figure)
        if evidence is None or evidence.clusters is None:
            return figure
        try:
            interval = evidence.interval(0.95)
        except VacuousError:  # one group does not show how groups differ, so all is possible
            low = -1.0 if evidence.kind == "drop" else 0.0
            return replace(figure, low=low, high=LARGEST.get(name, 1.0))
        return replace(figure, low=interval.low, high=interval.high)

    def records(self, condition: str | None = None) -> Iterator[Record]:
        """Make the records of one condition, or of all, in the order of the samples.

        Raises:
            VacuousError: the condition was not run.
        """
        names = self.conditions if condition is None else (condition,)
        chosen = [(name, self.columns(name)) for name in names]
        return (columns.record(self._samples, name, row) for name, columns in chosen for row in range(self.n))

    def record(self, condition: str, sample_id: str) -> Record:
        """Make one record.

        Raises:
            VacuousError: the condition was not run.
            UsageError: there is no such sample.
        """
        columns = self.columns(condition)
        if sample_id not in self._rows:
            raise unknown_name("sample", sample_id, self.sample_ids)
        return columns.record(self._samples, condition, self._rows[sample_id])
