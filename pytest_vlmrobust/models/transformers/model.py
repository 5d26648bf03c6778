"""Any image-text-to-text model that ``transformers`` loads, asked in batches."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import chain

import torch
import transformers

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import ReplyFormat
from pytest_vlmrobust.errors import ModelError, VlmRobustError, gist
from pytest_vlmrobust.models.base import Answer, ModelInfo
from pytest_vlmrobust.models.batches import group_by_sample, take_batch
from pytest_vlmrobust.models.chat import ChatRenderer, ProcessorTemplate, Row, choose_template
from pytest_vlmrobust.models.checkpoint import Checkpoint
from pytest_vlmrobust.models.dialects import fitted
from pytest_vlmrobust.models.letters import LetterForms
from pytest_vlmrobust.models.reply_keys import ReplyKeys
from pytest_vlmrobust.models.transformers.admission import Candidates, choose_path
from pytest_vlmrobust.models.transformers.answers import AnswerReader
from pytest_vlmrobust.models.transformers.batched import BatchedPath, ReferencePath, end_tokens
from pytest_vlmrobust.models.transformers.encoding import InputEncoder
from pytest_vlmrobust.models.transformers.ending import ReplyEnd
from pytest_vlmrobust.models.transformers.kept import Watch
from pytest_vlmrobust.models.transformers.loading import (
    Loaded,
    load_folder,
    pick_device,
    pick_dtype,
    spreads,
)
from pytest_vlmrobust.models.transformers.memory import out_of_memory, rows_that_fit
from pytest_vlmrobust.models.transformers.paths import Path
from pytest_vlmrobust.models.transformers.shared_prefix import SharedPrefixPath

ROWS_IN_TURN = 4
"""How many times a batch's rows are let into it one after the other, as others leave, before it is done."""

_REFERENCE_ASKED = "asked for"


