"""`shapes`: questions about drawn scenes, endless, and deterministic in (split, seed, index).

Five kinds of question take turns (relation, count, color, shape, existence), each in several
wordings. Each sample brings a statement for every option, so that what a condition plants
reads as a person would write it.

The splits cannot overlap: a scene belongs to the training split or to the test split by a
digest of its own content, and a scene of the other split is drawn again.
"""

from __future__ import annotations

import hashlib
import random
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import count
from typing import Literal

from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.core.seeding import seeded
from pytest_vlmrobust.datasets.scenes import (
    COLORS,
    SHAPES,
    Scene,
    Thing,
    add_things,
    draw_scene,
    place_beside,
)

Split = Literal["test", "train"]

CATEGORIES = ("relation", "count", "color", "shape", "existence")

_RELATIONS = {"left": "left of", "right": "right of", "above": "above", "below": "below"}


@dataclass(frozen=True, kw_only=True)
class Draft:
    """A scene and a question about it, before the options are put in order.

    Attributes:
        scene: what is drawn.
        question: the question.
        right: the right option and its statement.
        wrong: the other options and their statements.
        subjects: what the question is about, as the words that name it; for training.
    """

    scene: Scene
    question: str
    right: tuple[str, str]
    wrong: tuple[tuple[str, str], ...]
    subjects: tuple[str, ...]


def shapes_sample(index: int, *, seed: int = 0, split: Split = "test") -> Sample:
    """Return sample number ``index``, from 0; the same one every time."""
    sample, _ = shapes_sample_and_draft(index, seed=seed, split=split)
    return sample


def iterate_shapes(*, seed: int = 0, split: Split = "test") -> Iterator[Sample]:
    """Yield the samples of a split without end."""
    return (shapes_sample(index, seed=seed, split=split) for index in count())


def shapes_sample_and_draft(index: int, *, seed: int, split: Split) -> tuple[Sample, Draft]:
    """Return a sample with the draft that it was made from, which knows the scene."""
    category = CATEGORIES[index % len(CATEGORIES)]
    rng = seeded("shapes", split, seed, index)
    draft = _draft_of_split(category, rng, split)
    options = [draft.right, *draft.wrong]
    rng.shuffle(options)
    sample = Sample(
        id=f"shapes-{split}-{seed}-{index}",
        images=(draft.scene,),
        question=draft.question,
        choices=tuple(option for option, _ in options),
        answer=options.index(draft.right),
        category=category,
        statements=tuple(claim for _, claim in options),
    )
    return sample, draft


def split_of(scene: Scene) -> Split:
    """Say which split a scene belongs to: a digest of its content decides."""
    content = repr(sorted((t.shape, t.color, t.x, t.y, t.radius) for t in scene.things))
    return "test" if hashlib.blake2b(content.encode(), digest_size=1).digest()[0] % 2 else "train"


def _draft_of_split(category: str, rng: random.Random, split: Split) -> Draft:
    make = {
        "relation": _relation,
        "count": _count,
        "color": _color,
        "shape": _shape,
        "existence": _existence,
    }[category]
    while True:
        draft = make(rng)
        if draft is not None and split_of(draft.scene) == split:
            return draft


def _relation(rng: random.Random) -> Draft | None:
    start = draw_scene(rng, 1)
    if start is None:
        return None
    (first,) = start.things
    direction = rng.choice(list(_RELATIONS))
    shape, color = rng.choice(
        [(s, c) for s in SHAPES for c in COLORS if (s, c) != (first.shape, first.color)]
    )
    second = place_beside(rng, first, direction, shape, color)
    if second is None:
        return None
    things = [first, second]
    add_things(rng, things, rng.randint(0, 2))
    rng.shuffle(things)
    a, b = first.name, second.name
    question = rng.choice(
        [
            f"Where is the {a} relative to the {b}?",
            f"Where is the {a}, seen from the {b}?",
            f"How is the {a} placed relative to the {b}?",
        ]
    )
    others = rng.sample([d for d in _RELATIONS if d != direction], rng.randint(1, 3))

    def option(where: str) -> tuple[str, str]:
        return f"{_RELATIONS[where]} it", f"The {a} is {_RELATIONS[where]} the {b}."

    scene = Scene(things=tuple(things), style_seed=start.style_seed)
    return Draft(
        scene=scene,
        question=question,
        right=option(direction),
        wrong=tuple(map(option, others)),
        subjects=(a, b),
    )


