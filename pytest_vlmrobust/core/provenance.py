"""What is known about a run, as JSON values."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from pytest_vlmrobust.errors import UsageError

_CONDITION = {"name": (str,), "plants": (str, type(None)), "reasons": (bool,)}


def json_values(values: Mapping[str, Any], name: str) -> dict[str, Any]:
    """Return a copy of ``values`` as plain JSON values.

    Args:
        values: what is to go into a report.
        name: how the message calls them.

    Raises:
        UsageError: something in them has no JSON form, such as NaN or an object.
    """
    try:
        copy: dict[str, Any] = json.loads(json.dumps(dict(values), allow_nan=False))
    except (TypeError, ValueError) as error:
        raise UsageError(f"{name} must be made of JSON values: {error}") from error
    return copy


def checked_provenance(provenance: Mapping[str, Any]) -> dict[str, Any]:
    """Return a copy of a provenance whose list of conditions can be relied upon.

    Args:
        provenance: free but for ``conditions``, which, where present, lists
            ``{"name": str, "plants": "wrong" | "right" | None, "reasons": bool}``.

    Raises:
        UsageError: it is not made of JSON values, or ``conditions`` is something else; the message
            names the field.
    """
    copy = json_values(provenance, "provenance")
    listed = copy.get("conditions", [])
    if not isinstance(listed, list):
        raise UsageError(f"provenance.conditions must be an array, got {listed!r}")
    for index, entry in enumerate(listed):
        for key, kinds in _CONDITION.items():
            if not isinstance(entry, dict) or not isinstance(entry.get(key), kinds):
                raise UsageError(
                    f"provenance.conditions[{index}] must be an object with name (a string), plants "
                    f"('wrong', 'right' or null) and reasons (true or false), got {entry!r}"
                )
    return copy


@dataclass(frozen=True, kw_only=True)
class Design:
    """What a condition is meant to do.

    Attributes:
        plants: "wrong", "right", or None where it asserts no option.
        reasons: whether its replies should hold reasoning of the model's own.
    """

    plants: str | None
    reasons: bool


def designs(provenance: Mapping[str, Any]) -> dict[str, Design]:
    """Return the design of each condition that the provenance lists, by name."""
    listed = provenance.get("conditions", [])
    return {entry["name"]: Design(plants=entry["plants"], reasons=entry["reasons"]) for entry in listed}
