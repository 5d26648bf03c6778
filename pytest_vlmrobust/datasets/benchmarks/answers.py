"""Finds the right option of a row, in each of the forms that benchmarks have answers in."""

from __future__ import annotations

import re
from collections.abc import Callable

from pytest_vlmrobust.datasets.benchmarks.options import Asked
from pytest_vlmrobust.datasets.faults import Faults
from pytest_vlmrobust.datasets.tables import Row
from pytest_vlmrobust.datasets.tables.rows import shown
from pytest_vlmrobust.errors import DataError

AnswerOf = Callable[[Row, Asked, Faults], int | None]
"""From a row to the index of the right option among those that are there.

None for a row without options, which is left out; the fault is counted."""

_LETTER = re.compile(r"\(?([A-Z])\)?[.):]?")
_LETTER_AND_TEXT = re.compile(r"\(?([A-Z])[.):]\)?\s*(\S.*)", re.DOTALL)


def lettered_answer(column: str = "answer") -> AnswerOf:
    """An answer written "B", "(B)", "B.", "B. text", or as the text of an option.

    Where letter and text disagree the letter counts, and the fault is counted.
    """

    def find(row: Row, asked: Asked, faults: Faults) -> int | None:
        if not asked.options:
            faults.add(_kind_without_options(row, column), row.where)
            return None
        text = _written(row, column, asked)
        letters = [letter for letter, _ in asked.options]
        alone = _LETTER.fullmatch(text)
        if alone and alone[1] in letters:
            return letters.index(alone[1])
        both = _LETTER_AND_TEXT.fullmatch(text)
        if both and both[1] in letters:
            index = letters.index(both[1])
            if _bare(both[2]) != _bare(asked.options[index][1]):
                faults.add("letter-and-text-disagree", row.where)
            return index
        return _by_text(row, column, text, asked)

    return find


def text_answer(column: str) -> AnswerOf:
    """An answer that is the text of an option."""

    def find(row: Row, asked: Asked, faults: Faults) -> int | None:
        if not asked.options:
            faults.add(_kind_without_options(row, column), row.where)
            return None
        return _by_text(row, column, _written(row, column, asked), asked)

    return find


def first_answer(row: Row, asked: Asked, faults: Faults) -> int | None:
    """The first option of the file is the right one."""
    if not asked.options:
        faults.add("options-not-found", row.where)
        return None
    if asked.options[0][0] != "A":
        raise DataError(f"{row.where}: the first option, which is the right one, is empty")
    return 0


def mapped_answer(column: str, answers: dict[str, int]) -> AnswerOf:
    """An answer that is written in words of its own."""

    def find(row: Row, asked: Asked, _faults: Faults) -> int:
        written = _written(row, column, asked).casefold()
        if written not in answers:
            allowed = ", ".join(map(repr, answers))
            raise DataError(f"{row.where}: {column}: is {shown(row.value(column))}; allowed are {allowed}")
        return answers[written]

    return find


def _kind_without_options(row: Row, column: str) -> str:
    """The kind of fault of a row without options: an answer that names one says that there were some."""
    text = row.optional(column)
    names_one = _LETTER.fullmatch(text) or _LETTER_AND_TEXT.fullmatch(text)
    return "options-not-found" if names_one else "no-options"


def _written(row: Row, column: str, asked: Asked) -> str:
    text = row.optional(column)
    if not text:
        # A word for nothing is an answer where it is an option.
        raw = row.values.get(column)
        if isinstance(raw, str) and raw.strip() and _bare(raw) in (_bare(text) for _, text in asked.options):
            return raw.strip()
        raise DataError(
            f"{row.where}: {column}: is empty; a split whose answers are hidden cannot be scored: use one "
            "that has them"
        )
    return text


def _by_text(row: Row, column: str, text: str, asked: Asked) -> int:
    same = [index for index, (_, option) in enumerate(asked.options) if _bare(option) == _bare(text)]
    if not same:
        options = ", ".join(f"{letter} {option!r}" for letter, option in asked.options)
        raise DataError(f"{row.where}: {column}: {shown(text)} is none of the options: {options or 'none'}")
    return same[0]


def _bare(text: str) -> str:
    return " ".join(text.casefold().split()).rstrip(".")
