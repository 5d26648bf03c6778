"""The example that repeats the paper's study, on bundled models and tiny files."""

from __future__ import annotations

import importlib
import json
import re
import shutil
import sys
from dataclasses import replace
from pathlib import Path
from types import ModuleType

import pytest

from pytest_vlmrobust.core.documents import read_report
from tests.benchmark_files.writers import WRITERS

PAPER = Path(__file__).parents[2] / "examples" / "paper"
README = (PAPER / "README.md").read_text(encoding="utf-8")

STUDY = """
title = "Two bundled models"
tolerance = 0.1
min_samples = 14

[models]
grounded = "bundled:grounded"
gullible = "bundled:gullible"
hesitant = "bundled:hesitant"

[benchmarks]
cv-bench = "cv-bench:cv-bench"
vstar = "vstar:not-there"

[[values]]
source = "made up"
figure = "accuracy"
condition = "base"
benchmark = "cv-bench"
published = { grounded = 0.95, gullible = 0.40, hesitant = 0.88 }

[[values]]
source = "made up"
figure = "unfaithful_rate"
condition = "stop-think"
published = { grounded = 0.0 }

[[values]]
source = "made up"
figure = "panel_kappa"
published = { grounded = [0.81, 0.88] }

[[directions]]
source = "made up"
figure = "accuracy"
lower = { condition = "wrong-caption", models = ["gullible"] }
higher = { condition = "base", models = ["gullible"] }

[[directions]]
source = "made up"
figure = "accuracy_drop"
lower = { condition = "wrong-caption", models = ["gullible"] }
higher = { condition = "wrong-caption", models = ["grounded"] }

[[directions]]
source = "made up"
lower = { figure = "auroc_minus_entropy", condition = "wrong-caption", models = ["grounded"] }
higher = { figure = "auroc_p_base", condition = "wrong-caption", models = ["grounded"] }

[[directions]]
source = "made up"
figure = "accuracy"
lower = { condition = "wrong-caption" }
higher = { condition = "base" }
"""


