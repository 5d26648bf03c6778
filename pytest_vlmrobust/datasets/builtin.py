"""Registers the data sets that come with the package; each is imported when it is used."""

from __future__ import annotations

from collections.abc import Iterable
from functools import partial

from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.datasets.benchmarks import SUMMARIES, benchmark
from pytest_vlmrobust.datasets.registry import dataset, register_benchmark


def _check_easy_vqa() -> None:
    from pytest_vlmrobust.datasets.easy_vqa import check_easy_vqa_installed

    check_easy_vqa_installed()


@dataset("shapes", endless=True, variants=("test", "train"))
def shapes(variant: str | None, seed: int) -> Iterable[Sample]:
    """Drawn scenes with known truth: relation, count, color, shape, existence; never ends."""
    from pytest_vlmrobust.datasets.shapes import iterate_shapes

    return iterate_shapes(seed=seed, split="train" if variant == "train" else "test")


@dataset("easy-vqa", variants=("test", "train"), check=_check_easy_vqa)
def easy_vqa(variant: str | None, seed: int) -> Iterable[Sample]:
    """The package easy-vqa from PyPI (optional extra), as multiple choice: 9673 questions."""
    from pytest_vlmrobust.datasets.easy_vqa import easy_vqa_samples

    return easy_vqa_samples("train" if variant == "train" else "test", seed)


for _name, _summary in SUMMARIES.items():
    register_benchmark(_name, _summary, partial(benchmark, _name))
