from __future__ import annotations

import math

import numpy as np
import pytest
import statsmodels.api as sm
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import beta, t

from pytest_vlmrobust.core.clustered import (
    cluster_difference,
    cluster_difference_tails,
    cluster_mean,
    cluster_rate,
    cluster_rate_tails,
    effective_samples,
)
from pytest_vlmrobust.core.exact import exact_difference, exact_rate
from pytest_vlmrobust.errors import UsageError, VacuousError


@settings(max_examples=200)
@given(seed=st.integers(0, 10**6), rate=st.floats(0.05, 0.95), clusters=st.integers(3, 40))
def test_the_design_effect_is_that_of_cluster_robust_least_squares(
    seed: int, rate: float, clusters: int
) -> None:
    rng = np.random.default_rng(seed)
    groups = np.concatenate([np.arange(clusters), rng.integers(0, clusters, 3 * clusters)])
    values = rng.random(groups.size) < rng.beta(2 * rate, 2 * (1 - rate), clusters)[groups]
    n = groups.size
    if values.all() or not values.any():
        return
    numbers = values.astype(np.float64)
    fit = sm.OLS(numbers, np.ones(n)).fit(cov_type="cluster", cov_kwds={"groups": groups})
    design = max(1.0, float(fit.bse[0]) ** 2 / (numbers.var(ddof=1) / n))
    having, lacking = np.unique(groups[values]).size, np.unique(groups[~values]).size
    lean = 2 / (2 + min(having, lacking))
    worst = (np.bincount(groups) ** 2).sum() / n
    assert effective_samples(values, groups) == pytest.approx(n / ((1 - lean) * design + lean * worst))


