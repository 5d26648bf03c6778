"""Benchmarks' own scores as figures of a run: gates, messages, the summary and the report."""

from __future__ import annotations

import copy
import json
import re
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import pytest_vlmrobust
from pytest_vlmrobust.assertions import assert_benchmark_score, assert_benchmark_score_drop, assert_gates
from pytest_vlmrobust.core.documents import read_run, report_document
from pytest_vlmrobust.core.explain import explain_failure
from pytest_vlmrobust.core.gates import Gate, check
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.samples import make_tags
from pytest_vlmrobust.core.telling import telling_samples
from pytest_vlmrobust.errors import UsageError, VacuousError
from pytest_vlmrobust.reports.scores import score_lines
from pytest_vlmrobust.reports.terminal import ASCII, run_lines
from pytest_vlmrobust.runs import ModelRequest, RunKey
from tests.unit.made_runs import record

SCHEMA = json.loads((Path(pytest_vlmrobust.__file__).parent / "reports" / "schema.json").read_text())

CV_BENCH = [{"source": source} for source in ("ADE20K", "ADE20K", "COCO", "COCO", "Omni3D", "Omni3D")]
TURNED = [{"flip": flip, "roll": roll} for flip in "01" for roll in "01"]


def run(
    benchmark: str | None,
    letters: Mapping[str, str],
    tags: Sequence[Mapping[str, str]] = (),
    groups: str = "",
    **known: Any,
) -> Evaluation:
    """A run from a character for each reply, "-" unparsed and "!" never come; tags and groups by sample."""
    dataset = {"name": "made", "digest": "", "n": len(letters["base"]) if "base" in letters else 1}
    dataset |= {} if benchmark is None else {"score": benchmark}

    def fields(index: int, letter: str) -> dict[str, Any]:
        return {
            "tags": make_tags(tags[index]) if tags else (),
            "group": groups[index] if groups else "",
            **({"unparsed_reason": "request failed: 500", "reply": ""} if letter == "!" else {}),
        }

    records = [
        record(name, index, letter.replace("!", "-"), **fields(index, letter))
        for name, plan in letters.items()
        for index, letter in enumerate(plan)
    ]
    return Evaluation.from_records(records, provenance={"dataset": dataset, **known})


def turned() -> Evaluation:
    """Two questions of 3DSRBench, each in two orders and on two images; one reply is lost, one unparsed."""
    return run("3dsrbench", {"base": "AAAAAAA-", "wrong-think": "AAAAABA-"}, TURNED * 2, "aaaabbbb")


def test_the_first_score_that_applies_is_a_figure_of_the_run() -> None:
    told = run("cv-bench", {"base": "AAAAAB", "wrong-think": "ABAAAB"}, CV_BENCH)
    assert told.figure("base", "benchmark_score").value == pytest.approx((1 + 0.5) / 2)
    drop = told.figure("wrong-think", "benchmark_score_drop")
    assert drop.value == pytest.approx(0.75 - (0.75 + 0.5) / 2)
    assert drop.detail["base_score"] == pytest.approx(0.75)
    assert told.figure("base", "accuracy").value == pytest.approx(5 / 6)
    assert "benchmark_score_drop" not in told.figures("base")


def test_an_unparsed_reply_counts_as_wrong_and_one_that_never_came_does_not_count() -> None:
    unparsed = run("realworldqa", {"base": "AAA-"})
    assert unparsed.figure("base", "benchmark_score").value == 0.75
    assert unparsed.figure("base", "accuracy").value == 1
    failed = run("realworldqa", {"base": "AAA!", "wrong-think": "!ABA"})
    figure = failed.figure("base", "benchmark_score")
    assert (figure.value, figure.n, figure.detail["left_out"]) == (1, 3, 1)
    drop = failed.figure("wrong-think", "benchmark_score_drop")
    assert (drop.value, drop.n, drop.detail["left_out"]) == (0.5, 2, 2)


@pytest.mark.parametrize(
    ("make", "condition", "figure", "why"),
    [
        (lambda: run(None, {"base": "A"}), "base", "benchmark_score", "the data set has no score of its own"),
        (
            lambda: run(None, {"base": "A", "wrong-think": "A"}),
            "wrong-think",
            "benchmark_score_drop",
            "the data set has no score of its own",
        ),
        (lambda: run("sat", {"base": "A"}), "base", "benchmark_score_drop", "and this is base itself"),
        (
            lambda: run("sat", {"wrong-think": "A"}),
            "wrong-think",
            "benchmark_score_drop",
            "it compares with base, which was not run",
        ),
        (lambda: run("sat", {"base": "!"}), "base", "benchmark_score", "no reply came"),
        (
            lambda: run("mmbench", {"base": "AAA!"}, groups="aabb"),
            "base",
            "benchmark_score",
            "",
        ),
        (
            lambda: run("mmbench", {"base": "A!!A"}, groups="aabb"),
            "base",
            "benchmark_score",
            "no group has a reply to each of its questions",
        ),
    ],
)
def test_a_score_that_does_not_apply_says_why(
    make: Callable[[], Evaluation], condition: str, figure: str, why: str
) -> None:
    told = make()
    if not why:
        assert figure in told.figures(condition)
        return
    assert figure not in told.figures(condition)
    with pytest.raises(VacuousError, match=f"there is no {figure} under '{condition}': .*{why}"):
        told.figure(condition, figure)


