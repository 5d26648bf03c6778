"""Reading a model's reply: its thought, and the letter it answers with.

A reply that cannot be read is unparsed, with a reason; it is never guessed. The letter is read
after the think block only: a thought that was cut off is no answer, whatever it says.
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass, field, fields

from pytest_vlmrobust.core.answer_patterns import RETRACTED
from pytest_vlmrobust.core.letters import (
    AnswerForm,
    Reading,
    Unread,
    boxes,
    is_box,
    read_letter,
    states_only,
)
from pytest_vlmrobust.core.samples import LETTERS
from pytest_vlmrobust.errors import UsageError, unknown_name

_TAG_FIELDS = ("think_open", "think_close", "answer_open", "answer_close")
_THINK_FIELDS = ("think_open", "think_close")

_LONGEST_BARE = 6  # words of a reply without a thought, where thoughts have no tags
_MOST_AFTER = 40  # words that may follow the line of the answer, where thoughts have no tags

_MAP = re.compile(r"<\s*map\s*>(?P<inside>.*?)(?P<end><\s*/\s*map\s*>|\Z)", re.IGNORECASE | re.DOTALL)
"""Coordinates of objects that SpaceR writes between thought and answer; part of neither."""

READER_VERSION = 2
"""Raised whenever the same reply may be read differently; part of what a stored result is known by."""


def _lenient(tag: str) -> str:
    """Build a pattern for a tag that allows spaces around its parts ("< / think >")."""
    return r"\s*".join(re.escape(part) for part in re.findall(r"\w+|[^\w\s]", tag))


@dataclass(frozen=True, kw_only=True)
class ReplyFormat:
    """How a family of models lays out its replies.

    Tags are found in any case and with spaces inside ("< Think >").

    Attributes:
        think_open: what opens a thought; "", together with ``think_close``, where thoughts have no tags:
            then all that stands before the last ``answer_lead`` is the thought.
        think_close: what closes it.
        answer_open: what opens an answer. A reply need not have it: without it, what follows the thought
            is the answer.
        answer_close: what closes it, and ends the reply.
        think_preopened: True when the model's chat template itself opens the thought, so
            that a reply without any tag is an unfinished thought and not an answer.
        answer: what an answer is made of.
        answer_lead: words that stand right before the answer ("Final Answer:"), or "". Where they are
            found, only what follows the last of them is read.
    """

    think_open: str = "<think>"
    think_close: str = "</think>"
    answer_open: str = "<answer>"
    answer_close: str = "</answer>"
    think_preopened: bool = False
    answer: AnswerForm = AnswerForm.LETTER
    answer_lead: str = ""
    _tags: re.Pattern[str] = field(init=False, repr=False, compare=False)
    _lead: re.Pattern[str] | None = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        """Refuse tags that could not be told apart."""
        tags = {name: getattr(self, name) for name in _TAG_FIELDS}
        if not self.tagged:
            tags = {name: tag for name, tag in tags.items() if name not in _THINK_FIELDS}
            if not self.answer_lead.strip():
                raise UsageError(
                    "ReplyFormat: a thought without tags ends only where the answer is announced: give "
                    'answer_lead, such as "Answer:"'
                )
            if self.think_preopened:
                raise UsageError(
                    "ReplyFormat: no template opens a thought that has no tags: leave out think_preopened"
                )
        for name, tag in tags.items():
            if not tag.strip():
                raise UsageError(f"ReplyFormat.{name} is empty: give the text that marks this place")
        if len({"".join(tag.casefold().split()) for tag in tags.values()}) < len(tags):
            raise UsageError(f"ReplyFormat: the tags {list(tags.values())!r} are not distinct")
        pattern = "|".join(f"(?P<{name}>{_lenient(tag)})" for name, tag in tags.items())
        object.__setattr__(self, "_tags", re.compile(pattern, re.IGNORECASE))
        lead = rf"[*_#]{{0,3}}{_lenient(self.answer_lead)}" if self.answer_lead.strip() else ""
        object.__setattr__(self, "_lead", re.compile(lead, re.IGNORECASE) if lead else None)

    @property
    def tagged(self) -> bool:
        """Whether thoughts stand between tags."""
        return bool(self.think_open or self.think_close)

    @property
    def closing(self) -> str:
        """What ends a thought, so that the answer has to follow."""
        return self.think_close if self.tagged else f"\n{self.answer_lead}"

    def tags(self, text: str) -> list[tuple[str, int, int]]:
        """Return every tag in ``text`` as (field name, start, end), in order."""
        return [(m.lastgroup or "", m.start(), m.end()) for m in self._tags.finditer(text)]

    def last_lead(self, text: str, start: int = 0, end: int | None = None) -> tuple[int, int] | None:
        """Return (start, end) of the last ``answer_lead`` in a part of ``text``, or None."""
        found = self._lead.finditer(text, start, len(text) if end is None else end) if self._lead else ()
        return max((match.span() for match in found), default=None)

    def lines(self) -> list[str]:
        """Return all that a layout consists of as lines of ``name=value``."""
        return [f"{field.name}={getattr(self, field.name)}" for field in fields(self) if field.init]


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
        text_span: (start, end) of the option's text in the generated text, where that was given
            instead of a letter and stands there once, word for word but for its case; else None.
        reason: why the reply is unparsed, or None when it is not.
    """

    letter: str | None
    think: str | None
    answer_text: str
    answer_span: tuple[int, int] | None
    reason: Unread | None
    text_span: tuple[int, int] | None = None


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
    planted = len(prefill)
    tags = layout.tags(whole)
    if layout.tagged:
        think, after = _split_thought(whole, tags, preopened=layout.think_preopened)
    else:
        think, after = _split_untagged(whole, choices, layout, planted)
    if after is None:
        return Reply(letter=None, think=think, answer_text="", answer_span=None, reason=Unread.TRUNCATED)
    whole = _without_map(whole, after, layout)
    start, end, closed = _answer_block([tag for tag in tags if tag[1] >= after], after, len(whole))
    if not closed:
        end -= _cut_tag(whole[start:end], layout.answer_close)
    lead = layout.last_lead(whole, start, end)
    start, end = max(start if lead is None else lead[1], planted), max(end, planted)
    answer = whole[start:end].strip()
    start = whole.index(answer, start)
    reading = read_letter(answer, choices, layout.answer)
    if not closed and (not answer or _goes_on(answer, choices, reading, layout.answer)):
        reading = Reading(reason=Unread.TRUNCATED)
    return Reply(
        letter=None if reading.choice is None else LETTERS[reading.choice],
        think=think,
        answer_text=answer,
        answer_span=_moved(reading.span, start - planted),
        reason=reading.reason,
        text_span=_moved(_text_span(answer, choices, reading), start - planted),
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


def _split_untagged(
    text: str, choices: Sequence[str], layout: ReplyFormat, planted: int
) -> tuple[str | None, int | None]:
    """Do the same where thoughts have no tags: they end where the answer is announced or boxed."""
    lead = layout.last_lead(text, planted)
    closed = layout.last_lead(text[:planted])
    if lead is None and closed is not None and not text[closed[1] : planted].strip():
        return text[: closed[0]].strip() or None, closed[0]
    if lead is not None and _ends_reply(text, *lead, choices):
        return text[: lead[0]].strip() or None, lead[0]
    boxed = [start for start in boxes(text) if start >= planted]
    if boxed and _ends_reply(text, boxed[-1], boxed[-1], choices):
        return text[: boxed[-1]].strip() or None, boxed[-1]
    bare = read_letter(text.strip(), choices, layout.answer)
    if (
        not planted
        and not boxed
        and lead is None
        and bare.choice is not None
        and len(text.split()) <= _LONGEST_BARE
    ):
        return None, 0
    return text.strip() or None, None


def _ends_reply(text: str, start: int, end: int, choices: Sequence[str]) -> bool:
    """Whether what is announced at ``text[start:end]`` is the answer, and not a word of the thought.

    An announcement within a line has to be followed by the answer alone. One that begins a line may be
    followed by a whole sentence, or by the answer alone and then by a short explanation.
    """
    body = text[end:].strip()
    begins = start < end and not text[text.rfind("\n", 0, start) + 1 : start].strip(" \t*_#>")
    line, _, after = body.partition("\n")
    if is_box(body) or states_only(body, choices) or (begins and not after):
        return True
    explained = len(after.split()) <= _MOST_AFTER and RETRACTED.search(after) is None
    return (begins or bool(after)) and states_only(line, choices) and explained


def _without_map(text: str, start: int, layout: ReplyFormat) -> str:
    """Blank out the maps behind a thought; one that is not closed ends where the answer opens."""

    def blank(found: re.Match[str]) -> str:
        opened = [tag for tag in layout.tags(found["inside"]) if tag[0] == "answer_open"]
        kept = found.group()[found.start("inside") - found.start() + opened[0][1] :] if opened else ""
        return " " * (len(found.group()) - len(kept)) + kept

    return text[:start] + _MAP.sub(blank, text[start:])


def _goes_on(answer: str, choices: Sequence[str], reading: Reading, form: AnswerForm) -> bool:
    """Whether an answer that was cut off may be the beginning of another option's text."""
    if reading.choice is None or (reading.span is not None and form is not AnswerForm.TEXT):
        return False
    said, own = _plain(answer), _plain(choices[reading.choice])
    others = [_plain(choice) for index, choice in enumerate(choices) if index != reading.choice]
    if reading.span is not None:
        return len(said) == 1 and any(other.startswith(said) and other != said for other in others)
    tails = [said[match.start() :] for match in re.finditer(r"\S+", said)]
    return any(
        tail.startswith(own) and any(other.startswith(tail) and other != tail for other in others)
        for tail in tails
    )


def _plain(text: str) -> str:
    """Return a text in lower case, without an article at its beginning, spaces levelled."""
    return re.sub(r"^(?:a|an|the) ", "", " ".join(text.casefold().split()).lstrip("*_`\"'"))


def _text_span(answer: str, choices: Sequence[str], reading: Reading) -> tuple[int, int] | None:
    """Find the text of the option that was read, where no letter was given."""
    if reading.choice is None or reading.span is not None:
        return None
    option = re.escape(choices[reading.choice].strip())
    found = [match.span() for match in re.finditer(rf"(?<!\w){option}(?!\w)", answer, re.IGNORECASE)]
    return found[0] if len(found) == 1 else None


def _moved(span: tuple[int, int] | None, by: int) -> tuple[int, int] | None:
    return None if span is None else (span[0] + by, span[1] + by)


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
