"""What a session keeps: each condition measured once, and nothing incomplete taken for whole."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.errors import DataError
from pytest_vlmrobust.runs import GateRow, ModelRequest, RunKey, Runs
from tests.unit.made_runs import record, run_of

KEY = RunKey(model=ModelRequest(spec="m"), dataset="fickle", limit=4, seed=0, judge="rules")
OTHER = RunKey(model=ModelRequest(spec="n"), dataset="fickle", limit=4, seed=0, judge="rules")


class Measuring:
    """Counts what it is asked to measure."""

    def __init__(self, *, stops: bool = False) -> None:
        self.asked: list[tuple[str, ...]] = []
        self.stops = stops

    def __call__(self, conditions: tuple[str, ...]) -> Evaluation:
        self.asked.append(conditions)
        names = tuple(dict.fromkeys(["base", *conditions]))
        return stopped(*names) if self.stops else run_of(dict.fromkeys(names, "ABCA"))


def stopped(*conditions: str, samples: int = 2) -> Evaluation:
    told = {"samples": samples, "of": 4, "reason": "interrupted"}
    return Evaluation.from_records(
        [record(name, index, "A") for name in conditions for index in range(samples)],
        provenance={"incomplete": told},
    )


def shown(runs: Runs) -> list[tuple[str, tuple[str, ...], bool]]:
    return [(key.model.spec, run.conditions, run.incomplete is None) for key, run in runs]


def test_each_condition_is_measured_once_and_parts_are_the_same_object() -> None:
    runs, measure = Runs(), Measuring()
    first = runs.get(KEY, ("base", "wrong-think"), measure)
    assert runs.get(KEY, ("base", "wrong-think"), measure) is first
    more = runs.get(KEY, ("base", "wrong-think", "wrong-caption"), measure)
    part = runs.get(KEY, ("base", "wrong-caption"), measure)
    assert measure.asked == [("base", "wrong-think"), ("wrong-caption",)]
    assert (more.conditions, part.conditions) == (
        ("base", "wrong-think", "wrong-caption"),
        ("base", "wrong-caption"),
    )
    assert runs.get(KEY, ("base", "wrong-caption"), measure) is part
    assert shown(runs) == [("m", ("base", "wrong-think", "wrong-caption"), True)]


def test_other_samples_under_the_same_key_are_refused() -> None:
    runs = Runs()
    runs.add(KEY, run_of({"base": "AB"}))
    with pytest.raises(
        DataError, match=r"data set 'fickle' gave other samples than before.*2 and 3 were asked"
    ):
        runs.add(KEY, run_of({"wrong-think": "ABC"}))


def test_an_incomplete_run_is_never_taken_for_a_whole_one() -> None:
    runs = Runs()
    runs.add(KEY, stopped("base", "wrong-think"))
    assert runs
    whole = Measuring()
    run = runs.get(KEY, ("base", "wrong-think"), whole)
    assert whole.asked == [("base", "wrong-think")]
    assert (run.n, run.incomplete) == (4, None)
    assert shown(runs) == [("m", ("base", "wrong-think"), True)]


def test_what_is_measured_incomplete_is_measured_anew() -> None:
    runs, measure = Runs(), Measuring(stops=True)
    assert runs.get(KEY, ("base", "wrong-think"), measure).n == 2
    assert shown(runs) == [("m", ("base", "wrong-think"), False)]
    measure.stops = False
    assert runs.get(KEY, ("base", "wrong-think"), measure).n == 4
    assert measure.asked == [("base", "wrong-think")] * 2
    assert shown(runs) == [("m", ("base", "wrong-think"), True)]


def test_an_incomplete_run_leaves_a_whole_one_as_it_is_and_is_shown_beside_it() -> None:
    runs, measure = Runs(), Measuring()
    whole = runs.get(KEY, ("base", "wrong-think"), measure)
    runs.add(OTHER, run_of({"base": "A"}))
    runs.add(KEY, stopped("base", "wrong-caption"))
    assert runs.get(KEY, ("base", "wrong-think"), measure) is whole
    assert shown(runs) == [
        ("m", ("base", "wrong-think"), True),
        ("m", ("base", "wrong-caption"), False),
        ("n", ("base",), True),
    ]
    runs.get(KEY, ("base", "wrong-caption"), measure)
    assert measure.asked == [("base", "wrong-think"), ("wrong-caption",)]
    assert shown(runs)[:2] == [("m", ("base", "wrong-think", "wrong-caption"), True), ("n", ("base",), True)]


def test_an_incomplete_run_of_what_is_known_whole_is_let_go() -> None:
    runs = Runs()
    runs.add(KEY, run_of({"base": "ABCA", "wrong-think": "ABCA"}))
    runs.add(KEY, stopped("base", "wrong-think"))
    assert shown(runs) == [("m", ("base", "wrong-think"), True)]


@pytest.mark.parametrize("order", [(1, 3), (3, 1)])
def test_of_two_incomplete_runs_the_one_that_got_further_is_kept(order: tuple[int, int]) -> None:
    runs = Runs()
    for samples in order:
        runs.add(KEY, stopped("base", "wrong-think", samples=samples))
    ((_, run),) = runs
    assert run.n == 3


def test_runs_are_put_in_the_order_of_their_models_incomplete_ones_too() -> None:
    runs = Runs()
    runs.add(OTHER, stopped("base"))
    runs.add(KEY, stopped("base", "wrong-think"))
    runs.add(KEY, run_of({"base": "ABCA"}))
    runs.sort(["m", "n"])
    assert shown(runs) == [
        ("m", ("base",), True),
        ("m", ("base", "wrong-think"), False),
        ("n", ("base",), False),
    ]


def row(key: RunKey, **fields: Any) -> GateRow:
    made = {"metric": "accuracy", "condition": "base", "bound": "min", "threshold": 0.5}
    return GateRow(**{"key": key, "value": 1.0, "verdict": "pass", "test": "t", **made, **fields})


def test_what_other_processes_measured_arrives_whole_and_incomplete_runs_as_such() -> None:
    there = Runs()
    there.add(KEY, run_of({"base": "AAAA"}))
    there.add(KEY, stopped("base", "wrong-think"))
    there.gates.append(row(KEY))
    document = json.loads(json.dumps(there.to_json()))
    same, differing = Runs(), Runs()
    same.add_json(document)
    assert (shown(same), same.gates) == (shown(there), there.gates)
    differing.add(KEY, run_of({"base": "BBBB"}))
    differing.add_json(document)
    assert shown(differing) == [
        ("m", ("base",), True),
        ("m (2)", ("base",), True),
        ("m (2)", ("base", "wrong-think"), False),
    ]
    assert [gate.key.model.spec for gate in differing.gates] == ["m (2)"]
    assert differing.gates_of(KEY) == []


def test_an_incomplete_run_that_arrives_alone_contradicts_nothing() -> None:
    there, here = Runs(), Runs()
    there.add(KEY, stopped("base", "wrong-think"))
    here.add(KEY, run_of({"base": "BBBB"}))
    here.add_json(json.loads(json.dumps(there.to_json())))
    assert shown(here) == [("m", ("base",), True), ("m", ("base", "wrong-think"), False)]
