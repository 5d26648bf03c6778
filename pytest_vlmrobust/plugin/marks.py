"""What the markers and parameters of a test say."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from pytest_vlmrobust import options
from pytest_vlmrobust.plugin.state import State

if TYPE_CHECKING:
    from pytest_vlmrobust.core.gates import Gate


def marked_gates(state: State, item: pytest.Item) -> list[Gate]:
    """The gates that the markers of a test declare; none when they name no threshold.

    Raises:
        UsageError: a marker is wrong, or declares gates that could check nothing.
    """
    layer = options.marker_layer(item.iter_markers("vlm"))
    names = [name for name in options.GATE_KEYS if name in layer]
    if not names:
        return []
    from pytest_vlmrobust.conditions import resolve_conditions
    from pytest_vlmrobust.declared import declared_gates

    settings = state.settings_at(item)
    thresholds = {name: getattr(settings, name) for name in names}
    return declared_gates(thresholds, resolve_conditions(settings.conditions))


def names_a_gate(node: pytest.Item) -> bool:
    """Whether some marker of a test names a threshold, right or wrong."""
    return any(name in mark.kwargs for mark in node.iter_markers("vlm") for name in options.GATE_KEYS)


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
