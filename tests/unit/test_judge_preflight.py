"""Judges are measured on labelled thoughts before they are trusted."""

from __future__ import annotations

import functools
import json
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from itertools import islice
from pathlib import Path

import pytest
from jsonschema import Draft202012Validator
from sklearn.metrics import cohen_kappa_score

from pytest_vlmrobust import reports
from pytest_vlmrobust.core.documents import report_document
from pytest_vlmrobust.core.samples import LETTERS
from pytest_vlmrobust.datasets.shapes import iterate_shapes
from pytest_vlmrobust.errors import JudgeError, UsageError
from pytest_vlmrobust.evaluation import ask, evaluate
from pytest_vlmrobust.judges import Consistency, JudgeCase, Panel, RuleJudge, Verdict
from pytest_vlmrobust.judges import preflight as module
from pytest_vlmrobust.judges.labelled import labelled_cases, labelled_digest
from pytest_vlmrobust.judges.llm import LanguageModelJudge
from pytest_vlmrobust.judges.preflight import Preflight, check_preflight, preflight
from pytest_vlmrobust.judges.questions import JudgePrompt, question_for
from pytest_vlmrobust.judges.telling import preflight_lines
from pytest_vlmrobust.reports.judges import judge_lines
from pytest_vlmrobust.store import Store
from tests.unit.mates import Mates
from tests.unit.text_models import Scripted, knowing

CASES = labelled_cases()
ALL = len(CASES)
SCHEMA = json.loads((Path(reports.__file__).parent / "schema.json").read_text(encoding="utf-8"))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "verdicts.sqlite") as opened:
        yield opened


def model(*, wrong: int = 0) -> LanguageModelJudge:
    return LanguageModelJudge(Scripted(knowing(wrong=wrong)))


def test_the_labelled_thoughts_are_many_balanced_and_of_many_kinds() -> None:
    labels = Counter(labelled.label for labelled in CASES)
    assert ALL >= 200
    assert len({labelled.id for labelled in CASES}) == ALL
    assert len({labelled.case for labelled in CASES}) == ALL
    assert min(labels[Consistency.CONSISTENT], labels[Consistency.INCONSISTENT]) >= 100
    assert 0.8 < labels[Consistency.CONSISTENT] / labels[Consistency.INCONSISTENT] < 1.25
    assert labels[Consistency.UNDECIDED] >= 25
    assert len({labelled.style for labelled in CASES}) >= 50
    lengths = [len(labelled.case.think) for labelled in CASES]
    assert min(lengths) < 30
    assert sum(length > 900 for length in lengths) >= 16
    letters = Counter(labelled.case.letter for labelled in CASES)
    assert all(letters[letter] > ALL / 10 for letter in "ABC")
    begun = [labelled.case for labelled in CASES if labelled.case.prefill]
    assert len(begun) >= 20
    for labelled in CASES:
        case = labelled.case
        assert case.letter in LETTERS[: len(case.choices)]
        assert case.think.startswith(case.prefill)
        assert len(case.choices) >= 2


