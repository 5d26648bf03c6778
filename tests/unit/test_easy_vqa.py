from __future__ import annotations

import importlib.util
import sys
from collections import Counter
from collections.abc import Sequence
from types import ModuleType
from typing import Any

import easy_vqa
import pytest

from pytest_vlmrobust.core.samples import Sample, check_ids, samples_digest
from pytest_vlmrobust.datasets.easy_vqa import easy_vqa_samples
from pytest_vlmrobust.datasets.images import FileImage
from pytest_vlmrobust.datasets.registry import check_dataset_spec, load_samples
from pytest_vlmrobust.errors import DataError, UsageError

KINDS = {
    "yes-no": {"yes", "no"},
    "shape": {"circle", "rectangle", "triangle"},
    "color": {"black", "blue", "brown", "gray", "green", "red", "teal", "yellow"},
}


@pytest.fixture(scope="module")
def test_split() -> list[Sample]:
    return easy_vqa_samples("test")


def test_every_question_of_the_package_is_there_unchanged(test_split: list[Sample]) -> None:
    questions, answers, image_ids = easy_vqa.get_test_questions()
    paths = easy_vqa.get_test_image_paths()
    assert len(test_split) == len(questions) == 9673
    for sample, question, answer, image_id in zip(test_split, questions, answers, image_ids, strict=True):
        assert sample.question == question
        assert sample.choices[sample.answer] == answer
        (image,) = sample.images
        assert isinstance(image, FileImage)
        assert str(image.path) == paths[image_id]


def test_ids_are_the_number_of_the_question(test_split: list[Sample]) -> None:
    check_ids(test_split)
    assert [sample.id for sample in test_split[:2]] == ["easy-vqa-test-0", "easy-vqa-test-1"]


def test_the_other_options_are_of_the_same_kind(test_split: list[Sample]) -> None:
    for sample in test_split:
        assert set(sample.choices) <= KINDS[sample.category]
        assert len(sample.choices) == {"yes-no": 2, "shape": 3, "color": 4}[sample.category]
    assert Counter(sample.category for sample in test_split) == {"yes-no": 7136, "shape": 1257, "color": 1280}


def test_no_position_is_preferred(test_split: list[Sample]) -> None:
    for kind, options in (("yes-no", 2), ("shape", 3), ("color", 4)):
        positions = Counter(sample.answer for sample in test_split if sample.category == kind)
        assert set(positions) == set(range(options))
        assert max(positions.values()) < 1.15 * min(positions.values())


def test_the_seed_moves_options_and_nothing_else(test_split: list[Sample]) -> None:
    assert easy_vqa_samples("test")[:300] == test_split[:300]
    other = easy_vqa_samples("test", seed=1)
    assert [sample.choices for sample in other] != [sample.choices for sample in test_split]
    for one, two in zip(test_split, other, strict=True):
        assert (one.id, one.question, one.images, one.choices[one.answer]) == (
            two.id,
            two.question,
            two.images,
            two.choices[two.answer],
        )


def test_the_samples_are_pinned(test_split: list[Sample]) -> None:
    # Figures on this data set are published with the bundled models: other options make them void.
    assert samples_digest(test_split[:100]) == "780fdae5ea8a0e293b926d919bd51f65"


def test_the_training_split_shares_no_image_with_the_test_split(test_split: list[Sample]) -> None:
    train = easy_vqa_samples("train")
    assert len(train) == 38575
    assert train[0].id == "easy-vqa-train-0"
    assert not {sample.images for sample in train} & {sample.images for sample in test_split}


def test_images_are_small_pictures(test_split: list[Sample]) -> None:
    image = test_split[0].images[0].load()
    assert (image.mode, image.size) == ("RGB", (64, 64))


def test_it_is_loaded_by_name() -> None:
    samples = load_samples("easy-vqa", limit=40, seed=2)
    assert len(samples) == 40
    assert {sample.category for sample in samples} == set(KINDS)
    assert load_samples("easy-vqa:train", limit=1)[0].id.startswith("easy-vqa-train-")


def test_without_the_package_the_command_that_installs_it_is_named(monkeypatch: pytest.MonkeyPatch) -> None:
    found = importlib.util.find_spec

    def without(name: str, package: str | None = None) -> Any:
        return None if name == "easy_vqa" else found(name, package)

    monkeypatch.setattr(importlib.util, "find_spec", without)
    for use in (
        lambda: check_dataset_spec("easy-vqa"),
        lambda: load_samples("easy-vqa", limit=5),
        lambda: easy_vqa_samples("test"),
    ):
        with pytest.raises(UsageError, match=r'run  pip install "pytest-vlmrobust\[easy-vqa\]"'):
            use()


def test_an_unknown_split_is_refused() -> None:
    with pytest.raises(UsageError, match="unknown split of easy-vqa 'tset': did you mean 'test'"):
        easy_vqa_samples("tset")  # type: ignore[arg-type]


def test_checking_the_spec_does_not_import_the_package(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "easy_vqa")
    check_dataset_spec("easy-vqa")
    check_dataset_spec("easy-vqa:train")
    assert "easy_vqa" not in sys.modules


class Package(ModuleType):
    """A package of another version."""

    def __init__(self, answers: Sequence[str], row: tuple[str, str, int], images: dict[int, str]) -> None:
        super().__init__("easy_vqa")
        self.get_answers = lambda: list(answers)
        self.get_test_questions = lambda: tuple([value] for value in row)
        self.get_test_image_paths = lambda: images


ALL = sorted(set().union(*KINDS.values()))


@pytest.mark.parametrize(
    ("package", "message"),
    [
        (
            Package([*ALL, "mauve"], ("what color?", "red", 0), {0: "0.png"}),
            "the installed package 'easy_vqa' lists answers that are not known here: mauve; install the "
            'version that was tested: pip install "easy-vqa==1.0"',
        ),
        (
            Package(ALL, ("what color?", "mauve", 0), {0: "0.png"}),
            "easy-vqa-test-0: the answer 'mauve' is none of " + ", ".join(ALL),
        ),
        (
            Package(ALL, ("what color?", "red", 7), {0: "0.png"}),
            "easy-vqa-test-0: the package 'easy_vqa' holds no image number 7: install it again",
        ),
    ],
)
def test_another_version_of_the_package_is_refused(
    package: ModuleType, message: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(importlib, "import_module", lambda _name: package)
    with pytest.raises(DataError) as caught:
        easy_vqa_samples("test")
    assert str(caught.value) == message
