"""Images that a data set names by URL: downloaded only if the user allows it, and then kept.

A downloaded file is kept in the user's cache folder, under its checksum where the data set gives one and
under a digest of its URL otherwise; it is never downloaded twice.
"""

from __future__ import annotations

import contextlib
import hashlib
import os
import re
import tempfile
from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_vlmrobust.datasets.addresses import ANY_HOST, Limits, check_url
from pytest_vlmrobust.datasets.images import BENCHMARK_PIXELS, decode_bounded, digest_of, exceeds
from pytest_vlmrobust.errors import DataError, UsageError

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

__all__ = ["ANY_HOST", "Downloads", "Limits", "NoImage", "UrlImage", "download_all"]

_CHECKSUM = re.compile(r"[0-9a-f]{64}")
_AT_ONCE = 8


@dataclass(frozen=True, kw_only=True)
class Downloads:
    """Whether and from where images may be downloaded, and where they are kept.

    Attributes:
        allow: whether anything may be downloaded; what was kept before is used in any case.
        hosts: the hosts that may be asked, each perhaps with ``:port``. With `ANY_HOST` among them any
            public host, for files that have a checksum.
        folder: where files are kept; None for a folder in the user's cache.
        limits: what one file may take.
    """

    allow: bool = False
    hosts: tuple[str, ...] = ()
    folder: Path | None = None
    limits: Limits = field(default_factory=Limits)

    def place(self, name: str) -> Path:
        """Where a file is kept."""
        if self.folder is not None:
            return self.folder / name
        import platformdirs  # few sessions get here

        return platformdirs.user_cache_path("pytest-vlmrobust", appauthor=False) / "downloads" / name


@dataclass(frozen=True)
class UrlImage:
    """An image that is named by its URL.

    Attributes:
        url: where it is.
        sha256: hex digest of the file, or "" where the data set gives none.
        downloads: whether and from where it may be downloaded.

    Raises:
        DataError: the URL must not be asked, see `pytest_vlmrobust.datasets.addresses.check_url`; any host
            is allowed, but there is no checksum; or the checksum is none.
    """

    url: str
    sha256: str = ""
    downloads: Downloads = field(default_factory=Downloads, repr=False)

    def __post_init__(self) -> None:
        """Refuse what could never be downloaded, before anything is asked."""
        object.__setattr__(self, "sha256", self.sha256.strip().lower())
        if self.sha256 and not _CHECKSUM.fullmatch(self.sha256):
            raise DataError(
                f"image {self.url!r}: {self.sha256!r:.80} is no SHA-256: 64 hex digits are needed"
            )
        hosts = self.downloads.hosts
        if not self.sha256:  # nobody could tell then what a host that nobody knows has sent
            hosts = tuple(host for host in hosts if host != ANY_HOST)
        check_url(self.url, hosts)

    @property
    def kept(self) -> bool:
        """Whether the file was downloaded before."""
        return self._place.is_file()

    def check(self) -> None:
        """Refuse an image that is not here and may not be downloaded, without asking anyone.

        Raises:
            DataError: that is so; the message says what to do.
        """
        if not self.downloads.allow and not self.kept:
            raise DataError(
                f"image {self.url!r} would have to be downloaded: allow it with --vlm-allow-download, or "
                "give the data set in a form that brings its images"
            )

    def load(self) -> PILImage:
        """Read the image as RGB, downloading it where it is not here.

        Raises:
            DataError: it may not or cannot be downloaded, is not the file that the data set means, is broken
                or too large.
        """
        return self._opened(self.data())

    def digest(self) -> str:
        """Hex digest of the file: its SHA-256 where the data set gives it, so that nothing is downloaded.

        As an image with more pixels than `BENCHMARK_PIXELS` is made smaller, the bound is part of it: always
        after a SHA-256, and else where the image is that large.

        Raises:
            DataError: it has to be downloaded, and may not or cannot be.
        """
        if self.sha256:
            return f"{self.sha256}-{BENCHMARK_PIXELS}"
        data = self.data()
        smaller = exceeds(data, f"image {self.url}", BENCHMARK_PIXELS)
        return f"{digest_of(data)}-{BENCHMARK_PIXELS}" if smaller else digest_of(data)

    def data(self) -> bytes:
        """Return the bytes of the file, downloading it where it is not here.

        Raises:
            DataError: it may not or cannot be downloaded, or is not the file that the data set means.
        """
        data = self._kept_data()
        if data is None:
            self.check()
            from pytest_vlmrobust.datasets.fetching import fetch  # few data sets get here

            data = fetch(self.url, self.downloads.hosts, self.downloads.limits)
            self._check_content(data)
            _keep(self._place, data)
        return data

    @property
    def _place(self) -> Path:
        name = self.sha256 or f"url-{hashlib.blake2b(self.url.encode(), digest_size=32).hexdigest()}"
        return self.downloads.place(name)

    def _kept_data(self) -> bytes | None:
        """What was downloaded before, or None; a file that was damaged since does not count."""
        try:
            data = self._place.read_bytes()
        except FileNotFoundError:
            return None
        except OSError as error:
            raise DataError(f"image {self._place}: cannot be read: {error.strerror or error}") from error
        return data if not self.sha256 or _sha256(data) == self.sha256 else None

    def _check_content(self, data: bytes) -> None:
        """Refuse another file than the one that is meant, or a page in its place that says sorry."""
        if self.sha256:
            came = _sha256(data)
            if came != self.sha256:
                raise DataError(
                    f"image {self.url!r} has changed since the data set was made: its SHA-256 is {came}, and "
                    f"{self.sha256} is expected"
                )
        self._opened(data)

    def _opened(self, data: bytes) -> PILImage:
        return decode_bounded(data, f"image {self.url}", BENCHMARK_PIXELS)


