"""Which models a session tests, and what happens when there is none."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_vlmrobust import Model, load_model, session

TEST = """
    def test_model(vlm):
        assert vlm.info.spec == "scripted"
"""


def test_without_a_model_tests_are_skipped_and_say_how_to_run_them(stage: pytest.Pytester) -> None:
    stage.makepyfile(TEST)
    result = stage.runpytest("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(
        ["SKIPPED*no model to test: pass --vlm-model, such as --vlm-model=bundled:grounded"]
    )
    assert result.ret == pytest.ExitCode.OK


def test_under_require_a_missing_model_is_an_error(stage: pytest.Pytester) -> None:
    stage.makepyfile(TEST)
    result = stage.runpytest("--vlm-require")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["no model to test: pass --vlm-model*(--vlm-require makes this an error)"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


@pytest.mark.parametrize("setting", ["vlm_require = true", "vlm_require = 1"])
def test_require_works_from_the_ini_file(
    stage: pytest.Pytester, ini: Callable[..., str], setting: str
) -> None:
    ini(setting)
    stage.makepyfile(TEST)
    stage.runpytest().assert_outcomes(errors=1)


def test_under_require_a_session_without_any_model_test_fails(stage: pytest.Pytester) -> None:
    stage.makepyfile("def test_other(): pass")
    result = stage.runpytest("--vlm-model=stage:grounded", "--vlm-require")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["--vlm-require: no test has run a model, so the session shows nothing"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_under_require_skipping_every_model_test_fails(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest

        @pytest.mark.skip
        def test_marked(vlm_run): pass

        def test_inside(request):
            pytest.skip("not today")
        """
    )
    result = stage.runpytest("--vlm-model=stage:grounded", "--vlm-require")
    result.assert_outcomes(skipped=2)
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_under_require_deselecting_every_model_test_fails(stage: pytest.Pytester) -> None:
    stage.makepyfile("def test_model(vlm_run): pass\ndef test_other(): pass")
    result = stage.runpytest("--vlm-model=stage:grounded", "--vlm-require", "-k", "other")
    result.assert_outcomes(passed=1, deselected=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result = stage.runpytest("--vlm-model=stage:grounded", "--vlm-require", "-k", "nothing")
    assert result.ret == pytest.ExitCode.NO_TESTS_COLLECTED


def test_under_require_one_model_test_is_enough(stage: pytest.Pytester) -> None:
    stage.makepyfile("import pytest\n\n@pytest.mark.xfail\ndef test_model(vlm):\n    assert False")
    result = stage.runpytest("--vlm-model=stage:grounded", "--vlm-require")
    result.assert_outcomes(xfailed=1)
    assert result.ret == pytest.ExitCode.OK


def test_under_require_only_collecting_is_no_failure(stage: pytest.Pytester) -> None:
    stage.makepyfile(TEST)
    result = stage.runpytest("--vlm-require", "--collect-only")
    assert result.ret == pytest.ExitCode.OK


def test_a_model_runs_and_is_named_in_the_id_and_the_header(stage: pytest.Pytester) -> None:
    stage.makepyfile(TEST)
    result = stage.runpytest("--vlm-model=stage:grounded", "-v")
    result.stdout.fnmatch_lines(
        [
            "vlmrobust: --vlm-model=stage:grounded --vlm-dataset=shapes --vlm-conditions=zhao2026 "
            "--vlm-limit=10 --vlm-seed=0",
            "*::test_model?stage:grounded? PASSED*",
        ]
    )


def test_each_test_runs_once_for_each_model_one_model_at_a_time(stage: pytest.Pytester) -> None:
    stage.makepyfile("def test_a(vlm): pass\ndef test_b(vlm_run): pass\ndef test_c(): pass")
    result = stage.runpytest("-v", "--vlm-model=stage:grounded", "--vlm-model=stage:gullible")
    result.assert_outcomes(passed=5)
    result.stdout.fnmatch_lines(
        [
            "*::test_a?stage:grounded? PASSED*",
            "*::test_b?stage:grounded? PASSED*",
            "*::test_a?stage:gullible? PASSED*",
            "*::test_b?stage:gullible? PASSED*",
            "*::test_c PASSED*",
        ]
    )


def test_models_of_the_ini_file_stand_in_lines_and_the_command_line_replaces_them(
    stage: pytest.Pytester, ini: Callable[..., str]
) -> None:
    ini("vlm_model =", "    stage:grounded", "    stage:gullible")
    stage.makepyfile(TEST)
    stage.runpytest().assert_outcomes(passed=2)
    stage.runpytest("--vlm-model=stage:unfaithful").assert_outcomes(passed=1)


def test_a_model_is_freed_before_the_next_one_is_loaded(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        both="""
        from pytest_vlmrobust import ScriptedModel

        class Noisy(ScriptedModel):
            def close(self):
                print("CLOSED", self.info.spec)

        def first():
            print("LOADED first")
            return Noisy({}, name="first")

        def second():
            print("LOADED second")
            return Noisy({}, name="second")
        """,
        test_it="def test_a(vlm): pass\ndef test_b(vlm): pass",
    )
    result = stage.runpytest("-s", "--vlm-model=both:first", "--vlm-model=both:second")
    said = [line for line in result.outlines if "LOADED" in line or "CLOSED" in line]
    assert [line.rpartition(" ")[2].rstrip(".") for line in said] == ["first", "first", "second", "second"]


def test_a_model_that_cannot_be_loaded_is_an_error_with_its_cause(stage: pytest.Pytester) -> None:
    stage.makepyfile("def test_a(vlm): pass\ndef test_b(vlm_run): pass")
    result = stage.runpytest("--vlm-model=stage:broken")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(
        [
            "*ERROR at setup of test_a?stage:broken?*",
            "model 'stage:broken': the factory failed (RuntimeError: the disk is on fire)",
            "  raised at *stage.py:*, in broken",
        ]
    )
    result.stdout.no_fnmatch_line("*During handling*")
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_model_that_cannot_answer_is_an_error_with_its_cause(stage: pytest.Pytester) -> None:
    stage.makepyfile("def test_a(vlm_run): pass")
    result = stage.runpytest("--vlm-model=stage:failing")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*the script has no reply*"])
    result.stdout.no_fnmatch_line("*plugin/fixtures.py*")


def test_a_fixture_of_ones_own_may_bring_the_model(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest
        import stage

        @pytest.fixture(scope="session")
        def vlm():
            return stage.gullible()

        @pytest.mark.vlm(max_misled_rate=0.1)
        def test_declared(): pass

        def test_used(vlm_run):
            assert vlm_run.figure("wrong-caption", "accuracy").value == 0
        """
    )
    result = stage.runpytest("--vlm-require")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["scripted on shapes*"])


def test_two_models_of_ones_own_never_share_their_answers(stage: pytest.Pytester) -> None:
    for name, accuracy in (("grounded", 1), ("gullible", 0)):
        stage.makepyfile(
            **{
                f"test_{name}": f"""
                import pytest
                import stage

                @pytest.fixture(scope="session")
                def vlm():
                    return stage.{name}()

                def test_it(vlm_run):
                    assert vlm_run.figure("wrong-caption", "accuracy").value == {accuracy}
                """
            }
        )
    result = stage.runpytest()
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["scripted on shapes*", "scripted (2) on shapes*"])


def test_a_test_may_choose_its_models_by_parametrize(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest

        @pytest.mark.parametrize("vlm", ["stage:gullible", "stage:grounded"], indirect=True)
        def test_model(vlm, vlm_run, request):
            fooled = vlm_run.figure("wrong-caption", "accuracy").value == 0
            assert fooled == ("gullible" in request.node.name)
        """
    )
    stage.runpytest().assert_outcomes(passed=2)
    stage.runpytest("--vlm-model=stage:unfaithful").assert_outcomes(passed=2)


def test_the_model_can_be_had_dynamically_as_long_as_it_is_one(stage: pytest.Pytester) -> None:
    stage.makepyfile("def test_model(request):\n    request.getfixturevalue('vlm_run')")
    stage.runpytest("--vlm-model=stage:grounded").assert_outcomes(passed=1)
    result = stage.runpytest("--vlm-model=stage:grounded", "--vlm-model=stage:gullible")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["several models were asked for*name the fixture as an argument*"])


