"""3DSRBench: 3D spatial reasoning, each question about an image, about its mirror image, and in turned order.

Ma et al., arXiv 2412.07825. The tsv files hold the images; parquet and csv only their addresses.
"""

from __future__ import annotations

import re
from dataclasses import replace
from pathlib import PurePosixPath
from urllib.parse import urlsplit

from pytest_vlmrobust.core.samples import ImageSource
from pytest_vlmrobust.datasets.benchmarks.answers import lettered_answer
from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark, Layout
from pytest_vlmrobust.datasets.benchmarks.options import MORE_LETTERS, lettered
from pytest_vlmrobust.datasets.benchmarks.pictures import Place, at_address, embedded, in_folder
from pytest_vlmrobust.datasets.benchmarks.texts import column
from pytest_vlmrobust.datasets.tables import Columns, Row
from pytest_vlmrobust.errors import DataError

# The question, whether it is asked about the mirror image, and by how much the options are turned.
_QID = re.compile(r"(?P<question>\w{8})(?P<flip>-flip)?(?:-(?P<roll>\d+))?")


def _qid(row: Row) -> re.Match[str]:
    match = _QID.fullmatch(row.text("qid"))
    if match is None:
        raise DataError(
            f"{row.where}: qid: is {row.text('qid')!r}; an id of 8 characters is needed, perhaps followed by "
            "-flip and by - and a number"
        )
    return match


_SHARED = ("question", "A", "B", "answer", "category")

_TSV = Layout(
    files=("3dsrbench_v1_vlmevalkit_circular.tsv",),
    columns=Columns(needs=("qid", "image", *_SHARED), may=("index", *MORE_LETTERS), lazy=("image",)),
    pictures=embedded("image"),
    options=lettered(),
    answer=lettered_answer(),
    identity=column("qid"),
    group=lambda row: _qid(row)["question"],
    tags={
        "flip": lambda row: "1" if _qid(row)["flip"] else "0",
        "roll": lambda row: _qid(row)["roll"] or "0",
    },
)

_UNPACKED = ("coco_images", "coco_images/val2017", "coco_images/train2017")
"""Where the images are once the archive with them is unpacked."""


def _name(row: Row) -> str:
    return PurePosixPath(urlsplit(row.text("image_url")).path).name


_from_folder = in_folder(_name, *_UNPACKED, column="image_url")
_from_address = at_address("image_url", hosts=("images.cocodataset.org",))


def _unpacked_or_fetched(row: Row, place: Place) -> tuple[ImageSource, ...]:
    """An image that is there need not be fetched."""
    name = _name(row)
    there = any((base / folder / name).is_file() for base in place.folders for folder in _UNPACKED)
    return (_from_folder if there else _from_address)(row, place)


_QUESTIONS = Layout(
    files=("3dsrbench_v1-*.parquet",),
    columns=Columns(needs=("index", "image_url", *_SHARED), may=MORE_LETTERS),
    pictures=_unpacked_or_fetched,
    options=lettered(),
    answer=lettered_answer(),
)

BENCHMARK = Benchmark(
    name="3dsrbench",
    hub="ccvl/3DSRBench",
    layouts=(
        _TSV,
        replace(_TSV, files=("3dsrbench_v1_vlmevalkit.tsv",)),
        replace(_TSV, files=("3DSRBench.tsv",)),
        # The same questions in several forms, of which one is read.
        _QUESTIONS,
        replace(_QUESTIONS, files=("benchmark/test-*.parquet",)),
        replace(_QUESTIONS, files=("3dsrbench_v1.csv",)),
    ),
)
