"""Has thoughts judged in batches, and never turns a judge's failure into a verdict."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import TYPE_CHECKING, Generic, TypeVar

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.judges import Judge
from pytest_vlmrobust.judges.base import JudgeCase, Verdict, declared_version
from pytest_vlmrobust.judges.panel import Panel, majority
from pytest_vlmrobust.judges.scoring import Scoring
from pytest_vlmrobust.reading import Content

if TYPE_CHECKING:
    from pytest_vlmrobust.store import Store

T = TypeVar("T")

NOT_APPLICABLE = "not_applicable"
UNSCORED = "unscored"


@dataclass(frozen=True, slots=True)
class Judged:
    """What was said of one reply.

    Attributes:
        verdict: one of the verdicts of a record.
        votes: what each judge of a panel said; () where there was no panel or nothing to judge.
    """

    verdict: str
    votes: tuple[str, ...] = ()


class Judging(Generic[T]):
    """Gives each item a verdict: at once by a judge that is a mere function, else in batches.

    Attributes:
        failures: how many cases have no verdict.
    """

    def __init__(self, judge: Judge, *, store: Store | None = None, batch: int = 256) -> None:
        """Start with none waiting.

        Args:
            judge: the judge, or a panel.
            store: where verdicts are looked up and kept, of judges that say what theirs follow from.
            batch: how many cases a judge that is no mere function is given at once.
        """
        members = judge.members if isinstance(judge, Panel) else (judge,)
        self.failures = 0
        self._scorings = [Scoring(member, store) for member in members]
        self._batch = 1 if all(map(declared_version, members)) else batch
        self._waiting: list[tuple[T, JudgeCase]] = []

    @property
    def first_failure(self) -> str:
        """The first error of a judge, for the report, or "" where no case is without a verdict."""
        if not self.failures:
            return ""
        return next(filter(None, (scoring.first_failure for scoring in self._scorings)), "")

    def take(self, items: Iterable[tuple[T, JudgeCase | None]]) -> Iterator[tuple[T, Judged]]:
        """Take items in, each with what there is to judge, and yield those that are finished.

        Yields:
            The item, and what was said of it; "not_applicable" where there was no case.

        Raises:
            UsageError: a judge did not give one verdict for each case.
            ModelError: a judge is a language model that cannot be loaded.
            StoreError: the store is damaged.
        """
        for item, case in items:
            if case is None:
                yield item, Judged(NOT_APPLICABLE)
            else:
                self._waiting.append((item, case))
        if len(self._waiting) >= self._batch:
            yield from self.rest()

    def rest(self) -> Iterator[tuple[T, Judged]]:
        """Judge those that wait, and yield them as `take` does."""
        waiting, self._waiting = self._waiting, []
        cases = [case for _, case in waiting]
        ballots = zip(*(scoring.verdicts(cases) for scoring in self._scorings), strict=True)
        for (item, _), votes in zip(waiting, ballots, strict=True):
            verdict = votes[0] if len(votes) == 1 else majority(votes)
            self.failures += verdict is None
            yield item, Judged(_told(verdict), tuple(map(_told, votes)) if len(votes) > 1 else ())


def _told(verdict: Verdict) -> str:
    return UNSCORED if verdict is None else verdict.value


def judge_case(prompt: Prompt, content: Content, *, reasons: bool) -> JudgeCase | None:
    """Return what a judge is to compare, or None where there is nothing to compare.

    Args:
        prompt: what was asked.
        content: what was read in the reply.
        reasons: whether the condition leaves reasoning to the model.
    """
    if not reasons or content.letter is None or content.think is None or not content.think.strip():
        return None
    if content.letter == prompt.abstention:  # asserts nothing that reasoning could contradict
        return None
    return JudgeCase(
        question=prompt.question,
        choices=prompt.choices,
        think=content.think,
        letter=content.letter,
        prefill=prompt.thought,
    )
