from __future__ import annotations

import itertools

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from statsmodels.stats.multitest import multipletests

from pytest_vlmrobust.core.exact import Tails, difference_tails, exact_difference, exact_rate, rate_tails
from pytest_vlmrobust.core.families import family_verdicts, holm
from pytest_vlmrobust.core.intervals import Interval
from pytest_vlmrobust.core.verdicts import reach_verdict, tails_by_inversion
from pytest_vlmrobust.errors import UsageError, VacuousError


@given(count=st.integers(0, 200), threshold=st.floats(0, 1))
def test_a_confident_verdict_never_contradicts_the_estimate(count: int, threshold: float) -> None:
    value, interval = count / 200, exact_rate(count, 200)
    rough = reach_verdict(value, interval, threshold=threshold, bound="max")
    sure = reach_verdict(value, interval, threshold=threshold, bound="max", mode="confident")
    assert sure in (rough, "inconclusive")
    assert (sure == "inconclusive") == (interval.low <= threshold < interval.high)


@given(count=st.integers(0, 200), threshold=st.floats(0, 1))
@pytest.mark.parametrize("mode", ["estimate", "confident"])
def test_the_least_that_passes_mirrors_the_most(count: int, threshold: float, mode: str) -> None:
    value, interval = count / 200, exact_rate(count, 200)
    turned = Interval(-interval.high, -interval.low)
    most = reach_verdict(value, interval, threshold=threshold, bound="max", mode=mode)  # type: ignore[arg-type]
    least = reach_verdict(-value, turned, threshold=-threshold, bound="min", mode=mode)  # type: ignore[arg-type]
    assert most == least


@pytest.mark.parametrize("mode", ["estimate", "confident"])
def test_the_threshold_itself_passes(mode: str) -> None:
    point = Interval(0.05, 0.05)
    assert reach_verdict(0.05, point, threshold=0.05, bound="max", mode=mode) == "pass"  # type: ignore[arg-type]
    assert reach_verdict(0.05, point, threshold=0.05, bound="min", mode=mode) == "pass"  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"bound": "least"}, "unknown bound 'least'"),
        ({"mode": "confidnet"}, "unknown gate mode 'confidnet': did you mean 'confident'?"),
        ({"value": float("nan")}, "there is no verdict on NaN"),
        ({"threshold": float("nan")}, "there is no verdict on NaN"),
        ({"interval": None, "mode": "confident"}, "there is no interval, so no verdict can be confident"),
        ({"interval": Interval(0.2, 0.3)}, "the interval 0.2 to 0.3 does not hold value=0.1"),
    ],
)
def test_what_cannot_be_judged_is_refused(change: dict[str, object], message: str) -> None:
    given: dict[str, object] = {
        "value": 0.1,
        "interval": Interval(0.0, 0.2),
        "threshold": 0.1,
        "bound": "max",
    }
    given |= change
    with pytest.raises(UsageError) as caught:
        reach_verdict(given.pop("value"), given.pop("interval"), **given)  # type: ignore[arg-type]
    assert message in str(caught.value)


@settings(max_examples=200)
@given(p_values=st.lists(st.floats(0, 1), min_size=1, max_size=6))
def test_holm_is_the_closure_of_bonferronis_tests(p_values: list[float]) -> None:
    family = range(len(p_values))
    subsets = [part for size in family for part in itertools.combinations(family, size + 1)]
    closed = [
        max(min(1.0, len(part) * min(p_values[i] for i in part)) for part in subsets if index in part)
        for index in family
    ]
    assert holm(p_values) == pytest.approx(closed)


@pytest.mark.parametrize("seed", range(10))
def test_holm_equals_statsmodels(seed: int) -> None:
    p_values = np.random.default_rng(seed).beta(0.3, 1, 15).tolist()
    assert holm(p_values) == pytest.approx(multipletests(p_values, method="holm")[1])


@pytest.mark.parametrize("p", [float("nan"), -0.1, 1.1])
def test_what_is_no_p_value_is_refused(p: float) -> None:
    with pytest.raises(UsageError, match=r"p_values\[1\]=.*: a p-value lies in \[0, 1\]"):
        holm([0.5, p])


def test_an_empty_family_is_refused() -> None:
    with pytest.raises(VacuousError, match="a family without tests has nothing to adjust"):
        holm([])
    with pytest.raises(UsageError, match="there are tails for 1 gates, but bounds for 0"):
        family_verdicts([Tails(at_least=0.1, at_most=0.9)], [])


@settings(max_examples=50)
@given(lost=st.integers(0, 60), gained=st.integers(0, 20), threshold=st.floats(0.01, 0.4))
def test_a_family_of_one_is_judged_like_a_single_gate(lost: int, gained: int, threshold: float) -> None:
    tails = difference_tails(lost, gained, 200, threshold)
    interval = exact_difference(lost, gained, 200)
    if min(abs(threshold - interval.low), abs(threshold - interval.high)) < 1e-3:
        return
    alone = reach_verdict((lost - gained) / 200, interval, threshold=threshold, bound="max", mode="confident")
    assert family_verdicts([tails], ["max"]) == (alone,)


def test_a_large_family_is_surer_before_it_speaks() -> None:
    tails = Tails(at_least=0.01, at_most=0.995)
    assert family_verdicts([tails], ["max"]) == ("fail",)
    assert set(family_verdicts([tails] * 12, ["max"] * 12)) == {"inconclusive"}
    turned = Tails(at_least=0.995, at_most=0.01)
    assert family_verdicts([turned, tails], ["min", "min"], confidence=0.9) == ("fail", "pass")


def test_suites_at_their_thresholds_are_rarely_red() -> None:
    rng = np.random.default_rng(0)
    red = 0
    for _ in range(300):
        counts = rng.binomial(100, 0.02, size=12)
        tails = [rate_tails(int(count), 100, 0.02) for count in counts]
        red += "fail" in family_verdicts(tails, ["max"] * 12)
    assert red / 300 <= 0.05


@settings(max_examples=30)
@given(count=st.integers(1, 99), threshold=st.floats(0.02, 0.98))
def test_tails_follow_from_intervals(count: int, threshold: float) -> None:
    by_hand = tails_by_inversion(lambda c: exact_rate(count, 100, confidence=c), count / 100, threshold)
    direct = rate_tails(count, 100, threshold)
    for ours, theirs in ((by_hand.at_least, direct.at_least), (by_hand.at_most, direct.at_most)):
        if 1e-8 < theirs < 0.24:
            assert ours == pytest.approx(theirs, rel=1e-3)


def test_tails_of_nan_are_refused() -> None:
    with pytest.raises(UsageError, match="NaN cannot be compared"):
        tails_by_inversion(lambda c: exact_rate(1, 5, confidence=c), float("nan"), 0.1)
