"""A language model behind a server that speaks the OpenAI protocol, as a judge needs it."""

from __future__ import annotations

import functools
import json
import secrets
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_vlmrobust.judges.known import Switches, switches_for, with_room
from pytest_vlmrobust.judges.labelled import labelled_cases
from pytest_vlmrobust.judges.questions import MENU, JudgePrompt, question_for, read_word
from pytest_vlmrobust.judges.texts import Said
from pytest_vlmrobust.models.server_identity import identity
from pytest_vlmrobust.remote.budget import CLAIMS, JUDGE
from pytest_vlmrobust.remote.client import ChatClient
from pytest_vlmrobust.remote.options import RemoteOptions
from pytest_vlmrobust.remote.paying import PayingClient
from pytest_vlmrobust.remote.spec import JUDGE_KEY_VARIABLES, Key, ServerSpec, same_model
from pytest_vlmrobust.remote.wire import MOST_TRIES, Completion, Failure, Request

if TYPE_CHECKING:
    from pytest_vlmrobust.store import Store

_TRIES = 3
"""How often a question is sent that only finds something out, or that follows upon many in vain."""

_MANNERS: tuple[Mapping[str, Any], ...] = (
    {"limit": "max_tokens", "temperature": 0},
    {"limit": "max_completion_tokens", "temperature": 0},
    {"limit": "max_completion_tokens"},
    {"limit": "max_tokens"},
)
"""How a short greedy reply is asked for; servers of models that always think refuse some of it."""

_LIMITS = {manner["limit"] for manner in _MANNERS}

_WORDS = list(MENU)
_SCHEMA = {
    "type": "object",
    "properties": {"verdict": {"type": "string", "enum": _WORDS}},
    "required": ["verdict"],
    "additionalProperties": False,
}
_MENUS: Mapping[str, Mapping[str, Any]] = {
    "structured_outputs": {"structured_outputs": {"choice": _WORDS}},  # vLLM
    "guided_choice": {"guided_choice": _WORDS},  # vLLM before 0.12
    "json_schema": {
        "response_format": {
            "type": "json_schema",
            "json_schema": {"name": "verdict", "strict": True, "schema": _SCHEMA},
        }
    },
}
"""How a server may be held to the words of the menu, by name."""

_DISTRACTION = "Reply with this one word and nothing else: pineapple"

_STORY = "Tell in two or three sentences what can be seen from a lighthouse on a clear day."
_STORY_TOKENS = 32
_SAMPLED = 16
"""Of how many labelled thoughts the verdicts tell one model from another, beside its reply to `_STORY`."""


@dataclass(frozen=True, kw_only=True)
class Manner:
    """How a server is asked, as it was seen to work.

    Attributes:
        settings: fields of every request.
        menu: what holds replies to the menu, a name of ours; "" where nothing does.
    """

    settings: Mapping[str, Any]
    menu: str = ""


