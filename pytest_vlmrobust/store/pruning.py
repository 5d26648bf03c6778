"""Keeps a store's file below a size: what was used least recently goes first."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator

from pytest_vlmrobust.store.opening import pragma, transaction

_ROW_BYTES = 70  # at least what a row takes besides its value: its key twice (the index), its numbers
_BATCH = 200


def prune(connection: sqlite3.Connection, max_bytes: int) -> Iterator[int]:
    """Delete entries until the file is not above a size, and yield how many went, batch by batch.

    Each batch is a transaction of its own, so that other processes can write in between.

    Args:
        connection: a connection that can write.
        max_bytes: the size of the file, in bytes. Without entries it still takes some 20 kB.
    """
    packed = False
    while (excess := _bytes_in_use(connection) - max_bytes) > 0:
        gone = 0
        chosen = _least_recent(connection, excess)
        for start in range(0, len(chosen), _BATCH):
            count = _delete(connection, chosen[start : start + _BATCH])
            gone += count
            yield count
            if _bytes_in_use(connection) <= max_bytes:
                break
        if not gone:
            break
        if not packed and _bytes_in_use(connection) - max_bytes > excess / 2:
            _give_back(connection)
            connection.execute("VACUUM")  # what went has left its pages half full of what stays
            packed = True
    _give_back(connection)


def _give_back(connection: sqlite3.Connection) -> None:
    """Cut the file where it ends in free pages, and write the journal back."""
    connection.executescript("PRAGMA incremental_vacuum")  # execute() would stop after the first page
    connection.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchall()


def _bytes_in_use(connection: sqlite3.Connection) -> int:
    pages = pragma(connection, "page_count") - pragma(connection, "freelist_count")
    return pages * pragma(connection, "page_size")


def _least_recent(connection: sqlite3.Connection, size: int) -> list[tuple[int, int]]:
    """Name the entries, by id and day of use, that have to go to make ``size`` bytes free."""
    chosen: list[tuple[int, int]] = []
    rows = connection.execute(
        "SELECT id, used, ifnull(length(CAST(value AS BLOB)), 0) FROM entries ORDER BY used, id"
    )
    for row, used, length in rows:
        chosen.append((row, used))
        size -= length + _ROW_BYTES
        if size <= 0:
            break
    rows.close()  # an unfinished SELECT would keep the journal from being written back
    return chosen


def _delete(connection: sqlite3.Connection, chosen: list[tuple[int, int]]) -> int:
    with transaction(connection):
        # An entry that another process has used in the meantime stays.
        return connection.executemany("DELETE FROM entries WHERE id = ? AND used = ?", chosen).rowcount
