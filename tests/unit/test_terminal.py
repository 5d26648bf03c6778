"""What the summary says of a run beside its table: incomplete, stored, computed slowly, left undecided."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import pytest

from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.reports.terminal import WIDTH, Line, run_lines, summary_lines
from pytest_vlmrobust.runs import GateRow, ModelRequest, RunKey, Runs
from tests.unit.made_runs import run_of

KEY = RunKey(model=ModelRequest(spec="m"), dataset="d", limit=4, seed=0, judge="rules")
STOPPED = {"incomplete": {"samples": 2, "of": 4, "reason": "interrupted"}}
LETTERS = {"base": "AA", "wrong-think": "AB"}


def gate(verdict: str) -> GateRow:
    return GateRow(
        key=KEY,
        metric="accuracy_drop",
        condition="wrong-think",
        bound="max",
        threshold=0.05,
        value=None if verdict == "error" else 0.5,
        verdict=verdict,  # type: ignore[arg-type]
        test="t",
    )


def text(lines: list[Line]) -> list[str]:
    return ["".join(segment.text for segment in line) for line in lines]


def styles(line: Line) -> dict[str, str]:
    return {segment.text.strip(): segment.style for segment in line}


def lines_of(
    provenance: Mapping[str, Any], *, gates: tuple[GateRow, ...] = (), key: RunKey = KEY, **verdicts: str
) -> list[Line]:
    told = {name.replace("_", "-"): plan for name, plan in verdicts.items()}
    return run_lines(key, run_of(LETTERS, told, provenance=provenance), gates)


def test_a_whole_run_is_titled_with_its_facts() -> None:
    title, header, *_ = text(lines_of({}))
    assert title == "m on d  2 samples, seed 0, judge rules"
    assert header.startswith("condition")


def test_an_incomplete_run_is_marked_and_its_gates_are_without_a_verdict() -> None:
    lines = lines_of(STOPPED, gates=(gate("pass"), gate("fail"), gate("error")))
    assert text(lines)[0] == "m on d  INCOMPLETE  2 of 4 samples, seed 0, judge rules"
    assert styles(lines[0])["INCOMPLETE"] == "yellow"
    last = "gates: without a verdict, since the run is incomplete (interrupted)"
    assert text(lines)[-1] == last
    assert styles(lines[-1]) == {last: "yellow"}
    assert {style for line in lines[1:-1] for style in styles(line).values()} == {""}
    assert text(lines_of(STOPPED)) == text(lines)


def test_a_whole_run_beside_an_incomplete_one_keeps_its_verdict() -> None:
    runs = Runs()
    runs.add(KEY, run_of({"base": "AAAA", "wrong-think": "AAAA"}))
    runs.add(KEY, run_of({"base": "AA", "wrong-caption": "AA"}, provenance=STOPPED))
    runs.gates.append(gate("pass"))
    lines = text(list(summary_lines(runs)))
    assert [line for line in lines if line.startswith(("m on d", "gates"))] == [
        "m on d  4 samples, seed 0, judge rules",
        "gates: 1 checked, 0 failed",
        "m on d  INCOMPLETE  2 of 4 samples, seed 0, judge rules",
        "gates: without a verdict, since the run is incomplete (interrupted)",
    ]


def test_replies_from_the_store_are_counted() -> None:
    title = text(lines_of({"replies": {"stored": 120, "computed": 1080}}))[0]
    assert title == "m on d  2 samples, seed 0, judge rules, 120 of 1200 replies from the store"
    assert "store" not in text(lines_of({"replies": {"stored": 0, "computed": 4}}))[0]


def test_facts_that_do_not_fit_beside_the_title_go_below_it() -> None:
    key = RunKey(model=ModelRequest(spec="a-folder/" * 9), dataset="d", limit=4, seed=0, judge="rules")
    lines = text(lines_of({"replies": {"stored": 3, "computed": 1}}, key=key))
    assert lines[:2] == [
        f"{key.model.spec} on d",
        "  2 samples, seed 0, judge rules, 3 of 4 replies from the store",
    ]


def engine(path: str, reason: str) -> dict[str, Any]:
    return {"model": {"spec": "m", "digest": "", "details": {"path": path, "path_reason": reason}}}


def test_a_slower_way_of_computing_is_told_with_its_reason() -> None:
    reason = "shared-prefix differs from the plain path by 0.14 here"
    assert text(lines_of(engine("shared-image", reason)))[1] == f"  engine: shared-image ({reason})"
    assert text(lines_of(engine("shared-prefix", "")))[1].startswith("condition")


def test_a_reason_cannot_steer_the_terminal_and_keeps_to_the_width() -> None:
    _, first, second, header, *_ = text(
        lines_of(engine("reference", "RuntimeError: \x1b[31m\n" + "long " * 20))
    )
    assert first.startswith("  engine: reference (RuntimeError: \\x1b[31m long long")
    assert second.startswith("  long")
    assert max(len(first), len(second)) <= WIDTH
    assert header.startswith("condition")


@pytest.mark.parametrize("model", [None, "m", {}, {"details": None}, {"details": {"path": "reference"}}])
def test_a_model_that_tells_nothing_of_its_engine_has_no_such_line(model: Any) -> None:
    assert text(lines_of({"model": model}))[1].startswith("condition")


def test_the_engine_is_told_once_for_each_model() -> None:
    runs = Runs()
    other = RunKey(model=ModelRequest(spec="n"), dataset="d", limit=4, seed=0, judge="rules")
    again = RunKey(model=ModelRequest(spec="m"), dataset="e", limit=4, seed=0, judge="rules")
    for key in (KEY, again, other):
        runs.add(key, run_of(LETTERS, provenance=engine("reference", "no vision encoder was found")))
    lines = text(list(summary_lines(runs)))
    told = [line for line in lines if line.startswith(("m on", "n on", "  engine"))]
    assert [line.split("  ")[0] or line for line in told] == [
        "m on d",
        "  engine: reference (no vision encoder was found)",
        "m on e",
        "n on d",
        "  engine: reference (no vision encoder was found)",
    ]
    assert lines.count("") == 3


def test_much_that_the_judge_left_open_is_told_below_the_table() -> None:
    ten = "A" * 10
    run = run_of(
        {"base": ten, "wrong-think": ten, "stop-think": ten},
        {"base": "u" + "c" * 9, "wrong-think": "uu" + "c" * 7 + "f", "stop-think": "." * 10},
    )
    lines = run_lines(KEY, run, [])
    assert text(lines)[-2] == "undecided by the judge: 0.222 under wrong-think"
    assert styles(lines[-2]) == {"undecided by the judge: 0.222 under wrong-think": "yellow"}
    assert "undecided" not in " ".join(text(lines_of({})))


def test_a_long_list_of_open_judgments_is_wrapped() -> None:
    names = [f"wrong-caption-number-{index}" for index in range(6)]
    run: Evaluation = run_of(dict.fromkeys(names, "AA"), dict.fromkeys(names, "uc"))
    lines = [line for line in text(run_lines(KEY, run, [])) if "0.500 under" in line]
    assert len(lines) > 1
    assert max(map(len, lines)) <= WIDTH
    assert lines[1].startswith("  ")
