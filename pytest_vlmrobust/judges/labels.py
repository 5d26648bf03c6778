"""What a clause says about options by their letters."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_vlmrobust.judges import cues
from pytest_vlmrobust.judges.choices import Options
from pytest_vlmrobust.judges.clauses import Clause
from pytest_vlmrobust.judges.evidence import Evidence, Weight

_LETTER = re.compile(
    r"""[(\[]\s*(?P<paren>[A-H])\s*[)\]]
      | \b(?:[Oo]ption|[Cc]hoice|[Ll]etter)\s+["'(*]*(?P<named>[A-H])\b(?!['-])
      | (?<!["'\w])(?P<bare>[B-H])(?!["'\w-])
      | (?<!["'\w])(?P<article>A)(?=\s*(?:[.,:;)!]|\Z|(?:is|has|and|or|fits|was)\b))""",
    re.X,
)
_ORDINAL = re.compile(
    r"\b(first|second|third|fourth|fifth|sixth|seventh|eighth|last)\s+(?:option|choice|answer|one\s+listed)\b",
    re.I,
)
_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth")
_NEAR = 80  # characters


def labeled(clause: Clause, options: Options) -> Iterator[Evidence]:
    """Yield what a clause says about options that it names by letter or by number ("the second option")."""
    own = clause.own
    said, aside = cues.Said(own), cues.SUBORDINATE.match(own)
    for start, end, index in _letters(own, len(options.choices)):
        at = clause.start + start
        before, after = own[max(0, start - _NEAR) : start], own[end : end + _NEAR]
        if cues.RULED_OUT_BEFORE.search(before) or cues.RULED_OUT_AFTER.match(after):
            yield Evidence(at=at, choice=index, holds=False, weight=Weight.STATED)
        elif cues.CORRECT.match(after):
            yield Evidence(at=at, choice=index, weight=Weight.ANSWERED)
        elif not aside and (said.before(start) or _stands(own, start, end)):
            yield Evidence(at=at, choice=index, weight=Weight.CONCLUDED)


def _letters(own: str, count: int) -> list[tuple[int, int, int]]:
    """Return (start, end, index of the option) of every letter that may be a label."""
    found = [(m.start(), m.end(), ord(m[m.lastgroup or 0]) - ord("A")) for m in _LETTER.finditer(own)]
    for match in _ORDINAL.finditer(own):
        name = match[1].lower()
        found.append((match.start(), match.end(), count - 1 if name == "last" else _ORDINALS.index(name)))
    return [letter for letter in found if letter[2] < count]


def _stands(own: str, start: int, end: int) -> bool:
    """Whether a letter is the whole clause, or said to fit. An "A" without a mark is an article."""
    before, after = own[max(0, start - _NEAR) : start], own[end : end + _NEAR]
    marked = own[start:end] != "A" or bool(own[:start].strip() or after.strip())
    alone = marked and not own[:start].strip(" ,.:;*()->\n") and not own[end:].strip(" ,.:;*()\n")
    return bool(alone or re.search(r"\b(?:is|=|are)\s*[(*]*$", before) or cues.SATISFIES.match(after))
