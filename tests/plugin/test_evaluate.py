"""`vlm_evaluate`: each answer is asked for once in a session, and shared."""

from __future__ import annotations

import json

import pytest

from pytest_vlmrobust import DataError, Evaluation, Record
from pytest_vlmrobust.runs import ModelRequest, RunKey, Runs

COUNTING = "--vlm-model=stage:counting"


def asked(result: pytest.RunResult) -> list[str]:
    return [line.partition("ASKED ")[2] for line in result.outlines if "ASKED" in line]


def test_tests_and_fixtures_of_every_scope_share_one_evaluation(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        test_one="""
        import pytest

        @pytest.fixture(scope="module")
        def run(vlm_evaluate):
            return vlm_evaluate(conditions=["wrong-caption"], limit=4)

        def test_a(run, vlm_evaluate):
            assert run is vlm_evaluate(conditions="wrong-caption", limit=4)

        @pytest.mark.vlm(conditions="wrong-caption", limit=4, max_accuracy_drop=0.05)
        def test_b(run, vlm_run):
            assert run is vlm_run
        """,
        test_two="""
        def test_c(vlm_evaluate):
            run = vlm_evaluate(conditions="base,wrong-caption", limit=4)
            assert run.conditions == ("base", "wrong-caption")
        """,
    )
    result = stage.runpytest(COUNTING, "-s")
    result.assert_outcomes(passed=3)
    assert asked(result) == ["8 ['base', 'wrong-caption']"]


def test_fewer_conditions_are_a_part_of_what_is_known(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        def test_all(vlm_evaluate):
            run = vlm_evaluate(conditions="zhao2026")
            part = vlm_evaluate(conditions="wrong-think")
            assert part.conditions == ("base", "wrong-think")
            assert part.sample_ids == run.sample_ids
            assert part.figures("wrong-think") == run.figures("wrong-think")
            assert [entry["name"] for entry in part.provenance["conditions"]] == ["base", "wrong-think"]
        """
    )
    result = stage.runpytest(COUNTING, "-s")
    result.assert_outcomes(passed=1)
    assert len(asked(result)) == 1


def test_more_conditions_ask_for_what_is_missing_and_make_one_table(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        def test_a(vlm_evaluate):
            vlm_evaluate(conditions="wrong-think")

        def test_b(vlm_evaluate):
            run = vlm_evaluate(conditions="wrong-think,wrong-caption,stop-think")
            assert run.conditions == ("base", "wrong-think", "wrong-caption", "stop-think")
            assert run.reasoned == ("base", "wrong-think", "wrong-caption")
        """
    )
    result = stage.runpytest(COUNTING, "-s")
    result.assert_outcomes(passed=2)
    assert asked(result) == ["20 ['base', 'wrong-think']", "30 ['base', 'stop-think', 'wrong-caption']"]
    assert len([line for line in result.outlines if line.startswith("stage:counting on shapes")]) == 1


@pytest.mark.parametrize("other", ["limit=3", "seed=1", "dataset='shapes:train'"])
def test_other_settings_are_other_evaluations(stage: pytest.Pytester, other: str) -> None:
    stage.makepyfile(
        anything="""
        from pytest_vlmrobust import ScriptedModel

        class Counting(ScriptedModel):
            def answer(self, prompts):
                print("ASKED", len(prompts))
                return super().answer(prompts)

        def model():
            return Counting(lambda prompt: "<think>So it is A.</think><answer>A</answer>")
        """,
        test_it=f"""
        def test_both(vlm_evaluate):
            first = vlm_evaluate(conditions="base")
            second = vlm_evaluate(conditions="base", {other})
            assert first.provenance["dataset"] != second.provenance["dataset"]
        """,
    )
    result = stage.runpytest("--vlm-model=anything:model", "-s")
    result.assert_outcomes(passed=1)
    assert len(asked(result)) == 2


def test_an_assertion_on_a_condition_that_was_not_run_names_those_that_were(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        from pytest_vlmrobust import assert_accuracy_drop

        def test_drop(vlm_evaluate):
            run = vlm_evaluate(conditions="wrong-caption")
            assert_accuracy_drop(run, "wrong-think", max_drop=1.0)
        """
    )
    result = stage.runpytest("--vlm-model=stage:grounded")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E*VacuousError: *'wrong-think' was not run*: base, wrong-caption*"])


def test_a_failed_assertion_shows_the_users_line_and_no_code_of_the_package(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        test_it="""
        from pytest_vlmrobust import assert_accuracy_drop

        def test_drop(vlm_evaluate):
            run = vlm_evaluate(conditions="wrong-caption")
            assert_accuracy_drop(run, "wrong-caption", max_drop=0.05)
        """
    )
    result = stage.runpytest("--vlm-model=stage:gullible")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            '>       assert_accuracy_drop(run, "wrong-caption", max_drop=0.05)',
            "E*accuracy fell by 1.000 under wrong-caption; max_accuracy_drop is 0.05",
            "E*reproduce  pytest --vlm-model=stage:gullible*",
            "test_it.py:5: AssertionError",
        ]
    )
    result.stdout.no_fnmatch_line("*pytest_vlmrobust/*.py:*")
    result.stdout.fnmatch_lines(["gates: none declared; the tests' own assertions decide"])


def run_of(sample: str, *conditions: str, letter: str = "A") -> Evaluation:
    records = [
        Record(
            sample_id=sample, condition=name, question="Who?", choices=("a", "b"), answer="A", letter=letter
        )
        for name in ("base", *conditions)
    ]
    return Evaluation.from_records(records)


KEY = RunKey(model=ModelRequest(spec="m"), dataset="fickle", limit=1, seed=0, judge="rules")


def test_a_data_set_that_changes_under_way_is_refused() -> None:
    runs = Runs()
    runs.add(KEY, run_of("one", "wrong-think"))
    with pytest.raises(DataError, match="data set 'fickle' gave other samples than before"):
        runs.add(KEY, run_of("two", "wrong-caption"))


def test_workers_that_agree_are_merged_and_workers_that_differ_are_shown_side_by_side() -> None:
    here = Runs()
    here.add(KEY, run_of("one", "wrong-think"))
    for other in (run_of("one", "wrong-caption"), run_of("one", letter="B"), run_of("two")):
        there = Runs()
        there.add(KEY, other)
        here.add_json(json.loads(json.dumps(there.to_json())))
    assert [(key.model.spec, run.conditions) for key, run in here] == [
        ("m", ("base", "wrong-think", "wrong-caption")),
        ("m (2)", ("base",)),
        ("m (3)", ("base",)),
    ]
