"""From the files of a benchmark to its samples: the one way that all of them go."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

from pytest_vlmrobust.core.samples import GROUP_SIZE, Sample, check_choices, make_tags
from pytest_vlmrobust.core.seeding import seeded
from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark
from pytest_vlmrobust.datasets.benchmarks.finding import Found, find_files
from pytest_vlmrobust.datasets.benchmarks.hub import HubId, download
from pytest_vlmrobust.datasets.benchmarks.options import Asked, OptionsFrom, OptionsOf
from pytest_vlmrobust.datasets.benchmarks.pictures import Place
from pytest_vlmrobust.datasets.downloads import Downloads
from pytest_vlmrobust.datasets.faults import Fault, Faults
from pytest_vlmrobust.datasets.images import BENCHMARK_PIXELS
from pytest_vlmrobust.datasets.tables import Row, read_table
from pytest_vlmrobust.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Read:
    """A benchmark that was read.

    Attributes:
        samples: all its samples, in the order of its files.
        faults: what is wrong with its data.
        facts: what was read, as JSON values.
    """

    samples: tuple[Sample, ...]
    faults: tuple[Fault, ...]
    facts: dict[str, Any]


def read_benchmark(
    benchmark: Benchmark, source: Path | HubId, *, seed: int = 0, downloads: Downloads | None = None
) -> Read:
    """Read a benchmark.

    Args:
        benchmark: the benchmark.
        source: one of its files, the folder with them, or where it is on the hub.
        seed: seeds the order of options that have to be shuffled. Options that have to be made up are the
            same for every seed.
        downloads: whether images that are given by their address may be fetched; by default not.

    Raises:
        DataError: the files cannot be read, or a row is not what it should be; the message names the place.
    """
    if isinstance(source, HubId):
        found, commit = download(benchmark, source)
        facts: dict[str, Any] = {"hub": source.repo, "revision": commit}
    else:
        found, facts = find_files(benchmark, source), {}
    reading = _Reading(benchmark, found, seed, downloads or Downloads())
    samples = reading.samples()
    layout = found.layout
    facts |= {
        "files": [file.relative_to(found.folder).as_posix() for file in found.files],
        "max_image_pixels": BENCHMARK_PIXELS,
        **({"options_shuffled": True} if layout.shuffled else {}),
        **({"note": layout.note} if layout.note else {}),
    }
    return Read(samples=samples, faults=reading.faults.listed(), facts=facts)


class _Reading:
    """Reads the files of one benchmark."""

    def __init__(self, benchmark: Benchmark, found: Found, seed: int, downloads: Downloads) -> None:
        self.faults = Faults()
        self._benchmark = benchmark
        self._layout = found.layout
        self._found = found
        self._seed = seed
        self._downloads = downloads
        self._ids: dict[str, str] = {}
        self._sizes: Counter[str] = Counter()
        self._asked: set[tuple[object, ...]] = set()

    def samples(self) -> tuple[Sample, ...]:
        """Make all samples."""
        drafts = list(self._drafts())
        if not drafts:
            reasons = "; ".join(fault.told for fault in self.faults.listed())
            raise DataError(f"{self._benchmark.name}: no row of {self._found.folder} can be asked: {reasons}")
        return tuple(
            replace(sample, tags=make_tags({**dict(sample.tags), GROUP_SIZE: str(self._sizes[sample.group])}))
            if sample.group
            else sample
            for sample in drafts
        )

    def _drafts(self) -> Iterator[Sample]:
        for file in self._found.files:
            rows = read_table(file, self._layout.columns, file.relative_to(self._found.folder).as_posix())
            place, options = self._place(rows), self._options(rows)
            for row in rows:
                sample = self._draft(row, options, place)
                if sample is not None:
                    self._check(sample, row)
                    yield sample

    def _draft(self, row: Row, options: OptionsOf, place: Place) -> Sample | None:
        """Make the sample of a row, or count why it is left out; whatever goes wrong names the row."""
        try:
            reason = self._layout.skip(row)
            if reason:
                self.faults.add(reason, row.where)
                return None
            return self._sample(row, options(row), place)
        except (OSError, ValueError) as error:
            told = str(error)
            raise DataError(told if told.startswith(row.where) else f"{row.where}: {told}") from error

    def _place(self, rows: Sequence[Row]) -> Place:
        folder = self._found.folder.resolve()
        # The hub's cache has links in place of files, which lead to a folder beside.
        in_cache = folder.parent.name == "snapshots" and (folder.parents[1] / "blobs").is_dir()
        return Place(
            folders=(folder, *self._found.around),
            boundary=folder.parents[1] if in_cache else (*self._found.around, folder)[0],
            rows={row.optional("index"): row for row in reversed(rows) if "index" in row.values},
            downloads=self._downloads,
        )

    def _options(self, rows: Sequence[Row]) -> OptionsOf:
        options = self._layout.options
        return options.make(rows) if isinstance(options, OptionsFrom) else options

    def _sample(self, row: Row, asked: Asked, place: Place) -> Sample | None:
        layout = self._layout
        group = layout.group(row)
        # A row that is left out from here on is missing from its group, which is then not whole.
        self._sizes[group] += 1
        answer = layout.answer(row, asked, self.faults)
        if answer is None:
            return None
        if asked.gap:
            self.faults.add("gap-in-options", row.where)
        identity = f"{self._benchmark.name}-{layout.identity(row)}"
        choices, answer = self._choices(asked, answer, identity, row)
        return Sample(
            id=identity,
            images=layout.pictures(row, place),
            question=asked.question,
            choices=choices,
            answer=answer,
            category=layout.category(row),
            group=group,
            tags=make_tags({name: value(row) for name, value in layout.tags.items()}),
        )

    def _choices(self, asked: Asked, answer: int, identity: str, row: Row) -> tuple[tuple[str, ...], int]:
        """Take options that read the same for one, and shuffle them where that is needed."""
        places: dict[str, int] = {}
        for place, (_, text) in enumerate(asked.options):
            places.setdefault(text.casefold(), place)
        if len(places) < len(asked.options):
            self.faults.add("duplicate-option", row.where)
        right = places[asked.options[answer][1].casefold()]
        order = list(places.values())
        if self._layout.shuffled:
            seeded("options", self._seed, identity).shuffle(order)
        choices = tuple(asked.options[place][1] for place in order)
        check_choices(row.where, choices)
        return choices, order.index(right)

    def _check(self, sample: Sample, row: Row) -> None:
        """Refuse an id that is taken, and count a question that was asked before."""
        if sample.id in self._ids:
            raise DataError(
                f"{row.where}: the id {sample.id!r} is taken by {self._ids[sample.id]}: each row needs one "
                "of its own"
            )
        self._ids[sample.id] = row.where
        # The forms of one question, which are in one group, differ in the order of their options alone.
        choices = sample.choices if sample.group else frozenset(sample.choices)
        asked = (sample.images, sample.question, choices)
        if asked in self._asked:
            self.faults.add("duplicate-question", row.where)
        self._asked.add(asked)
