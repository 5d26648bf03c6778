"""A run that was stopped before its end: its figures can be read, and no gate passes on it."""

from __future__ import annotations

import copy
import json
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path
from types import FrameType
from typing import Any

import jsonschema
import pytest
from hypothesis import given
from hypothesis import strategies as st

import pytest_vlmrobust
from pytest_vlmrobust.assertions import assert_accuracy, assert_accuracy_drop, assert_gates
from pytest_vlmrobust.core.building import EvaluationBuilder
from pytest_vlmrobust.core.documents import read_report, report_document
from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.gates import Gate, check
from pytest_vlmrobust.core.provenance import Incomplete
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.errors import UsageError, VacuousError
from tests.unit.made_runs import record, run_of

SCHEMA = json.loads((Path(pytest_vlmrobust.__file__).parent / "reports" / "schema.json").read_text())
CONDITIONS = ("base", "wrong-think")
IDS = [f"s{index}" for index in range(4)]


def announced() -> EvaluationBuilder:
    return EvaluationBuilder(sample_ids=IDS, conditions=CONDITIONS)


def stopped() -> Evaluation:
    """Two of four samples, all of them right: every gate would pass."""
    builder = announced()
    for condition, index in (("base", 2), ("base", 0), ("wrong-think", 0), ("base", 1), ("wrong-think", 2)):
        builder.add(record(condition, index, "A"))
    run = builder.build_partial(provenance={"seed": 3})
    assert run is not None
    return run


def test_the_samples_with_all_their_records_are_kept_in_order() -> None:
    run = stopped()
    assert (run.sample_ids, run.conditions, run.n) == (("s0", "s2"), CONDITIONS, 2)
    assert list(run.records()) == [record(name, index, "A") for name in CONDITIONS for index in (0, 2)]
    assert list(run.categories) == ["color", "color"]
    assert dict(run.provenance) == {
        "seed": 3,
        "incomplete": {"samples": 2, "of": 4, "reason": "interrupted"},
    }
    assert run.incomplete == Incomplete(samples=2, of=4, reason="interrupted")


def test_nothing_is_made_of_nothing() -> None:
    builder = announced()
    assert builder.build_partial() is None
    assert EvaluationBuilder().build_partial() is None
    builder.add(record("base", 0, "A"))
    builder.add(record("wrong-think", 1, "A"))
    assert builder.build_partial() is None


def test_a_run_that_was_stopped_after_its_last_reply_is_whole() -> None:
    builder = announced()
    for condition in CONDITIONS:
        for index in range(4):
            builder.add(record(condition, index, "A"))
    run = builder.build_partial(provenance={"seed": 3})
    assert run is not None
    assert run.incomplete is None
    assert dict(run.provenance) == {"seed": 3}
    assert check(run, Gate("accuracy", "base", min=1.0)).passed


@given(data=st.data(), n=st.integers(1, 5))
def test_the_figures_are_those_of_the_samples_that_are_whole(data: st.DataObject, n: int) -> None:
    names = ("base", "wrong-think", "wrong-caption")
    made = [record(name, index, data.draw(st.sampled_from("ABC-"))) for name in names for index in range(n)]
    came = data.draw(st.permutations(made))[: data.draw(st.integers(0, len(made)))]
    builder = EvaluationBuilder(sample_ids=[f"s{index}" for index in range(n)], conditions=names)
    for one in came:
        builder.add(one)
    part = builder.build_partial()
    ids = [one.sample_id for one in came]
    whole = [f"s{index}" for index in range(n) if ids.count(f"s{index}") == len(names)]
    if part is None:
        assert whole == []
        return
    same = Evaluation.from_records([one for one in made if one.sample_id in whole])
    assert list(part.records()) == list(same.records())
    assert {name: part.figures(name) for name in names} == {name: same.figures(name) for name in names}
    assert (part.incomplete is None) == (len(whole) == n)


def test_records_may_come_after_a_part_was_taken() -> None:
    builder = announced()
    for condition in CONDITIONS:
        builder.add(record(condition, 3, "A"))
    first = builder.build_partial()
    for condition in CONDITIONS:
        builder.add(record(condition, 1, "B"))
    second = builder.build_partial(reason="stopped")
    assert first is not None
    assert second is not None
    assert (first.sample_ids, second.sample_ids) == (("s3",), ("s1", "s3"))
    assert second.incomplete == Incomplete(samples=2, of=4, reason="stopped")


def interrupted_at_line(number: int, work: Callable[[], None]) -> bool:
    """Press Ctrl-C at one of the lines of the core that ``work`` runs; say whether it came to its end."""
    left = iter(range(number))

    def trace(frame: FrameType, event: str, _: object) -> Any:
        if "core" in Path(frame.f_code.co_filename).parts and event == "line" and next(left, None) is None:
            raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    except KeyboardInterrupt:
        return False
    finally:
        sys.settrace(before)
    return True


