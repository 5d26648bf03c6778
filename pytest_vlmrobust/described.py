"""What is known of an evaluation before it begins: its provenance."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

from pytest_vlmrobust.conditions import get_condition
from pytest_vlmrobust.conditions.claims import count_rules
from pytest_vlmrobust.core.provenance import checked_provenance
from pytest_vlmrobust.core.replies import READER_VERSION
from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.judges import Judge, Panel
from pytest_vlmrobust.models.base import Model

PROTOCOL = "zhao2026"
"""Zhao et al. 2026, arXiv 2602.12506."""

PROTOCOL_VERSION = 2
"""Counts our choices where the paper leaves them open; figures of different versions do not compare."""


def _judges(judge: Judge) -> list[dict[str, Any]]:
    members = judge.members if isinstance(judge, Panel) else (judge,)
    return [{"name": one.name, "details": dict(getattr(one, "details", {}))} for one in members]


def described(
    model: Model,
    names: Sequence[str],
    judge: Judge,
    seed: int,
    dataset: Mapping[str, Any],
    context: Mapping[str, Any],
) -> dict[str, Any]:
    """Return what is known of a run before its first reply.

    Args:
        model: the model.
        names: the conditions.
        judge: the judge.
        seed: the seed.
        dataset: name, digest and size of the data set, and what else is known of it.
        context: what the caller knows.

    Raises:
        UsageError: the context claims a field that is written here, or is not made of JSON values.
    """
    info = model.info
    listed = [get_condition(name) for name in names]
    ours: dict[str, Any] = {
        "package_version": importlib.metadata.version("pytest-vlmrobust"),
        "protocol": PROTOCOL,
        "protocol_version": PROTOCOL_VERSION,
        "reader_version": READER_VERSION,
        "model": {"spec": info.spec, "digest": info.digest, "details": dict(info.details)},
        "dataset": dict(dataset),
        "conditions": [{"name": c.name, "plants": c.plants, "reasons": c.reasons} for c in listed],
        "judge": judge.name,
        "judges": _judges(judge),
        "seed": seed,
    }
    for key in context:
        if key in (*ours, "judge_failures", "replies", "plant"):
            raise UsageError(f"context.{key} is written by evaluate itself: leave it out")
    return checked_provenance({**ours, **context})


def misleading(names: Iterable[str]) -> bool:
    """Say whether a condition is among them that asserts a wrong option."""
    return any(get_condition(name).plants == "wrong" for name in names)


def planting(
    plant: str, samples: Sequence[Sample], names: Sequence[str], known: Mapping[str, Any]
) -> dict[str, Any]:
    """What is to be known of the planted claims: how they are chosen, and by which rules they are worded."""
    if not any(get_condition(name).plants for name in names):
        return {}
    counted = {} if "claims" in known else {"claims": count_rules(samples)}
    return {"plant": {"name": plant}, **counted}
