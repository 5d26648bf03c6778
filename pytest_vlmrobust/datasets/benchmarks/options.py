"""Takes the question and its options out of a row, in each of the forms that benchmarks have them in."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from string import ascii_uppercase

from pytest_vlmrobust.core.samples import LETTERS
from pytest_vlmrobust.datasets.benchmarks.marks import split_options, unmarked
from pytest_vlmrobust.datasets.tables import Row, is_blank
from pytest_vlmrobust.datasets.tables.rows import shown
from pytest_vlmrobust.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Asked:
    """A question as a row asks it.

    Attributes:
        question: the question without its options.
        options: letter and text of each option, blank ones left out.
        gap: whether one is not there whose letter is between or before those of others.
    """

    question: str
    options: tuple[tuple[str, str], ...]
    gap: bool = False


OptionsOf = Callable[[Row], Asked]


@dataclass(frozen=True)
class OptionsFrom:
    """Options that are made of what all rows of a file say.

    Attributes:
        make: from the rows of a file to what takes the options out of one of them.
    """

    make: Callable[[Sequence[Row]], OptionsOf]


_NINTH = ascii_uppercase[len(LETTERS)]
MORE_LETTERS = (*LETTERS[2:], _NINTH)
"""Columns that a table with options in columns may have beside A and B; the last is read to be refused."""

_PLACEHOLDER = re.compile(r"<image(?:[ _]?\d+)?>\s*")


def lettered(question: str = "question", *, hint: str = "") -> OptionsOf:
    """Options in columns named by letters, of which some may be blank, or hold a word for nothing.

    Args:
        question: the column of the question.
        hint: the column of a text that goes before it, where a benchmark has one.
    """

    def take(row: Row) -> Asked:
        letters = [letter for letter in LETTERS if letter in row.values]
        texts = [row.optional(letter) for letter in letters]
        if row.optional(_NINTH):
            raise DataError(
                f"{row.where}: {_NINTH}: holds an option; at most {len(LETTERS)} are allowed, in "
                f"{LETTERS[0]} to {LETTERS[-1]}"
            )
        before = row.optional(hint) if hint else ""
        return asked("\n".join(filter(None, [before, _question(row, question)])), texts, letters)

    return take


def listed(column: str, question: str = "question") -> OptionsOf:
    """Options in a column that holds a list, or the text of one, perhaps each with its letter before it."""

    def take(row: Row) -> Asked:
        letters, texts = unmarked(_list(row, column))
        return asked(_question(row, question), texts, letters)

    return take


def numbered(*columns: str, question: str = "question") -> OptionsOf:
    """Options in columns of their own, in order, of which some may be blank or missing."""
    return lambda row: asked(_question(row, question), [_option(row.values.get(name)) for name in columns])


def fixed(*texts: str, question: str = "question") -> OptionsOf:
    """The same options for every question."""
    return lambda row: asked(_question(row, question), texts)


def inline(column: str = "question") -> OptionsOf:
    """Options within the text of the question, on lines of their own or one after another."""

    def take(row: Row) -> Asked:
        question, texts = split_options(_question(row, column))
        return asked(question, texts)

    return take


def asked(question: str, texts: Sequence[str], letters: Sequence[str] = ascii_uppercase) -> Asked:
    """Put question and options together; empty options are left out, and the others keep their letters.

    More options than a question may have are refused later, with the place of the row.
    """
    named = zip(letters, (text.strip() for text in texts), strict=False)
    there = tuple((letter, text) for letter, text in named if text)
    gap = [letter for letter, _ in there] != list(ascii_uppercase[: len(there)])
    return Asked(question=question, options=there, gap=gap)


def _question(row: Row, column: str) -> str:
    return _PLACEHOLDER.sub("", row.text(column)).strip()


def _list(row: Row, column: str) -> list[str]:
    """Read a list of texts, or the text of a Python or JSON list of them; it is never run as code."""
    value = row.value(column)
    if isinstance(value, str):
        try:
            value = ast.literal_eval(value)
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            value = None
    if not isinstance(value, list | tuple):
        raise DataError(f"{row.where}: {column}: is {shown(row.value(column))}; a list of options is needed")
    return [_option(item) for item in value]


def _option(value: object) -> str:
    """The text of an option, "" for null and NaN; words such as "None" are options like others."""
    return value.strip() if isinstance(value, str) else "" if is_blank(value) else str(value)
