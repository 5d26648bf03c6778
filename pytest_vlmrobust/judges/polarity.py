"""Reading yes or no from a clause: said outright, or by stating or denying what was asked."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_vlmrobust.core.mentions import NEGATORS, Prose, leveled, vocabulary
from pytest_vlmrobust.judges.clauses import Clause
from pytest_vlmrobust.judges.wording import alike

_OUTRIGHT = re.compile(
    r"""(?:^|[,.:;!>-]|\b(?:so|is|it's|a|be|therefore|thus|hence|clearly|definitely|answer|say|then)\b)[\s*"'(]*
        (?P<word>yes|no)\b(?=[\s*"')]*(?:$|[,.;:!]))(?!,?\s*(?:wait|that's\s+not|doubt))""",
    re.I | re.X,
)
_PRONOUNS = vocabulary("it he she they hes shes theyre")
_OBJECTS = vocabulary("it them him her")
_FUNCTION_WORDS = vocabulary(
    "is are was were do does did can could has have there any in on at of to image picture photo you see "
    "show shown this that it camera viewer"
)
_NO_DENIAL = vocabulary("than unlike except instead without")


def yes_or_no(clause: Clause, question: str) -> Iterator[tuple[int, bool, bool]]:
    """Yield (offset, affirmed, said outright) for each yes or no of a clause."""
    own = clause.own
    outright = [
        (clause.start + m.start("word"), m["word"].lower() == "yes", True) for m in _OUTRIGHT.finditer(own)
    ]
    yield from outright
    if not outright and (affirmed := _stated(clause, question)) is not None:
        yield clause.start, affirmed, False


def _stated(clause: Clause, question: str) -> bool | None:
    """Whether a clause states (True) or denies (False) what a yes/no question asks, in its order."""
    asked = [word.text for word in Prose(leveled(question)).words if word.text not in _FUNCTION_WORDS]
    words = [word.text for word in Prose(clause.text, clause.start, clause.end).words]
    missing = _missing(asked, words)
    if not asked or len(missing) > 1 or not words:
        return None
    if missing:
        subject = missing[0] != asked[-1] and not _PRONOUNS.isdisjoint(words[:2])
        object_ = missing[0] == asked[-1] and words[-1] in _OBJECTS
        if len(asked) == 1 or not (subject or object_):
            return None
    return sum(word in NEGATORS - _NO_DENIAL for word in words) % 2 == 0


def _missing(asked: list[str], words: list[str]) -> list[str]:
    """Return the words of the question that do not come back in their order."""
    missing, position = [], 0
    for word in asked:
        found = next((i for i in range(position, len(words)) if alike(word, words[i])), None)
        if found is None:
            missing.append(word)
        else:
            position = found + 1
    return missing
