"""What a run costs that has every reply in the store.

    python benchmarks/warm.py [--quick]

Runs the ready-made suite on ``bundled:grounded`` as processes of their own: once to fill a store, then
again with everything stored, in turn with a run of one stored sample, which is the start-up. Prints the
medians; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import re
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path

HEAVY = ("torch", "transformers")


def suite(folder: Path, limit: int, *python: str) -> tuple[float, str]:
    """Run the suite in ``folder``; returns wall seconds, and what it wrote to standard error."""
    command = [sys.executable, *python, "-m", "pytest", "-q", "-p", "no:cacheprovider"]
    command += ["--pyargs", "pytest_vlmrobust.suite", "--vlm-model=bundled:grounded", "--vlm-conditions=all"]
    command += [f"--vlm-limit={limit}", f"--vlm-store={folder / 'replies.sqlite'}"]
    environment = os.environ | {
        "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1",
        "PYTEST_PLUGINS": "pytest_vlmrobust.plugin",
    }
    began = time.perf_counter()
    done = subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True, text=True)
    return time.perf_counter() - began, done.stderr


def heavy_imports(trace: str) -> list[str]:
    """Name the heavy modules in what ``-X importtime`` wrote."""
    return [name for name in HEAVY if re.search(rf"\| +{name}$", trace, re.M)]


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="3 rounds in place of 9")
    parser.add_argument("--samples", type=int, default=1000)
    args = parser.parse_args()
    whole, start = [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        cold, _ = suite(folder, args.samples)
        suite(folder, 1)
        for _ in range(3 if args.quick else 9):
            whole.append(suite(folder, args.samples)[0])
            start.append(suite(folder, 1)[0])
        imported = heavy_imports(suite(folder, args.samples, "-X", "importtime")[1])
    beyond = statistics.median(a - b for a, b in zip(whole, start, strict=True))
    print(f"{args.samples} samples x 8 conditions, nothing stored   {cold:7.2f} s")
    print(f"the same, everything stored               {statistics.median(whole):7.2f} s")
    print(f"one sample, stored: the start-up          {statistics.median(start):7.2f} s")
    print(f"beyond start-up, run by run               {beyond:7.2f} s")
    print(f"imported of torch and transformers        {', '.join(imported) or 'neither'}")
    print(json.dumps({"cold_s": round(cold, 1), "beyond_start_s": round(beyond, 2), "imported": imported}))


if __name__ == "__main__":
    main()
