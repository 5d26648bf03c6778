"""Which of the ready-made tests there are: one for each gate that is on and each condition it holds for."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from pytest_vlmrobust.plugin.running import check_gates
from pytest_vlmrobust.plugin.state import STATE

_OPTION = {
    "test_accuracy": "min_accuracy",
    "test_accuracy_drop": "max_accuracy_drop",
    "test_stop_think_drop": "max_stop_think_drop",
    "test_misled_rate": "max_misled_rate",
    "test_unfaithful_rate": "max_unfaithful_rate",
    "test_confidently_wrong_rate": "max_confidently_wrong_rate",
}
"""The threshold behind each test."""


def pytest_pycollect_makeitem(collector: pytest.Collector, name: str) -> list[pytest.Item] | None:
    """Leave out a test whose gate is off or holds for none of the conditions."""
    if name in _OPTION and not _gated(collector.config, name):
        return []
    return None


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make one test for each condition that a gate holds for."""
    if metafunc.function.__name__ in _OPTION:
        metafunc.parametrize("condition", _gated(metafunc.config, metafunc.function.__name__))


@pytest.fixture
def check(request: pytest.FixtureRequest, condition: str) -> Callable[[], None]:
    """Hold the model against the gate behind a test."""
    from pytest_vlmrobust.core.thresholds import make_gate

    name = _OPTION[request.function.__name__]
    threshold = getattr(request.config.stash[STATE].settings, name)

    def check_gate() -> None:
        check_gates(request.node, [make_gate(name, threshold, condition)])

    return check_gate


def _gated(config: pytest.Config, test: str) -> tuple[str, ...]:
    from pytest_vlmrobust.conditions import resolve_conditions
    from pytest_vlmrobust.declared import gated_conditions
    from pytest_vlmrobust.errors import UsageError

    if STATE not in config.stash:
        raise pytest.Collector.CollectError("the ready-made tests need the plugin: leave out -p no:vlmrobust")
    settings = config.stash[STATE].settings
    name = _OPTION[test]
    if getattr(settings, name) is None:
        return ()
    try:
        return gated_conditions(name, resolve_conditions(settings.conditions))
    except UsageError:
        return ()  # an unknown condition, which the plugin refuses after collection
