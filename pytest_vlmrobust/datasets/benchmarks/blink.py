"""BLINK: fourteen tasks that people solve at a glance, with one to four images.

Fu et al., arXiv 2404.12390. The answers of the test split are hidden, so the validation split is read.
"""

from __future__ import annotations

from pytest_vlmrobust.datasets.benchmarks.answers import lettered_answer
from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark, Layout
from pytest_vlmrobust.datasets.benchmarks.marks import split_options
from pytest_vlmrobust.datasets.benchmarks.options import Asked, listed
from pytest_vlmrobust.datasets.benchmarks.pictures import embedded
from pytest_vlmrobust.datasets.benchmarks.texts import column
from pytest_vlmrobust.datasets.tables import Columns, Row
from pytest_vlmrobust.errors import DataError

_IMAGES = ("image_1", "image_2", "image_3", "image_4")
_from_list = listed("choices")


def _take(row: Row) -> Asked:
    """The question as it is prompted, which explains more than its short form, without the options in it."""
    short = _from_list(row)
    try:
        question, options = split_options(row.optional("prompt"))
    except DataError:  # the options are in the list, so that the prompt need not be understood
        return short
    told = question if question and len(options) == len(short.options) else short.question
    return Asked(question=told, options=short.options, gap=short.gap)


BENCHMARK = Benchmark(
    name="blink",
    hub="BLINK-Benchmark/BLINK",
    layouts=(
        Layout(
            files=("*/val-*.parquet", "val-*.parquet"),
            columns=Columns(
                needs=("idx", "question", "sub_task", "image_1", "choices", "answer"),
                may=("prompt", *_IMAGES[1:]),
                lazy=_IMAGES,
                many=_IMAGES,
            ),
            pictures=embedded(*_IMAGES),
            options=_take,
            answer=lettered_answer(),
            identity=column("idx"),
            category=column("sub_task"),
        ),
    ),
)
