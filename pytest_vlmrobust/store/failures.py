"""What went wrong with a store, in words: damage stops a run, anything else only means that nothing is kept.

Every message names the file and a way out.
"""

from __future__ import annotations

import sqlite3
from pathlib import Path

from pytest_vlmrobust.errors import StoreError

_ELSEWHERE = "name another file with --vlm-store, or switch the store off with --vlm-store=off"
_LOOK = "see whether that disk is full, over a quota or failing"

# What a statement can raise: the latter where a damaged file makes SQLite's own message no text.
FAILURES = (sqlite3.Error, UnicodeDecodeError)

# The file itself is wrong. SQLITE_ERROR is what SQLite answers where our table or a column is missing.
_DAMAGE = {sqlite3.SQLITE_CORRUPT, sqlite3.SQLITE_NOTADB, sqlite3.SQLITE_FORMAT, sqlite3.SQLITE_ERROR}

_REASONS = {
    sqlite3.SQLITE_READONLY: ("the file or its folder is read-only", "make both writable"),
    sqlite3.SQLITE_CANTOPEN: ("it cannot be opened", "make the file and its folder readable and writable"),
    sqlite3.SQLITE_FULL: ("the disk is full", "make room"),
    sqlite3.SQLITE_BUSY: ("another process keeps it locked", "end that process"),
}


def code(error: Exception) -> int:
    """Return SQLite's primary code of an error, -1 for an error of Python's module itself."""
    if isinstance(error, UnicodeDecodeError):
        return sqlite3.SQLITE_CORRUPT
    full: int = getattr(error, "sqlite_errorcode", -1)
    return full if full < 0 else full & 0xFF


def is_damage(error: Exception) -> bool:
    """Whether an error says that the file's content is wrong."""
    return code(error) in _DAMAGE


def problem(path: Path, error: Exception) -> str:
    """Say why replies cannot be kept, and what to do about it."""
    if isinstance(error, OSError):
        reason, remedy = (error.strerror or str(error)).lower(), "make its folder usable"
    else:
        reason, remedy = _REASONS.get(code(error), (f"SQLite reports {error}", _LOOK))
    return f"replies cannot be kept in {path}: {reason}: {remedy}, {_ELSEWHERE}"


def damaged(path: Path, what: object) -> StoreError:
    """Build the error for a file whose content is wrong."""
    return StoreError(
        f"the store {path} is damaged ({what}): move or delete it, and {path.name}-wal and {path.name}-shm "
        f"where they lie beside it, to have its replies computed anew; or {_ELSEWHERE}"
    )


def no_store(path: Path) -> StoreError:
    """Build the error for a file that is not SQLite's, or no longer."""
    return StoreError(
        f"{path} is no store of replies (no SQLite file, or a damaged one) and is left as it is: "
        f"move or delete it; or {_ELSEWHERE}"
    )


def foreign(path: Path, application: int) -> StoreError:
    """Build the error for another program's SQLite file."""
    return StoreError(
        f"{path} is another program's SQLite file (application id {application:#x}) and is left as it is: "
        f"{_ELSEWHERE}"
    )


def newer(path: Path, version: int, known: int) -> StoreError:
    """Build the error for a store of a later release."""
    return StoreError(
        f"the store {path} was written by a later release of pytest-vlmrobust (layout {version}, known here: "
        f"{known}): update pytest-vlmrobust; or {_ELSEWHERE}"
    )


def not_a_file(path: Path) -> StoreError:
    """Build the error for a path that leads to a folder, a device or a pipe."""
    if path.is_dir():
        return StoreError(
            f"the store {path} is a folder: name a file in it, such as {path / 'replies.sqlite'}"
        )
    return StoreError(f"the store {path} is not a regular file: {_ELSEWHERE}")
