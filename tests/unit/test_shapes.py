"""Every answer is derived again from the geometry, by code that shares nothing with the maker."""

from __future__ import annotations

import math
import re
from collections import Counter, defaultdict
from itertools import combinations, islice

import pytest

from pytest_vlmrobust.core.samples import ImageSource, Sample, check_ids, samples_digest
from pytest_vlmrobust.datasets.scenes import COLORS, SHAPES, SIZE_PX, Scene, Thing
from pytest_vlmrobust.datasets.shapes import (
    CATEGORIES,
    Split,
    iterate_shapes,
    shapes_sample,
    shapes_sample_and_draft,
    split_of,
)

N = 1000
TEST = [shapes_sample(index) for index in range(N)]


def scene_of(sample: Sample) -> Scene:
    (scene,) = sample.images
    assert isinstance(scene, Scene)
    return scene


# --- the oracle -----------------------------------------------------------------------------------

NUMBERS = {"no": 0, "0": 0, "1": 1, "2": 2, "3": 3, "4": 4}


def named(scene: Scene, name: str) -> list[Thing]:
    """Things that a phrase such as "red circle", "circles", "red shape" or "red thing" fits."""
    words = [re.sub(r"(?<=square|circle)s$|(?<=triangle)s$|(?<=cross)es$", "", word) for word in name.split()]
    wanted = [word for word in words if word not in ("shape", "shapes", "thing")]
    assert wanted
    assert all(word in COLORS or word in SHAPES for word in wanted)
    return [thing for thing in scene.things if all(word in (thing.color, thing.shape) for word in wanted)]


def only(scene: Scene, name: str) -> Thing:
    (thing,) = named(scene, name)
    return thing


def direction(first: Thing, second: Thing) -> str:
    """Where the first is, seen from the second: the axis along which they are farther apart."""
    dx, dy = first.x - second.x, first.y - second.y
    if abs(dx) > abs(dy):
        return "left of" if dx < 0 else "right of"
    return "above" if dy < 0 else "below"


def answer_by_geometry(sample: Sample) -> str:
    """The right option's text, from the question and the scene alone."""
    scene, question = scene_of(sample), sample.question
    if found := re.fullmatch(
        r"(?:Where is the (.+?)(?: relative to|, seen from) the (.+)"
        r"|How is the (.+?) placed relative to the (.+))\?",
        question,
    ):
        first, second = [part for part in found.groups() if part]
        return f"{direction(only(scene, first), only(scene, second))} it"
    if found := re.fullmatch(
        r"(?:How many (.+?) are (?:there|in the image)|What is the number of (.+))\?", question
    ):
        return str(len(named(scene, found[1] or found[2])))
    if found := re.fullmatch(
        r"(?:What color is|What is the color of|Which color does) the (.+?)(?: have)?\?", question
    ):
        return only(scene, found[1]).color
    if found := re.fullmatch(
        r"(?:What shape is|What is the shape of|Which shape does) the (.+?)(?: have)?\?", question
    ):
        return only(scene, found[1]).shape
    found = re.fullmatch(r"(?:Is there|Does the image show) a (.+?)(?: in the image)?\?", question)
    assert found is not None, question
    return "yes" if named(scene, found[1]) else "no"


def holds(statement: str, scene: Scene) -> bool:
    """Whether a statement is true of a scene."""
    if found := re.fullmatch(r"The (.+) is (left of|right of|above|below) the (.+)\.", statement):
        return direction(only(scene, found[1]), only(scene, found[3])) == found[2]
    if found := re.fullmatch(r"There is a (.+)\.", statement):
        return bool(named(scene, found[1]))
    if found := re.fullmatch(r"There (?:is|are) (no|\d) (.+)\.", statement):
        return len(named(scene, found[2])) == NUMBERS[found[1]]
    if found := re.fullmatch(r"The (\w+) thing is a (\w+)\.", statement):
        return only(scene, found[1]).shape == found[2]
    found = re.fullmatch(r"The (\w+) is (\w+)\.", statement)
    assert found is not None, statement
    return only(scene, found[1]).color == found[2]


# --- questions ------------------------------------------------------------------------------------


@pytest.mark.parametrize("split", ["test", "train"])
def test_the_right_option_follows_from_the_geometry(split: Split) -> None:
    for index in range(N):
        sample = shapes_sample(index, seed=3, split=split)
        assert sample.choices[sample.answer] == answer_by_geometry(sample), sample


def test_exactly_the_statement_of_the_right_option_is_true() -> None:
    for sample in TEST:
        assert sample.statements is not None
        verdicts = [holds(statement, scene_of(sample)) for statement in sample.statements]
        assert verdicts == [index == sample.answer for index in range(len(sample.choices))], sample


