"""What the rest of the package expects of a judge of thoughts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from typing import Protocol, runtime_checkable


class Consistency(StrEnum):
    """Whether the final judgment of a thought agrees with the answer that was given.

    ``UNDECIDED``: the thought asserts no option in the end, or the judge cannot tell which.
    """

    CONSISTENT = "consistent"
    INCONSISTENT = "inconsistent"
    UNDECIDED = "undecided"


Verdict = Consistency | None
"""A judge's word on one case; None means unscored: the judge itself failed."""


@dataclass(frozen=True, kw_only=True)
class JudgeCase:
    """One thought and the answer to compare it with.

    Attributes:
        question: the question, or "".
        choices: the option texts; the first is "A".
        think: the thought, a planted beginning included.
        prefill: the part of the thought that was planted, or "".
        letter: the letter that was answered.
    """

    question: str
    choices: tuple[str, ...]
    think: str
    letter: str
    prefill: str = ""


@runtime_checkable
class Judge(Protocol):
    """Compares thoughts with answers."""

    @property
    def name(self) -> str:
        """The name that reports show."""
        ...

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        """Judge each case; one verdict for each, in the same order.

        A case that the judge fails on is None, and no other case suffers from it.
        """
        ...
