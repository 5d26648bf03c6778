"""Claims of place: where something is, on which side, in which direction."""

from __future__ import annotations

import re

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.clauses import split_predicate, split_verb
from pytest_vlmrobust.conditions.wording.english import (
    affirmed,
    contains_phrase,
    is_adjective,
    is_participle,
    is_plural,
    is_verb_in_ing,
    third_person,
)
from pytest_vlmrobust.conditions.wording.rules import BE, DO, Option, rule

_RELATIVE = (
    r"(?:,? (?:relative to|with respect to|in relation to|with reference to|compared to|compared with|"
    r"as seen from|seen from|viewed from|from) (?P<ref>.+))"
)
_FRAME = r"(?:in|on|within) (?P<frame>the (?:image|picture|photo|photograph|scene|frame))"
_PLACED = r"(?: (?:located|placed|positioned|situated))?"
_WHITHER = r"(?:in |to )?(?:which|what) (?:direction|way)"
_PLACES = {
    **dict.fromkeys(("left", "right"), ("on the {o}", "to the {o} of {ref}")),
    **dict.fromkeys(("left side", "right side"), ("on the {o}", "on the {o} of {ref}")),
    **dict.fromkeys(("top", "bottom"), ("at the {o}", "on the {o} of {ref}")),
    **dict.fromkeys(("center", "middle", "foreground", "background"), ("in the {o}", "in the {o} of {ref}")),
    "front": ("at the {o}", "in {o} of {ref}"),
    "in front": ("{o}", "{o} of {ref}"),
    **dict.fromkeys(("next", "close"), ("{o} by", "{o} to {ref}")),
}
"""Bare words of place, spelled out: alone, and relative to something."""
_PARTS = {"left", "right", "side", "middle", "center", "top", "bottom", "corner", "background", "foreground"}
_CORNER = re.compile(r"(?:top|bottom|upper|lower)[- ](?:left|right|center|middle)(?: corner)?", re.IGNORECASE)
_STARTS = w.PLACE_STARTERS | w.PLACE_ADVERBS | {"left", "right"}


def located(subject: str, place: str, reference: str = "", *, relation: str = "relative to") -> str | None:
    """Say that something is at a place; None where the place is not worded as one.

    Args:
        subject: subject and verb: "the cat is".
        place: an option such as "left", "on the mat", "left of it".
        reference: what the place is seen from, or "".
        relation: how the reference leads in where the place does not lead to it.

    >>> located("the cat is", "left", "the lamp"), located("the cat is", "kitchen")
    ('the cat is to the left of the lamp', None)
    >>> located("the cat is", "left of it", "the lamp")
    'relative to the lamp, the cat is left of it'
    """
    words = place.lower().split()
    if place.lower() in _PLACES:
        alone, related = _PLACES[place.lower()]
        return f"{subject} {(related if reference else alone).format(o=place, ref=reference)}"
    if _CORNER.fullmatch(place):
        return f"{subject} in the {place}{f' of {reference}' if reference else ''}"
    if words[0] not in _STARTS:
        return None
    if not reference or contains_phrase(words, reference.split()):
        return f"{subject} {place}"
    if words[-1] in _PARTS and len(words) > 1:
        return f"{subject} {place} of {reference}"
    if words[-1] in w.PREPOSITIONS:
        return f"{subject} {place} {reference}"
    return f"{relation} {reference}, {subject} {place}"


def with_place_noun(noun: str, option: Option) -> str:
    """Word an option after a preposition of place: "the kitchen", "the left lane"."""
    describes = noun and all(is_adjective(word) for word in option.mid.split())
    return f"the {option.mid} {noun}" if describes else option.the


def _where(match: re.Match[str], option: Option) -> str | None:
    """Word "where is the cat", alone, in a frame or relative to something."""
    groups, words = match.groupdict(), match["x"].split()
    if is_verb_in_ing(words[-1]) or (is_participle(words[-1]) and len(words) > 2):
        return None
    subject, place = f"{match['x']} {match['be'].lower()}", option.mid
    if groups.get("frame"):
        place = f"{place} side" if place.lower() in {"left", "right"} else place
        return located(subject, place, match["frame"], relation="in")
    return located(subject, place, groups.get("ref") or "")