def test_a_marker_may_name_the_model(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest

        @pytest.mark.vlm(model="stage:gullible")
        def test_one(vlm, vlm_run):
            assert vlm_run.figure("wrong-caption", "accuracy").value == 0

        @pytest.mark.vlm(model=["stage:grounded", "stage:hasty"])
        def test_two(vlm_run):
            assert vlm_run.figure("wrong-caption", "accuracy").value == 1
        """
    )
    result = stage.runpytest("--vlm-model=stage:unfaithful", "-v")
    result.assert_outcomes(passed=3)
    result.stdout.fnmatch_lines(["*test_two?stage:hasty? PASSED*"])


def test_fixtures_that_need_no_model_work_without_one(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest
        from pytest_vlmrobust.conditions.registry import planted_option

        @pytest.mark.vlm(limit=3, seed=7)
        def test_prompts(vlm_samples, vlm_perturb, vlm_judge):
            assert [sample.id for sample in vlm_samples] == [f"shapes-test-7-{i}" for i in range(3)]
            for sample in vlm_samples:
                prompt = vlm_perturb(sample, "wrong-caption")
                assert prompt.planted == sample.letters[planted_option(sample, seed=7)]
            assert vlm_judge.name == "rules"
        """
    )
    stage.runpytest().assert_outcomes(passed=1)


