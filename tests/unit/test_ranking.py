from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.metrics import roc_auc_score

from pytest_vlmrobust.core.clustered import cluster_rate
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.ranking import auroc
from pytest_vlmrobust.core.selection import recommend_threshold, risk_coverage
from pytest_vlmrobust.errors import UsageError, VacuousError

Scores = NDArray[np.float64]
Flags = NDArray[np.bool_]


@st.composite
def scored(draw: st.DrawFn) -> tuple[Scores, Flags]:
    """Scores with ties, and outcomes of both kinds."""
    n = draw(st.integers(4, 60))
    score = draw(st.lists(st.integers(0, 12), min_size=n, max_size=n))
    outcome = draw(st.lists(st.booleans(), min_size=n - 2, max_size=n - 2))
    return np.array(score) / 12, np.array([True, False, *outcome])


def bounds(figure: Figure) -> tuple[float, float]:
    assert figure.low is not None
    assert figure.high is not None
    return figure.low, figure.high


@settings(max_examples=200)
@given(table=scored())
def test_the_area_equals_scikit_learns(table: tuple[Scores, Flags]) -> None:
    score, outcome = table
    figure = auroc(score, outcome)
    low, high = bounds(figure)
    assert figure.value == pytest.approx(roc_auc_score(outcome, score))
    assert 0 <= low <= figure.value <= high <= 1
    assert high - low > 0


@settings(max_examples=200)
@given(table=scored())
def test_the_interval_holds_delongs_on_the_logit_scale(table: tuple[Scores, Flags]) -> None:
    """DeLong's variance by its definition, pair by pair."""
    score, outcome = table
    wins = np.sign(score[outcome][:, None] - score[~outcome][None, :]) / 2 + 0.5
    if min(wins.shape) < 2:
        return
    area = wins.mean()
    variance = wins.mean(axis=1).var(ddof=1) / len(wins) + wins.mean(axis=0).var(ddof=1) / wins.shape[1]
    if not 0 < area < 1:
        return
    center, half = math.log(area / (1 - area)), 1.959964 * math.sqrt(variance) / (area * (1 - area))
    low, high = bounds(auroc(score, outcome))
    assert low <= 1 / (1 + math.exp(half - center)) + 1e-6
    assert high >= 1 / (1 + math.exp(-half - center)) - 1e-6


def test_with_many_samples_the_interval_comes_to_delongs() -> None:
    rng = np.random.default_rng(0)
    outcome = rng.random(4000) < 0.5
    score = rng.normal(size=4000) + 0.7 * outcome
    wins = (score[outcome][:, None] > score[~outcome][None, :]).astype(float)
    variance = wins.mean(axis=1).var(ddof=1) / len(wins) + wins.mean(axis=0).var(ddof=1) / wins.shape[1]
    low, high = bounds(auroc(score, outcome))
    assert high - low == pytest.approx(2 * 1.96 * math.sqrt(variance), rel=0.05)


@settings(max_examples=50)
@given(table=scored())
def test_a_score_turned_around_ranks_the_other_way(table: tuple[Scores, Flags]) -> None:
    score, outcome = table
    figure, turned = auroc(score, outcome), auroc(-score, outcome)
    assert turned.value == pytest.approx(1 - figure.value)
    assert bounds(turned)[0] == pytest.approx(1 - bounds(figure)[1], abs=1e-9)


def test_clusters_widen_the_interval_by_as_much_as_they_repeat() -> None:
    rng = np.random.default_rng(0)
    outcome = rng.random(60) < 0.5
    score = rng.normal(size=60) + outcome
    fours, labels = np.repeat(np.arange(60), 4), np.arange(240) // 4
    once = auroc(score, outcome, clusters=np.arange(60))
    again = auroc(score[fours], outcome[fours], clusters=labels)
    blind = auroc(score[fours], outcome[fours])
    assert again.value == pytest.approx(once.value)
    assert bounds(again) == pytest.approx(bounds(once), abs=0.02)
    assert bounds(blind)[1] - bounds(blind)[0] < 0.6 * (bounds(again)[1] - bounds(again)[0])


@pytest.mark.parametrize(("positives", "negatives"), [(20, 20), (45, 5)])
@pytest.mark.parametrize("area", [0.5, 0.9])
def test_the_interval_covers_the_truth(positives: int, negatives: int, area: float) -> None:
    rng = np.random.default_rng(0)
    shift = NormalDist().inv_cdf(area) * math.sqrt(2)
    outcome = np.arange(positives + negatives) < positives
    covered = 0
    for _ in range(300):
        low, high = bounds(auroc(rng.normal(size=outcome.size) + shift * outcome, outcome))
        covered += low <= area <= high
    assert covered / 300 >= 0.93


def test_a_perfect_ranking_of_few_is_not_certain() -> None:
    outcome = np.arange(10) >= 5
    low, high = bounds(auroc(np.arange(10.0), outcome))
    assert high == 1
    assert 0.6 < low < 0.9


@settings(max_examples=200)
@given(table=scored())
def test_risk_and_coverage_are_counted_at_every_threshold(table: tuple[Scores, Flags]) -> None:
    score, right = table
    curve = risk_coverage(score, right)
    for threshold, coverage, risk in zip(curve.thresholds, curve.coverage, curve.risk, strict=True):
        kept = score >= threshold
        assert coverage == pytest.approx(kept.mean())
        assert risk == pytest.approx(1 - right[kept].mean())
    assert (np.diff(curve.thresholds) < 0).all()
    assert curve.coverage[-1] == 1


