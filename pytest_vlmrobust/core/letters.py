r"""Reading the option's letter from the text of an answer.

What is tried, in this order; the first that applies decides:

1. the whole text is one letter, in any wrapping: ``B``, ``(b)``, ``**B.**``, ``Option B``;
2. the whole text is an option's text;
3. a conclusion: ``\boxed{…}`` or a phrase such as "the answer is …", "Answer: …", "I choose …";
   the last one counts;
4. letters that stand as labels: ``B. left``, ``Option B``, ``Based on the image, C``; exactly one
   of them, not denied;
5. option texts in a short answer: exactly one, not denied, in no question and no refusal.

Where options are themselves letters ("B" as the text of A), the label wins. Where a label is
followed by exactly another option's text, or two letters compete, nothing is read. The article
"A" and the pronoun "I" are no letters.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import StrEnum

from pytest_vlmrobust.core.answer_patterns import (
    AFTER_LABEL,
    ALONE,
    BARE_LABEL,
    BOXED,
    CUE,
    DENIED_AFTER,
    DENIED_BEFORE,
    EXPLAINED,
    HEDGED_AFTER,
    HEDGED_BEFORE,
    LABEL,
    LONGEST_STATEMENT,
    LOOSE,
    MARKED_A,
    MARKUP,
    NONE_OF,
    ONE_BOX,
    REFUSED,
    RETRACTED,
    RIVAL,
    TAKES_NO_ARTICLE,
    WHOLE,
)
from pytest_vlmrobust.core.mentions import ChoiceTexts, Mention, Prose, leveled

LONGEST_BARE_ANSWER = 40
"""Words up to which a text that merely mentions one option is taken as an answer."""


class AnswerForm(StrEnum):
    r"""What the answers of a family of models are made of.

    All forms are read in every case; the form says which of them comes first.

    ``LETTER``: the option's letter. ``TEXT``: the option's text: one that is itself a letter wins over
    the label. ``BOXED``: the last ``\boxed{…}`` wins over any other conclusion.
    """

    LETTER = "letter"
    TEXT = "text"
    BOXED = "boxed"


_SEGMENT = 300  # characters of a conclusion that are looked at
_CONCLUSIONS = 64  # conclusions that are looked at, from the last


class Unread(StrEnum):
    """Why no letter was read."""

    NO_ANSWER = "no answer"
    AMBIGUOUS = "ambiguous"
    TRUNCATED = "truncated"
    NOT_AN_OPTION = "not an option"


@dataclass(frozen=True, kw_only=True, slots=True)
class Reading:
    """Index of the option that was read and where its letter stands, or why none was read."""

    choice: int | None = None
    span: tuple[int, int] | None = None
    reason: Unread | None = None


_NOTHING = Reading(reason=Unread.NO_ANSWER)
_AMBIGUOUS = Reading(reason=Unread.AMBIGUOUS)
_NOT_AN_OPTION = Reading(reason=Unread.NOT_AN_OPTION)


def read_letter(text: str, choices: Sequence[str], form: AnswerForm = AnswerForm.LETTER) -> Reading:
    r"""Read which option an answer gives; the module's docstring has the rules.

    >>> read_letter("Option (A) is false, so \\boxed{B}", ["left", "right"]).choice
    1
    >>> read_letter("B", ["B", "A"]).choice, read_letter("B", ["B", "A"], AnswerForm.TEXT).choice
    (1, 0)
    """
    level = MARKUP.sub(lambda found: " " * len(found.group()), leveled(text))
    return _Reader(level, choices, form=form).read()


def boxes(text: str) -> list[int]:
    """Return where each box of LaTeX begins."""
    return [match.start() for match in BOXED.finditer(text)]


def states_only(text: str, choices: Sequence[str]) -> bool:
    r"""Tell whether a text is an answer and no more: a letter, an option's text, both, boxed or not.

    >>> states_only("**(A)** left.", ["left", "right"]), states_only("A, but wait", ["left", "right"])
    (True, False)
    """
    level = MARKUP.sub(lambda found: " " * len(found.group()), leveled(text))
    boxed = ONE_BOX.match(level)
    reader = _Reader(boxed["inner"] if boxed else level, choices)
    whole = reader._whole()
    if whole is not None:
        return whole.choice is not None
    label = LABEL.match(reader.text)
    rest = reader.text[label.end() :] if label else ""
    return label is not None and reader.texts.exact(rest) == reader._index(label["letter"])


def is_box(text: str) -> bool:
    """Tell whether a text is one box of LaTeX, whatever stands in it."""
    return ONE_BOX.match(text) is not None


class _Reader:
    """One text with its options; all offsets are those of the text."""

    def __init__(
        self,
        text: str,
        choices: Sequence[str],
        texts: ChoiceTexts | None = None,
        form: AnswerForm = AnswerForm.LETTER,
    ) -> None:
        self.text = text
        self.form = form
        self.choices = choices
        self.texts = texts or ChoiceTexts(choices)

    def read(self) -> Reading:
        whole = self._whole()
        if whole is not None:
            return whole
        for start, boxed in self._conclusions():
            reading = self._boxed(start) if boxed else self._concluded(start)
            if reading.reason is Unread.NO_ANSWER:
                continue
            retracted = reading.choice is not None and RETRACTED.search(self.text, start) is not None
            return _AMBIGUOUS if retracted else reading
        return self._labels() or self._mentioned(Prose(self.text))

    def _whole(self) -> Reading | None:
        """Read a text that is one letter, or an option's text, and nothing else."""
        spelled = self.texts.spelled(self.text)
        own = None if spelled is None else Reading(choice=spelled)
        if own is None and not MARKED_A.match(self.text):
            own = self._alike()
        if self.form is AnswerForm.TEXT and own is not None:
            return own
        letter = WHOLE.match(self.text)
        if letter is not None and self._index(letter["letter"]) < len(self.choices):
            return Reading(choice=self._index(letter["letter"]), span=letter.span("letter"))
        return _NOT_AN_OPTION if own is None and letter is not None else own

    def _alike(self) -> Reading | None:
        """Read an option's text that is written a little otherwise, with no other option's letter to it."""
        if self._mislabeled():
            return _AMBIGUOUS
        exact = self.texts.exact(self.text)
        if exact is None:
            return None
        torn = self._stray_letter(self.texts.mentions(Prose(self.text)), exact)
        return _AMBIGUOUS if torn else Reading(choice=exact)

    def _mislabeled(self) -> bool:
        """Whether the text is a letter and, right behind it, the text of another option ("B left")."""
        found = BARE_LABEL.match(self.text)
        if found is None:
            return False
        named = self.texts.exact(found["rest"])
        if named is None or named == self._index(found["letter"]):
            return False
        first = re.findall(r"\w+", found["rest"].casefold())[:1]
        return found["letter"] != "A" or bool(TAKES_NO_ARTICLE.intersection(first))

    def _conclusions(self) -> Iterator[tuple[int, bool]]:
        """Yield where conclusions begin, from the last one, and whether it is a box."""
        found = [(match.end(), True) for match in BOXED.finditer(self.text)]
        if found and self.form is AnswerForm.BOXED:
            yield found[-1]
        found += [(match.end(), False) for match in CUE.finditer(self.text)]
        yield from sorted(found, reverse=True)[:_CONCLUSIONS]

    def _boxed(self, start: int) -> Reading:
        depth, end = 1, start
        while depth and end < min(len(self.text), start + _SEGMENT):
            depth += {"{": 1, "}": -1}.get(self.text[end], 0)
            end += 1
        inner = _Reader(self.text[start : end if depth else end - 1], self.choices, self.texts, self.form)
        reading = inner._whole() or inner._label(0, strict=True) or inner._mentioned(Prose(inner.text))
        if reading.reason is Unread.NO_ANSWER and inner.text.strip():
            return _NOT_AN_OPTION
        return _moved(reading, start)

    def _concluded(self, start: int) -> Reading:
        """Read what follows a phrase that announces the answer."""
        while start < len(self.text) and self.text[start].isspace():
            start += 1
        end = min(len(self.text), start + _SEGMENT)
        line = self.text.find("\n", start, end)
        segment = _Reader(self.text[start : end if line < 0 else line], self.choices, self.texts, self.form)
        return _moved(segment._label(0, strict=False) or segment._named_first() or _NOTHING, start)

    def _named_first(self) -> Reading:
        """Read an option's text at the start, or the only one in the first sentence."""
        stop = re.search(r"[.!?](?:\s|$)", self.text)
        prose = Prose(self.text, 0, stop.start() if stop else None)
        first = self.texts.mention_at(prose, 0)
        if first is None or prose.negated(first):
            return self._mentioned(prose)
        others = {m.choice for m in self.texts.mentions(prose)} - {first.choice}
        return _AMBIGUOUS if others else Reading(choice=first.choice)

    def _label(self, at: int, *, strict: bool) -> Reading | None:
        """Read a letter that stands before whatever follows; strict: it must be marked as a label."""
        found = LABEL.match(self.text, at)
        if found is None:
            return None
        letter, index = found["letter"], self._index(found["letter"])
        if self._denied(*found.span("letter")):
            return None
        rest = self.text[found.end() : found.end() + _SEGMENT]
        marked = any(c in found["open"] for c in "([{*") and any(c in found["close"] for c in ")]}*")
        ended = AFTER_LABEL.match(rest) is not None or ")" in found["close"]
        if letter.islower() and not marked and rest.strip(" .)*"):
            return None
        if index >= len(self.choices):
            return _NOT_AN_OPTION if marked or (ended and letter != "I") else None
        if not (marked or ended) and (strict or letter == "A") and not self._begins_with(rest, index):
            return None
        rival = RIVAL.match(rest)
        if (rival and rival["letter"] != letter.upper()) or self._contradicted(rest, index):
            return _AMBIGUOUS
        return Reading(choice=index, span=found.span("letter"))

    def _labels(self) -> Reading | None:
        """Read the only letter that stands as a label somewhere and is not denied."""
        found: Reading | None = self._label(0, strict=True)
        if found is _AMBIGUOUS:
            return found
        for match in LOOSE.finditer(self.text):
            kind = match.lastgroup or ""
            start, end = match.span(kind)
            index = self._index(match[kind])
            if (found is not None and found.choice == index) or self._denied(start, end):
                continue
            if index >= len(self.choices):
                found = found or (_NOT_AN_OPTION if kind in {"paren", "named"} else None)
            elif found is None or found.choice is None:
                found = Reading(choice=index, span=(start, end))
                if self._contradicted(self.text[end : end + _SEGMENT], index) or self._named_before(
                    start, index
                ):
                    return _AMBIGUOUS
            else:
                return _AMBIGUOUS
        return found

    def _mentioned(self, prose: Prose) -> Reading:
        """Read the only option that a short text names."""
        if len(prose.words) > LONGEST_BARE_ANSWER or REFUSED.search(self.text):
            return _NOTHING
        mentions = self.texts.mentions(prose)
        held = [m for m in mentions if not prose.negated(m) and not self._asked(m) and not self._none_of(m)]
        named = {m.choice for m in held}
        if len(named) > 1 or any(self._hedged(m) for m in held):
            return _AMBIGUOUS
        if not named:
            return _NOTHING
        return _AMBIGUOUS if self._stray_letter(mentions, *named) else Reading(choice=named.pop())

    def _none_of(self, mention: Mention) -> bool:
        return NONE_OF.search(self.text, 0, mention.start) is not None

    def _hedged(self, mention: Mention) -> bool:
        """Whether a mention is one of two things between which the text does not decide ("2 or 3")."""
        before = HEDGED_BEFORE.search(self.text[max(0, mention.start - 12) : mention.start])
        return before is not None or HEDGED_AFTER.match(self.text, mention.end) is not None

    def _stray_letter(self, mentions: Sequence[Mention], choice: int) -> bool:
        """Whether a letter other than the option's stands beside its text ("left - B")."""
        for found in ALONE.finditer(self.text):
            within = any(m.start <= found.start() < m.end for m in mentions)
            article = found.group() == "A" and self.text[found.end() :].lstrip()[:1].isalnum()
            if not within and not article and self._index(found.group()) != choice:
                return True
        return False

    def _asked(self, mention: Mention) -> bool:
        stop = re.compile(r"[.!?\n]").search(self.text, mention.end)
        return stop is not None and stop.group() == "?"

    def _denied(self, start: int, end: int) -> bool:
        before = self.text[max(0, start - 60) : start]
        denied = DENIED_BEFORE.search(before) or NONE_OF.search(before)
        return bool(denied or DENIED_AFTER.match(self.text, end))

    def _contradicted(self, rest: str, index: int) -> bool:
        """Whether the text after a label is another option's text, or a statement that names one."""
        rest = rest.lstrip(" \t.:,;)]}*_-'\"")
        parts = (rest, rest.partition("\n")[0], re.split(r"[.;,\n]", rest, maxsplit=1)[0])
        named = {self.texts.exact(part) for part in parts if part.strip()} - {None}
        if named:
            return index not in named
        return self._names_another(EXPLAINED.split(rest, maxsplit=1)[0], index)

    def _named_before(self, start: int, index: int) -> bool:
        """Whether the text up to a letter names another option than the letter's ("left (B)")."""
        before = self.text[:start]
        return any(self._names_another(part, index) for part in (before, re.split(r"[.!?\n]", before)[-1]))

    def _names_another(self, text: str, index: int) -> bool:
        prose = Prose(text)
        if len(prose.words) > LONGEST_STATEMENT:
            return False
        named = {m.choice for m in self.texts.mentions(prose) if self._is_meant(prose, m)}
        return bool(named) and index not in named

    @staticmethod
    def _is_meant(prose: Prose, mention: Mention) -> bool:
        """Whether a mention is neither denied nor the praise of a letter ("A is right")."""
        word, before = prose.words[mention.first].text, prose.words[: mention.first]
        praised = word in {"right", "true", "yes"} and before and before[-1].text in {"is", "be", "seems"}
        return not prose.negated(mention) and not (praised and prose.parted(mention.last + 1))

    def _begins_with(self, rest: str, index: int) -> bool:
        mention = self.texts.mention_at(Prose(rest), 0)
        return mention is not None and mention.choice == index

    @staticmethod
    def _index(letter: str) -> int:
        return ord(letter.upper()) - ord("A")


def _moved(reading: Reading, by: int) -> Reading:
    if reading.span is None:
        return reading
    return Reading(choice=reading.choice, span=(reading.span[0] + by, reading.span[1] + by))
