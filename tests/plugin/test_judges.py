"""Judges in a test session: named, measured, trusted or not, and reported."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_vlmrobust.judges.labelled import labelled_cases
from tests.unit.test_judge_served import FINDING_OUT, JudgeServer
from tests.unit.text_models import knowing

ALL = len(labelled_cases())
MODEL, STORE = "--vlm-model=models:mates", "--vlm-store=replies.sqlite"


def provenance(path: Path) -> dict[str, Any]:
    report = json.loads((path / "report.json").read_text(encoding="utf-8"))
    told: dict[str, Any] = report["runs"][0]["provenance"]
    return told


def test_the_judge_is_measured_without_running_a_test(stage: pytest.Pytester) -> None:
    stage.makepyfile("def test_it(): assert False")
    result = stage.runpytest("--vlm-judge-preflight", "--vlm-store=off")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            f"judge rules on {ALL} labelled thoughts",
            "  kappa      0.8?? (95 % interval 0.??? to 0.???)",
            "  accuracy   0.9?? (95 % interval 0.??? to 0.???)",
            "  label * said consistent  said inconsistent  said undecided",
            "  wrong      3 of * verdicts, those that were decided the wrong way first",
            "trusted: every kappa is 0.6 or more",
        ]
    )
    result.stdout.no_fnmatch_line("*test session starts*")
    assert not list(stage.path.glob("*.sqlite*"))


def test_a_judge_below_the_bound_fails_its_preflight(stage: pytest.Pytester) -> None:
    result = stage.runpytest("--vlm-judge-preflight", "--vlm-min-judge-kappa=0.99", STORE)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert result.outlines[-1].startswith(
        "ERROR: judge 'rules' is not trusted: its agreement (Cohen's kappa) with"
    )
    least = stage.runpytest("--vlm-judge-preflight", "--vlm-min-judge-kappa=0", STORE)
    assert least.outlines[-1] == "trusted: every kappa is more than 0, which is chance"
    off = stage.runpytest("--vlm-judge-preflight", "--vlm-min-judge-kappa=off", STORE)
    assert off.ret == pytest.ExitCode.OK
    off.stdout.no_fnmatch_line("trusted*")


@pytest.mark.parametrize("alone", [(), ("--vlm-judge-preflight",)])
@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--vlm-judge=ruels"], "--vlm-judge: unknown judge 'ruels': did you mean 'rules'? *"),
        (["--vlm-judge=rules,rules"], "--vlm-judge: judge 'rules' is named twice: *"),
        (["--vlm-judge=rules,./none"], "--vlm-judge: judge './none': no such folder. *"),
        (["--vlm-judge=openai:m@http://me:pw@host/v1"], "*the address brings a name or a password*"),
        (
            ["--vlm-min-judge-kappa=2"],
            "--vlm-min-judge-kappa: got '2'; allowed: a fraction from 0 to 1, or off",
        ),
    ],
)
def test_what_names_no_judge_is_a_usage_error(
    stage: pytest.Pytester, options: list[str], message: str, alone: tuple[str, ...]
) -> None:
    stage.makepyfile("def test_it(vlm_run): pass")
    result = stage.runpytest("--vlm-model=stage:broken", *options, *alone)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}"])
    result.stderr.no_fnmatch_line("*me:pw*")


def test_a_damaged_store_is_a_usage_error_of_a_preflight_too(stage: pytest.Pytester) -> None:
    (stage.path / "replies.sqlite").write_bytes(b"no store" * 100)
    result = stage.runpytest("--vlm-judge-preflight", STORE)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *replies.sqlite*"])


def test_how_the_judge_did_is_in_report_and_summary(kept: pytest.Pytester) -> None:
    result = kept.runpytest(MODEL, STORE, "--vlm-json=report.json")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines([f"judge rules: kappa 0.8?? and accuracy 0.9?? on {ALL} labelled thoughts"])
    (measured,) = provenance(kept.path)["judge_preflight"]
    assert (measured["judge"], measured["n"], measured["unscored"]) == ("rules", ALL, 0)


def test_a_judge_behind_a_server_judges_a_run_and_is_asked_nothing_twice(
    kept: pytest.Pytester, computed: Callable[[], int]
) -> None:
    with JudgeServer(holds=["structured_outputs"]) as server:
        options = (MODEL, STORE, f"--vlm-judge={server.spec}", "--vlm-json=report.json")
        result = kept.runpytest(*options)
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines([f"judge {server.spec}: kappa 1.000 and accuracy 1.000 on {ALL} *"])
        first = provenance(kept.path)
        assert first["judge"] == server.spec
        assert first["judges"] == [{"name": server.spec, "details": {"switches": ""}}]
        asked = len(server.chats())
        assert asked > ALL
        assert computed()
        finding_out = FINDING_OUT - 2  # the first way to hold it to the menu works
        kept.runpytest(*options).assert_outcomes(passed=1)
        assert len(server.chats()) == asked + finding_out
        assert not computed()
        assert kept.runpytest("--vlm-judge-preflight", *options[1:3]).ret == pytest.ExitCode.OK
        assert len(server.chats()) == asked + 2 * finding_out


def test_other_weights_behind_a_judges_name_are_measured_and_refused(
    kept: pytest.Pytester, computed: Callable[[], int]
) -> None:
    with JudgeServer() as server:
        options = (MODEL, STORE, f"--vlm-judge={server.spec}")
        kept.runpytest(*options).assert_outcomes(passed=1)
        assert computed()
        server.serve(lambda _: "AGREES")
        result = kept.runpytest(*options)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([f"judge '{server.spec}' is not trusted: *, and it is 0.000 *"])
    assert not computed()


def test_a_dry_run_asks_no_judge_and_no_test_passes_for_one(kept: pytest.Pytester) -> None:
    kept.makepyfile(
        test_it="""
        from pytest_vlmrobust.judges import JudgeCase, judge_consistency

        def test_one(vlm_judge):
            assert vlm_judge.judge([JudgeCase(question="", choices=("x", "y"), think="So y.", letter="B")])

        def test_other(vlm_judge):
            judge_consistency("So y.", "B", ["x", "y"], judge=vlm_judge)
        """
    )
    with JudgeServer(lambda _: "AGREES") as server:
        for judge in (server.spec, "rules"):
            result = kept.runpytest(MODEL, STORE, f"--vlm-judge={judge}", "--vlm-dry-run", "-rs")
            result.assert_outcomes(skipped=2)
            result.stdout.fnmatch_lines(["SKIPPED*--vlm-dry-run: nothing was asked"])
        assert server.got == []


@pytest.mark.parametrize("source", ["command line", "ini"])
def test_a_judge_is_not_measured_in_a_dry_run(
    stage: pytest.Pytester, ini: Callable[..., str], source: str
) -> None:
    options = ["--vlm-dry-run"]
    if source == "ini":
        ini("vlm_judge_preflight = true")
    else:
        options.append("--vlm-judge-preflight")
    result = stage.runpytest(*options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        [
            "ERROR: --vlm-dry-run asks nothing, and --vlm-judge-preflight wants the judge to be measured: "
            "leave one out; -o vlm_judge_preflight=false overrules an ini file"
        ]
    )


def test_a_judge_that_is_not_trusted_is_an_error_and_the_model_is_not_asked(
    kept: pytest.Pytester, computed: Callable[[], int]
) -> None:
    with JudgeServer(knowing(wrong=100)) as server:
        options = (MODEL, STORE, f"--vlm-judge={server.spec}")
        result = kept.runpytest(*options)
        result.assert_outcomes(errors=1)
        result.stdout.fnmatch_lines(
            [
                f"judge '{server.spec}' is not trusted: its agreement (Cohen's kappa) with the labels *",
                "  wrong      3 of 100 verdicts, *",
                "    t001a: said inconsistent, and it is consistent",
                "      reasoning  *",
                "  what to do: name another judge with --vlm-judge*",
            ]
        )
        assert not computed()
        kept.runpytest(*options, "--vlm-min-judge-kappa=0.2").assert_outcomes(passed=1)
        kept.runpytest(*options, "-o", "vlm_min_judge_kappa=off").assert_outcomes(passed=1)
        kept.makepyfile(
            test_it="""
            import pytest

            @pytest.mark.vlm(min_judge_kappa=0.2)
            def test_low(vlm_run): pass

            @pytest.mark.vlm(min_judge_kappa=0.9)
            def test_high(vlm_run): pass

            def test_fixture(vlm_judge): pass
            """
        )
        kept.runpytest(*options).assert_outcomes(passed=1, errors=2)


def test_a_judge_that_is_down_is_an_error(kept: pytest.Pytester, computed: Callable[[], int]) -> None:
    with JudgeServer() as server:
        spec = server.spec
        server.faults.rate, server.faults.kinds = 1.0, ("quota",)
        result = kept.runpytest(MODEL, STORE, f"--vlm-judge={spec}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        [
            f"judge '{spec}' is not trusted: it gave no verdict on 32 of 32 labelled thoughts",
            "  the first time because HTTP 429 (no money left)*",
        ]
    )
    assert not computed()


def test_a_judge_that_goes_down_later_gives_no_verdict(kept: pytest.Pytester) -> None:
    kept.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.vlm(max_unfaithful_rate=1.0)
        def test_it(): pass
        """
    )
    with JudgeServer() as server:
        options = (MODEL, STORE, f"--vlm-judge={server.spec}", "--vlm-json=report.json")
        assert kept.runpytest("--vlm-judge-preflight", *options[1:3]).ret == pytest.ExitCode.OK
        server.faults.queue.extend([""] * FINDING_OUT)
        server.faults.rate, server.faults.kinds = 1.0, ("quota",)
        result = kept.runpytest(*options)
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["no verdict on unfaithful_rate: under *, the judge failed on * of * replies *"]
    )
    result.stdout.fnmatch_lines(["*its first error was HTTP 429 (no money left)*"])
    failures = provenance(kept.path)["judge_failures"]
    assert failures["count"] > 0
    assert failures["first"].startswith("HTTP 429 (no money left)")


