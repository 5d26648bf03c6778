"""Who is asked, and with which key: servers that speak the OpenAI protocol.

A server is named ``openai:MODEL@URL``, such as ``openai:org/model@http://localhost:8000/v1``. The key comes
from the environment and goes into the header of a request, and nowhere else.
"""

from __future__ import annotations

import importlib.util
import json
import os
import re
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import SplitResult, urlsplit

from pytest_vlmrobust.errors import UsageError

SCHEME = "openai"
"""What the spec of a server begins with."""

KEY_VARIABLES = ("VLMROBUST_API_KEY", "OPENAI_API_KEY")
"""Environment variables that may hold the key; the first one that is set counts."""

JUDGE_KEY_VARIABLES = ("VLMROBUST_JUDGE_API_KEY", *KEY_VARIABLES)
"""The same for judges and writers of claims, whose server need not be the model's."""

_EXAMPLE = "openai:MODEL@http://localhost:8000/v1"
_URL = re.compile(r"@(?=[A-Za-z][A-Za-z0-9+.-]*://)")
_CREDENTIALS = re.compile(r"(?<=://)(?:[^/?#\s]*|[^\s,]*)@(?![A-Za-z][A-Za-z0-9+.-]*://)")
_QUERY = re.compile(r"(://[^\s?#]*[?#])\S*[^\s'\":;,.)]")
_SHORTEST_KEY = 8  # a shorter one is taken for a placeholder, and would blot out half of any text
_REVISION = re.compile(r"-\d{3,}(-\d\d)*|@.+|:latest")


def is_server_spec(spec: str) -> bool:
    """Whether a spec names a server.

    >>> is_server_spec("openai:m@http://localhost:8000/v1"), is_server_spec("bundled:grounded")
    (True, False)
    """
    scheme, colon, _ = spec.partition(":")
    return bool(colon) and scheme.strip().lower() == SCHEME


def without_credentials(text: str) -> str:
    """Blot out of the addresses in any text what may be secret, so that it can be shown.

    That is what stands between ``://`` and ``@``, and what follows a ``?`` or ``#``.

    >>> without_credentials("openai:m@http://me:secret@host/v1")
    'openai:m@http://***@host/v1'
    >>> without_credentials("server 'openai:m@http://host/v1?key=secret': no")
    "server 'openai:m@http://host/v1?***': no"
    """
    return _QUERY.sub(r"\1***", _CREDENTIALS.sub("***@", text))


def check_server_spec(spec: str, variables: Sequence[str] = KEY_VARIABLES) -> None:
    """Refuse a spec that names no server, or a server that cannot be asked; nothing is loaded, nobody asked.

    Args:
        spec: ``openai:MODEL@URL``.
        variables: the environment variables that may hold the key.

    Raises:
        UsageError: as `ServerSpec.parse` and `Key.check`, or a library that is needed is not installed.
    """
    ServerSpec.parse(spec)
    Key.from_environment(variables=variables).check()
    missing = [name for name in ("openai", "tenacity") if importlib.util.find_spec(name) is None]
    if missing:
        raise UsageError(
            f"server {spec!r}: {' and '.join(missing)} is needed and not installed: pip install "
            "'pytest-vlmrobust[servers]'"
        )


@dataclass(frozen=True, kw_only=True)
class ServerSpec:
    """A model behind a server.

    Attributes:
        model: the name that the server knows the model by.
        base_url: the address below which the protocol's paths lie, without a slash at its end.
    """

    model: str
    base_url: str

    @classmethod
    def parse(cls, spec: str) -> ServerSpec:
        """Read ``openai:MODEL@URL``.

        Raises:
            UsageError: it is something else, or the URL is not one of http or https, or brings
                credentials, a query or a fragment.

        >>> ServerSpec.parse("openai:org/model@v2@https://host/v1/")
        ServerSpec(model='org/model@v2', base_url='https://host/v1')
        """
        where = f"server {without_credentials(spec)!r}"
        rest = spec.partition(":")[2]
        found = _URL.search(rest)
        if not is_server_spec(spec) or found is None:
            raise UsageError(f"{where}: name model and address, as {_EXAMPLE}")
        model, url = rest[: found.start()].strip(), rest[found.end() :].strip()
        if not model:
            raise UsageError(f"{where}: no model is named before the @; write {_EXAMPLE}")
        _check_url(url, where)
        return cls(model=model, base_url=url.rstrip("/"))

    @property
    def root(self) -> str:
        """The address without the path of the protocol's version; some servers keep more there."""
        return self.base_url.removesuffix("/v1")

    def __str__(self) -> str:
        """The spec as it is written."""
        return f"{SCHEME}:{self.model}@{self.base_url}"


