"""The loop that a user would write without the package: one call of ``generate`` for each prompt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor

from pytest_vlmrobust import Prompt
from pytest_vlmrobust.models.dialects import get_dialect

# The library's own annotations lack these.
_AutoModel: Any = AutoModelForImageTextToText
_AutoProcessor: Any = AutoProcessor


class PlainLoop:
    """A model and its processor, loaded anew."""

    def __init__(self, folder: Path, dtype: torch.dtype = torch.float32) -> None:
        """Load them from a folder."""
        self.processor = _AutoProcessor.from_pretrained(folder)
        self.model = _AutoModel.from_pretrained(folder, dtype=dtype).eval()
        self._dialect = get_dialect(getattr(self.model.config, "vlmrobust_dialect", "plain"))

    def answer(self, prompt: Prompt, max_new_tokens: int) -> str:
        """Answer one prompt."""
        inputs = self.inputs(prompt)
        output = self.model.generate(**inputs, do_sample=False, max_new_tokens=max_new_tokens)
        text: str = self.processor.decode(output[0, inputs["input_ids"].shape[1] :])
        return text

    def inputs(self, prompt: Prompt) -> dict[str, Any]:
        """Make the inputs of one prompt."""
        turns = self._dialect.render(prompt)
        content = [*({"type": "image"} for _ in prompt.images), {"type": "text", "text": turns.user}]
        chat: list[dict[str, Any]] = [{"role": "user", "content": content}]
        if turns.system:
            chat.insert(0, {"role": "system", "content": [{"type": "text", "text": turns.system}]})
        if turns.prefill:
            chat.append({"role": "assistant", "content": [{"type": "text", "text": turns.prefill}]})
        way = {"continue_final_message": True} if turns.prefill else {"add_generation_prompt": True}
        return dict(
            self.processor(
                text=[self.processor.apply_chat_template(chat, tokenize=False, **way)],
                images=[[image.load() for image in prompt.images]],
                return_tensors="pt",
            ).to(self.model.dtype)
        )
