"""HallusionBench: yes-no questions about figures and altered ones, for illusions and hallucinations.

Guan et al., arXiv 2310.14566. Questions without an image are left out.
"""

from __future__ import annotations

from dataclasses import replace

from pytest_vlmrobust.datasets.benchmarks.answers import mapped_answer
from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark, Layout
from pytest_vlmrobust.datasets.benchmarks.options import fixed
from pytest_vlmrobust.datasets.benchmarks.pictures import embedded, in_folder
from pytest_vlmrobust.datasets.benchmarks.texts import column, joined
from pytest_vlmrobust.datasets.tables import Columns, Row
from pytest_vlmrobust.errors import DataError

_ANSWERS = {"yes": 0, "y": 0, "1": 0, "no": 1, "n": 1, "0": 1}
"""What stands for the options "Yes" and "No"; files differ, also in capitals."""

_NEEDS = ("category", "subcategory", "set_id", "figure_id", "question_id", "question", "gt_answer")


def _without_image(row: Row) -> str:
    hidden = row.optional("visual_input") == "0" or row.values.get("image", True) in (None, [])
    return "no-image" if hidden else ""


def _without_file(row: Row) -> str:
    return "no-image" if not row.optional("filename") else _without_image(row)


def _ids(row: Row) -> list[str]:
    ids = row.text("index").split("_")[3:6]
    if len(ids) < 3:
        raise DataError(
            f"{row.where}: index: is {row.text('index')!r}; three words and the ids of set, figure and "
            "question are needed, with _ between them"
        )
    return ids


_PARQUET = Layout(
    files=("data/image-*.parquet", "data/non_image-*.parquet"),
    columns=Columns(needs=_NEEDS, may=("image", "visual_input"), lazy=("image",), many=("image",)),
    pictures=embedded("image"),
    options=fixed("Yes", "No"),
    answer=mapped_answer("gt_answer", _ANSWERS),
    identity=joined("category", "subcategory", "set_id", "figure_id", "question_id"),
    category=joined("category", "subcategory"),
    group=joined("category", "subcategory", "set_id"),
    tags={"figure": column("figure_id"), "question": column("question_id")},
    skip=_without_image,
)

BENCHMARK = Benchmark(
    name="hallusionbench",
    hub="lmms-lab/HallusionBench",
    layouts=(
        _PARQUET,
        replace(
            _PARQUET,
            files=("HallusionBench.json",),
            columns=Columns(needs=_NEEDS, may=("filename", "visual_input")),
            pictures=in_folder(column("filename"), "hallusion_bench", "images", column="filename"),
            skip=_without_file,
        ),
        Layout(
            files=("HallusionBench.tsv",),
            columns=Columns(
                needs=("index", "image", "question", "answer", "category", "l2-category"), lazy=("image",)
            ),
            pictures=embedded("image"),
            options=fixed("Yes", "No"),
            answer=mapped_answer("answer", _ANSWERS),
            category=joined("category", "l2-category"),
            group=lambda row: f"{row.text('l2-category')}-{_ids(row)[0]}",
            tags={"figure": lambda row: _ids(row)[1], "question": lambda row: _ids(row)[2]},
        ),
    ),
)
