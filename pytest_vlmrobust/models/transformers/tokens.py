"""Tokens of a batch, as tensors with padding and as lists without."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import torch


def token_keys(inputs: Mapping[str, Any]) -> list[str]:
    """Names of the tensors that have one whole number for each token."""
    shape = inputs["input_ids"].shape
    return [
        name
        for name, value in inputs.items()
        if isinstance(value, torch.Tensor) and value.shape == shape and not value.is_floating_point()
    ]


def left_padded(rows: Sequence[Sequence[int]], fill: int) -> torch.Tensor:
    """Stack rows of different length, flush right: (rows, longest)."""
    width = max(len(row) for row in rows)
    return torch.tensor([[fill] * (width - len(row)) + list(row) for row in rows])


def real_tokens(inputs: Mapping[str, Any]) -> dict[str, list[list[int]]]:
    """What a processor gave for each token, without padding: name to one list for each row."""
    real = inputs["attention_mask"].bool()
    return {
        name: [values[mask].tolist() for values, mask in zip(inputs[name], real, strict=True)]
        for name in token_keys(inputs)
    }


def appends_tokens(tokenizer: Any) -> bool:
    """Tell whether the tokenizer closes a text with a token of its own, which would end the prefill."""
    full = tokenizer("a")["input_ids"]
    bare = tokenizer("a", add_special_tokens=False)["input_ids"]
    return bool(full[-len(bare) :] != bare)
