"""Where the claims of a session come from: the rules, a file, or a language model."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from pytest_vlmrobust.claiming.files import FILE, ClaimRow, claim_rows, read_claims, with_claims
from pytest_vlmrobust.claiming.writer import ClaimWriter, Report
from pytest_vlmrobust.conditions.claims import GIVEN
from pytest_vlmrobust.core.samples import Sample

Rows = dict[tuple[str, str, tuple[str, ...]], ClaimRow]


@dataclass(frozen=True, kw_only=True)
class Claimed:
    """Samples that bring the claims which are to be planted.

    Attributes:
        samples: the samples.
        facts: for the provenance; empty where the rules word the claims.
    """

    samples: tuple[Sample, ...]
    facts: Mapping[str, Any] = field(default_factory=dict)


@dataclass(frozen=True, kw_only=True)
class ClaimOptions:
    """Where the claims of a session come from.

    Attributes:
        file: a file of claims, or None.
        writer: spec of the language model that writes them, or None.
        device: where that model runs.
        keep: whether they are kept to be exported.
    """

    file: Path | None = None
    writer: str | None = None
    device: str = "auto"
    keep: bool = False


class ClaimSource:
    """Gives samples their claims, and keeps all of them for a file.

    Attributes:
        rows: the claims of all samples so far, where they are to be kept.
    """

    def __init__(
        self,
        *,
        file: Path | None = None,
        writer: Callable[[], ClaimWriter] | None = None,
        keep: bool = False,
        progress: Callable[[str], AbstractContextManager[Report]] | None = None,
    ) -> None:
        """Read and load nothing yet.

        Args:
            file: the file that claims are taken from.
            writer: makes what writes them, where there is no file.
            keep: whether ``rows`` are kept.
            progress: given a title, opens what shows how far the writer is.
        """
        self.rows: Rows = {}
        self._file = file
        self._known: Rows | None = None
        self._make = writer
        self._writer: ClaimWriter | None = None
        self._keep = keep
        self._progress = progress

    def claimed(self, samples: Sequence[Sample]) -> Claimed:
        """Give samples their claims.

        Raises:
            DataError: the file cannot be used, or lacks a sample.
            ModelError: the writer's model cannot be loaded, or cannot go on.
            StoreError: the store is damaged.
        """
        done, sources = self._done(samples)
        if self._keep:
            self.add(claim_rows(done.samples, sources=sources))
        return done

    def add(self, rows: Iterable[ClaimRow]) -> None:
        """Keep claims; those that are there already stay."""
        for row in rows:
            self.rows.setdefault((row.id, row.question, row.choices), row)

    def close(self) -> None:
        """Free the writer's model."""
        if self._writer is not None:
            self._writer.close()
            self._writer = None

    def _done(self, samples: Sequence[Sample]) -> tuple[Claimed, Mapping[str, Sequence[str]]]:
        if self._file is not None:
            if self._known is None:
                self._known = dict(read_claims(self._file))
            found = tuple(with_claims(samples, self._known, str(self._file)))
            sources = {sample.id: (FILE,) * len(sample.choices) for sample in found}
            return Claimed(samples=found, facts={"claims": _counts(sources)}), sources
        if self._make is None:
            return Claimed(samples=tuple(samples)), {}
        if self._writer is None:
            self._writer = self._make()
        title = f"claims by {self._writer.model.name}"
        with nullcontext() if self._progress is None else self._progress(title) as report:
            written = self._writer.write(samples, report)
        facts = {"claims": _counts(written.sources), "claim_writer": dict(written.facts)}
        return Claimed(samples=written.samples, facts=facts), written.sources


def _counts(sources: Mapping[str, Sequence[str]]) -> dict[str, int]:
    """Count where claims come from, the most frequent first."""
    counts = Counter(source for told in sources.values() for source in told)
    return dict(sorted(counts.items(), key=lambda entry: (entry[0] == GIVEN, -entry[1], entry[0])))
