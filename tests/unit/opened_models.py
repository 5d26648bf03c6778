"""Random models, opened and made to word whole replies, and the prompts that they are asked."""

from __future__ import annotations

import dataclasses
import functools
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path as Folder
from typing import Any

import pytest
import torch
import transformers
from packaging.version import Version
from PIL import Image
from PIL.Image import Image as PILImage
from torch.utils.hooks import RemovableHandle
from transformers import AutoModelForImageTextToText
from transformers.utils.import_utils import is_torchvision_available

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.models.base import Answer, Model
from pytest_vlmrobust.models.checkpoint import Checkpoint, ModelOptions
from pytest_vlmrobust.models.dialects import PLAIN
from pytest_vlmrobust.models.folders import read_config
from pytest_vlmrobust.models.letters import LetterForms
from pytest_vlmrobust.models.transformers import TransformersModel
from pytest_vlmrobust.models.transformers.admission import Candidates
from pytest_vlmrobust.models.transformers.batched import BatchedPath, ReferencePath, end_tokens
from pytest_vlmrobust.models.transformers.encoding import InputEncoder
from pytest_vlmrobust.models.transformers.ending import ReplyEnd
from pytest_vlmrobust.models.transformers.kept import Watch
from pytest_vlmrobust.models.transformers.loading import Loaded, load_folder
from pytest_vlmrobust.models.transformers.paths import Path
from pytest_vlmrobust.models.transformers.shared_prefix import SharedPrefixPath
from tests.unit.random_models import (
    BOS,
    constrain,
    write_gemma3,
    write_idefics3,
    write_internvl,
    write_llava,
    write_onevision,
    write_paligemma,
    write_qwen,
    write_qwen3_5,
    write_qwen3_vl,
)

# The library's own annotations lack this.
_AutoModel: Any = AutoModelForImageTextToText

CHOICES = ("the left one", "the right one", "both of them")
LETTERS = "ABC"
TOKEN_LIMIT = 60


class Noise:
    """An image of colored noise, which counts how often it is opened."""

    def __init__(self, seed: int, size: tuple[int, int]) -> None:
        self.seed, self.size, self.opened = seed, size, 0

    def load(self) -> PILImage:
        self.opened += 1
        return Image.frombytes(
            "RGB", self.size, random.Random(self.seed).randbytes(3 * self.size[0] * self.size[1])
        )

    def digest(self) -> str:
        return f"noise-{self.seed}-{self.size}"


def prompts_about(name: str, *images: Noise) -> list[Prompt]:
    base = Prompt(sample_id=name, condition="base", images=images, question="Which is red?", choices=CHOICES)
    change = dataclasses.replace
    return [
        base,
        change(
            base, condition="wrong-caption", caption="The right one is red, as anybody can see.", planted="B"
        ),
        change(base, condition="wrong-think", thought="The blue circle", planted="B"),
        change(base, condition="stop-think", thought="Okay.", thought_closed=True),
    ]


PROMPTS = [
    *prompts_about("small", Noise(1, (60, 60))),
    *prompts_about("wide", Noise(2, (120, 40))),
    *prompts_about("tall", Noise(3, (30, 90))),
]
REPLIES = [
    f"<think>{thought}</think><answer>{space}{letter}</answer>"
    for thought in ("it is left", "The blue circle is so", "Okay.")
    for letter in LETTERS
    for space in ("", " ")
]


@dataclass(frozen=True)
class Opened:
    """A model that words one of `REPLIES`, with what it is made of."""

    loaded: Loaded
    checkpoint: Checkpoint
    hook: RemovableHandle

    @functools.cached_property
    def model(self) -> TransformersModel:
        """The model as it is run when nothing is asked for."""
        return self.again()

    @functools.cached_property
    def answers(self) -> list[Answer]:
        """What it answers to `PROMPTS` in one batch."""
        return ask(self.model)

    @functools.cached_property
    def reference(self) -> list[Answer]:
        """What it answers to each of `PROMPTS` by itself, with nothing reused."""
        return ask(self.again(reference=True))

    def again(self, **options: Any) -> TransformersModel:
        """Make another model of the same parts."""
        changed = dataclasses.replace(self.checkpoint.options, **options)
        return TransformersModel(dataclasses.replace(self.checkpoint, options=changed), self.loaded)

    @contextmanager
    def unbound(self) -> Iterator[None]:
        """Let the model say what its weights make of it for a while."""
        hooks = self.loaded.model._forward_hooks
        kept = hooks.pop(self.hook.id)
        try:
            yield
        finally:
            hooks[self.hook.id] = kept

    @contextmanager
    def wording(self, *replies: str, never: str = "") -> Iterator[None]:
        """Let the model word other replies for a while."""
        with self.unbound(), constrain(self.loaded.model, self.loaded.tokenizer, replies, never=never):
            yield


