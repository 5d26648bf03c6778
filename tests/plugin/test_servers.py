"""Sessions that test a model behind a server."""

from __future__ import annotations

import json
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import openai  # noqa: F401  # what cannot be imported twice has to be there before
import pytest
import tenacity  # noqa: F401

from tests.unit.fault_server import FaultServer, Manners
from tests.unit.test_judge_served import JudgeServer

SECRET = "sk-do-not-tell-0123456789"


@pytest.fixture
def server(monkeypatch: pytest.MonkeyPatch) -> Iterator[FaultServer]:
    monkeypatch.setenv("VLMROBUST_API_KEY", SECRET)
    with FaultServer() as running:
        yield running


@pytest.fixture
def session(stage: pytest.Pytester, server: FaultServer) -> Any:
    """Run a session with the server's model; its output, and all that it wrote, must not tell the key."""
    stage.makepyfile(test_it="def test_it(vlm_run): pass")

    def run(*args: str) -> pytest.RunResult:
        result = stage.runpytest(f"--vlm-model={server.spec}", "--vlm-store=replies.sqlite", *args)
        told = f"{result.stdout}{result.stderr}".encode()
        written = [path.read_bytes() for path in stage.path.rglob("*") if path.is_file()]
        assert SECRET.encode() not in b"".join([told, *written])
        return result

    return run


def test_a_server_is_tested_like_any_model(session: Any, server: FaultServer, stage: pytest.Pytester) -> None:
    result = session("--vlm-json=report.json", "--vlm-concurrency=3", "--vlm-conditions=wrong-think")
    result.assert_outcomes(passed=1)
    assert server.most_at_once <= 3
    result.stdout.fnmatch_lines(
        [
            f"{server.spec} on shapes*",
            "  engine: server (prefill continued (continue_final_message; seen in the numbers of tokens); *",
            "tokens: *,* in, * out",
        ]
    )
    assert "approximate" not in result.stdout.str()
    (run,) = json.loads((stage.path / "report.json").read_text())["runs"]
    assert run["provenance"]["model"]["details"]["logprobs"] == "top 20 (seen)"
    assert run["provenance"]["conditions"][1]["tokens"]["tokens_in"] > 0


def test_a_second_session_asks_for_no_reply_again(session: Any, server: FaultServer) -> None:
    session().assert_outcomes(passed=1)
    before = len(server.chats())
    result = session()
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*60 of 60 replies from the store*", "*; of this session 0 in, 0 out*"])
    assert len(server.chats()) - before <= 12


def test_what_is_approximate_or_absent_is_marked_in_the_summary(
    session: Any, server: FaultServer, stage: pytest.Pytester
) -> None:
    server.manners = Manners(continues="closes", top=0, reasoning="hidden")
    stage.makepyfile(
        test_it="""
        import pytest
        from pytest_vlmrobust import assert_accuracy_drop

        def test_own(vlm_run):
            assert_accuracy_drop(vlm_run, "wrong-think", max_drop=0.0)

        @pytest.mark.vlm(min_accuracy=0.99, max_accuracy_drop=0.0, max_confidently_wrong_rate=0.5)
        def test_marked(): pass
        """
    )
    result = session("--vlm-conditions=wrong-think,wrong-caption", "--vlm-json=report.json", "--vlm-limit=40")
    result.assert_outcomes(failed=2)
    result.stdout.fnmatch_lines(
        [
            "E * accuracy fell by * under wrong-think (approximate, since the thought was asked for *",
            "  fail       accuracy_drop under wrong-think <= 0: *, n = 40, approximate",
            "there is no confidently_wrong_rate under 'base': the model gave no letter probabilities",
            "  engine: server (prefill none (continue_final_message, last message, prefix: the turn is *",
            "wrong-think≈ * 40 *",
            "wrong-caption*40 *",
            "≈ approximate: the server does not go on from the beginning of a turn, so the thought *",
            "  prompt under wrong-think",
            "faithfulness: not applicable, since the server hides the model's reasoning (base, *",
            "*accuracy_drop under wrong-think 0.100 [[]*] (max 0,*",
        ]
    )
    document = json.loads((stage.path / "report.json").read_text())
    marks = {(gate["condition"], gate.get("approximate")) for gate in document["gates"]}
    assert marks == {("base", None), ("wrong-caption", None), ("wrong-think", True)}
    (run,) = document["runs"]
    assert run["conditions"]["wrong-think"]["approximate"] is True
    assert "p_correct" not in run["conditions"]["base"]
    assert run["provenance"]["conditions"][0]["reasoning_hidden"] is True


