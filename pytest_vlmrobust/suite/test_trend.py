"""The gate on the checkpoints of a training (--vlm-max-trend-fall); one test for all models together."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_vlmrobust.errors import VlmRobustError
from pytest_vlmrobust.plugin.state import STATE

if TYPE_CHECKING:
    from pytest_vlmrobust.core.trends import Trend


def test_trend(request: pytest.FixtureRequest, vlm_trend: Trend) -> None:
    """What the training gains in accuracy it does not pay for with faithfulness or robustness."""
    from pytest_vlmrobust.comparisons import assert_trend

    settings = request.config.stash[STATE].settings
    bound = settings.max_trend_fall
    assert bound is not None, "--vlm-max-trend-fall is off"  # then the test is not collected
    problem = ""
    try:
        assert_trend(vlm_trend, max_fall=bound, max_unscored_rate=settings.max_unscored_rate)
    except (AssertionError, VlmRobustError) as error:
        problem = str(error)
    if problem:
        pytest.fail(problem, pytrace=False)
