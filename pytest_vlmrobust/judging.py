"""Has thoughts judged in batches, recalls verdicts, and never turns a judge's failure into a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.judges import Judge
from pytest_vlmrobust.judges.base import Consistency, JudgeCase, Verdict, declared_version
from pytest_vlmrobust.reading import Content
from pytest_vlmrobust.stored import recalled

if TYPE_CHECKING:
    from pytest_vlmrobust.store import Store

T = TypeVar("T")

NOT_APPLICABLE = "not_applicable"
UNSCORED = "unscored"


class Judging(Generic[T]):
    """Gives each item a verdict: at once by a judge that is a mere function, else in batches.

    Attributes:
        judge: the judge.
        failures: how many cases the judge raised on.
        first_failure: the first error that it raised, for the report, or "".
    """

    def __init__(self, judge: Judge, *, store: Store | None = None, batch: int = 256) -> None:
        """Start with none waiting.

        Args:
            judge: the judge.
            store: where verdicts are looked up and kept, of a judge that declares a version.
            batch: how many cases any other judge is given at once.
        """
        self.judge = judge
        self.failures = 0
        self.first_failure = ""
        self._version = declared_version(judge)
        self._store = store if self._version is not None else None
        self._batch = 1 if self._version is not None else batch
        self._waiting: list[tuple[T, JudgeCase]] = []

    def take(self, items: Iterable[tuple[T, JudgeCase | None]]) -> Iterator[tuple[T, str]]:
        """Take items in, each with what there is to judge, and yield those that are finished.

        Yields:
            The item, and one of the verdicts of a record; "not_applicable" where there was no case.

        Raises:
            UsageError: the judge did not give one verdict for each case.
            StoreError: the store is damaged.
        """
        for item, case in items:
            if case is None:
                yield item, NOT_APPLICABLE
            else:
                self._waiting.append((item, case))
        if len(self._waiting) >= self._batch:
            yield from self.rest()

    def rest(self) -> Iterator[tuple[T, str]]:
        """Judge those that wait, and yield them as `take` does."""
        waiting, self._waiting = self._waiting, []
        cases = [case for _, case in waiting]
        verdicts = self._judged(cases) if self._store is None else self._recalled(cases, self._store)
        for (item, _), verdict in zip(waiting, verdicts, strict=True):
            yield item, UNSCORED if verdict is None else verdict.value

    def _recalled(self, cases: Sequence[JudgeCase], store: Store) -> list[Verdict]:
        from pytest_vlmrobust.keys import content_key, source_digest

        fixed = source_digest(), self.judge.name, self._version or ""
        return recalled(
            store,
            "verdict",
            [
                content_key("verdict", *fixed, c.question, c.choices, c.think, c.letter, c.prefill)
                for c in cases
            ],
            make=lambda indices: self._judged([cases[index] for index in indices]),
            write=lambda _, verdict: None if verdict is None else verdict.value,
            read=lambda _, text: Consistency(text),
        )

    def _judged(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        """Judge all cases together; where that fails, one by one, so that one cannot spoil the others."""
        if not cases:
            return []
        try:
            given = self.judge.judge(cases)
        except Exception as error:  # a judge may fail in any way; it is counted, not guessed around
            if len(cases) > 1:
                return [verdict for case in cases for verdict in self._judged([case])]
            self.failures += 1
            self.first_failure = self.first_failure or f"{type(error).__name__}: {error}"
            return [None]
        return _checked(given, len(cases), self.judge.name)


def judge_case(prompt: Prompt, content: Content, *, reasons: bool) -> JudgeCase | None:
    """Return what a judge is to compare, or None where there is nothing to compare.

    Args:
        prompt: what was asked.
        content: what was read in the reply.
        reasons: whether the condition leaves reasoning to the model.
    """
    if not reasons or content.letter is None or content.think is None or not content.think.strip():
        return None
    return JudgeCase(
        question=prompt.question,
        choices=prompt.choices,
        think=content.think,
        letter=content.letter,
        prefill=prompt.thought,
    )


def _checked(given: object, wanted: int, judge: str) -> list[Verdict]:
    if not isinstance(given, Sequence) or len(given) != wanted:
        got = f"{len(given)} verdicts" if isinstance(given, Sequence) else type(given).__name__
        raise UsageError(f"judge {judge!r} returned {got} for {wanted} cases: it has to return one for each")
    for verdict in given:
        if verdict is not None and not isinstance(verdict, Consistency):
            raise UsageError(
                f"judge {judge!r} returned {verdict!r} as a verdict: allowed are "
                f"{', '.join(f'Consistency.{known.name}' for known in Consistency)} and None"
            )
    return list(given)
