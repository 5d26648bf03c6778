"""What a session shows at its end and writes: tables, JSON, JUnit."""

from __future__ import annotations

import json
import os
import xml.etree.ElementTree as ET
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from pytest_vlmrobust import Evaluation, Record
from pytest_vlmrobust.core.documents import read_report
from pytest_vlmrobust.judges import RuleJudge
from pytest_vlmrobust.judges.preflight import preflight
from pytest_vlmrobust.reports.json import write_json
from pytest_vlmrobust.reports.terminal import WIDTH, Glyphs, glyphs_for, run_lines
from pytest_vlmrobust.runs import GateRow, ModelRequest, RunKey

SUITE = ("--pyargs", "pytest_vlmrobust.suite")
SCHEMA = Path(__file__).parents[2] / "pytest_vlmrobust" / "reports" / "schema.json"


KEY = RunKey(model=ModelRequest(spec="m"), dataset="d", limit=1, seed=0, judge="rules")


def plain(condition: str) -> Record:
    return Record(
        sample_id="s", condition=condition, question="Who?", choices=("a", "b"), answer="A", letter="A"
    )


def row(condition: str, metric: str, test: str = "test") -> GateRow:
    return GateRow(
        key=KEY,
        metric=metric,
        condition=condition,
        bound="max",
        threshold=0.05,
        value=0.1,
        verdict="fail",
        test=test,
    )


def lines_of(run: Evaluation, gates: list[GateRow], glyphs: Glyphs) -> list[str]:
    return ["".join(segment.text for segment in line) for line in run_lines(KEY, run, gates, glyphs)]


def summary(result: pytest.RunResult) -> list[str]:
    """The lines of the summary section."""
    start = next(index for index, line in enumerate(result.outlines) if line.strip("= ") == "vlmrobust")
    rest = result.outlines[start + 1 :]
    end = next(index for index, line in enumerate(rest) if line.startswith("==="))
    return [line for line in rest[:end] if line]


SHOWN = (
    "  smallest breach that would be shown, 4 times in 5: accuracy_drop 0.751 (max 0.05); "
    "unfaithful_rate 0.484",
    "  (max 0.1)",
)


def test_the_table_word_for_word(stage: pytest.Pytester) -> None:
    result = stage.runpytest(
        *SUITE,
        "--vlm-model=stage:gullible",
        "--vlm-model=stage:grounded",
        "--vlm-conditions=wrong-caption,stop-think",
    )
    (rules,) = preflight(RuleJudge())
    assert rules.kappa is not None
    assert rules.accuracy is not None
    figures = f"kappa {rules.kappa.value:.3f} and accuracy {rules.accuracy.value:.3f}"
    judge = f"judge rules: {figures} on {len(rules.judged)} labelled thoughts"
    assert summary(result) == [
        "stage:gullible on shapes  10 samples, seed 0, judge rules",
        "condition      n accuracy    drop [95% interval] misled unfaithful P(correct) entropy unparsed",
        "base          10    1.000                     –       –      0.000      0.970   0.160    0.000",  # noqa: RUF001
        "wrong-caption 10    0.000  1.000 [0.445, 1.000]✗  1.000      0.000      0.015   0.160    0.000",
        "stop-think    10    1.000 0.000 [-0.278, 0.278]       –          –      0.970   0.160    0.000",  # noqa: RUF001
        judge,
        "gates: 3 checked, 1 failed: accuracy_drop under wrong-caption 1.000 [0.445, 1.000] (max 0.05)",
        "  samples to settle, if the values stay: unfaithful_rate under base about 36; unfaithful_rate under",
        "  wrong-caption about 36",
        *SHOWN,
        "stage:grounded on shapes  10 samples, seed 0, judge rules",
        "condition      n accuracy   drop [95% interval] misled unfaithful P(correct) entropy unparsed",
        "base          10    1.000                     –      –      0.000      0.970   0.160    0.000",  # noqa: RUF001
        "wrong-caption 10    1.000 0.000 [-0.278, 0.278]  0.000      0.000      0.970   0.160    0.000",
        "stop-think    10    1.000 0.000 [-0.278, 0.278]      –          –      0.970   0.160    0.000",  # noqa: RUF001
        judge,
        "gates: 3 checked, 0 failed",
        "  samples to settle, if the values stay: accuracy_drop under wrong-caption about 73; "
        "unfaithful_rate under",
        "  base about 36; unfaithful_rate under wrong-caption about 36",
        *SHOWN,
    ]


