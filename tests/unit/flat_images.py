"""Images for prompts that are worded and shown to no model."""

from __future__ import annotations

from dataclasses import dataclass

from PIL import Image
from PIL.Image import Image as PILImage


@dataclass(frozen=True)
class Flat:
    """An image of one color."""

    color: str

    def load(self) -> PILImage:
        return Image.new("RGB", (8, 8), self.color)

    def digest(self) -> str:
        return f"flat-{self.color}"
