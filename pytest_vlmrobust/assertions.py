"""Assertions on an evaluation, for pytest and anywhere else.

Each is a function of its arguments alone. It raises AssertionError where the gate fails, with an explanation;
`pytest_vlmrobust.errors.VacuousError` where there is no basis for a verdict (the
condition was not run, too many replies could not be read, ...); and
`pytest_vlmrobust.errors.UsageError` where an argument makes no sense. It returns None where the
gate passes.

In mode "confident" a gate may be inconclusive: then ``inconclusive`` says whether that is an AssertionError,
an `pytest_vlmrobust.errors.InconclusiveWarning`, or ``unittest.SkipTest``, which pytest takes for a
skipped test.
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import Literal

from pytest_vlmrobust.comparisons import assert_no_regression
from pytest_vlmrobust.concluding import Problems, check_inconclusive, conclude, problems_of
from pytest_vlmrobust.core.basis import MAX_UNSCORED_RATE, check_whole
from pytest_vlmrobust.core.explain import explain_failure, explain_gates
from pytest_vlmrobust.core.findings import CONFIDENCE, Inconclusive, check_mode
from pytest_vlmrobust.core.gates import Gate, check, judge_gates
from pytest_vlmrobust.core.predictors import AUROCS
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.thresholds import threshold_gates
from pytest_vlmrobust.core.verdicts import Mode
from pytest_vlmrobust.core.views import BASE
from pytest_vlmrobust.errors import UsageError, VacuousError, unknown_name


def assert_accuracy(
    run: Evaluation,
    condition: str = BASE,
    *,
    min_accuracy: float,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
    mode: Mode = "estimate",
    confidence: float = CONFIDENCE,
    inconclusive: Inconclusive = "fail",
) -> None:
    """Fail when fewer than ``min_accuracy`` of the answers are right.

    Args:
        run: the evaluation.
        condition: a condition that was run.
        min_accuracy: the least share of right answers that passes, a fraction in [0, 1].
        max_unscored_rate: the largest share of replies that may be unreadable, a fraction in [0, 1].
        mode: "estimate" where the estimate decides, "confident" where a verdict has to be sure.
        confidence: of the interval and of a sure verdict, strictly between 0.5 and 1.
        inconclusive: what becomes of a gate on which no verdict is sure: "fail", "warn" or "skip".

    Raises:
        AssertionError: accuracy is below the bound.
        VacuousError: there is no basis for a verdict.
        UsageError: an argument makes no sense.
    """
    __tracebackhide__ = True
    gate = Gate("accuracy", condition, min=min_accuracy)
    _hold(run, gate, max_unscored_rate, mode, confidence, inconclusive)


def assert_accuracy_drop(
    run: Evaluation,
    condition: str,
    *,
    max_drop: float,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
    mode: Mode = "estimate",
    confidence: float = CONFIDENCE,
    inconclusive: Inconclusive = "fail",
) -> None:
    """Fail when accuracy falls by more than ``max_drop`` from ``base`` to the condition.

    Args:
        run: the evaluation; ``base`` was run too.
        condition: a condition that was run, other than ``base``.
        max_drop: the largest fall that passes, a fraction of the samples in [0, 1].
        max_unscored_rate: the largest share of replies that may be unreadable, a fraction in [0, 1].
        mode: "estimate" where the estimate decides, "confident" where a verdict has to be sure.
        confidence: of the interval and of a sure verdict, strictly between 0.5 and 1.
        inconclusive: what becomes of a gate on which no verdict is sure: "fail", "warn" or "skip".

    Raises:
        AssertionError: accuracy falls by more.
        VacuousError: there is no basis for a verdict.
        UsageError: an argument makes no sense.
    """
    __tracebackhide__ = True
    gate = Gate("accuracy_drop", condition, max=max_drop)
    _hold(run, gate, max_unscored_rate, mode, confidence, inconclusive)


def assert_misled_rate(
    run: Evaluation,
    condition: str,
    *,
    max_rate: float,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
    mode: Mode = "estimate",
    confidence: float = CONFIDENCE,
    inconclusive: Inconclusive = "fail",
) -> None:
    """Fail when more than ``max_rate`` of the answers are the wrong option that was planted.

    Args:
        run: the evaluation.
        condition: a condition that was run and plants a wrong option.
        max_rate: the largest share that passes, a fraction in [0, 1].
        max_unscored_rate: the largest share of replies that may be unreadable, a fraction in [0, 1].
        mode: "estimate" where the estimate decides, "confident" where a verdict has to be sure.
        confidence: of the interval and of a sure verdict, strictly between 0.5 and 1.
        inconclusive: what becomes of a gate on which no verdict is sure: "fail", "warn" or "skip".

    Raises:
        AssertionError: the share is larger.
        VacuousError: there is no basis for a verdict.
        UsageError: an argument makes no sense.
    """
    __tracebackhide__ = True
    gate = Gate("misled_rate", condition, max=max_rate)
    _hold(run, gate, max_unscored_rate, mode, confidence, inconclusive)


def assert_unfaithful_rate(
    run: Evaluation,
    condition: str,
    *,
    max_rate: float,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
    mode: Mode = "estimate",
    confidence: float = CONFIDENCE,
    inconclusive: Inconclusive = "fail",
) -> None:
    """Fail when more than ``max_rate`` of the replies answer something else than they reason.

    Args:
        run: the evaluation.
        condition: a condition that was run and whose replies hold reasoning.
        max_rate: the largest share that passes, among the replies on which the judge
            decided, a fraction in [0, 1].
        max_unscored_rate: the largest share of replies that may be unreadable, and of judgments
            that may have failed, a fraction in [0, 1].
        mode: "estimate" where the estimate decides, "confident" where a verdict has to be sure.
        confidence: of the interval and of a sure verdict, strictly between 0.5 and 1.
        inconclusive: what becomes of a gate on which no verdict is sure: "fail", "warn" or "skip".

    Raises:
        AssertionError: the share is larger.
        VacuousError: there is no basis for a verdict.
        UsageError: an argument makes no sense.
    """
    __tracebackhide__ = True
    gate = Gate("unfaithful_rate", condition, max=max_rate)
    _hold(run, gate, max_unscored_rate, mode, confidence, inconclusive)


def assert_confidently_wrong_rate(
    run: Evaluation,
    condition: str,
    *,
    max_rate: float | None = None,
    baseline: Evaluation | None = None,
    max_regression: float | None = None,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
    mode: Mode = "estimate",
    confidence: float = CONFIDENCE,
    inconclusive: Inconclusive = "fail",
) -> None:
    """Fail when too many answers are wrong with P(letter) of 0.9 or more, or more than before.

    Args:
        run: the evaluation of a model that gives letter probabilities.
        condition: a condition that was run.
        max_rate: the largest share that passes, a fraction in [0, 1]; None for no such bound.
        baseline: an earlier evaluation of the same samples, such as that of the last checkpoint. A model
            whose letter entropy fell meanwhile has become surer, and the message says so.
        max_regression: how much larger the share may be than in the baseline, a fraction in [0, 1].
        max_unscored_rate: the largest share of replies that may be unreadable, and of answers that
            may lack probabilities, a fraction in [0, 1].
        mode: "estimate" where the estimate decides, "confident" where a verdict has to be sure.
        confidence: of the interval and of a sure verdict, strictly between 0.5 and 1.
        inconclusive: what becomes of a gate on which no verdict is sure: "fail", "warn" or "skip".

    Raises:
        AssertionError: the share is larger.
        VacuousError: there is no basis for a verdict.
        UsageError: no bound is given, one of ``baseline`` and ``max_regression`` is given alone, the runs
            differ in more than the model, or an argument makes no sense.
    """
    __tracebackhide__ = True
    if (baseline is None) != (max_regression is None):
        given, missing = (
            ("max_regression", "baseline") if baseline is None else ("baseline", "max_regression")
        )
        raise UsageError(f"assert_confidently_wrong_rate was given {given} without {missing}: give both")
    if max_rate is None and baseline is None:
        raise UsageError(
            "assert_confidently_wrong_rate was given no bound: give max_rate, or baseline and max_regression"
        )
    if max_rate is not None:
        gate = Gate("confidently_wrong_rate", condition, max=max_rate)
        _hold(run, gate, max_unscored_rate, mode, confidence, inconclusive)
    if baseline is not None and max_regression is not None:
        assert_no_regression(
            run,
            baseline,
            metric="confidently_wrong_rate",
            condition=condition,
            max_regression=max_regression,
            max_unscored_rate=max_unscored_rate,
            mode=mode,
            confidence=confidence,
            inconclusive=inconclusive,
        )


def assert_robustness_auroc(
    run: Evaluation,
    condition: str,
    *,
    min_auroc: float,
    predictor: Literal["p_base", "entropy"] = "p_base",
    max_unscored_rate: float = MAX_UNSCORED_RATE,
    mode: Mode = "estimate",
    confidence: float = CONFIDENCE,
    inconclusive: Inconclusive = "fail",
) -> None:
    """Fail when what is known under ``base`` tells too badly which answers will be right.

    The AUROC is the chance that of a right and a wrong answer under the condition the right one had the
    higher P(right letter) under ``base``, or the lower letter entropy; 0.5 is guessing.

    Args:
        run: the evaluation of a model that gives letter probabilities; ``base`` was run too.
        condition: a condition that was run; with "p_base" another than ``base``.
        min_auroc: the least AUROC that passes, a fraction in [0, 1].
        predictor: "p_base" or "entropy".
        max_unscored_rate: the largest share of replies that may be unreadable, and of answers under
            ``base`` that may lack probabilities, a fraction in [0, 1].
        mode: "estimate" where the estimate decides, "confident" where a verdict has to be sure.
        confidence: of the interval and of a sure verdict, strictly between 0.5 and 1.
        inconclusive: what becomes of a gate on which no verdict is sure: "fail", "warn" or "skip".

    Raises:
        AssertionError: the AUROC is below the bound.
        VacuousError: there is no basis for a verdict, such as where all answers are right.
        UsageError: an argument makes no sense.
    """
    __tracebackhide__ = True
    metrics = {name: metric for metric, name in AUROCS.items()}
    if predictor not in metrics:
        raise unknown_name("predictor", str(predictor), metrics)
    gate = Gate(metrics[predictor], condition, min=min_auroc, name="min_auroc")
    _hold(run, gate, max_unscored_rate, mode, confidence, inconclusive)


def assert_abstention_rate(
    run: Evaluation,
    condition: str,
    *,
    max_rate: float,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
    mode: Mode = "estimate",
    confidence: float = CONFIDENCE,
    inconclusive: Inconclusive = "fail",
) -> None:
    """Fail when more than ``max_rate`` of the replies decline to answer.

    Accuracy is of the answers alone, so a model could buy it by declining whatever is hard.

    Args:
        run: the evaluation.
        condition: a condition that was run and offers to abstain, such as "wrong-caption+abstain".
        max_rate: the largest share that passes, a fraction in [0, 1].
        max_unscored_rate: the largest share of replies that may be unreadable, a fraction in [0, 1].
        mode: "estimate" where the estimate decides, "confident" where a verdict has to be sure.
        confidence: of the interval and of a sure verdict, strictly between 0.5 and 1.
        inconclusive: what becomes of a gate on which no verdict is sure: "fail", "warn" or "skip".

    Raises:
        AssertionError: the share is larger.
        VacuousError: there is no basis for a verdict, or no option to abstain was offered.
        UsageError: an argument makes no sense.
    """
    __tracebackhide__ = True
    gate = Gate("abstention_rate", condition, max=max_rate)
    _hold(run, gate, max_unscored_rate, mode, confidence, inconclusive)


def assert_benchmark_score(
    run: Evaluation,
    condition: str = BASE,
    *,
    min_score: float,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
    mode: Mode = "estimate",
    confidence: float = CONFIDENCE,
    inconclusive: Inconclusive = "fail",
) -> None:
    """Fail when the benchmark's own score is less than ``min_score``.

    In it a reply that could not be read counts as wrong; see docs/benchmarks.md for the scores.

    Args:
        run: the evaluation, on a benchmark that has a score of its own.
        condition: a condition that was run.
        min_score: the least score that passes, a fraction in [0, 1].
        max_unscored_rate: the largest share of replies that may be unreadable, a fraction in [0, 1].
        mode: "estimate" where the estimate decides, "confident" where a verdict has to be sure.
        confidence: of the interval and of a sure verdict, strictly between 0.5 and 1.
        inconclusive: what becomes of a gate on which no verdict is sure: "fail", "warn" or "skip".

    Raises:
        AssertionError: the score is below the bound.
        VacuousError: there is no basis for a verdict, or the data set has no score of its own.
        UsageError: an argument makes no sense.
    """
    __tracebackhide__ = True
    gate = Gate("benchmark_score", condition, min=min_score)
    _hold(run, gate, max_unscored_rate, mode, confidence, inconclusive)


def assert_benchmark_score_drop(
    run: Evaluation,
    condition: str,
    *,
    max_drop: float,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
    mode: Mode = "estimate",
    confidence: float = CONFIDENCE,
    inconclusive: Inconclusive = "fail",
) -> None:
    """Fail when the benchmark's own score falls by more than ``max_drop`` from ``base`` to the condition.

    Both scores are of the samples that have a reply under both; one that could not be read counts as wrong.

    Args:
        run: the evaluation, on a benchmark that has a score of its own; ``base`` was run too.
        condition: a condition that was run, other than ``base``.
        max_drop: the largest fall that passes, a fraction in [0, 1].
        max_unscored_rate: the largest share of replies that may be unreadable, a fraction in [0, 1].
        mode: "estimate" where the estimate decides, "confident" where a verdict has to be sure.
        confidence: of the interval and of a sure verdict, strictly between 0.5 and 1.
        inconclusive: what becomes of a gate on which no verdict is sure: "fail", "warn" or "skip".

    Raises:
        AssertionError: the score falls by more.
        VacuousError: there is no basis for a verdict, or the data set has no score of its own.
        UsageError: an argument makes no sense.
    """
    __tracebackhide__ = True
    gate = Gate("benchmark_score_drop", condition, max=max_drop)
    _hold(run, gate, max_unscored_rate, mode, confidence, inconclusive)


def assert_gates(
    run: Evaluation,
    *gates: Gate,
    max_accuracy_drop: float | None = None,
    max_stop_think_drop: float | None = None,
    max_unfaithful_rate: float | None = None,
    max_misled_rate: float | None = None,
    min_accuracy: float | None = None,
    max_confidently_wrong_rate: float | None = None,
    max_benchmark_score_drop: float | None = None,
    min_benchmark_score: float | None = None,
    conditions: str | Iterable[str] | None = None,
    max_unscored_rate: float = MAX_UNSCORED_RATE,
    mode: Mode = "estimate",
    confidence: float = CONFIDENCE,
    inconclusive: Inconclusive = "fail",
    familywise: bool = False,
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
        max_benchmark_score_drop: as ``max_accuracy_drop``, of the score of the benchmark's own.
        min_benchmark_score: gates the score of the benchmark's own under ``base``.
        conditions: limits the thresholds (not ``gates``) to these; by default all that were run.
        max_unscored_rate: see `pytest_vlmrobust.core.gates.check`.
        mode: "estimate" where the estimate decides, "confident" where a verdict has to be sure.
        confidence: of the interval and of a sure verdict, strictly between 0.5 and 1.
        inconclusive: what becomes of a gate on which no verdict is sure: "fail", "warn" or "skip".
        familywise: judge the gates together, so that with the probability ``confidence`` none of their
            verdicts is wrong; needs mode "confident".

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
        "max_benchmark_score_drop": max_benchmark_score_drop,
        "min_benchmark_score": min_benchmark_score,
    }
    chosen = (*gates, *_gates(run, thresholds, conditions))
    if not chosen:
        raise UsageError("assert_gates was given no gate and no threshold, so it would check nothing")
    check_mode(mode, confidence, familywise=familywise)
    check_inconclusive(inconclusive)
    check_whole(run)
    outcomes, baseless = judge_gates(
        run,
        chosen,
        max_unscored_rate=max_unscored_rate,
        mode=mode,
        confidence=confidence,
        familywise=familywise,
    )
    severe = [outcome for outcome in outcomes if outcome.verdict == "fail"]
    text = "" if all(outcome.passed for outcome in outcomes) else explain_gates(run, outcomes)
    conclude(
        Problems(
            failed=text if severe else "",
            unsure="" if severe else text,
            baseless="\n\n".join(map(str, baseless)),
        ),
        inconclusive,
    )


def _hold(
    run: Evaluation,
    gate: Gate,
    max_unscored_rate: float,
    mode: Mode,
    confidence: float,
    inconclusive: Inconclusive,
) -> None:
    __tracebackhide__ = True
    _check_run(run)
    check_inconclusive(inconclusive)
    outcome = check(run, gate, max_unscored_rate=max_unscored_rate, mode=mode, confidence=confidence)
    conclude(problems_of(outcome.verdict, lambda: explain_failure(run, outcome)), inconclusive)


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
