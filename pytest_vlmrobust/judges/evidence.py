"""One thing that a clause says about the options, and how firmly."""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum


class Weight(IntEnum):
    """How firmly a clause stands for an option."""

    STATED = 1  # said of the very thing that was asked about, or as an opinion
    CONCLUDED = 2  # drawn as a conclusion
    ANSWERED = 3  # called the answer


@dataclass(frozen=True, kw_only=True, slots=True)
class Evidence:
    """One thing that a clause says.

    Attributes:
        at: offset in the thought.
        choice: index of the option, or None when the clause leaves it open.
        weight: how firmly.
        holds: False when the option is denied.
    """

    at: int
    choice: int | None
    weight: Weight
    holds: bool = True
