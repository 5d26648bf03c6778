from __future__ import annotations

import json
import re
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_vlmrobust.claiming import fault_of
from pytest_vlmrobust.conditions.claims import Claim, claim, claims, count_rules, sample_claim, statement
from pytest_vlmrobust.conditions.wording.questions import ALL_RULES
from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.datasets.images import BytesImage

CASES = [
    tuple(field.strip() for field in line.split("|"))
    for line in (Path(__file__).parent / "data" / "claim_cases.txt").read_text(encoding="utf-8").splitlines()
    if line.strip() and not line.startswith("#")
]


@pytest.mark.parametrize(("question", "option", "expected"), CASES)
def test_claims_read_as_english(question: str, option: str, expected: str) -> None:
    made = claim(question, option)
    if expected == "generic":
        text = option.rstrip(".")
        expected = f'The answer to the question "{question}" is "{text}".'
        assert made.rule == "generic"
    else:
        assert made.rule != "generic"
    assert made.text == expected


def test_the_table_is_as_long_as_it_should_be_and_has_no_case_twice() -> None:
    assert len(CASES) >= 120
    assert max(Counter(case[:2] for case in CASES).values()) == 1


def test_every_rule_words_a_case_of_the_table() -> None:
    fired = {claim(question, option).rule for question, option, _ in CASES}
    assert {rule.name for rule in ALL_RULES} | {"generic", "sentence"} == fired


COLLECTED = [
    json.loads(line)
    for line in (Path(__file__).parent / "data" / "questions.jsonl").read_text(encoding="utf-8").splitlines()
]
"""Questions in the manner of each benchmark, with the claims as a person has read and approved of them."""

BENCHMARKS = ["3dsrbench", "cv-bench", "spatial-mm", "whatsup", "vstar", "mmbench", "mme-realworld-lite"]
BENCHMARKS += ["sat", "pixmo-count", "geometry3k", "mmstar", "blink", "realworldqa", "hallusionbench"]


@pytest.mark.parametrize("row", COLLECTED, ids=lambda row: f"{row['benchmark']}: {row['question'][-60:]}")
def test_claims_on_collected_questions_are_those_that_were_approved(row: dict[str, Any]) -> None:
    made = [claim.text for claim in claims(row["question"], row["choices"])]
    assert made == row["claims"]


def test_many_questions_were_collected_for_every_benchmark() -> None:
    counts = Counter(row["benchmark"] for row in COLLECTED)
    assert sorted(counts) == sorted(BENCHMARKS)
    assert min(counts.values()) >= 20
    assert len(COLLECTED) >= 300
    assert len({(row["question"], *row["choices"]) for row in COLLECTED}) == len(COLLECTED)


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_few_claims_are_generic(benchmark: str) -> None:
    rows = [row for row in COLLECTED if row["benchmark"] == benchmark]
    rules = Counter(claim.rule for row in rows for claim in claims(row["question"], row["choices"]))
    assert rules["generic"] / rules.total() < 0.05


@pytest.mark.parametrize("benchmark", BENCHMARKS)
def test_a_claim_on_a_collected_question_holds_its_option_and_no_other(benchmark: str) -> None:
    faults = [
        (made.text, fault)
        for row in COLLECTED
        if row["benchmark"] == benchmark
        for option, made in zip(row["choices"], claims(row["question"], row["choices"]), strict=True)
        if (fault := fault_of(made.text, option, row["choices"], row["question"]))
    ]
    # A generic claim quotes the question, and "if I turn left, …" is part of what is asked.
    assert [text for text, _ in faults if '"' not in text and "turn left, the" not in text] == []


QUESTIONS = sorted({question for question, _, _ in CASES})
WORDS = ["anvil", "beacon", "crayon", "dinghy", "easel", "ferry", "goblet", "hinge", "jigsaw", "kettle"]

FRAGMENTS = re.findall(
    r"\S+",
    "what which who where when why how many is are does did can there not no any all the a cat of on in than "
    "red taller holding same to relative color side left right , or and ? ___",
)

questions = st.one_of(
    st.sampled_from(QUESTIONS),
    st.text(max_size=80),
    st.lists(
        st.sampled_from(FRAGMENTS),
        max_size=12,
    ).map(" ".join),
)
options = st.one_of(
    st.sampled_from([option for _, option, _ in CASES]),
    st.sampled_from(WORDS),
    st.text(min_size=1, max_size=40),
)


def shown(option: str) -> str:
    return " ".join(option.split()).rstrip(". ")


@given(questions, options)
def test_a_claim_never_raises_and_is_one_sentence_that_holds_its_option(question: str, option: str) -> None:
    made = claim(question, option)
    assert made.text.endswith(".")
    assert not made.text.endswith("..")
    assert made.text == made.text[:1].upper() + made.text[1:]
    assert "\n" not in made.text
    if shown(option).lower() not in {"yes", "no"}:
        assert shown(option).casefold() in made.text.casefold()
    assert claim(question, option) == made


@given(st.sampled_from(QUESTIONS), st.permutations(WORDS))
def test_a_claim_names_no_other_option(question: str, words: list[str]) -> None:
    option, *others = words
    text = claim(question, option).text.lower()
    assert option in text
    assert not [other for other in others if other in text]


