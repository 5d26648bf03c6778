"""One alternative in the place of all: of "on the left or right of me", "on the right of me"."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.english import contains_phrase

_MOST_WORDS = 5
_SEPARATOR = re.compile(r"\s*,\s*(?:or\s+)?|\s+or\s+")
_ARTICLES = re.compile(r"^(?:the|an?)\s+", re.IGNORECASE)


def chosen(text: str, option: str, choices: Sequence[str] = ()) -> str | None:
    """Put one alternative in the place of all.

    Args:
        text: what holds the alternatives.
        option: the one to keep.
        choices: all options of the sample, where they are known: they tell which words are alternatives.

    Returns:
        The text; None where there are no alternatives, or the option is not exactly one of them.

    >>> chosen("on the left or right of me", "right")
    'on the right of me'
    >>> chosen("near each other or far apart", "near each other", ["near each other", "far apart"])
    'near each other'
    """
    if choices:
        marked = _chosen_of(text, option, choices)
        if marked is not None:
            return marked
    return _guessed(text, option)


def _chosen_of(text: str, option: str, choices: Sequence[str]) -> str | None:
    """Find each option in the text, and leave out all but one."""
    for cores in (choices, _cores(choices)):
        found = _kept(text, cores[list(choices).index(option)], cores) if option in choices else None
        if found is not None:
            return found
    return None


def _cores(choices: Sequence[str]) -> list[str]:
    """Drop what all options begin or end with: "on the left", "on the right" give "left", "right"."""
    words = [choice.split() for choice in choices]
    least = min(map(len, words)) - 1
    head = next((n for n in range(least) if len({one[n].lower() for one in words}) > 1), least)
    least -= head
    tail = next((n for n in range(least) if len({one[-1 - n].lower() for one in words}) > 1), least)
    return [" ".join(one[head : len(one) - tail]) for one in words]


def _kept(text: str, option: str, choices: Sequence[str]) -> str | None:
    names = {choice: f"\x00{place}\x00" for place, choice in enumerate(choices)}
    for choice in sorted(choices, key=len, reverse=True):
        pattern = rf"(?<![\w\x00]){re.escape(_ARTICLES.sub('', choice))}(?![\w\x00])"
        text, found = re.subn(pattern, names[choice], text, flags=re.IGNORECASE)
        if found > 1:
            return None
    items = [item.split() for item in _SEPARATOR.split(text)]
    marks = [[place for place, word in enumerate(item) if word.startswith("\x00")] for item in items]
    if len(items) < 2 or any(len(places) != 1 for places in marks):
        return None
    (first,), (last,) = marks[0], marks[-1]
    lead, after_first = items[0][:first], items[0][first + 1 :]
    tail = items[-1][last + 1 :]
    for item, (at,) in zip(items, marks, strict=True):
        if item[at] != names.get(option):
            continue
        before = lead if item is items[0] else _joined(lead, item[:at])
        rest = item[at + 1 :] or ([] if after_first or tail == ["away"] else tail)
        return " ".join([*_fitting(before, option), option, *rest])
    return None


def _joined(lead: Sequence[str], before: Sequence[str]) -> list[str]:
    """Put the words before a later alternative in the place of those that they repeat or replace."""
    shared = _shared(lead, before)
    own = list(lead[: len(lead) - shared])
    if not shared and before and lead and lead[-1].lower() in w.ARTICLES | w.POSSESSIVES:
        kept = own[:-1]
        if before[0].lower() in w.PREPOSITIONS and kept and kept[-1].lower() in w.PREPOSITIONS:
            kept = kept[:-1]
        own = kept
    return [*own, *before]


def _fitting(before: list[str], option: str) -> list[str]:
    """Drop an article that would stand twice, or that only "same" can take."""
    article = bool(before) and before[-1].lower() in w.ARTICLES
    alone = _ARTICLES.match(option) or option.lower().startswith(("very", "opposite", "different"))
    return before[:-1] if article and alone else before


def _guessed(text: str, option: str) -> str | None:
    """Choose where only the option itself is known: alternatives are taken to be of equal length."""
    items = [item.split() for item in _SEPARATOR.split(text) if item.strip()]
    wanted = option.split()
    if len(items) < 2:
        return None
    if items[0][-1].lower() in w.PREPOSITIONS:
        return _choose_place(items, wanted)
    for length in sorted(range(1, _MOST_WORDS + 1), key=lambda length: abs(length - len(wanted))):
        hits = [form for form in _parallel_forms(items, length) if contains_phrase(form, wanted)]
        if len(hits) == 1:
            return re.sub(r"\bthe (different|opposite)\b", r"\1", " ".join(hits[0]))
    return None


def _choose_place(items: Sequence[Sequence[str]], wanted: Sequence[str]) -> str | None:
    """Choose among phrases that share what follows them: "in front of or behind the cat"."""
    last = items[-1]
    ends = [at for at, word in enumerate(last) if word.lower() in w.PREPOSITIONS]
    if not ends:
        return None
    end = ends[-1] + 1
    phrases = [[*phrase, *last[end:]] for phrase in (*items[:-1], last[:end])]
    hits = [phrase for phrase in phrases if contains_phrase(phrase, wanted)]
    return " ".join(hits[0]) if len(hits) == 1 else None


def _parallel_forms(items: Sequence[Sequence[str]], length: int) -> list[list[str]]:
    """Spell each alternative out, taking ``length`` words of each for what differs; [] where that fails."""
    if len(items[0]) < length:
        return []
    lead, cores = list(items[0][:-length]), [list(items[0][-length:])]
    leads, tail = [lead], []
    for number, item in enumerate(items[1:], start=1):
        shared = _shared(lead, item)
        core, rest = list(item[shared : shared + length]), list(item[shared + length :])
        if len(core) < length or (rest and number < len(items) - 1) or core[0].lower() in w.ARTICLES:
            return []
        leads.append([*lead[: len(lead) - shared], *item[:shared]])
        cores.append(core)
        tail = rest
    return [[*before, *core, *tail] for before, core in zip(leads, cores, strict=True)]


def _shared(lead: Sequence[str], item: Sequence[str]) -> int:
    """Count the first words of ``item`` that repeat the end of ``lead``: "on the left or on the right"."""

    def same(one: str, other: str) -> bool:
        return one.lower() == other.lower() or {one.lower(), other.lower()} <= {"a", "an"}

    for size in range(min(len(lead), len(item)), 0, -1):
        if all(same(one, other) for one, other in zip(lead[-size:], item[:size], strict=True)):
            return size
    return 0
