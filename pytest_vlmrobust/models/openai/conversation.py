"""What is said to a server about each prompt, and how what it says becomes an answer."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing
from typing import Any

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import read_reply
from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.models.base import Answer
from pytest_vlmrobust.models.dialects import Dialect
from pytest_vlmrobust.models.letters import Distribution
from pytest_vlmrobust.models.openai.chats import Chats
from pytest_vlmrobust.models.openai.jobs import Errand, Errands, Job
from pytest_vlmrobust.models.openai.letters import Look, SecondLook, read_steps
from pytest_vlmrobust.models.openai.replies import hides_reasoning, stopped_within_thought, written
from pytest_vlmrobust.models.openai.token_ids import TokenIds
from pytest_vlmrobust.remote.budget import Budget
from pytest_vlmrobust.remote.client import ChatClient
from pytest_vlmrobust.remote.findings import Findings
from pytest_vlmrobust.remote.wire import Completion, Failure, Request

_CHARACTERS = 3  # of a text that a token has at least, for an estimate of costs that is not too low


class Conversation:
    """Asks one server, with several requests in flight.

    Args:
        client: the server.
        findings: what was found out about it.
        chats: words prompts.
        dialect: lays out replies.
        max_new_tokens: the most tokens of a reply.
        budget: what may be spent.
    """

    def __init__(
        self,
        client: ChatClient,
        findings: Findings,
        chats: Chats,
        dialect: Dialect,
        *,
        max_new_tokens: int,
        budget: Budget,
    ) -> None:
        """Say nothing yet."""
        self._client = client
        self._findings = findings
        self._chats = chats
        self._layout = dialect.reply
        self._max_new_tokens = max_new_tokens
        self._budget = budget
        self._token_ids = TokenIds(client)
        self._longest = 0

    def answers(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        """Ask about every prompt, and yield each answer as soon as it is whole.

        Raises:
            ModelError: the server refuses every request, or does not reply any more.
            CostLimitError: the limit of costs does not allow a further request.
            DataError: an image cannot be opened.
        """
        jobs = [Job(index=index, chat=self._chats.word(prompt)) for index, prompt in enumerate(prompts)]
        errands = Errands([self._first(job) for job in jobs], self._budget)
        with closing(errands), closing(self._client.complete(errands.requests())) as replies:
            for place, came in replies:
                tokens = _tokens(came)
                errand = errands.returned(place, tokens)
                errand.job.count(tokens)
                answer = self._taken(errands, errand, came)
                if answer is not None:
                    yield errand.job.index, answer
        if errands.spent:
            raise self._budget.reached()

    def _first(self, job: Job, *, stop: bool = True) -> Errand:
        """Ask for the reply itself."""
        settings = self._findings.settings(self._max_new_tokens)
        if self._findings.top:
            settings |= {"logprobs": True, "top_logprobs": self._findings.top}
        stopped = stop and self._findings.stop is not None
        if stopped:
            settings |= {"stop": [self._layout.answer_close], **(self._findings.stop or {})}
        return self._errand(job, settings, self._max_new_tokens, stopped=stopped)

    def _look(self, job: Job, look: Look, place: int) -> Errand | None:
        """Ask for one more step of the model, after what it has written so far."""
        settings = {**self._findings.settings(1), "logprobs": True, "top_logprobs": self._findings.top}
        if look.tokens:
            ids = self._token_ids.of(look.tokens)
            if ids is None:
                return None
            settings["logprob_token_ids"] = ids
        return self._errand(job, settings, 1, reply=look.reply, place=place)

    def _errand(
        self,
        job: Job,
        settings: Mapping[str, Any],
        most_out: int,
        *,
        reply: str = "",
        place: int | None = None,
        stopped: bool = False,
    ) -> Errand:
        continued = self._findings.prefill.fields if job.chat.prefill or reply else {}
        characters = len(job.chat.system + job.chat.user + job.chat.prefill + reply)
        images = len(job.chat.prompt.images) * (self._findings.image_tokens or 0)

        def make() -> Request:
            messages = self._chats.messages(job.chat, reply=reply)
            replier = self._findings.model or self._client.server.model
            return Request(messages=messages, settings={**settings, **continued}, replier=replier)

        return Errand(
            job=job,
            make=make,
            most_in=lambda: max(self._longest, characters // _CHARACTERS + images),
            most_out=most_out,
            place=place,
            stopped=stopped,
        )

    def _taken(self, errands: Errands, errand: Errand, came: Completion | Failure) -> Answer | None:
        """Take in what came of a request; return the answer, once nothing more is needed for it."""
        job = errand.job
        if isinstance(came, Failure) and came.kind in ("refused", "down"):
            raise ModelError(f"model '{self._client.server}': {came.reason}")
        if errand.place is not None:
            return job.looked(errand.place, came.steps if isinstance(came, Completion) else None)
        if isinstance(came, Failure):
            return job.failed(came.reason)
        return self._read(errands, errand, came)

    def _read(self, errands: Errands, errand: Errand, came: Completion) -> Answer | None:
        """Read a reply; where it needs more, have that sent."""
        job = errand.job
        self._longest = max(self._longest, came.tokens_in or 0)
        text = written(came, job.chat, self._layout, echoes=self._findings.prefill.echoes)
        if errand.stopped and stopped_within_thought(came, job.chat, text.text, self._layout):
            errands.add([self._first(job, stop=False)])
            return None
        job.answer = Answer(
            text=text.text,
            prefill=job.chat.prefill,
            truncated=came.truncated and not text.complete,
            approximate=job.chat.approximate,
            reasoning_hidden=hides_reasoning(came),
        )
        read = read_reply(text.text, job.chat.prompt.choices, dialect=self._layout, prefill=job.chat.prefill)
        place = -1 if read.answer_span is None else read.answer_span[0] - text.lead
        if came.steps is None or place < 0 or read.letter is None:
            return job.done(None)
        found = read_steps(came.steps, text.said, place, read.letter, job.chat.prompt.letters)
        return self._finished(errands, job, found)

    def _finished(self, errands: Errands, job: Job, found: Distribution | SecondLook | None) -> Answer | None:
        if not isinstance(found, SecondLook):
            return job.done(found)
        prefill = self._findings.prefill
        if not prefill.works or prefill.echoes:  # there is no way back to that step
            return job.done(found.otherwise)
        looks = [self._look(job, look, place) for place, look in enumerate(found.looks)]
        wanted = [look for look in looks if look is not None]
        if len(wanted) < len(looks):
            return job.done(found.otherwise)
        job.look = found
        errands.add(wanted)
        return None


def _tokens(came: Completion | Failure) -> tuple[int, int]:
    if isinstance(came, Failure):
        return 0, 0
    emitted = len(came.steps or ()) if came.tokens_out is None else came.tokens_out
    return came.tokens_in or 0, emitted
