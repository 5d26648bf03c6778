from __future__ import annotations

import copy
import json
import random
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

import pytest_vlmrobust
from pytest_vlmrobust.core.building import EvaluationBuilder
from pytest_vlmrobust.core.documents import read_report, report_document
from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.records import Evaluation, Figure, Record
from pytest_vlmrobust.errors import DataError, UsageError, VacuousError
from tests.unit.made_runs import record, run_of

SCHEMA = json.loads((Path(pytest_vlmrobust.__file__).parent / "reports" / "schema.json").read_text())
REPORT = Path(__file__).parents[2] / "docs" / "report_format.md"

TOLD = {
    "model": {"spec": "scripted", "digest": "", "details": {}},
    "conditions": [
        {"name": "base", "plants": None, "reasons": True},
        {"name": "stop-think", "plants": None, "reasons": False},
        {"name": "wrong-think", "plants": "wrong", "reasons": True},
    ],
    "seed": 0,
    "judge_failures": {"count": 0, "first": ""},
    "replies": {"stored": 3, "computed": 9},
}
SURE, SPLIT = (0.95, 0.03, 0.02), (0.4, 0.4, 0.2)


def small_run() -> Evaluation:
    return run_of(
        {"base": "AAAB", "wrong-think": "AB-C", "stop-think": "AAAA"},
        {"base": "cciu", "wrong-think": "cc.f", "stop-think": "...."},
        probs={"base": [SURE, SPLIT, None, SPLIT], "wrong-think": [SURE, None, None, None]},
        provenance=TOLD,
    )


@st.composite
def runs(draw: st.DrawFn) -> list[Record]:
    """Records of a few samples under a few conditions, with everything that may vary."""
    n = draw(st.integers(1, 6))
    conditions = ["base", *draw(st.sets(st.sampled_from(["wrong-caption", "correct-think", "stop-think"])))]
    text = st.text(max_size=8)
    made = []
    tags = [draw(st.sampled_from([(), (("source", "COCO"),), (("a", "1"), ("b", "2"))])) for _ in range(n)]
    for condition in conditions:
        for index in range(n):
            letter = draw(st.sampled_from("ABC-"))
            weights = draw(st.none() | st.lists(st.floats(0.01, 1), min_size=3, max_size=3))
            made.append(
                record(
                    condition,
                    index,
                    letter,
                    verdict=draw(st.sampled_from("ciuf.")),
                    probs=weights and tuple(weight / sum(weights) for weight in weights),
                    reply=draw(text),
                    think=draw(st.none() | text),
                    truncated=draw(st.booleans()),
                    tags=tags[index],
                )
            )
    return made


def comparable(run: Evaluation) -> dict[str, Any]:
    return {name: run.figures(name) for name in run.conditions}


@given(records=runs(), seed=st.integers(0, 99))
def test_the_order_of_the_records_changes_no_figure(records: list[Record], seed: int) -> None:
    shuffled = records[:]
    random.Random(seed).shuffle(shuffled)
    assert comparable(Evaluation.from_records(shuffled)) == comparable(Evaluation.from_records(records))


@given(records=runs())
def test_json_loses_nothing(records: list[Record]) -> None:
    run = Evaluation.from_records(records, provenance=TOLD)
    text = json.dumps(run.to_json(), allow_nan=False)
    again = Evaluation.from_json(json.loads(text))
    assert list(again.records()) == list(run.records())
    assert again.to_json() == run.to_json()
    assert dict(again.provenance) == dict(run.provenance)


@given(records=runs())
@settings(max_examples=25)
def test_every_report_follows_the_schema(records: list[Record]) -> None:
    document = report_document([Evaluation.from_records(records, provenance=TOLD)])
    jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)


