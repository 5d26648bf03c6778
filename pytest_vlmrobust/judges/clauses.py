"""Cutting a thought into clauses, and saying how each of them is meant.

A clause may assert, ask, suppose, report what somebody else says, doubt what was said before,
or take it back. Only what is asserted counts as a judgment of the one who thinks.
"""

from __future__ import annotations

import re
from bisect import bisect_right
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import islice

_SENTENCE_END = re.compile(r"[.!?]+(?:['\")*\]]*)(?=\s|$)|\.{3}|\n+|;")
_NO_END = re.compile(r"^[ \t\n*>-]*(?:[A-H]|\d{1,2})\.$|\b(?:i\.e|e\.g|vs|approx|etc|i|e)\.$", re.I)
_CUT = re.compile(
    r"""(?:,|:|[ ]-)(?=\s) | [ ]?(?:-{1,3}>|=>|→|⇒)
      | (?<!anything)(?<!nothing)(?<!all)\s(?=but\b)
      | \s(?=(?:because|since|although|though|while|whereas|hence|thus|therefore|rather|unless)\b)
      | \s(?=(?:so|and|then)\s+
            (?:the|that|it|its|there|they|he|she|i|we|this|these|yes|no|an?\s|not|neither)\b)
      | \s(?=which\s+(?:means|makes|is|would|leaves)\b)""",
    re.I | re.X,
)
_REPORTED = re.compile(
    r"""\b(?:the|your|this|that|its)\s+(?:\w+\s+)?
        (?:caption|text|hint|note|label|description|user|prompt|statement)s?(?:'s\s+\w+)?\s+(?:\w+\s+)?
        (?:say|claim|tell|state|suggest|assert|mention|note|insist|argue|ask|want)
      |\baccording\ to|\bI\ (?:was|am|'ve\ been|have\ been)\ told|\bsupposedly|\ballegedly
      |\b(?:some(?:one|body)?|many|most|others?|people|one)\s+(?:\w+\s+)?(?:might|may|could|would|will|argue|say|think)
      |\boptions?\s+(?:are|were|include)\b|\b(?:the|answer)\s+(?:options|choices)\b|^\s*(?:options|choices)\s*:
      |\b(?:the|this)\s+question\s+(?:asks|is|wants)|\basked?\s+(?:about|whether|which|what|where)
      |\bneeds?\s+to\s+(?:find|determine|work\s+out|figure\s+out|decide|check|see|know|look)
      |\bI\s+(?:first\s+|had\s+|initially\s+)?(?:thought|assumed|suspected|expected|took|guessed|believed)\b
      |\b(?:at\s+first|initially|first\s+(?:guess|thought|impression|reading)|by\s+default|normally)\b
      |\bone\s+could\s+object""",
    re.I | re.X,
)
_SUPPOSED = re.compile(
    r"\b(?:if|unless|suppose|supposing|assuming|whether|imagine|as\s+though|were\s+it|in\s+case)\b", re.I
)
_POSSIBLE = re.compile(
    r"\b(?:would|wouldn't|might|could|may|maybe\s+not|should\s+have|possible|possibly|'d\s+have)\b", re.I
)
_SOFTLY_SURE = re.compile(
    r"\bI(?:'d|\s+would)\s+(?:say|choose|pick|go|call|guess|lean|describe|answer|opt|select|conclude)"
    r"|\b(?:answer|that|choice|it)\s+(?:would|should)\s+(?:then\s+)?be\b|\bcould\s+be\s+wrong",
    re.I,
)
_DOUBTED = re.compile(
    r"""^\W*(?:but|however|yet|wait|hmm+|hold\s+on|actually|though|although|still|no\s*,|nope|oh|on\s+second\s+thoughts?
        |on\s+(?:a\s+)?closer\s+(?:look|inspection)|looking\s+(?:again|closer|closely|more)
        |let\s+me\s+(?:re-?check|look\s+again|double)|correction|sorry|instead|or\s+rather|rather|well|except|then\s+again|I\s+look\s+(?:again|once\s+more))\b
      |\b(?:actually|on\s+second\s+thought|looking\s+again|in\s+fact|after\s+all|again)\b""",
    re.I | re.X,
)
_RETRACTED = re.compile(
    r"""\b(?:that|this|it|which)(?:'s|\s+is|\s+was|\s+isn't|'s\s+not)?\s*
        (?:not\s+right|n't\s+right|wrong|not\s+correct|incorrect|a\s+mistake)
      |\b(?:does|do)(?:\s+not|n't)\s+(?:match|fit|agree\s+with|hold)|\bcan(?:'t|not)\s+be\s+(?:right|true)
      |\bI\s+(?:was|am)\s+(?:wrong|mistaken)
      |\b(?:reading|guess|count|impression|answer)\s+was\s+wrong|\bscratch\s+that""",
    re.I | re.X,
)
_UNSURE = re.compile(
    r"""\b(?:not|n't|never)\s+(?:be\s+)?(?:\w+\s+)?(?:sure|certain|clear)\b|\bunsure|\buncertain|\bunclear
      |\b(?:can(?:'t|not)|could(?:n't|\s+not)|(?:unable|impossible|not\s+possible|hard|difficult)\s+to|no\s+way\s+(?:of|to))
        \s*(?:really\s+|be\s+|possibly\s+)?
        (?:tell|say|know|decide|determined?|settle|judge|estimate|telling|make\s+out|completely)
      |\bdon't\s+know|\b(?:no|not)\s+\w*\s*(?:decisive|conclusive)|\bdoes(?:n't|\s+not)\s+show|\bI'm\s+sorry
      |\bis(?:n't|\s+not)\s+(?:visible|decisive)|\bcounts?\s+disagree|\barguments\s+for\s+(?:either|both)
      |\bjust\s+as\s+well
      |\beither\s+(?:could|may|might|one)|\bboth\s+(?:are|would|could|seem|descriptions)""",
    re.I | re.X,
)
_WORD = re.compile(r"\w[\w'-]*")
_LONGEST_CLAUSE = 600  # characters
_FREE_AGAIN = re.compile(r"^\W*(?:but|however|yet|so|therefore|thus|hence|still)\b", re.I)


