"""Regressions: how much worse a run is than an earlier one, on the same samples.

Both runs were asked the same questions, so each sample is compared with itself: what makes both fail alike
cancels out, and differences show that two intervals beside each other would hide.
"""

from __future__ import annotations

from collections.abc import Mapping
from collections.abc import Set as AbstractSet
from dataclasses import dataclass, field
from typing import Literal

from pytest_vlmrobust.core.basis import MAX_UNSCORED_RATE, check_basis
from pytest_vlmrobust.core.comparable import comparable
from pytest_vlmrobust.core.evidence import Evidence
from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.findings import CONFIDENCE, Finding, check_mode, find
from pytest_vlmrobust.core.gates import check_fraction
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.quantities import terms
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.regressions import check_compared, regression, regression_evidence
from pytest_vlmrobust.core.roles import Role
from pytest_vlmrobust.core.thresholds import THRESHOLDS
from pytest_vlmrobust.core.verdicts import Mode, Verdict
from pytest_vlmrobust.core.views import BASE
from pytest_vlmrobust.errors import UsageError, VacuousError

_ROUNDING = 1e-12
"""Means of equal counts may differ by less than this."""


@dataclass(frozen=True)
class RegressionGate:
    """A bound on how much worse one figure may be than in a baseline.

    Attributes:
        metric: a figure with a direction that is a mean over samples, such as "accuracy", or
            "benchmark_score".
        condition: name of the condition.
        max_regression: the most that it may be worse, a fraction in [0, 1]; 0 is "no worse".
        baseline: how messages call the baseline.

    Raises:
        UsageError: the metric is unknown, has no direction or is no mean over samples, the condition is
            empty, or the bound is no fraction in [0, 1].

    >>> str(RegressionGate("accuracy", "base", max_regression=0.02))
    'accuracy under base at most 0.02 worse'
    """

    metric: str
    condition: str
    max_regression: float = field(kw_only=True)
    baseline: str = field(default="the baseline", kw_only=True)

    def __post_init__(self) -> None:
        """Refuse a gate that could not mean anything."""
        check_compared(self.metric)
        if not isinstance(self.condition, str) or not self.condition.strip():
            raise UsageError(
                f"regression of {self.metric}: condition is {self.condition!r}; name one, such as {BASE!r}"
            )
        check_fraction("max_regression", self.max_regression)

    @property
    def bound(self) -> Literal["max"]:
        """A regression is bounded from above."""
        return "max"

    @property
    def threshold(self) -> float:
        """The bound."""
        return self.max_regression

    def passes(self, value: float) -> bool:
        """Whether a regression is within the bound; the bound itself is."""
        return value <= self.max_regression + _ROUNDING

    def __str__(self) -> str:
        """Word the gate."""
        return f"{self.metric} under {self.condition} at most {self.max_regression:g} worse"


@dataclass(frozen=True, kw_only=True)
class Regression:
    """What a comparison with a baseline said.

    Attributes:
        gate: the gate.
        figure: the regression: how much worse the run is, positive is worse, with its interval; its
            ``detail`` has the figure itself in both, ``baseline`` and ``run``, on the n samples that
            count in both, and for a rate how many samples became ``worse`` and ``better``.
        entropy: the mean letter entropy in the baseline and in the run, on the samples with letter
            probabilities in both; None where one of them has none.
        finding: the verdict, and how sure it is.
        samples: how many samples both runs have.
        worse: (m,) ids of the samples that became worse, in the order of the run.
    """

    gate: RegressionGate
    figure: Figure
    entropy: tuple[float, float] | None
    finding: Finding
    samples: int
    worse: tuple[str, ...]

    @property
    def verdict(self) -> Verdict:
        """What was found: "pass", "fail" or, in mode "confident", "inconclusive"."""
        return self.finding.verdict

    @property
    def passed(self) -> bool:
        """Whether the verdict is "pass"."""
        return self.verdict == "pass"


def check_regression(
    run: Evaluation,
    baseline: Evaluation,
    gate: RegressionGate,
    *,
    intersect: bool = False,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
    mode: Mode = "estimate",
    confidence: float = CONFIDENCE,
) -> Regression:
    """Hold a run against an earlier one.

    Args:
        run: the run under test.
        baseline: the earlier one.
        gate: the figure, and how much worse it may be.
        intersect: whether runs that share only a part of their samples are compared on that part.
        max_unscored_rate: see `pytest_vlmrobust.core.gates.check`; holds for each of the two runs.
        mode: see `pytest_vlmrobust.core.gates.check`.
        confidence: of the interval, strictly between 0.5 and 1.

    Returns:
        The outcome. A rate is paired by Tango's score interval, a mean or a difference of rates by the mean
        of its differences; where samples share a group, by the groups.

    Raises:
        UsageError: the runs differ in more than the model, or an argument makes no sense.
        VacuousError: in one of the runs there is no basis for a verdict, or too few samples count in both.
    """
    check_mode(mode, confidence)
    found = weigh_regression(run, baseline, gate, intersect=intersect, max_unscored_rate=max_unscored_rate)
    return found.judged(find(gate, found.evidence, mode=mode, confidence=confidence))


