"""Images from files and from bytes, decoded late and within bounds.

Whatever the source, `load` gives 8-bit RGB: the orientation in the EXIF data is applied,
transparency is laid over white, 16-bit grey is scaled to 8 bits, and of an animation the
first frame is taken.

Images of benchmarks may be bounded: one with more pixels than that is made smaller when it is opened.
"""

from __future__ import annotations

import hashlib
import io
import math
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pytest_vlmrobust.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

MAX_PIXELS = 64_000_000
"""Largest image that is decoded, in pixels; 192 MB as RGB."""

LARGEST_BOUNDED = 178_000_000
"""Largest image that is decoded where it is made smaller afterwards; Pillow itself refuses more."""

BENCHMARK_PIXELS = 4096 * 4096
"""How many pixels an image of a benchmark keeps at most: more than the models look at by default."""

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "MPO", "PNG", "PPM", "TIFF", "WEBP")
"""Formats that are opened. Pillow knows more, some of which start other programs (EPS)."""

_DIGEST_BYTES = 16
_ORIENTATION = 0x0112
_BAND_PIXELS = 1 << 20
_SIXTEEN_BIT_MODES = ("I", "I;16", "I;16B", "I;16L", "I;16N")


@dataclass(frozen=True)
class FileImage:
    """An image in a file.

    Attributes:
        path: where the file is.
    """

    path: Path

    def load(self) -> PILImage:
        """Open and decode the file as RGB.

        Raises:
            DataError: the file is missing, broken, no image, or larger than `MAX_PIXELS`.
        """
        try:
            with self.path.open("rb") as file:
                return _decoded(file, f"image {self.path}")
        except OSError as error:
            raise _unreadable(self.path, error) from error

    def digest(self) -> str:
        """Hex digest of the file's bytes; read again only when size or time of the file changed.

        Raises:
            DataError: the file cannot be read.
        """
        try:
            status = self.path.stat()
            return _file_digest(self.path.resolve(), status.st_size, status.st_mtime_ns)
        except OSError as error:
            raise _unreadable(self.path, error) from error


@dataclass(frozen=True)
class BytesImage:
    """An image held in memory as the bytes of a file.

    Attributes:
        data: the encoded image (PNG, JPEG, …).
        name: what to call it in messages.
    """

    data: bytes = field(repr=False)
    name: str = "in memory"

    def load(self) -> PILImage:
        """Decode the bytes as RGB.

        Raises:
            DataError: the bytes are broken, no image, or larger than `MAX_PIXELS`.
        """
        return _decoded(io.BytesIO(self.data), f"image {self.name}")

    def digest(self) -> str:
        """Hex digest of the bytes; equals that of a file with the same content."""
        return digest_of(self.data)


