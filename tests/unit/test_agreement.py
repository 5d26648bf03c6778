"""Kappas against the libraries that have them, and against what must hold for any."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays
from numpy.typing import NDArray
from sklearn.metrics import cohen_kappa_score
from statsmodels.stats import inter_rater

from pytest_vlmrobust.core.agreement import cohen_kappa, fleiss_kappa, strict_agreement
from pytest_vlmrobust.errors import UsageError, VacuousError

Votes = NDArray[np.int64]
CATEGORIES = st.integers(0, 3)


@st.composite
def ballots(draw: st.DrawFn, raters: int = 0) -> Votes:
    shape = (draw(st.integers(1, 40)), raters or draw(st.integers(2, 5)))
    votes: Votes = draw(arrays(np.int64, shape, elements=CATEGORIES))
    return votes


def several_used(votes: Votes) -> bool:
    return bool((votes != votes.flat[0]).any())


@given(ballots(raters=2).filter(several_used))
def test_cohens_kappa_is_that_of_scikit_learn_and_statsmodels(votes: Votes) -> None:
    first, second = votes.T
    figure = cohen_kappa(first, second)
    assert figure.value == pytest.approx(cohen_kappa_score(first, second), abs=1e-12)
    assert figure.n == len(votes)
    assert figure.detail["agreement"] == pytest.approx(float((first == second).mean()))
    table = np.zeros((4, 4))
    np.add.at(table, (first, second), 1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of its tests, which divide by a standard error of 0
        theirs: Any = inter_rater.cohens_kappa(table)
    assert figure.value == pytest.approx(theirs.kappa, abs=1e-12)
    assert figure.low is not None
    assert figure.high is not None
    if not np.isnan(theirs.kappa_low):  # the root of a variance of 0 that was rounded below 0
        assert figure.low == pytest.approx(max(-1.0, theirs.kappa_low), abs=1e-6)
        assert figure.high == pytest.approx(min(1.0, theirs.kappa_upp), abs=1e-6)


@given(ballots().filter(several_used))
def test_fleiss_kappa_is_that_of_statsmodels(votes: Votes) -> None:
    table, _ = inter_rater.aggregate_raters(votes, n_cat=4)
    figure = fleiss_kappa(votes)
    assert figure.value == pytest.approx(inter_rater.fleiss_kappa(table), abs=1e-12)
    assert figure.n == len(votes)
    assert (figure.low, figure.high) == (None, None)


@given(ballots().filter(several_used), st.randoms(use_true_random=False), st.permutations(range(4)))
def test_agreement_knows_neither_order_nor_names(votes: Votes, random: Any, renamed: list[int]) -> None:
    order = random.sample(range(votes.shape[1]), votes.shape[1])
    other = np.array(renamed)[votes[:, order]]
    assert fleiss_kappa(other).value == pytest.approx(fleiss_kappa(votes).value)
    assert strict_agreement(other) == strict_agreement(votes)


@given(st.lists(CATEGORIES, min_size=2, max_size=30).filter(lambda one: len(set(one)) > 1), st.integers(2, 4))
def test_raters_who_agree_on_all_cases_reach_1(verdicts: list[int], raters: int) -> None:
    one = np.array(verdicts)
    votes = np.stack([one] * raters, axis=1)
    assert fleiss_kappa(votes).value == 1
    assert strict_agreement(votes).value == 1
    kappa = cohen_kappa(one, one)
    assert kappa.value == kappa.high == 1
    assert kappa.low == pytest.approx(1)


@given(ballots())
def test_strict_agreement_counts_rows_of_one_value(votes: Votes) -> None:
    figure = strict_agreement(votes)
    assert figure.detail["count"] == sum(len(set(row)) == 1 for row in votes.tolist())
    assert figure.n == len(votes)
    assert figure.low is not None
    assert figure.low <= figure.value


def test_a_published_table_of_fleiss_gives_his_kappa() -> None:
    # 14 raters, 10 cases, 5 categories: the worked example that textbooks carry, kappa 0.210.
    counts = [
        (0, 0, 0, 0, 14),
        (0, 2, 6, 4, 2),
        (0, 0, 3, 5, 6),
        (0, 3, 9, 2, 0),
        (2, 2, 8, 1, 1),
        (7, 7, 0, 0, 0),
        (3, 2, 6, 3, 0),
        (2, 5, 3, 2, 2),
        (6, 5, 2, 1, 0),
        (0, 2, 2, 3, 7),
    ]
    votes = np.array([[c for c, count in enumerate(row) for _ in range(count)] for row in counts])
    assert fleiss_kappa(votes).value == pytest.approx(0.210, abs=5e-4)


ONES = np.ones(3, dtype=np.int64)


def test_where_chance_agrees_as_well_there_is_no_kappa() -> None:
    with pytest.raises(VacuousError, match="kappa: every verdict is of one category, so chance alone"):
        cohen_kappa(ONES, ONES)
    with pytest.raises(VacuousError, match="panel_kappa: every vote is for one category, so chance alone"):
        fleiss_kappa(np.stack([ONES, ONES], axis=1))


def test_what_cannot_be_compared_is_refused() -> None:
    with pytest.raises(UsageError, match="first must be a 1-D integer array"):
        cohen_kappa(np.array([0.5]), ONES)
    with pytest.raises(UsageError, match="first has 2 samples, second has 3 samples"):
        cohen_kappa(ONES[:2], ONES)
    with pytest.raises(VacuousError, match="no samples"):
        cohen_kappa(ONES[:0], ONES[:0])
    with pytest.raises(UsageError, match="kappa: categories are counted from 0, got -1"):
        cohen_kappa(ONES, -ONES)
    flat: list[Any] = [ONES, np.stack([ONES], axis=1), np.zeros((2, 2))]
    for votes in flat:
        with pytest.raises(UsageError, match="votes must be a 2-D integer array with a column for each"):
            fleiss_kappa(votes)
        with pytest.raises(UsageError, match="panel_agreement: votes must be a 2-D integer array"):
            strict_agreement(votes)
    with pytest.raises(UsageError, match="panel_kappa: categories are counted from 0, got -1"):
        fleiss_kappa(np.stack([ONES, -ONES], axis=1))
    with pytest.raises(VacuousError, match="no cases that every rater has judged"):
        strict_agreement(np.zeros((0, 3), dtype=np.int64))
