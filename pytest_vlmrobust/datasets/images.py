"""Images from files and from bytes, decoded late and within bounds.

Whatever the source, `load` gives 8-bit RGB: the orientation in the EXIF data is applied,
transparency is laid over white, 16-bit grey is scaled to 8 bits, and of an animation the
first frame is taken.
"""

from __future__ import annotations

import hashlib
import io
import warnings
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import IO, TYPE_CHECKING

from pytest_vlmrobust.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

MAX_PIXELS = 64_000_000
"""Largest image that is decoded, in pixels; 192 MB as RGB."""

FORMATS = ("AVIF", "BMP", "GIF", "JPEG", "MPO", "PNG", "PPM", "TIFF", "WEBP")
"""Formats that are opened. Pillow knows more, some of which start other programs (EPS)."""

_DIGEST_BYTES = 16
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
        return hashlib.blake2b(self.data, digest_size=_DIGEST_BYTES).hexdigest()


@lru_cache(maxsize=1 << 16)
def _file_digest(path: Path, size: int, mtime_ns: int) -> str:  # noqa: ARG001  # part of the key
    """Hash a file; ``size`` and ``mtime_ns`` tell its versions apart."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_DIGEST_BYTES)).hexdigest()


def _unreadable(path: Path, error: OSError) -> DataError:
    return DataError(f"image {path}: cannot be read: {error.strerror or error}")


def _decoded(file: IO[bytes], where: str) -> PILImage:
    """Decode an image as RGB, or say what is wrong with it."""
    try:
        # Pillow warns about what it can live with (odd metadata, sizes below its own limit);
        # what it cannot live with raises.
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            return _as_rgb(_opened(file, where), where)
    except DataError:
        raise
    except Exception as error:  # decoders of hostile bytes raise nearly anything, SyntaxError included
        raise DataError(f"{where}: broken or truncated: {error or type(error).__name__}") from error


def _opened(file: IO[bytes], where: str) -> PILImage:
    """Read the header, refuse what is too large, then decode the pixels."""
    from PIL import Image, ImageOps, UnidentifiedImageError

    Image.init()
    known = [name for name in FORMATS if name in Image.OPEN]
    try:
        image = Image.open(file, formats=known)
    except UnidentifiedImageError as error:
        raise DataError(f"{where}: not an image in a format that is read ({', '.join(known)})") from error
    except Image.DecompressionBombError as error:
        raise DataError(f"{where}: too large; at most {MAX_PIXELS} pixels are decoded: {error}") from error
    width, height = image.size
    if width * height > MAX_PIXELS:
        raise DataError(
            f"{where}: {width} x {height} = {width * height} pixels; "
            f"at most {MAX_PIXELS} are decoded: make it smaller"
        )
    image.load()
    return ImageOps.exif_transpose(image)


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

    pixels = np.asarray(image).astype(np.int64)
    if pixels.min() < 0 or pixels.max() > 0xFFFF:
        raise DataError(
            f"{where}: pixel values reach beyond 16 bits, so their range is not known: convert it to 8 bits"
        )
    return Image.fromarray(np.round(pixels / 257).astype(np.uint8))
