"""How far an evaluation is: a bar on a terminal, also while pytest captures output, and lines in a log."""

from __future__ import annotations

import fcntl
import io
import os
import struct
import subprocess
import sys
import termios

import pytest

from pytest_vlmrobust.reports.progress import Pace, progress_bar, progress_lines

COMMAND = [sys.executable, "-m", "pytest", "--vlm-model=stage:grounded", "test_it.py"]


@pytest.fixture
def watched(stage: pytest.Pytester) -> pytest.Pytester:
    stage.makepyfile(test_it="def test_it(vlm_run): pass")
    return stage


def on_terminal(folder: os.PathLike[str]) -> str:
    """What a person sees on a terminal."""
    controller, terminal = os.openpty()
    fcntl.ioctl(terminal, termios.TIOCSWINSZ, struct.pack("HHHH", 24, 100, 0, 0))
    with subprocess.Popen(COMMAND, cwd=folder, stdin=terminal, stdout=terminal, stderr=terminal) as process:
        os.close(terminal)
        seen = b""
        while True:
            try:
                part = os.read(controller, 4096)
            except OSError:  # Linux says so when the other end is closed
                break
            if not part:
                break
            seen += part
    os.close(controller)
    assert process.returncode == 0, seen.decode()
    return seen.decode()


def test_a_person_at_a_terminal_sees_how_far_it_is(watched: pytest.Pytester) -> None:
    seen = on_terminal(watched.path)
    assert "stage:grounded on shapes:" in seen
    assert "/60 " in seen
    assert seen.index("test_it.py") < seen.index("stage:grounded on shapes:") < seen.index("1 passed")


def test_a_log_stays_free_of_a_short_run(watched: pytest.Pytester) -> None:
    result = subprocess.run(COMMAND, cwd=watched.path, check=True, capture_output=True, text=True)
    assert result.stderr == ""
    assert "replies" not in result.stdout
    assert "\r" not in result.stdout


IMPATIENT = """
import pytest_vlmrobust.reports.progress as progress

progress.QUIET = 0.0
"""


def test_a_log_gets_a_line_for_each_tenth_of_a_long_run(kept: pytest.Pytester) -> None:
    kept.makeconftest(IMPATIENT)
    kept.makepyfile(test_it="def test_it(vlm_run): print('captured')\ndef test_other(): pass")
    command = [sys.executable, "-m", "pytest", "--vlm-model=models:mates", "--vlm-store=replies.sqlite"]

    def lines(option: str) -> list[str]:
        """The lines of the log, standard output and errors together, that tell of progress."""
        log = subprocess.run(
            [*command, option],
            cwd=kept.path,
            check=True,
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        ).stdout
        assert "\r" not in log
        assert "captured" not in log
        return [line for line in log.splitlines() if " replies)" in line]

    first = lines("--vlm-limit=6")
    assert [line.partition(" replies)")[0] for line in first] == [
        "models:mates on shapes: 30 % (12 of 36",
        "models:mates on shapes: 60 % (24 of 36",
        "models:mates on shapes: 100 % (36 of 36",
    ]
    assert all(" replies/s, 0:00:0" in line and line.endswith(" left") for line in first)
    assert "from the store" not in "".join(first)
    second = lines("--vlm-limit=10")
    assert second[0] == "models:mates on shapes: 60 % (36 of 60 replies), 100 % from the store"
    assert "80 % (48 of 60 replies), " in second[1]
    assert ", 75 % from the store, 0:00:0" in second[1]
    assert len(second) == 3


def test_workers_write_their_lines_into_the_same_log(kept: pytest.Pytester) -> None:
    kept.makeconftest(IMPATIENT)
    models = ("--vlm-model=models:mates", "--vlm-model=models:others")
    result = kept.runpytest_subprocess("-n2", *models, "--vlm-store=off")
    result.assert_outcomes(passed=2)
    result.stderr.fnmatch_lines_random(
        [f"models:{name} on shapes: 100 % (60 of 60 replies)*" for name in ("mates", "others")]
    )


def test_the_bar_counts_and_wipes_itself_out() -> None:
    stream = io.StringIO()
    with progress_bar("a model on a data set", stream) as report:
        report(0, 4, 0)
        report(3, 4, 1)
        report(4, 4, 1)
    seen = stream.getvalue()
    assert "a model on a data set:   0%|" in seen
    assert " 0/4 " in seen
    assert seen.rpartition("\r")[0].rpartition("\r")[2].strip() == ""


def test_a_bar_that_never_heard_anything_shows_nothing() -> None:
    stream = io.StringIO()
    with progress_bar("a model on a data set", stream):
        pass
    assert stream.getvalue().strip() == ""


class Clock:
    """Stands still until it is set."""

    now = 100.0

    def __call__(self) -> float:
        return self.now


@pytest.mark.parametrize(
    ("seconds", "counts", "told"),
    [
        (0, (0, 60, 0), ""),
        (5, (0, 60, 0), ""),
        (0, (6, 60, 0), ""),
        (5, (20, 60, 0), "4.0 replies/s, 0:00:10 left"),
        (5, (40, 60, 20), "4.0 replies/s, 50 % from the store, 0:00:05 left"),
        (5, (40, 60, 40), "100 % from the store"),
        (5, (60, 60, 59), "0.2 replies/s, 98 % from the store, 0:00:00 left"),
        (5000, (1000, 1_000_000, 0), "0.2 replies/s, 57 days, 19:30:00 left"),
    ],
)
def test_what_was_stored_makes_nothing_look_faster(
    seconds: float, counts: tuple[int, int, int], told: str
) -> None:
    clock = Clock()
    pace = Pace(clock)
    clock.now += seconds
    assert pace.told(*counts) == told


def test_lines_come_after_a_while_and_once_for_each_tenth() -> None:
    clock, said = Clock(), []  # type: ignore[var-annotated]
    report = progress_lines("a model", said.append, clock)
    for done in range(1001):
        report(done, 1000, 0)
        clock.now += 0.03  # 30 s in all, the first third of them quiet
    assert [line.partition(" %")[0] for line in said] == [f"a model: {tenth}0" for tenth in range(4, 11)]
    assert said[0] == "a model: 40 % (400 of 1000 replies), 33.3 replies/s, 0:00:18 left"
    assert said[-1] == "a model: 100 % (1000 of 1000 replies), 33.3 replies/s, 0:00:00 left"


def test_a_leap_over_several_tenths_is_one_line() -> None:
    clock, said = Clock(), []  # type: ignore[var-annotated]
    report = progress_lines("a model", said.append, clock)
    report(0, 60, 0)
    clock.now += 10
    for done in (50, 50, 53, 60):
        report(done, 60, 30)
    assert [line.partition(")")[0] for line in said] == [
        "a model: 80 % (50 of 60 replies",
        "a model: 100 % (60 of 60 replies",
    ]
