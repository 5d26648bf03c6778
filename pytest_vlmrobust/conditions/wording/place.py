"""Claims of place: where something is, on which side, in which direction."""

from __future__ import annotations

import re

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.clauses import split_predicate, split_verb
from pytest_vlmrobust.conditions.wording.english import (
    contains_phrase,
    is_adjective,
    is_comparative,
    is_participle,
    is_plural,
    is_verb_in_ing,
)
from pytest_vlmrobust.conditions.wording.places import phrase_of_place
from pytest_vlmrobust.conditions.wording.rules import BE, DO, Option, rule
from pytest_vlmrobust.conditions.wording.verbs import affirmed

_RELATIVE = (
    r"(?:,? (?:relative to|with respect to|in relation to|with reference to|compared to|compared with|"
    r"as seen from|seen from|viewed from|from) (?P<ref>.+))"
)
_FRAME = r"(?:in|on|within) (?P<frame>(?:the|this) (?:image|picture|photo|photograph|scene|frame))"
_PLACED = r"(?: (?:located|placed|positioned|situated))?"
_POSED = r"(?P<pose> (?:parked|standing|sitting|lying|hanging|seated|mounted))?"
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
_STARTS = w.PLACE_STARTERS | w.PLACE_ADVERBS | {"left", "right", "straight", "ahead", "directly"}


def located(subject: str, place: str, reference: str = "", *, relation: str = "relative to") -> str | None:
    """Say that something is at a place; None where the place is not worded as one.

    Args:
        subject: subject and verb: "the cat is".
        place: an option such as "left", "on the mat", "left of it".
        reference: what the place is seen from, or "".
        relation: how the reference leads in where the place does not lead to it.

    >>> located("the cat is", "left", "the lamp"), located("the cat is", "freedom")
    ('the cat is to the left of the lamp', None)
    >>> located("the cat is", "left of it", "the lamp")
    'relative to the lamp, the cat is left of it'
    """
    words = place.lower().split()
    if place.lower() in {"side by side", "face to face", "back to back"} or words[0] == "one":
        return f"{subject} {place}"
    if place.lower() in _PLACES:
        alone, related = _PLACES[place.lower()]
        related = (
            "at the {o} of {ref}" if place.lower() in {"top", "bottom"} and _is_frame(reference) else related
        )
        return f"{subject} {(related if reference else alone).format(o=place, ref=reference)}"
    if _CORNER.fullmatch(place):
        return f"{subject} in the {place}{f' of {reference}' if reference else ''}"
    if words[0] not in _STARTS or (words[0] in {"left", "right"} and words[1:2] not in ([], ["of"])):
        found = None if reference else phrase_of_place(place)
        return None if found is None else f"{subject} {found}"
    if not reference or contains_phrase(words, reference.split()):
        return f"{subject} {place}"
    if not w.POSSESSIVES.isdisjoint(words):
        return f"{relation} {reference}, {subject} {place}"
    if words[-1] in _PARTS and len(words) > 1:
        return f"{subject} {place} of {reference}"
    if words[-1] in w.PREPOSITIONS:
        return f"{subject} {place} {reference}"
    return f"{relation} {reference}, {subject} {place}"


def _is_frame(reference: str) -> bool:
    return reference.lower().split()[-1:] in (["image"], ["picture"], ["photo"], ["photograph"], ["scene"])


def with_place_noun(noun: str, option: Option) -> str:
    """Word an option after a preposition of place: "the kitchen", "the left lane"."""
    describes = noun and all(is_adjective(word) or word.lower() in w.POSITIONS for word in option.mid.split())
    return f"the {option.mid} {noun}" if describes else option.the


def _where(match: re.Match[str], option: Option) -> str | None:
    """Word "where is the cat", alone, in a frame or relative to something."""
    groups, words = match.groupdict(), match["x"].split()
    if is_verb_in_ing(words[-1]) or (is_participle(words[-1]) and len(words) > 2):
        return None
    subject, place = f"{match['x']} {match['be'].lower()}{groups.get('pose') or ''}", option.mid
    if groups.get("frame"):
        place = f"{place} side" if place.lower() in {"left", "right"} else place
        return located(subject, place, match["frame"], relation="in")
    return located(subject, place, groups.get("ref") or "")


def _where_doing(match: re.Match[str], option: Option) -> str | None:
    """Word "where is the cat sleeping" and "where was the photo taken"."""
    split = split_predicate(match["x"])
    if split is None:
        return None
    verb = split[1]
    if (
        " " in verb
        or verb.lower() in {"facing", "looking", "heading", "pointing"}
        or not (is_verb_in_ing(verb) or is_participle(verb))
    ):
        return None
    return located(f"{split[0]} {match['be']} {verb}", option.mid)


