"""Telling the count that a thought arrives at from the numbers on the way to it."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence

from pytest_vlmrobust.core.mentions import Mention, Prose, vocabulary
from pytest_vlmrobust.judges import cues
from pytest_vlmrobust.judges.choices import Options
from pytest_vlmrobust.judges.clauses import Clause
from pytest_vlmrobust.judges.scope import Group, denied
from pytest_vlmrobust.judges.wording import alike

_SUM = re.compile(
    r"(?:=|\bmakes|\btotal\w*|\bin\s+all|\baltogether|\bequals|\bleav(?:es|ing)|\bonly|\bjust|\bcount\s+is)\W",
    re.I,
)
_SHOWN = re.compile(r"\b(?:shows?|sees?|has|have|depicts?|contains?|counted?)\W+(?:\w+\W+){0,2}$", re.I)
_NOTHING = re.compile(r"\bno\s+(?:\w+\s+)?(\w+)", re.I)
_PARTIAL = vocabulary("more another first other")
_AFTER_A_BARE_NUMBER = vocabulary("in on at altogether here there visible total")


def counted(
    clause: Clause, prose: Prose, mentions: Sequence[Mention], options: Options
) -> Iterator[tuple[Mention, bool]]:
    """Yield the number that a clause settles on, and whether it is drawn as a conclusion."""
    none = _NOTHING.search(clause.text, clause.start, clause.end)
    if none and options.zero is not None and _is_counted(none[1].casefold(), options):
        concluded = cues.CONCLUSION.search(clause.text[clause.start : none.start()]) is not None
        yield Mention(choice=options.zero, start=none.start(), end=none.end(), first=0, last=0), concluded
    standing = [m for m in mentions if _counts_what_was_asked(prose, m, options)]
    standing = [m for m in standing if denied(prose, Group(mentions=(m,))) is False]
    if not standing:
        return
    last = standing[-1]
    said = clause.text[clause.start : last.start]
    alone = len(prose.words) <= 2
    closing = cues.CLOSING.fullmatch(clause.text[last.end : clause.end])
    if alone or closing or cues.CONCLUSION.search(said) or _SUM.search(said):
        yield last, True
    elif (
        cues.OPINION.search(said)
        or _SHOWN.search(said)
        or (cues.THERE.search(said) and _goes_on(prose, last))
    ):
        yield last, False


def _counts_what_was_asked(prose: Prose, mention: Mention, options: Options) -> bool:
    """Whether a number stands alone, or before the thing that was to be counted."""
    if mention.first and prose.words[mention.first - 1].text in _PARTIAL:
        return False
    if prose.parted(mention.last + 1) or not options.counted:
        return True
    after = [word.text for word in prose.words[mention.last + 1 : mention.last + 5]]
    if cues.CLOSING.fullmatch(prose.text[mention.end : prose.end]):
        return True
    is_subject = after[0] in {"is", "are"} and any(
        alike(word, topic) for word in after for topic in options.topic
    )
    return (
        is_subject
        or after[0] in _AFTER_A_BARE_NUMBER
        or after[:2] == ["of", "them"]
        or any(_is_counted(word, options) for word in after)
    )


def _is_counted(word: str, options: Options) -> bool:
    return not options.counted or any(alike(word, noun) for noun in options.counted)


def _goes_on(prose: Prose, mention: Mention) -> bool:
    return mention.last + 1 < len(prose.words)