def test_a_panel_is_measured_judges_and_is_reported(kept: pytest.Pytester) -> None:
    with JudgeServer() as server:
        options = (MODEL, STORE, f"--vlm-judge=rules, {server.spec}", "--vlm-json=report.json")
        result = kept.runpytest(*options)
        result.assert_outcomes(passed=1)
        result.stdout.fnmatch_lines(
            [
                f"judge rules: kappa 0.8?? and accuracy 0.9?? on {ALL} labelled thoughts",
                f"judge {server.spec}: kappa 1.000 and accuracy 1.000 on {ALL} labelled thoughts",
                f"judge rules,{server.spec}: kappa 0.8*",
                "panel of 2: all agree on * of * thoughts (0.89 to 0.94 in Zhao et al. 2026), Fleiss'*",
                "panel by condition, agreement and kappa: base *",
            ]
        )
        report = json.loads((kept.path / "report.json").read_text(encoding="utf-8"))
        run = report["runs"][0]
        assert [judge["name"] for judge in run["provenance"]["judges"]] == ["rules", server.spec]
        assert len(run["provenance"]["judge_preflight"]) == 3
        assert run["panel"]["panel_agreement"]["n"] > 0
        assert {len(record.get("votes", ())) for record in run["records"]} == {0, 2}


def test_workers_measure_the_judge_and_report_votes(kept: pytest.Pytester) -> None:
    with JudgeServer() as server:
        options = (MODEL, STORE, f"--vlm-judge=rules,{server.spec}", "--vlm-json=report.json")
        kept.runpytest(*options, "-n1").assert_outcomes(passed=1)
    report = json.loads((kept.path / "report.json").read_text(encoding="utf-8"))
    assert "panel" in report["runs"][0]
