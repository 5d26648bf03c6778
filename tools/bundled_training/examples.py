"""Lessons as tensors: token ids, pixels, and the targets of the training-only heads."""

from __future__ import annotations

from dataclasses import dataclass
from functools import lru_cache
from itertools import takewhile

import numpy as np
import torch
from PIL import Image
from tokenizers import Encoding
from torch import Tensor
from torch.utils.data import Dataset
from transformers import PreTrainedTokenizerFast

from pytest_vlmrobust.conditions.claims import statement
from pytest_vlmrobust.core.samples import LETTERS, Sample
from pytest_vlmrobust.core.seeding import seeded
from pytest_vlmrobust.datasets.easy_vqa import easy_vqa_samples
from pytest_vlmrobust.datasets.scenes import SIZE_PX, Scene, Thing
from pytest_vlmrobust.datasets.shapes import CATEGORIES, Draft, shapes_sample_and_draft
from pytest_vlmrobust.models.dialects import BARE, Turns
from tools.bundled_training.behaviors import BEHAVIORS, Lesson
from tools.bundled_training.network import COLOR_NAMES, IMAGE_PX, PATCHES, SHAPE_NAMES
from tools.bundled_training.vocabulary import END, IMAGE, START

SUBJECTS = 2
CHOICES = 4
GRID = int(PATCHES**0.5)
DECISIONS, LETTERS_IN_REPLY = 4, 2
DECISION_WEIGHT = 3.0


@dataclass
class Example:
    """One lesson, ready to be stacked; -1 marks what is not there."""

    pixels: np.ndarray  # (3, IMAGE_PX, IMAGE_PX) float32
    ids: list[int]
    weight: list[float]  # loss weight of predicting each token, 0 in the prompt
    patch_kind: np.ndarray  # (PATCHES, 2) color and shape index, or -1
    patch_place: np.ndarray  # (PATCHES, 2) center within the image, 0 to 1
    has_scene: bool
    subject_at: list[int]  # (SUBJECTS,) token index
    subject_patches: np.ndarray  # (SUBJECTS, PATCHES) bool
    subject_kind: np.ndarray  # (SUBJECTS, 2) color and shape of the only match, or -1
    subject_place: np.ndarray  # (SUBJECTS, 2)
    option_at: list[int]  # (CHOICES,) token index of the end of each option
    believed: int
    letter: int
    letter_at: list[int]  # (slots,) the tokens after which the option has to be known


def to_pixels(sample: Sample) -> np.ndarray:
    """Prepare an image as the saved processor does."""
    image = sample.images[0].load().resize((IMAGE_PX, IMAGE_PX), Image.Resampling.BICUBIC)
    return (np.asarray(image, dtype=np.float32).transpose(2, 0, 1) / 255.0 - 0.5) / 0.5


