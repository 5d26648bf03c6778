from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray

from pytest_vlmrobust.core.sequential import (
    _BOLDEST,
    _STAKES,
    _log_wealth,
    confidence_sequence,
    sequential_decision,
)
from pytest_vlmrobust.errors import UsageError, VacuousError

Values = NDArray[np.float64]


def flips(rng: np.random.Generator, n: int, drop: float, gained: float) -> Values:
    turned = rng.random(n)
    return np.where(turned < gained + drop, 1.0, np.where(turned < 2 * gained + drop, -1.0, 0.0))


@settings(max_examples=200)
@given(low=st.floats(0, 0.4), high=st.floats(0.6, 1), share=st.floats(0.05, 0.95), length=st.integers(1, 6))
def test_the_wager_is_fair_if_the_mean_is_what_it_bets_against(
    low: float, high: float, share: float, length: int
) -> None:
    """Over all sequences of two values whose mean it is, the mean wealth is 1: Ville's inequality holds."""
    mean = low + share * (high - low)
    total = 0.0
    for outcome in itertools.product((0, 1), repeat=length):
        chance = math.prod(share if up else 1 - share for up in outcome)
        values = np.array([high if up else low for up in outcome])
        total += chance * math.exp(_log_wealth(values, mean)[-1])
    assert total == pytest.approx(1)


@settings(max_examples=200)
@given(values=st.lists(st.floats(0, 1), min_size=1, max_size=40), mean=st.floats(0.01, 0.99))
def test_the_wealth_is_the_mean_of_what_each_stake_has_made(values: list[float], mean: float) -> None:
    stakes = [min(stake, _BOLDEST / mean) for stake in _STAKES.tolist()]
    each = [math.prod(1 + stake * (x - mean) for x in values) for stake in stakes]
    assert _log_wealth(np.array(values), mean)[-1] == pytest.approx(math.log(sum(each) / len(each)), abs=1e-9)


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), drop=st.floats(0, 0.3))
def test_what_is_decided_stays_decided_whatever_the_batches(seed: int, drop: float) -> None:
    values = flips(np.random.default_rng(seed), 600, drop, 0.02)
    whole = sequential_decision(values, 0.05, bounds=(-1, 1))
    for end in (100, 250, 599):
        part = sequential_decision(values[:end], 0.05, bounds=(-1, 1))
        by_then = whole.decided_at is not None and whole.decided_at <= end
        assert part.side == (whole.side if by_then else None)
        assert part.decided_at == (whole.decided_at if by_then else None)
        assert part.n == end


@settings(max_examples=40)
@given(seed=st.integers(0, 10**6), drop=st.floats(0, 0.3), threshold=st.floats(0.01, 0.3))
def test_a_threshold_off_the_sequence_is_decided(seed: int, drop: float, threshold: float) -> None:
    values = flips(np.random.default_rng(seed), 500, drop, 0.02)
    interval = confidence_sequence(values, bounds=(-1, 1))
    decision = sequential_decision(values, threshold, bounds=(-1, 1))
    if threshold < interval.low - 1e-6:
        assert decision.side == "above"
    if threshold > interval.high + 1e-6:
        assert decision.side == "below"


@settings(max_examples=30)
@given(seed=st.integers(0, 10**6))
def test_values_turned_around_give_the_sequence_turned_around(seed: int) -> None:
    values = np.random.default_rng(seed).beta(2, 5, 200)
    interval, turned = confidence_sequence(values), confidence_sequence(1 - values)
    assert turned.low == pytest.approx(1 - interval.high, abs=1e-6)
    assert turned.high == pytest.approx(1 - interval.low, abs=1e-6)


@pytest.mark.parametrize(("threshold", "gained"), [(0.05, 0.0), (0.05, 0.05), (0.1, 0.02)])
def test_a_true_value_at_the_threshold_is_almost_never_decided(threshold: float, gained: float) -> None:
    rng = np.random.default_rng(0)
    runs = [
        sequential_decision(flips(rng, 1000, threshold, gained), threshold, bounds=(-1, 1))
        for _ in range(300)
    ]
    assert sum(run.side is not None for run in runs) / 300 <= 0.05


@pytest.mark.parametrize("drop", [0.0, 0.1])
def test_a_clear_case_is_decided_early_and_rightly(drop: float) -> None:
    rng = np.random.default_rng(1)
    runs = [sequential_decision(flips(rng, 2000, drop, 0.02), 0.05, bounds=(-1, 1)) for _ in range(60)]
    assert {run.side for run in runs} == {"above" if drop else "below"}
    assert np.mean([run.decided_at or 2000 for run in runs]) < 0.4 * 2000


def test_the_sequence_holds_the_truth_at_every_look() -> None:
    rng = np.random.default_rng(2)
    missed = 0
    for _ in range(40):
        values = rng.beta(9, 1, 200)
        missed += any(0.9 not in confidence_sequence(values[:end]) for end in (10, 20, 40, 80, 120, 200))
    assert missed / 40 <= 0.05


def test_more_confidence_takes_longer() -> None:
    values = flips(np.random.default_rng(3), 2000, 0.15, 0.02)
    ends = [sequential_decision(values, 0.05, bounds=(-1, 1), confidence=c).decided_at for c in (0.8, 0.99)]
    assert ends[0] is not None
    assert ends[1] is not None
    assert ends[0] < ends[1]


@pytest.mark.parametrize("value", [0.0, 1.0])
def test_values_that_are_all_at_an_end_leave_the_other_open(value: float) -> None:
    interval = confidence_sequence(np.full(100, value))
    assert value in interval
    assert 0.02 < interval.high - interval.low < 0.2


ONES = np.ones(5)


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (
            lambda: sequential_decision(ONES, 1.0),
            UsageError,
            "threshold=1.0: it lies strictly between the bounds",
        ),
        (lambda: sequential_decision(ONES, 0.5, confidence=0.1), UsageError, "confidence=0.1"),
        (lambda: sequential_decision(ONES * 2, 0.5), UsageError, "are not within bounds=(0.0, 1.0)"),
        (lambda: sequential_decision(np.array([np.nan]), 0.5), UsageError, "1 of 1 values are NaN"),
        (lambda: sequential_decision(np.array([]), 0.5), VacuousError, "no samples"),
        (lambda: confidence_sequence(ONES, confidence=1), UsageError, "confidence=1"),
        (lambda: confidence_sequence(np.array([])), VacuousError, "no samples"),
    ],
)
def test_bad_input_is_refused(call: object, error: type[Exception], message: str) -> None:
    assert callable(call)
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)
