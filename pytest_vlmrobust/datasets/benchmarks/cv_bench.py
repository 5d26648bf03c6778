"""CV-Bench: counting and relations in 2D, depth and distance in 3D, on images of ADE20K, COCO and Omni3D.

Tong et al., arXiv 2406.16860.
"""

from __future__ import annotations

from dataclasses import replace

from pytest_vlmrobust.datasets.benchmarks.answers import lettered_answer
from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark, Layout
from pytest_vlmrobust.datasets.benchmarks.options import listed
from pytest_vlmrobust.datasets.benchmarks.pictures import embedded, in_folder
from pytest_vlmrobust.datasets.benchmarks.texts import column
from pytest_vlmrobust.datasets.tables import Columns

_SHARED = ("idx", "type", "task", "question", "choices", "answer", "source")

_PARQUET = Layout(
    files=("test_2d.parquet", "test_3d.parquet"),
    columns=Columns(needs=(*_SHARED, "image"), lazy=("image",)),
    pictures=embedded("image"),
    options=listed("choices"),
    answer=lettered_answer(),
    identity=column("idx"),
    category=column("task"),
    tags={"source": column("source"), "type": column("type")},
)

BENCHMARK = Benchmark(
    name="cv-bench",
    hub="nyu-visionx/CV-Bench",
    layouts=(
        _PARQUET,
        # One file of both before April 2025; one folder for each part where the hub has made the files.
        replace(_PARQUET, files=("test.parquet",)),
        replace(_PARQUET, files=("2D/test-*.parquet", "3D/test-*.parquet")),
        replace(_PARQUET, files=("data/test-*.parquet", "default/test-*.parquet")),
        # The pixels are in files of their own, once the benchmark's own script has made them.
        replace(
            _PARQUET,
            files=("test_2d.jsonl", "test_3d.jsonl"),
            columns=Columns(needs=(*_SHARED, "filename")),
            pictures=in_folder(column("filename"), "img", column="filename"),
            beside=("img/*",),
        ),
    ),
)
