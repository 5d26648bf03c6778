"""Which of the ready-made tests there are: one for each gate that is on and each condition it holds for."""

from __future__ import annotations

from collections.abc import Callable
from typing import TYPE_CHECKING

import pytest

from pytest_vlmrobust.plugin.marks import model_spec
from pytest_vlmrobust.plugin.running import SUITE, check_gates
from pytest_vlmrobust.plugin.state import STATE

if TYPE_CHECKING:
    from pytest_vlmrobust.core.baselines import RegressionGate
    from pytest_vlmrobust.core.gates import Gate
    from pytest_vlmrobust.options import Settings

_OPTION = {
    "test_accuracy": "min_accuracy",
    "test_accuracy_drop": "max_accuracy_drop",
    "test_stop_think_drop": "max_stop_think_drop",
    "test_misled_rate": "max_misled_rate",
    "test_unfaithful_rate": "max_unfaithful_rate",
    "test_confidently_wrong_rate": "max_confidently_wrong_rate",
    "test_benchmark_score": "min_benchmark_score",
    "test_benchmark_score_drop": "max_benchmark_score_drop",
}
"""The threshold behind each test."""


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str) -> list[pytest.Item] | None:
    """Leave out a test whose gate is off or holds for none of the conditions."""
    if name in _OPTION and not _gated(collector.config, name):
        return []
    if name == "test_no_regression" and not _regressions(collector.config):
        return []
    if name == "test_trend" and _settings(collector.config).max_trend_fall is None:
        return []
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test for each condition that a gate holds for."""
    if metafunc.function.__name__ in _OPTION:
        metafunc.parametrize("condition", _gated(metafunc.config, metafunc.function.__name__))
    if metafunc.function.__name__ == "test_no_regression":
        gates = _regressions(metafunc.config)
        several = len({gate.baseline for gate in gates}) > 1
        metafunc.parametrize(
            "regression",
            gates,
            ids=[f"{gate.metric}-{gate.condition}{f'-{gate.baseline}' if several else ''}" for gate in gates],
        )


def pytest_collection_finish(session: pytest.Session) -> None:
    """With --vlm-familywise, take down the gates of the tests that are left: they are judged together."""
    state = session.config.stash.get(STATE, None)  # without the plugin collection has failed already
    if state is None or not state.settings.familywise:
        return
    for item in session.items:
        gate = _gate(item, state.settings)
        if gate is not None:
            state.declare(model_spec(item), [(state.settings, gate)])


def _gate(item: pytest.Item, settings: Settings) -> Gate | RegressionGate | None:
    """The gate of a ready-made test; None for other tests."""
    own = isinstance(item, pytest.Function) and item.module.__name__.startswith(SUITE)
    params = item.callspec.params if own and hasattr(item, "callspec") else {}
    if "regression" in params:
        gate: RegressionGate = params["regression"]
        return gate
    name = _OPTION.get(getattr(item, "originalname", ""))
    if name is None or "condition" not in params:
        return None
    from pytest_vlmrobust.core.thresholds import make_gate

    return make_gate(name, getattr(settings, name), params["condition"])


@pytest.fixture
def check(request: pytest.FixtureRequest, condition: str) -> Callable[[], None]:
    """Hold the model against the gate behind a test."""
    from pytest_vlmrobust.core.thresholds import make_gate

    name = _OPTION[request.function.__name__]
    threshold = getattr(request.config.stash[STATE].settings, name)

    def check_gate() -> None:
        check_gates(request.node, [make_gate(name, threshold, condition)])

    return check_gate


def _settings(config: pytest.Config) -> Settings:
    if STATE not in config.stash:
        raise pytest.Collector.CollectError("the ready-made tests need the plugin: leave out -p no:vlmrobust")
    return config.stash[STATE].settings


def _regressions(config: pytest.Config) -> list[RegressionGate]:
    settings = _settings(config)
    if not settings.baseline:
        return []
    from pytest_vlmrobust.conditions import resolve_conditions
    from pytest_vlmrobust.declared_baselines import regression_gates
    from pytest_vlmrobust.errors import UsageError

    try:
        return regression_gates(settings, resolve_conditions(settings.conditions))
    except UsageError:
        return []  # refused after collection, as below


def _gated(config: pytest.Config, test: str) -> tuple[str, ...]:
    from pytest_vlmrobust.conditions import resolve_conditions
    from pytest_vlmrobust.declared import gated_conditions
    from pytest_vlmrobust.errors import UsageError

    settings = _settings(config)
    name = _OPTION[test]
    if getattr(settings, name) is None:
        return ()
    try:
        return gated_conditions(name, resolve_conditions(settings.conditions))
    except UsageError:
        return ()  # an unknown condition, which the plugin refuses after collection
