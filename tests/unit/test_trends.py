"""The checkpoints of a training: put in order, compared with the first, and their trade-off told."""

from __future__ import annotations

import json
import math
import shutil
from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from jsonschema import Draft202012Validator
from scipy import stats

import pytest_vlmrobust
from pytest_vlmrobust.comparisons import assert_trend
from pytest_vlmrobust.core.documents import report_document
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.tradeoffs import TrendGate, check_trend
from pytest_vlmrobust.core.trends import Trend, checkpoint_of, make_trend, spread_of
from pytest_vlmrobust.errors import UsageError, VacuousError
from pytest_vlmrobust.models.patterns import expand, natural
from pytest_vlmrobust.reports.trends import trend_tables, trends_to_json
from pytest_vlmrobust.runs import ModelRequest, RunKey, Runs
from tests.unit.made_runs import run_of

SURE, UNSURE, WRONG = (0.95, 0.03, 0.02), (0.5, 0.3, 0.2), (0.02, 0.95, 0.03)
KNOWN = {"seed": 0, "dataset": {"name": "shapes", "digest": "", "n": 20}}


def point(right: int, held: int, consistent: int = 20, *, probs: Any = None, **known: Any) -> Evaluation:
    """Of 20 samples ``right`` under base, ``held`` under wrong-think, ``consistent`` with the thought."""
    return run_of(
        {"base": "A" * right + "C" * (20 - right), "wrong-think": "A" * held + "B" * (20 - held)},
        {"wrong-think": "c" * consistent + "i" * (20 - consistent)},
        probs=probs,
        provenance={**KNOWN, **known},
    )


def trend(points: Mapping[int, Evaluation], name: str = "runs/a") -> Trend:
    return make_trend({f"{name}/checkpoint-{step}": run for step, run in points.items()})


def traded() -> Trend:
    """Accuracy rises all the way; robustness falls beyond 0.1 from step 300 on."""
    return trend({100: point(12, 12), 300: point(15, 11), 200: point(13, 12), 400: point(16, 8)})


# --- checkpoints ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("spec", "place"),
    [
        ("runs/a/checkpoint-500", ("runs/a", 500)),
        ("runs/a/checkpoint-500/", ("runs/a", 500)),
        ("runs\\a\\step_20", ("runs/a", 20)),
        ("/x/0100", ("/x", 100)),
        ("global_step7", None),
        ("qwen2", None),
        ("Qwen2.5-VL-7B", None),
        ("runs/a/final", None),
        ("bundled:grounded", None),
        ("checkpoint-3", (".", 3)),
    ],
)
def test_a_path_tells_training_and_step(spec: str, place: tuple[str, int] | None) -> None:
    assert checkpoint_of(spec) == place


def test_checkpoints_are_ordered_by_step_whatever_the_order_that_they_came_in() -> None:
    assert traded().trainings[0].steps == (100, 200, 300, 400)
    assert repr(traded()) == "Trend(runs/a: steps 100, 200, 300, 400)"
    values = [figure.value for figure in traded().trainings[0].figures("accuracy", "base") if figure]
    assert values == [0.6, 0.65, 0.75, 0.8]
    with pytest.raises(
        UsageError, match=r"unknown step of runs/a '250': did you mean '200'\? Known: 100, 200"
    ):
        traded().trainings[0].at(250)


@pytest.mark.parametrize(
    ("specs", "error", "told"),
    [
        (["runs/a/final"], UsageError, "model 'runs/a/final' is no checkpoint of a training"),
        (["a/step-1", "a/checkpoint-1"], UsageError, "'a/step-1' and 'a/checkpoint-1' are both step 1"),
        (["a/step-1"], VacuousError, "training 'a' has one checkpoint, 'a/step-1', and one point shows no"),
        (["a/step-1", "a/step-2", "b/step-1"], VacuousError, "training 'b' has one checkpoint"),
        ([], VacuousError, "there are no checkpoints"),
    ],
)
def test_what_makes_no_trend_is_refused(specs: list[str], error: type[Exception], told: str) -> None:
    with pytest.raises(error, match=told):
        make_trend({spec: point(12, 12) for spec in specs})


