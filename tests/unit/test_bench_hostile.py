"""Files that are damaged or made to do harm: what they cost, and where they cannot lead."""

from __future__ import annotations

import io
import random
import socket
from collections import Counter
from dataclasses import replace
from pathlib import Path
from typing import IO

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.datasets import images
from pytest_vlmrobust.datasets.benchmarks import benchmark, pixmo_count
from pytest_vlmrobust.datasets.benchmarks.available import available
from pytest_vlmrobust.datasets.benchmarks.finding import find_files
from pytest_vlmrobust.datasets.benchmarks.pictures import Place, at_address, of_same_name
from pytest_vlmrobust.datasets.downloads import ANY_HOST, Downloads, Limits, NoImage, UrlImage, download_all
from pytest_vlmrobust.datasets.fetching import fetch
from pytest_vlmrobust.datasets.images import BENCHMARK_PIXELS, BytesImage, decode_bounded
from pytest_vlmrobust.datasets.registry import load_dataset
from pytest_vlmrobust.datasets.subset import choose_samples
from pytest_vlmrobust.datasets.tables import Columns, Row, delimited, read_table
from pytest_vlmrobust.errors import DataError, VacuousError
from tests.benchmark_files.details import write_pixmo
from tests.benchmark_files.writers import WRITERS
from tests.unit.image_server import ImageServer, png, whole

COLUMNS = Columns(needs=("index", "text"))


# --- tables -----------------------------------------------------------------------------------------


def _work(path: Path, monkeypatch: pytest.MonkeyPatch) -> int:
    """How many bytes are searched for quotes and split while a file is read."""
    seen: list[int] = []

    def counted(record: bytes, delimiter: bytes) -> list[bytes] | None:
        seen.append(len(record))
        return split(record, delimiter)

    split = delimited._split
    with monkeypatch.context() as patch:
        patch.setattr(delimited, "_split", counted)
        read_table(path, COLUMNS, path.name)
    return sum(seen)


