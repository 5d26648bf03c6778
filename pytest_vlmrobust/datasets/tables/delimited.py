"""Rows of tsv and csv files, whose images may be a thousand times as long as everything else in them.

The rules are those of the csv format: a field that begins with a quote ends with one, and may hold
tabs and line ends; two quotes in it stand for one. Written anew, since the standard library's reader
has one limit of the field size for the whole process, and cannot tell where in the file a row begins.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import IO, Any, NamedTuple

from pytest_vlmrobust.datasets.tables.columns import Columns
from pytest_vlmrobust.datasets.tables.rows import SHORT, Row, changed, check_unchanged, stamp_of
from pytest_vlmrobust.errors import DataError

MAX_ROW_BYTES = 1 << 28
"""The longest row: beyond it a quote was opened and never closed."""

_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = (b"\xff\xfe", b"\xfe\xff")
_QUOTE = b'"'


class _Record(NamedTuple):
    """One record of the file: the line it begins on, where its bytes begin and end, and its fields."""

    line: int
    start: int
    end: int
    fields: list[bytes]


@dataclass(frozen=True, slots=True)
class FieldCell:
    """A field that stays in its file.

    Attributes:
        path: the file.
        start: where its row begins, in bytes.
        end: where its row ends.
        column: place of the field in the row, from 0.
        stamp: size and time of change of the file when it was opened.
        short: the text, where it is short.
    """

    path: Path
    start: int
    end: int
    column: int
    stamp: tuple[int, int]
    short: str | None

    def read(self) -> str:
        """Read the text.

        Raises:
            DataError: the file has changed since it was opened, or cannot be read.
        """
        try:
            check_unchanged(self.path, self.stamp)
            with self.path.open("rb") as file:
                file.seek(self.start)
                fields = _split(file.read(self.end - self.start), _delimiter(self.path))
        except OSError as error:
            raise DataError(f"{self.path}: cannot be read: {error.strerror or error}") from error
        if fields is None or len(fields) <= self.column:
            raise changed(self.path)
        return _text(fields[self.column], f"{self.path}: byte {self.start}")


def header(path: Path) -> list[str]:
    """Name the columns.

    Raises:
        DataError: the first row cannot be read.
    """
    with path.open("rb") as file:
        return _header(next(_records(file, _delimiter(path), str(path))), str(path))


def read_delimited(path: Path, columns: Columns, name: str) -> list[Row]:
    """Read every row.

    Raises:
        DataError: a column is missing, a row has more or fewer fields than there are columns (as the last
            one of a file that is cut off), or a text is not UTF-8.
    """
    stamp = stamp_of(path)
    with path.open("rb") as file:
        records = _records(file, _delimiter(path), name)
        names = _header(next(records), name)
        places = {known: names.index(own) for known, own in columns.match(names, name).items()}
        rows: list[Row] = []
        for record in records:
            where = f"{name}:{record.line}"
            if len(record.fields) != len(names):
                raise DataError(
                    f"{where}: has {len(record.fields)} fields for {len(names)} columns: the file is damaged "
                    "or cut off; download it again"
                )
            values: dict[str, Any] = {}
            for known, place in places.items():
                field = record.fields[place]
                if known in columns.lazy:
                    short = _text(field, f"{where}: {known}") if len(field) <= SHORT else None
                    values[known] = FieldCell(path, record.start, record.end, place, stamp, short)
                else:
                    values[known] = _text(field, f"{where}: {known}")
            rows.append(Row(where, name, len(rows), values))
    return rows


def _delimiter(path: Path) -> bytes:
    return b"," if path.suffix.lower() == ".csv" else b"\t"


def _header(record: _Record, name: str) -> list[str]:
    names = [_text(field, f"{name}:1").strip() for field in record.fields]
    twice = [column for column in names if names.count(column) > 1]
    if twice:
        raise DataError(f"{name}:1: the column {twice[0]!r} stands there twice")
    return names


def _records(file: IO[bytes], delimiter: bytes, name: str) -> Iterator[_Record]:
    """Yield the records of a file, blank lines left out."""
    start = line = size = 0
    held: list[bytes] = []
    inside, first = False, 1
    while raw := file.readline(MAX_ROW_BYTES + 1):
        line += 1
        if line == 1:
            if raw.startswith(_OTHER_BOMS):
                raise DataError(f"{name}: not UTF-8 (UTF-16): save the file as UTF-8")
            start += len(raw) - len(raw.removeprefix(_BOM))
            raw = raw.removeprefix(_BOM)
        held.append(raw)
        size += len(raw)
        inside = _is_open(raw, delimiter, inside)
        if size > MAX_ROW_BYTES:
            break
        if inside:
            continue
        fields = _split(b"".join(held), delimiter)
        if fields is not None and fields != [b""]:
            yield _Record(first, start, start + size, fields)
        start, first = start + size, line + 1
        held, size = [], 0
    if inside:
        raise DataError(
            f"{name}:{first}: a quote is opened here and never closed: the file is damaged or cut off; "
            "download it again"
        )
    if held:
        raise DataError(
            f"{name}:{first}: a row has more than {MAX_ROW_BYTES} bytes: the file is damaged, or no table"
        )


def _is_open(line: bytes, delimiter: bytes, inside: bool) -> bool:
    """Whether a quote is open at the end of a line; ``inside``: whether one is at its beginning."""
    if _QUOTE not in line:
        return inside
    at = 0
    while True:
        if inside or line.startswith(_QUOTE, at):
            close = _closing(line, at if inside else at + 1)
            if close < 0:
                return True
            at, inside = close + 1, False
        end = line.find(delimiter, at)
        if end < 0:
            return False
        at = end + 1


def _split(record: bytes, delimiter: bytes) -> list[bytes] | None:
    """Split a record into fields; None where a quote is still open at its end."""
    record = record.removesuffix(b"\n").removesuffix(b"\r") if record.endswith(b"\n") else record
    if _QUOTE not in record:
        return record.split(delimiter)
    fields: list[bytes] = []
    at = 0
    while True:
        own = b""
        if record.startswith(_QUOTE, at):
            close = _closing(record, at + 1)
            if close < 0:
                return None
            own, at = record[at + 1 : close].replace(b'""', _QUOTE), close + 1
        end = record.find(delimiter, at)
        fields.append(own + record[at : end if end >= 0 else len(record)])
        if end < 0:
            return fields
        at = end + 1


def _closing(record: bytes, at: int) -> int:
    """Find the quote that closes a field, from ``at`` on; -1 for none."""
    while True:
        at = record.find(_QUOTE, at)
        if at < 0 or record[at + 1 : at + 2] != _QUOTE:
            return at
        at += 2


def _text(field: bytes, where: str) -> str:
    try:
        return field.decode()
    except UnicodeDecodeError as error:
        raise DataError(
            f"{where}: not UTF-8 (byte 0x{field[error.start]:02x} at position {error.start + 1} of the "
            "field): the file mixes encodings or has another one; save it as UTF-8"
        ) from error
