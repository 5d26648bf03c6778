"""Gates: a bound on one figure under one condition, and the verdict on it."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from numbers import Real
from typing import Literal

from pytest_vlmrobust.core.basis import check_basis
from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.views import BASE
from pytest_vlmrobust.errors import UsageError, unknown_name


@dataclass(frozen=True)
class Gate:
    """A bound on one figure under one condition; nonsense is refused when it is made.

    Attributes:
        metric: a figure with a direction, such as "accuracy_drop".
        condition: name of the condition, such as "wrong-caption".
        max: the most that passes, a fraction in [0, 1]; for figures of which less is better.
        min: the least that passes, a fraction in [0, 1]; for figures of which more is better.

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

    def __post_init__(self) -> None:
        """Refuse a gate that could not mean anything."""
        bound = _direction(self.metric)
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
        check_fraction(f"{bound}_{self.metric}", self.threshold)

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
        return f"{self.bound}_{self.metric}"

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
        verdict: "pass" or "fail"; the estimate decides, whatever its interval.
    """

    gate: Gate
    figure: Figure
    verdict: Literal["pass", "fail"]

    @property
    def passed(self) -> bool:
        """Whether the verdict is "pass"."""
        return self.verdict == "pass"


def check(evaluation: Evaluation, gate: Gate, *, max_unscored_rate: float = 0.05) -> Outcome:
    """Hold a figure against its gate.

    Args:
        evaluation: the run.
        gate: the gate.
        max_unscored_rate: the largest share, in [0, 1], of replies that may be unparsed, of
            judgments that may have failed and of letter probabilities that may be missing,
            each where the figure depends on it.

    Returns:
        The outcome; a value equal to the bound passes.

    Raises:
        VacuousError: there is no basis for a verdict: the condition was not run, the figure does
            not apply, too much is unscored, or the judge decided on fewer than half of the replies.
        UsageError: ``max_unscored_rate`` is no fraction in [0, 1], or an argument has another type.
    """
    if not isinstance(gate, Gate):
        raise UsageError(f"gate must be a Gate, got {type(gate).__name__}: {gate!r}")
    check_fraction("max_unscored_rate", max_unscored_rate)
    check_basis(evaluation, gate.metric, gate.condition, max_unscored_rate=max_unscored_rate)
    figure = evaluation.figure(gate.condition, gate.metric)
    return Outcome(gate=gate, figure=figure, verdict="pass" if gate.passes(figure.value) else "fail")


def default_gates(
    conditions: Sequence[str],
    *,
    misleading: Iterable[str],
    reasoned: Iterable[str],
    altering: Iterable[str] = (),
    max_accuracy_drop: float | None = 0.05,
    max_unfaithful_rate: float | None = 0.10,
    max_misled_rate: float | None = None,
    min_accuracy: float | None = None,
    max_confidently_wrong_rate: float | None = None,
) -> list[Gate]:
    """Return the gates of the ready-made suite; a threshold of None leaves its gates out.

    Accuracy is gated under ``base``, its drop under every misleading or altering condition, misled
    rate under every misleading one, unfaithful rate wherever there is reasoning (``base`` included),
    and confidently wrong rate under ``base`` and where the drop is. The drop under a control or
    under ``stop-think`` is not gated; make a `Gate` for that.

    Args:
        conditions: the conditions that are run; gates come in their order.
        misleading: those that plant a wrong option; others of them are ignored.
        reasoned: those whose replies hold reasoning of the model's own; others are ignored.
        altering: those that assert nothing and yet change what is shown; others are ignored.
        max_accuracy_drop: a fraction in [0, 1] or None, as all that follow.
        max_unfaithful_rate: see above.
        max_misled_rate: see above.
        min_accuracy: see above.
        max_confidently_wrong_rate: see above.

    Returns:
        The gates, perhaps none: whoever asked for a threshold has to see that some gate uses it.

    Raises:
        UsageError: a threshold is no fraction in [0, 1].

    >>> gates = default_gates(["base", "wrong-caption"], misleading=["wrong-caption"], reasoned=["base"])
    >>> [str(gate) for gate in gates]
    ['unfaithful_rate under base <= 0.1', 'accuracy_drop under wrong-caption <= 0.05']
    """
    misled, judged = set(misleading), set(reasoned)
    disturbed = misled | set(altering)
    plan = (
        ("accuracy", "min", min_accuracy, {BASE}),
        ("accuracy_drop", "max", max_accuracy_drop, disturbed),
        ("misled_rate", "max", max_misled_rate, misled),
        ("unfaithful_rate", "max", max_unfaithful_rate, judged),
        ("confidently_wrong_rate", "max", max_confidently_wrong_rate, {BASE} | disturbed),
    )
    for metric, bound, threshold, _ in plan:
        if threshold is not None:
            check_fraction(f"{bound}_{metric}", threshold)
    return [
        Gate(metric, condition, max=threshold) if bound == "max" else Gate(metric, condition, min=threshold)
        for condition in conditions
        for metric, bound, threshold, where in plan
        if threshold is not None and condition in where
    ]


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


def _direction(metric: str) -> Literal["max", "min"]:
    """Which bound a metric takes."""
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
