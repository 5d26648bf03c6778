"""Parts of a run, and runs put together: the same as if the records had been dealt out one by one."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_vlmrobust.core.records import Evaluation, Record
from pytest_vlmrobust.errors import DataError, VacuousError
from tests.unit.made_runs import record, run_of

NAMES = ("base", "wrong-think", "wrong-caption", "stop-think", "correct-think")


def told(conditions: list[str], **facts: Any) -> dict[str, Any]:
    listed = [
        {
            "name": name,
            "plants": "wrong" if name.startswith("wrong") else None,
            "reasons": name != "stop-think",
        }
        for name in conditions
    ]
    return {"seed": 0, "conditions": listed, **facts}


@st.composite
def whole_runs(draw: st.DrawFn) -> Evaluation:
    """A run of a few samples under two or more conditions."""
    n = draw(st.integers(1, 5))
    conditions = ["base", *draw(st.lists(st.sampled_from(NAMES[1:]), min_size=1, unique=True))]
    probs = st.none() | st.just((0.5, 0.25, 0.25))
    records = [
        record(
            name,
            index,
            draw(st.sampled_from("ABC-")),
            verdict=draw(st.sampled_from("ciuf.")),
            probs=draw(probs),
            reply=draw(st.text(max_size=4)),
            think=draw(st.none() | st.text(max_size=4)),
            tokens=draw(st.integers(0, 99)),
        )
        for name in conditions
        for index in range(n)
    ]
    return Evaluation.from_records(records, provenance=told(conditions))


def parts(run: Evaluation, data: st.DataObject) -> list[str]:
    chosen = data.draw(st.lists(st.sampled_from(run.conditions), min_size=1, unique=True))
    return sorted(chosen, key=lambda name: name != "base")


def facts(run: Evaluation) -> list[Any]:
    """Everything that a run says."""
    figures = {name: run.figures(name) for name in run.conditions}
    return [run.conditions, run.sample_ids, list(run.records()), figures, dict(run.provenance)]


def dealt(run: Evaluation, conditions: list[str]) -> Evaluation:
    """The same part, record by record."""
    records = [one for name in conditions for one in run.records(name)]
    listed = [entry for name in conditions for entry in run.provenance["conditions"] if entry["name"] == name]
    return Evaluation.from_records(records, provenance={**run.provenance, "conditions": listed})


@settings(max_examples=40)
@given(run=whole_runs(), data=st.data())
def test_a_part_is_what_its_records_make(run: Evaluation, data: st.DataObject) -> None:
    chosen = parts(run, data)
    assert facts(run.select(chosen)) == facts(dealt(run, chosen))


@settings(max_examples=40)
@given(run=whole_runs(), data=st.data())
def test_parts_put_together_are_given_back_by_select(run: Evaluation, data: st.DataObject) -> None:
    one, other = run.select(parts(run, data)), run.select(parts(run, data))
    merged = one.merge(other)
    assert facts(merged.select(one.conditions)) == facts(one)
    assert facts(merged.select(other.conditions)) == facts(other)
    assert set(merged.conditions) == {*one.conditions, *other.conditions}


@settings(max_examples=40)
@given(run=whole_runs())
def test_all_of_a_run_is_the_run_itself_and_merging_it_with_itself_changes_nothing(run: Evaluation) -> None:
    assert run.select(run.conditions) is run
    assert facts(run.merge(run)) == facts(run)
    assert run.agrees_with(run.merge(run))


@settings(max_examples=40)
@given(run=whole_runs(), data=st.data())
def test_samples_are_paired_by_id_whatever_their_order(run: Evaluation, data: st.DataObject) -> None:
    order = data.draw(st.permutations(run.sample_ids))
    turned = Evaluation.from_records(
        [run.record(name, sample_id) for name in run.conditions for sample_id in order],
        provenance=run.provenance,
    )
    part = run.select(parts(run, data))
    merged = part.merge(turned)
    assert merged.sample_ids == run.sample_ids
    assert sorted(map(repr, merged.records())) == sorted(map(repr, run.records()))


def test_nothing_is_copied() -> None:
    run = run_of({"base": "AB", "wrong-think": "AB"})
    part = run.select("wrong-think")
    assert part.columns("wrong-think") is run.columns("wrong-think")
    assert part.merge(run).columns("base") is run.columns("base")


def test_base_comes_first_in_parts_and_in_what_is_put_together() -> None:
    run = run_of({"base": "A", "wrong-think": "A", "wrong-caption": "A"})
    assert run.select(["wrong-caption", "base"]).conditions == ("base", "wrong-caption")
    assert run.select(["wrong-caption", "wrong-think"]).conditions == ("wrong-caption", "wrong-think")
    merged = run.select("wrong-caption").merge(run.select(["base", "wrong-think"]))
    assert merged.conditions == ("base", "wrong-caption", "wrong-think")


def test_the_first_answers_stay() -> None:
    first, second = run_of({"base": "A", "wrong-think": "A"}), run_of({"base": "B", "wrong-caption": "B"})
    merged = first.merge(second)
    assert {name: merged.figure(name, "accuracy").value for name in merged.conditions} == {
        "base": 1.0,
        "wrong-think": 1.0,
        "wrong-caption": 0.0,
    }


def test_facts_of_the_first_run_stay_and_counts_are_added() -> None:
    first = run_of(
        {"base": "A"},
        provenance=told(
            ["base"],
            command="one",
            judge_failures={"count": 1, "first": ""},
            replies={"stored": 1, "computed": 2},
        ),
    )
    second = run_of(
        {"base": "A", "stop-think": "A"},
        provenance=told(
            ["base", "stop-think"],
            command="two",
            judge_failures={"count": 2, "first": "TimeoutError"},
            replies={"stored": 10, "computed": 20},
        ),
    )
    assert dict(first.merge(second).provenance) == told(
        ["base", "stop-think"],
        command="one",
        judge_failures={"count": 3, "first": "TimeoutError"},
        replies={"stored": 11, "computed": 22},
    )


def test_what_one_run_alone_counts_is_kept() -> None:
    plain, counted = run_of({"base": "A"}), {"replies": {"stored": 3, "computed": 0}}
    merged = plain.merge(run_of({"wrong-think": "A"}, provenance=counted))
    assert dict(merged.provenance) == counted


def test_a_condition_that_was_not_run_cannot_be_selected() -> None:
    run = run_of({"base": "A"})
    with pytest.raises(VacuousError, match="condition 'wrong-think' was not run"):
        run.select(["base", "wrong-think"])
    with pytest.raises(VacuousError, match="no condition was chosen; run were: base"):
        run.select([])


def test_runs_of_other_samples_are_refused() -> None:
    run = run_of({"base": "AB"})
    with pytest.raises(DataError) as caught:
        run.merge(run_of({"wrong-think": "ABC"}))
    assert str(caught.value) == (
        "the runs are not of the same samples: 2 and 3 were asked, 0 are in the first run alone and 1 in "
        "the second"
    )
    with pytest.raises(DataError, match="1 are in the first run alone and 1 in the second"):
        run.merge(Evaluation.from_records([record("base", index, "A") for index in (0, 7)]))
    with pytest.raises(DataError, match="the ids are, but not question, category, group and tags"):
        run.merge(run_of({"wrong-think": "AB"}, question="Another one?"))


def test_runs_agree_where_their_records_do() -> None:
    run = run_of({"base": "AB", "wrong-think": "AB"}, probs={"base": [(0.5, 0.3, 0.2), None]})
    assert run.agrees_with(run_of({"base": "AB"}, probs={"base": [(0.5, 0.3, 0.2), None]}))
    assert run.agrees_with(run_of({"wrong-caption": "CC"}))
    assert not run.agrees_with(run_of({"base": "AB"}))
    assert not run.agrees_with(run_of({"wrong-think": "AA"}))
    assert not run.agrees_with(run_of({"wrong-think": "ABA"}))
    assert not run.agrees_with(run_of({"wrong-think": "AB"}, reply="Other words."))
    assert not run.agrees_with(run_of({"stop-think": "AB"}, question="Another one?"))


def test_a_part_of_the_rows_is_taken_column_by_column() -> None:
    run = run_of({"base": "ABC-"}, probs={"base": [(0.5, 0.3, 0.2), None, None, None]})
    taken = run.columns("base").take(np.array([3, 0]))
    assert taken.letter.tolist() == [-1, 0]
    assert taken.replies == ["I will not say.", "<think>Thought 0.</think><answer>A</answer>"]
    assert taken.probs[1, :3].tolist() == [0.5, 0.3, 0.2]


INCOMPLETE = {"incomplete": {"samples": 2, "of": 4, "reason": "interrupted"}}


def some(condition: str, indices: list[int], **provenance: Any) -> Evaluation:
    records: list[Record] = [record(condition, index, "A") for index in indices]
    return Evaluation.from_records(records, provenance=provenance)


def test_a_whole_run_and_an_incomplete_one_make_an_incomplete_one() -> None:
    whole, stopped = run_of({"base": "AABA"}), some("wrong-think", [2, 1], **INCOMPLETE)
    for merged, order in (
        (whole.merge(stopped), ("s1", "s2")),
        (stopped.merge(whole), ("s2", "s1")),
    ):
        assert merged.sample_ids == order
        assert merged.conditions == ("base", "wrong-think")
        assert merged.provenance["incomplete"] == INCOMPLETE["incomplete"]
        assert merged.figure("base", "accuracy").value == 0.5
        assert merged.record("base", "s2") == whole.record("base", "s2")
    assert whole.incomplete is None


def test_two_incomplete_runs_share_the_samples_of_both() -> None:
    merged = some("base", [0, 1], **INCOMPLETE).merge(some("wrong-think", [1, 2], **INCOMPLETE))
    assert merged.sample_ids == ("s1",)
    assert merged.incomplete is not None
    assert (merged.incomplete.samples, merged.incomplete.of) == (1, 4)
    with pytest.raises(VacuousError, match="have no sample in common: there is nothing to pair"):
        some("base", [0, 1], **INCOMPLETE).merge(some("wrong-think", [2, 3], **INCOMPLETE))


def test_an_incomplete_run_of_other_samples_is_refused() -> None:
    stopped = some("wrong-think", [0, 9], **INCOMPLETE)
    with pytest.raises(
        DataError, match="4 and 4 were asked, 3 are in the first run alone and 1 in the second"
    ):
        run_of({"base": "AABA"}).merge(stopped)
    with pytest.raises(DataError, match="5 and 4 were asked"):
        run_of({"base": "AABAA"}).merge(some("wrong-think", [0, 1], **INCOMPLETE))


def test_a_part_of_an_incomplete_run_is_incomplete() -> None:
    run = run_of({"base": "AA", "wrong-think": "AA"}, provenance=INCOMPLETE)
    part = run.select("wrong-think")
    assert part.incomplete == run.incomplete
    assert part.incomplete is not None
