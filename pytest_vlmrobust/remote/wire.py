"""What goes over the wire: requests, and the replies that came, checked field by field.

Nothing that a server sends is believed to have the right shape: what has not is `MalformedError`.
"""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Literal

MOST_TRIES = 10
"""How often a request is sent at most, unless it says otherwise."""

LIMITS = ("max_tokens", "max_completion_tokens")
"""Fields of a request that limit the tokens of its reply; a server takes one of them."""


@dataclass(frozen=True, kw_only=True)
class Request:
    """A chat to be completed.

    Attributes:
        messages: the chat, as the protocol writes it.
        settings: every other field of the request's body but the model: ``max_tokens``, ``temperature``, ….
        tries: how often it is sent at most.
        replier: the model that has to reply, where another's reply is to be tried again; "" for any.
    """

    messages: Sequence[Mapping[str, Any]]
    settings: Mapping[str, Any] = field(default_factory=dict)
    tries: int = MOST_TRIES
    replier: str = ""


@dataclass(frozen=True, slots=True)
class Step:
    """One token of a reply, and what else was likely there.

    Attributes:
        token: the bytes of its text.
        logprob: its log-probability.
        top: other tokens, the emitted one most often among them, with their log-probabilities.
    """

    token: bytes
    logprob: float
    top: tuple[tuple[bytes, float], ...]


@dataclass(frozen=True, kw_only=True)
class Completion:
    """A reply.

    Attributes:
        text: what the model said.
        reasoning: what the server returned apart as the model's reasoning, or "".
        finish: why it ended: "stop", "length", …; "" where the server does not say.
        stopped_by: the stop string that ended it, where the server says so, or "".
        model: the model that the server says has replied, or "".
        tokens_in: tokens of the prompt, or None where the server does not count them.
        tokens_out: tokens of the reply, reasoning included, or None.
        reasoning_tokens: how many of them were reasoning, as far as the server says.
        steps: the tokens with their log-probabilities, or None where the server gave none.
        prompt_text: the prompt as the model read it, where the server shows it, or "".
    """

    text: str
    reasoning: str = ""
    finish: str = ""
    stopped_by: str = ""
    model: str = ""
    tokens_in: int | None = None
    tokens_out: int | None = None
    reasoning_tokens: int = 0
    steps: tuple[Step, ...] | None = None
    prompt_text: str = ""

    @property
    def truncated(self) -> bool:
        """Whether the limit of tokens ended it."""
        return self.finish == "length"


@dataclass(frozen=True, kw_only=True)
class Failure:
    """Why there is no reply; never to be read as one.

    Attributes:
        reason: what went wrong, one line, without any key.
        kind: "refused": so would any other request be (key, address, model); "request": the server
            refuses this very request; "server": it did not reply as it should, whatever was tried; "down": it
            was not asked any more, since that had happened too often in a row.
        status: the status of HTTP, where there was one.
    """

    reason: str
    kind: Literal["refused", "request", "server", "down"]
    status: int | None = None


class MalformedError(Exception):
    """A reply that has not the shape of one."""


