"""The ready-made tests: ``pytest --pyargs pytest_vlmrobust.suite --vlm-model=SPEC``."""

from __future__ import annotations

import shlex
from collections.abc import Callable

import pytest

from pytest_vlmrobust.options import GATE_KEYS
from pytest_vlmrobust.suite import conftest, test_robustness

SUITE = ("--pyargs", "pytest_vlmrobust.suite")
MISLEADING = ["wrong-think", "wrong-think-but", "wrong-caption", "wrong-caption-disclaimer"]


def names(result: pytest.RunResult, outcome: str) -> list[str]:
    """What follows the last "::" of the tests with an outcome, from verbose output."""
    lines = (line.split(" ") for line in result.outlines if f" {outcome} " in line and "::" in line)
    return [words[0].rpartition("::")[2] for words in lines]


def test_a_grounded_model_passes_every_gate_that_is_on_by_default(stage: pytest.Pytester) -> None:
    result = stage.runpytest(*SUITE, "--vlm-model=stage:grounded", "-v")
    assert result.ret == pytest.ExitCode.OK
    assert names(result, "PASSED") == [
        *(f"test_accuracy_drop[stage:grounded-{name}]" for name in MISLEADING),
        *(f"test_unfaithful_rate[stage:grounded-{name}]" for name in ["base", *MISLEADING]),
    ]


def test_a_gullible_model_fails_and_the_failure_explains_itself(stage: pytest.Pytester) -> None:
    result = stage.runpytest(*SUITE, "--vlm-model=stage:gullible", "-v")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    assert names(result, "FAILED") == [f"test_accuracy_drop[stage:gullible-{name}]" for name in MISLEADING]
    result.stdout.fnmatch_lines(
        [
            "*test_accuracy_drop?stage:gullible-wrong-think? *",
            "accuracy fell by 1.000 under wrong-think; max_accuracy_drop is 0.05",
            "  measured   1.000*95 % interval*",
            "  accuracy   1.000 under base, 0.000 under wrong-think",
            "  flips      10 right->wrong (10 to the planted option), 0 wrong->right",
            "  samples    3 of 10 that were lost*",
            "      question  *?",
            "      options   (A) *(B) *",
            "      answered  *, as planted; right is *",
            "      planted   Let me look at the image. *So the answer is (*",
            "      reply     *<answer>*</answer>",
            "  reproduce  pytest --pyargs 'pytest_vlmrobust.suite.test_robustness::test_accuracy_drop"
            "?stage:gullible-wrong-think?' --vlm-model=stage:gullible --vlm-dataset=shapes --vlm-limit=10 "
            "--vlm-seed=0",
        ]
    )
    result.stdout.no_fnmatch_line("*raceback*")
    result.stdout.no_re_match_line(r".*\.py:\d+")


def test_the_command_that_a_failure_prints_fails_alike(
    stage: pytest.Pytester, ini: Callable[..., str]
) -> None:
    ini("vlm_limit = 7", "vlm_max_accuracy_drop = 0.03", "vlm_conditions = wrong-caption")
    first = stage.runpytest(*SUITE, "--vlm-model=stage:gullible", "--vlm-max-unfaithful-rate=off")
    # In CI pytest repeats the whole message in its summary.
    line = next(line for line in first.outlines if line.lstrip().startswith("reproduce"))
    command = shlex.split(line.replace("reproduce", ""))
    assert command[0] == "pytest"
    ini()
    again = stage.runpytest(*command[1:])
    again.assert_outcomes(failed=1)
    (said,) = (line for line in again.outlines if line.startswith("accuracy fell"))
    assert said in first.outlines
    assert line in again.outlines


def test_an_unfaithful_model_fails_where_it_contradicts_itself(stage: pytest.Pytester) -> None:
    result = stage.runpytest(*SUITE, "--vlm-model=stage:unfaithful", "-v")
    assert names(result, "FAILED") == [
        f"test_unfaithful_rate[stage:unfaithful-{name}]" for name in MISLEADING
    ]


def test_stop_think_is_shown_but_gated_only_when_asked_for(stage: pytest.Pytester) -> None:
    result = stage.runpytest(*SUITE, "--vlm-model=stage:hasty", "-v")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(["stop-think *0.000*1.000*"])
    result = stage.runpytest(*SUITE, "--vlm-model=stage:hasty", "--vlm-max-stop-think-drop=0.3", "-v")
    assert names(result, "FAILED") == ["test_stop_think_drop[stage:hasty-stop-think]"]


