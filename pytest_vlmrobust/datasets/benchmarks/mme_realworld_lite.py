"""MME-RealWorld-Lite: details in large images of five domains; of five options one is "not there".

Zhang et al., arXiv 2408.13257. A column called "bytes" holds base64, and the tsv file has lists as texts.
"""

from __future__ import annotations

from dataclasses import replace

from pytest_vlmrobust.datasets.benchmarks.answers import lettered_answer
from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark, Layout
from pytest_vlmrobust.datasets.benchmarks.options import listed
from pytest_vlmrobust.datasets.benchmarks.pictures import embedded, in_folder
from pytest_vlmrobust.datasets.benchmarks.texts import TextOf, column, optional
from pytest_vlmrobust.datasets.tables import Columns, Row


def _task(row: Row) -> str:
    """Perception or Reasoning; the data writes them with a capital or without."""
    return row.text("category").partition("/")[0].capitalize()


def _task_of_document(row: Row) -> str:
    return row.text("Task").capitalize()


def _subtask(row: Row) -> str:
    return row.text("category").rpartition("/")[2]


def _both(task: TextOf, subtask: TextOf) -> TextOf:
    return lambda row: f"{task(row)}/{subtask(row)}"


_TABLE = Layout(
    files=("data/train-*.parquet",),
    columns=Columns(
        needs=("index", "bytes|image", "question", "multi-choice options", "answer", "category"),
        may=("l2-category",),
        lazy=("bytes",),
    ),
    pictures=embedded("bytes"),
    options=listed("multi-choice options"),
    answer=lettered_answer(),
    category=_both(_task, _subtask),
    tags={"task": _task, "l2_category": optional("l2-category")},
)

BENCHMARK = Benchmark(
    name="mme-realworld-lite",
    hub="yifanzhang114/MME-RealWorld-lite-lmms-eval",
    layouts=(
        _TABLE,
        replace(_TABLE, files=("mme_realworld_lite.tsv",)),
        Layout(
            files=("MME[-_]RealWorld[-_]Lite.json",),
            columns=Columns(
                needs=(
                    "Question_id",
                    "Image",
                    "Text",
                    "Answer choices|Answer Choices",
                    "Ground truth|Ground Truth",
                    "Category",
                    "Subtask",
                    "Task",
                )
            ),
            pictures=in_folder(column("Image"), "data", "images", "imgs", column="Image"),
            options=listed("Answer choices", "Text"),
            answer=lettered_answer("Ground truth"),
            identity=column("Question_id"),
            category=_both(_task_of_document, column("Subtask")),
            tags={
                "task": _task_of_document,
                "l2_category": column("Category"),
            },
            beside=("data/*", "images/*", "imgs/*"),
        ),
    ),
)
