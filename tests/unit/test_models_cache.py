"""Laws of cached rows: whoever leaves, joins or is doubled, each row keeps its own tokens in order."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st
from transformers import Gemma3TextConfig, LlamaConfig, MistralConfig, PreTrainedConfig, Qwen3_5TextConfig
from transformers.cache_utils import DynamicCache, DynamicLayer

from pytest_vlmrobust.models.transformers.cache import (
    GrowingLayer,
    Rows,
    cut_back,
    empty_cache,
    gathered,
    is_plain,
)

LAYERS, HEADS, SIZE = 2, 2, 3
SCALE = torch.arange(1.0, HEADS * SIZE + 1).reshape(1, HEADS, 1, SIZE)

_Layer: Any = DynamicLayer  # the library's own annotations lack its methods'


def states(tokens: torch.Tensor, layer: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Make keys and values, (rows, heads, columns, size), of (rows, columns) tokens: no two are alike."""
    keys = tokens[:, None, :, None] * SCALE + layer / 4
    return keys, -keys


def append(rows: Rows, tokens: list[list[int]]) -> Rows:
    """Let rows read more columns; 0 is padding."""
    new = torch.tensor(tokens, dtype=torch.float32).reshape(len(tokens), -1)
    for layer, held in enumerate(rows.cache.layers):
        assert isinstance(held, GrowingLayer)
        held.update(*states(new, layer))
    mask = torch.cat([rows.mask, (new > 0).long()], dim=1)
    return Rows(cache=rows.cache, mask=mask, offset=rows.offset, logits=rows.logits)


def fresh(names: list[int]) -> Rows:
    """Rows without any column; offset and logits tell the row's name."""
    name = torch.tensor(names)
    empty = torch.zeros(len(names), 0, dtype=torch.long)
    return Rows(
        cache=empty_cache(LAYERS), mask=empty, offset=name[:, None], logits=name[:, None] + torch.rand(1, 4)
    )


def tokens_of(rows: Rows) -> list[list[int]]:
    """Read the tokens back, and check that every layer, head and number has the same ones."""
    found: list[list[int]] = []
    for row, mask in enumerate(rows.mask.bool()):
        kept: list[list[int]] = []
        for layer, held in enumerate(rows.cache.layers):
            assert isinstance(held, GrowingLayer)
            keys, values = held.columns
            assert keys.shape == (len(rows), HEADS, rows.mask.shape[1], SIZE)
            assert torch.equal(keys, -values)
            real = (keys[row : row + 1, :, mask] - layer / 4) / SCALE
            assert bool((real - real[:, :1, :, :1]).abs().max() < 1e-3) if real.numel() else True
            kept.append(real[0, 0, :, 0].round().int().tolist())
        assert kept.count(kept[0]) == LAYERS
        found.append(kept[0])
    return found


@dataclass(frozen=True)
class Made:
    """A batch of rows, and what each of them has read."""

    rows: Rows
    tokens: list[list[int]]
    names: list[int]


@st.composite
def batches(draw: st.DrawFn, gaps: bool = True) -> Made:
    """Rows that have read a few times, each time some more than others; all have at least one token."""
    count = draw(st.integers(1, 4))
    names = draw(st.lists(st.integers(0, 99), min_size=count, max_size=count))
    rows, tokens = fresh(names), [[] for _ in names]  # type: ignore[var-annotated]
    number = 100 * draw(st.integers(0, 9))
    for reading in range(draw(st.integers(1, 3)) if gaps else 1):
        new = [draw(st.integers(0 if reading else 1, 4)) for _ in names]
        width = max(1, *new)
        columns = []
        for row, length in enumerate(new):
            more = [number := number + 1 for _ in range(length)]
            tokens[row] = tokens[row] + more
            columns.append([0] * (width - length) + more)
        rows = append(rows, columns)
    return Made(rows, tokens, names)


@st.composite
def choices(draw: st.DrawFn) -> list[tuple[Made, list[int]]]:
    """Batches, and which of their rows to take; at least one in all, some twice."""
    parts = draw(st.lists(batches(), min_size=1, max_size=3))
    chosen = [(made, draw(st.lists(st.integers(0, len(made.names) - 1), max_size=5))) for made in parts]
    return chosen if any(picks for _, picks in chosen) else [(parts[0], [0])]


def gather(chosen: list[tuple[Made, list[int]]], room: int = 2) -> Made:
    return Made(
        gathered([(made.rows, picks) for made, picks in chosen], room=room),
        [made.tokens[pick] for made, picks in chosen for pick in picks],
        [made.names[pick] for made, picks in chosen for pick in picks],
    )


