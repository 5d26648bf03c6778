from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_vlmrobust.core.excerpts import printable, shorten, tail
from pytest_vlmrobust.core.explain import explain_failure, explain_gates
from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.gates import Gate, Outcome, check
from pytest_vlmrobust.core.records import Evaluation
from tests.unit.made_runs import record, run_of

GOLDEN = Path(__file__).parent / "data" / "explanations.txt"
"""Each explanation word for word, under a line "=== metric"."""

SURE, FOOLED, OPEN = (0.95, 0.03, 0.02), (0.04, 0.95, 0.01), (0.5, 0.25, 0.25)
PROBS = [SURE] * 10 + [FOOLED] * 4 + [OPEN] * 4 + [None] * 2
PROVENANCE = {"model": {"spec": "scripted"}, "dataset": {"name": "shapes", "score": "vstar"}, "seed": 3}
COMMAND = "pytest --vlm-model=scripted --vlm-seed=3"


def golden_run() -> Evaluation:
    """20 samples, of which 4 are lost, 1 is gained, 1 unparsed and truncated, ..."""
    base = [record("base", index, letter) for index, letter in enumerate("A" * 17 + "BA-")]
    wrong = [
        record(
            "wrong-think",
            index,
            letter,
            verdict=verdict,
            probs=PROBS[index],
            truncated=letter == "-",
            reply=f"<think>I look at it.\n{'It is blue. ' * 12}</think><answer>{letter}</answer>",
            think=f"I look at it. {'It is blue. ' * 12}No, (C) it is.",
        )
        for index, (letter, verdict) in enumerate(
            zip("A" * 10 + "BBBC" + "A" * 5 + "-", "c" * 10 + "iiic" + "cciuf.", strict=True)
        )
    ]
    return Evaluation.from_records([*base, *wrong], provenance=PROVENANCE)


def declining_run() -> Evaluation:
    """20 samples whose last option declines to answer, which 4 do, with probabilities under base."""
    choices = ("red", "blue", "green", "I'm not sure")
    base = [
        record("base", index, "A", probs=SURE if index % 3 else OPEN, category="color") for index in range(20)
    ]
    wrong = [
        record(
            "wrong-think",
            index,
            letter,
            verdict="." if letter == "D" else "c",
            category="color",
            choices=choices,
            abstention="D",
        )
        for index, letter in enumerate("ABAADBAAA-BAADDBAADA")
    ]
    return Evaluation.from_records([*base, *wrong], provenance=PROVENANCE)


DECLINING = ("abstention_rate", "right_rate", "p_base_auroc", "entropy_auroc")
"""The figures that the golden run does not have."""


def strict_gate(metric: str, condition: str = "wrong-think") -> Gate:
    if METRICS[metric].bound == "max":
        return Gate(metric, condition, max=0.04)
    return Gate(metric, condition, min=0.97)


def outcome(run: Evaluation, gate: Gate) -> Outcome:
    return check(run, gate, max_unscored_rate=0.2)


def goldens() -> dict[str, str]:
    parts = re.split(r"^=== (\w+)\n", GOLDEN.read_text(), flags=re.MULTILINE)[1:]
    return {name: text.rstrip("\n") for name, text in zip(parts[::2], parts[1::2], strict=True)}


@pytest.mark.parametrize("metric", [name for name, metric in METRICS.items() if metric.bound])
def test_each_failure_is_worded_as_written_down(metric: str) -> None:
    run = declining_run() if metric in DECLINING else golden_run()
    result = outcome(run, strict_gate(metric))
    assert result.verdict == "fail"
    assert explain_failure(run, result, command=COMMAND) == goldens()[metric]


def test_several_gates_are_worded_as_written_down() -> None:
    run = golden_run()
    gates = [Gate("accuracy", "base", min=0.9), strict_gate("accuracy_drop"), strict_gate("undecided_rate")]
    outcomes = [outcome(run, gate) for gate in gates]
    assert explain_gates(run, outcomes, command=COMMAND) == goldens()["several_gates"]


def test_a_single_gate_needs_no_list() -> None:
    run = golden_run()
    failed = outcome(run, strict_gate("accuracy"))
    assert explain_gates(run, [failed]) == explain_failure(run, failed)


