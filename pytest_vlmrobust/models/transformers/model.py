"""Any image-text-to-text model that ``transformers`` loads, asked in batches."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import torch
import transformers

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import ReplyFormat, read_reply
from pytest_vlmrobust.errors import ModelError, UsageError, VlmRobustError, gist
from pytest_vlmrobust.models.base import Answer, ModelInfo
from pytest_vlmrobust.models.batches import group_by_sample, take_batch
from pytest_vlmrobust.models.chat import ChatRenderer, Row
from pytest_vlmrobust.models.dialects import Dialect, get_dialect
from pytest_vlmrobust.models.folders import fetch, folder_digest, read_config
from pytest_vlmrobust.models.letters import Distribution, LetterForms, Rescore, emitting_step, read_letters
from pytest_vlmrobust.models.transformers.encoding import InputEncoder
from pytest_vlmrobust.models.transformers.generation import Generated, GreedyGenerator
from pytest_vlmrobust.models.transformers.loading import Loaded, load_folder, pick_device, pick_dtype

DEFAULT_BATCH_SIZE = 32
DIALECT_KEY = "vlmrobust_dialect"
"""Key of a folder's config.json that names the dialect the model was trained on."""


class TransformersModel:
    """A model and its processor, asked greedily in left-padded batches.

    Made by `load`. One batch is run at a time: some models keep positions of their last batch.
    """

    def __init__(
        self,
        loaded: Loaded,
        *,
        folder: Path,
        spec: str,
        dialect: Dialect,
        batch_size: int | None,
        max_new_tokens: int,
    ) -> None:
        """Prepare what is the same for every batch.

        Raises:
            ModelError: chat template or tokenizer cannot serve.
        """
        self._spec = spec
        self._folder = folder
        self._dialect = dialect
        self._loaded = loaded
        self._batch_size = batch_size or DEFAULT_BATCH_SIZE
        self._max_new_tokens = max_new_tokens
        self._chat = ChatRenderer(loaded.processor, dialect, template=loaded.template, name=spec)
        self._forms = LetterForms(loaded.tokenizer.get_vocab())
        self._generator = GreedyGenerator(loaded, self._forms, dialect.reply, name=spec)
        self._encoder = InputEncoder(loaded)

    @classmethod
    def load(
        cls,
        name: str,
        *,
        spec: str = "",
        device: str = "auto",
        dtype: str = "auto",
        batch_size: int | None = None,
        max_new_tokens: int = 512,
        threads: int | None = None,
        dialect: Dialect | None = None,
    ) -> TransformersModel:
        """Load a model from a folder or the hub.

        Args:
            name: a folder, or a hub id.
            spec: what reports call the model; by default the name.
            device: auto, cpu, cuda, cuda:N or mps.
            dtype: auto, float32, bfloat16 or float16.
            batch_size: rows in a batch; 32 by default.
            max_new_tokens: the most tokens of a reply.
            threads: CPU threads, set for the whole process when the model is on the CPU.
            dialect: by default what config.json names, else ``plain``.

        Raises:
            ModelError: it cannot be fetched or loaded.
        """
        spec = spec or name
        picked = pick_device(device)
        folder = fetch(name)
        config = read_config(folder)
        dialect = dialect or _configured_dialect(config, spec)
        loaded = load_folder(folder, config, name=spec, device=picked, dtype=pick_dtype(dtype, picked))
        if threads is not None and picked.type == "cpu":
            torch.set_num_threads(threads)
        return cls(
            loaded,
            folder=folder,
            spec=spec,
            dialect=dialect,
            batch_size=batch_size,
            max_new_tokens=max_new_tokens,
        )

    @property
    def info(self) -> ModelInfo:
        """Provenance; the digest is of the folder's weights, configuration and tokenizer files."""
        model, tokenizer = self._loaded.model, self._loaded.tokenizer
        pad = f"{tokenizer.pad_token} (the end of sequence: the tokenizer has no padding token)"
        if not self._generator.pads_with_eos:
            pad = tokenizer.pad_token
        return ModelInfo(
            spec=self._spec,
            digest=self._digest,
            details={
                "class": type(model).__name__,
                "device": str(model.device),
                "dtype": str(model.dtype).removeprefix("torch."),
                "dialect": self._dialect.name,
                "batch_size": str(self._batch_size),
                "max_new_tokens": str(self._max_new_tokens),
                "pad_token": pad,
                "images_encoded": "once per sample" if self._encoder.shares_images else "once per row",
                "transformers": transformers.__version__,
                "torch": torch.__version__,
            },
        )

    @functools.cached_property
    def _digest(self) -> str:
        return folder_digest(self._folder)

    @property
    def reply_format(self) -> ReplyFormat:
        """The dialect's layout."""
        return self._dialect.reply

    def answer(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        """Answer every prompt, a batch at a time; all conditions of a sample share a batch if they fit.

        When memory runs out, the batch is halved and tried again; what was answered stays answered.

        Raises:
            ModelError: a prompt cannot be rendered or run, the scores are not a distribution, or one row
                alone exceeds the memory.
            DataError: an image cannot be opened.
        """
        queue = group_by_sample(prompts)
        while queue:
            groups = take_batch(queue, self._batch_size)
            batch = [index for group in groups for index in group]
            answers = self._try_batch([prompts[index] for index in batch])
            if answers is not None:
                yield from zip(batch, answers, strict=True)
            else:
                queue.extendleft(reversed(groups))
                self._batch_size = max(1, len(batch) // 2)

    def close(self) -> None:
        """Drop the model and free its device's memory."""
        del self._loaded, self._encoder, self._generator, self._chat
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _try_batch(self, prompts: Sequence[Prompt]) -> list[Answer] | None:
        """Answer a batch; None when memory ran out and a smaller one may fit."""
        try:
            return self._answer_batch(prompts)
        except VlmRobustError:
            raise
        except Exception as error:
            where = f"sample {prompts[0].sample_id!r} under {prompts[0].condition!r}"
            more = f" and {len(prompts) - 1} more" if len(prompts) > 1 else ""
            if not _out_of_memory(error):
                raise ModelError(f"model {self._spec!r} failed on {where}{more} ({gist(error)})") from error
            if len(prompts) == 1:
                raise ModelError(
                    f"model {self._spec!r}: memory ran out on {where} alone; use a smaller image, dtype or "
                    "model, or another device"
                ) from error
        # Outside of the handler the failed batch's tensors are no longer held by the traceback.
        if torch.cuda.is_available():
            torch.cuda.empty_cache()
        return None

    @torch.inference_mode()
    def _answer_batch(self, prompts: Sequence[Prompt]) -> list[Answer]:
        rows = [self._chat.render(prompt) for prompt in prompts]
        inputs = self._encoder.encode(rows)
        last = inputs["input_ids"][:, -1].tolist()
        replies = self._generator.run(
            inputs, [row.prefill for row in rows], max_new_tokens=self._max_new_tokens
        )
        return [self._read(*each) for each in zip(rows, replies, last, strict=True)]

    def _read(self, row: Row, reply: Generated, last: int) -> Answer:
        if reply.broken_step is not None:
            raise ModelError(
                f"model {self._spec!r}: its scores are NaN or infinite at token {reply.broken_step} of the "
                f"reply to {row.where}; another dtype may help (float16 overflows easily)"
            )
        decode = _decoder(self._loaded.tokenizer, reply.text_ids, last)
        text = decode(len(reply.text_ids))
        letters = self._letters(row, reply, text, decode)
        return Answer(
            text=text,
            prefill=row.prefill,
            letter_probs=letters.probs if letters else None,
            letter_mass=letters.mass if letters else None,
            truncated=not reply.ended,
            tokens=len(reply.ids),
        )

    def _letters(
        self, row: Row, reply: Generated, text: str, decode: Callable[[int], str]
    ) -> Distribution | None:
        """Read the distribution over the letters at the step that emitted the answer's letter."""
        read = read_reply(text, row.prompt.choices, dialect=self.reply_format, prefill=row.prefill)
        if read.answer_span is None:
            return None
        step = emitting_step(decode, len(reply.text_ids), read.answer_span[0])
        if step is None:
            return None
        form = self._forms.form(reply.ids[step])
        if form is None or form.letter != read.letter:
            return None
        found = read_letters(self._forms, row.prompt.letters, reply.ids, step, reply.at)
        return self._finished(row, found) if isinstance(found, Rescore) else found

    def _finished(self, row: Row, rescore: Rescore) -> Distribution | None:
        """Run the model for one more step, for letters whose spelling takes two tokens."""
        inputs = self._encoder.extend(self._encoder.encode([row]), rescore.context)
        if inputs is None:
            return None
        return rescore.finish(self._generator.run(inputs, [row.prefill], max_new_tokens=1)[0].at(0))


def _configured_dialect(config: dict[str, Any], spec: str) -> Dialect:
    name = config.get(DIALECT_KEY, "plain")
    try:
        return get_dialect(name)
    except (UsageError, TypeError) as error:
        raise ModelError(f"model {spec!r}: {DIALECT_KEY} in its config.json: {error}") from None


def _decoder(tokenizer: Any, ids: Sequence[int], last: int) -> Callable[[int], str]:
    """Return a function that gives the text of the first n tokens of a reply.

    The text is decoded behind the prompt's last token: at the start of a text, some
    tokenizers drop the space that a token begins with.
    """
    lead = tokenizer.decode([last], clean_up_tokenization_spaces=False)

    def decode(count: int) -> str:
        text: str = tokenizer.decode([last, *ids[:count]], clean_up_tokenization_spaces=False)
        if text.startswith(lead):
            return text[len(lead) :]
        alone: str = tokenizer.decode(list(ids[:count]), clean_up_tokenization_spaces=False)
        return alone

    return functools.lru_cache(maxsize=None)(decode)


def _out_of_memory(error: Exception) -> bool:
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(
        sign in str(error) for sign in ("out of memory", "not enough memory", "can't allocate memory")
    )
