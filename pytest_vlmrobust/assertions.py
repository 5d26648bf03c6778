"""Assertions on an evaluation, for pytest and anywhere else.

Each is a function of its arguments alone. It raises AssertionError where the gate fails, with an explanation;
`pytest_vlmrobust.errors.VacuousError` where there is no basis for a verdict (the
condition was not run, too many replies could not be read, ...); and
`pytest_vlmrobust.errors.UsageError` where an argument makes no sense. It returns None where the
gate passes.
"""

from __future__ import annotations

from collections.abc import Iterable

from pytest_vlmrobust.core.basis import check_whole
from pytest_vlmrobust.core.explain import explain_failure, explain_gates
from pytest_vlmrobust.core.gates import Gate, Outcome, check
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.thresholds import threshold_gates
from pytest_vlmrobust.core.views import BASE
from pytest_vlmrobust.errors import UsageError, VacuousError

_UNSCORED = 0.05


def assert_accuracy(
    run: Evaluation, condition: str = BASE, *, min_accuracy: float, max_unscored_rate: float = _UNSCORED
) -> None:
    """Fail when fewer than ``min_accuracy`` of the answers are right.

    Args:
        run: the evaluation.
        condition: a condition that was run.
        min_accuracy: the least share of right answers that passes, a fraction in [0, 1].
        max_unscored_rate: the largest share of replies that may be unreadable, a fraction in [0, 1].

    Raises:
        AssertionError: accuracy is below the bound.
        VacuousError: there is no basis for a verdict.
        UsageError: an argument makes no sense.
    """
    __tracebackhide__ = True
    _hold(run, Gate("accuracy", condition, min=min_accuracy), max_unscored_rate)


def assert_accuracy_drop(
    run: Evaluation, condition: str, *, max_drop: float, max_unscored_rate: float = _UNSCORED
) -> None:
    """Fail when accuracy falls by more than ``max_drop`` from ``base`` to the condition.

    Args:
        run: the evaluation; ``base`` was run too.
        condition: a condition that was run, other than ``base``.
        max_drop: the largest fall that passes, a fraction of the samples in [0, 1].
        max_unscored_rate: the largest share of replies that may be unreadable, a fraction in [0, 1].

    Raises:
        AssertionError: accuracy falls by more.
        VacuousError: there is no basis for a verdict.
        UsageError: an argument makes no sense.
    """
    __tracebackhide__ = True
    _hold(run, Gate("accuracy_drop", condition, max=max_drop), max_unscored_rate)


def assert_misled_rate(
    run: Evaluation, condition: str, *, max_rate: float, max_unscored_rate: float = _UNSCORED
) -> None:
    """Fail when more than ``max_rate`` of the answers are the wrong option that was planted.

    Args:
        run: the evaluation.
        condition: a condition that was run and plants a wrong option.
        max_rate: the largest share that passes, a fraction in [0, 1].
        max_unscored_rate: the largest share of replies that may be unreadable, a fraction in [0, 1].

    Raises:
        AssertionError: the share is larger.
        VacuousError: there is no basis for a verdict.
        UsageError: an argument makes no sense.
    """
    __tracebackhide__ = True
    _hold(run, Gate("misled_rate", condition, max=max_rate), max_unscored_rate)


def assert_unfaithful_rate(
    run: Evaluation, condition: str, *, max_rate: float, max_unscored_rate: float = _UNSCORED
) -> None:
    """Fail when more than ``max_rate`` of the replies answer something else than they reason.

    Args:
        run: the evaluation.
        condition: a condition that was run and whose replies hold reasoning.
        max_rate: the largest share that passes, among the replies on which the judge
            decided, a fraction in [0, 1].
        max_unscored_rate: the largest share of replies that may be unreadable, and of judgments
            that may have failed, a fraction in [0, 1].

    Raises:
        AssertionError: the share is larger.
        VacuousError: there is no basis for a verdict.
        UsageError: an argument makes no sense.
    """
    __tracebackhide__ = True
    _hold(run, Gate("unfaithful_rate", condition, max=max_rate), max_unscored_rate)


def assert_confidently_wrong_rate(
    run: Evaluation, condition: str, *, max_rate: float, max_unscored_rate: float = _UNSCORED
) -> None:
    """Fail when more than ``max_rate`` of the answers are wrong with P(letter) of 0.9 or more.

    Args:
        run: the evaluation of a model that gives letter probabilities.
        condition: a condition that was run.
        max_rate: the largest share that passes, a fraction in [0, 1].
        max_unscored_rate: the largest share of replies that may be unreadable, and of answers that
            may lack probabilities, a fraction in [0, 1].

    Raises:
        AssertionError: the share is larger.
        VacuousError: there is no basis for a verdict.
        UsageError: an argument makes no sense.
    """
    __tracebackhide__ = True
    _hold(run, Gate("confidently_wrong_rate", condition, max=max_rate), max_unscored_rate)