@given(st.lists(st.floats(-1, 1), min_size=2, max_size=8))
def test_the_spread_is_that_of_students_interval(values: list[float]) -> None:
    spread = spread_of(1, values)
    assert spread.mean == pytest.approx(np.mean(values), abs=1e-12)
    assert spread.spread == pytest.approx(np.std(values, ddof=1), abs=1e-12)
    half = stats.t.ppf(0.975, len(values) - 1) * stats.sem(values)
    assert spread.high - spread.low == pytest.approx(2 * half, abs=1e-6)
    assert spread_of(1, values, widest=1).high <= 1


def test_one_training_has_no_spread() -> None:
    with pytest.raises(VacuousError, match="one training shows no spread between trainings"):
        traded().spread("accuracy", "base")


# --- the trade-off -------------------------------------------------------------------------------------


def test_accuracy_bought_with_robustness_fails_at_the_step_where_it_began() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_trend(traded(), max_fall=0.1)
    text = str(caught.value)
    assert text.split("\n")[0] == (
        "accuracy_drop under wrong-think got 0.200 worse from step 100 to step 300, while accuracy under "
        "base rose by 0.150; max_fall is 0.1"
    )
    lines = text.split("\n")
    assert "  training   runs/a" in lines
    assert "  began      step 300: up to step 200 the bound was kept (0.050 worse there)" in lines
    (marked,) = (line for line in lines if line.endswith("<- began here"))
    assert marked.split()[:3] == ["300", "0.150", "0.200"]
    assert "  samples    4 became worse, 0 better; 3 of those that became worse" in lines
    assert "unfaithful" not in text
    assert_trend(traded(), max_fall=0.4)


def test_accuracy_bought_with_faithfulness_fails() -> None:
    with pytest.raises(
        AssertionError, match=r"^unfaithful_rate under wrong-think got 0.250 worse from step 1 to"
    ):
        assert_trend(trend({1: point(10, 10), 2: point(11, 11, 15)}), max_fall=0.1)


def test_a_fall_that_buys_nothing_is_no_trade_off_unless_any_fall_counts() -> None:
    falling = trend({1: point(12, 12), 2: point(12, 8), 3: point(11, 6)})
    assert_trend(falling, max_fall=0.1)
    with pytest.raises(AssertionError, match=r"got 0.200 worse from step 1 to step 2; max_fall is 0.1"):
        assert_trend(falling, max_fall=0.1, gain=None)


def test_the_bound_itself_is_kept() -> None:
    assert_trend(trend({1: point(10, 10), 2: point(12, 10)}), max_fall=0.1)
    with pytest.raises(AssertionError):
        assert_trend(trend({1: point(10, 10), 2: point(12, 10)}), max_fall=0.099)


def test_metrics_conditions_and_the_first_step_can_be_chosen() -> None:
    with pytest.raises(
        AssertionError, match=r"accuracy under wrong-think got 0.200 worse from step 100 to step 400"
    ):
        assert_trend(traded(), max_fall=0.1, metrics="accuracy", conditions="wrong-think")
    with pytest.raises(AssertionError, match=r"got 0.150 worse from step 200 to step 300"):
        assert_trend(traded(), max_fall=0.1, since=200)
    with pytest.raises(UsageError, match=r"unknown step of runs/a '250'"):
        assert_trend(traded(), max_fall=0.1, since=250)
    with pytest.raises(
        VacuousError, match="training 'runs/a' has no checkpoint after step 400 to compare with it"
    ):
        assert_trend(traded(), max_fall=0.1, since=400)


