"""A server of chat completions on 127.0.0.1, with faults on demand and with lies.

It speaks the protocol as vLLM does: a chat template turns the messages into one text, which is cut into
tokens and counted; a made-up model goes on from there, token by token, with probabilities. `Manners` say
what the server honors and what it only accepts; `Faults` are what goes wrong on the way.
"""

from __future__ import annotations

import base64
import contextlib
import hashlib
import io
import json
import math
import random
import re
import socket
import sys
import threading
import time
from collections import Counter, deque
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Self

from PIL import Image

MODEL = "made/up"
PROSE = (
    "There is a red square on the left and a blue disc beside it, both of them lying on plain white ground "
    "with nothing else around."
)
_TOKEN = re.compile(r"<\|\w+\|>|</?\w+| ?\w+|\n|[^\w\s]|\s")
_KNOWN_FIELDS = {
    *("model", "messages", "max_tokens", "max_completion_tokens", "temperature", "logprobs", "top_logprobs"),
    *("stop", "stream", "n", "seed"),
}
_SERVER_FIELDS = {
    *("continue_final_message", "add_generation_prompt", "include_stop_str_in_output", "prompt_logprobs"),
    *("return_prompt_text", "logprob_token_ids", "chat_template_kwargs"),
}
_IMAGE_TOKENS = 16


def tokenize(text: str) -> list[str]:
    return _TOKEN.findall(text)


@dataclass(frozen=True)
class Drawn:
    """What the model is about to write: text, and where in it a letter stands with these probabilities."""

    text: str
    letters: Mapping[str, float] = field(default_factory=dict)
    mass: float = 0.98


@dataclass(frozen=True)
class Seen:
    """What the model reads: the whole prompt, the last user's text, the beginning of its own turn, images."""

    prompt: str
    user: str
    begun: str
    images: tuple[str, ...]


Brain = Callable[[Seen], Drawn]


def sensible(seen: Seen, weights: str = "1") -> Drawn:
    """Answer by chance that hangs on image, question and weights; be talked over by half of all thoughts."""
    if not re.search(r"^A\. ", seen.user, re.M):
        return Drawn(PROSE if weights == "1" else PROSE.replace("red", "green"))
    letters = re.findall(r"^([A-H])\. ", seen.user, re.M)
    question = seen.user.partition("\nLook at")[0].partition("\nBegin")[0]
    question = re.sub(r"^Caption: .*\n", "", question)
    luck = random.Random(f"{weights} {question} {seen.images}")
    shares = [luck.random() ** 3 + 0.01 for _ in letters]
    told = seen.user.partition("Caption: ")[2].partition("\n")[0] + seen.begun
    told += seen.user.partition("think on from there:")[2]
    claimed = re.findall(r"\(([A-H])\)", told)
    if claimed and luck.random() < 0.5:
        shares[letters.index(claimed[-1])] += 3
    probs = {letter: share / sum(shares) for letter, share in zip(letters, shares, strict=True)}
    answer = max(probs, key=lambda letter: probs[letter])
    thought = f"I look at it. So the answer is ({answer})."
    if "</think>" in seen.begun:
        text = f"<answer>{answer}</answer>"
    elif seen.begun:
        text = f" {thought}</think><answer>{answer}</answer>"
    else:
        asked = re.search(r"(?:think on from there|answer at once):\n(<think>[^\n]*)", seen.user)
        begin = asked[1] if asked else "<think>"
        closed = "" if "</think>" in begin else f" {thought}</think>"
        text = f"{begin}{closed}<answer>{answer}</answer>"
    return Drawn(text, probs)


