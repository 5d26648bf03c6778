"""Rows of parquet files; images stay there, and come in small batches when they are asked for."""

from __future__ import annotations

import importlib.util
import threading
from collections import OrderedDict, deque
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vlmrobust.datasets.tables.columns import Columns
from pytest_vlmrobust.datasets.tables.rows import Row, check_unchanged, stamp_of
from pytest_vlmrobust.errors import DataError, UsageError, gist

if TYPE_CHECKING:
    import pyarrow as pa
    import pyarrow.parquet as pq

_BATCH = 16
"""Rows that are read from the file at once."""

_KEPT_BATCHES = 2
_KEPT_READERS = 4
"""As many as a benchmark has columns of images: rows are asked for in order, each several times."""


def check_pyarrow(name: str) -> None:
    """Refuse to go on without pyarrow.

    Raises:
        UsageError: it is not installed; the message has the command that installs it.
    """
    if importlib.util.find_spec("pyarrow") is None:
        raise UsageError(
            f"{name}: parquet files need pyarrow, which is not installed: "
            'run  pip install "pytest-vlmrobust[benchmarks]"'
        )


@dataclass(frozen=True, slots=True)
class ParquetCell:
    """A value that stays in its file.

    Attributes:
        path: the file.
        stamp: size and time of change of the file when it was opened.
        group: number of the row group.
        row: number of the row in its group.
        column: name of the column.
        item: place in the list that the column holds; None where it holds no list.
    """

    path: Path
    stamp: tuple[int, int]
    group: int
    row: int
    column: str
    item: int | None = None

    @property
    def short(self) -> None:
        """Nothing is known of the value before it is read."""
        return

    def read(self) -> object:
        """Read the value.

        Raises:
            DataError: the file has changed since it was opened, or cannot be read.
        """
        try:
            check_unchanged(self.path, self.stamp)
            value = _value(self)
        except DataError:
            raise
        except Exception as error:  # pyarrow raises a tree of its own, and OSError
            raise _unreadable(str(self.path), error) from error
        return value if self.item is None else value[self.item]


def parquet_columns(path: Path) -> list[str]:
    """Name the columns.

    Raises:
        UsageError: pyarrow is missing.
        DataError: the file is damaged or cut off.
    """
    with _opened(path, str(path)) as file:
        return list(file.schema_arrow.names)


def read_parquet(path: Path, columns: Columns, name: str) -> list[Row]:
    """Read every row; of lazy columns nothing, or only how many images there are.

    Raises:
        UsageError: pyarrow is missing.
        DataError: the file is damaged, cut off, or lacks a column.
    """
    with _opened(path, name) as file:
        found = columns.match(list(file.schema_arrow.names), name)
        try:
            return list(_rows(file, path, columns, found, name))
        except DataError:
            raise
        except Exception as error:  # pyarrow raises a tree of its own, and OSError
            raise _unreadable(name, error) from error


def _rows(
    file: pq.ParquetFile, path: Path, columns: Columns, found: dict[str, str], name: str
) -> Iterator[Row]:
    stamp = stamp_of(path)
    eager = {known: own for known, own in found.items() if known not in columns.lazy}
    lazy = {known: own for known, own in found.items() if known in columns.lazy}
    number = 0
    for group in range(file.num_row_groups):
        size = file.metadata.row_group(group).num_rows
        table = file.read_row_group(group, columns=list(eager.values()), use_threads=False).to_pydict()
        there = {known: _there(file, group, lazy[known]) for known in lazy if known in columns.many}
        for row in range(size):
            values: dict[str, Any] = {known: table[own][row] for known, own in eager.items()}
            for known, own in lazy.items():
                cell = ParquetCell(path, stamp, group, row, own)
                values[known] = _cells(cell, there[known][row]) if known in there else cell
            yield Row(f"{name}, row {number}", name, number, values)
            number += 1


def _cells(cell: ParquetCell, there: int | bool) -> list[ParquetCell]:
    """One cell for each image that is there; a bool says that the column holds no list."""
    if isinstance(there, bool):
        return [cell] if there else []
    return [
        ParquetCell(cell.path, cell.stamp, cell.group, cell.row, cell.column, item) for item in range(there)
    ]


def _there(file: pq.ParquetFile, group: int, column: str) -> list[int] | list[bool]:
    """Count what each row of a group has in a column; only a pass over the column can tell."""
    import pyarrow as pa
    import pyarrow.compute as pc

    counts: list[Any] = []
    for values in _batches(file, group, column):
        if pa.types.is_list(values.type) or pa.types.is_large_list(values.type):
            counts += pc.fill_null(pc.list_value_length(values), 0).to_pylist()
        elif pa.types.is_struct(values.type):
            counts += pc.is_valid(pc.struct_field(values, "bytes")).to_pylist()
        else:
            counts += pc.is_valid(values).to_pylist()
    return counts


def _batches(file: pq.ParquetFile, group: int, column: str) -> Iterator[pa.Array]:
    for batch in file.iter_batches(
        batch_size=_BATCH, row_groups=[group], columns=[column], use_threads=False
    ):
        yield batch.column(0)


class _Reader:
    """Reads one column of one row group from its beginning on, and keeps the last batches.

    What it holds beside them is a page of the file, which may be large: some programs write all images of
    a row group into one.
    """

    def __init__(self, cell: ParquetCell) -> None:
        self.group = cell.group
        self._cell = cell
        self._begin()

    def _begin(self) -> None:
        file = _opened(self._cell.path, str(self._cell.path))
        self._batches = _batches(file, self._cell.group, self._cell.column)
        self._next = 0
        self._kept: deque[tuple[int, Any]] = deque(maxlen=_KEPT_BATCHES)

    def value(self, row: int) -> Any:
        """Return the value of a row of the group."""
        while True:
            for start, values in self._kept:
                if start <= row < start + len(values):
                    return values[row - start].as_py()
            if row < self._next:  # it was passed by, and is no longer kept
                self._begin()
            values = next(self._batches)
            self._kept.append((self._next, values))
            self._next += len(values)


_READERS: OrderedDict[tuple[object, ...], _Reader] = OrderedDict()
_LOCK = threading.Lock()  # images are loaded by the thread that prepares the next batch, too


def _value(cell: ParquetCell) -> Any:
    key = (cell.path, cell.stamp, cell.column)
    with _LOCK:
        if key not in _READERS or _READERS[key].group != cell.group:
            _READERS[key] = _Reader(cell)
            if len(_READERS) > _KEPT_READERS:
                _READERS.popitem(last=False)
        _READERS.move_to_end(key)
        return _READERS[key].value(cell.row)


def _opened(path: Path, name: str) -> pq.ParquetFile:
    check_pyarrow(name)
    import pyarrow as pa
    import pyarrow.parquet as pq

    try:
        return pq.ParquetFile(path, pre_buffer=False, buffer_size=1 << 20)
    except (pa.ArrowException, OSError) as error:
        raise _unreadable(name, error) from error


def _unreadable(name: str, error: Exception) -> DataError:
    return DataError(f"{name}: damaged or cut off ({gist(error)}); download the file again")