def _where_does(match: re.Match[str], option: Option) -> str | None:
    """Word "where can you see a clock"."""
    split = split_verb(match["x"])
    if split is None:
        return None
    subject, verb, rest = split
    frame = match.groupdict().get("frame") or ""
    return located(f"{affirmed(subject, match['do'], verb)} {rest}", option.mid, frame, relation="in")


def _side(match: re.Match[str], option: Option) -> str | None:
    """Word "which side of the dog is facing the camera"."""
    side = _side_name(option)
    if side is not None and side.split()[0].lower() in {"front", "back", "rear", "top", "bottom"}:
        side = side if "side" in option.text.lower() else side.split()[0]
    return None if side is None else f"the {side} of {match['of']} {match['v']} {match['x']}"


def _on_side(match: re.Match[str], option: Option) -> str | None:
    """Word "on which side of the image is the dog"."""
    side, groups = _side_name(option), match.groupdict()
    whole = f" of {groups['of']}" if groups.get("of") else ""
    placed = _placed(match["x"], match["be"])
    if side is None or match["x"].split()[0].lower() in _STARTS | {"facing", "closest"}:
        return None
    if side.split()[0].lower() in {"middle", "center"}:
        return f"{placed} in the {side.split()[0]}{whole}{groups.get('rest') or ''}"
    return f"{placed} on the {side}{whole}{groups.get('rest') or ''}"


def _placed(thing: str, be: str) -> str:
    """Join a thing and its verb; a word for how it is stands behind the verb: "the bus is parked"."""
    *noun, last = thing.split()
    how = (is_verb_in_ing(last) or is_participle(last) or is_comparative(last)) and len(noun) > 1
    how = how and noun[-1].lower() not in w.ADVERBS | w.PREPOSITIONS | {"and", "or", "is", "are"}
    return f"{' '.join(noun)} {be} {last}" if how else f"{thing} {be}"


def _side_name(option: Option) -> str | None:
    side = re.sub(r"^(?:on )?(?:the )?", "", option.mid, flags=re.IGNORECASE)
    if not side or len(side.split()) > 2 or side.lower().split()[0] in w.PREPOSITIONS | w.DETERMINERS:
        return None
    return side if side.lower().endswith("side") else f"{side} side"


def _position(match: re.Match[str], option: Option) -> str | None:
    """Word "what is the position of X relative to Y"."""
    be = "are" if is_plural(match["x"]) else "is"
    return located(f"{match['x']} {be}", option.mid, match["ref"] or "")


def _after(preposition: str, noun: str, option: Option) -> str:
    """Word the place that a question with a preposition asks for: "from which direction", "in which lane"."""
    first = option.mid.lower().split()[0]
    if noun.lower().startswith("side"):
        return f"{preposition} the {_side_name(option) or option.bare}{noun[4:]}"
    if first in w.PREPOSITIONS | {"ahead", "straight"}:
        return f"from {option.mid}" if preposition == "from" and first != "from" else option.mid
    if noun.lower() in {"direction", "way"}:
        return f"{preposition} {option.the}"
    if noun.lower() in {"time", "year", "month"}:
        return f"{preposition} {option.mid}"
    return f"{preposition} {with_place_noun(noun.split()[0], option)}"


def _in_which_does(match: re.Match[str], option: Option) -> str | None:
    """Word "on which side of the image does the cat appear"."""
    split = split_verb(match["x"])
    if split is None:
        return None
    subject, verb, rest = split
    return f"{affirmed(subject, match['do'], verb)} {rest} {_after(match['p'].lower(), match['n'], option)}"


def _in_doing(match: re.Match[str], option: Option) -> str | None:
    """Word "in which lane are we driving" and "in which city was this photo taken"."""
    split = split_predicate(match["x"])
    if split is None or not (is_verb_in_ing(split[1].split()[-1]) or is_participle(split[1].split()[-1])):
        return None
    place = _after(match.string.split()[0].lower(), match["n"], option)
    return f"{split[0]} {match['be']} {split[1]} {place}"


_TIMES = {
    **dict.fromkeys(("morning", "afternoon", "evening"), "in the"),
    **dict.fromkeys(("night", "noon", "midday", "midnight", "dawn", "dusk", "sunset", "sunrise"), "at"),
    **dict.fromkeys(("spring", "summer", "autumn", "fall", "winter"), "in"),
}


