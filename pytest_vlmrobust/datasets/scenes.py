"""Drawn scenes: a few colored shapes on a light background, with everything about them known."""

from __future__ import annotations

import hashlib
import math
import random
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING

from pytest_vlmrobust.core.seeding import seeded

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage
    from PIL.ImageDraw import ImageDraw

SIZE_PX = 224
"""Width and height of a scene."""

COLORS: dict[str, tuple[int, int, int]] = {
    "red": (214, 40, 40),
    "green": (40, 160, 60),
    "blue": (40, 80, 220),
    "yellow": (240, 200, 20),
    "purple": (140, 50, 170),
    "black": (25, 25, 25),
}
SHAPES = ("circle", "square", "triangle", "cross")

_MIN_RADIUS_PX, _MAX_RADIUS_PX = 21, 31
_GAP_PX = 8
_PLACING_TRIES = 60


@dataclass(frozen=True, kw_only=True)
class Thing:
    """One shape in a scene; lengths in pixels, the origin at the top left."""

    shape: str
    color: str
    x: int
    y: int
    radius: int

    @property
    def name(self) -> str:
        """How a person would name it: "red circle"."""
        return f"{self.color} {self.shape}"


@dataclass(frozen=True, kw_only=True)
class Scene:
    """Shapes that do not touch, each combination of color and shape at most once.

    Implements `ImageSource`: the pixels are drawn when `load` is called and are a function of
    the fields alone.
    """

    things: tuple[Thing, ...]
    style_seed: int

    def load(self) -> PILImage:
        """Draw the scene as a ``SIZE_PX`` by ``SIZE_PX`` RGB image."""
        from PIL import ImageDraw

        rng = seeded(self.style_seed, "style")
        image = _background(rng)
        draw = ImageDraw.Draw(image)
        for thing in self.things:
            _draw_thing(draw, thing, _jittered(COLORS[thing.color], rng))
        return image

    def digest(self) -> str:
        """Hex digest of the fields."""
        return self._digest

    @cached_property
    def _digest(self) -> str:
        return hashlib.blake2b(repr((self.things, self.style_seed)).encode(), digest_size=16).hexdigest()


def draw_scene(rng: random.Random, count: int) -> Scene | None:
    """Place ``count`` different things at random, or return None where there is no room left."""
    kinds = rng.sample([(shape, color) for shape in SHAPES for color in COLORS], count)
    placed: list[Thing] = []
    for shape, color in kinds:
        thing = _place(rng, shape, color, placed)
        if thing is None:
            return None
        placed.append(thing)
    return Scene(things=tuple(placed), style_seed=rng.randrange(2**31))


def place_beside(rng: random.Random, first: Thing, direction: str, shape: str, color: str) -> Thing | None:
    """Place a thing clearly to one side of ``first``: at most 22 degrees off the axis.

    Args:
        rng: the source of chance.
        first: the thing that is there already.
        direction: where ``first`` is, seen from the new thing: "left", "right", "above" or "below".
        shape: shape of the new thing.
        color: color of the new thing.
    """
    radius = rng.randint(_MIN_RADIUS_PX, _MAX_RADIUS_PX)
    nearest = first.radius + radius + _GAP_PX
    for _ in range(_PLACING_TRIES):
        distance = rng.randint(nearest, SIZE_PX)
        slant = round(distance * math.tan(math.radians(rng.uniform(-22, 22))))
        dx, dy = {
            "left": (distance, slant),
            "right": (-distance, slant),
            "above": (slant, distance),
            "below": (slant, -distance),
        }[direction]
        x, y = first.x + dx, first.y + dy
        if min(x, y) >= radius and max(x, y) <= SIZE_PX - radius:
            return Thing(shape=shape, color=color, x=x, y=y, radius=radius)
    return None


def add_things(rng: random.Random, placed: list[Thing], count: int) -> None:
    """Place up to ``count`` more things, each of a kind that is not there yet."""
    taken = {(thing.shape, thing.color) for thing in placed}
    free = [(shape, color) for shape in SHAPES for color in COLORS if (shape, color) not in taken]
    for shape, color in rng.sample(free, count):
        thing = _place(rng, shape, color, placed)
        if thing is not None:
            placed.append(thing)


def _place(rng: random.Random, shape: str, color: str, placed: list[Thing]) -> Thing | None:
    for _ in range(_PLACING_TRIES):
        radius = rng.randint(_MIN_RADIUS_PX, _MAX_RADIUS_PX)
        x, y = (rng.randint(radius, SIZE_PX - radius) for _ in range(2))
        if all(math.hypot(x - t.x, y - t.y) >= radius + t.radius + _GAP_PX for t in placed):
            return Thing(shape=shape, color=color, x=x, y=y, radius=radius)
    return None


def _jittered(color: tuple[int, int, int], rng: random.Random) -> tuple[int, int, int]:
    red, green, blue = (max(0, min(255, channel + rng.randint(-16, 16))) for channel in color)
    return red, green, blue


def _background(rng: random.Random) -> PILImage:
    """Draw one of three light backgrounds: plain, a vertical gradient, or sparse speckles."""
    from PIL import Image, ImageDraw

    top, bottom = ([rng.randint(205, 255) for _ in range(3)] for _ in range(2))
    kind = rng.choice(["plain", "gradient", "speckled"])
    image = Image.new("RGB", (SIZE_PX, SIZE_PX), (top[0], top[1], top[2]))
    draw = ImageDraw.Draw(image)
    if kind == "gradient":
        for y in range(SIZE_PX):
            mixed = [round(a + (b - a) * y / SIZE_PX) for a, b in zip(top, bottom, strict=True)]
            draw.line([(0, y), (SIZE_PX, y)], fill=(mixed[0], mixed[1], mixed[2]))
    if kind == "speckled":
        for _ in range(120):
            x, y, shade = rng.randrange(SIZE_PX), rng.randrange(SIZE_PX), rng.randint(170, 255)
            draw.rectangle([x, y, x + 2, y + 2], fill=(shade, shade, shade))
    return image


def _draw_thing(draw: ImageDraw, thing: Thing, fill: tuple[int, int, int]) -> None:
    x, y, r = thing.x, thing.y, thing.radius
    if thing.shape == "circle":
        draw.ellipse([x - r, y - r, x + r, y + r], fill=fill)
    elif thing.shape == "square":
        side = round(r * 0.88)
        draw.rectangle([x - side, y - side, x + side, y + side], fill=fill)
    elif thing.shape == "triangle":
        draw.polygon([(x, y - r), (x - r, y + round(r * 0.8)), (x + r, y + round(r * 0.8))], fill=fill)
    else:
        arm = round(r * 0.34)
        draw.rectangle([x - r, y - arm, x + r, y + arm], fill=fill)
        draw.rectangle([x - arm, y - r, x + arm, y + r], fill=fill)