def test_entropy_that_falls_while_confident_errors_rise_is_no_knowledge() -> None:
    before = {name: [UNSURE] * 20 for name in ("base", "wrong-think")}
    after = {"base": [SURE] * 20, "wrong-think": [SURE] * 12 + [WRONG] * 8}
    surer = trend({1: point(20, 12, probs=before), 2: point(20, 12, probs=after)})
    assert_trend(surer, max_fall=0.1)  # accuracy and its drop are what they were
    with pytest.raises(AssertionError, match=r"while letter_entropy under wrong-think fell by 0.7"):
        assert_trend(surer, max_fall=0.1, metrics="confidently_wrong_rate", gain="letter_entropy")
    back = trend({2: point(20, 12, probs=before), 1: point(20, 12, probs=after)})
    assert_trend(back, max_fall=0, metrics="confidently_wrong_rate", gain="letter_entropy")


@pytest.mark.parametrize(
    ("arguments", "told"),
    [
        ({"metrics": []}, "metrics is empty"),
        ({"metrics": "acuracy"}, "unknown metric 'acuracy'"),
        ({"metrics": "letter_entropy"}, "no gate can be set on letter_entropy"),
        ({"metrics": "accuracy"}, "cannot fall in accuracy under base while it rises"),
        ({"gain": "entropy"}, "unknown gain 'entropy': did you mean 'letter_entropy'"),
        ({"max_fall": 2}, r"max_fall=2: it is a fraction"),
        ({"max_unscored_rate": 2}, r"max_unscored_rate=2: it is a fraction"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(arguments: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError, match=told):
        assert_trend(traded(), **{"max_fall": 0.1, **arguments})


def test_anything_but_a_trend_is_refused() -> None:
    with pytest.raises(UsageError, match="trend must be a Trend"):
        assert_trend(point(1, 1), max_fall=0.1)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="trend must be a Trend"):
        check_trend([], TrendGate("accuracy_drop", "wrong-think", max_fall=0))  # type: ignore[arg-type]
    with pytest.raises(UsageError, match="benchmark_score_drop is no mean over samples"):
        TrendGate("benchmark_score_drop", "wrong-think", max_fall=0)


def test_a_figure_that_applies_nowhere_would_check_nothing() -> None:
    plain = trend({1: run_of({"base": "AA"}), 2: run_of({"base": "AA"})})
    with pytest.raises(
        VacuousError, match="accuracy_drop applies to none of the conditions base, so it would"
    ):
        assert_trend(plain, max_fall=0.1, metrics="accuracy_drop")
    with pytest.raises(VacuousError, match="condition 'blur' was not run"):
        assert_trend(plain, max_fall=0.1, conditions="blur")


def test_a_checkpoint_without_a_basis_gives_no_verdict_and_is_named() -> None:
    silent = trend(
        {1: point(12, 12), 2: run_of({"base": "-" * 20, "wrong-think": "-" * 20}, provenance=KNOWN)}
    )
    with pytest.raises(VacuousError, match="at runs/a/checkpoint-2: no verdict on unfaithful_rate"):
        assert_trend(silent, max_fall=1)
    mixed = trend({1: point(12, 12), 2: point(16, 5), 3: run_of({"base": "-" * 20, "wrong-think": "-" * 20})})
    with pytest.raises(VacuousError):
        assert_trend(mixed, max_fall=0.1)


def test_a_failure_is_told_beside_what_has_no_verdict() -> None:
    undecided = run_of(
        {"base": "A" * 16 + "CCCC", "wrong-think": "B" * 20},
        {"base": "u" * 20, "wrong-think": "u" * 20},
        provenance=KNOWN,
    )
    with pytest.raises(AssertionError) as caught:
        assert_trend(trend({1: point(12, 12), 2: undecided}), max_fall=0.1)
    assert "accuracy_drop under wrong-think got 0.800 worse" in str(caught.value)
    assert "there is no unfaithful_rate under 'base'" in str(caught.value)


def test_checkpoints_that_were_asked_otherwise_are_refused() -> None:
    with pytest.raises(UsageError, match="seed: 1 here, 0 in the baseline"):
        assert_trend(trend({1: point(12, 12), 2: point(12, 12, seed=1)}), max_fall=0.1)


# --- several trainings ---------------------------------------------------------------------------------


def seeds(*helds: int, right: int = 14) -> Trend:
    runs: dict[str, Evaluation] = {}
    for seed, held in enumerate(helds):
        runs[f"runs/seed{seed}/checkpoint-1"] = point(12, 12)
        runs[f"runs/seed{seed}/checkpoint-2"] = point(right, held)
    return make_trend(runs)


def test_of_several_trainings_the_mean_decides() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_trend(seeds(9, 10, 11), max_fall=0.1)
    lines = str(caught.value).split("\n")
    assert lines[0] == (
        "accuracy_drop under wrong-think got 0.200 worse from step 1 to step 2, in the mean of 3 trainings, "
        "while accuracy under base rose by 0.100; max_fall is 0.1"
    )
    assert lines[1:3] == [
        "  trainings  runs/seed0, runs/seed1, runs/seed2",
        "  data       shapes (20 samples, seed 0)",
    ]
    assert "  each       runs/seed0 0.250, runs/seed1 0.200, runs/seed2 0.150" in lines
    assert "  measured   mean 0.200, 95 % interval 0.076 to 0.324" in lines
    assert "exceeds the difference" not in str(caught.value)
    assert_trend(seeds(14, 14, 5), max_fall=0.2)  # one of three falls far


def test_a_spread_that_exceeds_the_difference_is_told() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_trend(seeds(14, 14, 5), max_fall=0.1)
    assert (
        "  unsure     the spread between trainings, 0.260, exceeds the difference, 0.150: other seeds may "
        "show the contrary"
    ) in str(caught.value).split("\n")


def test_each_training_can_be_held_against_the_bound_by_itself() -> None:
    with pytest.raises(AssertionError, match=r"got 0.450 worse") as caught:
        assert_trend(seeds(14, 14, 5), max_fall=0.2, each=True)
    assert "  training   runs/seed2" in str(caught.value)
    assert str(caught.value).count("max_fall is") == 1


def test_trainings_without_common_steps_have_no_mean() -> None:
    runs = {
        "a/step-1": point(12, 12),
        "a/step-2": point(12, 12),
        "b/step-2": point(12, 12),
        "b/step-3": point(12, 12),
    }
    with pytest.raises(VacuousError, match=r"have 1 steps in common, .* \(a: 1, 2; b: 2, 3\)"):
        assert_trend(make_trend(runs), max_fall=0.1)
    assert_trend(make_trend(runs), max_fall=0.1, each=True)


# --- patterns ------------------------------------------------------------------------------------------


def test_a_pattern_names_folders_in_natural_order(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for name in (
        "b/checkpoint-9",
        "a/checkpoint-1000",
        "a/checkpoint-200",
        "a/checkpoint-50",
        "b/last",
        "[x]",
    ):
        (tmp_path / "runs" / name).mkdir(parents=True)
    (tmp_path / "runs" / "a" / "checkpoint-7").write_text("a file", encoding="utf-8")
    monkeypatch.chdir(tmp_path)
    assert expand(["bundled:grounded", "runs/*/checkpoint-*", "runs/b/checkpoint-9", "runs/b/?ast"]) == (
        "bundled:grounded",
        "runs/a/checkpoint-50",
        "runs/a/checkpoint-200",
        "runs/a/checkpoint-1000",
        "runs/b/checkpoint-9",
        "runs/b/last",
    )
    assert expand(["runs/**/checkpoint-9*/"]) == ("runs/b/checkpoint-9",)
    assert expand(["runs/[x]"]) == ("runs/[x]",)  # a folder of this very name
    assert expand(["openai:m@http://[::1]/v1?x"]) == ("openai:m@http://[::1]/v1?x",)
    for pattern, told in (
        ("runs/c*", r"the pattern names no folder \(looked"),
        ("runs/a/*-7", "only 1 file"),
    ):
        with pytest.raises(UsageError, match=told):
            expand([pattern])


@given(st.lists(st.integers(0, 10**9), unique=True))
def test_natural_order_is_that_of_the_numbers(steps: Iterable[int]) -> None:
    names = [f"runs/a/checkpoint-{step}" for step in steps]
    assert sorted(names, key=natural) == [f"runs/a/checkpoint-{step}" for step in sorted(steps)]


# --- reports -------------------------------------------------------------------------------------------


def measured(tmp_path: Path, runs: Mapping[str, Evaluation], **fields: Any) -> Runs:
    """A session that has measured models in folders of these names."""
    kept = Runs()
    for name, run in runs.items():
        folder = tmp_path / name
        folder.mkdir(parents=True, exist_ok=True)
        request = ModelRequest(spec=str(folder))
        kept.add(RunKey(model=request, dataset="shapes", limit=20, seed=0, judge="rules", **fields), run)
    return kept


def test_the_summary_and_the_report_carry_the_series(tmp_path: Path) -> None:
    runs = measured(
        tmp_path,
        {
            "a/step-9": point(12, 12),
            "a/step-10": point(14, 12, 19),
            "b/step-9": point(14, 13),
            "b/step-10": point(15, 4),
            "a/final": point(1, 1),
            "c/step-9": point(1, 1),
        },
    )
    first, second, mean = trend_tables(runs)
    assert first == [
        f"training {tmp_path}/a on shapes, seed 0, judge rules",
        "step  accuracy  entropy  largest drop  largest unfaithful  largest sure & wrong",
        "   9     0.600        -         0.000               0.000                     -",
        "  10     0.700        -         0.100               0.050                     -",
    ]
    assert second[-1].split() == ["10", "0.750", "-", "0.550", "0.000", "-"]
    assert mean == [
        "mean and spread of 2 trainings on shapes, seed 0, judge rules",
        "step       accuracy  entropy   largest drop  largest unfaithful  largest sure & wrong",
        "   9  0.650 (0.071)        -  0.025 (0.035)       0.000 (0.000)                     -",
        "  10  0.725 (0.035)        -  0.325 (0.318)       0.025 (0.035)                     -",
        "the spread between trainings exceeds the change since step 9: largest drop, largest unfaithful",
    ]
    (told,) = trends_to_json(runs)
    assert [one["steps"] for one in told["trainings"]] == [[9, 10], [9, 10]]
    series = told["trainings"][0]["conditions"]
    assert series["base"]["accuracy"] == [0.6, 0.7]
    assert series["wrong-think"]["accuracy_drop"] == pytest.approx([0.0, 0.1])
    spread = told["spread"]["conditions"]["base"]["accuracy"]
    assert spread["mean"] == pytest.approx([0.65, 0.725])
    assert spread["spread"] == pytest.approx([math.sqrt(0.005), math.sqrt(0.00125)])
    document = report_document([run for _, run in runs], {"trends": [told]})
    schema = Path(pytest_vlmrobust.__file__).parent / "reports" / "schema.json"
    Draft202012Validator(json.loads(schema.read_text(encoding="utf-8"))).validate(document)


def test_a_figure_that_is_missing_at_some_step_is_null_there(tmp_path: Path) -> None:
    undecided = run_of(
        {"base": "A" * 20, "wrong-think": "A" * 20}, {"base": "u" * 20, "wrong-think": "u" * 20}
    )
    runs = measured(tmp_path, {"a/step-1": point(12, 12), "a/step-2": undecided})
    (told,) = trends_to_json(runs)
    assert told["trainings"][0]["conditions"]["base"]["unfaithful_rate"] == [0.0, None]
    assert "letter_entropy" not in told["trainings"][0]["conditions"]["base"]
    assert "spread" not in told


def test_without_checkpoints_there_are_no_series(tmp_path: Path) -> None:
    runs = measured(tmp_path, {"a/step-1": point(12, 12), "b/last": point(12, 12)})
    assert trends_to_json(runs) == []
    assert list(trend_tables(runs)) == []
    gone = measured(tmp_path, {"d/step-1": point(12, 12), "d/step-2": point(12, 12)})
    shutil.rmtree(tmp_path / "d")  # hub ids look like paths too
    assert trends_to_json(gone) == []
    twice = measured(tmp_path, {"e/step-1": point(12, 12), "e/x-1": point(12, 12), "e/x-2": point(12, 12)})
    assert trends_to_json(twice) == []  # one step twice: it is not told which is meant
