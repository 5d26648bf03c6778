"""What ending a run early saves, and how often it ends at the wrong verdict.

    python benchmarks/early_stop.py [--quick]

Gates with a threshold of 0.05 on an accuracy drop, and some on rates, looked at after every sample, with
2,000 samples at most. The truth is a drop of zero, of twice the threshold, or just at the threshold, where
most wrong verdicts are to be expected. ``changes`` are samples that turn from wrong to right; as
many more turn from right to wrong, and hide the drop. For comparison ordinary 95 % intervals, looked at
after every 25 samples. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pytest_vlmrobust.core.arrays import FloatArray
from pytest_vlmrobust.core.intervals import score_statistic
from pytest_vlmrobust.core.quantiles import normal_quantile
from pytest_vlmrobust.core.sequential import confidence_sequence, sequential_decision

THRESHOLD = 0.05
MOST = 2000


@dataclass(frozen=True)
class Case:
    """A gate and the truth about it."""

    name: str
    true: float
    threshold: float
    bounds: tuple[float, float]
    draw: Callable[[np.random.Generator], FloatArray]
    right: str  # the side of the threshold that is right; "below" where the true value is just on it
    group: str


def drop_case(true: float, changes: float, group: str) -> Case:
    def draw(rng: np.random.Generator) -> FloatArray:
        turned = rng.random(MOST)
        return np.where(turned < changes + true, 1.0, np.where(turned < 2 * changes + true, -1.0, 0.0))

    right = "above" if true > THRESHOLD else "below"
    return Case(f"drop {true:g}, changes {changes:g}", true, THRESHOLD, (-1, 1), draw, right, group)


def rate_case(true: float, threshold: float, group: str) -> Case:
    def draw(rng: np.random.Generator) -> FloatArray:
        return (rng.random(MOST) < true).astype(np.float64)

    right = "above" if true > threshold else "below"
    return Case(f"rate {true:g}, threshold {threshold:g}", true, threshold, (0, 1), draw, right, group)


CASES = (
    *(drop_case(0.0, changes, "zero") for changes in (0.0, 0.02, 0.05, 0.1)),
    *(drop_case(0.1, changes, "twice") for changes in (0.0, 0.02, 0.05, 0.1)),
    *(drop_case(0.05, changes, "at") for changes in (0.0, 0.02, 0.05, 0.1)),
    rate_case(0.0, 0.05, "zero"),
    rate_case(0.1, 0.05, "twice"),
    rate_case(0.05, 0.05, "at"),
    rate_case(0.02, 0.02, "at"),
    rate_case(0.9, 0.9, "at"),
)


def peeking(values: FloatArray, threshold: float) -> str | None:
    """Which side an ordinary interval decides for, when it is looked at again and again."""
    z = normal_quantile(0.95)
    for n in range(25, values.size + 1, 25):
        lost, gained = int((values[:n] > 0).sum()), int((values[:n] < 0).sum())
        score = score_statistic(lost, gained, n, threshold)
        if abs(score) > z:
            return "above" if score > 0 else "below"
    return None


def study(case: Case, runs: int, seed: int) -> dict[str, float]:
    """Run one gate again and again."""
    rng = np.random.default_rng(seed)
    stops, wrong, undecided, peeked, held = [], 0, 0, 0, 0
    for _ in range(runs):
        values = case.draw(rng)
        decision = sequential_decision(values, case.threshold, bounds=case.bounds)
        stops.append(decision.decided_at or MOST)
        undecided += decision.side is None
        # Just at its threshold a value passes a bound from above: only "above" is wrong there, but
        # both sides are counted, since a bound from below errs at the other.
        wrong += decision.side is not None and (case.group == "at" or decision.side != case.right)
        peeked += case.group == "at" and peeking(values, case.threshold) is not None
        if case.group != "at":
            held += case.true in confidence_sequence(values, bounds=case.bounds)
    return {
        "saved": 1 - float(np.mean(stops)) / MOST,
        "median": float(np.median(stops)),
        "wrong": wrong / runs,
        "undecided": undecided / runs,
        "peeking": peeked / runs,
        "held": held / runs if case.group != "at" else float("nan"),
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="400 runs of each gate in place of 4,000")
    args = parser.parse_args()
    began, runs = time.perf_counter(), 400 if args.quick else 4000
    print(f"{'gate':28} saved  median n  undecided  wrong  peeking  sequence holds")
    rows: dict[str, list[dict[str, float]]] = {"zero": [], "twice": [], "at": []}
    for seed, case in enumerate(CASES):
        row = study(case, runs, seed)
        rows[case.group].append(row)
        seen = "" if case.group != "at" else f"{row['peeking']:.3f}"
        holds = "" if case.group == "at" else f"{row['held']:.3f}"
        print(
            f"{case.name:28} {row['saved']:5.2f}  {row['median']:8.0f}  {row['undecided']:9.3f}  "
            f"{row['wrong']:5.3f}  {seen:>7}  {holds:>14}",
            flush=True,
        )
    print(f"{time.perf_counter() - began:.0f} s")
    saved = {
        group: round(float(np.mean([row["saved"] for row in rows[group]])), 3) for group in ("zero", "twice")
    }
    least = {group: round(min(row["saved"] for row in rows[group]), 3) for group in ("zero", "twice")}
    every = [row for group in rows.values() for row in group]
    print(
        json.dumps(
            {
                "alpha": 0.05,
                "most_wrong": round(max(row["wrong"] for row in every), 4),
                "most_wrong_when_peeking": round(max(row["peeking"] for row in every), 4),
                "saved_mean": saved,
                "saved_least": least,
                "sequence_holds_at_least": round(
                    min(row["held"] for row in every if row["held"] == row["held"]), 4
                ),
            }
        )
    )


if __name__ == "__main__":
    main()
