"""Small English: articles, number, verb forms, and where a noun phrase ends.

Nothing here parses English. Each function either is sure or says so (None), and a claim that
would rest on a guess is then worded in the form that is always right.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_vlmrobust.conditions.wording import words as w

_COMPARATIVES = frozenset(
    {"more", "less", "fewer", "worse", "better", "closer", "nearer", "farther", "further"}
) | {
    form
    for adjective in w.ADJECTIVES
    for form in (f"{adjective}er", f"{adjective}r", f"{adjective}{adjective[-1]}er", f"{adjective[:-1]}ier")
}
_CLOSED = w.DETERMINERS | w.PRONOUNS | w.PREPOSITIONS | w.ADVERBS | w.PLACE_STARTERS | w.CLAUSE_WORDS
_OPEN = (
    w.ADJECTIVES
    | w.MASS_NOUNS
    | w.COMMON_NOUNS
    | {"top", "bottom", "center", "middle", "yes", "upper", "lower"}
)
_KNOWN = _CLOSED | _OPEN
_DRINKS = ("wine ", "beer ", "water ", "drinking ", "champagne ", "cocktail ", "tall ", "empty ", "full ")
_AFTER_NOUN = {"that", "which", "who", "ahead", "nearby", "visible", "present", "shown"}
_QUANTITY = re.compile(r"[#$€£]?\d[\d.,:/%-]*\S*")


def sentence(text: str) -> str:
    """Make a sentence of ``text``: single spaces, a capital first letter, one period at the end.

    >>> sentence("  the cat is  on the mat.. ")
    'The cat is on the mat.'
    """
    body = " ".join(text.split()).rstrip(".").rstrip()
    return f"{body[:1].upper()}{body[1:]}."


def head_noun(phrase: str) -> str:
    """Return the word that a noun phrase is about, in lower case: the last one before a preposition.

    >>> head_noun("the red shoes of the man")
    'shoes'
    """
    found = ""
    for word in phrase.lower().split():
        if found and word in w.PREPOSITIONS | _AFTER_NOUN:
            break
        found = word.strip(",;()")
    return found


def is_plural(phrase: str) -> bool:
    """Say whether a noun phrase takes "are".

    >>> is_plural("the cat and the dog"), is_plural("a glass of water"), is_plural("two people")
    (True, False, True)
    """
    first = phrase.lower().split()[0]
    if first in {"a", "an", "one", "1", "this", "that", "each", "every"}:
        return False
    if first in w.NUMBER_WORDS or first in {"these", "those", "both", "many", "several"}:
        return True
    if first.isdecimal():
        return int(first) != 1
    head = head_noun(phrase)
    if " and " in phrase.lower() or head in w.ALWAYS_PLURAL:
        return True
    if head in w.PLURALS:
        return w.PLURALS[head] != head
    return (
        head.endswith("s")
        and len(head) > 3
        and head not in w.SINGULAR_IN_S
        and not head.endswith(("ss", "us", "is", "'s"))
    )


def singular(noun_phrase: str) -> str:
    """Return the singular of a plural noun phrase: its last word before a preposition changes.

    >>> singular("red boxes"), singular("people"), singular("cups of tea")
    ('red box', 'person', 'cup of tea')
    """
    head = head_noun(noun_phrase)
    drinking = head == "glasses" and (
        " of " in noun_phrase.lower() or noun_phrase.lower().startswith(_DRINKS)
    )
    one = "glass" if drinking else singular_word(head)
    return re.sub(rf"\b{re.escape(head)}\b", one, noun_phrase, count=1, flags=re.IGNORECASE)


def singular_word(noun: str) -> str:
    """Return the singular of a noun in lower case; of one that is none, the noun itself."""
    if not noun or noun in w.PLURALS:
        return w.PLURALS.get(noun, "")
    if not is_plural(noun) or noun in w.ALWAYS_PLURAL:
        return noun
    if noun.endswith("ies"):
        return f"{noun[:-3]}y"
    if noun.endswith(("ches", "shes", "xes", "sses", "zzes", "toes")):
        return noun[:-2]
    return noun[:-1]


def with_indefinite(phrase: str) -> str:
    """Put "a" or "an" before a countable singular that has no article yet; else leave it.

    >>> [with_indefinite(p) for p in ("red shape", "octagon", "the cat", "dogs", "water", "Anna")]
    ['a red shape', 'an octagon', 'the cat', 'dogs', 'water', 'Anna']
    """
    first = phrase.lower().split()[0]
    stands_alone = (
        phrase[0].isupper()
        or not phrase[0].isalpha()
        or first in w.DETERMINERS | w.PRONOUNS | w.PREPOSITIONS | w.ADVERBS | w.CLAUSE_WORDS
        or is_verb_in_ing(first)
        or head_noun(phrase) in w.MASS_NOUNS | w.ADJECTIVES - {"square", "plain", "oval", "human"}
        or is_plural(phrase)
    )
    if first == "other" and not stands_alone:
        return f"an{phrase}"
    return phrase if stands_alone else f"{_indefinite_article(phrase)} {phrase}"


def _indefinite_article(phrase: str) -> str:
    first = phrase.lower()
    if first.startswith(w.CONSONANT_SOUNDS):
        return "a"
    return "an" if first.startswith((*"aeiou", *w.VOWEL_SOUNDS)) else "a"


_LABELED = re.compile(r"\w+ (?:[A-Z]\d?|\d{1,2})")


def with_definite(phrase: str) -> str:
    """Put "the" before a noun phrase that has no determiner and is no name; else leave it.

    >>> [with_definite(p) for p in ("lamp", "a lamp", "Anna", "3", "point B")]
    ['the lamp', 'a lamp', 'Anna', '3', 'point B']
    """
    first = phrase.lower().split()[0]
    stands_alone = (
        phrase[0].isupper()
        or not phrase[0].isalpha()
        or first in w.DETERMINERS | w.PRONOUNS | w.PREPOSITIONS | w.CLAUSE_WORDS
        or is_verb_in_ing(first)
        or _LABELED.fullmatch(phrase) is not None
    )
    return phrase if stands_alone else f"the {phrase}"


def in_mid_sentence(phrase: str, *, named: bool = False) -> str:
    """Take the capital off a first word that is certainly no name.

    Args:
        phrase: what may begin with a capital.
        named: whether a name is asked for; then only words such as "the" and "on" lose their capital.

    >>> in_mid_sentence("On the mat"), in_mid_sentence("Anna"), in_mid_sentence("Left"), in_mid_sentence("A")
    ('on the mat', 'Anna', 'left', 'A')
    """
    first, _, rest = phrase.partition(" ")
    lower = first.lower()
    only_first_is_capital = first[:1].isupper() and first[1:] == first[1:].lower()
    single_letter = len(first) == 1 and (not rest or lower != "a")
    lowered = lower in _CLOSED or (not named and is_common(lower) and rest == rest.lower())
    return f"{lower} {rest}".strip() if lowered and only_first_is_capital and not single_letter else phrase


def is_common(word: str) -> bool:
    """Say whether a word, in lower case, is known to be no name."""
    return (
        word in _KNOWN
        or word.endswith(("tic", "tive", "tory", "ional"))
        or is_verb_in_ing(word)
        or singular_word(word) in w.COMMON_NOUNS
    )


def is_verb_in_ing(word: str) -> bool:
    """Say whether a word looks like a present participle and not like a noun."""
    return len(word) > 4 and word.endswith("ing") and word.lower() not in w.NOUNS_IN_ING


def is_participle(word: str) -> bool:
    """Say whether a word looks like a past participle."""
    lower = word.lower()
    return lower in w.IRREGULAR_PARTICIPLES or (
        len(lower) > 3 and lower.endswith("ed") and lower not in w.WORDS_IN_ED
    )


def is_adjective(word: str) -> bool:
    """Say whether a word is known as an adjective, or ends like one."""
    lower = word.lower()
    return lower in w.ADJECTIVES or (len(lower) > 5 and lower.endswith(w.ADJECTIVE_ENDINGS))


def is_comparative(word: str) -> bool:
    """Say whether a word compares: "taller", "more", "less"."""
    return word.lower() in _COMPARATIVES


def is_quantity(phrase: str) -> bool:
    """Say whether a phrase is a number, in digits or as a word, alone or with a unit or a noun."""
    first = phrase.lower().split()[0]
    return first in w.NUMBER_WORDS | {"zero", "more", "fewer", "less", "several", "many"} or bool(
        _QUANTITY.fullmatch(first)
    )


def contains_phrase(text: Sequence[str], phrase: Sequence[str]) -> bool:
    """Say whether the words of ``phrase`` stand side by side in ``text``; case does not matter."""
    haystack = [word.lower() for word in text]
    needle = [word.lower() for word in phrase]
    return any(haystack[i : i + len(needle)] == needle for i in range(len(haystack) - len(needle) + 1))
