"""Conditions that offer to abstain, from the prompt to the figures and the gates."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from itertools import islice
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vlmrobust.assertions import (
    assert_abstention_rate,
    assert_accuracy,
    assert_accuracy_drop,
    assert_gates,
    assert_unfaithful_rate,
)
from pytest_vlmrobust.conditions import get_condition, perturb, resolve_conditions
from pytest_vlmrobust.conditions.abstain import OPTION, SUFFIX
from pytest_vlmrobust.conditions.registry import Case, condition, registered_conditions, unregister
from pytest_vlmrobust.core.gates import Gate
from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.replies import read_reply
from pytest_vlmrobust.core.rows import Record
from pytest_vlmrobust.core.samples import LETTERS, Sample
from pytest_vlmrobust.datasets.shapes import iterate_shapes
from pytest_vlmrobust.errors import DataError, UsageError, VacuousError, VlmRobustError
from pytest_vlmrobust.evaluation import ask, evaluate
from pytest_vlmrobust.models.base import Answer
from pytest_vlmrobust.models.scripted import ScriptedModel, reply
from tests.unit.made_runs import record, run_of

SAMPLES = tuple(islice(iterate_shapes(), 12))
BY_ID = {sample.id: sample for sample in SAMPLES}
CHOICES = ("red", "blue", "green", OPTION)
OFFERED = "wrong-caption+abstain"


def wide(count: int, *, id: str = "wide") -> Sample:
    return replace(
        SAMPLES[0], id=id, choices=tuple(f"option {n}" for n in range(count)), answer=1, statements=None
    )


def declining(prompt: Prompt) -> Answer:
    """Right without a claim; declines where one is planted and it may, else believes it."""
    sample = BY_ID[prompt.sample_id]
    letter = sample.answer_letter
    if prompt.planted is not None:
        letter = prompt.abstention or prompt.planted
    probs = tuple(0.9 if each == letter else 0.1 / (len(prompt.letters) - 1) for each in prompt.letters)
    return Answer(text=reply(letter, f"It is ({letter}).", prompt=prompt), letter_probs=probs)


def offered(letters: str, **fields: Any) -> Evaluation:
    """A run in which "D" declines; base is right throughout."""
    verdicts = "".join("." if letter == "D" else "c" for letter in letters)
    made = [record("base", index, "A") for index in range(len(letters))]
    made += [
        record(OFFERED, index, letter, verdict=verdict, choices=CHOICES, abstention="D", **fields)
        for index, (letter, verdict) in enumerate(zip(letters, verdicts, strict=True))
    ]
    return Evaluation.from_records(made)


# --- prompts -------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", registered_conditions())
@given(index=st.integers(0, len(SAMPLES) - 1), seed=st.integers(0, 9))
def test_only_the_last_option_is_new(name: str, index: int, seed: int) -> None:
    sample = SAMPLES[index]
    plain, offering = (perturb(sample, each, seed=seed) for each in (name, name + SUFFIX))
    assert offering.choices == (*plain.choices, OPTION)
    assert offering.abstention == LETTERS[len(plain.choices)]
    assert offering.planted != offering.abstention
    assert replace(offering, condition=name, choices=plain.choices, abstention=None) == plain


def test_a_condition_that_chooses_at_random_chooses_the_same_when_it_offers_to_abstain() -> None:
    @condition("noisy-caption")
    def noisy(case: Case) -> Prompt:
        """A number."""
        return case.prompt(caption=str(case.rng.random()))

    try:
        captions = {perturb(SAMPLES[0], name).caption for name in ("noisy-caption", "noisy-caption+abstain")}
        assert len(captions) == 1
    finally:
        unregister("noisy-caption")


def test_the_variant_keeps_what_its_condition_is_for() -> None:
    variant = get_condition("stop-think+abstain")
    assert (variant.name, variant.plants, variant.reasons) == ("stop-think+abstain", None, False)
    assert get_condition(OFFERED).plants == "wrong"
    assert variant.summary.endswith("; the model may abstain.")


def test_sets_can_be_asked_so_too() -> None:
    assert resolve_conditions("abstain") == resolve_conditions("zhao2026+abstain")
    assert resolve_conditions("controls+abstain") == (
        "base",
        "base+abstain",
        "correct-caption+abstain",
        "correct-think+abstain",
    )
    assert resolve_conditions("abstain+abstain") == resolve_conditions("abstain")
    assert resolve_conditions("all+abstain")[1:] == tuple(name + SUFFIX for name in registered_conditions())


@pytest.mark.parametrize(
    ("name", "near"), [("wrong-captoin+abstain", "wrong-caption"), ("base+abstian", "base")]
)
def test_a_misspelt_variant_is_refused_with_near_misses(name: str, near: str) -> None:
    with pytest.raises(UsageError) as caught:
        resolve_conditions(name)
    assert f"unknown condition '{name}': did you mean" in str(caught.value)
    assert near in str(caught.value)


@pytest.mark.parametrize(
    ("sample", "reason"),
    [
        (wide(8), 'it has 8 options, so no letter is left for "I\'m not sure"'),
        (
            replace(SAMPLES[0], id="wide", choices=("yes", " i'm NOT sure"), answer=0, statements=None),
            'it has the option "I\'m not sure" already',
        ),
    ],
)
def test_samples_that_cannot_take_one_more_option_are_counted_before_anything_is_asked(
    sample: Sample, reason: str
) -> None:
    asked: list[Prompt] = []

    def answer(prompt: Prompt) -> Answer:
        asked.append(prompt)
        return declining(prompt)

    with pytest.raises(DataError) as caught:
        evaluate(ScriptedModel(answer), [*SAMPLES, sample], ["wrong-think", OFFERED])
    assert str(caught.value) == (
        f"condition 'wrong-caption+abstain' cannot be asked of 1 of 13 samples, such as 'wide': {reason}; "
        "leave these samples out, or ask 'wrong-caption' instead"
    )
    assert not asked
    with pytest.raises(DataError, match=r"sample 'wide' under 'base\+abstain': it has"):
        perturb(sample, "base+abstain")


def test_seven_options_take_an_eighth() -> None:
    assert perturb(wide(7), "base+abstain").abstention == "H"


@pytest.mark.parametrize(
    "text",
    ["D", "(D) I'm not sure", "I'm not sure", "I\u2019m not sure.", "i'm not sure", "D. I\u2019m not sure"],
)
def test_an_abstention_is_read_like_any_answer(text: str) -> None:
    assert read_reply(f"<think>Hm.</think><answer>{text}</answer>", CHOICES).letter == "D"


# --- runs ----------------------------------------------------------------------------------------------


def test_a_run_counts_abstentions_apart() -> None:
    run = evaluate(ScriptedModel(declining), SAMPLES, ["base+abstain", "wrong-caption", OFFERED])
    assert run.figure(OFFERED, "abstention_rate").value == 1.0
    assert run.figure(OFFERED, "right_rate").value == 0.0
    assert run.figure(OFFERED, "misled_rate").value == 0.0
    assert run.figure(OFFERED, "unparsed_rate").value == 0.0
    assert run.figure("wrong-caption", "misled_rate").value == 1.0
    assert run.figure("base+abstain", "accuracy").value == 1.0
    assert run.figure("base+abstain", "abstention_rate").value == 0.0
    assert "abstention_rate" not in run.figures("wrong-caption")
    assert {one.verdict for one in run.records(OFFERED)} == {"not_applicable"}
    assert all(len(one.letter_probs or ()) == len(one.choices) for one in run.records(OFFERED))
    assert all(one.abstains and one.right is None for one in run.records(OFFERED))
    for gone in ("accuracy", "accuracy_drop", "confidently_wrong_rate", "brier_score", "unfaithful_rate"):
        assert gone not in run.figures(OFFERED)
    again = Evaluation.from_json(json.loads(json.dumps(run.to_json())))
    assert again.agrees_with(run)
    assert again.figures(OFFERED) == run.figures(OFFERED)


def test_the_runner_up_is_never_the_abstention() -> None:
    run = evaluate(ScriptedModel(declining), SAMPLES, OFFERED, plant="runner-up")
    assert all(one.planted not in (None, one.abstention) for one in run.records(OFFERED))


def test_one_sample_can_be_asked_so() -> None:
    asked = ask(ScriptedModel(declining), SAMPLES[0], OFFERED)
    assert asked.abstains
    assert asked.choices[-1] == OPTION


@given(letters=st.text("ABD-", min_size=1, max_size=30))
def test_the_figures_are_the_shares_by_hand(letters: str) -> None:
    run = offered(letters)
    figures = run.figures(OFFERED)
    read, answered = letters.replace("-", ""), letters.replace("-", "").replace("D", "")
    if read:
        assert figures["abstention_rate"].value == read.count("D") / len(read)
        assert figures["right_rate"].value == read.count("A") / len(read)
        assert figures["misled_rate"].value == read.count("B") / len(read)
    assert ("accuracy" in figures) == bool(answered)
    if answered:
        assert figures["accuracy"].value == answered.count("A") / len(answered)
        assert figures["accuracy_drop"].n == figures["accuracy"].n == len(answered)
        assert figures["accuracy_drop"].value == pytest.approx(answered.count("B") / len(answered))
    assert figures["unparsed_rate"].value == letters.count("-") / len(letters)


def test_an_abstention_counts_as_wrong_in_a_benchmarks_own_score() -> None:
    run = offered("AADDB")
    scored = Evaluation.from_records(run.records(), provenance={"dataset": {"score": "vstar"}})
    assert scored.figure(OFFERED, "benchmark_score").value == pytest.approx(2 / 5)
    with pytest.raises(AssertionError, match="abstained  2, which count as wrong"):
        assert_gates(scored, Gate("benchmark_score", OFFERED, min=0.9))


# --- gates ---------------------------------------------------------------------------------------------


def test_a_gate_on_abstention_fails_and_shows_who_abstains() -> None:
    run = offered("AADDDBAAAA")
    assert_abstention_rate(run, OFFERED, max_rate=0.3)
    with pytest.raises(AssertionError) as caught:
        assert_abstention_rate(run, OFFERED, max_rate=0.1)
    text = str(caught.value)
    assert text.startswith(
        "0.300 of the replies under wrong-caption+abstain abstain; max_abstention_rate is 0.1"
    )
    assert "answered  D, which declines to answer; right is A" in text


def test_accuracy_says_how_many_it_leaves_out() -> None:
    with pytest.raises(AssertionError, match=r"left out   3 of 10 samples: 3 that abstain"):
        assert_accuracy(offered("AADDDBAAAA"), OFFERED, min_accuracy=0.9)


@pytest.mark.parametrize(
    "check",
    [
        lambda run: assert_accuracy(run, OFFERED, min_accuracy=0.1),
        lambda run: assert_accuracy_drop(run, OFFERED, max_drop=0.9),
        lambda run: assert_unfaithful_rate(run, OFFERED, max_rate=0.9),
    ],
)
def test_no_verdict_stands_on_the_few_answers_of_a_model_that_declines_most(
    check: Callable[[Evaluation], None],
) -> None:
    check(offered("AADD"))
    with pytest.raises(VacuousError) as caught:
        check(offered("AADDD"))
    text = str(caught.value)
    assert "3 of 5 replies (0.600) abstain, and at least half have to answer" in text
    assert "gate right_rate, which counts an abstention as not right, or abstention_rate" in text


def test_where_all_abstain_there_is_no_accuracy() -> None:
    with pytest.raises(VacuousError, match="all 4 replies that could be read abstain"):
        assert_accuracy(offered("DDDD"), OFFERED, min_accuracy=0.1)
    with pytest.raises(VacuousError, match="no sample was answered both here and under base"):
        assert_accuracy_drop(offered("DDDD"), OFFERED, max_drop=0.1)


def test_where_nothing_could_abstain_there_is_no_rate() -> None:
    run = run_of({"base": "AAAA"})
    with pytest.raises(VacuousError, match="no option to abstain is offered under this condition"):
        assert_abstention_rate(run, "base", max_rate=0.5)


# --- records -------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"abstention": "H"}, "abstention is 'H'; the options are A, B, C, D"),
        ({"abstention": "A"}, "abstention is 'A', the letter of the option that is right or planted"),
        ({"abstention": "B"}, "abstention is 'B', the letter of the option that is right or planted"),
        ({"abstention": "C"}, "verdict is 'consistent', but the reply abstains"),
    ],
)
def test_a_record_that_contradicts_itself_is_refused(fields: dict[str, Any], message: str) -> None:
    changed: dict[str, Any] = {"choices": CHOICES, "abstention": "D", **fields}
    with pytest.raises(VlmRobustError) as caught:
        record("wrong-think", 0, "C", **changed)
    assert message in str(caught.value)


def test_a_report_without_abstention_is_as_it_was() -> None:
    written = run_of({"base": "AB"}).to_json()["records"][0]
    assert "abstention" not in written
    assert Record.__dataclass_fields__["abstention"].default is None


def test_columns_know_who_could_and_who_did() -> None:
    columns = offered("AD-B").columns(OFFERED)
    assert columns.abstained.tolist() == [False, True, False, False]
    assert columns.answered.tolist() == [True, False, False, True]
    assert columns.could_abstain.all()
    assert not np.any(offered("A").columns("base").could_abstain)
