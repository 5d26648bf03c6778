"""Writes tiny models with random weights, of several architectures and vocabularies.

The weights are drawn wide, so that logits depend on image and text and the greedy choice is no near tie.
"""

from __future__ import annotations

import functools
import json
import re
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any, Literal

import torch
from tokenizers import AddedToken, Regex, Tokenizer, decoders, models, pre_tokenizers, processors
from torch.utils.hooks import RemovableHandle
from transformers import (
    AutoConfig,
    AutoModelForImageTextToText,
    Gemma3ImageProcessorPil,
    Gemma3Processor,
    GenerationConfig,
    GotOcr2ImageProcessorPil,
    Idefics3ImageProcessorPil,
    Idefics3Processor,
    InternVLProcessor,
    LlavaOnevisionImageProcessorPil,
    LlavaOnevisionProcessor,
    LlavaProcessor,
    PaliGemmaProcessor,
    PreTrainedTokenizerFast,
    Qwen2_5_VLProcessor,
    Qwen2VLImageProcessorPil,
    SiglipImageProcessorPil,
)
from transformers.processing_utils import ProcessorMixin

from pytest_vlmrobust.models.transformers.cache import GrowingLayer

# The library's own annotations lack these.
_AutoModel: Any = AutoModelForImageTextToText
_Tokenizer: Any = PreTrainedTokenizerFast
_Generation: Any = GenerationConfig
_Llava: Any = LlavaProcessor
_Gemma3: Any = Gemma3Processor
_PaliGemma: Any = PaliGemmaProcessor
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
    vocabulary: Vocabulary = "split",
    *,
    special: Iterable[str] = (),
    pad: bool = True,
    adds: str = "$A",
    named: Mapping[str, str] | None = None,
) -> PreTrainedTokenizerFast:
    """Build a byte-level BPE tokenizer: bytes, a few words, and letters merged with ``>`` as asked for.

    ``adds`` says what it puts around a text, ``$A``, of its own accord; ``named`` which special tokens it
    has under names of their own.
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
        extra_special_tokens=dict(named or {}),
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
    config = {
        "vision_config": _siglip_config(60, 10, hidden, layers, heads),
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


class PlainPaliGemmaProcessor(_PaliGemma):  # type: ignore[misc]
    """PaliGemma's processor without the newline that it puts behind every prompt."""

    def prepare_inputs_layout(self, *args: Any, **options: Any) -> Any:
        images, text, *rest = super().prepare_inputs_layout(*args, **options)
        return images, [each.removesuffix("\n") for each in text], *rest


class ImagesOnlyQwenProcessor(Qwen2_5_VLProcessor):
    """Qwen2.5-VL's processor without its video part, which cannot be made where torchvision is missing."""

    def __init__(self, image_processor: Any, tokenizer: Any, chat_template: str) -> None:
        self.image_token, self.video_token = "<|image_pad|>", "<|video_pad|>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        _mixin_init(self, image_processor, tokenizer, chat_template=chat_template)


class ImagesOnlyInternProcessor(InternVLProcessor):
    """InternVL's processor without its video part."""

    def __init__(
        self, image_processor: Any, tokenizer: Any, image_seq_length: int, chat_template: str
    ) -> None:
        self.image_token, self.video_token = "<IMG_CONTEXT>", "<video>"
        self.start_image_token, self.end_image_token = "<img>", "</img>"
        tokens = (self.image_token, self.start_image_token, self.end_image_token)
        self.image_token_id, self.start_image_token_id, self.end_image_token_id = (
            tokenizer.convert_tokens_to_ids(token) for token in tokens
        )
        self.image_seq_length = image_seq_length
        self.multimodal_pattern = re.compile(re.escape(self.image_token).join(("(?P<image>", ")")))
        _mixin_init(self, image_processor, tokenizer, chat_template=chat_template)


class ImagesOnlyOnevisionProcessor(LlavaOnevisionProcessor):
    """LLaVA-OneVision's processor without its video part."""

    def __init__(
        self, image_processor: Any, tokenizer: Any, num_image_tokens: int, chat_template: str
    ) -> None:
        self.image_token, self.video_token = "<image>", "<video>"
        self.image_token_id = tokenizer.convert_tokens_to_ids(self.image_token)
        self.video_token_id = tokenizer.convert_tokens_to_ids(self.video_token)
        self.num_image_tokens = num_image_tokens
        self.vision_feature_select_strategy = "full"
        self.vision_aspect_ratio = "anyres_max_9"
        _mixin_init(self, image_processor, tokenizer, chat_template=chat_template)


