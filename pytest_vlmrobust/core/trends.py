"""Figures over the checkpoints of a training, and the trade-off that accuracy alone hides.

Fine-tuning by reinforcement learning can raise accuracy while faithfulness and robustness fall (Zhao et al.
2026, arXiv 2602.12506). Each checkpoint is compared with the first one of its training, on the same samples.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.quantiles import student_quantile
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.errors import UsageError, VacuousError, unknown_name

_STEP = re.compile(r"(?:^|.*[^0-9A-Za-z])(\d+)", re.DOTALL)


def checkpoint_of(spec: str) -> tuple[str, int] | None:
    """Take the spec of a checkpoint apart.

    Args:
        spec: path of a folder whose name is a step, or ends in one behind a sign: ``checkpoint-500``,
            ``global_step_500``, ``500``.

    Returns:
        The folder around it, which names the training, and the step; None where the name tells no step.

    >>> checkpoint_of("runs/a/checkpoint-500"), checkpoint_of("checkpoint-500"), checkpoint_of("runs/a/best")
    (('runs/a', 500), ('.', 500), None)
    """
    training, _, name = spec.replace("\\", "/").rstrip("/").rpartition("/")
    found = _STEP.fullmatch(name)
    return (training or ".", int(found[1])) if found else None


@dataclass(frozen=True, kw_only=True, eq=False)
class Checkpoint:
    """A model on the way through a training.

    Attributes:
        spec: its spec, the path of its folder.
        step: how far the training had come.
        run: how it did.
    """

    spec: str
    step: int
    run: Evaluation


@dataclass(frozen=True, kw_only=True, eq=False)
class Training:
    """The checkpoints of one training, by step.

    Attributes:
        name: path of the folder that they lie in.
        checkpoints: at least two, their steps rising.
    """

    name: str
    checkpoints: tuple[Checkpoint, ...]

    @property
    def steps(self) -> tuple[int, ...]:
        """Step of each checkpoint."""
        return tuple(checkpoint.step for checkpoint in self.checkpoints)

    def at(self, step: int) -> Checkpoint:
        """Return the checkpoint of a step.

        Raises:
            UsageError: there is none.
        """
        for checkpoint in self.checkpoints:
            if checkpoint.step == step:
                return checkpoint
        raise unknown_name(f"step of {self.name}", str(step), map(str, self.steps))

    def figures(self, metric: str, condition: str) -> list[Figure | None]:
        """Measure a figure at each checkpoint; None where it does not apply.

        Raises:
            UsageError: there is no such metric.
            VacuousError: the condition was not run.
        """
        return [_figure(checkpoint.run, metric, condition) for checkpoint in self.checkpoints]


@dataclass(frozen=True, kw_only=True)
class Spread:
    """A figure at one step over several trainings.

    Attributes:
        step: the step.
        mean: over the trainings.
        spread: the standard deviation between them (with n - 1).
        low: lower bound of Student's 95 % interval for the mean of such trainings.
        high: upper bound.
        n: how many trainings there are.
    """

    step: int
    mean: float
    spread: float
    low: float
    high: float
    n: int


@dataclass(frozen=True, kw_only=True, eq=False, repr=False)
class Trend:
    """Trainings of one kind, such as several seeds, each with its checkpoints.

    Attributes:
        trainings: at least one, in the order in which they came.
    """

    trainings: tuple[Training, ...]

    def __repr__(self) -> str:
        told = (f"{one.name}: steps {', '.join(map(str, one.steps))}" for one in self.trainings)
        return f"Trend({'; '.join(told)})"

    @property
    def steps(self) -> tuple[int, ...]:
        """The steps at which every training has a checkpoint."""
        shared = set.intersection(*(set(training.steps) for training in self.trainings))
        return tuple(sorted(shared))

    @property
    def conditions(self) -> tuple[str, ...]:
        """The conditions that every checkpoint was run under."""
        first, *others = (
            checkpoint.run for training in self.trainings for checkpoint in training.checkpoints
        )
        return tuple(name for name in first.conditions if all(name in run.conditions for run in others))

    def spread(self, metric: str, condition: str) -> list[Spread]:
        """Measure a figure over the trainings, at each step that all of them have.

        Steps at which it does not apply to one of the trainings are left out.

        Raises:
            UsageError: there is no such metric.
            VacuousError: the condition was not run, or there is only one training.
        """
        spreads = []
        for step in self.steps:
            figures = [_figure(training.at(step).run, metric, condition) for training in self.trainings]
            values = [figure.value for figure in figures if figure is not None]
            if len(values) == len(figures):
                spreads.append(spread_of(step, values))
        return spreads


def make_trend(runs: Mapping[str, Evaluation]) -> Trend:
    """Put the runs of checkpoints in order.

    Args:
        runs: by the spec of the model, the path of its folder; see `checkpoint_of`.

    Raises:
        UsageError: a spec tells no step, or two tell the same one of the same training.
        VacuousError: a training has only one checkpoint, or there is none at all.
    """
    trainings = check_checkpoints(runs)
    return Trend(
        trainings=tuple(
            Training(
                name=name,
                checkpoints=tuple(
                    Checkpoint(spec=spec, step=step, run=runs[spec]) for step, spec in sorted(specs.items())
                ),
            )
            for name, specs in trainings.items()
        )
    )


def check_checkpoints(specs: Iterable[str]) -> dict[str, dict[int, str]]:
    """Refuse models that make no trend, before any of them is run.

    Returns:
        For each training, in the order in which they came, the spec at each step.

    Raises:
        UsageError: as `make_trend`.
        VacuousError: as `make_trend`.
    """
    found: dict[str, dict[int, str]] = {}
    for spec in specs:
        place = checkpoint_of(spec)
        if place is None:
            raise UsageError(
                f"model {spec!r} is no checkpoint of a training: a trend needs folders whose names end in "
                "the step, such as runs/a/checkpoint-500"
            )
        training, step = place
        if step in found.setdefault(training, {}):
            raise UsageError(
                f"{found[training][step]!r} and {spec!r} are both step {step} of one training: name one of "
                "them"
            )
        found[training][step] = spec
    if not found:
        raise VacuousError("there are no checkpoints: a trend of nothing shows nothing")
    for training, steps in found.items():
        if len(steps) < 2:
            (spec,) = steps.values()
            raise VacuousError(
                f"training {training!r} has one checkpoint, {spec!r}, and one point shows no trend: at "
                "least two are needed, such as --vlm-model='runs/a/checkpoint-*'"
            )
    return found


def spread_of(step: int, values: Sequence[float], *, widest: float = math.inf) -> Spread:
    """Mean and spread of what several trainings show at one step.

    Args:
        step: the step.
        values: of each training.
        widest: the largest value there can be, and with the other sign the smallest.

    Raises:
        VacuousError: there is only one.

    >>> spread = spread_of(500, [0.1, 0.2, 0.3])
    >>> round(spread.mean, 3), round(spread.spread, 3), round(spread.high, 3)
    (0.2, 0.1, 0.448)
    """
    n = len(values)
    if n < 2:
        raise VacuousError("one training shows no spread between trainings: at least two are needed")
    mean = math.fsum(values) / n
    spread = math.sqrt(math.fsum((value - mean) ** 2 for value in values) / (n - 1))
    half = student_quantile(0.95, n - 1) * spread / math.sqrt(n)
    return Spread(
        step=step, mean=mean, spread=spread, low=max(-widest, mean - half), high=min(widest, mean + half), n=n
    )


def _figure(run: Evaluation, metric: str, condition: str) -> Figure | None:
    run.columns(condition)  # a condition that was not run is an error, not a gap
    try:
        return run.figure(condition, metric)
    except VacuousError:
        return None
