"""Has replies read, or recalls how they were read."""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_vlmrobust.core.letters import Unread
from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import READER_VERSION, ReplyFormat, read_reply
from pytest_vlmrobust.core.samples import LETTERS
from pytest_vlmrobust.models.base import Answer
from pytest_vlmrobust.stored import recalled

if TYPE_CHECKING:
    from pytest_vlmrobust.store import Store

_REASONS = ("", *Unread)


@dataclass(frozen=True, slots=True)
class Content:
    """What a reply says.

    Attributes:
        letter: the letter that it answers with, or None when it is unparsed.
        think: its thought, a planted beginning included, or None.
        reason: why it is unparsed, or "".
    """

    letter: str | None
    think: str | None
    reason: str


class Reader:
    """Reads the replies of one model."""

    def __init__(self, layout: ReplyFormat, store: Store | None) -> None:
        """Take the layout of the replies, and the store to look into before reading."""
        self._layout = layout
        self._store = store
        self._fixed = _what_reading_depends_on(layout) if store is not None else ()

    def read(self, replies: Sequence[tuple[Prompt, Answer]]) -> list[Content]:
        """Read replies; one content for each, in order.

        Raises:
            StoreError: the store is damaged.
        """
        if self._store is None:
            return [self._read(prompt, answer) for prompt, answer in replies]
        from pytest_vlmrobust.keys import content_key

        wholes = [answer.prefill + answer.text for _, answer in replies]
        return recalled(
            self._store,
            "reading",
            [
                content_key("reading", *self._fixed, prompt.choices, answer.text, answer.prefill)
                for prompt, answer in replies
            ],
            make=lambda indices: [self._read(*replies[index]) for index in indices],
            write=lambda index, content: _to_text(content, wholes[index]),
            read=lambda index, text: _from_text(text, wholes[index]),
        )

    def _read(self, prompt: Prompt, answer: Answer) -> Content:
        reply = read_reply(answer.text, prompt.choices, dialect=self._layout, prefill=answer.prefill)
        return Content(reply.letter, reply.think, str(reply.reason or ""))


def _what_reading_depends_on(layout: ReplyFormat) -> tuple[str | list[str], ...]:
    from pytest_vlmrobust.keys import source_digest

    return source_digest(), str(READER_VERSION), layout.lines()


def _to_text(content: Content, whole: str) -> str | None:
    """Write what was read; of the thought only its place, since its text is in the reply."""
    place = None
    if content.think is not None:
        start = whole.find(content.think)
        if start < 0:  # put together from several pieces
            return None
        place = [start, start + len(content.think)]
    return json.dumps([content.letter, place, content.reason], separators=(",", ":"))


def _from_text(text: str, whole: str) -> Content:
    match json.loads(text):
        case [letter, place, reason] if (letter is None or letter in LETTERS) and reason in _REASONS:
            return Content(letter, None if place is None else _piece(whole, place), reason)
    raise ValueError(f"{text!r:.80} is no reading of a reply")


def _piece(whole: str, place: object) -> str:
    match place:
        case [int(start), int(end)] if 0 <= start <= end <= len(whole):
            return whole[start:end]
    raise ValueError(f"{place!r:.80} is no place in a reply of {len(whole)} characters")
