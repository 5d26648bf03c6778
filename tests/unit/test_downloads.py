from __future__ import annotations

import hashlib
import socket
import ssl
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_vlmrobust.core.samples import ImageSource
from pytest_vlmrobust.datasets import fetching
from pytest_vlmrobust.datasets.addresses import check_url
from pytest_vlmrobust.datasets.downloads import ANY_HOST, Downloads, Limits, UrlImage, download_all
from pytest_vlmrobust.datasets.fetching import fetch
from pytest_vlmrobust.datasets.images import BENCHMARK_PIXELS
from pytest_vlmrobust.errors import DataError, UsageError
from tests.unit.image_server import (
    ImageServer,
    Manner,
    cut,
    dripping,
    endless,
    in_turn,
    png,
    redirect,
    silent,
    whole,
)

RED = png("red")
LIMITS = Limits(max_bytes=10_000, time_s=2.0, tries=2, wait_s=0.001)


@pytest.fixture
def server() -> Iterator[ImageServer]:
    with ImageServer({"/red.png": whole(RED)}) as running:
        yield running


def image(
    server: ImageServer, tmp_path: Path, path: str = "/red.png", *, sha256: str = "", allow: bool = True
) -> UrlImage:
    downloads = Downloads(allow=allow, hosts=(server.host,), folder=tmp_path / "kept", limits=LIMITS)
    return UrlImage(server.url(path), sha256, downloads)


def test_an_image_is_downloaded_once_and_kept(server: ImageServer, tmp_path: Path) -> None:
    first = image(server, tmp_path)
    assert isinstance(first, ImageSource)
    kept = [first.kept]
    assert first.load().getpixel((3, 3)) == (255, 0, 0)
    assert [*kept, first.kept] == [False, True]
    again = image(server, tmp_path, allow=False)
    again.check()
    assert again.load().size == (8, 8)
    assert again.digest() == first.digest() == hashlib.blake2b(RED, digest_size=16).hexdigest()
    assert [path for path, _ in server.seen] == ["/red.png"]
    assert [file.name for file in (tmp_path / "kept").iterdir()] == [first._place.name]


def test_nothing_is_downloaded_unless_it_is_allowed(server: ImageServer, tmp_path: Path) -> None:
    refused = image(server, tmp_path, allow=False)
    for use in (refused.check, refused.load, refused.digest, lambda: download_all([refused])):
        with pytest.raises(DataError, match="allow it with --vlm-allow-download"):
            use()
    assert server.seen == []


def test_what_is_kept_lies_in_the_users_cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name, **_: tmp_path / name)
    assert Downloads().place("abc") == tmp_path / "pytest-vlmrobust" / "downloads" / "abc"


def test_a_checksum_names_the_file_and_needs_no_download(server: ImageServer, tmp_path: Path) -> None:
    known = hashlib.sha256(RED).hexdigest()
    summed = image(server, tmp_path, sha256=f" {known.upper()} ")
    assert summed.digest() == f"{known}-{BENCHMARK_PIXELS}"
    assert server.seen == []
    assert summed.load().size == (8, 8)
    assert (tmp_path / "kept" / known).read_bytes() == RED


def test_another_file_than_the_one_that_is_meant_is_refused(server: ImageServer, tmp_path: Path) -> None:
    changed = image(server, tmp_path, sha256=hashlib.sha256(b"other").hexdigest())
    with pytest.raises(DataError, match="has changed since the data set was made: its SHA-256 is"):
        changed.load()
    assert not changed.kept


def test_a_kept_file_that_was_damaged_is_downloaded_again(server: ImageServer, tmp_path: Path) -> None:
    known = hashlib.sha256(RED).hexdigest()
    summed = image(server, tmp_path, sha256=known)
    summed.load()
    (tmp_path / "kept" / known).write_bytes(RED[:-1])
    assert summed.load().size == (8, 8)
    assert len(server.seen) == 2


