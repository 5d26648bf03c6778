"""Replies with everything shared that prompts have in common, by a greedy loop of our own.

The tokens that rows share (system turn, image, question) are read once, their keys and values handed
to every row; a row that has ended leaves its batch, and others take its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace
from typing import Any

import torch

from pytest_vlmrobust.models.chat import Row
from pytest_vlmrobust.models.letters import Step
from pytest_vlmrobust.models.prefix_tree import Level, alike_in_length, prefix_levels
from pytest_vlmrobust.models.transformers.cache import (
    Rows,
    cut_back,
    empty_cache,
    gathered,
)
from pytest_vlmrobust.models.transformers.encoding import InputEncoder, Parted
from pytest_vlmrobust.models.transformers.ending import ReplyEnd
from pytest_vlmrobust.models.transformers.kept import Generated, KeptScores, Watch
from pytest_vlmrobust.models.transformers.loading import Loaded
from pytest_vlmrobust.models.transformers.paths import Ended

_LEAVE_AT = 1 / 8
"""Share of a batch that has to have ended before its rows are taken out: taking out copies the others."""

_JOIN_AT = 1 / 2
"""Share of the places that has to be free before others are let in: a larger prefill costs less for each."""


_Place = tuple[Rows, int]
"""A batch of rows, and a row in it."""


@dataclass(eq=False)
class _Reply:
    """A reply in the making."""

    index: int
    prefill: str
    prompt_tokens: int
    ids: list[int] = field(default_factory=list)
    kept: list[tuple[KeptScores, int]] = field(default_factory=list)
    ended: bool = False
    full: bool = False

    @property
    def running(self) -> bool:
        return not (self.ended or self.full)


@dataclass(frozen=True, kw_only=True)
class _Batch:
    """Rows that are computed together, and the replies that grow from them."""

    rows: Rows
    replies: list[_Reply]

    @property
    def running(self) -> list[int]:
        return [place for place, reply in enumerate(self.replies) if reply.running]


class SharedPrefixPath:
    """Reads shared tokens once; `admission` says for which models that gives the same replies."""

    name = "shared-prefix"

    def __init__(self, loaded: Loaded, encoder: InputEncoder, end: ReplyEnd, watch: Watch) -> None:
        """Run a model whose layers keep the keys and values of every token."""
        self._model = loaded.model
        self._encoder = encoder
        self._end = end
        self._watch = watch
        self._pad = loaded.tokenizer.pad_token_id
        self._layers = loaded.model.config.get_text_config().num_hidden_layers

    @torch.inference_mode()
    def run(self, rows: Sequence[Row], *, rows_at_once: int, max_new_tokens: int) -> Iterator[Ended]:
        """Run rows through one batch that they join and leave; see `paths.Path`."""
        waiting = deque(enumerate(rows))
        batch: _Batch | None = None
        while waiting or batch is not None:
            free = rows_at_once - (len(batch.running) if batch else 0)
            if waiting and free >= _JOIN_AT * rows_at_once:
                batch = self._joined(batch, _admitted(waiting, free))
            assert batch is not None
            done = self._choose(batch, max_new_tokens)
            if done:
                yield self._ended(batch, done)
            batch = self._advanced(batch)

    @torch.inference_mode()
    def prefill(self, rows: Sequence[Row]) -> tuple[Rows, list[int]]:
        """Read prompts.

        Returns:
            What was read, and for each of its rows the index of the prompt.
        """
        given = self._encoder.encode_parted(rows)
        top, *lower = prefix_levels(given.units, given.ids)
        read = self._top(top, given)
        above = [(read, place) for place in range(len(top))]
        ends = _ends(top, above)
        for level in lower:
            above = self._below(level, above)
            ends += _ends(level, above)
        parts, order = _by_batch([place for _, place in ends])
        return gathered(parts), [ends[index][0] for index in order]

    @torch.inference_mode()
    def forward(self, rows: Rows, tokens: Sequence[int]) -> Rows:
        """Append one token to each row and read it."""
        ids = torch.tensor(tokens, device=rows.mask.device)[:, None]
        mask = torch.cat([rows.mask, rows.mask.new_ones(len(rows), 1)], dim=1)
        logits = self._scores(ids, mask, rows.cache, position_ids=rows.lengths[:, None] + rows.offset)
        return replace(rows, mask=mask, logits=logits)

    def _top(self, level: Level, given: Parted) -> Rows:
        """Read the segments that hold the images, one for each unit."""
        lengths = [len(segment.ids) for segment in level]
        ids, mask = self._padded([segment.ids for segment in level])
        columns = {
            name: _flush_right([values[:length] for values, length in zip(every, lengths, strict=True)], 0)
            for name, every in given.columns.items()
        }
        extra = {name: torch.tensor(value, device=ids.device) for name, value in columns.items()}
        cache = empty_cache(self._layers)
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
        for alike in alike_in_length([len(segment.ids) for segment in level]):
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

    def _joined(self, batch: _Batch | None, fresh: Sequence[tuple[int, Row]]) -> _Batch:
        """Let rows in, and leave out those that have ended."""
        read, order = self.prefill([row for _, row in fresh])
        lengths = read.lengths.tolist()
        replies = [
            _Reply(index=fresh[place][0], prefill=fresh[place][1].prefill, prompt_tokens=length)
            for place, length in zip(order, lengths, strict=True)
        ]
        if batch is None:
            return _Batch(rows=read, replies=replies)
        staying = batch.running
        return _Batch(
            rows=gathered([(batch.rows, staying), (read, range(len(read)))]),
            replies=[*(batch.replies[place] for place in staying), *replies],
        )

    def _choose(self, batch: _Batch, max_new_tokens: int) -> list[int]:
        """Append the likeliest token to each reply; returns the places of those that this completes."""
        kept = self._watch.keep(batch.rows.logits)
        tokens = batch.rows.logits.argmax(dim=-1).tolist()
        done = []
        for place in batch.running:
            reply = batch.replies[place]
            reply.ids.append(tokens[place])
            reply.kept.append((kept, place))
            reply.ended = self._end.ended(reply.prefill, reply.ids)
            reply.full = len(reply.ids) >= self._encoder.context.room(reply.prompt_tokens, max_new_tokens)
            if not reply.running:
                done.append(place)
        return done

    def _ended(self, batch: _Batch, done: Sequence[int]) -> Ended:
        places = {batch.replies[place].index: place for place in done}

        def score(wanted: Sequence[tuple[int, Sequence[int]]]) -> list[Step]:
            return self._score(batch, [(places[index], tokens) for index, tokens in wanted])

        replies = [
            (index, Generated.of(reply.ids, reply.kept, ended=reply.ended, eos=self._end.eos))
            for index, reply in ((index, batch.replies[place]) for index, place in places.items())
        ]
        return Ended(replies=replies, score=score)

    @torch.inference_mode()
    def _score(self, batch: _Batch, wanted: Sequence[tuple[int, Sequence[int]]]) -> list[Step]:
        """Go back in a reply to where the wanted tokens part from it, and read their last one."""
        backs = []
        for place, tokens in wanted:
            reply = batch.replies[place]
            assert list(tokens[:-1]) == reply.ids[: len(tokens) - 1]
            backs.append((cut_back(batch.rows, place, reply.prompt_tokens + len(tokens) - 1), [0]))
        if not backs:
            return []
        read = self.forward(gathered(backs), [tokens[-1] for _, tokens in wanted])
        kept = self._watch.keep(read.logits)
        return [kept.step(place) for place in range(len(backs))]

    def _advanced(self, batch: _Batch) -> _Batch | None:
        """Read the tokens that were chosen; None when every reply is complete."""
        staying = batch.running
        if not staying:
            return None
        if len(staying) <= (1 - _LEAVE_AT) * len(batch.replies):
            batch = _Batch(
                rows=gathered([(batch.rows, staying)]), replies=[batch.replies[place] for place in staying]
            )
        return replace(batch, rows=self.forward(batch.rows, [reply.ids[-1] for reply in batch.replies]))


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


def _admitted(waiting: deque[tuple[int, Row]], free: int) -> list[tuple[int, Row]]:
    """Take rows from the front that fit, samples as a whole; one sample at least, or as much as fits."""
    taken: list[tuple[int, Row]] = []
    while waiting and len(taken) < free:
        sample = waiting[0][1].prompt.sample_id
        size = next((n for n, (_, row) in enumerate(waiting) if row.prompt.sample_id != sample), len(waiting))
        if taken and len(taken) + size > free:
            break
        taken += [waiting.popleft() for _ in range(min(size, free))]
    return taken


def _flush_right(rows: Sequence[Sequence[int]], fill: int) -> list[list[int]]:
    width = max(len(row) for row in rows)
    return [[fill] * (width - len(row)) + list(row) for row in rows]
