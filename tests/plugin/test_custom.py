"""A user's own conditions and data sets work by name wherever the built-in ones do."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from pytest_vlmrobust.conditions import registry as conditions
from pytest_vlmrobust.datasets import registry as datasets

CONFTEST = """
    from pytest_vlmrobust import Case, Prompt, condition, dataset, load_samples

    @condition("expert-says", plants="wrong")
    def expert_says(case: Case) -> Prompt:
        "An expert asserts a wrong option."
        return case.prompt(caption=f"An expert says: {case.claim}")

    @condition("dimmed")
    def dimmed(case: Case) -> Prompt:
        "Plants nothing, as a condition that alters the image."
        return case.prompt(caption="The light is dim.")

    @dataset("some-shapes")
    def some_shapes(rest, seed):
        "Every other drawn scene."
        return load_samples("shapes", limit=20, seed=seed)[::2]
"""


@pytest.fixture
def own(stage: pytest.Pytester) -> Iterator[pytest.Pytester]:
    """A session whose conftest.py registers names; they are taken back, for the process goes on."""
    known_conditions, known_datasets = dict(conditions._REGISTRY), dict(datasets._REGISTRY)
    stage.makeconftest(CONFTEST)
    yield stage
    for registry, known in ((conditions._REGISTRY, known_conditions), (datasets._REGISTRY, known_datasets)):
        registry.clear()
        registry.update(known)  # type: ignore[arg-type]


def forget(*names: str) -> None:
    for name in names:
        conditions._REGISTRY.pop(name, None)
        datasets._REGISTRY.pop(name, None)


def test_names_from_conftest_work_on_the_command_line_and_are_gated_by_what_they_plant(
    own: pytest.Pytester,
) -> None:
    result = own.runpytest(
        "--pyargs",
        "pytest_vlmrobust.suite",
        "--vlm-model=stage:gullible",
        "--vlm-conditions=expert-says,dimmed",
        "--vlm-dataset=some-shapes",
        "-v",
    )
    result.assert_outcomes(failed=1, passed=4)
    result.stdout.fnmatch_lines(
        [
            "*test_accuracy_drop?stage:gullible-expert-says? FAILED*",
            "*test_accuracy_drop?stage:gullible-dimmed? PASSED*",
            "*planted   An expert says: *",
            "stage:gullible on some-shapes  10 samples*",
            "expert-says 10 *",
        ]
    )


def test_names_from_conftest_work_in_the_ini_file_markers_and_calls(own: pytest.Pytester) -> None:
    own.makepyfile(
        """
        import pytest
        from pytest_vlmrobust import assert_misled_rate

        @pytest.mark.vlm(dataset="some-shapes", conditions=["expert-says"], max_misled_rate=0.1)
        def test_declared(): pass

        def test_called(vlm_evaluate, vlm_perturb, vlm_samples, vlm_ask):
            run = vlm_evaluate(dataset="some-shapes", conditions="expert-says")
            assert_misled_rate(run, "expert-says", max_rate=0.1)
            assert vlm_perturb(vlm_samples[0], "expert-says").caption.startswith("An expert says")
            assert vlm_ask(vlm_samples[0], "expert-says").planted_text.startswith("An expert says")
        """
    )
    own.runpytest("--vlm-model=stage:grounded", "-o", "vlm_conditions=expert-says").assert_outcomes(passed=2)
    forget("expert-says", "dimmed", "some-shapes")
    own.runpytest("--vlm-model=stage:gullible").assert_outcomes(failed=2)


def test_names_from_a_conftest_further_down_are_known_in_time(own: pytest.Pytester) -> None:
    (own.path / "conftest.py").rename(own.mkdir("checks") / "conftest.py")
    own.makepyfile(
        **{"checks/test_it": "def test_it(vlm_run): assert vlm_run.conditions == ('base', 'expert-says')"}
    )
    result = own.runpytest("--vlm-model=stage:grounded", "--vlm-conditions=expert-says")
    result.assert_outcomes(passed=1)


def test_a_misspelt_own_condition_is_told_with_its_near_miss(own: pytest.Pytester) -> None:
    result = own.runpytest("--vlm-conditions=expert-say")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(
        ["ERROR: --vlm-conditions: unknown condition 'expert-say': did you mean 'expert-says'*"]
    )
