"""Finds a benchmark's files in what a user names: a file, or a folder as it was downloaded."""

from __future__ import annotations

import zipfile
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from fnmatch import fnmatch
from pathlib import Path, PurePosixPath

from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark, Layout
from pytest_vlmrobust.datasets.tables import SUFFIXES, check_readable, column_names
from pytest_vlmrobust.datasets.tables.opening import ARCHIVES
from pytest_vlmrobust.errors import DataError

_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class Found:
    """The files that are read.

    Attributes:
        layout: how they are read.
        files: the files, in order.
        folder: the folder that their names and the paths of images are relative to.
        around: where else images may be: the folder around that of a file that was named, where it is
            known to be a part of one.
    """

    layout: Layout
    files: tuple[Path, ...]
    folder: Path
    around: tuple[Path, ...] = ()


def find_files(benchmark: Benchmark, path: Path) -> Found:
    """Find the files of a benchmark.

    Args:
        benchmark: the benchmark.
        path: one of its files, or the folder that they are in.

    Raises:
        DataError: nothing is there, an archive is, or none of the files that are looked for; the message
            names these and what is there instead.
    """
    if path.is_file():
        return _of_file(benchmark, path)
    return _of_folder(benchmark, path)


def check_files(benchmark: Benchmark, path: Path) -> None:
    """Refuse what `find_files` would refuse, as far as names and the first bytes of files tell.

    Raises:
        DataError: as `find_files`; or a file is empty, or is not the file itself.
    """
    if path.is_file():
        _layouts_of_kind(benchmark, path)
        return
    for file in _of_folder(benchmark, path).files:
        check_readable(file)


def _of_folder(benchmark: Benchmark, path: Path) -> Found:
    if not path.is_dir():
        raise DataError(f"{benchmark.name}: nothing is at {path} (looked from {Path.cwd()})")
    names = [
        file.relative_to(path).as_posix()
        for layout in benchmark.layouts
        for pattern in layout.files
        for file in sorted(path.glob(pattern))
    ]
    layout = choose_layout(benchmark, names)
    if layout is None:
        raise DataError(f"{benchmark.name}: {_nothing_found(benchmark, path)}")
    files = [path / name for name in matching(layout, names)]
    return Found(layout=layout, files=tuple(files), folder=path)


def choose_layout(benchmark: Benchmark, names: Sequence[str]) -> Layout | None:
    """Choose the first layout of which there is a file.

    Args:
        benchmark: the benchmark.
        names: the files that there are, with slashes, relative to the folder.
    """
    return next((layout for layout in benchmark.layouts if matching(layout, names)), None)


def matching(layout: Layout, names: Sequence[str]) -> list[str]:
    """The files of a layout among those that there are, in the order of its patterns, each once."""
    found = (name for pattern in layout.files for name in sorted(names) if _matches(name, pattern))
    return list(dict.fromkeys(found))


def _matches(name: str, pattern: str) -> bool:
    """Whether a path matches a pattern part by part, so that a star stands for no slash."""
    parts, wanted = name.split("/"), pattern.split("/")
    return len(parts) == len(wanted) and all(map(fnmatch, parts, wanted))


def _of_file(benchmark: Benchmark, path: Path) -> Found:
    """Choose the layout of a file: by its name, or else the one whose columns it has."""
    kind = _layouts_of_kind(benchmark, path)
    named = [layout for layout in benchmark.layouts if _is_named(layout, path)]
    there = column_names(path)
    candidates = named or kind
    fitting = [layout for layout in candidates if not layout.columns.missing(there)]
    # With none that fits, reading says which column is missing from the likeliest.
    likeliest = min(candidates, key=lambda layout: len(layout.columns.missing(there)))
    layout = (fitting or [likeliest])[0]
    return Found(layout=layout, files=(path,), folder=path.parent, around=_around(benchmark, path.parent))


def _around(benchmark: Benchmark, folder: Path) -> tuple[Path, ...]:
    """The folder around that of a file: only where the file's own is one that the benchmark is known to have.

    Any other may lie beside things that the data has no business with.
    """
    known = {PurePosixPath(pattern).parent.name for pattern in _patterns(benchmark)} | {"data"}
    around = folder.resolve().parent
    own = around not in (Path(around.anchor), Path.home().resolve())
    return (around,) if own and folder.resolve().name in known - {"", "*"} else ()


def _layouts_of_kind(benchmark: Benchmark, path: Path) -> list[Layout]:
    """The layouts whose files are of the same kind as a file."""
    if zipfile.is_zipfile(path):
        raise DataError(f"{path}: is an archive: unpack it, and name the folder that comes out")
    check_readable(path)
    kind = [layout for layout in benchmark.layouts if path.suffix.lower() in _suffixes(layout)]
    if not kind:
        raise DataError(
            f"{benchmark.name}: {path} is not one of its files; looked for are "
            f"{_listed(_patterns(benchmark))}"
        )
    return kind


def _is_named(layout: Layout, path: Path) -> bool:
    return any(fnmatch(path.name, PurePosixPath(pattern).name) for pattern in layout.files)


def _suffixes(layout: Layout) -> set[str]:
    return {PurePosixPath(pattern).suffix for pattern in layout.files}


def _patterns(benchmark: Benchmark) -> list[str]:
    return list(dict.fromkeys(pattern for layout in benchmark.layouts for pattern in layout.files))


def _nothing_found(benchmark: Benchmark, path: Path) -> str:
    there = sorted(f"{entry.name}/" if entry.is_dir() else entry.name for entry in path.iterdir())
    archives = [name for name in there if PurePosixPath(name).suffix.lower() in ARCHIVES]
    hint = f". {archives[0]} is an archive: unpack it" if archives else ""
    other = [name for name in there if PurePosixPath(name).suffix in SUFFIXES]
    if other:
        hint = f". To read one of them all the same, name it: {benchmark.name}:{path / other[0]}"
    return (
        f"none of its files is in {path}: looked for {_listed(_patterns(benchmark))}; "
        f"found {_listed(there) if there else 'an empty folder'}{hint}"
    )


def _listed(names: Iterable[str]) -> str:
    known = list(names)
    more = f" and {len(known) - _SHOWN} more" if len(known) > _SHOWN else ""
    return ", ".join(known[:_SHOWN]) + more
