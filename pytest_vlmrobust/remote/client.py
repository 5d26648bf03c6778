"""Asks a server many things at once, and hands each reply on as soon as it is there."""

from __future__ import annotations

import asyncio
import contextlib
import functools
import json
import queue
from collections.abc import Generator, Iterable, Mapping
from concurrent.futures import Future
from types import TracebackType
from typing import Any

import openai

from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.remote.background import Background
from pytest_vlmrobust.remote.budget import PROBE, Budget
from pytest_vlmrobust.remote.logs import Scrubbing
from pytest_vlmrobust.remote.spec import Key, ServerSpec, same_model
from pytest_vlmrobust.remote.standing import Standing
from pytest_vlmrobust.remote.transport import HttpResponse, TooLargeError, http_client
from pytest_vlmrobust.remote.trying import LastingError, PassingError, Tries, passes, retry_after
from pytest_vlmrobust.remote.wire import (
    LIMITS,
    Completion,
    Failure,
    MalformedError,
    Request,
    error_text,
    read_completion,
)

_AHEAD = 4  # requests that are prepared before there is room for them
_BODY_BYTES, _TOKEN_BYTES = 1_000_000, 8_000  # of a reply; with twenty candidates a token takes some 2 kB
_WAKE = 0.5  # seconds: where waiting cannot be interrupted, Ctrl-C is noticed this late
_SHOWN = 240  # characters of a server's own message
_NO_MORE = object()
_PLAIN_TRIES, _PLAIN_TOKENS = 3, 64


