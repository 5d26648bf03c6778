"""Keys and values of rows that leave and join a batch.

A row's columns are always flush right and without gaps: padding stands on its left alone. So a row
attends to the same tokens at the same distances as it would by itself.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers.cache_utils import DynamicCache, DynamicLayer

_Layer: Any = DynamicLayer  # the library's own annotations lack these

SPARE_COLUMNS = 64
"""Room for new tokens that a layer makes at a time."""


class GrowingLayer(_Layer):  # type: ignore[misc]
    """Keys and values of one layer, with spare room on the right, so that a new token copies nothing.

    The library's own layer copies every column at each token.
    """

    def __init__(self) -> None:
        """Start empty."""
        super().__init__()
        self.keys: Any = None
        self.values: Any = None
        self._length = 0

    @classmethod
    def holding(cls, keys: torch.Tensor, values: torch.Tensor, length: int) -> GrowingLayer:
        """Make a layer of what the first columns of two tensors hold; the other columns are spare room."""
        layer = cls()
        layer.lazy_initialization(keys, values)
        layer.keys, layer.values, layer._length = keys, values, length
        return layer

    def update(
        self,
        key_states: torch.Tensor,
        value_states: torch.Tensor,
        *args: Any,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> tuple[torch.Tensor, torch.Tensor]:
        """Append columns, and return all of them."""
        if not self.is_initialized:
            self.lazy_initialization(key_states, value_states)
        start, self._length = self._length, self._length + key_states.shape[-2]
        self.keys = _appended(self.keys, key_states, start)
        self.values = _appended(self.values, value_states, start)
        return self.columns

    @property
    def columns(self) -> tuple[torch.Tensor, torch.Tensor]:
        """Keys and values without the spare room: each (rows, heads, columns, size)."""
        keys: torch.Tensor = self.keys[..., : self._length, :]
        values: torch.Tensor = self.values[..., : self._length, :]
        return keys, values

    def get_seq_length(self) -> int:
        """Return how many columns there are."""
        return self._length


def _appended(kept: Any, new: torch.Tensor, start: int) -> torch.Tensor:
    if start == 0:
        return new
    end = start + new.shape[-2]
    if kept.shape[-2] < end:
        rows, heads, _, size = new.shape
        grown = new.new_empty(rows, heads, end + SPARE_COLUMNS, size)
        grown[..., :start, :] = kept[..., :start, :]
        kept = grown
    kept[..., start:end, :] = new
    tensor: torch.Tensor = kept
    return tensor


def is_plain(config: Any) -> bool:
    """Tell whether all layers keep every token's keys and values, and nothing else."""
    try:
        layers = DynamicCache(config=config.get_text_config()).layers
    except Exception:  # a kind of layer that the library has no cache for: certainly none of these
        return False
    return all(type(layer) is DynamicLayer for layer in layers)


@dataclass(frozen=True, kw_only=True)
class Rows:
    """What the model has read of some rows.

    Attributes:
        cache: keys and values of each layer, (rows, heads, columns, size).
        mask: (rows, columns): 1 for a token, 0 for padding.
        offset: (rows, 1): what a token's position exceeds its place in the row by.
        logits: (rows, vocabulary): scores of the token that comes next.
    """

    cache: DynamicCache
    mask: torch.Tensor
    offset: torch.Tensor
    logits: torch.Tensor

    def __len__(self) -> int:
        """How many rows."""
        return len(self.mask)

    @property
    def lengths(self) -> torch.Tensor:
        """(rows,): how many tokens each has."""
        return self.mask.sum(dim=1)


def empty_cache(layers: int) -> DynamicCache:
    """Return a cache of so many layers without any column."""
    return _cache_of([GrowingLayer() for _ in range(layers)])


