"""What's Up: which of several captions, that differ in a preposition, describes the image.

Kamath et al., arXiv 2310.19785. The first caption is always the right one, so they are shuffled. The images
of A and B come in sets of four, of the same two things in four relations; those of COCO and GQA do not.
"""

from __future__ import annotations

import hashlib
import re
from pathlib import PurePosixPath

from pytest_vlmrobust.datasets.benchmarks.answers import first_answer
from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark, Layout
from pytest_vlmrobust.datasets.benchmarks.options import Asked, asked
from pytest_vlmrobust.datasets.benchmarks.pictures import embedded, in_folder
from pytest_vlmrobust.datasets.benchmarks.texts import place
from pytest_vlmrobust.datasets.tables import Columns, Row
from pytest_vlmrobust.datasets.tables.rows import shown
from pytest_vlmrobust.errors import DataError

QUESTION = "Which caption describes the image?"
"""The data set has captions and no question."""

_SUBSETS = {
    "controlled_images": "A",
    "controlled_clevr": "B",
    "coco_qa_one_obj": "COCO, one object",
    "coco_qa_two_obj": "COCO, two objects",
    "vg_qa_one_obj": "GQA, one object",
    "vg_qa_two_obj": "GQA, two objects",
}
_FILES = tuple(f"{stem}{'_dataset' if 'controlled' in stem else ''}.json" for stem in _SUBSETS)

_PHRASES = ("left of", "right of", "in front of", "on top of", "behind", "above", "below", "under")
_SIDES = ("left", "right", "top", "bottom", "front", "back")
_PAIRS = {
    "left of": "left-right",
    "right of": "left-right",
    "on": "on-under",
    "under": "on-under",
    "in front of": "front-behind",
    "behind": "front-behind",
}


def _captions(row: Row) -> list[str]:
    captions = row.value("caption_options")
    if isinstance(captions, str):  # a row that is a list: image, right caption, wrong caption
        captions = [captions, row.value("2")]
    if not isinstance(captions, list) or not all(map(_is_caption, captions)):
        raise DataError(f"{row.where}: captions: are {shown(captions)}; a list of texts is needed")
    return captions


def _is_caption(caption: object) -> bool:
    return isinstance(caption, str) and bool(caption.strip(" ."))


def _take(row: Row) -> Asked:
    return asked(QUESTION, _captions(row))


def _path(row: Row) -> str:
    """Where the image is: paths begin with a folder of the authors', or there is only a number."""
    number = row.text("image_path")
    if not number.isdecimal():
        return number.removeprefix("data/")
    return f"vg_images/{number}.jpg" if "vg_qa" in row.file else f"val2017/{number.zfill(12)}.jpg"


def _subset(row: Row) -> str:
    """The part of the data set, by the name of the file; the hub's own names differ from the authors'."""
    name = PurePosixPath(row.file).name.lower().replace("images_b", "clevr").replace("images_a", "images")
    return next((subset for stem, subset in _SUBSETS.items() if name.startswith(stem)), "")


def _relation(row: Row) -> str:
    """The preposition of the right caption."""
    caption = _captions(row)[0].casefold().rstrip(".")
    for phrase in _PHRASES:
        if re.search(rf"\b{phrase}\b", caption):
            return phrase
    last = caption.split()[-1]
    # "A cat on the left", with one thing; or "A mug on a table", with two.
    return last if last in _SIDES or " on " not in caption else "on"


def _set(row: Row) -> str:
    """What the four images of a set have in common: their things, in the file's name and the captions."""
    subset = _subset(row)
    if subset not in ("A", "B"):
        return ""
    if "image_path" in row.values:
        words = PurePosixPath(row.text("image_path")).stem.split("_")
        return f"{subset}-{words[0]}-{words[-1]}"
    captions = "\n".join(sorted(_captions(row)))
    return f"{subset}-{hashlib.blake2b(captions.encode(), digest_size=6).hexdigest()}"


def _identity(row: Row) -> str:
    if _set(row) and "image_path" in row.values:
        return f"{_subset(row)}-{PurePosixPath(row.text('image_path')).stem}"
    return place(row)


_TAGS = {
    "subset": _subset,
    "pair": lambda row: _PAIRS.get(_relation(row), "") if _set(row) else "",
}

_JSON = Layout(
    files=(*_FILES, *(f"data/{name}" for name in _FILES)),
    columns=Columns(needs=("image_path|0", "caption_options|1"), may=("2",)),
    pictures=in_folder(_path, "data", column="image_path"),
    options=_take,
    answer=first_answer,
    identity=_identity,
    category=_relation,
    group=_set,
    tags=_TAGS,
    shuffled=True,
)

BENCHMARK = Benchmark(
    name="whatsup",
    hub="ServiceNow/whatsup_all",
    layouts=(
        _JSON,
        Layout(
            files=("data/Controlled_Images_*.parquet", "data/COCO_QA_*.parquet", "data/VG_QA_*.parquet"),
            columns=Columns(
                needs=("image_options", "caption_options"), lazy=("image_options",), many=("image_options",)
            ),
            pictures=embedded("image_options"),
            options=_take,
            answer=first_answer,
            identity=place,
            category=_relation,
            group=_set,
            tags=_TAGS,
            shuffled=True,
        ),
    ),
)
