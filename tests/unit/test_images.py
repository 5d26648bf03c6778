from __future__ import annotations

import io
import os
import struct
import zlib
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from PIL import Image

from pytest_vlmrobust.core.samples import ImageSource
from pytest_vlmrobust.datasets import images
from pytest_vlmrobust.datasets.images import MAX_PIXELS, BytesImage, FileImage
from pytest_vlmrobust.errors import DataError

ORIENTATION = 0x0112


def encoded(image: Image.Image, kind: str = "PNG", **options: object) -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind, **options)
    return buffer.getvalue()


def png_header(width: int, height: int) -> bytes:
    """A PNG that claims a size and holds no pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    header = struct.pack(">IIBBBBB", width, height, 8, 2, 0, 0, 0)
    return (
        b"\x89PNG\r\n\x1a\n"
        + chunk(b"IHDR", header)
        + chunk(b"IDAT", zlib.compress(b""))
        + chunk(b"IEND", b"")
    )


def pixels(source: ImageSource) -> list[list[tuple[int, ...]]]:
    image = source.load()
    assert image.mode == "RGB"
    return [[tuple(map(int, pixel)) for pixel in row] for row in np.asarray(image)]


RED = Image.new("RGB", (3, 2), (200, 10, 20))


def test_both_kinds_of_source_give_the_pixels_as_rgb(tmp_path: Path) -> None:
    path = tmp_path / "red.png"
    path.write_bytes(encoded(RED))
    for source in (FileImage(path), BytesImage(path.read_bytes())):
        assert isinstance(source, ImageSource)
        assert pixels(source) == [[(200, 10, 20)] * 3] * 2


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM"])
def test_the_usual_formats_are_read(kind: str) -> None:
    gray = Image.new("RGB", (8, 8), (96, 96, 96))
    (red, green, blue) = pixels(BytesImage(encoded(gray, kind)))[4][4]
    assert max(abs(red - 96), abs(green - 96), abs(blue - 96)) <= 3


def test_making_a_source_opens_nothing(tmp_path: Path) -> None:
    FileImage(tmp_path / "missing.png")
    BytesImage(b"no image")


# --- what is unusual is brought to 8-bit RGB ------------------------------------------------------


def half_transparent(mode: str) -> bytes:
    image = Image.new("RGBA", (2, 1), (0, 0, 0, 0))
    image.putpixel((0, 0), (0, 0, 255, 255))
    if mode == "P":
        return encoded(image.quantize(4))
    if mode == "LA":
        return encoded(image.convert("LA"))
    if mode == "tRNS":
        opaque = Image.new("RGB", (2, 1), (1, 2, 3))
        opaque.putpixel((0, 0), (0, 0, 255))
        return encoded(opaque, transparency=(1, 2, 3))
    return encoded(image)


@pytest.mark.parametrize("mode", ["RGBA", "P", "LA", "tRNS"])
def test_transparency_is_laid_over_white(mode: str) -> None:
    solid, clear = pixels(BytesImage(half_transparent(mode)))[0]
    assert clear == (255, 255, 255)
    assert solid == ((0, 0, 255) if mode != "LA" else (29, 29, 29))


def test_half_transparency_is_mixed_with_white() -> None:
    image = Image.new("RGBA", (1, 1), (0, 0, 0, 128))
    assert pixels(BytesImage(encoded(image))) == [[(127, 127, 127)]]


@pytest.mark.parametrize("kind", ["PNG", "TIFF"])
def test_sixteen_bits_are_scaled_not_cut_off(kind: str) -> None:
    values = np.array([[0, 255, 257, 32768, 65535]], dtype=np.uint16)
    shown = pixels(BytesImage(encoded(Image.fromarray(values), kind)))[0]
    assert shown == [(0,) * 3, (1,) * 3, (1,) * 3, (128,) * 3, (255,) * 3]


@pytest.mark.parametrize(("low", "high"), [(-1, 10), (0, 65536)])
def test_integers_beyond_sixteen_bits_are_refused(low: int, high: int) -> None:
    values = np.array([[low, high]], dtype=np.int32)
    with pytest.raises(DataError, match="image in memory: pixel values reach beyond 16 bits"):
        BytesImage(encoded(Image.fromarray(values), "TIFF")).load()


def test_floating_point_pixels_are_refused() -> None:
    values = np.array([[0.5, 1.0]], dtype=np.float32)
    with pytest.raises(DataError, match="holds floating point pixels, whose range is not known"):
        BytesImage(encoded(Image.fromarray(values), "TIFF")).load()


def test_cmyk_and_palette_and_black_and_white_are_converted() -> None:
    cmyk = Image.new("CMYK", (8, 8), (0, 255, 255, 0))
    (red, green, blue) = pixels(BytesImage(encoded(cmyk, "TIFF")))[4][4]
    assert (red > 200, green < 60, blue < 60) == (True, True, True)
    assert pixels(BytesImage(encoded(RED.quantize(2)))) == pixels(BytesImage(encoded(RED)))
    assert pixels(BytesImage(encoded(Image.new("1", (1, 1), 1)))) == [[(255, 255, 255)]]


@pytest.mark.parametrize(("orientation", "corner"), [(1, (0, 0)), (3, (2, 1)), (6, (1, 0)), (8, (0, 2))])
def test_the_orientation_that_a_camera_wrote_is_applied(orientation: int, corner: tuple[int, int]) -> None:
    image = Image.new("RGB", (3, 2))
    image.putpixel((0, 0), (255, 255, 255))
    exif = Image.Exif()
    exif[ORIENTATION] = orientation
    loaded = BytesImage(encoded(image, exif=exif)).load()
    assert loaded.size == ((3, 2) if orientation in (1, 3) else (2, 3))
    assert loaded.getpixel(corner) == (255, 255, 255)


def test_of_an_animation_the_first_frame_is_taken() -> None:
    second = Image.new("RGB", (3, 2), (0, 0, 0))
    data = encoded(RED.quantize(2), "GIF", save_all=True, append_images=[second])
    assert pixels(BytesImage(data)) == pixels(BytesImage(encoded(RED)))


# --- what cannot be decoded is refused --------------------------------------------------------------


def test_a_missing_file_is_refused_with_its_path(tmp_path: Path) -> None:
    for use in (FileImage(tmp_path / "no.png").load, FileImage(tmp_path / "no.png").digest):
        with pytest.raises(DataError, match=r"image .*no\.png: cannot be read: No such file or directory"):
            use()


def test_a_folder_is_refused(tmp_path: Path) -> None:
    for use in (FileImage(tmp_path).load, FileImage(tmp_path).digest):
        with pytest.raises(DataError, match=r"cannot be read: Is a directory"):
            use()


@pytest.mark.parametrize(
    "data", [b"", b"hello", b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n", b"<svg/>"]
)
def test_what_is_no_image_or_starts_other_programs_is_refused(data: bytes, tmp_path: Path) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(data)
    with pytest.raises(DataError, match=rf"image {path}: not an image in a format that is read \(.*PNG"):
        FileImage(path).load()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP", "TIFF"])
def test_a_truncated_image_is_refused(kind: str, tmp_path: Path) -> None:
    noise = Image.fromarray(np.random.default_rng(0).integers(0, 255, (40, 40, 3), dtype=np.uint8))
    path = tmp_path / "cut"
    data = encoded(noise, kind)
    path.write_bytes(data[: len(data) // 2])
    with pytest.raises(DataError, match=rf"image {path}: (broken or truncated|not an image)"):
        FileImage(path).load()


def test_an_image_beyond_the_limit_is_refused_before_it_is_decoded() -> None:
    with pytest.raises(DataError) as caught:
        BytesImage(png_header(9000, 8000), name="huge").load()
    assert str(caught.value) == (
        f"image huge: 9000 x 8000 = 72000000 pixels; at most {MAX_PIXELS} are decoded: make it smaller"
    )


@pytest.mark.parametrize(("width", "height"), [(10_000, 10_000), (60_000, 60_000)])
def test_what_pillow_calls_a_bomb_is_refused(width: int, height: int) -> None:
    with pytest.raises(DataError, match=rf"image in memory: .*at most {MAX_PIXELS} ") as caught:
        BytesImage(png_header(width, height)).load()
    assert str(width * height) in str(caught.value)


def test_an_image_at_the_limit_is_decoded(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "MAX_PIXELS", 6)
    assert BytesImage(encoded(RED)).load().size == (3, 2)
    monkeypatch.setattr(images, "MAX_PIXELS", 5)
    with pytest.raises(DataError, match="3 x 2 = 6 pixels; at most 5"):
        BytesImage(encoded(RED)).load()


@settings(deadline=None)
@given(
    st.one_of(
        st.binary(max_size=200),
        st.tuples(
            st.sampled_from(
                [encoded(RED, kind) for kind in ("PNG", "JPEG", "GIF", "BMP", "TIFF", "WEBP", "PPM")]
            ),
            st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 255)), max_size=4),
        ).map(lambda damaged: damage(*damaged)),
    )
)
def test_any_bytes_give_an_rgb_image_or_a_data_error(data: bytes) -> None:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(images, "MAX_PIXELS", 100_000)  # a damaged header may claim any size
        try:
            outcome = BytesImage(data).load().mode
        except DataError as error:
            outcome = str(error)
    assert outcome == "RGB" or outcome.startswith("image in memory: ")


def damage(data: bytes, changes: list[tuple[int, int]]) -> bytes:
    changed = bytearray(data)
    for position, value in changes:
        changed[position % len(changed)] = value
    return bytes(changed)


# --- digests ----------------------------------------------------------------------------------------


def test_equal_bytes_have_equal_digests_wherever_they_are(tmp_path: Path) -> None:
    data = encoded(RED)
    for name in ("one.png", "two.png"):
        (tmp_path / name).write_bytes(data)
    digests = {
        FileImage(tmp_path / "one.png").digest(),
        FileImage(tmp_path / "two.png").digest(),
        BytesImage(data).digest(),
        BytesImage(data, name="x").digest(),
    }
    assert len(digests) == 1
    assert BytesImage(data + b" ").digest() not in digests


def test_a_file_is_hashed_once_and_again_when_it_changed(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "image.png"
    path.write_bytes(b"first")
    source = FileImage(path)
    first = source.digest()
    monkeypatch.setattr(Path, "open", refuse_to_open)
    assert source.digest() == first
    monkeypatch.undo()
    path.write_bytes(b"other")  # the same size
    os.utime(path, ns=(1, 1))
    assert source.digest() not in (first, "")
    assert source.digest() == BytesImage(b"other").digest()


def refuse_to_open(*_args: object, **_options: object) -> Callable[[], None]:
    raise AssertionError("the file was read again")