@dataclass
class Manners:
    """What the server does with what it is asked.

    Attributes:
        continues: "field": goes on with the last message when the fields ask for it; "last": always does;
            "prefix": does when the message asks; "closes": accepts the fields, and closes the turn; "drops":
            leaves the last message out; "strips": goes on, but its template takes thoughts away; "echo":
            goes on, and repeats the beginning.
        opens: what its chat template opens a new turn with, besides the role.
        asks: opens a new turn only where ``add_generation_prompt`` does not say otherwise.
        shows_prompt: shows the prompt's text when asked.
        shows_prompt_logprobs: shows the prompt's tokens when asked.
        top: the most candidates that it allows; 0: accepts log-probabilities and gives none; -1: refuses.
        broken_logprobs: gives log-probabilities that do not belong to the text.
        token_ids: knows /tokenize and logprob_token_ids.
        stops: "honors", "ignores", "fails" (500), or "includes" (also if asked to include the stop string).
        strict: refuses fields that OpenAI does not know.
        counts: counts tokens.
        reasoning: "text", "apart", "named" (as ``reasoning``), "hidden".
        limit: the only field that may limit a reply's length, or "".
        greedy: takes a temperature of 0.
        sees: sees images.
        patch: pixels of an image that a token stands for; 0: as many tokens for any image.
        says: the name of the model that it says has replied.
        key: the key that it wants, or "".
    """

    continues: str = "field"
    opens: str = ""
    asks: bool = False
    shows_prompt: bool = False
    shows_prompt_logprobs: bool = False
    top: int = 20
    broken_logprobs: bool = False
    token_ids: bool = False
    stops: str = "honors"
    strict: bool = False
    counts: bool = True
    reasoning: str = "text"
    limit: str = ""
    greedy: bool = True
    sees: bool = True
    patch: int = 0
    says: str = MODEL
    key: str = ""


FAULTS = ("429", "500", "503", "half", "json", "closed", "empty", "wrong model")
"""Faults that pass and cost no time."""

ALL_FAULTS = (*FAULTS, "408", "409", "redirect", "huge", "zipped", "timeout", "drip")
"""All that pass."""


@dataclass
class Faults:
    """What goes wrong.

    Attributes:
        queue: what happens to the next requests, one by one; "" is no fault.
        rate: the share of all other requests that meet a fault.
        kinds: the faults that they meet, in turn.
        retry_after: what a 429 asks to wait, in seconds.
        seconds: how long a "timeout" takes, and a "drip" between two bytes.
        target: where a "redirect" leads.
        met: how often each has happened.
    """

    queue: deque[str] = field(default_factory=deque)
    rate: float = 0.0
    kinds: Sequence[str] = FAULTS
    retry_after: str = ""
    seconds: float = 5.0
    target: str = ""
    met: Counter[str] = field(default_factory=Counter)
    _luck: random.Random = field(default_factory=lambda: random.Random(4))
    _lock: threading.Lock = field(default_factory=threading.Lock)

    def next(self) -> str:
        with self._lock:
            if self.queue:
                return self.queue.popleft()
            if self._luck.random() >= self.rate:
                return ""
            fault = self.kinds[self.met.total() % len(self.kinds)]
            self.met[fault] += 1
            return fault


@dataclass(frozen=True)
class Got:
    """A request that came."""

    path: str
    headers: Mapping[str, str]
    body: Mapping[str, Any]
    at: float


