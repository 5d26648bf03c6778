"""What is misspelt or out of range is refused before any model is loaded, with exit code 4."""

from __future__ import annotations

from collections.abc import Callable

import pytest

TEST = "def test_model(vlm_run): pass"
MODEL = "--vlm-model=stage:broken"  # loading it would be an error of its own


def refused(result: pytest.RunResult, message: str) -> None:
    """The message is the whole output on standard error, and nothing was run."""
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}"])
    result.stdout.no_fnmatch_line("*disk is on fire*")
    result.stdout.no_fnmatch_line("*INTERNALERROR*")
    result.stdout.no_fnmatch_line("*passed*")


@pytest.mark.parametrize(
    ("argument", "message"),
    [
        ("--vlm-limit=0", "--vlm-limit: got '0'; allowed: a whole number, at least 1"),
        ("--vlm-limit=some", "--vlm-limit: got 'some'; allowed: a whole number, at least 1"),
        (
            "--vlm-max-accuracy-drop=1.01",
            "--vlm-max-accuracy-drop: got '1.01'; allowed: a fraction from 0 to 1, or off",
        ),
        ("--vlm-min-accuracy=90", "--vlm-min-accuracy: got '90'; allowed: a fraction from 0 to 1, or off"),
        ("--vlm-max-unscored-rate=-1", "--vlm-max-unscored-rate: got '-1'; allowed: a fraction from 0 to 1"),
        ("--vlm-device=gpu", "--vlm-device: got 'gpu'; allowed: auto, cpu, mps, cuda or cuda:N"),
        ("--vlm-json=no/such/report.json", "--vlm-json: folder '*no/such' does not exist; create it first"),
        ("--vlm-json=.", "--vlm-json: '.' is a folder; name a file in it"),
        ("--vlm-store=.", "the store *test_wrong_options* is a folder: name a file in it*"),
        (
            "--vlm-store-prune=500",
            "--vlm-store-prune: got '500'; allowed: a number with kB, MB, GB or TB, such as 500MB, or off",
        ),
        (
            "--vlm-conditions=wrong-captoin",
            "--vlm-conditions: unknown condition 'wrong-captoin': did you mean 'wrong-caption'*",
        ),
        (
            "--vlm-conditions=zhao2025",
            "--vlm-conditions: unknown condition 'zhao2025': did you mean 'zhao2026'*",
        ),
        ("--vlm-dataset=shaeps", "--vlm-dataset: unknown data set 'shaeps': did you mean 'shapes'*"),
        ("--vlm-dataset=gone.jsonl", "--vlm-dataset: *gone.jsonl*"),
        ("--vlm-judge=rule", "--vlm-judge: unknown judge 'rule': did you mean 'rules'*"),
        ("--vlm-model=bundled:gullable", "--vlm-model: *gullable*did you mean 'gullible'*"),
        ("--vlm-model=no_such_module:factory", "--vlm-model: *no module named 'no_such_module'*"),
    ],
)
def test_wrong_options(stage: pytest.Pytester, argument: str, message: str) -> None:
    stage.makepyfile(TEST)
    refused(stage.runpytest(MODEL, argument), message)


def test_a_misspelt_option_is_refused_by_pytest(stage: pytest.Pytester) -> None:
    result = stage.runpytest("--vlm-modle=stage:grounded")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unrecognized arguments: --vlm-modle=stage:grounded"])


