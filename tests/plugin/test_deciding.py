"""The settings that say how gates decide: --vlm-gate, -confidence, -inconclusive, -familywise."""

from __future__ import annotations

import json

import pytest

SUITE = ("--pyargs", "pytest_vlmrobust.suite")
DROP = ("--vlm-conditions=wrong-caption", "--vlm-max-unfaithful-rate=off")
"""One gate: with 10 samples of a model that loses none, it passes by the estimate and cannot be sure."""


def test_by_default_the_estimate_decides_and_a_confident_gate_may_be_inconclusive(
    stage: pytest.Pytester,
) -> None:
    model = "--vlm-model=stage:grounded"
    assert stage.runpytest(*SUITE, *DROP, model).ret == pytest.ExitCode.OK
    result = stage.runpytest(*SUITE, *DROP, model, "--vlm-gate=confident", "--vlm-json=r.json")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "inconclusive: accuracy fell by 0.000 under wrong-caption; max_accuracy_drop is 0.05",
            "  measured   0.000 (n = 10), 95 % interval -0.* to 0.*",
            "  unsure     the interval straddles 0.05; about * samples would settle it *",
            "  too few    even a run without a fault takes 72 samples to pass",
            "  could show with 10 samples, *",
            "  reproduce * --vlm-gate=confident",
            "gates: 1 checked, 0 failed, 1 inconclusive: accuracy_drop under wrong-caption 0.000 [[]-0.*",
            "  sure: 95 %, each verdict by itself",
            "  samples to settle, if the values stay: accuracy_drop under wrong-caption about 73 (a pass*",
            "  smallest breach that would be shown, 4 times in 5: accuracy_drop *",
        ]
    )
    (gate,) = json.loads((stage.path / "r.json").read_text())["gates"]
    assert (gate["verdict"], gate["mode"], gate["confidence"], gate["family"]) == (
        "inconclusive",
        "confident",
        0.95,
        1,
    )
    assert gate["low"] < gate["value"] < gate["high"]
    assert (gate["n"], gate["fewest"]) == (10, 72)
    assert gate["needed"] > 10
    assert "clusters" not in gate


def test_a_model_that_fails_for_sure_fails_and_one_that_passes_passes(stage: pytest.Pytester) -> None:
    sure = (*SUITE, *DROP, "--vlm-gate=confident", "--vlm-limit=80")
    stage.runpytest(*sure, "--vlm-model=stage:gullible").assert_outcomes(failed=1)
    stage.runpytest(*sure, "--vlm-model=stage:grounded").assert_outcomes(passed=1)


def test_the_confidence_is_that_of_the_intervals(stage: pytest.Pytester) -> None:
    result = stage.runpytest(*SUITE, *DROP, "--vlm-model=stage:gullible", "--vlm-confidence=0.8")
    result.stdout.fnmatch_lines(["  measured   1.000 (n = 10), 80 % interval *"])


@pytest.mark.parametrize(("how", "outcome"), [("warn", "passed"), ("skip", "skipped")])
def test_an_inconclusive_test_may_warn_or_be_skipped(stage: pytest.Pytester, how: str, outcome: str) -> None:
    result = stage.runpytest(
        *SUITE,
        *DROP,
        "--vlm-model=stage:grounded",
        "--vlm-gate=confident",
        f"--vlm-inconclusive={how}",
        "--vlm-require",
        "-rs",
        "-Wdefault",
    )
    assert result.ret == pytest.ExitCode.OK
    assert result.parseoutcomes()[outcome] == 1
    told = (
        "*InconclusiveWarning: inconclusive: accuracy fell by *"
        if how == "warn"
        else "SKIPPED*inconclusive: *"
    )
    result.stdout.fnmatch_lines([told])
    result.stdout.fnmatch_lines(["gates: 1 checked, 0 failed, 1 inconclusive: *"])


def test_a_failing_gate_is_neither_skipped_nor_a_warning(stage: pytest.Pytester) -> None:
    result = stage.runpytest(
        *SUITE, *DROP, "--vlm-model=stage:gullible", "--vlm-gate=confident", "--vlm-inconclusive=skip"
    )
    result.assert_outcomes(failed=1)