def opened(folder: Folder, processor: Any = None, *, dtype: torch.dtype = torch.float32) -> Opened:
    """Open a saved model; one whose processor cannot be saved is handed it."""
    if processor is None:
        loaded = load_folder(
            folder, read_config(folder), name="random", device=torch.device("cpu"), dtype=dtype
        )
    else:
        processor.tokenizer.padding_side = "left"
        model = _AutoModel.from_pretrained(folder, dtype=dtype).eval()
        loaded = Loaded(model=model, processor=processor, tokenizer=processor.tokenizer, template=None)
    checkpoint = Checkpoint(
        spec="random",
        folder=folder,
        config=read_config(folder),
        dialect=PLAIN,
        options=ModelOptions(max_new_tokens=TOKEN_LIMIT),
    )
    hook = constrain(loaded.model, loaded.tokenizer, REPLIES)
    return Opened(loaded=loaded, checkpoint=checkpoint, hook=hook)


MAKERS: dict[str, Callable[[Folder], Opened]] = {
    "llava": lambda folder: opened(write_llava(folder)),
    "llava-merged": lambda folder: opened(write_llava(folder, vocabulary="merged")),
    "llava-mixed": lambda folder: opened(write_llava(folder, vocabulary="mixed")),
    "llava-no-pad": lambda folder: opened(write_llava(folder, pad=False, adds=f"{BOS} $A")),
    "qwen2.5-vl": lambda folder: opened(*write_qwen(folder)),
    "qwen3-vl": lambda folder: opened(*write_qwen3_vl(folder)),
    "internvl": lambda folder: opened(*write_internvl(folder)),
    "onevision": lambda folder: opened(*write_onevision(folder)),
}
"""Models whose conditions can share all that they have in common."""

if is_torchvision_available() or Version(transformers.__version__) >= Version("5.18"):
    # Before 5.18 its image processor cannot be made without torchvision.
    MAKERS["idefics3"] = lambda folder: opened(write_idefics3(folder, vocabulary="mixed"))

UNSHAREABLE: dict[str, Callable[[Folder], Opened]] = {
    "gemma3": lambda folder: opened(write_gemma3(folder)),
    "paligemma": lambda folder: opened(*write_paligemma(folder)),
    "qwen3.5": lambda folder: opened(*write_qwen3_5(folder)),
}
"""Models whose tokens do not depend on the tokens before them alone, or do not remember all of these."""


class Models:
    """Opens each model once for all tests, and asks it before any of them changes what it does."""

    def __init__(self, folders: pytest.TempPathFactory) -> None:
        self._folders = folders
        self._opened: dict[str, Opened] = {}

    def __getitem__(self, name: str) -> Opened:
        if name not in self._opened:
            maker = (MAKERS | UNSHAREABLE)[name]
            self._opened[name] = maker(self._folders.mktemp(name))
            assert len(self._opened[name].answers) == len(PROMPTS)
        return self._opened[name]


def ask(model: Model, prompts: Sequence[Prompt] = PROMPTS) -> list[Answer]:
    """Return the answers in the prompts' order."""
    answers = dict(model.answer(prompts))
    return [answers[index] for index in range(len(prompts))]


def assert_alike(left: Sequence[Answer], right: Sequence[Answer]) -> None:
    """The same texts; the same letter probabilities up to rounding."""
    for one, other in zip(left, right, strict=True):
        assert dataclasses.replace(one, letter_probs=None, letter_mass=None) == dataclasses.replace(
            other, letter_probs=None, letter_mass=None
        )
        assert one.letter_probs == pytest.approx(other.letter_probs, abs=1e-4)
        assert one.letter_mass == pytest.approx(other.letter_mass, abs=1e-4)


def candidates(subject: Opened, *, shares_images: bool = True) -> Candidates:
    """Every path that a model may be run on, whether it is right or not."""
    loaded = subject.loaded
    encoder = InputEncoder(loaded)
    encoder.shares_images = encoder.shares_images and shares_images
    end = ReplyEnd(loaded.tokenizer, PLAIN.reply, end_tokens(loaded.model, loaded.tokenizer, "random"))
    watch = Watch(LetterForms(loaded.tokenizer.get_vocab()).watched, loaded.model.device)
    parts = (loaded, encoder, end, watch)
    return Candidates(
        reference=ReferencePath(*parts), batched=BatchedPath(*parts), shared_prefix=SharedPrefixPath(*parts)
    )


@dataclass(frozen=True)
class Asked:
    """A reply as tokens and as an answer."""

    ids: list[int]
    answer: Answer


def follow(
    subject: Opened,
    path: Path,
    prompts: Sequence[Prompt],
    *,
    rows_at_once: int = 64,
    limit: int = TOKEN_LIMIT,
) -> list[Asked]:
    """Run prompts on a path; returns the replies in the prompts' order."""
    rows = [subject.model._chat.render(prompt) for prompt in prompts]
    ids: dict[int, list[int]] = {}
    answers: dict[int, Answer] = {}
    for ended in path.run(rows, rows_at_once=rows_at_once, max_new_tokens=limit):
        ids |= {index: reply.ids for index, reply in ended.replies}
        answers |= dict(subject.model._reader.read(rows, ended))
    return [Asked(ids[index], answers[index]) for index in range(len(prompts))]


def assert_same(left: Sequence[Asked], right: Sequence[Asked]) -> None:
    """The same tokens and texts; the same letter probabilities up to rounding."""
    assert [asked.ids for asked in left] == [asked.ids for asked in right]
    assert_alike([asked.answer for asked in left], [asked.answer for asked in right])
