"""Assertions that compare runs: with an earlier run, and over the checkpoints of a training.

They raise as those in `pytest_vlmrobust.assertions` do, and work outside pytest too.
"""

from __future__ import annotations

from collections.abc import Iterable

from pytest_vlmrobust.concluding import check_inconclusive, conclude, problems_of
from pytest_vlmrobust.core.baselines import RegressionGate, check_regression
from pytest_vlmrobust.core.basis import MAX_UNSCORED_RATE
from pytest_vlmrobust.core.explain_comparisons import explain_regression, explain_tradeoff
from pytest_vlmrobust.core.findings import CONFIDENCE, Inconclusive
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.tradeoffs import FALLING, check_trend, trend_gates
from pytest_vlmrobust.core.trends import Trend
from pytest_vlmrobust.core.verdicts import Mode
from pytest_vlmrobust.core.views import BASE
from pytest_vlmrobust.errors import VacuousError


def assert_no_regression(
    run: Evaluation,
    baseline: Evaluation,
    *,
    metric: str = "accuracy",
    condition: str = BASE,
    max_regression: float,
    intersect: bool = False,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
    mode: Mode = "estimate",
    confidence: float = CONFIDENCE,
    inconclusive: Inconclusive = "fail",
) -> None:
    """Fail when a figure is worse than in an earlier run of the same samples by more than allowed.

    Args:
        run: the evaluation under test.
        baseline: the earlier one, such as ``load_run("baseline.json")``.
        metric: a figure with a direction that is a mean over samples, such as "accuracy_drop".
        condition: a condition of both runs.
        max_regression: how much worse it may be, a fraction in [0, 1]; 0 for "no worse".
        intersect: compare runs that share only a part of their samples on that part.
        max_unscored_rate: the largest share of replies that may be unreadable in each of the runs, of
            judgments that may have failed and of probabilities that may be missing, a fraction in [0, 1].
        mode: "estimate" where the estimate decides, "confident" where a verdict has to be sure.
        confidence: of the interval and of a sure verdict, strictly between 0.5 and 1.
        inconclusive: what becomes of a gate on which no verdict is sure: "fail", "warn" or "skip".

    Raises:
        AssertionError: it is worse by more.
        VacuousError: in one of the runs there is no basis for a verdict.
        UsageError: the runs differ in more than the model, or an argument makes no sense.
    """
    __tracebackhide__ = True
    gate = RegressionGate(metric, condition, max_regression=max_regression)
    check_inconclusive(inconclusive)
    outcome = check_regression(
        run,
        baseline,
        gate,
        intersect=intersect,
        max_unscored_rate=max_unscored_rate,
        mode=mode,
        confidence=confidence,
    )
    conclude(problems_of(outcome.verdict, lambda: explain_regression(run, baseline, outcome)), inconclusive)


def assert_trend(
    trend: Trend,
    *,
    max_fall: float,
    metrics: str | Iterable[str] = FALLING,
    conditions: str | Iterable[str] | None = None,
    gain: str | None = "accuracy",
    since: int | None = None,
    each: bool = False,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
) -> None:
    """Fail when a training gains accuracy and pays for it with faithfulness or robustness.

    Each checkpoint is compared with the first one, sample by sample. Of several trainings, such as seeds, the
    mean decides.

    Args:
        trend: the checkpoints, see `pytest_vlmrobust.core.trends.make_trend`.
        max_fall: how much worse a figure may get while the gain is above 0, a fraction in [0, 1].
        metrics: the figures that are watched; by default unfaithful_rate and accuracy_drop.
        conditions: where; by default under all conditions that the figure's threshold holds for.
        gain: what rises meanwhile: "accuracy" (under ``base``); "letter_entropy", which falls, for a model
            that only becomes surer; or None to allow no such fall whatever else happens.
        since: the step that later ones are compared with; by default the first.
        each: hold each training against the bound by itself.
        max_unscored_rate: see `pytest_vlmrobust.core.gates.check`; holds for each checkpoint.

    Raises:
        AssertionError: a figure gets worse by more; the message names the step where it began.
        VacuousError: at some checkpoint there is no basis for a verdict, or a figure applies to no condition.
        UsageError: checkpoints differ in more than the model, or an argument makes no sense.
    """
    __tracebackhide__ = True
    gates = trend_gates(
        trend, max_fall=max_fall, metrics=metrics, conditions=conditions, gain=gain, since=since
    )
    failed, baseless = [], []
    for gate in gates:
        try:
            outcomes = check_trend(trend, gate, each=each, max_unscored_rate=max_unscored_rate)
            failed += [explain_tradeoff(trend, outcome) for outcome in outcomes if not outcome.passed]
        except VacuousError as error:
            baseless.append(str(error))
    if failed:
        raise AssertionError("\n\n".join([*failed, *baseless]))
    if baseless:
        raise VacuousError("\n\n".join(baseless))
