from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.typing import NDArray
from scipy.stats import entropy
from sklearn.metrics import accuracy_score

from pytest_vlmrobust.core import distributions, metrics
from pytest_vlmrobust.errors import UsageError, VacuousError

sizes = st.integers(1, 60)


@st.composite
def flags(draw: st.DrawFn, count: int = 1) -> list[NDArray[np.bool_]]:
    n = draw(sizes)
    return [draw(hnp.arrays(np.bool_, n)) for _ in range(count)]


@st.composite
def distributions_of_letters(draw: st.DrawFn) -> NDArray[np.float64]:
    rows = []
    for _ in range(draw(st.integers(1, 20))):
        k = draw(st.integers(2, 8))
        weights = draw(st.lists(st.floats(0, 1), min_size=k, max_size=k).filter(lambda w: sum(w) > 1e-3))
        rows.append([*(np.array(weights) / sum(weights)), *[np.nan] * (8 - k)])
    return np.array(rows)


@given(letters=hnp.arrays(np.int8, sizes, elements=st.integers(0, 3)), data=st.data())
def test_accuracy_equals_sklearn(letters: NDArray[np.int8], data: st.DataObject) -> None:
    answers = data.draw(hnp.arrays(np.int8, letters.size, elements=st.integers(0, 3)))
    assert metrics.accuracy(letters == answers).value == accuracy_score(answers, letters)


@given(pair=flags(2))
def test_a_drop_is_the_difference_of_the_accuracies_and_of_the_flips(pair: list[NDArray[np.bool_]]) -> None:
    base, here = pair
    drop = metrics.accuracy_drop(base, here)
    assert drop.value == pytest.approx(drop.detail["base_accuracy"] - drop.detail["accuracy"])
    assert drop.value == (drop.detail["lost"] - drop.detail["gained"]) / drop.n
    assert drop.detail["accuracy"] == metrics.accuracy(here).value
    assert drop.low is not None
    assert drop.high is not None
    assert drop.low <= drop.value <= drop.high


@given(arrays=flags())
def test_nothing_drops_against_itself(arrays: list[NDArray[np.bool_]]) -> None:
    drop = metrics.accuracy_drop(arrays[0], arrays[0])
    assert (drop.value, drop.detail["lost"], drop.detail["gained"]) == (0, 0, 0)


@given(pair=flags(2))
def test_drops_are_antisymmetric(pair: list[NDArray[np.bool_]]) -> None:
    there, back = metrics.accuracy_drop(*pair), metrics.accuracy_drop(*reversed(pair))
    assert there.value == -back.value
    assert there.low == pytest.approx(-(back.high or 0), abs=1e-9)


@given(pair=flags(2))
def test_quadrants_add_up_and_are_made_of_rows_and_columns(pair: list[NDArray[np.bool_]]) -> None:
    right, consistent = pair
    shares = metrics.quadrant_rates(right, consistent)
    assert tuple(shares) == metrics.QUADRANTS
    assert sum(figure.detail["count"] for figure in shares.values()) == right.size
    by_name = {name: figure.value for name, figure in shares.items()}
    assert by_name["right_and_consistent_rate"] + by_name["right_and_inconsistent_rate"] == pytest.approx(
        metrics.accuracy(right).value
    )
    assert by_name["right_and_inconsistent_rate"] + by_name["wrong_and_inconsistent_rate"] == pytest.approx(
        metrics.unfaithful_rate(consistent).value
    )


@given(probs=distributions_of_letters())
def test_entropies_equal_scipy(probs: NDArray[np.float64]) -> None:
    rows = [row[~np.isnan(row)] for row in probs]
    nats = [float(entropy(row)) for row in rows]
    assert distributions.letter_entropy(probs).value == pytest.approx(np.mean(nats), abs=1e-12)
    shares = [value / math.log(len(row)) for value, row in zip(nats, rows, strict=True)]
    assert distributions.normalized_letter_entropy(probs).value == pytest.approx(np.mean(shares), abs=1e-12)
    assert 0 <= distributions.normalized_letter_entropy(probs).value <= 1


@given(probs=distributions_of_letters(), data=st.data())
def test_probability_figures_equal_a_plain_loop(probs: NDArray[np.float64], data: st.DataObject) -> None:
    letters = [int((~np.isnan(row)).sum()) for row in probs]
    correct = np.array([data.draw(st.integers(0, k - 1)) for k in letters])
    answers = np.array([data.draw(st.integers(0, k - 1)) for k in letters])
    rows = list(zip(probs, answers, correct, strict=True))
    assert distributions.p_correct(probs, correct).value == pytest.approx(
        np.mean([row[right] for row, _, right in rows])
    )
    sure = [bool(answer != right and row[answer] >= 0.9) for row, answer, right in rows]
    assert distributions.confidently_wrong_rate(probs, answers, correct).value == np.mean(sure)


