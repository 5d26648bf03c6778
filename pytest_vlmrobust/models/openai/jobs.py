"""The way of many prompts to a server and back: what is sent next, and what a reply still needs."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, field, replace

from pytest_vlmrobust.models.base import Answer
from pytest_vlmrobust.models.letters import Distribution
from pytest_vlmrobust.models.openai.chats import Chat
from pytest_vlmrobust.models.openai.letters import SecondLook
from pytest_vlmrobust.remote.budget import Budget
from pytest_vlmrobust.remote.wire import Request, Step


@dataclass(kw_only=True)
class Job:
    """One prompt on its way.

    Attributes:
        index: its place among the prompts.
        chat: the prompt in words.
        answer: what is known of the answer so far, or None.
        look: what its letter distribution still needs, or None.
    """

    index: int
    chat: Chat
    answer: Answer | None = None
    look: SecondLook | None = None
    _tokens: tuple[int, int] = (0, 0)
    _steps: dict[int, Step | None] = field(default_factory=dict)

    def count(self, tokens: tuple[int, int]) -> None:
        """Add tokens of a prompt and of a reply that were needed for it."""
        self._tokens = self._tokens[0] + tokens[0], self._tokens[1] + tokens[1]

    def looked(self, place: int, steps: Sequence[Step] | None) -> Answer | None:
        """Take in a step of the second look; return the answer, once all of them are there."""
        self._steps[place] = steps[0] if steps else None
        if self.look is None or len(self._steps) < len(self.look.looks):
            return None
        seen = [step for _, step in sorted(self._steps.items()) if step is not None]
        whole = len(seen) == len(self._steps)
        return self.done(self.look.finish(seen) if whole else self.look.otherwise)

    def failed(self, reason: str) -> Answer:
        """Return an answer that says why there is none."""
        self.answer = Answer(
            text="", prefill=self.chat.prefill, approximate=self.chat.approximate, failure=reason
        )
        return self.done(None)

    def done(self, letters: Distribution | None) -> Answer:
        """Return the answer, with a distribution over the options or without."""
        tokens_in, tokens_out = self._tokens
        return replace(
            self.answer or Answer(text=""),
            letter_probs=letters.probs if letters else None,
            letter_mass=letters.mass if letters else None,
            tokens=tokens_out,
            tokens_in=tokens_in,
        )


@dataclass(frozen=True, kw_only=True)
class Errand:
    """One request for a job.

    Attributes:
        job: the job.
        make: makes the request, when its turn has come.
        most_in: says how many tokens its prompt may have, by what was seen so far.
        most_out: the most tokens of its reply.
        place: which of the steps of a second look it brings; None for the reply itself.
        stopped: whether the reply was to end at the closing tag of its answer.
    """

    job: Job
    make: Callable[[], Request]
    most_in: Callable[[], int]
    most_out: int
    place: int | None = None
    stopped: bool = False


class Errands:
    """Gives a client its requests: first what a reply still needs, then the next prompt, within the budget.

    Where there is a limit of costs, the first request goes alone: what its prompt has cost tells how many of
    such prompts may be in flight.

    Attributes:
        spent: True when the budget has kept some from being sent.
    """

    def __init__(self, first: Sequence[Errand], budget: Budget) -> None:
        """Send nothing yet."""
        self.spent = False
        self._budget = budget
        self._waiting = deque(first)
        self._urgent: deque[Errand] = deque()
        self._sent: list[Errand] = []
        self._held: dict[int, float] = {}
        self._alone = budget.counts

    def add(self, errands: Sequence[Errand]) -> None:
        """Have these sent before any other."""
        self._urgent.extend(errands)

    def requests(self) -> Iterator[Request | None]:
        """Yield the next request, None while only what is under way can bring more, until all is done."""
        while True:
            queue = self._urgent or self._waiting
            if not queue and not self._held:
                return
            if self._alone and self._held:
                yield None
                continue
            held = self._budget.hold(queue[0].most_in(), queue[0].most_out) if queue else None
            if held is not None:
                errand = queue.popleft()
                request = errand.make()
                self._held[len(self._sent)] = held
                self._sent.append(errand)
                yield request
            elif self._held:
                yield None
            else:
                self.spent = True
                return

    def returned(self, place: int, tokens: tuple[int, int]) -> Errand:
        """Take note that a request is done, and what it has cost; return what it was for."""
        self._budget.settle(self._held.pop(place), *tokens)
        self._alone = False
        return self._sent[place]

    def close(self) -> None:
        """Let go of what is held for requests that nobody waits for any more."""
        for held in self._held.values():
            self._budget.settle(held, 0, 0)
        self._held = {}
