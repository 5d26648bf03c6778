"""What the probe finds at servers that do as they say, and at servers that do not."""

from __future__ import annotations

from collections import deque
from collections.abc import Iterator

import pytest

from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.models.openai.chats import small_image
from pytest_vlmrobust.remote.client import ChatClient
from pytest_vlmrobust.remote.findings import Findings
from pytest_vlmrobust.remote.probe import Tags, probe
from pytest_vlmrobust.remote.spec import Key, ServerSpec
from tests.unit.fault_server import MODEL, PROSE, FaultServer, Manners, Seen

TAGS = Tags(think_open="<think>", think_close="</think>")


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def found(server: FaultServer, manners: Manners | None = None, *, spec: str = "") -> Findings:
    server.manners = manners or Manners()
    with ChatClient(
        ServerSpec.parse(spec or server.spec), key=Key("sk-0123456789"), backoff_s=0.01, total_s=5.0
    ) as client:
        return probe(client, small_image(), TAGS)


def test_a_server_that_does_as_it_says(server: FaultServer) -> None:
    findings = found(server)
    assert findings.lines() == {
        "served_model": MODEL,
        "prefill": "continued (continue_final_message; seen in the numbers of tokens)",
        "logprobs": "top 20 (seen)",
        "stop": "honored (seen)",
        "reasoning": "in the text, if any",
        "images": "16 tokens for a small one",
        "token_counts": "yes",
        "sampling": "greedy, max_tokens",
    }
    assert PROSE.startswith(findings.text)
    assert findings.text
    assert len(findings.logprobs) == 28
    assert findings.root == "/w/1"
    assert len(server.chats()) <= 12


@pytest.mark.parametrize(
    ("manners", "way", "evidence"),
    [
        (Manners(shows_prompt=True), "continue_final_message", "seen in the prompt's text"),
        (Manners(shows_prompt_logprobs=True), "continue_final_message", "seen in the prompt's text"),
        (Manners(asks=True), "continue_final_message", "seen in the numbers of tokens"),
        (Manners(asks=True, opens="<think>\n"), "continue_final_message", "seen in the numbers of tokens"),
        (Manners(continues="last"), "last message", "seen in the numbers of tokens"),
        (Manners(continues="last", asks=True, opens="<think>\n"), "last message", "seen in"),
        (Manners(continues="last", strict=True), "last message", "seen in the numbers of tokens"),
        (Manners(continues="prefix"), "prefix", "seen in the numbers of tokens"),
    ],
)
def test_a_turn_that_is_gone_on_with(server: FaultServer, manners: Manners, way: str, evidence: str) -> None:
    prefill = found(server, manners).prefill
    assert (prefill.way, prefill.echoes) == (way, False)
    assert prefill.evidence.startswith(evidence)
    if way == "continue_final_message":
        assert prefill.fields == {"continue_final_message": True, "add_generation_prompt": False}


@pytest.mark.parametrize(
    ("manners", "evidence"),
    [
        (Manners(continues="closes"), "the turn is closed and a new one opened (+2 tokens)"),
        (Manners(continues="closes", shows_prompt=True), "the prompt ends in 'one"),
        (Manners(continues="closes", asks=True), "the turn is closed and a new one opened"),
        (
            Manners(continues="closes", asks=True, opens="<think>\n"),
            "continue_final_message: the prompt is no shorter than where the turn is closed",
        ),
        (
            Manners(continues="closes", asks=True, opens="\n"),
            "continue_final_message: the prompt is no shorter",
        ),
        (Manners(continues="closes", strict=True), "last message, prefix: the turn is closed"),
        (Manners(continues="drops"), "the beginning is left out of the prompt"),
        (Manners(continues="strips"), "the chat template takes thoughts away"),
        (Manners(counts=False), "cannot be seen, since the server counts no tokens"),
    ],
)
def test_a_turn_that_is_not_gone_on_with(server: FaultServer, manners: Manners, evidence: str) -> None:
    prefill = found(server, manners).prefill
    assert not prefill.works
    assert evidence in prefill.evidence
    assert str(prefill).startswith("none (")


def test_a_server_that_repeats_the_beginning(server: FaultServer) -> None:
    prefill = found(server, Manners(continues="echo")).prefill
    assert prefill.works
    assert prefill.echoes


@pytest.mark.parametrize(
    ("manners", "top", "evidence"),
    [
        (Manners(top=5), 5, "seen"),
        (Manners(top=0), 0, "accepted and ignored"),
        (Manners(top=-1), 0, "refused: HTTP 400 (logprobs are not supported)"),
        (Manners(broken_logprobs=True), 0, "they are not those of the text"),
        (Manners(strict=True), 20, "seen"),
    ],
)
def test_log_probabilities(server: FaultServer, manners: Manners, top: int, evidence: str) -> None:
    findings = found(server, manners)
    assert (findings.top, findings.top_evidence) == (top, evidence)


