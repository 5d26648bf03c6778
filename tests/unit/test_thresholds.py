"""Which threshold holds for which condition: one table, before a run and after it."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_vlmrobust.conditions import get_condition, registered_conditions
from pytest_vlmrobust.core.gates import Gate
from pytest_vlmrobust.core.provenance import Design
from pytest_vlmrobust.core.roles import Role, planned_roles
from pytest_vlmrobust.core.thresholds import THRESHOLDS, held_conditions, make_gate, threshold_gates
from pytest_vlmrobust.declared import declared_gates, gated_conditions
from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.options import GATE_KEYS
from tests.unit.made_runs import run_of

DESIGNS = {
    "base": Design(plants=None, reasons=True),
    "stop-think": Design(plants=None, reasons=False),
    "wrong-think": Design(plants="wrong", reasons=True),
    "wrong-caption": Design(plants="wrong", reasons=True),
    "correct-think": Design(plants="right", reasons=True),
    "blur": Design(plants=None, reasons=True),
}
PLANNED: dict[str, frozenset[Role]] = {name: planned_roles(name, design) for name, design in DESIGNS.items()}

HELD = {
    "max_accuracy_drop": ["wrong-think", "wrong-caption", "blur"],
    "max_stop_think_drop": ["stop-think"],
    "max_unfaithful_rate": ["base", "wrong-think", "wrong-caption", "correct-think", "blur"],
    "max_misled_rate": ["wrong-think", "wrong-caption"],
    "min_accuracy": ["base"],
    "max_confidently_wrong_rate": ["base", "wrong-think", "wrong-caption", "blur"],
    "max_benchmark_score_drop": ["wrong-think", "wrong-caption", "blur"],
    "min_benchmark_score": ["base"],
}


def provenance() -> dict[str, Any]:
    return {
        "conditions": [
            {"name": name, "plants": design.plants, "reasons": design.reasons}
            for name, design in DESIGNS.items()
        ]
    }


@pytest.mark.parametrize(("name", "conditions"), HELD.items())
def test_each_threshold_has_its_conditions(name: str, conditions: list[str]) -> None:
    assert list(held_conditions(name, PLANNED)) == conditions
    assert [gate.condition for gate in threshold_gates(name, 0.5, PLANNED)] == conditions


def test_a_run_says_the_same_of_its_conditions_as_their_design() -> None:
    run = run_of(dict.fromkeys(DESIGNS, "AB"), provenance=provenance())
    assert {name: run.roles(name) for name in run.conditions} == PLANNED


def test_the_built_in_conditions_play_the_roles_that_their_records_show() -> None:
    for name in registered_conditions():
        condition = get_condition(name)
        roles = planned_roles(name, Design(plants=condition.plants, reasons=condition.reasons))
        assert ("misleading" in roles) == name.startswith("wrong")
        assert ("silencing" in roles) == (name == "stop-think")
        assert "altering" not in roles


def test_a_run_that_does_not_list_its_conditions_tells_by_its_records() -> None:
    run = run_of({"base": "A", "wrong-think": "A", "stop-think": "A", "blur": "A"}, {"stop-think": "."})
    assert run.roles("base") == {"base", "reasoned"}
    assert run.roles("wrong-think") == {"misleading", "reasoned"}
    assert run.roles("stop-think") == frozenset()
    assert run.roles("blur") == {"reasoned"}


def test_whether_a_condition_misleads_is_told_by_its_records() -> None:
    harmless = {"conditions": [{"name": "wrong-think", "plants": "wrong", "reasons": True}]}
    run = run_of({"base": "A", "wrong-think": "A"}, provenance=harmless, planted=None, planted_text="")
    assert run.roles("wrong-think") == {"reasoned"}


def test_every_gate_that_can_be_set_is_a_row_of_the_table() -> None:
    assert tuple(THRESHOLDS) == GATE_KEYS
    for name, threshold in THRESHOLDS.items():
        assert name.startswith(f"{threshold.bound}_")
        assert make_gate(name, 0.5, "x").metric == threshold.metric


def test_a_gate_takes_the_bound_of_its_threshold() -> None:
    assert str(make_gate("min_accuracy", 0.9, "base")) == "accuracy under base >= 0.9"
    assert str(make_gate("max_stop_think_drop", 0.2, "stop-think")) == "accuracy_drop under stop-think <= 0.2"


def test_a_gate_is_called_what_the_user_wrote() -> None:
    gate = make_gate("max_stop_think_drop", 0.2, "stop-think")
    assert gate.setting == "max_stop_think_drop"
    assert gate == Gate("accuracy_drop", "stop-think", max=0.2)


def test_a_threshold_that_makes_no_gate_is_still_checked() -> None:
    assert threshold_gates("max_misled_rate", 0.3, {"base": {"base"}}) == []
    with pytest.raises(UsageError, match="max_misled_rate=3: it is a fraction"):
        threshold_gates("max_misled_rate", 3, {"base": {"base"}})


def test_a_threshold_beyond_its_range_is_refused_by_the_name_that_the_user_wrote() -> None:
    with pytest.raises(
        UsageError, match=r"max_stop_think_drop=20: it is a fraction .*; for 20 percent say 0.2"
    ):
        make_gate("max_stop_think_drop", 20, "stop-think")


def test_an_unknown_threshold_is_refused() -> None:
    message = "unknown threshold 'max_acuracy_drop': did you mean 'max_accuracy_drop'"
    with pytest.raises(UsageError, match=message):
        held_conditions("max_acuracy_drop", {})
    with pytest.raises(UsageError, match=message):
        make_gate("max_acuracy_drop", 0.1, "base")
    with pytest.raises(UsageError, match=message):
        threshold_gates("max_acuracy_drop", 0.1, {})


def test_declared_thresholds_become_gates_in_the_order_of_the_conditions() -> None:
    conditions = ("base", "stop-think", "wrong-think", "correct-think")
    assert gated_conditions("max_unfaithful_rate", conditions) == ("base", "wrong-think", "correct-think")
    gates = declared_gates(
        {"max_stop_think_drop": 0.2, "min_accuracy": None, "max_misled_rate": 0}, conditions
    )
    assert [str(gate) for gate in gates] == [
        "accuracy_drop under stop-think <= 0.2",
        "misled_rate under wrong-think <= 0",
    ]


def test_declared_thresholds_that_would_check_nothing_are_refused() -> None:
    with pytest.raises(
        UsageError, match=r"max_misled_rate=0.1 holds for none of the conditions base, stop-think"
    ):
        declared_gates({"max_misled_rate": 0.1}, ["base", "stop-think"])
    with pytest.raises(UsageError, match="every gate is off: min_accuracy; nothing would be checked"):
        declared_gates({"min_accuracy": None}, ["base"])
