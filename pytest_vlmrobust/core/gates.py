"""Gates: a bound on one figure under one condition, and the verdict on it."""

from __future__ import annotations

import math
from collections.abc import Iterable
from dataclasses import dataclass, field
from numbers import Real
from typing import Literal

from pytest_vlmrobust.core.basis import MAX_UNSCORED_RATE, check_basis
from pytest_vlmrobust.core.evidence import Evidence, weigh
from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.findings import CONFIDENCE, Finding, check_mode, find, find_all
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.verdicts import Mode, Verdict
from pytest_vlmrobust.core.views import BASE
from pytest_vlmrobust.errors import UsageError, VacuousError, unknown_name


@dataclass(frozen=True)
class Gate:
    """A bound on one figure under one condition; nonsense is refused when it is made.

    Attributes:
        metric: a figure with a direction, such as "accuracy_drop".
        condition: name of the condition, such as "wrong-caption".
        max: the most that passes, a fraction in [0, 1]; for figures of which less is better.
        min: the least that passes, a fraction in [0, 1]; for figures of which more is better.
        name: how messages call the bound; by default after the metric, such as "max_accuracy_drop".

    Raises:
        UsageError: the metric is unknown or has no direction, the condition is empty, not exactly one
            bound is given, it is the wrong one for the metric, or it is no fraction in [0, 1].

    >>> str(Gate("accuracy_drop", "wrong-caption", max=0.05))
    'accuracy_drop under wrong-caption <= 0.05'
    >>> str(Gate("accuracy", "base", min=0.9))
    'accuracy under base >= 0.9'
    """

    metric: str
    condition: str
    max: float | None = field(default=None, kw_only=True)
    min: float | None = field(default=None, kw_only=True)
    name: str = field(default="", kw_only=True, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Refuse a gate that could not mean anything."""
        bound = bound_of(self.metric)
        if not isinstance(self.condition, str) or not self.condition.strip():
            raise UsageError(
                f"gate on {self.metric}: condition is {self.condition!r}; name one, such as {BASE!r}"
            )
        if (self.max is None) == (self.min is None):
            given = "neither max nor min" if self.max is None else "both max and min"
            raise UsageError(f"gate on {self.metric} has {given}: give {bound} alone, such as {bound}=0.05")
        if getattr(self, bound) is None:
            better = "less" if bound == "max" else "more"
            raise UsageError(
                f"gate on {self.metric} has {'min' if bound == 'max' else 'max'}: {better} of it is better, "
                f"so give {bound}"
            )
        check_fraction(self.setting, self.threshold)

    @property
    def bound(self) -> Literal["max", "min"]:
        """Which of the two bounds is set."""
        return "min" if self.max is None else "max"

    @property
    def threshold(self) -> float:
        """The bound that is set."""
        threshold = self.min if self.max is None else self.max
        assert threshold is not None  # __post_init__ saw to it
        return threshold

    @property
    def setting(self) -> str:
        """The name of the bound, such as "max_accuracy_drop"."""
        return self.name or f"{self.bound}_{self.metric}"

    def passes(self, value: float) -> bool:
        """Whether a value of the figure is within the bound; the bound itself is."""
        return value <= self.threshold if self.bound == "max" else value >= self.threshold

    def __str__(self) -> str:
        """Word the gate as an inequality."""
        sign = "<=" if self.bound == "max" else ">="
        return f"{self.metric} under {self.condition} {sign} {self.threshold:g}"


@dataclass(frozen=True, kw_only=True)
class Outcome:
    """What a gate said about an evaluation.

    Attributes:
        gate: the gate.
        figure: what was measured.
        finding: the verdict, and how sure it is.
    """

    gate: Gate
    figure: Figure
    finding: Finding

    @property
    def verdict(self) -> Verdict:
        """What was found: "pass", "fail" or, in mode "confident", "inconclusive"."""
        return self.finding.verdict

    @property
    def passed(self) -> bool:
        """Whether the verdict is "pass"."""
        return self.verdict == "pass"


def check(
    evaluation: Evaluation,
    gate: Gate,
    *,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
    mode: Mode = "estimate",
    confidence: float = CONFIDENCE,
) -> Outcome:
    """Hold a figure against its gate.

    Args:
        evaluation: the run.
        gate: the gate.
        max_unscored_rate: the largest share, in [0, 1], of replies that may be unparsed, of
            judgments that may have failed and of letter probabilities that may be missing,
            each where the figure depends on it.
        mode: "estimate": the estimate decides. "confident": it passes only where the whole interval does,
            fails only where no part of it passes, and is inconclusive else.
        confidence: of the interval, strictly between 0.5 and 1.

    Returns:
        The outcome; a value equal to the bound passes.

    Raises:
        VacuousError: there is no basis for a verdict: the condition was not run, the figure does
            not apply, too much is unscored, the judge decided on fewer than half of the replies, or, in
            mode "confident", there is no interval or too few samples for any verdict.
        UsageError: ``max_unscored_rate`` is no fraction in [0, 1], or another argument makes no sense.
    """
    check_mode(mode, confidence)
    evidence = weigh_gate(evaluation, gate, max_unscored_rate=max_unscored_rate)
    finding = find(gate, evidence, mode=mode, confidence=confidence)
    return Outcome(gate=gate, figure=evidence.figure, finding=finding)


def judge_gates(
    evaluation: Evaluation,
    gates: Iterable[Gate],
    *,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
    mode: Mode = "estimate",
    confidence: float = CONFIDENCE,
    familywise: bool = False,
) -> tuple[list[Outcome], list[VacuousError]]:
    """Hold a run against several gates.

    Args:
        evaluation: the run.
        gates: the gates.
        max_unscored_rate: as of `check`.
        mode: as of `check`.
        confidence: as of `check`.
        familywise: judge them together, see `pytest_vlmrobust.core.findings.find_family`.

    Returns:
        An outcome for each gate on which there is a verdict, and an error for each other.

    Raises:
        UsageError: as `check`, or ``familywise`` in another mode than "confident".
    """
    check_mode(mode, confidence, familywise=familywise)
    weighed: list[tuple[Gate, Evidence]] = []
    baseless: list[VacuousError] = []
    for gate in gates:
        try:
            weighed.append((gate, weigh_gate(evaluation, gate, max_unscored_rate=max_unscored_rate)))
        except VacuousError as error:
            baseless.append(error)
    outcomes = []
    found = find_all(weighed, mode=mode, confidence=confidence, familywise=familywise)
    for (gate, evidence), finding in zip(weighed, found, strict=True):
        if isinstance(finding, Finding):
            outcomes.append(Outcome(gate=gate, figure=evidence.figure, finding=finding))
        else:
            baseless.append(finding)
    return outcomes, baseless


def weigh_gate(evaluation: Evaluation, gate: Gate, *, max_unscored_rate: float) -> Evidence:
    """Look at what the samples show about a gate, and refuse one without a basis.

    Raises:
        VacuousError, UsageError: as `check`.
    """
    if not isinstance(gate, Gate):
        raise UsageError(f"gate must be a Gate, got {type(gate).__name__}: {gate!r}")
    check_fraction("max_unscored_rate", max_unscored_rate)
    check_basis(evaluation, gate.metric, gate.condition, max_unscored_rate=max_unscored_rate)
    figure = evaluation.figure(gate.condition, gate.metric)
    evidence = weigh(evaluation.view(gate.condition), gate.metric, figure)
    assert evidence is not None  # a figure with a direction is a rate, a drop, a mean or a score
    return evidence


def check_fraction(name: str, value: object) -> None:
    """Refuse what is no fraction in [0, 1].

    Raises:
        UsageError: it is not a number, not finite or out of range; percents are recognized.
    """
    if isinstance(value, bool) or not isinstance(value, Real):
        raise UsageError(f"{name}={value!r}: a number in [0, 1] is needed, got {type(value).__name__}")
    number = float(value)
    if math.isnan(number) or not 0 <= number <= 1:
        hint = f"; for {number:g} percent say {number / 100:g}" if 1 < number <= 100 else ""
        raise UsageError(f"{name}={value!r}: it is a fraction and lies in [0, 1]{hint}")


def bound_of(metric: str) -> Literal["max", "min"]:
    """Which bound a metric takes: the most of it that passes, or the least.

    Raises:
        UsageError: there is no such metric, or neither more nor less of it is better.

    >>> bound_of("accuracy"), bound_of("accuracy_drop")
    ('min', 'max')
    """
    gateable = [name for name, known in METRICS.items() if known.bound]
    if metric not in METRICS:
        raise unknown_name("metric", str(metric), gateable)
    bound = METRICS[metric].bound
    if bound is None:
        raise UsageError(
            f"no gate can be set on {metric}: neither more nor less of it is better in itself. "
            f"Gates can be set on: {', '.join(gateable)}"
        )
    return bound
