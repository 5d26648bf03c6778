from __future__ import annotations

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import stats

from pytest_vlmrobust.core.quantiles import (
    beta_mass,
    beta_quantile,
    check_confidence,
    normal_quantile,
    normal_tail,
    student_quantile,
)
from pytest_vlmrobust.errors import UsageError

confidences = st.floats(0.501, 0.99999)


@settings(max_examples=200)
@given(confidence=confidences, df=st.integers(1, 2000))
def test_students_quantile_equals_scipy(confidence: float, df: int) -> None:
    reference = float(stats.t.ppf((1 + confidence) / 2, df))
    assert student_quantile(confidence, df) == pytest.approx(reference, rel=1e-9)


@settings(max_examples=200)
@given(x=st.floats(0, 1), a=st.floats(0.3, 5000), b=st.floats(0.3, 5000))
def test_the_incomplete_beta_function_equals_scipy(x: float, a: float, b: float) -> None:
    assert beta_mass(x, a, b) == pytest.approx(float(stats.beta.cdf(x, a, b)), abs=1e-10)


@settings(max_examples=200)
@given(mass=st.floats(1e-4, 1 - 1e-4), a=st.floats(0.5, 5000), b=st.floats(0.5, 5000))
def test_beta_quantiles_equal_scipy(mass: float, a: float, b: float) -> None:
    assert beta_quantile(mass, a, b) == pytest.approx(float(stats.beta.ppf(mass, a, b)), rel=1e-7)


@given(confidence=confidences)
def test_the_normal_tail_turns_its_quantile_around(confidence: float) -> None:
    assert 1 - 2 * normal_tail(normal_quantile(confidence)) == pytest.approx(confidence)


@pytest.mark.parametrize(
    ("confidence", "message"),
    [
        (0.5, "confidence=0.5: it lies strictly between 0.5 and 1, such as 0.95"),
        (1.0, "confidence=1.0: it lies strictly between 0.5 and 1"),
        (float("nan"), "confidence=nan: it lies strictly between"),
        (95, "confidence=95: it lies strictly between 0.5 and 1, such as 0.95; for 95 percent say 0.95"),
        ("0.95", "confidence='0.95': it lies strictly between"),
        (True, "confidence=True: it lies strictly between"),
    ],
)
def test_a_confidence_out_of_range_is_refused(confidence: object, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_confidence(confidence)
    assert message in str(caught.value)


def test_student_needs_a_degree_of_freedom() -> None:
    with pytest.raises(UsageError, match="df=0: at least 1 degree of freedom is needed"):
        student_quantile(0.95, 0)
