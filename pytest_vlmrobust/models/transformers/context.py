"""How many tokens a model can hold, prompt and reply together."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.models.chat import Row


class Context:
    """The length of text that a model was made for."""

    def __init__(self, config: Any) -> None:
        """Read it from a model's configuration; where that does not tell, there is no limit."""
        self._most: int | None = getattr(config.get_text_config(), "max_position_embeddings", None)

    def check(self, rows: Sequence[Row], lengths: Sequence[int]) -> None:
        """Refuse prompts that leave no room for a reply.

        Args:
            rows: the prompts.
            lengths: how many tokens each has, those of its images included.

        Raises:
            ModelError: a prompt is as long as the context or longer.
        """
        for row, length in zip(rows, lengths, strict=True):
            if self._most is not None and length >= self._most:
                raise ModelError(
                    f"{row.where}: the prompt has {length} tokens, images included, and the model's "
                    f"context holds {self._most} (max_position_embeddings in its config.json), the reply "
                    "included; use smaller images or shorter texts"
                )

    def room(self, length: int, max_new_tokens: int) -> int:
        """Return how many tokens a reply to a prompt of this length may have."""
        return max_new_tokens if self._most is None else min(max_new_tokens, self._most - length)
