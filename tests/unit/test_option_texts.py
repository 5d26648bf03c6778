"""Distributions over options in their own words, on trees small enough to enumerate."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from types import SimpleNamespace

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.models.chat import Row
from pytest_vlmrobust.models.dialects import get_dialect
from pytest_vlmrobust.models.letters import Distribution, LetterForms, Rescore, Step
from pytest_vlmrobust.models.option_texts import MOST_STEPS, read_texts, spelled_alike, tokens_of
from pytest_vlmrobust.models.transformers.answers import AnswerReader

RED, CAR, BLUE, OTHER = 10, 11, 12, 13


def finished(found: Rescore | None, probs: dict[tuple[int, ...], dict[int, float]]) -> Distribution | None:
    """Finish with the probabilities behind each context."""
    assert found is not None
    steps = [
        Step(probs={token: probs[context].get(token, 0.0) for token in found.watch}, emitted=0.0)
        for context in found.contexts
    ]
    return found.finish(steps)


def test_options_of_one_token_are_compared_at_one_step() -> None:
    found = read_texts([(RED,), (BLUE,)], [1, RED, 2], 1, 0)
    assert found is not None
    assert (found.contexts, found.watch) == (((1,),), (RED, BLUE))
    letters = finished(found, {(1,): {RED: 0.6, BLUE: 0.2}})
    assert letters is not None
    assert letters.probs == pytest.approx((0.75, 0.25))
    assert letters.mass == pytest.approx(0.8)


def test_an_option_that_another_goes_on_from() -> None:
    found = read_texts([(RED,), (RED, CAR), (BLUE,)], [1, RED, CAR, 2], 1, 1)
    assert found is not None
    assert found.contexts == ((1,), (1, RED))
    letters = finished(found, {(1,): {RED: 0.8, BLUE: 0.1}, (1, RED): {CAR: 0.25}})
    assert letters is not None
    assert letters.probs == pytest.approx((0.6 / 0.9, 0.2 / 0.9, 0.1 / 0.9))
    assert letters.mass == pytest.approx(0.9)


@pytest.mark.parametrize(
    ("paths", "emitted", "step", "index"),
    [
        ([(RED,), (BLUE,)], [RED, 2], 0, 0),  # nothing before it
        ([(RED,), (BLUE,)], [1, OTHER, 2], 1, 0),  # written in other tokens
        ([(RED, CAR), (BLUE,)], [1, RED], 1, 0),  # cut off
        ([(RED,), (RED,)], [1, RED, 2], 1, 0),  # cannot be told apart
        ([tuple(range(MOST_STEPS + 1)), (BLUE,)], [1, BLUE], 1, 1),  # too large
    ],
)
def test_what_has_no_distribution(
    paths: Sequence[tuple[int, ...]], emitted: list[int], step: int, index: int
) -> None:
    assert read_texts(paths, emitted, step, index) is None


def test_nothing_likely_gives_no_distribution() -> None:
    assert finished(read_texts([(RED,), (BLUE,)], [1, RED], 1, 0), {(1,): {}}) is None


def _texts(depth: int) -> list[tuple[int, ...]]:
    return [text for length in range(1, depth + 1) for text in itertools.product((0, 1), repeat=length)]


@given(
    paths=st.lists(st.sampled_from(_texts(3)), min_size=2, max_size=5, unique=True),
    index=st.integers(0, 4),
    data=st.data(),
)
def test_options_share_no_probability(paths: list[tuple[int, ...]], index: int, data: st.DataObject) -> None:
    index %= len(paths)
    found = read_texts(paths, (7, *paths[index]), 1, index)
    assert found is not None
    probs = {}
    for context in found.contexts:
        zero = data.draw(st.floats(0.01, 0.98))
        probs[context] = {0: zero, 1: data.draw(st.floats(0.01, 1.0)) * (1 - zero)}
    letters = finished(found, probs)
    along = [math.prod(probs[7, *path[:k]][path[k]] for k in range(len(path))) for path in paths]
    extended = [[o for o in paths if o != path and o[: len(path)] == path] for path in paths]
    outermost = [not any(path in longer for longer in extended) for path in paths]
    if letters is None:  # each option is gone on from with certainty, or nearly so
        assert all(extended)
        return
    assert sum(letters.probs) == pytest.approx(1.0)
    # Of options that begin alike, the shortest one's path holds the texts of all of them.
    assert 0.0 < letters.mass <= sum(itertools.compress(along, outermost)) + 1e-9
    for probability, whole, longer in zip(letters.probs, along, extended, strict=True):
        assert probability * letters.mass <= whole + 1e-9
        if not longer:
            assert probability * letters.mass == pytest.approx(whole)


@pytest.mark.parametrize(
    ("choices", "said", "spelled"),
    [
        (["left", "right"], "left", ["left", "right"]),
        (["left", "right"], "Left", ["Left", "Right"]),
        (["left", "right"], "LEFT", ["LEFT", "RIGHT"]),
        (["The Left", "the right"], "the left", ["the left", "the right"]),
        ([" left ", "right"], "left", ["left", "right"]),
        (["left", "right"], "lEFT", None),
        (["us", "US"], "us", ["us", "US"]),
        (["Us", "US"], "us", None),
    ],
)
def test_options_are_written_as_the_answer_was(
    choices: list[str], said: str, spelled: list[str] | None
) -> None:
    assert spelled_alike(choices, 0, said) == spelled


WORDS = ["<answer>", " the", " left", "the", "left", "</", "er", ")</", ")", "(", "1"]


def encode(text: str) -> list[int]:
    """Tokenize greedily, the longest word first; anything else is a character."""
    ids = []
    while text:
        word = max((word for word in WORDS if text.startswith(word)), key=len, default=text[0])
        ids.append(WORDS.index(word) if word in WORDS else 100 + ord(word))
        text = text[len(word) :]
    return ids


def decode(ids: Sequence[int]) -> str:
    return "".join(WORDS[index] if index < 100 else chr(index - 100) for index in ids)


@pytest.mark.parametrize(
    ("tail", "text", "until", "tokens"),
    [
        ("<answer>", "the left</answer>", 8, ["the", " left"]),
        ("<answer>", " the left</answer>", 9, [" the", " left"]),
        ("<answer>", "(1)</answer>", 3, ["(", "1", ")</"]),
        ("<answer>", "(1)", 3, ["(", "1", ")"]),
        ("<answ", "er>", 3, None),
    ],
)
def test_tokens_behind_a_text(tail: str, text: str, until: int, tokens: list[str] | None) -> None:
    found = tokens_of(text, tail, until=until, encode=encode, decode=decode)
    assert found == (None if tokens is None else tuple(WORDS.index(token) for token in tokens))


class Words:
    """A tokenizer of whole words and signs."""

    def __init__(self) -> None:
        self.ids: dict[str, int] = {}

    def __call__(self, text: str, *, add_special_tokens: bool) -> dict[str, list[int]]:
        assert not add_special_tokens
        found = re.findall(r" ?\w+|[^\w]", text)
        return {"input_ids": [self.ids.setdefault(word, len(self.ids)) for word in found]}

    def decode(self, ids: Sequence[int], *, clean_up_tokenization_spaces: bool) -> str:
        assert not clean_up_tokenization_spaces
        return "".join(list(self.ids)[each] for each in ids)


@pytest.mark.parametrize(
    ("said", "contexts"),
    [
        ("left", ["<answer>"]),
        ("**left**", ["<answer>**"]),
        ("A left", None),
        ("The left", None),
        ("It is left", None),
    ],
)
def test_a_text_behind_other_words_has_no_distribution(said: str, contexts: list[str] | None) -> None:
    words = Words()
    text = f"<answer>{said}</answer>"
    ids = words(text, add_special_tokens=False)["input_ids"]
    prompt = Prompt(sample_id="s", condition="base", images=(), question="Q?", choices=("left", "right"))
    row = Row(prompt=prompt, text="Q?\nassistant:", prefill="")
    reader = AnswerReader(words, LetterForms({}), get_dialect("vigorl").reply, name="m")
    found = reader._letters(row, SimpleNamespace(ids=ids, text_ids=ids), text, reader._decoder(row, ids))  # type: ignore[arg-type]
    if contexts is None:
        assert found is None
    else:
        assert isinstance(found, Rescore)
        decoded = [words.decode(each, clean_up_tokenization_spaces=False) for each in found.contexts]
        assert decoded == contexts