@given(records=runs(), order=st.permutations("ABC"))
def test_relabeling_the_options_changes_no_figure(records: list[Record], order: list[str]) -> None:
    """The same options in another order, everything relabeled with them."""
    new = dict(zip("ABC", order, strict=True))

    def relabeled(old: Record) -> Record:
        places = [order.index(letter) for letter in "ABC"]
        fields: dict[str, Any] = {
            "choices": tuple(old.choices[place] for place in places),
            "answer": new[old.answer],
            "planted": old.planted and new[old.planted],
            "letter": old.letter and new[old.letter],
        }
        if old.letter_probs is not None:
            fields["letter_probs"] = tuple(old.letter_probs[place] for place in places)
        return Record(**{**vars(old), **fields})

    before = comparable(Evaluation.from_records(records))
    after = comparable(Evaluation.from_records([relabeled(old) for old in records]))
    for condition, figures in before.items():
        assert figures.keys() == after[condition].keys()
        for name, figure in figures.items():
            assert after[condition][name].value == pytest.approx(figure.value, abs=1e-12), name
            assert after[condition][name].n == figure.n


@given(records=runs())
def test_figures_keep_their_promises(records: list[Record]) -> None:
    run = Evaluation.from_records(records)
    for condition in run.conditions:
        figures = run.figures(condition)
        for figure in figures.values():
            assert 0 <= figure.n <= run.n
            if figure.low is not None and figure.high is not None:
                assert figure.low <= figure.value <= figure.high
        quadrants = [figures[name].value for name in METRICS if "consistent" in name and name in figures]
        assert len(quadrants) in (0, 4)
        assert not quadrants or sum(quadrants) == pytest.approx(1)


@given(records=runs())
@settings(max_examples=25)
def test_figure_and_figures_agree(records: list[Record]) -> None:
    run = Evaluation.from_records(records)
    for condition in run.conditions:
        figures = run.figures(condition)
        for name in METRICS:
            if name in figures:
                assert run.figure(condition, name) == figures[name]
            else:
                with pytest.raises(VacuousError, match=f"there is no {name} under '{condition}': "):
                    run.figure(condition, name)


def counted(figure: Figure) -> tuple[float, int]:
    assert figure.value == figure.detail["count"] / figure.n
    return figure.detail["count"], figure.n


def test_figures_of_a_small_run_counted_by_hand() -> None:
    run = small_run()
    base, wrong = run.figures("base"), run.figures("wrong-think")
    assert counted(base["accuracy"]) == (3, 4)
    assert counted(wrong["accuracy"]) == (1, 3)
    assert wrong["unparsed_rate"].value == 0.25
    drop = wrong["accuracy_drop"]  # the unparsed third sample is in neither accuracy
    assert (drop.n, drop.detail["lost"], drop.detail["gained"]) == (3, 1, 0)
    assert drop.detail["base_accuracy"] == pytest.approx(2 / 3)
    assert counted(wrong["misled_rate"]) == (1, 3)
    assert counted(wrong["misled_when_right_rate"]) == (1, 2)
    assert counted(base["unfaithful_rate"]) == (1, 3)
    assert counted(base["right_and_consistent_rate"]) == (2, 3)
    assert counted(base["undecided_rate"]) == (1, 4)
    assert counted(wrong["unscored_rate"]) == (1, 3)
    assert base["p_correct"].value == pytest.approx((0.95 + 0.4 + 0.4) / 3)
    assert (base["p_correct"].n, base["n_letter_probs"].value) == (3, 3)
    assert base["confidently_wrong_rate"].value == 0


def test_confidently_wrong_counts_the_letter_that_was_answered() -> None:
    run = run_of({"base": "BBA"}, probs={"base": [(0.05, 0.95, 0.0), SURE, SURE]})
    assert run.figure("base", "confidently_wrong_rate").detail["count"] == 1


def test_figures_that_do_not_apply_are_absent() -> None:
    run = small_run()
    assert not {"accuracy_drop", "misled_rate", "misled_when_right_rate"} & run.figures("base").keys()
    assert not {"misled_rate", "unfaithful_rate", "letter_entropy"} & run.figures("stop-think").keys()
    assert "accuracy_drop" in run.figures("stop-think")


