"""Opens a store's file: for writing where that can be, for reading only where it cannot.

The layout is that of version 1: one table, ``entries``. ``crc`` is the CRC-32 of key and value, because
SQLite keeps no checksums of its own: a damaged value is an error, not another reply.
"""

from __future__ import annotations

import sqlite3
import stat
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

from pytest_vlmrobust.store import failures

APPLICATION = 0x766C6D72  # "vlmr"
VERSION = 1

_TABLE = """
CREATE TABLE entries (
    id INTEGER PRIMARY KEY,
    key BLOB UNIQUE NOT NULL,
    kind TEXT NOT NULL,
    value TEXT NOT NULL,
    crc INTEGER NOT NULL,
    used INTEGER NOT NULL -- days since 1970-01-01, UTC
)
"""
_LEAST_BYTES = 512  # no file of SQLite's is smaller, but an empty one
_JOURNAL_BYTES = 64 * 2**20  # what is left of a long journal once it is written back
# How a file can be opened, best first: SQLite's parameters of the address, whether to write.
_WAYS = (("mode=rwc", True), ("mode=ro", False), ("mode=ro&immutable=1", False))


@dataclass(frozen=True, kw_only=True)
class Opened:
    """A file that was opened, or not.

    Attributes:
        connection: the connection, or None where there is nothing to read.
        problem: why nothing will be kept; "" where the file can be written.
    """

    connection: sqlite3.Connection | None = None
    problem: str = ""


def open_file(path: Path, wait: float) -> Opened:
    """Open a store's file, and make it with its folders where there is none.

    Args:
        path: the file.
        wait: how many seconds to wait for another process that has it locked.

    Raises:
        StoreError: the file is damaged, is another program's, is of a later layout, or is no file.
    """
    try:
        path.parent.mkdir(parents=True, exist_ok=True)
        _look_at(path)
    except OSError as error:
        return Opened(problem=failures.problem(path, error))
    first: Exception | None = None
    for parameters, writable in _WAYS:
        if "immutable" in parameters and _has_journal(path):
            break  # without its journal the file is not what was last written
        try:
            connection = _connect(path, parameters, wait, writable=writable)
        except sqlite3.Error as error:
            first = first or error
            if failures.code(error) == sqlite3.SQLITE_BUSY:
                break  # every other way has to wait for the same lock
        else:
            return Opened(connection=connection, problem=failures.problem(path, first) if first else "")
    return Opened(problem=failures.problem(path, first) if first else "")


@contextmanager
def transaction(connection: sqlite3.Connection, begin: str = "BEGIN IMMEDIATE") -> Iterator[None]:
    """Do what is within as one transaction, or not at all."""
    try:
        connection.execute(begin)
        yield
        connection.execute("COMMIT")
    except BaseException:
        with suppress(sqlite3.Error):
            if connection.in_transaction:
                connection.execute("ROLLBACK")
        raise


def pragma(connection: sqlite3.Connection, name: str) -> int:
    """Return a number that SQLite knows about the file."""
    return int(connection.execute(f"PRAGMA {name}").fetchone()[0])


def _look_at(path: Path) -> None:
    """Refuse what cannot be a store before SQLite touches it."""
    try:
        found = path.stat()
    except FileNotFoundError:
        return
    if not stat.S_ISREG(found.st_mode):
        raise failures.not_a_file(path)
    if 0 < found.st_size < _LEAST_BYTES:
        raise failures.no_store(path)  # a file of one byte SQLite takes for an empty one


def _connect(path: Path, parameters: str, wait: float, *, writable: bool) -> sqlite3.Connection:
    address = f"{path.absolute().as_uri()}?{parameters}"
    connection = sqlite3.connect(address, uri=True, timeout=wait, isolation_level=None)
    try:
        connection.text_factory = bytes  # a text may hold lone surrogates, which Python would not decode
        if writable:
            _prepare(connection, path, wait)
        elif _is_new(connection, path):
            raise sqlite3.OperationalError("there is nothing to read")
        connection.execute("SELECT key, kind, value, crc, used FROM entries LIMIT 1").fetchall()
    except failures.FAILURES as error:
        connection.close()
        if failures.code(error) == sqlite3.SQLITE_NOTADB:
            raise failures.no_store(path) from error
        if failures.is_damage(error):
            raise failures.damaged(path, error) from error
        raise
    except BaseException:
        connection.close()
        raise
    return connection


def _prepare(connection: sqlite3.Connection, path: Path, wait: float) -> None:
    """Make the table where there is none, and make sure that the file can be written."""
    deadline = time.monotonic() + wait
    while True:
        try:
            if _is_new(connection, path):
                connection.execute("PRAGMA auto_vacuum = INCREMENTAL")  # has no effect once there is a table
            connection.execute("PRAGMA journal_mode = WAL").fetchall()
            connection.execute("PRAGMA synchronous = NORMAL")
            connection.execute(f"PRAGMA journal_size_limit = {_JOURNAL_BYTES}").fetchall()
            if _is_new(connection, path):
                _create(connection, path)
            break
        except sqlite3.OperationalError as error:
            # Where several processes change the journal's mode at once, SQLite refuses without waiting.
            if failures.code(error) != sqlite3.SQLITE_BUSY or time.monotonic() >= deadline:
                raise
            time.sleep(0.01)
    _try_to_write(connection, wait)


def _create(connection: sqlite3.Connection, path: Path) -> None:
    with transaction(connection):
        if _says_new(connection, path):  # no other process was faster
            connection.execute(_TABLE)
            connection.execute(f"PRAGMA application_id = {APPLICATION}")
            connection.execute(f"PRAGMA user_version = {VERSION}")


def _is_new(connection: sqlite3.Connection, path: Path) -> bool:
    """Whether nothing was ever written to the file.

    Raises:
        StoreError: something was written, but not by this release or an earlier one.
    """
    with transaction(connection, "BEGIN"):  # or another process makes it a store between two looks
        return _says_new(connection, path)


def _says_new(connection: sqlite3.Connection, path: Path) -> bool:
    application, version = pragma(connection, "application_id"), pragma(connection, "user_version")
    empty = connection.execute("SELECT 1 FROM sqlite_master LIMIT 1").fetchone() is None
    if empty and application == version == 0:
        return True
    if application != APPLICATION:
        raise failures.foreign(path, application)
    if version > VERSION:
        raise failures.newer(path, version, VERSION)
    if version < VERSION:
        raise failures.damaged(path, f"layout {version}")
    return False


def _try_to_write(connection: sqlite3.Connection, wait: float) -> None:
    """Raise where the file is read-only, which SQLite keeps to itself until the first write."""
    set_wait(connection, 0)
    try:
        connection.execute("DELETE FROM entries WHERE id < 0")
    except sqlite3.OperationalError as error:
        if failures.code(error) != sqlite3.SQLITE_BUSY:
            raise
    finally:
        set_wait(connection, wait)


def set_wait(connection: sqlite3.Connection, seconds: float) -> None:
    """Set how long to wait for another process that has the file locked."""
    connection.execute(f"PRAGMA busy_timeout = {round(seconds * 1000)}").fetchall()


def _has_journal(path: Path) -> bool:
    """Whether a part of what was written still lies beside the file."""
    beside = (path.with_name(path.name + ending) for ending in ("-wal", "-journal"))
    return any(journal.exists() and journal.stat().st_size for journal in beside)
