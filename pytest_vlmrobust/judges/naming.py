"""What a clause says about options by their texts."""

from __future__ import annotations

import re
from collections.abc import Iterator

from pytest_vlmrobust.core.mentions import NEGATORS, Mention, Prose, vocabulary
from pytest_vlmrobust.judges import cues
from pytest_vlmrobust.judges.choices import Options
from pytest_vlmrobust.judges.clauses import Clause
from pytest_vlmrobust.judges.evidence import Evidence, Weight
from pytest_vlmrobust.judges.numbers import counted
from pytest_vlmrobust.judges.scope import Group, denied, groups
from pytest_vlmrobust.judges.wording import alike, compares, same_measure

_LOOK_BACK = 120  # characters
_GOES_ON = re.compile(r",(?!\s*(?:so|since|because|as|not|then|no doubt|without|and not)\b)", re.I)
_TAIL = re.compile(r"^\W*(?:or|nor|and)\b", re.I)
_COPULAS = vocabulary(
    "is are was were be being its thats hes shes theyre looks look seems appears reads shows stays stands "
    "sits lies hangs becomes remains has wears holds resembles indicates suggests say said called described"
)
_RECITED = re.compile(
    r"""\b(?:[Oo]ptions?\s+['"]?[A-H]\b|['"][A-H]['"])[\s,'"]*
        (?:describes|refers\s+to|suggests|says|states|means|shows|mentions|represents|would\s+be|involves)\b
      | \b(?:[A-H]\s*[.:)\-("']+|[Oo]ption\s+[A-H]\b[\s.:,()"'*-]*)[\s"'*(]*
        (?:[Tt]he|[Aa]n?|[Oo]n|[Ii]n)?\s*$""",
    re.X,
)


def named(clause: Clause, options: Options) -> Iterator[Evidence]:
    """Yield what a clause says about options that it names by their texts, or by numbers."""
    prose = Prose(clause.text, clause.start, clause.end)
    mentions = options.mentions(prose)
    if options.numeric:
        for mention, concluded in counted(clause, prose, mentions, options):
            weight = Weight.CONCLUDED if concluded else Weight.STATED
            yield Evidence(at=mention.start, choice=mention.choice, weight=weight)
        return
    found = groups(clause.text, mentions)
    said = cues.Said(clause.own)
    for group in found:
        no = denied(prose, group, negative_question=options.negative)
        if no and not options.negative:
            for mention in group.mentions:
                yield Evidence(at=mention.start, choice=mention.choice, holds=False, weight=Weight.STATED)
        elif no or no is None or cues.SUBORDINATE.match(clause.own) or _is_recital(clause, group, said):
            continue
        elif len(group.choices) == 1:
            yield from _single(clause, prose, group.mentions[0], options, said, alone=len(found) == 1)
        elif said.concluded_before(group.start - clause.start):
            yield Evidence(at=group.start, choice=None, weight=Weight.CONCLUDED)


def _single(
    clause: Clause, prose: Prose, mention: Mention, options: Options, said: cues.Said, *, alone: bool
) -> Iterator[Evidence]:
    if options.directions.cannot_tell(prose, mention):
        yield Evidence(at=mention.start, choice=None, weight=Weight.STATED)
        return
    choice, is_about = options.directions.as_asked(prose, mention)
    before = [word.text for word in prose.words[: mention.first]]
    after = [word.text for word in prose.words[mention.last + 1 :]]
    if choice is None or _opposed(before + after, options):
        return
    if before or after:
        setting = _Setting(clause, mention, options, before, after)
        weight = setting.weight(said, alone=alone, is_about=is_about)
    else:
        weight = _bare(clause, options)
    # Asked what is not so, a statement counts only if it says what is not so.
    beside = options.negative and weight is Weight.STATED and NEGATORS.isdisjoint(before)
    if weight is not None and not beside:
        yield Evidence(at=mention.start, choice=choice, weight=weight)


class _Setting:
    """The words around an option."""

    def __init__(
        self, clause: Clause, mention: Mention, options: Options, before: list[str], after: list[str]
    ) -> None:
        self._offset = mention.start - clause.start
        self._before = clause.text[clause.start : mention.start]
        self._after = clause.text[mention.end : clause.end]
        self._asked = bool(options.topic)
        self._leads_to_topic = any(alike(word, topic) for word in after for topic in options.topic)
        self._follows_topic = any(alike(word, topic) for word in before for topic in options.topic)
        self._is_predicate = not _COPULAS.isdisjoint(before[-6:])
        self._is_short = len(before) + len(after) <= 2

    def weight(self, said: cues.Said, *, alone: bool, is_about: bool) -> Weight | None:
        """Weigh the option; None when it is only spoken of."""
        on_topic = is_about or self._leads_to_topic or self._follows_topic
        if said.concluded_before(self._offset):
            near = self._is_short or len(self._before[said.concluded_to(self._offset) :].split()) <= 1
            if self._is_predicate or (alone and (near or on_topic)):
                return Weight.CONCLUDED
        if cues.CLOSING.fullmatch(self._after):
            return Weight.CONCLUDED
        fits = self._leads_to_topic or (on_topic and (self._is_predicate or self._is_short))
        if fits or said.before(self._offset):
            return Weight.STATED
        # Without the question there is no telling whether the clause is about what was asked.
        stated = self._is_predicate or (self._is_short and not _TAIL.match(self._before))
        return Weight.STATED if stated and not self._asked else None


def _bare(clause: Clause, options: Options) -> Weight | None:
    """Weigh an option that is the whole clause: the sentence may go on, or go on from a denial."""
    if clause.own.lstrip().startswith(","):
        before = Prose(clause.text, max(0, clause.start - _LOOK_BACK), clause.start)
        denying = any(word.text in NEGATORS for word in before.words)
        return None if denying or options.topic else Weight.STATED
    return None if _GOES_ON.match(clause.text, clause.end) else Weight.CONCLUDED


def _is_recital(clause: Clause, group: Group, said: cues.Said) -> bool:
    """Whether a clause only recites an option: "A. left", "For B: left", "Option C means left"."""
    before = clause.text[max(clause.start, group.start - _LOOK_BACK) : group.start]
    return _RECITED.search(before) is not None and not said.before(group.start - clause.start)


def _opposed(words: list[str], options: Options) -> bool:
    """Whether a clause compares otherwise than the question does ("farther" where "closer" was asked)."""
    said = {word for word in words if compares(word)}
    asked = options.compared
    return bool(said and asked) and not any(same_measure(a, b) for a in said for b in asked)
