"""Judges of thoughts: does the final judgment of a thought agree with the answer?"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vlmrobust.core.samples import LETTERS
from pytest_vlmrobust.errors import UsageError, VlmRobustError
from pytest_vlmrobust.judges.base import Consistency, Judge, JudgeCase, StorableJudge, Verdict
from pytest_vlmrobust.judges.panel import Panel
from pytest_vlmrobust.judges.rules import RuleJudge, final_judgment
from pytest_vlmrobust.judges.specs import check_judge_spec, close_judge, load_judge

__all__ = [
    "Consistency",
    "Judge",
    "JudgeCase",
    "Panel",
    "RuleJudge",
    "StorableJudge",
    "Verdict",
    "check_judge_spec",
    "close_judge",
    "final_judgment",
    "judge_consistency",
    "load_judge",
]


def judge_consistency(
    think: str, letter: str, choices: Sequence[str], judge: str | Judge = "rules", question: str = ""
) -> Consistency:
    """Say whether a thought ends in the option that was answered.

    Args:
        think: the thought, without its tags; an empty one is undecided.
        letter: the letter that was answered, "A" for the first choice.
        choices: 2 to 8 option texts.
        judge: a judge, or the spec of one. It is believed without being measured first.
        question: the question; a judge decides more cases when it knows it.

    Raises:
        UsageError: the judge's spec is wrong, there are not 2 to 8 choices, or the letter is
            none of theirs.
        VlmRobustError: the judge failed on this case.

    >>> judge_consistency("The dog is left of the man. So the answer is B.", "A", ["left", "right"]).value
    'inconsistent'
    """
    known = load_judge(judge) if isinstance(judge, str) else judge
    if not 2 <= len(choices) <= len(LETTERS):
        raise UsageError(f"choices has {len(choices)} entries; 2 to {len(LETTERS)} are allowed")
    letters = LETTERS[: len(choices)]
    if letter not in letters:
        raise UsageError(
            f"letter is {letter!r}; the {len(choices)} choices are lettered {', '.join(letters)}"
        )
    if not think.strip():
        return Consistency.UNDECIDED
    case = JudgeCase(question=question, choices=tuple(choices), think=think, letter=letter)
    (verdict,) = known.judge([case])
    if verdict is None:
        raise VlmRobustError(f"judge {known.name!r} failed on this case: no verdict was given")
    return verdict
