"""`easy-vqa`: the data set of the package ``easy-vqa`` on PyPI, as multiple choice.

Simple questions about one shape on a plain background, with 13 answers in all: 8 colors,
3 shapes, yes and no (Victor Zhou, MIT license). Questions and pictures are the package's own,
unchanged; the other options are drawn from its answers of the same kind.
"""

from __future__ import annotations

import importlib
import importlib.util
from pathlib import Path
from types import ModuleType
from typing import Literal

from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.core.seeding import seeded
from pytest_vlmrobust.datasets.images import FileImage
from pytest_vlmrobust.errors import DataError, UsageError, unknown_name

_PACKAGE = "easy_vqa"
_MAX_CHOICES = 4
_KINDS = {
    "yes-no": ("no", "yes"),
    "shape": ("circle", "rectangle", "triangle"),
    "color": ("black", "blue", "brown", "gray", "green", "red", "teal", "yellow"),
}


def check_easy_vqa_installed() -> None:
    """Refuse to go on without the package, before anything slow has begun.

    Raises:
        UsageError: it is not installed; the message has the command that installs it.
    """
    if importlib.util.find_spec(_PACKAGE) is None:
        raise UsageError(
            "the data set 'easy-vqa' comes with a package of its own, which is not installed: "
            'run  pip install "pytest-vlmrobust[easy-vqa]"'
        )


def easy_vqa_samples(split: Literal["test", "train"], seed: int = 0) -> list[Sample]:
    """Return a split as multiple choice: 9673 questions on 1000 images (test), 38575 on 4000 (train).

    Yes-no questions have 2 options, shapes 3, colors 4; ``category`` says which. Which other
    options there are, and the order, depend on (seed, split, number of the question) alone.

    Args:
        split: "test" or "train".
        seed: seeds the other options and their order; ids, questions and right answers stay.

    Raises:
        UsageError: the package is not installed, or there is no such split.
        DataError: it is of a version that holds other answers, or an image is missing.
    """
    if split not in ("test", "train"):
        raise unknown_name("split of easy-vqa", split, ("test", "train"))
    check_easy_vqa_installed()
    package = importlib.import_module(_PACKAGE)
    kinds = _kinds_of(package.get_answers())
    questions, answers, image_ids = _questions(package, split)
    paths = _image_paths(package, split)
    samples = []
    for number, (question, answer, image_id) in enumerate(zip(questions, answers, image_ids, strict=True)):
        where = f"easy-vqa-{split}-{number}"
        if answer not in kinds:
            raise DataError(f"{where}: the answer {answer!r} is none of {', '.join(sorted(kinds))}")
        if image_id not in paths:
            raise DataError(
                f"{where}: the package {_PACKAGE!r} holds no image number {image_id}: install it again"
            )
        choices = _choices(answer, kinds[answer], seed, split, number)
        samples.append(
            Sample(
                id=where,
                images=(FileImage(Path(paths[image_id])),),
                question=question,
                choices=choices,
                answer=choices.index(answer),
                category=kinds[answer],
            )
        )
    return samples


def _questions(package: ModuleType, split: str) -> tuple[list[str], list[str], list[int]]:
    questions, answers, image_ids = getattr(package, f"get_{split}_questions")()
    return questions, answers, image_ids


def _image_paths(package: ModuleType, split: str) -> dict[int, str]:
    paths: dict[int, str] = getattr(package, f"get_{split}_image_paths")()
    return paths


def _kinds_of(answers: list[str]) -> dict[str, str]:
    """Map each of the package's answers to its kind."""
    kinds = {answer: kind for kind, members in _KINDS.items() for answer in members}
    unknown = sorted(set(answers) - set(kinds))
    if unknown:
        raise DataError(
            f"the installed package {_PACKAGE!r} lists answers that are not known here: "
            f"{', '.join(unknown)}; "
            'install the version that was tested: pip install "easy-vqa==1.0"'
        )
    return {answer: kinds[answer] for answer in answers}


def _choices(answer: str, kind: str, seed: int, split: str, number: int) -> tuple[str, ...]:
    rng = seeded("easy-vqa", split, seed, number)
    others = [other for other in _KINDS[kind] if other != answer]
    choices = [answer, *rng.sample(others, min(len(others), _MAX_CHOICES - 1))]
    rng.shuffle(choices)
    return tuple(choices)
