"""All statistics of a large run, timed."""

from __future__ import annotations

import time

import numpy as np

from benchmarks.made_tables import clustered_flips
from pytest_vlmrobust.core.calibration import brier_score, expected_calibration_error, reliability
from pytest_vlmrobust.core.clustered import (
    cluster_difference,
    cluster_difference_tails,
    cluster_mean,
    cluster_rate,
    cluster_rate_tails,
)
from pytest_vlmrobust.core.clusters import bootstrap_totals
from pytest_vlmrobust.core.exact import exact_difference, exact_rate
from pytest_vlmrobust.core.intervals import paired_difference, wilson
from pytest_vlmrobust.core.kappas import fleiss_interval
from pytest_vlmrobust.core.ranking import auroc
from pytest_vlmrobust.core.selection import recommend_threshold, risk_coverage
from pytest_vlmrobust.core.sequential import confidence_sequence, sequential_decision


def measure_all(*, samples: int, conditions: int) -> float:
    """Return the seconds of one core that every statistic of every condition takes, data apart."""
    rng = np.random.default_rng(0)
    groups = np.arange(samples) // 4
    first = groups % 3 == 0
    probs = rng.dirichlet((2.0, 1.0, 1.0, 1.0), samples)
    correct = np.zeros(samples, dtype=np.intp)
    taken = 0.0
    for _ in range(conditions):
        before, after = clustered_flips(rng, samples, 0.8, 0.05, 4, 0.3)
        votes = np.stack([after, after, before], axis=1).astype(np.intp)
        began = time.process_time()
        lost, gained = int((before & ~after).sum()), int((~before & after).sum())
        wilson(int(after.sum()), samples)
        exact_rate(int(after.sum()), samples)
        paired_difference(lost, gained, samples)
        exact_difference(lost, gained, samples)
        cluster_rate(after, groups)
        cluster_rate_tails(after, groups, 0.8)
        cluster_difference(before, after, groups)
        cluster_difference_tails(before, after, groups, 0.05)
        cluster_mean(probs[:, 0], groups)
        sums = np.stack([after & first, first, after & ~first, ~first], axis=1).astype(np.float64)
        bootstrap_totals(lambda t: (t[..., 0] / t[..., 1] + t[..., 2] / t[..., 3]) / 2, sums, groups, seed=0)
        fleiss_interval(votes, clusters=groups)
        auroc(probs[:, 0], after, clusters=groups)
        risk_coverage(probs[:, 0], after)
        recommend_threshold(probs[:, 0], after, min_accuracy=0.5, seed=0, clusters=groups)
        reliability(probs[:, 0], after)
        expected_calibration_error(probs[:, 0], after)
        brier_score(probs, correct, clusters=groups)
        flips = before.astype(np.float64) - after
        sequential_decision(flips, 0.04, bounds=(-1, 1))
        confidence_sequence(flips, bounds=(-1, 1))
        taken += time.process_time() - began
    return taken
