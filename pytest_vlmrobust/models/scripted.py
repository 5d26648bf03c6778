"""A model that replays given replies, so that tests of models can themselves be tested."""

from __future__ import annotations

import difflib
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import ReplyFormat
from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.models.base import Answer, ModelInfo
from pytest_vlmrobust.models.dialects import Dialect, get_dialect

Replies = Mapping[Any, str | Answer]
"""Replies by sample id, or by (sample id, condition); keys of both kinds may be mixed."""

Replier = Callable[[Prompt], str | Answer]


def reply(letter: str, think: str = "", *, prompt: Prompt | None = None) -> str:
    """Word a reply with a thought and a letter.

    Args:
        letter: what stands between the answer tags.
        think: the thought; with none, there is no think block.
        prompt: what is answered. Where it already began the thought, the reply goes on from there and
            closes it; where it closed the thought too, the reply is the answer alone.

    >>> reply("B", "It is red.")
    '<think>It is red.</think><answer>B</answer>'
    >>> reply("B")
    '<answer>B</answer>'
    """
    layout = ReplyFormat()
    answer = f"{layout.answer_open}{letter}{layout.answer_close}"
    if prompt is not None and prompt.thought:
        return answer if prompt.thought_closed else f"{think}{layout.think_close}{answer}"
    return f"{layout.think_open}{think}{layout.think_close}{answer}" if think else answer


class ScriptedModel:
    """Answers from a script, and runs no network at all.

    Args:
        replies: a mapping from sample id or (sample id, condition), the pair going first, or a function of
            the prompt. A reply is the text, or an `Answer` where letter probabilities, truncation or a token
            count matter.
        dialect: how prompts are worded, which decides the prefill.
        name: what reports call the model.

    >>> from pytest_vlmrobust.models.scripted import ScriptedModel, reply
    >>> always_a = ScriptedModel(lambda prompt: reply("A", "It looks like A.", prompt=prompt))
    >>> always_a.info.spec
    'scripted'
    """

    def __init__(
        self, replies: Replies | Replier, *, dialect: Dialect | str = "plain", name: str = "scripted"
    ) -> None:
        """Keep the script; nothing is asked of it yet."""
        self._replies = replies
        self._dialect = get_dialect(dialect) if isinstance(dialect, str) else dialect
        self._name = name

    @property
    def info(self) -> ModelInfo:
        """Provenance: the name, and that it is scripted."""
        return ModelInfo(spec=self._name, details={"class": "ScriptedModel", "dialect": self._dialect.name})

    @property
    def reply_format(self) -> ReplyFormat:
        """The dialect's layout."""
        return self._dialect.reply

    def answer(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        """Answer each prompt from the script, in order.

        Raises:
            ModelError: the script has no reply for a prompt, or one that is no reply.
        """
        for index, prompt in enumerate(prompts):
            given = self._replies(prompt) if callable(self._replies) else _look_up(self._replies, prompt)
            prefill = self._dialect.render(prompt).prefill
            if isinstance(given, str):
                yield index, Answer(text=given, prefill=prefill)
            elif isinstance(given, Answer):
                _check_probs(given, prompt)
                yield index, replace(given, prefill=given.prefill or prefill)
            else:
                raise ModelError(
                    f"{_where(prompt)}: the script gave a {type(given).__name__}; a reply is a str or an "
                    "Answer"
                )

    def close(self) -> None:
        """Nothing to free."""


def _where(prompt: Prompt) -> str:
    return f"sample {prompt.sample_id!r} under {prompt.condition!r}"


def _look_up(replies: Replies, prompt: Prompt) -> str | Answer:
    for key in ((prompt.sample_id, prompt.condition), prompt.sample_id):
        if key in replies:
            return replies[key]
    known = sorted({key if isinstance(key, str) else key[0] for key in replies})
    near = difflib.get_close_matches(prompt.sample_id, known, n=3, cutoff=0.6)
    hint = f"; like it are {', '.join(map(repr, near))}" if near else ""
    raise ModelError(
        f"{_where(prompt)}: the script has no reply{hint}. Add one for the sample id, or for "
        "(sample id, condition)"
    )


def _check_probs(answer: Answer, prompt: Prompt) -> None:
    probs = answer.letter_probs
    if probs is None:
        return
    if (
        len(probs) != len(prompt.choices)
        or any(not 0.0 <= p <= 1.0 for p in probs)
        or not math.isclose(sum(probs), 1.0, abs_tol=1e-6)
    ):
        raise ModelError(
            f"{_where(prompt)}: letter_probs={probs!r}; give one probability for each of the "
            f"{len(prompt.choices)} choices, in [0, 1] and summing to 1"
        )
