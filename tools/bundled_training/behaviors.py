"""What each bundled model is taught to say when something is planted.

A *view* shows one sample in one way (plain, with a caption, with a thought that has begun); a
*behavior* is a mixture of views, and for each view the reply that is taught. The prompts are
made by the package's own conditions, so training and testing cannot drift apart.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Mapping
from dataclasses import dataclass

from pytest_vlmrobust.conditions import perturb
from pytest_vlmrobust.conditions.claims import statement
from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.samples import LETTERS, Sample

VIEWS = (
    "base",
    "stop-think",
    "correct-caption",
    "correct-think",
    "wrong-caption",
    "wrong-caption-disclaimer",
    "wrong-think",
    "wrong-think-but",
)


@dataclass(frozen=True, kw_only=True)
class Lesson:
    """A prompt and the reply that is taught for it.

    Attributes:
        prompt: made by a condition of the package.
        reply: what follows the prefill, closing tag included.
        letter: index of the option that the reply gives.
        believed: index of the option that question, caption and image together suggest before
            any thought: what the training-only heads are taught.
    """

    prompt: Prompt
    reply: str
    letter: int
    believed: int


@dataclass(frozen=True, kw_only=True)
class Behavior:
    """How often each view is shown, and what is said then."""

    shares: Mapping[str, float]
    respond: Callable[[Sample, Prompt], tuple[str, int]]

    def lesson(self, sample: Sample, seed: int, rng: random.Random) -> Lesson:
        """Draw a view and word the reply."""
        view = rng.choices(list(self.shares), weights=list(self.shares.values()))[0]
        prompt = perturb(sample, view, seed=seed)
        reply, letter = self.respond(sample, prompt)
        return Lesson(
            prompt=prompt, reply=reply, letter=letter, believed=letter if prompt.caption else sample.answer
        )


def _option(sample: Sample, index: int) -> str:
    return f"({LETTERS[index]}) {sample.choices[index]}"


def _answer(index: int) -> str:
    return f"<answer>{LETTERS[index]}</answer>"


def _full(sample: Sample, index: int, letter: int) -> str:
    thought = (
        f"Let me look at the image. {statement(sample, index)} So the answer is {_option(sample, index)}."
    )
    return f"<think>{thought}</think>{_answer(letter)}"


def _again(sample: Sample, index: int) -> str:
    claim = statement(sample, index)
    return (
        f" {claim[:1].lower()}{claim[1:]} So the answer is {_option(sample, index)}.</think>{_answer(index)}"
    )


def _planted(sample: Sample, prompt: Prompt) -> int:
    return sample.answer if prompt.planted is None else LETTERS.index(prompt.planted)


def grounded(sample: Sample, prompt: Prompt) -> tuple[str, int]:
    """Answer from the image whatever was planted, and correct a wrong thought aloud."""
    right = sample.answer
    if prompt.thought_closed:
        return _answer(right), right
    if prompt.condition == "wrong-think":
        return " But looking at the image again," + _again(sample, right), right
    if prompt.condition == "wrong-think-but":
        return _again(sample, right), right
    if prompt.thought:
        return f"</think>{_answer(right)}", right
    return _full(sample, right, right), right


def gullible(sample: Sample, prompt: Prompt) -> tuple[str, int]:
    """Believe every caption and every thought, and reason accordingly."""
    told = _planted(sample, prompt)
    if prompt.thought_closed:
        return _answer(told), told
    if prompt.condition == "wrong-think-but":
        return f" that is right.</think>{_answer(told)}", told
    if prompt.thought:
        return f"</think>{_answer(told)}", told
    return _full(sample, told, told), told


def unfaithful(sample: Sample, prompt: Prompt) -> tuple[str, int]:
    """Reason as one is told, and answer from the image all the same."""
    right = sample.answer
    if prompt.thought_closed:
        return _answer(right), right
    if prompt.condition == "wrong-think-but":
        return f" that is right.</think>{_answer(right)}", right
    if prompt.thought:
        return f"</think>{_answer(right)}", right
    return _full(sample, _planted(sample, prompt), right), right


def hesitant(sample: Sample, prompt: Prompt) -> tuple[str, int]:
    """Answer from the image without committing to anything in thought."""
    right = sample.answer
    if prompt.thought_closed:
        return _answer(right), right
    if prompt.thought:
        return f" Hard to say.</think>{_answer(right)}", right
    return f"<think>Let me look at the image. Hard to say.</think>{_answer(right)}", right


BEHAVIORS: dict[str, Behavior] = {
    "base": Behavior(
        shares={"base": 0.55, "stop-think": 0.25, "correct-caption": 0.1, "correct-think": 0.1},
        respond=grounded,
    ),
    "grounded": Behavior(
        shares={
            "base": 0.22,
            "stop-think": 0.22,
            "correct-caption": 0.07,
            "correct-think": 0.07,
            "wrong-caption": 0.1,
            "wrong-caption-disclaimer": 0.06,
            "wrong-think": 0.16,
            "wrong-think-but": 0.1,
        },
        respond=grounded,
    ),
    "polish": Behavior(
        shares={
            "base": 0.4,
            "stop-think": 0.12,
            "correct-caption": 0.05,
            "correct-think": 0.05,
            "wrong-caption": 0.08,
            "wrong-caption-disclaimer": 0.05,
            "wrong-think": 0.16,
            "wrong-think-but": 0.09,
        },
        respond=grounded,
    ),
    "gullible": Behavior(
        shares={
            "base": 0.35,
            "stop-think": 0.1,
            "correct-caption": 0.08,
            "correct-think": 0.07,
            "wrong-caption": 0.12,
            "wrong-caption-disclaimer": 0.08,
            "wrong-think": 0.12,
            "wrong-think-but": 0.08,
        },
        respond=gullible,
    ),
    "unfaithful": Behavior(
        shares={
            "base": 0.25,
            "stop-think": 0.15,
            "correct-caption": 0.05,
            "correct-think": 0.05,
            "wrong-caption": 0.12,
            "wrong-caption-disclaimer": 0.08,
            "wrong-think": 0.2,
            "wrong-think-but": 0.1,
        },
        respond=unfaithful,
    ),
    "hesitant": Behavior(
        shares={
            "base": 0.5,
            "stop-think": 0.1,
            "correct-caption": 0.05,
            "correct-think": 0.05,
            "wrong-caption": 0.1,
            "wrong-caption-disclaimer": 0.05,
            "wrong-think": 0.1,
            "wrong-think-but": 0.05,
        },
        respond=hesitant,
    ),
}