@pytest.mark.parametrize(
    ("manners", "fields", "evidence"),
    [
        (Manners(), {}, "seen"),
        (Manners(stops="includes"), {"include_stop_str_in_output": True}, "seen, the stop string included"),
        (Manners(strict=True), {}, "seen"),
        (Manners(stops="ignores"), None, "accepted and ignored"),
        (Manners(stops="fails"), None, "refused: HTTP 500 (processor has no attribute 'stop')"),
    ],
)
def test_stop_strings(
    server: FaultServer, manners: Manners, fields: dict[str, bool] | None, evidence: str
) -> None:
    findings = found(server, manners)
    assert findings.stop == fields
    assert findings.stop_evidence.startswith(evidence)


@pytest.mark.parametrize(
    ("manners", "settings"),
    [
        (Manners(limit="max_completion_tokens"), {"max_completion_tokens": 7, "temperature": 0}),
        (Manners(limit="max_completion_tokens", greedy=False), {"max_completion_tokens": 7}),
        (Manners(greedy=False), {"max_completion_tokens": 7}),
        (Manners(limit="max_tokens", greedy=False), {"max_tokens": 7}),
    ],
)
def test_settings_that_a_server_refuses_are_left_out(
    server: FaultServer, manners: Manners, settings: dict[str, int]
) -> None:
    assert found(server, manners).settings(7) == settings


def thoughtful(seen: Seen) -> object:
    from tests.unit.fault_server import Drawn

    return Drawn(f" I go on.</think>{PROSE}" if seen.begun else f"<think>Let me see.</think>{PROSE}")


@pytest.mark.parametrize(
    ("kind", "told"),
    [
        ("text", "in the text, if any"),
        ("apart", "returned apart"),
        ("named", "returned apart"),
        ("hidden", "hidden"),
    ],
)
def test_where_reasoning_is_put(server: FaultServer, kind: str, told: str) -> None:
    server.brain = thoughtful  # type: ignore[assignment]
    findings = found(server, Manners(reasoning=kind))
    assert findings.lines()["reasoning"] == told
    assert findings.prefill.works
    assert findings.top == 20


def test_a_server_that_sees_no_image(server: FaultServer) -> None:
    assert found(server, Manners(sees=False)).image_tokens == 0
    assert found(server, Manners(counts=False)).image_tokens is None


def test_a_short_reply_tells_nothing_of_stop_strings(server: FaultServer) -> None:
    from tests.unit.fault_server import Drawn

    server.brain = lambda _: Drawn("Yes")
    findings = found(server)
    assert findings.stop is None
    assert findings.stop_evidence == "the reply was too short to tell"


@pytest.mark.parametrize(
    ("spec", "manners", "words"),
    [
        (
            "",
            Manners(key="another-key"),
            "HTTP 401 (Incorrect API key provided: Bearer ***); see whether the key in",
        ),
        ("openai:no/such@{url}", Manners(), "does not exist.); it serves made/up"),
        ("openai:made/up@http://127.0.0.1:9/v1", Manners(), "see whether it runs and can be reached"),
        (
            "",
            Manners(says="some/other"),
            "the server says that 'some/other' has replied; if that is the model",
        ),
    ],
)
def test_a_server_that_cannot_be_used(server: FaultServer, spec: str, manners: Manners, words: str) -> None:
    with pytest.raises(ModelError) as caught:
        found(server, manners, spec=spec.format(url=server.url))
    assert words in str(caught.value)
    assert "sk-0123456789" not in str(caught.value)


def test_a_server_that_takes_no_image_is_told(server: FaultServer) -> None:
    def blind(body: object) -> tuple[int, dict[str, object]]:
        return 400, {"error": {"message": f"{type(body).__name__}: images are not supported"}}

    server.reply = blind  # type: ignore[method-assign]
    with pytest.raises(ModelError, match=r"images are not supported.*see whether the model takes images"):
        found(server)


def test_an_address_that_sends_on_is_told(server: FaultServer) -> None:
    server.faults.rate, server.faults.kinds, server.faults.target = 1.0, ["redirect"], "https://other/v1"
    with pytest.raises(ModelError, match=r"sends on to 'https://other/v1', which is not followed; name that"):
        found(server)


def test_the_probe_gets_over_faults_that_pass(server: FaultServer) -> None:
    calm = found(server)
    server.faults.queue = deque(["500", "", "closed", "429", "", "json", "", "half", "503"])
    assert found(server) == calm


def test_evidence_has_no_part_in_keys(server: FaultServer) -> None:
    manners = Manners(stops="fails")  # its evidence tells how long it was tried
    first, second = found(server, manners), found(server, manners)
    assert first.stop_evidence
    assert first.key_lines() == second.key_lines()
    assert first.key_lines() != found(server, Manners(top=5)).key_lines()
