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

from pytest_vlmrobust.core.mentions import ChoiceTexts, Mention, Prose, leveled

LONGEST_BARE_ANSWER = 40
"""Words up to which a text that merely mentions one option is taken as an answer."""

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

_MARKUP = re.compile(r"\\(?:text(?:bf|it|rm)?|math(?:rm|bf|it)|bf|rm|circ|displaystyle)\b|\\[()\[\],; ]|\^")
_OPEN, _CLOSE = r"[\s*_`\"'$(\[{<~#>:-]*+", r"[\s*_`\"'$)\]}>~]*+"
_WORD_BEFORE = r"(?:(?:option|choice|answer|letter)\b)?+"
_WHOLE = re.compile(rf"{_OPEN}{_WORD_BEFORE}{_OPEN}(?P<letter>[a-z]){_CLOSE}[.,:;!]?{_CLOSE}\Z", re.I)
_LABEL = re.compile(
    rf"{_OPEN}{_WORD_BEFORE}(?P<open>{_OPEN})(?P<letter>[a-z])(?![\w'])(?!-\w)(?P<close>{_CLOSE})", re.I
)
_MARKED_A = re.compile(rf"{_OPEN}A\s*[.:)\]]")  # a label, although texts are compared without articles
_BOXED = re.compile(r"\\f?boxed\s*\{")
_CUE = re.compile(
    r"""(?<!wrong\ )(?<!incorrect\ )(?<!false\ )
        (?:\banswer(?:\s+(?:letter|choice|option|here))?|\b(?:correct|right|best|final|my)\s+(?:option|choice|letter)
           |\b(?:option|choice|conclusion)(?=\s*[:=]))
        [\s*_`"')\]]*
        (?:\s(?:is|would\ be|should\ be|must\ be|will\ be)\b(?!\s+(?:not|neither|no)\b)[\s:]*|[:=]>?|->|→)
      | \bI(?:\s+would|\s+will|'d|'ll)?\s+(?:choose|pick|select|say|go\s+with|opt\s+for)\b
        (?:\s+it(?:'s|\s+is)\b)?:?
      | (?:\b(?:so|thus|therefore|hence|it's|it\ is|that's)\b,?|=>|->|→)
        (?=[\s*_`"'$(\[]*(?:option\s+)?(?-i:[A-H])\b(?!['-]))""",
    re.I | re.X,
)
_LOOSE = re.compile(
    r"""[(\[][ \t*]*(?P<paren>[A-Za-z])[ \t*]*[)\]]
      | \*\*[ \t]*(?P<bold>[A-Z])[ \t]*[.:)]?[ \t]*\*\*
      | \b(?:[Oo]ption|[Cc]hoice|[Aa]nswer)[ ]["'*]*(?P<named>[A-Z])\b(?!['-])
      | ^[ \t*>#-]*(?P<start>[A-Z])(?=[.:)](?!\w)|,|[ \t]+[;-][ \t]|[ \t]+(?:is|because|since|as)\b)
      | (?:^|[,;:]|\bto\ me)[ \t]*(?P<end>[A-Z])(?=[ \t]*(?:[.!]|$))""",
    re.X | re.M,
)
_RIVAL = re.compile(
    rf"[\s,]*(?:\b(?:or|and)\b|[/&,]){_OPEN}{_WORD_BEFORE}{_OPEN}(?P<letter>(?-i:[A-H]))(?![\w'])", re.I
)
_AFTER_LABEL = re.compile(r"[.,:;!?/-]|\Z|(?:because|since|as|is|was|or|and|seems|fits|matches)\b", re.I)
_RETRACTED = re.compile(
    r"\b(?:wait|scratch that|correction|on second thought|i was wrong|that's wrong|no,)", re.I
)
_REFUSED = re.compile(
    r"\b(?:cannot|can't|unable|not able|impossible|don't know|do not know|not sure|unsure|unclear|sorry|"
    r"not possible|if|whether|either|might|may|could|would)\b",
    re.I,
)
_DENIED_BEFORE = re.compile(
    r"(?:\bnot|n't|\bneither|\bnor|\brul(?:es?|ed) out|\beliminat\w*|\brather than|\binstead of|\bexcept)"
    r"\W+(?:\w+\W+){0,2}\Z",
    re.I,
)
_DENIED_AFTER = re.compile(
    r"[\s*)\]]*+(?:(?:is|are|was|can|must|would|does|seems)\s*(?:n't|not|wrong|false|incorrect|out|impossible|"
    r"ruled|eliminated|excluded)|cannot)\b",
    re.I,
)


def read_letter(text: str, choices: Sequence[str]) -> Reading:
    r"""Read which option an answer gives; the module's docstring has the rules.

    >>> read_letter("Option (A) is false, so \\boxed{B}", ["left", "right"]).choice
    1
    """
    level = _MARKUP.sub(lambda found: " " * len(found.group()), leveled(text))
    return _Reader(level, choices).read()


