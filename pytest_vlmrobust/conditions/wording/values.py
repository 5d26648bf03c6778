"""Claims for what is to be found: "find x", "find the area of the circle"; and for unfinished sentences."""

from __future__ import annotations

import re

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.english import head_noun, is_plural
from pytest_vlmrobust.conditions.wording.rules import Option, rule

_CONDITION = r"(?P<if>,? (?:if|when|so that|such that|given that|given|where) .+)?"
_SYMBOLIC = re.compile(r"\\|m ?(?:\\|\u2220)|[a-z]\w?(?: |$)|\w+ ?[=+*/^\u2220]")


def symbolic(text: str) -> bool:
    r"""Say whether a text is a formula or a variable, which cannot begin a sentence.

    >>> [symbolic(text) for text in ("x", "x in the figure", "m \\angle 3", "the area", "AC")]
    [True, True, True, False, False]
    """
    return _SYMBOLIC.match(text) is not None


def _value(match: re.Match[str], option: Option) -> str:
    thing = match["x"]
    many = not symbolic(thing) and thing[0].islower() and is_plural(head_noun(thing))
    be = "are" if many else "is"
    return f"{_named(thing)} {be} {option.mid}{match['if'] or ''}"


def _named(thing: str) -> str:
    """Name what is found, so that a sentence can begin with it."""
    first = thing.split()[0]
    if symbolic(thing):
        return f"the value of {thing}"
    stands = first.lower() in w.DETERMINERS | w.PRONOUNS or first[0].isupper() or first.endswith("'s")
    return thing if stands else f"the {thing}"


def _ended(match: re.Match[str], option: Option) -> str:
    last = match["x"].lower().split()[-1]
    return f"{match['x']} {option.a if last in {'is', 'was', 'called'} else option.mid}"


FIND_RULES = (rule("value", rf"(?P<x>.+?){_CONDITION}", _value),)
OPEN_RULES = (rule("unfinished", r"(?P<x>.+)", _ended),)
