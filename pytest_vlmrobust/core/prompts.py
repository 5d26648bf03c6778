"""What one condition asks of a model, before any model family's own wording.

A `Prompt` is structured on purpose: where the caption stands, which tags open a thought and how
the answer is asked for belong to the dialect of the model (`models/dialects.py`), not to the
condition.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_vlmrobust.core.samples import LETTERS, ImageSource


@dataclass(frozen=True, kw_only=True)
class Prompt:
    """One sample under one condition.

    Attributes:
        sample_id: the sample that was perturbed.
        condition: the name of the condition.
        images: the images to show, in order.
        question: the question, unchanged.
        choices: the option texts in the order shown; the first is "A".
        caption: text that stands before the question, or "".
        thought: how the assistant's turn is made to begin, inside the think block and
            without its tags; "" leaves the turn to the model.
        thought_closed: True when the planted thought is complete, so that the model has to answer
            at once; False when the model thinks on from there.
        planted: the letter that caption or thought asserts, or None when they assert none.
        abstention: the letter of the option by which a model declines to answer, or None when there is none.
    """

    sample_id: str
    condition: str
    images: tuple[ImageSource, ...]
    question: str
    choices: tuple[str, ...]
    caption: str = ""
    thought: str = ""
    thought_closed: bool = False
    planted: str | None = None
    abstention: str | None = None

    @property
    def letters(self) -> tuple[str, ...]:
        """The labels of the options, "A" first."""
        return LETTERS[: len(self.choices)]

    @property
    def planted_text(self) -> str:
        """What was planted, for a person to read: the caption or the thought."""
        return self.caption or self.thought
