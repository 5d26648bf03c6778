"""An evaluation: all records of one model on one data set, and every figure about them."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from types import MappingProxyType
from typing import Any

from pytest_vlmrobust.core.columns import Columns, ColumnsBuilder, SampleColumns
from pytest_vlmrobust.core.figures import METRICS, figure_to_json
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.provenance import checked_provenance, designs
from pytest_vlmrobust.core.rows import VERDICTS, Record, record_to_json
from pytest_vlmrobust.core.views import BASE, View
from pytest_vlmrobust.errors import DataError, VacuousError, unknown_name

__all__ = ["BASE", "SCHEMA", "VERDICTS", "Evaluation", "EvaluationBuilder", "Figure", "Record"]

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
        self._columns = dict(columns)
        self._rows = {sample_id: row for row, sample_id in enumerate(samples.ids)}
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
            UsageError: the provenance is not made of JSON values, or its "conditions" are malformed.
        """
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
        return {
            "schema": SCHEMA,
            "provenance": json.loads(json.dumps(dict(self._provenance))),
            "conditions": {
                condition: {name: figure_to_json(figure) for name, figure in self.figures(condition).items()}
                for condition in self.conditions
            },
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
    def categories(self) -> Sequence[str]:
        """Category of each sample, in the order of `sample_ids`."""
        return self._samples.categories

    @property
    def n(self) -> int:
        """How many samples were asked, under each condition."""
        return len(self._samples.ids)

    @property
    def provenance(self) -> Mapping[str, Any]:
        """What is known about the run, as JSON values; see docs/report_format.md."""
        return self._provenance

    @property
    def misleading(self) -> tuple[str, ...]:
        """The conditions under which a wrong option was planted."""
        return tuple(name for name, columns in self._columns.items() if columns.wrongly_planted.any())

    @property
    def altering(self) -> tuple[str, ...]:
        """The conditions that assert no option and yet change what is shown, such as the image.

        Taken from the provenance; one that leaves no room for reasoning (``stop-think``) is not among them.
        """
        design = designs(self._provenance)
        return tuple(
            name
            for name in self.conditions
            if name != BASE and name in design and design[name].plants is None and design[name].reasons
        )

    @property
    def reasoned(self) -> tuple[str, ...]:
        """The conditions whose replies should hold reasoning of the model's own.

        Taken from the provenance where it lists the conditions; else those under which some
        reply was given to the judge.
        """
        design = designs(self._provenance)
        return tuple(
            name
            for name, columns in self._columns.items()
            if (design[name].reasons if name in design else columns.reasoned.any())
        )

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
        return METRICS[name].measure(view)

    def figures(self, condition: str) -> dict[str, Figure]:
        """Measure every figure that applies to a condition, by name.

        Raises:
            VacuousError: the condition was not run.
        """
        view = self.view(condition)
        return {name: metric.measure(view) for name, metric in METRICS.items() if not metric.obstacle(view)}

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


class EvaluationBuilder:
    """Collects records one by one, in any order, and holds them as columns from the start."""

    def __init__(self, *, sample_ids: Sequence[str] = (), conditions: Sequence[str] = ()) -> None:
        """Start empty.

        Args:
            sample_ids: fixes the order of the samples; others follow as they come.
            conditions: fixes the order of the conditions; others follow as they come.
        """
        self._rows = {sample_id: row for row, sample_id in enumerate(sample_ids)}
        self._facts: dict[str, tuple[str, str, str]] = {}
        self._choices: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._builders = {name: ColumnsBuilder() for name in conditions}
        self._seen: dict[str, set[int]] = {name: set() for name in conditions}

    def add(self, record: Record) -> None:
        """Take one record in.

        Raises:
            DataError: there is one of this sample and condition already, or the question,
                category or group differs from the sample's other records.
        """
        facts = (record.question, record.category, record.group)
        known = self._facts.setdefault(record.sample_id, facts)
        if known != facts:
            raise DataError(
                f"sample {record.sample_id!r}: question, category and group are {facts} under "
                f"{record.condition!r}, but were {known} before; a condition leaves them as they are"
            )
        row = self._rows.setdefault(record.sample_id, len(self._rows))
        seen = self._seen.setdefault(record.condition, set())
        if row in seen:
            raise DataError(f"sample {record.sample_id!r} has two records under {record.condition!r}")
        seen.add(row)
        builder = self._builders.setdefault(record.condition, ColumnsBuilder())
        builder.append(row, record, self._choices.setdefault(record.choices, record.choices))

    def build(self, *, provenance: Mapping[str, Any] | None = None) -> Evaluation:
        """Return the evaluation.

        Args:
            provenance: what is known about the run, as JSON values.

        Raises:
            VacuousError: there are no records.
            DataError: a sample has no record under some condition.
            UsageError: the provenance is not made of JSON values, or its "conditions" are malformed.
        """
        known = checked_provenance(provenance or {})
        if not self._facts:
            raise VacuousError("no records: an evaluation of nothing shows nothing")
        for condition, seen in self._seen.items():
            missing = [sample_id for sample_id, row in self._rows.items() if row not in seen]
            if missing:
                raise DataError(
                    f"condition {condition!r} lacks the records of {len(missing)} of {len(self._rows)} "
                    f"samples, such as {missing[0]!r}: every sample needs one under every condition"
                )
        facts = [self._facts[sample_id] for sample_id in self._rows]
        names = sorted(self._builders, key=lambda name: name != BASE)
        return Evaluation(
            samples=SampleColumns(
                ids=tuple(self._rows),
                questions=[question for question, _, _ in facts],
                categories=[category for _, category, _ in facts],
                groups=[group for _, _, group in facts],
            ),
            columns={name: self._builders[name].pack() for name in names},
            provenance=known,
        )
