"""Every dialect on a random model of its architecture, behind a chat template of its kind."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import pytest
import torch

from pytest_vlmrobust.core.replies import read_reply
from pytest_vlmrobust.models.base import Answer
from pytest_vlmrobust.models.chat import Row
from pytest_vlmrobust.models.dialects import get_dialect
from pytest_vlmrobust.models.transformers import TransformersModel
from pytest_vlmrobust.models.transformers.encoding import InputEncoder
from tests.unit import chat_templates
from tests.unit.dialect_models import ARCHITECTURES, DialectModels
from tests.unit.opened_models import CHOICES, PROMPTS, Opened, ask, assert_alike, opened
from tests.unit.random_models import constrain, write_llava

ASKED = PROMPTS[:8]


@pytest.fixture(scope="module")
def speakers(tmp_path_factory: pytest.TempPathFactory) -> DialectModels:
    return DialectModels(tmp_path_factory)


@pytest.fixture(params=list(ARCHITECTURES))
def name(request: pytest.FixtureRequest) -> str:
    asked: str = request.param
    return asked


@pytest.fixture
def model(speakers: DialectModels, name: str) -> Iterator[TransformersModel]:
    model, stop = speakers.speaking(name)
    yield model
    stop()


def check(model: TransformersModel, answers: list[Answer]) -> None:
    """Each reply is read, goes on from what was planted, and has probabilities of its options."""
    assert len(answers) in (4, 8)
    for prompt, answer in zip(ASKED, answers, strict=False):
        read = read_reply(answer.text, CHOICES, dialect=model.reply_format, prefill=answer.prefill)
        assert read.letter is not None, answer
        assert prompt.thought in answer.prefill
        assert read.think is not None
        assert prompt.thought in read.think
        assert not answer.truncated
        assert answer.letter_probs is not None, answer
        assert answer.letter_mass is not None
        assert sum(answer.letter_probs) == pytest.approx(1.0)
        assert 0.5 < answer.letter_mass <= 1.0


def test_a_dialect_is_spoken_from_end_to_end(
    speakers: DialectModels, model: TransformersModel, name: str
) -> None:
    answers = ask(model, ASKED)
    check(model, answers)
    assert len({answer.text for answer in answers}) > 2
    reference, stop = speakers.speaking(name, reference=True)
    stop()
    assert_alike(answers[:4], ask(reference, ASKED[:4]))
    assert model.info.details["path"] == ("shared-image" if name == "gemma3" else "shared-prefix")
    assert model.info.details["dialect"] == name


def mass_of(subject: Opened, row: Row, begun: str, text: str) -> float:
    """Run the network along the tokens of a text behind a prompt and the beginning of its reply."""
    encoder, tokenizer = InputEncoder(subject.loaded), subject.loaded.tokenizer
    prompt, before = encoder.encode([row]), tokenizer.encode(begun)
    path = tokenizer.encode(begun + text)[len(before) :]
    mass = 1.0
    for place, token in enumerate(path):
        inputs = encoder.extend(prompt, [*before, *path[:place]])
        assert inputs is not None
        with torch.inference_mode():
            mass *= subject.loaded.model(**inputs).logits[0, -1].double().softmax(-1)[token].item()
    return mass


def test_probabilities_of_options_in_their_own_words_are_those_of_their_tokens(
    speakers: DialectModels,
) -> None:
    model, stop = speakers.speaking("vigorl")
    answer = ask(model, ASKED[:1])[0]
    row = model._chat.render(ASKED[0])
    read = read_reply(answer.text, CHOICES, dialect=model.reply_format)
    assert read.text_span is not None
    begun = answer.text[: read.text_span[0]]
    space = " " if begun.endswith(" ") else ""
    masses = [
        mass_of(speakers.subject("vigorl"), row, begun.removesuffix(" "), space + choice)
        for choice in CHOICES
    ]
    stop()
    assert answer.letter_mass == pytest.approx(sum(masses), abs=1e-4)
    assert answer.letter_probs == pytest.approx([mass / sum(masses) for mass in masses], abs=1e-4)


@pytest.mark.parametrize("choices", [("A dog", "B dog"), ("A", "B")])
@pytest.mark.parametrize("reference", [False, True])
def test_an_option_that_is_written_as_one_with_the_tag_before_it(
    tmp_path: Path, choices: tuple[str, ...], reference: bool
) -> None:
    """In this vocabulary ``>A`` is one token and ``>B`` two."""
    subject = opened(write_llava(tmp_path / "model", vocabulary="mixed"))
    dialect = replace(get_dialect("vigorl"), system="")
    subject = replace(subject, checkpoint=replace(subject.checkpoint, dialect=dialect))
    prompt = replace(ASKED[0], choices=choices)
    subject.hook.remove()
    begun = "<think>it is</think><answer"
    replies = [f"{begun}>{choice}</answer>" for choice in choices]
    constrain(subject.loaded.model, subject.loaded.tokenizer, replies, canonical=True)
    model = subject.again(reference=reference)
    (answer,) = ask(model, [prompt])
    assert answer.text in replies
    row = model._chat.render(prompt)
    masses = [mass_of(subject, row, begun, f">{choice}") for choice in prompt.choices]
    assert min(masses) > 0.1
    assert answer.letter_mass == pytest.approx(sum(masses), abs=1e-4)
    assert answer.letter_probs == pytest.approx([mass / sum(masses) for mass in masses], abs=1e-4)


@pytest.mark.parametrize(
    ("name", "source", "fit", "begins"),
    [
        ("plain", chat_templates.QWEN3_VL_THINKING, "the chat template opens the thought", "The blue circle"),
        ("qwen3-vl-thinking", chat_templates.QWEN3_VL, "", "<think>\nThe blue circle"),
        ("vigorl", chat_templates.GROUNDED, "the chat template's own system turn", "<think>The blue circle"),
    ],
)
def test_a_dialect_is_adapted_to_the_template(
    speakers: DialectModels, name: str, source: str, fit: str, begins: str
) -> None:
    model, stop = speakers.speaking(name, source=source, before="<think>\n" if name == "plain" else None)
    answers = ask(model, ASKED[:4])
    stop()
    check(model, answers)
    assert model.info.details.get("dialect_fit", "") == fit
    assert [answer.prefill for answer in answers][2] == begins
    assert model.reply_format.think_preopened is (name == "plain")
    text = model._chat.render(ASKED[2]).text
    assert text.count("<|im_start|>system") == (name == "vigorl")
    assert text.endswith(begins)
    assert text.count("<think>") == (2 if name != "qwen3-vl-thinking" else 1)