def assert_whole(made: Made) -> None:
    """Every row has its tokens, flush right and without gaps, in a batch no wider than needed."""
    lengths = [len(tokens) for tokens in made.tokens]
    width = max(lengths)
    assert tokens_of(made.rows) == made.tokens
    assert made.rows.mask.tolist() == [[0] * (width - length) + [1] * length for length in lengths]
    assert made.rows.lengths.tolist() == lengths
    assert len(made.rows) == len(made.names)
    assert made.rows.offset[:, 0].tolist() == made.names
    assert made.rows.logits[:, 0].int().tolist() == made.names


@given(choices(), st.integers(0, 3))
def test_rows_keep_their_tokens_and_lose_their_gaps(chosen: list[tuple[Made, list[int]]], room: int) -> None:
    assert_whole(gather(chosen, room))


@given(choices(), st.data())
def test_gathering_twice_is_gathering_once(chosen: list[tuple[Made, list[int]]], data: st.DataObject) -> None:
    once = gather(chosen)
    picks = data.draw(st.lists(st.integers(0, len(once.names) - 1), min_size=1, max_size=5))
    assert_whole(gather([(once, picks)]))


@given(choices(), st.integers(0, 3), st.integers(1, 5))
def test_gathered_rows_read_on_and_those_they_came_from_stay(
    chosen: list[tuple[Made, list[int]]], room: int, steps: int
) -> None:
    made = gather(chosen, room)
    rows = made.rows
    for step in range(steps):
        rows = append(rows, [[900 + 10 * step + row % 10] for row in range(len(rows))])
    read = [
        [*tokens, *(900 + 10 * step + row % 10 for step in range(steps))]
        for row, tokens in enumerate(made.tokens)
    ]
    assert_whole(Made(rows, read, made.names))
    for origin, _ in chosen:
        assert tokens_of(origin.rows) == origin.tokens


@given(choices(), st.data())
def test_a_row_can_be_cut_back_and_read_on_in_another_way(
    chosen: list[tuple[Made, list[int]]], data: st.DataObject
) -> None:
    made = gather(chosen)
    row = data.draw(st.integers(0, len(made.names) - 1))
    length = data.draw(st.integers(1, len(made.tokens[row])))
    back = cut_back(made.rows, row, length)
    assert_whole(Made(back, [made.tokens[row][:length]], [made.names[row]]))
    on = append(gathered([(back, [0])]), [[999]])
    assert_whole(Made(on, [[*made.tokens[row][:length], 999]], [made.names[row]]))
    assert_whole(made)


@given(st.lists(st.integers(1, 90), min_size=1, max_size=6), st.integers(1, 3))
def test_a_growing_layer_holds_what_the_librarys_own_holds(lengths: list[int], rows: int) -> None:
    ours, theirs = GrowingLayer(), _Layer()
    for length in lengths:
        keys, values = torch.rand(2, rows, HEADS, length, SIZE)
        for one, other in zip(ours.update(keys, values), theirs.update(keys, values), strict=True):
            assert torch.equal(one, other)
        assert ours.get_seq_length() == theirs.get_seq_length()
        assert ours.get_mask_sizes(3) == theirs.get_mask_sizes(3)
        assert (ours.is_sliding, ours.is_compileable) == (theirs.is_sliding, theirs.is_compileable)


def test_a_new_token_copies_nothing_while_there_is_room() -> None:
    layer = GrowingLayer()
    layer.update(*torch.rand(2, 1, HEADS, 5, SIZE))
    layer.update(*torch.rand(2, 1, HEADS, 1, SIZE))
    place = layer.columns[0].data_ptr()
    for _ in range(60):
        layer.update(*torch.rand(2, 1, HEADS, 1, SIZE))
    assert layer.columns[0].data_ptr() == place


SMALL: dict[str, Any] = {"hidden_size": 8, "num_hidden_layers": 2, "num_attention_heads": 2}


@pytest.mark.parametrize(
    ("config", "plain"),
    [
        (LlamaConfig(**SMALL), True),
        (MistralConfig(**SMALL, sliding_window=None), True),
        (MistralConfig(**SMALL, sliding_window=16), False),
        (Gemma3TextConfig(**SMALL, layer_types=["sliding_attention", "full_attention"]), False),
        (Qwen3_5TextConfig(**SMALL, layer_types=["linear_attention", "full_attention"]), False),
    ],
    ids=["llama", "mistral", "sliding window", "some layers slide", "linear attention"],
)
def test_only_layers_that_keep_every_token_are_plain(config: PreTrainedConfig, plain: bool) -> None:
    assert is_plain(config) is plain


def test_a_kind_of_layer_that_the_library_has_no_cache_for_is_not_plain() -> None:
    config = LlamaConfig(**SMALL)
    config.layer_types = ["full_attention", "unheard_of"]
    with pytest.raises(KeyError, match="unheard_of"):
        DynamicCache(config=config)
    assert is_plain(config) is False