@pytest.mark.parametrize(
    ("line", "message"),
    [
        ("vlm_limit = 0", "vlm_limit in tox.ini: got '0'; allowed: a whole number, at least 1"),
        ("vlm_limit =", "vlm_limit in tox.ini: got ''; allowed: a whole number, at least 1"),
        ("vlm_require = perhaps", "vlm_require in tox.ini: got 'perhaps'; allowed: true or false"),
        (
            "vlm_max_misled_rate = 10%",
            "vlm_max_misled_rate in tox.ini: got '10%'; allowed: a fraction from 0 to 1, or off",
        ),
        (
            "vlm_conditions = wrong-thnik",
            "vlm_conditions in tox.ini: unknown condition 'wrong-thnik': did you mean 'wrong-think'*",
        ),
        ("vlm_modle = x", "unknown key in tox.ini 'vlm_modle': did you mean 'vlm_model'*"),
        (
            "vlm_max_acuracy_drop = 1",
            "unknown key in tox.ini 'vlm_max_acuracy_drop': did you mean 'vlm_max_acc*",
        ),
    ],
)
def test_wrong_ini_keys(stage: pytest.Pytester, ini: Callable[..., str], line: str, message: str) -> None:
    ini(line)
    stage.makepyfile(TEST)
    refused(stage.runpytest("-W", "ignore::pytest.PytestConfigWarning", MODEL), message)


if pytest.version_tuple >= (9,):  # native TOML came with it

    @pytest.mark.parametrize(
        ("line", "message"),
        [
            ("vlm_limit = 0", "vlm_limit in pyproject.toml: got 0; allowed: a whole number, at least 1"),
            ("vlm_limit = 1.5", "vlm_limit in pyproject.toml: got 1.5; allowed: a whole number, at least 1"),
            (
                "vlm_limit = true",
                "vlm_limit in pyproject.toml: got True; allowed: a whole number, at least 1",
            ),
            (
                "vlm_max_accuracy_drop = 5",
                "vlm_max_accuracy_drop in pyproject.toml: got 5; allowed: a fraction from 0 to 1, or off",
            ),
            (
                "vlm_conditions = []",
                "vlm_conditions in pyproject.toml: got []; allowed: conditions and sets of them*",
            ),
            ("vlm_limits = 3", "unknown key in pyproject.toml 'vlm_limits': did you mean 'vlm_limit'*"),
        ],
    )
    def test_wrong_toml_keys(pytester: pytest.Pytester, line: str, message: str) -> None:
        pytester.makepyprojecttoml(f'[tool.pytest]\naddopts = ["-p", "no:hypothesispytest"]\n{line}\n')
        pytester.makepyfile("def test_nothing_about_models(): pass")
        refused(pytester.runpytest(), message)


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("limit=0", "@pytest.mark.vlm(limit=...): got 0; allowed: a whole number, at least 1"),
        (
            "max_accuracy_drop=1.5",
            "@pytest.mark.vlm(max_accuracy_drop=...): got 1.5; allowed: a fraction from 0 to 1, or off",
        ),
        (
            "max_acuracy_drop=0.05",
            "@pytest.mark.vlm: unknown key 'max_acuracy_drop': did you mean 'max_accuracy_drop'*",
        ),
        ("'shapes'", "@pytest.mark.vlm: got 'shapes' without a key; the keys are model, dataset, *"),
        (
            "store='replies.sqlite'",
            "@pytest.mark.vlm: store holds for the whole session; use --vlm-store or the ini key vlm_store",
        ),
        ("reference='perhaps'", "@pytest.mark.vlm(reference=...): got 'perhaps'; allowed: true or false"),
        (
            "json='x.json'",
            "@pytest.mark.vlm: json holds for the whole session; use --vlm-json or the ini key vlm_json",
        ),
        (
            "conditions='wrong-captoin'",
            "@pytest.mark.vlm(conditions=...): unknown condition 'wrong-captoin': did you mean 'wrong-cap*",
        ),
        (
            "dataset='shaeps'",
            "@pytest.mark.vlm(dataset=...): unknown data set 'shaeps': did you mean 'shapes'*",
        ),
        ("model='bundled:x'", "@pytest.mark.vlm(model=...): *'x'*"),
        ("judge='rulez'", "@pytest.mark.vlm(judge=...): unknown judge 'rulez': did you mean 'rules'*"),
    ],
)
def test_wrong_markers(stage: pytest.Pytester, arguments: str, message: str) -> None:
    stage.makepyfile(
        test_it=f"""
        import pytest

        def test_other(): pass

        @pytest.mark.vlm({arguments})
        def test_model(vlm_run): pass
        """
    )
    refused(stage.runpytest(MODEL), f"test_it.py::test_model*: {message}")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        ("limit=0", "vlm_evaluate(limit=...): got 0; allowed: a whole number, at least 1"),
        (
            "conditions='wrong-captoin'",
            "vlm_evaluate(conditions=...): unknown condition 'wrong-captoin': did you*",
        ),
        ("dataset='shaeps'", "vlm_evaluate(dataset=...): unknown data set 'shaeps': did you mean 'shapes'*"),
    ],
)
def test_wrong_arguments_fail_the_call_and_show_only_the_call(
    stage: pytest.Pytester, call: str, message: str
) -> None:
    stage.makepyfile(
        test_it=f"""
        import pytest
        from pytest_vlmrobust import UsageError

        def test_raises(vlm_evaluate):
            with pytest.raises(UsageError):
                vlm_evaluate({call})

        def test_fails(vlm_evaluate):
            vlm_evaluate({call})
        """
    )
    result = stage.runpytest("--vlm-model=stage:grounded")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [f">       vlm_evaluate({call})", f"E*UsageError: {message}", "test_it.py:9: UsageError"]
    )
    result.stdout.no_fnmatch_line("*pytest_vlmrobust/*.py:*")


