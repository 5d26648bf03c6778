"""What stands after the colon of a benchmark's spec: a path, or a data set on the hub."""

from __future__ import annotations

from pathlib import Path

from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark
from pytest_vlmrobust.datasets.benchmarks.finding import check_files
from pytest_vlmrobust.datasets.benchmarks.hub import HubId, hub_id
from pytest_vlmrobust.errors import UsageError


def source_of(benchmark: Benchmark, text: str) -> Path | HubId:
    """Tell a path from a data set on the hub; where both could be meant, what is on this machine wins.

    Raises:
        UsageError: nothing is there, and it cannot be a data set on the hub.
    """
    if text and Path(text).exists():
        return Path(text)
    on_hub = hub_id(text)
    if on_hub is not None:
        return on_hub
    known = f", or a data set on the hub, such as {benchmark.name}:{benchmark.hub}" if benchmark.hub else ""
    raise UsageError(
        f"data set {benchmark.name!r}: nothing is at {text!r} (looked from {Path.cwd()}); give the folder or "
        f"the file that was downloaded{known}"
    )


def check_source(benchmark: Benchmark, text: str) -> None:
    """Refuse what cannot work, without reading the data and without asking the hub.

    Raises:
        UsageError: as `source_of`.
        DataError: the benchmark's files are not there, or are not what they should be.
    """
    source = source_of(benchmark, text)
    if isinstance(source, Path):
        check_files(benchmark, source)
