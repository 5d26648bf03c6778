"""Several judges: what a panel says, and how far its judges agree."""

from __future__ import annotations

import json
import re
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from statsmodels.stats.inter_rater import fleiss_kappa

from pytest_vlmrobust import reports
from pytest_vlmrobust.core.documents import read_report, report_document
from pytest_vlmrobust.core.explain import explain_failure
from pytest_vlmrobust.core.gates import Gate, check
from pytest_vlmrobust.core.records import Evaluation, Record
from pytest_vlmrobust.datasets.shapes import iterate_shapes
from pytest_vlmrobust.errors import DataError, UsageError, VacuousError
from pytest_vlmrobust.evaluation import evaluate
from pytest_vlmrobust.judges import Consistency, Judge, JudgeCase, Panel, RuleJudge, Verdict
from pytest_vlmrobust.judges.llm import LanguageModelJudge
from pytest_vlmrobust.judges.panel import majority
from pytest_vlmrobust.models.scripted import ScriptedModel, reply
from pytest_vlmrobust.reports.judges import judge_lines
from pytest_vlmrobust.store import Store
from tests.unit.mates import Mates
from tests.unit.text_models import Scripted

SCHEMA = json.loads((Path(reports.__file__).parent / "schema.json").read_text(encoding="utf-8"))
C, I, U = Consistency  # noqa: E741 - the columns of a ballot
VERDICTS: list[Verdict] = [C, I, U, None]


@pytest.mark.parametrize(
    ("votes", "verdict"),
    [
        ((C, C, I), C),
        ((I, I, I), I),
        ((C, I), U),
        ((C, I, U), U),
        ((C, C, I, I), U),
        ((C, C, I, U), U),
        ((U, U, C), U),
        ((C, C, None), C),
        ((C, None), None),
        ((C, I, None), None),
        ((C, C, I, I, None), None),
        ((C, I, U, None), U),
        ((None, None, None), None),
        ((C, C, None, None), None),
    ],
)
def test_the_majority_of_all_judges_decides(votes: tuple[Verdict, ...], verdict: Verdict) -> None:
    assert majority(votes) == verdict


@given(st.lists(st.sampled_from(VERDICTS), min_size=2, max_size=7))
def test_no_failed_vote_could_have_changed_what_a_panel_says(votes: list[Verdict]) -> None:
    said = majority(votes)
    failed = [index for index, vote in enumerate(votes) if vote is None]
    if said is None:
        assert failed
        return
    for stand_in in (C, I, U):  # had they all said this
        whole = [stand_in if vote is None else vote for vote in votes]
        assert majority(whole) == said
    counts = Counter(votes)
    assert said is U or 2 * counts[said] > len(votes)


class Always:
    """Says what a function says."""

    def __init__(self, name: str, verdict: Callable[[JudgeCase], Verdict]) -> None:
        self.name = name
        self.verdict = verdict
        self.details = {"made of": "words"}

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        return [self.verdict(case) for case in cases]


def test_a_panel_is_a_judge_and_has_at_least_two_different_ones() -> None:
    panel = Panel([RuleJudge(), Always("strict", lambda _: I), Always("kind", lambda _: C)])
    assert isinstance(panel, Judge)
    assert panel.name == "rules,strict,kind"
    cases = [JudgeCase(question="", choices=("x", "y"), think="So B.", letter=letter) for letter in "AB"]
    assert panel.judge(cases) == [I, C]
    assert panel.judge([]) == []
    with pytest.raises(UsageError, match="a panel needs at least two judges, got rules"):
        Panel([RuleJudge()])
    with pytest.raises(UsageError, match="a panel needs at least two judges, got none"):
        Panel([])
    with pytest.raises(UsageError, match="judge 'rules' sits on the panel twice"):
        Panel([RuleJudge(), RuleJudge()])


SAMPLES = list(islice(iterate_shapes(), 24))
MODEL = ScriptedModel(
    lambda prompt: reply(
        "A", f"I think so. So the answer is ({prompt.letters[len(prompt.question) % 2]}).", prompt=prompt
    )
)


def mixed(case: JudgeCase) -> Verdict:
    return VERDICTS[(len(case.question) + 1) % 4]


@pytest.fixture(scope="module")
def run() -> Evaluation:
    panel = Panel([RuleJudge(), Always("strict", lambda _: I), Always("mixed", mixed)])
    return evaluate(MODEL, SAMPLES, ["base", "stop-think", "wrong-caption"], judge=panel)


