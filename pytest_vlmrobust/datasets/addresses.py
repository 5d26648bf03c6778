"""Addresses of images as data sets give them: which of them may be asked at all."""

from __future__ import annotations

from dataclasses import dataclass
from urllib.parse import SplitResult, quote, urlsplit

from pytest_vlmrobust.errors import DataError

ANY_HOST = "*"
"""Stands in a list of hosts for every public one."""

PORTS = {"http": 80, "https": 443}
"""The usual port of each scheme that is downloaded by."""

_LONGEST_URL = 2048
_SAFE = "".join(sign for sign in map(chr, range(0x21, 0x7F)) if sign not in '"<>\\^`{|}')
"""What stays as it is in a URL; the rest is escaped, as a browser would do."""


@dataclass(frozen=True, kw_only=True)
class Limits:
    """What a download may take.

    Attributes:
        max_bytes: the largest body, in bytes.
        time_s: the longest time for one try, redirects included, in seconds.
        tries: how often it is tried where a failure may pass.
        wait_s: the pause before the second try, in seconds; it doubles with each further one.
    """

    max_bytes: int = 64_000_000
    time_s: float = 60.0
    tries: int = 3
    wait_s: float = 0.5


def check_url(url: str, hosts: tuple[str, ...]) -> SplitResult:
    """Refuse an address that must not be asked, without asking anyone.

    Args:
        url: the address.
        hosts: names that may be asked, each perhaps with ``:port``; or `ANY_HOST`.

    Raises:
        DataError: it is no address of a web server, brings a password, or its host is not listed.
    """
    if len(url) > _LONGEST_URL or any(sign < " " or sign == "\x7f" for sign in url):
        raise DataError(f"{url!r:.120} is no URL: it is too long or holds control characters")
    try:
        parts = urlsplit(quote(url, safe=_SAFE))
        port = parts.port
    except ValueError as error:
        raise DataError(f"{url!r} is no URL: {error}") from None
    if parts.scheme not in PORTS or not parts.hostname:
        raise DataError(f"{url!r} is no URL that is downloaded: it has to begin with https:// or http://")
    if parts.username is not None or parts.password is not None:
        raise DataError(f"a URL of host {parts.hostname!r} brings a user name or password: that is not sent")
    anywhere = ANY_HOST in hosts and port in (None, *PORTS.values())
    if not anywhere and not is_listed(parts, hosts):
        raise DataError(
            f"{url!r}: host {parts.netloc!r} is not one that this data set loads images from "
            f"({', '.join(hosts) or 'none'})"
        )
    return parts


def port_of(parts: SplitResult) -> int:
    """The port that is asked."""
    return parts.port or PORTS.get(parts.scheme, 0)


def is_listed(parts: SplitResult, hosts: tuple[str, ...]) -> bool:
    """Whether a host is listed by itself, with its port where that is not a usual one."""
    place = f"{parts.hostname}:{port_of(parts)}"
    return place in hosts or (port_of(parts) in PORTS.values() and parts.hostname in hosts)
