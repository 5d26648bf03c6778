from __future__ import annotations

import hashlib
import json
import os
import random
import resource
import shutil
import signal
import sqlite3
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

import pytest_vlmrobust.store as store_module
from pytest_vlmrobust import keys
from pytest_vlmrobust.errors import StoreError, UsageError
from pytest_vlmrobust.keys import content_key
from pytest_vlmrobust.store import Store, default_store_path, pruning
from pytest_vlmrobust.store.opening import transaction

ELSEWHERE = "name another file with --vlm-store, or switch the store off with --vlm-store=off"
LOOK = "see whether that disk is full, over a quota or failing"
NOBODY = 65534


def k(name: object) -> str:
    return content_key("reply", str(name))


def entries(count: int, size: int = 400) -> dict[str, str]:
    return {k(i): f"{i:06}" + "x" * (size - 6) for i in range(count)}


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "replies.sqlite"


@pytest.fixture
def made(path: Path) -> dict[str, str]:
    """What a closed store at ``path`` holds."""
    held = entries(20)
    with Store.open(path) as store:
        store.write("reply", held)
    return held


def raw(path: Path, *statements: str) -> list[tuple[object, ...]]:
    """Do statements as another program would, and return the rows of the last."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        return [connection.execute(statement).fetchall() for statement in statements][-1]


def refusal(path: Path) -> str:
    with pytest.raises(StoreError) as caught:
        Store.open(path).close()
    return str(caught.value)


# --- what is kept ---------------------------------------------------------------------------------------


def test_what_was_written_is_read_again_after_it_was_closed(path: Path) -> None:
    with Store.open(path) as store:
        store.write("reply", {k("a"): "one", k("b"): ""})
        assert (store.path, store.problem, store.kept, store.lost) == (path, "", 2, 0)
    with Store.open(path) as store:
        assert store.read([k("a"), k("b"), k("c"), k("a")]) == {k("a"): "one", k("b"): ""}
        assert store.read([]) == {}
        assert store.kept == 0


def test_a_key_that_is_there_keeps_its_value(path: Path) -> None:
    with Store.open(path) as store:
        store.write("reply", {k("a"): "first"})
        store.write("reply", {k("a"): "second", k("b"): "new"})
        store.write("reply", {})
        assert store.read([k("a"), k("b")]) == {k("a"): "first", k("b"): "new"}
        assert store.kept == 2


@pytest.fixture(scope="module")
def shared() -> Iterator[Store]:
    with tempfile.TemporaryDirectory() as folder, Store.open(Path(folder) / "s.sqlite") as store:
        yield store


@given(text=st.text(st.characters(exclude_categories=())))
def test_any_text_comes_back_as_it_was(shared: Store, text: str) -> None:
    key = content_key("reading", text)
    shared.write("reading", {key: text})
    assert shared.read([key]) == {key: text}


@given(numbers=st.lists(st.floats(), max_size=8))
def test_floats_in_json_come_back_bit_for_bit(shared: Store, numbers: list[float]) -> None:
    text = json.dumps(numbers)
    key = content_key("verdict", text)
    shared.write("verdict", {key: text})
    back = json.loads(shared.read([key])[key])
    assert [number.hex() for number in back] == [number.hex() for number in numbers]


@pytest.mark.parametrize("text", ["\ud83d", "\ude00\ud83d", "a\0b", "\0", "\ufeff", "\U0010ffff", "e\u0301"])
def test_unusual_texts_survive_the_file(path: Path, text: str) -> None:
    with Store.open(path) as store:
        store.write("reply", {k("a"): text})
    with Store.open(path) as store:
        assert store.read([k("a")]) == {k("a"): text}
    assert raw(path, "SELECT typeof(value) FROM entries") == [("text",)]


def test_many_keys_at_once_are_fast(path: Path) -> None:
    many = entries(8000, size=600)
    with Store.open(path) as store:
        store.write("reply", many)
        began = time.perf_counter()
        assert store.read([*many, *map(k, range(8000, 9000))]) == many
        assert time.perf_counter() - began < 2  # 0.05 s where nothing else runs


@pytest.mark.parametrize("key", ["", "a", "xy", "AB", "ab cd", "ключ"])
def test_a_key_of_another_form_is_refused(path: Path, key: str) -> None:
    message = f"key of a stored value: got {key!r}; the result of content_key() is needed"
    with Store.open(path) as store:
        with pytest.raises(UsageError) as caught:
            store.write("reply", {k("a"): "", key: ""})
        assert str(caught.value) == message
        with pytest.raises(UsageError) as caught:
            store.read([key])
        assert str(caught.value) == message
        assert store.read([k("a")]) == {}


def test_a_closed_store_says_so(path: Path) -> None:
    store = Store.open(path)
    store.close()
    store.close()
    calls: list[Callable[[], object]] = [
        lambda: store.read([k("a")]),
        lambda: store.write("reply", {k("a"): ""}),
        lambda: store.prune(0),
    ]
    for call in calls:
        with pytest.raises(StoreError) as caught:
            call()
        assert str(caught.value) == f"the store {path} is closed: open it anew with Store.open"


def test_the_file_is_what_the_manual_says(path: Path, made: dict[str, str]) -> None:
    assert raw(path, "PRAGMA journal_mode") == [("wal",)]
    assert raw(path, "PRAGMA application_id") == [(0x766C6D72,)]
    assert raw(path, "PRAGMA user_version") == [(1,)]
    assert raw(path, "SELECT count(*), kind FROM entries GROUP BY kind") == [(len(made), "reply")]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


def test_folders_are_made_and_odd_names_are_fine(tmp_path: Path) -> None:
    path = tmp_path / "a b?c=d&e#f%20" / "жé\udcff" / "100%.sqlite"
    with Store.open(path) as store:
        store.write("reply", {k("a"): "one"})
        assert store.problem == ""
    assert path.is_file()


def test_a_tilde_is_the_home_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HOME", str(tmp_path))
    with Store.open(Path("~/s.sqlite")) as store:
        assert store.path == tmp_path / "s.sqlite"
    assert (tmp_path / "s.sqlite").is_file()


def test_the_default_is_in_the_users_cache_folder(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setenv("XDG_CACHE_HOME", str(tmp_path))
    monkeypatch.setattr(sys, "platform", "linux")
    path = default_store_path()
    assert path.parts[-2:] == ("pytest-vlmrobust", "replies.sqlite")
    done = subprocess.run(
        [sys.executable, "-c", "import sys, pytest_vlmrobust.store; print('platformdirs' in sys.modules)"],
        capture_output=True,
        text=True,
        check=True,
    )
    assert done.stdout == "False\n"


# --- the day of use ---------------------------------------------------------------------------------------


def test_use_is_noted_once_a_day(path: Path, made: dict[str, str]) -> None:
    today = int(time.time() // 86_400)
    raw(path, "UPDATE entries SET used = 3")
    first, *others = made
    with Store.open(path) as store:
        assert store._connection is not None
        statements: list[str] = []
        store._connection.set_trace_callback(statements.append)
        store.read([first])
        assert sum(statement.startswith("UPDATE") for statement in statements) == 1
        statements.clear()
        store.read([first])
        assert [statement.split()[0] for statement in statements] == ["SELECT"]
    used = {str(key): int(str(day)) for key, day in raw(path, "SELECT lower(hex(key)), used FROM entries")}
    assert used.pop(first) >= today
    assert used == dict.fromkeys(others, 3)


def test_use_that_cannot_be_noted_is_no_problem(path: Path, made: dict[str, str]) -> None:
    raw(path, "UPDATE entries SET used = 3")
    with Store.open(path, wait=0.1) as store, holding(path):
        began = time.perf_counter()
        assert store.read(made) == made
        assert store.read(made) == made
        assert time.perf_counter() - began < 5
        assert store.problem == ""


# --- killed, and not alone --------------------------------------------------------------------------------

# Writes batches of 8 for ever; at the statement whose number comes as second argument it kills itself.
WRITER = """
import os, signal, sys
from pathlib import Path
from pytest_vlmrobust.store import Store
from pytest_vlmrobust.keys import content_key
store, last, seen = Store.open(Path(sys.argv[1])), int(sys.argv[2]), 0
def count(statement):
    global seen
    seen += 1
    if seen == last:
        os.kill(os.getpid(), signal.SIGKILL)