def votes_of(run: Evaluation, condition: str) -> list[tuple[str, ...]]:
    return [record.votes for record in run.records(condition)]


def test_each_record_has_the_votes_and_what_most_of_them_say(run: Evaluation) -> None:
    assert run.provenance["judge"] == "rules,strict,mixed"
    assert [judge["name"] for judge in run.provenance["judges"]] == ["rules", "strict", "mixed"]
    assert run.provenance["judges"][1]["details"] == {"made of": "words"}
    for record in run.records("base"):
        verdicts = [None if vote == "unscored" else Consistency(vote) for vote in record.votes]
        said = majority(verdicts)
        assert record.verdict == (said or "unscored")
        assert (len(record.votes), record.votes[1]) == (3, "inconsistent")
    assert {record.votes for record in run.records("stop-think")} == {()}
    unscored = sum(record.verdict == "unscored" for record in run.records())
    assert unscored > 0
    assert run.provenance["judge_failures"]["count"] == unscored


def by_statsmodels(votes: list[tuple[str, ...]]) -> float:
    whole = [ballot for ballot in votes if "unscored" not in ballot]
    table = [[ballot.count(verdict) for verdict in Consistency] for ballot in whole]
    return float(fleiss_kappa(np.array(table)))


def test_agreement_is_measured_for_each_condition_and_over_all(run: Evaluation) -> None:
    every: list[tuple[str, ...]] = []
    for condition in ("base", "wrong-caption"):
        votes = votes_of(run, condition)
        every += votes
        whole = [ballot for ballot in votes if "unscored" not in ballot]
        assert 0 < len(whole) < len(votes)
        agreement = run.figure(condition, "panel_agreement")
        assert agreement.n == len(whole)
        assert agreement.detail["count"] == sum(len(set(ballot)) == 1 for ballot in whole)
        assert run.figure(condition, "panel_kappa").value == pytest.approx(by_statsmodels(votes))
    overall = run.panel()
    assert overall["panel_kappa"].value == pytest.approx(by_statsmodels(every))
    assert overall["panel_agreement"].n == sum("unscored" not in ballot for ballot in every)
    with pytest.raises(VacuousError, match="no panel_kappa under 'stop-think': the thought is planted whole"):
        run.figure("stop-think", "panel_kappa")


def test_a_report_has_votes_and_agreement_and_is_read_back(run: Evaluation) -> None:
    document = json.loads(json.dumps(report_document([run])))
    Draft202012Validator(SCHEMA).validate(document)
    panel = document["runs"][0]["panel"]
    assert panel["published"] == {"panel_agreement": [0.89, 0.94], "panel_kappa": [0.81, 0.88]}
    assert panel["panel_kappa"] == run.panel()["panel_kappa"].value
    assert "panel_kappa" in document["runs"][0]["conditions"]["base"]
    (again,) = read_report(document)
    assert list(again.records()) == list(run.records())
    panel["panel_kappa"] += 0.01
    with pytest.raises(UsageError, match=r"run: panel is .* the document was changed or cut"):
        read_report(document)


def test_a_failure_shows_what_each_judge_said(run: Evaluation) -> None:
    outcome = check(run, Gate("unfaithful_rate", "base", max=0.0), max_unscored_rate=1.0)
    text = explain_failure(run, outcome)
    assert re.search(r"\n      judges    rules \w+, strict inconsistent, mixed \w+\n", text)


def test_without_a_panel_there_is_nothing_of_it() -> None:
    run = evaluate(MODEL, SAMPLES[:4], "base")
    document = run.to_json()
    assert "panel" not in document
    assert all("votes" not in record for record in document["records"])
    assert run.panel() == {}
    with pytest.raises(VacuousError, match="no panel_agreement under 'base': no panel of judges was asked"):
        run.figure("base", "panel_agreement")


def only(first: Verdict, second: Verdict) -> Evaluation:
    panel = Panel([Always("a", lambda _: first), Always("b", lambda _: second)])
    return evaluate(MODEL, SAMPLES[:4], "base", judge=panel)


def test_where_there_is_no_kappa_the_reason_is_told() -> None:
    same = only(C, C)
    assert same.figure("base", "panel_agreement").value == 1
    assert list(same.panel()) == ["panel_agreement"]
    with pytest.raises(VacuousError, match="every vote is for one verdict, so chance alone would agree"):
        same.figure("base", "panel_kappa")
    failed = only(C, None)
    assert failed.panel() == {}
    with pytest.raises(VacuousError, match="on no reply did every judge of the panel give a verdict"):
        failed.figure("base", "panel_agreement")


