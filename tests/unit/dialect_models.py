"""Random models with chat templates of the kinds that families of models ship, one for each dialect."""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from pathlib import Path as Folder
from typing import Any

import pytest
from transformers import SmolVLMImageProcessorPil, SmolVLMProcessor
from transformers.processing_utils import ProcessorMixin

from pytest_vlmrobust.core.letters import AnswerForm
from pytest_vlmrobust.models.dialects import Dialect, get_dialect
from pytest_vlmrobust.models.transformers import TransformersModel
from tests.unit import chat_templates
from tests.unit.opened_models import CHOICES, LETTERS, Opened, opened
from tests.unit.random_models import (
    _mixin_init,
    _text_config,
    _write,
    constrain,
    make_tokenizer,
    write_gemma3,
    write_internvl,
    write_qwen,
    write_qwen3_vl,
)


class ImagesOnlySmolProcessor(SmolVLMProcessor):
    """SmolVLM's processor without its video part, which cannot be made where torchvision is missing."""

    def __init__(self, image_processor: Any, tokenizer: Any, image_seq_len: int, chat_template: str) -> None:
        self.fake_image_token, self.global_image_token = "<fake_token_around_image>", "<global-img>"
        self.image_token, self.video_token = "<image>", "<video>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.end_of_utterance_token = "<end_of_utterance>"
        self.image_seq_len = image_seq_len
        _mixin_init(self, image_processor, tokenizer, chat_template=chat_template)

    def apply_chat_template(self, *args: Any, **options: Any) -> Any:
        return ProcessorMixin.apply_chat_template(self, *args, **options)


def write_smolvlm(folder: Folder) -> tuple[Folder, ImagesOnlySmolProcessor]:
    """Write a SmolVLM, which cuts images into tiles of 32x32 and adds the whole; processor apart."""
    special = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>", "<video>"]
    special += [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokenizer = make_tokenizer("merged", special=special)
    images = SmolVLMImageProcessorPil(
        size={"longest_edge": 64}, max_image_size={"longest_edge": 32}, do_image_splitting=True
    )
    processor = ImagesOnlySmolProcessor(images, tokenizer, 4, chat_templates.SMOLVLM)
    vision = {
        "image_size": 32,
        "patch_size": 8,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_hidden_layers": 2,
        "num_attention_heads": 2,
        "initializer_range": 0.2,
    }
    config = {
        "vision_config": vision,
        "text_config": _text_config("llama", tokenizer, 32, 2, 2),
        "image_token_id": processor.image_token_id,
        "scale_factor": 2,
    }
    return _write(folder, "smolvlm", config, None, None), processor


def _gemma(folder: Folder) -> tuple[Folder, None]:
    return write_gemma3(folder), None


_WRITERS: dict[str, Callable[[Folder], tuple[Folder, Any]]] = {
    "qwen2_5_vl": write_qwen,
    "qwen3_vl": write_qwen3_vl,
    "internvl": write_internvl,
    "gemma3": _gemma,
    "smolvlm": write_smolvlm,
}
_BUILT_ON = {
    "internvl3": "internvl",
    "internvl3-mpo": "internvl",
    "qwen3-vl": "qwen3_vl",
    "qwen3-vl-thinking": "qwen3_vl",
    "smolvlm2": "smolvlm",
    "gemma3": "gemma3",
}
ARCHITECTURES = {name: _BUILT_ON.get(name, "qwen2_5_vl") for name in chat_templates.KINDS}
"""The ``model_type`` of the models of each dialect."""

OPENINGS = {"smolvlm": "Assistant:", "gemma3": "<start_of_turn>model\n"}
"""What the assistant's turn begins with, where that is not ChatML."""

THOUGHTS = ("it is left", "The blue circle is so", "Okay.")
"""The second and the third go on from what `opened_models.PROMPTS` plant."""


def replies_of(dialect: Dialect, lead: str = "", before: str | None = None) -> list[str]:
    """Word whole assistant's turns in a dialect: each thought with each answer."""
    if before is None:
        before = dialect.reply.think_open if dialect.before_thought is None else dialect.before_thought
    after = dialect.reply.closing if dialect.after_thought is None else dialect.after_thought
    return [
        f"{lead}{before}{thought}{after}{answer}"
        for thought in THOUGHTS
        for letter, choice in zip(LETTERS, CHOICES, strict=True)
        for answer in _answers(dialect, letter, choice)
    ]


def _answers(dialect: Dialect, letter: str, choice: str) -> list[str]:
    if dialect.reply.answer is AnswerForm.TEXT:
        return [f"<answer>{choice}</answer>", f"<answer> {choice} </answer>"]
    if dialect.reply.answer is AnswerForm.BOXED:
        return [f" \\boxed{{{letter}}}"]
    if dialect.reply.answer_lead:
        return [f"<answer> {dialect.reply.answer_lead} {letter} </answer>"]
    if dialect.name in ("internvl3", "qwen3-vl", "qwen3-vl-thinking", "direct"):
        return [letter, f"\n{letter}"]
    return [f"<answer>{letter}</answer>", f"<answer> {letter} </answer>"]


class DialectModels:
    """Opens each architecture once, and gives it the template and the replies of a dialect."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._opened: dict[str, Opened] = {}

    def subject(self, name: str) -> Opened:
        """Return the random model of a dialect's architecture, which says what its weights make of it."""
        kind = ARCHITECTURES[name]
        if kind not in self._opened:
            folder, processor = _WRITERS[kind](self._folders.mktemp(kind))
            self._opened[kind] = opened(folder, processor)
            self._opened[kind].hook.remove()
        return self._opened[kind]

    def speaking(
        self, name: str, *, source: str = "", before: str | None = None, **options: Any
    ) -> tuple[TransformersModel, Callable[[], None]]:
        """Make a model that speaks a dialect, and a function that ends that."""
        subject, dialect = self.subject(name), get_dialect(name)
        loaded = subject.loaded
        loaded.processor.chat_template = source or chat_templates.KINDS[name]
        opening = OPENINGS.get(ARCHITECTURES[name], "<|im_start|>assistant\n")
        lead = " " if ARCHITECTURES[name] == "smolvlm" else ""
        hook = constrain(
            loaded.model, loaded.tokenizer, replies_of(dialect, lead, before), opening=opening, canonical=True
        )
        checkpoint = dataclasses.replace(
            subject.checkpoint,
            dialect=dialect,
            options=dataclasses.replace(subject.checkpoint.options, **{"max_new_tokens": 90, **options}),
        )
        return TransformersModel(checkpoint, loaded), hook.remove
