"""Keeps what was computed: replies, and what was read from them, by the content they follow from.

A store is one SQLite file. Several processes may have it open at once; what is written in one call is
there as a whole or not at all, whenever a process is killed.
"""

from __future__ import annotations

import os
import sqlite3
import time
import zlib
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path
from types import TracebackType

from pytest_vlmrobust import keys as digests
from pytest_vlmrobust.errors import StoreError, UsageError
from pytest_vlmrobust.keys import Kind
from pytest_vlmrobust.store import failures, pruning
from pytest_vlmrobust.store.opening import Opened, open_file, set_wait, transaction

_CHUNK = 900  # keys asked for at once: SQLite admits 999 in every build
_DAY = 86_400  # seconds
_SETTLED = 2_000_000_000  # ns after which a further change of a file is sure to show in its times
_TOUCH_WAIT = 1.0  # seconds: that an entry was used is not worth a long wait

_SELECT = "SELECT id, key, value, crc, used FROM entries WHERE key IN ({})"
# Bytes that are cast, since a text with lone surrogates cannot be handed to SQLite as such.
_INSERT = """
INSERT INTO entries (key, kind, value, crc, used) VALUES (?, ?, CAST(? AS TEXT), ?, ?)
ON CONFLICT (key) DO NOTHING
"""
_TOUCH = "UPDATE entries SET used = ? WHERE id = ?"


class Store:
    """What was computed before, by key; for one process and one thread.

    Trouble with the file never ends a run: what is there is read, and ``problem`` says why nothing
    is kept. A file whose content is wrong is an error.

    Attributes:
        path: the file.
        problem: the first thing that kept an entry from being read or written, for a warning; or "".
        kept: how many entries were written; those that were there before do not count.
        lost: how many entries could not be written.
    """

    def __init__(self, path: Path, opened: Opened, *, wait: float) -> None:
        """Hold an opened file; ``Store.open`` opens it."""
        self.path = path
        self.problem = opened.problem
        self.kept = 0
        self.lost = 0
        self._connection = opened.connection
        self._writable = opened.connection is not None and not opened.problem
        self._touching = self._writable
        self._wait = wait
        self._closed = False

    @classmethod
    def open(cls, path: Path, *, wait: float = 30.0) -> Store:
        """Open a store, and make the file and its folders where there are none.

        A file that can only be read is read; ``problem`` then says why nothing is kept.

        Args:
            path: the file; ``~`` stands for the home folder.
            wait: how many seconds to wait while another process has the file locked. A first wait in
                vain is the last: from then on nothing is waited for.

        Raises:
            StoreError: the file is damaged, is another program's, was written by a later release, or
                is a folder or a device.
        """
        path = Path(os.path.expanduser(path))
        return cls(path, open_file(path, wait), wait=wait)

    def read(self, keys: Iterable[str]) -> dict[str, str]:
        """Return the values that are there, by key; keys without a value are left out.

        Raises:
            StoreError: the file is damaged, or the store is closed.
            UsageError: a key that ``content_key`` did not make.
        """
        wanted = {_key(key) for key in keys}
        found: dict[str, str] = {}
        stale: list[int] = []
        connection, today = self._open_connection(), _today()
        if connection is None:
            return found
        try:
            for row, key, value, crc, used in _select(connection, list(wanted)):
                if key not in wanted or not isinstance(used, int) or _crc(key, value) != crc:
                    raise failures.damaged(self.path, f"entry {row} does not match its checksum")
                found[key.hex()] = value.decode("utf-8", "surrogatepass")
                if used < today:
                    stale.append(row)
        except failures.FAILURES as error:
            self._note(error)
        if stale and self._touching:
            self._touch(connection, stale, today)
        return found

    def write(self, kind: Kind, entries: Mapping[str, str]) -> None:
        """Keep values under their keys, all of them or none; a key that is there keeps its value.

        Where that cannot be (full disk, read-only file, locked for too long), ``problem`` and ``lost``
        say so.

        Args:
            kind: what the values are, as in ``content_key``.
            entries: any texts by key.

        Raises:
            StoreError: the file is damaged, or the store is closed.
            UsageError: a key that ``content_key`` did not make.
        """
        today = _today()
        rows = [_row(kind, key, value, today) for key, value in entries.items()]
        connection = self._open_connection()
        if not rows:
            return
        if connection is None or not self._writable:
            self.lost += len(rows)
            return
        try:
            with transaction(connection):
                written = connection.executemany(_INSERT, rows).rowcount
        except failures.FAILURES as error:
            self.lost += len(rows)
            self._note(error)
        else:
            self.kept += written

    def file_digest(self, path: Path) -> str:
        """Return the digest of a file's bytes, and remember it for as long as the file stays as it is.

        The file is known again by its resolved path, size, inode and times of change. One that was
        changed within the last two seconds is not remembered: a further change might leave no trace.

        Raises:
            OSError: the file cannot be read.
            StoreError: the store is damaged or closed.
        """
        path = path.resolve()
        before = _trace(path)
        key = digests.content_key("file", str(path), *before)
        known = self.read([key]).get(key)
        if known is not None:
            return known
        digest = digests.file_digest(path)
        if _trace(path) == before and _settled(path):
            self.write("file", {key: digest})
        return digest

    def prune(self, max_bytes: int) -> int:
        """Delete the entries that were used least recently, until the file is not above a size.

        Use is noted by the day; of those used on the same day the older go first. Entries that other
        processes use meanwhile stay.

        Args:
            max_bytes: the size, in bytes. An empty store takes some 20 kB.

        Returns:
            How many entries went.

        Raises:
            StoreError: the file is damaged, or the store is closed.
            UsageError: a negative size.
        """
        if max_bytes < 0:
            raise UsageError(f"max_bytes: got {max_bytes}; a size of 0 bytes or more is needed")
        gone = 0
        connection = self._open_connection()
        if connection is not None and self._writable:
            try:
                for count in pruning.prune(connection, max_bytes):
                    gone += count
            except failures.FAILURES as error:
                self._note(error)
        return gone

    def close(self) -> None:
        """Close the file. Further calls do nothing; nothing else can be called any more."""
        if self._connection is not None:
            self._connection.close()
        self._connection, self._closed = None, True

    def __enter__(self) -> Store:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    def _open_connection(self) -> sqlite3.Connection | None:
        if self._closed:
            raise StoreError(f"the store {self.path} is closed: open it anew with Store.open")
        return self._connection

    def _note(self, error: Exception) -> None:
        """Take note of the first trouble; after a wait in vain, wait no more."""
        self._raise_if_wrong(error)
        self.problem = self.problem or failures.problem(self.path, error)
        if self._connection is not None and failures.code(error) == sqlite3.SQLITE_BUSY:
            self._wait = 0.0
            set_wait(self._connection, 0)

    def _raise_if_wrong(self, error: Exception) -> None:
        """Raise where it is not the disk or another process, but the file's content or this program."""
        if failures.is_damage(error):
            raise failures.damaged(self.path, error) from error
        if failures.code(error) < 0:
            raise error

    def _touch(self, connection: sqlite3.Connection, rows: list[int], today: int) -> None:
        """Note that entries were used today. Where that cannot be, nothing is lost but their rank."""
        set_wait(connection, min(self._wait, _TOUCH_WAIT))
        try:
            with transaction(connection):
                connection.executemany(_TOUCH, [(today, row) for row in rows])
        except failures.FAILURES as error:
            self._raise_if_wrong(error)
            self._touching = False
        finally:
            set_wait(connection, self._wait)