def gathered(parts: Sequence[tuple[Rows, Sequence[int]]], *, room: int = SPARE_COLUMNS) -> Rows:
    """Make a batch of chosen rows of several batches, flush right and no wider than needed.

    Args:
        parts: batches, and which of their rows to take, in order; a row may be taken several times.
        room: columns to leave free for what follows.
    """
    chosen = [_Chosen.of(rows, picks) for rows, picks in parts if len(picks)]
    width = max(int(each.lengths.max()) for each in chosen)
    mask = torch.arange(width, device=chosen[0].lengths.device)
    lengths = torch.cat([each.lengths for each in chosen])
    depth = len(chosen[0].rows.cache.layers)
    return Rows(
        cache=_cache_of([_gathered_layer(chosen, layer, width, room) for layer in range(depth)]),
        mask=(mask >= width - lengths[:, None]).long(),
        offset=torch.cat([each.rows.offset[each.picks] for each in chosen]),
        logits=torch.cat([each.rows.logits[each.picks.to(each.rows.logits.device)] for each in chosen]),
    )


def cut_back(rows: Rows, row: int, tokens: int) -> Rows:
    """Return one row, of those without gaps, as it was after so many of its tokens."""
    start = rows.mask.shape[1] - int(rows.lengths[row])
    layers = []
    for layer in rows.cache.layers:
        assert isinstance(layer, GrowingLayer)
        keys, values = (each[row : row + 1, :, start : start + tokens] for each in layer.columns)
        layers.append(GrowingLayer.holding(keys, values, tokens))
    return Rows(
        cache=_cache_of(layers),
        mask=rows.mask.new_ones(1, tokens),
        offset=rows.offset[row : row + 1],
        logits=rows.logits[row : row + 1],
    )


@dataclass(frozen=True, kw_only=True)
class _Chosen:
    """Rows to take, and where their tokens stand.

    Attributes:
        rows: the batch.
        picks: (chosen,): indices of the rows.
        lengths: (chosen,): how many tokens each has.
        order: (chosen, most tokens): columns of the tokens, flush right; None where they are so already.
    """

    rows: Rows
    picks: torch.Tensor
    lengths: torch.Tensor
    order: torch.Tensor | None

    @classmethod
    def of(cls, rows: Rows, picks: Sequence[int]) -> _Chosen:
        index = torch.tensor(list(picks), device=rows.mask.device)
        mask = rows.mask[index]
        lengths = mask.sum(dim=1)
        columns = torch.arange(mask.shape[1], device=mask.device)
        flush = bool((mask.bool() == (columns >= mask.shape[1] - lengths[:, None])).all())
        order = None if flush else mask.argsort(dim=1, stable=True)[:, -int(lengths.max()) :]
        return cls(rows=rows, picks=index, lengths=lengths, order=order)

    def tokens(self, layer: int, which: int) -> torch.Tensor:
        """Keys (0) or values (1) of a layer: (chosen, heads, most tokens, size)."""
        held = self.rows.cache.layers[layer]
        assert isinstance(held, GrowingLayer)
        columns = held.columns[which]
        picks = self.picks.to(columns.device)  # layers of a large model lie on several devices
        if self.order is None:
            return columns.index_select(0, picks)[:, :, -int(self.lengths.max()) :]
        order = self.order.to(columns.device)
        return columns.transpose(1, 2)[picks[:, None], order].transpose(1, 2)


def _gathered_layer(chosen: Sequence[_Chosen], layer: int, width: int, room: int) -> GrowingLayer:
    keys, values = (_gathered_tokens(chosen, layer, which, width, room) for which in (0, 1))
    return GrowingLayer.holding(keys, values, width)


def _gathered_tokens(
    chosen: Sequence[_Chosen], layer: int, which: int, width: int, room: int
) -> torch.Tensor:
    parts = [each.tokens(layer, which) for each in chosen]
    _, heads, _, size = parts[0].shape
    whole = parts[0].new_empty(sum(map(len, parts)), heads, width + room, size)
    start = 0
    for part in parts:
        rows, padding = whole[start : start + len(part)], width - part.shape[2]
        rows[:, :, :padding] = 0  # padding is multiplied by a weight of zero, not left out: it must be finite
        rows[:, :, padding:width] = part
        start += len(part)
    return whole


def _cache_of(layers: Sequence[GrowingLayer]) -> DynamicCache:
    cache = DynamicCache()
    cache.layers = list(layers)
    return cache
