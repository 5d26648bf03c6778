"""--vlm-store: replies are computed once for all sessions, and trouble with the file is told."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from pytest_vlmrobust.conditions import perturb
from pytest_vlmrobust.datasets.shapes import shapes_sample
from pytest_vlmrobust.store import Store, default_store_path
from tests.unit.mates import Mates

MODEL = "--vlm-model=models:mates"
STORE = "--vlm-store=replies.sqlite"


def runs_of(folder: Path) -> list[dict[str, Any]]:
    """The runs of report.json without what differs from session to session."""
    runs: list[dict[str, Any]] = json.loads((folder / "report.json").read_text(encoding="utf-8"))["runs"]
    for run in runs:
        for name in ("created", "replies", "command"):
            del run["provenance"][name]
    return runs


def test_a_second_session_computes_nothing_and_reports_the_same(
    kept: pytest.Pytester, computed: Callable[[], int]
) -> None:
    kept.runpytest(MODEL, STORE, "--vlm-json=report.json").assert_outcomes(passed=1)
    assert computed() == 60
    first = runs_of(kept.path)
    result = kept.runpytest(MODEL, STORE, "--vlm-json=report.json")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["*60 of 60 replies from the store*"])
    assert computed() == 0
    assert runs_of(kept.path) == first


def test_replies_are_kept_in_the_users_cache_folder_unless_told_otherwise(
    kept: pytest.Pytester, computed: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept.path / "cache"))
    assert kept.path / "cache" in default_store_path().parents
    for option in ((), ("--vlm-store=auto",)):
        kept.runpytest(MODEL, *option).assert_outcomes(passed=1)
    assert computed() == 60
    assert default_store_path().exists()


def test_switched_off_nothing_is_kept_and_no_file_made(
    kept: pytest.Pytester, computed: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(kept.path / "cache"))
    before = set(kept.path.iterdir())
    for _ in range(2):
        kept.runpytest(MODEL, "--vlm-store=off", "-p", "no:cacheprovider").assert_outcomes(passed=1)
        assert computed() == 60
    assert {path.name for path in set(kept.path.iterdir()) - before} <= {"__pycache__"}


def test_the_ini_file_may_name_the_store_and_tests_may_change_the_folder(
    kept: pytest.Pytester, computed: Callable[[], int], ini: Callable[..., str]
) -> None:
    ini("vlm_store = kept/here.sqlite", "vlm_limit = 10")
    kept.makepyfile(
        test_it="""
        def test_it(vlm_evaluate, tmp_path, monkeypatch):
            monkeypatch.chdir(tmp_path)
            vlm_evaluate()
        """
    )
    for _ in range(2):
        kept.runpytest(MODEL).assert_outcomes(passed=1)
    assert computed() == 60
    assert (kept.path / "kept" / "here.sqlite").exists()


@pytest.mark.parametrize("options", [("--collect-only",), ()])
def test_a_session_that_evaluates_nothing_makes_no_store(
    kept: pytest.Pytester, options: tuple[str, ...]
) -> None:
    if not options:
        kept.makepyfile(test_it="def test_it(vlm_samples): pass")
    assert kept.runpytest(MODEL, STORE, *options).ret == pytest.ExitCode.OK
    assert not (kept.path / "replies.sqlite").exists()


def test_two_workers_write_into_one_store(kept: pytest.Pytester, computed: Callable[[], int]) -> None:
    models = (MODEL, "--vlm-model=models:others")
    kept.runpytest("-n2", *models, STORE).assert_outcomes(passed=2)
    assert computed() == 120
    result = kept.runpytest(*models, STORE)
    result.assert_outcomes(passed=2)
    assert computed() == 0
    assert str(result.stdout).count("60 of 60 replies from the store") == 2


def damage(path: Path) -> None:
    path.write_bytes(b"This was once a file of SQLite's, or so they say.\n" * 100)


def of_another_program(path: Path) -> None:
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA application_id = 7")
        file.execute("CREATE TABLE bookmarks (address TEXT)")
    file.close()


def newer(path: Path) -> None:
    Store.open(path).close()
    with sqlite3.connect(path) as file:
        file.execute("PRAGMA user_version = 99")
    file.close()


UNUSABLE = [
    (damage, "*replies.sqlite is no store of replies*move or delete it*--vlm-store*"),
    (of_another_program, "*replies.sqlite is another program's SQLite file*--vlm-store*"),
    (newer, "*replies.sqlite was written by a later release*update pytest-vlmrobust*--vlm-store=off"),
    (Path.mkdir, "*replies.sqlite is a folder: name a file in it*"),
]


@pytest.mark.parametrize(("make", "message"), UNUSABLE)
@pytest.mark.parametrize("options", [(), ("--collect-only",)], ids=["run", "collect"])
def test_a_file_that_is_no_store_is_refused_before_a_model_is_loaded(
    kept: pytest.Pytester, make: Callable[[Path], Any], message: str, options: tuple[str, ...]
) -> None:
    path = kept.path / "replies.sqlite"
    make(path)
    before = path.read_bytes() if path.is_file() else b""
    refused(kept.runpytest("--vlm-model=stage:broken", STORE, *options), message)
    assert (path.read_bytes() if path.is_file() else b"") == before


def test_a_file_that_is_no_store_is_refused_by_workers_too(kept: pytest.Pytester) -> None:
    damage(kept.path / "replies.sqlite")
    refused(kept.runpytest("--vlm-model=stage:broken", STORE, "-n2"), UNUSABLE[0][1])


def refused(result: pytest.RunResult, message: str) -> None:
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}"])
    for text in ("*disk is on fire*", "*INTERNALERROR*", "*passed*"):
        result.stdout.no_fnmatch_line(text)


def test_a_file_that_is_no_store_fails_the_tests_of_a_model_of_ones_own(kept: pytest.Pytester) -> None:
    damage(kept.path / "replies.sqlite")
    kept.makepyfile(
        test_it="""
        import models
        import pytest

        @pytest.fixture(scope="session")
        def vlm():
            return models.mates()

        def test_it(vlm_run): pass
        """
    )
    result = kept.runpytest(STORE)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines([UNUSABLE[0][1]])
    result.stdout.no_fnmatch_line("*plugin/fixtures.py*")


def test_a_file_that_is_no_store_concerns_no_session_without_models(kept: pytest.Pytester) -> None:
    damage(kept.path / "replies.sqlite")
    kept.makepyfile(test_it="def test_it(): pass")
    kept.runpytest(MODEL, STORE).assert_outcomes(passed=1)


def test_a_stored_reply_that_makes_no_sense_fails_the_test_and_names_the_file(kept: pytest.Pytester) -> None:
    with Store.open(kept.path / "replies.sqlite") as store:
        store.write("reply", {Mates().reply_key(perturb(shapes_sample(0), "base")): "nonsense"})
    result = kept.runpytest(MODEL, STORE)
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["the store *replies.sqlite holds a reply that cannot be used: *"])
    assert result.ret == pytest.ExitCode.TESTS_FAILED


FULL = """
    import pytest
    import pytest_vlmrobust.store as store

    patch, open_store = pytest.MonkeyPatch(), store.Store.open

    def open_on_a_full_disk(path, **options):
        opened = open_store(path, **options)
        (pages,) = opened._connection.execute("PRAGMA page_count").fetchone()
        opened._connection.execute(f"PRAGMA max_page_count = {pages}").fetchall()
        return opened

    patch.setattr(store.Store, "open", open_on_a_full_disk)

    def pytest_unconfigure():
        patch.undo()