def test_a_choice_does_not_put_another_score_in_the_place_of_the_first() -> None:
    chosen, letters = CV_BENCH[4:], {"base": "AA", "wrong-think": "AB"}
    half = run("cv-bench", letters, chosen)
    assert half.figure("base", "benchmark_score").value == 1.0
    facts = {"name": "made", "digest": "", "n": 2, "score": "cv-bench", "headline": "combined"}
    whole = run("cv-bench", letters, chosen, dataset=facts)
    for metric, name in (("benchmark_score", "base"), ("benchmark_score_drop", "wrong-think")):
        with pytest.raises(
            VacuousError,
            match=r"combined stands for the whole data set, of which too little was chosen: no sample is "
            r"from ADE20K, COCO$",
        ):
            whole.figure(name, metric)
    assert whole.scores("base").keys() == half.scores("base").keys() == {"3d", "accuracy"}
    told = whole.to_json()["benchmark"]
    assert told["headline"] == "combined"
    assert told["absent"]["combined"].startswith("combined stands for the whole data set")
    assert any("own score: combined" in line for line in score_lines(whole, none="-", cut="..."))
    with pytest.raises(UsageError, match=r"provenance\.dataset\.headline: .*'combinde'.*combined"):
        run("cv-bench", letters, chosen, dataset={**facts, "headline": "combinde"})


def test_a_score_that_nobody_knows_is_refused() -> None:
    with pytest.raises(
        UsageError, match=r"provenance.dataset.score: unknown benchmark 'mmbnech': did you mean 'mmbench'"
    ):
        run("mmbnech", {"base": "A"})
    with pytest.raises(UsageError, match=r"provenance.dataset.score: unknown benchmark '7'"):
        Evaluation.from_records([record("base", 0, "A")], provenance={"dataset": {"score": 7}})


def test_gates_on_a_score() -> None:
    told = run("cv-bench", {"base": "AAAAAB", "wrong-think": "ABAAAB"}, CV_BENCH)
    assert_benchmark_score(told, min_score=0.75)
    assert_benchmark_score_drop(told, "wrong-think", max_drop=0.125)
    assert_gates(told, min_benchmark_score=0.75, max_benchmark_score_drop=0.125)
    with pytest.raises(AssertionError) as caught:
        assert_benchmark_score(told, min_score=0.8)
    assert str(caught.value).startswith(
        "cv-bench's own score (combined) is 0.750 under base; min_benchmark_score is 0.8\n"
    )
    with pytest.raises(AssertionError) as caught:
        assert_gates(told, max_benchmark_score_drop=0.1)
    assert "cv-bench's own score (combined) fell by 0.125 under wrong-think" in str(caught.value)
    with pytest.raises(
        VacuousError, match="there is no benchmark_score under 'base': the data set has no score"
    ):
        assert_benchmark_score(run(None, {"base": "A"}), min_score=0.5)
    with pytest.raises(UsageError, match="min_benchmark_score=80: it is a fraction"):
        assert_benchmark_score(told, min_score=80)


def test_no_verdict_stands_on_a_score_of_nothing_or_on_replies_that_cannot_be_read() -> None:
    nothing = run("sat", {"base": "BBB", "wrong-think": "BBB"})
    with pytest.raises(
        VacuousError, match="the score of 3 samples is 0 under base, so wrong-think had nothing"
    ):
        check(nothing, Gate("benchmark_score_drop", "wrong-think", max=0.1))
    unread = run("sat", {"base": "AAA-", "wrong-think": "AAAA"})
    for gate in (Gate("benchmark_score", "base", min=0), Gate("benchmark_score_drop", "wrong-think", max=1)):
        with pytest.raises(VacuousError, match=r"under base, 1 of 4 replies .* could not be read"):
            check(unread, gate)


def test_a_failure_says_which_samples_the_score_does_not_stand_on() -> None:
    letters = {"base": "AAAAAA", "wrong-think": "AAAB!A"}
    told = run("mmbench", letters, [{"group_size": "2"}] * 6, "aabbcc")
    result = check(told, Gate("benchmark_score", "wrong-think", min=0.9), max_unscored_rate=0.2)
    text = explain_failure(told, result)
    assert "mmbench's own score (circular) is 0.500 under wrong-think" in text
    assert "\n  left out   2 of 6 samples: 2 without a reply, or of a group that is not whole\n" in text
    two = run(
        "cv-bench",
        {"base": "ABABAA"},
        [{"source": s} for s in ("COCO", "COCO", "ADE20K", "ADE20K", "X", "X")],
    )
    text = explain_failure(two, check(two, Gate("benchmark_score", "base", min=0.9)))
    assert "cv-bench's own score (2d) is 0.500 under base" in text
    assert "\n  left out   2 of 6 samples: 2 that are no part of this score\n" in text
    assert telling_samples(two, "benchmark_score", "base").rows.tolist() == [1, 3]


