"""The progress bar: on a terminal also while pytest captures output, and nowhere else."""

from __future__ import annotations

import fcntl
import io
import os
import struct
import subprocess
import sys
import termios

import pytest

from pytest_vlmrobust.reports.progress import progress_bar

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


def test_a_log_stays_free_of_it(watched: pytest.Pytester) -> None:
    result = subprocess.run(COMMAND, cwd=watched.path, check=True, capture_output=True, text=True)
    assert result.stderr == ""
    assert "replies" not in result.stdout
    assert "\r" not in result.stdout


def test_the_bar_counts_and_wipes_itself_out() -> None:
    stream = io.StringIO()
    with progress_bar("a model on a data set", stream) as report:
        report(0, 4)
        report(3, 4)
        report(4, 4)
    seen = stream.getvalue()
    assert "a model on a data set" in seen
    assert seen.rpartition("\r")[0].rpartition("\r")[2].strip() == ""


def test_nothing_is_shown_where_there_is_no_terminal() -> None:
    with progress_bar("a model", None) as report:
        report(1, 2)