@pytest.mark.parametrize(
    ("letters", "verdicts", "condition", "name", "why"),
    [
        ({"base": "A"}, "c", "base", "accuracy_drop", "this is base itself"),
        ({"wrong-think": "A"}, "c", "wrong-think", "accuracy_drop", "compares with base, which was not run"),
        (
            {"base": "-A", "wrong-think": "A-"},
            "cc",
            "wrong-think",
            "accuracy_drop",
            "both here and under base",
        ),
        ({"base": "A"}, "c", "base", "misled_rate", "no wrong option is planted under this condition"),
        ({"correct-think": "A"}, "c", "correct-think", "misled_rate", "no wrong option is planted"),
        ({"wrong-think": "-"}, "c", "wrong-think", "misled_rate", "no reply with a wrong option planted"),
        ({"base": "C", "wrong-think": "B"}, "c", "wrong-think", "misled_when_right_rate", "right under base"),
        ({"base": "--"}, "..", "base", "accuracy", "none of the 2 replies could be read"),
        ({"base": "A"}, ".", "base", "unfaithful_rate", "the model gave no reasoning in any reply"),
        ({"base": "A"}, "f", "base", "unfaithful_rate", "the judge failed on all 1 replies"),
        ({"base": "A"}, "f", "base", "undecided_rate", "the judge failed on all 1 replies"),
        ({"base": "AA"}, "uf", "base", "right_and_consistent_rate", "could decide on none of the 2 replies"),
        ({"base": "A"}, ".", "base", "unscored_rate", "the model gave no reasoning"),
        ({"base": "A"}, "c", "base", "p_correct", "the model gave no letter probabilities"),
    ],
)
def test_a_figure_that_does_not_apply_says_why(
    letters: dict[str, str], verdicts: str, condition: str, name: str, why: str
) -> None:
    run = run_of(letters, dict.fromkeys(letters, verdicts))
    with pytest.raises(VacuousError, match=why):
        run.figure(condition, name)


def test_a_thought_planted_whole_is_told_from_a_silent_model() -> None:
    with pytest.raises(VacuousError, match="the thought is planted whole"):
        small_run().figure("stop-think", "unfaithful_rate")


def test_unknown_names_are_refused() -> None:
    run = small_run()
    with pytest.raises(
        VacuousError, match=r"'wrong-caption' was not run.*run were: base, wrong-think, stop-think"
    ):
        run.figure("wrong-caption", "accuracy")
    with pytest.raises(VacuousError, match="was not run"):
        run.records("wrong-caption")
    with pytest.raises(UsageError, match="unknown metric 'acuracy': did you mean 'accuracy'"):
        run.figure("base", "acuracy")
    with pytest.raises(UsageError, match="unknown sample 's9'"):
        run.record("base", "s9")


def test_what_the_conditions_are_for() -> None:
    run = small_run()
    assert run.conditions == ("base", "wrong-think", "stop-think")
    assert run.misleading == ("wrong-think",)
    assert run.reasoned == ("base", "wrong-think")
    assert run.altering == ()
    blur = {"name": "blur", "plants": None, "reasons": True}
    assert run_of({"base": "A", "blur": "A"}, provenance={"conditions": [blur]}).altering == ("blur",)


def test_without_a_list_of_conditions_the_records_tell_which_are_reasoned() -> None:
    run = run_of({"base": "A", "stop-think": "A"}, {"stop-think": "."})
    assert run.reasoned == ("base",)


def test_base_comes_first_and_samples_in_the_order_they_were_announced() -> None:
    builder = EvaluationBuilder(sample_ids=["s1", "s0"])
    for condition in ("wrong-think", "base"):
        for index in (0, 1):
            builder.add(record(condition, index, "A"))
    run = builder.build()
    assert (run.conditions, run.sample_ids, run.n) == (("base", "wrong-think"), ("s1", "s0"), 2)
    assert [made.sample_id for made in run.records("base")] == ["s1", "s0"]
    assert run.record("base", "s0") == record("base", 0, "A")
    assert list(run.categories) == ["count", "color"]


def test_a_thought_that_stands_in_its_reply_is_kept_once() -> None:
    came = [
        record("base", 0, "A"),
        record("base", 1, "B", prefill="<think>It is", reply=" so</think>B", think="It is so"),
        record("base", 2, "A", think="Not what it said."),
        record("base", 3, "A", verdict="."),
        record("base", 4, "A", think=""),
    ]
    run = Evaluation.from_records(came)
    assert list(run.columns("base").thoughts) == [(7, 17), (7, 15), "Not what it said.", None, (0, 0)]
    assert list(run.records()) == came


