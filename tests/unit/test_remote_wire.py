from __future__ import annotations

import json
import math
from typing import Any

import pytest

from pytest_vlmrobust.remote.wire import MalformedError, error_text, read_completion


def reply(message: Any = None, /, *, choice: dict[str, Any] | None = None, **fields: Any) -> bytes:
    told = {"content": "Hello"} if message is None else message
    return json.dumps({"choices": [{"message": told, **(choice or {})}], **fields}).encode()


def test_a_reply_is_read_field_by_field() -> None:
    usage = {
        "prompt_tokens": 7,
        "completion_tokens": 3,
        "completion_tokens_details": {"reasoning_tokens": 2},
    }
    step = {"token": " é", "logprob": -0.5, "bytes": [32, 195, 169], "top_logprobs": []}
    came = read_completion(
        reply(
            {"content": "Hello", "reasoning_content": "Hm."},
            choice={"finish_reason": "length", "stop_reason": "</a>", "logprobs": {"content": [step]}},
            model="m",
            usage=usage,
        )
    )
    assert (came.text, came.reasoning, came.finish, came.stopped_by) == ("Hello", "Hm.", "length", "</a>")
    assert (came.model, came.tokens_in, came.tokens_out, came.reasoning_tokens) == ("m", 7, 3, 2)
    assert came.truncated
    assert came.steps is not None
    assert came.steps[0].token.decode() == " é"


@pytest.mark.parametrize(
    ("message", "text", "reasoning"),
    [
        ({"content": None, "reasoning": "Hm."}, "", "Hm."),
        ({"content": "B", "reasoning_content": ""}, "B", ""),
        ({"content": None, "refusal": "I cannot."}, "I cannot.", ""),
        ({"content": [{"type": "text", "text": "B"}, {"type": "image"}]}, "B", ""),
        (
            {"content": [{"type": "thinking", "thinking": [{"type": "text", "text": "Hm."}]}, "?"]},
            "",
            "Hm.",
        ),
        ({"content": "B", "reasoning": {"not": "text"}}, "B", ""),
    ],
)
def test_text_and_reasoning_are_found_wherever_servers_put_them(
    message: dict[str, Any], text: str, reasoning: str
) -> None:
    came = read_completion(reply(message))
    assert (came.text, came.reasoning) == (text, reasoning)


@pytest.mark.parametrize(
    ("body", "words"),
    [
        (b"", "invalid JSON"),
        (b'{"choices": [', "invalid JSON"),
        (b"[" * 100_000, "invalid JSON"),
        (b"[1]", "no JSON object"),
        (b'{"choices": []}', "no choices"),
        (b'{"choices": [7]}', "no choices"),
        (b'{"error": {"message": "overloaded"}}', "no choices in it: overloaded"),
        (b'{"choices": [{}]}', "no message"),
        (b'{"choices": [{"message": {"content": 7}}]}', "content is no text"),
    ],
)
def test_what_is_no_reply_is_none(body: bytes, words: str) -> None:
    with pytest.raises(MalformedError, match=words):
        read_completion(body)


@pytest.mark.parametrize(
    "logprobs",
    [
        None,
        [],
        {"content": None},
        {"content": []},
        {"content": ["B"]},
        {"content": [{"token": "B"}]},
        {"content": [{"token": "B", "logprob": math.nan}]},
        {"content": [{"token": "B", "logprob": 0.7}]},
        {"content": [{"token": "B", "logprob": True}]},
        {"content": [{"token": 7, "logprob": -1}]},
        {"content": [{"token": "B", "logprob": -1, "top_logprobs": [{"token": "A"}]}]},
    ],
)
def test_what_are_no_log_probabilities_are_none(logprobs: object) -> None:
    came = read_completion(reply(choice={"logprobs": logprobs}))
    assert came.steps is None
    assert came.text == "Hello"


def test_numbers_of_tokens_that_are_none_are_not_known() -> None:
    came = read_completion(reply(usage={"prompt_tokens": -1, "completion_tokens": "3"}))
    assert (came.tokens_in, came.tokens_out) == (None, None)
    assert read_completion(reply(usage=[])).reasoning_tokens == 0


def test_tokens_without_bytes_are_taken_by_their_text() -> None:
    other = {"token": "A", "logprob": -math.inf}
    entry = {"token": " B", "logprob": -0.1, "bytes": None, "top_logprobs": [other]}
    (step,) = read_completion(reply(choice={"logprobs": {"content": [entry]}})).steps or ()
    assert step.token == b" B"
    assert step.top == ((b"A", -math.inf),)


def test_the_prompt_is_put_together_from_its_tokens() -> None:
    tokens = [None, {"5": {"decoded_token": "<|user|>"}}, {"6": {"decoded_token": "Hi"}}, {}, "odd"]
    assert read_completion(reply(prompt_logprobs=tokens)).prompt_text == "<|user|>Hi"
    assert read_completion(reply(prompt_text="all", prompt_logprobs=tokens)).prompt_text == "all"


def test_every_text_that_is_kept_is_scrubbed() -> None:
    secret = "sk-0123456789"
    body = reply(
        {"content": secret, "reasoning": secret},
        choice={"finish_reason": secret, "stop_reason": secret},
        model=secret,
        prompt_text=secret,
    )
    assert secret not in repr(read_completion(body, lambda text: text.replace(secret, "***")))


@pytest.mark.parametrize(
    ("body", "message", "code"),
    [
        (b'{"error": {"message": "no", "code": "quota"}}', "no", "quota"),
        (b'{"error": "no"}', "no", ""),
        (b'{"detail": [{"msg": "no"}]}', '[{"msg": "no"}]', ""),
        (b'{"message": "no"}', "no", ""),
        (b"<html>Bad gateway</html>", "<html>Bad gateway</html>", ""),
        (b"7", "", ""),
    ],
)
def test_refusals_are_told_in_the_servers_own_words(body: bytes, message: str, code: str) -> None:
    assert error_text(body) == (message, code)
