"""Reading a model's reply: its thought, and the letter it answers with.

A reply that cannot be read is unparsed, with a reason; it is never guessed. The letter is read
after the think block only: a thought that was cut off is no answer, whatever it says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field

from pytest_vlmrobust.core.letters import Reading, Unread, read_letter
from pytest_vlmrobust.core.samples import LETTERS
from pytest_vlmrobust.errors import UsageError, unknown_name

_TAG_FIELDS = ("think_open", "think_close", "answer_open", "answer_close")

READER_VERSION = 1
"""Raised whenever the same reply may be read differently; part of what a stored result is known by."""


def _lenient(tag: str) -> str:
    """Build a pattern for a tag that allows spaces around its parts ("< / think >")."""
    return r"\s*".join(re.escape(part) for part in re.findall(r"\w+|[^\w\s]", tag))


@dataclass(frozen=True, kw_only=True)
class ReplyFormat:
    """The tags around a thought and an answer.

    Tags are found in any case and with spaces inside ("< Think >").

    Attributes:
        think_open: what opens a thought.
        think_close: what closes it.
        answer_open: what opens an answer.
        answer_close: what closes it.
        think_preopened: True when the model's chat template itself opens the thought, so
            that a reply without any tag is an unfinished thought and not an answer.
    """

    think_open: str = "<think>"
    think_close: str = "</think>"
    answer_open: str = "<answer>"
    answer_close: str = "</answer>"
    think_preopened: bool = False
    _tags: re.Pattern[str] = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse tags that could not be told apart."""
        tags = {name: getattr(self, name) for name in _TAG_FIELDS}
        for name, tag in tags.items():
            if not tag.strip():
                raise UsageError(f"ReplyFormat.{name} is empty: give the text that marks this place")
        if len({"".join(tag.casefold().split()) for tag in tags.values()}) < len(tags):
            raise UsageError(f"ReplyFormat: the tags {list(tags.values())!r} are not distinct")
        pattern = "|".join(f"(?P<{name}>{_lenient(tag)})" for name, tag in tags.items())
        object.__setattr__(self, "_tags", re.compile(pattern, re.IGNORECASE))

    def tags(self, text: str) -> list[tuple[str, int, int]]:
        """Return every tag in ``text`` as (field name, start, end), in order."""
        return [(m.lastgroup or "", m.start(), m.end()) for m in self._tags.finditer(text)]


REPLY_FORMATS = {"plain": ReplyFormat()}
"""The layouts that are known by name."""


@dataclass(frozen=True, kw_only=True)
class Reply:
    """What was read from a reply.

    Attributes:
        letter: the letter of the option that was answered, or None when the reply is unparsed.
        think: the text of the think block without its tags, a planted beginning included; None
            when there is none.
        answer_text: the text that the letter was read from; "" when nothing follows the thought.
        answer_span: (start, end) of the letter in the generated text, which the step that emitted it
            can be found by; None when unparsed or when the option's text was given instead.
        reason: why the reply is unparsed, or None when it is not.
    """

    letter: str | None
    think: str | None
    answer_text: str
    answer_span: tuple[int, int] | None
    reason: Unread | None


def read_reply(
    text: str, choices: Sequence[str], *, dialect: ReplyFormat | str = "plain", prefill: str = ""
) -> Reply:
    """Read the thought and the answer's letter from a reply.

    Args:
        text: what the model generated.
        choices: 2 to 8 option texts; the first is "A".
        dialect: the layout of the reply, or the name of a known one.
        prefill: what the assistant's turn was made to begin with, tags included. It belongs to
            the thought, but a letter in it is never the model's answer.

    Raises:
        UsageError: the dialect's name is unknown, or there are not 2 to 8 choices.

    >>> reply = read_reply("<think>It is red.</think><answer>B</answer>", ["blue", "red"])
    >>> reply.letter, reply.think, reply.answer_span
    ('B', 'It is red.', (33, 34))
    >>> read_reply("<think>So the answer is B", ["blue", "red"]).reason
    <Unread.TRUNCATED: 'truncated'>
    """
    if not 2 <= len(choices) <= len(LETTERS):
        raise UsageError(f"choices has {len(choices)} entries; 2 to {len(LETTERS)} are allowed")
    layout = _known_format(dialect) if isinstance(dialect, str) else dialect
    whole = prefill + text
    tags = layout.tags(whole)
    think, after = _split_thought(whole, tags, preopened=layout.think_preopened)
    if after is None:
        return Reply(letter=None, think=think, answer_text="", answer_span=None, reason=Unread.TRUNCATED)
    start, end, closed = _answer_block([tag for tag in tags if tag[1] >= after], after, len(whole))
    planted = len(prefill)
    if not closed:
        end -= _cut_tag(whole[start:end], layout.answer_close)
    start, end = max(start, planted), max(end, planted)
    answer = whole[start:end].strip()
    start = whole.index(answer, start)
    reading = read_letter(answer, choices)
    if not closed and not answer:
        reading = Reading(reason=Unread.TRUNCATED)
    return Reply(
        letter=None if reading.choice is None else LETTERS[reading.choice],
        think=think,
        answer_text=answer,
        answer_span=reading.span and (reading.span[0] + start - planted, reading.span[1] + start - planted),
        reason=reading.reason,
    )


_Tag = tuple[str, int, int]


def _split_thought(text: str, tags: Sequence[_Tag], *, preopened: bool) -> tuple[str | None, int | None]:
    """Return the thought, and where the text after it begins (None: the thought does not end)."""
    opens = [tag for tag in tags if tag[0] == "think_open"]
    closes = [tag for tag in tags if tag[0] == "think_close"]
    if not opens and not closes:
        return (text.strip(), None) if preopened else (None, 0)
    begin = opens[0][2] if opens and (not closes or opens[0][1] < closes[0][1]) else 0
    unclosed = not closes or (bool(opens) and opens[-1][1] > closes[-1][1])
    end = len(text) if unclosed else closes[-1][1]
    pieces, position = [], begin
    for _, start, stop in sorted(
        (tag for tag in (*opens, *closes) if begin <= tag[1] < end), key=lambda t: t[1]
    ):
        pieces.append(text[position:start])
        position = stop
    pieces.append(text[position:end])
    thought = "\n".join(piece.strip() for piece in pieces if piece.strip())
    return thought, None if unclosed else closes[-1][2]


def _answer_block(tags: Sequence[_Tag], start: int, end: int) -> tuple[int, int, bool]:
    """Return where the last answer stands, and whether it is complete."""
    opens = [tag for tag in tags if tag[0] == "answer_open"]
    closes = [tag for tag in tags if tag[0] == "answer_close"]
    if opens:
        begin = opens[-1][2]
        stop = next((tag[1] for tag in closes if tag[1] >= begin), None)
        return (begin, end, False) if stop is None else (begin, stop, True)
    if closes:
        return (closes[-2][2] if len(closes) > 1 else start), closes[-1][1], True
    return start, end, True


def _cut_tag(text: str, tag: str) -> int:
    """Return how many characters at the end are the beginning of a tag that was cut off ("</answ")."""
    tail = text.rstrip()[-len(tag) :].casefold()
    lengths = (length for length in range(len(tag) - 1, 0, -1) if tail.endswith(tag[:length].casefold()))
    length = next(lengths, 0)
    return length + len(text) - len(text.rstrip()) if length else 0


def _known_format(name: str) -> ReplyFormat:
    try:
        return REPLY_FORMATS[name]
    except KeyError:
        raise unknown_name("reply format", name, REPLY_FORMATS) from None
