"""What the rest of the package expects of a model."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Protocol, runtime_checkable

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import ReplyFormat


@dataclass(frozen=True, kw_only=True)
class Answer:
    """What a model gave back for one prompt.

    Attributes:
        text: the generated text, without the prefill.
        prefill: the text that the assistant's turn was made to begin with, tags included; "" if none.
        letter_probs: P(letter) over the sample's letters, renormalised, in their order, at the
            step that emitted the answer letter; where a model answers in the options' own words,
            P(text of the option). None when neither was emitted or the model gives no probabilities.
        letter_mass: the un-normalised probability of all the letters together, in [0, 1], or None.
        truncated: True when the token limit ended the reply.
        tokens: how many tokens were generated.
        tokens_in: how many tokens the prompt had, where a server counts them for money; else 0.
        approximate: True when the turn could not be begun with the prompt's thought, so that the thought
            was asked for in the prompt instead.
        reasoning_hidden: True when the model has reasoned where nobody can read it.
        failure: why there is no reply at all, or ""; such an answer is never kept.
    """

    text: str
    prefill: str = ""
    letter_probs: tuple[float, ...] | None = None
    letter_mass: float | None = None
    truncated: bool = False
    tokens: int = 0
    tokens_in: int = 0
    approximate: bool = False
    reasoning_hidden: bool = False
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class ModelInfo:
    """Where a model came from, for the report.

    Attributes:
        spec: the spec that the user gave.
        digest: hash of weights and configuration, or "" when there is none.
        details: device, dtype, class, dialect and whatever else changes an answer.
    """

    spec: str
    digest: str = ""
    details: Mapping[str, str] = field(default_factory=dict)


@runtime_checkable
class Model(Protocol):
    """A vision-language model that answers multiple-choice prompts."""

    @property
    def info(self) -> ModelInfo:
        """Provenance."""
        ...

    @property
    def reply_format(self) -> ReplyFormat:
        """How this model's replies are laid out."""
        ...

    def answer(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        """Answer every prompt once, yielding (index into ``prompts``, answer) as each is done.

        The order is free: a model may sort prompts into batches. Prompts of one sample
        are given side by side.

        Raises:
            ModelError: the model cannot go on.
        """
        ...

    def close(self) -> None:
        """Free what the model holds; it is not used afterwards."""
        ...


@runtime_checkable
class Storable(Model, Protocol):
    """A model whose replies can be kept: it says what each of them depends on."""

    def reply_key(self, prompt: Prompt) -> str:
        """Return a hex digest of everything that the reply to a prompt depends on, by content.

        Weights, type of the numbers, way of computing, the exact text, the images' bytes, generation
        settings. Never a name alone.
        """
        ...

    def answer_batches(self, prompts: Sequence[Prompt]) -> Iterator[Sequence[tuple[int, Answer]]]:
        """Answer like `answer`, and yield all replies of one batch together.

        A reply depends on nothing outside of its batch. Batches are cut in a fixed order, so
        that leaving out the prompts of whole batches leaves the others as they are.
        """
        ...
