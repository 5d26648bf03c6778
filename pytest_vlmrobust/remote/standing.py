"""Whether a server is asked any further: one that is down, or refuses everybody, is left alone."""

from __future__ import annotations

import asyncio
from collections.abc import Awaitable, Callable

from pytest_vlmrobust.remote.wire import Completion, Failure, Request

HOPELESS = 32
"""How many requests in a row may fail, if not more are in flight, while plain questions are replied to."""


class Standing:
    """What the requests so far tell about a server."""

    def __init__(self, concurrency: int, replies: Callable[[Request], Awaitable[bool]]) -> None:
        """Suspect nothing.

        Args:
            concurrency: as many requests in a row may fail before there is a doubt.
            replies: tries a plain question, worded for the server of a request that is to be sent, and says
                whether there was a reply.
        """
        self._concurrency = concurrency
        self._replies = replies
        self._failed = 0
        self._last = ""
        self._refused: Failure | None = None
        self.begin()

    def begin(self) -> None:
        """Give a server that was down another chance."""
        self._failed = min(self._failed, self._concurrency - 1)
        self._patience = self._concurrency
        self._down: Failure | None = None
        self._asking = asyncio.Lock()

    async def given_up(self, request: Request) -> Failure | None:
        """Say why a request is not to be sent any more, or None."""
        async with self._asking:  # one plain question at a time is enough
            if self._refused is None and self._down is None and self._failed >= self._patience:
                await self._doubted(request)
        return self._refused or self._down

    async def _doubted(self, request: Request) -> None:
        """See whether the server is down, or the requests of late are at fault."""
        if self._failed < max(HOPELESS, self._concurrency) and await self._replies(request):
            self._patience = self._failed + self._concurrency
            return
        reason = f"not sent, since {self._failed} requests in a row had failed ({self._last})"
        self._down = Failure(reason=reason, kind="down")

    def note(self, came: Completion | Failure) -> None:
        """Take in what came of a request."""
        if isinstance(came, Completion):
            self._failed, self._patience, self._down = 0, self._concurrency, None
        elif came.kind == "server":
            self._failed += 1
            self._last = came.reason
        elif came.kind == "refused":
            self._refused = came
