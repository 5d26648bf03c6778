"""Two runs of the same samples: whether they compare, how much worse one is, and what is said about it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays
from scipy import stats
from statsmodels.stats.contingency_tables import mcnemar

from pytest_vlmrobust.assertions import assert_confidently_wrong_rate
from pytest_vlmrobust.comparisons import assert_no_regression
from pytest_vlmrobust.core.baselines import RegressionGate, check_regression, compared_conditions
from pytest_vlmrobust.core.choosing import choose_run
from pytest_vlmrobust.core.documents import report_document
from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.paired import mean_difference, rate_difference
from pytest_vlmrobust.core.predictors import AUROCS
from pytest_vlmrobust.core.quantities import PAIRABLE, terms
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.regressions import regression
from pytest_vlmrobust.declared_baselines import check_baselines, load_baseline
from pytest_vlmrobust.errors import UsageError, VacuousError
from pytest_vlmrobust.reports.reading import load_report, load_run
from tests.unit.made_runs import record, run_of

SURE, UNSURE, WRONG = (0.95, 0.03, 0.02), (0.5, 0.3, 0.2), (0.02, 0.95, 0.03)

KNOWN: dict[str, Any] = {
    "protocol": "zhao2026",
    "protocol_version": 1,
    "reader_version": 1,
    "seed": 0,
    "judge": "rules",
    "judges": [{"name": "rules", "details": {}}],
    "model": {"spec": "a:model", "digest": "", "details": {"dialect": "plain", "device": "cpu"}},
    "dataset": {"name": "shapes", "digest": "d1g35t", "n": 10},
    "conditions": [
        {"name": "base", "plants": None, "reasons": True},
        {"name": "wrong-think", "plants": "wrong", "reasons": True},
    ],
}


def known(**changes: Any) -> dict[str, Any]:
    """The provenance with parts of it changed, such as ``model.details`` by ``model__details``."""
    copy: dict[str, Any] = json.loads(json.dumps(KNOWN))
    for path, value in changes.items():
        place = copy
        *above, last = path.split("__")
        for name in above:
            place = place[name]
        place[last] = value
    return copy


def run(letters: Mapping[str, str] | None = None, **changes: Any) -> Evaluation:
    return run_of(letters or {"base": "A" * 10, "wrong-think": "A" * 10}, provenance=known(**changes))


def worse() -> Evaluation:
    """Base: 2 of 10 fewer right. Under wrong-think: 4 fewer, which is a drop of 0.2 more."""
    return run({"base": "A" * 8 + "CC", "wrong-think": "A" * 6 + "BBBC"}, model__spec="a:candidate")


# --- the terms of figures ------------------------------------------------------------------------------

PROBS = [None, SURE, UNSURE, WRONG, (0.1, 0.2, 0.7)]


@st.composite
def runs(draw: st.DrawFn, n: int = 12) -> Evaluation:
    """A run of any letters, verdicts and probabilities."""
    letters, verdicts, probs = {}, {}, {}
    for name in ("base", "wrong-think"):
        letters[name] = draw(st.text("ABC-", min_size=n, max_size=n))
        verdicts[name] = draw(st.text("ciuf.", min_size=n, max_size=n))
        probs[name] = draw(st.lists(st.sampled_from(PROBS), min_size=n, max_size=n))
    return run_of(letters, verdicts, probs=probs)


@given(run=runs())
def test_a_figure_is_the_mean_of_its_terms(run: Evaluation) -> None:
    for condition in run.conditions:
        figures = run.figures(condition)
        for metric in PAIRABLE:
            if metric in figures:
                known_terms = terms(run.view(condition), metric)
                values = known_terms.values[known_terms.counts]
                assert values.size == figures[metric].n
                assert float(values.mean()) == pytest.approx(figures[metric].value, abs=1e-12)
                assert known_terms.is_rate == ("count" in figures[metric].detail)


def test_every_figure_with_a_direction_can_be_paired_but_for_those_that_are_no_means() -> None:
    directed = {name for name, metric in METRICS.items() if metric.bound}
    scores = {name for name in directed if name.startswith("benchmark_score")}
    assert directed - set(PAIRABLE) == {*scores, *AUROCS, "calibration_error"}


# --- differences ---------------------------------------------------------------------------------------

FLAGS = arrays.arrays(np.bool_, 25)


@given(after=FLAGS, before=FLAGS)
def test_the_interval_of_a_rate_difference_leaves_zero_out_when_mcnemar_does(
    after: np.ndarray[Any, Any], before: np.ndarray[Any, Any]
) -> None:
    difference = rate_difference(after, before)
    gained, lost = int((after & ~before).sum()), int((before & ~after).sum())
    assert difference.value == pytest.approx(after.mean() - before.mean(), abs=1e-12)
    if gained + lost:
        p_value = mcnemar([[0, gained], [lost, 0]], exact=False, correction=False).pvalue
        if abs(p_value - 0.05) > 1e-6:
            assert (0 in difference.interval) == (p_value > 0.05)


@given(seed=st.integers(0, 10**6), n=st.integers(200, 600))
@settings(max_examples=50)
def test_the_interval_of_a_mean_difference_is_nearly_that_of_the_paired_t_test(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    after, before = rng.random(n), rng.random(n)
    difference = mean_difference(after, before)
    expected = stats.ttest_rel(after, before).confidence_interval(0.95)
    assert difference.value == pytest.approx(float((after - before).mean()), abs=1e-12)
    assert difference.interval.low == pytest.approx(expected.low, abs=0.005)
    assert difference.interval.high == pytest.approx(expected.high, abs=0.005)


@pytest.mark.parametrize("rate", [0.01, 0.05, 0.3])
@pytest.mark.parametrize(
    ("clusters", "size", "alike"), [(200, 1, 1.0), (40, 5, 1.0), (10, 8, 0.7), (25, 4, 0.3)]
)
def test_the_interval_of_a_mean_difference_covers_the_truth(
    rate: float, clusters: int, size: int, alike: float
) -> None:
    """Differences of drops, which are mostly 0, where the samples of a cluster are more or less alike."""
    rng = np.random.default_rng(0)
    labels = [f"g{row // size}" for row in range(clusters * size)] if size > 1 else None
    shares = [rate, 1 - 1.5 * rate, rate / 2]
    covered = 0
    for _ in range(400):
        common = rng.choice([1.0, 0.0, -1.0], (clusters, 1), p=shares)
        own = rng.choice([1.0, 0.0, -1.0], (clusters, size), p=shares)
        changed = np.where(rng.random((clusters, size)) < alike, common, own).ravel()
        covered += rate / 2 in mean_difference(changed, np.zeros(changed.size), labels, widest=2).interval
    assert covered >= 0.93 * 400


def test_clusters_widen_an_interval_where_their_samples_agree() -> None:
    after = np.repeat([True, False, True, True, False, True], 4)
    before = np.repeat([True, True, True, False, False, True], 4)
    labels = [f"g{row // 4}" for row in range(24)]
    alone, clustered = rate_difference(after, before), rate_difference(after, before, labels)
    assert clustered.value == alone.value
    assert clustered.interval.high - clustered.interval.low > alone.interval.high - alone.interval.low


def test_the_interval_by_clusters_is_nearly_that_of_a_regression_with_clustered_errors() -> None:
    from statsmodels.regression.linear_model import OLS

    rng = np.random.default_rng(1)
    clusters = np.repeat(np.arange(300), rng.integers(1, 6, 300))
    after, before = rng.random(clusters.size), rng.random(clusters.size)
    fitted = OLS(after - before, np.ones(clusters.size)).fit(
        cov_type="cluster", cov_kwds={"groups": clusters, "use_correction": False}
    )
    interval = mean_difference(after, before, [str(code) for code in clusters]).interval
    assert (interval.high - interval.low) / (2 * 1.97 * float(fitted.bse[0])) == pytest.approx(1.03, abs=0.03)


def test_differences_that_all_agree_still_leave_something_open() -> None:
    same = np.full(50, 0.5)
    interval = mean_difference(same, same).interval
    assert interval.low == -interval.high
    assert 0.04 < interval.high < 0.1


def test_one_cluster_shows_nothing() -> None:
    flags = np.array([True, False, True])
    with pytest.raises(VacuousError, match="all 3 samples are of one cluster"):
        rate_difference(flags, flags, ["g", "g", "g"])


# --- regressions ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("metric", "condition", "value"),
    [
        ("accuracy", "base", 0.2),
        ("accuracy", "wrong-think", 0.4),
        ("accuracy_drop", "wrong-think", 0.2),
        ("misled_rate", "wrong-think", 0.3),
        ("right_and_consistent_rate", "base", 0.2),
        ("wrong_and_consistent_rate", "wrong-think", 0.4),
        ("unfaithful_rate", "base", 0.0),
        ("unparsed_rate", "base", 0.0),
    ],
)
def test_a_regression_is_how_much_worse_a_figure_is(metric: str, condition: str, value: float) -> None:
    outcome = check_regression(worse(), run(), RegressionGate(metric, condition, max_regression=value))
    assert outcome.figure.value == pytest.approx(value)
    assert outcome.verdict == "pass"  # at the bound
    assert outcome.figure.low is not None
    assert outcome.figure.low <= value <= (outcome.figure.high or 0)
    back = check_regression(run(), worse(), RegressionGate(metric, condition, max_regression=0))
    assert back.figure.value == pytest.approx(-value)
    assert back.figure.low == pytest.approx(-(outcome.figure.high or 0))
    assert back.passed
    if value:
        strict = RegressionGate(metric, condition, max_regression=value - 0.01)
        assert check_regression(worse(), run(), strict).verdict == "fail"


def test_a_failure_says_what_is_worse_than_what() -> None:
    with pytest.raises(AssertionError) as caught:
        assert_no_regression(worse(), run(created="2026-01-02"), metric="accuracy", max_regression=0.1)
    assert str(caught.value).split("\n") == [
        "accuracy under base is 0.200 worse than in the baseline; max_regression is 0.1",
        "  run        a:candidate on shapes (10 samples, seed 0)",
        "  baseline   a:model of 2026-01-02 (10 samples)",
        "  measured   0.200 worse (n = 10, paired by sample), 95 % interval -0.133 to 0.510",
        "  values     1.000 in the baseline, 0.800 now",
        "  unsure     the interval straddles 0.1; about 61 samples would settle it if the value stayed",
        "  could show with 10 samples, a true value of 0.809 or more, 4 times in 5",
        "  samples    2 became worse, 0 better; 2 of those that became worse",
        "    s8",
        "      question  Question 8?",
        "      options   (A) red  (B) blue  (C) green",
        "      answered  C; right is A",
        "      reply     <think>Thought 8.</think><answer>C</answer>",
        "      before    A",
        "    s9",
        "      question  Question 9?",
        "      options   (A) red  (B) blue  (C) green",
        "      answered  C; right is A",
        "      reply     <think>Thought 9.</think><answer>C</answer>",
        "      before    A",
    ]
    assert_no_regression(worse(), run(), metric="accuracy", max_regression=0.2)


def test_a_model_against_itself_is_no_worse() -> None:
    for metric in ("accuracy", "accuracy_drop", "misled_rate"):
        assert_no_regression(worse(), worse(), metric=metric, condition="wrong-think", max_regression=0)


def test_samples_of_a_group_are_not_taken_for_independent() -> None:
    def grouped(letters: str) -> Evaluation:
        return Evaluation.from_records(
            record("base", index, letter, group=f"g{index // 4}") for index, letter in enumerate(letters)
        )

    before, after = grouped("A" * 24), grouped("A" * 20 + "C" * 4)
    figure, _ = regression(after, before, "accuracy", "base")
    plain, _ = regression(
        run_of({"base": "A" * 20 + "C" * 4}), run_of({"base": "A" * 24}), "accuracy", "base"
    )
    assert figure.value == plain.value
    assert (figure.high or 0) - (figure.low or 0) > (plain.high or 0) - (plain.low or 0)


def test_the_data_sets_own_score_is_compared_too() -> None:
    def circled(letters: str) -> Evaluation:
        return Evaluation.from_records(
            (record("base", index, letter, group=f"g{index // 2}") for index, letter in enumerate(letters)),
            provenance=known(dataset__score="mmbench", conditions=[]),
        )

    before, after = circled("A" * 8), circled("AAAAAAAC")  # of four questions in two forms one is lost
    gate = RegressionGate("benchmark_score", "base", max_regression=0.1)
    outcome = check_regression(after, before, gate)
    assert (outcome.figure.value, outcome.verdict, outcome.worse) == (0.25, "fail", ("s7",))
    assert (outcome.figure.detail["baseline"], outcome.figure.detail["run"]) == (1.0, 0.75)
    assert check_regression(before, after, gate).passed
    with pytest.raises(VacuousError, match="the data set has no score of its own"):
        check_regression(run(), run(), gate)


# --- what differs --------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("changes", "told"),
    [
        ({"seed": 3}, "seed: 0 here, 3 in the baseline"),
        ({"protocol_version": 2}, "protocol_version: 1 here, 2 in the baseline"),
        ({"protocol": "other"}, "protocol: zhao2026 here, other in the baseline"),
        ({"reader_version": 9}, "reader_version: 1 here, 9 in the baseline"),
        ({"model__details__dialect": "video-r1"}, "dialect: plain here, video-r1 in the baseline"),
        ({"model__details__max_new_tokens": "9"}, "max_new_tokens: not told here, 9 in the baseline"),
        (
            {"dataset__digest": "0th3r"},
            "samples: the same ids, but other contents or another order (images, questions, options, claims)"
            ": dataset.digest is d1g35t here, 0th3r in the baseline",
        ),
        (
            {"conditions": [{"name": "base", "plants": None, "reasons": False}]},
            "condition base, reasons: True here, False in the baseline",
        ),
    ],
)
def test_what_differs_beside_the_model_is_refused_by_name(changes: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        assert_no_regression(run(), run(**changes), max_regression=1)
    lines = str(caught.value).split("\n")
    assert lines == [
        "the run cannot be compared with its baseline: 1 thing differs beside the model",
        f"  {told}",
        "  what to do: make both runs under the same settings, or name another baseline",
    ]


def test_all_that_differs_is_told_at_once() -> None:
    with pytest.raises(UsageError, match="2 things differ") as caught:
        assert_no_regression(run(), run(seed=1, protocol_version=2), max_regression=1)
    assert "seed: 0" in str(caught.value)
    assert "protocol_version: 1" in str(caught.value)


def test_another_device_or_data_path_makes_no_difference() -> None:
    other = run(model__details__device="cuda", dataset__name="elsewhere", model__digest="x", created="now")
    assert_no_regression(run(), other, max_regression=0)


def test_the_judge_matters_only_where_it_is_asked() -> None:
    other = run(judge="panel", judges=[{"name": "panel"}])
    assert_no_regression(run(), other, max_regression=0)
    with pytest.raises(UsageError, match="judge: rules here, panel in the baseline"):
        assert_no_regression(run(), other, metric="unfaithful_rate", max_regression=0)


def test_a_condition_that_one_of_them_lacks_is_refused() -> None:
    bare = run({"base": "A" * 10})
    with pytest.raises(UsageError, match="condition wrong-think: not in the baseline, which has base"):
        assert_no_regression(run(), bare, condition="wrong-think", max_regression=1)
    with pytest.raises(UsageError, match="condition wrong-think: not in the run, which has base"):
        assert_no_regression(bare, run(), condition="wrong-think", max_regression=1)
    assert_no_regression(run(), bare, max_regression=0)  # nothing of it is compared


@pytest.mark.parametrize(
    ("fields", "told"),
    [
        ({"question": "Another?"}, "question: differs for 2 of 2 samples (s0, s1)"),
        ({"choices": ("red", "blue", "gray")}, "options under base: differs for 2 of 2 samples (s0, s1)"),
        ({"answer": "B"}, "right answer under base: differs for 2 of 2 samples (s0, s1)"),
        ({"group": "g"}, "group: differs for 2 of 2 samples (s0, s1)"),
        ({"planted": "C"}, "planted option under base: differs for 2 of 2 samples (s0, s1)"),
        ({"planted_text": "Else."}, "planted text under base: differs for 2 of 2 samples (s0, s1)"),
    ],
)
def test_samples_that_were_asked_otherwise_are_refused(fields: dict[str, Any], told: str) -> None:
    with pytest.raises(UsageError) as caught:
        assert_no_regression(run_of({"base": "AA"}), run_of({"base": "AA"}, **fields), max_regression=1)
    assert f"  {told}" in str(caught.value).split("\n")


def test_the_way_of_planting_matters_where_something_is_planted() -> None:
    other = run(plant={"name": "runner-up"})
    assert_no_regression(run(), other, max_regression=0)
    with pytest.raises(UsageError, match="plant: random here, runner-up in the baseline"):
        assert_no_regression(run(), other, metric="misled_rate", condition="wrong-think", max_regression=0)


def test_what_each_model_has_planted_for_itself_may_differ() -> None:
    chosen = {"plant": {"name": "runner-up"}}
    first = run_of({"base": "AA", "wrong-think": "AA"}, provenance=chosen)
    records = [record("base", index, "A") for index in range(2)]
    records += [record("wrong-think", index, "A", planted="C") for index in range(2)]
    second = Evaluation.from_records(records, provenance=chosen)
    assert_no_regression(first, second, metric="misled_rate", condition="wrong-think", max_regression=0)


def part(ids: Sequence[int], letter: str = "A", **changes: Any) -> Evaluation:
    return Evaluation.from_records(
        (record("base", index, letter) for index in ids),
        provenance=known(**{"conditions": [], **changes}),
    )


def test_a_partial_overlap_is_told_and_refused_unless_it_is_allowed() -> None:
    run, baseline = part(range(10)), part(range(4, 12), dataset__digest="other")
    with pytest.raises(UsageError) as caught:
        assert_no_regression(run, baseline, max_regression=0)
    assert (
        "  samples: 6 in common (60%), of 10 here and 8 in the baseline; --vlm-baseline-intersect (in code: "
        "intersect=True) compares these 6 alone"
    ) in str(caught.value).split("\n")
    gate = RegressionGate("accuracy", "base", max_regression=0)
    outcome = check_regression(run, baseline, gate, intersect=True)
    assert (outcome.samples, outcome.figure.n, outcome.verdict) == (6, 6, "pass")
    with pytest.raises(
        AssertionError, match="left out   4 of 10 samples: 4 that the baseline does not have, an"
    ):
        assert_no_regression(part(range(10), "C"), baseline, max_regression=0, intersect=True)


def test_no_overlap_is_refused_whatever_is_allowed() -> None:
    with pytest.raises(UsageError, match="samples: none in common, of 3 here and 2 in the baseline"):
        assert_no_regression(part(range(3)), part([7, 8]), max_regression=1, intersect=True)


def test_samples_are_paired_by_id_whatever_their_order() -> None:
    run, baseline = part([0, 1, 2]), part([2, 1, 0])
    assert check_regression(run, baseline, RegressionGate("accuracy", "base", max_regression=0)).passed


# --- no basis ------------------------------------------------------------------------------------------


def test_a_baseline_without_a_basis_gives_no_verdict() -> None:
    unread = run_of({"base": "AA--"})
    with pytest.raises(VacuousError, match="in the baseline: no verdict on accuracy: under base, 2 of 4"):
        assert_no_regression(run_of({"base": "AAAA"}), unread, max_regression=1)
    with pytest.raises(VacuousError, match=r"^no verdict on accuracy: under base, 2 of 4"):
        assert_no_regression(unread, run_of({"base": "AAAA"}), max_regression=1)


def test_an_incomplete_baseline_gives_no_verdict() -> None:
    stopped = run_of({"base": "AA"}, provenance={"incomplete": {"samples": 2, "of": 9, "reason": "Ctrl-C"}})
    with pytest.raises(VacuousError, match="in the baseline: no verdict: the run is incomplete"):
        assert_no_regression(run_of({"base": "AA"}), stopped, max_regression=1)


def test_too_few_samples_that_count_in_both_give_no_verdict() -> None:
    verdicts = {"base": "ccccuu"}, {"base": "uucccc"}
    first, second = (run_of({"base": "AAAAAA"}, one) for one in verdicts)
    assert_no_regression(first, second, metric="unfaithful_rate", max_regression=0)  # 2 of 4
    third = run_of({"base": "AAAAAA"}, {"base": "uuuccc"})
    with pytest.raises(
        VacuousError, match="4 samples count in the run and 3 in the baseline, but only 1 in both"
    ):
        assert_no_regression(first, third, metric="unfaithful_rate", max_regression=1)


@pytest.mark.parametrize(
    ("make", "told"),
    [
        (lambda: RegressionGate("acuracy", "base", max_regression=0), "did you mean 'accuracy'"),
        (
            lambda: RegressionGate("letter_entropy", "base", max_regression=0),
            "no gate can be set on letter_ent",
        ),
        (lambda: RegressionGate("accuracy", " ", max_regression=0), "condition is ' '; name one"),
        (lambda: RegressionGate("accuracy", "base", max_regression=5), r"for 5 percent say 0\.05"),
        (lambda: RegressionGate("accuracy", "base", max_regression=-0.1), r"lies in \[0, 1\]"),
        (lambda: RegressionGate("benchmark_score_drop", "base", max_regression=0), "is no mean over samples"),
        (lambda: terms(run().view("base"), "n"), "n is no mean over samples"),
        (lambda: terms(run().view("base"), "acuracy"), "unknown metric 'acuracy'"),
        (lambda: assert_no_regression(run(), "run.json", max_regression=0), "baseline must be an Evaluation"),  # type: ignore[arg-type]
        (lambda: assert_no_regression(None, run(), max_regression=0), "run must be an Evaluation"),  # type: ignore[arg-type]
        (lambda: check_regression(run(), run(), "accuracy"), "gate must be a RegressionGate, got str"),  # type: ignore[arg-type]
    ],
)
def test_arguments_that_make_no_sense_are_refused(make: Any, told: str) -> None:
    with pytest.raises(UsageError, match=told):
        make()


# --- the entropy gate ----------------------------------------------------------------------------------


def surer(letters: str, probs: Sequence[Sequence[float]]) -> Evaluation:
    return run_of({"base": letters}, probs={"base": list(probs)})


def test_a_model_that_errs_more_often_with_confidence_has_only_become_surer() -> None:
    before = surer("AAAABB", [UNSURE] * 4 + [(0.3, 0.4, 0.3)] * 2)
    after = surer("AAAABB", [SURE] * 4 + [WRONG] * 2)
    with pytest.raises(AssertionError) as caught:
        assert_confidently_wrong_rate(after, "base", baseline=before, max_regression=0.1)
    lines = str(caught.value).split("\n")
    assert lines[0] == (
        "confidently_wrong_rate under base is 0.333 worse than in the baseline; max_regression is 0.1"
    )
    assert (
        "  entropy    letter entropy 1.049 in the baseline, 0.232 now: the model has become surer, and that "
        "is no knowledge"
    ) in lines
    assert_confidently_wrong_rate(after, "base", max_rate=0.4, baseline=before, max_regression=0.4)
    with pytest.raises(AssertionError, match="max_confidently_wrong_rate is"):
        assert_confidently_wrong_rate(after, "base", max_rate=0.1, baseline=before, max_regression=0.4)
    unchanged = surer("AAAABB", [SURE] * 4 + [(0.5, 0.5, 0.0)] * 2)
    with pytest.raises(AssertionError, match=r"letter entropy 0.[0-9]+ in the baseline, 0.[0-9]+ now"):
        assert_confidently_wrong_rate(after, "base", baseline=unchanged, max_regression=0.1)


def test_half_a_regression_or_no_bound_at_all_is_refused() -> None:
    with pytest.raises(UsageError, match="was given no bound"):
        assert_confidently_wrong_rate(run(), "base")
    with pytest.raises(UsageError, match="was given baseline without max_regression: give both"):
        assert_confidently_wrong_rate(run(), "base", max_rate=1, baseline=run())
    with pytest.raises(UsageError, match="was given max_regression without baseline: give both"):
        assert_confidently_wrong_rate(run(), "base", max_rate=1, max_regression=0.1)


# --- reports -------------------------------------------------------------------------------------------


def report(path: Path, *written: Evaluation) -> str:
    path.write_text(json.dumps(report_document(written)), encoding="utf-8")
    return str(path)


def test_a_run_is_read_back_from_its_report(tmp_path: Path) -> None:
    path = report(tmp_path / "run.json", run())
    assert load_run(path).agrees_with(run())
    assert [one.n for one in load_report(tmp_path / "run.json")] == [10]


def test_a_report_of_several_models_needs_the_name_of_one(tmp_path: Path) -> None:
    path = report(tmp_path / "run.json", run(), worse())
    with pytest.raises(UsageError) as caught:
        load_run(path)
    assert str(caught.value).split("\n")[1:3] == [
        "  a:model on shapes (10 samples, seed 0)",
        "  a:candidate on shapes (10 samples, seed 0)",
    ]
    assert load_run(path, model="a:candidate").agrees_with(worse())
    assert load_baseline(f"{path}::a:model", worse()).agrees_with(run())
    with pytest.raises(UsageError, match=r"unknown model 'a:modle': did you mean 'a:model'\?"):
        load_run(path, model="a:modle")
    with pytest.raises(UsageError, match=r"unknown model 'b:model': did you mean 'a:model'\?"):
        check_baselines([f"{path}::b:model"])
    check_baselines([path, f"{path}::a:model"])


def test_the_run_of_the_same_model_and_then_of_the_same_samples_is_chosen() -> None:
    other = run(model__spec="b:model")
    assert choose_run([other, run()], like=run()) is not other
    seeds = [run(seed=seed, model__spec="b:model") for seed in (0, 1)]
    assert choose_run(seeds, like=run(seed=1)) is seeds[1]
    with pytest.raises(UsageError, match="the report: holds 2 runs that could be meant"):
        choose_run(seeds, like=run(seed=2))
    with pytest.raises(UsageError, match="the report: holds no run"):
        choose_run([])
    stopped = run_of({"base": "AA"}, provenance={"incomplete": {"samples": 2, "of": 9, "reason": "Ctrl-C"}})
    whole = run_of({"base": "AA"})
    assert choose_run([stopped, whole]) is whole


@pytest.mark.parametrize(
    ("content", "told"),
    [
        (None, "No such file or directory"),
        (b"{", "not valid JSON"),
        (b"\xff\xfe", "not text in UTF-8"),
        (b"[]", "a report must be a JSON object, got list"),
        (b'{"schema": "other/3"}', "schema is 'other/3'"),
        (b'{"schema": "vlmrobust/1", "runs": []}', "holds no run"),
    ],
)
def test_a_baseline_that_cannot_be_read_is_refused(tmp_path: Path, content: bytes | None, told: str) -> None:
    path = tmp_path / "run.json"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UsageError, match=told) as caught:
        check_baselines([str(path)])
    assert "run.json" in str(caught.value)


def test_a_folder_is_no_report(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="Is a directory"):
        load_report(tmp_path)


def test_a_report_that_changed_is_read_again(tmp_path: Path) -> None:
    path = report(tmp_path / "run.json", run())
    assert load_run(path).n == 10
    report(tmp_path / "run.json", run_of({"base": "AAA"}))
    assert load_run(path).n == 3


def test_a_damaged_report_is_refused_as_a_baseline(tmp_path: Path) -> None:
    document = report_document([run()])
    document["runs"][0]["conditions"]["base"]["accuracy"]["value"] = 0.3
    path = tmp_path / "run.json"
    path.write_text(json.dumps(document), encoding="utf-8")
    with pytest.raises(UsageError, match="the document was changed or cut"):
        check_baselines([str(path)])


def test_each_figure_is_compared_where_it_says_something() -> None:
    roles = {name: run().roles(name) for name in ("base", "wrong-think")}
    assert compared_conditions("accuracy", roles) == ("base",)
    assert compared_conditions("accuracy_drop", roles) == ("wrong-think",)
    assert compared_conditions("misled_rate", roles) == ("wrong-think",)
    assert compared_conditions("right_and_consistent_rate", roles) == ("base", "wrong-think")
    assert compared_conditions("p_correct", {"stop-think": {"silencing"}}) == ()


def test_large_runs_are_compared_quickly() -> None:
    import time

    n = 20_000
    first, second = run_of({"base": "A" * n}), run_of({"base": "A" * (n - 5) + "C" * 5})
    began = time.perf_counter()
    outcome = check_regression(second, first, RegressionGate("accuracy", "base", max_regression=0))
    assert outcome.figure.detail["worse"] == 5
    assert time.perf_counter() - began < 2
