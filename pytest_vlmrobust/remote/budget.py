"""What replies cost, and a limit that is kept."""

from __future__ import annotations

from dataclasses import dataclass, field

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
        spent: what was spent.
    """

    price: Price | None = None
    limit: float | None = None
    spent: float = 0.0
    _held: float = field(default=0.0, repr=False)

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
        if self.price is not None and self.limit is not None and self.spent + self._held + most > self.limit:
            return None
        self._held += most
        return most

    def settle(self, held: float, tokens_in: int, tokens_out: int) -> None:
        """Replace what was held for a request by what it has cost."""
        self._held = max(0.0, self._held - held)
        if self.price is not None:
            self.spent += self.price.of(tokens_in, tokens_out)
