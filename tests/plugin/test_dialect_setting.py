"""The dialect as a setting: by name, by file, by what a conftest registers."""

from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

RUN = """
    def test_run(vlm_run):
        assert len(vlm_run.sample_ids) == 2
"""
MINE = """
name = "mine"
extends = "bare"
instruction = "left or right ?"
max_new_tokens = 40
"""


def details(path: Path) -> dict[str, str]:
    (run,) = json.loads((path / "report.json").read_text())["runs"]
    found: dict[str, str] = run["provenance"]["model"]["details"]
    return found


@pytest.fixture
def ask(stage: pytest.Pytester) -> Callable[..., pytest.RunResult]:
    def asked(*arguments: str, model: str = "bundled:grounded") -> pytest.RunResult:
        stage.makepyfile(RUN)
        common = ("--vlm-limit=2", "--vlm-conditions=stop-think", "--vlm-store=off", "--vlm-json=report.json")
        return stage.runpytest(f"--vlm-model={model}", *common, *arguments)

    return asked


@pytest.mark.usefixtures("torch_loaded")
def test_a_dialect_from_a_file_is_asked_in_and_told(
    stage: pytest.Pytester, ask: Callable[..., pytest.RunResult]
) -> None:
    (stage.path / "mine.toml").write_text(MINE)
    ask("--vlm-dialect=mine.toml", "--vlm-device=cpu").assert_outcomes(passed=1)
    told = details(stage.path)
    assert (told["dialect"], told["max_new_tokens"]) == ("mine", "40")


def test_a_dialect_that_a_conftest_registers(
    stage: pytest.Pytester, ask: Callable[..., pytest.RunResult]
) -> None:
    stage.makeconftest(
        """
        from pytest_vlmrobust.models.dialects import Dialect, register_dialect, unregister_dialect

        register_dialect(Dialect(name="theirs", max_new_tokens=41))

        def pytest_unconfigure():
            unregister_dialect("theirs")
        """
    )
    result = ask("--vlm-dialect=theirs", "--vlm-dry-run", model="stage:broken")
    result.stdout.fnmatch_lines(["*4 requests*at most 164 out"])


@pytest.mark.parametrize(
    ("value", "message"),
    [
        ("spacr", "--vlm-dialect: unknown dialect 'spacr'*spacer*"),
        ("none.toml", "--vlm-dialect: dialect 'none.toml': there is no such file*"),
    ],
)
def test_a_dialect_that_is_none_is_told_before_anything_is_loaded(
    ask: Callable[..., pytest.RunResult], value: str, message: str
) -> None:
    result = ask(f"--vlm-dialect={value}", model="stage:broken")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"*{message}"])


@pytest.mark.parametrize(("dialect", "tokens"), [("vision-r1", 4096), ("auto", 512)])
def test_a_dry_run_counts_with_the_dialects_limit(
    ask: Callable[..., pytest.RunResult], dialect: str, tokens: int
) -> None:
    result = ask(f"--vlm-dialect={dialect}", "--vlm-dry-run", model="stage:broken")
    result.stdout.fnmatch_lines([f"*4 requests*at most {4 * tokens:,} out"])
