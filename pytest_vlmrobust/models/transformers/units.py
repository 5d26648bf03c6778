"""Rows of a batch that show the same images: what one of them needs serves the others."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from pytest_vlmrobust.models.chat import Row


@dataclass(frozen=True, kw_only=True)
class Unit:
    """Rows of a batch that show the same images.

    Attributes:
        rows: their indices; the first one speaks for all of them.
        images: the decoded images.
    """

    rows: list[int]
    images: list[Any]


def units_of(rows: Sequence[Row]) -> list[Unit]:
    """Gather rows by what their images show; every image is opened once."""
    opened: dict[str, Any] = {}
    units: dict[tuple[str, ...], Unit] = {}
    for index, row in enumerate(rows):
        key = tuple(image.digest() for image in row.prompt.images)
        if key not in units:
            for digest, image in zip(key, row.prompt.images, strict=True):
                if digest not in opened:
                    opened[digest] = image.load()
            units[key] = Unit(rows=[], images=[opened[digest] for digest in key])
        units[key].rows.append(index)
    return list(units.values())


def image_order(units: Sequence[Unit], rows: int) -> list[int]:
    """Return for each image of each row, in order, its index among the units' images."""
    by_row: list[range] = [range(0)] * rows
    start = 0
    for unit in units:
        for index in unit.rows:
            by_row[index] = range(start, start + len(unit.images))
        start += len(unit.images)
    return [image for row in by_row for image in row]


def unit_order(units: Sequence[Unit], rows: int) -> list[int]:
    """Return for each row the index of its unit."""
    by_row = {index: place for place, unit in enumerate(units) for index in unit.rows}
    return [by_row[index] for index in range(rows)]


def each_alone(units: Sequence[Unit]) -> list[Unit]:
    """The units with one row each, numbered in order."""
    return [Unit(rows=[place], images=unit.images) for place, unit in enumerate(units)]


def in_row_order(values: Sequence[list[int]], units: Sequence[Unit]) -> list[list[int]]:
    """Undo that units of one row each stand in another order than the rows."""
    by_row = {unit.rows[0]: value for unit, value in zip(units, values, strict=True)}
    return [by_row[index] for index in range(len(units))]