def test_a_page_that_says_sorry_is_no_image_and_is_not_kept(server: ImageServer, tmp_path: Path) -> None:
    server.manners["/page"] = whole(b"<html>We are sorry.</html>")
    page = image(server, tmp_path, "/page")
    with pytest.raises(DataError, match="not an image in a format that is read"):
        page.load()
    assert not page.kept


def test_a_checksum_that_is_none_is_refused(server: ImageServer, tmp_path: Path) -> None:
    with pytest.raises(DataError, match="'abc' is no SHA-256: 64 hex digits are needed"):
        image(server, tmp_path, sha256="abc")


@pytest.mark.parametrize(
    ("url", "message"),
    [
        ("ftp://pictures.example/a.png", "has to begin with https:// or http://"),
        ("file:///etc/passwd", "has to begin with https:// or http://"),
        ("pictures/a.png", "has to begin with https:// or http://"),
        ("https:///a.png", "has to begin with https:// or http://"),
        ("https://[::1/a.png", "is no URL: Invalid IPv6 URL"),
        ("https://pictures.example:eighty/a.png", "is no URL: Port could not be cast"),
        ("https://pictures.example/a\r\nHost: b", "holds control characters"),
        ("https://pictures.example/" + "a" * 3000, "it is too long"),
        ("https://me:secret@pictures.example/a.png", "brings a user name or password"),
        ("https://other.example/a.png", r"host 'other.example' is not one .* \(pictures.example\)"),
        ("https://pictures.example:8443/a.png", "host 'pictures.example:8443' is not one"),
        ("https://pictures.example.evil.example/a.png", "is not one that this data set loads images from"),
    ],
)
def test_an_address_that_must_not_be_asked_is_refused_at_once(url: str, message: str) -> None:
    with pytest.raises(DataError, match=message) as error:
        UrlImage(url, downloads=Downloads(allow=True, hosts=("pictures.example",)))
    assert "secret" not in str(error.value)


def test_no_host_is_listed_unless_someone_lists_it() -> None:
    with pytest.raises(DataError, match=r"loads images from \(none\)"):
        UrlImage("https://pictures.example/a.png")


def test_any_public_host_may_be_asked_for_a_file_with_a_checksum() -> None:
    anywhere = Downloads(hosts=(ANY_HOST,))
    UrlImage("https://anywhere.example/a.png", "0" * 64, anywhere)
    with pytest.raises(DataError, match="is not one that this data set loads images from"):
        UrlImage("https://anywhere.example/a.png", "", anywhere)
    with pytest.raises(DataError, match=r"'anywhere.example:8443' is not one"):
        UrlImage("https://anywhere.example:8443/a.png", "0" * 64, anywhere)


def test_what_has_to_be_escaped_is_escaped_as_a_browser_does(server: ImageServer) -> None:
    server.manners["/caf%C3%A9%20one.png?a=b%20c&d=%2F"] = whole(RED)
    assert fetch(server.url("/café one.png?a=b c&d=%2F"), (server.host,), LIMITS) == RED
    ((_, headers),) = server.seen
    assert headers["host"] == server.host
    assert "authorization" not in headers
    assert "cookie" not in headers