class TransformersModel:
    """A model and its processor, asked greedily. Made by `load`.

    One batch is run at a time: some models keep positions of their last batch.

    Attributes:
        on_smaller_batches: called when memory has run out and fewer rows will be run at once from now on.
    """

    def __init__(self, checkpoint: Checkpoint, loaded: Loaded) -> None:
        """Find the fastest path that gives the reference's scores."""
        template = choose_template(ProcessorTemplate(loaded.processor, loaded.template), checkpoint.template)
        self._own_template = template is not checkpoint.template
        if self._own_template:
            checkpoint = replace(checkpoint, dialect=fitted(checkpoint.dialect, template))
        options, spec = checkpoint.options, checkpoint.spec
        self._checkpoint = checkpoint
        self._limit = options.limit(checkpoint.dialect)
        self._loaded = loaded
        self._pads_with_eos = loaded.tokenizer.pad_token_id is None
        end = ReplyEnd(
            loaded.tokenizer,
            checkpoint.dialect.reply,
            end_tokens(loaded.model, loaded.tokenizer, spec),
        )
        self._chat = ChatRenderer(template, checkpoint.dialect, name=spec)
        forms = LetterForms(loaded.tokenizer.get_vocab())
        self._reader = AnswerReader(loaded.tokenizer, forms, checkpoint.dialect.reply, name=spec)
        self._path, self._path_reason = self._choose(end, forms)
        fitting = options.batch_size or checkpoint.rows_at_once
        self._batch_size = fitting or rows_that_fit(loaded.model, self._limit)
        self.on_smaller_batches: Callable[[], None] = _nothing

    def _choose(self, end: ReplyEnd, forms: LetterForms) -> tuple[Path, str]:
        encoder = InputEncoder(self._loaded)
        watch = Watch(forms.watched, self._loaded.model.device)
        parts = (self._loaded, encoder, end, watch)
        candidates = Candidates(
            reference=ReferencePath(*parts),
            batched=BatchedPath(*parts),
            shared_prefix=SharedPrefixPath(*parts),
        )
        if self._checkpoint.options.reference:
            return candidates.reference, _REFERENCE_ASKED
        return choose_path(self._loaded.model, encoder, self._chat, candidates)

    @classmethod
    def load(cls, checkpoint: Checkpoint) -> TransformersModel:
        """Load a model.

        Raises:
            ModelError: it cannot be loaded, or its chat template or tokenizer cannot serve.
        """
        options = checkpoint.options
        device = pick_device(options.device)
        loaded = load_folder(
            checkpoint.folder,
            checkpoint.config,
            name=checkpoint.spec,
            device=device,
            dtype=pick_dtype(options.dtype, device),
            spread=spreads(checkpoint.folder, options.device),
        )
        if options.threads is not None and device.type == "cpu":
            torch.set_num_threads(options.threads)
        return cls(checkpoint, loaded)

    @property
    def info(self) -> ModelInfo:
        """Provenance; the digest is of the folder's weights, configuration and tokenizer files."""
        model, tokenizer = self._loaded.model, self._loaded.tokenizer
        options = self._checkpoint.options
        pad = f"{tokenizer.pad_token} (the end of sequence: the tokenizer has no padding token)"
        return ModelInfo(
            spec=self._checkpoint.spec,
            digest=self._checkpoint.digest,
            details={
                "class": type(model).__name__,
                "device": str(model.device),
                "dtype": str(model.dtype).removeprefix("torch."),
                **self._checkpoint.dialect.details(),
                "chat_template": "processor" if self._own_template else "folder",
                "path": self._path.name,
                "path_reason": self._path_reason,
                "batch_size": str(options.batch_size or "auto"),
                "rows_at_once": str(self._batch_size),
                "max_new_tokens": str(self._limit),
                "pad_token": pad if self._pads_with_eos else tokenizer.pad_token,
                "transformers": transformers.__version__,
                "torch": torch.__version__,
            },
        )

    @property
    def reply_format(self) -> ReplyFormat:
        """The dialect's layout."""
        return self._checkpoint.dialect.reply

    def reply_key(self, prompt: Prompt) -> str:
        """Return the key of the reply to a prompt; see `models.base.Storable`."""
        return self._keys(prompt)

    @functools.cached_property
    def _keys(self) -> ReplyKeys:
        # Not made before it is needed: it takes a digest of all weights.
        return ReplyKeys(self.info, self._checkpoint.options, self._chat, self._checkpoint.dialect)

    def answer(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        """Answer every prompt, all conditions of a sample together if they fit.

        Raises:
            ModelError: a prompt cannot be rendered or run, the scores are not a distribution, or one row
                alone exceeds the memory.
            DataError: an image cannot be opened.
        """
        return chain.from_iterable(self.answer_batches(prompts))

    def answer_batches(self, prompts: Sequence[Prompt]) -> Iterator[Sequence[tuple[int, Answer]]]:
        """Answer every prompt, longest samples first, and yield the answers a batch at a time.

        Raises:
            ModelError: as `answer`.
            DataError: as `answer`.
        """
        rows = [self._chat.render(prompt) for prompt in prompts]
        groups = group_by_sample(prompts)
        queue = deque(sorted(groups, key=lambda group: -sum(len(rows[index].text) for index in group)))
        while queue:
            taken = take_batch(queue, ROWS_IN_TURN * self._batch_size)
            batch = [index for group in taken for index in group]
            yield [
                (batch[place], answer) for place, answer in self._answers([rows[index] for index in batch])
            ]

    def close(self) -> None:
        """Drop the model and free its device's memory; once is enough, and twice does no harm."""
        for part in ("_loaded", "_path", "_chat", "_reader"):
            self.__dict__.pop(part, None)
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _answers(self, rows: Sequence[Row]) -> list[tuple[int, Answer]]:
        """Answer a batch; when memory runs out, what is done stays done and fewer rows are run at once."""
        answers: dict[int, Answer] = {}
        while len(answers) < len(rows):
            left = [place for place in range(len(rows)) if place not in answers]
            for place, answer in self._until_memory_ends([rows[place] for place in left]):
                answers[left[place]] = answer
        return sorted(answers.items())

    def _until_memory_ends(self, rows: Sequence[Row]) -> Iterator[tuple[int, Answer]]:
        limit = self._limit
        left = dict(enumerate(rows))
        try:
            for ended in self._path.run(rows, rows_at_once=self._batch_size, max_new_tokens=limit):
                for place, answer in self._reader.read(rows, ended):
                    del left[place]
                    yield place, answer
            return
        except VlmRobustError:
            raise
        except Exception as error:
            self._check_memory(error, list(left.values()))
        # Outside of the handler the failed batch's tensors are no longer held by the traceback.
        self._batch_size = max(1, min(self._batch_size, len(rows)) // 2)
        self.on_smaller_batches()
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _check_memory(self, error: Exception, rows: Sequence[Row]) -> None:
        """Raise unless memory ran out and fewer rows may fit."""
        spec = self._checkpoint.spec
        more = f" and {len(rows) - 1} more" if len(rows) > 1 else ""
        if not out_of_memory(error):
            raise ModelError(f"model {spec!r} failed on {rows[0].where}{more} ({gist(error)})") from error
        if self._batch_size == 1 or len(rows) == 1:
            raise ModelError(
                f"model {spec!r}: memory ran out on {rows[0].where} alone; use a smaller image, dtype or "
                "model, or another device"
            ) from error


def _nothing() -> None:
    """Tell nobody."""
