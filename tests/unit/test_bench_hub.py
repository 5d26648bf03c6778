"""Benchmarks by their id on the hub, against a server that speaks the hub's protocol."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from pytest_vlmrobust.datasets.benchmarks.hub import HubId, hub_id
from pytest_vlmrobust.datasets.registry import check_dataset_spec, load_samples
from pytest_vlmrobust.errors import UsageError
from tests.benchmark_files import places
from tests.benchmark_files.writers import write_cv_bench
from tests.unit.hub_server import COMMIT, HubServer, serving

LOAD = """
import json, sys, warnings
warnings.simplefilter("error")
from pytest_vlmrobust.core.samples import samples_digest
from pytest_vlmrobust.datasets.registry import load_dataset
try:
    loaded = load_dataset(sys.argv[1])
    told = {"digest": samples_digest(loaded.samples), **loaded.to_json()}
except Exception as error:
    told = {"error": f"{type(error).__name__}: {error}"}
print(json.dumps(told))
"""
"""The client reads its settings when it is imported, so it is asked in a process of its own."""

Ask = Callable[..., dict[str, Any]]


@pytest.fixture
def ask(tmp_path: Path) -> Ask:
    def run(spec: str, endpoint: str, **environment: str) -> dict[str, Any]:
        found = subprocess.run(
            [sys.executable, "-c", LOAD, spec],
            capture_output=True,
            text=True,
            check=True,
            cwd=tmp_path,
            env={
                **os.environ,
                "PYTHONPATH": str(Path(__file__).parents[2]),
                "HF_ENDPOINT": endpoint,
                "HF_HOME": str(tmp_path / "hub"),
                "HF_HUB_DISABLE_PROGRESS_BARS": "1",
                "HF_HUB_DISABLE_XET": "1",
                **environment,
            },
        )
        told: dict[str, Any] = json.loads(found.stdout.splitlines()[-1])
        return told

    return run


@pytest.fixture(scope="module")
def cv_bench(tmp_path_factory: pytest.TempPathFactory) -> Iterator[HubServer]:
    folder = write_cv_bench(tmp_path_factory.mktemp("cv"))
    with serving("org/CV-Bench", folder) as server:
        yield server


def test_a_benchmark_comes_from_the_hub_and_then_from_its_cache(ask: Ask, cv_bench: HubServer) -> None:
    cv_bench.sent.clear()
    told = ask("cv-bench:org/CV-Bench", cv_bench.url)
    assert told["facts"]["hub"] == "org/CV-Bench"
    assert told["facts"]["revision"] == COMMIT
    assert told["facts"]["files"] == ["test_2d.parquet", "test_3d.parquet"]
    assert told["score"] == "cv-bench"
    # Only what is read is fetched: not the other forms, nor the script.
    assert sorted(cv_bench.sent) == ["test_2d.parquet", "test_3d.parquet"]
    again = ask("cv-bench:org/CV-Bench", cv_bench.url)
    offline = ask("cv-bench:org/CV-Bench", "http://127.0.0.1:9", HF_HUB_OFFLINE="1")
    assert told == again == offline
    assert len(cv_bench.sent) == 2
    pinned = ask(f"cv-bench:org/CV-Bench@{COMMIT}", cv_bench.url)
    assert pinned == told


def test_images_in_files_of_their_own_come_along(ask: Ask, tmp_path: Path) -> None:
    folder = places.write_vstar(tmp_path / "vstar")
    with serving("org/vstar_bench", folder) as server:
        told = ask("vstar:org/vstar_bench", server.url)
        assert told["facts"]["files"] == ["test_questions.jsonl"]
        assert "direct_attributes/sa_0.jpg" in server.sent
        assert "OCR/not_scored.jpg" not in server.sent


def test_a_data_set_that_is_not_there_or_has_none_of_the_files_is_told(ask: Ask, cv_bench: HubServer) -> None:
    told = ask("cv-bench:org/other", cv_bench.url)["error"]
    assert told.startswith("DataError: cv-bench: nothing is at org/other here (looked from ")
    assert "data set org/other cannot be had from the hub (RepositoryNotFoundError" in told
    assert told.endswith("download it elsewhere and give the folder: cv-bench:PATH")
    told = ask("mmbench:org/CV-Bench", cv_bench.url)["error"]
    assert told == (
        "DataError: mmbench: org/CV-Bench on the hub has none of its files: looked for "
        "MMBench_DEV_EN_V11.tsv, MMBench_DEV_EN.tsv, en/dev-*.parquet, data/dev-*.parquet, dev-*.parquet; "
        "found build_img.py, test_2d.jsonl, test_2d.parquet, test_3d.jsonl, test_3d.parquet"
    )


def test_a_file_that_the_hub_lists_and_does_not_send_is_told(ask: Ask, tmp_path: Path) -> None:
    folder = write_cv_bench(tmp_path / "cv")
    with serving("org/CV-Bench", folder) as server:
        server.broken.add("test_3d.parquet")
        told = ask("cv-bench:org/CV-Bench", server.url)["error"]
    assert "data set org/CV-Bench cannot be had from the hub (" in told
    assert "(LocalEntryNotFoundError: " in told


def test_without_a_network_and_without_a_cache_the_message_says_what_to_do(ask: Ask) -> None:
    told = ask("cv-bench:org/CV-Bench@v1", "http://127.0.0.1:9", HF_HUB_OFFLINE="1")["error"]
    assert "data set org/CV-Bench@v1 cannot be had from the hub (OfflineModeIsEnabled: " in told
    assert "nor is it in the hub's cache" in told


@pytest.mark.parametrize(
    ("text", "wanted"),
    [
        ("org/name", HubId(repo="org/name")),
        ("org/name@refs/convert", HubId(repo="org/name", revision="refs/convert")),
        ("nyu-visionx/CV-Bench", HubId(repo="nyu-visionx/CV-Bench")),
        ("name", None),
        ("", None),
        ("./name", None),
        ("../name", None),
        ("a/b/c", None),
        ("/a/b", None),
        ("org/name@", None),
    ],
)
def test_what_is_an_id_on_the_hub(text: str, wanted: HubId | None) -> None:
    assert hub_id(text) == wanted


def test_what_is_on_this_machine_wins_over_the_hub(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write_cv_bench(tmp_path / "org" / "CV-Bench")
    monkeypatch.chdir(tmp_path)
    assert len(load_samples("cv-bench:org/CV-Bench")) == 15


@pytest.mark.parametrize("rest", ["", "nothing", "./no/thing"])
def test_what_is_neither_a_path_nor_an_id_is_refused_before_anything_is_asked(rest: str) -> None:
    with pytest.raises(UsageError) as caught:
        check_dataset_spec(f"cv-bench:{rest}")
    assert str(caught.value) == (
        f"data set 'cv-bench': nothing is at {rest!r} (looked from {Path.cwd()}); give the folder or the "
        "file that was downloaded, or a data set on the hub, such as cv-bench:nyu-visionx/CV-Bench"
    )
    with pytest.raises(UsageError, match="data set 'cv-bench' needs a path: write cv-bench:PATH"):
        check_dataset_spec("cv-bench")
