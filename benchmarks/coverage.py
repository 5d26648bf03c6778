"""How often the intervals hold the truth, and how often whole suites of gates are right.

    python benchmarks/coverage.py [--quick]

Each cell has a true value, a number of samples and a way in which they hang together. Rates are summed
over all outcomes with their exact probabilities, the rest is simulated. A 95 % interval should cover
in 94 % of the runs or more: cells that fall short are named. Then twelve gates at once, all of them just at
their thresholds, and the time that all statistics of a large run take. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import time
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import dataclass
from itertools import product
from statistics import NormalDist

import numpy as np

from benchmarks.made_tables import clustered_flips, clustered_hits, flip_rates
from pytest_vlmrobust.core.agreement import fleiss_kappa
from pytest_vlmrobust.core.clustered import (
    cluster_difference_tails,
    cluster_mean,
    cluster_rate_tails,
)
from pytest_vlmrobust.core.clusters import bootstrap_totals
from pytest_vlmrobust.core.exact import Tails, difference_tails, rate_tails
from pytest_vlmrobust.core.families import family_verdicts
from pytest_vlmrobust.core.intervals import score_statistic, wilson
from pytest_vlmrobust.core.kappas import fleiss_interval
from pytest_vlmrobust.core.ranking import auroc

Z = 1.959963984540054
LEAST = 0.94


@dataclass(frozen=True)
class Cell:
    """One row of the table: which interval, under what, and what measures its coverage."""

    interval: str
    under: str
    measure: Callable[..., float]
    args: tuple[object, ...]
    seed: int


def held(tails: Tails) -> bool:
    """Whether the 95 % interval that belongs to the tails holds the value that they were taken at."""
    return min(tails.at_least, tails.at_most) > 0.025


def rate_coverage(n: int, p: float, *, exact: bool) -> float:
    covered = 0.0
    for x in range(n + 1):
        log = math.lgamma(n + 1) - math.lgamma(x + 1) - math.lgamma(n - x + 1)
        chance = math.exp(log + x * math.log(p) + (n - x) * math.log1p(-p))
        if chance > 1e-9:
            covered += chance * (held(rate_tails(x, n, p)) if exact else p in wilson(x, n))
    return covered


def wilson_coverage(_rng: np.random.Generator, _runs: int, n: int, p: float) -> float:
    return rate_coverage(n, p, exact=False)


def exact_coverage(_rng: np.random.Generator, _runs: int, n: int, p: float) -> float:
    return rate_coverage(n, p, exact=True)


def flips_coverage(
    holds: Callable[[int, int, int, float], bool],
    rng: np.random.Generator,
    runs: int,
    n: int,
    base: float,
    drop: float,
    correlation: float,
) -> float:
    lost, gained = flip_rates(base, drop, correlation)
    counts = rng.multinomial(n, [lost, gained, 1 - lost - gained], size=runs)[:, :2]
    pairs, times = np.unique(counts, axis=0, return_counts=True)
    covered = sum(
        int(often) * holds(int(down), int(up), n, drop)
        for (down, up), often in zip(pairs, times, strict=True)
    )
    return covered / runs


def tango_coverage(rng: np.random.Generator, runs: int, *args: float) -> float:
    return flips_coverage(lambda *a: abs(score_statistic(*a)) <= Z, rng, runs, *args)  # type: ignore[arg-type]


def exact_difference_coverage(rng: np.random.Generator, runs: int, *args: float) -> float:
    return flips_coverage(lambda *a: held(difference_tails(*a)), rng, runs, *args)  # type: ignore[arg-type]


def clustered_rate_coverage(
    rng: np.random.Generator, runs: int, n: int, p: float, size: int, correlation: float
) -> float:
    groups = np.arange(n) // size
    made = (clustered_hits(rng, n, p, size, correlation) for _ in range(runs))
    return sum(held(cluster_rate_tails(hits, groups, p)) for hits in made) / runs


def clustered_difference_coverage(
    rng: np.random.Generator, runs: int, n: int, drop: float, size: int, correlation: float
) -> float:
    groups = np.arange(n) // size
    made = (clustered_flips(rng, n, 0.9, drop, size, correlation) for _ in range(runs))
    return sum(held(cluster_difference_tails(before, after, groups, drop)) for before, after in made) / runs


MEANS: dict[str, Callable[[np.random.Generator, int], np.ndarray]] = {
    "even": lambda rng, n: rng.random(n),
    "sure": lambda rng, n: rng.beta(9, 1, n),
    "U-shaped": lambda rng, n: rng.beta(0.5, 0.05, n),
    "sure, 5 % far off": lambda rng, n: np.where(rng.random(n) < 0.05, 0.02, 0.98),
    "sure, 1 % far off": lambda rng, n: np.where(rng.random(n) < 0.01, 0.02, 0.98),
}
TRUE_MEANS = {
    "even": 0.5,
    "sure": 0.9,
    "U-shaped": 10 / 11,
    "sure, 5 % far off": 0.932,
    "sure, 1 % far off": 0.9704,
}


def mean_coverage(rng: np.random.Generator, runs: int, n: int, shape: str) -> float:
    truth = TRUE_MEANS[shape]
    return sum(truth in cluster_mean(MEANS[shape](rng, n)) for _ in range(runs)) / runs


def auroc_coverage(rng: np.random.Generator, runs: int, n: int, area: float, positive: float) -> float:
    shift = NormalDist().inv_cdf(area) * math.sqrt(2)
    outcome = np.arange(n) < round(n * positive)
    covered = 0
    for _ in range(runs):
        figure = auroc(rng.normal(size=n) + shift * outcome, outcome)
        covered += figure.low is not None and figure.high is not None and figure.low <= area <= figure.high
    return covered / runs


def votes(rng: np.random.Generator, n: int, sure: float) -> np.ndarray:
    """Make the votes of three judges, who see the truth with probability ``sure`` and else guess."""
    truth = rng.integers(0, 3, n)
    return np.where(rng.random((n, 3)) < sure, truth[:, None], rng.integers(0, 3, (n, 3)))


def kappa_coverage(rng: np.random.Generator, runs: int, n: int, sure: float) -> float:
    truth = fleiss_kappa(votes(np.random.default_rng(0), 400_000, sure)).value
    return sum(truth in fleiss_interval(votes(rng, n, sure)) for _ in range(runs)) / runs


def bootstrap_coverage(rng: np.random.Generator, runs: int, n: int, p: float, size: int) -> float:
    """Mean of the accuracies in two categories, of which one is rarer, by the bootstrap."""
    first = (np.arange(n) // size) % 3 == 0
    groups = np.arange(n) // size

    def mean_of_two(totals: np.ndarray) -> np.ndarray:
        with np.errstate(invalid="ignore"):
            return np.asarray(totals[..., 0] / totals[..., 1] + totals[..., 2] / totals[..., 3]) / 2

    covered = 0
    for run in range(runs):
        right = clustered_hits(rng, n, p, size, 0.3)
        sums = np.stack([right & first, first, right & ~first, ~first], axis=1).astype(np.float64)
        covered += p in bootstrap_totals(
            mean_of_two,
            sums,
            groups,
            seed=run,
            strata=first.astype(np.intp),
            bounds=(0.0, 1.0),
            resamples=1000,
        )
    return covered / runs


def plan(quick: bool) -> Iterator[Cell]:
    """Lay out the cells; the quick ones are fewer, of the same kinds and to the same ends."""
    ns = (20, 50, 100, 200, 500, 2000)
    few = (24, 200, 2000)
    rates = (0.3, 0.5, 0.8, 0.9, 0.95, 0.99)
    rows: list[tuple[str, Callable[..., float], str, Iterable[tuple[object, ...]]]] = [
        ("rate, Wilson", wilson_coverage, "n {}, rate {}", list(product(ns, rates))),
        ("rate, exact", exact_coverage, "n {}, rate {}", list(product(ns, rates))),
    ]
    tables = list(product(few if quick else ns, (0.3, 0.6, 0.9, 0.99), (0.0, 0.05, 0.1), (0.0, 0.3, 0.7)))
    said = "n {}, base {}, drop {}, correlation {}"
    rows.append(("difference, Tango", tango_coverage, said, tables))
    rows.append(("difference, exact", exact_difference_coverage, said, tables))
    sizes, bound = ((2, 8), (0.0, 0.3, 1.0)) if quick else ((2, 4, 8), (0.0, 0.2, 0.5, 1.0))
    grouped = product(few if quick else (24, 48, 104, 400, 2000), (0.3, 0.9, 0.99), sizes, bound)
    said = "n {}, rate {}, clusters of {}, correlation {}"
    rows.append(("rate, clustered", clustered_rate_coverage, said, list(grouped)))
    drops = product(few if quick else (24, 48, 104, 400, 2000), (0.0, 0.05), sizes, bound)
    said = "n {}, base 0.9, drop {}, clusters of {}, correlation {}"
    rows.append(("difference, clustered", clustered_difference_coverage, said, list(drops)))
    rows.append(("mean, P(correct)", mean_coverage, "n {}, {}", list(product((20, 100, 1000), MEANS))))
    areas = product((20, 100, 500), (0.5, 0.8, 0.95), (0.5, 0.9))
    rows.append(("AUROC", auroc_coverage, "n {}, area {}, {} positive", list(areas)))
    rows.append(
        ("Fleiss' kappa", kappa_coverage, "n {}, sure {}", list(product((20, 100, 500), (0.7, 0.95))))
    )
    macro = product((48, 200, 1000), (0.7, 0.95), (1, 4))
    rows.append(("score, bootstrap", bootstrap_coverage, "n {}, rate {}, clusters of {}", list(macro)))
    number = 0
    for interval, measure, words, cells in rows:
        for args in cells:
            number += 1
            yield Cell(interval, words.format(*args), measure, args, number)


def run_cell(cell: Cell, runs: int) -> float:
    """Measure one cell, in any process, with the same outcome."""
    slow = cell.interval in ("mean, P(correct)", "Fleiss' kappa", "score, bootstrap", "AUROC")
    return cell.measure(np.random.default_rng(cell.seed), runs // 2 if slow else runs, *cell.args)


def quiet_suites(seed: int, runs: int) -> float:
    """Share of suites without a wrong fail: twelve gates, every true value exactly at its threshold."""
    rng = np.random.default_rng(seed)
    quiet = 0
    for _ in range(runs):
        tails = []
        for gate in range(12):
            n, threshold = (50, 100, 200, 500)[gate % 4], (0.02, 0.05, 0.1)[gate % 3]
            if gate % 2:
                tails.append(rate_tails(int(rng.binomial(n, threshold)), n, threshold))
            else:
                gained = 0.02
                lost, up, _ = rng.multinomial(n, [threshold + gained, gained, 1 - threshold - 2 * gained])
                tails.append(difference_tails(int(lost), int(up), n, threshold))
        quiet += "fail" not in family_verdicts(tails, ["max"] * 12)
    return quiet / runs


def cost() -> float:
    """Seconds that the statistics of 100,000 samples under 8 conditions take, clusters of 4."""
    from benchmarks.large_run import measure_all

    return measure_all(samples=100_000, conditions=8)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="fewer cells, and 1,500 runs of each")
    args = parser.parse_args()
    began, runs = time.perf_counter(), 1500 if args.quick else 5000
    cells = list(plan(args.quick))
    with ProcessPoolExecutor(os.cpu_count()) as pool:
        covered = list(pool.map(run_cell, cells, [runs] * len(cells), chunksize=4))
        quiet = float(np.mean(list(pool.map(quiet_suites, range(8), [runs // 8] * 8))))
    below = [(cell, share) for cell, share in zip(cells, covered, strict=True) if share < LEAST]
    print(f"{'interval':24} cells   lowest    mean  below {LEAST}")
    for interval in dict.fromkeys(cell.interval for cell in cells):
        shares = [share for cell, share in zip(cells, covered, strict=True) if cell.interval == interval]
        short = sum(share < LEAST for share in shares)
        print(f"{interval:24} {len(shares):5} {min(shares):8.3f} {np.mean(shares):7.3f} {short:10}")
    for cell, share in below:
        print(f"  {share:.3f}  {cell.interval}: {cell.under}")
    seconds = cost()
    print(f"suites of 12 gates without a wrong fail: {quiet:.3f}")
    print(f"all statistics of 100,000 x 8: {seconds:.2f} s; in all {time.perf_counter() - began:.0f} s")
    print(
        json.dumps(
            {
                "cells": len(cells),
                "below": {f"{cell.interval}: {cell.under}": round(share, 4) for cell, share in below},
                "lowest_of_verdicts": round(
                    min(
                        s
                        for c, s in zip(cells, covered, strict=True)
                        if c.interval[-6:] not in ("Wilson", " Tango")
                    ),
                    4,
                ),
                "quiet_suites_of_12": round(quiet, 4),
                "seconds_100k_x_8": round(seconds, 2),
            }
        )
    )


if __name__ == "__main__":
    main()
