"""Replies with everything shared that prompts have in common, by a greedy loop of our own.

The tokens that rows share (system turn, image, question) are read once, their keys and values handed
to every row; a row that has ended leaves its batch, and others take its place.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field, replace

import torch

from pytest_vlmrobust.models.chat import Row
from pytest_vlmrobust.models.letters import Step
from pytest_vlmrobust.models.transformers.cache import (
    Rows,
    cut_back,
    gathered,
)
from pytest_vlmrobust.models.transformers.encoding import InputEncoder
from pytest_vlmrobust.models.transformers.ending import ReplyEnd
from pytest_vlmrobust.models.transformers.kept import Generated, KeptScores, Watch
from pytest_vlmrobust.models.transformers.loading import Loaded
from pytest_vlmrobust.models.transformers.paths import Ended
from pytest_vlmrobust.models.transformers.reader import PromptReader

_LEAVE_AT = 1 / 8
"""Share of a batch that has to have ended before its rows are taken out: taking out copies the others."""

_JOIN_AT = 1 / 2
"""Share of the places that has to be free before others are let in: a larger prefill costs less for each."""


@dataclass(eq=False)
class _Reply:
    """A reply in the making."""

    index: int
    prefill: str
    prompt_tokens: int
    most_tokens: int
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


@dataclass
class _Scorer:
    """What rows that have ended can be run on from, as long as it is there."""

    batch: _Batch | None


class SharedPrefixPath:
    """Reads shared tokens once; `admission` says for which models that gives the same replies."""

    name = "shared-prefix"

    def __init__(self, loaded: Loaded, encoder: InputEncoder, end: ReplyEnd, watch: Watch) -> None:
        """Run a model whose layers keep the keys and values of every token."""
        self.reader = PromptReader(loaded, encoder)
        self._room = encoder.context.room
        self._end = end
        self._watch = watch

    @torch.inference_mode()
    def run(self, rows: Sequence[Row], *, rows_at_once: int, max_new_tokens: int) -> Iterator[Ended]:
        """Run rows through one batch that they join and leave; see `paths.Path`."""
        waiting = deque(enumerate(rows))
        batch: _Batch | None = None
        while waiting or batch is not None:
            free = rows_at_once - (len(batch.running) if batch else 0)
            fresh = _admitted(waiting, free, most=rows_at_once) if free >= _JOIN_AT * rows_at_once else []
            if fresh:
                batch = self._joined(batch, fresh, max_new_tokens)
            assert batch is not None
            done = self._choose(batch)
            if done:
                scorer = _Scorer(batch)
                yield self._ended(batch, done, scorer)
                scorer.batch = None  # whoever still holds what was yielded does not hold the cache
            # Bound anew before the model runs: what rows leave behind is freed first.
            batch = self._without_ended(batch)
            batch = batch and self._advanced(batch)

    def _joined(self, batch: _Batch | None, fresh: Sequence[tuple[int, Row]], max_new_tokens: int) -> _Batch:
        """Let rows in, and leave out those that have ended."""
        read, order = self.reader.prompts([row for _, row in fresh])
        lengths = read.lengths.tolist()
        replies = [
            _Reply(
                index=fresh[place][0],
                prefill=fresh[place][1].prefill,
                prompt_tokens=length,
                most_tokens=self._room(length, max_new_tokens),
            )
            for place, length in zip(order, lengths, strict=True)
        ]
        if batch is None:
            return _Batch(rows=read, replies=replies)
        staying = batch.running
        return _Batch(
            rows=gathered([(batch.rows, staying), (read, range(len(read)))]),
            replies=[*(batch.replies[place] for place in staying), *replies],
        )

    def _choose(self, batch: _Batch) -> list[int]:
        """Append the likeliest token to each reply; returns the places of those that this completes."""
        kept = self._watch.keep(batch.rows.logits)
        tokens = batch.rows.logits.argmax(dim=-1).tolist()
        done = []
        for place in batch.running:
            reply = batch.replies[place]
            reply.ids.append(tokens[place])
            reply.kept.append((kept, place))
            reply.ended = self._end.ended(reply.prefill, reply.ids)
            reply.full = len(reply.ids) >= reply.most_tokens
            if not reply.running:
                done.append(place)
        return done

    def _ended(self, batch: _Batch, done: Sequence[int], scorer: _Scorer) -> Ended:
        places = {batch.replies[place].index: place for place in done}
        replies = [
            (index, Generated.of(reply.ids, reply.kept, ended=reply.ended, eos=self._end.eos))
            for index, reply in ((index, batch.replies[place]) for index, place in places.items())
        ]

        def score(wanted: Sequence[tuple[int, Sequence[int]]], also: Sequence[int] = ()) -> list[Step | None]:
            assert scorer.batch is not None, "asked for after the next rows were"
            there = [(places[index], tokens) for index, tokens in wanted]
            return self._score(scorer.batch, there, self._watch.and_also(also))

        return Ended(replies=replies, score=score)

    @torch.inference_mode()
    def _score(
        self, batch: _Batch, wanted: Sequence[tuple[int, Sequence[int]]], watch: Watch
    ) -> list[Step | None]:
        """Go back in replies to where the wanted tokens part from them, as many at once as ran together."""
        steps: list[Step | None] = []
        for start in range(0, len(wanted), len(batch.replies)):
            steps += self._parted(batch, wanted[start : start + len(batch.replies)], watch)
        return steps

    def _parted(
        self, batch: _Batch, wanted: Sequence[tuple[int, Sequence[int]]], watch: Watch
    ) -> Iterator[Step]:
        backs, rests = [], []
        for place, tokens in wanted:
            reply = batch.replies[place]
            same = _in_common(tokens[:-1], reply.ids)
            backs.append((cut_back(batch.rows, place, reply.prompt_tokens + same), [0]))
            rests.append(tokens[same:])
        rows, left = gathered(backs), list(range(len(wanted)))
        found: dict[int, Step] = {}
        for turn in range(max(map(len, rests))):
            read = self.reader.append(rows, [rests[index][turn] for index in left])
            kept = watch.keep(read.logits)
            found |= {
                index: kept.step(place) for place, index in enumerate(left) if len(rests[index]) == turn + 1
            }
            going = [place for place, index in enumerate(left) if index not in found]
            if going:
                rows, left = gathered([(read, going)]), [left[place] for place in going]
        return (found[index] for index in range(len(wanted)))

    def _without_ended(self, batch: _Batch) -> _Batch | None:
        """Take rows that have ended out, if they are many enough; None when all have."""
        staying = batch.running
        if not staying:
            return None
        if len(staying) > (1 - _LEAVE_AT) * len(batch.replies):
            return batch
        return _Batch(
            rows=gathered([(batch.rows, staying)]), replies=[batch.replies[place] for place in staying]
        )

    def _advanced(self, batch: _Batch) -> _Batch:
        """Read the tokens that were chosen."""
        return replace(batch, rows=self.reader.append(batch.rows, [reply.ids[-1] for reply in batch.replies]))


def _in_common(tokens: Sequence[int], others: Sequence[int]) -> int:
    """Return how many tokens two replies begin with alike."""
    pairs = enumerate(zip(tokens, others, strict=False))
    return next((place for place, (one, other) in pairs if one != other), min(len(tokens), len(others) - 1))


def _admitted(waiting: deque[tuple[int, Row]], free: int, *, most: int) -> list[tuple[int, Row]]:
    """Take rows from the front that fit, samples as a whole; only one larger than any batch is cut."""
    taken: list[tuple[int, Row]] = []
    while waiting:
        sample = waiting[0][1].prompt.sample_id
        size = next((n for n, (_, row) in enumerate(waiting) if row.prompt.sample_id != sample), len(waiting))
        room = free - len(taken)
        if size > room and (size <= most or not room):
            break
        taken += [waiting.popleft() for _ in range(min(size, room))]
    return taken
