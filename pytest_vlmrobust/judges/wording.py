"""The words of a question: what it asks about, counts and compares."""

from __future__ import annotations

import re

from pytest_vlmrobust.core.mentions import Prose, leveled, vocabulary

_FUNCTION_WORDS = vocabulary(
    "a an the is are was were be do does did can could has have what which where who how many much when why "
    "in on at of to from for with by and or than as if not there this that these it its he she his her they "
    "you all one most likely same image picture photo see seen show shown object thing side relative "
    "compared position placed located"
)
_ADJECTIVES = (
    "near clos far farth furth bigg small larg tall short long high low wid narrow deep shallow heavi light "
    "fast quick slow old young new hott warm cold cool bright dark thick thinn strong weak loud full clean "
    "cheap great"
)
_COMPARED = re.compile(rf"(?:{_ADJECTIVES.replace(' ', '|')})(?:er|est)|more|less|most|least|fewer|fewest")
_SAME_MEASURE = (
    vocabulary("near clos"),
    vocabulary("bigg larg"),
    vocabulary("tall high"),
    vocabulary("far farth furth"),
    vocabulary("fast quick"),
)
_VERBS_AFTER_COUNTED = (
    "is are was were can do does did have has had lie lies lead leads support will could must sit stand "
    "hang in on at there fit make of"
)
_HOW_MANY = re.compile(
    r"\b(?:how many|number of)\s+((?:[\w-]+\s+){0,3}?[\w-]+)"
    rf"(?=\s+(?:{_VERBS_AFTER_COUNTED.replace(' ', '|')})\b|\s*[?.,]|\s*$)",
    re.I,
)


def plain_words(text: str) -> tuple[str, ...]:
    """Return the words of a text as they are compared, without articles."""
    return tuple(word.text for word in Prose(leveled(text)).words)


def content_words(text: str) -> set[str]:
    """Return the words of a question that carry its content."""
    return set(plain_words(text)) - _FUNCTION_WORDS


def carries_content(word: str) -> bool:
    """Whether a word is more than grammar."""
    return word not in _FUNCTION_WORDS


def counted_things(question: str) -> set[str]:
    """Return the words for what a question wants counted; nothing where it counts nothing.

    >>> sorted(counted_things("How many beach chairs are there?"))
    ['beach', 'chairs']
    """
    asked = _HOW_MANY.search(question)
    return set() if asked is None or asked[1].startswith("more") else content_words(asked[1])


def alike(word: str, other: str) -> bool:
    """Whether two words seem forms of one: singular and plural, or a long beginning in common.

    >>> alike("dog", "dogs"), alike("near", "nearest"), alike("dog", "door")
    (True, True, False)
    """
    if word == other or other in {word + "s", word + "es"} or word in {other + "s", other + "es"}:
        return True
    shared = 0
    while shared < min(len(word), len(other)) and word[shared] == other[shared]:
        shared += 1
    return shared >= 4 and shared >= max(len(word), len(other)) - 3


def compares(word: str) -> bool:
    """Whether a word is a comparative or superlative of a measure ("closer", "most")."""
    return _COMPARED.fullmatch(word) is not None


def same_measure(word: str, other: str) -> bool:
    """Whether two comparatives measure the same ("nearest", "closer")."""
    stems = {re.sub(r"(?:er|est)$", "", word), re.sub(r"(?:er|est)$", "", other)}
    return len(stems) == 1 or any(stems <= same for same in _SAME_MEASURE)


def other_number(noun: str) -> str:
    """Turn a singular into its plural and back, the regular way.

    >>> other_number("city"), other_number("boxes")
    ('cities', 'box')
    """
    if noun.endswith("ies"):
        return noun[:-3] + "y"
    if noun.endswith(("ses", "xes", "ches", "shes")):
        return noun[:-2]
    if noun.endswith("s") and not noun.endswith("ss"):
        return noun[:-1]
    if noun.endswith("y") and noun[-2:-1] not in "aeou":
        return noun[:-1] + "ies"
    return noun + ("es" if noun.endswith(("s", "x", "ch", "sh")) else "s")