@dataclass(frozen=True, kw_only=True, slots=True)
class Clause:
    """A piece of a thought and how it is meant.

    Attributes:
        text: the whole thought; the clause is ``text[start:end]``.
        start: offset of its first character.
        end: offset after its last.
        sentence: number of the sentence that it belongs to.
        asked: part of a question.
        supposed: depends on an "if".
        possible: says what might or would be.
        reported: says what somebody else says, or what was believed before.
        doubts: turns against what was said before ("but", "wait").
        retracts: takes it back ("that's not right").
        unsure: says that the thinker cannot tell.
    """

    text: str
    start: int
    end: int
    sentence: int
    asked: bool
    supposed: bool
    possible: bool
    reported: bool
    doubts: bool
    retracts: bool
    unsure: bool

    @property
    def own(self) -> str:
        """The words of the clause."""
        return self.text[self.start : self.end]


class Spans:
    """Stretches of a text in ascending order, to be asked about offsets."""

    def __init__(self, spans: Sequence[tuple[int, int]]) -> None:
        """Keep the spans; they do not overlap."""
        self._starts = [start for start, _ in spans]
        self._ends = [end for _, end in spans]

    def inside(self, offset: int) -> bool:
        """Whether a span began at or before an offset and has not ended there."""
        index = bisect_right(self._starts, offset) - 1
        return index >= 0 and offset < self._ends[index]


def split_clauses(text: str, kept: Spans) -> Iterator[Clause]:
    """Cut a thought into clauses, never inside one of the ``kept`` spans (options' texts)."""
    for number, (start, end) in enumerate(_sentences(text, kept)):
        asked = text[start:end].rstrip("'\")* ").endswith("?")
        supposed = reported = False
        for first, last in _pieces(text, start, end, kept):
            own = text[first:last]
            if _FREE_AGAIN.match(own):
                supposed = reported = False
            supposed = supposed or _SUPPOSED.search(own) is not None
            reported = reported or _REPORTED.search(own) is not None
            unsure = _UNSURE.search(own)
            yield Clause(
                text=text,
                start=first,
                end=last,
                sentence=number,
                asked=asked,
                supposed=supposed,
                possible=_POSSIBLE.search(own) is not None and not _SOFTLY_SURE.search(own),
                reported=reported,
                doubts=_DOUBTED.search(own) is not None,
                retracts=_RETRACTED.search(own) is not None,
                unsure=unsure is not None and not kept.inside(first + unsure.start()),
            )


def _sentences(text: str, kept: Spans) -> Iterator[tuple[int, int]]:
    start = 0
    for match in _SENTENCE_END.finditer(text):
        if kept.inside(match.start()) or _is_label(text, start, match, kept):
            continue
        if text[start : match.end()].strip():
            yield start, match.end()
        start = match.end()
    if text[start:].strip():
        yield start, len(text)


def _is_label(text: str, start: int, end: re.Match[str], kept: Spans) -> bool:
    """Whether a full stop belongs to a label ("B. left", "i.e.") and ends no sentence."""
    if end.group() != ".":
        return False
    before = text[max(start, end.start() - 12) : end.end()]
    if _NO_END.search(before):
        return True
    follows = end.end()
    while follows < len(text) and text[follows] in " *":
        follows += 1
    return re.search(r"\b[A-H]\.$", before) is not None and kept.inside(follows)


def _pieces(text: str, start: int, end: int, kept: Spans) -> Iterator[tuple[int, int]]:
    for match in _CUT.finditer(text, start, end):
        if match.start() < start or kept.inside(match.start()) or match.end() >= end:
            continue
        if match.start() - start > _LONGEST_CLAUSE:
            yield from _bounded(text, start, match.start())
            start = match.start()
            continue
        words = sum(1 for _ in islice(_WORD.finditer(text, start, match.start()), 4))
        # "Total: 6" and "So, left" are one piece; a comma goes with what follows it.
        if words > {":": 3, ",": 2}.get(match.group(), 0):
            yield start, match.start()
            start = match.start()
    if text[start:end].strip():
        yield from _bounded(text, start, end)


def _bounded(text: str, start: int, end: int) -> Iterator[tuple[int, int]]:
    """Cut what no person writes in one piece, so that time stays linear in the length of a thought."""
    while end - start > _LONGEST_CLAUSE:
        cut = text.rfind(" ", start + 1, start + _LONGEST_CLAUSE)
        cut = start + _LONGEST_CLAUSE if cut < 0 else cut
        yield start, cut
        start = cut
    yield start, end
