"""A client whose requests are paid for: none is sent that the budget does not allow."""

from __future__ import annotations

from collections.abc import Generator, Iterable, Iterator
from contextlib import closing
from dataclasses import dataclass

from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.remote.budget import Budget
from pytest_vlmrobust.remote.client import ChatClient
from pytest_vlmrobust.remote.wire import LIMITS, Completion, Failure, Request

_CHARACTERS = 3  # of a text that a token has at least, for an estimate of costs that is not too low
_IMAGE_TOKENS = 256  # of a small image, until a reply has told how many there are


@dataclass(kw_only=True)
class PayingClient:
    """Asks a server as far as a budget allows.

    What a prompt may cost is told by the longest one so far and the length of its text. A reply that comes
    without numbers of tokens is taken to have cost what it could.

    Attributes:
        client: the client.
        budget: what may be spent.
        purpose: what the requests are for, as in `remote.budget`.
    """

    client: ChatClient
    budget: Budget
    purpose: str
    _longest: int = 0

    def ask(self, request: Request) -> Completion | Failure:
        """Send one request, and wait for what comes of it.

        Raises:
            CostLimitError: the limit of costs does not allow it.
            UsageError: costs are limited, and the server counts no tokens.
        """
        ((_, came),) = self.complete([request])
        return came

    def complete(self, requests: Iterable[Request]) -> Generator[tuple[int, Completion | Failure]]:
        """Send requests as `ChatClient.complete` does.

        Raises:
            CostLimitError: as `ask`; what was sent before has come back by then.
            UsageError: as `ask`.
        """
        waiting = list(requests)
        held: dict[int, float] = {}
        count = 0
        try:
            with closing(self.client.complete(self._allowed(waiting, held))) as replies:
                for place, came in replies:
                    self._settle(held.pop(place), came)
                    count += 1
                    yield place, came
        finally:
            for most in held.values():
                self.budget.pay(most, 0.0, self.purpose)
        if count < len(waiting):
            raise self.budget.reached()

    def close(self) -> None:
        """Close all connections."""
        self.client.close()

    def _allowed(self, requests: Iterable[Request], held: dict[int, float]) -> Iterator[Request | None]:
        """Yield requests as far as the budget allows, None while those under way may make room."""
        for place, request in enumerate(requests):
            while (most := self.budget.hold(*self._most(request))) is None:
                if not held:
                    return
                yield None
            held[place] = most
            yield request

    def _most(self, request: Request) -> tuple[int, int]:
        """Estimate how many tokens a prompt and its reply may have."""
        characters = images = 0
        for message in request.messages:
            content = message["content"]
            for part in [{"text": content}] if isinstance(content, str) else content:
                characters += len(part.get("text", ""))
                images += "text" not in part
        most_in = max(self._longest, images * _IMAGE_TOKENS) + characters // _CHARACTERS
        return most_in, max(int(request.settings.get(name, 0)) for name in LIMITS)

    def _settle(self, held: float, came: Completion | Failure) -> None:
        if isinstance(came, Failure):
            self.budget.pay(held, 0.0, self.purpose)
        elif came.tokens_in is None or came.tokens_out is None:
            self.budget.pay(held, held if self.budget.counts else 0.0, self.purpose)
            if self.budget.counts and not self._longest:
                raise UsageError(
                    f"model '{self.client.server}': --vlm-max-cost cannot be kept, since the server counts "
                    "no tokens: leave it out"
                )
        else:
            self._longest = max(self._longest, came.tokens_in)
            self.budget.settle(held, came.tokens_in, came.tokens_out, self.purpose)
