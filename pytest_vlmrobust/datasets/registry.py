"""Data sets by name: the table of names, and from a spec to the samples that a run uses.

A spec is ``NAME``, ``NAME:VARIANT``, ``NAME:PATH``, for a benchmark also ``NAME:ORGANIZATION/NAME`` on the
Hugging Face hub, or the path of a ``.jsonl`` file.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import islice
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vlmrobust.core.samples import Sample, check_ids
from pytest_vlmrobust.datasets.faults import Fault, refuse_faults
from pytest_vlmrobust.datasets.subset import check_count, choose_samples
from pytest_vlmrobust.errors import UsageError, VacuousError, unknown_name

if TYPE_CHECKING:
    from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark
    from pytest_vlmrobust.datasets.downloads import Downloads

Make = Callable[[str | None, int], Iterable[Sample]]
"""From what stands after the colon of the spec (None for nothing) and a seed to the samples."""

MAX_FINITE_SAMPLES = 1_000_000
"""A data set that says it has an end, and goes on beyond this, is taken for endless."""

_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")
_FILE_SUFFIX = ".jsonl"


@dataclass(frozen=True, kw_only=True)
class Dataset:
    """A named data set.

    Attributes:
        name: lower case words joined by hyphens.
        make: gives the samples.
        summary: one line for lists.
        endless: True when the samples never end, so that a limit is needed.
        variants: the words that may stand after the colon; empty when a path may.
        needs_path: True when a path must stand there.
        check: further checks that cost little, made before any model is loaded.
        benchmark: gives the facts about it, for a benchmark that is read from its official files.
    """

    name: str
    make: Make
    summary: str = ""
    endless: bool = False
    variants: tuple[str, ...] = ()
    needs_path: bool = False
    check: Callable[[], None] | None = None
    benchmark: Callable[[], Benchmark] | None = None


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """A data set that was loaded.

    Attributes:
        samples: the samples that are used, at least one; their ids are distinct.
        score_name: name of the data set's own score, or "" where it has none.
        headline: which of the benchmark's scores stands for the data set: the first that applies to all its
            rows, and not only to the ones that are used.
        faults: what is wrong with the data, of all its rows and not only of the ones that are used.
        facts: what was read, as JSON values.
    """

    samples: tuple[Sample, ...]
    score_name: str = ""
    headline: str = ""
    faults: tuple[Fault, ...] = ()
    facts: Mapping[str, Any] = field(default_factory=dict)

    def to_json(self) -> dict[str, Any]:
        """What a report says beside the name: ``score``, ``headline``, ``faults`` and ``facts``."""
        return {
            **({"score": self.score_name} if self.score_name else {}),
            **({"headline": self.headline} if self.headline else {}),
            **({"faults": [fault.to_json() for fault in self.faults]} if self.faults else {}),
            **({"facts": dict(self.facts)} if self.facts else {}),
        }


_REGISTRY: dict[str, Dataset] = {}


def dataset(
    name: str,
    *,
    summary: str = "",
    endless: bool = False,
    variants: Iterable[str] = (),
    needs_path: bool = False,
    check: Callable[[], None] | None = None,
) -> Callable[[Make], Make]:
    """Register a data set under a name; it then works wherever a data set is named.

    The function gets what stands after the colon of the spec, or None, and the seed of the run.

    Args:
        name: lower case words joined by hyphens, not yet taken.
        summary: one line for lists; by default the first line of the docstring.
        endless: True when the samples never end; using it then needs a limit.
        variants: the words that may stand after the colon. With none, a path may stand there, and
            has to exist.
        needs_path: True when the data set cannot do without a path.
        check: called before anything slow begins; raises `UsageError` when the data set cannot be
            used, for instance because a package is missing.

    Raises:
        UsageError: the name is malformed or taken, or both variants and a path are asked for.

    >>> from pytest_vlmrobust.datasets.shapes import shapes_sample
    >>> @dataset("three-shapes")
    ... def three_shapes(path: str | None, seed: int) -> list[Sample]:
    ...     "Three drawn scenes."
    ...     return [shapes_sample(index, seed=seed) for index in range(3)]
    >>> len(load_samples("three-shapes"))
    3
    """
    if not _NAME.fullmatch(name):
        raise UsageError(f"data set name {name!r}: use lower case words joined by hyphens, such as 'my-data'")
    if name in _REGISTRY:
        raise UsageError(f"data set name {name!r} is already taken: choose another")
    words = tuple(variants)
    if words and needs_path:
        raise UsageError(f"data set {name!r}: give variants or needs_path, not both")

    def register(make: Make) -> Make:
        first = (make.__doc__ or "").strip().splitlines()
        _REGISTRY[name] = Dataset(
            name=name,
            make=make,
            summary=summary or (first[0] if first else ""),
            endless=endless,
            variants=words,
            needs_path=needs_path,
            check=check,
        )
        return make

    return register


def register_benchmark(name: str, summary: str, facts: Callable[[], Benchmark]) -> None:
    """Register a benchmark that is read from its official files."""

    def make(rest: str | None, seed: int) -> Iterable[Sample]:
        return load_dataset(f"{name}:{rest}", seed=seed).samples

    entry = Dataset(name=name, make=make, summary=summary, needs_path=True, benchmark=facts)
    _REGISTRY[name] = entry


def unregister(name: str) -> None:
    """Take a data set out of the registry; for tests that register their own."""
    _REGISTRY.pop(name, None)


def registered_datasets() -> tuple[Dataset, ...]:
    """Every registered data set, built-in ones first."""
    return tuple(_REGISTRY.values())


def check_dataset_spec(spec: str) -> None:
    """Refuse a spec that cannot work, without reading the data or importing anything heavy.

    Raises:
        UsageError: an unknown name or variant (near misses are named), a path that is missing, or
            a package that is.
    """
    found, rest = _resolve(spec)
    if found is None:
        from pytest_vlmrobust.datasets.files import check_file

        check_file(Path(spec))
        return
    _check_rest(found, rest)
    if found.check is not None:
        found.check()


def load_samples(spec: str, *, limit: int | None = None, seed: int = 0) -> list[Sample]:
    """Load the samples that a spec names; a thin form of `load_dataset`, with its arguments and errors."""
    return list(load_dataset(spec, limit=limit, seed=seed).samples)


def load_dataset(
    spec: str,
    *,
    limit: int | None = None,
    seed: int = 0,
    strict: bool = False,
    downloads: Downloads | None = None,
) -> Loaded:
    """Load the data set that a spec names.

    Args:
        spec: ``shapes``, ``shapes:train``, ``easy-vqa``, ``PATH.jsonl``, or a registered ``NAME``
            or ``NAME:PATH``.
        limit: the most samples to use. Of an endless data set the first ones are used; of any other
            a seeded choice as `choose_samples` makes it, in the order of the data.
        seed: seeds that choice and whatever the data set draws itself.
        strict: refuse a benchmark whose data has faults, instead of counting them.
        downloads: whether a benchmark's images may be fetched that it gives by their address; by default not.

    Raises:
        UsageError: the spec is wrong, the limit is less than 1, or an endless data set is used
            without one.
        DataError: the data cannot be used, or has faults where ``strict`` refuses them.
        VacuousError: no sample is left.
    """
    check_limit(limit)
    check_dataset_spec(spec)
    found, rest = _resolve(spec)
    if found is not None and found.benchmark is not None:
        return _loaded(found.benchmark(), rest or "", spec, limit, seed, strict=strict, downloads=downloads)
    if found is None:
        from pytest_vlmrobust.datasets.files import read_jsonl

        samples = _chosen(read_jsonl(Path(spec)), spec, limit, seed)
    elif not found.endless:
        samples = _chosen(_all(found, rest, seed), spec, limit, seed)
    elif limit is None:
        raise UsageError(f"data set {spec!r} never ends: give a limit, such as limit=200 or --vlm-limit=200")
    else:
        samples = _checked(list(islice(_made(found, rest, seed), limit)), spec)
    return Loaded(samples=tuple(samples))


def check_limit(limit: int | None) -> None:
    """Refuse a limit that would leave nothing to test, or that no machine could hold.

    Raises:
        UsageError: it is less than 1, more than `MAX_LIMIT`, or no whole number.
    """
    if limit is None:
        return
    if not isinstance(limit, int) or isinstance(limit, bool):
        raise UsageError(f"limit is {limit!r}: it is the number of samples, a whole number of at least 1")
    check_count(limit)


def _resolve(spec: str) -> tuple[Dataset | None, str | None]:
    """Return (data set, what stands after the colon), or (None, None) for the path of a file."""
    name, colon, rest = spec.partition(":")
    if name in _REGISTRY:
        return _REGISTRY[name], rest if colon else None
    if spec.endswith(_FILE_SUFFIX) and (not colon or Path(spec).exists() or not _NAME.fullmatch(name)):
        return None, None
    error = unknown_name("data set", name, _REGISTRY)
    raise UsageError(f"{error}, or the path of a {_FILE_SUFFIX} file")


def _check_rest(found: Dataset, rest: str | None) -> None:
    """Check what stands after the colon."""
    if rest is None:
        if found.needs_path:
            raise UsageError(f"data set {found.name!r} needs a path: write {found.name}:PATH")
        return
    if found.variants:
        if rest not in found.variants:
            raise unknown_name(f"variant of data set {found.name!r}", rest, found.variants)
        return
    if found.benchmark is not None:
        from pytest_vlmrobust.datasets.benchmarks.sources import check_source

        check_source(found.benchmark(), rest)
        return
    if not rest or not Path(rest).exists():
        raise UsageError(f"data set {found.name!r}: nothing is at {rest!r} (looked from {Path.cwd()})")


def _loaded(
    facts: Benchmark,
    rest: str,
    spec: str,
    limit: int | None,
    seed: int,
    *,
    strict: bool,
    downloads: Downloads | None,
) -> Loaded:
    """Read a benchmark, and choose from it."""
    from pytest_vlmrobust.datasets.benchmarks.available import available
    from pytest_vlmrobust.datasets.benchmarks.reading import read_benchmark
    from pytest_vlmrobust.datasets.benchmarks.sources import source_of

    read = read_benchmark(facts, source_of(facts, rest), seed=seed, downloads=downloads)
    if strict:
        refuse_faults(read.faults, spec)
    chosen = _chosen(list(read.samples), spec, limit, seed)
    samples, gone = available(chosen)
    faults = (*read.faults, *gone)
    return Loaded(
        samples=tuple(_checked(samples, spec, faults)),
        score_name=facts.name,
        headline=_headline(facts.name, read.samples),
        faults=faults,
        facts={"rows": len(read.samples), **read.facts},
    )


def _headline(benchmark: str, samples: Sequence[Sample]) -> str:
    """Which score stands for all samples of a benchmark."""
    from pytest_vlmrobust.core.scores import Labels, Scorer

    labels = Labels(
        ids=[sample.id for sample in samples],
        categories=[sample.category for sample in samples],
        groups=[sample.group for sample in samples],
        tags=[dict(sample.tags) for sample in samples],
    )
    return Scorer(benchmark, labels).headline


def _all(found: Dataset, rest: str | None, seed: int) -> list[Sample]:
    samples = list(islice(_made(found, rest, seed), MAX_FINITE_SAMPLES + 1))
    if len(samples) > MAX_FINITE_SAMPLES:
        raise UsageError(
            f"data set {found.name!r} gave more than {MAX_FINITE_SAMPLES} samples: "
            "register it with endless=True, and use it with a limit"
        )
    return samples


def _made(found: Dataset, rest: str | None, seed: int) -> Iterable[Sample]:
    made = found.make(rest, seed)
    if not isinstance(made, Iterable):
        raise UsageError(f"data set {found.name!r} returned {type(made).__name__}: it has to return samples")
    for sample in made:
        if not isinstance(sample, Sample):
            raise UsageError(
                f"data set {found.name!r} gave {type(sample).__name__}: it has to give Sample objects"
            )
        yield sample


def _chosen(samples: list[Sample], spec: str, limit: int | None, seed: int) -> list[Sample]:
    _checked(samples, spec)
    return samples if limit is None else choose_samples(samples, limit, seed=seed)


def _checked(samples: list[Sample], spec: str, faults: Iterable[Fault] = ()) -> list[Sample]:
    if not samples:
        reasons = "; ".join(f"{fault.told}: {', '.join(fault.examples)}" for fault in faults)
        told = f" ({reasons})" if reasons else ""
        raise VacuousError(f"data set {spec!r} gave no samples: there is nothing to test{told}")
    check_ids(samples)
    return samples
