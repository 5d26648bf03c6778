"""Claims for questions that begin with a verb and offer alternatives: "is it this or that"."""

from __future__ import annotations

import re

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.alternatives import chosen
from pytest_vlmrobust.conditions.wording.clauses import split_predicate, split_verb
from pytest_vlmrobust.conditions.wording.english import is_plural
from pytest_vlmrobust.conditions.wording.rules import BE, DO, Option, rule
from pytest_vlmrobust.conditions.wording.verbs import affirmed, past


def _be_choice(match: re.Match[str], option: Option) -> str | None:
    """Word "is X this or that": the predicate with one alternative in the place of all."""
    be, body = match["be"].lower(), _ASKED_ANEW.sub("or ", match["x"])
    if re.search(r"\bor (?:is|are|was|were) ", body):
        return None
    split = split_predicate(_first_of(body))
    if split is not None:
        found = chosen(body[len(split[0]) :], option.mid, option.choices)
        return None if found is None else f"{split[0]} {be} {found}"
    whole = chosen(body, option.mid, option.choices)
    split = None if whole is None else split_predicate(whole)
    return None if split is None else f"{split[0]} {be} {split[1]}"


_ASKED_ANEW = re.compile(r"\bor (?:is|are|was|were) (?:it|he|she|they) ", re.IGNORECASE)
_EITHER_VERB = re.compile(r"(?P<one>[\w-]+) or (?P<other>[\w-]+)(?P<rest>(?: [^,]+)?)", re.IGNORECASE)
_EITHER_SUBJECT = re.compile(r"(?P<one>[^,]+?) or (?P<other>[^,]+)", re.IGNORECASE)


def _either_does(do: str, body: str, option: Option) -> str | None:
    """Word "does X attract or repel Y" and "did the man or the woman win"."""
    split = split_verb(_first_of(body))
    if split is not None:
        found = _EITHER_VERB.fullmatch(body[len(split[0]) + 1 :])
        verbs = [] if found is None else [found["one"].lower(), found["other"].lower()]
        if option.choices and not {one.lower() for one in option.choices} <= set(verbs):
            return None
        if found is None or option.mid.lower() not in verbs or not w.VERBS.issuperset(verbs):
            return None
        return f"{affirmed(split[0], do, option.mid)}{found['rest']}"
    either = _EITHER_SUBJECT.fullmatch(body)
    split = None if either is None else split_verb(either["other"])
    if either is None or split is None or " or " in either["other"]:
        return None
    for subject in (either["one"], split[0]):
        if _bare(subject) == option.bare.lower():
            return f"{affirmed(subject, do, split[1])} {split[2]}".strip()
    return None


def _bare(phrase: str) -> str:
    return re.sub(r"^(?:the|an?) ", "", phrase.lower())


def _first_of(alternatives: str) -> str:
    """Cut a question off after the first of its alternatives, as if there were no other."""
    return re.split(r"\s*,\s*|\s+or\s+", alternatives)[0]


def _same(match: re.Match[str], option: Option) -> str | None:
    """Word "are the two dogs the same size" and the options "same" and "not the same"."""
    text = option.mid.lower()
    if not re.fullmatch(r"(?:not )?(?:the )?same", text):
        return None
    denial = "not " if text.startswith("not") else ""
    return f"{match['x']} {match['be'].lower()} {denial}the same{match['n'] or ''}"


def _do_choice(match: re.Match[str], option: Option) -> str | None:
    """Word "does X point up or down"; an option may bring the verb along ("rotated left")."""
    do, body = match["do"].lower(), match["x"]
    either = _either_does(do, body, option)
    split = split_verb(_first_of(body))
    if either is not None or split is None:
        return either
    subject, verb, _ = split
    rest = body[len(f"{subject} {verb}") :]
    if any(mark in rest for mark in (" or ", ",")):
        told = _without_verb(option.mid, verb)
        found = chosen(rest, told, [_without_verb(choice, verb) for choice in option.choices])
        return None if found is None else f"{affirmed(subject, do, verb)} {found}"
    return None


def _without_verb(option: str, verb: str) -> str:
    first, _, rest = option.partition(" ")
    return rest if rest and first.lower() in {verb.lower(), past(verb.lower())} else option


def _there_choice(match: re.Match[str], option: Option) -> str | None:
    """Word "are there more cats or dogs", where the option is one of the alternatives."""
    found = chosen(match["x"], option.mid, option.choices)
    if found is None:
        return None
    be = "are" if is_plural(found) else match["be"].lower()
    return f"there {be} {found}"


CHOICE_RULES = (
    rule("there-choice", rf"{BE} there (?P<x>.+)", _there_choice),
    rule("same", rf"{BE} (?P<x>(?!there\b)[^,]+?) the same(?P<n> [^,]+)?", _same),
    rule("be-choice", rf"{BE} (?P<x>(?!there\b).+)", _be_choice),
    rule("do-choice", rf"{DO} (?P<x>.+)", _do_choice),
)
"""For "X or Y" after a verb."""
