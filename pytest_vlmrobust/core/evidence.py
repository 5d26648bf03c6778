"""What the samples behind a figure can show: its interval at any confidence, and its tails at a threshold.

Samples that share a group are not independent, and count for as much as they amount to.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from pytest_vlmrobust.core.arrays import BoolArray, FloatArray
from pytest_vlmrobust.core.clustered import (
    cluster_difference,
    cluster_difference_tails,
    cluster_mean,
    cluster_rate,
    cluster_rate_tails,
    effective_samples,
)
from pytest_vlmrobust.core.exact import Tails, difference_tails, exact_difference, exact_rate, rate_tails
from pytest_vlmrobust.core.intervals import Interval, paired_difference, wilson
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.predictors import AUROCS, predictor_scores, ranked
from pytest_vlmrobust.core.quantities import PAIRABLE, terms
from pytest_vlmrobust.core.ranking import ranking
from pytest_vlmrobust.core.scores.measuring import DROP, SCORE
from pytest_vlmrobust.core.verdicts import tails_by_inversion
from pytest_vlmrobust.core.views import View, scorer_of
from pytest_vlmrobust.errors import VacuousError

Kind = Literal["rate", "drop", "mean"]
"""A share of samples, a difference of two shares of the same samples, or anything else."""

LARGEST = {"brier_score": 2.0}
"""The largest value of means that may exceed 1, but for the entropy, whose largest depends on the options."""

At = Callable[[float], Interval]
"""Takes a confidence and gives the interval at it."""


@dataclass(frozen=True, kw_only=True, eq=False)
class Evidence:
    """What the samples behind a figure can show.

    Attributes:
        figure: the figure.
        kind: what it is.
        samples: how many independent samples it stands on: n, or less where samples share a group.
        clusters: in how many groups the samples come, one that shares its group with no other counted as
            one of its own; None where all are independent.
        gained: of a drop the share of samples that changed for the better; else 0.
        usual: the interval that reports show, as a function of the confidence.
        exact: the interval that a confident verdict stands on; never errs more often than it says.
        tails: takes a threshold and a confidence, and gives the tails that belong to ``exact``.
        scaled: takes a number of independent samples and a threshold, and gives the tails if so many
            samples had come out alike; None where only the interval is known.
    """

    figure: Figure
    kind: Kind
    samples: float
    clusters: int | None
    usual: At
    exact: At
    tails: Callable[[float, float], Tails]
    gained: float = 0.0
    scaled: Callable[[float, float], Tails] | None = None

    def interval(self, confidence: float, *, exact: bool = False) -> Interval:
        """The interval at a confidence; the figure always lies in it.

        Raises:
            VacuousError: all samples are of one group, or there is only one of a mean.
            UsageError: the confidence is out of range.
        """
        found = (self.exact if exact else self.usual)(confidence)
        return Interval(min(found.low, self.figure.value), max(found.high, self.figure.value))


def weigh(view: View, metric: str, figure: Figure) -> Evidence | None:
    """Look at what a figure stands on.

    Args:
        view: a condition of a run, to which the figure applies.
        metric: name of the figure.
        figure: the figure.

    Returns:
        None for figures that are counts, agreements or the like, which have no interval.
    """
    if metric in (SCORE, DROP):
        return _score(view, metric, figure)
    if metric in AUROCS:
        return _area(view, AUROCS[metric], figure)
    if metric == "calibration_error":
        return _biased(view, figure)
    if metric not in PAIRABLE:
        return None
    known = terms(view, metric)
    clusters = shared(view.clusters, known.counts)
    if metric == "accuracy_drop":
        pairs = known.counts
        return drop_evidence(figure, view.base_right()[pairs], view.here.right[pairs], clusters)
    if known.values.dtype == np.bool_:
        return rate_evidence(figure, known.values[known.counts], clusters)  # type: ignore[arg-type]
    largest = _largest_entropy(view) if metric == "letter_entropy" else LARGEST.get(metric, 1.0)
    values = known.values[known.counts].astype(np.float64)
    return mean_evidence(figure, values, clusters, bounds=(0.0, largest))


def shared(clusters: NDArray[np.intp] | None, counts: BoolArray) -> NDArray[np.intp] | None:
    """Clusters of the samples that count; None where no two of them share one."""
    if clusters is None:
        return None
    chosen = clusters[counts]
    return None if np.unique(chosen).size == chosen.size else chosen


def rate_evidence(figure: Figure, hits: BoolArray, clusters: NDArray[np.intp] | None) -> Evidence:
    """Evidence of a share of samples: (n,) True where the sample has the property."""
    n, count = int(hits.size), int(hits.sum())
    if clusters is None:
        return Evidence(
            figure=figure,
            kind="rate",
            samples=n,
            clusters=None,
            usual=lambda confidence: wilson(count, n, confidence=confidence),
            exact=lambda confidence: exact_rate(count, n, confidence=confidence),
            tails=lambda threshold, _: rate_tails(count, n, threshold),
            scaled=partial(_more_hits, count / n),
        )
    of = partial(_clustered, hits, clusters, figure.name)
    return Evidence(
        figure=figure,
        kind="rate",
        samples=_effective(hits, clusters),
        clusters=int(np.unique(clusters).size),
        usual=of,
        exact=of,
        tails=lambda threshold, confidence: cluster_rate_tails(
            hits, clusters, threshold, confidence=confidence, name=figure.name
        ),
        scaled=partial(_more_hits, count / n),
    )


def drop_evidence(
    figure: Figure, before: BoolArray, after: BoolArray, clusters: NDArray[np.intp] | None
) -> Evidence:
    """Evidence of a share that falls between two measurements of the same samples: (n,) each."""
    n = int(before.size)
    lost, gained = int((before & ~after).sum()), int((after & ~before).sum())
    if clusters is None:
        return Evidence(
            figure=figure,
            kind="drop",
            samples=n,
            clusters=None,
            usual=lambda confidence: paired_difference(lost, gained, n, confidence=confidence),
            exact=lambda confidence: exact_difference(lost, gained, n, confidence=confidence),
            tails=lambda threshold, _: difference_tails(lost, gained, n, threshold),
            gained=gained / n,
            scaled=partial(_more_flips, lost / n, gained / n),
        )

    def of(confidence: float) -> Interval:
        return cluster_difference(before, after, clusters, confidence=confidence, name=figure.name)

    return Evidence(
        figure=figure,
        kind="drop",
        samples=_effective(before.astype(np.float64) - after, clusters),
        clusters=int(np.unique(clusters).size),
        usual=of,
        exact=of,
        tails=lambda threshold, confidence: cluster_difference_tails(
            before, after, clusters, threshold, confidence=confidence, name=figure.name
        ),
        gained=gained / n,
        scaled=partial(_more_flips, lost / n, gained / n),
    )


def mean_evidence(
    figure: Figure,
    values: FloatArray,
    clusters: NDArray[np.intp] | None,
    *,
    bounds: tuple[float, float] = (0.0, 1.0),
) -> Evidence:
    """Evidence of the mean of (n,) values within bounds."""

    def of(confidence: float) -> Interval:
        return cluster_mean(values, clusters, bounds=bounds, confidence=confidence, name=figure.name)

    return evidence_of(
        figure,
        of,
        samples=values.size if clusters is None else _effective(values, clusters),
        clusters=None if clusters is None else int(np.unique(clusters).size),
    )


def evidence_of(
    figure: Figure, interval: At, *, samples: float, clusters: int | None, exact: At | None = None
) -> Evidence:
    """Evidence of a figure of which only the interval is known, as a function of the confidence."""
    surer = exact or interval
    return Evidence(
        figure=figure,
        kind="mean",
        samples=samples,
        clusters=clusters,
        usual=interval,
        exact=surer,
        tails=lambda threshold, _: tails_by_inversion(surer, figure.value, threshold),
    )


def interval_of(figure: Figure) -> Interval:
    """The interval that a figure carries, as all scores do."""
    low, high = figure.low, figure.high
    assert low is not None
    assert high is not None
    return Interval(low, high)


def _more_hits(share: float, samples: float, threshold: float) -> Tails:
    return rate_tails(share * samples, samples, threshold)


def _more_flips(lost: float, gained: float, samples: float, threshold: float) -> Tails:
    return difference_tails(lost * samples, gained * samples, samples, threshold)


def _clustered(hits: BoolArray, clusters: NDArray[np.intp], name: str, confidence: float) -> Interval:
    return cluster_rate(hits, clusters, confidence=confidence, name=name)


def _effective(values: BoolArray | FloatArray, clusters: NDArray[np.intp]) -> float:
    try:
        return effective_samples(values, clusters)
    except VacuousError:  # all of one cluster
        return 1.0


def _largest_entropy(view: View) -> float:
    letters = (~np.isnan(view.here.probs[view.here.has_probs])).sum(axis=1)
    return math.log(int(letters.max()))


def _area(view: View, predictor: str, figure: Figure) -> Evidence:
    """Evidence of how well something known under base tells right from wrong."""
    counts = ranked(view, predictor)
    clusters = shared(view.clusters, counts)
    groups = None if clusters is None else int(np.unique(clusters).size)
    if groups == 1:
        reason = f"{figure.name}: all samples are of one group"
        return _without_interval(figure, reason, samples=1, clusters=1)
    known = ranking(predictor_scores(view, predictor)[counts], view.here.right[counts], clusters, figure.name)
    return evidence_of(figure, known.interval, samples=known.samples, clusters=groups)


def _biased(view: View, figure: Figure) -> Evidence:
    """Evidence of the calibration error, which has no interval."""
    clusters = shared(view.clusters, view.answered_probs())
    return _without_interval(
        figure,
        f"{figure.name}: its bias and its spread are of one size; gate brier_score instead",
        samples=figure.n,
        clusters=None if clusters is None else int(np.unique(clusters).size),
    )


def _without_interval(figure: Figure, reason: str, *, samples: float, clusters: int | None) -> Evidence:
    def none(_: float) -> Interval:
        raise VacuousError(reason)

    return evidence_of(figure, none, samples=samples, clusters=clusters)


def _score(view: View, metric: str, figure: Figure) -> Evidence:
    """Evidence of a benchmark's own score, whose units and clusters are its own."""
    scorer = scorer_of(view)
    name = scorer.headline

    def at(confidence: float, *, exact: bool) -> Interval:
        if metric == SCORE:
            found = scorer.score(name, view.here.right, view.came(), confidence=confidence, exact=exact)
        else:
            came = view.both_came()
            found = scorer.drop(
                name, view.base_right(), view.here.right, came, confidence=confidence, exact=exact
            )
        return interval_of(found)

    clusters = scorer.clusters(name, view.came() if metric == SCORE else view.both_came())
    return evidence_of(
        figure,
        partial(at, exact=False),
        exact=partial(at, exact=True),
        samples=clusters or int(figure.detail["units"]),
        clusters=clusters,
    )
