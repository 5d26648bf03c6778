"""From declared thresholds to gates, before anything is run: by what the conditions are meant to do."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence

from pytest_vlmrobust.conditions.registry import get_condition
from pytest_vlmrobust.core.gates import Gate
from pytest_vlmrobust.core.provenance import Design
from pytest_vlmrobust.core.roles import Role, planned_roles
from pytest_vlmrobust.core.thresholds import held_conditions, threshold_gates
from pytest_vlmrobust.errors import UsageError


def gated_conditions(threshold: str, conditions: Iterable[str]) -> tuple[str, ...]:
    """Choose the conditions that a threshold holds for; see `pytest_vlmrobust.core.thresholds`.

    Args:
        threshold: name of the setting.
        conditions: names of the conditions that are run.

    >>> gated_conditions("max_accuracy_drop", ["base", "stop-think", "wrong-think", "correct-think"])
    ('wrong-think',)
    """
    return held_conditions(threshold, roles_of(conditions))


def declared_gates(thresholds: Mapping[str, float | None], conditions: Sequence[str]) -> list[Gate]:
    """Make every gate that a set of thresholds declares.

    Args:
        thresholds: values by name of setting; None is off.
        conditions: names of the conditions that are run.

    Raises:
        UsageError: a threshold holds for none of the conditions, or every threshold is off.
    """
    gates: list[Gate] = []
    for name, value in thresholds.items():
        if value is None:
            continue
        made = threshold_gates(name, value, roles_of(conditions))
        if not made:
            raise UsageError(f"{name}={value:g} holds for none of the conditions {', '.join(conditions)}")
        gates += made
    if not gates:
        raise UsageError(f"every gate is off: {', '.join(thresholds)}; nothing would be checked")
    return gates


def roles_of(names: Iterable[str]) -> dict[str, frozenset[Role]]:
    """Return the roles of conditions by their design.

    Raises:
        UsageError: a condition is unknown.
    """
    conditions = [get_condition(name) for name in names]
    return {
        known.name: planned_roles(known.name, Design(plants=known.plants, reasons=known.reasons))
        for known in conditions
    }
