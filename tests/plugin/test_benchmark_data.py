"""Benchmarks' files from the command line: faults in summary and report, strictness, leave to fetch."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from tests.benchmark_files.writers import WRITERS

TEST = "def test_it(vlm_run): pass"
FAULTS = (
    "data: 2 rows with an answer whose letter and text disagree (the letter counts); "
    "2 rows that ask the same about",
    "  the same image again (kept)",
)


@pytest.fixture
def spatial(stage: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    """Run a test on a benchmark with faults."""
    stage.makepyfile(test_it=TEST)
    path = WRITERS["spatial-mm"](stage.path / "data")

    def run(*options: str) -> pytest.RunResult:
        given = (f"--vlm-dataset=spatial-mm:{path}", "--vlm-store=off", "--vlm-conditions=base", *options)
        return stage.runpytest(*given)

    return run


def test_faults_of_the_data_are_told_once_and_stand_in_the_report(
    spatial: Callable[..., pytest.RunResult], stage: pytest.Pytester
) -> None:
    result = spatial("--vlm-model=stage:mumbling", "--vlm-model=stage:gullible", "--vlm-json=report.json")
    assert [line for line in result.outlines if line in FAULTS] == list(FAULTS)
    report = json.loads((stage.path / "report.json").read_text(encoding="utf-8"))
    for run in report["runs"]:
        dataset = run["provenance"]["dataset"]
        assert dataset["score"] == "spatial-mm"
        assert [(fault["kind"], fault["count"]) for fault in dataset["faults"]] == [
            ("letter-and-text-disagree", 2),
            ("duplicate-question", 2),
        ]
        assert dataset["facts"]["files"] == [
            "data/spatial_mm_one_obj.json",
            "data/spatial_mm_two_obj.json",
        ]


def test_strict_data_refuses_faults(spatial: Callable[..., pytest.RunResult]) -> None:
    result = spatial("--vlm-model=stage:mumbling", "--vlm-strict-data")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(
        ["*has faults, which strict reading (--vlm-strict-data) refuses: 2 rows with*"]
    )


def test_tags_of_samples_reach_the_records_of_the_report(stage: pytest.Pytester) -> None:
    stage.makepyfile(test_it=TEST)
    path: Path = WRITERS["cv-bench"](stage.path / "data")
    stage.runpytest(
        f"--vlm-dataset=cv-bench:{path}",
        "--vlm-model=stage:mumbling",
        "--vlm-store=off",
        "--vlm-conditions=base",
        "--vlm-json=report.json",
    )
    report = json.loads((stage.path / "report.json").read_text(encoding="utf-8"))
    tags = {record["sample_id"]: record["tags"] for record in report["runs"][0]["records"]}
    assert {tuple(sorted(each)) for each in tags.values()} == {("source", "type")}
    assert {each["source"] for each in tags.values()} <= {"ADE20K", "COCO", "Omni3D"}


def test_images_from_the_web_need_leave(stage: pytest.Pytester) -> None:
    stage.makepyfile(test_it=TEST)
    path = WRITERS["pixmo-count"](stage.path / "data")
    result = stage.runpytest(
        f"--vlm-dataset=pixmo-count:{path}", "--vlm-model=stage:mumbling", "--vlm-store=off"
    )
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*would have to be downloaded: allow it with --vlm-allow-download*"])


def test_wrong_files_are_an_error_of_use_before_any_model_is_loaded(stage: pytest.Pytester) -> None:
    stage.makepyfile(test_it=TEST)
    path = WRITERS["mmbench"](stage.path / "data")
    pointer = stage.path / "cv" / "test_3d.parquet"
    pointer.parent.mkdir()
    pointer.write_text("version https://git-lfs.github.com/spec/v1\noid sha256:ab\n", encoding="utf-8")
    for wrong, message in (
        (path, f"*cv-bench: none of its files is in {path}: looked for *"),
        (path / "MMBench_DEV_EN_V11.tsv", "*is not one of its files; looked for are *"),
        (pointer.parent, "*test_3d.parquet: is a Git LFS pointer and not the file itself*"),
    ):
        result = stage.runpytest(f"--vlm-dataset=cv-bench:{wrong}", "--vlm-model=stage:broken")
        assert result.ret == pytest.ExitCode.USAGE_ERROR
        result.stderr.fnmatch_lines([message])


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("cvbench:data", "*unknown data set 'cvbench': did you mean 'cv-bench'*"),
        ("cv-bench", "*data set 'cv-bench' needs a path: write cv-bench:PATH*"),
        ("cv-bench:nowhere", "*nothing is at 'nowhere' (looked from *such as cv-bench:nyu-visionx/CV-Bench*"),
    ],
)
def test_a_benchmark_that_cannot_be_found_is_an_error_of_use(
    stage: pytest.Pytester, spec: str, message: str
) -> None:
    stage.makepyfile(test_it=TEST)
    result = stage.runpytest(f"--vlm-dataset={spec}", "--vlm-model=stage:mumbling")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])
