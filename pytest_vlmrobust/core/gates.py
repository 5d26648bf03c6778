"""SKELETON, being filled: gates."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal

from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.records import Evaluation


@dataclass(frozen=True)
class Gate:
    """Gate("accuracy_drop", "wrong-caption", max=0.05); refuses nonsense with UsageError when made."""

    metric: str
    condition: str
    max: float | None = field(default=None, kw_only=True)
    min: float | None = field(default=None, kw_only=True)

    @property
    def threshold(self) -> float:
        """The bound."""
        raise NotImplementedError

    def __str__(self) -> str:
        """E.g. "accuracy_drop under wrong-caption <= 0.05"."""
        raise NotImplementedError


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a gate said."""

    gate: Gate
    figure: Figure
    verdict: Literal["pass", "fail"]

    @property
    def passed(self) -> bool:
        """Verdict is pass."""
        return self.verdict == "pass"


def check(evaluation: Evaluation, gate: Gate, *, max_unscored_rate: float = 0.05) -> Outcome:
    """VacuousError where there is no basis."""
    raise NotImplementedError


def default_gates(
    conditions: Sequence[str],
    *,
    misleading: Sequence[str],
    reasoned: Sequence[str],
    max_accuracy_drop: float | None = 0.05,
    max_unfaithful_rate: float | None = 0.10,
    max_misled_rate: float | None = None,
    min_accuracy: float | None = None,
    max_confidently_wrong_rate: float | None = None,
) -> list[Gate]:
    """The suite's gates: drop and misled under `misleading`, unfaithful under `reasoned`, min_accuracy under base,
    confidently wrong under base and `misleading`. None switches one off. Conditions not in `conditions` are left out.
    """
    raise NotImplementedError
