"""Claims of motion: which way something moves, turns or faces, and how it did."""

from __future__ import annotations

import re

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.clauses import split_predicate, split_verb
from pytest_vlmrobust.conditions.wording.english import is_participle, is_verb_in_ing
from pytest_vlmrobust.conditions.wording.rules import BE, DO, Option, rule
from pytest_vlmrobust.conditions.wording.verbs import affirmed, past

_WHITHER = r"(?:(?:in |to )?(?:which|what) (?:direction|way)|(?:to|towards) where)"
_PASTS = frozenset(past(verb) for verb in w.VERBS)
_FACING = {
    "facing",
    "looking",
    "heading",
    "pointing",
    "moving",
    "going",
    "turning",
    "walking",
    "driving",
    "running",
    "headed",
}
_BARE = {
    "left",
    "right",
    "up",
    "down",
    "forward",
    "forwards",
    "backward",
    "backwards",
    "upwards",
    "downwards",
}


def _heading(match: re.Match[str], option: Option) -> str | None:
    """Word "which direction is the car facing" and "in which direction is the wheel turned"."""
    split = split_predicate(match["x"])
    if split is None:
        return None
    subject, (verb, *rest) = split[0], split[1].split()
    if not (is_verb_in_ing(verb) or is_participle(verb)):
        return None
    rest = [] if rest in (["at"], ["to"], ["in"], ["towards"], ["toward"]) else rest
    return " ".join([subject, match["be"].lower(), verb, option.mid, *rest])


def _where_facing(match: re.Match[str], option: Option) -> str | None:
    """Word "where is the horse facing"."""
    split, words = split_predicate(match["x"]), option.mid.lower().split()
    if split is None or split[1].lower() not in _FACING:
        return None
    return f"{split[0]} {match['be']} {split[1]} {option.mid}" if _leads(words) else None


def _leads(words: list[str]) -> bool:
    return words[0] in _BARE | w.PREPOSITIONS | {"straight", "away", "sideways"}


def _direction(match: re.Match[str], option: Option) -> str | None:
    """Word "which direction does the arrow point" and "which way should I turn to face it"."""
    split = split_verb(match["x"])
    if split is None:
        return None
    subject, verb, rest = split
    words = option.mid.split()
    if words[0].lower() in w.VERBS - {"right"} and len(words) > 1:  # "rotate left"
        verb, words = words[0], words[1:]
    return " ".join([affirmed(subject, match["do"], verb), *words, rest])


def _compass(match: re.Match[str], option: Option) -> str:
    return f"{match['x']} {match['be']} {option.mid} of {match['y']}"


def _how_did(match: re.Match[str], option: Option) -> str | None:
    """Word "how did the camera move" where the option begins with the verb: "moved left"."""
    split = split_verb(match["x"])
    if split is None:
        return None
    subject, verb, rest = split
    words, do = option.mid.split(), match["do"].lower()
    moved = words[0].lower() not in _BARE
    if do == "did" and moved and (words[0].lower() in _PASTS or is_participle(words[0])):
        return f"{subject} {option.mid} {rest}"
    if do not in {"do", "does", "did"} and words[0].lower() == verb.lower():
        return f"{subject} {do} {option.mid} {rest}"
    if words[-1].endswith("ly") or (len(words) == 1 and _leads([words[0].lower()])):
        return f"{affirmed(subject, do, verb)} {option.mid} {rest}"
    return None


def _how_must(match: re.Match[str], option: Option) -> str | None:
    """Word "how will I have to turn to see the clock"."""
    words = option.mid.split()
    told = option.mid if words[0].lower() == match["v"].lower() else f"{match['v']} {option.mid}"
    if words[0].lower() != match["v"].lower() and not _leads([word.lower() for word in words]):
        return None
    return f"{match['x']} {match['do'].lower()} {match['must']} to {told}{match['rest'] or ''}"


MOTION_RULES = (
    rule("compass", rf"(?:what|which) direction {BE} (?P<x>[^,]+?) (?:in )?from (?P<y>[^,]+)", _compass),
    rule("direction", rf"{_WHITHER} {BE} (?P<x>[^,]+)", _heading),
    rule("direction", rf"{_WHITHER} {DO} (?P<x>[^,]+)", _direction),
    rule("facing", rf"where {BE} (?P<x>[^,]+)", _where_facing),
    rule(
        "how-moved",
        rf"how {DO} (?P<x>[^,]+?) (?P<must>have|need) to (?P<v>\w+)(?P<rest> [^,]+)?",
        _how_must,
    ),
    rule("how-moved", rf"how {DO} (?P<x>[^,]+)", _how_did),
)