@pytest.mark.parametrize("host", ["127.0.0.1", "localhost", "[::1]", "10.0.0.7", "169.254.169.254"])
def test_private_networks_are_not_asked(host: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(socket, "create_connection", _never)
    with pytest.raises(
        DataError, match=r"lies in a private network \(.*\): images are not loaded from there"
    ):
        fetch(f"http://{host}/a.png", (ANY_HOST,), LIMITS)


@pytest.mark.parametrize("address", ["127.0.0.1", "192.168.0.1", "::ffff:10.0.0.1", "fe80::1%lo"])
def test_a_public_name_that_leads_into_a_private_network_is_not_followed(
    address: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(socket, "create_connection", _never)
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: [(0, 0, 0, "", (address, 80))])
    with pytest.raises(DataError, match="lies in a private network"):
        fetch("http://pictures.example/a.png", ("pictures.example",), LIMITS)


def test_the_address_that_was_checked_is_the_one_that_is_asked(
    server: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked: list[tuple[str, int]] = []
    port = int(server.host.partition(":")[2])

    def connect(address: tuple[str, int], timeout: float) -> socket.socket:
        asked.append(address)
        if len(asked) == 1:
            raise OSError(101, "Network is unreachable")
        sock = socket.socket()
        sock.settimeout(timeout)
        sock.connect(("127.0.0.1", port))
        return sock

    found = [(0, 0, 0, "", (one, 80)) for one in ("2606:4700::1", "93.184.216.34")]
    monkeypatch.setattr(socket, "getaddrinfo", lambda *_, **__: found)
    monkeypatch.setattr(socket, "create_connection", connect)
    assert fetch("http://pictures.example/red.png", ("pictures.example",), LIMITS) == RED
    assert asked == [("2606:4700::1", 80), ("93.184.216.34", 80)]
    assert server.seen[0][1]["host"] == "pictures.example"


def _never(*_: object, **__: object) -> socket.socket:
    raise AssertionError("nothing may be asked")


def test_a_name_that_nobody_knows(monkeypatch: pytest.MonkeyPatch) -> None:
    def unknown(*_: object, **__: object) -> list[object]:
        raise socket.gaierror(-2, "Name or service not known")

    monkeypatch.setattr(socket, "getaddrinfo", unknown)
    with pytest.raises(
        DataError, match=r"host 'no.example' is not found \(name or service not known\) \(2 tries"
    ):
        fetch("https://no.example/a.png", ("no.example",), LIMITS)


@pytest.mark.parametrize(
    ("manner", "message"),
    [
        (whole(b"", 404), "the server says 404 Not Found$"),
        (whole(b"", 403), "the server says 403 Forbidden$"),
        (whole(bytes(10_001)), "it has 10001 bytes, and at most 10000 are loaded"),
        (endless, "it has more than 10000 bytes"),
        (whole(RED, headers={"Content-Encoding": "gzip"}), "packs it in a way that was not asked for"),
        (redirect(""), "it was redirected to nowhere"),
        (redirect("http://elsewhere.example/red.png"), "redirected to another host, 'elsewhere.example'"),
        (redirect("http://127.0.0.1:1/red.png"), "redirected to another host, '127.0.0.1:1'"),
        (redirect("//elsewhere.example/red.png"), "redirected to another host, 'elsewhere.example'"),
        (redirect("http://[/"), "is no URL"),
        (redirect("/fault"), "it was redirected more than 3 times"),
    ],
)
def test_a_fault_that_lasts_is_told_at_once(server: ImageServer, manner: Manner, message: str) -> None:
    server.manners["/fault"] = manner
    with pytest.raises(DataError, match=message):
        fetch(server.url("/fault"), (server.host,), LIMITS)
    assert len(server.seen) == (4 if "3 times" in message else 1)


def test_a_redirect_on_the_same_host_is_followed(server: ImageServer) -> None:
    server.manners["/moved"] = redirect("red.png", 301)
    assert fetch(server.url("/moved"), (server.host,), LIMITS) == RED


def test_a_redirect_does_not_give_up_encryption() -> None:
    with pytest.raises(DataError, match="it was redirected from https to http"):
        fetching._next("https://a.example/1", "https://a.example:80/1", "http://a.example/2")
    assert fetching._next("http://a.example/1", "http://a.example/1", "https://a.example/2") == (
        "https://a.example/2"
    )


@pytest.mark.parametrize(
    ("manner", "message"),
    [
        (whole(b"", 503), r"the server says 503 Service Unavailable \(2 tries\)"),
        (whole(b"", 429), r"the server says 429 Too Many Requests \(2 tries\)"),
        (cut(RED), rf"the connection ended after {len(RED)} of {len(RED) + 10} bytes \(2 tries\)"),
    ],
)
def test_a_fault_that_may_pass_is_tried_again(server: ImageServer, manner: Manner, message: str) -> None:
    server.manners["/fault"] = manner
    with pytest.raises(DataError, match=message):
        fetch(server.url("/fault"), (server.host,), LIMITS)
    assert len(server.seen) == 2
    server.manners["/fault"] = in_turn(manner, whole(RED))
    assert fetch(server.url("/fault"), (server.host,), LIMITS) == RED


@pytest.mark.parametrize("manner", [silent, dripping])
def test_what_takes_too_long_is_cut_off(server: ImageServer, manner: Manner) -> None:
    server.manners["/slow"] = manner
    began = time.monotonic()
    with pytest.raises(DataError, match=r"it took too long \(1 tries\)"):
        fetch(server.url("/slow"), (server.host,), Limits(time_s=0.2, tries=1))
    assert time.monotonic() - began < 0.9


def test_a_server_that_is_not_there() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        host = f"127.0.0.1:{free.getsockname()[1]}"
    with pytest.raises(DataError, match=r"cannot be downloaded: connection refused \(2 tries\)"):
        fetch(f"http://{host}/a.png", (host,), LIMITS)


def test_a_server_that_has_no_certificate(server: ImageServer) -> None:
    with pytest.raises(DataError, match=r"cannot be downloaded: .*ssl.*\(2 tries\)"):
        fetch(f"https://{server.host}/a.png", (server.host,), LIMITS)


def test_a_certificate_that_is_not_trusted_is_told_at_once(
    server: ImageServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(_: ssl.SSLSocket) -> None:
        error = ssl.SSLCertVerificationError(1, "certificate verify failed")
        error.verify_message = "self-signed certificate"
        raise error

    monkeypatch.setattr(ssl.SSLSocket, "do_handshake", refuse)
    with pytest.raises(DataError, match=r"'127.0.0.1' has no certificate that is trusted: self-signed cert"):
        fetch(f"https://{server.host}/a.png", (server.host,), LIMITS)


def test_no_try_is_no_download() -> None:
    with pytest.raises(DataError, match="0 tries are allowed"):
        fetch("http://a.example/1", ("a.example",), Limits(tries=0))


def test_hosts_are_compared_with_their_ports() -> None:
    assert check_url("https://A.example/1", ("a.example",)).hostname == "a.example"
    assert check_url("https://a.example:443/1", ("a.example",)).port == 443
    assert check_url("https://a.example:8443/1", ("a.example:8443",)).port == 8443


def test_many_are_downloaded_at_once_and_dead_links_told(server: ImageServer, tmp_path: Path) -> None:
    for number in range(12):
        server.manners[f"/{number}.png"] = whole(png("blue", number + 1))
    images = [image(server, tmp_path, f"/{number}.png") for number in range(14)]
    problems = download_all([*images, images[0]])
    assert list(problems) == images[12:]
    assert all("404 Not Found" in told for told in problems.values())
    assert [one.kept for one in images] == [True] * 12 + [False] * 2
    assert sorted(path for path, _ in server.seen) == sorted(f"/{number}.png" for number in range(14))


def test_a_full_disk_leaves_nothing_half_written(
    server: ImageServer, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", full)
    with pytest.raises(UsageError, match=r"cannot be kept in .*: No space left on device"):
        image(server, tmp_path).load()
    assert list((tmp_path / "kept").iterdir()) == []


def test_a_cache_that_cannot_be_written_to(server: ImageServer, tmp_path: Path) -> None:
    (tmp_path / "kept").write_text("a file where a folder should be")
    with pytest.raises(DataError, match=r"kept.*cannot be read: Not a directory"):
        image(server, tmp_path).load()
    blocked = Downloads(allow=True, hosts=(server.host,), folder=Path("/proc/nowhere"), limits=LIMITS)
    with pytest.raises(UsageError, match="downloaded images cannot be kept in '/proc/nowhere'"):
        UrlImage(server.url("/red.png"), downloads=blocked).load()
