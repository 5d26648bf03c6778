"""A run that is killed loses the batch that it was computing, and nothing else."""

from __future__ import annotations

import json
import os
import random
import subprocess
import sys
import time
from collections import Counter
from pathlib import Path
from typing import Any

import pytest

SCRIPT = Path(__file__).with_name("mates.py")
ROOT = SCRIPT.parents[2]
SAMPLES = 96  # in pairs: 48 batches
KILLS = 20


def start(folder: Path, output: int = subprocess.PIPE) -> subprocess.Popen[str]:
    """Start an evaluation in a process of its own."""
    arguments: list[str | Path] = [folder / "replies.sqlite", folder / "log.jsonl", str(SAMPLES)]
    return subprocess.Popen(
        [sys.executable, SCRIPT, *arguments],
        stdout=output,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )


def finished(process: subprocess.Popen[str]) -> tuple[dict[str, int], str]:
    """Where the replies of a run came from, and its records and figures."""
    output, errors = process.communicate()
    assert process.returncode == 0, errors
    replies, document = output.splitlines()
    return json.loads(replies), document


def log_of(folder: Path) -> list[list[Any]]:
    path = folder / "log.jsonl"
    return [json.loads(line) for line in path.read_text().splitlines()] if path.exists() else []


def runs_of(log: list[list[Any]]) -> list[list[list[tuple[str, str]]]]:
    """What was computed: for each run its batches, as lists of prompts."""
    runs: list[list[list[tuple[str, str]]]] = []
    for what, batch in log:
        if what == "begins":
            runs.append([])
        elif what == "computes":
            runs[-1].append([(sample, name) for sample, name in batch])
    return runs


@pytest.fixture(scope="module")
def undisturbed(tmp_path_factory: pytest.TempPathFactory) -> str:
    replies, document = finished(start(tmp_path_factory.mktemp("undisturbed")))
    assert replies == {"stored": 0, "computed": 6 * SAMPLES}
    return document


def kill_at_a_random_moment(folder: Path, rng: random.Random) -> None:
    """Now and then anywhere from the start of the process on, else once it computes something new."""
    known = len(log_of(folder))
    process = start(folder, subprocess.DEVNULL)  # a pipe that nobody reads would hold it up
    if rng.random() < 0.25:
        time.sleep(rng.uniform(0, 0.5))
    else:
        while len(log_of(folder)) < known + 2 and process.poll() is None:
            time.sleep(0.001)
        time.sleep(rng.uniform(0, 0.1))
    process.kill()
    process.communicate()


def test_killed_at_any_moment_a_run_goes_on_where_it_was(tmp_path: Path, undisturbed: str) -> None:
    rng = random.Random(3)
    for _ in range(KILLS):
        kill_at_a_random_moment(tmp_path, rng)
    replies, document = finished(start(tmp_path))
    assert document == undisturbed
    runs = runs_of(log_of(tmp_path))
    lost = [run[-1] for run in runs[:-1] if run]  # the batch that each killed run had in hand
    whole = [batch for run in runs[:-1] for batch in run[:-1]] + runs[-1]
    times = Counter(prompt for batch in whole for prompt in batch)
    assert max(times.values()) == 1  # what was handed over was kept, and never computed again
    assert set(times) | {prompt for batch in lost for prompt in batch} == {
        (record["sample_id"], record["condition"]) for record in json.loads(document)["records"]
    }
    assert replies["computed"] == sum(map(len, runs[-1]))
    assert len([run for run in runs if run]) > KILLS / 3  # the kills did hit the computing
    again, same = finished(start(tmp_path))
    assert (again, same) == ({"stored": 6 * SAMPLES, "computed": 0}, undisturbed)


def test_two_runs_at_once_share_a_store_and_disturb_neither(tmp_path: Path, undisturbed: str) -> None:
    first, second = start(tmp_path), start(tmp_path)
    results = [finished(first), finished(second)]
    assert [document for _, document in results] == [undisturbed] * 2
    replies, document = finished(start(tmp_path))
    assert replies == {"stored": 6 * SAMPLES, "computed": 0}
    assert document == undisturbed
