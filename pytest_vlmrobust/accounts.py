"""What is to be told of the replies of each condition besides what they say."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

from pytest_vlmrobust.models.base import Answer


@dataclass(kw_only=True)
class _Account:
    """What is known of one condition."""

    approximate: bool = False
    reasoning_hidden: bool = False
    tokens_in: int = 0
    tokens_out: int = 0
    computed_in: int = 0
    computed_out: int = 0

    def take(self, answer: Answer, *, stored: bool) -> None:
        self.approximate |= answer.approximate
        self.reasoning_hidden |= answer.reasoning_hidden
        self.tokens_in += answer.tokens_in
        self.tokens_out += answer.tokens
        if not stored:
            self.computed_in += answer.tokens_in
            self.computed_out += answer.tokens

    def facts(self) -> dict[str, Any]:
        """What there is to say; nothing where there is nothing."""
        marks = {name: True for name in ("approximate", "reasoning_hidden") if getattr(self, name)}
        if not self.tokens_in:
            return marks
        counts = ("tokens_in", "tokens_out", "computed_in", "computed_out")
        return {**marks, "tokens": {name: getattr(self, name) for name in counts}}


class Accounts:
    """Keeps an account of each condition."""

    def __init__(self) -> None:
        """Know nothing yet."""
        self._accounts: dict[str, _Account] = {}

    def take(self, condition: str, answer: Answer, *, stored: bool) -> None:
        """Take an answer in.

        Args:
            condition: the condition that it was given under.
            answer: the answer.
            stored: whether it was read from the store, so that it has cost nothing now.
        """
        self._accounts.setdefault(condition, _Account()).take(answer, stored=stored)

    def complete(self, listed: Iterable[Mapping[str, Any]]) -> list[dict[str, Any]]:
        """Return a provenance's list of conditions with what is known of each."""
        empty = _Account()
        return [{**entry, **self._accounts.get(entry["name"], empty).facts()} for entry in listed]
