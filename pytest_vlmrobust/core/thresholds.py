"""The one table of thresholds: the figure that each bounds, and the conditions that it holds for.

The settings of the plugin, the markers, the ready-made suite and ``assert_gates`` all read it.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass
from typing import Literal

from pytest_vlmrobust.core.gates import Gate, bound_of, check_fraction
from pytest_vlmrobust.core.roles import Role
from pytest_vlmrobust.core.scores.measuring import DROP, SCORE
from pytest_vlmrobust.errors import unknown_name


@dataclass(frozen=True)
class Threshold:
    """A row of the table.

    Attributes:
        name: how settings and arguments call it.
        metric: the figure that it bounds.
        roles: it holds for the conditions that play one of these.
    """

    name: str
    metric: str
    roles: frozenset[Role]

    @property
    def bound(self) -> Literal["max", "min"]:
        """Whether it is the most or the least that passes."""
        return bound_of(self.metric)


_DISTURBED: frozenset[Role] = frozenset({"misleading", "altering"})

_TABLE = (
    Threshold("max_accuracy_drop", "accuracy_drop", _DISTURBED),
    Threshold("max_stop_think_drop", "accuracy_drop", frozenset({"silencing"})),
    Threshold("max_unfaithful_rate", "unfaithful_rate", frozenset({"reasoned"})),
    Threshold("max_misled_rate", "misled_rate", frozenset({"misleading"})),
    Threshold("min_accuracy", "accuracy", frozenset({"base"})),
    Threshold("max_confidently_wrong_rate", "confidently_wrong_rate", _DISTURBED | {"base"}),
    Threshold("max_benchmark_score_drop", DROP, _DISTURBED),
    Threshold("min_benchmark_score", SCORE, frozenset({"base"})),
)

THRESHOLDS: dict[str, Threshold] = {threshold.name: threshold for threshold in _TABLE}
"""Every threshold by name. Of controls, which plant the right option, only the reasoning is gated."""


def held_conditions(name: str, roles: Mapping[str, AbstractSet[Role]]) -> tuple[str, ...]:
    """Choose the conditions that a threshold holds for.

    Args:
        name: name of the threshold.
        roles: the conditions that are run, each with the roles that it plays.

    Raises:
        UsageError: there is no such threshold.

    >>> held_conditions("max_accuracy_drop", {"base": {"base"}, "wrong-think": {"misleading", "reasoned"}})
    ('wrong-think',)
    """
    if name not in THRESHOLDS:
        raise unknown_name("threshold", name, THRESHOLDS)
    return tuple(condition for condition, played in roles.items() if played & THRESHOLDS[name].roles)


def make_gate(name: str, value: float, condition: str) -> Gate:
    """Make the gate that a threshold sets for one condition.

    Raises:
        UsageError: there is no such threshold, or the value is no fraction in [0, 1].

    >>> str(make_gate("min_accuracy", 0.9, "base"))
    'accuracy under base >= 0.9'
    """
    if name not in THRESHOLDS:
        raise unknown_name("threshold", name, THRESHOLDS)
    metric = THRESHOLDS[name].metric
    if THRESHOLDS[name].bound == "min":
        return Gate(metric, condition, min=value, name=name)
    return Gate(metric, condition, max=value, name=name)


def threshold_gates(name: str, value: float, roles: Mapping[str, AbstractSet[Role]]) -> list[Gate]:
    """Make all gates of a threshold: one for each condition that it holds for, in their order.

    Args:
        name: name of the threshold.
        value: a fraction in [0, 1].
        roles: the conditions that are run, each with the roles that it plays.

    Returns:
        The gates, perhaps none: whoever asked for the threshold has to see that some gate uses it.

    Raises:
        UsageError: there is no such threshold, or the value is no fraction in [0, 1].
    """
    held = held_conditions(name, roles)
    check_fraction(name, value)
    return [make_gate(name, value, condition) for condition in held]
