"""One row of a file, and a value that stays in the file until it is needed."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from pytest_vlmrobust.errors import DataError

SHORT = 64
"""A text of a lazily read column that is not longer than this is kept: no image is that small."""

_BLANK = ("", "nan", "none", "null")


class Cell(Protocol):
    """A value that stays in its file."""

    @property
    def short(self) -> str | None:
        """The value, where it is a text of at most `SHORT` characters."""
        ...

    def read(self) -> object:
        """Read the value: bytes or text as the file has it, or None.

        Raises:
            DataError: the file has changed, or cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class Row:
    """One row.

    Attributes:
        where: file and place, to begin a message with.
        file: name of the file, with slashes, relative to the folder of the data.
        number: place among the rows of the file, from 0.
        values: by the names that `Columns` gives; a column read lazily holds a `Cell`, or several, and
            an optional column that is not there is missing.
    """

    where: str
    file: str
    number: int
    values: Mapping[str, Any]

    def value(self, column: str) -> Any:
        """Return a value; None where it is blank or the column is not there."""
        value = self.values.get(column)
        return None if is_blank(value) else value

    def text(self, column: str) -> str:
        """Return a text, stripped; a number becomes its digits.

        Raises:
            DataError: it is blank or something else.
        """
        text = self.optional(column)
        if not text:
            raise DataError(f"{self.where}: {column}: is empty; a text is needed")
        return text

    def optional(self, column: str) -> str:
        """Return a text, stripped, or "" where it is blank; a number becomes its digits.

        Raises:
            DataError: it is no text.
        """
        value = self.value(column)
        if value is None:
            return ""
        if isinstance(value, float) and value.is_integer():  # a whole number in a column with gaps
            value = int(value)
        if isinstance(value, int | float) and not isinstance(value, bool):
            return str(value)
        if not isinstance(value, str):
            raise DataError(f"{self.where}: {column}: is {shown(value)}; a text is needed")
        return value.strip()


def stamp_of(path: Path) -> tuple[int, int]:
    """Size and time of change of a file, which tell its versions apart.

    Raises:
        DataError: it cannot be read.
    """
    try:
        status = path.stat()
    except OSError as error:
        raise DataError(f"{path}: cannot be read: {error.strerror or error}") from error
    return status.st_size, status.st_mtime_ns


def check_unchanged(path: Path, stamp: tuple[int, int]) -> None:
    """Refuse a file that is no longer what it was when its rows were read.

    Raises:
        DataError: it has changed, or is gone.
    """
    if stamp_of(path) != stamp:
        raise changed(path)


def changed(path: Path) -> DataError:
    """Build the error for a file that was changed while it was in use."""
    return DataError(f"{path}: the file has changed since it was opened: run again")


def is_blank(value: object) -> bool:
    """Whether a value stands for none: null, NaN, an empty text, or the word that one of them was written as.

    >>> [is_blank(value) for value in (None, float("nan"), "", "nan", "None", "0", 0)]
    [True, True, True, True, True, False, False]
    """
    if isinstance(value, str):
        return value.strip().lower() in _BLANK
    return value is None or (isinstance(value, float) and math.isnan(value))


def shown(value: object) -> str:
    """Show a value in a message, shortened."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= SHORT else f"{text[:SHORT]}…"
