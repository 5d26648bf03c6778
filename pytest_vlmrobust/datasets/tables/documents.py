"""Rows of json (one list) and jsonl (one value a line) files."""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Any

from pytest_vlmrobust.datasets.tables.columns import Columns
from pytest_vlmrobust.datasets.tables.rows import Row, shown
from pytest_vlmrobust.errors import DataError


def document_fields(path: Path) -> list[str]:
    """Name the fields of the first row; of a row that is a list, its places "0", "1", ….

    Raises:
        DataError: the file cannot be read.
    """
    for where, value in _values(path, str(path)):
        return list(_fields(value, where))
    return []


def read_documents(path: Path, columns: Columns, name: str) -> list[Row]:
    """Read every row.

    Raises:
        DataError: the file is not JSON or is cut off, or a row is no object or lacks a field.
    """
    rows = []
    for number, (where, value) in enumerate(_values(path, name)):
        fields = _fields(value, where)
        found = columns.match(list(fields), where)
        rows.append(Row(where, name, number, {known: fields[own] for known, own in found.items()}))
    return rows


def _values(path: Path, name: str) -> Iterator[tuple[str, Any]]:
    text = _text(path, name)
    if path.suffix.lower() == ".jsonl":
        for number, line in enumerate(text.split("\n"), start=1):
            if line.strip():
                yield f"{name}:{number}", _parsed(line, f"{name}:{number}")
        return
    document = _parsed(text, name)
    # A file for one question, as V* has them, is a list of one.
    entries = document if isinstance(document, list) else [document]
    for number, entry in enumerate(entries):
        yield (f"{name}, entry {number}" if isinstance(document, list) else name), entry


def _text(path: Path, name: str) -> str:
    data = path.read_bytes()
    try:
        return data.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        line = data.count(b"\n", 0, error.start) + 1
        raise DataError(
            f"{name}:{line}: not UTF-8 (byte 0x{data[error.start]:02x}): the file mixes encodings or has "
            "another one; save it as UTF-8"
        ) from error


def _parsed(text: str, where: str) -> Any:
    try:
        return json.loads(text)
    except json.JSONDecodeError as error:
        line = f" of line {error.lineno}" if "\n" in text else ""
        raise DataError(
            f"{where}: not JSON, or cut off: {error.msg} at column {error.colno}{line}; download the file "
            "again"
        ) from error
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not usable as JSON: {error}") from error


def _fields(value: object, where: str) -> Mapping[str, Any]:
    if isinstance(value, Mapping):
        return value
    if isinstance(value, Sequence) and not isinstance(value, str):
        return {str(place): item for place, item in enumerate(value)}
    raise DataError(f"{where}: is {shown(value)}; an object or a list is needed")
