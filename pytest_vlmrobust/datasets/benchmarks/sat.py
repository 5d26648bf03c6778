"""SAT: spatial aptitude, also of what moves and of what actions lead to; one image or two.

Ray et al., arXiv 2412.07755. The place of the right option tells, so the options are shuffled.
"""

from __future__ import annotations

from dataclasses import replace

from pytest_vlmrobust.datasets.benchmarks.answers import text_answer
from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark, Layout
from pytest_vlmrobust.datasets.benchmarks.options import listed
from pytest_vlmrobust.datasets.benchmarks.pictures import embedded
from pytest_vlmrobust.datasets.benchmarks.texts import column, place
from pytest_vlmrobust.datasets.tables import Columns

_TEST = Layout(
    files=("SAT_test.parquet",),
    columns=Columns(
        needs=("image_bytes", "question", "answers", "question_type", "correct_answer"),
        lazy=("image_bytes",),
        many=("image_bytes",),
    ),
    pictures=embedded("image_bytes"),
    options=listed("answers"),
    answer=text_answer("correct_answer"),
    identity=place,
    category=column("question_type"),
    shuffled=True,
)

BENCHMARK = Benchmark(
    name="sat",
    hub="array/SAT",
    layouts=(
        _TEST,
        *(replace(_TEST, files=(f"SAT_{split}.parquet",)) for split in ("val", "static", "train")),
    ),
)
