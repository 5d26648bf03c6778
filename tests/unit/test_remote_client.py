from __future__ import annotations

import logging
import os
import re
import signal
import threading
import time
from collections import deque
from collections.abc import Iterator, Mapping
from email.utils import formatdate
from typing import Any

import pytest

from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.remote.budget import Budget, Price
from pytest_vlmrobust.remote.client import ChatClient
from pytest_vlmrobust.remote.spec import Key, ServerSpec
from pytest_vlmrobust.remote.wire import Completion, Failure, Request
from tests.unit.fault_server import ALL_FAULTS, MODEL, PROSE, FaultServer, Manners

SECRET = "sk-do-not-tell-0123456789"


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


def client(server: FaultServer, **options: Any) -> ChatClient:
    settings: dict[str, Any] = {"key": Key(SECRET), "backoff_s": 0.01, "total_s": 10.0, **options}
    return ChatClient(ServerSpec.parse(server.spec), **settings)


def request(text: str = "Describe it.", **settings: Any) -> Request:
    tries = settings.pop("tries", 10)
    return Request(
        messages=[{"role": "user", "content": text}], settings={"max_tokens": 64, **settings}, tries=tries
    )


def failed(came: Completion | Failure) -> Failure:
    assert isinstance(came, Failure)
    assert SECRET not in came.reason
    return came


def test_a_chat_is_completed_and_the_key_goes_along(server: FaultServer) -> None:
    with client(server) as asking:
        came = asking.ask(request())
    assert isinstance(came, Completion)
    assert came.text == PROSE
    (got,) = server.got
    assert got.headers["authorization"] == f"Bearer {SECRET}"
    message = {"role": "user", "content": "Describe it."}
    assert got.body == {"model": MODEL, "messages": [message], "max_tokens": 64}


def test_requests_begin_in_order_and_all_of_them_come_back(server: FaultServer) -> None:
    with client(server, concurrency=1) as asking:
        came = dict(asking.complete(request(str(index)) for index in range(20)))
    assert [body["messages"][0]["content"] for body in server.chats()] == [str(index) for index in range(20)]
    assert sorted(came) == list(range(20))


@pytest.mark.parametrize("most", [1, 4, 16])
def test_as_many_are_in_flight_as_were_allowed(server: FaultServer, most: int) -> None:
    server.delay = 0.1
    with client(server, concurrency=most) as asking:
        assert len(list(asking.complete([request()] * 3 * most))) == 3 * most
    assert server.most_at_once == most


