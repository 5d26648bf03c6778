"""How often a gate is red by chance, in each way of deciding.

    python benchmarks/flake.py [--quick]

A bundled model answers once, and its replies are kept. Then the same gate is run again and again on 100
samples that are drawn from these answers with replacement, so that the true drop is known: it is that of all
of them. Its threshold lies at the true drop, just above it and far above it, so no run should be red; and, in
the last rows, at half of it, so that every run should.

Beside the two modes stands what is usual: a fixed floor for the accuracy under the condition, at the
accuracy of the whole data set under base less the threshold. With early stop the samples are looked at one
by one, up to the same 100, and what is undecided then is left to the mode: to the estimate, or
inconclusive. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import tempfile
import time
from collections import Counter
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from pytest_vlmrobust import Store, evaluate, load_model, load_samples
from pytest_vlmrobust.core.arrays import BoolArray
from pytest_vlmrobust.core.evidence import drop_evidence
from pytest_vlmrobust.core.findings import find
from pytest_vlmrobust.core.gates import Gate
from pytest_vlmrobust.core.metrics import accuracy_drop
from pytest_vlmrobust.core.sequential import sequential_decision

MODEL, CONDITION = "bundled:hesitant", "wrong-think"
N = 100
RUNS = 300
WAYS = ("fixed floor", "estimate", "confident", "estimate, early stop", "confident, early stop")


@dataclass(frozen=True)
class Answers:
    """Which of the samples were right, without and with what misleads."""

    before: BoolArray
    after: BoolArray

    @property
    def drop(self) -> float:
        """Accuracy lost."""
        return float(self.before.mean() - self.after.mean())

    def drawn(self, rng: np.random.Generator, n: int) -> Answers:
        """Some of them, drawn with replacement."""
        rows = rng.integers(0, self.before.size, n)
        return Answers(self.before[rows], self.after[rows])


def ask(samples: int) -> Answers:
    """Have the model answer; a second time its replies come from the store."""
    store = Store.open(Path(tempfile.gettempdir()) / "vlmrobust-flake.sqlite")
    try:
        run = evaluate(
            load_model(MODEL), load_samples("shapes", limit=samples), ["base", CONDITION], store=store
        )
    finally:
        store.close()
    view = run.view(CONDITION)
    pairs = view.pairs()
    return Answers(view.base_right()[pairs], view.here.right[pairs])


def verdicts(here: Answers, floor: float, gate: Gate) -> tuple[dict[str, str], int]:
    """What each way says about one run, and at how many samples an early stop ends it."""
    figure = accuracy_drop(here.before, here.after)
    evidence = drop_evidence(figure, here.before, here.after, None)
    found: dict[str, str] = {
        "fixed floor": "pass" if here.after.mean() >= floor else "fail",
        "estimate": find(gate, evidence).verdict,
        "confident": find(gate, evidence, mode="confident").verdict,
    }
    flips = here.before.astype(np.float64) - here.after
    decision = sequential_decision(flips, gate.threshold, bounds=(-1, 1))
    early = {"above": "fail", "below": "pass", None: ""}[decision.side]
    found["estimate, early stop"] = early or found["estimate"]
    found["confident, early stop"] = early or "inconclusive"
    return found, decision.decided_at or N


def study(answers: Answers, threshold: float, seed: int, runs: int) -> tuple[dict[str, Counter[str]], float]:
    """Run the gate again and again."""
    rng = np.random.default_rng(seed)
    gate = Gate("accuracy_drop", CONDITION, max=threshold)
    floor = float(answers.before.mean()) - threshold
    counted: dict[str, Counter[str]] = {way: Counter() for way in WAYS}
    stops = []
    for _ in range(runs):
        found, stop = verdicts(answers.drawn(rng, N), floor, gate)
        stops.append(stop)
        for way, verdict in found.items():
            counted[way][verdict] += 1
    return counted, float(np.mean(stops))


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument(
        "--quick", action="store_true", help="300 samples in place of 1,000, and 300 runs in place of 2,000"
    )
    args = parser.parse_args()
    began, runs = time.perf_counter(), RUNS if args.quick else 2000
    answers = ask(300 if args.quick else 1000)
    true = answers.drop
    print(
        f"{MODEL} under {CONDITION}: {answers.before.mean():.3f} right under base, true drop {true:.4f} "
        f"({answers.before.size} samples); {runs} runs of {N} samples"
    )
    print(f"{'threshold':24} {'':9}" + "".join(f"{way:>23}" for way in WAYS) + "  looked at")
    red: dict[str, dict[str, float]] = {}
    open_: dict[str, dict[str, float]] = {}
    places = {"at": true, "just above": true + 0.01, "far above": true + 0.1, "half of it": true / 2}
    for seed, (place, threshold) in enumerate(places.items()):
        counted, looked = study(answers, threshold, seed, runs)
        red[place] = {way: round(counted[way]["fail"] / runs, 4) for way in WAYS}
        open_[place] = {way: round(counted[way]["inconclusive"] / runs, 4) for way in WAYS}
        for name, shares in (("red", red[place]), ("unsure", open_[place])):
            cells = "".join(f"{shares[way]:23.3f}" for way in WAYS)
            label = f"{threshold:.3f}, {place}" if name == "red" else ""
            print(f"{label:24} {name:9}{cells}" + (f"  {looked:9.0f}" if name == "red" else ""))
    print(f"{time.perf_counter() - began:.0f} s")
    print(
        json.dumps(
            {
                "model": MODEL,
                "condition": CONDITION,
                "n": N,
                "runs": runs,
                "true_drop": round(true, 4),
                "red": red,
                "inconclusive": open_,
            }
        )
    )


if __name__ == "__main__":
    main()
