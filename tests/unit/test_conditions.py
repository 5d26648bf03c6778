from __future__ import annotations

from collections import Counter
from collections.abc import Iterator

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vlmrobust.conditions import (
    CONDITION_SETS,
    Case,
    condition,
    get_condition,
    perturb,
    registered_conditions,
    resolve_conditions,
)
from pytest_vlmrobust.conditions.registry import planted_option, unregister
from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.samples import LETTERS, Sample
from pytest_vlmrobust.datasets.images import BytesImage
from pytest_vlmrobust.datasets.shapes import shapes_sample
from pytest_vlmrobust.errors import UsageError

BUILT_IN = (
    "base",
    "stop-think",
    "wrong-think",
    "wrong-think-but",
    "wrong-caption",
    "wrong-caption-disclaimer",
    "correct-caption",
    "correct-think",
)
MISLEADING = ("wrong-think", "wrong-think-but", "wrong-caption", "wrong-caption-disclaimer")

CAR = Sample(
    id="car",
    images=(BytesImage(b"a car"),),
    question="What color is the car?",
    choices=("red", "blue"),
    answer=0,
)
"""With two options, the wrong one that is planted can only be "blue"."""


@pytest.fixture(autouse=True)
def _no_condition_outlives_a_test() -> Iterator[None]:
    yield
    for name in set(registered_conditions()) - set(BUILT_IN):
        unregister(name)


# (caption, thought, thought_closed, planted), word for word: changing any of them is a new protocol.
TEXTS = {
    "base": ("", "", False, None),
    "stop-think": ("", "Okay let's see. This should be the final answer.", True, None),
    "wrong-think": (
        "",
        "Let me look at the image. The car is blue. So the answer is (B) blue.",
        False,
        "B",
    ),
    "wrong-think-but": (
        "",
        "Let me look at the image. The car is blue. So the answer is (B) blue, but I think",
        False,
        "B",
    ),
    "wrong-caption": ("The car is blue.", "", False, "B"),
    "wrong-caption-disclaimer": ("The car is blue, but I could be wrong.", "", False, "B"),
    "correct-caption": ("The car is red.", "", False, "A"),
    "correct-think": (
        "",
        "Let me look at the image. The car is red. So the answer is (A) red.",
        False,
        "A",
    ),
}


@pytest.mark.parametrize("name", BUILT_IN)
def test_each_built_in_condition_says_exactly_this(name: str) -> None:
    prompt = perturb(CAR, name)
    assert (prompt.caption, prompt.thought, prompt.thought_closed, prompt.planted) == TEXTS[name]
    assert prompt.planted_text == TEXTS[name][0] + TEXTS[name][1]
    assert (prompt.sample_id, prompt.condition) == ("car", name)


def test_every_built_in_condition_has_a_golden_text() -> None:
    assert registered_conditions() == BUILT_IN == tuple(TEXTS)


def test_statements_of_the_sample_are_what_is_planted() -> None:
    sample = Sample(
        id="dog",
        images=CAR.images,
        question="Where is the dog?",
        choices=("left", "right"),
        answer=1,
        statements=("A dog sits at the left.", "A dog sits at the right."),
    )
    assert perturb(sample, "wrong-caption").caption == "A dog sits at the left."
    assert perturb(sample, "correct-think").thought.endswith(
        "A dog sits at the right. So the answer is (B) right."
    )


def test_only_stop_think_leaves_no_reasoning_to_judge() -> None:
    assert [name for name in BUILT_IN if not get_condition(name).reasons] == ["stop-think"]


def test_every_built_in_condition_says_in_one_line_what_it_does() -> None:
    for name in BUILT_IN:
        summary = get_condition(name).summary
        assert summary
        assert "\n" not in summary


samples = st.builds(
    lambda number, count, answer, question, stated: Sample(
        id=f"sample-{number}",
        images=(BytesImage(str(number).encode()),),
        question=question,
        choices=tuple(f"thing {index}" for index in range(count)),
        answer=answer % count,
        statements=tuple(f"It is thing {index}." for index in range(count)) if stated else None,
    ),
    number=st.integers(0, 10**9),
    count=st.integers(2, 8),
    answer=st.integers(0, 7),
    question=st.one_of(
        st.sampled_from(["What is it?", "Which is closer?"]),
        st.text(min_size=1).filter(lambda text: bool(text.strip())),
    ),
    stated=st.booleans(),
)


