"""The JSON report: its path is checked before the session, and the file written after it."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from pathlib import Path
from typing import Any

from pytest_vlmrobust.errors import UsageError


def check_writable(path: Path, source: str) -> None:
    """Refuse a path that could not be written, before hours are spent on what should go there.

    Args:
        path: where the report is to go.
        source: the setting that named it.

    Raises:
        UsageError: the folder is missing or cannot be written to, or the path is no regular file.
    """
    folder = path.absolute().parent
    if not folder.is_dir():
        raise UsageError(f"{source}: folder {str(folder)!r} does not exist; create it first")
    if path.is_dir():
        raise UsageError(f"{source}: {str(path)!r} is a folder; name a file in it")
    if path.exists() and not path.is_file():
        raise UsageError(f"{source}: {str(path)!r} is a device or pipe; name a regular file")
    try:
        _part(path).touch()
    except OSError as error:
        reason = error.strerror or error
        raise UsageError(f"{source}: folder {str(folder)!r} cannot be written to ({reason})") from None
    finally:
        _part(path).unlink(missing_ok=True)


def write_json(path: Path, document: Mapping[str, Any]) -> None:
    """Write a document as a whole or not at all: a reader never sees half of it."""
    part = _part(path)
    try:
        with part.open("w", encoding="utf-8") as file:
            json.dump(document, file, allow_nan=False, indent=1)
            file.write("\n")
        part.replace(path)
    finally:
        part.unlink(missing_ok=True)


def _part(path: Path) -> Path:
    return path.with_name(f".{path.name}.{os.getpid()}.part")