def test_a_marker_and_an_argument_say_how_a_gate_decides(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        test_marked="""
        import pytest
        from pytest_vlmrobust import assert_accuracy

        @pytest.mark.vlm(
            conditions="wrong-caption", max_accuracy_drop=0.05, gate="confident", inconclusive="skip"
        )
        def test_sure():
            pass

        @pytest.mark.vlm(conditions="wrong-caption", max_accuracy_drop=0.05)
        def test_estimate():
            pass

        def test_argument(vlm_run):
            assert_accuracy(vlm_run, min_accuracy=0.95, mode="confident", inconclusive="skip")
        """
    )
    result = stage.runpytest("test_marked.py", "--vlm-model=stage:grounded", "-rs", "-v")
    result.assert_outcomes(passed=1, skipped=2)
    result.stdout.fnmatch_lines(["*test_estimate* PASSED*", "SKIPPED*inconclusive: *"])


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--vlm-gate=sure", "--vlm-gate: got 'sure'; allowed: estimate or confident"),
        ("--vlm-confidence=0.5", "--vlm-confidence: got '0.5'; allowed: a number above 0.5 and below 1"),
        ("--vlm-confidence=1", "--vlm-confidence: got '1'; allowed: a number above 0.5 and below 1"),
        ("--vlm-confidence=95", "--vlm-confidence: got '95'; allowed: a number above 0.5 and below 1"),
        ("--vlm-inconclusive=pass", "--vlm-inconclusive: got 'pass'; allowed: fail, warn or skip"),
        ("--vlm-familywise", "--vlm-familywise: verdicts can be sure together only where each claims to be"),
    ],
)
def test_settings_that_make_no_sense_are_refused(stage: pytest.Pytester, argument: str, message: str) -> None:
    result = stage.runpytest(*SUITE, "--vlm-model=stage:grounded", argument)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}*"])


FAMILY = ("--vlm-gate=confident", "--vlm-familywise", "--vlm-limit=20")


def test_all_gates_of_a_model_are_one_family_whatever_test_declares_them(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        test_marked="""
        import pytest

        @pytest.mark.vlm(conditions="wrong-caption", max_accuracy_drop=0.05, max_misled_rate=0.05)
        def test_two():
            pass

        @pytest.mark.vlm(conditions="wrong-caption", max_accuracy_drop=0.05)
        def test_one_of_them_again():
            pass

        @pytest.mark.vlm(conditions="wrong-think", max_accuracy_drop=0.05)
        def test_other():
            pass
        """
    )
    models = ("--vlm-model=stage:gullible", "--vlm-model=stage:grounded")
    result = stage.runpytest("test_marked.py", *models, *FAMILY, "--vlm-json=r.json")
    result.assert_outcomes(failed=6)  # for sure, and inconclusive
    result.stdout.fnmatch_lines(["  family     one of 3 gates that are judged together (Holm): *"])
    result.stdout.fnmatch_lines(["  sure: 95 %, all of 3 gates together (Holm)"] * 2)
    gates = json.loads((stage.path / "r.json").read_text())["gates"]
    assert {gate["family"] for gate in gates} == {3}
    verdicts = {
        model: [g["verdict"] for g in gates if g["model"] == model]
        for model in ("stage:gullible", "stage:grounded")
    }
    assert verdicts == {"stage:gullible": ["fail"] * 4, "stage:grounded": ["inconclusive"] * 4}
    left = stage.runpytest("test_marked.py", *models[:1], *FAMILY, "-k", "other")
    left.stdout.no_fnmatch_line("*family *")


def test_the_ready_made_tests_are_one_family(stage: pytest.Pytester) -> None:
    result = stage.runpytest(*SUITE, "--vlm-model=stage:gullible", *FAMILY)
    result.stdout.fnmatch_lines(
        [
            "  family     one of 9 gates that are judged together (Holm): *",
            "  sure: 95 %, all of 9 gates together (Holm)",
        ]
    )


def test_a_marker_cannot_leave_the_family(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        test_marked="""
        import pytest

        @pytest.mark.vlm(max_accuracy_drop=0.05, confidence=0.9)
        def test_it():
            pass
        """
    )
    result = stage.runpytest("test_marked.py", "--vlm-model=stage:grounded", *FAMILY)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["*--vlm-familywise judges all gates together, so gate and confidence hold for*"]
    )


def test_the_family_is_the_same_with_several_processes(stage: pytest.Pytester) -> None:
    result = stage.runpytest_subprocess(*SUITE, "--vlm-model=stage:gullible", *FAMILY, "-n2", "-p", "xdist")
    result.stdout.fnmatch_lines(["  sure: 95 %, all of 9 gates together (Holm)"])
