"""The HTTP client of the OpenAI client, with what must not happen ruled out.

No redirect is followed, since the key would go along; a reply of more bytes than any that was asked for
could have is broken off, compressed or not.
"""

from __future__ import annotations

import importlib
from collections.abc import AsyncIterator
from typing import Any

import openai

# The OpenAI client builds upon httpx or, in later releases, on httpx2: whichever it is, its own.
_http: Any = importlib.import_module(openai.DefaultAsyncHttpxClient.__mro__[1].__module__.partition(".")[0])

HttpResponse: Any = _http.Response
"""The kind of response that the OpenAI client can hand on unread."""


class TooLargeError(Exception):
    """A reply was broken off."""


def http_client(*, most_bytes: int, timeout_s: float) -> Any:
    """Make the client.

    Args:
        most_bytes: the largest body of a reply.
        timeout_s: the longest silence, in seconds.
    """

    async def bound(response: Any) -> None:
        if response.headers.get("content-encoding", "identity") != "identity":
            raise TooLargeError("the reply is compressed, although that was not asked for")
        response.stream = _Bounded(response.stream, most_bytes)

    return openai.DefaultAsyncHttpxClient(
        follow_redirects=False,
        timeout=timeout_s,
        headers={"accept-encoding": "identity"},
        event_hooks={"response": [bound]},
    )


class _Bounded(_http.AsyncByteStream):  # type: ignore[misc]
    """The body of a reply, up to a limit."""

    def __init__(self, inner: Any, most_bytes: int) -> None:
        self._inner = inner
        self._most = most_bytes

    async def __aiter__(self) -> AsyncIterator[bytes]:
        count = 0
        async for chunk in self._inner:
            count += len(chunk)
            if count > self._most:
                raise TooLargeError(f"the reply has more than {self._most} bytes, and was broken off")
            yield chunk

    async def aclose(self) -> None:
        await self._inner.aclose()
