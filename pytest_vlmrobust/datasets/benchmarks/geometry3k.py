"""Geometry3K: problems of plane geometry with a diagram.

Lu et al., arXiv 2105.04165. Formulas stay as they are written.
"""

from __future__ import annotations

from dataclasses import replace
from pathlib import PurePosixPath

from pytest_vlmrobust.datasets.benchmarks.answers import lettered_answer
from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark, Layout
from pytest_vlmrobust.datasets.benchmarks.options import listed
from pytest_vlmrobust.datasets.benchmarks.pictures import embedded, in_folder
from pytest_vlmrobust.datasets.benchmarks.texts import constant, place
from pytest_vlmrobust.datasets.tables import Columns, Row

_TEST = Layout(
    files=("data/test-*.parquet",),
    columns=Columns(
        needs=("images", "problem", "choices", "ground_truth"), lazy=("images",), many=("images",)
    ),
    pictures=embedded("images"),
    options=listed("choices", "problem"),
    answer=lettered_answer("ground_truth"),
    identity=place,
    category=constant("geometry"),
)


def _folder(row: Row) -> PurePosixPath:
    return PurePosixPath(row.file).parent


def _graph(row: Row) -> str:
    """What the diagram shows, such as a triangle; the first of several."""
    kinds = row.value("problem_type_graph")
    return str(kinds[0]) if isinstance(kinds, list) and kinds else "geometry"


_FOLDERS = Layout(
    files=("test/*/data.json",),
    columns=Columns(needs=("problem_text", "choices", "answer"), may=("problem_type_graph",)),
    pictures=in_folder(lambda row: str(_folder(row) / "img_diagram.png"), column="img_diagram.png"),
    options=listed("choices", "problem_text"),
    answer=lettered_answer(),
    identity=lambda row: _folder(row).name or "problem",
    category=_graph,
    beside=("test/*/img_diagram.png",),
)

BENCHMARK = Benchmark(
    name="geometry3k",
    hub="hiyouga/geometry3k",
    layouts=(
        _TEST,
        replace(_TEST, files=("data/validation-*.parquet",)),
        replace(_TEST, files=("data/train-*.parquet",)),
        _FOLDERS,
        replace(_FOLDERS, files=("*/data.json",), beside=("*/img_diagram.png",)),
    ),
)
