"""The marker form: gates that a test declares, and that it cannot pass without having been checked."""

from __future__ import annotations

import pytest


def test_a_declared_gate_passes_and_fails_without_any_code(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest

        @pytest.mark.vlm(conditions="wrong-caption", max_accuracy_drop=0.05, max_unfaithful_rate=0.1)
        def test_robust(): pass
        """
    )
    stage.runpytest("--vlm-model=stage:grounded").assert_outcomes(passed=1)
    result = stage.runpytest("--vlm-model=stage:gullible")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "1 of 3 gates failed",
            "  fail       accuracy_drop under wrong-caption <= 0.05: 1.000, n = 10",
            "  pass       unfaithful_rate under base <= 0.1: 0.000, n = 10",
            "  pass       unfaithful_rate under wrong-caption <= 0.1: 0.000, n = 10",
            "accuracy fell by 1.000 under wrong-caption; max_accuracy_drop is 0.05",
            "*reproduce*pytest '*.py::test_robust?stage:gullible?' --vlm-model=stage:gullible --vlm-limit=10",
        ]
    )
    result.stdout.no_fnmatch_line("*Error*")
    result.stdout.no_fnmatch_line("*traceback*")


def test_only_the_gates_that_the_marker_names_are_checked(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest

        @pytest.mark.vlm(max_unfaithful_rate=0.1)
        def test_faithful(): pass

        @pytest.mark.vlm(max_unfaithful_rate=0.1, max_accuracy_drop=None)
        def test_also_off(): pass
        """
    )
    stage.runpytest("--vlm-model=stage:gullible").assert_outcomes(passed=2)
    stage.runpytest("--vlm-model=stage:unfaithful").assert_outcomes(failed=2)


def test_a_threshold_itself_passes(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest

        @pytest.mark.vlm(max_misled_rate=1)
        def test_all_allowed(): pass

        @pytest.mark.vlm(max_accuracy_drop=0)
        def test_nothing_allowed(): pass
        """
    )
    stage.runpytest("--vlm-model=stage:gullible").assert_outcomes(passed=1, failed=1)
    stage.runpytest("--vlm-model=stage:grounded").assert_outcomes(passed=2)


def test_the_tests_own_code_runs_first_and_may_fail_or_skip(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest

        gate = pytest.mark.vlm(max_misled_rate=0.1)

        @gate
        def test_fails(vlm_run):
            assert vlm_run.n == 3

        @gate
        def test_skips(vlm_run):
            pytest.skip("not today")

        @gate
        @pytest.mark.xfail(strict=True)
        def test_is_known_to_fail(): pass
        """
    )
    result = stage.runpytest("--vlm-model=stage:gullible")
    result.assert_outcomes(failed=1, skipped=1, xfailed=1)
    result.stdout.fnmatch_lines(["E*assert 10 == 3"])


def test_markers_of_module_and_class_declare_gates_too(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.vlm(conditions="wrong-think")

        @pytest.mark.vlm(max_misled_rate=0.1)
        class TestMisled:
            def test_a(self): pass

            @pytest.mark.vlm(max_misled_rate=1.0)
            def test_b(self): pass

        def test_plain_code_beside_them(): pass
        """
    )
    result = stage.runpytest("--vlm-model=stage:gullible", "-v")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(
        ["*::TestMisled::test_a?stage:gullible? FAILED*", "*test_plain_code_beside_them PASSED*"]
    )


def test_gates_combine_with_parametrize_fixtures_and_several_models(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("number", [1, 2])
        @pytest.mark.vlm(max_misled_rate=0.1)
        def test_gate(number, tmp_path): pass
        """
    )
    result = stage.runpytest("--vlm-model=stage:gullible", "--vlm-model=stage:grounded", "-v")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        ["*::test_gate?stage:gullible-1? FAILED*", "*::test_gate?stage:grounded-2? PASSED*"]
    )