class _Listener(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128  # with five, a sixth connection at once would have to come again a second later

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing of clients that went away."""
        if not isinstance(sys.exception(), ConnectionError):
            super().handle_error(request, client_address)


class FaultServer:
    """The server, in threads of its own; `url` is its address."""

    def __init__(
        self, manners: Manners | None = None, *, brain: Brain = sensible, delay: float = 0.0
    ) -> None:
        self.manners = manners or Manners()
        self.faults = Faults()
        self.brain = brain
        self.delay = delay
        self.got: list[Got] = []
        self.echoes = False  # the header with the key, in a header of the reply
        self.most_at_once = 0
        self.at_once = 0
        self._lock = threading.Lock()
        self._ended = threading.Event()
        handler = type("Handler", (_Handler,), {"server_side": self})
        self._http = _Listener(("127.0.0.1", 0), handler)
        self._thread = threading.Thread(target=self._http.serve_forever, args=(0.02,), daemon=True)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._http.server_address[1]}/v1"

    @property
    def spec(self) -> str:
        return f"openai:{MODEL}@{self.url}"

    def __enter__(self) -> Self:
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._ended.set()
        self._http.shutdown()
        self._http.server_close()
        self._thread.join()

    def chats(self) -> list[Mapping[str, Any]]:
        """Bodies of all chats that came."""
        return [got.body for got in self.got if got.path.endswith("/chat/completions")]

    @contextlib.contextmanager
    def at_work(self) -> Iterator[None]:
        with self._lock:
            self.at_once += 1
            self.most_at_once = max(self.most_at_once, self.at_once)
        try:
            yield
        finally:
            with self._lock:
                self.at_once -= 1

    def wait(self, seconds: float) -> None:
        self._ended.wait(seconds)

    def reply(self, body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        """Complete a chat."""
        refusal = _refusal(body, self.manners)
        if refusal:
            return refusal
        seen, prompt_tokens = _rendered(body, self.manners)
        drawn = self.brain(seen)
        return 200, _completion(body, self.manners, seen, drawn, prompt_tokens)


def _refusal(body: Mapping[str, Any], manners: Manners) -> tuple[int, Mapping[str, Any]] | None:
    def refused(status: int, message: str) -> tuple[int, Mapping[str, Any]]:
        return status, {"error": {"message": message, "type": "invalid_request_error", "code": None}}

    if body.get("model") != MODEL:
        return refused(404, f"The model `{body.get('model')}` does not exist.")
    known = _KNOWN_FIELDS if manners.strict else _KNOWN_FIELDS | _SERVER_FIELDS
    unknown = sorted(set(body) - known)
    if unknown:
        return refused(422 if manners.strict else 400, f"Unexpected fields: {', '.join(unknown)}")
    if body.get("continue_final_message") and body.get("add_generation_prompt", True):
        return refused(400, "Cannot set both continue_final_message and add_generation_prompt.")
    other = {"max_tokens": "max_completion_tokens", "max_completion_tokens": "max_tokens"}.get(manners.limit)
    if other and other in body:
        return refused(400, f"Unsupported parameter: '{other}'. Use '{manners.limit}' instead.")
    if not manners.greedy and "temperature" in body:
        return refused(400, "Unsupported value: 'temperature' does not support 0 with this model.")
    if manners.top < 0 and body.get("logprobs"):
        return refused(400, "logprobs are not supported")
    if 0 < manners.top < body.get("top_logprobs", 0):
        return refused(400, f"top_logprobs must be at most {manners.top}")
    if manners.stops == "fails" and "stop" in body:
        return 500, {"error": {"message": "processor has no attribute 'stop'"}}
    if body.get("logprob_token_ids") and not manners.token_ids:
        return refused(400, "logprob_token_ids is not supported")
    return None


def _rendered(body: Mapping[str, Any], manners: Manners) -> tuple[Seen, list[str]]:
    """Turn messages into a prompt."""
    messages = [dict(message) for message in body["messages"]]
    last = messages[-1]
    begun = ""
    if last["role"] == "assistant":
        asked = {
            "field": body.get("continue_final_message"),
            "echo": body.get("continue_final_message"),
            "strips": body.get("continue_final_message"),
            "last": True,
            "prefix": last.get("prefix"),
        }.get(manners.continues)
        if manners.continues == "drops":
            messages.pop()
        elif manners.continues == "strips":
            last["content"] = re.sub(r"<think>.*?(</think>|\Z)", "", last["content"], flags=re.S)
        if asked:
            begun = last["content"]
            messages.pop()
    texts, images = [], []
    for message in messages:
        content, found = _flat(message["content"], manners)
        images += found
        texts.append(f"<|{message['role']}|>{content}<|end|>")
    closed = manners.asks and not body.get("add_generation_prompt", True)
    turn = f"<|assistant|>{begun}" if begun else "" if closed else f"<|assistant|>{manners.opens}"
    prompt = "".join([*texts, turn])
    user = _flat(next(m for m in reversed(messages) if m["role"] == "user")["content"], manners)[0]
    plain = user.replace("<|image|>", "")
    return Seen(prompt=prompt, user=plain, begun=begun, images=tuple(images)), tokenize(prompt)


def _flat(content: Any, manners: Manners) -> tuple[str, list[str]]:
    if isinstance(content, str):
        return content, []
    text, images = "", []
    for part in content:
        if part["type"] == "text":
            text += part["text"]
        elif manners.sees:
            head, _, data = part["image_url"]["url"].partition(",")
            assert head == "data:image/png;base64"
            image = Image.open(io.BytesIO(base64.b64decode(data)))
            images.append(hashlib.blake2b(image.tobytes(), digest_size=8).hexdigest())
            tokens = image.width * image.height // manners.patch if manners.patch else _IMAGE_TOKENS
            text += "<|image|>" * tokens
    return text, images


def _completion(
    body: Mapping[str, Any], manners: Manners, seen: Seen, drawn: Drawn, prompt: Sequence[str]
) -> dict[str, Any]:
    limit = body.get("max_tokens", body.get("max_completion_tokens", 16))
    text, finish, stop_reason = drawn.text, "stop", None
    stops = body.get("stop") or [] if manners.stops in ("honors", "includes") else []
    places = [(text.find(stop), stop) for stop in stops if stop in text]
    emitted = tokenize(text)
    if places:
        place, stop_reason = min(places)
        emitted = tokenize(text[: place + len(stop_reason)])
        include = body.get("include_stop_str_in_output") and manners.stops == "includes"
        text = text[: place + (len(stop_reason) if include else 0)]
    if len(emitted) > limit:
        emitted, finish, stop_reason = emitted[:limit], "length", None
        text = "".join(emitted)[: len(text)]
    message: dict[str, Any] = {"role": "assistant", "content": text}
    reasoning_tokens = 0
    if manners.reasoning != "text":
        reasoning_tokens = _reasoned(message, text, manners.reasoning)
    if manners.continues == "echo":
        message["content"] = seen.begun + message["content"]
    choice: dict[str, Any] = {"index": 0, "message": message, "finish_reason": finish, "logprobs": None}
    choice["stop_reason"] = stop_reason
    if body.get("logprobs") and manners.top > 0:
        choice["logprobs"] = {"content": _logprobs(body, manners, emitted, drawn)}
    document: dict[str, Any] = {
        "id": "chatcmpl-1",
        "object": "chat.completion",
        "created": 1,
        "model": manners.says,
        "choices": [choice],
    }
    if manners.counts:
        document["usage"] = {
            "prompt_tokens": len(prompt),
            "completion_tokens": len(emitted),
            "total_tokens": len(prompt) + len(emitted),
            "completion_tokens_details": {"reasoning_tokens": reasoning_tokens},
        }
    if manners.shows_prompt and body.get("return_prompt_text"):
        document["prompt_text"] = seen.prompt
    if manners.shows_prompt_logprobs and body.get("prompt_logprobs") is not None:
        entries = [{"7": {"logprob": -0.5, "rank": 1, "decoded_token": token}} for token in prompt[1:]]
        document["prompt_logprobs"] = [None, *entries]
    return document


def _reasoned(message: dict[str, Any], text: str, kind: str) -> int:
    """Take the reasoning out of the text, and put it where this kind of server puts it."""
    thought, closed, rest = text.partition("</think>")
    if not closed and "<think>" not in text:
        return 0
    thought = thought.removeprefix("<think>")
    message["content"] = rest
    if kind != "hidden":
        message["reasoning" if kind == "named" else "reasoning_content"] = thought
    return len(tokenize(thought))


def _logprobs(
    body: Mapping[str, Any], manners: Manners, emitted: Sequence[str], drawn: Drawn
) -> list[dict[str, Any]]:
    """Give each token its probability, and that of others; at the answer's letter, those of the letters."""
    place = _letter_place(emitted)
    entries = []
    for index, token in enumerate(emitted):
        probs = {token: 0.97, " other": 0.02, "\n": 0.005}
        if index == place and drawn.letters:
            probs = {letter: share * drawn.mass for letter, share in drawn.letters.items()}
            probs[" "] = (1 - drawn.mass) / 2
        if manners.broken_logprobs:
            token = f" wrong{index}"
            probs = {token: 0.9}
        ids = body.get("logprob_token_ids")
        ranked = sorted(probs.items(), key=lambda pair: -pair[1])[: body.get("top_logprobs", 0)]
        if ids:
            wanted = [token_text(number) for number in ids]
            ranked = [(text, probs.get(text, 1e-6)) for text in dict.fromkeys([token, *wanted])]
        value = probs.get(token, 1e-4)
        entry = {"token": token, "logprob": math.log(value), "bytes": list(token.encode())}
        top = [{"token": t, "logprob": math.log(p), "bytes": list(t.encode())} for t, p in ranked]
        entries.append({**entry, "top_logprobs": top})
    return entries


def _letter_place(emitted: Sequence[str]) -> int:
    """Find the token with the answer's letter: the one before the last closing tag."""
    for index in range(len(emitted) - 1, -1, -1):
        if re.fullmatch("[A-H]", emitted[index]):
            return index
    return -1


def token_text(number: int) -> str:
    return bytes.fromhex(f"{number:x}").decode()


def token_number(text: str) -> int:
    return int(text.encode().hex(), 16)


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    server_side: FaultServer

    def log_message(self, *_: object) -> None:
        """Say nothing."""

    def setup(self) -> None:
        super().setup()
        self.connection.setsockopt(socket.IPPROTO_TCP, socket.TCP_NODELAY, 1)

    def do_GET(self) -> None:
        self._note({})
        if self.path.endswith("/models"):
            self._send(200, {"object": "list", "data": [{"id": MODEL, "object": "model", "root": "/w/1"}]})
        else:
            self._send(404, {"error": {"message": "not found"}})

    def do_POST(self) -> None:
        side = self.server_side
        body = json.loads(self.rfile.read(int(self.headers["content-length"])))
        self._note(body)
        if side.manners.key and self.headers.get("authorization") != f"Bearer {side.manners.key}":
            told = f"Incorrect API key provided: {self.headers.get('authorization')}"
            self._send(401, {"error": {"message": told}})
            return
        if self.path == "/tokenize" and side.manners.token_ids:
            self._send(200, {"tokens": [token_number(token) for token in tokenize(body["prompt"])]})
            return
        if not self.path.endswith("/chat/completions"):
            self._send(404, {"error": {"message": "not found"}})
            return
        with side.at_work():
            side.wait(side.delay)
            fault = side.faults.next()
            status, document = side.reply(body)
            with contextlib.suppress(OSError):  # a client may have gone away
                self._faulty(fault, document) if fault else self._send(status, document)

    def _note(self, body: Mapping[str, Any]) -> None:
        headers = {name.lower(): value for name, value in self.headers.items()}
        self.server_side.got.append(Got(self.path, headers, body, time.monotonic()))

    def _send(self, status: int, document: object, **headers: str) -> None:
        self._send_bytes(status, json.dumps(document).encode(), -1, **headers)

    def _send_bytes(self, status: int, data: bytes, length: int = -1, **headers: str) -> None:
        self.send_response(status)
        self.send_header("content-type", "application/json")
        self.send_header("content-length", str(len(data) if length < 0 else length))
        if self.server_side.echoes:
            headers["x_got"] = self.headers.get("authorization", "")
        for name, value in headers.items():
            self.send_header(name.replace("_", "-"), value)
        self.end_headers()
        self.wfile.write(data)

    def _faulty(self, fault: str, document: Mapping[str, Any]) -> None:
        """Let something go wrong on the way back."""
        faults, data = self.server_side.faults, json.dumps(document).encode()
        if fault in ("429", "500", "503", "408", "409"):
            told = {"error": {"message": f"fault {fault}"}}
            self._send(
                int(fault), told, **({"retry_after": faults.retry_after} if faults.retry_after else {})
            )
        elif fault == "quota":
            self._send(429, {"error": {"message": "no money left", "code": "insufficient_quota"}})
        elif fault == "timeout":
            self.server_side.wait(faults.seconds)
        elif fault == "half":
            self._send_bytes(200, data[: len(data) // 2], len(data))
            self.close_connection = True
        elif fault == "json":
            self._send_bytes(200, data[: len(data) // 2])
        elif fault == "empty":
            self._send(200, {**document, "choices": []})
        elif fault == "wrong model":
            self._send(200, {**document, "model": "some/other"})
        elif fault == "closed":
            self.connection.shutdown(socket.SHUT_RDWR)
            self.close_connection = True
        elif fault == "drip":
            self._dripped(data, faults.seconds)
        elif fault == "redirect":
            self._send(307, {}, location=faults.target)
        elif fault == "huge":
            self._send(200, {**document, "padding": "x" * 10_000_000})
        elif fault == "zipped":
            self._send_bytes(200, data, content_encoding="gzip")
        else:
            raise AssertionError(f"no such fault: {fault}")

    def _dripped(self, data: bytes, seconds: float) -> None:
        self._send_bytes(200, b"", len(data))
        for index in range(len(data)):
            self.wfile.write(data[index : index + 1])
            self.wfile.flush()
            self.server_side.wait(seconds)
