from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy.stats import binom

from pytest_vlmrobust.core.exact import difference_tails, exact_difference, exact_rate, rate_tails
from pytest_vlmrobust.core.resolution import (
    detectable_drop,
    detectable_rate,
    fewest_samples,
    samples_for_drop,
)
from pytest_vlmrobust.errors import UsageError


@given(threshold=st.floats(0.01, 0.99), confidence=st.floats(0.6, 0.99))
def test_fewer_samples_give_no_verdict_and_these_do(threshold: float, confidence: float) -> None:
    fewest = fewest_samples(threshold, "max", confidence=confidence)
    assert fewest.passing is not None
    assert fewest.failing is not None
    slack = 1e-9
    assert exact_rate(0, fewest.passing, confidence=confidence).high <= threshold + slack
    assert exact_rate(fewest.failing, fewest.failing, confidence=confidence).low >= threshold - slack
    if fewest.passing > 1:
        assert exact_rate(0, fewest.passing - 1, confidence=confidence).high > threshold - slack
    if fewest.failing > 1:
        few = fewest.failing - 1
        assert exact_rate(few, few, confidence=confidence).low < threshold + slack


def test_a_drop_takes_as_many_samples_without_a_flip_as_a_rate() -> None:
    assert exact_difference(0, 0, 72).high <= 0.05 < exact_difference(0, 0, 71).high


def test_at_the_ends_one_verdict_is_for_free_and_one_out_of_reach() -> None:
    none, whole = fewest_samples(0.0, "max"), fewest_samples(1.0, "max")
    assert (none.passing, none.failing) == (None, 1)
    assert (whole.passing, whole.failing) == (1, None)


@settings(max_examples=60)
@given(n=st.integers(30, 500), threshold=st.floats(0.01, 0.5), power=st.sampled_from([0.5, 0.8, 0.95]))
def test_a_detectable_rate_is_shown_as_often_as_said(n: int, threshold: float, power: float) -> None:
    rate = detectable_rate(n, threshold, "max", power=power)
    assert rate is not None
    breaches = [count for count in range(n + 1) if rate_tails(count, n, threshold).at_least <= 0.025]
    assert binom.sf(min(breaches) - 1, n, rate) == pytest.approx(power, abs=1e-6)
    least = detectable_rate(n, 1 - threshold, "min", power=power)
    assert least == pytest.approx(1 - rate)


def test_too_few_samples_show_no_breach_at_all() -> None:
    assert detectable_rate(1, 0.05, "max") is None
    assert detectable_drop(1, 0.9, gained_rate=0.4) is None


@pytest.mark.parametrize(
    ("n", "threshold", "gained"), [(100, 0.0, 0.02), (200, 0.05, 0.02), (500, 0.05, 0.1), (2000, 0.02, 0.05)]
)
def test_a_detectable_drop_is_shown_about_as_often_as_said(n: int, threshold: float, gained: float) -> None:
    drop = detectable_drop(n, threshold, gained_rate=gained)
    assert drop is not None
    rng = np.random.default_rng(0)
    tables = rng.multinomial(n, [drop + gained, gained, 1 - drop - 2 * gained], size=1000)
    shown = [difference_tails(int(a), int(b), n, threshold).at_least <= 0.025 for a, b, _ in tables]
    assert 0.77 <= np.mean(shown) <= 0.9


@settings(max_examples=60)
@given(
    n=st.integers(50, 3000),
    threshold=st.floats(0, 0.3),
    gained=st.floats(0, 0.1),
    confidence=st.floats(0.8, 0.99),
)
def test_samples_and_drop_turn_each_other_around(
    n: int, threshold: float, gained: float, confidence: float
) -> None:
    drop = detectable_drop(n, threshold, gained_rate=gained, confidence=confidence)
    if drop is None:
        return
    needed = samples_for_drop(drop, threshold, gained_rate=gained, confidence=confidence)
    assert needed == pytest.approx(n, abs=1)


def test_more_samples_show_smaller_drops_and_noise_hides_them() -> None:
    by_n = [detectable_drop(n, 0.05, gained_rate=0.02) for n in (100, 400, 1600)]
    by_noise = [detectable_drop(400, 0.05, gained_rate=rate) for rate in (0.0, 0.05, 0.2)]
    assert by_n == sorted(by_n, reverse=True)  # type: ignore[type-var]
    assert by_noise == sorted(by_noise)  # type: ignore[type-var]


def test_no_number_of_samples_tells_a_drop_from_its_own_threshold() -> None:
    assert samples_for_drop(0.05, 0.05) is None
    tables = np.random.default_rng(0).multinomial(
        samples_for_drop(0.0, 0.05, gained_rate=0.05) or 0, [0.05, 0.05, 0.9], 400
    )
    passed = [difference_tails(int(a), int(b), int(a + b + c), 0.05).at_most <= 0.025 for a, b, c in tables]
    assert 0.68 <= np.mean(passed) <= 0.9


def test_a_pass_takes_no_fewer_samples_than_any_pass_does() -> None:
    assert samples_for_drop(0.0, 0.05) == 92
    assert samples_for_drop(-0.5, 0.05, gained_rate=0.5) == 72


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: fewest_samples(1.5, "max"), "threshold=1.5: a rate lies in [0, 1]"),
        (lambda: fewest_samples(0.5, "max", confidence=2), "confidence=2"),
        (lambda: detectable_rate(0, 0.5, "max"), "n=0: at least 1 sample is needed"),
        (lambda: detectable_rate(9, 0.5, "max", power=1), "power=1: it lies strictly between 0 and 1"),
        (lambda: detectable_drop(9, 1.0), "threshold=1.0: a drop that can be passed lies in [-1, 1)"),
        (lambda: detectable_drop(9, gained_rate=0.7), "gained_rate=0.7: it lies in [0, 0.5]"),
        (lambda: samples_for_drop(2.0, 0.1), "drop=2.0: a drop lies in [-1, 1]"),
    ],
)
def test_bad_input_is_refused(call: object, message: str) -> None:
    assert callable(call)
    with pytest.raises(UsageError) as caught:
        call()
    assert message in str(caught.value)