store._connection.set_trace_callback(count)
for batch in range(100_000):
    text = f"{batch} " * 300
    store.write("reply", {content_key("reply", sys.argv[3], str(batch), str(i)): text for i in range(8)})
    print(batch, flush=True)
"""


def write_until_killed(path: Path, turn: int, chance: random.Random) -> int:
    """Run a writer that is killed; return how many batches it said were written."""
    at_statement = chance.randint(1, 60) if turn % 2 else 0
    command = [sys.executable, "-c", WRITER, str(path), str(at_statement), str(turn)]
    with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as writer:
        assert writer.stdout is not None
        said: list[str] = []
        if not at_statement:
            said.append(writer.stdout.readline())
            time.sleep(chance.uniform(0, 0.05))
            writer.send_signal(signal.SIGKILL)
        said += writer.stdout
        assert writer.wait() == -signal.SIGKILL
    return sum(line.endswith("\n") for line in said)


def test_a_kill_at_any_moment_leaves_whole_batches_and_all_that_were_written(path: Path) -> None:
    chance = random.Random(0)
    torn = 0
    for turn in range(20):
        said = write_until_killed(path, turn, chance)
        with Store.open(path) as store:
            held = []
            for batch in range(said + 2):
                names = [content_key("reply", str(turn), str(batch), str(i)) for i in range(8)]
                values = store.read(names).values()
                assert set(values) <= {f"{batch} " * 300}
                held.append(len(values))
        assert held[:said] == [8] * said
        assert held[said] in (0, 8)
        assert held[said + 1] == 0
        torn += held[said] == 0
    assert raw(path, "PRAGMA integrity_check") == [("ok",)]
    assert torn > 5  # or no kill met a transaction


SHARER = """
import sys, time
from pathlib import Path
from pytest_vlmrobust.store import Store
from pytest_vlmrobust.keys import content_key
path, number = Path(sys.argv[1]), int(sys.argv[2])
print("ready", flush=True)
sys.stdin.readline()
with Store.open(path) as store:
    for start in range(number * 100, number * 100 + 200, 5):
        names = {content_key("reply", str(i)): f"{i:06}" + "x" * 394 for i in range(start, start + 5)}
        store.write("reply", names)
        assert store.read(names) == names
    print(store.kept, store.lost, store.problem, flush=True)
