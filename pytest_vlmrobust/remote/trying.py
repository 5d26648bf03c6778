"""One attempt after the other: which faults pass, how long to wait, and when to give up."""

from __future__ import annotations

import asyncio
import random
import time
from collections.abc import Awaitable, Callable, Mapping
from dataclasses import dataclass
from email.utils import parsedate_to_datetime

import tenacity

from pytest_vlmrobust.remote.wire import Completion, Failure

LONGEST_WAIT = 30.0
"""The longest wait between two tries, in seconds, unless the server asks for a longer one."""

_PASSING = {408, 409, 425, 429}


class PassingError(Exception):
    """An attempt that failed in a way that may pass.

    Attributes:
        retry_after: how many seconds the server asks to wait, or 0.
    """

    def __init__(self, reason: str, *, status: int | None = None, retry_after: float = 0.0) -> None:
        """Keep the reason, which holds no key."""
        super().__init__(reason)
        self.status = status
        self.retry_after = retry_after


class LastingError(Exception):
    """An attempt that failed in a way that will not pass."""

    def __init__(self, failure: Failure) -> None:
        """Keep what to report."""
        super().__init__(failure.reason)
        self.failure = failure


def passes(status: int) -> bool:
    """Whether a request that was answered with this status may be answered otherwise later.

    >>> passes(429), passes(503), passes(400)
    (True, True, False)
    """
    return status in _PASSING or status >= 500


def retry_after(headers: Mapping[str, str], now: Callable[[], float] = time.time) -> float:
    """Read how many seconds a server asks to wait; 0 where it does not say, or not in words that are known.

    >>> retry_after({"retry-after": "20"}), retry_after({"retry-after-ms": "1500"}), retry_after({})
    (20.0, 1.5, 0.0)
    >>> retry_after({"retry-after": "Thu, 01 Jan 1970 00:01:00 GMT"}, now=lambda: 50.0)
    10.0
    """
    for name, unit in (("retry-after-ms", 1e-3), ("retry-after", 1.0)):
        try:
            seconds = float(headers.get(name, "")) * unit
        except ValueError:
            continue
        if seconds > 0:  # refuses nan too
            return seconds
    try:
        return max(0.0, parsedate_to_datetime(headers.get("retry-after", "")).timestamp() - now())
    except (ValueError, TypeError, OverflowError):
        return 0.0


@dataclass(frozen=True, kw_only=True)
class Tries:
    """How long and how often one request is tried.

    Attributes:
        total_s: the time for all tries and the waits between them, in seconds.
        backoff_s: the longest wait before the second try, in seconds; it doubles with each further one.
    """

    total_s: float
    backoff_s: float

    async def until_done(
        self, attempt: Callable[[], Awaitable[Completion]], most: int
    ) -> Completion | Failure:
        """Call ``attempt`` until it gives a completion, fails for good, or time or tries are used up.

        Args:
            attempt: sends the request once; raises `PassingError` or `LastingError`.
            most: how often it is called at most.
        """
        began = time.monotonic()
        tried = 0
        last = PassingError("no reply")

        async def once() -> Completion:
            nonlocal tried, last
            tried += 1
            try:
                return await attempt()
            except PassingError as error:
                last = error
                raise

        try:
            async with asyncio.timeout(self.total_s):
                return await self._retrying(most)(once)
        except LastingError as error:
            return error.failure
        except PassingError as error:
            last = error
        except TimeoutError:
            if tried <= 1:
                last = PassingError(f"no reply within {self.total_s:g} s")
        return self._given_up(last, tried, time.monotonic() - began)

    def _given_up(self, last: PassingError, tried: int, spent: float) -> Failure:
        effort = f" (tried {tried} times in {spent:.1f} s)" if tried > 1 else ""
        if last.retry_after > max(0.0, self.total_s - spent):
            effort += f"; the server asks to wait {last.retry_after:g} s, and the limit is {self.total_s:g} s"
        return Failure(reason=f"{last}{effort}", kind="server", status=last.status)

    def _retrying(self, most: int) -> tenacity.AsyncRetrying:
        return tenacity.AsyncRetrying(
            retry=tenacity.retry_if_exception_type(PassingError),
            wait=self._wait,
            stop=tenacity.stop_any(
                tenacity.stop_after_attempt(most), tenacity.stop_before_delay(self.total_s)
            ),
            sleep=asyncio.sleep,
            reraise=True,
        )

    def _wait(self, state: tenacity.RetryCallState) -> float:
        error = state.outcome.exception() if state.outcome else None
        asked = error.retry_after if isinstance(error, PassingError) else 0.0
        longest = min(LONGEST_WAIT, self.backoff_s * 2 ** (state.attempt_number - 1))
        # With jitter, so that requests that failed together do not come back together.
        return asked + random.uniform(longest / 2, longest) * (0.2 if asked else 1.0)
