"""Spatial-MM: where things are, seen by the camera or by a person in the picture.

Shiri et al., arXiv 2411.06048. In the questions about objects the options stand within the question. The
multi-hop questions have free answers; their other options are made here, of answers to other questions.
"""

from __future__ import annotations

from dataclasses import replace

from pytest_vlmrobust.datasets.benchmarks.answers import first_answer, lettered_answer
from pytest_vlmrobust.datasets.benchmarks.distractors import from_other_answers
from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark, Layout
from pytest_vlmrobust.datasets.benchmarks.options import OptionsFrom, inline, numbered
from pytest_vlmrobust.datasets.benchmarks.pictures import embedded, in_folder
from pytest_vlmrobust.datasets.benchmarks.texts import column, constant, place
from pytest_vlmrobust.datasets.tables import Columns

_OBJECTS = Layout(
    files=("spatial_mm_one_obj.json", "spatial_mm_two_obj.json"),
    columns=Columns(needs=("image_name", "question", "answer")),
    pictures=in_folder(
        column("image_name"), "Spatial_MM_Obj", "images", "data/Spatial_MM_Obj", column="image_name"
    ),
    options=inline(),
    answer=lettered_answer(),
    identity=place,
    category=lambda row: "one object" if "one_obj" in row.file else "two objects",
)

BENCHMARK = Benchmark(
    name="spatial-mm",
    layouts=(
        _OBJECTS,
        replace(_OBJECTS, files=("data/spatial_mm_one_obj.json", "data/spatial_mm_two_obj.json")),
        replace(
            _OBJECTS,
            files=("multihop_reasoning_309.json", "data/multihop_reasoning_309.json"),
            columns=Columns(needs=("image_name", "question", "answer", "hop")),
            options=OptionsFrom(from_other_answers),
            answer=first_answer,
            category=lambda row: f"{row.text('hop')} hops",
            shuffled=True,
            note="the other options are this package's own: answers of the same kind to other questions",
        ),
        Layout(
            files=("data/train-*.parquet",),
            columns=Columns(
                needs=("image", "question", "answer", "option_1", "option_2"),
                may=("option_3", "option_4"),
                lazy=("image",),
            ),
            pictures=embedded("image"),
            options=numbered("option_1", "option_2", "option_3", "option_4"),
            answer=lettered_answer(),
            identity=place,
            category=constant("objects"),
        ),
    ),
)
