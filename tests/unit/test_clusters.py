from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import bootstrap

from pytest_vlmrobust.core.clusters import bootstrap_totals, check_clusters, cluster_bootstrap, cluster_codes
from pytest_vlmrobust.errors import UsageError, VacuousError

Numbers = NDArray[np.float64]


def mean(totals: Numbers) -> Numbers:
    return np.asarray(totals[..., 0] / totals[..., 1])


def sums(values: Numbers) -> Numbers:
    return np.stack([values, np.ones(values.size)], axis=1)


@given(labels=st.lists(st.sampled_from(["", "cat", "dog", "owl"]), min_size=1))
def test_clusters_have_equal_numbers_where_labels_are_equal_and_not_empty(labels: list[str]) -> None:
    codes = cluster_codes(labels)
    assert set(codes.tolist()) == set(range(int(codes.max()) + 1))
    for here, there in ((i, j) for i in range(len(labels)) for j in range(i)):
        together = labels[here] == labels[there] != ""
        assert (codes[here] == codes[there]) == together


@pytest.mark.parametrize("seed", range(3))
def test_of_single_samples_it_is_near_scipys_bootstrap(seed: int) -> None:
    values = np.random.default_rng(seed).gamma(2.0, size=150)
    reference = bootstrap((values,), np.mean, n_resamples=5000, rng=1).confidence_interval
    interval = bootstrap_totals(mean, sums(values), np.arange(150), seed=0, resamples=5000)
    width = reference.high - reference.low
    assert interval.low == pytest.approx(reference.low, abs=0.06 * width)
    assert interval.high == pytest.approx(reference.high, abs=0.06 * width)


@settings(max_examples=25)
@given(seed=st.integers(0, 10**6))
def test_both_forms_agree_on_a_function_of_sums(seed: int) -> None:
    rng = np.random.default_rng(seed)
    groups = rng.integers(0, 25, 80)
    values = (rng.random(80) < 0.7).astype(np.float64)

    def weighted(weights: Numbers) -> Numbers:
        return np.asarray(weights @ values / weights.sum(axis=1))

    fast = bootstrap_totals(mean, sums(values), groups, seed=1, resamples=4000)
    slow = cluster_bootstrap(weighted, groups, seed=2, resamples=4000)
    assert fast.low == pytest.approx(slow.low, abs=0.03)
    assert fast.high == pytest.approx(slow.high, abs=0.03)


def test_the_same_seed_draws_the_same() -> None:
    values, groups = np.arange(40.0), np.arange(40) // 2
    once, twice, other = (bootstrap_totals(mean, sums(values), groups, seed=seed) for seed in (3, 3, 4))
    assert once == twice
    assert once != other


def test_clusters_that_agree_within_count_once() -> None:
    rng = np.random.default_rng(0)
    one_each = rng.random(50)
    fours = np.repeat(one_each, 4)
    once = bootstrap_totals(mean, sums(one_each), np.arange(50), seed=0)
    again = bootstrap_totals(mean, sums(fours), np.arange(200) // 4, seed=0)
    assert (again.low, again.high) == pytest.approx((once.low, once.high))


def test_strata_keep_their_sizes() -> None:
    left = np.arange(60) < 20
    values = np.stack([left, ~left], axis=1).astype(np.float64)

    def share(totals: Numbers) -> Numbers:
        return np.asarray(totals[..., 0] / totals.sum(axis=-1))

    kept = bootstrap_totals(share, values, np.arange(60), seed=0, strata=left.astype(np.intp), bounds=(0, 1))
    drawn = bootstrap_totals(share, values, np.arange(60), seed=0, bounds=(0, 1))
    assert kept.high - kept.low < drawn.high - drawn.low
    assert 1 / 3 in kept


def test_a_run_without_a_mistake_is_not_certain_to_make_none() -> None:
    values = np.ones(30)
    interval = bootstrap_totals(mean, sums(values), np.arange(30), seed=0, bounds=(0.0, 1.0))
    assert interval.high == 1
    assert interval.low == pytest.approx(1 - 1.96**2 / (30 + 1.96**2), abs=1e-4)
    with pytest.raises(VacuousError, match=r"it is 1 on every resample, so resampling shows no uncertainty"):
        bootstrap_totals(mean, sums(values), np.arange(30), seed=0)


def sometimes_undefined(totals: Numbers) -> Numbers:
    with np.errstate(invalid="ignore", divide="ignore"):
        return np.asarray(totals[..., 0] / totals[..., 1])


def test_a_statistic_that_is_often_undefined_has_no_interval() -> None:
    rare = np.zeros((40, 2))
    rare[0] = 1
    with pytest.raises(VacuousError, match=r"undefined on \d+ of 2000 resamples, so there is no interval"):
        bootstrap_totals(sometimes_undefined, rare, np.arange(40), seed=0)
    with pytest.raises(VacuousError, match="undefined on the samples, so there is no interval"):
        bootstrap_totals(sometimes_undefined, np.zeros((40, 2)), np.arange(40), seed=0)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"clusters": np.zeros(6, dtype=int)}, VacuousError, "all 6 samples are of one cluster"),
        ({"clusters": np.arange(5)}, UsageError, "there are 6 samples, but clusters for 5"),
        ({"clusters": np.arange(6.0)}, UsageError, "clusters must be a 1-D integer array"),
        ({"values": np.full((6, 2), np.nan)}, UsageError, "a 2-D array of finite numbers"),
        ({"values": np.ones(6)}, UsageError, "a 2-D array of finite numbers, got shape (6,)"),
        ({"resamples": 20}, UsageError, "resamples=20: at least 100 are needed"),
        ({"confidence": 0.3}, UsageError, "confidence=0.3"),
        ({"strata": np.array([0, 1, 0, 1, 0, 1])}, UsageError, "a cluster has samples in two strata"),
        ({"strata": np.array([0, 0, 0, 0, 1, 1])}, VacuousError, "stratum 1 has only one cluster"),
    ],
)
def test_bad_input_is_refused(change: dict[str, object], error: type[Exception], message: str) -> None:
    values = sums(np.array([1.0, 0, 1, 1, 0, 1]))
    given: dict[str, object] = {"values": values, "clusters": np.arange(6) // 2, "seed": 0, **change}
    with pytest.raises(error) as caught:
        bootstrap_totals(mean, **given)  # type: ignore[arg-type]
    assert message in str(caught.value)


def test_no_samples_are_no_clusters() -> None:
    with pytest.raises(VacuousError, match="no samples"):
        check_clusters("rate", np.array([], dtype=np.intp), 0)