class _Reader:
    """One text with its options; all offsets are those of the text."""

    def __init__(self, text: str, choices: Sequence[str], texts: ChoiceTexts | None = None) -> None:
        self.text = text
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
            retracted = reading.choice is not None and _RETRACTED.search(self.text, start) is not None
            return _AMBIGUOUS if retracted else reading
        return self._labels() or self._mentioned(Prose(self.text))

    def _whole(self) -> Reading | None:
        """Read a text that is one letter, or an option's text, and nothing else."""
        letter = _WHOLE.match(self.text)
        if letter is not None and self._index(letter["letter"]) < len(self.choices):
            return Reading(choice=self._index(letter["letter"]), span=letter.span("letter"))
        exact = None if _MARKED_A.match(self.text) else self.texts.exact(self.text)
        if exact is not None:
            return Reading(choice=exact)
        return None if letter is None else _NOT_AN_OPTION

    def _conclusions(self) -> Iterator[tuple[int, bool]]:
        """Yield where conclusions begin, from the last one, and whether it is a box."""
        found = [(match.end(), True) for match in _BOXED.finditer(self.text)]
        found += [(match.end(), False) for match in _CUE.finditer(self.text)]
        yield from sorted(found, reverse=True)[:_CONCLUSIONS]

    def _boxed(self, start: int) -> Reading:
        depth, end = 1, start
        while depth and end < min(len(self.text), start + _SEGMENT):
            depth += {"{": 1, "}": -1}.get(self.text[end], 0)
            end += 1
        inner = _Reader(self.text[start : end if depth else end - 1], self.choices, self.texts)
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
        segment = _Reader(self.text[start : end if line < 0 else line], self.choices, self.texts)
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
        found = _LABEL.match(self.text, at)
        if found is None:
            return None
        letter, index = found["letter"], self._index(found["letter"])
        rest = self.text[found.end() : found.end() + _SEGMENT]
        marked = any(c in found["open"] for c in "([{*") and any(c in found["close"] for c in ")]}*")
        ended = _AFTER_LABEL.match(rest) is not None or ")" in found["close"]
        if letter.islower() and not marked and rest.strip(" .)*"):
            return None
        if index >= len(self.choices):
            return _NOT_AN_OPTION if marked or (ended and letter != "I") else None
        if not (marked or ended) and (strict or letter == "A") and not self._begins_with(rest, index):
            return None
        rival = _RIVAL.match(rest)
        if (rival and rival["letter"] != letter.upper()) or self._contradicted(rest, index):
            return _AMBIGUOUS
        return Reading(choice=index, span=found.span("letter"))

    def _labels(self) -> Reading | None:
        """Read the only letter that stands as a label somewhere and is not denied."""
        found: Reading | None = self._label(0, strict=True)
        if found is _AMBIGUOUS:
            return found
        for match in _LOOSE.finditer(self.text):
            kind = match.lastgroup or ""
            start, end = match.span(kind)
            index = self._index(match[kind])
            if (found is not None and found.choice == index) or self._denied(start, end):
                continue
            if index >= len(self.choices):
                found = found or (_NOT_AN_OPTION if kind in {"paren", "named"} else None)
            elif found is None or found.choice is None:
                found = Reading(choice=index, span=(start, end))
                if self._contradicted(self.text[end : end + _SEGMENT], index):
                    return _AMBIGUOUS
            else:
                return _AMBIGUOUS
        return found

    def _mentioned(self, prose: Prose) -> Reading:
        """Read the only option that a short text names."""
        if len(prose.words) > LONGEST_BARE_ANSWER or _REFUSED.search(self.text):
            return _NOTHING
        named = {m.choice for m in self.texts.mentions(prose) if not prose.negated(m) and not self._asked(m)}
        if len(named) > 1:
            return _AMBIGUOUS
        return Reading(choice=named.pop()) if named else _NOTHING

    def _asked(self, mention: Mention) -> bool:
        stop = re.compile(r"[.!?\n]").search(self.text, mention.end)
        return stop is not None and stop.group() == "?"

    def _denied(self, start: int, end: int) -> bool:
        before = self.text[max(0, start - 60) : start]
        return bool(_DENIED_BEFORE.search(before) or _DENIED_AFTER.match(self.text, end))

    def _contradicted(self, rest: str, index: int) -> bool:
        """Whether the text after a label is exactly another option's text."""
        rest = rest.lstrip(" \t.:,;)]}*_-'\"")
        parts = (rest, rest.partition("\n")[0], re.split(r"[.;,\n]", rest, maxsplit=1)[0])
        named = {self.texts.exact(part) for part in parts if part.strip()} - {None}
        return bool(named) and index not in named

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
