"""The checkpoints of a training: patterns for models, the fixture ``vlm_trend``, the series in reports."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from pytest_vlmrobust.models.bundled import bundled_folder
from tests.plugin.test_suite import SUITE, names

TEST = """
import pytest
from pytest_vlmrobust.comparisons import assert_trend

def test_model(vlm_run): pass

@pytest.mark.vlm(conditions="base,wrong-caption")
def test_trend(vlm_trend):
    print("STEPS", *vlm_trend.steps)
    assert_trend(vlm_trend, max_fall=0.2, metrics="accuracy_drop", gain=None)
"""


@pytest.fixture
def training(stage: pytest.Pytester) -> pytest.Pytester:
    """A training whose third checkpoint believes what it is told."""
    for step, name in ((20, "grounded"), (100, "grounded"), (1000, "gullible")):
        shutil.copytree(bundled_folder(name), stage.path / "runs" / "a" / f"checkpoint-{step}")
    return stage


@pytest.mark.usefixtures("torch_loaded")
def test_a_training_is_evaluated_and_the_step_named_where_it_fell(training: pytest.Pytester) -> None:
    training.makepyfile(TEST)
    result = training.runpytest(
        "--vlm-model=runs/*/checkpoint-*", "--vlm-conditions=base", "--vlm-json=all.json", "-v", "-rA"
    )
    result.assert_outcomes(passed=3, failed=1)
    assert names(result, "FAILED") == ["test_trend"]
    assert names(result, "PASSED") == [f"test_model[runs/a/checkpoint-{step}]" for step in (20, 100, 1000)]
    result.stdout.fnmatch_lines(
        [
            "*AssertionError: accuracy_drop under wrong-caption got * worse from step 20 to step 1000; *",
            "*  began      step 1000: up to step 100 the bound was kept (0.000 worse there)",
        ]
    )
    result.stdout.fnmatch_lines(
        ["training runs/a on shapes, seed 0, judge rules", "step  accuracy *", "  20 *"]
    )
    (trend,) = json.loads((training.path / "all.json").read_text(encoding="utf-8"))["trends"]
    assert trend["trainings"][0]["steps"] == [20, 100, 1000]
    drops = trend["trainings"][0]["conditions"]["wrong-caption"]["accuracy_drop"]
    assert drops[0] == drops[1] < drops[2]


def test_the_suite_holds_a_training_against_a_bound(training: pytest.Pytester) -> None:
    """Every model is loaded at most once in turn, whatever the worker."""
    options = (*SUITE, "--vlm-model=runs/a/*", "--vlm-conditions=base,wrong-caption", "-k", "trend", "-v")
    result = training.runpytest(*options, "--vlm-max-trend-fall=1", "-n1")
    result.assert_outcomes(passed=1)
    off = training.runpytest(*options)
    assert off.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_a_trend_needs_checkpoints(stage: pytest.Pytester) -> None:
    stage.makepyfile("def test_trend(vlm_trend): pass")
    result = stage.runpytest("--vlm-model=stage:grounded", "--vlm-model=stage:gullible")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*model 'stage:grounded' is no checkpoint of a training: a trend needs folders*"]
    )


def test_one_checkpoint_shows_no_trend(stage: pytest.Pytester) -> None:
    (stage.path / "runs" / "checkpoint-5").mkdir(parents=True)
    stage.makepyfile("def test_trend(vlm_trend): pass")
    result = stage.runpytest("--vlm-model=runs/checkpoint-*")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*training 'runs' has one checkpoint, 'runs/checkpoint-5', and one point shows*"]
    )


def test_without_a_model_a_trend_is_skipped_or_an_error(stage: pytest.Pytester) -> None:
    stage.makepyfile("def test_trend(vlm_trend): pass")
    stage.runpytest().assert_outcomes(skipped=1)
    required = stage.runpytest("--vlm-require")
    required.assert_outcomes(errors=1)
    required.stdout.fnmatch_lines(["*no model to test: *(--vlm-require makes this an error)"])
    suite = stage.runpytest(*SUITE, "--vlm-max-trend-fall=0.1", "-k", "trend")
    assert suite.ret == pytest.ExitCode.USAGE_ERROR
    suite.stderr.fnmatch_lines(["ERROR: no model to test:*"])


def test_a_pattern_without_a_folder_is_a_usage_error(stage: pytest.Pytester) -> None:
    stage.makepyfile(TEST)
    result = stage.runpytest("--vlm-model=runs/*/checkpoint-*")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: model 'runs/?/checkpoint-?': the pattern names no folder *"])


def test_a_marker_may_name_a_pattern(stage: pytest.Pytester) -> None:
    for step in (2, 10):
        Path(stage.path / "runs" / f"checkpoint-{step}").mkdir(parents=True)
    stage.makepyfile(
        """
        import pytest

        @pytest.mark.vlm(model="runs/*")
        def test_it(vlm): pass

        def test_other(): pass
        """
    )
    result = stage.runpytest("--co", "-q")
    assert result.outlines[:2] == [
        "test_a_marker_may_name_a_pattern.py::test_it[[]runs/checkpoint-2]".replace("[[]", "["),
        "test_a_marker_may_name_a_pattern.py::test_it[runs/checkpoint-10]",
    ]
    stage.makepyfile("import pytest\n\n@pytest.mark.vlm(model='none/*')\ndef test_it(vlm): pass")
    wrong = stage.runpytest()
    assert wrong.ret == pytest.ExitCode.USAGE_ERROR
    wrong.stderr.fnmatch_lines(["ERROR: *::test_it: model 'none/?': the pattern names no folder*"])


def test_a_dry_run_counts_every_checkpoint(stage: pytest.Pytester) -> None:
    for step in (2, 10):
        Path(stage.path / "runs" / f"checkpoint-{step}").mkdir(parents=True)
    stage.makepyfile("def test_trend(vlm_trend): pass")
    result = stage.runpytest("--vlm-model=runs/*", "--vlm-dry-run")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["*runs/checkpoint-2*", "*runs/checkpoint-10*"])


def test_trends_come_first_while_no_model_is_held(stage: pytest.Pytester) -> None:
    stage.makepyfile("def test_a(vlm): pass\ndef test_b(vlm_trend): pass\ndef test_c(): pass")
    result = stage.runpytest("--co", "-q", "--vlm-model=stage:grounded")
    listed = [line.partition("::")[2] for line in result.outlines if "::" in line]
    assert listed == ["test_b", "test_a[stage:grounded]", "test_c"]
