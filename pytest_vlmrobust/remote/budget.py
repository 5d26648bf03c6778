"""What replies cost, and a limit that is kept."""

from __future__ import annotations

import threading
from collections.abc import Mapping
from dataclasses import dataclass, field

from pytest_vlmrobust.errors import CostLimitError

REPLIES, PROBE, JUDGE, CLAIMS = "replies", "probe", "judge", "claims"
"""What requests are for: replies of the model, finding out what its server does, judging, writing claims."""

_MILLION = 1_000_000


@dataclass(frozen=True)
class Price:
    """The price of a million tokens; the currency is whoever's who set it.

    Attributes:
        tokens_in: of a prompt.
        tokens_out: of a reply.
    """

    tokens_in: float
    tokens_out: float

    def __str__(self) -> str:
        """Write it as the option takes it."""
        return f"{self.tokens_in:g},{self.tokens_out:g}"

    def of(self, tokens_in: int, tokens_out: int) -> float:
        """Return what so many tokens cost.

        >>> Price(2.5, 10.0).of(1_000_000, 100_000)
        3.5
        """
        return (tokens_in * self.tokens_in + tokens_out * self.tokens_out) / _MILLION


@dataclass(kw_only=True)
class Budget:
    """Counts what is spent, and says beforehand whether a further request would go beyond the limit.

    A request that is under way holds what it may cost at most, so that the limit holds however many are
    in flight.

    Attributes:
        price: the price, or None where nobody asks for money.
        limit: the most that may be spent, or None for no limit.
    """

    price: Price | None = None
    limit: float | None = None
    _spent: dict[str, float] = field(default_factory=dict, repr=False)
    _held: float = field(default=0.0, repr=False)
    _lock: threading.Lock = field(default_factory=threading.Lock, repr=False, compare=False)

    @property
    def spent(self) -> float:
        """What was spent."""
        return sum(self._spent.values(), start=0.0)

    @property
    def shares(self) -> Mapping[str, float]:
        """What was spent on what: `REPLIES`, `PROBE`, `JUDGE`, `CLAIMS`."""
        return dict(self._spent)

    @property
    def counts(self) -> bool:
        """Whether there is a limit to keep."""
        return self.price is not None and self.limit is not None

    def hold(self, tokens_in: int, tokens_out: int) -> float | None:
        """Set aside what a request may cost at most.

        Returns:
            What is held, to be given to `settle`; None where the limit does not allow it.
        """
        most = self.price.of(tokens_in, tokens_out) if self.price else 0.0
        with self._lock:
            if self.counts and self.spent + self._held + most > (self.limit or 0.0):
                return None
            self._held += most
        return most

    def settle(self, held: float, tokens_in: int, tokens_out: int, purpose: str = REPLIES) -> None:
        """Replace what was held for a request by what it has cost."""
        self.pay(held, self.price.of(tokens_in, tokens_out) if self.price else 0.0, purpose)

    def pay(self, held: float, cost: float, purpose: str) -> None:
        """Replace what was held for a request by a cost that is known already."""
        with self._lock:
            self._held = max(0.0, self._held - held)
            if cost:
                self._spent[purpose] = self._spent.get(purpose, 0.0) + cost

    def reached(self) -> CostLimitError:
        """Return the error that says that no further request is allowed."""
        return CostLimitError(
            f"the limit of costs is reached ({self.spent:.4f} of {self.limit or 0.0:g} spent): a further "
            "request could go beyond it; raise --vlm-max-cost to go on"
        )
