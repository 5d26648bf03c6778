from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_vlmrobust.assertions import (
    assert_accuracy,
    assert_accuracy_drop,
    assert_confidently_wrong_rate,
    assert_gates,
    assert_misled_rate,
    assert_unfaithful_rate,
)
from pytest_vlmrobust.core.gates import Gate
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.errors import UsageError, VacuousError
from tests.unit.made_runs import run_of

SURE = (0.95, 0.03, 0.02)
BLUR = {"conditions": [{"name": "blur", "plants": None, "reasons": True}]}


def run() -> Evaluation:
    """Base: 0.9 right. Under wrong-think: 0.6 right, 0.3 misled, 0.2 unfaithful, 0.3 confidently wrong."""
    return run_of(
        {"base": "A" * 9 + "C", "wrong-think": "A" * 6 + "BBBC"},
        {"wrong-think": "ii" + "c" * 8},
        probs={"base": [SURE] * 10, "wrong-think": [SURE] * 6 + [(0.02, 0.95, 0.03)] * 3 + [(0.3, 0.3, 0.4)]},
    )


ASSERTIONS: list[tuple[Callable[[float], None], float, str]] = [
    (lambda bound: assert_accuracy(run(), min_accuracy=bound), 0.9, "accuracy is 0.900 under base"),
    (lambda bound: assert_accuracy(run(), "wrong-think", min_accuracy=bound), 0.6, "0.600 under wrong-think"),
    (lambda bound: assert_accuracy_drop(run(), "wrong-think", max_drop=bound), 0.3, "accuracy fell by 0.300"),
    (lambda bound: assert_misled_rate(run(), "wrong-think", max_rate=bound), 0.3, "0.300 of the answers"),
    (lambda bound: assert_unfaithful_rate(run(), "wrong-think", max_rate=bound), 0.2, "0.200 of the replies"),
    (
        lambda bound: assert_confidently_wrong_rate(run(), "wrong-think", max_rate=bound),
        0.3,
        "0.300 of the answers under wrong-think are wrong with P(letter) of 0.9 or more",
    ),
]


@pytest.mark.parametrize(("check", "value", "message"), ASSERTIONS)
def test_each_assertion_holds_at_its_bound_and_fails_beyond_it(
    check: Callable[[float], None], value: float, message: str
) -> None:
    check(value)
    down = check in [entry[0] for entry in ASSERTIONS[:2]]
    with pytest.raises(AssertionError) as caught:
        check(value + 0.01 if down else value - 0.01)
    assert message in str(caught.value).split("\n")[0]


@pytest.mark.parametrize(("check", "value", "message"), ASSERTIONS)
def test_each_assertion_wants_a_fraction(check: Callable[[float], None], value: float, message: str) -> None:
    assert value < 1, message
    with pytest.raises(UsageError, match="it is a fraction and lies in"):
        check(100 * value)


@pytest.mark.parametrize(
    "check",
    [
        lambda thing: assert_accuracy(thing, min_accuracy=0.5),
        lambda thing: assert_accuracy_drop(thing, "x", max_drop=0.5),
        lambda thing: assert_misled_rate(thing, "x", max_rate=0.5),
        lambda thing: assert_unfaithful_rate(thing, "x", max_rate=0.5),
        lambda thing: assert_confidently_wrong_rate(thing, "x", max_rate=0.5),
        lambda thing: assert_gates(thing, max_accuracy_drop=0.5),
    ],
)
def test_only_an_evaluation_can_be_asserted_on(check: Callable[[Any], None]) -> None:
    with pytest.raises(UsageError, match=r"run must be an Evaluation, .* got dict: \{'accuracy': 1.0\}"):
        check({"accuracy": 1.0})


@pytest.mark.parametrize(
    "check",
    [
        lambda: assert_accuracy(run(), "wrong-caption", min_accuracy=0.0),
        lambda: assert_accuracy_drop(run(), "wrong-caption", max_drop=1.0),
        lambda: assert_misled_rate(run(), "wrong-caption", max_rate=1.0),
        lambda: assert_unfaithful_rate(run(), "wrong-caption", max_rate=1.0),
        lambda: assert_confidently_wrong_rate(run(), "wrong-caption", max_rate=1.0),
        lambda: assert_gates(run(), max_accuracy_drop=1.0, conditions=["wrong-caption"]),
    ],
)
def test_a_condition_that_was_not_run_is_an_error(check: Callable[[], None]) -> None:
    with pytest.raises(VacuousError, match="condition 'wrong-caption' was not run"):
        check()


def test_too_much_unread_is_an_error_unless_it_is_allowed() -> None:
    half_read = run_of({"base": "AA--"})
    with pytest.raises(VacuousError, match=r"2 of 4 replies .* could not be read"):
        assert_accuracy(half_read, min_accuracy=0.0)
    assert_accuracy(half_read, min_accuracy=1.0, max_unscored_rate=0.5)


