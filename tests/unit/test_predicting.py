"""What is known under base and predicts right answers under a condition; calibration; thresholds."""

from __future__ import annotations

import copy
import json
import re
import time
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn.metrics import brier_score_loss, roc_auc_score

from pytest_vlmrobust.assertions import assert_gates, assert_robustness_auroc
from pytest_vlmrobust.core.columns import NONE, Columns
from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.gates import Gate
from pytest_vlmrobust.core.predicting import Filter, recommend_p_base, trace_risk
from pytest_vlmrobust.core.predictions import POINTS, calibration_to_json, predictions_to_json
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.views import View
from pytest_vlmrobust.errors import UsageError, VacuousError
from pytest_vlmrobust.reports.predictions import abstention_line, cut_name, prediction_lines
from tests.unit.made_runs import CHOICES, record, run_of

Probs = Sequence[Sequence[float] | None]


def spread(p: float) -> tuple[float, float, float]:
    """P(right) is p; of the wrong options the first has more."""
    return (p, (1 - p) * 0.75, (1 - p) * 0.25)


def told(p_base: Sequence[float | None], letters: str, **fields: Any) -> Evaluation:
    """Base is right where P_base is largest; under wrong-think the letters, with the same probabilities."""
    probs = [None if p is None else spread(p) for p in p_base]
    base = ["A" if p is None or p >= max(spread(p)) else "B" for p in p_base]
    made = [record("base", i, letter, probs=probs[i], **fields) for i, letter in enumerate(base)]
    made += [
        record("wrong-think", i, letter, probs=probs[i] if letter != "-" else None, **fields)
        for i, letter in enumerate(letters)
    ]
    return Evaluation.from_records(made)


def drawn(n: int, seed: int = 0, **fields: Any) -> Evaluation:
    """Right under wrong-think as often as P_base says."""
    rng = np.random.default_rng(seed)
    p_base = rng.beta(2, 1, n).round(6)
    letters = "".join(np.where(rng.random(n) < p_base, "A", "B").tolist())
    return told(p_base.tolist(), letters, **fields)


@st.composite
def tables(draw: st.DrawFn) -> tuple[list[float], str]:
    n = draw(st.integers(2, 40))
    p_base = draw(st.lists(st.sampled_from(np.linspace(0.02, 0.98, 25).tolist()), min_size=n, max_size=n))
    rest = draw(st.text("AB-C", min_size=n - 2, max_size=n - 2))
    return p_base, f"AB{rest}"


# --- figures -------------------------------------------------------------------------------------------


@settings(max_examples=200)
@given(table=tables())
def test_the_figures_equal_scikit_learns(table: tuple[list[float], str]) -> None:
    p_base, letters = table
    run = told(p_base, letters)
    read = np.array([letter != "-" for letter in letters])
    right = np.array([letter == "A" for letter in letters])[read]
    probs = np.array([spread(p) for p in p_base])
    entropy = -(probs * np.log(probs)).sum(axis=1)
    figures = run.figures("wrong-think")
    assert figures["p_base_auroc"].value == pytest.approx(roc_auc_score(right, probs[read, 0]))
    # Entropies that are equal on paper may differ in the last bit, and ties count half.
    apart = np.round(-entropy[read], 9)
    assert figures["entropy_auroc"].value == pytest.approx(roc_auc_score(right, apart), abs=1e-3)
    assert figures["p_base_auroc"].detail == {"positives": right.sum(), "negatives": (~right).sum()}
    brier = brier_score_loss(np.zeros(read.sum()), probs[read], labels=[0, 1, 2], scale_by_half=False)
    assert figures["brier_score"].value == pytest.approx(brier)


def test_the_samples_that_count_are_read_here_and_have_probabilities_under_base() -> None:
    run = told([0.9, 0.8, None, 0.2, 0.1], "AAAB-")
    figure = run.figure("wrong-think", "p_base_auroc")
    assert (figure.value, figure.n) == (1.0, 3)
    assert figure.low is not None
    assert figure.low < 1


