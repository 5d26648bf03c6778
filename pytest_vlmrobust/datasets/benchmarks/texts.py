"""Takes a text out of a row: the small parts that tables of facts are made of."""

from __future__ import annotations

import re
from collections.abc import Callable
from pathlib import PurePosixPath

from pytest_vlmrobust.datasets.tables import Row

_SHARD = re.compile(r"-(?P<number>\d{5})-of-(?P<of>\d{5})$")
"""How the hub's libraries number the files of one table."""

TextOf = Callable[[Row], str]


def column(name: str) -> TextOf:
    """The text of a column, which must not be empty."""
    return lambda row: row.text(name)


def optional(name: str) -> TextOf:
    """The text of a column, or ""."""
    return lambda row: row.optional(name)


def constant(text: str) -> TextOf:
    """The same text for every row."""
    return lambda _row: text


def joined(*names: str, by: str = "-") -> TextOf:
    """The texts of several columns, the empty ones left out."""
    return lambda row: by.join(filter(None, map(row.optional, names)))


def place(row: Row) -> str:
    """The file and the place of the row in it, from 0, where rows have no id of their own.

    >>> place(Row("test", "data/test-00000-of-00001.parquet", 7, {}))
    'test-7'
    >>> place(Row("test", "data/test-00001-of-00003.parquet", 7, {}))
    'test-1-7'
    """
    stem = PurePosixPath(row.file).stem
    part = _SHARD.search(stem)
    if part is None:
        return f"{stem}-{row.number}"
    shard = "" if int(part["of"]) == 1 else f"-{int(part['number'])}"
    return f"{stem[: part.start()]}{shard}-{row.number}"


def nothing(_row: Row) -> str:
    """No text."""
    return ""