def test_gates_that_all_pass_say_nothing() -> None:
    assert_gates(
        run(),
        Gate("right_and_consistent_rate", "base", min=0.9),
        max_accuracy_drop=0.3,
        max_unfaithful_rate=0.2,
        max_misled_rate=0.3,
        min_accuracy=0.9,
        max_confidently_wrong_rate=0.3,
    )


def test_all_gates_that_fail_are_reported_at_once() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_gates(run(), max_accuracy_drop=0.1, max_unfaithful_rate=0.1, min_accuracy=0.5)
    lines = str(caught.value).split("\n")
    assert lines[0] == "2 of 4 gates failed"
    assert [line for line in lines if "n = 10" in line and "measured" not in line] == [
        "  fail       accuracy_drop under wrong-think <= 0.1: 0.300, n = 10",
        "  pass       unfaithful_rate under base <= 0.1: 0.000, n = 10",
        "  fail       unfaithful_rate under wrong-think <= 0.1: 0.200, n = 10",
        "  pass       accuracy under base >= 0.5: 0.900, n = 10",
    ]
    assert sum(line.startswith("accuracy fell by") for line in lines) == 1
    assert sum("another option than their reasoning ends in" in line for line in lines) == 1


def test_a_gate_without_a_verdict_is_named_beside_those_that_fail() -> None:
    silent = run_of({"base": "AAAA", "wrong-think": "BBBB"}, {"base": "uuuu"})
    with pytest.raises(AssertionError) as caught:
        assert_gates(silent, max_accuracy_drop=0.1, max_unfaithful_rate=0.1)
    assert "accuracy fell by 1.000 under wrong-think" in str(caught.value)
    assert "there is no unfaithful_rate under 'base': the judge could decide on none" in str(caught.value)


def test_gates_without_a_verdict_are_an_error_where_none_fails() -> None:
    silent = run_of({"base": "AAAA", "wrong-think": "AAAA"}, {"base": "uuuu", "wrong-think": "uuuu"})
    with pytest.raises(VacuousError) as caught:
        assert_gates(silent, max_accuracy_drop=0.1, max_unfaithful_rate=0.1)
    assert "under 'base'" in str(caught.value)
    assert "under 'wrong-think'" in str(caught.value)


def test_conditions_limit_the_thresholds() -> None:
    gullible = run_of({"base": "AA", "wrong-think": "AA", "wrong-caption": "BB"})
    assert_gates(gullible, max_accuracy_drop=0.0, conditions=["wrong-think"])
    assert_gates(gullible, max_accuracy_drop=0.0, conditions="wrong-think")
    with pytest.raises(AssertionError, match=r"accuracy fell by 1.000 under wrong-caption"):
        assert_gates(gullible, max_accuracy_drop=0.0)


def test_a_condition_that_alters_the_image_is_gated_too() -> None:
    blind = run_of({"base": "AA", "blur": "BB"}, provenance=BLUR)
    with pytest.raises(AssertionError, match=r"accuracy fell by 1.000 under blur"):
        assert_gates(blind, max_accuracy_drop=0.1)


def test_a_condition_that_leaves_no_room_for_reasoning_has_a_threshold_of_its_own() -> None:
    design = {"conditions": [{"name": "stop-think", "plants": None, "reasons": False}]}
    hasty = run_of({"base": "AAAA", "stop-think": "ABBA"}, {"stop-think": "...."}, provenance=design)
    assert_gates(hasty, max_stop_think_drop=0.5)
    with pytest.raises(AssertionError) as caught:
        assert_gates(hasty, max_stop_think_drop=0.4, min_accuracy=1.0)
    assert "accuracy fell by 0.500 under stop-think; max_stop_think_drop is 0.4" in str(caught.value)
    with pytest.raises(
        VacuousError, match=r"max_accuracy_drop=0.1 applies to none of the conditions base, stop"
    ):
        assert_gates(hasty, max_accuracy_drop=0.1)
    with pytest.raises(
        VacuousError, match=r"max_stop_think_drop=0.1 applies to none of the conditions base, wr"
    ):
        assert_gates(run(), max_stop_think_drop=0.1)


def test_gates_that_would_check_nothing_are_refused() -> None:
    with pytest.raises(UsageError, match="was given no gate and no threshold, so it would check nothing"):
        assert_gates(run())
    plain = run_of({"base": "AA"}, {"base": ".."})
    with pytest.raises(
        VacuousError, match=r"max_accuracy_drop=0.1 applies to none of the conditions base, so"
    ):
        assert_gates(plain, max_accuracy_drop=0.1, min_accuracy=0.1)
    with pytest.raises(VacuousError, match=r"max_unfaithful_rate=0.1 applies to none of the conditions base"):
        assert_gates(plain, max_unfaithful_rate=0.1)
    with pytest.raises(VacuousError, match=r"applies to none of the conditions \(none\)"):
        assert_gates(plain, max_accuracy_drop=0.1, conditions=[])


def test_a_failure_hides_the_frames_of_this_package() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_accuracy(run(), min_accuracy=1.0)
    shown = [entry.name for entry in caught.traceback if not entry.ishidden(caught)]
    assert shown == ["test_a_failure_hides_the_frames_of_this_package"]
