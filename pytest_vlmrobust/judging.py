"""Has replies judged in batches, and never turns a judge's failure into a verdict."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.rows import Record
from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.judges import Judge
from pytest_vlmrobust.judges.base import Consistency, JudgeCase, Verdict


class Judging:
    """Collects records that wait for a verdict, and hands them to the judge in batches.

    Attributes:
        judge: the judge.
        failures: how many cases the judge raised on.
        first_failure: the first error that it raised, for the report, or "".
    """

    def __init__(self, judge: Judge, *, batch: int = 256) -> None:
        """Start with none waiting; ``batch`` is how many the judge is given at once."""
        self.judge = judge
        self.failures = 0
        self.first_failure = ""
        self._batch = batch
        self._waiting: list[tuple[Record, JudgeCase]] = []

    def take(self, record: Record, case: JudgeCase | None) -> Iterator[Record]:
        """Take a record in, and yield those that are finished: at once where there is no case.

        Raises:
            UsageError: the judge did not give one verdict for each case.
        """
        if case is None:
            yield record
            return
        self._waiting.append((record, case))
        if len(self._waiting) >= self._batch:
            yield from self.rest()

    def rest(self) -> Iterator[Record]:
        """Judge those that wait, and yield them.

        Raises:
            UsageError: the judge did not give one verdict for each case.
        """
        waiting, self._waiting = self._waiting, []
        verdicts = self._verdicts([case for _, case in waiting])
        for (record, _), verdict in zip(waiting, verdicts, strict=True):
            yield replace(record, verdict="unscored" if verdict is None else verdict.value)

    def _verdicts(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        """Judge all cases together; where that fails, one by one, so that one cannot spoil the others."""
        if not cases:
            return []
        try:
            given = self.judge.judge(cases)
        except Exception as error:  # a judge may fail in any way; it is counted, not guessed around
            if len(cases) > 1:
                return [verdict for case in cases for verdict in self._verdicts([case])]
            self.failures += 1
            self.first_failure = self.first_failure or f"{type(error).__name__}: {error}"
            return [None]
        return _checked(given, len(cases), self.judge.name)


def judge_case(record: Record, prompt: Prompt, *, reasons: bool) -> JudgeCase | None:
    """Return what a judge is to compare, or None where there is nothing to compare.

    Args:
        record: the record of a reply.
        prompt: what was asked.
        reasons: whether the condition leaves reasoning to the model.
    """
    if not reasons or record.letter is None or not (record.think or "").strip():
        return None
    return JudgeCase(
        question=record.question,
        choices=record.choices,
        think=record.think or "",
        letter=record.letter,
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
