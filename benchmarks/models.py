"""Models to be timed: stock classes of three families, of a size at which the computing takes the time.

The text model has 10 layers of width 512 with 8 heads on 2 keys, the vision model 12 layers of width 256.
The three differ in what the image costs: little (``llava``), as much as the text (``qwen2_5_vl``), or most
of a prompt (``idefics3``). Their weights are random, drawn so that logits spread by 2.7 and depend on the
image.
"""

from __future__ import annotations

import sysconfig
from collections.abc import Iterable
from pathlib import Path
from typing import Any

import torch
from tokenizers import AddedToken, Tokenizer, decoders, models, pre_tokenizers, trainers
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    AutoProcessor,
    CLIPImageProcessorPil,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLConfig,
    Qwen2VLImageProcessorPil,
)

from tests.unit.random_models import END, PAD, START, TEMPLATE, ImagesOnlyQwenProcessor

FAMILIES = ("qwen2_5_vl", "llava", "idefics3")

IMAGE_PX = 448
"""Side of the images that the models are asked about."""

VOCABULARY = 16384
HIDDEN, VISION_HIDDEN = 512, 256
LOGIT_STD = 2.7

# The library's own annotations lack these.
_AutoModel: Any = AutoModelForImageTextToText
_AutoProcessor: Any = AutoProcessor
_Tokenizer: Any = PreTrainedTokenizerFast
_Llava: Any = LlavaProcessor


def write_model(family: str, folder: Path) -> Path:
    """Write one of `FAMILIES` with its processor, so that a folder is all that it takes to load it."""
    kind, config, processor = {"qwen2_5_vl": _qwen, "llava": _llava, "idefics3": _idefics3}[family]()
    torch.manual_seed(0)
    model = _AutoModel.from_config(AutoConfig.for_model(kind, **config, tie_word_embeddings=False))
    _rescale(model, silent=processor.tokenizer.all_special_ids)
    model.save_pretrained(folder)
    processor.save_pretrained(folder)
    return folder


def register_images_only_qwen() -> None:
    """Let Qwen2.5-VL's processor be loaded where torchvision, which its video part needs, is missing."""
    _AutoProcessor.register(Qwen2_5_VLConfig, ImagesOnlyQwenProcessor, exist_ok=True)


def _qwen() -> tuple[str, dict[str, Any], Any]:
    tokenizer = _tokenizer(["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"])
    pixels = IMAGE_PX * IMAGE_PX
    processor = ImagesOnlyQwenProcessor(
        Qwen2VLImageProcessorPil(
            patch_size=14, merge_size=2, size={"shortest_edge": pixels, "longest_edge": pixels}
        ),
        tokenizer,
        TEMPLATE.replace("@IMAGE@", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    vision = {
        "depth": 12,
        "hidden_size": VISION_HIDDEN,
        "intermediate_size": 4 * VISION_HIDDEN,
        "num_heads": 4,
        "out_hidden_size": HIDDEN,
        "fullatt_block_indexes": [2, 5, 8, 11],
    }
    rope = {"rope_type": "default", "rope_theta": 1e6, "mrope_section": [8, 12, 12]}
    return (
        "qwen2_5_vl",
        {
            "vision_config": vision,
            "text_config": {**_text("qwen2_5_vl_text", tokenizer), "rope_parameters": rope},
            "image_token_id": processor.image_token_id,
            "video_token_id": processor.video_token_id,
            "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_start|>"),
            "vision_end_token_id": tokenizer.convert_tokens_to_ids("<|vision_end|>"),
        },
        processor,
    )


def _llava() -> tuple[str, dict[str, Any], Any]:
    tokenizer = _tokenizer(["<image>"])
    processor = _Llava(
        image_processor=CLIPImageProcessorPil(
            size={"shortest_edge": 336}, crop_size={"height": 336, "width": 336}
        ),
        tokenizer=tokenizer,
        patch_size=14,
        vision_feature_select_strategy="default",
        num_additional_image_tokens=1,
        chat_template=TEMPLATE.replace("@IMAGE@", "<image>"),
    )
    config = {
        "vision_config": {**_vision("clip_vision_model"), "image_size": 336, "patch_size": 14},
        "text_config": _text("llama", tokenizer),
        "image_token_index": tokenizer.convert_tokens_to_ids("<image>"),
        "image_seq_length": 576,
    }
    return "llava", config, processor


def _idefics3() -> tuple[str, dict[str, Any], Any]:
    special = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
    special += [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokenizer = _tokenizer(special)
    processor = Idefics3Processor(
        image_processor=Idefics3ImageProcessorPil(
            size={"longest_edge": 1024}, max_image_size={"longest_edge": 512}
        ),
        tokenizer=tokenizer,
        image_seq_len=64,
        chat_template=TEMPLATE.replace("@IMAGE@", "<image>"),
    )
    config = {
        "vision_config": {**_vision("idefics3_vision"), "image_size": 512, "patch_size": 16},
        "text_config": _text("llama", tokenizer),
        "image_token_id": tokenizer.convert_tokens_to_ids("<image>"),
        "scale_factor": 4,
    }
    return "idefics3", config, processor


def _text(kind: str, tokenizer: Any) -> dict[str, Any]:
    return {
        "model_type": kind,
        "vocab_size": len(tokenizer),
        "hidden_size": HIDDEN,
        "intermediate_size": 3 * HIDDEN,
        "num_hidden_layers": 10,
        "num_attention_heads": 8,
        "num_key_value_heads": 2,
        "max_position_embeddings": 4096,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
    }


def _vision(kind: str) -> dict[str, Any]:
    return {
        "model_type": kind,
        "hidden_size": VISION_HIDDEN,
        "intermediate_size": 4 * VISION_HIDDEN,
        "num_hidden_layers": 12,
        "num_attention_heads": 4,
    }


def _tokenizer(special: Iterable[str]) -> Any:
    """Train a byte-level BPE tokenizer of a usual kind on text that is at hand: Python's own library."""
    files = sorted(Path(sysconfig.get_path("stdlib")).glob("*.py"))
    inner = Tokenizer(models.BPE())
    inner.pre_tokenizer = pre_tokenizers.ByteLevel(add_prefix_space=False)
    inner.decoder = decoders.ByteLevel()
    names = [END, PAD, START, *special]
    trainer: Any = trainers.BpeTrainer
    inner.train_from_iterator(
        (file.read_text(encoding="utf-8") for file in files),
        trainer(
            vocab_size=VOCABULARY - len(names),
            min_frequency=1,
            initial_alphabet=pre_tokenizers.ByteLevel.alphabet(),
            show_progress=False,
        ),
    )
    tokenizer = _Tokenizer(
        tokenizer_object=inner, eos_token=END, pad_token=PAD, clean_up_tokenization_spaces=False
    )
    tokenizer.add_special_tokens(
        {"additional_special_tokens": [AddedToken(name, special=True) for name in names]}
    )
    return tokenizer


@torch.no_grad()
def _rescale(model: Any, *, silent: Iterable[int]) -> None:
    """Draw weights that keep the spread of what goes through them, and attention that picks its tokens.

    Tokens in ``silent`` are never the likeliest: only the script ends a reply.
    """
    for name, weight in model.named_parameters():
        if weight.dim() < 2:
            continue
        gain = 2.0 if any(part in name for part in ("q_proj", "k_proj", "qkv")) else 1.0
        fan_in = 1 if "embed" in name and "patch" not in name else weight[0].numel()
        weight.normal_(std=gain / fan_in**0.5)
    head = model.get_output_embeddings().weight
    head.mul_(LOGIT_STD)
    head[list(silent)] = 0.0
