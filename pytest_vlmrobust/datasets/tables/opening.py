"""Opens a file by its suffix, and says what is wrong with one that is no such file."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

from pytest_vlmrobust.datasets.tables.columns import Columns
from pytest_vlmrobust.datasets.tables.rows import Row
from pytest_vlmrobust.errors import DataError

SUFFIXES = (".tsv", ".csv", ".parquet", ".json", ".jsonl")
"""The files that are read."""

ARCHIVES = (".zip", ".tar", ".gz", ".tgz", ".bz2", ".xz", ".zst", ".7z", ".rar")
"""Suffixes of archives, which have to be unpacked."""

_POINTER = b"version https://git-lfs.github.com/spec/"


def check_readable(path: Path) -> None:
    """Refuse a file that cannot hold rows, looking at no more than its first bytes.

    Raises:
        DataError: it is missing, empty, an archive, of another kind, or stands for a file in Git LFS
            that was never fetched.
    """
    if path.suffix.lower() in ARCHIVES:
        raise DataError(f"{path}: is an archive: unpack it, and name the folder that comes out")
    if path.suffix.lower() not in SUFFIXES:
        raise DataError(f"{path}: is no file that is read; those are {', '.join(SUFFIXES)}")
    try:
        with path.open("rb") as file:
            start = file.read(len(_POINTER))
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    if not start:
        raise DataError(f"{path}: the file is empty")
    if start == _POINTER:
        raise DataError(f"{path}: is a Git LFS pointer and not the file itself: run  git lfs pull")


def column_names(path: Path) -> list[str]:
    """Name the columns of a file; of json and jsonl, the fields of the first row.

    Raises:
        DataError: the file cannot be read.
    """
    check_readable(path)
    match path.suffix.lower():
        case ".parquet":
            from pytest_vlmrobust.datasets.tables.parquet import parquet_columns

            return parquet_columns(path)
        case ".json" | ".jsonl":
            from pytest_vlmrobust.datasets.tables.documents import document_fields

            return document_fields(path)
    from pytest_vlmrobust.datasets.tables.delimited import header

    return header(path)


def read_table(path: Path, columns: Columns, name: str) -> list[Row]:
    """Read the rows of a file; what is in lazy columns stays there.

    Args:
        path: the file.
        columns: what is read; checked before anything else is.
        name: how messages call the file.

    Returns:
        At least one row.

    Raises:
        DataError: the file cannot be read, lacks a column, is cut off, or has no rows.
    """
    check_readable(path)
    rows = _reader(path)(path, columns, name)
    if not rows:
        raise DataError(f"{name}: the file has columns and no rows")
    return rows


def _reader(path: Path) -> Callable[[Path, Columns, str], list[Row]]:
    match path.suffix.lower():
        case ".parquet":
            from pytest_vlmrobust.datasets.tables.parquet import read_parquet

            return read_parquet
        case ".json" | ".jsonl":
            from pytest_vlmrobust.datasets.tables.documents import read_documents

            return read_documents
    from pytest_vlmrobust.datasets.tables.delimited import read_delimited

    return read_delimited
