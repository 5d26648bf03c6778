"""One file by HTTP: within limits of size and time, from the hosts that are listed, and from nowhere else.

Addresses in data are not to be trusted. So a name is looked up once and the address that was checked is
the one that is connected to, addresses of private networks are refused unless their host is listed
by itself, a redirect stays on its host, and a body is broken off as soon as it is too large.
"""

from __future__ import annotations

import contextlib
import http.client
import ipaddress
import socket
import ssl
import threading
import time
from collections.abc import Iterator
from typing import NoReturn
from urllib.parse import SplitResult, urljoin, urlsplit

from pytest_vlmrobust.datasets.addresses import PORTS, Limits, check_url, is_listed, port_of
from pytest_vlmrobust.errors import DataError

_REDIRECTS = (301, 302, 303, 307, 308)
_MOST_REDIRECTS = 3
_PASSING = (408, 425, 429, 500, 502, 503, 504)
_CHUNK = 1 << 16

# Prefixes of IPv6 addresses whose last 32 bits are an IPv4 address: compatible, translated, and those of
# gateways, for all and for one network (RFC 4291, 2765, 6052, 8215).
_LAST_BITS = tuple(map(ipaddress.IPv6Network, ("::/96", "::ffff:0:0:0/96", "64:ff9b::/96")))


class PassingError(Exception):
    """A download failed in a way that may pass: the next try may succeed."""


def fetch(url: str, hosts: tuple[str, ...], limits: Limits) -> bytes:
    """Download one file.

    Args:
        url: its address.
        hosts: the hosts that may be asked, see `check_url`.
        limits: what it may take.

    Raises:
        DataError: it is not there, too large or too slow, or the way leads where it must not.
    """
    check_url(url, hosts)
    for left in reversed(range(limits.tries)):
        try:
            return _tried(url, hosts, limits)
        except PassingError as error:
            if not left:
                raise DataError(f"{url!r} cannot be downloaded: {error} ({limits.tries} tries)") from error
            time.sleep(limits.wait_s * 2 ** (limits.tries - 1 - left))
    raise DataError(f"{url!r} cannot be downloaded: {limits.tries} tries are allowed")


def _tried(url: str, hosts: tuple[str, ...], limits: Limits) -> bytes:
    """Ask once, following redirects."""
    deadline = time.monotonic() + limits.time_s
    here = url
    for _ in range(_MOST_REDIRECTS + 1):
        with _asked(check_url(here, hosts), hosts, deadline) as response:
            if response.status not in _REDIRECTS:
                return _body(url, response, limits)
            here = _next(url, here, response.headers.get("Location"))
    raise DataError(f"{url!r} cannot be downloaded: it was redirected more than {_MOST_REDIRECTS} times")


@contextlib.contextmanager
def _asked(parts: SplitResult, hosts: tuple[str, ...], deadline: float) -> Iterator[http.client.HTTPResponse]:
    """Open a connection, ask, and yield the response; whatever is not done by the deadline is cut off."""
    host, late = parts.hostname or "", threading.Event()
    sock = _connected(parts, hosts, deadline)

    def cut() -> None:
        late.set()
        with contextlib.suppress(OSError):
            sock.shutdown(socket.SHUT_RDWR)

    watch = threading.Timer(max(0.0, deadline - time.monotonic()), cut)
    watch.daemon = True
    watch.start()
    connection = http.client.HTTPConnection(host, port_of(parts))
    connection.sock = sock
    response = None
    try:
        if isinstance(sock, ssl.SSLSocket):
            sock.do_handshake()
        path = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
        headers = {"Host": _named(parts), "User-Agent": "pytest-vlmrobust", "Accept": "*/*"}
        connection.request("GET", path, headers={**headers, "Accept-Encoding": "identity"})
        response = connection.getresponse()
        yield response
        if late.is_set():  # a body without a length would look whole
            raise TimeoutError
    except ssl.SSLCertVerificationError as error:
        raise DataError(f"{host!r} has no certificate that is trusted: {error.verify_message}") from error
    except (OSError, http.client.HTTPException, PassingError) as error:
        told = "it took too long" if late.is_set() or isinstance(error, TimeoutError) else _told(error)
        raise PassingError(told) from error
    finally:
        watch.cancel()
        if response is not None:
            response.close()
        connection.close()
        sock.close()


def _connected(parts: SplitResult, hosts: tuple[str, ...], deadline: float) -> socket.socket:
    """Connect to an address of the host that may be connected to; TLS is still to shake hands."""
    sock = _first_connected(_addresses(parts, hosts), port_of(parts), deadline)
    if parts.scheme == "http":
        return sock
    context = ssl.create_default_context()
    return context.wrap_socket(sock, server_hostname=parts.hostname, do_handshake_on_connect=False)


