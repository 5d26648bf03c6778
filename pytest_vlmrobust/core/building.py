"""From records to an evaluation: taken in one by one, held as columns from the start."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pytest_vlmrobust.core.columns import ColumnsBuilder, SampleColumns
from pytest_vlmrobust.core.provenance import checked_provenance
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.rows import Record
from pytest_vlmrobust.core.samples import Tags
from pytest_vlmrobust.errors import DataError, UsageError, VacuousError


class EvaluationBuilder:
    """Collects records one by one, in any order."""

    def __init__(self, *, sample_ids: Sequence[str] = (), conditions: Sequence[str] = ()) -> None:
        """Start empty.

        Args:
            sample_ids: fixes the order of the samples; others follow as they come.
            conditions: fixes the order of the conditions; others follow as they come.
        """
        self._rows = {sample_id: row for row, sample_id in enumerate(sample_ids)}
        self._facts: dict[str, tuple[str, str, str, Tags]] = {}
        self._tags: dict[Tags, Tags] = {}
        self._choices: dict[tuple[str, ...], tuple[str, ...]] = {}
        self._judges = 0
        self._builders = {name: ColumnsBuilder() for name in conditions}
        self._seen: dict[str, set[int]] = {name: set() for name in conditions}

    def add(self, record: Record) -> None:
        """Take one record in.

        Raises:
            DataError: there is one of this sample and condition already, the question,
                category, group or tags differ from the sample's other records, or the number of votes
                from that of other records.
        """
        tags = self._tags.setdefault(record.tags, record.tags)
        facts = (record.question, record.category, record.group, tags)
        known = self._facts.setdefault(record.sample_id, facts)
        if known != facts:
            raise DataError(
                f"sample {record.sample_id!r}: question, category, group and tags are {facts} under "
                f"{record.condition!r}, but were {known} before; a condition leaves them as they are"
            )
        self._check_votes(record)
        row = self._rows.setdefault(record.sample_id, len(self._rows))
        seen = self._seen.setdefault(record.condition, set())
        if row in seen:
            raise DataError(f"sample {record.sample_id!r} has two records under {record.condition!r}")
        builder = self._builders.setdefault(record.condition, ColumnsBuilder())
        builder.append(row, record, self._choices.setdefault(record.choices, record.choices))
        seen.add(row)  # last, so that a record that was interrupted on its way in does not count

    def _check_votes(self, record: Record) -> None:
        if not record.votes:
            return
        self._judges = self._judges or len(record.votes)
        if len(record.votes) != self._judges:
            raise DataError(
                f"sample {record.sample_id!r} has {len(record.votes)} votes under {record.condition!r}, but "
                f"others have {self._judges}: a run has one panel"
            )

    def build(self, *, provenance: Mapping[str, Any] | None = None) -> Evaluation:
        """Return the evaluation of all samples.

        Args:
            provenance: what is known about the run, as JSON values.

        Raises:
            VacuousError: there are no records.
            DataError: a sample has no record under some condition.
            UsageError: the provenance is not made of JSON values, or a part that figures and
                reports rely on is malformed.
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
        return self._packed(range(len(self._rows)), known)

    def build_partial(
        self, *, provenance: Mapping[str, Any] | None = None, reason: str = "interrupted"
    ) -> Evaluation | None:
        """Return what there is of an evaluation that was stopped: the samples with all their records.

        Figures can be read from it, and are paired as ever; no gate passes on it. It is marked in
        its provenance: ``incomplete`` tells how many samples it has, ``of`` how many, and the ``reason``.

        Args:
            provenance: what is known about the run, as JSON values.
            reason: why it was stopped, in a word or two.

        Returns:
            The evaluation, with nothing marked when nothing is missing; None when no sample has a
            record under every condition.

        Raises:
            UsageError: as `build`.
        """
        whole = set.intersection(*self._seen.values()) if self._seen else set()
        if not whole:
            return None
        told = dict(provenance or {})
        if len(whole) < len(self._rows):
            told["incomplete"] = {"samples": len(whole), "of": len(self._rows), "reason": reason}
        return self._packed(sorted(whole), checked_provenance(told))

    def _packed(self, rows: Sequence[int], provenance: Mapping[str, Any]) -> Evaluation:
        """Pack the samples of some rows, each of which has a record under every condition."""
        told = provenance.get("incomplete")
        if told and told["samples"] != len(rows):
            raise UsageError(
                f"provenance.incomplete.samples is {told['samples']}, but there are {len(rows)} samples"
            )
        ids = tuple(self._rows)
        facts = [self._facts[ids[row]] for row in rows]
        places = np.asarray(rows, dtype=np.intp)
        return Evaluation(
            samples=SampleColumns(
                ids=tuple(ids[row] for row in rows),
                questions=[question for question, _, _, _ in facts],
                categories=[category for _, category, _, _ in facts],
                groups=[group for _, _, group, _ in facts],
                tags=[tags for _, _, _, tags in facts],
            ),
            columns={name: builder.pack(places) for name, builder in self._builders.items()},
            provenance=provenance,
        )
