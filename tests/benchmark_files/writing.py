"""Drawn questions, and the files that hold them."""

from __future__ import annotations

import base64
import csv
import io
import json
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
from PIL import Image, ImageOps

from pytest_vlmrobust.datasets.shapes import CATEGORIES, shapes_sample

LETTERS = "ABCDEFGH"


@dataclass(frozen=True)
class Drawn:
    """A question about a drawn scene, whose answer is true of it."""

    question: str
    choices: tuple[str, ...]
    answer: int
    image: Image.Image

    @property
    def letter(self) -> str:
        return LETTERS[self.answer]

    @property
    def right(self) -> str:
        return self.choices[self.answer]

    @property
    def right_first(self) -> list[str]:
        return [self.right, *(choice for choice in self.choices if choice != self.right)]


@lru_cache(maxsize=256)
def drawn(number: int, category: str = "") -> Drawn:
    """Draw question ``number``, of a category of the shapes where one is given."""
    index = number if not category else number * len(CATEGORIES) + CATEGORIES.index(category)
    sample = shapes_sample(index, seed=11)
    return Drawn(sample.question, sample.choices, sample.answer, sample.images[0].load())


def png(image: Image.Image) -> bytes:
    """Encode an image."""
    buffer = io.BytesIO()
    image.save(buffer, "PNG")
    return buffer.getvalue()


def base64_png(image: Image.Image) -> str:
    """Encode an image as text."""
    return base64.b64encode(png(image)).decode()


def mirrored(image: Image.Image) -> Image.Image:
    """The image as in a mirror."""
    return ImageOps.mirror(image)


def embedded(image: Image.Image) -> dict[str, Any]:
    """An image as the hub's libraries put it into parquet."""
    return {"bytes": png(image), "path": None}


def rolled(choices: Sequence[str], answer: int, by: int) -> tuple[list[str], int]:
    """Turn the options by some places."""
    turned = [*choices[by:], *choices[:by]]
    return turned, turned.index(choices[answer])


def write_tsv(path: Path, rows: Sequence[Mapping[str, Any]], delimiter: str = "\t") -> Path:
    """Write rows as a data frame is written: None as an empty field, quotes where they are needed."""
    path.parent.mkdir(parents=True, exist_ok=True)
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]), delimiter=delimiter, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
    return path


def write_parquet(
    path: Path, rows: Sequence[Mapping[str, Any]], schema: pa.Schema | None = None, row_group: int = 4
) -> Path:
    """Write rows in several row groups."""
    path.parent.mkdir(parents=True, exist_ok=True)
    pq.write_table(pa.Table.from_pylist([dict(row) for row in rows], schema), path, row_group_size=row_group)
    return path


def write_json(path: Path, document: Any) -> Path:
    """Write a document."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text(json.dumps(document, indent=1, ensure_ascii=False), encoding="utf-8")
    return path


def write_jsonl(path: Path, rows: Iterable[Mapping[str, Any]]) -> Path:
    """Write one object a line."""
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("".join(json.dumps(row, ensure_ascii=False) + "\n" for row in rows), encoding="utf-8")
    return path


def write_image(path: Path, image: Image.Image) -> Path:
    """Write an image in the format of its suffix."""
    path.parent.mkdir(parents=True, exist_ok=True)
    image.save(path)
    return path