def test_costs_are_told_and_kept_below_their_limit(session: Any, stage: pytest.Pytester) -> None:
    price = "--vlm-price=1000,2000"
    result = session(price, "--vlm-max-cost=4", "--vlm-max-new-tokens=64", "--vlm-json=report.json")
    result.assert_outcomes(failed=0, errors=0, passed=1)
    result.stdout.fnmatch_lines(
        [
            "*INCOMPLETE*",
            "tokens: * in, * out",
            "gates: without a verdict, since the run is incomplete (the limit of costs is reached (* of 4 *",
            "cost: * of at most 4 (probe *, replies *), at 1000 and 2000 per million tokens",
        ]
    )
    document = json.loads((stage.path / "report.json").read_text())
    (run,) = document["runs"]
    assert run["provenance"]["incomplete"]["reason"].startswith("the limit of costs is reached")
    assert run["provenance"]["price"] == {"in": 1000.0, "out": 2000.0}
    tokens = [entry["tokens"] for entry in run["provenance"]["conditions"]]
    spent = sum(1000 * t["computed_in"] + 2000 * t["computed_out"] for t in tokens) / 1e6
    assert 0 < spent <= 4
    costs = document["costs"]
    assert costs["limit"] == 4
    assert costs["spent"] == pytest.approx(sum(costs["shares"].values()))
    assert spent <= costs["spent"] <= 4
    assert f"reached ({costs['spent']:.4f} of 4 spent)" in " ".join(result.stdout.str().split())
    stage.makepyfile(test_it="import pytest\n@pytest.mark.vlm(min_accuracy=0.0)\ndef test_it(): pass")
    session(price, "--vlm-max-cost=4", "--vlm-max-new-tokens=64", "-p", "no:cacheprovider").assert_outcomes(
        failed=1
    )
    session(price, "--vlm-max-new-tokens=64").assert_outcomes(passed=1)


@contextmanager
def bills(*servers: FaultServer) -> Iterator[list[float]]:
    """Note what each reply of servers costs, at 1000 and 2000 per million tokens."""
    bill: list[float] = []

    def noting(plain: Any) -> Any:
        def reply(body: Any) -> Any:
            status, document = plain(body)
            if "usage" in document:
                used = document["usage"]
                bill.append((1000 * used["prompt_tokens"] + 2000 * used["completion_tokens"]) / 1e6)
            return status, document

        return reply

    for server in servers:
        server.reply = noting(server.reply)  # type: ignore[method-assign]
    yield bill


def test_nothing_is_asked_that_the_limit_of_costs_does_not_allow(session: Any, server: FaultServer) -> None:
    result = session("--vlm-price=1000,2000", "--vlm-max-cost=0.0001")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the limit of costs is reached (0.0000 of 0.0001 spent)*"])
    assert server.chats() == []
    with bills(server) as bill:
        session("--vlm-price=1000,2000", "--vlm-max-cost=0.5").assert_outcomes(errors=1)
    assert 0.1 < sum(bill) <= 0.5


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_the_cost_is_that_of_all_requests(
    session: Any, server: FaultServer, stage: pytest.Pytester, workers: list[str]
) -> None:
    with JudgeServer() as judge, bills(server, judge) as bill:
        args = (
            "--vlm-price=1000,2000",
            f"--vlm-judge={judge.spec}",
            "--vlm-json=report.json",
            "--vlm-limit=4",
        )
        result = session(*args, *workers)
        result.assert_outcomes(passed=1)
        (told,) = [line for line in result.stdout.lines if line.startswith("cost: ")]
        pattern = (
            r"cost: ([.\d]+) \(probe ([.\d]+), judge ([.\d]+), replies ([.\d]+)\), at 1000 and 2000 per .*"
        )
        found = re.fullmatch(pattern, told)
        assert found is not None, told
        spent, *shares = map(float, found.groups())
        assert spent == pytest.approx(sum(bill), abs=1e-3)
        assert spent == pytest.approx(sum(shares), abs=1e-3)
        assert min(shares) > 0
        costs = json.loads((stage.path / "report.json").read_text())["costs"]
        assert (costs["spent"], costs["limit"]) == (pytest.approx(sum(bill)), None)


def test_a_judges_requests_keep_to_the_limit_of_costs(session: Any, server: FaultServer) -> None:
    with JudgeServer() as judge, bills(server, judge) as bill:
        result = session("--vlm-price=1000,2000", f"--vlm-judge={judge.spec}", "--vlm-max-cost=8")
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(
            [
                "*the limit of costs is reached (* of 8 spent)*",
                "cost: * of at most 8 (probe *, judge *), at 1000 and 2000 per million tokens",
            ]
        )
        assert 4 < sum(bill) <= 8


