"""The rule for letters, on vocabularies small enough to enumerate."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vlmrobust.models.letters import (
    Distribution,
    LetterForms,
    Rescore,
    Step,
    emitting_step,
    read_letters,
)

LETTERS = ("A", "B", "C")


def vocabulary(*tokens: str) -> dict[str, int]:
    return {token: index for index, token in enumerate(tokens)}


SPLIT = vocabulary("<", "answer", ">", "A", "B", "C", "ĠA", "ĠB", "ĠC", "</")
MERGED = vocabulary(*SPLIT, ">A", ">B", ">C")
MIXED = vocabulary(*SPLIT, ">A")


def steps(*distributions: dict[int, float], emitted: Sequence[float] = ()) -> Callable[[int], Step]:
    def at(index: int) -> Step:
        probs = distributions[index]
        return Step(probs=probs, emitted=emitted[index] if emitted else max(probs.values()))

    return at


def flat(vocab: dict[str, int], **masses: float) -> dict[int, float]:
    named = {
        "gt": ">",
        "merged_a": ">A",
        "merged_b": ">B",
        "merged_c": ">C",
        "sp_a": "ĠA",
        "sp_b": "ĠB",
        "sp_c": "ĠC",
    }
    return {
        **dict.fromkeys(vocab.values(), 0.0),
        **{vocab[named.get(key, key)]: p for key, p in masses.items()},
    }


@pytest.mark.parametrize(
    ("token", "found"),
    [
        ("A", ("A", "", "")),
        (">H", ("H", ">", "")),
        ("ĠB", ("B", "Ġ", "")),
        ("▁C", ("C", "▁", "")),
        ("(D", ("D", "(", "")),
        ("**E", ("E", "**", "")),
        ("ĊF", ("F", "Ċ", "")),
        ("G.", ("G", "", ".")),
        ("(A)</", ("A", "(", ")</")),
        ("âĢľA", ("A", "âĢľ", "")),
        ("I", None),
        ("a", None),
        ("AB", None),
        ("Dog", None),
        ("A1", None),
        ("<0x0A>", None),
        ("AÃ©", None),
    ],
)
def test_which_tokens_name_an_option(token: str, found: tuple[str, str, str] | None) -> None:
    form = LetterForms({token: 7}).form(7)
    assert (form and (form.letter, form.before, form.after)) == found


def test_watched_are_the_letters_and_what_can_stand_before_them() -> None:
    forms = LetterForms(MERGED)
    assert {token for token, index in MERGED.items() if index in forms.watched} == set(MERGED) - {
        "<",
        "answer",
        "</",
    }


def test_the_emitted_spelling_is_compared_and_no_other() -> None:
    ids = [MERGED["<"], MERGED["answer"], MERGED[">B"]]
    at = steps({}, {}, flat(MERGED, merged_a=0.1, merged_b=0.3, merged_c=0.1, gt=0.4, A=0.05))
    assert read_letters(LetterForms(MERGED), LETTERS, ids, 2, at) == Distribution(
        probs=pytest.approx((0.2, 0.6, 0.2)),  # type: ignore[arg-type]
        mass=pytest.approx(0.5),  # type: ignore[arg-type]
    )


def test_only_the_letters_of_the_sample_count() -> None:
    at = steps(flat(SPLIT, A=0.3, B=0.1, C=0.6))
    found = read_letters(LetterForms(SPLIT), ("A", "B"), [SPLIT["A"]], 0, at)
    assert isinstance(found, Distribution)
    assert found.probs == pytest.approx((0.75, 0.25))


def test_a_space_before_the_letter_is_a_family_of_its_own() -> None:
    at = steps(flat(MIXED, gt=1.0), flat(MIXED, sp_a=0.2, sp_b=0.2, sp_c=0.4, A=0.2))
    found = read_letters(LetterForms(MIXED), LETTERS, [MIXED[">"], MIXED["ĠC"]], 1, at)
    assert isinstance(found, Distribution)
    assert found.probs == pytest.approx((0.25, 0.25, 0.5))
    assert found.mass == pytest.approx(0.8)


@pytest.mark.parametrize(
    ("token", "letters"), [("answer", LETTERS), ("C", ("A", "B"))], ids=["no letter", "not among the options"]
)
def test_a_token_that_names_no_option_has_no_distribution(token: str, letters: tuple[str, ...]) -> None:
    assert read_letters(LetterForms(SPLIT), letters, [SPLIT[token]], 0, steps(flat(SPLIT, A=1.0))) is None


def test_little_probability_of_one_spelling_adds_up_all_of_them() -> None:
    """The model said `` C``, and was about to open a bracket or to write the letter alone."""
    vocab = vocabulary(*SPLIT, "(")
    vocab |= {"(A": len(vocab)}
    now = flat(vocab, sp_c=0.2, sp_a=0.1, B=0.1) | {vocab["("]: 0.5, vocab["(A"]: 0.1}
    found = read_letters(LetterForms(vocab), LETTERS, [vocab[">"], vocab["ĠC"]], 1, steps({}, now))
    assert isinstance(found, Rescore)
    assert found.contexts == ((vocab[">"], vocab["("]),)
    finished = found.finish([steps(flat(vocab, A=0.2, B=0.6, C=0.2))(0)])
    assert finished is not None
    expected = [0.1 + 0.1 + 0.5 * 0.2, 0.1 + 0.5 * 0.6, 0.2 + 0.5 * 0.2]
    assert finished.mass == pytest.approx(sum(expected))
    assert finished.probs == pytest.approx([each / sum(expected) for each in expected])


def test_a_spelling_that_only_some_letters_have_is_left_out() -> None:
    """``>A`` is one token and ``>B`` is not: adding it would favor A for its spelling."""
    at = steps(flat(MIXED, sp_c=0.2, sp_a=0.1, merged_a=0.3, B=0.1))
    found = read_letters(LetterForms(MIXED), LETTERS, [MIXED["ĠC"]], 0, at)
    assert isinstance(found, Distribution)
    assert found.mass == pytest.approx(0.4)
    assert found.probs == pytest.approx((0.25, 0.25, 0.5))


def test_all_probability_elsewhere_gives_no_distribution() -> None:
    assert read_letters(LetterForms(SPLIT), LETTERS, [SPLIT["A"]], 0, steps(flat(SPLIT))) is None


def test_a_letter_without_any_token_gives_no_distribution() -> None:
    vocab = vocabulary("A", "B", ">A", ">")
    at = steps(dict.fromkeys(vocab.values(), 0.25))
    assert read_letters(LetterForms(vocab), LETTERS, [vocab[">A"]], 0, at) is None


def test_a_lead_that_is_no_token_gives_no_distribution() -> None:
    vocab = vocabulary("A", "B", "C", "((A")
    at = steps(dict.fromkeys(vocab.values(), 0.25))
    assert read_letters(LetterForms(vocab), LETTERS, [vocab["((A"]], 0, at) is None


def test_what_follows_the_letter_in_its_token_may_differ_between_letters() -> None:
    vocab = vocabulary("A", "B", "C", "A</")
    probs = {vocab["A"]: 0.1, vocab["B"]: 0.2, vocab["C"]: 0.2, vocab["A</"]: 0.3}
    found = read_letters(LetterForms(vocab), LETTERS, [vocab["A</"]], 0, steps(probs))
    assert isinstance(found, Distribution)
    assert found.probs == pytest.approx((0.5, 0.25, 0.25))


weights = st.floats(min_value=0.01, max_value=1.0)


@given(first=st.lists(weights, min_size=3, max_size=3), second=st.lists(weights, min_size=3, max_size=3))
def test_summed_spellings_are_the_probability_of_the_text(first: list[float], second: list[float]) -> None:
    """However the model spells it, ``>X`` gets the probability that the text goes on with ``>X``."""
    forms = LetterForms(MIXED)
    gt, merged, rest = (weight / sum(first) for weight in first)
    before = flat(MIXED, gt=gt, merged_a=merged)
    after = dict(zip("ABC", (weight / sum(second) * (1 - rest / 2) for weight in second), strict=True))
    truth = {letter: gt * after[letter] + (merged if letter == "A" else 0.0) for letter in LETTERS}
    mass = sum(truth.values())
    expected = pytest.approx([truth[letter] / mass for letter in LETTERS])

    as_one = read_letters(forms, LETTERS, [MIXED[">A"]], 0, steps(before))
    assert isinstance(as_one, Rescore)
    assert as_one.contexts == ((MIXED[">"],),)
    finished = as_one.finish([steps(flat(MIXED, **after))(0)])
    as_two = read_letters(
        forms, LETTERS, [MIXED[">"], MIXED["B"]], 1, steps(before, flat(MIXED, **after), emitted=[gt, 0.0])
    )
    for found in (finished, as_two):
        assert isinstance(found, Distribution)
        assert found.probs == expected
        assert found.mass == pytest.approx(mass)


def test_the_context_of_one_more_step_keeps_what_was_generated_before() -> None:
    ids = [MIXED["<"], MIXED["answer"], MIXED[">A"]]
    found = read_letters(
        LetterForms(MIXED), LETTERS, ids, 2, steps({}, {}, flat(MIXED, gt=0.5, merged_a=0.5))
    )
    assert isinstance(found, Rescore)
    assert found.contexts == ((MIXED["<"], MIXED["answer"], MIXED[">"]),)


@given(
    pieces=st.lists(st.text(alphabet="aé🙂 <>A", min_size=1, max_size=4), min_size=1, max_size=8),
    data=st.data(),
)
def test_a_character_is_found_in_the_token_that_completes_it(pieces: list[str], data: st.DataObject) -> None:
    text = "".join(pieces)
    cut = sorted(data.draw(st.sets(st.integers(1, len(text.encode()))))) or [len(text.encode())]
    cuts = [*[at for at in cut if at < len(text.encode())], len(text.encode())]

    def decode_first(count: int) -> str:
        return text.encode()[: cuts[count - 1] if count else 0].decode(errors="replace")

    for position in range(len(text)):
        end = len(text[: position + 1].encode())
        expected = next(index for index, at in enumerate(cuts) if at >= end)
        assert emitting_step(decode_first, len(cuts), position) == expected


def test_a_tokenizer_that_rewrites_its_own_text_names_no_token() -> None:
    texts = ["", "x", "xy", "abcd"]
    assert emitting_step(texts.__getitem__, 3, 1) is None


def test_every_pair_of_letters_is_told_apart() -> None:
    forms = LetterForms(vocabulary(*"ABCDEFGH"))
    for count in range(2, 9):
        letters = tuple("ABCDEFGH"[:count])
        for answer, other in itertools.permutations(range(count), 2):
            probs = dict.fromkeys(range(8), 0.01) | {answer: 0.7, other: 0.2}
            found = read_letters(forms, letters, [answer], 0, steps(probs))
            assert isinstance(found, Distribution)
            assert (found.probs.index(max(found.probs)), len(found.probs)) == (answer, count)