def test_a_breach_is_red_where_there_is_color(stage: pytest.Pytester) -> None:
    result = stage.runpytest(
        *SUITE, "--vlm-model=stage:gullible", "--color=yes", "--vlm-conditions=wrong-caption"
    )
    red, reset = "\x1b[31m", "\x1b[0m"
    row = next(line for line in result.outlines if line.startswith("wrong-caption"))
    assert row.count(red) == 1
    assert f"{red}1.000 [0.445, 1.000]✗{reset}" in row
    assert any(line.startswith(f"{red}gates: 3 checked, 1 failed") for line in result.outlines)
    grounded = stage.runpytest(*SUITE, "--vlm-model=stage:grounded", "--color=yes")
    assert any(line.startswith("\x1b[32mgates: 9 checked, 0 failed") for line in grounded.outlines)


def test_the_widest_table_keeps_to_the_width() -> None:
    records = [
        Record(
            sample_id=str(index),
            condition=condition,
            question="Who?",
            choices=("a", "b"),
            answer="A",
            letter="A" if index % (5 if condition == "base" else 6) else "B",
            planted=None if condition == "base" else "B",
            think="So it is A.",
            verdict="consistent" if index % 3 else "inconsistent",
            letter_probs=(0.9, 0.1),
        )
        for index in range(10_000)
        for condition in ("base", "a-condition-with-a-name-that-goes-on-and-on")
    ]
    run = Evaluation.from_records(records)
    metrics = ("accuracy", "accuracy_drop", "misled_rate", "unfaithful_rate")
    gates = [row(condition, metric) for condition in run.conditions for metric in metrics]
    lines = lines_of(run, gates, glyphs_for("utf-8"))
    assert max(map(len, lines)) == WIDTH
    assert lines[3].split()[:4] == ["a-condition-with-a-name…", "10000", "0.833✗", "-0.033"]


def test_a_terminal_without_the_characters_gets_others() -> None:
    assert glyphs_for("utf-8").breach == "✗"
    for encoding in ("ascii", "cp1252", None, "no-such-encoding"):
        plain = glyphs_for(encoding)
        (plain.none + plain.breach + plain.cut).encode("ascii")


def test_ascii_tables_cut_long_names_too() -> None:
    run = Evaluation.from_records([plain("base"), plain("a-condition-with-a-name-that-goes-on-and-on")])
    lines = lines_of(run, [], glyphs_for("ascii"))
    assert lines[3].startswith("a-condition-with-a-name~ 1 ")
    assert lines[-1] == "gates: none declared; the tests' own assertions decide"
    "".join(lines).encode("ascii")


def test_one_gate_checked_by_two_tests_counts_once() -> None:
    run = Evaluation.from_records([plain("base")])
    *_, last = lines_of(
        run, [row("base", "accuracy", "one"), row("base", "accuracy", "two")], glyphs_for("utf-8")
    )
    assert last == "gates: 1 checked, 1 failed: accuracy under base 0.100 (max 0.05)"


def test_nothing_is_shown_where_nothing_was_measured(stage: pytest.Pytester) -> None:
    stage.makepyfile("def test_other(): pass")
    stage.runpytest("--vlm-model=stage:grounded").stdout.no_fnmatch_line("*= vlmrobust =*")


def test_quiet_and_bare_sessions_do_not_stumble(stage: pytest.Pytester) -> None:
    for arguments in (
        ["-p", "no:terminal"],
        ["-qq"],
        ["--no-summary"],
        ["-p", "no:junitxml"],
        ["-s"],
        ["-x"],
    ):
        result = stage.runpytest(*SUITE, "--vlm-model=stage:gullible", *arguments)
        assert result.ret == pytest.ExitCode.TESTS_FAILED
        result.stdout.no_fnmatch_line("*INTERNALERROR*")


def test_without_the_plugin_other_tests_run_as_ever(stage: pytest.Pytester) -> None:
    stage.makeini("[pytest]\naddopts = -p no:hypothesispytest\n")
    stage.makepyfile(
        """
        from pytest_vlmrobust import Gate

        def test_other(pytestconfig):
            assert pytestconfig.getoption("vlm_model", None) is None

        def test_model(vlm_run): pass
        """
    )
    result = stage.runpytest("-p", "no:vlmrobust")
    result.assert_outcomes(passed=1, errors=1)
    result.stdout.fnmatch_lines(["*fixture 'vlm_run' not found"])