def default_store_path() -> Path:
    """Return where replies are kept unless told otherwise: ``replies.sqlite`` in the user's cache folder."""
    import platformdirs  # few sessions get here without a path of their own

    return platformdirs.user_cache_path("pytest-vlmrobust", appauthor=False) / "replies.sqlite"


def _select(
    connection: sqlite3.Connection, keys: list[bytes]
) -> Iterator[tuple[int, bytes, bytes, int, int]]:
    for start in range(0, len(keys), _CHUNK):
        chunk = keys[start : start + _CHUNK]
        # Fetched at once: a SELECT that waits for its reader would keep the journal from being written back.
        yield from connection.execute(_SELECT.format(",".join("?" * len(chunk))), chunk).fetchall()


def _row(kind: Kind, key: str, value: str, today: int) -> tuple[bytes, str, bytes, int, int]:
    name, data = _key(key), value.encode("utf-8", "surrogatepass")
    return name, kind, data, _crc(name, data), today


def _crc(key: bytes, value: object) -> int:
    """Return the checksum of an entry, -1 where a damaged file gives no text as its value."""
    return zlib.crc32(value, zlib.crc32(key)) if isinstance(value, bytes) else -1


def _key(key: str) -> bytes:
    try:
        name = bytes.fromhex(key)
    except ValueError:
        name = b""
    if not name or name.hex() != key:
        raise UsageError(f"key of a stored value: got {key!r}; the result of content_key() is needed")
    return name


def _trace(path: Path) -> tuple[str, ...]:
    """What changes when a file does."""
    now = path.stat()
    return str(now.st_size), str(now.st_mtime_ns), str(now.st_ctime_ns), str(now.st_ino)


def _settled(path: Path) -> bool:
    return time.time_ns() - path.stat().st_ctime_ns > _SETTLED


def _today() -> int:
    return int(time.time() // _DAY)