def test_the_written_down_explanations_are_all_used() -> None:
    used = {name for name, metric in METRICS.items() if metric.bound} | {"several_gates"}
    assert set(goldens()) == used


def test_without_provenance_only_the_number_of_samples_is_told() -> None:
    run = run_of({"base": "AB"})
    text = explain_failure(run, check(run, Gate("accuracy", "base", min=0.9)))
    assert "\n  run        2 samples\n" in text
    assert "reproduce" not in text


def test_the_command_of_the_run_stands_in() -> None:
    run = run_of({"base": "AB"}, provenance={"command": "pytest tests"})
    failed = check(run, Gate("accuracy", "base", min=0.9))
    assert explain_failure(run, failed).endswith("\n  reproduce  pytest tests")
    assert explain_failure(run, failed, command="make").endswith("\n  reproduce  make")


def test_an_interval_that_is_clear_of_the_threshold_raises_no_doubt() -> None:
    run = run_of({"base": "A" * 50, "wrong-think": "B" * 50})
    text = explain_failure(run, check(run, Gate("accuracy_drop", "wrong-think", max=0.05)))
    assert "unsure" not in text
    assert "95 % interval 0.857 to 1.000" in text


def test_a_value_just_beyond_the_threshold_does_not_look_equal_to_it() -> None:
    run = run_of({"base": "A" * 1999, "wrong-think": "B" * 100 + "A" * 1899})
    text = explain_failure(run, check(run, Gate("accuracy_drop", "wrong-think", max=0.05)))
    assert text.startswith("accuracy fell by 0.05003 under wrong-think; max_accuracy_drop is 0.05\n")


def test_a_condition_that_plants_nothing_has_no_planted_flips() -> None:
    run = run_of({"base": "AAAA", "stop-think": "BBAA"}, {"stop-think": "...."})
    text = explain_failure(run, check(run, Gate("accuracy_drop", "stop-think", max=0.05)))
    assert "\n  flips      2 right->wrong, 0 wrong->right\n" in text
    assert "planted" not in text


def test_a_sample_that_is_left_out_is_counted_once() -> None:
    run = run_of({"base": "A--A-" + "A" * 5, "wrong-think": "A-AB-" + "B" * 5})
    result = check(run, Gate("accuracy_drop", "wrong-think", max=0.05), max_unscored_rate=0.5)
    told = "3 of 10 samples: 2 unparsed under wrong-think, 1 unparsed under base"
    assert f"\n  left out   {told}\n" in explain_failure(run, result)


def test_samples_without_category_are_told_as_such() -> None:
    made = [record("base", index, "B", category=kind) for index, kind in enumerate(("", "count"))]
    run = Evaluation.from_records([*made, record("base", 2, "A")])
    text = explain_failure(run, check(run, Gate("accuracy", "base", min=0.9)))
    assert "2 of 2 that were answered wrong, misled ones first (1 without category, 1 count)" in text


def test_a_model_cannot_steer_the_terminal() -> None:
    hostile = "\x1b]0;owned\x07\r\u202e\x9b31m"
    run = run_of(
        {"base": "BA"}, reply=hostile, question=f"Which?{hostile}", choices=("a", f"b{hostile}", "c")
    )
    text = explain_failure(run, check(run, Gate("accuracy", "base", min=0.9)))
    assert all(line.isprintable() for line in text.split("\n"))


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        ("It is\n\n red. ", "It is red."),
        ("\x1b[2J", "\\x1b[2J"),
        ("a\u202eb", "a\\u202eb"),
        ("a\udcffb", "a\\udcffb"),
        ("größer 左", "größer 左"),
    ],
)
def test_text_is_put_on_one_printable_line(text: str, shown: str) -> None:
    assert printable(text) == shown


@pytest.mark.parametrize("cut", [shorten, tail])
@pytest.mark.parametrize("length", [0, 1, 159, 160, 161, 500])
def test_text_is_cut_to_the_width(cut: object, length: int) -> None:
    assert callable(cut)
    shown = cut("x" * length)
    assert len(shown) == min(length, 160)
    assert ("[...]" in shown) == (length > 160)
