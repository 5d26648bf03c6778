"""Cores that a process may really use: affinity and the quotas of control groups."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_vlmrobust import cores
from pytest_vlmrobust.cores import threads_for, usable_cores


@pytest.fixture(autouse=True)
def _machine(monkeypatch: pytest.MonkeyPatch) -> None:
    """A machine of 16 cores, 8 of which the process may use."""
    monkeypatch.delenv("OMP_NUM_THREADS", raising=False)
    monkeypatch.setattr(os, "cpu_count", lambda: 16)
    monkeypatch.setattr(os, "sched_getaffinity", lambda _: set(range(8)), raising=False)


def system(root: Path, groups: str, files: dict[str, str]) -> Path:
    """Write what the kernel would tell."""
    for name, text in {"proc/self/cgroup": groups, **files}.items():
        path = root / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return root


CGROUP = "sys/fs/cgroup"


@pytest.mark.parametrize(
    ("groups", "files", "expected"),
    [
        ("", {}, 8),
        ("0::/\n", {f"{CGROUP}/cpu.max": "max 100000\n"}, 8),
        ("0::/\n", {f"{CGROUP}/cpu.max": "300000 100000\n"}, 3),
        ("0::/\n", {f"{CGROUP}/cpu.max": "250000 100000\n"}, 2),
        ("0::/\n", {f"{CGROUP}/cpu.max": "50000 100000\n"}, 1),
        ("0::/\n", {f"{CGROUP}/cpu.max": "9900000 100000\n"}, 8),
        (
            "0::/slice/job\n",
            {f"{CGROUP}/slice/cpu.max": "200000 100000\n", f"{CGROUP}/slice/job/cpu.max": "max 100000\n"},
            2,
        ),
        ("0::/docker/abc\n", {f"{CGROUP}/cpu.max": "400000 100000\n"}, 4),
        (
            "3:memory:/\n2:cpu,cpuacct:/job\n",
            {
                f"{CGROUP}/cpu,cpuacct/job/cpu.cfs_quota_us": "600000\n",
                f"{CGROUP}/cpu,cpuacct/job/cpu.cfs_period_us": "100000\n",
            },
            6,
        ),
        (
            "2:cpu:/docker/abc\n",
            {f"{CGROUP}/cpu/cpu.cfs_quota_us": "150000\n", f"{CGROUP}/cpu/cpu.cfs_period_us": "100000\n"},
            1,
        ),
        (
            "2:cpu:/\n",
            {f"{CGROUP}/cpu/cpu.cfs_quota_us": "-1\n", f"{CGROUP}/cpu/cpu.cfs_period_us": "100000\n"},
            8,
        ),
        ("3:cpuset:/\n", {f"{CGROUP}/cpuset/cpu.cfs_quota_us": "100000\n"}, 8),
        ("0::/\n", {f"{CGROUP}/cpu.max": ""}, 8),
        ("0::/\n", {f"{CGROUP}/cpu.max": "100000 0\n"}, 8),
        ("nonsense\n", {}, 8),
    ],
)
def test_the_smallest_limit_counts(tmp_path: Path, groups: str, files: dict[str, str], expected: int) -> None:
    assert usable_cores(system(tmp_path, groups, files)) == expected


def test_where_there_is_no_affinity_the_machine_counts(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delattr(os, "sched_getaffinity")
    assert usable_cores(tmp_path) == 16


@pytest.mark.parametrize(
    ("usable", "workers", "expected"),
    [(16, 1, None), (8, 1, 8), (16, 4, 4), (8, 3, 2), (2, 4, 1), (1, 1, 1)],
)
def test_processes_share_the_cores(
    monkeypatch: pytest.MonkeyPatch, usable: int, workers: int, expected: int | None
) -> None:
    monkeypatch.setattr(cores, "usable_cores", lambda: usable)
    assert threads_for(workers) == expected


def test_what_the_user_has_set_stays(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OMP_NUM_THREADS", "6")
    assert threads_for(1) is None
    assert threads_for(4) is None
