"""Writing to the terminal that the person sees, also while pytest captures output."""

from __future__ import annotations

import os
import sys
from collections.abc import Callable, Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from pathlib import Path
from typing import TextIO

import pytest

from pytest_vlmrobust.planning import PlanRow, plan_lines
from pytest_vlmrobust.plugin.state import is_worker
from pytest_vlmrobust.remote.budget import Price
from pytest_vlmrobust.reports.progress import Report, progress_bar, progress_lines
from pytest_vlmrobust.reports.terminal import glyphs_for, summary_lines
from pytest_vlmrobust.reports.trends import trend_tables
from pytest_vlmrobust.runs import Runs


def progress_on(config: pytest.Config) -> Callable[[str], AbstractContextManager[Report]]:
    """Return what shows how far an evaluation is: by a bar on a terminal, by lines in a log."""

    @contextmanager
    def opened(title: str) -> Iterator[Report]:
        with _uncaptured(config):
            stream = sys.__stderr__
            watched = stream is not None and stream.isatty()
            terminal = _reopened(config, stream) if stream is not None and watched else None
        if terminal is None:
            yield progress_lines(title, lambda line: _say(config, line))
            return
        with terminal:
            if is_worker(config):  # the terminal belongs to the controller of pytest-xdist
                yield lambda _done, _total, _stored: None
            else:
                with progress_bar(title, terminal) as report:
                    yield report

    return opened


@contextmanager
def _uncaptured(config: pytest.Config) -> Iterator[None]:
    capture = config.pluginmanager.getplugin("capturemanager")
    with capture.global_and_fixture_disabled() if capture else nullcontext():
        yield


def _reopened(config: pytest.Config, stream: TextIO) -> TextIO:
    """Open a terminal anew, so that it can be written to while pytest captures output."""
    _end_line(config)
    return os.fdopen(os.dup(stream.fileno()), "w", encoding=stream.encoding, errors="replace")


def _say(config: pytest.Config, line: str) -> None:
    """Write a line to the log."""
    with _uncaptured(config):
        _end_line(config)
        if sys.__stderr__ is not None:  # a program without a console has none
            print(line, file=sys.__stderr__, flush=True)


def _end_line(config: pytest.Config) -> None:
    """Leave the line of dots that pytest is writing."""
    reporter = config.pluginmanager.getplugin("terminalreporter")
    if reporter:
        reporter.ensure_newline()


def write_summary(reporter: pytest.TerminalReporter, runs: Runs, json: Path | None) -> None:
    """Write the tables of a session, and where its report is."""
    reporter.section("vlmrobust")
    glyphs = glyphs_for(sys.stdout.encoding)
    for line in summary_lines(runs, glyphs):
        for segment in line:
            reporter.write(segment.text, **({segment.style: True} if segment.style else {}))
        reporter.write("\n")
    for table in trend_tables(runs):
        for text in (*table, ""):
            reporter.write(f"{text}\n")
    if json is not None:
        reporter.write(f"report written to {json}\n")


def write_plan(reporter: pytest.TerminalReporter, rows: Sequence[PlanRow], price: Price | None) -> None:
    """Write what a dry run has counted."""
    reporter.section("vlmrobust, dry run: nothing was asked")
    for line in plan_lines(rows, price):
        reporter.write_line(line)
