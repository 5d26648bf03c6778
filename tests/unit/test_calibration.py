from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from numpy.typing import NDArray
from sklearn.calibration import calibration_curve
from sklearn.metrics import brier_score_loss

from pytest_vlmrobust.core.calibration import brier_score, expected_calibration_error, reliability
from pytest_vlmrobust.errors import UsageError, VacuousError

Probs = NDArray[np.float64]
Flags = NDArray[np.bool_]


@st.composite
def sure_and_right(draw: st.DrawFn) -> tuple[Probs, Flags]:
    n = draw(st.integers(2, 80))
    probs = draw(st.lists(st.floats(0.001, 0.999), min_size=n, max_size=n))
    right = draw(st.lists(st.booleans(), min_size=n - 2, max_size=n - 2))
    return np.array(probs), np.array([True, False, *right])


@settings(max_examples=200)
@given(table=sure_and_right(), bins=st.integers(1, 20))
def test_the_reliability_table_equals_scikit_learns(table: tuple[Probs, Flags], bins: int) -> None:
    prob, right = table
    if (np.abs(prob * bins - np.round(prob * bins)) < 1e-9).any():  # on an edge rounding decides
        return
    rows = reliability(prob, right, bins=bins)
    accuracies, means = calibration_curve(right, prob, n_bins=bins)
    assert [row.accuracy for row in rows] == pytest.approx(accuracies)
    assert [row.mean_prob for row in rows] == pytest.approx(means)
    assert sum(row.n for row in rows) == prob.size
    assert all(row.low <= row.mean_prob <= row.high and row.accuracy in row.interval for row in rows)


@settings(max_examples=200)
@given(table=sure_and_right(), bins=st.integers(1, 20))
def test_the_calibration_error_is_the_mean_distance_in_the_table(
    table: tuple[Probs, Flags], bins: int
) -> None:
    prob, right = table
    rows = reliability(prob, right, bins=bins)
    distance = sum(row.n * abs(row.accuracy - row.mean_prob) for row in rows) / prob.size
    assert expected_calibration_error(prob, right, bins=bins).value == pytest.approx(distance)


@pytest.mark.parametrize("n", [60, 1000])
def test_the_stated_bias_is_what_a_calibrated_model_has_on_average(n: int) -> None:
    rng = np.random.default_rng(0)
    prob = rng.beta(4, 1, n)
    errors = [expected_calibration_error(prob, rng.random(n) < prob).value for _ in range(60)]
    stated = expected_calibration_error(prob, rng.random(n) < prob).detail["by_chance"]
    assert stated == pytest.approx(np.mean(errors), rel=0.12)
    assert stated > 0.01


def test_the_bias_of_a_large_run_is_computed_as_well() -> None:
    prob = np.random.default_rng(0).beta(4, 1, 20_001)
    right = np.random.default_rng(1).random(20_001) < prob
    drawn = expected_calibration_error(prob[:20_000], right[:20_000]).detail["by_chance"]
    assert expected_calibration_error(prob, right).detail["by_chance"] == pytest.approx(drawn, rel=0.1)


@settings(max_examples=200)
@given(table=sure_and_right())
def test_of_two_letters_the_brier_score_is_twice_scikit_learns(table: tuple[Probs, Flags]) -> None:
    prob, right = table
    figure = brier_score(np.stack([prob, 1 - prob], axis=1), np.where(right, 0, 1))
    assert figure.value == pytest.approx(2 * brier_score_loss(right, prob))
    assert figure.low is not None
    assert figure.high is not None
    assert 0 <= figure.low <= figure.value <= figure.high <= 2


def test_the_brier_score_leaves_out_letters_that_are_not_there() -> None:
    probs = np.array([[0.7, 0.3, np.nan], [0.2, 0.3, 0.5]])
    assert brier_score(probs, np.array([0, 2])).value == pytest.approx((0.18 + 0.38) / 2)


def test_one_sample_has_a_brier_score_without_interval() -> None:
    figure = brier_score(np.array([[0.7, 0.3]]), np.array([0]))
    assert figure.value == pytest.approx(0.18)
    assert figure.low is figure.high is None


PROB, RIGHT = np.array([0.9, 0.6]), np.array([True, False])


@pytest.mark.parametrize(
    ("call", "error", "message"),
    [
        (lambda: reliability(np.array([0.9, np.nan]), RIGHT), UsageError, "1 of 2 scores are NaN"),
        (
            lambda: reliability(np.array([0.9, 1.2]), RIGHT),
            UsageError,
            "probabilities lie in [0, 1], got 0.9 to 1.2",
        ),
        (lambda: reliability(PROB, RIGHT, bins=0), UsageError, "bins=0: at least 1 is needed"),
        (lambda: reliability(PROB, RIGHT, confidence=1), UsageError, "confidence=1"),
        (lambda: expected_calibration_error(PROB[:0], RIGHT[:0]), VacuousError, "no samples"),
        (lambda: expected_calibration_error(PROB, RIGHT[:1]), UsageError, "the arrays are paired by sample"),
        (
            lambda: brier_score(PROB[None], np.array([0])),
            UsageError,
            "must hold probabilities that add up to 1",
        ),
        (lambda: brier_score(np.eye(2), np.array([0, 5])), UsageError, "a letter index points at no letter"),
        (lambda: brier_score(np.eye(2), np.array([0])), UsageError, "correct must be 2 integers"),
        (
            lambda: brier_score(np.eye(2), np.array([0, 1]), clusters=np.zeros(2, dtype=int)),
            VacuousError,
            "all 2 samples are of one cluster",
        ),
    ],
)
def test_bad_input_is_refused(call: object, error: type[Exception], message: str) -> None:
    assert callable(call)
    with pytest.raises(error) as caught:
        call()
    assert message in str(caught.value)