class ChatClient:
    """A server of chat completions, asked with several requests in flight.

    Requests begin in the order in which they come. One that fails in a way that may pass is tried again: HTTP
    408, 409, 425, 429 and 5xx, a lost or broken connection, half a body, a body that is no reply or too large
    for one, a redirect, which is not followed. What never passes, such as a refused key, fails at once, and
    so does every request after it. Where as many requests in a row have failed as may be in flight, a short
    plain question tells a server that is down from requests that it cannot cope with: where that fails too,
    or 32 requests in a row have failed, no further one is sent, until `complete` is called anew.

    Args:
        server: the server.
        key: the key; by default from the environment.
        concurrency: how many requests are in flight at most.
        timeout_s: the longest that one try may take, in seconds; by default half of ``total_s``.
        total_s: the longest that one request may take, in seconds, all tries and waits included.
        backoff_s: the longest wait before the second try, in seconds; it doubles with each further one.
        most_tokens: the longest reply that will be asked for; larger bodies are broken off.
        budget: has to allow the plain questions, and is told what they cost.
    """

    def __init__(
        self,
        server: ServerSpec,
        *,
        key: Key | None = None,
        concurrency: int = 8,
        timeout_s: float | None = None,
        total_s: float = 600.0,
        backoff_s: float = 0.5,
        most_tokens: int = 4096,
        budget: Budget | None = None,
    ) -> None:
        """Connect to nobody yet."""
        if concurrency < 1:
            raise UsageError(f"concurrency={concurrency}: has to be 1 or more")
        self.server = server
        self.concurrency = concurrency
        self._key = Key.from_environment() if key is None else key
        self._key.check()
        self._scrubbing = Scrubbing(self._key)
        self._timeout_s = total_s / 2 if timeout_s is None else timeout_s
        self._tries = Tries(total_s=total_s, backoff_s=backoff_s)
        self._most_bytes = _BODY_BYTES + _TOKEN_BYTES * most_tokens
        self._background = Background()
        self._openai: openai.AsyncOpenAI | None = None
        self._room: asyncio.Semaphore | None = None
        self._budget = budget or Budget()
        self._standing = Standing(concurrency, self._replies)

    def complete(self, requests: Iterable[Request | None]) -> Generator[tuple[int, Completion | Failure]]:
        """Send requests, and yield what came of each as soon as it is known.

        Args:
            requests: the requests, taken one by one as there is room; None stands for "none for now": asked
                again when something has come back.

        Yields:
            The place of a request among all, and its reply or why there is none.

        Raises:
            UsageError: None came while nothing was in flight, so that nothing could ever come back.
        """
        source, finished = iter(requests), queue.SimpleQueue[int]()
        running: dict[int, Future[Completion | Failure]] = {}
        count, more = 0, True
        self._standing.begin()
        try:
            while True:
                while more and len(running) < self.concurrency + _AHEAD:
                    request = next(source, _NO_MORE)
                    if request is None:
                        break
                    if not isinstance(request, Request):
                        more = False
                        break
                    running[count] = self._background.start(self._in_turn(request))
                    running[count].add_done_callback(functools.partial(_put, finished, count))
                    count += 1
                if not running:
                    if more:
                        raise UsageError("requests: got None while no request was under way")
                    return
                place = _next(finished)
                yield place, running.pop(place).result()
        finally:
            for future in running.values():
                future.cancel()

    def ask(self, request: Request) -> Completion | Failure:
        """Send one request, and wait for what comes of it."""
        ((_, came),) = self.complete([request])
        return came

    def get(self, path: str) -> Any:
        """Get a document from below the server's address, or None where it cannot be had."""
        return self._document("GET", f"{self.server.base_url}{path}", None)

    def post(self, url: str, body: Mapping[str, Any]) -> Any:
        """Post a document to an address of the server's, and return its answer, or None."""
        return self._document("POST", url, body)

    def close(self) -> None:
        """Give up what is in flight, and close all connections."""
        if self._openai is not None and self._background.running:
            with contextlib.suppress(Exception):  # whatever does not close in order is closed by the end
                self._background.start(self._openai.close()).result(timeout=2.0)
        self._background.end()
        self._scrubbing.take_off()
        self._openai = self._room = None

    def __enter__(self) -> ChatClient:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    async def _in_turn(self, request: Request) -> Completion | Failure:
        """Wait for room, and complete a request, unless none can be completed any more."""
        if self._room is None:
            self._room = asyncio.Semaphore(self.concurrency)
        async with self._room:
            given_up = await self._standing.given_up(request)
            if given_up is not None:
                return given_up
            came = await self._tries.until_done(lambda: self._attempt(request), request.tries)
        self._standing.note(came)
        return came

    async def _replies(self, request: Request) -> bool:
        """See whether the server replies to a plain question, or refuses it in so many words."""
        limits = {name: 1 for name in LIMITS if name in request.settings}
        plain = Request(messages=[{"role": "user", "content": "Hello"}], settings=limits)
        held = self._budget.hold(_PLAIN_TOKENS, 1)
        if held is None:
            return False
        came = await self._tries.until_done(lambda: self._attempt(plain), _PLAIN_TRIES)
        if isinstance(came, Failure):
            self._budget.settle(held, 0, 0, PROBE)
            return came.kind == "request"
        self._budget.settle(held, came.tokens_in or 0, came.tokens_out or 0, PROBE)
        return True

    async def _attempt(self, request: Request) -> Completion:
        """Send a request once."""
        # Not by the library's own method for chats, which goes through every field of every message.
        body = {"model": self.server.model, "messages": list(request.messages), **request.settings}
        data = await self._guarded(
            lambda client: client.post("/chat/completions", body=body, cast_to=HttpResponse)
        )
        try:
            came = read_completion(data, self._key.scrub)
        except MalformedError as error:
            raise PassingError(f"it is no reply: {self._told(str(error))}") from None
        if request.replier and not same_model(request.replier, came.model):
            raise PassingError(f"the server says that {self._told(came.model)!r} has replied")
        return came

    async def _guarded(self, send: Any) -> bytes:
        """Send something, and turn every way of failing into one of ours, which brings no header along."""
        try:
            async with asyncio.timeout(self._timeout_s):
                raw = await send(self._connected())
                content: bytes = raw.content
                return content
        except (TimeoutError, openai.APITimeoutError):
            raise PassingError(f"no reply within {self._timeout_s:g} s") from None
        except openai.APIStatusError as error:
            raise self._status_fault(error) from None
        except Exception as error:
            # Whatever else goes wrong below here: its traceback would bring the headers along.
            cause = error.__cause__ or error
            if isinstance(cause, TooLargeError):
                raise PassingError(str(cause)) from None
            told = self._told(f"{type(cause).__name__}: {cause}")
            raise PassingError(f"the connection failed ({told})") from None

    def _status_fault(self, error: openai.APIStatusError) -> PassingError | LastingError:
        status, response = error.status_code, error.response
        message, code = error_text(response.content)
        told = f"HTTP {status}" + (f" ({self._told(message)})" if message else "")
        if 300 <= status < 400:
            target = self._told(str(response.headers.get("location", "")))
            told = (
                f"HTTP {status}: it sends on to {target!r}, which is not followed; name that address yourself"
            )
            return PassingError(told, status=status)
        if passes(status) and code != "insufficient_quota":
            return PassingError(told, status=status, retry_after=retry_after(response.headers))
        everyone = status in (401, 402, 403, 404, 405, 429)
        return LastingError(Failure(reason=told, kind="refused" if everyone else "request", status=status))

    def _told(self, text: str) -> str:
        """Make a server's own words fit for a line, without the key."""
        line = " ".join(self._key.scrub(text).split())
        shown = "".join(char if char.isprintable() else "?" for char in line)
        return shown if len(shown) <= _SHOWN else f"{shown[: _SHOWN - 1]}…"

    def _connected(self) -> openai.AsyncOpenAI:
        if self._openai is None:
            self._openai = openai.AsyncOpenAI(
                api_key=self._key.reveal(),
                base_url=self.server.base_url,
                max_retries=0,  # tries are counted here
                timeout=self._timeout_s,
                http_client=http_client(most_bytes=self._most_bytes, timeout_s=self._timeout_s),
            )
            self._scrubbing.put_on()  # by now the libraries have made their loggers
        return self._openai

    def _document(self, method: str, url: str, body: Mapping[str, Any] | None) -> Any:
        future = self._background.start(self._fetched(method, url, body))
        try:
            while True:
                try:
                    return json.loads(
                        self._key.scrub(future.result(timeout=_WAKE).decode("utf-8", "replace"))
                    )
                except TimeoutError:
                    if future.done():
                        return None
        except (PassingError, LastingError, ValueError, RecursionError):
            return None
        finally:
            future.cancel()

    async def _fetched(self, method: str, url: str, body: Mapping[str, Any] | None) -> bytes:
        return await self._guarded(
            lambda client: (
                client.get(url, cast_to=HttpResponse)
                if method == "GET"
                else client.post(url, cast_to=HttpResponse, body=dict(body or {}))
            )
        )


def _next(finished: queue.SimpleQueue[int]) -> int:
    """Wait for the next request that is done, so that Ctrl-C is noticed meanwhile."""
    while True:
        try:
            return finished.get(timeout=_WAKE)
        except queue.Empty:
            continue


def _put(finished: queue.SimpleQueue[int], place: int, _: Future[Completion | Failure]) -> None:
    finished.put(place)
