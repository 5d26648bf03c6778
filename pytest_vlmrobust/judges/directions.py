"""Options that say where something is, and who is seen from whom."""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_vlmrobust.core.mentions import Mention, Prose, vocabulary
from pytest_vlmrobust.judges.wording import content_words

_FORMS = {
    "left": ("left",),
    "right": ("right",),
    "above": ("above", "over", "on top of"),
    "below": ("below", "under", "underneath", "beneath"),
    "behind": ("behind",),
    "front": ("in front",),
}
_INVERSE = {"left": "right", "above": "below", "behind": "front"}
_INVERSE |= {there: here for here, there in _INVERSE.items()}
_CANONICAL = {"over": "above", "under": "below", "underneath": "below", "beneath": "below"}
_AROUND = vocabulary("to on at in of it its his her their him them side is")
_PRONOUN_OBJECT = vocabulary("it him her them of to side")
_APART = re.compile(
    r"\b(?:relative to|compared (?:to|with)|in relation to|with respect to|seen from)\b", re.I
)


class Directions:
    """The options that are directions, and the two things that a question sets apart.

    Attributes:
        names: for each such option its direction, such as "left".
    """

    def __init__(self, keys: Sequence[tuple[str, ...]], question: str) -> None:
        """Find the directions among the options' words."""
        named = {index: _direction(key) for index, key in enumerate(keys)}
        self.names = {index: name for index, name in named.items() if name}
        self._question = question
        self._things = _two_things(question)

    def forms(self) -> list[tuple[str, int]]:
        """Return other ways to say each direction; none where only one option is a direction."""
        if len(self.names) < 2:
            return []
        return [(form, index) for index, name in self.names.items() for form in _FORMS[name]]

    def as_asked(self, prose: Prose, mention: Mention) -> tuple[int | None, bool]:
        """Turn "the mug is left of the laptop" round where the laptop was asked about.

        Returns the option, or None where the clause is about something else, and whether the
        clause names what was asked about.
        """
        choice = mention.choice
        if choice not in self.names:
            return choice, False
        after = [word.text for word in prose.words[mention.last + 1 :]]
        if self._things is None:
            return choice, False
        first, second = self._things
        before = {word.text for word in prose.words[: mention.first]}
        if before & first and not before & second:
            return choice, True
        if before & second and not before & first:
            return (self._inverse(choice), True) if first & set(after) else (None, False)
        return choice, False

    def cannot_tell(self, prose: Prose, mention: Mention) -> bool:
        """Whether a direction is said of two named things and it is not known which was asked about."""
        after = [word.text for word in prose.words[mention.last + 1 :]]
        of_something = after[:1] in (["of"], ["to"]) and after[1:2] and after[1] not in _PRONOUN_OBJECT
        return bool(of_something) and mention.choice in self.names and not self._question

    def _inverse(self, choice: int) -> int | None:
        wanted = _INVERSE[self.names[choice]]
        return next((index for index, name in self.names.items() if name == wanted), None)


def _direction(key: tuple[str, ...]) -> str | None:
    rest = [word for word in key if word not in _AROUND]
    name = _CANONICAL.get(rest[0], rest[0]) if len(rest) == 1 else ""
    return name if name in _FORMS else None


def _two_things(question: str) -> tuple[set[str], set[str]] | None:
    """Return the words that name only the first, and only the second, thing that is compared."""
    apart = _APART.search(question)
    if apart is None:
        return None
    first, second = content_words(question[: apart.start()]), content_words(question[apart.end() :])
    return (first - second, second - first) if first - second and second - first else None
