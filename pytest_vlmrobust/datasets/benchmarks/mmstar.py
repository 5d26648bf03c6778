"""MMStar: questions that cannot be answered without the image, in six categories of three axes each.

Chen et al., arXiv 2403.20330. In the parquet file the options stand within the question, in several ways.
"""

from __future__ import annotations

from dataclasses import replace

from pytest_vlmrobust.datasets.benchmarks.answers import lettered_answer
from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark, Layout
from pytest_vlmrobust.datasets.benchmarks.options import MORE_LETTERS, inline, lettered
from pytest_vlmrobust.datasets.benchmarks.pictures import embedded
from pytest_vlmrobust.datasets.benchmarks.texts import column
from pytest_vlmrobust.datasets.tables import Columns

_NEEDS = ("index", "question", "image", "answer", "category", "l2_category|l2-category")
_TAGS = {"l2_category": column("l2_category")}

_PARQUET = Layout(
    files=("mmstar.parquet",),
    columns=Columns(needs=_NEEDS, lazy=("image",)),
    pictures=embedded("image"),
    options=inline(),
    answer=lettered_answer(),
    tags=_TAGS,
)

BENCHMARK = Benchmark(
    name="mmstar",
    hub="Lin-Chen/MMStar",
    layouts=(
        _PARQUET,
        replace(_PARQUET, files=("data/val-*.parquet",)),
        Layout(
            files=("MMStar.tsv",),
            columns=Columns(needs=(*_NEEDS, "A", "B"), may=MORE_LETTERS, lazy=("image",)),
            pictures=embedded("image"),
            options=lettered(),
            answer=lettered_answer(),
            tags=_TAGS,
        ),
    ),
)