@given(probs=distributions_of_letters(), seed=st.integers(0, 99))
def test_the_order_of_the_samples_cannot_change_a_digit(probs: NDArray[np.float64], seed: int) -> None:
    order = np.random.default_rng(seed).permutation(len(probs))
    correct = np.zeros(len(probs), dtype=np.int64)
    assert distributions.letter_entropy(probs) == distributions.letter_entropy(probs[order])
    assert distributions.p_correct(probs, correct) == distributions.p_correct(probs[order], correct)


def test_uniform_letters_have_the_largest_entropy_and_certain_ones_none() -> None:
    assert distributions.letter_entropy(np.full((3, 4), 0.25)).value == pytest.approx(math.log(4))
    assert distributions.normalized_letter_entropy(np.full((3, 4), 0.25)).value == 1
    assert distributions.letter_entropy(np.eye(4)).value == 0


def test_the_bound_of_confidence_itself_is_confident() -> None:
    probs = np.array([[0.9, 0.1]])
    wrong, right = np.array([0]), np.array([1])
    assert distributions.confidently_wrong_rate(probs, wrong, right).value == 1
    assert distributions.confidently_wrong_rate(probs, wrong, right, confident=0.91).value == 0


def test_means_carry_no_interval() -> None:
    figure = distributions.letter_entropy(np.array([[0.5, 0.5]]))
    assert (figure.low, figure.high, figure.n) == (None, None, 1)


YES = np.array([True, False])
INDEX = np.array([0, 1])
PROBS = np.array([[0.5, 0.5], [0.2, 0.8]])
NO_FLAGS, NO_INDEX = np.array([], dtype=np.bool_), np.array([], dtype=np.int8)


@pytest.mark.parametrize(
    "call",
    [
        lambda: metrics.rate("unparsed_rate", NO_FLAGS),
        lambda: metrics.accuracy(NO_FLAGS),
        lambda: metrics.accuracy_drop(NO_FLAGS, NO_FLAGS),
        lambda: metrics.misled_rate(NO_INDEX, NO_INDEX),
        lambda: metrics.misled_when_right_rate(NO_FLAGS, NO_INDEX, NO_INDEX),
        lambda: metrics.misled_when_right_rate(~np.array([True, True]), INDEX, INDEX),
        lambda: metrics.unfaithful_rate(NO_FLAGS),
        lambda: metrics.quadrant_rates(NO_FLAGS, NO_FLAGS),
        lambda: distributions.letter_entropy(np.empty((0, 4))),
        lambda: distributions.normalized_letter_entropy(np.empty((0, 4))),
        lambda: distributions.p_correct(np.empty((0, 4)), NO_INDEX),
        lambda: distributions.confidently_wrong_rate(np.empty((0, 4)), NO_INDEX, NO_INDEX),
    ],
)
def test_no_metric_of_nothing(call: Callable[[], Any]) -> None:
    with pytest.raises(VacuousError, match="no samples, so there is nothing to measure"):
        call()


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: metrics.accuracy(INDEX), "accuracy: right must be a 1-D bool array, got 1-D int64"),
        (lambda: metrics.accuracy(np.array([[True]])), "right must be a 1-D bool array, got 2-D bool"),
        (
            lambda: metrics.accuracy_drop(YES, np.array([True])),
            "the arrays are paired by sample, but base_right has 2 samples, right has 1 samples",
        ),
        (lambda: metrics.misled_rate(YES, INDEX), "answers must be a 1-D integer array, got 1-D bool"),
        (lambda: metrics.misled_when_right_rate(YES, INDEX[:1], INDEX[:1]), "paired by sample"),
        (lambda: distributions.letter_entropy(INDEX), "probs must be a 2-D float array, got 1-D int64"),
        (lambda: distributions.letter_entropy(PROBS * 2), "each row of probs must hold probabilities"),
        (lambda: distributions.letter_entropy(np.array([[1.5, -0.5]])), "each row of probs must hold"),
        (
            lambda: distributions.letter_entropy(np.array([[1.0, np.nan]])),
            "probabilities of at least 2 letters",
        ),
        (lambda: distributions.p_correct(PROBS, INDEX[:1]), "probs has 2 rows, but there are 1 letters"),
        (lambda: distributions.p_correct(PROBS, np.array([0, 2])), "a letter index points at no letter"),
        (lambda: distributions.p_correct(PROBS, np.array([0, -1])), "a letter index points at no letter"),
    ],
)
def test_other_arrays_are_refused(call: Callable[[], Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        call()
    assert message in str(caught.value)
