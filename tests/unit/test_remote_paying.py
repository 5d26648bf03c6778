"""Requests that are paid for: what is asked for keeps to the budget, whoever asks."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_vlmrobust.claiming.writer import MAX_TOKENS
from pytest_vlmrobust.errors import CostLimitError, UsageError
from pytest_vlmrobust.judges.questions import JudgePrompt
from pytest_vlmrobust.judges.served import ServedText
from pytest_vlmrobust.remote.budget import Budget, Price
from pytest_vlmrobust.remote.client import ChatClient
from pytest_vlmrobust.remote.options import RemoteOptions
from pytest_vlmrobust.remote.paying import PayingClient
from pytest_vlmrobust.remote.spec import Key, ServerSpec
from pytest_vlmrobust.remote.wire import Completion, Request
from tests.unit.fault_server import FaultServer, Manners

ASKED = Request(messages=[{"role": "user", "content": "Describe it."}], settings={"max_tokens": 10})


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def client(server: FaultServer) -> Iterator[ChatClient]:
    spec = ServerSpec.parse(server.spec)
    with ChatClient(spec, key=Key(), concurrency=4, backoff_s=0.01, total_s=5.0) as asking:
        yield asking


def paying(client: ChatClient, limit: float | None) -> PayingClient:
    return PayingClient(client=client, budget=Budget(price=Price(0.0, 1e6), limit=limit), purpose="judge")


def test_no_request_goes_beyond_the_limit_and_what_was_sent_comes_back(client: ChatClient) -> None:
    asking = paying(client, 45.0)
    came = []
    with pytest.raises(CostLimitError, match=r"reached \(40\.0000 of 45 spent\)"):
        came += [place for place, _ in asking.complete([ASKED] * 9)]
    assert asking.budget.shares == {"judge": 40.0}
    with pytest.raises(CostLimitError):
        asking.ask(ASKED)


def test_without_a_limit_all_are_sent(client: ChatClient) -> None:
    asking = paying(client, None)
    assert len(list(asking.complete([ASKED] * 9))) == 9
    assert asking.budget.spent == 90.0


def test_what_is_held_is_let_go_when_nobody_waits_any_more(client: ChatClient) -> None:
    asking = paying(client, 100.0)
    replies = asking.complete([ASKED] * 9)
    next(replies)
    replies.close()
    assert asking.budget.hold(0, 90) is not None


def test_a_server_that_counts_no_tokens_allows_no_limit(server: FaultServer, client: ChatClient) -> None:
    server.manners = Manners(counts=False)
    assert isinstance(paying(client, None).ask(ASKED), Completion)
    with pytest.raises(UsageError, match="--vlm-max-cost cannot be kept, since the server counts no tokens"):
        paying(client, 100.0).ask(ASKED)


def test_a_reply_without_its_number_of_tokens_is_taken_to_have_cost_what_it_could(
    server: FaultServer, client: ChatClient
) -> None:
    asking = paying(client, 100.0)
    asking.ask(ASKED)
    server.manners = Manners(counts=False)
    asking.ask(Request(messages=ASKED.messages, settings={"max_tokens": 50}))
    assert asking.budget.spent == 60.0


def test_a_writer_of_claims_keeps_to_the_budget(server: FaultServer) -> None:
    budget = Budget(price=Price(0.0, 1e6), limit=1500.0)
    options = RemoteOptions(budget=budget, backoff_s=0.01, total_s=5.0)
    writer = ServedText(
        server=ServerSpec.parse(server.spec), options=options, free=True, max_tokens=MAX_TOKENS
    )
    with pytest.raises(CostLimitError):
        list(writer.complete([JudgePrompt(system="", user=f"Write {number}.") for number in range(40)]))
    writer.close()
    assert budget.shares == {"claims": budget.spent}
    assert 400.0 < budget.spent <= 1500.0
