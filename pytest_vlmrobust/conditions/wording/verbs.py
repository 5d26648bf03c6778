"""Verb forms: third person, past, agreement, and the order of words of a statement."""

from __future__ import annotations

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.english import is_plural

_FORMS = (("is", "are"), ("was", "were"), ("has", "have"))

_PASTS = dict(pair.split(":") for pair in w.IRREGULAR_PASTS)
_DOUBLED = frozenset(
    {"stop", "drop", "tip", "step", "slip", "grab", "spot", "overlap", "occur", "refer", "repel"}
)


def third_person(verb: str) -> str:
    """Return the form for he, she or it.

    >>> [third_person(verb) for verb in ("show", "have", "touch", "carry", "play")]
    ['shows', 'has', 'touches', 'carries', 'plays']
    """
    if verb in {"have", "do", "go", "be"}:
        return {"have": "has", "do": "does", "go": "goes", "be": "is"}[verb]
    if verb.endswith(("s", "sh", "ch", "x", "z")):
        return f"{verb}es"
    if verb.endswith("y") and verb[-2:-1] not in set("aeiou"):
        return f"{verb[:-1]}ies"
    return f"{verb}s"


def past(verb: str) -> str:
    """Return the past form of a verb.

    >>> [past(verb) for verb in ("rotate", "move", "carry", "go", "stop")]
    ['rotated', 'moved', 'carried', 'went', 'stopped']
    """
    if verb in _PASTS:
        return _PASTS[verb]
    if verb in _DOUBLED:
        return f"{verb}{verb[-1]}ed"
    if verb.endswith("y") and verb[-2:-1] not in set("aeiou"):
        return f"{verb[:-1]}ied"
    return f"{verb}d" if verb.endswith("e") else f"{verb}ed"


def affirmed(subject: str, auxiliary: str, verb: str) -> str:
    """Turn "does X show" around: what is modal keeps its auxiliary.

    >>> affirmed("the image", "does", "show"), affirmed("it", "did", "fall"), affirmed("you", "can", "see")
    ('the image shows', 'it fell', 'you can see')
    """
    if auxiliary.lower() == "does":
        return f"{subject} {third_person(verb.lower())}"
    if auxiliary.lower() == "did":
        return f"{subject} {past(verb.lower())}"
    return f"{subject} {verb}" if auxiliary.lower() == "do" else f"{subject} {auxiliary.lower()} {verb}"


def agreeing(be: str, subject: str) -> str:
    """Return the form of "be" or "have" that agrees with the subject, in the tense of ``be``.

    A single capitalized word may be a name in -s, so the form that came is kept.

    >>> agreeing("is", "the dogs"), agreeing("were", "the dog"), agreeing("has", "they")
    ('are', 'was', 'have')
    """
    if subject[:1].isupper() and " " not in subject:
        return be  # perhaps a name: "Mars", "the Netherlands"
    one, many = next(forms for forms in _FORMS if be.lower() in forms)
    return many if is_plural(subject) or subject.lower() in {"they", "we", "you"} else one