def test_a_reply_is_handed_on_before_the_others_are_there(server: FaultServer) -> None:
    plain = server.reply

    def reply(body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        server.wait(0.6 if body["messages"][0]["content"] == "slow" else 0.0)
        return plain(body)

    server.reply = reply  # type: ignore[method-assign]
    with client(server, concurrency=2) as asking:
        asked = [request("slow"), request(), request()]
        assert [place for place, _ in asking.complete(asked)] == [1, 2, 0]


@pytest.mark.parametrize("fault", [fault for fault in ALL_FAULTS if fault != "wrong model"])
def test_a_fault_that_passes_is_tried_again(server: FaultServer, fault: str) -> None:
    server.faults.queue = deque([fault, fault])
    server.faults.seconds = 0.3 if fault == "drip" else 5.0
    with client(server, timeout_s=0.4, most_tokens=64) as asking:
        came = asking.ask(request())
    assert isinstance(came, Completion)
    assert came.text == PROSE
    assert len(server.got) == 3


@pytest.mark.parametrize(
    ("fault", "reason"),
    [
        ("500", r"HTTP 500 \(fault 500\) \(tried 3 times in \d+\.\d s\)"),
        ("half", r"the connection failed \(RemoteProtocolError: .*\) \(tried 3 times"),
        ("json", r"it is no reply: invalid JSON \(\d+ bytes\)"),
        ("empty", r"it is no reply: there are no choices in it"),
        ("closed", r"the connection failed"),
        ("timeout", r"no reply within 0\.2 s"),
        ("drip", r"no reply within 0\.2 s"),
    ],
)
def test_a_fault_that_does_not_pass_is_told(server: FaultServer, fault: str, reason: str) -> None:
    server.faults.queue = deque([fault] * 3)
    with client(server, timeout_s=0.2) as asking:
        came = failed(asking.ask(request(tries=3)))
    assert came.kind == "server"
    assert len(server.got) == 3
    assert re.search(reason, came.reason), came.reason


def test_another_models_reply_is_tried_again(server: FaultServer) -> None:
    server.faults.queue = deque(["wrong model"])
    asked = Request(messages=[{"role": "user", "content": "?"}], settings={}, replier=MODEL, tries=2)
    with client(server) as asking:
        assert isinstance(asking.ask(asked), Completion)
        server.faults.queue = deque(["wrong model"] * 2)
        assert "the server says that 'some/other' has replied" in failed(asking.ask(asked)).reason


def test_the_server_is_left_alone_for_as_long_as_it_asks(server: FaultServer) -> None:
    server.faults.queue, server.faults.retry_after = deque(["429"]), "0.4"
    with client(server) as asking:
        assert isinstance(asking.ask(request()), Completion)
    first, second = server.got
    assert second.at - first.at >= 0.4


def test_a_date_until_which_the_server_asks_to_be_left_alone_is_kept_to(server: FaultServer) -> None:
    until = int(time.time()) + 2  # dates of HTTP know no parts of a second
    server.faults.queue, server.faults.retry_after = deque(["429"]), formatdate(until, usegmt=True)
    with client(server) as asking:
        assert isinstance(asking.ask(request()), Completion)
        assert time.time() >= until
    assert len(server.got) == 2


def test_a_wait_that_is_too_long_is_not_begun(server: FaultServer) -> None:
    server.faults.queue, server.faults.retry_after = deque(["429"]), "3600"
    began = time.monotonic()
    with client(server, total_s=2.0) as asking:
        came = failed(asking.ask(request()))
    assert "the server asks to wait 3600 s, and the limit is 2 s" in came.reason
    assert time.monotonic() - began < 1.5
    assert len(server.got) == 1


@pytest.mark.parametrize("fault", ["500", "drip", "timeout"])
def test_all_tries_together_have_a_limit_of_time(server: FaultServer, fault: str) -> None:
    server.faults.queue, server.faults.seconds = deque([fault] * 1000), 0.05
    began = time.monotonic()
    with client(server, total_s=0.5, timeout_s=10.0) as asking:
        failed(asking.ask(request(tries=1000)))
    assert 0.2 < time.monotonic() - began < 1.5


def test_a_server_that_is_not_there_is_told() -> None:
    with ChatClient(ServerSpec.parse("openai:m@http://127.0.0.1:9/v1"), key=Key(), backoff_s=0.01) as asking:
        came = failed(asking.ask(request(tries=2)))
    assert came.kind == "server"
    assert "the connection failed (ConnectError" in came.reason


def test_no_redirect_is_followed(server: FaultServer) -> None:
    with FaultServer() as other:
        target = f"{other.url}/chat/completions"
        server.faults.queue, server.faults.target = deque(["redirect"] * 3), target
        with client(server) as asking:
            came = failed(asking.ask(request(tries=3)))
        assert other.got == []
    assert (came.kind, came.status) == ("server", 307)
    assert f"it sends on to '{target}', which is not followed; name that address yourself" in came.reason


@pytest.mark.parametrize("fault", ["huge", "zipped"])
def test_a_reply_that_is_too_large_is_broken_off(server: FaultServer, fault: str) -> None:
    server.faults.queue = deque([fault] * 2)
    with client(server, most_tokens=64) as asking:
        came = failed(asking.ask(request(tries=2)))
    assert came.kind == "server"
    assert {"huge": "has more than 1512000 bytes", "zipped": "compressed"}[fault] in came.reason


def test_a_request_that_is_refused_is_not_sent_again(server: FaultServer) -> None:
    with client(server) as asking:
        came = failed(asking.ask(request(nonsense=1)))
        assert isinstance(asking.ask(request()), Completion)
    assert (came.kind, came.status) == ("request", 400)
    assert came.reason == "HTTP 400 (Unexpected fields: nonsense)"
    assert len(server.got) == 2


@pytest.mark.parametrize("how", ["key", "quota", "model"])
def test_after_a_refusal_that_holds_for_all_nothing_more_is_sent(server: FaultServer, how: str) -> None:
    asked = request()
    if how == "key":
        server.manners.key = "another"
    elif how == "quota":
        server.faults.queue = deque(["quota"])
    else:
        asked = Request(messages=asked.messages, settings={"model": "no/such"})
    with client(server, concurrency=1) as asking:
        came = [failed(reply) for _, reply in asking.complete([asked] * 5)]
    assert {failure.kind for failure in came} == {"refused"}
    assert len({failure.reason for failure in came}) == 1
    assert len(server.got) == 1


def test_a_server_that_fails_always_is_given_up(server: FaultServer) -> None:
    server.faults.rate, server.faults.kinds = 1.0, ["500"]
    with client(server, concurrency=3) as asking:
        came = [failed(reply) for _, reply in asking.complete([request(tries=2)] * 20)]
        # While the first fail, as many others but one have begun; then there is a plain question.
        assert 9 <= len(server.got) <= 13
        assert [failure.kind for failure in came].count("down") >= 15
        reasons = {failure.reason for failure in came if failure.kind == "down"}
        assert all(
            re.match(r"not sent, since \d requests in a row had failed \(HTTP 500", r) for r in reasons
        )
        again = [failed(reply) for _, reply in asking.complete([request(tries=1)] * 5)]
        assert 1 <= [failure.kind for failure in again].count("server") <= 3
        server.faults.rate = 0.0
        assert isinstance(asking.ask(request()), Completion)


def poisoned(server: FaultServer) -> None:
    """Have the server fail on every request that says so, however often it comes."""
    plain = server.reply

    def reply(body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        bad = "poison" in body["messages"][0]["content"]
        return (500, {"error": {"message": "cannot decode"}}) if bad else plain(body)

    server.reply = reply  # type: ignore[method-assign]


@pytest.mark.parametrize("concurrency", [1, 2])
def test_requests_that_fail_always_do_not_end_the_others(server: FaultServer, concurrency: int) -> None:
    poisoned(server)
    asked = [request("poison" if 10 <= place < 16 else "fine", tries=2) for place in range(30)]
    budget = Budget(price=Price(1e6, 0.0))
    with client(server, concurrency=concurrency, budget=budget) as asking:
        came = dict(asking.complete(asked))
    assert {place for place, reply in came.items() if isinstance(reply, Completion)} == {
        *range(10),
        *range(16, 30),
    }
    assert {failed(came[place]).kind for place in range(10, 16)} == {"server"}
    plain = [body for body in server.chats() if body["messages"][0]["content"] == "Hello"]
    assert 1 <= len(plain) <= 6
    assert all(body["max_tokens"] == 1 for body in plain)
    assert budget.shares.keys() == {"probe"}


def test_a_server_that_fails_all_but_plain_questions_is_given_up_at_last(server: FaultServer) -> None:
    poisoned(server)
    with client(server, concurrency=2) as asking:
        came = [failed(reply) for _, reply in asking.complete([request("poison", tries=1)] * 50)]
    assert 32 <= [failure.kind for failure in came].count("server") <= 36
    assert came[-1].kind == "down"


def test_a_plain_question_that_the_limit_of_costs_does_not_allow_is_not_asked(server: FaultServer) -> None:
    poisoned(server)
    budget = Budget(price=Price(1.0, 1.0), limit=1e-9)
    with client(server, concurrency=1, budget=budget) as asking:
        kinds = [failed(reply).kind for _, reply in asking.complete([request("poison", tries=1)] * 3)]
    assert kinds == ["server", "down", "down"]
    assert len(server.got) == 1


def test_none_for_now_is_asked_again_when_something_has_come_back(server: FaultServer) -> None:
    def source() -> Iterator[Request | None]:
        yield request("first")
        yield None
        yield request("second")

    with client(server) as asking:
        assert [place for place, _ in asking.complete(source())] == [0, 1]
        with pytest.raises(UsageError, match="got None while no request was under way"):
            list(asking.complete([None]))


def test_ctrl_c_ends_it_at_once(server: FaultServer) -> None:
    server.delay = 20.0
    asking = client(server, total_s=30.0)
    pressed: list[float] = []

    def press() -> None:
        pressed.append(time.monotonic())
        os.kill(os.getpid(), signal.SIGINT)

    timer = threading.Timer(0.5, press)
    timer.start()
    with pytest.raises(KeyboardInterrupt):
        list(asking.complete([request()] * 5))
    asking.close()
    assert time.monotonic() - pressed[0] < 1.0
    timer.join()
    assert not [thread for thread in threading.enumerate() if thread.name == "vlmrobust-requests"]


def test_leaving_off_takes_back_what_is_in_flight(server: FaultServer) -> None:
    server.faults.queue = deque(["", *["timeout"] * 10])
    with client(server, concurrency=2, total_s=30.0) as asking:
        replies = asking.complete([request()] * 8)
        next(replies)
        began = time.monotonic()
        replies.close()
        server.faults.queue.clear()
        assert isinstance(asking.ask(request()), Completion)
    assert time.monotonic() - began < 2.0


def test_a_client_can_be_used_again_after_it_was_closed(server: FaultServer) -> None:
    asking = client(server)
    for _ in range(2):
        assert isinstance(asking.ask(request()), Completion)
        asking.close()


def test_documents_beside_chats_are_none_where_they_cannot_be_had(server: FaultServer) -> None:
    with client(server) as asking:
        assert asking.get("/models")["data"][0]["id"] == MODEL
        assert asking.get("/nothing") is None
        assert asking.post(f"{asking.server.root}/tokenize", {"prompt": "B"}) is None
        server.manners = Manners(token_ids=True)
        assert asking.post(f"{asking.server.root}/tokenize", {"prompt": "B"}) == {"tokens": [0x42]}


@pytest.mark.parametrize("key", ["sk-0123\n456789", "sk-0123\x00456789", "sk-schlüssel"])
def test_a_key_that_no_header_can_carry_is_refused_and_not_shown(key: str) -> None:
    with pytest.raises(UsageError, match="the key in VLMROBUST_API_KEY or OPENAI_API_KEY holds") as caught:
        ChatClient(ServerSpec.parse("openai:m@http://host/v1"), key=Key(key))
    told = caught.getrepr(showlocals=True, style="long")
    _, *below = told.reprtraceback.reprentries
    assert len(below) == 2
    assert not re.search(r"0123|456789|schl", "\n".join(str(entry) for entry in below))


def test_a_concurrency_of_none_is_refused() -> None:
    with pytest.raises(UsageError, match="concurrency=0: has to be 1 or more"):
        ChatClient(ServerSpec.parse("openai:m@http://host/v1"), concurrency=0)


def test_no_log_tells_the_key(server: FaultServer, caplog: pytest.LogCaptureFixture) -> None:
    server.manners.key = "another"
    with caplog.at_level(logging.DEBUG), client(server) as asking:
        failed(asking.ask(request()))
    assert caplog.records
    assert SECRET not in caplog.text


def test_no_log_tells_a_key_that_the_server_echoes(
    server: FaultServer, caplog: pytest.LogCaptureFixture
) -> None:
    server.echoes = True
    with caplog.at_level(logging.DEBUG):
        with client(server) as asking, client(server, key=Key("another-key's-name")) as other:
            assert isinstance(asking.ask(request()), Completion)
            assert isinstance(other.ask(request()), Completion)
        assert sum("Bearer ***" in record.getMessage() for record in caplog.records) >= 2
        assert SECRET not in caplog.text
        assert "another-key" not in caplog.text
        caplog.clear()
        logger = logging.getLogger("openai._base_client")
        logger.debug("once it is closed, nothing is changed: %s", SECRET)
        assert SECRET in caplog.text


def test_no_traceback_in_a_log_tells_the_key(server: FaultServer, caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.DEBUG), client(server) as asking:
        asking.ask(request())
        try:
            raise ValueError(f"illegal header: {SECRET}")
        except ValueError:
            logging.getLogger("openai._base_client").debug("it failed", exc_info=True)
    assert "illegal header: ***" in caplog.text
    assert SECRET not in caplog.text