@dataclass(frozen=True)
class NoImage:
    """Stands for an image that cannot be had, whatever is allowed.

    Attributes:
        reason: why, as a sentence.
    """

    reason: str

    def load(self) -> PILImage:
        """Refuse.

        Raises:
            DataError: always.
        """
        raise DataError(self.reason)

    def digest(self) -> str:
        """Refuse.

        Raises:
            DataError: always.
        """
        raise DataError(self.reason)


def download_all(images: Iterable[UrlImage]) -> dict[UrlImage, str]:
    """Download images before they are needed, several at once.

    Args:
        images: the images; those that are here already are read, and not downloaded again.

    Returns:
        Why an image cannot be had, for those that cannot.

    Raises:
        DataError: some are not here, and nothing may be downloaded.
    """
    asked = list(dict.fromkeys(images))
    for image in asked:
        image.check()

    def problem(image: UrlImage) -> str:
        try:
            image.data()
        except DataError as error:
            return str(error)
        return ""

    with ThreadPoolExecutor(max_workers=_AT_ONCE) as pool:
        problems = zip(asked, pool.map(problem, asked), strict=True)
        return {image: told for image, told in problems if told}


def _keep(place: Path, data: bytes) -> None:
    """Write a file as a whole or not at all, whoever else writes it at the same time."""
    try:
        place.parent.mkdir(parents=True, exist_ok=True)
        handle, part = tempfile.mkstemp(dir=place.parent, prefix=".", suffix=".part")
    except OSError as error:
        raise _unwritable(place, error) from error
    try:
        with os.fdopen(handle, "wb") as file:
            file.write(data)
        Path(part).replace(place)
    except OSError as error:
        raise _unwritable(place, error) from error
    finally:
        with contextlib.suppress(OSError):
            Path(part).unlink()


def _unwritable(place: Path, error: OSError) -> UsageError:
    return UsageError(f"downloaded images cannot be kept in {str(place.parent)!r}: {error.strerror or error}")


def _sha256(data: bytes) -> str:
    return hashlib.sha256(data).hexdigest()
