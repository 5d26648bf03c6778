"""Ctrl-C while a model answers: the session ends at once, shows what it has, and says that it is a part."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import pytest

LONG = 60  # seconds that the third batch takes


def interrupted(folder: os.PathLike[str], *options: str) -> tuple[int, str]:
    """Run a slow model, press Ctrl-C when two batches are there, and return exit code and output."""
    log = Path(folder, "computed.jsonl")
    command = [sys.executable, "-m", "pytest", "--vlm-model=models:slow", "--vlm-store=replies.sqlite"]
    process = subprocess.Popen(
        [*command, *options],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        start_new_session=True,  # a terminal sends the signal to all processes of the session
    )
    while not (log.exists() and log.read_text().count("computes") == 3):
        assert process.poll() is None, process.communicate()
        time.sleep(0.01)
    pressed = time.monotonic()
    os.killpg(process.pid, signal.SIGINT)
    output, _ = process.communicate()
    assert time.monotonic() - pressed < LONG / 2
    return process.returncode, output


GATE = """
import pytest

@pytest.mark.vlm(max_misled_rate=1.0)
def test_gate(): pass

def test_later(): pass
"""


def test_ctrl_c_ends_with_what_there_is_and_without_a_verdict(
    kept: pytest.Pytester, computed: Callable[[], int]
) -> None:
    kept.makepyfile(test_it=GATE)
    code, output = interrupted(kept.path, "--vlm-json=report.json")
    assert code == pytest.ExitCode.INTERRUPTED
    lines = pytest.LineMatcher(output.splitlines())
    lines.fnmatch_lines(
        [
            "models:slow on shapes*INCOMPLETE*4 of 10 samples*",
            "base * 4 *",
            "gates: without a verdict, since the run is incomplete (interrupted)",
            "! *stopped after 24 of 60 replies, which are kept in *replies.sqlite: the next run goes on *",
        ]
    )
    lines.no_fnmatch_line("*passed*")
    document = json.loads((kept.path / "report.json").read_text(encoding="utf-8"))
    assert document["gates"] == []
    (run,) = document["runs"]
    assert run["provenance"]["incomplete"] == {"samples": 4, "of": 10, "reason": "interrupted"}
    assert len(run["records"]) == 24
    assert computed() == 36  # the third batch was lost
    options = ("--vlm-model=models:mates", "--vlm-store=replies.sqlite")
    result = kept.runpytest(*options)
    result.assert_outcomes(passed=2)
    result.stdout.no_fnmatch_line("*INCOMPLETE*")
    assert computed() == 36


def test_ctrl_c_before_anything_was_finished_shows_no_table(kept: pytest.Pytester) -> None:
    kept.makepyfile(
        test_it="""
        import pytest
        from pytest_vlmrobust import ScriptedModel

        def strike(prompt):
            raise KeyboardInterrupt

        @pytest.fixture(scope="session")
        def vlm():
            return ScriptedModel(strike)

        def test_it(vlm_run): pass
        """
    )
    result = kept.runpytest()
    assert result.ret == pytest.ExitCode.INTERRUPTED
    result.stdout.no_fnmatch_line("*INCOMPLETE*")
    result.stdout.fnmatch_lines(["! *EvaluationInterrupted: stopped after 0 of 60 replies !"])


def test_conditions_that_were_whole_before_stay_a_run_of_their_own(kept: pytest.Pytester) -> None:
    kept.makepyfile(
        test_it="""
        import pytest
        import models

        def test_both(vlm, vlm_evaluate):
            whole = vlm_evaluate(conditions="base")
            vlm.stop = True
            with pytest.raises(KeyboardInterrupt):
                vlm_evaluate(conditions="wrong-caption")
            assert vlm_evaluate(conditions="base") is whole
            vlm.stop = False
            assert vlm_evaluate(conditions="wrong-caption").n == 10

        @pytest.fixture(scope="session")
        def vlm():
            return Stopping()

        class Stopping(type(models.mates())):
            stop = False

            def note(self, what, batch=()):
                if self.stop and what == "computes":
                    raise KeyboardInterrupt
        """
    )
    result = kept.runpytest("--vlm-store=off")
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("*INCOMPLETE*")


def test_workers_end_too_and_the_next_run_goes_on_from_what_they_kept(
    kept: pytest.Pytester, computed: Callable[[], int]
) -> None:
    # pytest-xdist ends its workers without asking them for results: there is no table, but the replies stay.
    code, output = interrupted(kept.path, "-n2")
    assert code == pytest.ExitCode.INTERRUPTED
    assert "passed" not in output
    computed()
    kept.runpytest("--vlm-model=models:mates", "--vlm-store=replies.sqlite").assert_outcomes(passed=1)
    assert computed() == 36