def test_a_record_that_is_interrupted_on_its_way_in_does_not_count() -> None:
    last = record("wrong-think", 1, "B")
    for line in range(100):
        builder = announced()
        for condition, index in (("base", 0), ("wrong-think", 0), ("base", 1)):
            builder.add(record(condition, index, "A"))
        finished = interrupted_at_line(line, partial(builder.add, last))
        run = builder.build_partial()
        assert run is not None
        assert run.record("wrong-think", "s0") == record("wrong-think", 0, "A")
        assert run.n == 1 or run.record("wrong-think", "s1") == last
        if finished:
            assert run.n == 2
            assert line > 10
            return
    pytest.fail("a record takes fewer lines than that")


EVERY_GATE = [
    Gate(name, "wrong-think", max=1.0) if metric.bound == "max" else Gate(name, "wrong-think", min=0.0)
    for name, metric in METRICS.items()
    if metric.bound
]


@pytest.mark.parametrize("gate", EVERY_GATE, ids=str)
def test_no_gate_passes_on_an_incomplete_run(gate: Gate) -> None:
    with pytest.raises(VacuousError) as caught:
        check(stopped(), gate, max_unscored_rate=1.0)
    assert str(caught.value) == (
        "no verdict: the run is incomplete (interrupted), 2 of 4 samples have a reply under every condition\n"
        "  what to do: run it again to its end; replies that are in the store are not computed twice"
    )


@pytest.mark.parametrize(
    "assertion",
    [
        lambda run: assert_accuracy(run, min_accuracy=0.0),
        lambda run: assert_accuracy_drop(run, "wrong-think", max_drop=1.0),
        lambda run: assert_gates(run, min_accuracy=0.0, max_accuracy_drop=1.0, max_unfaithful_rate=1.0),
        lambda run: assert_accuracy(run.select("base"), min_accuracy=0.0),
        lambda run: assert_accuracy(run.merge(run_of({"wrong-caption": "AAAA"})), min_accuracy=0.0),
    ],
)
def test_no_assertion_holds_on_an_incomplete_run(assertion: Callable[[Evaluation], None]) -> None:
    with pytest.raises(VacuousError) as caught:
        assertion(stopped())
    assert str(caught.value).count("2 of 4 samples have a reply under every condition") == 1


def test_figures_of_an_incomplete_run_can_be_read() -> None:
    run = stopped()
    assert run.figure("wrong-think", "accuracy").value == 1.0
    assert run.figures("wrong-think")["n"].value == 2


def test_an_incomplete_run_is_written_and_read_back_as_one() -> None:
    document = json.loads(json.dumps(report_document([stopped()])))
    jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)
    (again,) = read_report(document)
    assert again.incomplete == stopped().incomplete


DAMAGES: dict[str, tuple[Any, str]] = {
    "no object": (True, "provenance.incomplete must be an object with samples"),
    "null": (None, "provenance.incomplete must be an object with samples"),
    "no reason": ({"samples": 2, "of": 4}, "reason (a string), got {'samples': 2, 'of': 4}"),
    "a truth": ({"samples": True, "of": 4, "reason": ""}, "samples (a whole number from 0)"),
    "a negative number": ({"samples": -2, "of": 4, "reason": ""}, "samples (a whole number from 0)"),
    "nothing": ({"samples": 0, "of": 4, "reason": ""}, "provenance.incomplete has 0 samples of 4"),
    "everything": ({"samples": 2, "of": 2, "reason": ""}, "provenance.incomplete has 2 samples of 2"),
    "another number": (
        {"samples": 3, "of": 4, "reason": ""},
        "provenance.incomplete.samples is 3, but there are 2 samples",
    ),
}


@pytest.mark.parametrize("damage", DAMAGES)
def test_a_report_that_says_something_else_of_its_samples_is_refused(damage: str) -> None:
    document = copy.deepcopy(stopped().to_json())
    document["provenance"]["incomplete"], message = DAMAGES[damage]
    with pytest.raises(UsageError) as caught:
        Evaluation.from_json(document)
    assert message in str(caught.value)


@pytest.mark.parametrize(
    ("name", "value", "message"),
    [
        (
            "replies",
            {"stored": 1},
            "provenance.replies must be an object with stored (a whole number from 0)",
        ),
        ("replies", {"stored": 1, "computed": -1}, "computed (a whole number from 0), got"),
        ("judge_failures", {"count": "1", "first": ""}, "provenance.judge_failures must be an object with"),
        ("judge_failures", {"count": 1, "first": None}, "first (a string)"),
    ],
)
def test_other_counts_of_a_run_are_checked_too(name: str, value: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        run_of({"base": "A"}, provenance={name: value})
    assert message in str(caught.value)
