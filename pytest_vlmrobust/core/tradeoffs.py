"""Whether a training buys accuracy with faithfulness or robustness."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from typing import Literal

from pytest_vlmrobust.core.baselines import compared_conditions
from pytest_vlmrobust.core.basis import MAX_UNSCORED_RATE, check_basis
from pytest_vlmrobust.core.comparable import comparable
from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.gates import bound_of, check_fraction
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.quantities import terms
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.regressions import check_compared, regression, widest
from pytest_vlmrobust.core.trends import Spread, Training, Trend, spread_of
from pytest_vlmrobust.core.views import BASE
from pytest_vlmrobust.errors import UsageError, VacuousError, unknown_name

GAINS = ("accuracy", "letter_entropy")
"""What may look like progress: accuracy that rises, or entropy that falls, so that a model seems to know."""

_ROUNDING = 1e-12
"""Means of equal counts may differ by less than this."""

FALLING = ("unfaithful_rate", "accuracy_drop")
"""What is watched by default: faithfulness and robustness."""


@dataclass(frozen=True)
class TrendGate:
    """A bound on what a training may lose while it seems to gain.

    Attributes:
        metric: the figure that may get worse, such as "unfaithful_rate".
        condition: the condition that it is measured under.
        max_fall: by how much, since the first checkpoint, a fraction in [0, 1].
        gain: what seems better meanwhile: "accuracy" under ``base``, or "letter_entropy", which falls, under
            the condition; None to allow no such fall whatever else happens.
        since: the step that later ones are compared with; by default the first of all.

    Raises:
        UsageError: a metric is unknown or cannot be compared, or the bound is no fraction in [0, 1].
    """

    metric: str
    condition: str
    max_fall: float = field(kw_only=True)
    gain: str | None = field(default="accuracy", kw_only=True)
    since: int | None = field(default=None, kw_only=True)

    def __post_init__(self) -> None:
        """Refuse a gate that could not mean anything."""
        check_compared(self.metric)
        if self.gain is not None and self.gain not in GAINS:
            raise unknown_name("gain", str(self.gain), GAINS)
        if (self.metric, self.condition) == (self.gain, BASE):
            raise UsageError("a trend cannot fall in accuracy under base while it rises in it")
        check_fraction("max_fall", self.max_fall)

    @property
    def shown_gain(self) -> str:
        """The figure whose gain is told beside each fall."""
        return self.gain or "accuracy"

    @property
    def gain_condition(self) -> str:
        """The condition under which it is measured."""
        return BASE if self.shown_gain == "accuracy" else self.condition

    def broken_by(self, fall: float, gain: float) -> bool:
        """Whether a change breaks the gate; the bound itself does not."""
        return fall > self.max_fall + _ROUNDING and (self.gain is None or gain > _ROUNDING)


@dataclass(frozen=True, kw_only=True)
class Change:
    """What has changed from the first checkpoint to a later one.

    Attributes:
        step: of the later one.
        gain: how much it seems better, positive is a gain.
        fall: how much worse the watched figure is, positive is worse.
        figure: the fall of one training, with its interval; None for a mean of several.
        spread: the falls of several trainings; None for one.
        worse: ids of the samples that became worse; none for a mean of several.
    """

    step: int
    gain: float
    fall: float
    figure: Figure | None = None
    spread: Spread | None = None
    worse: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class Tradeoff:
    """What a trend gate said.

    Attributes:
        gate: the gate.
        trainings: names of the trainings that it stands on; the mean of several.
        since: the step that the others are compared with.
        changes: one for each later step.
        each: for each later step, the fall in each of the trainings.
        began: the first step beyond the bound, or None.
    """

    gate: TrendGate
    trainings: tuple[str, ...]
    since: int
    changes: tuple[Change, ...]
    each: tuple[tuple[float, ...], ...]
    began: int | None

    @property
    def verdict(self) -> Literal["pass", "fail"]:
        """Whether the bound was kept."""
        return "pass" if self.began is None else "fail"

    @property
    def passed(self) -> bool:
        """Whether the verdict is "pass"."""
        return self.began is None

    @property
    def at(self) -> Change:
        """What has changed at the step where it began."""
        return next(change for change in self.changes if change.step == self.began)


def trend_gates(
    trend: Trend,
    *,
    max_fall: float,
    metrics: str | Iterable[str] = FALLING,
    conditions: str | Iterable[str] | None = None,
    gain: str | None = "accuracy",
    since: int | None = None,
) -> list[TrendGate]:
    """Make the gates of a trend: each metric under each condition that it is compared under.

    Args:
        trend: the checkpoints.
        max_fall: see `TrendGate`, as ``gain`` and ``since``.
        metrics: the figures that are watched.
        conditions: where; by default those of `pytest_vlmrobust.core.baselines.compared_conditions`.
        gain: what rises meanwhile.
        since: the step that later ones are compared with.

    Raises:
        UsageError: no metric is given, or an argument makes no sense.
        VacuousError: a condition was not run, or a metric applies to none of them.
    """
    check_is_trend(trend)
    run = trend.trainings[0].checkpoints[0].run
    asked = [conditions] if isinstance(conditions, str) else conditions
    names = trend.conditions if asked is None else tuple(asked)
    roles = {name: run.roles(name) for name in names}  # refuses a condition that was not run
    watched = [metrics] if isinstance(metrics, str) else list(metrics)
    if not watched:
        raise UsageError("metrics is empty: name a figure to watch, such as 'unfaithful_rate'")
    gates = []
    for metric in watched:
        bound_of(metric)
        chosen = names if asked is not None else compared_conditions(metric, roles)
        if not chosen:
            raise VacuousError(
                f"{metric} applies to none of the conditions {', '.join(names) or '(none)'}, so it would "
                "check nothing"
            )
        gates += [TrendGate(metric, name, max_fall=max_fall, gain=gain, since=since) for name in chosen]
    return gates


def check_is_trend(trend: object) -> None:
    """Refuse anything but a trend.

    Raises:
        UsageError: it is something else.
    """
    if not isinstance(trend, Trend):
        raise UsageError(
            "trend must be a Trend, as make_trend(...) or the fixture vlm_trend returns it; "
            f"got {type(trend).__name__}: {trend!r:.80}"
        )


def check_trend(
    trend: Trend, gate: TrendGate, *, each: bool = False, max_unscored_rate: float = MAX_UNSCORED_RATE
) -> list[Tradeoff]:
    """Hold a trend against a gate.

    A step breaks the gate when the watched figure is worse than at the first step by more than ``max_fall``
    while the gain is above 0. Of several trainings the mean decides, at the steps that all of them have: they
    are taken for the same training with other seeds.

    Args:
        trend: the checkpoints.
        gate: the gate.
        each: hold each training against the gate by itself.
        max_unscored_rate: see `pytest_vlmrobust.core.gates.check`; holds for each checkpoint.

    Returns:
        One outcome, or with ``each`` one for each training.

    Raises:
        UsageError: two checkpoints differ in more than the model, or a step is not there.
        VacuousError: at some checkpoint there is no basis for a verdict, or there is nothing to compare.
    """
    check_is_trend(trend)
    check_fraction("max_unscored_rate", max_unscored_rate)
    if each or len(trend.trainings) == 1:
        return [_of_one(training, gate, training.steps, max_unscored_rate) for training in trend.trainings]
    if len(trend.steps) < 2:
        told = "; ".join(f"{one.name}: {', '.join(map(str, one.steps))}" for one in trend.trainings)
        raise VacuousError(
            f"the trainings have {len(trend.steps)} steps in common, and their mean needs at least two "
            f"({told}); hold each by itself (each=True), or name trainings of the same steps"
        )
    alone = [_of_one(training, gate, trend.steps, max_unscored_rate) for training in trend.trainings]
    return [_of_all(gate, alone)]


def _of_one(training: Training, gate: TrendGate, steps: Sequence[int], allowed: float) -> Tradeoff:
    first = training.at(steps[0] if gate.since is None else gate.since)
    later = [training.at(step) for step in steps if step > first.step]
    if not later:
        raise VacuousError(
            f"training {training.name!r} has no checkpoint after step {first.step} to compare with it"
        )
    for checkpoint in (first, *later):
        _check(checkpoint.run, gate, allowed, checkpoint.spec)
    changes = [_change(first.run, checkpoint.run, gate, checkpoint.step) for checkpoint in later]
    return _outcome(gate, (training.name,), first.step, changes, [(change.fall,) for change in changes])


def _of_all(gate: TrendGate, alone: Sequence[Tradeoff]) -> Tradeoff:
    changes, falls = [], []
    for at_step in zip(*(one.changes for one in alone), strict=True):
        falling = [change.fall for change in at_step]
        spread = spread_of(at_step[0].step, falling, widest=widest(gate.metric))
        gain = spread_of(spread.step, [change.gain for change in at_step]).mean
        changes.append(Change(step=spread.step, gain=gain, fall=spread.mean, spread=spread))
        falls.append(tuple(falling))
    names = tuple(name for one in alone for name in one.trainings)
    return _outcome(gate, names, alone[0].since, changes, falls)


def _outcome(
    gate: TrendGate,
    trainings: tuple[str, ...],
    since: int,
    changes: Sequence[Change],
    falls: Sequence[tuple[float, ...]],
) -> Tradeoff:
    broken = (change.step for change in changes if gate.broken_by(change.fall, change.gain))
    return Tradeoff(
        gate=gate,
        trainings=trainings,
        since=since,
        changes=tuple(changes),
        each=tuple(falls),
        began=next(broken, None),
    )


def _check(run: Evaluation, gate: TrendGate, allowed: float, spec: str) -> None:
    try:
        check_basis(run, gate.metric, gate.condition, max_unscored_rate=allowed)
        check_basis(run, gate.shown_gain, gate.gain_condition, max_unscored_rate=allowed)
    except VacuousError as error:
        raise VacuousError(f"at {spec}: {error}") from None


def _change(first: Evaluation, later: Evaluation, gate: TrendGate, step: int) -> Change:
    basis = METRICS[gate.metric].basis
    names = dict.fromkeys([gate.condition, *([BASE] if basis == "paired" else []), gate.gain_condition])
    run, start = comparable(later, first, names, judged=basis == "judged")
    figure, worse = regression(run, start, gate.metric, gate.condition)
    gain = _gain(run, start, gate)
    return Change(step=step, gain=gain, fall=figure.value, figure=figure, worse=worse)


def _gain(run: Evaluation, start: Evaluation, gate: TrendGate) -> float:
    here, there = (terms(one.view(gate.gain_condition), gate.shown_gain) for one in (run, start))
    both = here.counts & there.counts
    if not both.any():
        raise VacuousError(f"no sample has a {gate.shown_gain} in both checkpoints, so no gain can be told")
    rise = float(here.values[both].mean()) - float(there.values[both].mean())
    return -rise if gate.shown_gain == "letter_entropy" else rise