def _at_time(match: re.Match[str], option: Option) -> str | None:
    """Word "at what time of day was the photo taken"."""
    split, lead = split_predicate(match["x"]), _TIMES.get(option.mid.lower())
    if split is None or not (is_participle(split[1]) or is_verb_in_ing(split[1])):
        return None
    if option.mid.lower().split()[0] in w.PREPOSITIONS:
        return f"{split[0]} {match['be']} {split[1]} {option.mid}"
    return None if lead is None else f"{split[0]} {match['be']} {split[1]} {lead} {option.mid}"


def _in(match: re.Match[str], option: Option) -> str:
    """Word "in which room is the cat" and "in which hand is the boy holding the racket"."""
    split = split_predicate(match["x"])
    placed = _placed(match["x"], match["be"])
    if (match["n"] or "").lower() in {"hand", "arm"} and split and is_verb_in_ing(split[1].split()[0]):
        placed = f"{split[0]} {match['be']} {split[1]}"
    return f"{placed} {match['p'].lower()} {with_place_noun(match['n'] or '', option)}"


def _part(match: re.Match[str], option: Option) -> str | None:
    """Word "in which part of the image is the boat"."""
    noun, words = match["n"].lower(), option.bare.lower().split()
    if words[0] in w.PREPOSITIONS:
        return f"{match['x']} {match['be']} {option.mid}"
    named = words[-1] in {noun, "part", "corner", "side", "half", "center", "middle", "area"}
    preposition = "on" if words[-1] == "side" or (noun == "side" and not named) else "in"
    whole = "" if named and " of " in option.bare else f" of {match['of']}"
    return f"{match['x']} {match['be']} {preposition} the {option.bare}{'' if named else f' {noun}'}{whole}"


PLACE_RULES = (
    rule(
        "on-side",
        rf"(?:which|what) side of (?P<of>[^,]+?) {BE} (?P<x>[^,]+?) on(?P<rest> (?:in|from|at) [^,]+)?",
        _on_side,
    ),
    rule(
        "on-side",
        rf"(?:which|what) side {BE} (?P<x>(?:the|a|an|this|that|his|her|my) [^,]+?)(?: on)?",
        _on_side,
    ),
    rule(
        "side",
        r"(?:which|what) side of (?P<of>[^,]+?) (?P<v>is|are|was|were|faces|can be|touches|points) (?P<x>.+)",
        _side,
    ),
    rule(
        "part",
        rf"(?:in|on|at) (?:which|what) (?P<n>part|corner|area|region|section|half|quadrant|portion) "
        rf"of (?P<of>[^,]+?) {BE} (?P<x>[^,]+?){_PLACED}",
        _part,
    ),
    rule("on-side", rf"on (?:which|what) side(?: of (?P<of>[^,]+?))? {BE} (?P<x>[^,]+)", _on_side),
    rule(
        "where-doing",
        rf"(?:in|on|at|under|behind|near|from) (?:which|what) (?P<n>[\w-]+) {BE} (?P<x>[^,]+)",
        _in_doing,
    ),
    rule("when", rf"at (?:which|what) time of (?:the )?(?:day|year) {BE} (?P<x>[^,]+)", _at_time),
    rule(
        "place-in",
        rf"(?P<p>in|on|at|under|behind|near) (?:which|what)(?: (?P<n>[\w-]+))? {BE} (?P<x>[^,]+)",
        _in,
    ),
    rule(
        "position-of",
        r"(?:what is|(?:which|what)\b[^,]*? describes) the (?:relative |spatial )?"
        r"(?:position|location|placement|relation|relationship) of (?P<x>[^,]+?)"
        r"(?: (?:relative to|with respect to|in relation to|compared to|to) (?P<ref>.+))?",
        _position,
    ),
    rule("how-placed", rf"how {BE} (?P<x>[^,]+?)(?: oriented| aligned|{_PLACED}){_RELATIVE}", _where),
    rule("where-relative", rf"where {BE} (?P<x>[^,]+?){_PLACED}{_POSED}{_RELATIVE}", _where),
    rule("where-in-frame", rf"where {_FRAME} {BE} (?P<x>[^,]+?){_PLACED}", _where),
    rule("where-in-frame", rf"where {BE} (?P<x>[^,]+?){_PLACED} {_FRAME}", _where),
    rule("where-doing", rf"where {BE} (?P<x>[^,]+)", _where_doing),
    rule(
        "in-which-does",
        rf"(?P<p>in|on|at|from|under|behind|near) (?:which|what) (?P<n>[^,]+?) {DO} (?P<x>[^,]+)",
        _in_which_does,
    ),
    rule("where-does", rf"where {_FRAME} {DO} (?P<x>[^,]+)", _where_does),
    rule("where-does", rf"where {DO} (?P<x>[^,]+)", _where_does),
    rule("where", rf"where {BE} (?P<x>[^,]+?){_PLACED}", _where),
)
