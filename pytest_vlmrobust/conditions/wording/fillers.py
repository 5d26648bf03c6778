"""The option as it fills the gap of a what-question: "cat" -> "a cat", "left" -> "the left lane"."""

from __future__ import annotations

import re

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.english import head_noun, is_adjective, is_quantity, singular
from pytest_vlmrobust.conditions.wording.rules import Option

_LABEL = re.compile(r"[A-Z]\d?|\d{1,2}")
_VAGUE = {"statement", "option", "answer", "caption", "sentence", "description", "choice"}
_KINDS_OF_MATTER = {"material", "substance", "liquid", "drink", "metal", "element", "food", "sport", "gas"}


def kind(noun: str | None) -> str:
    """Drop what adds nothing before a noun: "kind of animal" -> "animal", "color hat" -> "hat"."""
    return re.sub(
        r"^(?:(?:(?:kind|type|sort)s? of|colou?r|"
        r"(?:one )?of (?:these|the following|the (?:two|three|four))) )+",
        _one_of,
        noun or "",
        flags=re.IGNORECASE,
    )


def _one_of(match: re.Match[str]) -> str:
    return "of the " if "of the" in match[0].lower() or "of these" in match[0].lower() else ""


def is_vague(noun: str) -> bool:
    """Say whether a noun stands for an option itself: "which statement is true"."""
    return any(singular(word) in _VAGUE for word in noun.lower().split())


def filler(match: re.Match[str], option: Option) -> str | None:
    """Word the option with the article that the question calls for; None where none would do.

    Args:
        match: of a rule with the groups ``wh`` (what, which or who) and ``n`` (the noun after it, if any).
        option: the option.
    """
    noun, definite = kind(match["n"]), match["wh"].lower() != "what"
    head = head_noun(noun.removeprefix("of the ")) if noun else ""
    if not {"that", "which", "who"}.isdisjoint(noun.lower().split()):
        return None
    if is_vague(noun) or "'" in noun or (not noun and _LABEL.fullmatch(option.text)):
        return None
    if singular(head) in w.ATTRIBUTE_NOUNS or (
        singular(head) in _KINDS_OF_MATTER and head_noun(option.mid) in w.MASS_NOUNS
    ):
        return option.mid
    share = re.match(r"(?:percentage|percent|share|fraction|proportion|part) (?P<of>of .+)", noun)
    if share and is_quantity(option.text):
        return f"{option.text} {share['of']}"
    one_of = noun.lower().startswith(("of ", "one"))
    if noun and _LABEL.fullmatch(option.text):
        own = len(option.text) > 1 and option.text[0].lower() == head[:1]  # quarter Q1, page P2
        return option.text if own else _labeled(noun, option.text)
    drawn = head == "shape" and option.mid.lower() in {"square", "oval"}
    if (
        noun
        and not drawn
        and all(is_adjective(word) or word.lower() in w.POSITIONS for word in option.mid.split())
    ):
        return f"the {option.mid} {'one' if one_of else noun}"
    if noun.lower() == "of the following":
        return option.a
    return option.the if definite or one_of else option.a


def _labeled(noun: str, label: str) -> str | None:
    """Put a label behind its noun: "point on the right image" and "B" give "point B on the right image"."""
    if noun.startswith("of the "):
        noun = noun.removeprefix("of the ").removeprefix("two ").removeprefix("three ").removeprefix("four ")
    words = noun.removeprefix("one ").split()
    if not words:
        return None
    cut = next((at for at, word in enumerate(words) if at and word.lower() in w.PREPOSITIONS), len(words))
    return " ".join([*words[: cut - 1], singular(words[cut - 1]), label, *words[cut:]])
