"""What the markers and parameters of a test say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_vlmrobust import options
from pytest_vlmrobust.plugin.state import State

if TYPE_CHECKING:
    from pytest_vlmrobust.core.baselines import RegressionGate
    from pytest_vlmrobust.core.gates import Gate

COMPARING = ("baseline", "max_regression")
"""The keys of a marker that declare gates against a baseline."""


def marked_gates(state: State, item: pytest.Item) -> list[Gate | RegressionGate]:
    """The gates that the markers of a test declare; none when they name no threshold.

    Raises:
        UsageError: a marker is wrong, or declares gates that could check nothing.
    """
    layer = options.marker_layer(item.iter_markers("vlm"))
    names = [name for name in options.GATE_KEYS if name in layer]
    compares = any(name in layer for name in COMPARING)
    if not names and not compares:
        return []
    from pytest_vlmrobust.conditions import resolve_conditions
    from pytest_vlmrobust.declared import declared_gates

    settings = state.settings_at(item)
    conditions = resolve_conditions(settings.conditions)
    gates: list[Gate | RegressionGate] = []
    if names:
        gates += declared_gates({name: getattr(settings, name) for name in names}, conditions)
    if compares:
        from pytest_vlmrobust.declared_baselines import regression_gates

        gates += regression_gates(settings, conditions)
    return gates


def names_a_gate(node: pytest.Item) -> bool:
    """Whether some marker of a test names a threshold or a baseline, right or wrong."""
    names = (*options.GATE_KEYS, *COMPARING)
    return any(name in mark.kwargs for mark in node.iter_markers("vlm") for name in names)


def is_own(item: pytest.Item) -> bool:
    """Whether a test carries the marker itself, rather than its class or module."""
    return any(mark.name == "vlm" for mark in item.own_markers)


def parametrizes_model(node: pytest.Item) -> bool:
    """Whether a test chooses its models by a ``parametrize`` of its own."""
    given = (
        mark.args[0] if mark.args else mark.kwargs.get("argnames", "")
        for mark in node.iter_markers("parametrize")
    )
    return any(
        "vlm" in (names.replace(" ", "").split(",") if isinstance(names, str) else names) for names in given
    )


def model_spec(item: pytest.Item) -> str:
    """The model that a test is parametrized with, or ""."""
    callspec = getattr(item, "callspec", None)
    param = callspec.params.get("vlm") if callspec else None
    return param if isinstance(param, str) else getattr(param, "spec", "")
