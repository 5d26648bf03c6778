"""The wording of claims: a table of rules over questions, tried in order.

Each rule is a pattern for questions and a builder; the first that is sure of its wording wins.
Where none is, the claim quotes the question: "The right answer to the question "…" is "…".",
which is right English for every question. A rule never guesses where a noun phrase ends:
`clauses` says when it cannot tell.
"""

from __future__ import annotations

import re
from dataclasses import dataclass

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.english import sentence
from pytest_vlmrobust.conditions.wording.how import HOW_RULES
from pytest_vlmrobust.conditions.wording.place import PLACE_RULES
from pytest_vlmrobust.conditions.wording.polar import CHOICE_RULES, POLAR_RULES
from pytest_vlmrobust.conditions.wording.rules import Option, Rule, rule
from pytest_vlmrobust.conditions.wording.what import WHAT_RULES

GENERIC = "generic"
"""Name for whatever no rule words."""

_VERB = r"(?:is|are|was|were|has|have|had|does|do|did|can|could|will|would|should|may|might|must)"
_WH = r"(?:what|which|who|where|when|why|how)"
_START = rf"(?:(?:in |on |at |to )?{_WH}|{_VERB})\b"
_STARTS_WITH_VERB = re.compile(rf"{_VERB}\b", re.IGNORECASE)
_KEPT_LEAD = r"(?P<lead>(?:in|on|from|at|if|when|while|according to|for|with) [^,?]+),\s+"
_DROPPED_LEAD = r"(?:considering|based on|looking at|judging by|given|between|of|among|out of) [^?]+?,\s+"
_SHORT_IS = re.compile(rf"\b({_WH})'s\b", re.IGNORECASE)
_NO_OPTION = re.compile(
    r"(?:none|all|both|neither|either|any|some)(?: of .*)?|unknown|unsure|not sure|i'm not sure|"
    r"i don't know|(?:it )?(?:cannot|can't|can not) .*|not .*|no .*|nobody|nothing|no one",
    re.IGNORECASE,
)
_SAME = re.compile(r"(?:the )?(?:same|equal)", re.IGNORECASE)
BLANK_RULE = rule("blank", r"(?P<before>[^_]*)_{2,}(?P<after>[^_]*)", "{before}{o}{after}")
_CLAUSE_START = w.DETERMINERS | w.PRONOUNS
_CLAUSE_VERB = re.compile(
    r"\b(?:is|are|was|were|has|have|had|does|do|did|can|cannot|could|will)\b", re.IGNORECASE
)
_RELATIVE = re.compile(r"\b(?:that|which|who|whose|where)\b", re.IGNORECASE)


@dataclass(frozen=True)
class _Asked:
    """A question taken apart.

    Attributes:
        quoted: the whole text, without options that it lists at its end.
        lead: the clause that leads in ("in the image"), or "".
        body: the question proper, without mark, lead, context and options, or "" where there is no
            single question that a rule could word.
    """

    quoted: str
    lead: str = ""
    body: str = ""


def worded(question: str, option: str) -> tuple[str, str]:
    """Return the sentence that asserts ``option`` as the answer, and the name of the rule that worded it."""
    chosen = Option(" ".join(option.split()).rstrip(". "))
    if _is_clause(chosen.text):
        return sentence(chosen.text), "sentence"
    asked = _reduced(question)
    if asked.body and _can_be_worded(chosen, asked.body):
        for candidate in _rules_for(asked.body, chosen):
            text = candidate.apply(asked.body, chosen)
            if text is not None and _asserts(text, chosen, asked.body):
                return sentence(f"{asked.lead}, {text}" if asked.lead else text), candidate.name
    return f'The right answer to the question "{asked.quoted}" is "{chosen.text or option.strip()}".', GENERIC


def _is_clause(text: str) -> bool:
    """Say whether an option is a sentence by itself: "There are two dogs"."""
    words = text.lower().split()
    verb = _CLAUSE_VERB.search(text)
    return (
        len(words) >= 3
        and words[0] in _CLAUSE_START
        and verb is not None
        and verb.start() > 0
        and not _RELATIVE.search(text[: verb.start()], len(words[0]))
        and _is_plain(text)
    )


def _is_plain(text: str) -> bool:
    """Say whether a text can stand inside a sentence: no sentence ends within it or at its end."""
    return bool(text) and not re.search(r"[.!?;:]\s|[!?;:,]$|\.\.", text)


def _can_be_worded(option: Option, body: str) -> bool:
    compares_equal = _SAME.fullmatch(option.text) and not _STARTS_WITH_VERB.match(body)
    return _is_plain(option.text) and not _NO_OPTION.fullmatch(option.text) and not compares_equal


def _asserts(text: str, option: Option, body: str) -> bool:
    """Check what every claim must hold: the option is in it, and no list of alternatives."""
    if option.polarity is not None and _STARTS_WITH_VERB.match(body):
        return True
    chooses = " or " not in text.lower() or " or " in option.text.lower()
    return chooses and option.text.casefold() in text.casefold()


def _rules_for(body: str, option: Option) -> tuple[Rule, ...]:
    first = body.split()[0].lower()
    if "__" in body:
        return (BLANK_RULE,)
    if re.fullmatch(_VERB, first):
        return CHOICE_RULES if option.polarity is None else POLAR_RULES
    if option.polarity is not None:
        return ()
    return PLACE_RULES + (HOW_RULES if first in {"how", "where", "when", "why"} else WHAT_RULES)


def _reduced(question: str) -> _Asked:
    text = _SHORT_IS.sub(r"\1 is", " ".join(question.split()))
    if "__" in text:
        return _Asked(text, body=text.rstrip(".?:! "))
    asked, mark, after = text.partition("?")
    if mark and "?" in after:
        return _Asked(text)
    body = re.split(r"[.!:]\s+(?=[A-Z])", asked)[-1].strip(" .:")
    body = re.sub(rf"^{_DROPPED_LEAD}(?={_START})", "", body, flags=re.IGNORECASE)
    lead = re.match(rf"{_KEPT_LEAD}(?={_START})", body, re.IGNORECASE)
    if lead:
        body = body[lead.end() :]
    if not re.match(_START, body, re.IGNORECASE):
        return _Asked(text)
    if _STARTS_WITH_VERB.match(body):
        return _Asked(text, lead["lead"] if lead else "", body)
    short = _without_alternatives(body)
    return _Asked(text.replace(body, short), lead["lead"] if lead else "", short)


def _without_alternatives(question: str) -> str:
    """Drop the options from a question that names them: "which is bigger, the cat or the dog"."""
    text = re.sub(r"\s*\([^)]*\bor\b[^)]*\)", "", question)
    return re.sub(r"\s*[,:;]\s[^?]*\bor\b[^?]*", "", text)