def assert_gates(
    run: Evaluation,
    *gates: Gate,
    max_accuracy_drop: float | None = None,
    max_stop_think_drop: float | None = None,
    max_unfaithful_rate: float | None = None,
    max_misled_rate: float | None = None,
    min_accuracy: float | None = None,
    max_confidently_wrong_rate: float | None = None,
    conditions: str | Iterable[str] | None = None,
    max_unscored_rate: float = _UNSCORED,
) -> None:
    """Check several gates and report all that fail at once.

    Args:
        run: the evaluation.
        *gates: gates of your own.
        max_accuracy_drop: gates every condition of the run that misleads, or alters what is shown, see
            `pytest_vlmrobust.core.thresholds`; a fraction in [0, 1] or None for no gate.
        max_stop_think_drop: gates every condition that leaves no room for reasoning.
        max_unfaithful_rate: gates every condition whose replies hold reasoning.
        max_misled_rate: gates every misleading condition.
        min_accuracy: gates ``base``.
        max_confidently_wrong_rate: gates ``base``, and as ``max_accuracy_drop``.
        conditions: limits the thresholds (not ``gates``) to these; by default all that were run.
        max_unscored_rate: see `pytest_vlmrobust.core.gates.check`.

    Raises:
        AssertionError: a gate fails; gates without a verdict are named, too.
        VacuousError: no gate fails, but some have no basis for a verdict; or, before any is checked,
            the run is incomplete, a threshold applies to no condition, or one of ``conditions`` was not run.
        UsageError: no gate and no threshold is given, or an argument makes no sense.
    """
    __tracebackhide__ = True
    _check_run(run)
    thresholds = {
        "max_accuracy_drop": max_accuracy_drop,
        "max_stop_think_drop": max_stop_think_drop,
        "max_unfaithful_rate": max_unfaithful_rate,
        "max_misled_rate": max_misled_rate,
        "min_accuracy": min_accuracy,
        "max_confidently_wrong_rate": max_confidently_wrong_rate,
    }
    chosen = (*gates, *_gates(run, thresholds, conditions))
    if not chosen:
        raise UsageError("assert_gates was given no gate and no threshold, so it would check nothing")
    check_whole(run)
    outcomes, baseless = _check_all(run, chosen, max_unscored_rate)
    if not all(outcome.passed for outcome in outcomes):
        raise AssertionError("\n\n".join([explain_gates(run, outcomes), *map(str, baseless)]))
    if baseless:
        raise VacuousError("\n\n".join(map(str, baseless)))


def _hold(run: Evaluation, gate: Gate, max_unscored_rate: float) -> None:
    __tracebackhide__ = True
    _check_run(run)
    outcome = check(run, gate, max_unscored_rate=max_unscored_rate)
    if not outcome.passed:
        raise AssertionError(explain_failure(run, outcome))


def _check_run(run: object) -> None:
    __tracebackhide__ = True
    if not isinstance(run, Evaluation):
        raise UsageError(
            f"run must be an Evaluation, as evaluate(...) or the fixture vlm_evaluate returns it; "
            f"got {type(run).__name__}: {run!r:.80}"
        )


def _gates(
    run: Evaluation, thresholds: dict[str, float | None], conditions: str | Iterable[str] | None
) -> list[Gate]:
    """Make the gates of the thresholds; each threshold that is set has to make at least one."""
    __tracebackhide__ = True
    asked = [conditions] if isinstance(conditions, str) else conditions
    names = run.conditions if asked is None else tuple(asked)
    roles = {name: run.roles(name) for name in names}  # refuses a condition that was not run
    made: list[Gate] = []
    for name, threshold in thresholds.items():
        if threshold is None:
            continue
        some = threshold_gates(name, threshold, roles)
        if not some:
            raise VacuousError(
                f"{name}={threshold:g} applies to none of the conditions {', '.join(names) or '(none)'}, "
                "so it would check nothing"
            )
        made += some
    return made


def _check_all(
    run: Evaluation, gates: Iterable[Gate], max_unscored_rate: float
) -> tuple[list[Outcome], list[VacuousError]]:
    outcomes: list[Outcome] = []
    baseless: list[VacuousError] = []
    for gate in gates:
        try:
            outcomes.append(check(run, gate, max_unscored_rate=max_unscored_rate))
        except VacuousError as error:
            baseless.append(error)
    return outcomes, baseless
