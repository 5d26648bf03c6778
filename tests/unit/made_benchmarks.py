"""Samples and replies as benchmarks have them, made by hand, and each score worked out the slow way.

The slow way knows nothing of units and strata: it follows each benchmark's own description row by row.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, field, replace
from statistics import fmean

import numpy as np
from hypothesis import strategies as st

from pytest_vlmrobust.core.arrays import BoolArray
from pytest_vlmrobust.core.scores import Labels


@dataclass(frozen=True, kw_only=True)
class Row:
    """A question of a benchmark and whether it was answered right."""

    right: bool
    base_right: bool = True
    came: bool = True
    category: str = "c"
    group: str = ""
    tags: dict[str, str] = field(default_factory=dict)


def labels_of(rows: Sequence[Row]) -> Labels:
    return Labels(
        ids=[f"s{index}" for index in range(len(rows))],
        categories=[row.category for row in rows],
        groups=[row.group for row in rows],
        tags=[row.tags for row in rows],
    )


def flags(values: Iterable[bool]) -> BoolArray:
    return np.array(list(values), dtype=np.bool_)


def right_of(rows: Sequence[Row]) -> BoolArray:
    return flags(row.right for row in rows)


def came_of(rows: Sequence[Row]) -> BoolArray:
    return flags(row.came for row in rows)


def _share(rows: Sequence[Row]) -> float:
    return fmean(float(row.right) for row in rows)


def _products(rows: Sequence[Row], key: Callable[[Row], object]) -> float:
    """Mean over the keys of the product of the hits of their rows."""
    hits: dict[object, int] = {}
    for row in rows:
        hits[key(row)] = hits.get(key(row), 1) * int(row.right)
    return fmean(hits.values())


def _mean_of_shares(rows: Sequence[Row], key: Callable[[Row], str]) -> float:
    shares = [
        _share([row for row in rows if key(row) == label]) for label in sorted({key(row) for row in rows})
    ]
    return sum(shares) / len(shares)


def _source(rows: Sequence[Row], source: str) -> float:
    return _share([row for row in rows if row.tags["source"] == source])


def _two_d(rows: Sequence[Row]) -> float:
    return (_source(rows, "ADE20K") + _source(rows, "COCO")) / 2


SLOW: dict[str, dict[str, Callable[[Sequence[Row]], float]]] = {
    "3dsrbench": {
        "vanilla": _share,
        "flip": lambda rows: _products(rows, lambda row: (row.group, row.tags["roll"])),
        "circular": lambda rows: _products(rows, lambda row: (row.group, row.tags["flip"])),
        "flip_circular": lambda rows: _products(rows, lambda row: row.group),
    },
    "mmbench": {"circular": lambda rows: _products(rows, lambda row: row.group), "vanilla": _share},
    "cv-bench": {
        "combined": lambda rows: (_two_d(rows) + _source(rows, "Omni3D")) / 2,
        "2d": _two_d,
        "3d": lambda rows: _source(rows, "Omni3D"),
        "accuracy": _share,
    },
    "whatsup": {
        "individual": _share,
        "pair": lambda rows: _products(rows, lambda row: (row.group, row.tags["pair"])),
        "set": lambda rows: _products(rows, lambda row: row.group),
    },
    "vstar": {"overall": _share, "type_mean": lambda rows: _mean_of_shares(rows, lambda row: row.category)},
    "mme-realworld-lite": {"overall": _share},
    "mmstar": {
        "axis_mean": lambda rows: _mean_of_shares(rows, lambda row: row.tags["l2_category"]),
        "category_mean": lambda rows: _mean_of_shares(rows, lambda row: row.category),
        "accuracy": _share,
    },
    "blink": {"task_mean": lambda rows: _mean_of_shares(rows, lambda row: row.category), "accuracy": _share},
    "hallusionbench": {
        "all_accuracy": _share,
        "question_accuracy": lambda rows: _products(rows, lambda row: (row.group, row.tags["question"])),
        "figure_accuracy": lambda rows: _products(rows, lambda row: (row.group, row.tags["figure"])),
    },
    **{
        name: {"accuracy": _share}
        for name in ("spatial-mm", "sat", "pixmo-count", "geometry3k", "realworldqa")
    },
}
"""For each benchmark its scores, all of which apply to what `benchmark_rows` makes."""


def _forms(name: str) -> list[list[Row]]:
    """Groups of rows as the benchmark has them, everything right; at least one of each kind."""

    def row(category: str, **tags: str) -> Row:
        return Row(right=True, category=category, tags=tags)

    turned = [
        [row(f"{main}_x", flip=flip, roll=roll) for flip in "01" for roll in "01"[:rolls]]
        for main, rolls in (("height", 1), ("location", 2), ("multi_object", 2))
    ]
    return {
        "3dsrbench": turned,
        "mmbench": [
            [row(kind, roll=str(roll), l2_category=f"l2 {kind[0]}") for roll in range(count)]
            for kind, count in (("aa", 2), ("ab", 3), ("b", 4))
        ],
        "cv-bench": [[row("Count", source=source)] for source in ("ADE20K", "COCO", "Omni3D")],
        "whatsup": [
            [
                row(relation, pair=pair, subset=subset)
                for relation, pair in (("on", "v"), ("under", "v"), ("left_of", "h"), ("right_of", "h"))
            ]
            for subset in "AB"
        ],
        "vstar": [[row("direct_attributes")], [row("relative_position")]],
        "mme-realworld-lite": [[row(f"sub{task}", task=task)] for task in "pqr"],
        "mmstar": [[row(category, l2_category=f"{category}{axis}")] for category in "mn" for axis in "12"],
        "blink": [[row("Jigsaw")], [row("Counting")]],
        "hallusionbench": [
            [row("VD", question=question, figure=figure) for question in "01" for figure in "012"[:figures]]
            for figures in (1, 3)
        ],
    }.get(name, [[row("a")], [row("")]])


@st.composite
def benchmark_rows(draw: st.DrawFn, name: str, *, equal: bool = False) -> list[Row]:
    """Rows of a benchmark that have all forms it has, right and wrong by chance.

    Args:
        draw: draws.
        name: name of the benchmark.
        equal: whether all groups have the form of the first.
    """
    forms = _forms(name)
    picked = st.lists(st.sampled_from([forms[0]] if equal else forms), max_size=6)
    groups = [*([] if equal else forms), forms[0], *draw(picked)]
    alone = all(len(group) == 1 for group in forms)
    rows = []
    for number, group in enumerate(groups):
        rows += [replace(row, group="" if alone else f"g{number}") for row in group]
    return [replace(row, right=draw(st.booleans()), base_right=draw(st.booleans())) for row in rows]