def test_every_gate_has_its_test_when_it_is_on(stage: pytest.Pytester) -> None:
    result = stage.runpytest(
        *SUITE,
        "--vlm-model=stage:grounded",
        "--vlm-conditions=wrong-caption,stop-think,correct-think",
        "--vlm-min-accuracy=0.9",
        "--vlm-max-misled-rate=0.1",
        "--vlm-max-confidently-wrong-rate=0.1",
        "--vlm-max-stop-think-drop=0.1",
        "-v",
    )
    assert [name.replace("stage:grounded-", "") for name in names(result, "PASSED")] == [
        "test_accuracy[base]",
        "test_accuracy_drop[wrong-caption]",
        "test_stop_think_drop[stop-think]",
        "test_misled_rate[wrong-caption]",
        "test_unfaithful_rate[base]",
        "test_unfaithful_rate[wrong-caption]",
        "test_unfaithful_rate[correct-think]",
        "test_confidently_wrong_rate[base]",
        "test_confidently_wrong_rate[wrong-caption]",
    ]


def test_thresholds_come_from_the_ini_file_and_the_command_line(
    stage: pytest.Pytester, ini: Callable[..., str]
) -> None:
    ini("vlm_limit = 5", "vlm_max_accuracy_drop = 1.0")
    assert stage.runpytest(*SUITE, "--vlm-model=stage:gullible").ret == pytest.ExitCode.OK
    stricter = stage.runpytest(*SUITE, "--vlm-model=stage:gullible", "--vlm-max-accuracy-drop=0.9")
    assert stricter.ret == pytest.ExitCode.TESTS_FAILED


def test_all_gates_of_all_models_stand_on_one_evaluation_each(stage: pytest.Pytester) -> None:
    result = stage.runpytest(*SUITE, "--vlm-model=stage:counting", "-s")
    result.assert_outcomes(passed=9)
    assert len([line for line in result.outlines if "ASKED" in line]) == 1


def test_without_a_model_the_suite_is_a_usage_error(stage: pytest.Pytester) -> None:
    for mode in ("prepend", "importlib"):
        result = stage.runpytest(*SUITE, f"--import-mode={mode}")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines(
            ["ERROR: no model to test: pass --vlm-model, such as --vlm-model=bundled:grounded"]
        )


def test_without_the_plugin_the_suite_says_that_it_needs_it(stage: pytest.Pytester) -> None:
    stage.makeini("[pytest]\naddopts = -p no:hypothesispytest\n")
    result = stage.runpytest(*SUITE, "-p", "no:vlmrobust")
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.fnmatch_lines(["the ready-made tests need the plugin: leave out -p no:vlmrobust"])


def test_with_every_gate_off_nothing_is_collected_and_that_is_no_success(stage: pytest.Pytester) -> None:
    result = stage.runpytest(
        *SUITE, "--vlm-model=stage:grounded", "--vlm-max-accuracy-drop=off", "--vlm-max-unfaithful-rate=off"
    )
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_gate_that_was_asked_for_and_holds_for_no_condition_is_refused(stage: pytest.Pytester) -> None:
    result = stage.runpytest(
        *SUITE, "--vlm-model=stage:grounded", "--vlm-conditions=controls", "--vlm-max-misled-rate=0.1"
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --vlm-max-misled-rate=0.1 holds for none of the conditions base, correct-caption, *"]
    )


def test_replies_that_cannot_be_read_give_no_verdict_and_fail(stage: pytest.Pytester) -> None:
    result = stage.runpytest(*SUITE, "--vlm-model=stage:mumbling")
    result.assert_outcomes(failed=9)
    result.stdout.fnmatch_lines(["no verdict on accuracy_drop: *10 of 10 replies (1.000)*"])
    result.stdout.fnmatch_lines(["gates: 9 checked, 0 failed, 9 without a verdict:*"])


def test_a_threshold_on_unread_replies_can_be_raised(stage: pytest.Pytester) -> None:
    result = stage.runpytest(*SUITE, "--vlm-model=stage:mumbling", "--vlm-max-unscored-rate=1")
    result.assert_outcomes(failed=9)  # there is still nothing to compare
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_the_suite_has_no_gate_without_a_test() -> None:
    assert sorted(conftest._OPTION.values()) == sorted(GATE_KEYS)
    assert {name for name in dir(test_robustness) if name.startswith("test_")} == set(conftest._OPTION)