def test_conditions_that_were_judged_by_different_panels_have_no_agreement_in_common(run: Evaluation) -> None:
    pair = evaluate(MODEL, SAMPLES, ["base"], judge=Panel([RuleJudge(), Always("strict", lambda _: I)]))
    both = pair.merge(run.select(["stop-think", "wrong-caption"]))
    assert both.figure("base", "panel_kappa").n == 24
    assert both.panel() == {}


RECORD = Record(sample_id="s", condition="base", question="", choices=("x", "y"), answer="A", letter="A")


@pytest.mark.parametrize(
    ("verdict", "votes", "message"),
    [
        ("consistent", ("consistent", "consistant"), "votes: unknown verdict 'consistant': did you mean"),
        ("not_applicable", ("consistent", "consistent"), "judges vote where there is something to judge"),
        ("consistent", ("consistent", "not_applicable"), "judges vote where there is something to judge"),
    ],
)
def test_a_record_refuses_votes_that_make_no_sense(
    verdict: str, votes: tuple[str, ...], message: str
) -> None:
    with pytest.raises(DataError, match=message):
        replace(RECORD, verdict=verdict, votes=votes)


def test_a_run_has_one_panel() -> None:
    one = replace(RECORD, verdict="undecided", votes=("consistent", "inconsistent"))
    two = replace(one, sample_id="t", votes=("consistent", "inconsistent", "undecided"))
    with pytest.raises(DataError, match="sample 't' has 3 votes under 'base', but others have 2"):
        Evaluation.from_records([one, two])


def test_each_judge_of_a_panel_has_its_own_verdicts_kept(tmp_path: Path) -> None:
    def judged(*judges: Judge) -> Evaluation:
        with Store.open(tmp_path / "replies.sqlite") as store:
            return evaluate(Mates(), SAMPLES, "base", judge=Panel(judges), store=store)

    first, second = (
        Scripted(lambda _: "AGREES", name="first"),
        Scripted(lambda _: "AGREES", name="second", version="2"),
    )
    judged(RuleJudge(), LanguageModelJudge(first))
    assert len(first.asked) == len(SAMPLES)
    again = Scripted(lambda _: "AGREES", name="first")
    run = judged(LanguageModelJudge(second), LanguageModelJudge(again), RuleJudge())
    assert (len(second.asked), len(again.asked)) == (len(SAMPLES), 0)
    assert all(len(record.votes) == 3 for record in run.records())


def test_the_summary_says_how_far_the_judges_agree(run: Evaluation) -> None:
    lines = list(judge_lines(run))
    kappa, agreement = (run.panel()[f"panel_{name}"] for name in ("kappa", "agreement"))
    text = " ".join(" ".join(lines).split())
    assert "panel of 3" in text
    assert f"all agree on {agreement.value:.3f}" in text
    assert "(0.89 to 0.94 in Zhao et al. 2026)" in text
    assert f"Fleiss' kappa {kappa.value:.3f} (0.81 to 0.88 there)" in text
    for condition in ("base", "wrong-caption"):
        share, value = (run.figure(condition, f"panel_{name}").value for name in ("agreement", "kappa"))
        assert f"{condition} {share:.3f} and {value:.3f}" in text
    assert "stop-think" not in text
    assert list(judge_lines(evaluate(MODEL, SAMPLES[:2], "base", judge=RuleJudge()))) == []


def test_kappas_do_not_depend_on_the_order_of_the_records(run: Evaluation) -> None:
    records: Iterator[Record] = iter(list(run.records())[::-1])
    assert Evaluation.from_records(records).panel()["panel_kappa"].value == pytest.approx(
        run.panel()["panel_kappa"].value
    )


@pytest.mark.parametrize(
    ("field", "value", "message"),
    [
        ("judges", "rules", "provenance.judges must be an array, got 'rules'"),
        ("judges", [{"name": 1}], "provenance.judges[0] must be an object with name (a string), got"),
        (
            "judge_preflight",
            [{"judge": "x"}],
            "provenance.judge_preflight[0] must be an object with judge (a string)",
        ),
        (
            "judge_preflight",
            [{"judge": "x", "n": 3, "unscored": 0, "kappa": 0.5}],
            "provenance.judge_preflight[0].kappa must be an object with value (a number), got 0.5",
        ),
    ],
)
def test_what_a_report_says_of_judges_has_to_make_sense(field: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        Evaluation.from_records([RECORD], provenance={field: value})
    assert message in str(caught.value)
