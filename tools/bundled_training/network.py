"""The architecture (stock LLaVA: SigLIP tower, Llama) and the heads that only training uses."""

from __future__ import annotations

import json
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor, nn
from transformers import (
    GenerationConfig,
    LlamaConfig,
    LlavaConfig,
    LlavaForConditionalGeneration,
    LlavaProcessor,
    PreTrainedTokenizerFast,
    SiglipImageProcessorPil,
    SiglipVisionConfig,
)

IMAGE_PX, PATCH_PX = 60, 10
PATCHES = (IMAGE_PX // PATCH_PX) ** 2
WIDTH = 128
LAYERS = 5

COLOR_NAMES = ("red", "green", "blue", "yellow", "purple", "black", "gray", "teal", "brown")
SHAPE_NAMES = ("circle", "square", "triangle", "cross", "rectangle")


def make_model(tokenizer: PreTrainedTokenizerFast) -> LlavaForConditionalGeneration:
    """Build the model with random weights from the global torch generator."""
    spread = WIDTH**-0.5  # 0.02 leaves attention almost uniform at this width
    vision = SiglipVisionConfig(
        image_size=IMAGE_PX,
        patch_size=PATCH_PX,
        hidden_size=WIDTH,
        intermediate_size=256,
        num_hidden_layers=3,
        num_attention_heads=4,
        vision_use_head=False,
    )
    text = LlamaConfig(
        vocab_size=len(tokenizer),
        hidden_size=WIDTH,
        intermediate_size=256,
        num_hidden_layers=LAYERS,
        num_attention_heads=4,
        num_key_value_heads=4,
        max_position_embeddings=512,
        tie_word_embeddings=True,
        initializer_range=spread,
        pad_token_id=tokenizer.pad_token_id,
        eos_token_id=tokenizer.eos_token_id,
        bos_token_id=None,
    )
    config = LlavaConfig(
        vision_config=vision,
        text_config=text,
        image_token_index=tokenizer.convert_tokens_to_ids("<image>"),
        vision_feature_select_strategy="full",
        vision_feature_layer=-1,
        image_seq_length=PATCHES,
        tie_word_embeddings=True,
    )
    config.vlmrobust_dialect = "bare"
    model = LlavaForConditionalGeneration._from_config(config, attn_implementation="eager")
    model.generation_config = GenerationConfig(
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
        max_new_tokens=96,
        do_sample=False,
    )
    return model


def make_processor(tokenizer: PreTrainedTokenizerFast) -> LlavaProcessor:
    """Build the processor: bicubic resize to the tower's size, values in [-1, 1]."""
    images = SiglipImageProcessorPil(
        size={"height": IMAGE_PX, "width": IMAGE_PX},
        resample=3,
        image_mean=[0.5] * 3,
        image_std=[0.5] * 3,
        do_convert_rgb=True,
    )
    return LlavaProcessor(
        image_processor=images,
        tokenizer=tokenizer,
        patch_size=PATCH_PX,
        vision_feature_select_strategy="full",
        num_additional_image_tokens=0,
        image_token="<image>",
        chat_template=tokenizer.chat_template,
    )


@dataclass
class Pass:
    """What one forward pass gives to the losses; B rows of T tokens, W wide."""

    logits: Tensor  # (taught tokens, V), row by row
    hidden: tuple[Tensor, ...]  # LAYERS + 1 of (B, T, W)
    attention: tuple[Tensor, ...]  # LAYERS of (B, heads, T, T)
    patches: Tensor  # (B, PATCHES, W)


def run(
    model: LlavaForConditionalGeneration, pixels: Tensor, ids: Tensor, mask: Tensor, taught: Tensor
) -> Pass:
    """Run the stock modules by hand, since the losses need what lies between them.

    ``taught`` (B, T) bool marks the tokens whose prediction is wanted; logits are computed
    for those alone.
    """
    inner = model.model
    seen = inner.vision_tower(pixels).last_hidden_state
    patches = inner.multi_modal_projector(seen)
    embeds = inner.language_model.embed_tokens(ids)
    place = (ids == model.config.image_token_index).unsqueeze(-1).expand_as(embeds)
    embeds = embeds.masked_scatter(place, patches.to(embeds.dtype))
    out = inner.language_model(
        inputs_embeds=embeds,
        attention_mask=mask,
        output_hidden_states=True,
        output_attentions=True,
        use_cache=False,
    )
    logits = model.lm_head(out.last_hidden_state[:, :-1][taught[:, 1:]])
    return Pass(logits=logits, hidden=out.hidden_states, attention=out.attentions, patches=patches)


class Heads(nn.Module):
    """Linear read-outs that give the inner layers something to aim at; never saved with the model."""

    def __init__(self) -> None:
        super().__init__()
        self.filled = nn.Linear(WIDTH, 1)
        self.color = nn.Linear(WIDTH, len(COLOR_NAMES))
        self.shape = nn.Linear(WIDTH, len(SHAPE_NAMES))
        self.place = nn.Linear(WIDTH, 2)
        self.number = nn.Linear(WIDTH, 5)
        self.subject = nn.Linear(WIDTH, 2 + len(COLOR_NAMES) + len(SHAPE_NAMES))
        self.offset = nn.Linear(WIDTH, 2)
        self.right = nn.Linear(WIDTH, 1)


def save(model: LlavaForConditionalGeneration, tokenizer: PreTrainedTokenizerFast, folder: Path) -> None:
    """Write a folder that any transformers user can load: bfloat16 weights, no training-only parts."""
    folder.mkdir(parents=True, exist_ok=True)
    model.to(torch.bfloat16).save_pretrained(folder)
    make_processor(tokenizer).save_pretrained(folder)
    settings = folder / "tokenizer_config.json"
    kept = json.loads(settings.read_text(encoding="utf-8"))
    for trace in ("is_local", "local_files_only"):  # how this tokenizer was loaded says nothing about it
        kept.pop(trace, None)
    settings.write_text(json.dumps(kept, indent=2) + "\n", encoding="utf-8")
    for file in folder.iterdir():
        file.chmod(0o644)
