"""Patterns for model folders, such as ``runs/*/checkpoint-*``, and the folders that they name."""

from __future__ import annotations

import glob
import os
import re
from collections.abc import Iterable

from pytest_vlmrobust.errors import UsageError

_SIGNS = re.compile(r"[*?\[]")
_NO_PATH = re.compile(r"(bundled|openai):")
_NUMBER = re.compile(r"(\d+)")


def expand(specs: Iterable[str]) -> tuple[str, ...]:
    """Put in place of each pattern the folders that it names, in natural order, each once.

    Args:
        specs: specs of models; those that are no patterns stay as they are.

    Raises:
        UsageError: a pattern names no folder.
    """
    return tuple(dict.fromkeys(name for spec in specs for name in _named(spec)))


def _named(spec: str) -> list[str]:
    if not _SIGNS.search(spec) or _NO_PATH.match(spec) or os.path.isdir(os.path.expanduser(spec)):
        return [spec]
    found = glob.glob(os.path.expanduser(spec), recursive=True)
    folders = [path.rstrip(os.sep) for path in found if os.path.isdir(path)]
    if not folders:
        others = f", only {len(found)} {'file' if len(found) == 1 else 'files'}" if found else ""
        raise UsageError(
            f"model {spec!r}: the pattern names no folder{others} (looked from {os.getcwd()!r}); a "
            "checkpoint is a folder that holds config.json and the weights"
        )
    return sorted(set(folders), key=natural)


def natural(name: str) -> tuple[tuple[bool, int, str], ...]:
    """Key that sorts numbers in names by their value.

    >>> sorted(["checkpoint-1000", "checkpoint-200"], key=natural)
    ['checkpoint-200', 'checkpoint-1000']
    """
    parts = (part for part in _NUMBER.split(name) if part)
    return tuple((part.isdecimal(), int(part) if part.isdecimal() else 0, part) for part in parts)
