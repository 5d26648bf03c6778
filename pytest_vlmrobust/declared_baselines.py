"""From settings to comparisons: which baselines are read, and which gates they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from typing import TYPE_CHECKING

from pytest_vlmrobust.core.baselines import RegressionGate, compared_conditions
from pytest_vlmrobust.core.choosing import choose_run, spec_of
from pytest_vlmrobust.core.quantities import PAIRABLE
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.scores.measuring import SCORE
from pytest_vlmrobust.core.thresholds import THRESHOLDS
from pytest_vlmrobust.declared import roles_of
from pytest_vlmrobust.described import PROTOCOL_VERSION
from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.reports.reading import load_report, load_run

if TYPE_CHECKING:
    from pytest_vlmrobust.options import Settings
    from pytest_vlmrobust.options.parsers import MaxRegression

_SEPARATOR = "::"


def check_baselines(baselines: Iterable[str]) -> None:
    """Read every baseline, so that what is wrong with one is known before a model is loaded.

    Raises:
        UsageError: there is no such report, it is damaged, or it holds no run of the model that is named.
    """
    for baseline in baselines:
        path, model = _parts(baseline)
        runs = load_report(path)
        if not runs or (model and model not in map(spec_of, runs)):
            choose_run(runs, model=model, source=f"report {path!r}")  # says what is wrong


def load_baseline(baseline: str, run: Evaluation) -> Evaluation:
    """Read the baseline of a run.

    Args:
        baseline: as the setting names it: a path, perhaps with ``::MODEL`` behind it.
        run: the run under test.

    Raises:
        UsageError: there is no such report, or it does not hold just one run that could be meant.
    """
    path, model = _parts(baseline)
    return load_run(path, model=model, like=run)


def check_bounds(bounds: Iterable[MaxRegression]) -> None:
    """Refuse a bound on a figure that cannot be compared.

    Raises:
        UsageError: the figure is unknown, has no direction or is no mean over samples.
    """
    for bound in bounds:
        if bound.metric:
            RegressionGate(bound.metric, "any", max_regression=bound.value)


def regression_gates(settings: Settings, conditions: Sequence[str]) -> list[RegressionGate]:
    """Make the gates against the baselines: for each of them, each figure, and each of its conditions.

    Args:
        settings: with ``baseline`` and ``max_regression``.
        conditions: names of the conditions that are run.

    Raises:
        UsageError: one of the two settings is there without the other, or a bound holds for no condition.
    """
    if not settings.baseline:
        raise UsageError(
            "max_regression is set, but there is no baseline to compare with: name one by "
            "--vlm-baseline=PATH, a report that --vlm-json wrote"
        )
    if not settings.max_regression:
        raise UsageError(
            "a baseline is set, but nothing would be compared with it: say how much worse which figure may "
            "be, such as --vlm-max-regression=accuracy=0.02, or --vlm-max-regression=0.02 for all that are "
            "gated"
        )
    roles = roles_of(conditions)
    gates: list[RegressionGate] = []
    for baseline in settings.baseline:
        for metric, bound in _bounds(settings).items():
            names = compared_conditions(metric, roles)
            if not names and any(one.metric == metric for one in settings.max_regression):
                raise UsageError(
                    f"max_regression of {metric} holds for none of the conditions {', '.join(conditions)}"
                )
            gates += [RegressionGate(metric, name, max_regression=bound, baseline=baseline) for name in names]
    return gates


def check_planned(settings: Settings, conditions: Sequence[str]) -> None:
    """Refuse baselines that are known, before anything is asked, not to compare with what is planned.

    Args:
        settings: with ``baseline`` and ``max_regression``.
        conditions: names of the conditions that are run.

    Raises:
        UsageError: as `regression_gates`; or no run of a baseline has the seed, the version of the protocol
            and the conditions that are compared.
    """
    compared = {gate.condition for gate in regression_gates(settings, conditions)}
    for baseline in settings.baseline:
        path, model = _parts(baseline)
        runs = [run for run in load_report(path) if not model or spec_of(run) == model]
        for what, planned, theirs in (
            ("seed", settings.seed, [run.provenance.get("seed") for run in runs]),
            ("protocol_version", PROTOCOL_VERSION, [run.provenance.get("protocol_version") for run in runs]),
        ):
            if planned not in theirs:
                told = ", ".join(map(str, dict.fromkeys(theirs)))
                raise UsageError(
                    f"baseline {baseline!r} cannot be compared: {what} is {planned} here and {told} there"
                )
        lacking = compared.intersection(*(compared - set(run.conditions) for run in runs))
        if lacking:
            raise UsageError(
                f"baseline {baseline!r} cannot be compared: it was not run under {', '.join(sorted(lacking))}"
            )


def _bounds(settings: Settings) -> Mapping[str, float]:
    """The bound of each figure: its own, else the one that stands alone where the figure is gated."""
    own = {bound.metric: bound.value for bound in settings.max_regression if bound.metric}
    alone = [bound.value for bound in settings.max_regression if not bound.metric]
    if not alone:
        return own
    on = (known.metric for name, known in THRESHOLDS.items() if getattr(settings, name) is not None)
    gated = [metric for metric in on if metric in (*PAIRABLE, SCORE)]
    return {**dict.fromkeys(["accuracy", *gated], alone[0]), **own}


def _parts(baseline: str) -> tuple[str, str]:
    path, _, model = baseline.partition(_SEPARATOR)
    return path, model