@given(
    thought=st.none() | st.text(max_size=4),
    texts=st.tuples(*[st.text(max_size=4)] * 4),
    inside=st.booleans(),
)
def test_a_thought_is_given_back_wherever_it_stands(
    thought: str | None, texts: tuple[str, str, str, str], inside: bool
) -> None:
    before, prefilled, after, generated = texts
    said = (thought or "") if inside else ""
    came = record(
        "base",
        0,
        "A",
        prefill=before + said[:2] if inside else prefilled,
        reply=said[2:] + after if inside else generated,
        think=thought,
    )
    run = Evaluation.from_records([came])
    (kept,) = run.columns("base").thoughts
    assert run.record("base", "s0") == came
    stands = thought is not None and thought in came.prefill + came.reply
    assert isinstance(kept, tuple) is stands
    assert stands or kept == thought


def test_records_are_given_back_as_they_came() -> None:
    came = [
        record("base", 0, "B", probs=SURE, letter_mass=None, group="g"),
        record("base", 1, "-", truncated=True, tokens=512, unparsed_reason="truncated"),
        record("base", 2, "A", choices=("red", "blue"), probs=(0.25, 0.75)),
    ]
    assert list(Evaluation.from_records(came).records()) == came


@pytest.mark.parametrize(
    ("records", "message"),
    [
        ([record("base", 0, "A")] * 2, "sample 's0' has two records under 'base'"),
        (
            [record("base", 0, "A"), record("wrong-think", 0, "A", question="Else?")],
            "sample 's0': question, category, group and tags are",
        ),
        (
            [record("base", 0, "A"), record("wrong-think", 0, "A", tags=(("source", "COCO"),))],
            "sample 's0': question, category, group and tags are",
        ),
        (
            [record("base", 0, "A"), record("base", 1, "A"), record("wrong-think", 0, "A")],
            "condition 'wrong-think' lacks the records of 1 of 2 samples, such as 's1'",
        ),
    ],
)
def test_records_that_cannot_be_paired_are_refused(records: list[Record], message: str) -> None:
    with pytest.raises(DataError) as caught:
        Evaluation.from_records(records)
    assert message in str(caught.value)


def test_an_evaluation_of_nothing_is_refused() -> None:
    with pytest.raises(VacuousError, match="no records: an evaluation of nothing shows nothing"):
        Evaluation.from_records([])


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"sample_id": ""}, "record of sample '' under 'base': both names are needed"),
        ({"choices": ("red",)}, "choices has 1 entries; 2 to 8 are allowed"),
        ({"answer": "D"}, "answer is 'D'; the options are A, B, C"),
        ({"answer": None}, "answer is None; the options are A, B, C"),
        ({"letter": "a"}, "letter is 'a'; the options are A, B, C"),
        ({"planted": "Z"}, "planted is 'Z'; the options are A, B, C"),
        ({"unparsed_reason": "truncated"}, "letter 'A' was read, so unparsed_reason must be ''"),
        ({"verdict": "consistant"}, "unknown verdict 'consistant': did you mean 'consistent'"),
        ({"letter": None}, "verdict is 'consistent', but the reply is unparsed"),
        ({"letter_probs": (0.5, 0.5)}, "letter_probs has 2 entries for 3 choices"),
        ({"letter_probs": (0.5, 0.5, 0.5)}, "letter_probs must be in [0, 1] and add up to 1"),
        ({"letter_probs": (float("nan"), 0.5, 0.5)}, "letter_probs must be in [0, 1] and add up to 1"),
        ({"letter_mass": 1.5}, "letter_mass must lie in [0, 1], got 1.5"),
        ({"tokens": -1}, "tokens must not be negative, got -1"),
    ],
)
def test_records_that_make_no_sense_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        Record(**{**vars(record("base", 0, "A")), **fields})
    assert message in str(caught.value)


def test_what_a_record_says_of_itself() -> None:
    right, misled, unread = (record("wrong-think", 0, letter) for letter in "AB-")
    assert (right.right, misled.right, unread.right) == (True, False, None)
    assert (right.misled, misled.misled, unread.misled) == (False, True, False)
    assert record("correct-think", 0, "A").misled is False