def write_qwen(folder: Path, *, vocabulary: Vocabulary = "merged") -> tuple[Path, ImagesOnlyQwenProcessor]:
    """Write a Qwen2.5-VL without its processor, and return that apart."""
    processor = _qwen_processor(vocabulary)
    vision = {
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
    }
    text = {
        **_text_config("qwen2_5_vl_text", processor.tokenizer, 32, 2, 2),
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
    }
    return _write_qwen(folder, "qwen2_5_vl", vision, text, processor)


def write_qwen3_vl(
    folder: Path, *, vocabulary: Vocabulary = "merged"
) -> tuple[Path, ImagesOnlyQwenProcessor]:
    """Write a Qwen3-VL, whose first text layers also take what early vision layers saw; processor apart."""
    processor = _qwen_processor(vocabulary)
    text = {
        **_text_config("qwen3_vl_text", processor.tokenizer, 32, 2, 2),
        "head_dim": 16,
        "rope_parameters": {"rope_type": "default", "rope_theta": 1e4, "mrope_section": [2, 3, 3]},
    }
    vision = _qwen3_vision() | {"deepstack_visual_indexes": [0, 1]}
    return _write_qwen(folder, "qwen3_vl", vision, text, processor)


def write_qwen3_5(folder: Path, *, vocabulary: Vocabulary = "merged") -> tuple[Path, ImagesOnlyQwenProcessor]:
    """Write a Qwen3.5: every other text layer keeps a running state in place of keys; processor apart."""
    processor = _qwen_processor(vocabulary)
    text = {
        **_text_config("qwen3_5_text", processor.tokenizer, 32, 4, 2),
        "head_dim": 16,
        "layer_types": ["linear_attention", "full_attention"] * 2,
        "linear_key_head_dim": 8,
        "linear_value_head_dim": 8,
        "linear_num_key_heads": 2,
        "linear_num_value_heads": 4,
        "rope_parameters": {
            "rope_type": "default",
            "rope_theta": 1e4,
            "mrope_section": [2, 1, 1],
            "partial_rotary_factor": 0.5,
        },
    }
    return _write_qwen(folder, "qwen3_5", _qwen3_vision(), text, processor)


def write_gemma3(folder: Path, *, vocabulary: Vocabulary = "split", window: int = 16) -> Path:
    """Write a Gemma 3: text layers that see a sliding window only, and image tokens that see one another."""
    names = {
        "image_token": "<image_soft_token>",
        "boi_token": "<start_of_image>",
        "eoi_token": "<end_of_image>",
    }
    tokenizer = make_tokenizer(vocabulary, special=names.values(), named=names)
    processor = _Gemma3(
        image_processor=Gemma3ImageProcessorPil(size={"height": 32, "width": 32}),
        tokenizer=tokenizer,
        chat_template=TEMPLATE.replace("@IMAGE@", names["boi_token"]),
        image_seq_length=4,
    )
    text = {
        **_text_config("gemma3_text", tokenizer, 32, 3, 2),
        "head_dim": 16,
        "query_pre_attn_scalar": 16,
        "sliding_window": window,
        "layer_types": ["sliding_attention", "sliding_attention", "full_attention"],
    }
    config = {
        "vision_config": _siglip_config(32, 8, 32, 2, 2),
        "text_config": text,
        "mm_tokens_per_image": 4,
        "tie_word_embeddings": False,
        **{f"{name}_index": tokenizer.convert_tokens_to_ids(token) for name, token in names.items()},
    }
    return _write(folder, "gemma3", config, processor, None)


def write_paligemma(
    folder: Path, *, vocabulary: Vocabulary = "split"
) -> tuple[Path, PlainPaliGemmaProcessor]:
    """Write a PaliGemma: in the prompt every token sees every other, later ones too; processor apart."""
    tokenizer = make_tokenizer(
        vocabulary, special=["<image>"], adds=f"{BOS} $A", named={"image_token": "<image>"}
    )
    images: Any = SiglipImageProcessorPil(size={"height": 60, "width": 60})
    images.image_seq_length = 36
    template = TEMPLATE.replace("@IMAGE@", "<image>")
    processor = PlainPaliGemmaProcessor(images, tokenizer, chat_template=template)
    config = {
        "vision_config": _siglip_config(60, 10, 32, 2, 2),
        "text_config": {**_text_config("gemma", tokenizer, 32, 2, 2), "head_dim": 16},
        "image_token_index": tokenizer.convert_tokens_to_ids("<image>"),
        "projection_dim": 32,
        "hidden_size": 32,
        "tie_word_embeddings": False,
    }
    return _write(folder, "paligemma", config, None, None), processor


