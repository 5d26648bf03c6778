"""Reads prompts into keys and values, each token that several of them share once."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from itertools import accumulate, groupby
from typing import Any

import torch

from pytest_vlmrobust.models.chat import Row
from pytest_vlmrobust.models.prefix_tree import Level, alike_in_length, prefix_levels
from pytest_vlmrobust.models.transformers.cache import Rows, empty_cache, gathered
from pytest_vlmrobust.models.transformers.encoding import InputEncoder
from pytest_vlmrobust.models.transformers.loading import Loaded
from pytest_vlmrobust.models.transformers.parted import Parted, passes

_MOST_TOKENS = {"cpu": 1024, "cuda": 16384}
"""Tokens that are read in one pass, padding included: with more, each is dearer or memory runs out."""

_Place = tuple[Rows, int]
"""A batch of rows, and a row in it."""


class PromptReader:
    """Runs a model over prompts, and over single tokens behind them."""

    def __init__(self, loaded: Loaded, encoder: InputEncoder) -> None:
        """Read for a model whose layers keep the keys and values of every token."""
        self._model = loaded.model
        self._encoder = encoder
        self._pad = loaded.tokenizer.pad_token_id
        self._most_tokens = _MOST_TOKENS.get(loaded.model.device.type, _MOST_TOKENS["cpu"])

    @torch.inference_mode()
    def prompts(self, rows: Sequence[Row]) -> tuple[Rows, list[int]]:
        """Read prompts.

        Returns:
            What was read, and for each of its rows the index of the prompt.
        """
        samples = [self._encoder.encode_parted(sample) for sample in _by_sample(rows)]
        given = list(passes(samples, self._most_tokens))
        ids = [row for each in given for row in each.ids]
        top, *lower = prefix_levels(_numbered_through(given), ids)
        above = self._tops(top, given)
        ends = _ends(top, above)
        for level in lower:
            above = self._below(level, above)
            ends += _ends(level, above)
        parts, order = _by_batch([place for _, place in ends])
        return gathered(parts), [ends[index][0] for index in order]

    @torch.inference_mode()
    def append(self, rows: Rows, tokens: Sequence[int]) -> Rows:
        """Append one token to each row and read it."""
        ids = torch.tensor(tokens, device=rows.mask.device)[:, None]
        mask = torch.cat([rows.mask, rows.mask.new_ones(len(rows), 1)], dim=1)
        logits = self._scores(ids, mask, rows.cache, position_ids=rows.lengths[:, None] + rows.offset)
        return replace(rows, mask=mask, logits=logits)

    def _tops(self, level: Level, given: Sequence[Parted]) -> list[_Place]:
        """Read the segments that hold the images, a pass of the model for each part."""
        places: list[_Place] = []
        for part in given:
            segments = level[len(places) : len(places) + len(part.units)]
            rows = self._top(segments, part)
            places += [(rows, place) for place in range(len(segments))]
        return places

    def _top(self, level: Level, given: Parted) -> Rows:
        """Read the segments that hold the images, one for each unit."""
        lengths = [len(segment.ids) for segment in level]
        ids, mask = self._padded([segment.ids for segment in level])
        columns = {
            name: _flush_right([values[:length] for values, length in zip(every, lengths, strict=True)], 0)
            for name, every in given.columns.items()
        }
        extra = {name: torch.tensor(value, device=ids.device) for name, value in columns.items()}
        cache = empty_cache(self._model.config.get_text_config().num_hidden_layers)
        # Some models lay positions out in an image's plane, and remember what text after it is offset by.
        base = self._model.base_model
        if hasattr(base, "rope_deltas"):
            base.rope_deltas = None
            logits = self._scores(ids, mask, cache, **extra, **given.vision)
            offset = base.rope_deltas.reshape(-1, 1).to(mask.device)
        else:
            positions = (mask.cumsum(dim=1) - 1).clamp(min=0)
            logits = self._scores(ids, mask, cache, position_ids=positions, **extra, **given.vision)
            offset = mask.new_zeros(len(level), 1)
        return Rows(cache=cache, mask=mask, offset=offset, logits=logits)

    def _below(self, level: Level, above: Sequence[_Place]) -> list[_Place]:
        """Read segments that follow others, those of like length together."""
        read: list[_Place | None] = [None] * len(level)
        for alike in alike_in_length([len(segment.ids) for segment in level], self._most_tokens):
            parts, order = _by_batch([above[level[index].parent] for index in alike])
            chosen = [alike[index] for index in order]
            rows = self._follow(parts, [level[index].ids for index in chosen])
            for place, index in enumerate(chosen):
                read[index] = (rows, place)
        return [place for place in read if place is not None]

    def _follow(self, parts: Sequence[tuple[Rows, Sequence[int]]], segments: Sequence[Sequence[int]]) -> Rows:
        """Read a segment behind each of the chosen rows."""
        parents = gathered(parts, room=max(map(len, segments)))
        ids, more = self._padded(segments)
        mask = torch.cat([parents.mask, more], dim=1)
        positions = (mask.cumsum(dim=1) - 1)[:, -ids.shape[1] :] + parents.offset
        logits = self._scores(ids, mask, parents.cache, position_ids=positions.clamp(min=0))
        return replace(parents, mask=mask, logits=logits)

    def _scores(self, ids: torch.Tensor, mask: torch.Tensor, cache: Any, **more: Any) -> torch.Tensor:
        """Run the model; returns the scores behind each row's last token."""
        output = self._model(
            input_ids=ids,
            attention_mask=mask,
            past_key_values=cache,
            use_cache=True,
            logits_to_keep=1,
            **more,
        )
        scores: torch.Tensor = output.logits[:, -1]
        return scores

    def _padded(self, segments: Sequence[Sequence[int]]) -> tuple[torch.Tensor, torch.Tensor]:
        device = self._model.device
        ids = torch.tensor(_flush_right(segments, self._pad), device=device)
        mask = torch.tensor(_flush_right([[1] * len(segment) for segment in segments], 0), device=device)
        return ids, mask


def _by_sample(rows: Sequence[Row]) -> list[list[Row]]:
    return [list(sample) for _, sample in groupby(rows, key=lambda row: row.prompt.sample_id)]


def _numbered_through(parts: Sequence[Parted]) -> list[list[int]]:
    """The units of all parts, their rows numbered as if the parts were one."""
    starts = accumulate((len(part.ids) for part in parts), initial=0)
    return [
        [start + row for row in unit]
        for start, part in zip(starts, parts, strict=False)
        for unit in part.units
    ]


def _ends(level: Level, places: Sequence[_Place]) -> list[tuple[int, _Place]]:
    """Each row that ends in a level, and where it was read."""
    return [(row, place) for segment, place in zip(level, places, strict=True) for row in segment.rows]


def _by_batch(places: Sequence[_Place]) -> tuple[list[tuple[Rows, list[int]]], list[int]]:
    """Gather places by the batch they are in; returns the parts, and which place each of their rows is."""
    batches: dict[int, tuple[Rows, list[int], list[int]]] = {}
    for index, (rows, place) in enumerate(places):
        _, picks, which = batches.setdefault(id(rows), (rows, [], []))
        picks.append(place)
        which.append(index)
    found = batches.values()
    return [(rows, picks) for rows, picks, _ in found], [index for _, _, which in found for index in which]


def _flush_right(rows: Sequence[Sequence[int]], fill: int) -> list[list[int]]:
    width = max(len(row) for row in rows)
    return [[fill] * (width - len(row)) + list(row) for row in rows]
