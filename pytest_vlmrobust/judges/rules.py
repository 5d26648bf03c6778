"""A judge without a model: finds the option that a thought asserts last.

It reads the thought clause by clause and keeps the judgment that stands at the end: a conclusion
outranks a mention, a correction outranks what it corrects, and what is denied, supposed, asked or
reported is no judgment. Where it cannot tell it says undecided: that is better than wrong.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_vlmrobust.core.mentions import Prose, leveled
from pytest_vlmrobust.core.samples import LETTERS
from pytest_vlmrobust.judges.base import Consistency, JudgeCase, Verdict
from pytest_vlmrobust.judges.choices import Options
from pytest_vlmrobust.judges.clauses import Clause, Spans, split_clauses
from pytest_vlmrobust.judges.cues import LISTED
from pytest_vlmrobust.judges.evidence import Evidence, Weight
from pytest_vlmrobust.judges.scope import groups
from pytest_vlmrobust.judges.weighing import clause_evidence

LONGEST_THOUGHT = 50_000
"""Characters of a thought that are read, from its end: what it asserts last is what counts."""


class RuleJudge:
    """Compares the option that a thought asserts last with the letter that was answered."""

    verdict_version = "1"

    @property
    def name(self) -> str:
        """The name that reports show."""
        return "rules"

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        """Judge each case; this judge never fails, so no verdict is None."""
        return [_verdict(case) for case in cases]


def _verdict(case: JudgeCase) -> Consistency:
    final = final_judgment(case.think, case.choices, question=case.question)
    if final is None:
        return Consistency.UNDECIDED
    return Consistency.CONSISTENT if final == case.letter else Consistency.INCONSISTENT


def final_judgment(think: str, choices: Sequence[str], *, question: str = "") -> str | None:
    """Return the letter that a thought asserts in the end, or None where it is undecided.

    Args:
        think: the thought, without its tags.
        choices: 2 to 8 option texts; the first is "A".
        question: the question, if known: with it, statements are matched with what was asked.

    >>> final_judgment("It looks left. But wait, it is mirrored, so it is right.", ["left", "right"])
    'B'
    >>> final_judgment("It could be left or right.", ["left", "right"]) is None
    True
    """
    text = leveled(think[-LONGEST_THOUGHT:])
    options = Options(choices, question)
    spans = [(group.start, group.end) for group in groups(text, options.mentions(Prose(text)))]
    course = _Course(options=len(options.choices))
    listed = _listed_lines(text)
    for clause in split_clauses(text, Spans(spans)):
        course.follow(clause, [e for e in clause_evidence(clause, options) if not _recited(e, listed)])
    final = course.final()
    return None if final is None else LETTERS[final]


def _recited(evidence: Evidence, listed: Spans) -> bool:
    return evidence.holds and evidence.weight < Weight.ANSWERED and listed.inside(evidence.at)


def _listed_lines(text: str) -> Spans:
    """Find the lines that go through the options one by one; nothing is asserted there."""
    lines = list(LISTED.finditer(text))
    several = len({line[1] for line in lines}) > 1
    return Spans([line.span() for line in lines] if several else [])


_DANGLING = 3  # words of a "but I think" that nothing follows
_DOUBT_LASTS = 2  # sentences after a "but" within which something else counts as a correction


@dataclass
class _Course:
    """Where a thought stands after the clauses read so far."""

    options: int
    choice: int | None = None
    contested: bool = False
    doubted_in: int | None = None
    dangling: bool = False
    denied: set[int] = field(default_factory=set)

    def follow(self, clause: Clause, evidence: list[Evidence]) -> None:
        """Take in the next clause."""
        if clause.retracts or clause.unsure:
            self._forget()
        if clause.doubts:
            self.doubted_in = clause.sentence
        elif self.doubted_in is not None and clause.sentence > self.doubted_in + _DOUBT_LASTS:
            self.doubted_in = None
        self.dangling = clause.doubts and not evidence and len(clause.own.strip(" ,").split()) <= _DANGLING
        for piece in evidence:
            if piece.choice is None:
                self._forget()
            elif piece.holds:
                self._assert(piece.choice, piece.weight)
            else:
                self._deny(piece.choice)

    def final(self) -> int | None:
        """Return what stands in the end."""
        if self.dangling or self.contested:
            return None
        if self.choice is not None:
            return self.choice
        left = set(range(self.options)) - self.denied
        return left.pop() if len(left) == 1 and self.options > 2 else None

    def _assert(self, choice: int, weight: Weight) -> None:
        self.denied.discard(choice)
        if choice == self.choice:
            self.contested = self.contested and weight < Weight.CONCLUDED
        elif self.choice is None or weight >= Weight.CONCLUDED or self.doubted_in is not None:
            self.choice, self.contested = choice, False
        else:
            self.contested = True
        self.doubted_in = None

    def _deny(self, choice: int) -> None:
        self.denied.add(choice)
        if choice == self.choice:
            self.choice, self.contested = None, False

    def _forget(self) -> None:
        self.choice, self.contested, self.doubted_in = None, False, None
        self.denied.clear()
