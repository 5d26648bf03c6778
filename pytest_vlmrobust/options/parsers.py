"""From what a source holds to a value: strings and native values alike.

Every parser is pure and raises ValueError, without a message, for what is out of range: the table
knows the range in words, and the caller knows where the value came from.
"""

from __future__ import annotations

import math
import os
import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_vlmrobust.remote.budget import Price

OFF = "off"
"""What switches a gate off where a value has to be written, as on the command line."""

AUTO = "auto"
"""What leaves a choice to the machine."""

_YES, _NO = ("true", "yes", "on", "1"), ("false", "no", "off", "0")


def text(value: object) -> str:
    """Take a string that is not blank.

    >>> text(" shapes ")
    'shapes'
    """
    if not isinstance(value, str) or not value.strip():
        raise ValueError
    return value.strip()


def matching(pattern: str) -> Callable[[object], str]:
    """Take a string that matches ``pattern`` as a whole.

    >>> matching("auto|float32")("auto")
    'auto'
    """

    def parse(value: object) -> str:
        if not re.fullmatch(pattern, text(value)):
            raise ValueError
        return text(value)

    return parse


def texts(separator: str) -> Callable[[object], tuple[str, ...]]:
    r"""Take one string, cut at ``separator``, or a list of them; each value once, in order.

    >>> texts(",")("base, wrong-think")
    ('base', 'wrong-think')
    >>> texts("\n")(["bundled:grounded", "bundled:gullible"])
    ('bundled:grounded', 'bundled:gullible')
    """

    def parse(value: object) -> tuple[str, ...]:
        items = value if isinstance(value, list | tuple) else [value]
        parts = [part for item in items for part in text(item).split(separator)]
        if not parts:
            raise ValueError
        return tuple(dict.fromkeys(text(part) for part in parts))

    return parse


def whole(*, least: int) -> Callable[[object], int]:
    """Take a whole number that is not smaller than ``least``.

    >>> whole(least=1)("200")
    200
    """

    def parse(value: object) -> int:
        if isinstance(value, bool) or not isinstance(value, int | str):
            raise ValueError
        number = int(value)
        if number < least:
            raise ValueError
        return number

    return parse


def fraction(value: object) -> float:
    """Take a number in [0, 1].

    >>> fraction("0.05")
    0.05
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    number = float(value)
    if not 0.0 <= number <= 1.0:  # refuses nan too
        raise ValueError
    return number


def confidence(value: object) -> float:
    """Take a number strictly between 0.5 and 1.

    >>> confidence("0.95")
    0.95
    """
    number = fraction(value)
    if not 0.5 < number < 1.0:
        raise ValueError
    return number


@dataclass(frozen=True)
class MaxRegression:
    """How much worse a figure may be than in a baseline.

    Attributes:
        value: a fraction in [0, 1].
        metric: name of the figure, or "" for each figure that is gated.
    """

    value: float
    metric: str = ""

    def __str__(self) -> str:
        """Write it as on the command line."""
        return f"{self.metric}={self.value:g}" if self.metric else f"{self.value:g}"


def max_regressions(value: object) -> tuple[MaxRegression, ...]:
    r"""Take fractions, each alone or behind the name of a figure: a text, a list of them, or a mapping.

    >>> [str(bound) for bound in max_regressions(["accuracy=0.02", "unfaithful_rate=0.05"])]
    ['accuracy=0.02', 'unfaithful_rate=0.05']
    >>> max_regressions({"accuracy": 0}), max_regressions(0.1)
    ((MaxRegression(value=0.0, metric='accuracy'),), (MaxRegression(value=0.1, metric=''),))
    """
    if isinstance(value, Mapping):
        return tuple(MaxRegression(fraction(bound), text(name)) for name, bound in value.items())
    items = value if isinstance(value, list | tuple) else [value]
    bounds = []
    for item in items:
        if isinstance(item, MaxRegression):
            bounds.append(item)
        elif isinstance(item, str):
            for part in text(item).split("\n"):
                name, sign, number = part.rpartition("=")
                bounds.append(MaxRegression(fraction(number), text(name) if sign else ""))
        else:
            bounds.append(MaxRegression(fraction(item)))
    if not bounds:
        raise ValueError
    return tuple({bound.metric: bound for bound in bounds}.values())


def positive(value: object) -> float:
    """Take a finite number above 0.

    >>> positive("2.5")
    2.5
    """
    if isinstance(value, bool) or not isinstance(value, int | float | str):
        raise ValueError
    number = float(value)
    if not 0.0 < number < math.inf:  # refuses nan too
        raise ValueError
    return number


def price(value: object) -> Price:
    """Take the price of a million tokens in and out: one string with a comma, or two numbers.

    >>> price("2.5,10")
    Price(tokens_in=2.5, tokens_out=10.0)
    """
    from pytest_vlmrobust.remote.budget import Price  # few sessions have a price

    parts = value.split(",") if isinstance(value, str) else value
    if not isinstance(parts, list | tuple) or len(parts) != 2:
        raise ValueError
    tokens_in, tokens_out = (0.0 if str(part).strip() in ("0", "0.0") else positive(part) for part in parts)
    return Price(tokens_in, tokens_out)


def optional(parse: Callable[[object], object], *, none: str) -> Callable[[object], object]:
    """Take what ``parse`` takes; None and the word ``none`` give None.

    >>> optional(fraction, none="off")("off") is None
    True
    """
    return lambda value: None if value is None or value == none else parse(value)


def unless(parse: Callable[[object], object], *, none: str) -> Callable[[object], object]:
    """Take what ``parse`` takes; the word ``none``, alone, gives an empty tuple.

    >>> unless(texts(","), none="off")("off")
    ()
    """
    return lambda value: () if value in (none, [none]) else parse(value)


def switch(value: object) -> bool:
    """Take a yes or a no, in the words that ini files use.

    >>> switch("true"), switch(False)
    (True, False)
    """
    if isinstance(value, bool):
        return value
    word = text(value).lower()
    if word not in _YES + _NO:
        raise ValueError
    return word in _YES


def path(value: object) -> Path:
    """Take a path; whether it can be used is for the caller to see.

    >>> path("report.json").name
    'report.json'
    """
    return Path(text(os.fspath(value) if isinstance(value, os.PathLike) else value))


def path_or(word: str) -> Callable[[object], Path | str]:
    """Take a path, in which ``~`` stands for the home folder, or the word itself.

    >>> path_or("auto")("auto"), path_or("auto")("replies.sqlite").name
    ('auto', 'replies.sqlite')
    """

    def parse(value: object) -> Path | str:
        if value == word:
            return word
        try:
            return path(value).expanduser()
        except RuntimeError:  # nobody of that name has a home
            raise ValueError from None

    return parse


_UNITS = {"kB": 10**3, "MB": 10**6, "GB": 10**9, "TB": 10**12}
_SIZE = re.compile(rf"(\d+(?:\.\d+)?) ?({'|'.join(_UNITS)})", re.IGNORECASE)


def size(value: object) -> int:
    """Take a size with its unit, in powers of 1000, and give bytes.

    A number without a unit is refused: nobody could tell whether bytes were meant.

    >>> size("500MB"), size("1.5 GB")
    (500000000, 1500000000)
    """
    found = _SIZE.fullmatch(text(value))
    if found is None:
        raise ValueError
    unit = next(number for name, number in _UNITS.items() if name.lower() == found[2].lower())
    number = round(float(found[1]) * unit)
    if number < 1:
        raise ValueError
    return number