def test_a_declared_gate_is_skipped_or_an_error_where_there_is_no_model(stage: pytest.Pytester) -> None:
    stage.makepyfile("import pytest\n\n@pytest.mark.vlm(max_misled_rate=0.1)\ndef test_gate(): pass")
    stage.runpytest().assert_outcomes(skipped=1)
    stage.runpytest("--vlm-require").assert_outcomes(errors=1)
    stage.runpytest("--vlm-model=stage:broken").assert_outcomes(errors=1)


def test_every_threshold_gates_its_own_figure(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest

        @pytest.mark.vlm(max_accuracy_drop=0.5)
        def test_drop(): pass

        @pytest.mark.vlm(max_stop_think_drop=0.5)
        def test_stop_think(): pass

        @pytest.mark.vlm(max_misled_rate=0.5)
        def test_misled(): pass

        @pytest.mark.vlm(min_accuracy=0.5)
        def test_accuracy(): pass

        @pytest.mark.vlm(max_confidently_wrong_rate=0.5)
        def test_confident(): pass

        @pytest.mark.vlm(max_unfaithful_rate=0.5)
        def test_unfaithful(): pass
        """
    )

    def failed(model: str) -> set[str]:
        result = stage.runpytest(f"--vlm-model=stage:{model}", "-rf")
        return {
            line.partition("::")[2].partition("[")[0] for line in result.outlines if line.startswith("FAILED")
        }

    assert failed("grounded") == set()
    assert failed("gullible") == {"test_drop", "test_misled", "test_confident"}
    assert failed("unfaithful") == {"test_unfaithful"}
    assert failed("hasty") == {"test_stop_think"}


def test_too_many_unparsed_replies_are_no_verdict_and_fail(stage: pytest.Pytester) -> None:
    stage.makepyfile("import pytest\n\n@pytest.mark.vlm(max_misled_rate=1)\ndef test_gate(): pass")
    result = stage.runpytest("--vlm-model=stage:mumbling")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["no verdict on misled_rate: under wrong-think, *10 of 10 replies*max_unscored_rate is 0.05*"]
    )
    result.stdout.fnmatch_lines(
        ["gates: 4 checked, 0 failed, 4 without a verdict: misled_rate under wrong-think *"]
    )


def test_a_marked_test_that_evaluates_nothing_fails(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest

        @pytest.mark.vlm(limit=3)
        def test_forgets_to_call(vlm_evaluate): pass

        @pytest.mark.vlm(limit=3)
        def test_forgets_to_ask(vlm_ask): pass

        @pytest.mark.vlm(limit=3)
        def test_calls(vlm_evaluate):
            assert vlm_evaluate().n == 3

        @pytest.mark.vlm(model="stage:grounded")
        def test_uses_the_model_itself(vlm): pass
        """
    )
    result = stage.runpytest("--vlm-model=stage:grounded", "-rf")
    result.assert_outcomes(passed=2, failed=2)
    result.stdout.fnmatch_lines(
        ["this test is marked with @pytest.mark.vlm(...), but evaluated nothing under its marker:*"]
    )


def test_a_tests_marker_does_not_pretend_to_reach_a_shared_fixture(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.vlm(limit=4)

        @pytest.fixture(scope="module")
        def run(vlm_evaluate):
            return vlm_evaluate()

        def test_module_marker_reaches_it(run):
            assert run.n == 4

        @pytest.mark.vlm(limit=3)
        def test_own_marker_does_not(run):
            assert run.n == 4

        @pytest.mark.vlm(limit=3)
        def test_own_marker_reaches_own_calls(run, vlm_run):
            assert (run.n, vlm_run.n) == (4, 3)
        """
    )
    result = stage.runpytest("--vlm-model=stage:grounded", "-rf")
    result.assert_outcomes(passed=2, failed=1)
    result.stdout.fnmatch_lines(["FAILED *::test_own_marker_does_not*"])