def read_completion(body: bytes, scrub: Callable[[str], str] = str) -> Completion:
    """Read the body of a reply.

    Args:
        body: what the server sent.
        scrub: applied to every text in it that is kept.

    Raises:
        MalformedError: it is no JSON, or a field that is needed is missing or of another type.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError) as error:
        raise MalformedError(f"invalid JSON ({len(body)} bytes)") from error
    if not isinstance(document, dict):
        raise MalformedError("the reply is no JSON object")
    choice = _first_choice(document)
    message = choice.get("message")
    if not isinstance(message, dict):
        raise MalformedError("its first choice has no message")
    text, inner = _content(message.get("content"))
    reasoning = inner or _text(message.get("reasoning_content")) or _text(message.get("reasoning"))
    usage = document.get("usage")
    counts: Mapping[str, Any] = usage if isinstance(usage, dict) else {}
    details = counts.get("completion_tokens_details")
    return Completion(
        text=scrub(text or _text(message.get("refusal"))),
        reasoning=scrub(reasoning),
        finish=scrub(_text(choice.get("finish_reason"))),
        stopped_by=scrub(_text(choice.get("stop_reason"))),
        model=scrub(_text(document.get("model"))),
        tokens_in=_count(counts.get("prompt_tokens")),
        tokens_out=_count(counts.get("completion_tokens")),
        reasoning_tokens=_count(details.get("reasoning_tokens")) or 0 if isinstance(details, dict) else 0,
        steps=_steps(choice.get("logprobs")),
        prompt_text=scrub(_text(document.get("prompt_text")) or _prompt_of(document.get("prompt_logprobs"))),
    )


def error_text(body: bytes) -> tuple[str, str]:
    """Read the message of a refusal, and its code; both as they came, "" where there is none.

    >>> error_text(b'{"error": {"message": "no such model", "code": "model_not_found"}}')
    ('no such model', 'model_not_found')
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return body.decode("utf-8", "replace"), ""
    error = document.get("error", document) if isinstance(document, dict) else document
    if not isinstance(error, dict):
        return _text(error), ""
    message = error.get("message", error.get("detail", ""))
    return message if isinstance(message, str) else json.dumps(message), _text(error.get("code"))


def _first_choice(document: Mapping[str, Any]) -> Mapping[str, Any]:
    choices = document.get("choices")
    if not isinstance(choices, list) or not choices or not isinstance(choices[0], dict):
        message, _ = error_text(json.dumps(document).encode())
        raise MalformedError(f"there are no choices in it{f': {message}' if message else ''}")
    return choices[0]


def _content(content: object) -> tuple[str, str]:
    """Read the text of a message, and reasoning that stands in parts of its own."""
    if content is None or isinstance(content, str):
        return content or "", ""
    if not isinstance(content, list):
        raise MalformedError("the message's content is no text")
    texts: dict[str, str] = {"text": "", "thinking": ""}
    for part in content:
        if isinstance(part, dict) and part.get("type") in texts:
            kind = part["type"]
            inner = part.get(kind)
            texts[kind] += inner if isinstance(inner, str) else _content(inner)[0]
    return texts["text"], texts["thinking"]


def _text(value: object) -> str:
    return value if isinstance(value, str) else ""


def _count(value: object) -> int | None:
    return value if isinstance(value, int) and not isinstance(value, bool) and value >= 0 else None


def _prompt_of(entries: object) -> str:
    """Put the prompt together from the tokens that came with its log-probabilities, or give ""."""
    texts = []
    for entry in entries if isinstance(entries, list) else []:
        told = next(iter(entry.values()), None) if isinstance(entry, dict) else None
        texts.append(_text(told.get("decoded_token")) if isinstance(told, dict) else "")
    return "".join(texts)


def _steps(logprobs: object) -> tuple[Step, ...] | None:
    """Read log-probabilities; None where there are none, or one of them is no log-probability."""
    content = logprobs.get("content") if isinstance(logprobs, dict) else None
    if not isinstance(content, list) or not content:
        return None
    steps = []
    for entry in content:
        emitted = _token(entry)
        top = entry.get("top_logprobs") if isinstance(entry, dict) else None
        others = [_token(other) for other in top] if isinstance(top, list) else []
        if emitted is None or None in others:
            return None
        steps.append(Step(*emitted, top=tuple(other for other in others if other is not None)))
    return tuple(steps)


def _token(entry: object) -> tuple[bytes, float] | None:
    if not isinstance(entry, dict):
        return None
    token, value, raw = entry.get("token"), entry.get("logprob"), entry.get("bytes")
    if not isinstance(token, str) or isinstance(value, bool) or not isinstance(value, int | float):
        return None
    if math.isnan(value) or value > 1e-3:
        return None
    if isinstance(raw, list) and all(isinstance(byte, int) and 0 <= byte < 256 for byte in raw):
        return bytes(raw), min(float(value), 0.0)
    return token.encode("utf-8", "replace"), min(float(value), 0.0)