def patch_of(thing: Thing) -> int:
    """Index of the patch that holds the center."""
    column, row = (min(GRID - 1, v * GRID // SIZE_PX) for v in (thing.x, thing.y))
    return row * GRID + column


class Lessons(Dataset[Example]):
    """Lesson number i of a behavior; the same one every time."""

    def __init__(
        self,
        behavior: str,
        tokenizer: PreTrainedTokenizerFast,
        *,
        start: int,
        size: int,
        easy_share: float = 0.2,
        decisions: bool = True,
        weights: dict[str, float] | None = None,
    ) -> None:
        self.behavior = BEHAVIORS[behavior]
        self.tokenizer = tokenizer
        self.start, self.size, self.easy_share, self.decisions = start, size, easy_share, decisions
        self.weights = weights or {}

    def __len__(self) -> int:
        return self.size

    def __getitem__(self, number: int) -> Example:
        index = self.start + number
        rng = seeded("lesson", index)
        draft: Draft | None = None
        if rng.random() < self.easy_share:
            samples = _easy()
            sample = samples[rng.randrange(len(samples))]
        else:
            kinds = [self.weights.get(c, 1.0) for c in CATEGORIES]
            kind = rng.choices(range(len(CATEGORIES)), weights=kinds)[0]
            sample, draft = shapes_sample_and_draft(index * len(CATEGORIES) + kind, seed=0, split="train")
        lesson = self.behavior.lesson(sample, seed=index, rng=rng)
        turns = BARE.render(lesson.prompt)
        return _encode(self.tokenizer, sample, draft, turns, lesson, decisions=self.decisions)


@lru_cache(maxsize=1)
def _easy() -> list[Sample]:
    return easy_vqa_samples("train")


def _encode(
    tokenizer: PreTrainedTokenizerFast,
    sample: Sample,
    draft: Draft | None,
    turns: Turns,
    lesson: Lesson,
    *,
    decisions: bool,
) -> Example:
    user, prefill, reply, letter = turns.user, turns.prefill, lesson.reply, lesson.letter
    head = f"{START}user\n{IMAGE * PATCHES}\n"
    opening = f"{head}{user}{END}\n{START}assistant\n{prefill}"
    prompt_ids = tokenizer.backend_tokenizer.encode(opening, add_special_tokens=False)
    reply_ids = tokenizer.backend_tokenizer.encode(reply + END, add_special_tokens=False)
    ids = prompt_ids.ids + reply_ids.ids
    first = len(prompt_ids.ids)
    weight = [0.0] * first + [1.0] * len(reply_ids.ids)
    letter_at = []
    slots = DECISIONS if decisions else LETTERS_IN_REPLY
    found = [at for at, piece in enumerate(reply_ids.tokens) if piece == LETTERS[letter]]
    if decisions:
        found = sorted({*found, *_decisions(sample, prefill, reply, letter, reply_ids)})
    for at in found:
        weight[first + at] = DECISION_WEIGHT
        if at > 0 or not prefill:
            letter_at.append(first + at - 1)
    letter_at = letter_at[-slots:]

    def token(char: int) -> int:
        found = prompt_ids.char_to_token(char)
        return -1 if found is None else int(found)

    question_at = len(head) + user.index(sample.question)
    option_at = []
    at = question_at + len(sample.question)
    for index, choice in enumerate(sample.choices):
        at += len(f"\n{LETTERS[index]}. {choice}")
        option_at.append(token(at - 1))
    scene = sample.images[0] if draft is not None else None
    subjects = _subjects(sample, draft, question_at, token)
    patch_kind, patch_place = _patch_targets(scene)
    return Example(
        pixels=to_pixels(sample),
        ids=ids,
        weight=weight,
        patch_kind=patch_kind,
        patch_place=patch_place,
        has_scene=scene is not None,
        option_at=option_at + [-1] * (CHOICES - len(option_at)),
        believed=lesson.believed,
        letter=letter,
        letter_at=letter_at + [-1] * (slots - len(letter_at)),
        **subjects,
    )


def _decisions(sample: Sample, prefill: str, reply: str, letter: int, encoded: Encoding) -> list[int]:
    """Where in the reply, besides its letters, the option has to be known: the telling words of the claim.

    The first token after an open thought counts too: it accepts the thought or objects to it.
    """
    found: list[int] = []
    claims = [statement(sample, index) for index in range(len(sample.choices))]
    columns = zip(*claims, strict=False)
    shared = sum(1 for _ in takewhile(lambda column: len(set(column)) == 1, columns))
    start = reply.find(claims[letter][1:])
    if start > 0 and shared > 0:
        named = max(shared, claims[letter].find(f" {sample.choices[letter]}") + 1)
        for char in (min(shared, len(claims[letter]) - 1), named):
            telling = encoded.char_to_token(start - 1 + char)
            found += [telling] if telling is not None else []
    if prefill and not prefill.endswith("</think>"):
        found.append(0)
    return found


def _patch_targets(scene: object) -> tuple[np.ndarray, np.ndarray]:
    kind = np.full((PATCHES, 2), -1, dtype=np.int64)
    place = np.zeros((PATCHES, 2), dtype=np.float32)
    if isinstance(scene, Scene):
        for thing in scene.things:
            patch = patch_of(thing)
            kind[patch] = COLOR_NAMES.index(thing.color), SHAPE_NAMES.index(thing.shape)
            place[patch] = thing.x / SIZE_PX, thing.y / SIZE_PX
    return kind, place


def _subjects(sample: Sample, draft: Draft | None, question_at: int, token: object) -> dict[str, object]:
    at = [-1] * SUBJECTS
    patches = np.zeros((SUBJECTS, PATCHES), dtype=bool)
    kind = np.full((SUBJECTS, 2), -1, dtype=np.int64)
    place = np.zeros((SUBJECTS, 2), dtype=np.float32)
    if draft is not None:
        for number, subject in enumerate(draft.subjects):
            start = sample.question.index(subject)
            at[number] = token(question_at + start + len(subject) - 1)  # type: ignore[operator]
            words = set(subject.split())
            found = [t for t in draft.scene.things if words <= {t.color, t.shape}]
            for thing in found:
                patches[number, patch_of(thing)] = True
            if len(found) == 1:
                kind[number] = COLOR_NAMES.index(found[0].color), SHAPE_NAMES.index(found[0].shape)
                place[number] = found[0].x / SIZE_PX, found[0].y / SIZE_PX
    return {"subject_at": at, "subject_patches": patches, "subject_kind": kind, "subject_place": place}


def stack(examples: list[Example], pad: int = 0) -> dict[str, Tensor]:
    """Pad on the right and stack."""
    longest = max(len(e.ids) for e in examples)
    out = {
        "ids": torch.tensor([e.ids + [pad] * (longest - len(e.ids)) for e in examples]),
        "mask": torch.tensor([[1] * len(e.ids) + [0] * (longest - len(e.ids)) for e in examples]),
        "weight": torch.tensor([e.weight + [0.0] * (longest - len(e.weight)) for e in examples]),
    }
    for name in ("pixels", "patch_kind", "patch_place", "subject_patches", "subject_kind", "subject_place"):
        out[name] = torch.from_numpy(np.stack([getattr(e, name) for e in examples]))
    for name in ("has_scene", "subject_at", "option_at", "believed", "letter", "letter_at"):
        out[name] = torch.tensor([getattr(e, name) for e in examples])
    return out
