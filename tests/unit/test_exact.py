from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from scipy.stats import binom, binomtest

from pytest_vlmrobust.core.exact import difference_tails, exact_difference, exact_rate, rate_tails
from pytest_vlmrobust.core.intervals import likeliest_gained_rate, paired_difference, wilson
from pytest_vlmrobust.errors import UsageError


@st.composite
def counts(draw: st.DrawFn, most: int = 300) -> tuple[int, int]:
    n = draw(st.integers(1, most))
    return draw(st.integers(0, n)), n


@st.composite
def flips(draw: st.DrawFn, most: int = 60) -> tuple[int, int, int]:
    n = draw(st.integers(1, most))
    lost = draw(st.integers(0, n))
    return lost, draw(st.integers(0, n - lost)), n


def summed(n: int, up: float, down: float) -> NDArray[np.float64]:
    """Probabilities of -n to n, by adding one step after the other."""
    chances = np.ones(1)
    for _ in range(n):
        chances = np.convolve(chances, [down, 1 - up - down, up])
    return chances


@settings(max_examples=200)
@given(counted=counts(), confidence=st.floats(0.6, 0.999))
def test_the_exact_interval_of_a_rate_equals_scipy(counted: tuple[int, int], confidence: float) -> None:
    count, n = counted
    reference = binomtest(count, n).proportion_ci(confidence, method="exact")
    interval = exact_rate(count, n, confidence=confidence)
    assert (interval.low, interval.high) == pytest.approx((reference.low, reference.high), abs=1e-9)


@settings(max_examples=200)
@given(counted=counts(), threshold=st.floats(0, 1))
def test_tails_of_a_rate_equal_scipy(counted: tuple[int, int], threshold: float) -> None:
    count, n = counted
    tails = rate_tails(count, n, threshold)
    above, below = (binomtest(count, n, threshold, alternative=way).pvalue for way in ("greater", "less"))
    assert (tails.at_least, tails.at_most) == pytest.approx((above, below), abs=1e-9)


@settings(max_examples=200)
@given(table=flips(), threshold=st.floats(-0.99, 0.99))
def test_tails_of_a_difference_are_those_of_the_summed_steps(
    table: tuple[int, int, int], threshold: float
) -> None:
    lost, gained, n = table
    down = max(0.0, -threshold, min(likeliest_gained_rate(lost, gained, n, threshold), (1 - threshold) / 2))
    chances = summed(n, down + threshold, down)
    tails, at = difference_tails(lost, gained, n, threshold), lost - gained + n
    assert tails.at_least == pytest.approx(chances[at:].sum(), abs=1e-9)
    assert tails.at_most == pytest.approx(chances[: at + 1].sum(), abs=1e-9)


@settings(max_examples=100)
@given(table=flips())
def test_the_exact_interval_of_a_difference_is_what_the_tails_do_not_reject(
    table: tuple[int, int, int],
) -> None:
    lost, gained, n = table
    interval = exact_difference(lost, gained, n)
    assert -1 <= interval.low <= (lost - gained) / n <= interval.high <= 1
    for bound in (interval.low, interval.high):
        if -1 < bound < 1:
            tails = difference_tails(lost, gained, n, bound)
            assert min(tails.at_least, tails.at_most) == pytest.approx(0.025, abs=2e-3)


@pytest.mark.parametrize("threshold", [0.02, 0.05, 0.1])
@pytest.mark.parametrize("gained", [0.0, 0.01, 0.05, 0.25])
def test_a_drop_at_its_threshold_is_called_a_breach_in_at_most_a_fortieth(
    threshold: float, gained: float
) -> None:
    """Summed over all tables with their exact probabilities; the score test goes up to 0.040 here."""
    n = 50
    wrong = 0.0
    for lost in range(n + 1):
        down = binom.pmf(lost, n, gained + threshold)
        if down < 1e-9:
            continue
        ups = binom.pmf(np.arange(n - lost + 1), n - lost, gained / (1 - gained - threshold))
        for up in np.flatnonzero(ups > 1e-9).tolist():
            if difference_tails(lost, up, n, threshold).at_least <= 0.025:
                wrong += down * ups[up]
    assert 0 <= wrong <= 0.025


def test_the_example_in_the_docs_holds_wilson_errs_three_times_as_often_as_it_says() -> None:
    n, rate = 100, 0.01
    chances = binom.pmf(np.arange(n + 1), n, rate)
    by_score = sum(chances[x] for x in range(n + 1) if wilson(x, n).low > rate)
    exactly = sum(chances[x] for x in range(n + 1) if exact_rate(x, n).low > rate)
    assert round(float(by_score), 3) == 0.079
    assert exactly < 0.025


def test_without_flips_the_tail_is_the_chance_of_no_flip() -> None:
    assert difference_tails(0, 0, 100, 0.05).at_most == pytest.approx(0.95**100)


def test_with_many_samples_the_exact_interval_comes_to_tangos() -> None:
    exact, score = exact_difference(3000, 1000, 20_000), paired_difference(3000, 1000, 20_000)
    assert (exact.low, exact.high) == pytest.approx((score.low, score.high), abs=1e-4)


@given(table=flips(), scale=st.floats(0.3, 0.99))
def test_fewer_effective_samples_never_narrow_an_interval_of_a_rate(
    table: tuple[int, int, int], scale: float
) -> None:
    lost, _, n = table
    whole, part = exact_rate(lost, n), exact_rate(lost * scale, n * scale)
    assert part.low <= whole.low + 1e-9
    assert part.high >= whole.high - 1e-9


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: exact_rate(0, 0), "n=0: an interval needs at least 1 sample"),
        (lambda: exact_rate(float("nan"), 5), "counts must be finite numbers, got n=5"),
        (lambda: exact_rate(6, 5), "successes = 6 exceeds n=5"),
        (lambda: rate_tails(-1, 5, 0.1), "successes=-1: a count is not negative"),
        (lambda: rate_tails(1, 5, 1.1), "threshold=1.1: a rate lies in [0, 1]"),
        (lambda: difference_tails(3, 3, 5, 0.1), "lost + gained = 6 exceeds n=5"),
        (lambda: difference_tails(1, 1, 5, 2.0), "threshold=2.0: a difference lies in [-1, 1]"),
        (lambda: exact_difference(1, 1, 5, confidence=0.4), "confidence=0.4: it lies strictly between"),
    ],
)
def test_impossible_counts_are_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(UsageError) as caught:
        call()
    assert message in str(caught.value)
