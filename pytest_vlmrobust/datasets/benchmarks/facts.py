"""What is to be known about a benchmark to read it: a table of facts, one for each."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

from pytest_vlmrobust.datasets.benchmarks.answers import AnswerOf
from pytest_vlmrobust.datasets.benchmarks.options import OptionsFrom, OptionsOf
from pytest_vlmrobust.datasets.benchmarks.pictures import PicturesOf
from pytest_vlmrobust.datasets.benchmarks.texts import TextOf, column, nothing
from pytest_vlmrobust.datasets.tables import Columns, Row


def _keep(_row: Row) -> str:
    return ""


_INDEX = column("index")
_CATEGORY = column("category")


@dataclass(frozen=True, kw_only=True)
class Layout:
    """One form in which a benchmark's files come.

    Attributes:
        files: names of the files, as patterns below the folder; all that match are read.
        columns: what they hold.
        pictures: makes the images of a row.
        options: takes question and options out of a row; or, given all rows of a file, makes what does,
            where options are taken from other rows.
        answer: finds the right option.
        identity: what tells a row from all others of the benchmark, for the sample's id.
        category: what the question is about.
        group: what the forms of one question (rolls, flips) have in common, or "".
        tags: what the benchmark's own score needs beside these.
        skip: says why a row is left out, as a kind of `pytest_vlmrobust.datasets.faults`, or "".
        shuffled: whether the options are put into a seeded order, since the file has the right one first or
            in a place that tells.
        beside: patterns of further files that belong to it, such as images; needed from a hub.
        note: what users have to know of samples that are made like this, or "".
    """

    files: tuple[str, ...]
    columns: Columns
    pictures: PicturesOf
    options: OptionsOf | OptionsFrom
    answer: AnswerOf
    identity: TextOf = _INDEX
    category: TextOf = _CATEGORY
    group: TextOf = nothing
    tags: Mapping[str, TextOf] = field(default_factory=dict, hash=False)
    skip: Callable[[Row], str] = _keep
    shuffled: bool = False
    beside: tuple[str, ...] = ()
    note: str = ""


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """A benchmark.

    Attributes:
        name: its name, which is that of its own score, too.
        hub: its data set on the Hugging Face hub, or "".
        layouts: the forms in which its files come; of several that are in a folder the first is read.
    """

    name: str
    layouts: tuple[Layout, ...]
    hub: str = ""