def test_an_interval_says_less_where_samples_share_a_group() -> None:
    rng = np.random.default_rng(1)
    grouped, alone = [], []
    for index in range(120):
        fields: dict[str, Any] = {
            "probs": spread(float(np.clip(rng.beta(2, 1), 0.02, 0.98))),
            "group": f"g{index // 10}",
        }
        letter = "A" if (index // 10) % 2 else "B"
        made = [record("base", index, "A", **fields), record("wrong-think", index, letter, **fields)]
        grouped += made
        alone += [type(one)(**{**vars(one), "group": ""}) for one in made]
    wide, narrow = (
        Evaluation.from_records(made).figure("wrong-think", "p_base_auroc") for made in (grouped, alone)
    )
    assert wide.value == narrow.value
    assert wide.low is not None
    assert narrow.low is not None
    assert wide.low <= narrow.low


def test_one_group_shows_nothing_about_others() -> None:
    run = told([0.9, 0.8, 0.3, 0.2], "AABB", group="g")
    for name, largest in (("p_base_auroc", 1.0), ("brier_score", 2.0)):
        figure = run.figure("wrong-think", name)
        assert (figure.low, figure.high) == (0.0, largest)
    assert_gates(run, Gate("p_base_auroc", "wrong-think", min=0.9))
    with pytest.raises(VacuousError, match="p_base_auroc: all samples are of one group"):
        assert_gates(run, Gate("p_base_auroc", "wrong-think", min=0.9), mode="confident")
    assert Evaluation.from_json(json.loads(json.dumps(run.to_json()))).agrees_with(run)


@pytest.mark.parametrize(
    ("run", "condition", "reason"),
    [
        (
            told([0.9, 0.8], "AA"),
            "wrong-think",
            "all 2 samples are right here, so there is nothing to tell apart",
        ),
        (
            told([0.9, 0.8], "BB"),
            "wrong-think",
            "all 2 samples are wrong here, so there is nothing to tell apart",
        ),
        (told([0.9, 0.8], "AB"), "base", "P_base under base knows the right answer"),
        (told([None, None], "AB"), "wrong-think", "the model gave no letter probabilities under base"),
        (told([0.9, None], "-A"), "wrong-think", "no sample was answered here and has letter probabilities"),
        (run_of({"wrong-think": "AB"}), "wrong-think", "it predicts from base, which was not run"),
        (told([0.9, 0.8], "--"), "wrong-think", "none of the 2 replies could be read"),
    ],
)
def test_where_there_is_nothing_to_predict_there_is_no_figure(
    run: Evaluation, condition: str, reason: str
) -> None:
    assert "p_base_auroc" not in run.figures(condition)
    with pytest.raises(VacuousError) as caught:
        run.figure(condition, "p_base_auroc")
    assert reason in str(caught.value)


def test_the_entropy_predicts_under_base_too() -> None:
    assert told([0.9, 0.2], "AB").figure("base", "entropy_auroc").n == 2


# --- gates ---------------------------------------------------------------------------------------------


def test_the_assertion_passes_and_fails_at_its_bound() -> None:
    run = told([0.9, 0.8, 0.7, 0.6], "ABAB")
    assert_robustness_auroc(run, "wrong-think", min_auroc=0.75)
    with pytest.raises(AssertionError) as caught:
        assert_robustness_auroc(run, "wrong-think", min_auroc=0.76)
    lines = str(caught.value).splitlines()
    assert lines[0] == (
        "P_base tells right from wrong under wrong-think with an AUROC of 0.750; min_auroc is 0.76"
    )
    assert "      under base P_base 0.800" in lines
    assert_robustness_auroc(run, "wrong-think", min_auroc=0.75, predictor="entropy")


def test_a_sure_verdict_stands_on_the_interval() -> None:
    run = drawn(400)
    assert_robustness_auroc(run, "wrong-think", min_auroc=0.6, mode="confident")
    value = run.figure("wrong-think", "p_base_auroc").value
    with pytest.raises(AssertionError, match="inconclusive"):
        assert_robustness_auroc(run, "wrong-think", min_auroc=value - 0.001, mode="confident")


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"predictor": "pbase"}, UsageError, "unknown predictor 'pbase': did you mean 'p_base'"),
        ({"min_auroc": 75}, UsageError, "for 75 percent say 0.75"),
        ({"confidence": 0.4}, UsageError, "confidence"),
        ({"condition": "stop-think"}, VacuousError, "condition 'stop-think' was not run"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(
    change: dict[str, Any], error: type[Exception], message: str
) -> None:
    run = told([0.9, 0.8], "AB")
    arguments = {"condition": "wrong-think", "min_auroc": 0.5, **change}
    with pytest.raises(error) as caught:
        assert_robustness_auroc(run, arguments.pop("condition"), **arguments)
    assert message in str(caught.value)


def test_too_few_probabilities_under_base_are_no_basis() -> None:
    run = told([0.9, 0.8, None, None], "ABAB")
    with pytest.raises(VacuousError, match=r"2 of 4 replies .* came without letter probabilities"):
        assert_robustness_auroc(run, "wrong-think", min_auroc=0.5)


def test_the_calibration_error_tells_its_bias_and_allows_no_sure_verdict() -> None:
    run = drawn(200)
    gate = Gate("calibration_error", "wrong-think", max=0.0)
    with pytest.raises(AssertionError, match=r"by chance  0\.0\d\d on average, were all probabilities right"):
        assert_gates(run, gate)
    with pytest.raises(VacuousError, match="gate brier_score instead"):
        assert_gates(run, gate, mode="confident")
    assert_gates(run, Gate("brier_score", "wrong-think", max=1.0), mode="confident")


# --- thresholds ----------------------------------------------------------------------------------------


def test_the_threshold_is_measured_where_it_was_not_chosen() -> None:
    run = drawn(600)
    found = recommend_p_base(run, condition="wrong-think", min_accuracy=0.8)
    assert found.chosen_on + found.coverage.n == 600
    p_base = run.columns("base").probs[:, 0]
    right = run.columns("wrong-think").right
    kept = p_base >= found.threshold
    assert found.accuracy.n == found.coverage.detail["count"] < kept.sum()
    assert right[kept].mean() == pytest.approx(found.accuracy.value, abs=0.06)
    assert found == recommend_p_base(run, condition="wrong-think", min_accuracy=0.8)
    assert found != recommend_p_base(run, condition="wrong-think", min_accuracy=0.8, seed=1)


def test_the_interval_is_honest() -> None:
    """Chosen and measured on the same samples it would look better than it is; so it does not."""
    covered, gap = 0, []
    for seed in range(60):
        run = drawn(160, seed)
        found = recommend_p_base(run, condition="wrong-think", min_accuracy=0.8, seed=seed)
        # Of samples with P_base >= t the share that is right is the mean of a beta(2, 1) beyond t.
        t = found.threshold
        truth = (2 / 3) * (1 - t**3) / (1 - t**2)
        assert found.accuracy.low is not None
        assert found.accuracy.high is not None
        covered += found.accuracy.low <= truth <= found.accuracy.high
        gap.append(found.accuracy.value - truth)
    assert covered >= 54
    assert abs(float(np.mean(gap))) < 0.03


def test_a_low_entropy_is_kept_and_confidence_needs_no_truth() -> None:
    run = drawn(400)
    entropy = recommend_p_base(run, condition="wrong-think", min_accuracy=0.5, predictor="entropy")
    assert 0 < entropy.threshold < np.log(3)
    assert str(entropy).startswith("keep samples with letter entropy <= ")
    sure = recommend_p_base(run, condition="wrong-think", min_accuracy=0.5, predictor="confidence")
    assert str(sure).startswith("keep samples with P(own letter) >= ")


def test_a_recommendation_says_whether_it_is_sure_and_how_many_it_takes() -> None:
    few = recommend_p_base(told([0.9] * 60, "A" * 60), condition="wrong-think", min_accuracy=0.9)
    assert not few.confirmed
    assert "even if each were right it would take 36 samples kept to be sure of 0.9; here are 30" in str(few)
    many = recommend_p_base(drawn(600), condition="wrong-think", min_accuracy=0.8)
    assert not many.confirmed
    assert "unsure     the interval reaches below 0.8" in str(many)
    sure = recommend_p_base(told([0.9] * 200, "A" * 199 + "B"), condition="wrong-think", min_accuracy=0.8)
    assert sure.confirmed
    assert "unsure" not in str(sure)
    assert isinstance(sure, Filter)
    assert re.search(r"measured   on 100 samples; chosen on 100 others$", str(sure))


@pytest.mark.parametrize(
    ("run", "arguments", "error", "message"),
    [
        (drawn(19), {}, VacuousError, "19 samples cannot both choose and measure one; at least 20"),
        (told([0.5] * 40, "B" * 40), {}, VacuousError, "0.000 is the most that a line reaches"),
        (told([0.9, *[0.5] * 59], "A" + "B" * 59), {}, VacuousError, "half that measures, the line keeps"),
        (told([None] * 40, "A" * 40), {}, VacuousError, "gave no letter probabilities under base"),
        (drawn(40, group="g"), {}, VacuousError, "cluster"),
        (drawn(40), {"condition": "base"}, VacuousError, "P_base under base knows the right answer"),
        (drawn(40), {"min_accuracy": 90}, UsageError, "for 90 percent say 0.9"),
        (drawn(40), {"min_accuracy": float("nan")}, UsageError, "it is a fraction"),
        (drawn(40), {"confidence": 1.0}, UsageError, "confidence"),
        (drawn(40), {"seed": -1}, UsageError, "seed=-1: an integer from 0 is needed"),
        (drawn(40), {"predictor": "entropie"}, UsageError, "did you mean 'entropy'"),
        (told([0.9, None] * 20, "AB" * 20), {}, VacuousError, "20 of 40 replies (0.500) came without letter"),
        (told([0.9] * 40, "A-" * 20), {}, VacuousError, "20 of 40 replies (0.500) could not be read"),
    ],
)
def test_a_threshold_without_a_basis_is_refused(
    run: Evaluation, arguments: dict[str, Any], error: type[Exception], message: str
) -> None:
    with pytest.raises(error) as caught:
        recommend_p_base(run, **{"condition": "wrong-think", "min_accuracy": 0.9, **arguments})
    assert message in str(caught.value)


def test_the_curve_falls_in_coverage_with_the_threshold() -> None:
    curve = trace_risk(told([0.9, 0.8, 0.7, 0.2], "AABB"), condition="wrong-think")
    assert curve.coverage.tolist() == [0.25, 0.5, 0.75, 1.0]
    assert curve.risk.tolist() == pytest.approx([0, 0, 1 / 3, 0.5])
    with pytest.raises(VacuousError, match="no risk-coverage curve of p_base under 'base'"):
        trace_risk(told([0.9, 0.8], "AB"), condition="base")


# --- reports -------------------------------------------------------------------------------------------


def test_the_report_holds_tables_and_curves() -> None:
    run = drawn(300)
    document = run.to_json()
    table = document["calibration"]["conditions"]["wrong-think"]
    assert sum(row["n"] for row in table["table"]) == table["n"] == 300
    gap = sum(row["n"] * abs(row["accuracy"] - row["mean_prob"]) for row in table["table"]) / 300
    assert table["calibration_error"] == pytest.approx(gap)
    assert document["conditions"]["wrong-think"]["calibration_error"] == table["calibration_error"]
    told_of = document["predictions"]["wrong-think"]
    assert list(told_of) == ["p_base", "entropy", "confidence"]
    assert told_of["p_base"]["auroc"] == pytest.approx(run.figure("wrong-think", "p_base_auroc").value)
    curve = told_of["p_base"]["curve"]
    assert len(curve) == POINTS
    assert curve[-1]["coverage"] == 1.0
    assert curve[-1]["risk"] == pytest.approx(1 - run.figure("wrong-think", "accuracy").value)
    assert list(document["predictions"]["base"]) == ["entropy", "confidence"]
    entropies = [point["threshold"] for point in told_of["entropy"]["curve"]]
    assert entropies == sorted(entropies)
    assert entropies[0] >= 0
    assert Evaluation.from_json(json.loads(json.dumps(document))).to_json() == document


@pytest.mark.parametrize("name", ["calibration", "predictions"])
def test_a_changed_table_is_refused(name: str) -> None:
    document = drawn(30).to_json()
    changed = copy.deepcopy(document)
    del changed[name]
    with pytest.raises(UsageError, match=f"run: {name} holds other figures than the records give"):
        Evaluation.from_json(changed)
    if name == "calibration":
        document[name]["conditions"]["wrong-think"]["table"][0]["accuracy"] += 0.01
    else:
        document[name]["wrong-think"]["p_base"]["curve"][0]["risk"] += 0.01
    with pytest.raises(UsageError, match=f"run: {name} holds other figures than the records give"):
        Evaluation.from_json(document)


def test_without_probabilities_the_report_has_neither() -> None:
    run = run_of({"base": "AB", "wrong-think": "AB"})
    assert not {"calibration", "predictions"} & set(run.to_json())


def test_the_summary_has_a_line_for_each_predictor_and_one_for_abstentions() -> None:
    run = told([0.9, 0.8, 0.7, 0.6], "ABAB", choices=CHOICES, abstention="C")
    rows = [(name, run.figures(name)) for name in run.conditions]
    assert list(prediction_lines(rows)) == [
        "AUROC of P_base for a right answer: 0.750 under wrong-think",
        "AUROC of letter entropy for a right answer: 0.750 under wrong-think",
    ]
    assert abstention_line(rows).endswith("in the table): 0.000 under base, 0.000 under wrong-think")
    plain = run_of({"base": "AB"})
    assert not list(prediction_lines([("base", plain.figures("base"))]))
    assert abstention_line([("base", plain.figures("base"))]) == ""


def test_a_name_that_is_cut_still_says_that_it_offers_to_abstain() -> None:
    assert cut_name("wrong-caption-disclaimer+abstain", 24, "…") == "wrong-caption-d…+abstain"
    assert cut_name("a-condition-of-my-own-making", 10, "~") == "a-conditi~"


# --- size ----------------------------------------------------------------------------------------------


def made_columns(probs: np.ndarray[Any, Any], letter: np.ndarray[Any, Any]) -> Columns:
    n = len(probs)
    blank = [""] * n
    return Columns(
        answer=np.zeros(n, np.int8),
        letter=letter.astype(np.int8),
        planted=np.full(n, NONE, np.int8),
        abstention=np.full(n, NONE, np.int8),
        verdict=np.full(n, 4, np.int8),
        truncated=np.zeros(n, np.bool_),
        tokens=np.zeros(n, np.int64),
        probs=probs,
        mass=np.full(n, 1.0),
        choices=[("a", "b", "c", "d")] * n,
        planted_texts=blank,
        prefills=blank,
        replies=blank,
        thoughts=[None] * n,
        reasons=blank,
        votes=[()] * n,
    )


def test_100_000_samples_under_a_condition_take_little_time() -> None:
    """Eight conditions have to take less than 5 s with all other figures."""
    rng = np.random.default_rng(0)
    probs = np.full((100_000, 8), np.nan)
    probs[:, :4] = rng.dirichlet([4, 1, 1, 1], 100_000)
    base = made_columns(probs, probs[:, :4].argmax(axis=1))
    here = made_columns(probs, np.where(rng.random(100_000) < probs[:, 0], 0, 1))
    view = View(condition="wrong-think", here=here, base=base)
    start = time.process_time()
    for name in ("p_base_auroc", "entropy_auroc", "calibration_error", "brier_score"):
        assert METRICS[name].measure(view).n == 100_000
    calibration_to_json([view])
    predictions_to_json([view])
    assert time.process_time() - start < 2.5
