"""MMBench, English: abilities of all kinds, each question asked as often as it has options, turned by one.

Liu et al., arXiv 2307.06281. In the tsv files a turned row has the index of its question plus a multiple of
1,000,000, and in place of the image the index of the row that has it.
"""

from __future__ import annotations

from dataclasses import replace

from pytest_vlmrobust.datasets.benchmarks.answers import lettered_answer
from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark, Layout
from pytest_vlmrobust.datasets.benchmarks.options import MORE_LETTERS, lettered
from pytest_vlmrobust.datasets.benchmarks.pictures import embedded
from pytest_vlmrobust.datasets.benchmarks.texts import optional
from pytest_vlmrobust.datasets.tables import Columns, Row
from pytest_vlmrobust.datasets.tables.rows import shown
from pytest_vlmrobust.errors import DataError

_TURN = 1_000_000
_MOST_DIGITS = 12


def _index(row: Row) -> int:
    text = row.text("index")
    if not text.isdecimal() or len(text) > _MOST_DIGITS:
        raise DataError(
            f"{row.where}: index: is {shown(text)}; a whole number of at most {_MOST_DIGITS} digits is needed"
        )
    return int(text)


_TSV = Layout(
    files=("MMBench_DEV_EN_V11.tsv",),
    columns=Columns(
        needs=("index", "question", "A", "B", "answer", "category", "image"),
        may=("hint", *MORE_LETTERS, "l2-category|L2-category", "split"),
        lazy=("image",),
    ),
    pictures=embedded("image"),
    options=lettered(hint="hint"),
    answer=lettered_answer(),
    identity=lambda row: str(_index(row)),
    group=lambda row: str(_index(row) % _TURN),
    tags={
        "l2_category": optional("l2-category"),
        "roll": lambda row: str(_index(row) // _TURN),
        "split": optional("split"),
    },
)

BENCHMARK = Benchmark(
    name="mmbench",
    hub="lmms-lab/MMBench",
    layouts=(
        _TSV,
        replace(_TSV, files=("MMBench_DEV_EN.tsv",)),
        replace(_TSV, files=("en/dev-*.parquet", "data/dev-*.parquet", "dev-*.parquet")),
    ),
)
