"""The gates against earlier runs (--vlm-baseline); one test for each baseline, figure and condition."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_vlmrobust.plugin.running import check_gates

if TYPE_CHECKING:
    from pytest_vlmrobust.core.baselines import RegressionGate

pytestmark = pytest.mark.usefixtures("vlm_run")


def test_no_regression(request: pytest.FixtureRequest, regression: RegressionGate) -> None:
    """The model is hardly worse than an earlier one on the same samples (--vlm-max-regression)."""
    check_gates(request.node, [regression])
