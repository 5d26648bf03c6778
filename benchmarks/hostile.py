"""Whether reading and judging stay linear on text that was made to be slow.

    python benchmarks/hostile.py [--quick]

Repeats one piece of text to two lengths and prints seconds and their ratio; the last line is one JSON
object with the worst ratio of each. Linear is 8, quadratic is 64. The judge reads the last 50,000
characters only, so that its ratio is smaller.
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Callable

from pytest_vlmrobust import judge_consistency, read_reply

CHOICES = ("left of it", "right of it", "above it", "below it")
PIECES = (
    "<",
    "<think>",
    "<answer>",
    r"\boxed{",
    "(A) (B) ",
    "B ",
    "A, ",
    "Answer: ",
    "left of it, ",
    "not ",
    "->",
)
SHORT, LONG = 12_000, 96_000


def read(text: str) -> None:
    read_reply(text, CHOICES)


def judge(text: str) -> None:
    judge_consistency(text, "A", CHOICES, question="Where is it?")


def seconds(work: Callable[[str], None], text: str, rounds: int) -> float:
    """Least time of several rounds."""
    times = []
    for _ in range(rounds):
        began = time.process_time()
        work(text)
        times.append(time.process_time() - began)
    return min(times)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="1 round in place of 3")
    rounds = 1 if parser.parse_args().quick else 3
    worst = {}
    for work in (read, judge):
        ratios = []
        for piece in PIECES:
            short, long = (seconds(work, (piece * length)[:length], rounds) for length in (SHORT, LONG))
            ratios.append(long / max(short, 1e-3))
            print(f"{work.__name__:6} {piece!r:16} {short:8.4f} s {long:8.4f} s  ratio {ratios[-1]:5.1f}")
        worst[f"{work.__name__}_ratio"] = round(max(ratios), 1)
    print(json.dumps(worst))


if __name__ == "__main__":
    main()
