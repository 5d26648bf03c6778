"""Replies by the library's own ``generate``, for a batch or for one prompt at a time."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import torch
from transformers import GenerationConfig, LogitsProcessorList, StoppingCriteriaList

from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.models.batches import group_by_sample, take_batch
from pytest_vlmrobust.models.chat import Row
from pytest_vlmrobust.models.letters import Step
from pytest_vlmrobust.models.transformers.encoding import InputEncoder, Inputs
from pytest_vlmrobust.models.transformers.ending import EndOfReplies, ReplyEnd
from pytest_vlmrobust.models.transformers.kept import Capture, Generated, Watch
from pytest_vlmrobust.models.transformers.loading import Loaded
from pytest_vlmrobust.models.transformers.paths import Ended

_Settings: Any = GenerationConfig


class BatchedPath:
    """Left-padded batches; images are encoded once for each sample where the model allows it."""

    def __init__(self, loaded: Loaded, encoder: InputEncoder, end: ReplyEnd, watch: Watch) -> None:
        """Drop every generation setting that the model was shipped with, penalties included."""
        self._model = loaded.model
        self._encoder = encoder
        self._end = end
        self._ends = EndOfReplies(end)  # made once: it scans the vocabulary
        self._watch = watch
        self._ids = {"eos_token_id": sorted(end.eos) or None, "pad_token_id": loaded.tokenizer.pad_token_id}
        # `generate` fills what a configuration leaves open from the model's own.
        loaded.model.generation_config = _Settings(**self._ids)

    @property
    def name(self) -> str:
        """``shared-image``, or ``batched`` where a model cannot be handed what it made of an image."""
        return "shared-image" if self._encoder.shares_images else "batched"

    def run(self, rows: Sequence[Row], *, rows_at_once: int, max_new_tokens: int) -> Iterator[Ended]:
        """Run a batch after the other, all rows of a sample in one if they fit; see `paths.Path`."""
        queue = group_by_sample([row.prompt for row in rows])
        while queue:
            places = [place for group in take_batch(queue, rows_at_once) for place in group]
            batch = [rows[place] for place in places]
            replies = self._generate(self._encoder.encode(batch), batch, max_new_tokens, self._watch)

            def score(
                wanted: Sequence[tuple[int, Sequence[int]]], also: Sequence[int] = ()
            ) -> list[Step | None]:
                watch = self._watch.and_also(also)
                return [self._score(rows[index], tokens, watch) for index, tokens in wanted]

            yield Ended(replies=list(zip(places, replies, strict=True)), score=score)

    @torch.inference_mode()
    def _generate(
        self, inputs: Inputs, rows: Sequence[Row], max_new_tokens: int, watch: Watch
    ) -> list[Generated]:
        capture = Capture(watch)
        length = inputs["input_ids"].shape[1]
        room = [
            self._encoder.context.room(tokens, max_new_tokens)
            for tokens in inputs["attention_mask"].sum(dim=1).tolist()
        ]
        self._ends.start([row.prefill for row in rows], length)
        settings = _Settings(
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,
            max_new_tokens=max(room),
            use_cache=True,
            **self._ids,
        )
        output = self._model.generate(
            **inputs,
            generation_config=settings,
            logits_processor=LogitsProcessorList([capture]),
            stopping_criteria=StoppingCriteriaList([self._ends]),
        )
        every = output[:, length:].tolist()
        return [self._cut(place, ids[: room[place]], capture) for place, ids in enumerate(every)]

    def _cut(self, place: int, ids: list[int], capture: Capture) -> Generated:
        length = self._ends.lengths[place]
        ended = length is not None and length <= len(ids)
        ids = ids[:length] if ended else ids
        kept = [(scores, place) for scores in capture.steps[: len(ids)]]
        return Generated.of(ids, kept, ended=ended, eos=self._end.eos)

    def _score(self, row: Row, tokens: Sequence[int], watch: Watch) -> Step | None:
        """Run a whole prompt again, with the tokens behind it."""
        inputs = self._encoder.extend(self._encoder.encode([row]), tokens)
        if inputs is None or self._encoder.context.room(inputs["input_ids"].shape[1], 1) < 1:
            return None
        return self._generate(inputs, [row], 1, watch)[0].at(0)


class ReferencePath(BatchedPath):
    """One prompt at a time, nothing reused: what the other paths are held against."""

    @property
    def name(self) -> str:
        """``reference``."""
        return "reference"

    def run(self, rows: Sequence[Row], *, rows_at_once: int, max_new_tokens: int) -> Iterator[Ended]:  # noqa: ARG002
        """Run one row after the other, whatever was asked for."""
        return super().run(rows, rows_at_once=1, max_new_tokens=max_new_tokens)


def end_tokens(model: Any, tokenizer: Any, name: str) -> frozenset[int]:
    """Return every token that ends a sequence, and give a tokenizer without padding one of them for that.

    Raises:
        ModelError: the tokenizer has neither a padding nor an end-of-sequence token.
    """
    shipped = model.generation_config.eos_token_id
    ids = {shipped} if isinstance(shipped, int) else set(shipped or ())
    if tokenizer.eos_token_id is not None:
        ids.add(tokenizer.eos_token_id)
    if tokenizer.pad_token_id is None:
        if tokenizer.eos_token_id is None:
            raise ModelError(
                f"model {name!r}: its tokenizer has neither a padding nor an end-of-sequence token; name "
                "one in tokenizer_config.json"
            )
        tokenizer.pad_token = tokenizer.eos_token
    return frozenset(ids)
