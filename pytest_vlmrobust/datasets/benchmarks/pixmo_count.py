"""PixMo-Count: how many of something are in a photo from the web.

Deitke et al., arXiv 2409.17146. The data has addresses with checksums in place of images, a label and a
count; question and options are made here.
"""

from __future__ import annotations

from dataclasses import replace

from pytest_vlmrobust.core.seeding import seeded
from pytest_vlmrobust.datasets.benchmarks.answers import first_answer
from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark, Layout
from pytest_vlmrobust.datasets.benchmarks.options import Asked, asked
from pytest_vlmrobust.datasets.benchmarks.pictures import at_address
from pytest_vlmrobust.datasets.benchmarks.texts import constant, place
from pytest_vlmrobust.datasets.downloads import ANY_HOST
from pytest_vlmrobust.datasets.tables import Columns, Row
from pytest_vlmrobust.errors import DataError

_NEAR = 2
"""How far the other options may be from the count."""

_OTHERS = 3


def _take(row: Row) -> Asked:
    written = row.text("count")
    if not written.isdecimal():
        raise DataError(f"{row.where}: count: is {written!r}; a whole number from 0 is needed")
    count = int(written)
    near = [n for n in range(max(0, count - _NEAR), count + _NEAR + 1) if n != count]
    others = seeded("pixmo-count", place(row)).sample(near, min(len(near), _OTHERS))
    return asked(f"How many {row.text('label')} are in the image?", [str(n) for n in (count, *others)])


_TEST = Layout(
    files=("data/test-*.parquet",),
    columns=Columns(needs=("image_url", "image_sha256", "count", "label")),
    pictures=at_address("image_url", sha256="image_sha256", hosts=(ANY_HOST,)),
    options=_take,
    answer=first_answer,
    identity=place,
    category=constant("count"),
    shuffled=True,
    note="question and options are this package's own: the count, and others at most 2 away from it",
)

BENCHMARK = Benchmark(
    name="pixmo-count",
    hub="allenai/pixmo-count",
    layouts=(
        _TEST,
        replace(_TEST, files=("data/validation-*.parquet",)),
        replace(_TEST, files=("data/train-*.parquet",)),
    ),
)
