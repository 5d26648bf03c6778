"""How fast a bundled model answers: the whole way from samples to an evaluation.

    python benchmarks/bundled.py [--quick]

Loads ``bundled:grounded`` and evaluates ``shapes`` under the six conditions of zhao2026; prints what
each part took, and as the last line one JSON object.
"""

from __future__ import annotations

import argparse
import json
import time

from pytest_vlmrobust import evaluate, load_model, load_samples


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="100 samples in place of 200")
    parser.add_argument("--model", default="bundled:grounded")
    args = parser.parse_args()
    limit = 100 if args.quick else 200
    began = time.perf_counter()
    import torch  # noqa: F401
    import transformers  # noqa: F401

    imported = time.perf_counter()
    model = load_model(args.model)
    loaded = time.perf_counter()
    samples = load_samples("shapes", limit=limit)
    run = evaluate(model, samples)
    done = time.perf_counter()
    pace = limit / (done - loaded)
    tokens = sum(record.tokens for record in run.records())
    print(f"import of torch and transformers {imported - began:7.2f} s")
    print(f"load of {args.model:<24} {loaded - imported:7.2f} s")
    print(f"{limit} samples x {len(run.conditions)} conditions        {done - loaded:7.2f} s")
    print(f"samples per second, all conditions {pace:5.1f}")
    print(f"tokens per second                  {tokens / (done - loaded):5.0f}")
    print(json.dumps({"load_s": round(loaded - imported, 2), "samples_per_s": round(pace, 1)}))


if __name__ == "__main__":
    main()
