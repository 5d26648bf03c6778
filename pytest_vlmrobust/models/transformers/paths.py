"""The ways from prompts to replies; all of them give the same replies, at different cost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Protocol

from pytest_vlmrobust.models.chat import Row
from pytest_vlmrobust.models.letters import Step
from pytest_vlmrobust.models.transformers.kept import Generated


class Score(Protocol):
    """Runs rows on from other tokens than those of their replies."""

    def __call__(
        self, wanted: Sequence[tuple[int, Sequence[int]]], also: Sequence[int] = ()
    ) -> Sequence[Step | None]:
        """Return the distributions that follow.

        Args:
            wanted: index of a row, and the tokens in place of its reply, at least one; the first of them
                may be those of the reply.
            also: tokens to keep the probabilities of, beside those that are always watched.

        Returns:
            One for each that is wanted; None where it cannot be had.
        """
        ...


@dataclass(frozen=True, kw_only=True)
class Ended:
    """Rows whose replies are complete.

    Attributes:
        replies: index of each row, and its reply.
        score: runs these rows on from other tokens; valid until the next rows are asked for.
    """

    replies: Sequence[tuple[int, Generated]]
    score: Score


class Path(Protocol):
    """One way of running a batch."""

    @property
    def name(self) -> str:
        """How provenance calls it."""
        ...

    def run(self, rows: Sequence[Row], *, rows_at_once: int, max_new_tokens: int) -> Iterator[Ended]:
        """Generate a reply to each row greedily, and yield them as they end.

        Args:
            rows: the prompts; all rows of a sample side by side.
            rows_at_once: the most rows that are computed together.
            max_new_tokens: the most tokens of a reply.
        """
        ...
