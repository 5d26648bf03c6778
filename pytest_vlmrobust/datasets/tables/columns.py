"""Which columns a file has to have, and by which names it may call them."""

from __future__ import annotations

import difflib
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_vlmrobust.datasets.tables.rows import SHORT, shown
from pytest_vlmrobust.errors import DataError


@dataclass(frozen=True, kw_only=True)
class Columns:
    """The columns that are read.

    A column that has had several names is written ``name|other|another``; the first is the one that
    rows know it by.

    Attributes:
        needs: columns that have to be there.
        may: columns that are read where they are there.
        lazy: of these, by their first names, the ones that hold images: they stay in the file.
        many: of the lazy ones those that hold a list, or nothing in some rows; what is there is counted
            when the file is opened.
    """

    needs: tuple[str, ...]
    may: tuple[str, ...] = ()
    lazy: tuple[str, ...] = ()
    many: tuple[str, ...] = ()

    def missing(self, there: Sequence[str]) -> list[str]:
        """Name the columns that a file would need and does not have."""
        return [names for names in self.needs if not set(names.split("|")) & set(there)]

    def match(self, there: Sequence[str], where: str) -> dict[str, str]:
        """Find the columns in a file.

        Args:
            there: the columns of the file.
            where: the file, to begin a message with.

        Returns:
            For each name that rows know a column by, its name in the file.

        Raises:
            DataError: one is missing; the message names it, near misses, and what is there.
        """
        missing = self.missing(there)
        if missing:
            raise DataError(f"{where}: {_lacking(missing, there)}")
        found = {}
        for names in (*self.needs, *self.may):
            options = names.split("|")
            present = [name for name in options if name in there]
            if present:
                found[options[0]] = present[0]
        return found


def _lacking(missing: Sequence[str], there: Sequence[str]) -> str:
    words = []
    for names in missing:
        options = names.split("|")
        folded = {name.casefold(): name for name in there}
        near = difflib.get_close_matches(options[0].casefold(), folded, n=1, cutoff=0.7)
        hint = f" (renamed to {folded[near[0]]!r}?)" if near else ""
        words.append(" or ".join(map(repr, options)) + hint)
    noun = "column" if len(words) == 1 else "columns"
    listed = ", ".join(map(_told, there)) if there else "none"
    verb = "is" if len(words) == 1 else "are"
    return f"{noun} {', '.join(words)} {verb} missing; there are: {listed}"


def _told(name: str) -> str:
    """A name as the file has it; one with control characters, or a very long one, as a literal."""
    return name if name.isprintable() and len(name) <= SHORT else shown(name)
