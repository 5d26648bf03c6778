"""Makes the images of a row, in each of the forms that benchmarks have them in; none is decoded here."""

from __future__ import annotations

import base64
import binascii
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field, replace
from functools import lru_cache
from pathlib import Path, PurePosixPath
from typing import TYPE_CHECKING, Protocol

from pytest_vlmrobust.core.samples import ImageSource
from pytest_vlmrobust.datasets.downloads import Downloads, NoImage, UrlImage
from pytest_vlmrobust.datasets.fields import refuse_outside
from pytest_vlmrobust.datasets.images import BENCHMARK_PIXELS, FileImage, decode_bounded, digest_of, exceeds
from pytest_vlmrobust.datasets.tables import Cell, Row, is_blank
from pytest_vlmrobust.datasets.tables.rows import shown
from pytest_vlmrobust.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage


@dataclass(frozen=True, kw_only=True)
class Place:
    """Where the images of a table are.

    Attributes:
        folders: folders that paths of images are relative to.
        boundary: the folder that no image may lie outside of, links followed.
        rows: the rows of the table by their index, which a short text in place of an image refers to.
        downloads: whether an image at an address may be fetched.
    """

    folders: tuple[Path, ...]
    boundary: Path
    rows: Mapping[str, Row]
    downloads: Downloads


PicturesOf = Callable[[Row, Place], tuple[ImageSource, ...]]


class Encoded(Protocol):
    """Where the bytes of an image file come from."""

    def data(self) -> bytes:
        """Read the bytes.

        Raises:
            DataError: they cannot be read.
        """
        ...


@dataclass(frozen=True, slots=True)
class InCell:
    """An image in a table: as bytes, as bytes beside a path, or as base64.

    Attributes:
        cell: the place in the table.
        where: file and row, for messages.
    """

    cell: Cell
    where: str = field(compare=False)

    def data(self) -> bytes:
        """Read the bytes.

        Raises:
            DataError: they cannot be read, or are no image.
        """
        value = self.cell.read()
        if isinstance(value, Mapping):
            value = value.get("bytes")
        if isinstance(value, str):
            value = _of_base64(value)
        if not isinstance(value, bytes) or not value:
            raise DataError(f"{self.where}: holds no image; bytes or base64 are needed")
        return value


@dataclass(frozen=True, slots=True)
class InFile:
    """An image in a file of its own.

    Attributes:
        path: the file.
    """

    path: Path

    def data(self) -> bytes:
        """Read the bytes.

        Raises:
            DataError: the file cannot be read.
        """
        try:
            return self.path.read_bytes()
        except OSError as error:
            raise DataError(f"image {self.path}: cannot be read: {error.strerror or error}") from error


@dataclass(frozen=True)
class BenchmarkImage:
    """An image of a benchmark: it stays where it is until it is needed, and is made smaller if it is huge.

    Attributes:
        source: where the bytes come from.
        name: what to call it in messages.
        bound: how many pixels it keeps at most.
    """

    source: Encoded
    name: str = field(compare=False)
    bound: int = BENCHMARK_PIXELS

    def load(self) -> PILImage:
        """Read and decode it as RGB.

        Raises:
            DataError: it is missing, broken, or too large even to be made smaller.
        """
        return decode_bounded(self.source.data(), f"image {self.name}", self.bound)

    def digest(self) -> str:
        """Hex digest of the bytes; where it is made smaller, of the bound too.

        Raises:
            DataError: as `load`.
        """
        if isinstance(self.source, InFile):
            # A file may be exchanged by another while the process goes on.
            return _marked(self, FileImage(self.source.path).digest())
        return _digest(self)


@lru_cache(maxsize=1 << 16)
def _digest(image: BenchmarkImage) -> str:
    return _bounded(image, digest_of(image.source.data()))


@lru_cache(maxsize=1 << 16)
def _marked(image: BenchmarkImage, digest: str) -> str:
    return _bounded(image, digest)


def _bounded(image: BenchmarkImage, digest: str) -> str:
    smaller = exceeds(image.source.data(), f"image {image.name}", image.bound)
    return f"{digest}-{image.bound}" if smaller else digest


