from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.gates import Gate, check
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.telling import telling_samples
from pytest_vlmrobust.errors import UsageError, VacuousError
from tests.unit.made_runs import run_of

SURE = (0.95, 0.03, 0.02)
GATEABLE = [name for name, metric in METRICS.items() if metric.bound]


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Gate("acuracy_drop", "base", max=0.1), "unknown metric 'acuracy_drop': did you mean"),
        (
            lambda: Gate("n", "base", max=0.1),
            "no gate can be set on n: neither more nor less of it is better",
        ),
        (lambda: Gate("letter_entropy", "base", max=0.1), "no gate can be set on letter_entropy"),
        (
            lambda: Gate("accuracy", "", min=0.1),
            "gate on accuracy: condition is ''; name one, such as 'base'",
        ),
        (lambda: Gate("accuracy", None, min=0.1), "gate on accuracy: condition is None"),  # type: ignore[arg-type]
        (lambda: Gate("accuracy", "base"), "gate on accuracy has neither max nor min: give min alone"),
        (
            lambda: Gate("misled_rate", "x", max=0.1, min=0.1),
            "gate on misled_rate has both max and min: give max",
        ),
        (
            lambda: Gate("accuracy_drop", "x", min=0.1),
            "accuracy_drop has min: less of it is better, so give max",
        ),
        (
            lambda: Gate("accuracy", "base", max=0.1),
            "gate on accuracy has max: more of it is better, so give min",
        ),
        (
            lambda: Gate("accuracy", "base", min=1.01),
            "min_accuracy=1.01: it is a fraction and lies in [0, 1]",
        ),
        (
            lambda: Gate("accuracy_drop", "x", max=5),
            "=5: it is a fraction and lies in [0, 1]; for 5 percent say 0.05",
        ),
        (
            lambda: Gate("accuracy_drop", "x", max=-0.1),
            "max_accuracy_drop=-0.1: it is a fraction and lies in [0, 1]",
        ),
        (lambda: Gate("accuracy_drop", "x", max=math.nan), "max_accuracy_drop=nan: it is a fraction"),
        (lambda: Gate("accuracy_drop", "x", max=math.inf), "max_accuracy_drop=inf: it is a fraction"),
        (
            lambda: Gate("accuracy_drop", "x", max=True),
            "max_accuracy_drop=True: a number in [0, 1] is needed, got bool",
        ),
        (
            lambda: Gate("accuracy_drop", "x", max="0.1"),  # type: ignore[arg-type]
            "max_accuracy_drop='0.1': a number in [0, 1] is needed, got str",
        ),
    ],
)
def test_a_gate_that_could_not_mean_anything_is_refused(make: Callable[[], Gate], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        make()
    assert message in str(caught.value)


@pytest.mark.parametrize("name", GATEABLE)
def test_every_figure_with_a_direction_takes_its_bound_and_has_samples_to_show(name: str) -> None:
    run = run_of(
        {"base": "AABA", "wrong-think": "ABBA"},
        {"wrong-think": "ciuf"},
        probs={"base": [SURE] * 4, "wrong-think": [SURE] * 4},
        provenance={"dataset": {"score": "vstar"}},
        abstention="C",
    )
    bound = METRICS[name].bound
    gate = Gate(name, "wrong-think", max=1.0) if bound == "max" else Gate(name, "wrong-think", min=0.0)
    assert check(run, gate, max_unscored_rate=0.3).passed
    assert telling_samples(run, name, "wrong-think").label
    assert gate.setting == f"{bound}_{name}"


def test_a_gate_words_itself() -> None:
    assert str(Gate("misled_rate", "wrong-caption", max=0.1)) == "misled_rate under wrong-caption <= 0.1"
    assert str(Gate("p_correct", "base", min=0.5)) == "p_correct under base >= 0.5"


def test_the_bound_itself_passes() -> None:
    run = run_of({"base": "A" * 20, "wrong-think": "B" + "A" * 19})
    assert check(run, Gate("accuracy_drop", "wrong-think", max=0.05)).verdict == "pass"
    assert check(run, Gate("accuracy_drop", "wrong-think", max=0.0499)).verdict == "fail"
    assert check(run, Gate("accuracy", "wrong-think", min=0.95)).passed
    assert not check(run, Gate("accuracy", "wrong-think", min=0.9501)).passed


@given(
    base=st.text("ABC", max_size=30).map("A{}".format),
    thresholds=st.tuples(st.floats(0, 1), st.floats(0, 1)).map(sorted),
    data=st.data(),
)
def test_a_looser_gate_never_fails_where_a_stricter_one_passes(
    base: str, thresholds: list[float], data: st.DataObject
) -> None:
    here = data.draw(st.text("ABC", min_size=len(base), max_size=len(base)))
    run = run_of({"base": base, "wrong-think": here})
    strict, loose = thresholds
    for metric in ("accuracy_drop", "misled_rate", "unfaithful_rate"):
        at_strict = check(run, Gate(metric, "wrong-think", max=strict)).passed
        assert check(run, Gate(metric, "wrong-think", max=loose)).passed or not at_strict
    at_strict = check(run, Gate("accuracy", "wrong-think", min=loose)).passed
    assert check(run, Gate("accuracy", "wrong-think", min=strict)).passed or not at_strict


DROP = Gate("accuracy_drop", "wrong-think", max=1.0)
UNFAITHFUL = Gate("unfaithful_rate", "wrong-think", max=1.0)
SURE_WRONG = Gate("confidently_wrong_rate", "wrong-think", max=1.0)


def told(*, reasons: bool) -> dict[str, Any]:
    return {"conditions": [{"name": "wrong-think", "plants": "wrong", "reasons": reasons}]}


NOTHING_COMPARED: dict[str, tuple[Callable[[], Evaluation], Gate, str]] = {
    "the condition was not run": (
        lambda: run_of({"base": "AA"}),
        DROP,
        "condition 'wrong-think' was not run, so it shows nothing; run were: base",
    ),
    "base was not run": (
        lambda: run_of({"wrong-think": "AA"}),
        DROP,
        "there is no accuracy_drop under 'wrong-think': it compares with base, which was not run",
    ),
    "base is compared with itself": (
        lambda: run_of({"base": "AA"}),
        Gate("accuracy_drop", "base", max=1.0),
        "this is base itself",
    ),
    "no reply could be read": (
        lambda: run_of({"base": "AA", "wrong-think": "--"}),
        Gate("accuracy", "wrong-think", min=0.0),
        "2 of 2 replies (1.000) could not be read",
    ),
    "no reply could be read, and that is allowed": (
        lambda: run_of({"base": "AA", "wrong-think": "--"}),
        Gate("accuracy", "wrong-think", min=0.0),
        "none of the 2 replies could be read",
    ),
    "too few replies could be read": (
        lambda: run_of({"base": "A" * 10, "wrong-think": "A" * 9 + "-"}),
        DROP,
        "under wrong-think, 1 of 10 replies (0.100) could not be read; max_unscored_rate is 0.05",
    ),
    "too few replies could be read under base": (
        lambda: run_of({"base": "A" * 9 + "-", "wrong-think": "A" * 10}),
        DROP,
        "no verdict on accuracy_drop: under base, 1 of 10 replies (0.100) could not be read",
    ),
    "no sample could be read both times": (
        lambda: run_of({"base": "A-", "wrong-think": "-A"}),
        DROP,
        "no sample could be read both here and under base",
    ),
    "nothing wrong was planted": (
        lambda: run_of({"base": "AA", "correct-think": "AA"}),
        Gate("misled_rate", "correct-think", max=1.0),
        "no wrong option is planted under this condition",
    ),
    "no sample was right to begin with": (
        lambda: run_of({"base": "CC", "wrong-think": "BB"}),
        Gate("misled_when_right_rate", "wrong-think", max=1.0),
        "no sample that was right under base",
    ),
    "no accuracy could be lost": (
        lambda: run_of({"base": "CC", "wrong-think": "BB"}),
        DROP,
        "none of 2 samples was right under base, so wrong-think had no accuracy to take away",
    ),
    "the thought is planted whole": (
        lambda: run_of(
            {"base": "A", "wrong-think": "A"}, {"wrong-think": "."}, provenance=told(reasons=False)
        ),
        UNFAITHFUL,
        "the thought is planted whole",
    ),
    "the model gave no reasoning": (
        lambda: run_of(
            {"base": "A", "wrong-think": "A"}, {"wrong-think": "."}, provenance=told(reasons=True)
        ),
        UNFAITHFUL,
        "the model gave no reasoning in any reply that could be read",
    ),
    "the model gave reasoning too seldom": (
        lambda: run_of({"wrong-think": "A" * 10}, {"wrong-think": "cccc......"}),
        UNFAITHFUL,
        "4 of 10 replies, and at least half is needed (0 undecided, 0 failed, 6 without reasoning)",
    ),
    "the judge failed throughout": (
        lambda: run_of({"wrong-think": "AA"}, {"wrong-think": "ff"}),
        UNFAITHFUL,
        "the judge failed on 2 of 2 replies (1.000); max_unscored_rate is 0.05",
    ),
    "the judge failed throughout, and that is allowed": (
        lambda: run_of({"wrong-think": "AA"}, {"wrong-think": "ff"}),
        UNFAITHFUL,
        "the judge failed on all 2 replies that it was given",
    ),
    "the judge failed too often": (
        lambda: run_of({"wrong-think": "A" * 10}, {"wrong-think": "f" + "c" * 9}),
        UNFAITHFUL,
        "the judge failed on 1 of 10 replies (0.100); max_unscored_rate is 0.05",
    ),
    "the judge failed too often to say how often it is undecided": (
        lambda: run_of({"wrong-think": "A" * 10}, {"wrong-think": "f" + "c" * 9}),
        Gate("undecided_rate", "wrong-think", max=1.0),
        "no verdict on undecided_rate: under wrong-think, the judge failed on 1 of 10 replies",
    ),
    "the judge never decided": (
        lambda: run_of({"wrong-think": "AA"}, {"wrong-think": "uu"}),
        UNFAITHFUL,
        "the judge could decide on none of the 2 replies that it was given",
    ),
    "the judge decided too seldom": (
        lambda: run_of({"wrong-think": "A" * 10}, {"wrong-think": "cccc" + "u" * 6}),
        Gate("right_and_consistent_rate", "wrong-think", min=0.0),
        "4 of 10 replies, and at least half is needed (6 undecided, 0 failed, 0 without reasoning)",
    ),
    "the model tells no probabilities": (
        lambda: run_of({"wrong-think": "AA"}),
        SURE_WRONG,
        "the model gave no letter probabilities",
    ),
    "the model tells probabilities too seldom": (
        lambda: run_of({"wrong-think": "A" * 10}, probs={"wrong-think": [SURE] * 9 + [None]}),
        SURE_WRONG,
        "1 of 10 replies (0.100) came without letter probabilities; max_unscored_rate is 0.05",
    ),
}
"""Every way in which a gate could pass without having compared anything, all its thresholds wide open."""

ALLOWED = {
    "no reply could be read, and that is allowed": 1.0,
    "no sample could be read both times": 0.5,
    "the judge failed throughout, and that is allowed": 1.0,
}


@pytest.mark.parametrize("way", NOTHING_COMPARED)
def test_no_gate_passes_without_having_compared_anything(way: str) -> None:
    make, gate, message = NOTHING_COMPARED[way]
    with pytest.raises(VacuousError) as caught:
        check(make(), gate, max_unscored_rate=ALLOWED.get(way, 0.05))
    assert message in str(caught.value)


def test_there_is_no_evaluation_without_samples_or_with_some_missing() -> None:
    with pytest.raises(VacuousError, match="an evaluation of nothing"):
        run_of({"base": "", "wrong-think": ""})
    with pytest.raises(UsageError, match="lacks the records of 1 of 2 samples"):
        run_of({"base": "AA", "wrong-think": "A"})


def test_what_is_allowed_to_be_unscored_may_be() -> None:
    run = run_of({"base": "A" * 20, "wrong-think": "A" * 19 + "-"})
    assert check(run, DROP).figure.n == 19
    assert check(run, Gate("unparsed_rate", "wrong-think", max=0.05)).passed


def test_the_share_of_unread_replies_can_be_gated_itself() -> None:
    run = run_of({"base": "AA", "wrong-think": "-A"}, truncated=True)
    assert check(run, Gate("unparsed_rate", "wrong-think", max=0.4)).verdict == "fail"
    assert check(run, Gate("truncated_rate", "wrong-think", max=1.0)).verdict == "pass"


def test_unread_replies_are_shown_with_what_to_do() -> None:
    run = run_of({"base": "A---"}, unparsed_reason="", reply="No.\x1b[31m I\nrefuse.")
    with pytest.raises(VacuousError) as caught:
        check(run, Gate("accuracy", "base", min=0.5))
    assert str(caught.value) == (
        "no verdict on accuracy: under base, 3 of 4 replies (0.750) could not be read; "
        "max_unscored_rate is 0.05\n"
        "  s1: No.\\x1b[31m I refuse.\n"
        "  s2: No.\\x1b[31m I refuse.\n"
        "  s3: No.\\x1b[31m I refuse.\n"
        "  what to do: see whether the model's dialect asks for the tags that its replies should have"
    )


def test_replies_that_were_cut_off_call_for_more_tokens() -> None:
    run = run_of({"base": "--"}, truncated=True, unparsed_reason="truncated", reply="")
    with pytest.raises(VacuousError) as caught:
        check(run, Gate("accuracy", "base", min=0.5))
    assert str(caught.value) == (
        "no verdict on accuracy: under base, 2 of 2 replies (1.000) could not be read; "
        "max_unscored_rate is 0.05\n"
        "  s0 (truncated): an empty reply\n"
        "  s1 (truncated): an empty reply\n"
        "  what to do: the token limit ended 2 of them: raise --vlm-max-new-tokens (in code: max_new_tokens)"
    )


def test_a_failing_judge_is_quoted() -> None:
    failures = {"judge_failures": {"count": 2, "first": "TimeoutError: 30 s"}}
    run = run_of({"base": "AA"}, {"base": "ff"}, provenance=failures)
    with pytest.raises(VacuousError, match="name another; its first error was TimeoutError: 30 s"):
        check(run, Gate("unfaithful_rate", "base", max=0.1))


@pytest.mark.parametrize("rate", [-0.1, 1.1, math.nan, True, None])
def test_max_unscored_rate_is_a_fraction(rate: Any) -> None:
    with pytest.raises(UsageError, match=f"max_unscored_rate={rate}"):
        check(run_of({"base": "A"}), Gate("accuracy", "base", min=0.5), max_unscored_rate=rate)


def test_other_objects_are_no_gates_and_no_runs() -> None:
    with pytest.raises(UsageError, match="gate must be a Gate, got str: 'accuracy'"):
        check(run_of({"base": "A"}), "accuracy")  # type: ignore[arg-type]
    with pytest.raises(
        UsageError, match=r"run must be an Evaluation, as evaluate\(...\) returns it; got \{\}"
    ):
        check({}, Gate("accuracy", "base", min=0.5))  # type: ignore[arg-type]
