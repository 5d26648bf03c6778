"""Answers as text, and back."""

from __future__ import annotations

import json
import math
from dataclasses import fields, replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import example, given
from hypothesis import strategies as st

from pytest_vlmrobust.errors import StoreError
from pytest_vlmrobust.models.base import Answer
from pytest_vlmrobust.store import Store
from pytest_vlmrobust.stored import _ANSWER, _SOME, answer_from_text, answer_to_text, recalled

TEXTS = st.text(st.characters())  # lone surrogates included
NUMBERS = st.floats(allow_nan=False, allow_infinity=False)
ANSWERS = st.builds(
    Answer,
    text=TEXTS,
    prefill=TEXTS,
    letter_probs=st.none() | st.lists(NUMBERS, max_size=8).map(tuple),
    letter_mass=st.none() | NUMBERS,
    truncated=st.booleans(),
    tokens=st.integers(),
    tokens_in=st.integers(),
    approximate=st.booleans(),
    reasoning_hidden=st.booleans(),
)


def bits(answer: Answer) -> list[Any]:
    """The answer with its numbers as bits: 0.0 and -0.0 are equal, but not the same."""
    numbers = (*(answer.letter_probs or ()), *([] if answer.letter_mass is None else [answer.letter_mass]))
    return [answer, *(float(number).hex() for number in numbers)]


@given(ANSWERS)
@example(Answer(text="\ud83d\ude00"))  # two code points, which JSON would join to one
@example(Answer(text="\U0001f600"))
@example(Answer(text="\ude00\ud83d", prefill="\ud83d\ud83d\ude00\ude00"))
@example(Answer(text="", letter_probs=(0.1 + 0.2, 5e-324, -0.0), letter_mass=1.7976931348623157e308))
def test_an_answer_comes_back_as_it_was_to_the_last_bit(answer: Answer) -> None:
    text = answer_to_text(answer)
    assert text.isascii()
    assert bits(answer_from_text(text)) == bits(answer)


def test_every_field_of_an_answer_is_written() -> None:
    """All but the failure, since an answer that has one is never kept."""
    assert tuple(field.name for field in fields(Answer)) == (*_ANSWER, *_SOME, "failure")


@pytest.mark.parametrize("number", [math.nan, math.inf, -math.inf])
def test_a_number_that_is_none_is_not_written(number: float) -> None:
    with pytest.raises(ValueError, match="JSON"):
        answer_to_text(Answer(text="A", letter_probs=(number, 0.5)))
    with pytest.raises(ValueError, match="JSON"):
        answer_to_text(Answer(text="A", letter_mass=number))


WRITTEN = json.loads(answer_to_text(Answer(text="A", letter_probs=(0.5, 0.5), letter_mass=0.9, tokens=3)))


@pytest.mark.parametrize(
    "document",
    [
        None,
        [],
        "A",
        {},
        {**WRITTEN, "more": 1},
        {name: value for name, value in WRITTEN.items() if name != "tokens"},
        {**WRITTEN, "text": None},
        {**WRITTEN, "text": ["A", 1]},
        {**WRITTEN, "prefill": 3},
        {**WRITTEN, "letter_probs": "0.5"},
        {**WRITTEN, "letter_probs": [0.5, "0.5"]},
        {**WRITTEN, "letter_probs": [0.5, True]},
        {**WRITTEN, "letter_probs": [0.5, math.nan]},
        {**WRITTEN, "letter_mass": "much"},
        {**WRITTEN, "letter_mass": math.inf},
        {**WRITTEN, "truncated": 0},
        {**WRITTEN, "tokens": 3.0},
        {**WRITTEN, "tokens": True},
        {**WRITTEN, "tokens_in": True},
        {**WRITTEN, "tokens_in": 0},
        {**WRITTEN, "approximate": 1},
        {**WRITTEN, "approximate": False},
        {"approximate": True, **WRITTEN},
    ],
)
def test_what_is_no_answer_is_refused(document: object) -> None:
    with pytest.raises(ValueError, match="answer"):
        answer_from_text(json.dumps(document))


def test_what_is_no_json_is_refused() -> None:
    for text in ("", "A", answer_to_text(Answer(text="A"))[:-1]):
        with pytest.raises(ValueError, match=r"Expecting|delimiter"):
            answer_from_text(text)


def test_what_is_known_is_not_made_again(tmp_path: Path) -> None:
    made: list[int] = []

    def look_up(store: Store, *numbers: int) -> list[int]:
        def make(indices: Any) -> list[int]:
            made.extend(numbers[index] for index in indices)
            return [numbers[index] ** 2 for index in indices]

        keys = [f"{number:032x}" for number in numbers]
        return recalled(
            store,
            "reading",
            keys,
            make=make,
            write=lambda index, value: None if numbers[index] == 13 else str(value),
            read=lambda _, text: int(text),
        )

    with Store.open(tmp_path / "store.sqlite") as store:
        assert look_up(store, 1, 2, 3) == [1, 4, 9]
        assert look_up(store, 3, 4, 13, 1) == [9, 16, 169, 1]
        assert look_up(store, 13, 2) == [169, 4]
        assert made == [1, 2, 3, 4, 13, 13]  # what is not to be kept is made each time
        store.write("reading", {f"{5:032x}": "five"})
        with pytest.raises(StoreError, match=r"store\.sqlite holds a reading that cannot be used: inval"):
            look_up(store, 5)


def test_answers_that_differ_are_written_differently() -> None:
    answer = Answer(text="A", letter_mass=0.5)
    others = [replace(answer, text="B"), replace(answer, prefill="A"), replace(answer, tokens=1)]
    assert len({answer_to_text(one) for one in (answer, *others)}) == 4