def _where_doing(match: re.Match[str], option: Option) -> str | None:
    """Word "where is the cat sleeping" and "where was the photo taken"."""
    split = split_predicate(match["x"])
    if split is None or option.mid.lower().split()[0] not in _STARTS:
        return None
    verb = split[1]
    if " " in verb or not (is_verb_in_ing(verb) or is_participle(verb)):
        return None
    return f"{split[0]} {match['be']} {verb} {option.mid}"


def _where_does(match: re.Match[str], option: Option) -> str | None:
    """Word "where can you see a clock"."""
    split = split_verb(match["x"])
    if split is None or option.mid.lower().split()[0] not in _STARTS:
        return None
    subject, verb, rest = split
    return f"{affirmed(subject, match['do'], verb)} {rest} {option.mid}"


def _side(match: re.Match[str], option: Option) -> str | None:
    """Word "which side of the dog is facing the camera"."""
    side = _side_name(option)
    return None if side is None else f"the {side} of {match['of']} {match['be']} {match['x']}"


def _on_side(match: re.Match[str], option: Option) -> str | None:
    """Word "on which side of the image is the dog"."""
    side, whole = _side_name(option), f" of {match['of']}" if match["of"] else ""
    return None if side is None else f"{match['x']} {match['be']} on the {side}{whole}"


def _side_name(option: Option) -> str | None:
    side = re.sub(r"^(?:on )?(?:the )?", "", option.mid, flags=re.IGNORECASE)
    if not side or len(side.split()) > 2 or side.lower().split()[0] in w.PREPOSITIONS | w.DETERMINERS:
        return None
    return side if side.lower().endswith("side") else f"{side} side"


def _position(match: re.Match[str], option: Option) -> str | None:
    """Word "what is the position of X relative to Y"."""
    be = "are" if is_plural(match["x"]) else "is"
    return located(f"{match['x']} {be}", option.mid, match["ref"] or "")


def _in(match: re.Match[str], option: Option) -> str:
    """Word "in which room is the cat"."""
    return f"{match['x']} {match['be']} {match['p'].lower()} {with_place_noun(match['n'] or '', option)}"


def _direction(match: re.Match[str], option: Option) -> str:
    """Word "which direction does the arrow point"."""
    return f"{match['x']} {third_person(match['v'].lower())} {option.mid}"


PLACE_RULES = (
    rule("side", rf"(?:which|what) side of (?P<of>[^,]+?) {BE} (?P<x>.+)", _side),
    rule("on-side", rf"on (?:which|what) side(?: of (?P<of>[^,]+?))? {BE} (?P<x>[^,]+)", _on_side),
    rule("direction", rf"{_WHITHER} {BE} (?P<x>[^,]+?) (?P<v>\w+ing)", "{x} {be} {v} {o}"),
    rule("direction", rf"{_WHITHER} does (?P<x>[^,]+?) (?P<v>\w+)", _direction),
    rule(
        "place-in",
        rf"(?P<p>in|on|at|under|behind|near) (?:which|what)(?: (?P<n>[\w-]+))? {BE} (?P<x>[^,]+)",
        _in,
    ),
    rule(
        "position-of",
        r"what is the (?:relative |spatial )?(?:position|location|placement) of (?P<x>[^,]+?)"
        r"(?: (?:relative to|with respect to|in relation to|compared to) (?P<ref>.+))?",
        _position,
    ),
    rule("how-placed", rf"how {BE} (?P<x>[^,]+?)(?: oriented| aligned|{_PLACED}){_RELATIVE}", _where),
    rule("where-relative", rf"where {BE} (?P<x>[^,]+?){_PLACED}{_RELATIVE}", _where),
    rule("where-in-frame", rf"where {_FRAME} {BE} (?P<x>[^,]+?){_PLACED}", _where),
    rule("where-in-frame", rf"where {BE} (?P<x>[^,]+?){_PLACED} {_FRAME}", _where),
    rule("where-doing", rf"where {BE} (?P<x>[^,]+)", _where_doing),
    rule("where-does", rf"where {DO} (?P<x>[^,]+)", _where_does),
    rule("where", rf"where {BE} (?P<x>[^,]+?){_PLACED}", _where),
)