def test_overridden_ini_keys_are_read_like_any_other(stage: pytest.Pytester) -> None:
    stage.makepyfile(TEST)
    refused(
        stage.runpytest("-o", "vlm_limits=3"),
        "unknown key in tox.ini 'vlm_limits': did you mean 'vlm_limit'*",
    )


def test_what_is_wrong_is_told_also_when_only_collecting(stage: pytest.Pytester) -> None:
    stage.makepyfile(TEST)
    refused(
        stage.runpytest("--collect-only", "--vlm-conditions=wrong"),
        "--vlm-conditions: unknown condition 'wrong'*",
    )


def test_names_are_refused_even_if_no_test_concerns_a_model(stage: pytest.Pytester) -> None:
    stage.makepyfile("def test_other(): pass")
    refused(stage.runpytest("--vlm-conditions=wrong"), "--vlm-conditions: unknown condition 'wrong'*")


def test_a_gate_that_holds_for_no_condition_is_refused(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.vlm(conditions="controls", max_accuracy_drop=0.05)
        def test_model(): pass
        """
    )
    refused(
        stage.runpytest("--vlm-model=stage:grounded"),
        "test_it.py::test_model*: max_accuracy_drop=0.05 holds for none of the conditions "
        "base, correct-caption, correct-think",
    )


def test_a_marker_whose_gates_are_all_off_is_refused(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.vlm(max_accuracy_drop=None, max_misled_rate="off")
        def test_model(): pass
        """
    )
    refused(
        stage.runpytest("--vlm-model=stage:grounded"),
        "test_it.py::test_model*: every gate is off: max_accuracy_drop, max_misled_rate; nothing would *",
    )


def test_a_marker_that_concerns_nothing_is_refused(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.vlm(dataset="shapes")
        def test_model(): pass
        """
    )
    refused(
        stage.runpytest("--vlm-model=stage:grounded"),
        "test_it.py::test_model: @pytest.mark.vlm would check nothing: the test uses no vlm fixture, and the "
        "marker declares no gate; request vlm_run, or declare one of max_accuracy_drop, *",
    )


def test_a_unittest_method_cannot_declare_gates(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        test_it="""
        import unittest
        import pytest

        class TestCase(unittest.TestCase):
            @pytest.mark.vlm(max_accuracy_drop=0.05)
            def test_model(self): pass
        """
    )
    refused(
        stage.runpytest("--vlm-model=stage:grounded"),
        "test_it.py::TestCase::test_model: @pytest.mark.vlm with a gate needs a test function of pytest, *",
    )
