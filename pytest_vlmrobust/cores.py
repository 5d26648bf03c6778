"""How many CPU cores a process may really use: a container seldom has all that the machine has."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

THREADS_VARIABLE = "OMP_NUM_THREADS"
"""The environment variable by which users tell numerical libraries how many threads to use."""

_ROOT = Path("/")


def threads_for(workers: int) -> int | None:
    """How many threads each of several processes should compute with, so that they do not fight for cores.

    Args:
        workers: how many processes there are, at least 1.

    Returns:
        At least 1; None where the choice is better left to the library: the user has set
        `THREADS_VARIABLE`, or one process has the whole machine.
    """
    if os.environ.get(THREADS_VARIABLE):
        return None
    cores = usable_cores()
    if workers == 1 and cores >= (os.cpu_count() or 1):
        return None
    return max(1, cores // workers)


def usable_cores(root: Path = _ROOT) -> int:
    """How many cores this process may use: by its affinity, and by the quotas of its control groups.

    Args:
        root: where ``proc`` and ``sys`` are mounted.

    Returns:
        At least 1; a quota of two and a half cores counts as 2.
    """
    has_affinity = hasattr(os, "sched_getaffinity")
    allowed = len(os.sched_getaffinity(0)) if has_affinity else os.cpu_count() or 1
    return max(1, min([allowed, *map(int, _quotas(root))]))


def _quotas(root: Path) -> Iterator[float]:
    """Yield the quota, in cores, of every control group that this process is in."""
    for folder, unified in _groups(root):
        if unified:
            quota, period = (*_words(folder / "cpu.max"), "", "")[:2]
        else:
            quota = next(_words(folder / "cpu.cfs_quota_us"), "")
            period = next(_words(folder / "cpu.cfs_period_us"), "")
        if quota.isdecimal() and period.isdecimal() and int(period):  # "max" and -1 stand for none
            yield int(quota) / int(period)


def _groups(root: Path) -> Iterator[tuple[Path, bool]]:
    """Yield the folders of this process's groups and of those around them, and whether of version 2.

    In a container the folders may lie at the top, whatever the process's own path says.
    """
    top = root / "sys/fs/cgroup"
    for line in _lines(root / "proc/self/cgroup"):
        _, controllers, path = (*line.split(":", 2), "", "")[:3]
        if controllers and "cpu" not in controllers.split(","):
            continue
        place = Path(path.lstrip("/"))
        for group in (place, *place.parents):
            if controllers:
                yield from ((top / name / group, False) for name in dict.fromkeys((controllers, "cpu")))
            else:
                yield top / group, True


def _words(file: Path) -> Iterator[str]:
    return (word for line in _lines(file) for word in line.split())


def _lines(file: Path) -> list[str]:
    try:
        return file.read_text(encoding="utf-8").splitlines()
    except OSError:  # no such group, or no such system
        return []