@settings(max_examples=50)
@given(hits=st.lists(st.booleans(), min_size=2, max_size=80))
def test_a_rate_of_single_samples_has_the_plain_exact_interval(hits: list[bool]) -> None:
    flags = np.array(hits)
    interval, plain = cluster_rate(flags, np.arange(flags.size)), exact_rate(int(flags.sum()), flags.size)
    assert (interval.low, interval.high) == pytest.approx((plain.low, plain.high))


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_a_difference_of_single_samples_has_the_plain_exact_interval(seed: int) -> None:
    before, after = np.random.default_rng(seed).random((2, 40)) < 0.7
    interval = cluster_difference(before, after, np.arange(40))
    plain = exact_difference(int((before & ~after).sum()), int((~before & after).sum()), 40)
    assert (interval.low, interval.high) == pytest.approx((plain.low, plain.high))


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6))
def test_the_interval_of_a_rate_is_korn_and_graubards(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = np.arange(60) // 3
    hits = rng.random(60) < rng.random(20)[groups]
    n = effective_samples(hits, groups) * (1.959963984540054 / t.ppf(0.975, 19)) ** 2
    count = hits.mean() * n
    interval = cluster_rate(hits, groups)
    assert interval.low == pytest.approx(beta.ppf(0.025, count, n - count + 1), abs=1e-9)
    assert interval.high == pytest.approx(beta.ppf(0.975, count + 1, n - count), abs=1e-9)


@settings(max_examples=50)
@given(seed=st.integers(0, 10**6), threshold=st.floats(0.01, 0.9))
def test_tails_and_intervals_agree(seed: int, threshold: float) -> None:
    rng = np.random.default_rng(seed)
    groups = np.arange(60) // 3
    before, after = rng.random(60) < 0.8, rng.random(60) < 0.7
    for tails, interval in (
        (cluster_rate_tails(after, groups, threshold), cluster_rate(after, groups)),
        (
            cluster_difference_tails(before, after, groups, threshold),
            cluster_difference(before, after, groups),
        ),
    ):
        near = min(abs(threshold - interval.low), abs(threshold - interval.high)) < 0.02
        assert near or (threshold in interval) == (min(tails.at_least, tails.at_most) > 0.025)


def test_clusters_widen_what_they_hold_in_common() -> None:
    wrong = np.repeat(np.random.default_rng(0).random(30) < 0.3, 4)
    alone, fours = cluster_rate(wrong, np.arange(120)), cluster_rate(wrong, np.arange(120) // 4)
    assert fours.high - fours.low > 1.6 * (alone.high - alone.low)


def test_two_clusters_show_next_to_nothing() -> None:
    before, after = np.ones(8, dtype=np.bool_), np.array([True, False] * 4)
    halves = np.arange(8) // 4
    rate, drop = cluster_rate(after, halves), cluster_difference(before, after, halves)
    assert rate.high - rate.low > 0.95
    assert drop.high - drop.low > 0.95


def test_all_right_in_clusters_leaves_open_what_so_many_clusters_do() -> None:
    right = np.ones(40, dtype=np.bool_)
    assert effective_samples(right, np.arange(40) // 4) == 10
    assert cluster_rate(right, np.arange(40) // 4).low < exact_rate(40, 40).low
    drop = cluster_difference(right, right, np.arange(40) // 4)
    assert drop.low < -0.2 < 0.2 < drop.high


@pytest.mark.parametrize(("size", "correlation"), [(1, 0.0), (4, 0.0), (4, 0.5), (4, 1.0)])
@pytest.mark.parametrize("rate", [0.3, 0.9])
def test_the_interval_of_a_rate_covers_the_truth(size: int, correlation: float, rate: float) -> None:
    """About the same as ``benchmarks/coverage.py``, in few cells; 400 runs allow 0.03 of chance."""
    rng = np.random.default_rng(1)
    groups, covered = np.arange(80) // size, 0
    for _ in range(400):
        spread = (1 - correlation) / correlation if 0 < correlation < 1 else 1.0
        chances = rng.beta(rate * spread, (1 - rate) * spread, 80 // size)
        if correlation in (0.0, 1.0):
            chances = np.full(80, rate) if correlation == 0 else (rng.random(80) < rate).astype(float)
        tails = cluster_rate_tails(rng.random(80) < chances[groups], groups, rate)
        covered += min(tails.at_least, tails.at_most) > 0.025
    assert covered / 400 >= 0.94


@settings(max_examples=100)
@given(
    values=st.lists(st.integers(0, 1000).map(lambda number: number / 1000), min_size=2, max_size=60),
    width=st.floats(0.5, 3),
    confidence=st.floats(0.6, 0.99),
)
def test_the_interval_of_a_mean_keeps_to_its_bounds(
    values: list[float], width: float, confidence: float
) -> None:
    numbers = np.array(values)
    unit = cluster_mean(numbers, confidence=confidence)
    assert -1e-12 <= unit.low <= numbers.mean() + 1e-9
    assert numbers.mean() - 1e-9 <= unit.high <= 1 + 1e-12
    scaled = cluster_mean(numbers * width - 1, bounds=(-1, width - 1), confidence=confidence)
    assert scaled.low == pytest.approx(unit.low * width - 1, abs=1e-6)
    assert scaled.high == pytest.approx(unit.high * width - 1, abs=1e-6)


def test_with_many_samples_the_interval_of_a_mean_comes_to_students() -> None:
    values = np.random.default_rng(0).random(4000)
    interval = cluster_mean(values)
    half = t.ppf(0.975, 3999) * values.std(ddof=1) / math.sqrt(4000)
    assert interval.low == pytest.approx(values.mean() - half, abs=3e-4)
    assert interval.high == pytest.approx(values.mean() + half, abs=3e-4)


@pytest.mark.parametrize("share", [0.05, 0.01])
def test_the_interval_of_a_mean_covers_where_a_few_are_far_off(share: float) -> None:
    rng = np.random.default_rng(0)
    truth = 0.98 - 0.96 * share
    covered = sum(truth in cluster_mean(np.where(rng.random(100) < share, 0.02, 0.98)) for _ in range(300))
    assert covered / 300 >= 0.93


FLAGS = np.array([True, False, True, True])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: cluster_rate(FLAGS, np.zeros(4, dtype=int)),
            VacuousError,
            "all 4 samples are of one cluster",
        ),
        (
            lambda: cluster_difference(FLAGS, FLAGS, np.ones(4, dtype=int)),
            VacuousError,
            "an interval needs samples of at least 2 clusters",
        ),
        (lambda: cluster_rate(FLAGS.astype(int), np.arange(4)), UsageError, "hits must be a 1-D bool array"),
        (lambda: cluster_rate(FLAGS, np.arange(4), confidence=0.5), UsageError, "confidence=0.5"),
        (lambda: cluster_rate_tails(FLAGS, np.arange(4), -0.1), UsageError, "threshold=-0.1: a rate"),
        (lambda: effective_samples(np.array([np.nan, 1.0]), np.arange(2)), UsageError, "of finite numbers"),
        (lambda: cluster_mean(np.array([0.3])), VacuousError, "one sample shows no spread"),
        (lambda: cluster_mean(np.array([])), VacuousError, "no samples, so there is nothing to measure"),
        (lambda: cluster_mean(np.array([0.3, np.nan, 0.5])), UsageError, "1 of 3 values are NaN"),
        (lambda: cluster_mean(np.array([0.3, 1.5])), UsageError, "values from 0.3 to 1.5 are not within"),
        (lambda: cluster_mean(np.array([1, 0])), UsageError, "values must be a 1-D float array"),
        (
            lambda: cluster_mean(np.array([0.1, 0.2]), bounds=(1, 0)),
            UsageError,
            "bounds=(1, 0): give the least",
        ),
    ],
)
def test_bad_input_is_refused(call: object, error: type[Exception], message: str) -> None:
    assert callable(call)
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)