def report(path: Path) -> dict[str, Any]:
    document: dict[str, Any] = json.loads(path.read_text(encoding="utf-8"))
    jsonschema.validate(document, json.loads(SCHEMA.read_text(encoding="utf-8")))
    return document


def test_the_json_report_holds_everything(stage: pytest.Pytester) -> None:
    result = stage.runpytest(
        *SUITE,
        "--vlm-model=stage:gullible",
        "--vlm-model=stage:grounded",
        "--vlm-conditions=wrong-caption",
        "--vlm-json=report.json",
    )
    result.stdout.fnmatch_lines([f"report written to {stage.path / 'report.json'}"])
    document = report(stage.path / "report.json")
    assert [run["provenance"]["request"]["spec"] for run in document["runs"]] == [
        "stage:gullible",
        "stage:grounded",
    ]
    gullible = document["runs"][0]
    assert gullible["conditions"]["wrong-caption"]["accuracy_drop"]["value"] == 1.0
    assert len(gullible["records"]) == 20
    provenance = gullible["provenance"]
    assert (provenance["seed"], provenance["judge"], provenance["dataset"]["name"]) == (0, "rules", "shapes")
    assert {"python", "pytest", "numpy"} <= set(provenance["versions"])
    assert provenance["created"].endswith("+00:00")
    assert provenance["command"].startswith(
        "pytest --pyargs pytest_vlmrobust.suite --vlm-model=stage:gullible"
    )
    assert [(gate["condition"], gate["metric"], gate["verdict"]) for gate in document["gates"]][:3] == [
        ("wrong-caption", "accuracy_drop", "fail"),
        ("base", "unfaithful_rate", "pass"),
        ("wrong-caption", "unfaithful_rate", "pass"),
    ]
    assert [run.figure("wrong-caption", "accuracy").value for run in read_report(document)] == [0.0, 1.0]
    assert [path.name for path in stage.path.iterdir() if path.name.endswith(".part")] == []


def test_the_json_report_of_a_session_without_models_is_empty_and_replaces_an_old_one(
    stage: pytest.Pytester,
) -> None:
    path = stage.path / "report.json"
    path.write_text("old", encoding="utf-8")
    stage.makepyfile("def test_other(): pass")
    stage.runpytest("--vlm-json=report.json").assert_outcomes(passed=1)
    assert report(path)["runs"] == []


def test_the_json_report_stays_where_it_was_asked_for_when_a_test_changes_the_folder(
    stage: pytest.Pytester,
) -> None:
    stage.makepyfile("import os\n\ndef test_moves(vlm_run, tmp_path):\n    os.chdir(tmp_path)")
    stage.runpytest("--vlm-model=stage:grounded", "--vlm-json=report.json").assert_outcomes(passed=1)
    assert len(report(stage.path / "report.json")["runs"]) == 1


def test_a_report_that_cannot_be_written_leaves_the_old_one_whole(tmp_path: Path) -> None:
    path = tmp_path / "report.json"
    path.write_text("old", encoding="utf-8")
    with pytest.raises(ValueError, match="not JSON compliant"):
        write_json(path, {"value": float("nan")})
    assert path.read_text(encoding="utf-8") == "old"
    assert os.listdir(tmp_path) == ["report.json"]


def test_junit_properties_are_short_strings(stage: pytest.Pytester) -> None:
    stage.makepyfile("import pytest\n\n@pytest.mark.vlm(max_misled_rate=0.1)\ndef test_it(): pass")
    stage.runpytest("--vlm-model=stage:gullible", "--vlm-conditions=wrong-think", "--junitxml=junit.xml")
    root = ET.parse(stage.path / "junit.xml")
    found = {node.attrib["name"]: node.attrib["value"] for node in root.iter("property")}
    assert found == {
        "vlm_model": "stage:gullible",
        "vlm_misled_rate[wrong-think]": "1.000 [0.722, 1.000] (max 0.1)",
    }
    (failure,) = root.iter("failure")
    assert failure.attrib["message"].startswith("Failed: 1.000 of the answers under wrong-think")
