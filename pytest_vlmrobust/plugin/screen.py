"""Writing to the terminal that the person sees, also while pytest captures output."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TextIO

import pytest

from pytest_vlmrobust.reports.progress import Report, progress_bar
from pytest_vlmrobust.reports.terminal import glyphs_for, run_lines
from pytest_vlmrobust.runs import Runs


def progress_on(config: pytest.Config) -> Callable[[str], AbstractContextManager[Report]]:
    """Return what opens a progress bar; it shows nothing where nobody watches."""

    @contextmanager
    def opened(title: str) -> Iterator[Report]:
        stream = _terminal(config)
        try:
            with progress_bar(title, stream) as report:
                yield report
        finally:
            if stream is not None:
                stream.close()

    return opened


def _terminal(config: pytest.Config) -> TextIO | None:
    """Open the terminal anew, or return None when standard error is none (a log, a pipe, a worker)."""
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        stream = sys.__stderr__
        if hasattr(config, "workerinput") or stream is None or not stream.isatty():
            return None
        reporter = config.pluginmanager.getplugin("terminalreporter")
        if reporter:
            reporter.ensure_newline()  # else the bar would wipe out the line of dots
        return os.fdopen(os.dup(stream.fileno()), "w", encoding=stream.encoding, errors="replace")


def write_summary(reporter: pytest.TerminalReporter, runs: Runs, json: Path | None) -> None:
    """Write the tables of a session, and where its report is."""
    reporter.section("vlmrobust")
    glyphs = glyphs_for(sys.stdout.encoding)
    for key, evaluation in runs:
        for line in [*run_lines(key, evaluation, runs.gates_of(key), glyphs), []]:
            for segment in line:
                reporter.write(segment.text, **({segment.style: True} if segment.style else {}))
            reporter.write("\n")
    if json is not None:
        reporter.write(f"report written to {json}\n")