def _first_connected(addresses: list[str], port: int, deadline: float) -> socket.socket:
    told = "it has no address"
    for address in addresses:
        try:
            return socket.create_connection((address, port), max(0.001, deadline - time.monotonic()))
        except OSError as error:
            told = "it took too long" if isinstance(error, TimeoutError) else _told(error)
    raise PassingError(told)


def _addresses(parts: SplitResult, hosts: tuple[str, ...]) -> list[str]:
    """Look the host up; one in a private network is refused unless its address itself is listed."""
    host, port = parts.hostname or "", port_of(parts)
    try:
        found = [str(entry[4][0]) for entry in socket.getaddrinfo(host, port, type=socket.SOCK_STREAM)]
    except (OSError, UnicodeError) as error:
        raise PassingError(f"host {host!r} is not found ({_told(error)})") from error
    if _is_address(host) and is_listed(parts, hosts):
        return found
    for address in found:
        if not _is_public(address):
            raise DataError(
                f"host {host!r} lies in a private network ({address}): images are not loaded from there"
            )
    return list(dict.fromkeys(found))


def _is_public(address: str) -> bool:
    """Whether an address, and every one that is wrapped in it, is one of the public Internet."""
    known = ipaddress.ip_address(address.partition("%")[0])
    local = known.is_multicast or known.is_reserved or getattr(known, "is_site_local", False)
    if isinstance(known, ipaddress.IPv4Address):
        return known.is_global and not local
    wrapped = _wrapped(known)
    if wrapped:  # those wrappings are reserved themselves
        return all(_is_public(str(inner)) for inner in wrapped)
    return known.is_global and not local


def _wrapped(address: ipaddress.IPv6Address) -> list[ipaddress.IPv4Address]:
    """The IPv4 addresses that packets to an IPv6 address may end up at."""
    found = [address.ipv4_mapped, address.sixtofour, *(address.teredo or ())]
    if any(address in network for network in _LAST_BITS):
        found.append(ipaddress.IPv4Address(int(address) & 0xFFFFFFFF))
    return [inner for inner in found if inner is not None]


def _body(url: str, response: http.client.HTTPResponse, limits: Limits) -> bytes:
    """Read the body, and break off what is too large."""
    if response.status in _PASSING:
        raise PassingError(f"the server says {response.status} {response.reason}".rstrip())
    if response.status != 200:
        _refuse(url, f"the server says {response.status} {response.reason}".rstrip())
    if response.headers.get("Content-Encoding", "identity") != "identity":
        _refuse(url, "the server packs it in a way that was not asked for")
    told = response.headers.get("Content-Length", "")
    if told.isdecimal() and int(told) > limits.max_bytes:
        _refuse(url, f"it has {told} bytes, and at most {limits.max_bytes} are loaded")
    parts, size = [], 0
    while chunk := response.read(_CHUNK):
        size += len(chunk)
        if size > limits.max_bytes:
            _refuse(url, f"it has more than {limits.max_bytes} bytes")
        parts.append(chunk)
    if told.isdecimal() and size != int(told):
        raise PassingError(f"the connection ended after {size} of {told} bytes")
    return b"".join(parts)


def _next(url: str, here: str, location: str | None) -> str:
    """Where a redirect leads; it has to stay on its host, and must not give up encryption."""
    if not location:
        _refuse(url, "it was redirected to nowhere")
    try:
        to, by = urlsplit(urljoin(here, location)), urlsplit(here)
        same_port = port_of(to) == port_of(by) or (to.scheme, by.scheme) == ("https", "http")
    except ValueError:
        _refuse(url, f"it was redirected to {location!r:.120}, which is no URL")
    if to.hostname != by.hostname or not same_port:
        _refuse(url, f"it was redirected to another host, {to.netloc!r:.120}")
    if (by.scheme, to.scheme) == ("https", "http"):
        _refuse(url, "it was redirected from https to http")
    return to.geturl()


def _refuse(url: str, reason: str) -> NoReturn:
    raise DataError(f"{url!r} cannot be downloaded: {reason}")


def _named(parts: SplitResult) -> str:
    """The host as the request names it."""
    host = f"[{parts.hostname}]" if ":" in (parts.hostname or "") else parts.hostname or ""
    return host if parts.port in (None, PORTS[parts.scheme]) else f"{host}:{parts.port}"


def _is_address(host: str) -> bool:
    try:
        ipaddress.ip_address(host)
    except ValueError:
        return False
    return True


def _told(error: BaseException) -> str:
    if isinstance(error, PassingError):
        return str(error)
    return str(getattr(error, "strerror", None) or error or type(error).__name__).lower()