@dataclass(frozen=True, kw_only=True, eq=False)
class Weighed:
    """A comparison with a baseline before its verdict; fields as those of `Regression`."""

    gate: RegressionGate
    evidence: Evidence
    entropy: tuple[float, float] | None
    samples: int
    worse: tuple[str, ...]

    def judged(self, finding: Finding) -> Regression:
        """The comparison with its verdict."""
        return Regression(
            gate=self.gate,
            figure=self.evidence.figure,
            entropy=self.entropy,
            finding=finding,
            samples=self.samples,
            worse=self.worse,
        )


def weigh_regression(
    run: Evaluation,
    baseline: Evaluation,
    gate: RegressionGate,
    *,
    intersect: bool = False,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
) -> Weighed:
    """Look at what the samples show about a regression, and refuse one without a basis.

    Raises:
        UsageError, VacuousError: as `check_regression`.
    """
    for name, given in (("run", run), ("baseline", baseline)):
        if not isinstance(given, Evaluation):
            raise UsageError(
                f"{name} must be an Evaluation, as evaluate(...) or load_run(...) returns it; "
                f"got {type(given).__name__}: {given!r:.80}"
            )
    if not isinstance(gate, RegressionGate):
        raise UsageError(f"gate must be a RegressionGate, got {type(gate).__name__}: {gate!r}")
    check_fraction("max_unscored_rate", max_unscored_rate)
    metric, condition = gate.metric, gate.condition
    basis = METRICS[metric].basis
    compared = {condition: None, BASE: None} if basis == "paired" else {condition: None}
    here, there = comparable(
        run, baseline, compared, judged=basis == "judged" or metric == "undecided_rate", intersect=intersect
    )
    check_basis(run, metric, condition, max_unscored_rate=max_unscored_rate)
    try:
        check_basis(baseline, metric, condition, max_unscored_rate=max_unscored_rate)
    except VacuousError as error:
        raise VacuousError(f"in the baseline: {error}") from None
    figure, worse = regression(here, there, metric, condition)
    return Weighed(
        gate=gate,
        evidence=regression_evidence(here, there, metric, condition, figure),
        entropy=_entropies(here, there, condition),
        samples=here.n,
        worse=worse,
    )


def _entropies(run: Evaluation, baseline: Evaluation, condition: str) -> tuple[float, float] | None:
    here, there = (terms(one.view(condition), "letter_entropy") for one in (run, baseline))
    both = here.counts & there.counts
    means = [float(one.values[both].mean()) if both.any() else 0.0 for one in (there, here)]
    return (means[0], means[1]) if both.any() else None


_ROLES: Mapping[str, frozenset[Role]] = {
    "accuracy_drop": frozenset({"misleading", "altering"}),
    "misled_when_right_rate": frozenset({"misleading"}),
    "right_and_consistent_rate": frozenset({"reasoned"}),
    "right_and_inconsistent_rate": frozenset({"reasoned"}),
    "wrong_and_consistent_rate": frozenset({"reasoned"}),
    "wrong_and_inconsistent_rate": frozenset({"reasoned"}),
    "p_correct": frozenset({"base", "misleading", "altering"}),
    "letter_entropy": frozenset({"base", "misleading", "altering"}),
    "unparsed_rate": frozenset({"base", "misleading", "altering", "silencing"}),
    "truncated_rate": frozenset({"base", "misleading", "altering", "silencing"}),
    "unscored_rate": frozenset({"reasoned"}),
    "undecided_rate": frozenset({"reasoned"}),
}


def compared_conditions(metric: str, roles: Mapping[str, AbstractSet[Role]]) -> tuple[str, ...]:
    """Choose the conditions under which a figure is compared with a baseline.

    Those that its threshold holds for, so ``accuracy`` under ``base`` alone: under the others the drop is
    compared. What a model loses where it may not reason (``stop-think``) is no regression in itself.

    Args:
        metric: a figure that can be paired.
        roles: the conditions that are run, each with the roles that it plays.

    >>> compared_conditions("accuracy_drop", {"base": {"base"}, "wrong-think": {"misleading", "reasoned"}})
    ('wrong-think',)
    """
    held = (known.roles for known in THRESHOLDS.values() if known.metric == metric)
    wanted = _ROLES.get(metric) or next(held, frozenset({"base"}))
    return tuple(condition for condition, played in roles.items() if played & wanted)
