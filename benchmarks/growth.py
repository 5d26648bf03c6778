"""Whether time per sample and memory stay flat as the samples grow in number.

    python benchmarks/growth.py [--quick]

Evaluates a scripted model, which costs next to nothing itself, on `shapes` under all eight conditions, each
size in a process of its own: what is measured is everything that the package does around a model. Peak
memory includes the evaluation that is returned. The last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import resource
import subprocess
import sys
import time

from pytest_vlmrobust import Answer, Prompt, ScriptedModel, evaluate, load_samples


def answer(prompt: Prompt) -> Answer:
    """Reason about the first option, and answer it."""
    prefill = f"<think>{prompt.thought}" if prompt.thought else ""
    opened = "" if prefill else "<think>"
    if prompt.thought_closed:
        return Answer(text="<answer>A</answer>", prefill=f"{prefill}</think>", tokens=5)
    text = (
        f"{opened} Let me look at the image. So the answer is {prompt.choices[0]}.</think><answer>A</answer>"
    )
    return Answer(
        text=text, prefill=prefill, letter_probs=_sure(len(prompt.choices)), letter_mass=0.9, tokens=24
    )


def _sure(count: int) -> tuple[float, ...]:
    return (0.75, *[0.25 / (count - 1)] * (count - 1))


def measure(samples: int) -> dict[str, float]:
    """Evaluate once, in this process."""
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    began = time.perf_counter()
    run = evaluate(ScriptedModel(answer), load_samples("shapes", limit=samples), "all")
    seconds = time.perf_counter() - began
    after = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss
    return {"n": run.n, "ms_per_sample": 1000 * seconds / run.n, "grown_mib": (after - before) / 1024}


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="3,000 samples at most in place of 10,000")
    parser.add_argument("--one", type=int, default=0, help=argparse.SUPPRESS)
    args = parser.parse_args()
    if args.one:
        print(json.dumps(measure(args.one)))
        return
    print("samples  ms per sample  memory grown by, MiB")
    rows = []
    for samples in (100, 1000, 3000) if args.quick else (100, 1000, 10_000):
        command = [sys.executable, __file__, "--one", str(samples)]
        done = subprocess.run(command, check=True, capture_output=True, text=True)
        rows.append(json.loads(done.stdout))
        print(f"{samples:7}  {rows[-1]['ms_per_sample']:13.2f}  {rows[-1]['grown_mib']:20.1f}", flush=True)
    ratio = rows[-1]["ms_per_sample"] / rows[1]["ms_per_sample"]
    print(
        json.dumps(
            {
                "time_ratio": round(ratio, 2),
                "mib_per_1000": round(rows[-1]["grown_mib"] * 1000 / rows[-1]["n"], 1),
            }
        )
    )


if __name__ == "__main__":
    main()