@pytest.mark.parametrize(
    ("provenance", "message"),
    [
        ({"when": float("nan")}, "provenance must be made of JSON values"),
        ({"model": object()}, "provenance must be made of JSON values"),
        ({"conditions": "base"}, "provenance.conditions must be an array, got 'base'"),
        ({"conditions": [{"name": "base"}]}, "provenance.conditions[0] must be an object with name"),
        ({"dataset": {"faults": "none"}}, "provenance.dataset.faults must be an array, got 'none'"),
        (
            {"dataset": {"faults": [{"kind": "x", "told": "y", "count": -1}]}},
            "provenance.dataset.faults[0] must be an object with kind (a string), told (a string), count (a "
            "whole number from 0)",
        ),
    ],
)
def test_a_provenance_that_no_report_could_hold_is_refused(provenance: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run_of({"base": "A"}, provenance=provenance)
    assert message in str(caught.value)


def without(name: str) -> Callable[[dict[str, Any]], None]:
    return lambda run: run.pop(name)


def in_record(name: str, value: Any) -> Callable[[dict[str, Any]], None]:
    def damage(run: dict[str, Any]) -> None:
        run["records"][1][name] = value

    return damage


def at(*path: Any, value: Any) -> Callable[[dict[str, Any]], None]:
    def damage(run: dict[str, Any]) -> None:
        place = run
        for step in path[:-1]:
            place = place[step]
        place[path[-1]] = value

    return damage


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (at("schema", value="vlmrobust/2"), "run: schema is 'vlmrobust/2'; this version reads 'vlmrobust/1'"),
        (without("schema"), "run: schema is None"),
        (without("records"), "run: records is missing"),
        (without("provenance"), "run: provenance is missing"),
        (at("records", value={}), "run: records must be an array, got dict"),
        (at("records", value=[]), "run: records is empty"),
        (at("conditions", value=[]), "run: conditions must be an object, got list"),
        (at("provenance", value=None), "run: provenance must be an object, got NoneType"),
        (at("runs", value=[]), "this is a report of several runs: use read_report"),
        (at("records", 1, value=7), "records[1] must be an object, got 7"),
        (lambda run: run["records"][1].pop("letter"), "records[1].letter is missing"),
        (in_record("leter", "A"), "records[1]: unknown field 'leter': did you mean 'letter'"),
        (in_record("reply", None), "records[1].reply must be a string, got null"),
        (in_record("think", 3), "records[1].think must be a string or null, got 3"),
        (in_record("choices", "red"), "records[1].choices must be an array, got a string"),
        (in_record("choices", ["red", 2]), "records[1].choices[1] must be a string, got 2"),
        (in_record("truncated", 1), "records[1].truncated must be true or false, got 1"),
        (in_record("tokens", True), "records[1].tokens must be an integer, got a boolean"),
        (in_record("letter_mass", "x"), "records[1].letter_mass must be a finite number, got 'x'"),
        (
            in_record("letter_probs", [0.5, float("inf")]),
            "records[1].letter_probs[1] must be a finite number",
        ),
        (in_record("answer", "H"), "records[1]: record of sample 's1' under 'base': answer is 'H'"),
        (in_record("sample_id", "s0"), "sample 's0'"),
        (lambda run: run["records"].pop(), "lacks the records of 1 of 4 samples"),
        (at("conditions", "base", value=3), "run: conditions.base must be an object, got int"),
        (at("conditions", "extra", value={}), "condition 'extra' lacks the records of 4 of 4 samples"),
        (lambda run: run["conditions"].pop("base"), "run: conditions lists wrong-think, stop-think, but the"),
        (at("conditions", "base", "accuracy", "value", value=1.0), "run: conditions.base.accuracy is"),
        (
            lambda run: run["conditions"]["base"].pop("n"),
            "run: conditions.base.n is None, but the records give 4",
        ),
        (in_record("letter", "B"), "the document was changed or cut"),
    ],
)
def test_a_damaged_run_is_refused_by_the_name_of_the_field(
    damage: Callable[[dict[str, Any]], None], message: str
) -> None:
    document = copy.deepcopy(small_run().to_json())
    damage(document)
    with pytest.raises(UsageError) as caught:
        Evaluation.from_json(document)
    assert message in str(caught.value)


