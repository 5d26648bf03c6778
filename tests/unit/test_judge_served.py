"""A judge behind a server: what it is sent, what its faults lead to, and what the server can be held to."""

from __future__ import annotations

import json
import re
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from pytest_vlmrobust.errors import JudgeError
from pytest_vlmrobust.judges import Consistency, JudgeCase, close_judge, load_judge
from pytest_vlmrobust.judges.labelled import labelled_cases
from pytest_vlmrobust.judges.llm import LanguageModelJudge
from pytest_vlmrobust.judges.preflight import check_preflight, preflight
from pytest_vlmrobust.judges.questions import MENU, JudgePrompt, question_for
from pytest_vlmrobust.judges.served import ServedText
from pytest_vlmrobust.remote.options import RemoteOptions
from pytest_vlmrobust.remote.spec import ServerSpec
from pytest_vlmrobust.store import Store
from tests.unit.fault_server import MODEL, Drawn, FaultServer, Manners, Seen
from tests.unit.text_models import knowing

MENUS = ("structured_outputs", "guided_choice", "response_format")
OWN = (*MENUS, "reasoning_effort")
CASES = [labelled.case for labelled in labelled_cases()[:40]]
LABELS = [labelled.label for labelled in labelled_cases()[:40]]
FINDING_OUT = 4 + 1 + 16
"""Requests that find out about a server: one word, freely and in three ways held to the menu; then what tells
its weights: a story, and verdicts on some labelled thoughts."""
QUICK = RemoteOptions(concurrency=8, total_s=5.0, backoff_s=0.01)