def test_the_samples_of_a_drop_are_those_that_were_lost() -> None:
    told = turned()
    assert telling_samples(told, "benchmark_score_drop", "wrong-think").rows.tolist() == [5]
    assert telling_samples(told, "benchmark_score", "wrong-think").rows.tolist() == [5, 7]
    result = check(told, Gate("benchmark_score_drop", "wrong-think", max=0.1), max_unscored_rate=0.2)
    text = explain_failure(told, result)
    assert "\n  score      0.875 under base, 0.750 under wrong-think\n" in text
    assert "\n  unparsed   1 under wrong-think, 1 under base, which count as wrong\n" in text


def test_the_report_has_every_score_under_every_condition() -> None:
    told = turned()
    document = json.loads(json.dumps(report_document([told])))
    jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)
    written = document["runs"][0]
    benchmark = written["benchmark"]
    assert (benchmark["name"], benchmark["headline"], benchmark["absent"]) == ("3dsrbench", "vanilla", {})
    assert list(benchmark["scores"]) == ["vanilla", "flip", "circular", "flip_circular"]
    base, wrong = benchmark["conditions"]["base"], benchmark["conditions"]["wrong-think"]
    assert {name: figure["value"] for name, figure in wrong.items()} == {
        "vanilla": 0.75,
        "flip": 0.75,
        "circular": 0.5,
        "flip_circular": 0.5,
    }
    assert base["flip"]["parts"]["category"] == {
        "color": {"value": 1.0, "n": 2},
        "count": {"value": 0.5, "n": 2},
    }
    assert "drop" not in base["flip"]
    assert wrong["vanilla"]["drop"]["value"] == 0.125
    assert written["conditions"]["wrong-think"]["benchmark_score"]["value"] == 0.75
    again = read_run(written)
    assert again.to_json() == told.to_json()
    assert again.figures("wrong-think") == told.figures("wrong-think")


@pytest.mark.parametrize(
    "damage",
    [
        lambda run: run["benchmark"]["conditions"]["base"]["flip"].update(value=0.9),
        lambda run: run["benchmark"]["conditions"]["base"]["flip"]["parts"].clear(),
        lambda run: run["benchmark"].update(headline="flip"),
        lambda run: run["benchmark"]["conditions"].pop("base"),
        lambda run: run.pop("benchmark"),
    ],
)
def test_a_report_with_other_scores_than_its_records_give_is_refused(damage: Callable[[Any], None]) -> None:
    written = copy.deepcopy(turned().to_json())
    damage(written)
    with pytest.raises(UsageError, match="run: benchmark holds other scores than the records give"):
        read_run(written)


def test_every_score_can_be_asked_for_by_name() -> None:
    told = turned()
    assert {name: figure.value for name, figure in told.scores("base").items()} == {
        "vanilla": 0.875,
        "flip": 0.75,
        "circular": 0.75,
        "flip_circular": 0.5,
    }
    assert run(None, {"base": "A"}).scores("base") == {}
    with pytest.raises(VacuousError, match="condition 'blur' was not run"):
        told.scores("blur")


def test_runs_of_a_benchmark_are_put_together_and_taken_apart() -> None:
    whole = turned()
    parts = [whole.select("base"), whole.select("wrong-think")]
    assert parts[0].figure("base", "benchmark_score") == whole.figure("base", "benchmark_score")
    joined = parts[0].merge(parts[1])
    assert joined.to_json() == whole.to_json()


def summary(told: Evaluation) -> list[str]:
    key = RunKey(model=ModelRequest(spec="m"), dataset="d", limit=8, seed=0, judge="rules")
    return ["".join(segment.text for segment in line) for line in run_lines(key, told, [], ASCII)]


def test_the_summary_has_a_row_of_scores_for_each_condition() -> None:
    lines = summary(turned())
    first = next(index for index, text in enumerate(lines) if text.startswith("3dsrbench"))
    intervals = re.compile(r"\[-?\d\.\d{3}, \d\.\d{3}\]")
    assert [intervals.sub("[]", text).split() for text in lines[first : first + 3]] == [
        [
            "3dsrbench",
            "own",
            "score:",
            "vanilla",
            "drop",
            "[95%",
            "interval]",
            "flip",
            "circular",
            "flip_circular",
        ],
        ["base", "0.875", "[]", "-", "0.750", "0.750", "0.500"],
        ["wrong-think", "0.750", "[]", "0.125", "[]", "0.750", "0.500", "0.500"],
    ]
    assert lines[first + 3] == "own scores: 2 replies that could not be read count as wrong"


def test_the_summary_says_what_is_left_out_of_a_score() -> None:
    lines = summary(run("mmbench", {"base": "AAAAA!"}, groups="aabbcc"))
    told = "own scores: samples left out that have no reply, or are of a group that is not whole: "
    assert told + "circular up to 2, vanilla up to 1 of 6" in lines


def test_the_summary_of_any_other_data_set_has_no_row_of_scores() -> None:
    assert not [text for text in summary(run(None, {"base": "AB"})) if "own score" in text]