@given(samples, st.sampled_from(BUILT_IN), st.integers(0, 100))
def test_a_condition_changes_neither_question_nor_options_nor_images(
    sample: Sample, name: str, seed: int
) -> None:
    prompt = perturb(sample, name, seed=seed)
    assert prompt.question == sample.question
    assert prompt.choices == sample.choices
    assert prompt.images == sample.images
    assert prompt.letters == sample.letters
    assert prompt == perturb(sample, name, seed=seed)


@given(samples, st.integers(0, 100))
def test_the_planted_option_is_wrong_and_the_same_under_every_misleading_condition(
    sample: Sample, seed: int
) -> None:
    planted = {perturb(sample, name, seed=seed).planted for name in MISLEADING}
    assert planted == {LETTERS[planted_option(sample, seed=seed)]}
    assert sample.answer_letter not in planted
    for name in ("correct-caption", "correct-think"):
        assert perturb(sample, name, seed=seed).planted == sample.answer_letter
    for name in ("base", "stop-think"):
        assert perturb(sample, name, seed=seed).planted is None


@given(samples, st.sampled_from(MISLEADING))
def test_a_planted_text_names_the_planted_option_and_no_other(sample: Sample, name: str) -> None:
    prompt = perturb(sample, name)
    assert prompt.planted is not None
    planted = sample.choices[LETTERS.index(prompt.planted)]
    assert planted.casefold() in prompt.planted_text.casefold()  # a sentence may begin with it
    named_in_question = [choice for choice in sample.choices if choice in sample.question]
    others = [choice for choice in sample.choices if choice != planted and choice not in named_in_question]
    assert not [other for other in others if other in prompt.planted_text]


def numbered(count: int) -> list[Sample]:
    return [
        Sample(
            id=f"s{number}",
            images=CAR.images,
            question="What is it?",
            choices=("a cat", "a dog", "a cow", "a hen"),
            answer=0,
        )
        for number in range(count)
    ]


def test_what_is_planted_does_not_depend_on_the_order_of_the_samples() -> None:
    forward = {sample.id: perturb(sample, "wrong-think") for sample in numbered(40)}
    backward = {sample.id: perturb(sample, "wrong-think") for sample in reversed(numbered(40))}
    assert forward == backward


def test_what_is_planted_is_spread_over_the_wrong_options_and_moves_with_the_seed() -> None:
    planted = [perturb(sample, "wrong-caption", seed=0).planted for sample in numbered(300)]
    counts = Counter(planted)
    assert set(counts) == {"B", "C", "D"}
    assert min(counts.values()) > 70  # 100 expected; 70 is 3.7 standard deviations below
    assert planted != [perturb(sample, "wrong-caption", seed=1).planted for sample in numbered(300)]


def test_sets_have_the_conditions_that_the_protocol_names() -> None:
    assert resolve_conditions("zhao2026") == BUILT_IN[:6]
    assert resolve_conditions("controls") == ("base", "correct-caption", "correct-think")
    assert resolve_conditions("all") == BUILT_IN
    assert resolve_conditions("abstain") == ("base", *(f"{name}+abstain" for name in BUILT_IN[:6]))
    assert set(CONDITION_SETS) == {"zhao2026", "controls", "abstain"}


def test_conditions_are_resolved_with_base_first_and_each_once() -> None:
    assert resolve_conditions("wrong-think") == ("base", "wrong-think")
    assert resolve_conditions(["wrong-think, base", "wrong-caption,,wrong-think"]) == (
        "base",
        "wrong-think",
        "wrong-caption",
    )
    assert resolve_conditions("correct-think,controls") == ("base", "correct-think", "correct-caption")


@pytest.mark.parametrize("names", ["", " , ", [], [""]])
def test_no_condition_at_all_is_refused(names: str | list[str]) -> None:
    with pytest.raises(UsageError, match=r"conditions is empty: name at least one condition or set"):
        resolve_conditions(names)


