"""Writes tiny files in the exact schema of each benchmark, with content of our own and every known quirk.

``python -m tests.benchmark_files FOLDER`` writes each into a folder of its name, and says how to use it.
"""

from __future__ import annotations

import sys
from pathlib import Path

from tests.benchmark_files.writers import WRITERS

for name, write in WRITERS.items():
    print(f"--vlm-dataset={name}:{write(Path(sys.argv[1]) / name)}")