class JudgeServer(FaultServer):
    """A server whose model judges; it can be held to a menu by some fields, and ignores or refuses others."""

    def __init__(
        self,
        reply: Callable[[JudgePrompt], str] | None = None,
        manners: Manners | None = None,
        *,
        holds: Sequence[str] = (),
        ignores: Sequence[str] = (),
    ) -> None:
        super().__init__(manners)
        self.serve(reply or knowing())
        self.shift = 0.0  # of all log-probabilities
        self.holds = holds
        self.ignores = (*ignores, "reasoning_effort")

    def serve(self, answer: Callable[[JudgePrompt], str]) -> None:
        """Load other weights."""
        self.brain = lambda seen: Drawn(self._word(answer, seen))

    @staticmethod
    def _word(answer: Callable[[JudgePrompt], str], seen: Seen) -> str:
        if "pineapple" in seen.user:
            return "pineapple"
        return answer(JudgePrompt(system="", user=seen.user))

    def reply(self, body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        known = (*self.holds, *self.ignores)
        status, document = super().reply({name: body[name] for name in body if name not in known})
        logprobs = document["choices"][0]["logprobs"] if status == 200 else None
        for entry in logprobs["content"] if logprobs else ():
            entry["logprob"] -= self.shift
        held = [name for name in self.holds if name in body]
        if status == 200 and held:
            message = document["choices"][0]["message"]
            word = message["content"] if message["content"] in MENU else "AGREES"
            message["content"] = json.dumps({"verdict": word}) if held == ["response_format"] else word
        return status, document


@contextmanager
def judging(server: JudgeServer, options: RemoteOptions = QUICK) -> Iterator[LanguageModelJudge]:
    with server:
        judge = LanguageModelJudge(ServedText(server=ServerSpec.parse(server.spec), options=options))
        yield judge
        judge.close()


def test_a_judge_behind_a_server_is_asked_once_for_each_case() -> None:
    with judging(JudgeServer()) as judge:
        assert judge.judge(CASES) == LABELS
        assert judge.judge(CASES[:3]) == LABELS[:3]
        assert judge.name == f"openai:{MODEL}@http://127.0.0.1:{judge.name.rpartition(':')[2]}"
    assert judge.first_failure == ""


def test_what_is_sent_is_two_turns_and_a_temperature_of_0() -> None:
    server = JudgeServer()
    with judging(server) as judge:
        judge.judge(CASES[:1])
    *_, body = server.chats()
    prompt = question_for(CASES[0])
    assert body["messages"] == [
        {"role": "system", "content": prompt.system},
        {"role": "user", "content": prompt.user},
    ]
    assert (body["model"], body["temperature"], body["max_tokens"]) == (MODEL, 0, 1024)
    assert "VLMROBUST" not in json.dumps(body)


@pytest.mark.parametrize("field", MENUS)
@pytest.mark.parametrize("others", ["refused", "ignored"])
def test_a_server_that_can_is_held_to_the_menu(field: str, others: str) -> None:
    """Its model says something else on its own: with the menu that cannot be."""
    server = JudgeServer(
        lambda _: "Let me think.", holds=[field], ignores=MENUS if others == "ignored" else ()
    )
    with judging(server) as judge:
        assert judge.judge(CASES[:4]) == [Consistency.CONSISTENT] * 4
        assert judge.judge(CASES[4:6]) == [Consistency.CONSISTENT] * 2
    asked = [body for body in server.chats() if "pineapple" not in str(body)]
    assert len(asked) == 6
    assert all(set(body) & set(MENUS) == {field} for body in asked)
    assert sum("pineapple" in str(body) for body in server.chats()) == 1 + 1 + MENUS.index(field)


def test_a_menu_that_is_accepted_and_ignored_is_seen_through() -> None:
    server = JudgeServer(ignores=MENUS)
    with judging(server) as judge:
        assert judge.judge(CASES[:4]) == LABELS[:4]
    assert not set(server.chats()[-1]) & set(MENUS)


@pytest.mark.parametrize(
    ("manners", "fields"),
    [
        (Manners(limit="max_completion_tokens"), {"max_completion_tokens", "temperature"}),
        (Manners(limit="max_completion_tokens", greedy=False), {"max_completion_tokens"}),
        (Manners(greedy=False), {"max_completion_tokens"}),
    ],
)
def test_what_a_server_refuses_is_left_out(manners: Manners, fields: set[str]) -> None:
    server = JudgeServer(manners=manners)
    with judging(server) as judge:
        assert judge.judge(CASES[:4]) == LABELS[:4]
    assert set(server.chats()[-1]) == {"model", "messages", *fields}


def test_a_known_judge_is_sent_its_switches(monkeypatch: pytest.MonkeyPatch) -> None:
    known: dict[str, dict[str, Any]] = {
        "Qwen/Qwen3-32B": {"chat_template_kwargs": {"enable_thinking": False}, "max_tokens": 32},
        "openai/gpt-oss-120b": {"reasoning_effort": "low", "max_tokens": 2048},
        "meta-llama/Llama-3.1-70B-Instruct": {"max_tokens": 32},
    }
    for name, fields in known.items():
        monkeypatch.setattr("tests.unit.fault_server.MODEL", name)
        server = JudgeServer(manners=Manners(says=name), holds=["structured_outputs"])
        with judging(server) as judge:
            assert name in judge.name
            assert judge.judge(CASES[:2]) == LABELS[:2]
        body = dict(server.chats()[-1])
        assert {**body, **fields} == body
        assert ("structured_outputs" in body) == (
            "gpt-oss" not in name
        )  # it thinks first: nothing can hold it


def test_a_thought_of_the_judges_own_is_no_part_of_its_verdict() -> None:
    reply = knowing()
    for kind in ("text", "apart", "hidden"):
        server = JudgeServer(lambda prompt: f"<think>AGREES?</think>{reply(prompt)}", Manners(reasoning=kind))
        with judging(server) as judge:
            assert judge.judge(CASES[:4]) == LABELS[:4]


def test_faults_that_pass_change_no_verdict() -> None:
    server = JudgeServer()
    server.faults.rate = 0.3
    with judging(server) as judge:
        assert judge.judge(CASES) == LABELS
    assert len(server.chats()) > 1.2 * len(CASES)


def test_a_judge_that_is_down_gives_no_verdict_and_says_why() -> None:
    server = ServerSpec.parse("openai:m@http://127.0.0.1:9/v1")
    judge = LanguageModelJudge(ServedText(server=server, options=RemoteOptions(total_s=0.3, backoff_s=0.01)))
    began = time.monotonic()
    assert judge.judge(CASES) == [None] * 40
    assert time.monotonic() - began < 3
    assert judge.first_failure.startswith("the connection failed (")
    with pytest.raises(
        JudgeError, match=r"no verdict on 32 of 32 labelled thoughts\n  the first time because the conn"
    ):
        check_preflight(preflight(judge))
    judge.close()


def test_a_judge_that_goes_down_midway_leaves_the_rest_unscored() -> None:
    server = JudgeServer()
    with judging(server, RemoteOptions(concurrency=4, total_s=0.3, backoff_s=0.01)) as judge:
        assert judge.judge(CASES[:10]) == LABELS[:10]
        server.faults.rate, server.faults.kinds = 1.0, ("503",)
        assert judge.judge(CASES) == [None] * 40
        assert judge.first_failure.startswith("HTTP 503 (fault 503)")
        server.faults.rate = 0.0
        assert judge.judge(CASES) == LABELS


def test_a_judge_that_is_slow_gives_no_verdict() -> None:
    server = JudgeServer()
    with judging(server, RemoteOptions(total_s=0.4, backoff_s=0.01)) as judge:
        judge.judge(CASES[:1])
        server.faults.queue.extend(["timeout"] * 2)
        server.faults.seconds = 2.0
        assert judge.judge(CASES[:1]) == [None]
    assert "no reply within 0.2 s" in judge.first_failure


def test_a_rate_limit_is_waited_for() -> None:
    server = JudgeServer()
    server.faults.retry_after = "0.05"
    with judging(server) as judge:
        judge.judge(CASES[:1])
        server.faults.queue.extend(["429"] * 3)
        assert judge.judge(CASES[:4]) == LABELS[:4]


def test_a_key_that_is_refused_gives_no_verdict_and_is_not_told(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMROBUST_API_KEY", "sk-wrong-and-secret")
    with judging(JudgeServer(manners=Manners(key="sk-right"))) as judge:
        assert judge.judge(CASES[:4]) == [None] * 4
    assert re.match(r"HTTP 401 \(Incorrect API key provided: Bearer \*\*\*\)", judge.first_failure)


def test_another_model_than_was_asked_for_gives_no_verdict() -> None:
    server = JudgeServer(manners=Manners(says="cheap/model"))
    with judging(server) as judge:
        assert judge.judge(CASES[:2]) == [None, None]
    assert judge.first_failure.startswith(
        "the server says that 'cheap/model' has replied; if that is the model"
    )
    assert "'openai:cheap/model@http://127.0.0.1" in judge.first_failure


def test_verdicts_are_kept_by_server_and_model_and_not_asked_for_again(tmp_path: Path) -> None:
    server = JudgeServer()
    keys, results, asked = [], [], []
    with server, Store.open(tmp_path / "verdicts.sqlite") as store:
        for spec in (server.spec, server.spec, server.spec.replace("127.0.0.1", "localhost")):
            judge = load_judge(spec, remote=QUICK, store=store)
            assert isinstance(judge, LanguageModelJudge)
            before = len(server.chats())
            results += preflight(judge, store)
            asked.append(len(server.chats()) - before - FINDING_OUT)
            keys.append([judge.verdict_key(case) for case in CASES])
            judge.close()
    assert asked == [len(labelled_cases()), 0, len(labelled_cases())]
    assert keys[0] == keys[1]
    assert not set(keys[0]) & set(keys[2])
    assert {result.kappa.value for result in results if result.kappa} == {1.0}


@pytest.mark.parametrize("kept", [True, False])
def test_log_probabilities_alone_tell_other_weights(tmp_path: Path, kept: bool) -> None:
    server = JudgeServer()
    keys = []
    with server, Store.open(tmp_path / "verdicts.sqlite") as store:
        for shift in (0.0, 0.0, 0.02, 0.2):
            server.shift = shift
            judge = load_judge(server.spec, remote=QUICK, store=store if kept else None)
            assert isinstance(judge, LanguageModelJudge)
            keys.append(judge.verdict_key(CASES[0]))
            judge.close()
    assert keys[0] == keys[1] != keys[3]
    assert (keys[2] == keys[0]) == kept  # noise, where the replies can be compared


def test_other_weights_at_the_same_address_are_measured_anew(tmp_path: Path) -> None:
    """Else the stored verdicts of the old ones would vouch for them."""
    server, asked = JudgeServer(), []
    with server, Store.open(tmp_path / "verdicts.sqlite") as store:
        for reply in (knowing(), lambda _: "AGREES", knowing()):
            server.serve(reply)
            before = len(server.chats())
            judge = load_judge(server.spec, remote=QUICK, store=store)
            results = preflight(judge, store)
            asked.append(len(server.chats()) - before - FINDING_OUT)
            close_judge(judge)
            if len(asked) == 2:
                with pytest.raises(JudgeError, match=r"has to be 0\.6 or more, and it is 0\.000"):
                    check_preflight(results)
            else:
                check_preflight(results, 1.0)
    assert asked == [len(labelled_cases())] * 2 + [0]


@pytest.mark.parametrize("top", [20, 0, -1], ids=["log-probabilities", "ignored", "refused"])
def test_weights_are_known_again_by_what_they_reply(tmp_path: Path, top: int) -> None:
    def elsewhere(prompt: JudgePrompt) -> str:
        return "Ships." if "can be seen from a lighthouse" in prompt.user else knowing()(prompt)

    server, keys = JudgeServer(manners=Manners(top=top)), []
    with server, Store.open(tmp_path / "verdicts.sqlite") as store:
        for reply in (knowing(), knowing(), elsewhere, lambda _: "AGREES", elsewhere):
            server.serve(reply)
            judge = load_judge(server.spec, remote=QUICK, store=store)
            assert isinstance(judge, LanguageModelJudge)
            keys.append(judge.verdict_key(CASES[0]))
            judge.close()
    assert keys[0] == keys[1]
    assert keys[2] == keys[4]
    assert len(set(keys)) == 3


def test_stored_verdicts_do_not_vouch_for_a_server_that_is_down(tmp_path: Path) -> None:
    server = JudgeServer()
    with Store.open(tmp_path / "verdicts.sqlite") as store, judging(server) as judge:
        check_preflight(preflight(judge, store))
        server.faults.rate, server.faults.kinds = 1.0, ("503",)
        down = load_judge(server.spec, remote=QUICK, store=store)
        with pytest.raises(JudgeError, match=r"no verdict on 32 of 32 labelled thoughts\n.* HTTP 503"):
            check_preflight(preflight(down, store))
        close_judge(down)


def test_a_server_that_is_down_is_not_waited_for(tmp_path: Path) -> None:
    """A thought is tried ten times; whether the server is there at all is not."""
    server = JudgeServer()
    server.faults.rate, server.faults.kinds = 1.0, ("503",)
    with Store.open(tmp_path / "verdicts.sqlite") as store, judging(server) as judge:
        preflight(judge, store)
    assert len(server.chats()) == 3 + 3
    assert "(tried 3 times" in judge.first_failure


def test_requests_are_sent_side_by_side() -> None:
    server = JudgeServer()
    with judging(server) as judge:
        judge.judge(CASES[:1])
        server.delay = 0.05
        judge.judge(CASES)
    assert 4 <= server.most_at_once <= 8


def test_any_thought_can_be_sent() -> None:
    odd = JudgeCase(
        question="\ud800", choices=("\x00", "\u202e"), think="\udfff<|im_end|>\x1b So it is.", letter="A"
    )
    with judging(JudgeServer()) as judge:
        assert judge.judge([odd]) == [Consistency.CONSISTENT]
