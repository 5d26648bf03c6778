"""What the rest of the package expects of a judge of thoughts."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
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

        A case that the judge fails on is None, and no other case suffers from it. Where it raises instead,
        it is given the cases one by one, and those that it raises on are taken as None; but a
        `pytest_vlmrobust.errors.VlmRobustError` is meant for the user, and ends the run.
        """
        ...


@runtime_checkable
class StorableJudge(Judge, Protocol):
    """A judge whose verdicts can be kept although code alone does not tell them: a language model, say."""

    def verdict_key(self, case: JudgeCase) -> str:
        """Return a hex digest of everything that the verdict on a case follows from.

        The weights by content, or the server and the name of the model there; how it is asked; the exact
        words of the question. See `pytest_vlmrobust.keys.content_key`.
        """
        ...

    def judge_batches(self, cases: Sequence[JudgeCase]) -> Iterator[Sequence[tuple[int, Verdict]]]:
        """Judge like `judge`, and yield (index of a case, verdict) of those that are done, each case once.

        What is yielded is kept at once, so that it is not lost when the run is stopped.
        """
        ...


@runtime_checkable
class Closable(Protocol):
    """A judge that holds something while it is in use."""

    def close(self) -> None:
        """Free it; the judge may be asked again, and then takes it again."""
        ...


def storable(judge: Judge) -> StorableJudge | None:
    """Return the judge where its own class says how its verdicts are kept, else None.

    What a subclass inherits says nothing about what it changes, as with `declared_version`.
    """
    return judge if isinstance(judge, StorableJudge) and "verdict_key" in vars(type(judge)) else None


def declared_version(judge: Judge) -> str | None:
    """Return the version that a judge declares as ``verdict_version``, or None.

    A judge that declares one promises that its verdict on a case follows from the case and that
    version alone, so that verdicts may be kept and used again. Only the judge's own class can promise
    it: what a subclass inherits says nothing about what it changes.

    >>> class Strict:
    ...     name = "strict"
    ...     verdict_version = "1"
    ...     def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
    ...         return [Consistency.UNDECIDED for _ in cases]
    >>> class Odd(Strict):
    ...     pass
    >>> declared_version(Strict()), declared_version(Odd())
    ('1', None)
    """
    version = vars(type(judge)).get("verdict_version")
    return version if isinstance(version, str) else None