@lru_cache(maxsize=1 << 16)
def _file_digest(path: Path, size: int, mtime_ns: int) -> str:  # noqa: ARG001  # part of the key
    """Hash a file; ``size`` and ``mtime_ns`` tell its versions apart."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES)).hexdigest()


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"image {path}: cannot be read: {error.strerror or error}")


def digest_of(data: bytes) -> str:
    """Hex digest of the bytes of an image file."""
    return hashlib.blake2b(data, digest_size=_DIGEST_BYTES).hexdigest()


def decode_bounded(data: bytes, where: str, bound: int) -> PILImage:
    """Decode an image as RGB, and make it smaller where it has more than ``bound`` pixels.

    Raises:
        DataError: the bytes are broken, no image, or larger than `LARGEST_BOUNDED`.
    """
    return _decoded(io.BytesIO(data), where, bound)


def exceeds(data: bytes, where: str, bound: int) -> bool:
    """Whether an image has more than ``bound`` pixels; only its header is read.

    Raises:
        DataError: the bytes are no image, or larger than `LARGEST_BOUNDED`.
    """
    with _explained(where):
        width, height = _header(io.BytesIO(data), where, LARGEST_BOUNDED).size
        return width * height > bound


@contextmanager
def _explained(where: str) -> Iterator[None]:
    """Say of whatever a decoder raises that the image is broken."""
    try:
        # Pillow warns about what it can live with (odd metadata, sizes below its own limit);
        # what it cannot live with raises.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            yield
    except DataError:
        raise
    except Exception as error:  # decoders of hostile bytes raise nearly anything, SyntaxError included
        raise DataError(f"{where}: broken or truncated: {error or type(error).__name__}") from error


def _decoded(file: IO[bytes], where: str, bound: int | None = None) -> PILImage:
    """Decode an image as RGB, or say what is wrong with it."""
    from PIL import Image, ImageOps

    with _explained(where):
        image = _opened(file, where, bound)
        size = _bounded(image.size, bound)
        small = _reduced(image, size, where)
        small = small if small.size == size else small.resize(size, Image.Resampling.LANCZOS)
        # The small one is turned, not the large one.
        small.getexif()[_ORIENTATION] = image.getexif().get(_ORIENTATION, 1)
        return ImageOps.exif_transpose(small)


def _opened(file: IO[bytes], where: str, bound: int | None) -> PILImage:
    """Read the header, refuse what is too large, then decode the pixels."""
    image = _header(file, where, MAX_PIXELS if bound is None else LARGEST_BOUNDED)
    size = _bounded(image.size, bound)
    if size != image.size:
        image.draft(None, size)  # None keeps the mode; a JPEG is decoded smaller
    image.load()
    return image


def _reduced(image: PILImage, size: tuple[int, int], where: str) -> PILImage:
    """Convert to RGB and shrink by a whole factor, not below ``size``; band by band, to hold little."""
    from PIL import Image

    (width, height), factor = image.size, max(1, min(image.width // size[0], image.height // size[1]))
    small = Image.new("RGB", (-(-width // factor), -(-height // factor)))
    step = factor * max(1, _BAND_PIXELS // (width * factor))
    for top in range(0, height, step):
        band = _as_rgb(image.crop((0, top, width, min(height, top + step))), where)
        small.paste(band if factor == 1 else band.reduce(factor), (0, top // factor))
    return small


def _bounded(size: tuple[int, int], bound: int | None) -> tuple[int, int]:
    """The size that an image gets: of the same shape, and of no more than ``bound`` pixels.

    >>> _bounded((4000, 1000), 1_000_000), _bounded((40, 10), 1_000_000)
    ((2000, 500), (40, 10))
    """
    width, height = size
    if bound is None or width * height <= bound:
        return size
    scale = math.sqrt(bound / (width * height))
    height = min(bound, max(1, int(height * scale)))
    return max(1, min(int(width * scale), bound // height)), height


def _header(file: IO[bytes], where: str, most: int) -> PILImage:
    """Read the header, and refuse what is too large."""
    from PIL import Image, UnidentifiedImageError

    Image.init()
    known = [name for name in FORMATS if name in Image.OPEN]
    try:
        image = Image.open(file, formats=known)
    except UnidentifiedImageError as error:
        raise DataError(f"{where}: not an image in a format that is read ({', '.join(known)})") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{where}: too large; at most {most} pixels are decoded: {error}") from error
    width, height = image.size
    if width * height > most:
        raise DataError(
            f"{where}: {width} x {height} = {width * height} pixels; "
            f"at most {most} are decoded: make it smaller"
        )
    return image


def _as_rgb(image: PILImage, where: str) -> PILImage:
    """Convert to RGB, so that what a person sees in a viewer on white paper is what comes out."""
    from PIL import Image

    if image.mode in _SIXTEEN_BIT_MODES:
        image = _from_sixteen_bits(image, where)
    if image.mode == "F":
        raise DataError(
            f"{where}: holds floating point pixels, whose range is not known: convert it to 8 bits"
        )
    if not image.has_transparency_data:
        return image.convert("RGB")
    rgba = image.convert("RGBA")
    white = Image.new("RGBA", rgba.size, (255, 255, 255, 255))
    return Image.alpha_composite(white, rgba).convert("RGB")


def _from_sixteen_bits(image: PILImage, where: str) -> PILImage:
    """Scale 0…65535 to 0…255; Pillow's own conversion cuts everything above 255 off."""
    import numpy as np
    from PIL import Image

    pixels = np.asarray(image)
    if pixels.min() < 0 or pixels.max() > 0xFFFF:
        raise DataError(
            f"{where}: pixel values reach beyond 16 bits, so their range is not known: convert it to 8 bits"
        )
    steps, rest = np.divmod(pixels.astype(np.uint16), np.uint16(257))
    return Image.fromarray((steps + (rest > 128)).astype(np.uint8))