def test_one_question_can_be_asked(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        def test_ask(vlm_ask, vlm_samples):
            sample = vlm_samples[0]
            record = vlm_ask(sample)
            assert (record.condition, record.letter) == ("base", sample.answer_letter)
            assert record.verdict == "consistent"
            assert vlm_ask(sample, "wrong-think").letter == record.letter
        """
    )
    stage.runpytest("--vlm-model=stage:grounded").assert_outcomes(passed=1)


@pytest.mark.parametrize(
    ("options", "marked", "expected"),
    [
        ((), "", False),
        (("--vlm-reference",), "", True),
        ((), "reference=True", True),
        (("--vlm-reference",), "reference=False", False),
    ],
)
def test_the_reference_path_can_be_asked_for(
    stage: pytest.Pytester,
    monkeypatch: pytest.MonkeyPatch,
    options: tuple[str, ...],
    marked: str,
    expected: bool,
) -> None:
    asked: list[bool] = []

    def noted(spec: str, **given: Any) -> Model:
        asked.append(given["reference"])
        return load_model(spec, **given)

    monkeypatch.setattr(session, "load_model", noted)
    stage.makepyfile(
        f"""
        import pytest

        @pytest.mark.vlm({marked})
        def test_it(vlm_run):
            assert vlm_run.provenance["request"]["reference"] is {expected}
        """
    )
    stage.runpytest("--vlm-model=stage:grounded", *options).assert_outcomes(passed=1)
    assert asked == [expected]


def test_models_asked_for_in_different_ways_never_share_their_answers(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest

        @pytest.mark.vlm(reference=True)
        def test_reference(vlm_run): pass

        def test_other(vlm_run): pass
        """
    )
    result = stage.runpytest("--vlm-model=stage:counting", "-s")
    result.assert_outcomes(passed=2)
    assert sum("ASKED" in line for line in result.outlines) == 2


def test_the_command_that_repeats_a_failure_asks_for_the_reference_path_too(stage: pytest.Pytester) -> None:
    result = stage.runpytest(
        "--pyargs", "pytest_vlmrobust.suite", "--vlm-model=stage:gullible", "--vlm-reference"
    )
    result.stdout.fnmatch_lines(["*--vlm-model=stage:gullible * --vlm-reference*"])


@pytest.mark.usefixtures("torch_loaded")
def test_a_model_whose_replies_are_all_kept_is_never_loaded(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import sys

        def test_run(vlm_run):
            assert vlm_run.n == 2
            print("TORCH", "torch" in sys.modules, vlm_run.provenance["replies"])
        """
    )
    options = ("--vlm-model=bundled:grounded", "--vlm-store=replies.sqlite", "--vlm-limit=2", "-rP")
    told = []
    for run in (stage.runpytest, stage.runpytest_subprocess):
        result = run(*options)
        result.assert_outcomes(passed=1)
        told += [line for line in result.outlines if line.startswith("TORCH")]
    assert told == [
        "TORCH True {'stored': 0, 'computed': 12}",
        "TORCH False {'stored': 12, 'computed': 0}",
    ]