def write_internvl(
    folder: Path, *, vocabulary: Vocabulary = "split"
) -> tuple[Path, ImagesOnlyInternProcessor]:
    """Write an InternVL, which cuts images into tiles of 32x32 and adds the whole; processor apart."""
    tokenizer = make_tokenizer(vocabulary, special=["<IMG_CONTEXT>", "<img>", "</img>", "<video>"])
    processor = ImagesOnlyInternProcessor(
        GotOcr2ImageProcessorPil(size={"height": 32, "width": 32}, min_patches=1, max_patches=3),
        tokenizer,
        4,
        TEMPLATE.replace("@IMAGE@", "<IMG_CONTEXT>"),
    )
    config = {
        "vision_config": {
            "image_size": 32,
            "patch_size": 8,
            "hidden_size": 32,
            "intermediate_size": 64,
            "num_hidden_layers": 2,
            "num_attention_heads": 2,
            "initializer_range": 0.2,
        },
        "text_config": _text_config("qwen2", tokenizer, 32, 2, 2),
        "image_token_id": processor.image_token_id,
        "image_seq_length": 4,
        "tie_word_embeddings": False,
    }
    return _write(folder, "internvl", config, None, None), processor


def write_onevision(
    folder: Path, *, vocabulary: Vocabulary = "split"
) -> tuple[Path, ImagesOnlyOnevisionProcessor]:
    """Write a LLaVA-OneVision: the whole image and tiles of 60x60, the rest cut off; processor apart."""
    tokenizer = make_tokenizer(vocabulary, special=["<image>", "<video>"])
    pinpoints = [[60, 60], [60, 120], [120, 60], [120, 120]]
    processor = ImagesOnlyOnevisionProcessor(
        LlavaOnevisionImageProcessorPil(size={"height": 60, "width": 60}, image_grid_pinpoints=pinpoints),
        tokenizer,
        36,
        TEMPLATE.replace("@IMAGE@", "<image>"),
    )
    config = {
        "vision_config": _siglip_config(60, 10, 32, 2, 2),
        "text_config": _text_config("qwen2", tokenizer, 32, 2, 2),
        "image_token_index": processor.image_token_id,
        "video_token_index": processor.video_token_id,
        "image_grid_pinpoints": pinpoints,
    }
    return _write(folder, "llava_onevision", config, None, None), processor


def constrain(
    model: Any,
    tokenizer: PreTrainedTokenizerFast,
    replies: Sequence[str],
    *,
    never: str = "",
    opening: str = f"{START}assistant\n",
    canonical: bool = False,
) -> RemovableHandle:
    """Make a random model word one of these replies, in a tokenization and with a choice of its own.

    Every token that goes on towards one of the replies gets a large bonus, somewhat larger for a long token;
    so which one is taken, and how likely, still depends on weights, image and text. The bonus depends on the
    tokens alone: batches, single steps and whole passes see the same model. A token with the text ``never``
    gets no bonus. The assistant's turn is what follows the last ``opening``. A ``canonical`` model writes
    a reply in the tokens that the tokenizer makes of it. Removing the handle ends it.
    """
    texts = {index: _decode(tokenizer, [index]) for index in range(len(tokenizer))}
    texts = {index: text for index, text in texts.items() if text and text != never}
    end = tokenizer.get_vocab()[END]
    following = _following(tokenizer, replies) if canonical else {}

    @functools.cache
    def bonus(so_far: str) -> torch.Tensor:
        rests = [reply[len(so_far) :] for reply in replies if reply.startswith(so_far)]
        tokens = [index for index, text in texts.items() if any(rest.startswith(text) for rest in rests)]
        if canonical:
            tokens = sorted(following[so_far])
        extra = torch.zeros(len(tokenizer))
        extra[tokens or [end]] = torch.tensor([60.0 + len(texts[index]) for index in tokens or [end]])
        return extra

    depth = model.config.get_text_config().num_hidden_layers

    def add_bonus(_module: Any, _args: Any, inputs: dict[str, Any], output: Any) -> None:
        for place, past in enumerate(_tokens_so_far(inputs, depth)):
            output.logits[place, -1] += bonus(_decode(tokenizer, past).rpartition(opening)[2])

    handle = model.register_forward_hook(add_bonus, with_kwargs=True)
    assert isinstance(handle, RemovableHandle)
    return handle