"""


@pytest.mark.parametrize("count", [2, 4])
def test_processes_that_write_at_once_lose_and_double_nothing(path: Path, count: int) -> None:
    command = [sys.executable, "-c", SHARER, str(path)]
    writers = [
        subprocess.Popen([*command, str(i)], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for i in range(count)
    ]
    for writer in writers:  # all have to be there before the first opens the file, which is not there yet
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("\n")
        writer.stdin.flush()
    said = [writer.communicate()[0].split() for writer in writers]
    assert [writer.returncode for writer in writers] == [0] * count
    expected = entries(count * 100 + 100)
    assert [words[1:] for words in said] == [["0"]] * count
    assert sum(int(words[0]) for words in said) == len(expected)
    with Store.open(path) as store:
        assert store.read(expected) == expected
    assert raw(path, "SELECT count(*) FROM entries") == [(len(expected),)]


def interrupt_within(connection: sqlite3.Connection) -> None:
    with transaction(connection):
        connection.execute("INSERT INTO entries VALUES (1, x'00', 'reply', '', 0, 0)")
        raise KeyboardInterrupt


def test_what_is_interrupted_within_a_transaction_is_undone(path: Path) -> None:
    with Store.open(path) as store:
        assert store._connection is not None
        with pytest.raises(KeyboardInterrupt):
            interrupt_within(store._connection)
        store.write("reply", {k("a"): "one"})
        assert store.kept == 1
    assert raw(path, "SELECT count(*) FROM entries") == [(1,)]


# --- locked -----------------------------------------------------------------------------------------------


@contextmanager
def holding(path: Path) -> Iterator[sqlite3.Connection]:
    """Keep another connection writing."""
    with closing(sqlite3.connect(path, isolation_level=None)) as other:
        other.execute("BEGIN IMMEDIATE")
        yield other


def locked(path: Path) -> str:
    return f"replies cannot be kept in {path}: another process keeps it locked: end that process, {ELSEWHERE}"


def test_a_lock_is_waited_for_once(path: Path, made: dict[str, str]) -> None:
    with Store.open(path, wait=0.3) as store:
        with holding(path):
            began = time.perf_counter()
            store.write("reply", {k("new"): "one", k("newer"): "one"})
            assert 0.25 < time.perf_counter() - began < 5
            assert (store.problem, store.kept, store.lost) == (locked(path), 0, 2)
            began = time.perf_counter()
            for _ in range(30):
                store.write("reply", {k("newest"): "two"})
                assert store.prune(0) == 0
                assert store.read(made) == made
            assert time.perf_counter() - began < 5  # 18 if each of them waited
            assert (store.kept, store.lost) == (0, 32)
        store.write("reply", {k("newest"): "two"})
        assert (store.problem, store.kept, store.lost) == (locked(path), 1, 32)
        assert store.read([k("new"), k("newest")]) == {k("newest"): "two"}


EXCLUSIVE = """
import sqlite3, sys
connection = sqlite3.connect(sys.argv[1], isolation_level=None)
connection.execute("PRAGMA locking_mode = EXCLUSIVE")
connection.execute("BEGIN EXCLUSIVE")
print("locked", flush=True)
sys.stdin.readline()
"""


def test_another_process_that_keeps_the_whole_file_to_itself_stops_nothing(
    path: Path, made: dict[str, str]
) -> None:
    command = [sys.executable, "-c", EXCLUSIVE, str(path)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as other:
        assert other.stdout is not None
        assert other.stdout.readline() == "locked\n"
        began = time.perf_counter()
        with Store.open(path, wait=0.3) as store:
            assert 0.25 < time.perf_counter() - began < 5
            assert store.problem == locked(path)
            assert store.read(made) == {}
            store.write("reply", {k("new"): "one"})
            assert (store.kept, store.lost) == (0, 1)
            assert store.prune(0) == 0
        other.communicate("\n")
    with Store.open(path) as store:
        assert store.read([*made, k("new")]) == made


def test_reading_that_sqlite_breaks_off_is_a_problem_and_no_end(path: Path, made: dict[str, str]) -> None:
    with Store.open(path) as store:
        assert store._connection is not None
        store._connection.set_progress_handler(lambda: 1, 1)
        assert store.read(made) == {}
        assert store.problem == (
            f"replies cannot be kept in {path}: SQLite reports interrupted: {LOOK}, {ELSEWHERE}"
        )


def test_a_store_is_not_for_several_threads(path: Path) -> None:
    with Store.open(path) as store, ThreadPoolExecutor(1) as pool:
        with pytest.raises(sqlite3.ProgrammingError, match="same thread"):
            pool.submit(store.write, "reply", {k("a"): "one"}).result()
        assert store.problem == ""


# --- read-only, and nowhere to write ----------------------------------------------------------------------


@contextmanager
def unprivileged() -> Iterator[None]:
    """Act as a user whom the mode of a file binds; the superuser is bound by none."""
    if os.geteuid() != 0:
        yield
        return
    os.setegid(NOBODY)
    os.seteuid(NOBODY)
    try:
        yield
    finally:
        os.seteuid(0)
        os.setegid(0)


@pytest.fixture
def open_folder() -> Iterator[Path]:
    """A folder that other users can enter, unlike those that pytest makes."""
    folder = Path(tempfile.mkdtemp())
    folder.chmod(0o755)
    yield folder
    for place in (folder, *folder.rglob("*")):
        place.chmod(0o755)
    shutil.rmtree(folder)


def read_only(path: Path) -> str:
    return (
        f"replies cannot be kept in {path}: the file or its folder is read-only: make both writable, "
        f"{ELSEWHERE}"
    )


def no_opening(path: Path) -> str:
    return (
        f"replies cannot be kept in {path}: it cannot be opened: make the file and its folder readable and "
        f"writable, {ELSEWHERE}"
    )


def expect_reading_only(path: Path, held: dict[str, str], problem: str) -> None:
    with Store.open(path) as store:
        assert store.problem == problem
        assert store.read([*held, k("new")]) == held
        store.write("reply", {k("new"): "one"})
        assert (store.kept, store.lost) == (0, 1)
        assert store.problem == problem
        assert store.prune(0) == 0
        assert store.read([*held, k("new")]) == held


@pytest.mark.parametrize("folder_mode", [0o555, 0o777])
def test_a_read_only_file_is_read(open_folder: Path, folder_mode: int) -> None:
    path, held = open_folder / "s.sqlite", entries(5)
    with Store.open(path) as store:
        store.write("reply", held)
    raw(path, "UPDATE entries SET used = 3")
    path.chmod(0o444)
    open_folder.chmod(folder_mode)
    before = path.read_bytes()
    with unprivileged():
        expect_reading_only(path, held, read_only(path))
    assert path.read_bytes() == before


def test_a_writable_file_in_a_read_only_folder_is_read(open_folder: Path) -> None:
    path, held = open_folder / "s.sqlite", entries(5)
    with Store.open(path) as store:
        store.write("reply", held)
    path.chmod(0o666)
    open_folder.chmod(0o555)
    with unprivileged():
        expect_reading_only(path, held, read_only(path))
    assert [file.name for file in open_folder.iterdir()] == ["s.sqlite"]


def test_another_users_store_is_read_while_that_user_writes(open_folder: Path) -> None:
    path, held = open_folder / "s.sqlite", entries(5)
    with Store.open(path) as writer:
        writer.write("reply", held)
        for file in open_folder.iterdir():
            file.chmod(0o444)
        open_folder.chmod(0o555)
        with unprivileged(), Store.open(path) as store:
            assert store.problem == read_only(path)
            assert store.read(held) == held
            later = {k("later"): "one"}
            if os.geteuid() == 0:
                writer.write("reply", later)
                assert store.read(later) == later


def test_a_journal_that_cannot_be_used_is_not_left_out(open_folder: Path) -> None:
    """The file alone would be an older state, or half of a newer one."""
    path = open_folder / "s.sqlite"
    with Store.open(path) as store:
        store.write("reply", entries(5))
        copy = open_folder / "copy.sqlite"
        for ending in ("", "-wal"):
            shutil.copy(f"{path}{ending}", f"{copy}{ending}")
    for file in open_folder.iterdir():
        file.chmod(0o444)
    open_folder.chmod(0o555)
    assert Path(f"{copy}-wal").stat().st_size > 0
    with unprivileged(), Store.open(copy) as store:
        assert store.read(entries(5)) == {}
        assert store.problem == no_opening(copy)
        store.write("reply", entries(5))
        assert (store.kept, store.lost) == (0, 5)
    with Store.open(copy) as store:
        assert store.read(entries(5)) == (entries(5) if os.geteuid() == 0 else {})


def test_a_new_file_in_a_read_only_folder_is_a_problem(open_folder: Path) -> None:
    open_folder.chmod(0o555)
    path = open_folder / "s.sqlite"
    with unprivileged():
        expect_reading_only(path, {}, no_opening(path))


@pytest.mark.parametrize(
    ("where", "reason"),
    [
        ("{tmp}/file/s.sqlite", "file exists"),
        ("{tmp}/file/further/s.sqlite", "not a directory"),
        ("/proc/vlmrobust/s.sqlite", "no such file or directory"),
        ("{tmp}/" + "n" * 300, "file name too long"),
    ],
)
def test_a_folder_that_cannot_be_is_a_problem(tmp_path: Path, where: str, reason: str) -> None:
    (tmp_path / "file").touch()
    path = Path(where.format(tmp=tmp_path))
    expect_reading_only(
        path, {}, f"replies cannot be kept in {path}: {reason}: make its folder usable, {ELSEWHERE}"
    )


def test_a_folder_that_cannot_be_entered_is_a_problem(open_folder: Path) -> None:
    (open_folder / "closed").mkdir(mode=0o700)
    (open_folder / "closed").chmod(0)
    path = open_folder / "closed" / "s.sqlite"
    reason = "permission denied: make its folder usable"
    with unprivileged():
        expect_reading_only(path, {}, f"replies cannot be kept in {path}: {reason}, {ELSEWHERE}")


# --- full disk --------------------------------------------------------------------------------------------


def test_a_full_disk_is_a_problem_until_there_is_room(path: Path, made: dict[str, str]) -> None:
    with Store.open(path) as store:
        assert store._connection is not None
        pages = store._connection.execute("PRAGMA page_count").fetchone()[0]
        store._connection.execute(f"PRAGMA max_page_count = {pages + 3}").fetchall()
        large = {k(("new", i)): "y" * 4000 for i in range(10)}
        store.write("reply", large)
        assert store.problem == (
            f"replies cannot be kept in {path}: the disk is full: make room, {ELSEWHERE}"
        )
        assert (store.kept, store.lost) == (0, 10)
        assert store.read([*made, *large]) == made
        store._connection.execute("PRAGMA max_page_count = 10000").fetchall()
        store.write("reply", large)
        assert (store.kept, store.lost) == (10, 10)
        assert store.read([*made, *large]) == made | large
    assert raw(path, "PRAGMA integrity_check") == [("ok",)]


@contextmanager
def files_end_at(size: int) -> Iterator[None]:
    """Let the system refuse to write beyond a size, as a quota does."""
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (size, before[1]))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)


def failing(path: Path) -> str:
    return f"replies cannot be kept in {path}: SQLite reports disk I/O error: {LOOK}, {ELSEWHERE}"


def test_a_disk_that_fails_is_a_problem(path: Path, made: dict[str, str]) -> None:
    with Store.open(path) as store:
        with files_end_at(50_000):
            store.write("reply", {k(("new", i)): "y" * 4000 for i in range(50)})
            assert (store.problem, store.kept, store.lost) == (failing(path), 0, 50)
            assert store.read(made) == made
        store.write("reply", {k("later"): "one"})
        assert store.read([k("later")]) == {k("later"): "one"}
    assert raw(path, "PRAGMA integrity_check") == [("ok",)]


def test_a_disk_without_room_for_a_new_store_is_a_problem(path: Path, made: dict[str, str]) -> None:
    new = path.with_name("new.sqlite")
    with files_end_at(100):
        with Store.open(new) as store:
            assert store.problem == failing(new)
            store.write("reply", made)
            assert store.lost == len(made)
        with Store.open(path) as store:  # what is there is read all the same
            assert store.problem == failing(path)
            assert store.read(made) == made
    with Store.open(new) as store:
        store.write("reply", made)
        assert (store.problem, store.kept) == ("", len(made))


# --- the wrong file ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "content",
    [b"x", b"a reply\n" * 40, random.Random(0).randbytes(20_000), b"SQLite format 3\0", b"\0" * 8192],
    ids=["a byte", "text", "random", "magic", "zeros"],
)
def test_a_file_that_is_not_sqlites_is_refused_and_left(path: Path, content: bytes) -> None:
    path.write_bytes(content)
    assert refusal(path) == (
        f"{path} is no store of replies (no SQLite file, or a damaged one) and is left as it is: "
        f"move or delete it; or {ELSEWHERE}"
    )
    assert path.read_bytes() == content


def test_an_empty_file_becomes_a_store(path: Path) -> None:
    path.touch()
    with Store.open(path) as store:
        store.write("reply", {k("a"): "one"})
        assert (store.problem, store.kept) == ("", 1)


@pytest.mark.parametrize(
    ("statements", "application"),
    [
        (["CREATE TABLE entries (key, value)"], "0x0"),
        (["PRAGMA application_id = 252006674", "CREATE TABLE t (x)"], "0xf055112"),
        (["PRAGMA application_id = 252006674"], "0xf055112"),
        (["PRAGMA user_version = 1"], "0x0"),
    ],
)
def test_another_programs_file_is_refused_and_left(
    path: Path, statements: list[str], application: str
) -> None:
    raw(path, *statements)
    before = path.read_bytes()
    assert refusal(path) == (
        f"{path} is another program's SQLite file (application id {application}) and is left as it is: "
        f"{ELSEWHERE}"
    )
    assert path.read_bytes() == before


@pytest.mark.usefixtures("made")
def test_a_later_layout_is_refused(path: Path) -> None:
    raw(path, "PRAGMA user_version = 2")
    assert refusal(path) == (
        f"the store {path} was written by a later release of pytest-vlmrobust (layout 2, known here: 1): "
        f"update pytest-vlmrobust; or {ELSEWHERE}"
    )


@pytest.mark.usefixtures("made")
@pytest.mark.parametrize(
    ("statement", "what"),
    [
        ("DROP TABLE entries", "no such table: entries"),
        ("ALTER TABLE entries RENAME COLUMN crc TO sum", "no such column: crc"),
        ("PRAGMA user_version = 0", "layout 0"),
    ],
)
def test_a_store_without_its_table_is_damaged(path: Path, statement: str, what: str) -> None:
    raw(path, statement)
    assert refusal(path) == damage(path, what)


def damage(path: Path, what: str) -> str:
    return (
        f"the store {path} is damaged ({what}): move or delete it, and {path.name}-wal and {path.name}-shm "
        f"where they lie beside it, to have its replies computed anew; or {ELSEWHERE}"
    )


def test_a_folder_and_a_pipe_are_refused(tmp_path: Path) -> None:
    assert refusal(tmp_path) == (
        f"the store {tmp_path} is a folder: name a file in it, such as {tmp_path}/replies.sqlite"
    )
    os.mkfifo(tmp_path / "pipe")
    assert refusal(tmp_path / "pipe") == f"the store {tmp_path}/pipe is not a regular file: {ELSEWHERE}"


# --- damage -----------------------------------------------------------------------------------------------


def test_a_changed_value_is_damage_and_no_other_reply(path: Path, made: dict[str, str]) -> None:
    key = next(iter(made))
    path.write_bytes(path.read_bytes().replace(b"000000xxx", b"000000xxy"))
    with Store.open(path) as store:
        assert len(store.read(list(made)[1:])) == len(made) - 1
        with pytest.raises(StoreError) as caught:
            store.read([key])
    assert str(caught.value) == damage(path, "entry 1 does not match its checksum")


def test_trashed_pages_are_damage_wherever_they_are_met(path: Path) -> None:
    held = entries(200)
    with Store.open(path) as store:
        store.write("reply", held)
    content = path.read_bytes()
    malformed = damage(path, "database disk image is malformed")
    path.write_bytes(content[:4096] + b"\xff" * (len(content) - 4096))
    assert refusal(path) == malformed
    path.write_bytes(content[: len(content) // 2] + b"\xff" * (len(content) - len(content) // 2))
    with Store.open(path) as store:
        calls: list[Callable[[], object]] = [
            lambda: store.read(held),
            lambda: store.write("reply", entries(300)),
            lambda: store.prune(0),
        ]
        for call in calls:
            with pytest.raises(StoreError) as caught:
                call()
            assert str(caught.value) == malformed


@pytest.mark.usefixtures("made")
def test_damage_that_sqlite_words_in_no_known_letters_is_damage(path: Path) -> None:
    content = path.read_bytes()
    table = content.index(b"tableentriesentries")
    path.write_bytes(content[:table] + b"table\xff\xfetries" + content[table + 12 :])
    assert refusal(path).startswith(f"the store {path} is damaged ('utf-8' codec can't decode byte 0xff")


def outcome(path: Path, held: dict[str, str]) -> str:
    """Use a store in every way; what it gives must be right, or a StoreError that names the file."""
    try:
        with Store.open(path) as store:
            found = store.read(held)
            assert found.items() <= held.items()
            store.write("reply", {k("new"): "one"})
            assert store.read([k("new")]) in ({k("new"): "one"}, {})
            store.prune(20_000)
    except StoreError as error:
        return "refused" if str(path) in str(error) and "--vlm-store" in str(error) else str(error)
    return "whole" if len(found) == len(held) else "part"


def test_a_truncated_file_gives_no_wrong_reply(path: Path) -> None:
    held = entries(60)
    with Store.open(path) as store:
        store.write("reply", held)
    content = path.read_bytes()
    outcomes = set()
    for size in range(1, len(content), 997):
        path.write_bytes(content[:size])
        outcomes.add(outcome(path, held))
    assert outcomes == {"refused"}


@pytest.mark.parametrize("length", [1, 40, 1000])
def test_no_damage_gives_a_wrong_reply(path: Path, length: int) -> None:
    held = entries(60)
    with Store.open(path) as store:
        store.write("reply", held)
    raw(path, "UPDATE entries SET used = 3")
    content = path.read_bytes()
    chance = random.Random(length)
    outcomes = []
    for turn in range(60):
        start = chance.randrange(200) if turn % 4 == 0 else chance.randrange(len(content) - length)
        path.write_bytes(content[:start] + chance.randbytes(length) + content[start + length :])
        outcomes.append(outcome(path, held))
        for ending in ("-wal", "-shm"):
            path.with_name(path.name + ending).unlink(missing_ok=True)
    assert outcomes.count("refused") > 10


# --- keeping it small -------------------------------------------------------------------------------------


def filled(path: Path, count: int) -> dict[str, str]:
    """Fill a store with entries that were used on days 1, 2, 3 …, fifty on each."""
    held = entries(count)
    with Store.open(path) as store:
        store.write("reply", held)
    raw(path, "UPDATE entries SET used = 1 + (id - 1) / 50")
    return held


def test_what_was_used_least_recently_goes_first(path: Path) -> None:
    held = filled(path, 2000)
    names, limit = list(held), path.stat().st_size // 2
    with Store.open(path) as store, Store.open(path) as other:
        assert other.read(names[:100]).keys() == set(names[:100])  # the oldest are used today
        assert store.prune(limit) > 500
        assert path.stat().st_size <= limit
        assert path.with_name(path.name + "-wal").stat().st_size == 0
        kept = store.read(names)
        assert other.read(names) == kept
        assert store.prune(limit) == 0
        other.write("reply", {k("new"): "one"})
        assert store.read([k("new")]) == {k("new"): "one"}
    gone = [i for i, name in enumerate(names) if name not in kept]
    assert gone == list(range(100, 100 + len(gone)))
    assert path.stat().st_size > 0.8 * limit
    assert raw(path, "PRAGMA integrity_check") == [("ok",)]


def test_no_more_goes_than_has_to_where_old_and_new_are_mixed(path: Path) -> None:
    held = filled(path, 4000)
    raw(path, "UPDATE entries SET used = 1 + id % 2")
    limit = int(path.stat().st_size * 0.6)
    with Store.open(path) as store:
        gone = store.prune(limit)
        assert path.stat().st_size <= limit
        assert 0.4 * len(held) <= gone < 0.5 * len(held)
        assert raw(path, "SELECT count(*) FROM entries WHERE used = 2") == [(2000,)]


def test_an_entry_that_another_process_uses_meanwhile_stays(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    held = filled(path, 300)
    used = list(held)[:10]

    def choose(connection: sqlite3.Connection, size: int) -> list[tuple[int, int]]:
        chosen = least_recent(connection, size)
        with Store.open(path) as other:
            other.read(used)
        return chosen

    least_recent = pruning._least_recent
    monkeypatch.setattr(pruning, "_least_recent", choose)
    with Store.open(path) as store:
        gone = store.prune(path.stat().st_size // 2)
        assert set(used) < set(store.read(held))
    left = [key for key in held if key not in used][gone:]
    assert {row[0] for row in raw(path, "SELECT lower(hex(key)) FROM entries")} == {*used, *left}


def test_everything_may_go(path: Path) -> None:
    filled(path, 300)
    with Store.open(path) as store:
        assert store.prune(0) == 300
        assert store.prune(0) == 0
        assert path.stat().st_size < 30_000
        with pytest.raises(UsageError) as caught:
            store.prune(-1)
    assert str(caught.value) == "max_bytes: got -1; a size of 0 bytes or more is needed"


def test_a_prune_that_cannot_go_on_is_a_problem(path: Path) -> None:
    filled(path, 300)
    with Store.open(path, wait=0.1) as store, holding(path):
        assert store.prune(0) == 0
        assert store.problem == locked(path)


# --- digests of files -------------------------------------------------------------------------------------


@pytest.fixture
def digested(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The names of the files whose bytes were read; files count as settled at once."""
    names: list[str] = []
    plain = keys.file_digest

    def digest(path: Path) -> str:
        names.append(path.name)
        return plain(path)

    monkeypatch.setattr(keys, "file_digest", digest)
    monkeypatch.setattr(store_module, "_SETTLED", -(10**12))
    return names