def test_a_statement_holds_what_its_option_says() -> None:
    for sample in TEST:
        assert sample.statements is not None
        for choice, statement in zip(sample.choices, sample.statements, strict=True):
            said = {"yes": "There is a ", "no": "There is no ", "0": "no"}.get(
                choice, choice.removesuffix(" it")
            )
            assert re.search(rf"\b{re.escape(said.strip())}\b", statement), (choice, statement)
            if sample.category in ("relation", "existence"):
                subject = re.sub(r"^The |^There is (a|no) | is .*|\.$", "", statement)
                assert subject in sample.question


def test_relations_are_clear_to_the_eye() -> None:
    for sample in TEST:
        if sample.category != "relation":
            continue
        found = re.findall(r"the (\w+ \w+)", sample.question)
        first, second = (only(scene_of(sample), name) for name in found)
        dx, dy = abs(first.x - second.x), abs(first.y - second.y)
        angle = math.degrees(math.atan2(min(dx, dy), max(dx, dy)))
        assert angle < 24  # 22 degrees, and what rounding to pixels adds
        assert max(dx, dy) > first.radius + second.radius


def test_options_are_two_to_four_and_distinct() -> None:
    sizes = defaultdict(set)
    for sample in TEST:
        assert len(set(sample.choices)) == len(sample.choices)
        sizes[sample.category].add(len(sample.choices))
    assert sizes == {
        "relation": {2, 3, 4},
        "count": {4},
        "color": {3, 4},
        "shape": {2, 3, 4},
        "existence": {2},
    }


