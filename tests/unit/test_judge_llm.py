"""A language model as judge: what it is asked, what its replies are taken for, and what is kept of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import pytest

from pytest_vlmrobust.errors import ModelError, StoreError, UsageError
from pytest_vlmrobust.judges.base import Consistency, Judge, JudgeCase, StorableJudge, Verdict, storable
from pytest_vlmrobust.judges.llm import LanguageModelJudge
from pytest_vlmrobust.judges.questions import JudgePrompt, asked_again, question_for
from pytest_vlmrobust.judges.rules import RuleJudge
from pytest_vlmrobust.judges.scoring import Scoring
from pytest_vlmrobust.judging import Judging
from pytest_vlmrobust.store import Store
from tests.unit.text_models import Scripted

CASES = [
    JudgeCase(
        question="Which?", choices=("x", "y"), think=f"{'Hm. ' * number}So it is y.", letter="AB"[number % 2]
    )
    for number in range(12)
]


def compare(prompt: JudgePrompt) -> str:
    return "AGREES" if answered(prompt, "B") else "DIFFERS"


def answered(prompt: JudgePrompt, letter: str) -> bool:
    return f"({letter})" in prompt.user.partition("option that was handed in\n")[2]


RIGHT = [Consistency.INCONSISTENT, Consistency.CONSISTENT] * 6


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "verdicts.sqlite") as opened:
        yield opened


def test_each_case_is_asked_once_and_verdicts_keep_their_order() -> None:
    model = Scripted(compare, batch=5)
    judge = LanguageModelJudge(model)
    assert isinstance(judge, Judge)
    assert isinstance(judge, StorableJudge)
    assert storable(judge) is judge
    assert judge.judge(CASES) == RIGHT
    assert sorted(prompt.user for prompt in model.asked) == sorted(question_for(case).user for case in CASES)
    assert judge.first_failure == ""
    assert judge.judge([]) == []
    assert judge.name == "scripted"
    assert judge.details == {"version": "1"}
    judge.close()
    assert model.closed == 1


def test_a_reply_outside_the_menu_is_asked_for_once_more() -> None:
    def reply(prompt: JudgePrompt) -> str:
        return (
            compare(prompt) if prompt.user.endswith("OPEN.") and "exactly one" in prompt.user else "I agree!"
        )

    model = Scripted(reply)
    assert LanguageModelJudge(model).judge(CASES) == RIGHT
    assert model.asked.count(asked_again(question_for(CASES[0]))) == 1
    assert len(model.asked) == 24


def test_a_second_reply_outside_the_menu_is_no_verdict() -> None:
    model = Scripted(lambda prompt: "Well,\nthey agree" if answered(prompt, "A") else compare(prompt))
    judge = LanguageModelJudge(model)
    assert judge.judge(CASES) == [None, Consistency.CONSISTENT] * 6
    assert len(model.asked) == 12 + 6
    assert judge.first_failure == "its reply was none of the words asked for: Well, they agree"
    silent = LanguageModelJudge(Scripted(lambda _: ""))
    assert silent.judge(CASES[:1]) == [None]
    assert silent.first_failure.endswith("none of the words asked for: nothing at all")


def test_a_question_that_could_not_be_asked_is_no_verdict_and_not_asked_again() -> None:
    def reply(prompt: JudgePrompt) -> str:
        if prompt == question_for(CASES[3]):
            raise TimeoutError("no reply within 30 s")
        return compare(prompt)

    model = Scripted(reply)
    judge = LanguageModelJudge(model)
    assert judge.judge(CASES) == [*RIGHT[:3], None, *RIGHT[4:]]
    assert len(model.asked) == 12
    assert judge.first_failure == "no reply within 30 s"


def test_verdicts_are_kept_and_failures_asked_again(store: Store) -> None:
    flaky = Scripted(lambda prompt: "?" if answered(prompt, "A") else compare(prompt))
    scoring = Scoring(LanguageModelJudge(flaky), store)
    assert scoring.keeps
    assert scoring.verdicts(CASES) == [None, Consistency.CONSISTENT] * 6
    assert scoring.first_failure == "its reply was none of the words asked for: ?"
    assert store.kept == 6
    again = Scripted(compare)
    assert Scoring(LanguageModelJudge(again), store).verdicts(CASES) == RIGHT
    assert len(again.asked) == 6
    none = Scripted(compare)
    assert Scoring(LanguageModelJudge(none), store).verdicts(CASES) == RIGHT
    assert none.asked == []


def test_a_failure_of_an_earlier_call_is_no_cause_of_a_later_one() -> None:
    faults = {question_for(CASES[0]): "too long", question_for(CASES[5]): "too late"}

    def reply(prompt: JudgePrompt) -> str:
        if prompt in faults:
            raise TimeoutError(faults[prompt])
        return compare(prompt)

    judge = LanguageModelJudge(Scripted(reply))
    first = Scoring(judge)
    assert first.verdicts(CASES[:2]) == [None, RIGHT[1]]
    assert first.first_failure == "too long"
    judging = Judging[str](judge)
    told = list(judging.take((str(number), case) for number, case in enumerate(CASES[1:4])))
    told += judging.rest()
    assert [judged.verdict for _, judged in told] == [verdict.value for verdict in RIGHT[1:4]]
    assert (judging.failures, judging.first_failure) == (0, "")
    last = Scoring(judge)
    assert last.verdicts(CASES[1:3]) == RIGHT[1:3]
    assert last.first_failure == ""
    assert last.verdicts(CASES[5:]) == [None, *RIGHT[6:]]
    assert last.first_failure == "too late"
    assert last.verdicts(CASES[:1]) == [None]
    assert last.first_failure == "too late"


def test_the_key_of_a_verdict_follows_from_model_and_question(store: Store) -> None:
    judge = LanguageModelJudge(Scripted(compare))
    Scoring(judge, store).verdicts(CASES)
    renamed = LanguageModelJudge(Scripted(compare, name="another name"))
    assert [renamed.verdict_key(case) for case in CASES] == [judge.verdict_key(case) for case in CASES]
    other = Scripted(compare, version="2")
    Scoring(LanguageModelJudge(other), store).verdicts(CASES)
    assert len(other.asked) == len(CASES)
    assert len({judge.verdict_key(case) for case in CASES}) == len(CASES)


def test_verdicts_are_kept_batch_by_batch_when_the_run_is_stopped(store: Store) -> None:
    class Stopped(Scripted):
        def _said(self, prompt: JudgePrompt) -> object:  # type: ignore[override]
            if len(self.asked) == 8:
                raise KeyboardInterrupt
            return super()._said(prompt)

    with pytest.raises(KeyboardInterrupt):
        Scoring(LanguageModelJudge(Stopped(compare, batch=4)), store).verdicts(CASES)
    assert store.kept == 8
    rest = Scripted(compare)
    assert Scoring(LanguageModelJudge(rest), store).verdicts(CASES) == RIGHT
    assert len(rest.asked) == 4


def test_equal_cases_are_asked_once_where_verdicts_are_kept(store: Store) -> None:
    model = Scripted(compare)
    assert Scoring(LanguageModelJudge(model), store).verdicts([CASES[0]] * 3) == [RIGHT[0]] * 3
    assert len(model.asked) == 1


def test_a_stored_verdict_that_makes_no_sense_is_an_error_that_names_the_store(store: Store) -> None:
    judge = LanguageModelJudge(Scripted(compare))
    store.write("verdict", {judge.verdict_key(CASES[0]): "perhaps"})
    with pytest.raises(StoreError, match=r"verdicts\.sqlite holds a verdict that cannot be used: 'perhaps'"):
        Scoring(judge, store).verdicts(CASES)


class Faulty:
    """Says what its verdicts follow from, and yields whatever it was made with."""

    name = "faulty"

    def __init__(self, batches: Sequence[Sequence[tuple[int, Verdict]] | Exception]) -> None:
        self.batches = batches

    def verdict_key(self, case: JudgeCase) -> str:
        return LanguageModelJudge(Scripted(compare)).verdict_key(case)

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        raise AssertionError(cases)

    def judge_batches(self, _: Sequence[JudgeCase]) -> Iterator[Sequence[tuple[int, Verdict]]]:
        for batch in self.batches:
            if isinstance(batch, Exception):
                raise batch
            yield batch


FINE = Consistency.CONSISTENT


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        ([[(0, FINE)]], "'faulty' gave no verdict on 1 of 2 cases: it has to give one for each"),
        ([[(0, FINE), (0, FINE)]], r"verdicts on the cases \[0, 0\] of 2, some of them unknown or a second"),
        ([[(0, FINE)], [(0, FINE)]], r"gave verdicts on the cases \[0\] of 2"),
        ([[(2, FINE)]], r"gave verdicts on the cases \[2\] of 2"),
        ([[(0, "yes")]], "returned 'yes' as a verdict: allowed are Consistency.CONSISTENT, "),
    ],
)
def test_a_judge_that_breaks_its_promise_is_refused(
    store: Store, batches: list[list[tuple[int, Verdict]]], message: str
) -> None:
    for kept in (store, None):
        with pytest.raises(UsageError, match=message):
            Scoring(Faulty(batches), kept).verdicts(CASES[:2])


def test_a_judge_that_fails_midway_leaves_the_rest_unscored(store: Store) -> None:
    scoring = Scoring(Faulty([[(1, FINE)], RuntimeError("out of luck\nreally")]), store)
    assert scoring.verdicts(CASES[:3]) == [None, FINE, None]
    assert scoring.first_failure == "RuntimeError: out of luck"
    assert store.kept == 1


def test_a_judge_that_cannot_be_loaded_is_an_error() -> None:
    with pytest.raises(ModelError, match="no such weights"):
        Scoring(Faulty([ModelError("no such weights")])).verdicts(CASES[:2])


def test_what_a_class_inherits_is_no_promise() -> None:
    class Heir(LanguageModelJudge):
        """Could ask in any other way, and says nothing itself."""

    class Own(LanguageModelJudge):
        def verdict_key(self, case: JudgeCase) -> str:
            return super().verdict_key(case)

    assert not Scoring(Heir(Scripted(compare))).keeps
    assert Scoring(Own(Scripted(compare))).keeps
    assert Scoring(RuleJudge()).keeps
    assert Scoring(Heir(Scripted(compare))).verdicts(CASES) == RIGHT
