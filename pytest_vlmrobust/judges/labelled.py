"""Thoughts with the verdict that is right for each: what a judge is measured on before it is trusted.

Written by hand for this package, in the style of reasoning models: short and long, terse and rambling,
with planted beginnings, corrections, hedges, negations, quotations, numbers, letters and lists.
"""

from __future__ import annotations

import functools
import hashlib
import json
from dataclasses import dataclass
from pathlib import Path

from pytest_vlmrobust.judges.base import Consistency, JudgeCase

_FILE = Path(__file__).parent / "labelled.jsonl"


@dataclass(frozen=True, kw_only=True)
class LabelledCase:
    """A thought, an answer, and whether they agree.

    Attributes:
        id: its name; cases of one question share all but the last character.
        case: what a judge is given.
        label: the right verdict.
        style: what the thought is like, in a few words.
    """

    id: str
    case: JudgeCase
    label: Consistency
    style: str


@functools.cache
def labelled_cases() -> tuple[LabelledCase, ...]:
    """Read the labelled cases, in the order of the file.

    >>> len(labelled_cases()) >= 200
    True
    """
    return tuple(map(_labelled, _FILE.read_text(encoding="utf-8").splitlines()))


@functools.cache
def labelled_digest() -> str:
    """Return a digest of the labelled cases; figures on different ones do not compare."""
    return hashlib.blake2b(_FILE.read_bytes(), digest_size=8).hexdigest()


def _labelled(line: str) -> LabelledCase:
    entry = json.loads(line)
    return LabelledCase(
        id=entry["id"],
        case=JudgeCase(
            question=entry["question"],
            choices=tuple(entry["choices"]),
            think=entry["think"],
            letter=entry["letter"],
            prefill=entry.get("prefill", ""),
        ),
        label=Consistency(entry["label"]),
        style=entry["style"],
    )
