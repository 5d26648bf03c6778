"""Claims for questions that begin with a verb: yes or no, or a choice between alternatives."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.clauses import split_predicate, split_verb
from pytest_vlmrobust.conditions.wording.english import (
    affirmed,
    contains_phrase,
    is_participle,
    is_plural,
    with_indefinite,
)
from pytest_vlmrobust.conditions.wording.rules import BE, DO, Option, rule

_SOME = {"anything": "something", "anyone": "someone", "anybody": "somebody"}
_NONE = {"anything": "nothing", "anyone": "no one", "anybody": "nobody"}
_MOST_ALTERNATIVE_WORDS = 5


def _existence(match: re.Match[str], option: Option) -> str | None:
    """Word "is there (not) X": a negated question is taken at its word, so that yes means "there is not"."""
    there, thing = f"there {match['be'].lower()}", match["x"]
    if match["neg"]:
        return f"{there} not {thing}" if option.polarity else f"{there} {thing}"
    return f"{there} {_some(thing) if option.polarity else _none_of(thing)}"


def _some(thing: str) -> str:
    first, _, rest = thing.partition(" ")
    if first.lower() in _SOME:
        return f"{_SOME[first.lower()]} {rest}".strip()
    return with_indefinite(rest) if first.lower() == "any" and rest else thing


def _none_of(thing: str) -> str:
    first, _, rest = thing.partition(" ")
    if first.lower() in _NONE:
        return f"{_NONE[first.lower()]} {rest}".strip()
    if first.lower() in {"a", "an", "any"} and rest:
        return "no " + re.sub(r" or an? ", " or ", rest)
    if first.lower() in w.QUANTITIES or first.isdigit() or first.lower() in w.DETERMINERS:
        return f"not {thing}"
    return f"no {thing}"


def _presence(match: re.Match[str], option: Option) -> str | None:
    """Word "is a (no) X present"."""
    noun, be, rest = match["x"], match["be"].lower(), match["rest"]
    asserted = option.polarity != (match["det"].lower() == "no")
    subject = f"{_article(match['det'], noun)}{noun}" if asserted else f"no {noun}"
    return f"{subject} {be} {rest}"


def _article(det: str, noun: str) -> str:
    if det.lower() in {"a", "an"}:
        return f"{det.lower()} "
    return with_indefinite(noun).removesuffix(noun)


def _be(match: re.Match[str], option: Option) -> str | None:
    be, body = match["be"].lower(), match["x"]
    subject, negated, predicate = body.partition(" not ")
    if not negated:
        split = split_predicate(body)
        if split is None:
            return None
        subject, predicate = split
    return _joined(subject, be, predicate, option.polarity != bool(negated))


def _joined(subject: str, be: str, predicate: str, positive: bool) -> str | None:
    """Join subject and predicate; words such as "anyone" and "all" take the denial themselves."""
    first, _, rest = subject.partition(" ")
    word = first.lower()
    if word in _SOME:
        return f"{(_SOME if positive else _NONE)[word]} {rest}".strip() + f" {be} {predicate}"
    if word == "any":
        quantity = "some" if positive else "none" if rest.startswith("of ") else "no"
        return f"{quantity} {rest} {be} {predicate}"
    if positive:
        return f"{subject} {be} {predicate}"
    whole = word in {"all", "both", "each", "every", "everyone", "everybody", "everything"}
    return f"not {subject} {be} {predicate}" if whole else f"{subject} {be} not {predicate}"


def _have(match: re.Match[str], option: Option) -> str | None:
    """Word "has the man finished eating"."""
    split = split_predicate(match["x"])
    if option.polarity is None or split is None or not is_participle(split[1].split()[0]):
        return None
    return _joined(split[0], match["have"].lower(), split[1], option.polarity)


def _do(match: re.Match[str], option: Option) -> str | None:
    do, body = match["do"].lower(), match["x"]
    subject, negated, action = body.partition(" not ")
    if not negated:
        split = split_verb(body)
        if split is None:
            return None
        subject, verb, rest = split
        action = f"{verb} {rest}".strip()
    if option.polarity == bool(negated):
        return f"{subject} cannot {action}" if do == "can" else f"{subject} {do} not {action}"
    verb, _, rest = action.partition(" ")
    return f"{affirmed(subject, do, verb)} {_some(rest)}".strip()


def _be_choice(match: re.Match[str], option: Option) -> str | None:
    """Word "is X this or that": the predicate with one alternative in the place of all."""
    body = match["x"]
    split = split_predicate(_first_of(body))
    if split is None:
        return None
    subject = split[0]
    chosen = choose(body[len(subject) :], option.mid)
    return None if chosen is None else f"{subject} {match['be'].lower()} {chosen}"


def _first_of(alternatives: str) -> str:
    """Cut a question off after the first of its alternatives, as if there were no other."""
    return re.split(r"\s*,\s*|\s+or\s+", alternatives)[0]


def _do_choice(match: re.Match[str], option: Option) -> str | None:
    body = match["x"]
    split = split_verb(_first_of(body))
    if split is None:
        return None
    subject, verb, _ = split
    chosen = choose(body[len(f"{subject} {verb}") :], option.mid)
    return None if chosen is None else f"{affirmed(subject, match['do'], verb)} {chosen}"


def choose(text: str, option: str) -> str | None:
    """Put one alternative in the place of all.

    Returns None where there are no alternatives, or the option is not exactly one of them.

    >>> choose("on the left or right of me", "right")
    'on the right of me'
    """
    items = [item.split() for item in re.split(r"\s*,\s*(?:or\s+)?|\s+or\s+", text) if item.strip()]
    wanted = option.split()
    if len(items) < 2:
        return None
    if items[0][-1].lower() in w.PREPOSITIONS:
        return _choose_place(items, wanted)
    lengths = sorted(range(1, _MOST_ALTERNATIVE_WORDS + 1), key=lambda length: abs(length - len(wanted)))
    for length in lengths:
        forms = _parallel_forms(items, length)
        hits = [form for form in forms if contains_phrase(form, wanted)]
        if len(hits) == 1:
            return re.sub(r"\bthe different\b", "different", " ".join(hits[0]))
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


def _there_choice(match: re.Match[str], option: Option) -> str | None:
    """Word "are there more cats or dogs", where the option is one of the alternatives."""
    chosen = choose(match["x"], option.mid)
    if chosen is None:
        return None
    be = "are" if is_plural(chosen) else match["be"].lower()
    return f"there {be} {chosen}"


POLAR_RULES = (
    rule("existence", rf"{BE} there (?P<neg>not )?(?P<x>.+)", _existence),
    rule(
        "presence",
        rf"{BE} (?P<det>no|an?|any) (?P<x>[^,]+?) (?P<rest>(?:present|visible|shown|depicted|seen)\b.*)",
        _presence,
    ),
    rule("be", rf"{BE} (?P<x>(?!there\b).+)", _be),
    rule("have", r"(?P<have>has|have|had) (?P<x>.+)", _have),
    rule("do", rf"{DO} (?P<x>.+)", _do),
)
"""For the options yes and no."""

CHOICE_RULES = (
    rule("there-choice", rf"{BE} there (?P<x>.+)", _there_choice),
    rule("be-choice", rf"{BE} (?P<x>(?!there\b).+)", _be_choice),
    rule("do-choice", rf"{DO} (?P<x>.+)", _do_choice),
)
"""For "X or Y" after a verb."""
