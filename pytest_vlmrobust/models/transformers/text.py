"""A language model without eyes, asked in batches: what a judge needs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForCausalLM, AutoTokenizer, GenerationConfig
from transformers.models.auto.modeling_auto import MODEL_FOR_CAUSAL_LM_MAPPING_NAMES

from pytest_vlmrobust.errors import ModelError, gist
from pytest_vlmrobust.models.folders import check_text_folder
from pytest_vlmrobust.models.transformers.batched import end_tokens
from pytest_vlmrobust.models.transformers.loading import (
    check_complete,
    explained,
    no_progress_bars,
    pick_device,
    pick_dtype,
    spreads,
)
from pytest_vlmrobust.models.transformers.memory import out_of_memory, rows_that_fit

# The library's own annotations of these do not hold for every model.
_AutoModel: Any = AutoModelForCausalLM
_AutoTokenizer: Any = AutoTokenizer
_Settings: Any = GenerationConfig


@dataclass(frozen=True, kw_only=True)
class TextReply:
    """What came of one chat.

    Attributes:
        text: the reply, or "".
        failure: why there is none, or "".
    """

    text: str = ""
    failure: str = ""


@dataclass(frozen=True, kw_only=True)
class TextSettings:
    """How a language model is asked.

    Attributes:
        device: auto, cpu, cuda, cuda:N or mps.
        batch_size: chats at a time, or None for as many as fit.
        threads: CPU threads, or None for PyTorch's own choice.
        max_new_tokens: the most tokens of a reply.
        template: further arguments of the chat template.
        menu: the only replies that it can give; () for any.
        after: the reply proper comes after this text, which begins with a special token; "" for all of it.
    """

    device: str = "auto"
    batch_size: int | None = None
    threads: int | None = None
    max_new_tokens: int = 256
    template: Mapping[str, Any]
    menu: tuple[str, ...] = ()
    after: str = ""


class TransformersText:
    """A causal language model that ``transformers`` loads, asked greedily. Made by `load`."""

    def __init__(self, name: str, model: Any, tokenizer: Any, settings: TextSettings) -> None:
        """Take a loaded model; every generation setting that it was shipped with is dropped."""
        self._name = name
        self._model = model
        self._tokenizer = tokenizer
        self._settings = settings
        eos = end_tokens(model, tokenizer, name)
        ids = {"eos_token_id": sorted(eos) or None, "pad_token_id": tokenizer.pad_token_id}
        # `generate` fills what a configuration leaves open from the model's own.
        model.generation_config = _Settings(**ids)
        self._menu = [tokenizer.encode(word, add_special_tokens=False) for word in settings.menu]
        self._longest = max(map(len, self._menu), default=settings.max_new_tokens)
        self._generation = _Settings(
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,
            max_new_tokens=self._longest,
            use_cache=True,
            **ids,
        )
        self._batch_size = settings.batch_size or self._rows_at_once()
        self._context = getattr(model.config.get_text_config(), "max_position_embeddings", None)

    @classmethod
    def load(
        cls, folder: Path, config: Mapping[str, Any], settings: TextSettings, *, name: str
    ) -> TransformersText:
        """Load a model.

        Args:
            folder: the saved model with its tokenizer.
            config: its config.json.
            settings: how it is asked.
            name: how messages name the model.

        Raises:
            ModelError: it needs remote code, is no causal language model, lacks weights, tokenizer or chat
                template, or does not load.
        """
        _check_type(config, name)
        check_text_folder(folder)
        device = pick_device(settings.device)
        spread = spreads(folder, settings.device)
        options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
        with no_progress_bars():
            with explained(name, "tokenizer"):
                tokenizer = _AutoTokenizer.from_pretrained(folder, padding_side="left", **options)
            if not tokenizer.chat_template:
                raise ModelError(
                    f"model {name!r}: no chat template (chat_template.jinja); a base model without one "
                    "cannot be asked to judge"
                )
            with explained(name, "model"):
                model, report = _AutoModel.from_pretrained(
                    folder,
                    dtype=pick_dtype("auto", device),
                    use_safetensors=True,
                    output_loading_info=True,
                    ignore_mismatched_sizes=True,  # so that they are reported, and refused below
                    **({"device_map": "auto"} if spread else {}),
                    **options,
                )
        check_complete(report, name)
        if settings.threads is not None and device.type == "cpu":
            torch.set_num_threads(settings.threads)
        return cls(name, model.eval() if spread else model.to(device).eval(), tokenizer, settings)

    def complete(self, chats: Sequence[tuple[str, str]]) -> Iterator[list[tuple[int, TextReply]]]:
        """Answer every chat once, longest first; yield a batch at a time.

        Args:
            chats: a system turn and a user turn each.

        Yields:
            Index and reply; a chat that the model failed on has a failure in the place of a text.

        Raises:
            ModelError: the chat template refuses a chat.
        """
        texts = [self._rendered(system, user) for system, user in chats]
        ids: list[list[int]] = [
            self._tokenizer(text, add_special_tokens=False)["input_ids"] for text in texts
        ]
        order = sorted(range(len(ids)), key=lambda index: -len(ids[index]))
        refused = [index for index in order if not self._fits(len(ids[index]))]
        if refused:
            yield [(index, self._too_long(len(ids[index]))) for index in refused]
        queue = deque(order[len(refused) :])
        while queue:
            batch = [queue.popleft() for _ in range(min(self._batch_size, len(queue)))]
            replies = self._answered([ids[index] for index in batch])
            if replies is None:
                queue.extendleft(reversed(batch))
                continue
            yield list(zip(batch, replies, strict=True))

    def close(self) -> None:
        """Drop the model and free its device's memory."""
        del self._model
        if torch.cuda.is_available():
            torch.cuda.empty_cache()

    def _rows_at_once(self) -> int:
        # On a CPU, prompts of some hundred tokens are read twice as fast one by one as 32 together.
        alone = self._menu and self._model.device.type == "cpu"
        return 1 if alone else rows_that_fit(self._model, self._longest)

    def _rendered(self, system: str, user: str) -> str:
        """Render a chat; where the template knows no system turn, both texts go into the user's."""
        turns = [{"role": "system", "content": system}, {"role": "user", "content": user}]
        merged = [{"role": "user", "content": f"{system}\n\n{user}"}]
        try:
            return self._templated(turns)
        except Exception:
            try:
                return self._templated(merged)
            except Exception as error:
                raise ModelError(
                    f"model {self._name!r}: its chat template cannot render a question ({gist(error)})"
                ) from error

    def _templated(self, turns: Sequence[Mapping[str, str]]) -> str:
        text: str = self._tokenizer.apply_chat_template(
            turns, tokenize=False, add_generation_prompt=True, **self._settings.template
        )
        return text

    def _fits(self, length: int) -> bool:
        return self._context is None or length + self._longest <= self._context

    def _too_long(self, length: int) -> TextReply:
        return TextReply(
            failure=f"the question has {length} tokens, and the model's context holds {self._context} with "
            f"{self._longest} of a reply"
        )

    def _answered(self, rows: Sequence[Sequence[int]]) -> list[TextReply] | None:
        """Answer a batch; None where memory ran out, and fewer rows may fit."""
        try:
            return [TextReply(text=self._decoded(ids)) for ids in self._generated(rows)]
        except Exception as error:  # whatever it is, it concerns these chats alone
            reason = f"model {self._name!r} failed ({gist(error)})"
            memory = out_of_memory(error)
        if memory and len(rows) > 1:
            # Outside of the handler the failed batch's tensors are no longer held by the traceback.
            self._batch_size = max(1, len(rows) // 2)
            if torch.cuda.is_available():
                torch.cuda.empty_cache()
            return None
        return [TextReply(failure=reason)] * len(rows)

    @torch.inference_mode()
    def _generated(self, rows: Sequence[Sequence[int]]) -> list[list[int]]:
        batch = self._tokenizer.pad({"input_ids": [list(row) for row in rows]}, return_tensors="pt")
        inputs = {name: batch[name].to(self._model.device) for name in ("input_ids", "attention_mask")}
        length = inputs["input_ids"].shape[1]
        held = {"prefix_allowed_tokens_fn": self._on_menu(length)} if self._menu else {}
        output = self._model.generate(**inputs, generation_config=self._generation, **held)
        generated: list[list[int]] = output[:, length:].tolist()
        return generated

    def _on_menu(self, length: int) -> Callable[[int, Any], list[int]]:
        """Return what tells the tokens that go on with a reply of the menu, or end it."""
        end = [self._tokenizer.eos_token_id or self._tokenizer.pad_token_id]

        def allowed(_row: int, ids: Any) -> list[int]:
            said = ids[length:].tolist()
            begun = [word for word in self._menu if word[: len(said)] == said]
            return [token for word in begun for token in word[len(said) : len(said) + 1] or end] or end

        return allowed

    def _decoded(self, ids: Sequence[int]) -> str:
        after = self._settings.after
        if not after:
            text: str = self._tokenizer.decode(ids, skip_special_tokens=True)
            return text
        raw: str = self._tokenizer.decode(ids, skip_special_tokens=False)
        _, found, reply = raw.rpartition(after)
        for token in self._tokenizer.all_special_tokens:
            reply = reply.replace(token, "")
        return reply if found else ""


def _check_type(config: Mapping[str, Any], name: str) -> None:
    model_type = config.get("model_type")
    if model_type in MODEL_FOR_CAUSAL_LM_MAPPING_NAMES:
        return
    if config.get("auto_map"):
        raise ModelError(
            f"model {name!r}: it needs code from its own folder (auto_map in config.json), and remote code "
            "is never run"
        )
    raise ModelError(
        f"model {name!r}: model_type {model_type!r} is no causal language model of the installed "
        "transformers; a judge has to be one"
    )
