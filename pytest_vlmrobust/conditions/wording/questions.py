"""The wording of claims: a table of rules over questions, tried in order.

Each rule is a pattern for questions and a builder; the first that is sure of its wording wins.
Where none is, the claim quotes the question: "The answer to the question "…" is "…".",
which is right English for every question. A rule never guesses where a noun phrase ends:
`clauses` says when it cannot tell.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.asked import STARTS_WITH_VERB, VERB_ALONE, Asked, taken_apart
from pytest_vlmrobust.conditions.wording.captions import CAPTION_RULES
from pytest_vlmrobust.conditions.wording.denials import may_deny
from pytest_vlmrobust.conditions.wording.either import CHOICE_RULES
from pytest_vlmrobust.conditions.wording.english import contains_phrase, is_common, is_quantity, sentence
from pytest_vlmrobust.conditions.wording.how import HOW_RULES
from pytest_vlmrobust.conditions.wording.motion import MOTION_RULES
from pytest_vlmrobust.conditions.wording.place import PLACE_RULES
from pytest_vlmrobust.conditions.wording.polar import POLAR_RULES, TRUTH_RULES
from pytest_vlmrobust.conditions.wording.relations import RELATION_RULES
from pytest_vlmrobust.conditions.wording.rules import Option, Rule, rule
from pytest_vlmrobust.conditions.wording.sentences import is_plain, is_sentence
from pytest_vlmrobust.conditions.wording.values import FIND_RULES, OPEN_RULES
from pytest_vlmrobust.conditions.wording.what import WHAT_RULES

GENERIC = "generic"
"""Name for whatever no rule words."""

SENTENCE = "sentence"
"""Name for options that are sentences by themselves."""

BLANK_RULES = (rule("blank", r"(?P<before>[^_]*)_{2,}(?P<after>[^_]*)", "{before}{o}{after}"),)
_NO_OPTION = re.compile(
    r"(?:none|all|both|neither|either|any|some)(?: of .*|,.*)?|unknown|unsure|not sure|i'm not sure|"
    r"i don't know|(?:it )?(?:cannot|can't|can not) .*|not .*|nobody|nothing|no one",
    re.IGNORECASE,
)
_NOT = re.compile(r"(?:\b(?P<before>[\w'-]+) )?\b(?:not|never)\b", re.IGNORECASE)
_TWO_AT_ONCE = re.compile(
    r"\bvice versa\b|"
    r"\b(?:and|or) (?:where|what|which|who|whose|when|why|how) (?:is|are|was|were|do|does|did)\b",
    re.IGNORECASE,
)
"""What no sentence about one thing can answer."""
_SAME = re.compile(r"(?:about |roughly )?(?:the )?(?:same(?: \w+)?|equal)", re.IGNORECASE)
_NOUNS = "|".join(sorted(w.NAMED_NOUNS | {"brand", "name", "word"}))
_NAMED = re.compile(
    rf"(?:in |on |at |to |from )?(?:what|which) (?:[\w-]+ )?(?:{_NOUNS})s?\b|"
    r"(?:what|which) (?:is|was|are) the (?:[\w-]+ )?(?:name|brand|capital|title|make|word|text)s?\b|"
    r"what (?:is|are) (?:written|printed)|what (?:does|do) .* (?:say|read)$",
    re.IGNORECASE,
)
"""A question whose answer is a name or a quotation, so that its capitals stay."""

_HOW = MOTION_RULES + PLACE_RULES + HOW_RULES
_WHAT = CAPTION_RULES + MOTION_RULES + PLACE_RULES + RELATION_RULES + WHAT_RULES
_RULES: dict[str, tuple[Rule, ...]] = {
    "blank": BLANK_RULES,
    "open": OPEN_RULES,
    "find": FIND_RULES,
    "truth": TRUTH_RULES,
}
ALL_RULES = (*_HOW, *_WHAT, *CHOICE_RULES, *POLAR_RULES, *(one for rules in _RULES.values() for one in rules))
"""Every rule there is."""


def worded(question: str, option: str, choices: Sequence[str] = ()) -> tuple[str, str]:
    """Return the sentence that asserts ``option`` as the answer, and the name of the rule that worded it.

    Args:
        question: the question.
        option: the option.
        choices: all options of the sample, where they are known: they tell which capitals mean nothing,
            and which words of the question are alternatives.
    """
    asked = taken_apart(question)
    chosen = _option(asked, option, choices)
    alone = is_sentence(chosen.text)
    if alone and not may_deny(asked.quoted):
        return sentence(chosen.text), SENTENCE
    if asked.body and not alone and _can_be_worded(chosen, asked):
        for candidate in _rules_for(asked, chosen):
            text = candidate.apply(asked.body, chosen)
            if text is not None and _asserts(text, chosen, asked) and _in_order(text, candidate, asked):
                return sentence(_led(asked.lead, text)), candidate.name
    return f'The answer to the question "{asked.quoted}" is "{chosen.text or option.strip()}".', GENERIC


def lettered(question: str, option: str, letter: str) -> tuple[str, str]:
    """Assert an option by its letter as well: for options that one sentence cannot tell apart."""
    quoted = taken_apart(question).quoted
    return f'The answer to the question "{quoted}" is option {letter}, "{_plain(option)}".', GENERIC


_OWNER = re.compile(r"from (?P<who>the [^,']+)'s ", re.IGNORECASE)
_ALONE = re.compile(r"\b(?:is|are|was|were) (?:in front|at the front|behind)$")
_PRONOUNS = {**dict.fromkeys(("woman", "girl", "lady"), "her"), **dict.fromkeys(("man", "boy"), "him")}


def _led(lead: str, text: str) -> str:
    """Put what leads in before a claim; "in front" and "behind" then say of whom."""
    owner = _OWNER.match(lead)
    if owner and _ALONE.search(text):
        who = _PRONOUNS.get(owner["who"].lower().split()[-1], owner["who"])
        text = text.replace(" at the front", " in front")
        text = f"{text} of {who}" if text.endswith("front") else f"{text} {who}"
    return f"{lead}, {text}" if lead else text


def _option(asked: Asked, option: str, choices: Sequence[str]) -> Option:
    """Prepare an option: where all options begin with a capital, and one of them is no name, none is."""
    named = _NAMED.match(asked.body) is not None
    plain = [_plain(choice) for choice in choices]
    capitals = bool(plain) and all(text[:1].isupper() for text in plain)
    cased = capitals and not named and sum(map(_common, plain)) * 2 >= len(plain)
    named = named or (capitals and not cased)
    if cased:
        plain = [_lowered(text) for text in plain]
    text = _lowered(_plain(option)) if cased else _plain(option)
    return Option(text, named, tuple(Option(one, named).mid for one in plain))


def _plain(option: str) -> str:
    return " ".join(option.split()).rstrip(". ") or option.strip()


def _common(text: str) -> bool:
    first, _, rest = text.partition(" ")
    return is_common(first.lower()) and rest == rest.lower() and len(first) > 1


def _lowered(text: str) -> str:
    first, _, rest = text.partition(" ")
    ordinary = len(first) > 1 and first[1:] == first[1:].lower() and rest == rest.lower()
    return text[:1].lower() + text[1:] if ordinary and not is_sentence(text) else text


def _can_be_worded(option: Option, asked: Asked) -> bool:
    if not is_plain(option.text):
        return False
    if STARTS_WITH_VERB.match(asked.body):
        return True
    return not _NO_OPTION.fullmatch(option.text) and not _SAME.fullmatch(option.text)


def _asserts(text: str, option: Option, asked: Asked) -> bool:
    """Check what every claim must hold: the option is in it, no other option, and no list of alternatives."""
    if option.polarity is not None and (asked.form == "truth" or STARTS_WITH_VERB.match(asked.body)):
        return True
    if option.text.casefold() not in text.casefold():
        return False
    if option.choices:
        return not names_another(text, option.mid, option.choices)
    return " or " not in text.lower() or " or " in option.text.lower()


def _in_order(text: str, used: Rule, asked: Asked) -> bool:
    """Check that a denial in the question was understood: "not" stands behind the verb that it denies."""
    if used in CAPTION_RULES and may_deny(asked.quoted):
        return False
    if asked.form == "wh" and any(
        VERB_ALONE.fullmatch(one["before"] or "") is None for one in _NOT.finditer(text)
    ):
        return False
    return _TWO_AT_ONCE.search(asked.body) is None


def names_another(text: str, option: str, choices: Sequence[str]) -> bool:
    """Say whether a text names an option besides the one that it asserts.

    What is part of the asserted option does not count, nor does a number, which a question may hold as well.

    >>> names_another("The cup is left of the plate.", "left", ["left", "right"])
    False
    """
    rest = re.sub(rf"(?<!\w){re.escape(option)}(?!\w)", " \x00 ", text, flags=re.IGNORECASE)
    words = re.findall(r"[\w'\x00]+", rest)
    others = [one for one in choices if one.casefold() != option.casefold()]
    return any(
        contains_phrase(words, re.findall(r"[\w']+", one))
        for one in others
        if not is_quantity(one) and len(one) > 1
    )


def _rules_for(asked: Asked, option: Option) -> tuple[Rule, ...]:
    if asked.form in _RULES:
        return _RULES[asked.form]
    if asked.form == "verb":
        return CHOICE_RULES if option.polarity is None else POLAR_RULES
    if option.polarity is not None:
        return ()
    return _HOW if asked.body.split()[0].lower() in {"how", "where", "when", "why"} else _WHAT
