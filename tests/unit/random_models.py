"""Writes tiny models with random weights, of several architectures and vocabularies.

The weights are drawn wide, so that logits depend on image and text and the greedy choice is no near tie.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from torch.utils.hooks import RemovableHandle
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    GenerationConfig,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessorPil,
    SiglipImageProcessorPil,
)
from transformers.processing_utils import ProcessorMixin

# The library's own annotations lack these.
_AutoModel: Any = AutoModelForImageTextToText
_Tokenizer: Any = PreTrainedTokenizerFast
_Generation: Any = GenerationConfig
_Llava: Any = LlavaProcessor
_mixin_init: Any = ProcessorMixin.__init__

Vocabulary = Literal["split", "merged", "mixed"]
"""How ``>A`` is written: two tokens; one, as for every letter; or one for A alone."""

BOS, END, PAD, START = "<|bos|>", "<|im_end|>", "<|pad|>", "<|im_start|>"
WORDS = ("answer", "think", "the", "The", "red", "blue", "square", "circle", "is", "it", "so", "left")
TEMPLATE = (
    "{% for message in messages %}{{ '<|im_start|>' + message['role'] + '\n' }}"
    "{% for part in message['content'] %}"
    "{% if part['type'] == 'image' %}{{ '@IMAGE@' }}{% else %}{{ part['text'] }}{% endif %}"
    "{% endfor %}{{ '<|im_end|>\n' }}{% endfor %}"
    "{% if add_generation_prompt %}{{ '<|im_start|>assistant\n' }}{% endif %}"
)
_PIECES = Regex(r"[^\r\n\p{L}\p{N}]?\p{L}+|\p{N}| ?[^\s\p{L}\p{N}]+[\r\n]*|\s+")


def make_tokenizer(
    vocabulary: Vocabulary = "split", *, special: Iterable[str] = (), pad: bool = True, adds: str = "$A"
) -> PreTrainedTokenizerFast:
    """Build a byte-level BPE tokenizer: bytes, a few words, and letters merged with ``>`` as asked for.

    ``adds`` says what it puts around a text, ``$A``, of its own accord.
    """
    alphabet = sorted(pre_tokenizers.ByteLevel.alphabet())
    vocab = {sign: index for index, sign in enumerate(alphabet)}
    merges: list[tuple[str, str]] = []

    def add(word: str) -> None:
        for end in range(2, len(word) + 1):
            if word[:end] not in vocab:
                merges.append((word[: end - 1], word[end - 1]))
                vocab[word[:end]] = len(vocab)

    for word in WORDS:
        add(word)
        add("Ġ" + word)
    add("</")
    for letter in "ABCDEFGH":
        add("Ġ" + letter)
        if vocabulary == "merged" or (vocabulary == "mixed" and letter == "A"):
            add(">" + letter)
    inner = Tokenizer(models.BPE(vocab=vocab, merges=merges))
    inner.pre_tokenizer = pre_tokenizers.Sequence(
        [
            pre_tokenizers.Split(_PIECES, behavior="isolated"),
            pre_tokenizers.ByteLevel(add_prefix_space=False, use_regex=False),
        ]
    )
    inner.decoder = decoders.ByteLevel()
    tokenizer: PreTrainedTokenizerFast = _Tokenizer(
        tokenizer_object=inner,
        eos_token=END,
        pad_token=PAD if pad else None,
        bos_token=BOS if BOS in adds else None,
        clean_up_tokenization_spaces=False,
    )
    tokenizer.add_special_tokens(
        {"additional_special_tokens": [AddedToken(token, special=True) for token in (START, *special)]}
    )
    places = [(token, tokenizer.get_vocab()[token]) for token in (BOS, END) if token in adds]
    inner_again: Any = tokenizer.backend_tokenizer
    inner_again.post_processor = processors.TemplateProcessing(single=adds, special_tokens=places)
    return tokenizer


def write_llava(
    folder: Path,
    *,
    vocabulary: Vocabulary = "split",
    pad: bool = True,
    adds: str = "$A",
    template: str = "",
    hidden: int = 32,
    layers: int = 2,
    generation: dict[str, Any] | None = None,
    **extra: Any,
) -> Path:
    """Write a LLaVA: SigLIP tower on 60x60 images in patches of 10, Llama text model."""
    tokenizer = make_tokenizer(vocabulary, special=["<image>"], pad=pad, adds=adds)
    processor = _Llava(
        image_processor=SiglipImageProcessorPil(size={"height": 60, "width": 60}),
        tokenizer=tokenizer,
        patch_size=10,
        vision_feature_select_strategy="full",
        chat_template=template + TEMPLATE.replace("@IMAGE@", "<image>"),
    )
    heads = max(2, hidden // 32)
    vision = {
        "model_type": "siglip_vision_model",
        "image_size": 60,
        "patch_size": 10,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "vision_use_head": False,
        "initializer_range": 0.2,
    }
    config = {
        "vision_config": vision,
        "text_config": _text_config("llama", tokenizer, hidden, layers, heads),
        "image_token_index": tokenizer.convert_tokens_to_ids("<image>"),
        "vision_feature_select_strategy": "full",
        "vision_feature_layer": -1,
        **extra,
    }
    return _write(folder, "llava", config, processor, generation)


def write_idefics3(folder: Path, *, vocabulary: Vocabulary = "split") -> Path:
    """Write an Idefics3: images are cut into tiles of 32x32, so their numbers of tokens differ."""
    special = ["<image>", "<fake_token_around_image>", "<global-img>", "<end_of_utterance>"]
    special += [f"<row_{row}_col_{column}>" for row in range(1, 7) for column in range(1, 7)]
    tokenizer = make_tokenizer(vocabulary, special=special)
    processor = Idefics3Processor(
        image_processor=Idefics3ImageProcessorPil(
            size={"longest_edge": 64}, max_image_size={"longest_edge": 32}, do_image_splitting=True
        ),
        tokenizer=tokenizer,
        image_seq_len=4,
        chat_template=TEMPLATE.replace("@IMAGE@", "<image>"),
    )
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
        "image_token_id": tokenizer.convert_tokens_to_ids("<image>"),
        "scale_factor": 2,
    }
    return _write(folder, "idefics3", config, processor, None)


class ImagesOnlyQwenProcessor(Qwen2_5_VLProcessor):
    """Qwen2.5-VL's processor without its video part, which cannot be made where torchvision is missing."""

    def __init__(self, image_processor: Any, tokenizer: Any, chat_template: str) -> None:
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        _mixin_init(self, image_processor, tokenizer, chat_template=chat_template)


