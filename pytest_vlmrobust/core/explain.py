"""SKELETON, being filled: the only module that words a failure."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vlmrobust.core.gates import Outcome
from pytest_vlmrobust.core.records import Evaluation


def explain_failure(evaluation: Evaluation, outcome: Outcome, *, command: str | None = None) -> str:
    """Several lines. command: what reproduces it; default provenance["command"] if there, else the seed."""
    raise NotImplementedError


def explain_gates(evaluation: Evaluation, outcomes: Sequence[Outcome], *, command: str | None = None) -> str:
    """All outcomes at once: a headline, then each that failed."""
    raise NotImplementedError
