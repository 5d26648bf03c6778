from __future__ import annotations

from typing import Any

import pytest

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import ReplyFormat, read_reply
from pytest_vlmrobust.errors import ModelError, UsageError
from pytest_vlmrobust.models.base import Answer, Model
from pytest_vlmrobust.models.scripted import ScriptedModel, reply

CHOICES = ("red", "blue")


def prompt(sample: str = "s1", condition: str = "base", **extra: Any) -> Prompt:
    return Prompt(
        sample_id=sample, condition=condition, images=(), question="Which?", choices=CHOICES, **extra
    )


OPEN = prompt(condition="wrong-think", thought="It looks blue.")
CLOSED = prompt(condition="stop-think", thought="Okay.", thought_closed=True)


def test_it_is_a_model() -> None:
    model = ScriptedModel({})
    assert isinstance(model, Model)
    assert model.info.spec == "scripted"
    assert model.reply_format == ReplyFormat()
    assert list(model.answer([])) == []
    model.close()


def test_a_pair_of_sample_and_condition_goes_before_the_sample() -> None:
    model = ScriptedModel({"s1": reply("A"), ("s1", "wrong-think"): reply("B")}, name="mine")
    answers = dict(model.answer([prompt(), OPEN, CLOSED]))
    assert [answers[index].text for index in range(3)] == [reply("A"), reply("B"), reply("A")]
    assert [answers[index].prefill for index in range(3)] == [
        "",
        "<think>It looks blue.",
        "<think>Okay.</think>",
    ]
    assert model.info.spec == "mine"


@pytest.mark.parametrize("asked", [prompt(), OPEN, CLOSED], ids=["base", "open thought", "closed thought"])
def test_a_reply_worded_for_a_prompt_is_read_as_meant(asked: Prompt) -> None:
    model = ScriptedModel(lambda given: reply("B", "It is blue.", prompt=given))
    ((_, answer),) = model.answer([asked])
    read = read_reply(answer.text, CHOICES, prefill=answer.prefill)
    assert read.letter == "B"
    assert (
        read.think
        == {
            "base": "It is blue.",
            "wrong-think": "It looks blue.It is blue.",
            "stop-think": "Okay.",
        }[asked.condition]
    )


def test_answers_are_passed_on_with_their_probabilities() -> None:
    given = Answer(text=reply("A"), letter_probs=(0.9, 0.1), letter_mass=0.8, truncated=True, tokens=7)
    ((_, answer),) = ScriptedModel({"s1": given}).answer([OPEN])
    assert answer == Answer(
        text=reply("A"),
        prefill="<think>It looks blue.",
        letter_probs=(0.9, 0.1),
        letter_mass=0.8,
        truncated=True,
        tokens=7,
    )
    ((_, kept),) = ScriptedModel(lambda _: Answer(text="", prefill="mine")).answer([OPEN])
    assert kept.prefill == "mine"


def test_a_missing_reply_names_sample_condition_and_near_misses() -> None:
    model = ScriptedModel({"s2": "x", ("s11", "base"): "y", "other": "z"})
    with pytest.raises(
        ModelError, match="sample 's1' under 'base': the script has no reply; like it are 's11'"
    ):
        list(model.answer([prompt()]))
    with pytest.raises(ModelError, match=r"the script has no reply\. Add one for the sample id"):
        list(ScriptedModel({}).answer([prompt()]))


def test_a_reply_of_another_type_is_refused() -> None:
    silent: Any = lambda _: None  # noqa: E731
    with pytest.raises(ModelError, match="the script gave a NoneType; a reply is a str or an Answer"):
        list(ScriptedModel(silent).answer([prompt()]))


@pytest.mark.parametrize("probs", [(1.0,), (0.5, 0.6), (1.5, -0.5), (0.2, 0.3, 0.5)])
def test_probabilities_that_are_none_are_refused(probs: tuple[float, ...]) -> None:
    with pytest.raises(ModelError, match="one probability for each of the 2 choices"):
        list(ScriptedModel({"s1": Answer(text="", letter_probs=probs)}).answer([prompt()]))


def test_an_unknown_dialect_is_refused_at_once() -> None:
    with pytest.raises(UsageError, match="unknown dialect 'plane': did you mean 'plain'"):
        ScriptedModel({}, dialect="plane")
