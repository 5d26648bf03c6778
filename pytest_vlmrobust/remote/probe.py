"""Finds out what a server does by asking it: a field that is accepted may still be ignored.

Each finding stands on a difference between two requests, since the same words are accepted by servers that
act on them and by servers that do not. What cannot be seen counts as missing.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.remote.budget import PROBE, Budget
from pytest_vlmrobust.remote.client import ChatClient
from pytest_vlmrobust.remote.findings import Findings, Prefill
from pytest_vlmrobust.remote.paying import PayingClient
from pytest_vlmrobust.remote.spec import same_model
from pytest_vlmrobust.remote.wire import Completion, Failure, Request

Message = Mapping[str, Any]

_QUESTION = "Describe this picture in two or three sentences."
_FREE_TOKENS = 32
_TRIES = 3
_SHOWN = 64  # characters of a refusal
_CANDIDATES = (20, 5)
"""How many candidates a token are asked for; most servers allow twenty, some no more than five."""

_SETTINGS = (
    {"limit": "max_tokens", "greedy": True},
    {"limit": "max_completion_tokens", "greedy": True},
    {"limit": "max_completion_tokens", "greedy": False},
    {"limit": "max_tokens", "greedy": False},
)
_CONTINUE = {"continue_final_message": True, "add_generation_prompt": False}
_ASK = ("continue_final_message", "prefix")  # what asks for it, and may be accepted and ignored
_SHOW = {"return_prompt_text": True, "prompt_logprobs": 0}
_WAYS = (
    # The prompt as the model reads it is proof, where a server shows it; else tokens are counted.
    Prefill(way="continue_final_message", fields={**_CONTINUE, **_SHOW}),
    Prefill(way="continue_final_message", fields=_CONTINUE),
    Prefill(way="last message"),
    Prefill(way="prefix", message={"prefix": True}),
)
_WORDS = "one\n"  # on lines of its own, each takes the same number of tokens wherever it stands
_FEW, _MANY = 4, 8


@dataclass(frozen=True, kw_only=True)
class Tags:
    """What opens and closes a thought in the prefills that will be sent."""

    think_open: str
    think_close: str


def probe(client: ChatClient, image: Sequence[Message], tags: Tags, budget: Budget | None = None) -> Findings:
    """Find out what a server does.

    Args:
        client: the server.
        image: the parts of a message that show a small image.
        tags: of the thoughts that replies will be begun with.
        budget: has to allow each question, and is told what it costs.

    Raises:
        CostLimitError: the limit of costs does not allow a question.
        UsageError: costs are limited, and the server counts no tokens.
        ModelError: the server cannot be reached, refuses the key, does not serve the model, or refuses a
            plain question about an image.
    """
    return _Probe(client, image, tags, budget or Budget()).findings()


class _Probe:
    """One server, and what is known of it so far."""

    def __init__(self, client: ChatClient, image: Sequence[Message], tags: Tags, budget: Budget) -> None:
        self._client = client
        self._paying = PayingClient(client=client, budget=budget, purpose=PROBE)
        self._tags = tags
        self._user: Message = {"role": "user", "content": [*image, {"type": "text", "text": _QUESTION}]}
        self._blind: Message = {"role": "user", "content": [{"type": "text", "text": _QUESTION}]}
        self._known = Findings()
        self._shown: set[str] = set()  # the ways in which the server has shown the prompt

    def findings(self) -> Findings:
        plain = self._plain()
        reasons = plain.reasoning_tokens > 0 and not plain.reasoning
        top, evidence, logprobs = self._candidates()
        stop, stop_evidence = self._stop(plain)
        return Findings(
            model=plain.model,
            root=self._root(),
            limit=self._known.limit,
            greedy=self._known.greedy,
            counts=plain.tokens_in is not None and plain.tokens_out is not None,
            prefill=self._prefill(plain),
            top=top,
            top_evidence=evidence,
            stop=stop,
            stop_evidence=stop_evidence,
            reasoning="apart" if plain.reasoning else "hidden" if reasons else "",
            image_tokens=self._image_tokens(plain),
            text=plain.reasoning + plain.text,
            logprobs=logprobs,
        )

    def _ask(self, messages: Sequence[Message], *, tokens: int = 1, **settings: Any) -> Completion | Failure:
        known = self._known.settings(tokens)
        return self._paying.ask(Request(messages=messages, settings={**known, **settings}, tries=_TRIES))

    def _plain(self) -> Completion:
        """Ask a plain question about an image, in the first way that the server takes."""
        first: Failure | None = None
        for settings in _SETTINGS:
            self._known = Findings(**settings)  # type: ignore[arg-type]
            came = self._ask([self._user], tokens=_FREE_TOKENS)
            if isinstance(came, Completion):
                self._check_model(came)
                return came
            first = first or came
            if came.kind != "request":
                break
        assert first is not None  # there is at least one way
        raise self._unusable(first)

    def _unusable(self, failure: Failure) -> ModelError:
        served = [entry["id"] for entry in self._served()[:8]] if failure.status == 404 else []
        hints = {
            "refused": "see whether the key in VLMROBUST_API_KEY and the address are right",
            "request": "see whether the model takes images",
            "server": "see whether it runs and can be reached from here",
        }
        hint = f"it serves {', '.join(served)}" if served else hints[failure.kind]
        return ModelError(f"model '{self._client.server}': {failure.reason}; {hint}")

    def _served(self) -> list[dict[str, Any]]:
        """List what the server says that it serves."""
        document = self._client.get("/models")
        listed = document.get("data") if isinstance(document, dict) else None
        entries = listed if isinstance(listed, list) else []
        return [entry for entry in entries if isinstance(entry, dict) and isinstance(entry.get("id"), str)]

    def _root(self) -> str:
        """Ask where the weights come from."""
        model = self._client.server.model
        return next((str(entry.get("root") or "") for entry in self._served() if entry["id"] == model), "")

    def _check_model(self, came: Completion) -> None:
        """Refuse a server that lets another model reply than was asked for."""
        if not same_model(self._client.server.model, came.model):
            raise ModelError(
                f"model '{self._client.server}': the server says that {came.model!r} has replied; if that is "
                f"the model to be tested, name it so: 'openai:{came.model}@{self._client.server.base_url}'"
            )

    def _image_tokens(self, plain: Completion) -> int | None:
        """Count the tokens that an image adds to the prompt."""
        blind = self._ask([self._blind])
        if isinstance(blind, Failure) or blind.tokens_in is None or plain.tokens_in is None:
            return None
        return plain.tokens_in - blind.tokens_in

    def _candidates(self) -> tuple[int, str, tuple[float, ...]]:
        """See whether log-probabilities come, and whether they are those of the text that came with them."""
        came: Completion | Failure = Failure(reason="not asked", kind="request")
        for top in _CANDIDATES:
            came = self._ask([self._user], tokens=_FREE_TOKENS, logprobs=True, top_logprobs=top)
            if isinstance(came, Completion):
                break
        if isinstance(came, Failure):
            return 0, f"refused: {_short(came.reason)}", ()
        if came.steps is None:
            return 0, "accepted and ignored", ()
        spelled = b"".join(step.token for step in came.steps).decode("utf-8", "replace")
        if came.text.strip() not in spelled:
            return 0, "they are not those of the text", ()
        if any(sum(math.exp(value) for _, value in step.top) > 1.01 for step in came.steps):
            return 0, "they add up to more than 1", ()
        if max(len(step.top) for step in came.steps) < 2:
            return 0, "the emitted token's alone", ()
        return top, "seen", tuple(step.logprob for step in came.steps)

    def _stop(self, plain: Completion) -> tuple[Mapping[str, Any] | None, str]:
        """End the same reply at one of its own words."""
        words = plain.text.split()
        word = next((word for word in words[len(words) // 2 :] if len(word) >= 3), "")
        before = plain.text[: plain.text.find(word)] if word else ""
        if not before.strip():
            return None, "the reply was too short to tell"
        evidence = ""
        for fields in ({"include_stop_str_in_output": True}, {}):
            came = self._ask([self._user], tokens=_FREE_TOKENS, stop=[word], **fields)
            if isinstance(came, Failure):
                evidence = f"refused: {_short(came.reason)}"
            elif came.text.rstrip() == before.rstrip():
                return {}, "seen"
            elif came.text == before + word:
                return fields, "seen, the stop string included"
            else:
                return None, "accepted and ignored"
        return None, evidence

    def _prefill(self, plain: Completion) -> Prefill:
        """Find a way in which the server goes on from the beginning of a turn."""
        evidence: dict[str, list[str]] = {}
        for way in _WAYS:
            if way.way in self._shown:  # the prompt itself has told already
                continue
            found = self._continued(way, plain)
            if found.works:
                return found
            ways = evidence.setdefault(found.evidence, [])
            ways += [way.way] if way.way not in ways else []
        return Prefill(evidence="; ".join(f"{', '.join(ways)}: {told}" for told, ways in evidence.items()))

    def _continued(self, way: Prefill, plain: Completion) -> Prefill:
        thought = f"{self._tags.think_open}\n"
        beginnings = (
            thought + _FEW * _WORDS,
            thought + _MANY * _WORDS,
            thought + _FEW * _WORDS + self._tags.think_close,
            _FEW * _WORDS,
            _MANY * _WORDS,
        )
        seen: list[Completion] = []
        for beginning in beginnings:
            message = {"role": "assistant", "content": beginning, **way.message}
            came = self._ask([self._user, message], **way.fields)
            if isinstance(came, Failure):
                return Prefill(evidence=_short(came.reason))
            seen.append(came)
            self._shown |= {way.way} if came.prompt_text else set()
            if came.prompt_text and not came.prompt_text.rstrip().endswith(beginning.strip()):
                end = came.prompt_text[-24:]
                return Prefill(evidence=f"the prompt ends in {end!r}, not in the beginning")
            if came.prompt_text and len(seen) == 3:
                return self._way(way, beginnings, seen, "seen in the prompt's text")
        wrong = _miscounted(plain, seen) or self._ignored(way, beginnings[0], seen[0])
        if wrong:
            return Prefill(evidence=wrong)
        return self._way(way, beginnings, seen, "seen in the numbers of tokens")

    def _ignored(self, way: Prefill, beginning: str, seen: Completion) -> str:
        """Say that the prompt is as long where nothing asks for the turn to be gone on with, or "".

        Without this a closed turn could pass for an open one: at servers that then open no new turn, while
        the chat template opens new turns with tokens of its own, of a thought, say.
        """
        fields, extra = (_without(asked, _ASK) for asked in (way.fields, way.message))
        if (fields, extra) == (dict(way.fields), dict(way.message)):
            return ""
        message = {"role": "assistant", "content": beginning, **extra}
        came = self._ask([self._user, message], **fields)
        if isinstance(came, Failure):  # that it is refused unless asked for shows that asking matters
            return "" if came.kind == "request" else _short(came.reason)
        if came.tokens_in is None or seen.tokens_in is None or came.tokens_in > seen.tokens_in:
            return ""
        return "the prompt is no shorter than where the turn is closed"

    @staticmethod
    def _way(way: Prefill, beginnings: Sequence[str], seen: Sequence[Completion], evidence: str) -> Prefill:
        echoes = all(
            came.text.startswith(beginning.strip()) for beginning, came in zip(beginnings, seen, strict=False)
        )
        fields = {name: value for name, value in way.fields.items() if name not in _SHOW}
        return Prefill(way=way.way, fields=fields, message=way.message, echoes=echoes, evidence=evidence)


def _without(fields: Mapping[str, Any], names: Sequence[str]) -> dict[str, Any]:
    return {name: value for name, value in fields.items() if name not in names}


def _short(reason: str) -> str:
    return reason if len(reason) <= _SHOWN else f"{reason[: _SHOWN - 1]}…"


def _miscounted(plain: Completion, seen: Sequence[Completion]) -> str:
    """Say what the numbers of tokens tell against a turn that is gone on with, or ""."""
    counts = [came.tokens_in for came in (plain, *seen)]
    if any(count is None for count in counts):
        return "cannot be seen, since the server counts no tokens"
    none, thought, longer, closed, few, many = (count for count in counts if count is not None)
    words = many - few
    if words < _MANY - _FEW:
        return "the beginning is left out of the prompt"
    added = few - none - words  # beyond the words themselves: what closes a turn and opens another
    if added > 0:
        return f"the turn is closed and a new one opened (+{added} tokens)"
    if longer - thought != words or not few < thought < closed:
        return "the chat template takes thoughts away"
    return ""
