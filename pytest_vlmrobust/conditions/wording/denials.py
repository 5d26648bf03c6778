"""Questions and phrases that deny: what is asserted then is not what an option says by itself."""

from __future__ import annotations

import re

_DENIES = re.compile(
    r"\b(?:not|no|none|never|nor|neither|nobody|nothing|cannot|without|except\w*|exclud\w+|least|worst|"
    r"false\w*|fake|untrue|unfit\w*|wrong\w*|incorrect\w*|inaccura\w+|inconsisten\w+|incompatible|invalid|"
    r"inappropriate|impossible|improbable|unlikely|unrelated|irrelevant|unsupported|unfounded|odd|"
    r"contradict\w*|mismatch\w*|mislead\w*|misrepresent\w*|misdescrib\w*|disagree\w*|conflict\w*|"
    r"violat\w*|refut\w*|disprov\w*|err|errs|errors?|erroneous\w*|mistakes?|mistaken\w*|faulty|flawed|"
    r"fail\w*|lack\w*|omit\w*|rul(?:e|es|ed) out|opposite|untruth\w*)\b|"
    r"n['\u2019]t\b",
    re.IGNORECASE,
)
_NEGATOR = re.compile(
    r"\b(?:not|no|none|never|nor|neither|nobody|nothing|cannot|without|only|hardly)\b|n['\u2019]t\b",
    re.IGNORECASE,
)
_SHORT = re.compile(
    r"\b(?P<verb>is|are|was|were|does|do|did|could|would|should|has|have|had|ca|wo)n['\u2019]t\b",
    re.IGNORECASE,
)
_FULL = {"ca": "can", "wo": "will"}


def may_deny(question: str) -> bool:
    """Say whether a question may ask for what is false, or for what does not fit: False only if it is sure.

    >>> may_deny("Which statement is false?"), may_deny("Which statement is true?")
    (True, False)
    """
    return _DENIES.search(question) is not None


def is_negated(phrase: str) -> bool:
    """Say whether a phrase holds a word that denies, so that one "not" more would be understood otherwise.

    >>> is_negated("holding no umbrella"), is_negated("holding an umbrella")
    (True, False)
    """
    return _NEGATOR.search(phrase) is not None


def written_out(question: str) -> str:
    """Write short forms out: "doesn't" -> "does not".

    >>> written_out("what isn't red, and what can't be")
    'what is not red, and what can not be'
    """
    return _SHORT.sub(lambda found: f"{_FULL.get(found['verb'].lower(), found['verb'])} not", question)