@settings(max_examples=200)
@given(seed=st.integers(0, 10**6), n=st.integers(1, 50))
def test_without_ties_the_area_is_the_mean_of_the_risks(seed: int, n: int) -> None:
    rng = np.random.default_rng(seed)
    score, right = rng.permutation(n).astype(np.float64), rng.random(n) < 0.6
    order = np.argsort(-score)
    risks = [1 - right[order][: kept + 1].mean() for kept in range(n)]
    assert risk_coverage(score, right).area == pytest.approx(np.mean(risks))


@settings(max_examples=100)
@given(right=st.lists(st.booleans(), min_size=1, max_size=30))
def test_a_score_that_tells_nothing_has_the_share_of_wrong_ones_as_area(right: list[bool]) -> None:
    flags = np.array(right)
    assert risk_coverage(np.full(flags.size, 0.5), flags).area == pytest.approx(1 - flags.mean())


def test_the_measured_accuracy_is_not_that_of_the_choice() -> None:
    """Over many runs of noise, what is chosen looks good where it was chosen, and is measured as it is."""
    measured, reached = [], 0
    for seed in range(60):
        rng = np.random.default_rng(seed)
        score, right = rng.random(60), rng.random(60) < 0.5
        try:
            found = recommend_threshold(score, right, min_accuracy=0.65, seed=seed)
        except VacuousError:
            continue
        reached += 1
        measured.append(found.accuracy.value)
    assert reached > 30
    assert np.mean(measured) == pytest.approx(0.5, abs=0.06)


def test_a_recommendation_keeps_what_it_says() -> None:
    rng = np.random.default_rng(1)
    score = rng.random(4000)
    right = rng.random(4000) < score
    found = recommend_threshold(score, right, min_accuracy=0.8, seed=0)
    assert found.threshold == pytest.approx(0.6, abs=0.06)
    assert found.accuracy.value == pytest.approx(0.8, abs=0.04)
    assert found.coverage.value == pytest.approx(1 - found.threshold, abs=0.04)
    assert bounds(found.accuracy)[0] < found.accuracy.value < bounds(found.accuracy)[1]
    assert found.coverage.n + found.chosen_on == 4000
    assert found == recommend_threshold(score, right, min_accuracy=0.8, seed=0)


def test_clusters_are_not_torn_apart() -> None:
    rng = np.random.default_rng(2)
    groups = np.arange(400) // 4
    score, right = np.repeat(rng.random(100), 4), np.repeat(rng.random(100) < 0.8, 4)
    found = recommend_threshold(score, right, min_accuracy=0.5, seed=0, clusters=groups)
    assert found.chosen_on == found.coverage.n == 200
    plain = cluster_rate(np.repeat(rng.random(50) < 0.8, 4), np.arange(200))
    assert bounds(found.accuracy)[1] - bounds(found.accuracy)[0] > plain.high - plain.low


SCORE, RIGHT = np.array([0.9, 0.8, 0.4, 0.3]), np.array([True, False, True, False])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: auroc(SCORE, np.ones(4, dtype=bool)), VacuousError, "all 4 samples have the same outcome"),
        (lambda: auroc(SCORE, np.zeros(4, dtype=bool)), VacuousError, "so there is nothing to rank"),
        (lambda: auroc(SCORE, RIGHT, clusters=np.zeros(4, dtype=int)), VacuousError, "are of one cluster"),
        (lambda: auroc(SCORE[:3], RIGHT), UsageError, "the arrays are paired by sample"),
        (lambda: auroc(SCORE.astype(int), RIGHT), UsageError, "score must be a 1-D float array"),
        (lambda: auroc(np.array([0.1, np.nan, 0.2, 0.3]), RIGHT), UsageError, "1 of 4 scores are NaN"),
        (lambda: auroc(SCORE[:0], RIGHT[:0]), VacuousError, "no samples"),
        (lambda: auroc(SCORE, RIGHT, confidence=0.2), UsageError, "confidence=0.2"),
        (lambda: risk_coverage(SCORE, RIGHT.astype(int)), UsageError, "outcome must be a 1-D bool array"),
        (lambda: recommend_threshold(SCORE, RIGHT, min_accuracy=2, seed=0), UsageError, "min_accuracy=2"),
        (
            lambda: recommend_threshold(SCORE[:3], RIGHT[:3], min_accuracy=0.5, seed=0),
            VacuousError,
            "3 samples cannot be split into halves",
        ),
        (
            lambda: recommend_threshold(np.arange(40.0), np.zeros(40, dtype=bool), min_accuracy=0.5, seed=0),
            VacuousError,
            "its accuracy is below 0.5; 0.000 is the most that a line reaches",
        ),
        (
            lambda: recommend_threshold(np.arange(40.0), np.arange(40) == 39, min_accuracy=1.0, seed=4),
            VacuousError,
            "the line keeps 0 of 20 samples",
        ),
    ],
)
def test_bad_input_is_refused(call: object, error: type[Exception], message: str) -> None:
    assert callable(call)
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)
