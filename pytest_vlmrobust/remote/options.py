"""How servers are asked: what changes no reply, and so belongs to no key of a stored one."""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_vlmrobust.remote.budget import Budget


@dataclass(frozen=True, kw_only=True)
class RemoteOptions:
    """How servers are asked.

    Attributes:
        concurrency: how many requests may be in flight at once.
        total_s: the longest that one reply may take, in seconds, all tries included.
        timeout_s: the longest that one try may take, in seconds; by default half of it.
        backoff_s: the longest wait before the second try, in seconds; it doubles with each further one.
        budget: what may be spent, for all servers of a session together.
    """

    concurrency: int = 8
    total_s: float = 600.0
    timeout_s: float | None = None
    backoff_s: float = 0.5
    budget: Budget = field(default_factory=Budget)
