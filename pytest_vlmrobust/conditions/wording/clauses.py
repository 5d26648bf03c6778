"""Where a subject ends and its predicate or verb begins, in the word order of a question."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vlmrobust.conditions.wording import words as w
from pytest_vlmrobust.conditions.wording.english import (
    head_noun,
    is_adjective,
    is_comparative,
    is_participle,
    is_plural,
    is_verb_in_ing,
)

_MOST_SUBJECT_WORDS = 5
_JOINING = {"so", "and", "or", "but", "while", "than", "as", "not", "never", "then", "when", "whenever"}
_SHADES = {"clear", "dark", "bright", "deep", "pale"}


def split_predicate(text: str) -> tuple[str, str] | None:
    """Split "the tall man taller than the tree" after "man"; None where that would be a guess.

    >>> split_predicate("the cup on the table red")
    ('the cup on the table', 'red')
    >>> split_predicate("the man wearing a hat riding a bike") is None
    True
    """
    words = text.split()
    at = _predicate_index(words)
    return None if at is None else (" ".join(words[:at]), " ".join(words[at:]))


def split_verb(text: str) -> tuple[str, str, str] | None:
    """Split "the man ride a bike" into subject, verb and the rest; None where that would be a guess.

    >>> split_verb("the image show a red circle")
    ('the image', 'show', 'a red circle')
    """
    words = text.split()
    at = _verb_index(words)
    return None if at is None else (" ".join(words[:at]), words[at], " ".join(words[at + 1 :]))


def _predicate_index(words: Sequence[str]) -> int | None:
    if len(words) < 2 or any(word.endswith((",", ";")) for word in words):
        return None
    first = words[0].lower()
    if first in w.PRONOUNS:
        return 1
    if _names_value(words):
        return len(words) - 1
    if first in w.DEMONSTRATIVES and (len(words) == 2 or words[1].lower() in w.ARTICLES or _starts(words, 1)):
        return 1
    strong = [i for i in range(1, len(words)) if _starts_strongly(words, i)]
    if strong:
        return strong[0] if _one_run(strong) else None
    places = [i for i in range(1, len(words)) if _starts_place(words, i)]
    if places:
        return _place_index(words, places)
    if len(words) <= _MOST_SUBJECT_WORDS and _can_stand_last(words):
        return len(words) - 1
    return None


def _names_value(words: Sequence[str]) -> bool:
    """Say whether the last word is a number or a name, asked about as such: "the city in the north Oslo"."""
    head, last = head_noun(" ".join(words[:-1])), words[-1]
    if words[-2].lower() in w.PREPOSITIONS | w.DETERMINERS or words[-2][:1].isupper():
        return False
    return (last[0].isdigit() and head in w.ATTRIBUTE_NOUNS) or (
        last[0].isupper() and head in w.NAMED_NOUNS | w.ATTRIBUTE_NOUNS
    )


def _starts(words: Sequence[str], at: int) -> bool:
    return _starts_strongly(words, at) or _starts_place(words, at)


def _one_run(indices: Sequence[int]) -> bool:
    """Say whether the starters stand side by side: then they are one predicate ("very tall")."""
    return indices[-1] - indices[0] == len(indices) - 1


def _can_stand_last(words: Sequence[str]) -> bool:
    """Say whether the last word alone may be the predicate of a subject that has no other sign of its end."""
    plain = not {"and", "or", "not", "that", "which", "who", "of"} & {word.lower() for word in words}
    return plain and words[-2].lower() not in w.DETERMINERS | w.PREPOSITIONS and not is_plural(words[-1])


def _place_index(words: Sequence[str], places: Sequence[int]) -> int:
    """Choose the phrase of place that is the predicate: the first, but not what somebody wears."""
    for at in places:
        worn = words[at].lower() == "in" and any(word.lower() in w.CLOTHES for word in words[at : at + 4])
        if not worn:
            return at
    return places[-1]


def _starts_strongly(words: Sequence[str], at: int) -> bool:
    """Say whether a predicate begins at ``at`` whatever prepositions stand before it."""
    word, before = words[at].lower(), words[at - 1].lower()
    after = words[at + 1].lower() if at + 1 < len(words) else ""
    if before in w.DETERMINERS - w.DEMONSTRATIVES or before in w.PREPOSITIONS or before in {"and", "or"}:
        return False
    if word in {"a", "an"}:
        return _ends_noun_phrase(before) and at > 1
    if _modifies(before) and not (at > 1 and _starts_strongly(words, at - 1)):
        return False
    last_two = at + 2 == len(words) and is_adjective(after) and word in _SHADES
    closes = (
        last_two
        or after in {"", "and", "or", "than", "enough"} | w.PREPOSITIONS | w.PLACE_STARTERS | w.PLACE_ADVERBS
    )
    if word in {"the", "as"}:
        return (word == "the" and _singles_out(after)) or (word == "as" and is_adjective(after))
    if is_verb_in_ing(word):
        return True
    if is_participle(word):
        return (
            closes
            or after in w.ARTICLES | {"first", "second", "third", "last"}
            or is_adjective(after)
            or is_verb_in_ing(after)
        )
    if is_comparative(word):
        return closes or "than" in [later.lower() for later in words[at + 1 :]]
    if word in w.ADVERBS:
        return bool(after) and (
            is_adjective(after) or is_participle(after) or is_verb_in_ing(after) or _place(after)
        )
    if word in {"left", "right"}:
        return after == "of"
    names = word in w.NOUNS_TOO and (after in w.PREPOSITIONS or before in w.POSITIONS)
    return is_adjective(word) and closes and not names


def _singles_out(word: str) -> bool:
    """Say whether a predicate may begin with "the" and this word: "the same", "the largest"."""
    return word in {"same", "most", "least", "only", "first", "last", "best", "worst", "main"} or (
        len(word) > 5 and word.endswith("est") and word not in {"forest", "interest", "harvest", "request"}
    )


def _modifies(word: str) -> bool:
    """Say whether a word needs a noun after it."""
    return is_adjective(word) and word.lower() not in w.NOUNS_TOO | {"left", "right"}


def _ends_noun_phrase(word: str) -> bool:
    """Say whether a noun phrase may end with this word, so that "a" after it begins something new."""
    return not (
        word in w.PREPOSITIONS | w.DETERMINERS | w.ADVERBS | {"as", "such", "half", "and", "or", "not"}
        or is_verb_in_ing(word)
        or is_participle(word)
    )


def _place(word: str) -> bool:
    return word.lower() in w.PLACE_STARTERS


def _starts_place(words: Sequence[str], at: int) -> bool:
    """Say whether a predicate of place begins at ``at``."""
    word, before = words[at].lower(), words[at - 1].lower()
    if (
        before.endswith("est")
        or is_comparative(before)
        or _modifies(before)
        or before in {"next", "close", "far"}
    ):
        return False
    if before in w.PREPOSITIONS | w.DETERMINERS - w.DEMONSTRATIVES:
        return False
    return word in w.PLACE_STARTERS or (word in w.PLACE_ADVERBS and at == len(words) - 1)


def _verb_index(words: Sequence[str]) -> int | None:
    if len(words) < 2 or any(word.endswith((",", ";")) for word in words):
        return None
    if words[0].lower() in w.PRONOUNS:
        return 1
    first = 2 if words[0].lower() in w.DETERMINERS - w.DEMONSTRATIVES else 1
    for at in range(first, len(words)):
        before = words[at - 1].lower()
        if words[at].lower() in w.VERBS and not (
            before in w.DETERMINERS - w.DEMONSTRATIVES
            or before in w.PREPOSITIONS
            or before.endswith("'s")
            or _modifies(before)
        ):
            return at
    return _verb_before_object(words, first)


def _verb_before_object(words: Sequence[str], first: int) -> int | None:
    """Take the word before the second noun phrase for the verb, when nothing else can stand there."""
    for at in range(first, len(words) - 1):
        if words[at].lower() in w.PREPOSITIONS | w.CLAUSE_WORDS | w.ADVERBS | _JOINING or _modifies(
            words[at]
        ):
            return None
        if words[at + 1].lower() in w.DETERMINERS:
            return at
    alone = len(words) == 3 and words[0].lower() in w.DETERMINERS and not is_plural(words[2])
    return 2 if alone else None
