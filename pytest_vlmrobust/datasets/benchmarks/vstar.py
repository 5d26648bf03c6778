"""V*Bench: small things in large images, their attributes and how they lie to each other.

Wu and Xie, arXiv 2312.14135. In the form with one file for each image the first option is the right one.
"""

from __future__ import annotations

from pathlib import PurePosixPath

from pytest_vlmrobust.datasets.benchmarks.answers import first_answer, lettered_answer
from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark, Layout
from pytest_vlmrobust.datasets.benchmarks.options import MORE_LETTERS, inline, lettered, listed
from pytest_vlmrobust.datasets.benchmarks.pictures import embedded, in_folder, of_same_name
from pytest_vlmrobust.datasets.benchmarks.texts import column, place
from pytest_vlmrobust.datasets.tables import Columns, Row

_TYPES = ("direct_attributes", "relative_position")


def _without_suffix(path: str) -> str:
    """Type and name of an image; only the last dot of a name begins its suffix."""
    return "-".join(PurePosixPath(path).with_suffix("").parts[-2:])


def _folder(row: Row) -> str:
    return PurePosixPath(row.file).parent.name or "unknown"


BENCHMARK = Benchmark(
    name="vstar",
    hub="craigwu/vstar_bench",
    layouts=(
        Layout(
            files=("test_questions.jsonl",),
            columns=Columns(needs=("image", "text", "label", "category")),
            pictures=in_folder(column("image")),
            options=inline("text"),
            answer=lettered_answer("label"),
            identity=lambda row: _without_suffix(row.text("image")),
            beside=tuple(f"{name}/*" for name in _TYPES),
        ),
        Layout(
            files=tuple(f"{name}/*.json" for name in _TYPES),
            columns=Columns(needs=("question", "options")),
            pictures=of_same_name(".jpg", ".jpeg", ".png", ".webp", ".JPG", ".JPEG", ".PNG"),
            options=listed("options"),
            answer=first_answer,
            identity=lambda row: _without_suffix(row.file),
            category=_folder,
            shuffled=True,
            beside=tuple(f"{name}/*" for name in _TYPES),
        ),
        Layout(
            files=("VStarBench.tsv",),
            columns=Columns(
                needs=("index", "image", "question", "A", "B", "answer", "category"),
                may=MORE_LETTERS,
                lazy=("image",),
            ),
            pictures=embedded("image"),
            options=lettered(),
            answer=lettered_answer(),
        ),
        Layout(
            files=("data/test-*.parquet",),
            columns=Columns(needs=("image", "text", "label", "category"), lazy=("image",)),
            pictures=embedded("image"),
            options=inline("text"),
            answer=lettered_answer("label"),
            identity=place,
        ),
    ),
)
