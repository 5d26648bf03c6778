"""How much worse a figure is than in an earlier run of the same samples, with its interval."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from functools import partial
from types import MappingProxyType

import numpy as np

from pytest_vlmrobust.core.arrays import BoolArray
from pytest_vlmrobust.core.evidence import Evidence, drop_evidence, evidence_of, interval_of, shared
from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.gates import bound_of
from pytest_vlmrobust.core.intervals import Interval
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.paired import mean_difference, rate_difference
from pytest_vlmrobust.core.quantities import PAIRABLE, Terms, terms
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.scores.measuring import SCORE
from pytest_vlmrobust.core.views import scorer_of
from pytest_vlmrobust.errors import UsageError, VacuousError

_LEAST_PAIRED = 0.5
"""Of the samples that count in either run, the share that has to count in both."""


def regression(
    run: Evaluation, baseline: Evaluation, metric: str, condition: str
) -> tuple[Figure, tuple[str, ...]]:
    """Measure how much worse a figure is than in a baseline of the same samples in the same order.

    Args:
        run: the run under test.
        baseline: the earlier one; see `pytest_vlmrobust.core.comparable.comparable`.
        metric: a figure that is a mean over samples and has a direction.
        condition: a condition of both.

    Returns:
        The regression, positive is worse (see `Regression.figure`), and the ids of the samples that became
        worse.

    Raises:
        VacuousError: too few samples count in both.
    """
    if metric == SCORE:
        return _score_regression(run, baseline, condition)
    sign = -1 if bound_of(metric) == "min" else 1
    here, there = terms(run.view(condition), metric), terms(baseline.view(condition), metric)
    both = _both(metric, condition, here, there)
    after, before = here.values[both], there.values[both]
    clusters = _clusters(run.groups, both)
    if here.is_rate:
        estimate = rate_difference(after.astype(np.bool_), before.astype(np.bool_), clusters)
    else:
        floats = after.astype(np.float64), before.astype(np.float64)
        estimate = mean_difference(*floats, clusters, widest=widest(metric))
    low, high = sorted((sign * estimate.interval.low, sign * estimate.interval.high))
    change = sign * (after.astype(np.float64) - before)
    detail: dict[str, float | int] = {
        "baseline": float(before.mean()),
        "run": float(after.mean()),
        "worse": int((change > 0).sum()),
        "better": int((change < 0).sum()),
    }
    figure = Figure(
        name=f"{metric}_regression",
        value=sign * estimate.value,
        n=int(both.sum()),
        low=low,
        high=high,
        detail=MappingProxyType(detail),
    )
    rows = np.flatnonzero(both)[np.argsort(-change, kind="stable")][: int((change > 0).sum())]
    return figure, tuple(run.sample_ids[row] for row in rows.tolist())


def _score_regression(
    run: Evaluation, baseline: Evaluation, condition: str
) -> tuple[Figure, tuple[str, ...]]:
    """The same for the data set's own score, which weighs samples and counts whole groups."""
    here, there = run.view(condition), baseline.view(condition)
    scorer = scorer_of(here)
    before, after = there.here.right, here.here.right
    drop = scorer.drop(scorer.headline, before, after, here.came() & there.came())
    worse, better = before & ~after, after & ~before
    detail = {
        "baseline": drop.detail["base_score"],
        "run": drop.detail["score"],
        "worse": int(worse.sum()),
        "better": int(better.sum()),
    }
    figure = replace(drop, name=f"{SCORE}_regression", detail=MappingProxyType(detail))
    return figure, tuple(run.sample_ids[row] for row in np.flatnonzero(worse).tolist())


def regression_evidence(
    run: Evaluation, baseline: Evaluation, metric: str, condition: str, figure: Figure
) -> Evidence:
    """Look at what the samples that count in both runs show about a regression.

    Args:
        run: as of `regression`.
        baseline: as of `regression`.
        metric: as of `regression`.
        condition: as of `regression`.
        figure: what `regression` returned.
    """
    if metric == SCORE:
        return _score_evidence(run, baseline, condition, figure)
    here, there = terms(run.view(condition), metric), terms(baseline.view(condition), metric)
    both = here.counts & there.counts
    after, before = here.values[both], there.values[both]
    if bound_of(metric) == "min":
        after, before = before, after  # from here on the regression is what it rises by
    codes = shared(run.clusters, both)
    if here.is_rate:
        return drop_evidence(figure, after.astype(np.bool_), before.astype(np.bool_), codes)
    floats = after.astype(np.float64), before.astype(np.float64)
    labels = _clusters(run.groups, both)

    def at(confidence: float) -> Interval:
        return mean_difference(*floats, labels, widest=widest(metric), confidence=confidence).interval

    clusters = None if codes is None else int(np.unique(codes).size)
    return evidence_of(figure, at, samples=clusters or figure.n, clusters=clusters)


def _score_evidence(run: Evaluation, baseline: Evaluation, condition: str, figure: Figure) -> Evidence:
    here, there = run.view(condition), baseline.view(condition)
    scorer, came = scorer_of(here), here.came() & there.came()
    before, after = there.here.right, here.here.right

    def at(confidence: float, *, exact: bool) -> Interval:
        drop = scorer.drop(scorer.headline, before, after, came, confidence=confidence, exact=exact)
        return interval_of(drop)

    clusters = scorer.clusters(scorer.headline, came)
    return evidence_of(
        figure,
        partial(at, exact=False),
        exact=partial(at, exact=True),
        samples=clusters or figure.n,
        clusters=clusters,
    )


def check_compared(metric: str) -> None:
    """Refuse a figure by which two runs cannot be compared.

    Raises:
        UsageError: it is unknown, has no direction, or is neither a mean over samples nor the data set's own
            score.
    """
    bound_of(metric)
    if metric not in (*PAIRABLE, SCORE):
        compared = (*(name for name in PAIRABLE if METRICS[name].bound), SCORE)
        raise UsageError(
            f"{metric} is no mean over samples, so two runs cannot be paired by it; these can: "
            f"{', '.join(compared)}"
        )


def _both(metric: str, condition: str, here: Terms, there: Terms) -> BoolArray:
    """(n,) True where a sample counts in both runs."""
    both: BoolArray = here.counts & there.counts
    counts = [int(one.counts.sum()) for one in (here, there)]
    if both.sum() < max(1.0, _LEAST_PAIRED * max(counts)):
        raise VacuousError(
            f"no verdict on the regression of {metric}: under {condition}, {counts[0]} samples count in the "
            f"run and {counts[1]} in the baseline, but only {int(both.sum())} in both, and at least half "
            "is needed to pair them"
        )
    return both


def _clusters(groups: Sequence[str], both: BoolArray) -> Sequence[str] | None:
    """Groups of the samples that count in both; None where no two of them share one."""
    chosen = [groups[row] for row in np.flatnonzero(both).tolist()]
    named = [group for group in chosen if group]
    return chosen if len(set(named)) < len(named) else None


def widest(metric: str) -> float:
    """The largest change of a figure: a rate lies in 0 to 1, a drop in -1 to 1, a Brier score in 0 to 2."""
    return 2.0 if metric in ("accuracy_drop", "brier_score") else 1.0