def write_qwen(folder: Path, *, vocabulary: Vocabulary = "merged") -> tuple[Path, ImagesOnlyQwenProcessor]:
    """Write a Qwen2.5-VL without its processor, and return that apart."""
    special = ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"]
    tokenizer = make_tokenizer(vocabulary, special=special)
    processor = ImagesOnlyQwenProcessor(
        Qwen2VLImageProcessorPil(
            patch_size=4, merge_size=2, size={"shortest_edge": 64, "longest_edge": 4096}
        ),
        tokenizer,
        TEMPLATE.replace("@IMAGE@", "<|vision_start|><|image_pad|><|vision_end|>"),
    )
    ids = {name: tokenizer.convert_tokens_to_ids(f"<|{name}|>") for name in ("image_pad", "video_pad")}
    config = {
        "vision_config": {
            "depth": 2,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_heads": 2,
            "patch_size": 4,
            "spatial_merge_size": 2,
            "out_hidden_size": 32,
            "window_size": 16,
            "fullatt_block_indexes": [1],
            "initializer_range": 0.2,
        },
        "text_config": {
            **_text_config("qwen2_5_vl_text", tokenizer, 32, 2, 2),
            "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
        },
        "image_token_id": ids["image_pad"],
        "video_token_id": ids["video_pad"],
        "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    }
    return _write(folder, "qwen2_5_vl", config, None, None), processor


def constrain(
    model: Any, tokenizer: PreTrainedTokenizerFast, replies: Sequence[str], *, never: str = ""
) -> RemovableHandle:
    """Make a random model word one of these replies, in a tokenization and with a choice of its own.

    Every token that goes on towards one of the replies gets a large bonus, the same for all of them; so which
    one is taken, and how likely, still depends on weights, image and text. The bonus depends on the tokens
    alone: batches, single steps and whole passes see the same model. A token with the text ``never`` gets no
    bonus. Removing the handle ends it.
    """
    texts = {index: _decode(tokenizer, [index]) for index in range(len(tokenizer))}
    texts = {index: text for index, text in texts.items() if text and text != never}
    end = tokenizer.get_vocab()[END]

    @functools.cache
    def favored(so_far: str) -> list[int]:
        rests = [reply[len(so_far) :] for reply in replies if reply.startswith(so_far)]
        tokens = [index for index, text in texts.items() if any(rest.startswith(text) for rest in rests)]
        return tokens or [end]

    history: list[list[int]] = []

    def add_bonus(_module: Any, _args: Any, inputs: dict[str, Any], output: Any) -> None:
        ids = inputs["input_ids"]
        if ids.shape[1] > 1:
            mask = inputs.get("attention_mask", torch.ones_like(ids))
            history[:] = [row[real.bool()].tolist() for row, real in zip(ids, mask, strict=True)]
        else:
            for row, new in zip(history, ids.tolist(), strict=True):
                row.extend(new)
        for place, past in enumerate(history):
            said = _decode(tokenizer, past).rpartition("assistant\n")[2]
            output.logits[place, -1, favored(said)] += 60.0

    handle = model.register_forward_hook(add_bonus, with_kwargs=True)
    assert isinstance(handle, RemovableHandle)
    return handle


def _decode(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> str:
    text = tokenizer.decode(ids)
    assert isinstance(text, str)
    return text


def change_config(folder: Path, **changes: Any) -> None:
    """Rewrite keys of a folder's config.json."""
    path = folder / "config.json"
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def _text_config(
    kind: str, tokenizer: PreTrainedTokenizerFast, hidden: int, layers: int, heads: int
) -> dict[str, Any]:
    return {
        "model_type": kind,
        "vocab_size": len(tokenizer),
        "hidden_size": hidden,
        "intermediate_size": 3 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "num_key_value_heads": heads,
        "max_position_embeddings": 2048,
        "initializer_range": 0.25,
        "pad_token_id": tokenizer.pad_token_id,
        "eos_token_id": tokenizer.eos_token_id,
        "bos_token_id": None,
    }


def _write(
    folder: Path, kind: str, config: dict[str, Any], processor: Any, generation: dict[str, Any] | None
) -> Path:
    torch.manual_seed(0)
    model = _AutoModel.from_config(AutoConfig.for_model(kind, **config, initializer_range=0.25))
    if generation is not None:
        model.generation_config = _Generation(**generation)
    model.save_pretrained(folder)
    if processor is not None:
        processor.save_pretrained(folder)
    return folder