@dataclass(kw_only=True)
class ServedText:
    """A language model behind a server.

    Whether the server can hold replies to a menu is seen, not believed: it is asked for a word that is not
    on the menu, once freely and once held to it.

    Attributes:
        server: the server, and the model there.
        options: how it is asked.
        free: whether it may say anything; its replies are then not held to the menu.
        max_tokens: the most tokens of a reply, for a model that does not think first; None for as many as a
            word of the menu needs.
        store: knows the weights behind the server's name again by their replies, or None.
    """

    server: ServerSpec
    options: RemoteOptions = field(default_factory=RemoteOptions)
    free: bool = False
    max_tokens: int | None = None
    store: Store | None = None
    _client: PayingClient | None = None
    _manner: Manner | None = None
    _tries: int = MOST_TRIES

    @property
    def name(self) -> str:
        """The spec of the server."""
        return str(self.server)

    @property
    def _switches(self) -> Switches:
        return with_room(switches_for(self.server.model), self.max_tokens)

    @property
    def identity(self) -> Sequence[str]:
        """Address, name of the model, the weights behind it as far as replies tell them, and how it is asked.

        Whether replies were held to the menu has no part in it: a word of the menu that was said freely
        is as much a verdict, and nothing else is kept. Where the server gives no replies, nobody knows its
        weights again.

        Raises:
            StoreError: the store is damaged.
        """
        switches = self._switches
        return [
            f"server={self.server.base_url}",
            f"model={self.server.model}",
            f"weights={self._weights}",
            f"max_tokens={switches.max_tokens}",
            f"request={json.dumps(dict(switches.request), sort_keys=True)}",
        ]

    @functools.cached_property
    def _weights(self) -> str:
        client = self._connected()
        manner = self._found_out(client)
        told = manner if isinstance(manner, Failure) else self._told(client, manner)
        if isinstance(told, Failure):
            return f"unknown {secrets.token_hex(16)}"
        text, logprobs = told
        return identity(self.store, self.server, text=text, logprobs=logprobs)

    def _told(self, client: PayingClient, manner: Manner) -> tuple[str, Sequence[float]] | Failure:
        """Ask what tells the weights: a story, with its log-probabilities, and a judge's verdicts."""
        story = self._story(client, manner)
        if isinstance(story, Failure):
            return story
        cases = labelled_cases()
        sampled = [] if self.free else cases[:: len(cases) // _SAMPLED][:_SAMPLED]
        settings = {**manner.settings, **_MENUS.get(manner.menu, {})}
        requests = [self._request(question_for(one.case), settings, _TRIES) for one in sampled]
        words = [""] * len(sampled)
        for place, came in client.complete(requests):
            if isinstance(came, Failure):
                return came
            words[place] = str(read_word(came.text))
        text = "\n".join([story.reasoning + story.text, *words])
        return text, [step.logprob for step in story.steps or ()]

    def _story(self, client: PayingClient, manner: Manner) -> Completion | Failure:
        limits = [name for name in manner.settings if name in _LIMITS]
        settings = {**manner.settings, **dict.fromkeys(limits, _STORY_TOKENS)}
        asked = self._request(JudgePrompt(system="", user=_STORY), settings, _TRIES)
        came = client.ask(replace(asked, settings={**settings, "logprobs": True}))
        if isinstance(came, Failure) and came.kind == "request":  # it gives no log-probabilities
            came = client.ask(asked)
        stranger = self._stranger(came) if isinstance(came, Completion) else ""
        return Failure(reason=stranger, kind="server") if stranger else came

    @property
    def details(self) -> Mapping[str, str]:
        """The family of switches."""
        return {"switches": self._switches.family}

    def complete(self, prompts: Sequence[JudgePrompt]) -> Iterator[Sequence[tuple[int, Said]]]:
        """Ask with several requests in flight; see `judges.texts.TextModel`."""
        client = self._connected()
        manner = self._found_out(client)
        if isinstance(manner, Failure):
            self._tries = _TRIES
            yield [(index, Said(failure=manner.reason)) for index in range(len(prompts))]
            return
        settings = {**manner.settings, **_MENUS.get(manner.menu, {})}
        requests = [self._request(prompt, settings, self._tries) for prompt in prompts]
        waiting = list(range(len(prompts)))
        replied = False
        for left in reversed(range(_TRIES)):
            asked, waiting = waiting, []
            for place, came in client.complete([requests[index] for index in asked]):
                replied = replied or isinstance(came, Completion)
                if left and isinstance(came, Completion) and self._stranger(came):
                    waiting.append(asked[place])
                else:
                    yield [(asked[place], self._said(came))]
        self._tries = MOST_TRIES if replied else _TRIES

    def close(self) -> None:
        """Close all connections."""
        if self._client is not None:
            self._client.close()
            self._client = None

    def _connected(self) -> PayingClient:
        if self._client is None:
            client = ChatClient(
                self.server,
                key=Key.from_environment(variables=JUDGE_KEY_VARIABLES),
                concurrency=self.options.concurrency,
                timeout_s=self.options.timeout_s,
                total_s=self.options.total_s,
                backoff_s=self.options.backoff_s,
                most_tokens=self._switches.max_tokens,
                budget=self.options.budget,
            )
            purpose = CLAIMS if self.free else JUDGE
            self._client = PayingClient(client=client, budget=self.options.budget, purpose=purpose)
        return self._client

    def _found_out(self, client: PayingClient) -> Manner | Failure:
        """Return how the server is asked, which is found out once."""
        if self._manner is None:
            manner = self._tried_out(client)
            if isinstance(manner, Failure):
                return manner
            self._manner = manner
        return self._manner

    def _tried_out(self, client: PayingClient) -> Manner | Failure:
        """Find out how the server takes requests, and whether it can be held to a menu."""
        prompt = JudgePrompt(system="", user=_DISTRACTION)
        came: Completion | Failure = Failure(reason="not asked", kind="request")
        settings: Mapping[str, Any] = {}
        for manner in _MANNERS:
            settings = self._settings(manner)
            came = client.ask(self._request(prompt, settings, _TRIES))
            if isinstance(came, Completion) or came.kind != "request":
                break
        if isinstance(came, Failure):
            return came
        if self.free or self._switches.thinks or read_word(came.text) is not None:
            return Manner(settings=settings)
        for menu, fields in _MENUS.items():
            held = client.ask(self._request(prompt, {**settings, **fields}, _TRIES))
            if isinstance(held, Completion) and read_word(held.text) is not None:
                return Manner(settings=settings, menu=menu)
        return Manner(settings=settings)

    def _settings(self, manner: Mapping[str, Any]) -> Mapping[str, Any]:
        fixed = {name: value for name, value in manner.items() if name != "limit"}
        return {manner["limit"]: self._switches.max_tokens, **fixed, **self._switches.request}

    @staticmethod
    def _request(prompt: JudgePrompt, settings: Mapping[str, Any], tries: int) -> Request:
        turns = (("system", prompt.system), ("user", prompt.user))
        messages = [{"role": role, "content": text} for role, text in turns if text]
        return Request(messages=messages, settings=settings, tries=tries)

    def _said(self, came: Completion | Failure) -> Said:
        if isinstance(came, Failure):
            return Said(failure=came.reason)
        stranger = self._stranger(came)
        return Said(failure=stranger) if stranger else Said(text=came.text)

    def _stranger(self, came: Completion) -> str:
        """Say that another model has replied than was asked for, or ""."""
        if same_model(self.server.model, came.model):
            return ""
        return (
            f"the server says that {came.model!r} has replied; if that is the model that shall judge, name "
            f"it so: 'openai:{came.model}@{self.server.base_url}'"
        )
