"""RealWorldQA: photos, many of them taken from vehicles, with a question that has an easily checked answer.

xAI, 2024. The options stand within the question. Some questions have none: those that are answered by yes or
no get these two, and those that are answered by a number or a word are left out.
"""

from __future__ import annotations

import re

from pytest_vlmrobust.datasets.benchmarks.answers import lettered_answer
from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark, Layout
from pytest_vlmrobust.datasets.benchmarks.options import MORE_LETTERS, Asked, asked, inline, lettered
from pytest_vlmrobust.datasets.benchmarks.pictures import embedded
from pytest_vlmrobust.datasets.benchmarks.texts import constant, place
from pytest_vlmrobust.datasets.tables import Columns, Row

_POLAR = ("Yes", "No")
_INSTRUCTION = re.compile(r"\s*Please answer[^\n]*$", re.IGNORECASE)
_from_text = inline()


def _take(row: Row) -> Asked:
    taken = _from_text(row)
    if taken.options or row.optional("answer").rstrip(".").capitalize() not in _POLAR:
        return taken
    return asked(_INSTRUCTION.sub("", taken.question), _POLAR)


_NOTE = "questions that are answered by yes or no have these options from this package"

BENCHMARK = Benchmark(
    name="realworldqa",
    hub="xai-org/RealworldQA",
    layouts=(
        Layout(
            files=("data/test-*.parquet", "test-*.parquet"),
            columns=Columns(needs=("image", "question", "answer"), lazy=("image",)),
            pictures=embedded("image"),
            options=_take,
            answer=lettered_answer(),
            identity=place,
            category=constant("real world"),
            note=_NOTE,
        ),
        Layout(
            files=("RealWorldQA.tsv",),
            columns=Columns(
                needs=("index", "image", "question", "A", "B", "answer"), may=MORE_LETTERS, lazy=("image",)
            ),
            pictures=embedded("image"),
            options=lettered(),
            answer=lettered_answer(),
            category=constant("real world"),
        ),
    ),
)
