"""The fixtures that compare runs: with a baseline, and over the checkpoints of a training."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_vlmrobust.errors import DryRunError, VlmRobustError
from pytest_vlmrobust.plugin.fixtures import NO_MODEL, told
from pytest_vlmrobust.plugin.state import COMPARED, STATE

if TYPE_CHECKING:
    from pytest_vlmrobust.core.records import Evaluation
    from pytest_vlmrobust.core.trends import Trend

TREND = "vlm_trend"
"""Name of the fixture that evaluates every model."""


@pytest.fixture
def vlm_baselines(request: pytest.FixtureRequest, vlm_run: Evaluation) -> tuple[Evaluation, ...]:
    """The Evaluations that --vlm-baseline names, in order, for assert_no_regression.

    Of a report with several runs the one that vlm_run can be compared with. Without any the test fails.
    """
    from pytest_vlmrobust.declared_baselines import load_baseline

    state = request.config.stash[STATE]
    names = state.settings_at(request.node).baseline
    if not names:
        pytest.fail("no baseline to compare with: pass --vlm-baseline=PATH, a report that --vlm-json wrote")
    try:
        baselines = tuple(load_baseline(name, vlm_run) for name in names)
    except VlmRobustError as error:
        problem = told(error)
    else:
        request.node.user_properties += [(COMPARED, name) for name in names]
        return baselines
    pytest.fail(problem, pytrace=False)


@pytest.fixture
def vlm_trend(request: pytest.FixtureRequest) -> Trend:
    """The figures of every model that --vlm-model names, as checkpoints of trainings, for assert_trend.

    The models are folders such as runs/a/checkpoint-500, named one by one or by a pattern,
    --vlm-model='runs/*/checkpoint-*': the folder around them is the training, the number at the end the step.
    Each is evaluated as vlm_run is, in turn, and once in a session. The test is not repeated for each model.
    """
    state = request.config.stash[STATE]
    state.note_use()
    settings = state.settings_here({})
    if not settings.model:
        if settings.require:
            pytest.fail(f"{NO_MODEL} (--vlm-require makes this an error)", pytrace=False)
        pytest.skip(NO_MODEL)
    request.node.user_properties.append(("vlm_model", ", ".join(settings.model)))
    try:
        return state.session.trend(settings)
    except DryRunError as dry:
        pytest.skip(str(dry))
    except VlmRobustError as error:
        problem = told(error)
    pytest.fail(problem, pytrace=False)
