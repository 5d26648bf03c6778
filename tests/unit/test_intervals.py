from __future__ import annotations

import math
from statistics import NormalDist

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.optimize import minimize_scalar
from scipy.stats import binomtest, multinomial
from statsmodels.stats.contingency_tables import mcnemar

from pytest_vlmrobust.core.intervals import Interval, paired_difference, samples_to_settle, wilson
from pytest_vlmrobust.errors import UsageError

confidences = st.sampled_from([0.8, 0.9, 0.95, 0.99])


@st.composite
def flips(draw: st.DrawFn) -> tuple[int, int, int]:
    n = draw(st.integers(1, 400))
    lost = draw(st.integers(0, n))
    return lost, draw(st.integers(0, n - lost)), n


@given(n=st.integers(1, 2000), share=st.floats(0, 1), confidence=confidences)
@settings(max_examples=60)
def test_wilson_equals_scipy(n: int, share: float, confidence: float) -> None:
    successes = round(share * n)
    theirs = binomtest(successes, n).proportion_ci(confidence, method="wilson")
    ours = wilson(successes, n, confidence=confidence)
    assert (ours.low, ours.high) == pytest.approx((theirs.low, theirs.high), abs=1e-12)


@given(n=st.integers(1, 10_000), share=st.floats(0, 1), confidence=confidences)
def test_wilson_holds_the_estimate_and_keeps_to_0_and_1(n: int, share: float, confidence: float) -> None:
    successes = round(share * n)
    interval = wilson(successes, n, confidence=confidence)
    assert 0 <= interval.low <= successes / n <= interval.high <= 1
    assert interval.high - interval.low > 0


@pytest.mark.parametrize(
    ("lost", "gained", "n", "confidence", "low", "high"),
    [
        (9, 3, 32, 0.95, -0.027, 0.390),  # Tango 1998, sleeping difficulties
        (6, 16, 161, 0.95, -0.124, -0.0054),  # Cavo et al. 2012, in Fagerland et al., chapter 8
        (1, 7, 21, 0.95, -0.517, -0.026),  # Bentur et al. 2009, in Fagerland et al. 2014
    ],
)
def test_paired_difference_equals_published_examples(
    lost: int, gained: int, n: int, confidence: float, low: float, high: float
) -> None:
    interval = paired_difference(lost, gained, n, confidence=confidence)
    assert (interval.low, interval.high) == pytest.approx((low, high), abs=6e-4)


def test_paired_difference_equals_the_published_bound_at_90_percent() -> None:
    # Tango 1998, cross-over trial of soft contact lenses
    assert paired_difference(0, 1, 44, confidence=0.9).low == pytest.approx(-0.096, abs=6e-4)


def score_by_search(lost: int, gained: int, n: int, difference: float) -> float:
    """Tango's statistic, its nuisance parameter found by maximizing the likelihood numerically."""

    def loss(gained_rate: float) -> float:
        cells = (gained_rate + difference, gained_rate, 1 - difference - 2 * gained_rate)
        counts = (lost, gained, n - lost - gained)
        return -sum(count * math.log(max(cell, 1e-300)) for count, cell in zip(counts, cells, strict=True))

    lowest, highest = max(0.0, -difference), (1 - difference) / 2
    best = minimize_scalar(loss, bounds=(lowest, highest), method="bounded", options={"xatol": 1e-12}).x
    variance = (2 * best + difference - difference**2) / n
    return ((lost - gained) / n - difference) / math.sqrt(variance)


@given(table=flips())
@settings(max_examples=40)
def test_paired_difference_inverts_the_score_test(table: tuple[int, int, int]) -> None:
    interval = paired_difference(*table)
    z = NormalDist().inv_cdf(0.975)
    if interval.low > -1:
        assert score_by_search(*table, interval.low) == pytest.approx(z, abs=2e-3)
    if interval.high < 1:
        assert score_by_search(*table, interval.high) == pytest.approx(-z, abs=2e-3)


@given(table=flips(), confidence=confidences)
def test_paired_difference_laws(table: tuple[int, int, int], confidence: float) -> None:
    lost, gained, n = table
    interval = paired_difference(lost, gained, n, confidence=confidence)
    mirrored = paired_difference(gained, lost, n, confidence=confidence)
    assert -1 <= interval.low <= (lost - gained) / n <= interval.high <= 1
    assert interval.high - interval.low > 0
    assert (interval.low, interval.high) == pytest.approx((-mirrored.high, -mirrored.low), abs=1e-9)


@given(table=flips())
def test_paired_difference_excludes_zero_just_when_mcnemar_rejects(table: tuple[int, int, int]) -> None:
    lost, gained, n = table
    if lost + gained == 0:
        assert 0 in paired_difference(lost, gained, n)
        return
    test = mcnemar([[n - lost - gained, lost], [gained, 0]], exact=False, correction=False)
    assert (0 not in paired_difference(lost, gained, n)) == (test.pvalue < 0.05)


@pytest.mark.parametrize("lost_rate", [0.02, 0.10, 0.40])
@pytest.mark.parametrize("gained_rate", [0.0, 0.02, 0.10])
def test_paired_difference_covers_the_truth(lost_rate: float, gained_rate: float) -> None:
    """Coverage is summed over all outcomes with their exact probabilities, not simulated."""
    n = 50
    covered = sum(
        multinomial.pmf(
            [lost, gained, n - lost - gained], n, [lost_rate, gained_rate, 1 - lost_rate - gained_rate]
        )
        for lost in range(n + 1)
        for gained in range(n + 1 - lost)
        if lost_rate - gained_rate in paired_difference(lost, gained, n)
    )
    assert 0.935 <= covered <= 1


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: wilson(0, 0), "n=0: an interval needs at least 1 sample"),
        (lambda: wilson(-1, 4), "successes=-1: a count is not negative"),
        (lambda: wilson(5, 4), "successes = 5 exceeds n=4"),
        (
            lambda: wilson(1, 4, confidence=95),
            "confidence=95: it lies strictly between 0.5 and 1, such as 0.95",
        ),
        (lambda: paired_difference(1, 1, 0), "n=0: an interval needs at least 1 sample"),
        (lambda: paired_difference(0, -2, 3), "gained=-2: a count is not negative"),
        (lambda: paired_difference(3, 2, 4), "lost + gained = 5 exceeds n=4"),
        (lambda: paired_difference(1, 2, 4, confidence=1.0), "confidence=1.0: it lies strictly between"),
    ],
)
def test_impossible_counts_are_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(UsageError) as caught:
        call()
    assert message in str(caught.value)


def test_nothing_is_to_be_settled_where_the_interval_is_clear_of_the_threshold() -> None:
    assert samples_to_settle(0.2, Interval(0.1, 0.3), 0.05, n=100) is None


def test_nothing_would_settle_a_value_that_equals_the_threshold() -> None:
    assert samples_to_settle(0.05, Interval(0.01, 0.1), 0.05, n=100) is None


@given(lost=st.integers(0, 60), gained=st.integers(0, 20), threshold=st.floats(0.01, 0.3))
def test_the_told_number_of_samples_about_settles_it(lost: int, gained: int, threshold: float) -> None:
    n = 200
    value = (lost - gained) / n
    needed = samples_to_settle(value, paired_difference(lost, gained, n), threshold, n)
    if needed is None or needed > 50_000:
        return
    assert needed >= n
    scale = 1.5 * needed / n
    larger = paired_difference(round(lost * scale), round(gained * scale), round(n * scale))
    assert threshold not in larger or np.isclose(value, threshold, atol=0.005)
