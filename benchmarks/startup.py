"""What the plugin adds to a bare pytest run of one trivial test.

    python benchmarks/startup.py [--quick]

Times whole processes, with and without the plugin in turn, and prints the medians; the last line
is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import os
import statistics
import subprocess
import sys
import tempfile
import time
from pathlib import Path


def seconds(folder: Path, *arguments: str) -> float:
    """Wall time of one pytest process in ``folder``."""
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    environment = os.environ | {"PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    began = time.perf_counter()
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    return time.perf_counter() - began


def import_ms(module: str) -> float:
    """Cumulative import time of ``module`` in a process that has imported pytest, in milliseconds."""
    code = (
        "import pytest, time, importlib; t = time.perf_counter(); "
        f"importlib.import_module({module!r}); print((time.perf_counter() - t) * 1000)"
    )
    done = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    return float(done.stdout)


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="10 rounds in place of 40")
    rounds = 10 if parser.parse_args().quick else 40
    bare, loaded, imports = [], [], []
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        (folder / "test_nothing.py").write_text("def test_nothing() -> None:\n    pass\n")
        for _ in range(rounds):
            bare.append(seconds(folder))
            loaded.append(seconds(folder, "-p", "pytest_vlmrobust.plugin"))
            imports.append(import_ms("pytest_vlmrobust.plugin"))
    added = statistics.median(b - a for a, b in zip(bare, loaded, strict=True)) * 1000
    print(f"bare pytest         {statistics.median(bare) * 1000:7.1f} ms  (median of {rounds})")
    print(f"with the plugin     {statistics.median(loaded) * 1000:7.1f} ms")
    print(f"added, pair by pair {added:7.1f} ms")
    print(f"import of plugin    {statistics.median(imports):7.1f} ms")
    print(json.dumps({"added_ms": round(added, 2), "import_ms": round(statistics.median(imports), 2)}))


if __name__ == "__main__":
    main()