def _check_url(url: str, where: str) -> None:
    try:
        parts: SplitResult | None = urlsplit(url)
        _ = parts.port if parts else None
    except ValueError:
        parts = None
    if parts is None or not parts.hostname or re.search(r"\s", url):
        raise UsageError(f"{where}: the address is no URL; write {_EXAMPLE}")
    if parts.scheme not in ("http", "https"):
        raise UsageError(
            f"{where}: the address begins with {parts.scheme}://; allowed are http:// and https://"
        )
    if parts.username is not None or parts.password is not None:
        raise UsageError(
            f"{where}: the address brings a name or a password, which reports would show: leave it out, and "
            f"put the key into the environment variable {KEY_VARIABLES[0]}"
        )
    if parts.query or parts.fragment or "?" in url or "#" in url:
        raise UsageError(
            f"{where}: the address goes on after its path with ? or #: leave that out; a key belongs into "
            f"the environment variable {KEY_VARIABLES[0]}"
        )


def same_model(asked: str, said: str) -> bool:
    """Whether the model that replied is the one that was asked for, as far as its name tells.

    >>> same_model("gpt-x", "gpt-x-2026-01-31"), same_model("org/gpt-x", "gpt-x")
    (True, True)
    >>> same_model("gpt-x", "gpt-x-mini")
    False
    """
    if not said or asked == said:
        return True
    short, long = sorted((asked, said), key=len)
    # A date, a revision, an organization: what servers add to a name, or leave out.
    revised = said.startswith(asked) and _REVISION.fullmatch(said[len(asked) :]) is not None
    return revised or long.endswith(f"/{short}")


class Key:
    """A key that shows itself to nobody but the header of a request."""

    __slots__ = ("_shapes", "_value", "_where")

    def __init__(self, value: str = "", where: str = " or ".join(KEY_VARIABLES)) -> None:
        """Take the key, and where it came from, for messages; "" where the server wants none."""
        self._value = value.strip()
        self._where = where
        spelled = (self._value, repr(self._value)[1:-1], json.dumps(self._value)[1:-1])
        self._shapes = tuple(dict.fromkeys(spelled)) if len(self._value) >= _SHORTEST_KEY else ()

    @classmethod
    def from_environment(
        cls, environment: Mapping[str, str] = os.environ, *, variables: Sequence[str] = KEY_VARIABLES
    ) -> Key:
        """Take the key from the first of the variables that is set, or none."""
        found = next((name for name in variables if environment.get(name)), None)
        return cls() if found is None else cls(environment[found], found)

    def check(self) -> None:
        """Refuse a key that no header can carry; what comes to grief over it further down may show it.

        Raises:
            UsageError: it holds a line break, say.
        """
        if not (self._value.isascii() and self._value.isprintable()):
            raise UsageError(
                f"the key in {self._where} holds a line break or another character that no "
                "header can carry: see whether it was copied whole and alone"
            )

    def reveal(self) -> str:
        """Return the key for a header; "EMPTY", as servers without keys expect it, where there is none."""
        return self._value or "EMPTY"

    def scrub(self, text: str) -> str:
        """Blot the key out of a text that came from a server, also where it is quoted there.

        A key of fewer than 8 characters is taken for a placeholder and left as it is.

        >>> Key("sk-0123456789").scrub("no such key: sk-0123456789")
        'no such key: ***'
        """
        for shape in self._shapes:
            text = text.replace(shape, "***")
        return text

    def __bool__(self) -> bool:
        """Whether there is one."""
        return bool(self._value)

    def __repr__(self) -> str:
        """Say no more than whether there is one."""
        return f"Key({'***' if self else ''})"

    def __reduce__(self) -> str:
        """Refuse to be written anywhere."""
        raise TypeError("a key is not to be pickled")
