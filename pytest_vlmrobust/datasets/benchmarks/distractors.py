"""Makes options of free answers: the others are answers to other questions that cannot be right as well."""

from __future__ import annotations

from collections.abc import Iterable, Sequence

from pytest_vlmrobust.core.seeding import seeded
from pytest_vlmrobust.datasets.benchmarks.options import Asked, OptionsOf, asked
from pytest_vlmrobust.datasets.benchmarks.texts import place
from pytest_vlmrobust.datasets.tables import Row

MOST_OPTIONS = 4

_POLAR = ("yes", "no")
_NUMBERS = (
    *("zero", "one", "two", "three", "four", "five", "six", "seven", "eight", "nine", "ten"),
    *("eleven", "twelve", "thirteen", "fourteen", "fifteen", "sixteen", "seventeen", "eighteen", "nineteen"),
    "twenty",
)
_PLACES = {
    "left": ("left", "leftward", "leftwards", "lefthand"),
    "right": ("right", "rightward", "rightwards", "righthand"),
    "front": ("front", "forward", "forwards", "ahead"),
    "back": ("back", "behind", "backward", "backwards", "rear"),
    "above": ("above", "over", "top", "up", "upward", "upwards", "upper"),
    "below": ("below", "under", "underneath", "beneath", "bottom", "down", "downward", "downwards", "lower"),
    "middle": ("middle", "center", "centre", "central"),
    "inside": ("inside", "within"),
    "outside": ("outside",),
}
"""Each place with the words for it."""

_SAME = {
    **{word: name for name, words in _PLACES.items() for word in words},
    **{word: str(number) for number, word in enumerate(_NUMBERS)},
    "none": "0",
}
_FILLING = {
    *("a", "an", "the", "to", "on", "in", "at", "of", "from", "with", "towards", "toward", "is", "it", "its"),
    *("his", "her", "their", "him", "them", "hand", "side", "direction", "part", "there", "are"),
}


def from_other_answers(rows: Sequence[Row]) -> OptionsOf:
    """Options of a free answer: the right one, and up to three answers to other questions.

    They are drawn for each row, of the kind of the right one (yes or no, a number, a place, something else),
    and of other kinds only where no question has another answer of its kind. None says what the right one
    or another one says in other words, in whole or in part. A row for which there is none has no options.

    Args:
        rows: all rows of a file, with their columns "question" and "answer".
    """
    answers = sorted({_answer(row) for row in rows})

    def take(row: Row) -> Asked:
        right = _answer(row)
        opposite = [other for other in _POLAR if right in _POLAR and other != right]
        drawn = opposite or _drawn(right, answers, place(row))
        return asked(row.text("question"), [right, *drawn] if drawn else [])

    return take


def _drawn(right: str, answers: Sequence[str], identity: str) -> list[str]:
    """Draw other options for an answer."""
    others = [answer for answer in answers if answer not in _POLAR and not _overlap(answer, [right])]
    alike = [answer for answer in others if _kind(answer) == _kind(right)]
    pool = alike or others
    drawn: list[str] = []
    for answer in seeded("distractors", identity).sample(pool, len(pool)):
        if len(drawn) < MOST_OPTIONS - 1 and not _overlap(answer, drawn):
            drawn.append(answer)
    return drawn


def _answer(row: Row) -> str:
    """The answer in small letters; "none" is an answer."""
    raw = row.values.get("answer")
    text = raw.strip() if isinstance(raw, str) else ""
    return (text or row.text("answer")).casefold().rstrip(".")


def _meaning(answer: str) -> frozenset[str]:
    """What an answer says, whatever words it takes for a place or a number.

    >>> _meaning("on the left side") == _meaning("to the left"), _meaning("two") == _meaning("2")
    (True, True)
    """
    words = answer.replace("-", " ").replace(",", " ").split()
    return frozenset(_SAME.get(word, word) for word in words if word not in _FILLING) or frozenset(words)


def _overlap(answer: str, others: Iterable[str]) -> bool:
    """Whether an answer says all that another one does, or the other way round."""
    meaning = _meaning(answer)
    return any(meaning <= other or other <= meaning for other in map(_meaning, others))


def _kind(answer: str) -> str:
    """What an answer is, so that the other options are of its kind."""
    meaning = _meaning(answer)
    if all(word.isdecimal() for word in meaning) and answer != "none":
        return "number"
    return "place" if meaning & _PLACES.keys() else "other"
