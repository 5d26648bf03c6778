"""Where a reply ends."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from transformers import StoppingCriteria

from pytest_vlmrobust.core.replies import ReplyFormat


class ReplyEnd:
    """Ends a reply at an end-of-sequence token or at the closing tag of its answer, however it is tokenized.

    A closing tag inside the thought is only talked about: it ends nothing.
    """

    def __init__(self, tokenizer: Any, layout: ReplyFormat, eos: frozenset[int]) -> None:
        """Scan the vocabulary once for the tokens that can close a tag."""
        self.eos = eos
        self._tokenizer = tokenizer
        self._layout = layout
        self._closing = _closing_ids(tokenizer, layout)

    def ended(self, prefill: str, ids: Sequence[int]) -> bool:
        """Tell whether the newest token ends a reply.

        Args:
            prefill: what the reply was made to begin with.
            ids: the tokens that were generated so far, at least one.
        """
        newest = ids[-1]
        if newest in self.eos:
            return True
        if self._closing is not None and newest not in self._closing:
            return False
        return closes_answer(prefill + self._tokenizer.decode(ids), len(prefill), self._layout)


class EndOfReplies(StoppingCriteria):
    """Tells the library's ``generate`` which rows of a batch have ended."""

    def __init__(self, end: ReplyEnd) -> None:
        """Keep what does not change from batch to batch; `start` begins one."""
        self._end = end

    def start(self, prefills: Sequence[str], prompt_length: int) -> None:
        """Begin a batch: the rows' prefills, and how many tokens come before the replies."""
        self._prefills = list(prefills)
        self._prompt_length = prompt_length
        self.lengths: list[int | None] = [None] * len(prefills)

    def __call__(
        self,
        input_ids: torch.LongTensor,
        scores: Any,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> torch.BoolTensor:
        """Return for each row whether it has ended; ``input_ids`` is (rows, tokens)."""
        for row, ids in enumerate(input_ids[:, self._prompt_length :].tolist()):
            if self.lengths[row] is None and self._end.ended(self._prefills[row], ids):
                self.lengths[row] = len(ids)
        ended = [length is not None for length in self.lengths]
        return torch.tensor(ended, device=input_ids.device)  # type: ignore[return-value]


def closes_answer(text: str, start: int, layout: ReplyFormat) -> bool:
    """Tell whether a reply has closed an answer after its thought.

    Args:
        text: prefill and reply so far.
        start: length of the prefill.
        layout: the reply's tags.
    """
    thinking = layout.think_preopened
    for tag, _, end in layout.tags(text):
        if tag in ("think_open", "think_close"):
            thinking = tag == "think_open"
        elif tag == "answer_close" and not thinking and end > start:
            return True
    return False


def _closing_ids(tokenizer: Any, layout: ReplyFormat) -> frozenset[int] | None:
    """Return the tokens that can end a closing tag, so that only they cost a look; None for all."""
    last = layout.answer_close.strip()[-1]
    if not last.isascii() or last.isalnum():
        return None
    return frozenset(index for token, index in tokenizer.get_vocab().items() if last in token)
