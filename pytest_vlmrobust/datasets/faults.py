"""What is wrong with data, or had to be done to it: counted, with examples, and never silent."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pytest_vlmrobust.errors import DataError

EXAMPLES = 3
"""How many places are named for each kind of fault."""


@dataclass(frozen=True, kw_only=True)
class Kind:
    """A kind of fault.

    Attributes:
        name: its name.
        told: what is the matter, after the number of rows.
        refused: whether strict reading refuses it; otherwise it is no error of the data.
    """

    name: str
    told: str
    refused: bool = True


_KINDS = (
    Kind(
        name="letter-and-text-disagree",
        told="with an answer whose letter and text disagree (the letter counts)",
    ),
    Kind(name="duplicate-question", told="that ask the same about the same image again (kept)"),
    Kind(name="duplicate-option", told="with two options that read the same (taken for one)"),
    Kind(name="gap-in-options", told="with an empty option between others (left out)"),
    Kind(
        name="options-not-found",
        told="whose options are not found, though the answer names one (left out)",
    ),
    Kind(name="no-image", told="without an image (left out)", refused=False),
    Kind(name="no-options", told="with a free answer and no options (left out)", refused=False),
    Kind(name="image-unavailable", told="whose image cannot be downloaded (left out)", refused=False),
)

KINDS = {kind.name: kind for kind in _KINDS}
"""Every kind of fault, by name."""


@dataclass(frozen=True, kw_only=True)
class Fault:
    """How often something is wrong with the data.

    Attributes:
        kind: name of the kind.
        count: how many rows.
        examples: the first few places.
    """

    kind: str
    count: int
    examples: tuple[str, ...]

    @property
    def told(self) -> str:
        """What is the matter, in words."""
        return f"{self.count} {'row' if self.count == 1 else 'rows'} {KINDS[self.kind].told}"

    def to_json(self) -> dict[str, Any]:
        """The fault as JSON values, as it stands in a report."""
        return {
            "kind": self.kind,
            "told": self.told,
            "count": self.count,
            "examples": list(self.examples),
        }


class Faults:
    """Collects what is wrong while data is read."""

    def __init__(self) -> None:
        self._counts: dict[str, int] = {}
        self._examples: dict[str, list[str]] = {}

    def add(self, kind: str, where: str) -> None:
        """Count a fault of a kind."""
        self._counts[kind] = self._counts.get(kind, 0) + 1
        examples = self._examples.setdefault(kind, [])
        if len(examples) < EXAMPLES:
            examples.append(where)

    def listed(self) -> tuple[Fault, ...]:
        """All faults, in the order of the table of kinds."""
        return tuple(
            Fault(kind=kind, count=self._counts[kind], examples=tuple(self._examples[kind]))
            for kind in KINDS
            if kind in self._counts
        )


def refuse_faults(faults: Sequence[Fault], name: str) -> None:
    """Refuse data with faults; rows that are left out since they cannot be asked are none.

    Raises:
        DataError: there are faults; the message lists them with examples.
    """
    refused = [fault for fault in faults if KINDS[fault.kind].refused]
    if refused:
        listed = "; ".join(f"{fault.told}: {', '.join(fault.examples)}" for fault in refused)
        raise DataError(
            f"data set {name!r} has faults, which strict reading (--vlm-strict-data) refuses: {listed}"
        )
