"""From declared thresholds to gates: which threshold holds for which condition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_vlmrobust.conditions.registry import BASE, Condition, get_condition
from pytest_vlmrobust.core.gates import Gate
from pytest_vlmrobust.errors import UsageError


@dataclass(frozen=True, kw_only=True)
class _Rule:
    metric: str
    bound: Literal["max", "min"] = "max"


_RULES: dict[str, _Rule] = {
    "max_accuracy_drop": _Rule(metric="accuracy_drop"),
    "max_stop_think_drop": _Rule(metric="accuracy_drop"),
    "max_unfaithful_rate": _Rule(metric="unfaithful_rate"),
    "max_misled_rate": _Rule(metric="misled_rate"),
    "min_accuracy": _Rule(metric="accuracy", bound="min"),
    "max_confidently_wrong_rate": _Rule(metric="confidently_wrong_rate"),
}


def gated_conditions(threshold: str, conditions: Iterable[str]) -> tuple[str, ...]:
    """Choose the conditions that a threshold holds for.

    ==========================  ===================================================================
    max_accuracy_drop           where a wrong option is planted, and where nothing is planted but
                                the model reasons (a condition of one's own that alters the image)
    max_stop_think_drop         where nothing is planted and the model may not reason
    max_unfaithful_rate         wherever there is reasoning, ``base`` included
    max_misled_rate             where a wrong option is planted
    min_accuracy                ``base``
    max_confidently_wrong_rate  ``base``, and as max_accuracy_drop
    ==========================  ===================================================================

    Conditions that plant the right option are controls: they are shown, and only their reasoning
    is gated.

    Args:
        threshold: name of the setting.
        conditions: names of the conditions that are run.

    >>> gated_conditions("max_accuracy_drop", ["base", "stop-think", "wrong-think", "correct-think"])
    ('wrong-think',)
    """
    return tuple(name for name in conditions if _holds(threshold, get_condition(name)))


def _holds(threshold: str, condition: Condition) -> bool:
    is_base = condition.name == BASE
    alters = not is_base and condition.plants is None
    misleads = condition.plants == "wrong" or (alters and condition.reasons)
    return {
        "max_accuracy_drop": misleads,
        "max_stop_think_drop": alters and not condition.reasons,
        "max_unfaithful_rate": condition.reasons,
        "max_misled_rate": condition.plants == "wrong",
        "min_accuracy": is_base,
        "max_confidently_wrong_rate": is_base or misleads,
    }[threshold]


def make_gate(threshold: str, value: float, condition: str) -> Gate:
    """Make the gate that a threshold sets for one condition."""
    rule = _RULES[threshold]
    if rule.bound == "min":
        return Gate(rule.metric, condition, min=value)
    return Gate(rule.metric, condition, max=value)


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
        held = gated_conditions(name, conditions)
        if not held:
            raise UsageError(f"{name}={value:g} holds for none of the conditions {', '.join(conditions)}")
        gates += [make_gate(name, value, condition) for condition in held]
    if not gates:
        raise UsageError(f"every gate is off: {', '.join(thresholds)}; nothing would be checked")
    return gates
