"""Options that are sentences by themselves: "There are two dogs", "it floats on water"."""

from __future__ import annotations

import re

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.english import is_plural, is_verb_in_ing
from pytest_vlmrobust.conditions.wording.verbs import third_person

_AUXILIARY = re.compile(
    r"(?:is|are|was|were|has|have|had|does|do|did|can|cannot|could|will|would|should|may|might|must)(?:n't)?|"
    r"can't|won't",
    re.IGNORECASE,
)
_RELATIVE = {"that", "which", "who", "whose", "where", "whether", "how", "what", "when", "if", "because"}
_SUBJECTS = frozenset(["it", "he", "she", "they", "we", "you", "i"])
_VERB_FORMS = frozenset(third_person(verb) for verb in w.VERBS)
_NO_SUBJECT = w.PREPOSITIONS | w.ADVERBS | _RELATIVE | {"yes", "no", "to", "not"}

_LABEL = re.compile(r"[A-Z]\d?")
_MOST_SUBJECT_WORDS = 12


def is_sentence(text: str) -> bool:
    """Say whether an option is a sentence by itself; False where that is not sure.

    >>> [is_sentence(text) for text in ("A man rides a horse", "a row of drinks on a table", "it moved left")]
    [True, False, True]
    """
    words = text.split()
    lower = [word.lower() for word in words]
    if _has_plain_subject(lower):
        return True
    if len(words) < 3 and not (len(words) == 2 and lower[0] in _SUBJECTS):
        return False
    if lower[0] in _NO_SUBJECT or (is_verb_in_ing(lower[0]) and lower[0] not in w.NOUNS_IN_ING):
        return False
    if not is_plain(text):
        return False
    if lower[0] in _SUBJECTS:
        return lower[1] not in w.PREPOSITIONS | w.DETERMINERS | _RELATIVE and not lower[1].endswith(",")
    return _has_auxiliary(words) or _has_full_verb(lower)


def _has_plain_subject(words: list[str]) -> bool:
    """Say whether a plural without a determiner does something: "sales rise", "prices stay the same"."""
    if len(words) < 2 or words[0] in w.NUMBER_WORDS or not is_plural(words[0]):
        return False
    if len(words) == 2:
        return words[1] in w.VERBS_ALONE
    return words[1] in w.VERBS and words[2] in w.DETERMINERS | w.PREPOSITIONS


def is_plain(text: str) -> bool:
    """Say whether a text can stand inside a sentence: no sentence ends within it or at its end."""
    return re.search(r"\w", text) is not None and not re.search(
        r"[.!?;]\s|(?<!\d):\s(?!\d)(?<!\d : )|[!?;:,]$|\.\.", text
    )


def _has_auxiliary(words: list[str]) -> bool:
    for at, word in enumerate(words):
        if at and _AUXILIARY.fullmatch(word):
            before = [earlier.lower() for earlier in words[:at]]
            label = _LABEL.fullmatch(words[0]) is not None
            starts = before[0] in w.DETERMINERS | w.PRONOUNS | w.QUANTIFIERS or label or at <= 3
            inner = set(before[1:]) & (_SUBJECTS | _RELATIVE)
            return starts and not inner and at <= _MOST_SUBJECT_WORDS and at + 1 < len(words)
    return False


def _has_full_verb(words: list[str]) -> bool:
    """Say whether a verb stands between a subject with a determiner and what follows."""
    if words[0] not in w.DETERMINERS | w.QUANTIFIERS or set(words) & _RELATIVE:
        return False
    for at in range(2, len(words)):
        before, after = words[at - 1], words[at + 1] if at + 1 < len(words) else ""
        if before in w.PREPOSITIONS | w.DETERMINERS | {"and", "or"} or before.endswith("ing"):
            continue
        many = is_plural(" ".join(words[:at]))
        goes_on = not after or after in w.DETERMINERS | w.PREPOSITIONS | w.MASS_NOUNS or after.endswith("ly")
        verb = words[at] in w.VERBS if many else words[at] in _VERB_FORMS
        if verb and (after in w.DETERMINERS if many else goes_on) and before not in w.ADJECTIVES:
            return True
    return False