def test_categories_take_turns() -> None:
    assert [sample.category for sample in TEST[:5]] == list(CATEGORIES)
    assert set(Counter(sample.category for sample in TEST).values()) == {N // 5}


def test_each_category_has_several_wordings() -> None:
    wordings = defaultdict(set)
    words = "|".join([*COLORS, *SHAPES])
    for sample in TEST:
        wordings[sample.category].add(re.sub(rf"\b(?:{words})(?:e?s)?\b", "_", sample.question))
    assert {category: len(found) >= 3 for category, found in wordings.items()} == dict.fromkeys(
        CATEGORIES, True
    )


def test_no_position_of_the_right_option_is_preferred() -> None:
    for size in (2, 3, 4):
        positions = Counter(sample.answer for sample in TEST if len(sample.choices) == size)
        total = sum(positions.values())
        assert total > 90
        for position in range(size):
            spread = math.sqrt(total * (1 / size) * (1 - 1 / size))
            assert abs(positions[position] - total / size) < 4 * spread


def test_no_answer_of_a_category_is_preferred() -> None:
    allowed = {
        "relation": {"left of it", "right of it", "above it", "below it"},
        "count": set("01234"),
        "color": set(COLORS),
        "shape": set(SHAPES),
        "existence": {"yes", "no"},
    }
    for category, answers in allowed.items():
        found = Counter(sample.choices[sample.answer] for sample in TEST if sample.category == category)
        total, share = sum(found.values()), 1 / len(answers)
        assert set(found) == answers
        for answer in answers:
            spread = math.sqrt(total * share * (1 - share))
            assert abs(found[answer] - total * share) < 4.5 * spread, (category, found)


def test_an_absent_thing_is_asked_for_in_nearly_every_name() -> None:
    asked = {sample.question for sample in TEST if sample.category == "existence"}
    assert len(asked) > 40


# --- determinism and splits -------------------------------------------------------------------------


def test_a_sample_is_a_function_of_seed_split_and_index() -> None:
    again = [shapes_sample(index) for index in reversed(range(60))]
    assert again[::-1] == TEST[:60]
    assert list(islice(iterate_shapes(), 60)) == TEST[:60]
    assert shapes_sample(0, seed=1) != shapes_sample(0, seed=0)
    assert shapes_sample(0, split="train") != shapes_sample(0, split="test")


def test_the_first_samples_are_pinned() -> None:
    # The bundled models were trained on these scenes and words: other ones make their figures void.
    assert samples_digest(TEST[:200]) == "2b18659e0161d38ae8376a52484ae5d0"
    assert samples_digest(islice(iterate_shapes(split="train"), 200)) == "2bc1b0feef3b3756f4fbe360119f8925"


def test_ids_are_distinct_and_say_where_they_come_from() -> None:
    check_ids([*TEST, *islice(iterate_shapes(seed=1), 50), *islice(iterate_shapes(split="train"), 50)])
    assert TEST[7].id == "shapes-test-0-7"


def test_the_splits_never_share_a_scene() -> None:
    content: dict[str, set[frozenset[Thing]]] = {}
    for split in ("test", "train"):
        scenes = [
            scene_of(shapes_sample(index, seed=seed, split=split))
            for seed in range(3)
            for index in range(300)
        ]
        assert {split_of(scene) for scene in scenes} == {split}
        content[split] = {frozenset(scene.things) for scene in scenes}
    assert not content["test"] & content["train"]


def test_the_split_of_a_scene_depends_on_its_things_alone() -> None:
    for sample in TEST[:100]:
        scene = scene_of(sample)
        turned = Scene(things=scene.things[::-1], style_seed=scene.style_seed + 1)
        assert split_of(turned) == split_of(scene)
    assert {split_of(Scene(things=(thing,), style_seed=0)) for thing in scene_of(TEST[0]).things} <= {
        "test",
        "train",
    }


def test_the_draft_knows_what_the_sample_shows() -> None:
    for index in range(50):
        sample, draft = shapes_sample_and_draft(index, seed=0, split="test")
        assert sample == TEST[index]
        assert draft.scene is scene_of(sample)
        assert draft.right[0] == sample.choices[sample.answer]
        assert {option for option, _ in draft.wrong} == set(sample.choices) - {draft.right[0]}
        assert all(re.search(rf"\b{subject}", sample.question) for subject in draft.subjects)


# --- scenes and pixels ------------------------------------------------------------------------------


def test_things_lie_within_the_image_apart_from_each_other_and_each_kind_once() -> None:
    for sample in TEST:
        things = scene_of(sample).things
        assert 1 <= len(things) <= 4
        assert len({thing.name for thing in things}) == len(things)
        for thing in things:
            assert thing.radius <= min(thing.x, thing.y)
            assert max(thing.x, thing.y) + thing.radius <= SIZE_PX
        for one, other in combinations(things, 2):
            assert math.hypot(one.x - other.x, one.y - other.y) >= one.radius + other.radius + 4


def nearest_color(pixel: tuple[int, int, int]) -> tuple[str, float]:
    name = min(COLORS, key=lambda color: math.dist(COLORS[color], pixel))
    return name, math.dist(COLORS[name], pixel)


PROBES: dict[str, tuple[list[tuple[float, float]], list[tuple[float, float]]]] = {
    "circle": ([(0.9, 0), (-0.9, 0), (0, 0.9), (0.6, -0.6)], [(0.85, 0.85), (-0.85, 0.85)]),
    "square": ([(0.8, 0.8), (-0.8, -0.8), (0.8, -0.8)], [(1.0, 0), (0, -1.0)]),
    "triangle": ([(0, -0.8), (0.75, 0.7), (-0.75, 0.7)], [(0.8, -0.5), (-0.8, -0.5)]),
    "cross": ([(0.9, 0), (-0.9, 0), (0, 0.9), (0, -0.9)], [(0.6, 0.6), (-0.6, 0.6), (0.6, -0.6)]),
}
"""Points inside and outside of each shape, in radii from its center; no two shapes agree on all."""


def test_the_pixels_show_each_thing_in_its_color_and_shape() -> None:
    seen: Counter[str] = Counter()
    for sample in TEST[:150]:
        scene = scene_of(sample)
        image = scene.load()
        assert (image.mode, image.size) == ("RGB", (SIZE_PX, SIZE_PX))
        for thing in scene.things:
            inside, outside = PROBES[thing.shape]
            for dx, dy in [(0.0, 0.0), *inside]:
                pixel = image.getpixel(
                    (thing.x + round(dx * thing.radius), thing.y + round(dy * thing.radius))
                )
                assert isinstance(pixel, tuple)
                name, distance = nearest_color((pixel[0], pixel[1], pixel[2]))
                assert name == thing.color
                assert distance < 17 * math.sqrt(3)
            for dx, dy in outside:
                x, y = thing.x + round(dx * thing.radius), thing.y + round(dy * thing.radius)
                if 0 <= x < SIZE_PX and 0 <= y < SIZE_PX:
                    assert is_background(image.getpixel((x, y)))
            seen[thing.name] += 1
    assert len(seen) == len(COLORS) * len(SHAPES)


def is_background(pixel: object) -> bool:
    return isinstance(pixel, tuple) and min(pixel) >= 165


def test_the_background_is_light_and_comes_in_more_than_one_kind() -> None:
    kinds = set()
    for sample in TEST[:60]:
        image = scene_of(sample).load()
        free = [
            (x, y)
            for x in range(0, SIZE_PX, 9)
            for y in range(0, SIZE_PX, 9)
            if all(math.hypot(x - t.x, y - t.y) > 1.5 * t.radius for t in scene_of(sample).things)
        ]
        pixels = [image.getpixel(point) for point in free]
        assert all(map(is_background, pixels))
        kinds.add("one" if len(set(pixels)) == 1 else "many")
    assert kinds == {"one", "many"}


def test_drawing_again_gives_the_same_pixels_and_the_digest_tells_scenes_apart() -> None:
    scene = scene_of(TEST[0])
    assert isinstance(scene, ImageSource)
    assert scene.load().tobytes() == scene.load().tobytes()
    assert scene.digest() == Scene(things=scene.things, style_seed=scene.style_seed).digest()
    digests = {scene_of(sample).digest() for sample in TEST}
    assert len(digests) == N
    restyled = Scene(things=scene.things, style_seed=scene.style_seed + 1)
    assert restyled.digest() != scene.digest()
    assert restyled.load().tobytes() != scene.load().tobytes()
