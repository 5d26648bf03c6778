from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from statsmodels.stats.inter_rater import cohens_kappa

from pytest_vlmrobust.core.agreement import cohen_kappa, fleiss_kappa
from pytest_vlmrobust.core.kappas import cohen_interval, fleiss_interval
from pytest_vlmrobust.errors import UsageError, VacuousError


def votes(rng: np.random.Generator, n: int, sure: float) -> NDArray[np.int64]:
    truth = rng.integers(0, 3, n)
    return np.where(rng.random((n, 3)) < sure, truth[:, None], rng.integers(0, 3, (n, 3)))


@settings(max_examples=200)
@given(seed=st.integers(0, 10**6), n=st.integers(10, 100), sure=st.floats(0.1, 0.95))
def test_the_interval_of_cohens_kappa_holds_that_of_statsmodels(seed: int, n: int, sure: float) -> None:
    first, second, _ = votes(np.random.default_rng(seed), n, sure).T
    if (first == second).all():  # the reference divides by its error of 0
        return
    table = np.zeros((3, 3))
    np.add.at(table, (first, second), 1)
    reference = cohens_kappa(table)
    interval = cohen_interval(first, second)
    assert interval.low <= max(-1.0, reference.kappa_low) + 1e-9
    assert interval.high >= min(1.0, reference.kappa_upp) - 1e-9
    assert cohen_kappa(first, second).value in interval


def test_with_many_cases_the_interval_of_cohens_kappa_comes_to_that_of_statsmodels() -> None:
    first, second, _ = votes(np.random.default_rng(0), 20_000, 0.6).T
    table = np.zeros((3, 3))
    np.add.at(table, (first, second), 1)
    reference = cohens_kappa(table)
    interval = cohen_interval(first, second)
    width = reference.kappa_upp - reference.kappa_low
    assert interval.low == pytest.approx(reference.kappa_low, abs=0.1 * width)
    assert interval.high == pytest.approx(reference.kappa_upp, abs=0.1 * width)


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_the_interval_of_fleiss_kappa_is_about_that_of_the_jackknife(seed: int) -> None:
    ballots = votes(np.random.default_rng(seed), 200, 0.7)
    value = fleiss_kappa(ballots).value
    without = [fleiss_kappa(np.delete(ballots, case, axis=0)).value for case in range(200)]
    half = 1.96 * float(np.sqrt(199 / 200 * ((np.array(without) - np.mean(without)) ** 2).sum()))
    interval = fleiss_interval(ballots)
    assert interval.low <= value - 0.95 * half
    assert interval.high >= value + 0.95 * half
    assert interval.high - interval.low < 3 * half


@pytest.mark.parametrize(("n", "sure"), [(20, 0.9), (100, 0.7)])
def test_the_intervals_cover_the_truth(n: int, sure: float) -> None:
    rng = np.random.default_rng(0)
    many = votes(rng, 200_000, sure)
    truth, pair = fleiss_kappa(many).value, cohen_kappa(many[:, 0], many[:, 1]).value
    covered = np.zeros(2)
    for _ in range(200):
        ballots = votes(rng, n, sure)
        covered += [truth in fleiss_interval(ballots), pair in cohen_interval(ballots[:, 0], ballots[:, 1])]
    assert (covered / 200 >= 0.93).all()


def test_clusters_widen_the_interval() -> None:
    ballots = np.repeat(votes(np.random.default_rng(0), 50, 0.8), 4, axis=0)
    blind, seeing = fleiss_interval(ballots), fleiss_interval(ballots, clusters=np.arange(200) // 4)
    assert seeing.high - seeing.low > 1.5 * (blind.high - blind.low)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: cohen_interval(np.array([0]), np.array([1])), VacuousError, "an interval needs at least 2"),
        (
            lambda: cohen_interval(np.ones(3, dtype=int), np.ones(3, dtype=int)),
            VacuousError,
            "of one category",
        ),
        (
            lambda: fleiss_interval(np.array([[0, 1], [1, 1]]), clusters=np.zeros(2, dtype=int)),
            VacuousError,
            "all 2 samples are of one cluster",
        ),
        (lambda: fleiss_interval(np.array([[0, 1], [1, 1]]), confidence=3), UsageError, "confidence=3"),
        (lambda: fleiss_interval(np.array([0, 1])), UsageError, "votes must be a 2-D integer array"),
    ],
)
def test_bad_input_is_refused(call: object, error: type[Exception], message: str) -> None:
    assert callable(call)
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)