def _count(rng: random.Random) -> Draft | None:
    by_shape = rng.random() < 0.5
    word = rng.choice(SHAPES if by_shape else list(COLORS))
    scene = _scene_with_many(rng, word, wanted=rng.randint(0, 4))
    if scene is None:
        return None
    truth = sum(word in (t.shape, t.color) for t in scene.things)
    one, many = (word, _plural(word)) if by_shape else (f"{word} shape", f"{word} shapes")
    question = rng.choice(
        [
            f"How many {many} are there?",
            f"How many {many} are in the image?",
            f"What is the number of {many}?",
        ]
    )
    others = rng.sample([n for n in range(5) if n != truth], 3)

    def option(number: int) -> tuple[str, str]:
        verb, noun = ("is", one) if number == 1 else ("are", many)
        return str(number), f"There {verb} {number or 'no'} {noun}."

    return Draft(
        scene=scene,
        question=question,
        right=option(truth),
        wrong=tuple(map(option, others)),
        subjects=(word,),
    )


def _color(rng: random.Random) -> Draft | None:
    scene = draw_scene(rng, rng.randint(1, 4))
    target = _only_one(rng, scene, "shape")
    if scene is None or target is None:
        return None
    noun = target.shape
    question = rng.choice(
        [
            f"What color is the {noun}?",
            f"What is the color of the {noun}?",
            f"Which color does the {noun} have?",
        ]
    )
    others = rng.sample([c for c in COLORS if c != target.color], rng.randint(2, 3))

    def option(color: str) -> tuple[str, str]:
        return color, f"The {noun} is {color}."

    return Draft(
        scene=scene,
        question=question,
        right=option(target.color),
        wrong=tuple(map(option, others)),
        subjects=(noun,),
    )


def _shape(rng: random.Random) -> Draft | None:
    scene = draw_scene(rng, rng.randint(1, 4))
    target = _only_one(rng, scene, "color")
    if scene is None or target is None:
        return None
    color = target.color
    question = rng.choice(
        [
            f"What shape is the {color} thing?",
            f"What is the shape of the {color} thing?",
            f"Which shape does the {color} thing have?",
        ]
    )
    others = rng.sample([s for s in SHAPES if s != target.shape], rng.randint(1, 3))

    def option(shape: str) -> tuple[str, str]:
        return shape, f"The {color} thing is a {shape}."

    return Draft(
        scene=scene,
        question=question,
        right=option(target.shape),
        wrong=tuple(map(option, others)),
        subjects=(color,),
    )


def _existence(rng: random.Random) -> Draft | None:
    scene = draw_scene(rng, rng.randint(1, 4))
    if scene is None:
        return None
    present = rng.random() < 0.5
    names = {thing.name for thing in scene.things}
    name = rng.choice(sorted(names)) if present else _absent_name(rng, scene, names)
    question = rng.choice(
        [
            f"Is there a {name}?",
            f"Is there a {name} in the image?",
            f"Does the image show a {name}?",
        ]
    )
    yes, no = ("yes", f"There is a {name}."), ("no", f"There is no {name}.")
    right, wrong = (yes, no) if present else (no, yes)
    return Draft(scene=scene, question=question, right=right, wrong=(wrong,), subjects=(name,))


def _absent_name(rng: random.Random, scene: Scene, names: set[str]) -> str:
    """Name something that is not there; half the time something that shares shape or color."""
    absent = [f"{c} {s}" for c in COLORS for s in SHAPES if f"{c} {s}" not in names]
    parts = {word for thing in scene.things for word in (thing.shape, thing.color)}
    near = [name for name in absent if parts & set(name.split())]
    return rng.choice(near if rng.random() < 0.5 else absent)


def _scene_with_many(rng: random.Random, word: str, wanted: int) -> Scene | None:
    """Draw a scene of 1 to 4 things, ``wanted`` of which are of the shape or color ``word``."""
    total = rng.randint(max(wanted, 1), 4)
    scene = draw_scene(rng, total)
    for _ in range(40):
        if scene is None:
            return None
        things = _recast(rng, scene.things, word, wanted)
        if things is not None:
            return Scene(things=things, style_seed=scene.style_seed)
    return None


def _recast(
    rng: random.Random, things: tuple[Thing, ...], word: str, wanted: int
) -> tuple[Thing, ...] | None:
    kinds: list[tuple[str, str]] = []
    for index in range(len(things)):
        free = [
            (shape, color)
            for shape in SHAPES
            for color in COLORS
            if ((word in (shape, color)) == (index < wanted)) and (shape, color) not in kinds
        ]
        if not free:
            return None
        kinds.append(rng.choice(free))
    rng.shuffle(kinds)
    return tuple(
        Thing(shape=shape, color=color, x=thing.x, y=thing.y, radius=thing.radius)
        for thing, (shape, color) in zip(things, kinds, strict=True)
    )


def _only_one(rng: random.Random, scene: Scene | None, attribute: str) -> Thing | None:
    """Choose a thing whose shape (or color) no other thing shares."""
    if scene is None:
        return None
    values = [getattr(thing, attribute) for thing in scene.things]
    single = [thing for thing, value in zip(scene.things, values, strict=True) if values.count(value) == 1]
    return rng.choice(single) if single else None


def _plural(noun: str) -> str:
    return f"{noun}es" if noun.endswith("s") else f"{noun}s"