@given(st.permutations(WORDS), st.sampled_from(range(6)))
def test_a_claim_names_no_other_option_that_the_question_lists(words: list[str], form: int) -> None:
    one, two, three = words[:3]
    question = [
        f"Which is closer to the camera, the {one} or the {two}?",
        f"Which object is bigger: the {one}, the {two}, or the {three}?",
        f"What is on the table (the {one} or the {two})?",
        f"Is the thing on the table a {one} or a {two}?",
        f"Is it a {one}, a {two}, or a {three}?",
        f"Does the image show a {one} or a {two}?",
    ][form]
    made = claim(question, one)
    assert made.rule != "generic"
    assert one in made.text
    assert two not in made.text
    assert three not in made.text


option_lists = st.one_of(
    st.lists(
        st.one_of(
            options, st.sampled_from(["cat", "a cat", "the cat", "Cat.", "yes", "no", "1", "2", "A", "B"])
        ),
        min_size=2,
        max_size=8,
        unique_by=lambda option: option.strip().casefold(),
    ).filter(lambda choices: all(choice.strip() for choice in choices)),
    st.sampled_from([row["choices"] for row in COLLECTED]),
)


@given(st.one_of(questions, st.sampled_from([row["question"] for row in COLLECTED])), option_lists)
@example("Which animal is the tallest?", ["red", "."])
@example("Are all the dogs brown?", ["red", "\N{DINGBAT NEGATIVE CIRCLED DIGIT ONE}"])
def test_claims_of_one_question_are_sentences_and_all_distinct(question: str, choices: list[str]) -> None:
    made = claims(question, choices)
    assert len({one.text.casefold() for one in made}) == len(choices)
    for option, one in zip(choices, made, strict=True):
        assert one.text.endswith(".")
        assert not one.text.endswith("..")
        assert "\n" not in one.text
        if shown(option).lower() not in {"yes", "no"}:
            assert shown(option).casefold() in one.text.casefold()


@given(st.sampled_from(COLLECTED), st.permutations(WORDS))
def test_claims_name_none_of_the_other_options(row: dict[str, Any], words: list[str]) -> None:
    choices = words[:4]
    for option, made in zip(choices, claims(row["question"], choices), strict=True):
        others = [other for other in choices if other != option and other not in row["question"].lower()]
        assert option in made.text.lower()
        assert not [other for other in others if other in made.text.lower()]


def test_options_that_one_sentence_cannot_tell_apart_are_told_by_their_letters() -> None:
    made = [claim.text for claim in claims("What is on the sofa?", ("cat", "a cat", "dog"))]
    assert made == [
        'The answer to the question "What is on the sofa?" is option A, "cat".',
        'The answer to the question "What is on the sofa?" is option B, "a cat".',
        "A dog is on the sofa.",
    ]


def test_all_options_together_tell_which_capitals_belong_to_names() -> None:
    jobs = [claim.text for claim in claims("What is the occupation of the man?", ("Fisherman", "Baker"))]
    assert jobs == ["The occupation of the man is a fisherman.", "The occupation of the man is a baker."]
    names = [
        claim.text for claim in claims("Which of these colonies is larger?", ("Georgia", "New Hampshire"))
    ]
    assert names == ["Georgia is larger.", "New Hampshire is larger."]


def test_all_options_together_tell_which_words_are_alternatives() -> None:
    question = "Are the bench and the tree next to each other or far away from each other?"
    made = [claim.text for claim in claims(question, ("next to each other", "far away from each other"))]
    assert made == [
        "The bench and the tree are next to each other.",
        "The bench and the tree are far away from each other.",
    ]


def test_rules_are_counted_over_all_options_the_most_frequent_first() -> None:
    assert count_rules([sample_of(None), sample_of(None), sample_of(("It is red.", "It is blue."))]) == {
        "what-is": 4,
        "given": 2,
    }
    assert list(count_rules([sample_of(("It is red.", "It is blue.")), sample_of(None)])) == [
        "given",
        "what-is",
    ]


@pytest.mark.parametrize("question", [question for question, option, _ in CASES if option == "no"])
def test_yes_and_no_are_told_apart(question: str) -> None:
    assert claim(question, "yes").text != claim(question, "no").text


def sample_of(statements: tuple[str, ...] | None) -> Sample:
    return Sample(
        id="one",
        images=(BytesImage(b""),),
        question="What color is the car?",
        choices=("red", "blue"),
        answer=0,
        statements=statements,
    )


def test_a_sample_that_brings_statements_is_taken_at_its_word() -> None:
    given_ = sample_of(("A red car.", "A blue car."))
    assert statement(given_, 1) == "A blue car."
    assert sample_claim(given_, 1) == Claim("A blue car.", "given")


def test_a_sample_without_statements_gets_generic_ones_from_its_question() -> None:
    assert statement(sample_of(None), 1) == "The car is blue."
    assert sample_claim(sample_of(None), 0) == Claim("The car is red.", "what-is")


def test_every_question_of_easy_vqa_is_worded_by_a_rule() -> None:
    from pytest_vlmrobust.datasets.easy_vqa import easy_vqa_samples

    samples = {sample.question: sample for sample in easy_vqa_samples("test")}
    assert len(samples) > 100
    for sample in samples.values():
        for index, choice in enumerate(sample.choices):
            made = sample_claim(sample, index)
            assert made.rule != "generic", (sample.question, choice)
            assert re.fullmatch(r"[A-Z][a-z ]+\.", made.text), made