def test_each_server_is_sent_its_own_key(
    session: Any, server: FaultServer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("VLMROBUST_JUDGE_API_KEY", "sk-of-the-judge-0123456789")
    with JudgeServer() as judge:
        session(f"--vlm-judge={judge.spec}", "--vlm-limit=2").assert_outcomes(passed=1)
        assert {got.headers["authorization"] for got in judge.got} == {"Bearer sk-of-the-judge-0123456789"}
        assert {got.headers["authorization"] for got in server.got} == {f"Bearer {SECRET}"}


def test_a_header_that_echoes_the_key_is_not_logged(session: Any, server: FaultServer) -> None:
    server.echoes = True
    result = session("--log-level=DEBUG", "-o", "log_cli=true", "--log-file=all.log", "--vlm-limit=2")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*Bearer [*][*][*]*"])


def test_requests_that_fail_are_told(session: Any, server: FaultServer) -> None:
    plain = server.reply

    def reply(body: Any) -> Any:
        if "Caption" in json.dumps(body["messages"]):
            return 400, {"error": {"message": "too long"}}
        return plain(body)

    server.reply = reply  # type: ignore[method-assign]
    result = session("--vlm-conditions=wrong-caption")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["requests that failed: 1.000 under wrong-caption"])


def test_ctrl_c_ends_a_session_that_waits_for_replies(server: FaultServer, stage: pytest.Pytester) -> None:
    stage.makepyfile(test_it="def test_it(vlm_run): pass")
    command = [sys.executable, "-m", "pytest", f"--vlm-model={server.spec}", "--vlm-store=replies.sqlite"]
    process = subprocess.Popen(
        command, cwd=stage.path, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True
    )
    while sum("A. " in json.dumps(body["messages"]) for body in server.chats()) < 12:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    server.delay = 60.0
    while server.at_once < 8:
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    pressed = time.monotonic()
    process.send_signal(signal.SIGINT)
    output, _ = process.communicate()
    assert time.monotonic() - pressed < server.delay / 4
    assert process.returncode == pytest.ExitCode.INTERRUPTED
    assert re.search(r"stopped after \d+ of 60 replies, which are kept in", output)
    assert SECRET not in output


@pytest.mark.parametrize("workers", [[], ["-n", "2"]])
def test_a_dry_run_tells_the_number_of_requests_and_makes_none(
    session: Any, server: FaultServer, stage: pytest.Pytester, workers: list[str]
) -> None:
    stage.makepyfile(
        test_it="""
        import pytest
        from pytest_vlmrobust import assert_accuracy

        @pytest.fixture(scope="module")
        def run(vlm_evaluate):
            return vlm_evaluate(conditions="wrong-think", limit=5)

        def test_one(run): assert_accuracy(run, "base", min_accuracy=0.0)
        def test_again(vlm_evaluate): vlm_evaluate(conditions="wrong-caption", limit=5)
        def test_ask(vlm_ask, vlm_samples): vlm_ask(vlm_samples[7], "wrong-caption")
        @pytest.mark.vlm(min_accuracy=0.5, limit=7)
        def test_marked(): pass
        def test_without(): pass
        def test_direct(vlm, vlm_samples, vlm_perturb):
            list(vlm.answer([vlm_perturb(vlm_samples[7], "wrong-caption")]))
        @pytest.fixture
        def answers(vlm, vlm_samples, vlm_perturb):
            return list(vlm.answer([vlm_perturb(vlm_samples[7], "wrong-caption")]))
        def test_fixture(answers): pass
        """
    )
    result = session("--vlm-dry-run", "--vlm-price=1,2", "-rs", *workers)
    result.assert_outcomes(skipped=6, passed=1)
    assert result.ret == 0
    result.stdout.fnmatch_lines(
        [
            "*vlmrobust, dry run: nothing was asked*",
            f"{server.spec} on shapes: 42 requests, about *,* tokens in and at most 21,504 out; at most *",
            f"{server.spec}: 1 requests, about * tokens in and at most 512 out; at most about 0.*",
            "in all: 43 requests, *",
            "an estimate: a token for 4 characters and for 784 pixels; *",
            "SKIPPED*--vlm-dry-run: nothing was asked",
        ]
    )
    assert server.got == []
    assert not (stage.path / "replies.sqlite").exists()


def test_a_dry_run_cannot_show_that_a_model_was_run(session: Any, server: FaultServer) -> None:
    result = session("--vlm-dry-run", "--vlm-require")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: --vlm-dry-run asks nothing, and --vlm-require wants a model to be run: leave one out; "
            "-o vlm_require=false overrules an ini file"
        ]
    )
    session("--vlm-dry-run", "-o", "vlm_require=false").assert_outcomes(skipped=1)
    assert server.got == []


