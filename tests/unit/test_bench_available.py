"""Images at addresses are fetched before anything is asked, and those that are gone are counted."""

from __future__ import annotations

import hashlib
import threading
from collections.abc import Iterator
from functools import partial
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path

import pytest

from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.datasets.benchmarks import pixmo_count
from pytest_vlmrobust.datasets.benchmarks.available import available
from pytest_vlmrobust.datasets.downloads import Downloads, Limits, UrlImage
from pytest_vlmrobust.datasets.images import BENCHMARK_PIXELS, BytesImage
from pytest_vlmrobust.datasets.registry import load_dataset
from pytest_vlmrobust.errors import DataError
from tests.benchmark_files.details import pixmo_rows, write_pixmo
from tests.benchmark_files.writing import drawn, png


class _Quiet(SimpleHTTPRequestHandler):
    def log_message(self, *_args: object) -> None:
        """Keep the tests' output clean."""


@pytest.fixture
def host(tmp_path: Path) -> Iterator[str]:
    """A server of photos, of which the third is gone."""
    photos = tmp_path / "photos"
    photos.mkdir()
    for n in (0, 1, 3):
        (photos / f"{n}.png").write_bytes(png(drawn(n).image))
    with ThreadingHTTPServer(("127.0.0.1", 0), partial(_Quiet, directory=str(photos))) as server:
        threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01}, daemon=True).start()
        yield f"127.0.0.1:{server.server_address[1]}"
        server.shutdown()


def samples(host: str, downloads: Downloads) -> list[Sample]:
    return [
        Sample(
            id=f"photo-{n}",
            images=(UrlImage(row["image_url"], row["image_sha256"], downloads),),
            question="How many?",
            choices=("1", "2"),
            answer=0,
        )
        for n, row in enumerate(pixmo_rows(f"http://{host}"))
    ]


def allowed(host: str, folder: Path, *, allow: bool = True) -> Downloads:
    return Downloads(allow=allow, hosts=(host,), folder=folder, limits=Limits(tries=1))


def test_images_that_are_gone_are_left_out_and_counted(host: str, tmp_path: Path) -> None:
    there, faults = available(samples(host, allowed(host, tmp_path / "kept")))
    assert [sample.id for sample in there] == ["photo-0", "photo-1", "photo-3", "photo-4"]
    (fault,) = faults
    assert fault.told == "1 row whose image cannot be downloaded (left out)"
    assert fault.examples[0].startswith("photo-2 (")
    known = hashlib.sha256(png(drawn(0).image)).hexdigest()
    assert there[0].images[0].digest() == f"{known}-{BENCHMARK_PIXELS}"
    assert there[0].images[0].load().size == (224, 224)


def test_what_was_fetched_once_needs_no_leave(host: str, tmp_path: Path) -> None:
    first, _ = available(samples(host, allowed(host, tmp_path / "kept")))
    kept = allowed("other.example", tmp_path / "kept", allow=False)
    again = [
        UrlImage(f"https://other.example/{n}.png", image.sha256, kept)
        for n, image in enumerate(sample.images[0] for sample in first)
        if isinstance(image, UrlImage)
    ]
    assert [image.load().size for image in again] == [(224, 224)] * 4


def test_without_leave_nothing_is_fetched_and_the_message_says_how(host: str, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="would have to be downloaded: allow it with --vlm-allow-download"):
        available(samples(host, allowed(host, tmp_path / "kept", allow=False)))
    assert not (tmp_path / "kept").exists()


def test_samples_with_images_here_are_passed_on() -> None:
    sample = Sample(id="a", images=(BytesImage(b"x"),), question="Q?", choices=("1", "2"), answer=0)
    assert available([sample]) == ([sample], ())


def test_a_benchmark_of_photos_from_the_web_counts_those_that_are_gone(
    host: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from dataclasses import replace

    from pytest_vlmrobust.datasets.benchmarks.pictures import at_address

    # Private addresses are refused but for hosts that are listed by themselves.
    here = at_address("image_url", sha256="image_sha256", hosts=(host,))
    layout = replace(pixmo_count.BENCHMARK.layouts[0], pictures=here)
    monkeypatch.setattr(pixmo_count, "BENCHMARK", replace(pixmo_count.BENCHMARK, layouts=(layout,)))
    folder = write_pixmo(tmp_path / "pixmo", f"http://{host}")
    loaded = load_dataset(f"pixmo-count:{folder}", downloads=Downloads(allow=True, folder=tmp_path / "kept"))
    assert len(loaded.samples) == 4
    assert loaded.facts["rows"] == 5
    assert [fault.kind for fault in loaded.faults] == ["image-unavailable"]