def embedded(*columns: str) -> PicturesOf:
    """Images that are in the table itself; a column may hold several, or be empty where there are others.

    A text that is too short for an image stands for that of another row, and is the index of that row.
    """

    def make(row: Row, place: Place) -> tuple[ImageSource, ...]:
        images: list[ImageSource] = []
        for name in columns:
            value = row.values.get(name)
            cells = value if isinstance(value, list) else [] if value is None else [value]
            for cell in cells:
                where = f"{row.where}: {name}"
                images.append(BenchmarkImage(InCell(_resolved(cell, name, row, place), where), where))
        if not images:
            raise DataError(f"{row.where}: {columns[0]}: holds no image")
        return tuple(images)

    return make


def in_folder(name: Callable[[Row], str], *folders: str, column: str = "image") -> PicturesOf:
    """An image in a file beside the table.

    Args:
        name: gives the path of the file.
        folders: where it may be, below the folder of the data set, beside that folder itself.
        column: how messages call the path.
    """

    def make(row: Row, place: Place) -> tuple[ImageSource, ...]:
        path = _found(name(row), f"{row.where}: {column}", place, folders)
        return (BenchmarkImage(InFile(path), str(path)),)

    return make


def of_same_name(*suffixes: str) -> PicturesOf:
    """An image beside a file for one question, of the same name but for the suffix."""

    def make(row: Row, place: Place) -> tuple[ImageSource, ...]:
        stem = str(PurePosixPath(row.file).with_suffix(""))
        paths = [place.folders[0] / f"{stem}{suffix}" for suffix in suffixes]
        found = [path for path in paths if path.is_file()]
        if not found:
            raise DataError(f"{row.where}: no image is beside it; looked for {', '.join(map(str, paths))}")
        _refuse_link(found[0], row.where, place)
        return (BenchmarkImage(InFile(found[0]), str(found[0])),)

    return make


def at_address(column: str, *, sha256: str = "", hosts: tuple[str, ...]) -> PicturesOf:
    """An image at an address, which is fetched only where that is allowed.

    An address that cannot be asked is no reason to give up the others: its image is not to be had.

    Args:
        column: the column of the address.
        sha256: the column of the checksum, where there is one.
        hosts: the hosts that are allowed.
    """

    def make(row: Row, place: Place) -> tuple[ImageSource, ...]:
        downloads = replace(place.downloads, hosts=hosts)
        try:
            return (UrlImage(row.text(column), row.optional(sha256) if sha256 else "", downloads),)
        except DataError as error:
            told = str(error)
            return (NoImage(told if told.startswith(row.where) else f"{row.where}: {told}"),)

    return make


def _resolved(cell: Cell, column: str, row: Row, place: Place) -> Cell:
    """Follow a short text to the row that has the image; it leads one step far, and no further."""
    if cell.short is None:
        return cell
    index = cell.short.strip()
    where = f"{row.where}: {column}"
    if is_blank(index):
        raise DataError(f"{where}: is empty; an image is needed")
    if index not in place.rows:
        raise DataError(
            f"{where}: {shown(index)} is too short for an image, and is not the index of another row"
        )
    other = place.rows[index]
    found: Cell = other.values[column]
    if found.short is not None:
        raise DataError(
            f"{where}: refers to the image of row {index!r} ({other.where}), which refers to "
            f"{shown(found.short)} itself: the row with the image has to be named"
        )
    return found


def _found(text: str, where: str, place: Place, folders: Sequence[str]) -> Path:
    """Find the file of an image in the folders where it may be."""
    for base in place.folders:
        refuse_outside(text, where, base)
        for folder in ("", *folders):
            root = base / folder
            if (root / text).is_file():
                _refuse_link(root / text, where, place)
                return root / text
    tried = ", ".join(str(base / folder) for base in place.folders for folder in ("", *folders))
    raise DataError(f"{where}: {shown(text)} is in none of the folders where it was looked for: {tried}")


def _refuse_link(path: Path, where: str, place: Place) -> None:
    if not path.resolve().is_relative_to(place.boundary):
        raise DataError(f"{where}: {shown(path.name)} is a link that leads out of {place.boundary}")


def _of_base64(text: str) -> bytes | None:
    packed = "".join(text.partition(",")[2].split() if text.startswith("data:") else text.split())
    try:
        return base64.b64decode(packed, validate=True)
    except (binascii.Error, ValueError):
        return None