@pytest.fixture
def paper(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    """A copy of the example, a study of bundled models, and tiny files."""
    monkeypatch.setenv("OMP_NUM_THREADS", "1")
    shutil.copytree(PAPER, pytester.path / "paper", ignore=shutil.ignore_patterns("__pycache__"))
    (pytester.path / "two.toml").write_text(STUDY, encoding="utf-8")
    for name in ("cv-bench", "3dsrbench"):
        WRITERS[name](pytester.path / "data" / name)
    return pytester


@pytest.fixture
def modules(monkeypatch: pytest.MonkeyPatch) -> dict[str, ModuleType]:
    """The modules of the example, which are gone again after the test."""
    monkeypatch.syspath_prepend(PAPER)
    found = {name: importlib.import_module(name) for name in ("study", "cost")}
    for name in found:
        monkeypatch.delitem(sys.modules, name)
    return found


def run(paper: pytest.Pytester, *options: str) -> pytest.RunResult:
    plugins = ("-p", "no:xdist", "-p", "no:hypothesispytest", "-p", "no:cacheprovider")
    return paper.runpytest("paper", *plugins, "--data=data", "--vlm-judge=rules", *options)


def beside(result: pytest.RunResult) -> list[str]:
    lines = result.outlines
    start = next(n for n, line in enumerate(lines) if "beside what was published" in line)
    return lines[start : next(n for n, line in enumerate(lines) if " cells: " in line) + 1]


def test_each_cell_agrees_differs_or_was_not_run_and_a_second_run_asks_nothing(
    paper: pytest.Pytester, modules: dict[str, ModuleType]
) -> None:
    options = (
        "--study=two.toml",
        "--vlm-model=bundled:grounded",
        "--vlm-model=bundled:gullible",
        "--vlm-conditions=stop-think,wrong-caption",
        "--vlm-store=replies.sqlite",
        "--vlm-json=report.json",
    )
    first = run(paper, *options)
    first.assert_outcomes(passed=2 + 3, failed=2, skipped=2 + 4)
    first.stdout.fnmatch_lines(
        [
            "Two bundled models",
            "agrees   accuracy under base of grounded, cv-bench",
            "*published 0.950 ± 0.1 (made up)",
            "*measured  0.???",
            "differs  accuracy under base of gullible, cv-bench",
            "not run  accuracy under base of hesitant, cv-bench",
            "*measured  no benchmark was asked of every model",
            "not run  unfaithful_rate under stop-think of grounded",
            "*measured  bundled:grounded on cv-bench:*: there is no unfaithful_rate under 'stop-think'*",
            "not run  panel_kappa of grounded",
            "*measured  bundled:grounded on cv-bench:*: there is no panel_kappa without a panel of judges",
            "agrees   accuracy under wrong-caption of gullible < accuracy under base of gullible",
            "*published lower (made up)",
            "*measured  0.??? and 0.??? on 1 of 2 benchmarks",
            "differs  accuracy_drop under wrong-caption of gullible < * of grounded",
            "agrees   auroc_minus_entropy * < auroc_p_base *",
            "not run  accuracy under wrong-caption of grounded, gullible, hesitant < *",
            "*measured  no benchmark was asked of every model",
            "9 cells: 3 agree, 2 differ, 4 not run",
        ]
    )
    second = run(paper, *options)
    assert second.stdout.str().count("45 of 45 replies from the store") == 2
    assert beside(first) == beside(second)
    little_shows_nothing(paper, modules["study"])
    a_pilot_run_replaces_assumptions(paper, modules["cost"])


def little_shows_nothing(paper: pytest.Pytester, study: ModuleType) -> None:
    """A cell of a run that was stopped, that is small, or that could not be read, was not run."""
    document = json.loads((paper.path / "report.json").read_text(encoding="utf-8"))
    whole = read_report(document)[0]
    cell = study.Study.read(paper.path / "two.toml").cells[0]

    def reason(run: object, cell: object = cell) -> str:
        result = cell.compare({("grounded", "cv-bench"): run})  # type: ignore[attr-defined]
        assert result.verdict == "not run"
        return str(result.measured)

    assert cell.compare({("grounded", "cv-bench"): whole}).verdict == "agrees"
    assert "15 samples, not on 16" in reason(whole, replace(cell, least=16))
    damaged = document["runs"][0]
    damaged["provenance"]["incomplete"] = {"samples": 15, "of": 20, "reason": "stopped"}
    assert "stopped before its end" in reason(type(whole).from_json(damaged))
    mumbled = [
        replace(record, letter=None, unparsed_reason="no answer", verdict="not_applicable")
        if record.sample_id in whole.sample_ids[:2]
        else record
        for record in whole.records()
    ]
    unread = type(whole).from_records(mumbled, provenance=whole.provenance)
    assert "13% of the replies under base could not be read" in reason(unread)


def a_pilot_run_replaces_assumptions(paper: pytest.Pytester, cost: ModuleType) -> None:
    report = (paper.path / "report.json").read_text(encoding="utf-8")
    (paper.path / "pilot.json").write_text(report.replace("bundled:grounded", "RUBBISHLIKE/SpaceR"))
    records = json.loads(report)["runs"][0]["records"]
    mean = sum(record["tokens"] for record in records) / len(records)
    lines = cost.account([paper.path / "pilot.json"]).splitlines()
    (line,) = (line for line in lines if line.startswith("| SpaceR"))
    assert f"| {mean:.0f} (measured) |" in line
    assert [line for line in lines if "(measured)" in line] == [line]


def test_the_whole_study_is_planned_without_a_model(paper: pytest.Pytester) -> None:
    result = run(paper, "--vlm-dry-run")
    result.stdout.fnmatch_lines(
        [
            "Qwen/Qwen2.5-VL-7B-Instruct on 3dsrbench:data/3dsrbench: 132 requests, *",
            "gsarch/ViGoRL-7b-Spatial on cv-bench:data/cv-bench: 90 requests, *",
            "in all: 1,332 requests, *",
        ]
    )
    assert result.ret == 0


def test_what_was_published_is_what_the_file_says(modules: dict[str, ModuleType]) -> None:
    study = modules["study"].Study.read(PAPER / "zhao2026.toml")
    base = [cell for cell in study.cells if cell.source == "table 1"]
    assert len(study.models) == 6
    assert len(base) == 12
    assert {cell.tolerance for cell in base} == {0.05}
    values = {(*cell.side.models, *cell.benchmarks): cell.low for cell in base}
    assert values["SpaceR", "3dsrbench"] == 0.5666
    assert values["ViGoRL-Spatial", "cv-bench"] == 0.8229


def test_a_study_that_names_an_unknown_model_is_refused(
    modules: dict[str, ModuleType], tmp_path: Path
) -> None:
    (tmp_path / "two.toml").write_text(STUDY.replace("grounded = 0.95", "grunded = 0.95"), encoding="utf-8")
    with pytest.raises(ValueError, match="made up: no such model: grunded"):
        modules["study"].Study.read(tmp_path / "two.toml")


def test_the_readme_tells_what_the_script_computes(modules: dict[str, ModuleType]) -> None:
    (told,) = re.findall("<!-- cost: begin -->\n(.*?)\n<!-- cost: end -->", README, re.DOTALL)
    assert told == modules["cost"].account()
    (output,) = re.findall("<!-- output: begin -->\n(.*?)\n<!-- output: end -->", README, re.DOTALL)
    for cell in modules["study"].Study.read(PAPER / "bundled.toml").cells:
        assert str(cell) in output


def test_a_study_that_would_compare_nothing_is_refused_before_a_model_is_loaded(
    paper: pytest.Pytester,
) -> None:
    result = run(paper, "--data=nowhere")
    result.stderr.fnmatch_lines(["ERROR: --data: none of 3dsrbench, cv-bench, * is in *nowhere"])
    result.stdout.no_fnmatch_line("*beside what was published*")
    result = run(paper, "--study=none.toml")
    result.stderr.fnmatch_lines(["ERROR: --study: no such file: none.toml"])
