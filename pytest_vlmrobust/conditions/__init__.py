"""Conditions: interventions on a sample that never change its question, options or right answer."""

from pytest_vlmrobust.conditions import text  # registers the built-in conditions
from pytest_vlmrobust.conditions.registry import (
    CONDITION_SETS,
    Case,
    Condition,
    condition,
    get_condition,
    perturb,
    registered_conditions,
    resolve_conditions,
)

__all__ = [
    "CONDITION_SETS",
    "Case",
    "Condition",
    "condition",
    "get_condition",
    "perturb",
    "registered_conditions",
    "resolve_conditions",
    "text",
]
