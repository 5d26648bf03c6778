"""What a sentence must hold to pass as the claim of an option."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_vlmrobust.core.samples import LETTERS

MOST_CHARACTERS = 300
"""The longest claim that a writer may give."""

_POLAR = {"yes", "no"}
_SENTENCE_END = re.compile(r"[.!?](?=\s+[A-Z\"'])")
_ONE = rf"[{LETTERS[0]}-{LETTERS[-1]}]"
_LABEL = re.compile(
    rf"\(\s*{_ONE}\s*\)|\b(?:[Oo]ption|[Aa]nswer|[Cc]hoice|[Ll]etter) {_ONE}\b|^{_ONE}\s*[:).]"
)
_LETTER = re.compile(rf"\b{_ONE}\b(?!')")
_TAG = re.compile(r"</?\|?[A-Za-z][\w|-]*|</|<\|")
_HIDDEN = re.compile(r"[\x00-\x1f\x7f-\x9f\u200b-\u200f\u2028-\u202e\u2060-\u206f\ufeff]")
_DOUBT = re.compile(
    r"\b(?:no|not|none|never|neither|nor|nobody|nothing|cannot|hardly|false|untrue|wrong|incorrect|unlikely|"
    r"impossible|might|may|could|would|should|must|perhaps|maybe|possibly|probably|presumably|apparently|"
    r"seems? to|appears? to|unclear|unknown|unsure|uncertain|doubtful|rather than|instead of|"
    r"fails?|denies|denied)\b|"
    r"\w+n['\u2019]t\b"
)
_DENIAL = re.compile(
    r"\b(?:no|not|none|never|neither|nor|nobody|nothing|cannot|hardly|false|untrue|wrong|incorrect)\b|"
    r"\w+n['\u2019]t\b"
)
_REPLIES = re.compile(r"(?:yes|no)(?:[,.;:!]| *$)", re.IGNORECASE)
_ABBREVIATION = re.compile(r"\b(?:[A-Z]|Mr|Mrs|Ms|Dr|St|vs|No|approx)\.$")


def fault_of(text: str, option: str, choices: Sequence[str], question: str = "") -> str:
    """Say what keeps a sentence from being the claim of an option, or "".

    It has to be one sentence on one line that ends with a period, and to contain the option, word for word,
    and no other one; yes and no need not stand in it. What is part of the option itself does not count as
    another option. No word may deny or doubt, and no letter of an option may stand there, unless question or
    option bring it; the answer no may be worded with a denial.

    Args:
        text: the sentence.
        option: the option that it shall assert.
        choices: all options.
        question: the question, as far as it is known.

    >>> fault_of("The cup is left of the plate.", "left", ["left", "right"])
    ''
    >>> fault_of("The cup is not right of it.", "left", ["left", "right"])
    "it does not contain the option 'left'"
    """
    return (
        _form(text)
        or foreign_marks(text, [question, *choices])
        or _content(text, option, choices)
        or _sense(text, option, question)
    )


def foreign_marks(text: str, known: Sequence[str]) -> str:
    """Say which tag or hidden character stands in a text and in none of those that are known, or "".

    >>> foreign_marks("The cup is</b> red.", ["red"])
    "it holds the tag '</b'"
    >>> foreign_marks("If x<y, y is 3.", ["If x<y, find y."])
    ''
    """
    for name, pattern in (("tag", _TAG), ("character", _HIDDEN)):
        for found in pattern.finditer(text):
            if not any(found[0] in one for one in known):
                return f"it holds the {name} {found[0]!r}"
    return ""


def _sense(text: str, option: str, question: str) -> str:
    """Find letters of options, and words that turn a statement around or weaken it."""
    wanted = plain(option)
    polar = wanted.casefold() in _POLAR
    if polar and _REPLIES.match(text):
        return "it replies and does not state"
    rest = text if polar else _pattern(wanted).sub("\x00", text)
    for found in _LETTER.finditer(rest):
        article = found[0] == "A" and found.start() == 0
        if not article and _pattern(found[0]).search(question) is None:
            return "it names a letter"
    known = {word.lower() for word in re.findall(r"[\w'\u2019]+", f"{question} {option}")}
    for found in _DOUBT.finditer(rest):
        word = found[0]
        if word.lower() in known or (wanted.casefold() == "no" and _DENIAL.fullmatch(word)):
            continue
        return f"it says {word!r}, which neither question nor option say"
    return ""


def _form(text: str) -> str:
    if not text.strip():
        return "it is empty"
    if text != text.strip() or "\n" in text or "\r" in text:
        return "it does not stand on one line"
    if len(text) > MOST_CHARACTERS:
        return f"it has {len(text)} characters, more than {MOST_CHARACTERS}"
    if not text.endswith(".") or text.endswith(".."):
        return "it does not end with one period"
    ends = [found.end() for found in _SENTENCE_END.finditer(text)]
    if any(not _ABBREVIATION.search(text[:end]) for end in ends):
        return "it is more than one sentence"
    return ""


def _content(text: str, option: str, choices: Sequence[str]) -> str:
    wanted = plain(option)
    polar = wanted.casefold() in _POLAR
    if not polar and not _holds(text, wanted):
        return f"it does not contain the option {wanted!r}"
    rest = text if polar else _pattern(wanted).sub("\x00", text)
    if _LABEL.search(rest):
        return "it names a letter"
    for other in map(plain, choices):
        if other.casefold() in _POLAR | {wanted.casefold()}:
            continue
        if _holds(text if _holds(other, wanted) else rest, other):
            return f"it contains the option {other!r} too"
    return ""


def plain(option: str) -> str:
    """Return an option as it stands in a sentence: single spaces, no period at its end."""
    return " ".join(option.split()).rstrip(". ") or option.strip()


def _holds(text: str, option: str) -> bool:
    return _pattern(option).search(text) is not None


def _pattern(option: str) -> re.Pattern[str]:
    """Match an option as whole words; a single letter only in its own case, since "a" is an article."""
    flags = re.IGNORECASE if len(option) > 1 else re.NOFLAG
    return re.compile(rf"(?<!\w){re.escape(option)}(?!\w)", flags)