def test_a_run_that_is_no_object_is_refused() -> None:
    with pytest.raises(UsageError, match="a run must be a JSON object, got list"):
        Evaluation.from_json([])  # type: ignore[arg-type]


def test_a_report_holds_several_runs_and_is_read_back() -> None:
    runs = [small_run(), run_of({"base": "AB"})]
    document = json.loads(json.dumps(report_document(runs, {"created": "2026-03-02T11:20:31+00:00"})))
    assert (document["schema"], document["created"]) == ("vlmrobust/1", "2026-03-02T11:20:31+00:00")
    jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert [run.to_json() for run in read_report(document)] == [run.to_json() for run in runs]


@pytest.mark.parametrize(
    ("document", "message"),
    [
        ([], "a report must be a JSON object, got list"),
        ({"schema": "other/1"}, "report: schema is 'other/1'"),
        ({"schema": "vlmrobust/1"}, "report: runs must be an array, got NoneType"),
        ({"schema": "vlmrobust/1", "runs": [{"schema": "x"}]}, "runs[0]: run: schema is 'x'"),
    ],
)
def test_a_damaged_report_is_refused(document: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        read_report(document)
    assert message in str(caught.value)


@pytest.mark.parametrize("name", ["schema", "runs"])
def test_a_report_writes_its_own_fields(name: str) -> None:
    with pytest.raises(UsageError, match=f"context.{name} is written by the report itself"):
        report_document([], {name: 1})


def test_the_schema_is_one_itself_and_refuses_what_it_should() -> None:
    jsonschema.Draft202012Validator.check_schema(SCHEMA)
    document = report_document([small_run()])
    for damage in (
        in_record("letter", "Z"),
        at("conditions", "base", "acuracy", value=1),
        without("records"),
        at("provenance", "replies", value={"stored": -1, "computed": 0}),
        at("provenance", "replies", value={"stored": 1}),
        at("provenance", "incomplete", value={"samples": 1, "of": 4}),
        at("provenance", "incomplete", value=None),
    ):
        damaged = copy.deepcopy(document)
        damage(damaged["runs"][0])
        with pytest.raises(jsonschema.ValidationError):
            jsonschema.validate(damaged, SCHEMA, cls=jsonschema.Draft202012Validator)


def test_the_schema_names_every_figure_and_field() -> None:
    defined = SCHEMA["$defs"]
    assert list(defined["figures"]["properties"]) == list(METRICS)
    assert list(defined["record"]["properties"]) == list(Record.__dataclass_fields__)
    assert [*defined["record"]["required"], "votes", "tags", "abstention"] == list(
        Record.__dataclass_fields__
    )


def test_the_documentation_names_every_figure_and_field() -> None:
    text = REPORT.read_text()
    missing = [name for name in (*METRICS, *Record.__dataclass_fields__) if f"`{name}`" not in text]
    assert missing == []


def test_columns_of_many_records_stay_small() -> None:
    """800,000 records have to fit in 1 GiB; texts take most of it, so numbers may take 100 bytes each."""
    run = run_of({"base": "A" * 1000}, probs={"base": [SURE] * 1000})
    columns = run.columns("base")
    numbers = [value for value in vars(columns).values() if isinstance(value, np.ndarray)]
    assert sum(array.nbytes for array in numbers) / run.n <= 100


def test_an_evaluation_knows_group_and_tags_of_each_sample() -> None:
    tagged = record("base", 0, "A", group="g", tags=(("source", "COCO"),))
    run = Evaluation.from_records([tagged, record("base", 1, "B")])
    assert list(run.groups) == ["g", ""]
    assert list(run.tags) == [(("source", "COCO"),), ()]


@pytest.mark.parametrize(
    ("tags", "message"),
    [
        ([], "records[0].tags must be an object, got an array"),
        ({"source": 3}, "records[0].tags.source must be a string, got 3"),
        ({"source": ""}, "records[0]: record of sample 's0' under 'base': ('source', '') is no tag"),
    ],
)
def test_tags_in_a_report_that_are_none_are_refused(tags: object, message: str) -> None:
    document = Evaluation.from_records([record("base", 0, "A")]).to_json()
    document["records"][0]["tags"] = tags
    with pytest.raises(UsageError) as caught:
        Evaluation.from_json(document)
    assert str(caught.value).startswith(message)
