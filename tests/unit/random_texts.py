"""Tiny language models with random weights, whose tokens are words of the questions that judges get."""

from __future__ import annotations

import functools
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import AutoConfig, AutoModelForCausalLM, PreTrainedTokenizerFast

from pytest_vlmrobust.judges.labelled import labelled_cases
from pytest_vlmrobust.judges.questions import question_for
from tests.unit.random_models import END, PAD, START, _text_config

_AutoModel: Any = AutoModelForCausalLM
_Tokenizer: Any = PreTrainedTokenizerFast

TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' + message['content'] }}"
    "{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
    "{% if enable_thinking is defined and not enable_thinking %}{{ '<think>\n\n</think>\n\n' }}{% endif %}"
)
NO_SYSTEM = (
    "{% if messages[0]['role'] == 'system' %}{{ raise_exception('no system turn') }}{% endif %}" + TEMPLATE
)
SPECIAL = (START, "<think>", "</think>", "<|channel|>", "<|message|>", "[INST]", "<s>", "</s>")


@functools.cache
def _trained() -> str:
    tokenizer = Tokenizer(models.BPE())
    tokenizer.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    tokenizer.decoder = decoders.ByteLevel()
    alphabet = pre_tokenizers.ByteLevel.alphabet()
    trainer = trainers.BpeTrainer(vocab_size=1200, initial_alphabet=alphabet, show_progress=False)
    prompts = [question_for(labelled.case) for labelled in labelled_cases()]
    tokenizer.train_from_iterator([prompts[0].system, *(prompt.user for prompt in prompts)], trainer)
    return tokenizer.to_str()


def make_text_tokenizer(template: str = TEMPLATE, *, pad: bool = True) -> PreTrainedTokenizerFast:
    """Build a tokenizer whose control tokens are found in any text, as those of real models are."""
    tokenizer: PreTrainedTokenizerFast = _Tokenizer(
        tokenizer_object=Tokenizer.from_str(_trained()),
        eos_token=END,
        pad_token=PAD if pad else None,
        chat_template=template or None,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.add_special_tokens(
        {"additional_special_tokens": [AddedToken(token, special=True) for token in SPECIAL]}
    )
    return tokenizer


def write_text_model(
    folder: Path,
    *,
    kind: str = "llama",
    template: str = TEMPLATE,
    pad: bool = True,
    **changes: Any,
) -> Path:
    """Write a model of one layer with its tokenizer."""
    tokenizer = make_text_tokenizer(template, pad=pad)
    config = {**_text_config("llama", tokenizer, 32, 1, 2), "max_position_embeddings": 4096, **changes}
    config.pop("model_type")
    torch.manual_seed(0)
    model = _AutoModel.from_config(AutoConfig.for_model(kind, **config))
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder
