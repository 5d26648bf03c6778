"""Comparisons with an earlier run: ``--vlm-baseline`` and ``--vlm-max-regression``."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.options import BY_NAME, DEFAULTS, options_for, overlay
from pytest_vlmrobust.options.parsers import MaxRegression
from tests.plugin.test_suite import SUITE, names

PLAIN = ("--vlm-conditions=base,wrong-caption",)


@pytest.fixture(scope="module")
def written() -> dict[tuple[str, ...], str]:
    """Reports that were written before, by what was asked for."""
    return {}


@pytest.fixture
def report(stage: pytest.Pytester, written: dict[tuple[str, ...], str]) -> Callable[..., str]:
    """Run the suite on a model, unless that was done before, and write its report; returns its name."""

    def write(model: str = "grounded", name: str = "base.json", *options: str) -> str:
        file, asked = stage.path / name, (model, name, *options)
        if asked not in written:
            models = [f"--vlm-model=stage:{one}" for one in model.split()]
            stage.runpytest(*SUITE, *models, *PLAIN, f"--vlm-json={name}", *options)
            written[asked] = file.read_text(encoding="utf-8")
        file.write_text(written[asked], encoding="utf-8")
        return name

    return write


def test_a_model_that_is_worse_than_the_baseline_fails_and_one_that_is_not_passes(
    stage: pytest.Pytester, report: Callable[..., str]
) -> None:
    base = ("--vlm-baseline=" + report(), "--vlm-max-regression=accuracy_drop=0.1")
    same = stage.runpytest(*SUITE, *PLAIN, "--vlm-model=stage:grounded", *base, "-v", "-k", "regression")
    assert same.ret == pytest.ExitCode.OK
    assert names(same, "PASSED") == ["test_no_regression[stage:grounded-accuracy_drop-wrong-caption]"]
    worse = stage.runpytest(
        *SUITE, *PLAIN, "--vlm-model=stage:gullible", *base, "--vlm-json=new.json", "-v", "-k", "regression"
    )
    assert worse.ret == pytest.ExitCode.TESTS_FAILED
    worse.stdout.fnmatch_lines(
        [
            "accuracy_drop under wrong-caption is 1.000 worse than in base.json; max_regression is 0.1",
            "  run        scripted on shapes (10 samples, seed 0)",
            "  baseline   scripted of * (10 samples)",
            "  measured   1.000 worse (n = 10, paired by sample), 95 % interval *",
            "  samples    10 became worse, 0 better; 3 of those that became worse",
            "  reproduce  pytest --pyargs *test_no_regression*--vlm-baseline=base.json "
            "--vlm-max-regression=accuracy_drop=0.1",
            "wrong-caption *✗*",
            "gates: 1 checked, 1 failed: accuracy_drop under wrong-caption 1.000 [[]0.*] worse than in base*",
        ]
    )
    (gate,) = json.loads((stage.path / "new.json").read_text(encoding="utf-8"))["gates"]
    assert (gate["baseline"], gate["metric"], gate["value"], gate["threshold"], gate["verdict"]) == (
        "base.json",
        "accuracy_drop",
        1.0,
        0.1,
        "fail",
    )


def test_a_fraction_alone_holds_for_accuracy_and_each_gate_that_is_on(
    stage: pytest.Pytester, report: Callable[..., str]
) -> None:
    options = (f"--vlm-baseline={report()}", "--vlm-max-regression=0", "--vlm-max-regression=p_correct=1")
    result = stage.runpytest(*SUITE, *PLAIN, "--vlm-model=stage:grounded", *options, "-v", "-k", "regression")
    assert [name.replace("stage:grounded-", "") for name in names(result, "PASSED")] == [
        "test_no_regression[accuracy-base]",
        "test_no_regression[accuracy_drop-wrong-caption]",
        "test_no_regression[unfaithful_rate-base]",
        "test_no_regression[unfaithful_rate-wrong-caption]",
        "test_no_regression[p_correct-base]",
        "test_no_regression[p_correct-wrong-caption]",
    ]


def test_several_baselines_are_all_held_against(stage: pytest.Pytester, report: Callable[..., str]) -> None:
    first, second = report("gullible", "old.json"), report("grounded", "new.json")
    result = stage.runpytest(
        *SUITE,
        *PLAIN,
        "--vlm-model=stage:gullible",
        f"--vlm-baseline={first}",
        f"--vlm-baseline={second}",
        "--vlm-max-regression=accuracy_drop=0",
        "-v",
        "-k",
        "regression",
    )
    assert names(result, "PASSED") == [
        "test_no_regression[stage:gullible-accuracy_drop-wrong-caption-old.json]"
    ]
    assert names(result, "FAILED") == [
        "test_no_regression[stage:gullible-accuracy_drop-wrong-caption-new.json]"
    ]


def test_a_marker_declares_a_comparison(stage: pytest.Pytester, report: Callable[..., str]) -> None:
    report()
    stage.makepyfile(
        """
        import pytest

        @pytest.mark.vlm(
            conditions="base,wrong-caption", baseline="base.json", max_regression={"accuracy_drop": 0.1}
        )
        def test_declared(): pass
        """
    )
    stage.runpytest("--vlm-model=stage:grounded").assert_outcomes(passed=1)
    result = stage.runpytest("--vlm-model=stage:gullible")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["accuracy_drop under wrong-caption is 1.000 worse than in base.json; *"])


def test_a_test_compares_by_itself(stage: pytest.Pytester, report: Callable[..., str]) -> None:
    report()
    stage.makepyfile(
        """
        import pytest
        from pytest_vlmrobust.comparisons import assert_no_regression

        @pytest.mark.vlm(conditions="base,wrong-caption")
        def test_own(vlm_run, vlm_baselines):
            (baseline,) = vlm_baselines
            assert_no_regression(
                vlm_run, baseline, metric="accuracy_drop", condition="wrong-caption", max_regression=0.1
            )
        """
    )
    base = "--vlm-baseline=base.json"
    stage.runpytest("--vlm-model=stage:grounded", base).assert_outcomes(passed=1)
    stage.runpytest("--vlm-model=stage:gullible", base).assert_outcomes(failed=1)
    without = stage.runpytest("--vlm-model=stage:grounded")
    without.assert_outcomes(errors=1)
    without.stdout.fnmatch_lines(["*no baseline to compare with: pass --vlm-baseline=PATH*"])
    seed = stage.runpytest("--vlm-model=stage:grounded", base, "--vlm-seed=1")
    seed.assert_outcomes(failed=1)
    seed.stdout.fnmatch_lines(["*  seed: 1 here, 0 in the baseline"])


def test_a_baseline_that_nothing_was_compared_with_fails_the_session(
    stage: pytest.Pytester, ini: Callable[..., str], report: Callable[..., str]
) -> None:
    report()
    stage.makepyfile("def test_it(vlm_run): pass")
    result = stage.runpytest("--vlm-model=stage:grounded", "--vlm-baseline=base.json")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["--vlm-baseline: no test has compared a run with it; use the ready-made suite*"]
    )
    ini("vlm_baseline = base.json", "vlm_limit = 10")  # not every session has to
    assert stage.runpytest("--vlm-model=stage:grounded").ret == pytest.ExitCode.OK
    assert stage.runpytest("--vlm-model=stage:grounded", "--vlm-require").ret == pytest.ExitCode.TESTS_FAILED
    off = stage.runpytest("--vlm-model=stage:grounded", "--vlm-require", "--vlm-baseline=off")
    assert off.ret == pytest.ExitCode.OK


def test_half_a_comparison_is_a_usage_error(stage: pytest.Pytester, report: Callable[..., str]) -> None:
    report()
    for option, told in (
        ("--vlm-baseline=base.json", "a baseline is set, but nothing would be compared with it"),
        ("--vlm-max-regression=0.1", "max_regression is set, but there is no baseline to compare with"),
    ):
        result = stage.runpytest(*SUITE, *PLAIN, "--vlm-model=stage:grounded", option)
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([f"ERROR: {told}*"])
    stage.makepyfile("import pytest\n\n@pytest.mark.vlm(max_regression=0.1)\ndef test_it(): pass")
    result = stage.runpytest("--vlm-model=stage:grounded")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *::test_it*: max_regression is set, but there is no baseline*"])


@pytest.mark.parametrize(
    ("options", "told"),
    [
        (("--vlm-baseline=no.json",), "--vlm-baseline: report 'no.json': No such file or directory"),
        (("--vlm-baseline=stage.py",), "--vlm-baseline: report '*stage.py': not valid JSON *"),
        (("--vlm-baseline=base.json::other",), "--vlm-baseline: report 'base.json': unknown model 'other':*"),
        (("--vlm-max-regression=acuracy=0.1",), "--vlm-max-regression: unknown metric 'acuracy': did you *"),
        (("--vlm-max-regression=accuracy=5",), "--vlm-max-regression: got ?'accuracy=5'?; allowed: a fract*"),
        (
            ("--vlm-max-regression=misled_rate=0", "--vlm-baseline=base.json", "--vlm-conditions=controls"),
            "max_regression of misled_rate holds for none of the conditions base, *",
        ),
        (
            ("--vlm-max-regression=0", "--vlm-baseline=base.json", "--vlm-seed=1"),
            "baseline 'base.json' cannot be compared: seed is 1 here and 0 there",
        ),
        (
            ("--vlm-max-regression=0", "--vlm-baseline=base.json", "--vlm-conditions=wrong-think"),
            "baseline 'base.json' cannot be compared: it was not run under wrong-think",
        ),
    ],
)
def test_what_cannot_be_compared_is_refused_before_a_model_is_loaded(
    stage: pytest.Pytester, report: Callable[..., str], options: tuple[str, ...], told: str
) -> None:
    report()
    result = stage.runpytest(*SUITE, "--vlm-model=stage:broken", *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {told}"])


def test_a_baseline_of_another_protocol_is_refused_before_a_model_is_loaded(
    stage: pytest.Pytester, report: Callable[..., str]
) -> None:
    path = stage.path / report()
    document = json.loads(path.read_text(encoding="utf-8"))
    document["runs"][0]["provenance"]["protocol_version"] = 99
    path.write_text(json.dumps(document), encoding="utf-8")
    result = stage.runpytest(
        *SUITE, "--vlm-model=stage:broken", "--vlm-max-regression=0", "--vlm-baseline=base.json", *PLAIN
    )
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: baseline 'base.json' cannot be compared: protocol_version is * here*99 *"]
    )


def test_other_samples_are_refused_unless_the_common_ones_will_do(
    stage: pytest.Pytester, report: Callable[..., str]
) -> None:
    report("grounded", "base.json", "--vlm-limit=14")
    options = (*SUITE, *PLAIN, "--vlm-model=stage:gullible", "--vlm-baseline=base.json", "-k", "regression")
    refused = stage.runpytest(*options, "--vlm-max-regression=accuracy=0")
    refused.assert_outcomes(failed=1)
    refused.stdout.fnmatch_lines(
        [
            "no verdict on accuracy under base at most 0 worse than in base.json: the run cannot be com*",
            "  samples: 10 in common (71%), of 10 here and 14 in the baseline; --vlm-baseline-intersect *",
            "gates: 1 checked, 0 failed, 1 without a verdict: accuracy under base no verdict against *",
        ]
    )
    allowed = stage.runpytest(*options, "--vlm-max-regression=accuracy=0", "--vlm-baseline-intersect")
    allowed.assert_outcomes(passed=1)


def test_a_report_of_several_models_needs_a_name(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        named="""
        import stage

        def _called(model, name):
            model.info  # the spec is what the report knows the model by
            model._name = name
            return model

        def good(): return _called(stage.grounded(), "good")
        def bad(): return _called(stage.gullible(), "bad")
        """
    )
    models = ("--vlm-model=named:good", "--vlm-model=named:bad")
    stage.runpytest(*SUITE, *PLAIN, *models, "--vlm-json=both.json")
    check = (
        *SUITE,
        *PLAIN,
        "--vlm-model=stage:gullible",
        "--vlm-max-regression=accuracy_drop=0",
        "-k",
        "regr",
    )
    unclear = stage.runpytest(*check, "--vlm-baseline=both.json")
    unclear.assert_outcomes(failed=1)
    unclear.stdout.fnmatch_lines(["*report 'both.json': holds 2 runs that could be meant:"])
    stage.runpytest(*check, "--vlm-baseline=both.json::good").assert_outcomes(failed=1)
    stage.runpytest(*check, "--vlm-baseline=both.json::bad").assert_outcomes(passed=1)


def test_workers_compare_too(stage: pytest.Pytester, report: Callable[..., str]) -> None:
    report()
    result = stage.runpytest(
        *SUITE,
        *PLAIN,
        "--vlm-model=stage:gullible",
        "--vlm-baseline=base.json",
        "--vlm-max-regression=accuracy_drop=0.5",
        "-k",
        "regression",
        "-n1",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["gates: 1 checked, 1 failed: accuracy_drop under wrong-caption 1.000 [[]0.*] worse than*"]
    )
    result.stdout.no_fnmatch_line("*no test has compared*")


@pytest.mark.parametrize(
    ("value", "expected"),
    [
        ("0.02", (MaxRegression(0.02),)),
        ("accuracy=0", (MaxRegression(0.0, "accuracy"),)),
        (["0.1", "accuracy=0", "accuracy=0.2"], (MaxRegression(0.1), MaxRegression(0.2, "accuracy"))),
        ("\n0.1\n accuracy = 0.2", (MaxRegression(0.1), MaxRegression(0.2, "accuracy"))),
        ({"accuracy": 1}, (MaxRegression(1.0, "accuracy"),)),
        (0.5, (MaxRegression(0.5),)),
        ("off", ()),
        (["off"], ()),
    ],
)
def test_bounds_are_read_from_every_source(value: object, expected: tuple[MaxRegression, ...]) -> None:
    assert BY_NAME["max_regression"].read(value, "here") == expected


@pytest.mark.parametrize("value", ["", "=0.1", "accuracy=", "accuracy=2", "5%", True, [], None, {"": 0.1}])
def test_bounds_that_make_no_sense_are_refused(value: object) -> None:
    with pytest.raises(UsageError, match="--vlm-max-regression: got"):
        BY_NAME["max_regression"].read(value, "--vlm-max-regression")


def test_bounds_are_written_as_they_are_read() -> None:
    layer: dict[str, Any] = {
        "baseline": ["a.json", "b.json::m"],
        "max_regression": ["0.1", "accuracy=0.02"],
        "baseline_intersect": True,
    }
    settings = overlay(DEFAULTS, layer, lambda setting: setting.flag)
    assert options_for(settings) == [
        "--vlm-baseline=a.json",
        "--vlm-baseline=b.json::m",
        "--vlm-max-regression=0.1",
        "--vlm-max-regression=accuracy=0.02",
        "--vlm-baseline-intersect",
    ]
    assert Path(settings.baseline[0]).name == "a.json"