def test_a_file_is_read_once_for_its_digest(path: Path, tmp_path: Path, digested: list[str]) -> None:
    weights = tmp_path / "model" / "w.safetensors"
    weights.parent.mkdir()
    weights.write_bytes(b"weights")
    with Store.open(path) as store:
        first = store.file_digest(weights)
        assert store.file_digest(weights) == first
    with Store.open(path) as store:
        assert store.file_digest(weights) == first == hashlib.blake2b(b"weights", digest_size=16).hexdigest()
        assert store.file_digest(tmp_path / "model" / ".." / "model" / "w.safetensors") == first
    assert digested == ["w.safetensors"]
    assert raw(path, "SELECT kind FROM entries") == [("file",)]


def test_a_changed_file_has_another_digest_and_a_moved_one_the_same(
    path: Path, tmp_path: Path, digested: list[str]
) -> None:
    folder = tmp_path / "model"
    folder.mkdir()
    weights = folder / "w.safetensors"
    weights.write_bytes(b"weights")
    with Store.open(path) as store:
        digests = [store.file_digest(weights)]
        weights.write_bytes(b"weights and more")  # another size
        digests.append(store.file_digest(weights))
        os.utime(weights, (1, 1))
        digests.append(store.file_digest(weights))
        before = weights.stat()
        weights.write_bytes(b"WEIGHTS AND MORE")  # the same size, and its time set back
        os.utime(weights, ns=(before.st_atime_ns, before.st_mtime_ns))
        digests.append(store.file_digest(weights))
        moved = folder.rename(tmp_path / "renamed") / weights.name
        digests.append(store.file_digest(moved))
    assert digests[1] == digests[2]
    assert digests[3] == digests[4]
    assert len(set(digests)) == 3
    assert len(digested) == 5


def test_a_file_that_was_just_changed_is_not_remembered(path: Path, tmp_path: Path) -> None:
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"weights")
    with Store.open(path) as store:
        store.file_digest(weights)
        assert store.kept == 0


def test_a_file_that_changes_while_it_is_read_is_not_remembered(
    path: Path, tmp_path: Path, digested: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    weights = tmp_path / "w.safetensors"
    weights.write_bytes(b"weights")
    plain = keys.file_digest

    def digest(path: Path) -> str:
        found = plain(path)
        path.write_bytes(b"others")
        return found

    monkeypatch.setattr(keys, "file_digest", digest)
    with Store.open(path) as store:
        store.file_digest(weights)
        assert store.kept == 0
    assert digested == ["w.safetensors"]


def test_a_file_that_is_not_there_has_no_digest(path: Path, tmp_path: Path) -> None:
    with Store.open(path) as store, pytest.raises(FileNotFoundError):
        store.file_digest(tmp_path / "none")
