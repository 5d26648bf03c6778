"""Every example runs; a good model passes it, and a bad one does not."""

from __future__ import annotations

import os
import runpy
import shutil
import subprocess
import sys
from pathlib import Path

import pytest
import yaml

EXAMPLES = Path(__file__).parents[2] / "examples"
GOOD, BAD = "stage:grounded", "stage:gullible"
REAL = ("bundled:grounded", "bundled:gullible")


@pytest.fixture
def example(
    stage: pytest.Pytester, request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch
) -> pytest.Pytester:
    """A copy of one example beside the scripted models."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")  # a tiny model is slower on several threads
    shutil.copytree(EXAMPLES / request.param, stage.path / request.param)
    return stage


def run(folder: pytest.Pytester, model: str) -> pytest.RunResult:
    # A bundled model's libraries are loaded already, and take seconds to load in a process of its own.
    start = folder.runpytest_inprocess if model in REAL else folder.runpytest_subprocess
    return start("-p", "no:xdist", f"--vlm-model={model}")


@pytest.mark.parametrize(
    ("example", "models", "tests", "failures"),
    [
        ("model_repo", (GOOD, BAD), 10, 6),
        ("custom_condition", (GOOD, BAD), 3, 2),
        ("custom_dataset", REAL, 2, 1),
    ],
    indirect=["example"],
)
@pytest.mark.usefixtures("torch_loaded")
def test_a_good_model_passes_and_a_bad_one_fails(
    example: pytest.Pytester, models: tuple[str, str], tests: int, failures: int
) -> None:
    good, bad = models
    run(example, good).assert_outcomes(passed=tests)
    run(example, bad).assert_outcomes(passed=tests - failures, failed=failures)


def test_the_images_of_the_data_set_are_those_that_the_script_draws(tmp_path: Path) -> None:
    from PIL import Image, ImageChops

    folder = EXAMPLES / "custom_dataset"
    (tmp_path / "images").mkdir()
    script = shutil.copy(folder / "draw.py", tmp_path)
    runpy.run_path(str(script), run_name="__main__")
    drawn = sorted((tmp_path / "images").iterdir())
    assert [path.name for path in drawn] == sorted(path.name for path in (folder / "images").iterdir())
    for path in drawn:
        with Image.open(path) as new, Image.open(folder / "images" / path.name) as kept:
            assert ImageChops.difference(new, kept).getbbox() is None


@pytest.mark.parametrize(("model", "code"), [(GOOD, 0), (BAD, 1), ("stage:broken", 1), ("stage", 4)])
def test_the_workflow_deploys_only_what_passes(stage: pytest.Pytester, model: str, code: int) -> None:
    workflow = yaml.safe_load((EXAMPLES / "ci" / "deploy-gate.yml").read_text(encoding="utf-8"))
    assert workflow["jobs"]["deploy"]["needs"] == "robustness"
    (command,) = (
        step["run"] for step in workflow["jobs"]["robustness"]["steps"] if "pytest --" in step.get("run", "")
    )
    environment = {
        **os.environ,
        "CHECKPOINT": model,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
    }
    finished = subprocess.run(["bash", "-ec", command], cwd=stage.path, env=environment, capture_output=True)
    assert finished.returncode == code, finished.stdout.decode()
    assert (stage.path / "robustness.json").exists() == (code != 4)