def _tokens_so_far(inputs: dict[str, Any], depth: int) -> list[list[int]]:
    """Return the tokens that each row holds after a pass.

    Where there is a cache, they are kept there as the values of one more layer: so they stay with their row
    when rows come, go and share what they have in common.
    """
    ids = inputs["input_ids"]
    cache = inputs.get("past_key_values")
    if cache is not None:
        if len(cache.layers) == depth:
            cache.layers.append(GrowingLayer())
        states = ids[:, None, :, None].double()
        ids = cache.layers[depth].update(states, states)[1][:, 0, :, 0].long()
    mask = inputs.get("attention_mask", torch.ones_like(ids))
    return [row[real].tolist() for row, real in zip(ids, mask.bool(), strict=True)]


def _decode(tokenizer: PreTrainedTokenizerFast, ids: list[int]) -> str:
    text = tokenizer.decode(ids)
    assert isinstance(text, str)
    return text


def _following(tokenizer: PreTrainedTokenizerFast, replies: Sequence[str]) -> Mapping[str, set[int]]:
    """Return the tokens that replies go on with, as the tokenizer writes them, by what they begin with."""
    following = defaultdict(set)
    for reply in replies:
        ids: list[int] = tokenizer.encode(reply, add_special_tokens=False)
        for place, token in enumerate(ids):
            following[_decode(tokenizer, ids[:place])].add(token)
    return following


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


def _siglip_config(image: int, patch: int, hidden: int, layers: int, heads: int) -> dict[str, Any]:
    return {
        "model_type": "siglip_vision_model",
        "image_size": image,
        "patch_size": patch,
        "hidden_size": hidden,
        "intermediate_size": 2 * hidden,
        "num_hidden_layers": layers,
        "num_attention_heads": heads,
        "vision_use_head": False,
        "initializer_range": 0.2,
    }


def _qwen3_vision() -> dict[str, Any]:
    return {
        "depth": 2,
        "hidden_size": 32,
        "intermediate_size": 64,
        "num_heads": 2,
        "patch_size": 4,
        "spatial_merge_size": 2,
        "out_hidden_size": 32,
        "num_position_embeddings": 64,
        "initializer_range": 0.2,
    }


def _qwen_processor(vocabulary: Vocabulary) -> ImagesOnlyQwenProcessor:
    special = ["<|image_pad|>", "<|video_pad|>", "<|vision_start|>", "<|vision_end|>"]
    return ImagesOnlyQwenProcessor(
        Qwen2VLImageProcessorPil(
            patch_size=4, merge_size=2, size={"shortest_edge": 64, "longest_edge": 4096}
        ),
        make_tokenizer(vocabulary, special=special),
        TEMPLATE.replace("@IMAGE@", "<|vision_start|><|image_pad|><|vision_end|>"),
    )


def _write_qwen(
    folder: Path,
    kind: str,
    vision: dict[str, Any],
    text: dict[str, Any],
    processor: ImagesOnlyQwenProcessor,
) -> tuple[Path, ImagesOnlyQwenProcessor]:
    tokenizer = processor.tokenizer
    config = {
        "vision_config": vision,
        "text_config": text,
        "image_token_id": processor.image_token_id,
        "video_token_id": processor.video_token_id,
        "vision_start_token_id": tokenizer.convert_tokens_to_ids("<|vision_start|>"),
        "vision_end_token_id": tokenizer.convert_tokens_to_ids("<|vision_end|>"),
    }
    return _write(folder, kind, config, None, None), processor


def _write(
    folder: Path, kind: str, config: dict[str, Any], processor: Any, generation: dict[str, Any] | None
) -> Path:
    torch.manual_seed(0)
    model = _AutoModel.from_config(AutoConfig.for_model(kind, **config, initializer_range=0.25))
    for parameter in model.parameters():
        if parameter.dim() > 1 and not parameter.any():  # a projection that training would start from nothing
            torch.nn.init.normal_(parameter, std=0.25)
    if generation is not None:
        model.generation_config = _Generation(**generation)
    model.save_pretrained(folder)
    if processor is not None:
        processor.save_pretrained(folder)
    return folder