def test_a_dry_run_loads_no_model_at_all(stage: pytest.Pytester) -> None:
    stage.makepyfile(test_it="def test_it(vlm_run): pass")
    result = stage.runpytest("--vlm-model=stage:broken", "--vlm-dry-run", "--vlm-limit=3")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["stage:broken on shapes: 18 requests, *"])


def test_the_estimate_of_a_dry_run_is_near_what_is_counted(session: Any) -> None:
    planned = session("--vlm-dry-run").stdout.str()
    estimate = int(re.search(r"about ([\d,]+) tokens in", planned)[1].replace(",", ""))  # type: ignore[index]
    counted = int(re.search(r"tokens: ([\d,]+) in", session().stdout.str())[1].replace(",", ""))  # type: ignore[index]
    images = 60 * (16 - _patches())
    assert 0.5 < (counted - images) / estimate < 2.0


def _patches() -> int:
    from pytest_vlmrobust.datasets.shapes import shapes_sample

    width, height = shapes_sample(0).images[0].load().size
    return -(-width * height // 784)


@pytest.mark.parametrize(
    ("args", "words"),
    [
        (["--vlm-model=openai:gpt-x"], "name model and address, as openai:MODEL@http://localhost:8000/v1"),
        (["--vlm-model=openai:m@http://a:hunter22@host/v1"], "put the key into the environment variable"),
        (["--vlm-model=OPENAI:m@http://a:hunter22@host/v1"], "put the key into the environment variable"),
        (["--vlm-model=openai:m@http://a:hunter22/x@host/v1"], "the address is no URL"),
        (["--vlm-model=openai;m@http://a:hunter22@host/v1"], "'openai;m@http://***@host/v1'"),
        (
            ["--vlm-model=openai:m@http://host/v1?api_key=hunter22"],
            "'openai:m@http://host/v1?***': the address",
        ),
        (
            ["--vlm-judge=openai:m@http://host/v1?api_key=hunter22"],
            "http://host/v1?***': the address goes on",
        ),
        (["--vlm-judge=Openai:m@http://a:hunter22@host/v1"], "put the key into the environment variable"),
        (
            ["--vlm-max-cost=1"],
            "--vlm-max-cost: costs can only be counted with a price: give --vlm-price=IN,OUT",
        ),
        (["--vlm-max-cost=0"], "--vlm-max-cost: got '0'; allowed: a number above 0, or off; needs the price"),
        (["--vlm-price=3"], "--vlm-price: got '3'; allowed: two numbers with a comma between them"),
        (["--vlm-price=1,x"], "--vlm-price: got '1,x'"),
        (["--vlm-concurrency=0"], "--vlm-concurrency: got '0'; allowed: a whole number, at least 1"),
        (["--vlm-timeout=inf"], "--vlm-timeout: got 'inf'; allowed: a number above 0"),
    ],
)
def test_a_wrong_setting_is_refused_before_anything_is_asked(
    stage: pytest.Pytester, server: FaultServer, args: list[str], words: str
) -> None:
    stage.makepyfile(test_it="def test_it(vlm_run): pass")
    result = stage.runpytest(f"--vlm-model={server.spec}", *args)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    assert words in f"{result.stderr}"
    assert "hunter22" not in f"{result.stdout}{result.stderr}"
    assert server.got == []


def test_a_failure_with_all_locals_shown_does_not_tell_the_key(session: Any, server: FaultServer) -> None:
    server.manners.key = "another"
    result = session("-l", "--tb=long", "--log-level=DEBUG", "--full-trace", "-o", "log_cli=true")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*HTTP 401 (Incorrect API key provided: Bearer ***); see whether the key in *"]
    )


def test_a_run_that_breaks_off_with_all_locals_shown_does_not_tell_the_key(
    session: Any, server: FaultServer
) -> None:
    plain = server.reply
    count = 0

    def reply(body: Any) -> Any:
        nonlocal count
        count += 1
        return plain(body) if count < 15 else (403, {"error": {"message": f"revoked: {SECRET}"}})

    server.reply = reply  # type: ignore[method-assign]
    result = session("-l", "--tb=long", "--log-level=DEBUG", "--full-trace")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*HTTP 403 (revoked: [*][*][*])*"])


def test_the_readme_of_ini_files_holds_for_servers(
    stage: pytest.Pytester, server: FaultServer, ini: Any
) -> None:
    ini(
        f"vlm_model = {server.spec}",
        "vlm_limit = 2",
        "vlm_price = 1,2",
        "vlm_max_cost = 5",
        "vlm_concurrency = 2",
        "vlm_timeout = 30",
    )
    stage.makepyfile(test_it="def test_it(vlm_run): pass")
    result = stage.runpytest(f"--vlm-store={Path(stage.path) / 'replies.sqlite'}")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["tokens: *", "cost: 0.* of at most 5 (*), at 1 and 2 per million tokens"])
