"""The prompts that models are timed on."""

from __future__ import annotations

import dataclasses
from dataclasses import dataclass
from typing import TYPE_CHECKING

from benchmarks.models import IMAGE_PX
from pytest_vlmrobust import ImageSource, Prompt, load_samples, perturb
from pytest_vlmrobust.conditions import CONDITION_SETS, registered_conditions

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

SCRIPT = {
    "base": 64,
    "stop-think": 12,
    "wrong-think": 24,
    "wrong-think-but": 40,
    "wrong-caption": 64,
    "wrong-caption-disclaimer": 64,
    "correct-caption": 64,
    "correct-think": 24,
}
"""How many tokens a reply has under each condition: what was thought beforehand need not be thought again."""


@dataclass(frozen=True)
class Enlarged:
    """An image brought to the size of a photograph."""

    image: ImageSource
    side_px: int

    def load(self) -> PILImage:
        """Open the image."""
        return self.image.load().resize((self.side_px, self.side_px))

    def digest(self) -> str:
        """Hex digest of the image, and its size."""
        return f"{self.image.digest()}-{self.side_px}"


def make_prompts(samples: int, *, conditions: str = "all", image_px: int | None = IMAGE_PX) -> list[Prompt]:
    """Ask about drawn scenes, every sample under all conditions of a set.

    Args:
        samples: how many.
        conditions: ``all``, or the name of a set.
        image_px: side of the images, or None to leave them as they are drawn.
    """
    names = registered_conditions() if conditions == "all" else CONDITION_SETS[conditions]
    return [
        _enlarged(perturb(sample, name), image_px)
        for sample in load_samples("shapes", limit=samples)
        for name in names
    ]


def _enlarged(prompt: Prompt, image_px: int | None) -> Prompt:
    if image_px is None:
        return prompt
    images = tuple(Enlarged(image, image_px) for image in prompt.images)
    return dataclasses.replace(prompt, images=images)
