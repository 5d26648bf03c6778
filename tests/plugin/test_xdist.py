"""pytest-xdist: figures, gates and reports of all workers meet in the controller."""

from __future__ import annotations

import json

import pytest

SUITE = ("--pyargs", "pytest_vlmrobust.suite", "-n2")


def test_results_of_both_workers_are_shown_and_written(stage: pytest.Pytester) -> None:
    result = stage.runpytest(
        *SUITE,
        "--vlm-model=stage:gullible",
        "--vlm-model=stage:grounded",
        "--vlm-conditions=wrong-caption",
        "--vlm-json=report.json",
        "--vlm-require",
        "--junitxml=junit.xml",
    )
    result.assert_outcomes(failed=1, passed=5)
    result.stdout.fnmatch_lines(
        [
            "stage:gullible on shapes*10 samples*",
            "wrong-caption 10    0.000*✗*",
            "gates: 3 checked, 1 failed: accuracy_drop under wrong-caption 1.000 [[]0.445, 1.000] (max 0.05)",
            "stage:grounded on shapes*10 samples*",
            "gates: 3 checked, 0 failed",
        ]
    )
    document = json.loads((stage.path / "report.json").read_text(encoding="utf-8"))
    assert [run["provenance"]["request"]["spec"] for run in document["runs"]] == [
        "stage:gullible",
        "stage:grounded",
    ]
    assert len(document["gates"]) == 6
    assert " --pyargs pytest_vlmrobust.suite -n2 --vlm-model=stage:gullible " in document["command"]
    assert document["runs"][0]["provenance"]["command"] == document["command"]


def test_the_tests_of_one_model_stay_on_one_worker(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        test_it="""
        import pathlib
        import pytest

        @pytest.mark.parametrize("number", range(4))
        def test_model(vlm_run, worker_id, number):
            with open("workers.txt", "a") as file:
                print(vlm_run.provenance["request"]["spec"], worker_id, file=file)

        @pytest.mark.parametrize("number", range(4))
        def test_other(number): pass
        """
    )
    models = ("--vlm-model=stage:grounded", "--vlm-model=stage:gullible")
    stage.runpytest("-n2", *models).assert_outcomes(passed=12)
    pairs = (stage.path / "workers.txt").read_text().splitlines()
    assert sorted(line.split()[0] for line in set(pairs)) == ["stage:grounded", "stage:gullible"]


def test_usage_errors_of_workers_end_the_session_as_usage_errors(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.vlm(limits=3)
        def test_it(vlm_run): pass

        def test_other(): pass
        """
    )
    result = stage.runpytest("-n2", "--vlm-model=stage:grounded")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: test_it.py::test_it*: unknown key 'limits': did you mean 'limit'?*"])
    result.stdout.no_fnmatch_line("*INTERNALERROR*")


def test_require_holds_for_all_workers_together(stage: pytest.Pytester) -> None:
    stage.makepyfile("def test_a(): pass\ndef test_b(): pass")
    result = stage.runpytest("-n2", "--vlm-model=stage:grounded", "--vlm-require")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["--vlm-require: no test has run a model*"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


def test_a_worker_takes_its_share_of_the_cores(
    stage: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    stage.makepyfile(
        test_it="""
        from pytest_vlmrobust.cores import usable_cores

        def test_threads(vlm):
            import torch
            assert torch.get_num_threads() == max(1, usable_cores() // 2)
        """
    )
    result = stage.runpytest("-n2", "--vlm-model=bundled:grounded", "--vlm-store=off")
    result.assert_outcomes(passed=1)
