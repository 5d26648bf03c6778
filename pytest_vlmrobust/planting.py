"""Which wrong option the misleading conditions assert.

``random`` takes one by the seed and the sample's id. ``runner-up`` takes the wrong option that the model
itself found most probable under ``base``, which is the harder attack: so ``base`` is asked first.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Literal, get_args

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.core.seeding import seeded
from pytest_vlmrobust.errors import UsageError, unknown_name
from pytest_vlmrobust.models.base import Answer

Plant = Literal["random", "runner-up"]
"""How the planted option is chosen."""

RANDOM: Plant = "random"
RUNNER_UP: Plant = "runner-up"


def check_plant(plant: str) -> Plant:
    """Return the name of a way to choose the planted option.

    Raises:
        UsageError: it is none; near misses are named.

    >>> check_plant("runner-up")
    'runner-up'
    """
    if plant in (RANDOM, RUNNER_UP):
        return RANDOM if plant == RANDOM else RUNNER_UP
    raise unknown_name("plant", plant, get_args(Plant))


class Plants:
    """The options that a model's own answers under ``base`` choose.

    Attributes:
        planted: by sample id, the index of the wrong option that is planted.
        unknown: for how many samples the model gave no probabilities, so that the seed chooses.
        ties: for how many the most probable wrong options are equally so, and the seed chooses of these.
    """

    def __init__(self, seed: int) -> None:
        """Know no answer yet."""
        self.planted: dict[str, int] = {}
        self.unknown = 0
        self.ties = 0
        self._seed = seed
        self._reason = ""

    def take(self, sample: Sample, prompt: Prompt, answer: Answer) -> None:
        """Learn from the answer to a sample under ``base``."""
        most = _most_probable(sample, prompt, answer)
        if most:
            self.planted[sample.id] = _drawn(sample, most, self._seed)
            self.ties += len(most) > 1
        else:
            self.unknown += 1
            self._reason = self._reason or answer.failure

    def counts(self) -> dict[str, int]:
        """Return for how many samples the seed chose, for the report; ties only where there are any."""
        return {"unknown": self.unknown, **({"ties": self.ties} if self.ties else {})}

    def check(self, model: str) -> None:
        """Refuse a model that has given no probabilities at all: every option would be a random one.

        Raises:
            UsageError: it has given none so far.
        """
        if self.unknown and not self.planted:
            why = f" (the first reason: {self._reason})" if self._reason else ""
            raise UsageError(
                f"plant='runner-up' needs the probabilities of the letters under base, and model {model!r} "
                f"gave none for {self.unknown} samples{why}; use plant='random', or a model that gives them"
            )


def runner_up(sample: Sample, prompt: Prompt, answer: Answer, *, seed: int) -> int | None:
    """Return the index of the wrong option that an answer finds most probable.

    Args:
        sample: the sample.
        prompt: how it was asked; its options may stand in another order.
        answer: the answer.
        seed: decides, with the sample's id, between options of equal probability.

    Returns:
        The index among the sample's options; None where the answer has no probabilities, or some that are
        no numbers.
    """
    most = _most_probable(sample, prompt, answer)
    return _drawn(sample, most, seed) if most else None


def _most_probable(sample: Sample, prompt: Prompt, answer: Answer) -> list[int]:
    """Return the wrong options that are most probable; none where the probabilities are not known."""
    if answer.failure or answer.letter_probs is None:
        return []
    probs = _in_order(sample, prompt, answer.letter_probs)
    if not all(map(math.isfinite, probs)):
        return []
    wrong = [index for index in range(len(sample.choices)) if index != sample.answer]
    most = max(probs[index] for index in wrong)
    return [index for index in wrong if probs[index] == most]


def _drawn(sample: Sample, options: Sequence[int], seed: int) -> int:
    return seeded(seed, sample.id, "plant").choice(options)


def _in_order(sample: Sample, prompt: Prompt, probs: Sequence[float]) -> list[float]:
    """Give each option of the sample its probability, 0 where the prompt does not show it."""
    shown = dict(zip(prompt.choices, probs, strict=True))
    return [shown.get(choice, 0.0) for choice in sample.choices]