@pytest.mark.parametrize(
    ("name", "near"),
    [("wrong-captoin", "'wrong-caption'"), ("zhao-2026", "'zhao2026'"), ("stopthink", "'stop-think'")],
)
def test_an_unknown_name_is_refused_with_near_misses(name: str, near: str) -> None:
    for refused in (lambda: resolve_conditions(name), lambda: perturb(CAR, name)):
        with pytest.raises(UsageError) as caught:
            refused()
        message = str(caught.value)
        assert message.startswith(f"unknown condition '{name}': did you mean {near}")
        assert "Known: abstain, all, base, " in message


def test_a_condition_of_the_users_works_by_name() -> None:
    @condition("shouted", plants="wrong")
    def shouted(case: Case) -> Prompt:
        """The claim, shouted.

        More that no list shows.
        """
        return case.prompt(caption=case.claim.upper())

    assert perturb(CAR, "shouted").caption == "THE CAR IS BLUE."
    assert perturb(CAR, "shouted").planted == perturb(CAR, "wrong-think").planted
    assert get_condition("shouted").summary == "The claim, shouted."
    assert resolve_conditions("shouted") == ("base", "shouted")
    assert resolve_conditions("all")[-1] == "shouted"
    unregister("shouted")
    with pytest.raises(UsageError, match="unknown condition 'shouted'"):
        get_condition("shouted")
    unregister("shouted")  # once more is no error


def test_a_summary_that_is_given_wins_and_none_is_needed() -> None:
    condition("one", summary="First.")(lambda case: case.prompt())
    condition("two")(lambda case: case.prompt())
    assert get_condition("one").summary == "First."
    assert get_condition("two").summary == ""


def test_a_condition_has_chance_of_its_own_seeded_by_sample_and_name() -> None:
    def drawn(case: Case) -> Prompt:
        return case.prompt(caption=str(case.rng.random()))

    condition("dice")(drawn)
    condition("more-dice")(drawn)
    first, second = numbered(2)
    captions = {
        perturb(first, "dice").caption,
        perturb(second, "dice").caption,
        perturb(first, "more-dice").caption,
        perturb(first, "dice", seed=1).caption,
    }
    assert len(captions) == 4
    assert perturb(first, "dice") == perturb(first, "dice")


@pytest.mark.parametrize("name", ["Wrong-Caption", "wrong_caption", "", "-x", "a--b", "wrong caption"])
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"condition name {name!r}: use lower case words joined by hyphens"):
        condition(name)


@pytest.mark.parametrize("name", ["base", "zhao2026", "controls", "all"])
def test_a_name_that_is_taken_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=f"condition name '{name}' is already taken: choose another"):
        condition(name)


def test_planting_something_else_than_wrong_or_right_is_refused() -> None:
    with pytest.raises(UsageError, match="plants='rong' of condition 'x': allowed are 'wrong', 'right'"):
        condition("x", plants="rong")  # type: ignore[arg-type]


@pytest.mark.parametrize("attribute", ["claim", "option"])
def test_asking_for_a_claim_without_planting_is_refused(attribute: str) -> None:
    condition("unplanted")(lambda case: case.prompt(caption=getattr(case, attribute)))
    with pytest.raises(UsageError, match="'unplanted' asks for a claim, but was registered without plants="):
        perturb(CAR, "unplanted")


def test_a_condition_that_returns_something_else_than_a_prompt_is_refused() -> None:
    condition("texty")(lambda _case: "text")  # type: ignore[arg-type, return-value]
    with pytest.raises(UsageError, match="condition 'texty' returned str: it has to return a Prompt"):
        perturb(CAR, "texty")


def test_a_condition_that_fails_is_named_with_the_sample() -> None:
    @condition("breaks-down", plants="wrong")
    def breaks_down(case: Case) -> Prompt:
        """Raise an error."""
        raise KeyError(f"depth of {case.condition}")

    try:
        with pytest.raises(UsageError, match=r"failed on sample 'shapes-test-0-0' \(KeyError: 'depth of"):
            perturb(shapes_sample(0), "breaks-down")
    finally:
        unregister("breaks-down")