"""
FULL_MESSAGE = "replies cannot be kept in *replies.sqlite: the disk is full: make room, name another file *"


@pytest.mark.parametrize(("rate", "code", "workers"), [(1.0, 0, ()), (0.0, 1, ()), (1.0, 0, ("-n2",))])
def test_on_a_full_disk_the_run_goes_on_and_the_gates_decide(
    kept: pytest.Pytester, rate: float, code: int, workers: tuple[str, ...]
) -> None:
    kept.makeconftest(FULL)
    kept.makepyfile(
        test_it=f"import pytest\n\n@pytest.mark.vlm(max_misled_rate={rate})\ndef test_gate(): pass"
    )
    models = (MODEL, "--vlm-model=models:others")
    result = kept.runpytest(*models, STORE, *workers, "--color=yes")
    assert result.ret == code
    told = [line for line in result.outlines if "cannot be kept" in line]
    assert len(told) == 1
    pytest.LineMatcher(told).fnmatch_lines([f"*\x1b?33m{FULL_MESSAGE}"])
    assert not result.errlines


@pytest.mark.parametrize("place", ["stage.py", "/proc"])
def test_where_nothing_can_be_written_the_run_goes_on_too(
    kept: pytest.Pytester, computed: Callable[[], int], place: str
) -> None:
    result = kept.runpytest(MODEL, f"--vlm-store={place}/folder/replies.sqlite")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["replies cannot be kept in */folder/replies.sqlite: *"])
    assert result.ret == pytest.ExitCode.OK
    assert computed() == 60


def test_a_store_that_can_only_be_read_is_read_and_told_of_where_something_is_lost(
    kept: pytest.Pytester, computed: Callable[[], int], monkeypatch: pytest.MonkeyPatch
) -> None:
    kept.runpytest(MODEL, STORE, "--vlm-limit=4")
    assert computed() == 24
    connect: Callable[..., sqlite3.Connection] = sqlite3.connect

    def read_only(address: str, **options: Any) -> sqlite3.Connection:  # no mode binds the superuser
        return connect(address.replace("mode=rwc", "mode=ro"), **options)

    monkeypatch.setattr(sqlite3, "connect", read_only)
    result = kept.runpytest(MODEL, STORE, "--vlm-limit=4")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*cannot be kept*")
    assert computed() == 0
    result = kept.runpytest(MODEL, STORE)
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["replies cannot be kept in *: the file or its folder is read-only: *"])
    assert computed() == 36


def test_no_warning_where_nothing_would_have_been_kept(kept: pytest.Pytester) -> None:
    result = kept.runpytest("--vlm-model=stage:grounded", "--vlm-store=stage.py/replies.sqlite")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*cannot be kept*")


def test_pruning_keeps_the_store_below_a_size(kept: pytest.Pytester, computed: Callable[[], int]) -> None:
    path = kept.path / "replies.sqlite"
    kept.runpytest(MODEL, STORE)
    size, count = path.stat().st_size, computed()
    result = kept.runpytest(MODEL, STORE, "--vlm-store-prune=1GB")
    result.stdout.fnmatch_lines(["store *replies.sqlite: 0 entries deleted, 0.* MB left"])
    result = kept.runpytest(MODEL, STORE, "--vlm-store-prune=40kB")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["store *replies.sqlite: * entries deleted, 0.0 MB left"])
    assert path.stat().st_size <= 40_000 < size
    assert computed() == 0
    kept.runpytest(MODEL, STORE).assert_outcomes(passed=1)
    assert 0 < computed() <= count


def test_pruning_needs_no_test_of_a_model_and_makes_no_store(kept: pytest.Pytester) -> None:
    path = kept.path / "replies.sqlite"
    kept.runpytest(MODEL, STORE)
    kept.makepyfile(test_it="def test_it(): pass")
    result = kept.runpytest(STORE, "--vlm-store-prune=30kB")
    result.stdout.fnmatch_lines(["store *replies.sqlite: * entries deleted*"])
    assert path.stat().st_size <= 30_000
    result = kept.runpytest("--vlm-store=none.sqlite", "--vlm-store-prune=30kB")
    assert result.ret == pytest.ExitCode.OK
    result.stdout.no_fnmatch_line("*entries deleted*")
    assert not (kept.path / "none.sqlite").exists()


def test_pruning_without_a_store_is_a_usage_error(kept: pytest.Pytester) -> None:
    kept.makepyfile(test_it="def test_it(): pass")
    result = kept.runpytest("--vlm-store=off", "--vlm-store-prune=30kB")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: --vlm-store-prune: --vlm-store=off leaves no store to prune"])


def test_pruning_what_is_no_store_is_a_usage_error(kept: pytest.Pytester) -> None:
    damage(kept.path / "replies.sqlite")
    kept.makepyfile(test_it="def test_it(): pass")
    result = kept.runpytest(STORE, "--vlm-store-prune=30kB")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: *replies.sqlite is no store of replies*"])


IMPATIENT = """
    import pytest
    from pytest_vlmrobust.store import Store

    patch, open_store = pytest.MonkeyPatch(), Store.open
    patch.setattr(Store, "open", lambda path: open_store(path, wait=0))

    def pytest_unconfigure():
        patch.undo()
"""


def test_pruning_that_cannot_be_done_says_why(kept: pytest.Pytester) -> None:
    kept.runpytest(MODEL, STORE)
    with sqlite3.connect(kept.path / "replies.sqlite", isolation_level=None) as other:
        other.execute("BEGIN IMMEDIATE")
        kept.makeconftest(IMPATIENT)
        kept.makepyfile(test_it="def test_it(): pass")
        result = kept.runpytest(STORE, "--vlm-store-prune=30kB")
        other.execute("ROLLBACK")
    other.close()
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        ["replies cannot be kept in *replies.sqlite: another process keeps it locked*"]
    )