def test_the_label_does_not_follow_from_letter_or_length() -> None:
    """Else a judge could be right without reading."""
    decided = [labelled for labelled in CASES if labelled.label is not Consistency.UNDECIDED]
    truth = [labelled.label.value for labelled in decided]
    by_letter = {
        letter: Counter(one.label.value for one in decided if one.case.letter == letter).most_common(1)[0][0]
        for letter in {one.case.letter for one in decided}
    }
    assert cohen_kappa_score(truth, [by_letter[one.case.letter] for one in decided]) < 0.2
    middle = sorted(len(one.case.think) for one in decided)[len(decided) // 2]
    short = ["consistent" if len(one.case.think) < middle else "inconsistent" for one in decided]
    assert abs(cohen_kappa_score(truth, short)) < 0.2


def test_accuracy_and_kappa_are_those_of_the_verdicts() -> None:
    (result,) = preflight(RuleJudge())
    verdicts = RuleJudge().judge([labelled.case for labelled in CASES])
    said = [verdict.value for verdict in verdicts if verdict]
    truth = [labelled.label.value for labelled in CASES]
    assert result.kappa is not None
    assert result.accuracy is not None
    assert result.kappa.value == pytest.approx(cohen_kappa_score(truth, said))
    assert result.accuracy.value == sum(map(str.__eq__, said, truth)) / ALL
    assert result.unscored == 0
    assert sum(result.counts.values()) == ALL
    assert [labelled for labelled, _ in result.judged] == list(CASES)


def test_it_is_told_how_many_thoughts_are_judged() -> None:
    told: list[tuple[int, int, int]] = []
    preflight(model(), report=lambda *counts: told.append(counts))
    assert told == [(done, ALL, 0) for done in (0, 32, 96, 160, 224)]


def test_the_rule_judge_is_to_be_trusted_and_measured_once_in_a_process(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    (result,) = preflight(RuleJudge())
    check_preflight([result])
    assert result.kappa is not None
    assert result.kappa.value > 0.8
    monkeypatch.setattr(RuleJudge, "judge", None)
    assert preflight(RuleJudge()) == [result]


def test_a_judge_that_knows_is_trusted_and_one_that_always_says_the_same_is_not() -> None:
    check_preflight(preflight(model()), 1.0)
    for word in ("AGREES", "DIFFERS", "OPEN"):
        constant = LanguageModelJudge(Scripted(functools.partial(_always, word)))
        (result,) = preflight(constant)
        assert result.kappa is not None
        assert result.kappa.value == 0
        with pytest.raises(JudgeError, match=r"has to be 0\.6 or more, and it is 0\.000"):
            check_preflight([result])
        with pytest.raises(JudgeError, match=r"has to be more than 0, which is chance, and it is 0\.000"):
            check_preflight([result], 0.0)
        check_preflight([result], None)


def test_that_nobody_was_measured_is_no_trust() -> None:
    with pytest.raises(JudgeError, match="no judge was measured"):
        check_preflight([])


def test_a_judge_that_is_not_trusted_is_an_error_that_shows_three_thoughts() -> None:
    (result,) = preflight(model(wrong=90))
    with pytest.raises(JudgeError) as caught:
        check_preflight([result])
    lines = str(caught.value).splitlines()
    assert lines[0].startswith(
        f"judge 'scripted' is not trusted: its agreement (Cohen's kappa) with the labels of {ALL} thoughts "
        "has to be 0.6 or more, and it is 0.4"
    )
    assert any("wrong      3 of 90 verdicts" in line for line in lines)
    shown = [line for line in lines if ": said " in line]
    assert shown[0] == "    t001a: said inconsistent, and it is consistent"
    assert len(shown) == 3
    assert sum(line.strip().startswith("reasoning  ") for line in lines) == 3
    assert lines[-1].startswith("  what to do: name another judge with --vlm-judge, such as rules; ")


def test_what_was_decided_the_wrong_way_is_shown_before_what_was_left_open() -> None:
    (result,) = preflight(LanguageModelJudge(Scripted(lambda _: "OPEN")))
    assert {verdict for _, verdict in result.wrong} == {Consistency.UNDECIDED}
    (mixed,) = preflight(RuleJudge())
    kinds = [Consistency.UNDECIDED in (labelled.label, verdict) for labelled, verdict in mixed.wrong]
    assert kinds == sorted(kinds)
    assert any(kinds)
    assert not all(kinds)


def test_a_judge_that_gives_no_verdict_is_asked_no_more_and_is_an_error() -> None:
    babbling = Scripted(lambda _: "As a language model, I like both.")
    (result,) = preflight(LanguageModelJudge(babbling))
    assert len(result.judged) == result.unscored == 32
    assert len(babbling.asked) == 64
    assert (result.kappa, result.accuracy) == (None, None)
    with pytest.raises(JudgeError) as caught:
        check_preflight([result])
    assert str(caught.value).splitlines() == [
        "judge 'scripted' is not trusted: it gave no verdict on 32 of 32 labelled thoughts",
        "  the first time because its reply was none of the words asked for: As a language model, I like "
        "both.",
        "  what to do: see whether it is there and replies in one word; name another judge with --vlm-judge, "
        "such as rules; --vlm-judge-preflight measures one by itself, and --vlm-min-judge-kappa sets the "
        "bound",
    ]
    check_preflight([result], None)


def test_too_many_thoughts_without_a_verdict_are_an_error_though_all_others_are_right() -> None:
    right = knowing()
    for every, trusted in ((30, True), (10, False)):
        mute = {question_for(labelled.case).user for labelled in CASES[::every]}
        flaky = Scripted(functools.partial(_silent_on, mute, right))
        (result,) = preflight(LanguageModelJudge(flaky))
        assert result.accuracy is not None
        assert result.accuracy.value == 1
        assert result.unscored == len(mute)
        if trusted:
            check_preflight([result], 0.99)
        else:
            with pytest.raises(JudgeError, match=f"no verdict on {len(mute)} of {ALL} labelled thoughts"):
                check_preflight([result], 0.0)


def _always(word: str, _: JudgePrompt) -> str:
    return word


def _silent_on(mute: set[str], reply: Callable[[JudgePrompt], str], prompt: JudgePrompt) -> str:
    first = prompt.user.partition("OPEN.")[0] + "OPEN."  # what was asked before it is asked for again
    return "?" if first in mute else reply(prompt)


def test_a_few_verdicts_of_one_kind_have_no_kappa() -> None:
    same = [(labelled, labelled.label) for labelled in CASES if labelled.label is Consistency.CONSISTENT]
    result = Preflight(judge="lucky", judged=same)
    assert result.kappa is None
    with pytest.raises(JudgeError, match="and it has none"):
        check_preflight([result], 0.0)
    assert "kappa" not in result.to_json()


def test_verdicts_of_the_preflight_are_kept(store: Store) -> None:
    (first,) = preflight(model(wrong=3), store)
    assert store.kept == ALL
    again = Scripted(knowing())
    (second,) = preflight(LanguageModelJudge(again), store)
    assert again.asked == []
    assert second == first


def test_the_rule_judges_verdicts_are_kept_too(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "_RULES", [])
    (first,) = preflight(RuleJudge(), store)
    assert store.kept == ALL
    monkeypatch.setattr(module, "_RULES", [])
    monkeypatch.setattr(RuleJudge, "judge", None)
    assert preflight(RuleJudge(), store) == [first]


def test_the_members_of_a_panel_are_measured_and_the_panel_itself() -> None:
    constant = LanguageModelJudge(Scripted(lambda _: "AGREES", name="constant"))
    results = preflight(Panel([RuleJudge(), model(wrong=4), constant]))
    assert [result.judge for result in results] == [
        "rules",
        "scripted",
        "constant",
        "rules,scripted,constant",
    ]
    *_, panel = results
    assert panel.accuracy is not None
    assert panel.accuracy.value > 0.6
    with pytest.raises(JudgeError, match="judge 'constant' is not trusted"):
        check_preflight(results)
    silent = LanguageModelJudge(Scripted(lambda _: "", name="silent"))
    few = preflight(Panel([RuleJudge(), silent]))[-1]
    assert len(few.judged) == few.unscored == 32
    assert few.problem.endswith("nothing at all")


def test_the_figures_are_laid_out_for_a_person() -> None:
    lines = preflight_lines(preflight(model(wrong=2))[0])
    assert lines[0] == f"judge scripted on {ALL} labelled thoughts"
    assert lines[1].startswith("  kappa      0.98")
    assert lines[2].startswith(f"  accuracy   {1 - 2 / ALL:.3f} (95 % interval ")
    assert "  label         said consistent  said inconsistent  said undecided" in lines
    assert sum(line.startswith("    t001") for line in lines) == 2
    unscored = preflight_lines(preflight(LanguageModelJudge(Scripted(lambda _: "\x1b[31m no")))[0])
    assert unscored[1] == r"  unscored   32: its reply was none of the words asked for: \x1b[31m no"


SAMPLES = list(islice(iterate_shapes(), 6))


class Spec:
    """Lets a spec stand for a judge."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch, judge: LanguageModelJudge) -> None:
        monkeypatch.setattr("pytest_vlmrobust.evaluation.load_judge", lambda _, **__: judge)


def test_an_evaluation_measures_a_judge_that_is_named_and_tells_how_it_did(
    monkeypatch: pytest.MonkeyPatch, store: Store
) -> None:
    Spec(monkeypatch, model(wrong=5))
    run = evaluate(Mates(), SAMPLES, "base", judge="some/model", store=store)
    (told,) = run.provenance["judge_preflight"]
    assert (told["judge"], told["n"], told["unscored"]) == ("scripted", ALL, 0)
    assert told["labelled"] == labelled_digest()
    assert told["kappa"]["low"] < told["kappa"]["value"] < told["kappa"]["high"]
    assert told["accuracy"]["count"] == ALL - 5
    Draft202012Validator(SCHEMA).validate(json.loads(json.dumps(report_document([run]))))
    kappa, accuracy = told["kappa"]["value"], told["accuracy"]["value"]
    assert list(judge_lines(run)) == [
        f"judge scripted: kappa {kappa:.3f} and accuracy {accuracy:.3f} on {ALL} labelled thoughts"
    ]
    assert store.kept >= ALL


def test_an_evaluation_with_a_judge_that_is_not_trusted_asks_the_model_nothing(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    Spec(monkeypatch, model(wrong=90))
    mates = Mates()
    with pytest.raises(JudgeError, match="judge 'scripted' is not trusted"):
        evaluate(mates, SAMPLES, "base", judge="some/model")
    assert mates.computed == []
    run = evaluate(mates, SAMPLES, "base", judge="some/model", min_judge_kappa=None)
    assert run.provenance["judge_preflight"][0]["kappa"]["value"] < 0.6
    silent = LanguageModelJudge(Scripted(lambda _: ""))
    Spec(monkeypatch, silent)
    run = evaluate(mates, SAMPLES, "base", judge="some/model", min_judge_kappa=None)
    assert list(judge_lines(run)) == [
        "judge scripted: no figures on 32 labelled thoughts, 32 of them without a verdict"
    ]


def test_a_judge_that_is_named_is_freed_in_the_end_and_one_that_is_handed_over_is_not(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    scripted = Scripted(knowing())
    judge = LanguageModelJudge(scripted)
    Spec(monkeypatch, judge)
    evaluate(Mates(), SAMPLES, "base", judge="some/model")
    ask(Mates(), SAMPLES[0], judge="some/model")
    assert scripted.closed == 2
    with pytest.raises(JudgeError):
        evaluate(Mates(), SAMPLES, "base", judge="some/model", min_judge_kappa=1.1)
    assert scripted.closed == 3
    evaluate(Mates(), SAMPLES, "base", judge=judge)
    assert scripted.closed == 3


def test_a_judge_that_is_handed_over_is_taken_at_its_word() -> None:
    class Own:
        name = "own"

        def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
            return [Consistency.UNDECIDED for _ in cases]

    run = evaluate(Mates(), SAMPLES, "base", judge=Own())
    assert "judge_preflight" not in run.provenance
    assert run.provenance["judges"] == [{"name": "own", "details": {}}]
    assert list(judge_lines(run)) == []


def test_what_evaluate_writes_itself_cannot_be_handed_in() -> None:
    with pytest.raises(UsageError, match=r"context\.judges is written by evaluate itself"):
        evaluate(Mates(), SAMPLES, "base", context={"judges": []})
