from __future__ import annotations

import re
from collections import Counter
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vlmrobust.conditions.claims import Claim, claim, sample_claim, statement
from pytest_vlmrobust.conditions.wording.how import HOW_RULES
from pytest_vlmrobust.conditions.wording.place import PLACE_RULES
from pytest_vlmrobust.conditions.wording.polar import CHOICE_RULES, POLAR_RULES
from pytest_vlmrobust.conditions.wording.questions import BLANK_RULE
from pytest_vlmrobust.conditions.wording.what import WHAT_RULES
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
        expected = f'The right answer to the question "{question}" is "{text}".'
        assert made.rule == "generic"
    else:
        assert made.rule != "generic"
    assert made.text == expected


def test_the_table_is_as_long_as_it_should_be_and_has_no_case_twice() -> None:
    assert len(CASES) >= 120
    assert max(Counter(case[:2] for case in CASES).values()) == 1


def test_every_rule_words_a_case_of_the_table() -> None:
    tables = (PLACE_RULES, HOW_RULES, WHAT_RULES, POLAR_RULES, CHOICE_RULES, (BLANK_RULE,))
    fired = {claim(question, option).rule for question, option, _ in CASES}
    assert {rule.name for table in tables for rule in table} | {"generic", "sentence"} == fired


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
