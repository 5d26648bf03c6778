"""A question taken apart: what leads in, what is asked, and what it only says about how to reply."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Literal

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.denials import written_out

Form = Literal["wh", "verb", "find", "blank", "open", "truth", "none"]
"""How it asks: a question word, a verb first, "find x", a gap, an unfinished sentence, "is this true: …",
or in no way that a rule could word."""

VERB = r"(?:is|are|was|were|has|have|had|does|do|did|can|could|will|would|should|may|might|must)"
_WH = r"(?:what|which|who|whose|where|when|why|how)"
_START = rf"(?:(?:in |on |at |to |from |under |behind |near )?{_WH}|{VERB})\b"
STARTS_WITH_VERB = re.compile(rf"{VERB}\b", re.IGNORECASE)
VERB_ALONE = re.compile(VERB, re.IGNORECASE)
_KEPT_LEAD = r"(?P<lead>(?:in|on|from|at|if|when|while|according to|for|with) [^?]+?),\s+"
_DROPPED_LEAD = r"(?:considering|based on|looking at|judging by|given|between|of|among|out of) [^?]+?,\s+"
_SHORT_IS = re.compile(rf"\b({_WH})'s\b", re.IGNORECASE)
_PLACEHOLDER = re.compile(r"<image(?:[ _]?\d+)?>", re.IGNORECASE)
_SENTENCE_END = re.compile(r"[.!:]\s+(?=[A-Z\\])")
_LIKELY = re.compile(
    r" (?:most )?(?:likely|probably)\b(?! (?:to|that|answer|option|reason|cause)\b)", re.IGNORECASE
)
_VIEW = r"(?:perspective|point of view|viewpoint|vantage point)"
_PERSPECTIVE = re.compile(
    r",? (?:as )?(?:seen |viewed )?(?:from|in relation to|with respect to) "
    rf"(?P<lead>(?:(?:(?! from | to )[^,?])*?\b{_VIEW}(?! of\b)|the {_VIEW} of [^,?]+|"
    r"[^,? ]+ [^,? ]+'s view))(?=$|,)",
    re.IGNORECASE,
)
_FIND = re.compile(
    r"(?:please )?(?:use .+? to |refer to .+? to )?"
    r"(?:find|determine|calculate|compute|identify|name|state|give|estimate|evaluate|tell me|solve for|"
    r"express|read off|report)(?: out)? (?P<x>.+)",
    re.IGNORECASE,
)
_COUNT = re.compile(r"(?:please )?count (?:up )?(?:all )?(?:the )?(?:number of )?(?P<x>.+)", re.IGNORECASE)
_PICK = re.compile(
    r"(?:please )?(?:choose|select|pick)(?: out)? (?:the|a|one) "
    r"(?P<x>(?:\w+ )*(?:caption|description|sentence|statement)\b.*)",
    re.IGNORECASE,
)
_SELECT = re.compile(r"(?:please )?(?:choose|select|pick)(?: out)? (?P<x>the .+)", re.IGNORECASE)
_PRECISION = re.compile(
    r",? (?:to the nearest [\w-]+|rounded to .+|in (?:its )?simplest form|in terms of \S+|"
    r"as an? (?:simplified )?(?:fraction|decimal|percentage)\b.*)$",
    re.IGNORECASE,
)
_TRUTH = re.compile(
    rf"{VERB} the (?:following )?(?:statement|sentence|claim|caption|description)\b[^?]*"
    r"\b(?:true|correct|right|accurate)",
    re.IGNORECASE,
)
_REFERENCE = re.compile(
    rf"(?P<ref>(?:relative to|with respect to|in relation to|compared to) [^,?]+), "
    rf"(?P<where>where {VERB} .+)",
    re.IGNORECASE,
)
"""What a place is relative to, told first."""
_LAST_WHERE = re.compile(r"^(?P<x>(?:the|his|her|this) .+?) (?P<be>is|are)(?P<rest>.*) where$", re.IGNORECASE)
_FINITE = re.compile(r"\b(?:is|are|was|were|has|have|can|could|will|would|does|do)\b", re.IGNORECASE)
_UNFINISHED = w.PREPOSITIONS | {
    "is",
    "are",
    "was",
    "were",
    "a",
    "an",
    "the",
    "because",
    "called",
    "has",
    "have",
}


@dataclass(frozen=True)
class Asked:
    """What a rule has to word.

    Attributes:
        quoted: the whole text.
        form: how it asks.
        body: the question proper, without mark, lead, context and options; "" where the form is "none".
        lead: the clause that leads in ("in the image"), or "".
    """

    quoted: str
    form: Form = "none"
    body: str = ""
    lead: str = ""


@functools.lru_cache(64)
def taken_apart(question: str) -> Asked:
    """Take a question apart; the form is "none" where it asks more than one thing, or nothing.

    >>> taken_apart("In it, which is bigger, the cat or dog?")
    Asked(quoted='In it, which is bigger, the cat or dog?', form='wh', body='which is bigger', lead='in it')
    >>> taken_apart("Find the area. Round to the nearest tenth.").body
    'the area'
    """
    text = _SHORT_IS.sub(r"\1 is", " ".join(_PLACEHOLDER.sub(" ", question).split()))
    if "__" in text:
        return _with_gap(text)
    asked, mark, after = text.partition("?")
    if mark and "?" in after:
        return Asked(text)
    if mark and after and _TRUTH.fullmatch(_last_sentence(asked)):
        return Asked(text, "truth", after.strip(" ."))
    told = None if mark else _told_to(text)
    if told is not None:
        return told
    body = _LIKELY.sub("", _last_sentence(asked))
    body = re.sub(rf"^{_DROPPED_LEAD}(?={_START})", "", body, flags=re.IGNORECASE)
    lead, body = _without_lead(body)
    told_first = _REFERENCE.fullmatch(body)
    if told_first:
        body = f"{told_first['where']} {told_first['ref'][:1].lower()}{told_first['ref'][1:]}"
    body = _LAST_WHERE.sub(r"where \g<be> \g<x>\g<rest>", body)
    if not re.match(_START, body, re.IGNORECASE):
        return Asked(text) if mark else _unfinished(text)
    if STARTS_WITH_VERB.match(body):
        return Asked(text, "verb", body, lead)
    return Asked(text, "wh", _without_alternatives(written_out(body)), lead)


def _last_sentence(text: str) -> str:
    return _SENTENCE_END.split(text)[-1].strip(" .:")


def _without_lead(body: str) -> tuple[str, str]:
    """Part the clause that leads in, or the point of view that is named at the end."""
    found = re.match(rf"{_KEPT_LEAD}(?={_START}|(?:find|determine|calculate)\b)", body, re.IGNORECASE)
    if found:
        lead = found["lead"]
        return lead[:1].lower() + lead[1:], body[found.end() :]
    view = _PERSPECTIVE.search(body)
    if view:
        return f"from {view['lead']}", body[: view.start()] + body[view.end() :]
    return "", body


def _told_to(text: str) -> Asked | None:
    """Take apart what is told and not asked: "find x", "count the boats", "choose the caption"."""
    for sentence in _SENTENCE_END.split(text):
        lead, told = _without_lead(sentence.strip(" .:"))
        found = _FIND.fullmatch(told)
        if found and re.match(_START, found["x"], re.IGNORECASE):
            return Asked(text, "wh", found["x"], lead)
        if found:
            return Asked(text, "find", _PRECISION.sub("", _PRECISION.sub("", found["x"])), lead)
        found = _COUNT.fullmatch(told)
        if found:
            return Asked(text, "wh", f"how many {found['x']}", lead)
        found = _PICK.fullmatch(told)
        if found:
            return Asked(text, "wh", f"which {found['x']}", lead)
        found = _SELECT.fullmatch(told)
        if found:
            return Asked(text, "wh", f"which is {found['x']}", lead)
    return None


def _with_gap(text: str) -> Asked:
    """Keep the sentence with the gap."""
    sentences = [part for part in _SENTENCE_END.split(text) if "__" in part]
    return Asked(text, "blank", sentences[0].rstrip(".?:! ")) if len(sentences) == 1 else Asked(text)


def _unfinished(text: str) -> Asked:
    body = _SENTENCE_END.split(text)[-1].rstrip(" .:\u2026")
    words = body.lower().split()
    ends_open = len(words) > 2 and words[-1] in _UNFINISHED and _FINITE.search(body) is not None
    return Asked(text, "open", body) if ends_open else Asked(text)


def _without_alternatives(question: str) -> str:
    """Drop the options from a question that names them: "which is bigger, the cat or the dog"."""
    text = re.sub(r"\s*\([^)]*\bor\b[^)]*\)", "", question)
    text = re.sub(rf",\s[^,?]*\bor\b[^,?]*,\s(?={VERB}\b)", " ", text, flags=re.IGNORECASE)
    return re.sub(r"\s*[,:;]\s[^?]*\bor\b[^?]*", "", text)