def test_a_quoted_field_over_many_lines_is_split_once(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "a.tsv"
    text = '""said"" it\n' * 500
    path.write_text(f'index\ttext\n1\t"{text}"\n2\t5" wide\n', newline="")
    assert _work(path, monkeypatch) <= path.stat().st_size
    rows = read_table(path, COLUMNS, path.name)
    assert [row.values["text"] for row in rows] == ['"said" it\n' * 500, '5" wide']


def test_a_line_without_an_end_is_not_read_whole(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(delimited, "MAX_ROW_BYTES", 1000)
    path = tmp_path / "a.tsv"
    path.write_bytes(b"index\ttext\n1\t" + b"x" * 100_000)
    read: list[int] = []

    class Watched(io.FileIO):
        def readline(self, size: int | None = -1, /) -> bytes:
            line = super().readline(size)
            read.append(len(line))
            return line

        def __next__(self) -> bytes:
            return self.readline()

    def watched(self: Path, _mode: str) -> IO[bytes]:
        return Watched(self)

    opened = Path.open
    monkeypatch.setattr(
        Path,
        "open",
        lambda self, mode="r", **how: watched(self, mode) if mode == "rb" else opened(self, **how),
    )
    with pytest.raises(DataError, match=r"a\.tsv:2: a row has more than 1000 bytes: the file is damaged"):
        read_table(path, COLUMNS, path.name)
    assert max(read) <= 1001


def test_names_of_columns_cannot_write_on_the_terminal(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_text(f"index\t\x1b[2Jred\t{'y' * 5000}\ttxet\n1\t2\t3\t4\n")
    with pytest.raises(DataError, match=r"there are: index, '\\x1b\[2Jred', ") as caught:
        read_table(path, COLUMNS, path.name)
    assert "\x1b" not in str(caught.value)
    assert len(str(caught.value)) < 400


# --- large images -----------------------------------------------------------------------------------


def _encoded(image: Image.Image, kind: str = "PNG") -> bytes:
    buffer = io.BytesIO()
    image.save(buffer, kind)
    return buffer.getvalue()


@pytest.mark.parametrize("mode", ["RGBA", "I;16", "LA", "P", "CMYK"])
def test_a_large_image_is_never_converted_as_a_whole(mode: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(images, "_BAND_PIXELS", 1000)
    converted: list[int] = []
    as_rgb = images._as_rgb

    def counted(image: Image.Image, where: str) -> Image.Image:
        converted.append(image.width * image.height)
        return as_rgb(image, where)

    monkeypatch.setattr(images, "_as_rgb", counted)
    data = _encoded(Image.new(mode, (200, 300), 0), "TIFF" if mode == "CMYK" else "PNG")
    assert decode_bounded(data, "x", 700).size == (21, 32)
    assert sum(converted) == 200 * 300
    assert max(converted) <= 2000


def test_a_large_image_keeps_its_colors_where_they_are() -> None:
    across, down = np.meshgrid(np.arange(400), np.arange(300))
    pixels = np.stack([across * 255 // 400, down * 255 // 300, np.full_like(across, 40)], axis=-1)
    small = np.asarray(decode_bounded(_encoded(Image.fromarray(pixels.astype(np.uint8))), "x", 1200))
    assert small.shape == (30, 40, 3)
    assert np.abs(small.astype(int) - pixels[5::10, 5::10]).max() <= 6


@given(st.lists(st.integers(0, 0xFFFF), min_size=1, max_size=50))
def test_sixteen_bits_are_rounded_to_the_nearest_of_eight(values: list[int]) -> None:
    image = BytesImage(_encoded(Image.fromarray(np.array([values], dtype=np.uint16)))).load()
    assert np.asarray(image)[0, :, 0].tolist() == [round(value / 257) for value in values]


# --- images at addresses ----------------------------------------------------------------------------


def test_an_image_at_an_address_is_bounded_too(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from pytest_vlmrobust.datasets import downloads

    monkeypatch.setattr(downloads, "BENCHMARK_PIXELS", 100)
    with ImageServer({"/a.png": whole(png(size=40)), "/b.png": whole(png(size=8))}) as server:
        how = Downloads(allow=True, hosts=(server.host,), folder=tmp_path)
        large, small = (UrlImage(server.url(f"/{name}.png"), downloads=how) for name in "ab")
        assert (large.load().size, small.load().size) == ((10, 10), (8, 8))
        assert large.digest() == f"{BytesImage(png(size=40)).digest()}-100"
        assert small.digest() == BytesImage(png(size=8)).digest()


def test_a_file_with_the_right_checksum_that_is_no_image_is_not_to_be_had(tmp_path: Path) -> None:
    import hashlib

    data = b"not an image"
    with ImageServer({"/a.png": whole(data)}) as server:
        how = Downloads(allow=True, hosts=(server.host,), folder=tmp_path, limits=Limits(tries=1))
        image = UrlImage(server.url("/a.png"), hashlib.sha256(data).hexdigest(), how)
        (told,) = download_all([image]).values()
    assert "not an image in a format that is read" in told


@pytest.mark.parametrize("address", [":8080", "ftp://", None, "https://other.example/a.png", "https://[x"])
def test_an_address_that_cannot_be_asked_costs_its_own_row_alone(address: object, tmp_path: Path) -> None:
    make = at_address("url", hosts=("images.example",))
    place = Place(folders=(tmp_path,), boundary=tmp_path, rows={}, downloads=Downloads(folder=tmp_path))
    (image,) = make(Row("here", "a.tsv", 0, {"url": address}), place)
    assert isinstance(image, NoImage)
    for use in (image.load, image.digest):
        with pytest.raises(DataError, match=r"^here: "):
            use()
    gone = Sample(id="a", images=(image,), question="Q?", choices=("1", "2"), answer=0)
    kept = replace(gone, id="b", images=(BytesImage(png()),))
    there, (fault,) = available([gone, kept])
    assert there == [kept]
    assert (fault.kind, fault.count) == ("image-unavailable", 1)


def test_where_no_image_is_to_be_had_the_message_says_why(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    nowhere = at_address("image_url", hosts=("nowhere.example",))
    layout = replace(pixmo_count.BENCHMARK.layouts[0], pictures=nowhere)
    monkeypatch.setattr(pixmo_count, "BENCHMARK", replace(pixmo_count.BENCHMARK, layouts=(layout,)))
    folder = write_pixmo(tmp_path / "pixmo", "https://other.example")
    with pytest.raises(
        VacuousError, match=r"nothing to test \(.*5 rows whose image cannot be downloaded .*host"
    ):
        load_dataset(f"pixmo-count:{folder}")


@pytest.mark.parametrize(
    "address",
    [
        "64:ff9b::7f00:1",
        "64:ff9b::a9fe:a9fe",
        "64:ff9b:1::7f00:1",
        "2002:7f00:1::",
        "::7f00:1",
        "::ffff:0:127.0.0.1",
        "2001:0:7f00:1::1",
        "fec0::1",
        "224.0.0.1",
        "240.0.0.1",
        "ff02::1",
        "ff0e::1",
    ],
)
def test_an_address_that_wraps_a_private_one_is_private(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    def connect(*_: object, **__: object) -> socket.socket:
        raise AssertionError("nothing may be asked")

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (address, 80))])
    with pytest.raises(DataError, match="lies in a private network"):
        fetch("http://pictures.example/a.png", (ANY_HOST, "pictures.example"), Limits(tries=1))


@pytest.mark.parametrize("address", ["93.184.216.34", "2606:4700::1", "64:ff9b::5db8:d822", "::ffff:8.8.8.8"])
def test_a_public_address_stays_public(address: str, monkeypatch: pytest.MonkeyPatch) -> None:
    def connect(*_: object, **__: object) -> socket.socket:
        raise OSError(111, "Connection refused")

    monkeypatch.setattr(socket, "create_connection", connect)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (address, 80))])
    with pytest.raises(DataError, match="connection refused"):
        fetch("http://pictures.example/a.png", ("pictures.example",), Limits(tries=1))


# --- paths ------------------------------------------------------------------------------------------


def test_a_link_beside_a_question_does_not_lead_out(tmp_path: Path) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.jpg").write_bytes(png())
    (inside / "a.jpg").symlink_to(tmp_path / "secret.jpg")
    place = Place(folders=(inside,), boundary=inside.resolve(), rows={}, downloads=Downloads())
    with pytest.raises(DataError, match=r"here: 'a\.jpg' is a link that leads out of"):
        of_same_name(".jpg")(Row("here", "a.json", 0, {}), place)


@pytest.mark.parametrize(("folder", "around"), [("set", False), ("data", True)])
def test_naming_a_file_opens_the_folder_around_only_where_its_own_is_a_known_part(
    tmp_path: Path, folder: str, around: bool
) -> None:
    (tmp_path / folder).mkdir()
    file = tmp_path / folder / "spatial.json"
    file.write_text('[{"id": 1}]')
    found = find_files(benchmark("spatial-mm"), file)
    assert found.around == ((tmp_path.resolve(),) if around else ())


def test_the_home_folder_is_never_opened(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    (tmp_path / "data").mkdir()
    file = tmp_path / "data" / "spatial.json"
    file.write_text('[{"id": 1}]')
    assert find_files(benchmark("spatial-mm"), file).around == ()


# --- a choice ---------------------------------------------------------------------------------------


@given(
    st.lists(st.tuples(st.sampled_from("xyz"), st.integers(0, 6)), min_size=2, max_size=24, unique_by=id),
    st.integers(1, 24),
    st.randoms(use_true_random=False),
)
def test_the_order_of_rows_does_not_change_a_choice_whose_groups_span_categories(
    labels: list[tuple[str, int]], limit: int, shuffler: random.Random
) -> None:
    samples = [
        Sample(
            id=f"s{n:02}",
            images=(BytesImage(b"x"),),
            question="Q?",
            choices=("1", "2"),
            answer=0,
            category=category,
            group=f"g{group}",
        )
        for n, (category, group) in enumerate(labels)
    ]
    limit = max(limit, max(Counter(sample.group for sample in samples).values()))
    once = {sample.id for sample in choose_samples(samples, limit, seed=0)}
    shuffled = list(samples)
    shuffler.shuffle(shuffled)
    for other in (samples[::-1], shuffled):
        assert {sample.id for sample in choose_samples(other, limit, seed=0)} == once


def test_the_bound_of_a_checksummed_image_is_part_of_its_digest(tmp_path: Path) -> None:
    image = UrlImage("https://a.example/1.png", "a" * 64, Downloads(hosts=("a.example",), folder=tmp_path))
    assert image.digest() == f"{'a' * 64}-{BENCHMARK_PIXELS}"


@pytest.mark.parametrize("limit", [None, 2, 4])
def test_the_score_that_stands_for_a_benchmark_is_that_of_all_its_rows(
    limit: int | None, tmp_path: Path
) -> None:
    path = WRITERS["cv-bench"](tmp_path / "cv-bench")
    assert load_dataset(f"cv-bench:{path}", limit=limit).headline == "combined"
    alone = load_dataset(f"cv-bench:{path / 'test_3d.parquet'}", limit=limit)
    assert (alone.headline, alone.to_json()["headline"]) == ("3d", "3d")
