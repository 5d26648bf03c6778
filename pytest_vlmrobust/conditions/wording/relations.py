"""Claims for questions with a noun that decides about the wording: relationship, category, term, owner."""

from __future__ import annotations

import re

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.english import (
    contains_phrase,
    head_noun,
    is_adjective,
    is_plural,
    is_verb_in_ing,
)
from pytest_vlmrobust.conditions.wording.rules import BE, DO, Option, rule
from pytest_vlmrobust.conditions.wording.verbs import affirmed, agreeing, third_person

_VERBS = "|".join(sorted({third_person(verb) for verb in w.VERBS} | {"has", "had"}))


def _related(match: re.Match[str], option: Option) -> str | None:
    """Word "what is the relationship between the two people": what they are, or the name of the relation."""
    people, value = match["x"], option.mid
    if head_noun(value) in {"relationship", "relationships"} and is_plural(people):
        return f"{people} have {option.a}"
    if value.lower() in {"parallel", "perpendicular", "orthogonal"}:
        return f"{people} are {value} to each other"
    if is_plural(people) and (is_plural(value) or " and " in value):
        return f"{people} are {value}"
    return None


def _belongs(match: re.Match[str], option: Option) -> str | None:
    """Word "which category does this image belong to"."""
    thing, noun = match["x"], match["n"].lower()
    if head_noun(option.mid) in w.PICTURES and head_noun(thing) in w.PICTURES:
        return f"{thing} is {option.a}"
    named = contains_phrase(option.mid.split(), [head_noun(noun)])
    return f"{thing} belongs to the {option.bare}{'' if named else f' {noun}'}"


def _term(match: re.Match[str], option: Option) -> str:
    return f'the {match["n"].lower()} "{option.text}" {match["v"]} {match["rest"]}'


def _owned(match: re.Match[str], option: Option) -> str | None:
    """Word "which animal's feet are large" and "whose car is red"."""
    owner = option.the.removesuffix("'s")
    if option.mid.lower() in w.POSSESSIVES | {"mine", "yours", "hers", "ours", "theirs"}:
        return None
    if is_verb_in_ing(owner.split()[0]):
        return None
    mark = "'" if owner.endswith("s") and is_plural(owner) else "'s"
    return f"{owner}{mark} {match['m']} {match['v']} {match['rest']}"


def _says(match: re.Match[str], option: Option) -> str:
    """Word "what does the sign say": the words themselves stand in quotation marks."""
    return f'{affirmed(match["x"], match["do"], match["v"].lower())} "{option.text}"'


def _means(match: re.Match[str], option: Option) -> str | None:
    if len(option.mid.split()) > 4:
        return None
    return f'{affirmed(match["x"], match["do"], "mean")} "{option.text}"'


def _to_do(match: re.Match[str], option: Option) -> str | None:
    """Word "what should the driver do" and "what can the magnets be expected to do"."""
    first, told = option.mid.lower().split()[0], match["to"] or ""
    if first not in w.VERBS and not (told and first not in w.DETERMINERS and not is_verb_in_ing(first)):
        return None
    do, rest = match["do"].lower(), match["rest"] or ""
    if do in {"do", "does", "did"} and not told:
        verb, _, object_ = option.mid.partition(" ")
        return f"{affirmed(match['x'], do, verb)} {object_}{rest}"
    return f"{match['x']} {do} {told}{option.mid}{rest}"


def _about_to_do(match: re.Match[str], option: Option) -> str | None:
    """Word "what is the boy about to do"."""
    if option.mid.lower().split()[0] not in w.VERBS:
        return None
    return f"{match['x']} {match['be'].lower()} {match['to']}{option.mid}{match['rest'] or ''}"


def _in_common(match: re.Match[str], option: Option) -> str | None:
    return f"{match['x']} are all {option.mid}" if is_adjective(option.mid.split()[-1]) else None


def _property(match: re.Match[str], option: Option) -> str | None:
    if not is_adjective(option.mid.split()[-1]):
        return None
    return f"{match['x']} {agreeing('is', match['x'])} {option.mid}"


def _style(match: re.Match[str], option: Option) -> str:
    return f"the style of {match['x']} is {option.mid}"


def _whose(match: re.Match[str], option: Option) -> str:
    return f"{match['x']} {agreeing(match['be'], match['x'])} {option.the}'s"


RELATION_RULES = (
    rule(
        "relationship",
        r"what is the (?:relationship|relation|connection) (?:between|of|among) "
        r"(?:the (?:orientations|directions) of )?(?P<x>(?:the|these|those) [^,]+)(?:, .+)?",
        _related,
    ),
    rule(
        "belongs",
        r"(?:which|what) "
        r"(?P<n>category|class|type|kind|genre|era|period|century|school|family|style)"
        r"(?: of \w+)? (?:does|do) (?P<x>[^,]+?) belong to",
        _belongs,
    ),
    rule(
        "property",
        r"(?:which|what) (?:property|adjective|quality|word) (?:best )?"
        r"(?:matches|describes|fits) (?P<x>[^,]+)",
        _property,
    ),
    rule(
        "term",
        r"(?:which|what) (?P<n>term|word|phrase|expression|adjective|slogan)s? "
        rf"(?:best )?(?P<v>{_VERBS}) (?P<rest>[^,]+)",
        _term,
    ),
    rule(
        "owner",
        rf"(?:which|what) [^,]+?(?:'s|s') (?P<m>[^,]+?) (?P<v>{_VERBS}|is|are|was|were) (?P<rest>[^,]+)",
        _owned,
    ),
    rule("owner", rf"whose (?P<m>[^,]+?) (?P<v>{_VERBS}|is|are|was|were) (?P<rest>[^,]+)", _owned),
    rule("says", rf"what {DO} (?P<x>[^,]+?) (?P<v>say|read)", _says),
    rule("means", rf"what {DO} (?P<x>[^,]+?) mean", _means),
    rule(
        "to-do",
        rf"what {DO} (?P<x>[^,]+?) (?P<to>(?:be|need|have|want|try|like)\b[^,]*? to )?do(?P<rest> [^,]+)?",
        _to_do,
    ),
    rule(
        "to-do",
        rf"what {BE} (?P<x>[^,]+?) (?P<to>(?:about|going|trying|supposed|ready|planning|preparing) to )"
        r"do(?P<rest> [^,]+)?",
        _about_to_do,
    ),
    rule(
        "in-common",
        r"(?:which|what) (?:property|feature|quality) do (?P<x>[^,]+?) (?:have in common|share)",
        _in_common,
    ),
    rule(
        "style",
        rf"(?:which|what) (?:art |artistic |painting )?style {BE} "
        r"(?P<x>[^,]+?)(?: (?:painted|drawn|made|done))?(?: in)?",
        _style,
    ),
)
