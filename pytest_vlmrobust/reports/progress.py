"""How far an evaluation is: a bar for a person at a terminal, a few lines for a log."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from datetime import timedelta
from typing import Any, TextIO

Report = Callable[[int, int, int], None]
"""Takes how many replies there are, how many there will be, and how many of the former were stored."""

Clock = Callable[[], float]

QUIET = 10.0
"""Seconds before a log gets its first line."""

_STEPS = 10


class Pace:
    """How fast replies come, and when the last one will be there."""

    def __init__(self, clock: Clock) -> None:
        """Start the clock."""
        self._clock = clock
        self._began = clock()

    @property
    def seconds(self) -> float:
        """How long it has taken so far."""
        return self._clock() - self._began

    def told(self, done: int, total: int, stored: int) -> str:
        """Say how fast replies are computed, how many were stored, and how long the rest will take.

        >>> times = iter([0.0, 60.0])
        >>> Pace(lambda: next(times)).told(300, 1000, 180)
        '2.0 replies/s, 60 % from the store, 0:05:50 left'
        """
        computed, seconds = done - stored, self.seconds
        words = []
        if computed and seconds > 0:
            rate = computed / seconds
            words = [f"{rate:.1f} replies/s", f"{timedelta(seconds=round((total - done) / rate))} left"]
        if stored:
            words.insert(1, f"{100 * stored // done} % from the store")
        return ", ".join(words)


@contextmanager
def progress_bar(title: str, stream: TextIO, clock: Clock = time.monotonic) -> Iterator[Report]:
    """Show a bar on a terminal while an evaluation runs, and wipe it out afterwards.

    Args:
        title: what is evaluated.
        stream: the terminal.
        clock: tells seconds.

    Yields:
        What the evaluation calls.
    """
    with _bar(title, stream, Pace(clock)) as bar:

        def report(done: int, total: int, stored: int) -> None:
            bar.stored = stored
            if bar.total != total:
                bar.total = total
                bar.refresh()
            bar.update(done - bar.n)

        yield report


def _bar(title: str, stream: TextIO, pace: Pace) -> Any:
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        monitor_interval = 0  # the default starts a thread that outlives the bar
        stored = 0

        @property
        def format_dict(self) -> dict[str, Any]:
            """What the bar's layout can refer to."""
            told = pace.told(int(self.n), int(self.total or 0), self.stored)
            return {**super().format_dict, "pace": told}

    return Bar(
        desc=title,
        delay=1e-3,  # nothing is shown before the total is known
        bar_format="{desc}: {percentage:3.0f}%|{bar}| {n_fmt}/{total_fmt} {pace}",
        file=stream,
        leave=False,
        dynamic_ncols=True,
    )


def progress_lines(title: str, say: Callable[[str], None], clock: Clock = time.monotonic) -> Report:
    """Make what says, for a log, how far an evaluation is: one line for each tenth of it.

    A run that is done within `QUIET` seconds says nothing.

    Args:
        title: what is evaluated.
        say: writes a line.
        clock: tells seconds.
    """
    pace = Pace(clock)
    reached = 0

    def report(done: int, total: int, stored: int) -> None:
        nonlocal reached
        step = _STEPS * done // total
        if step <= reached:
            return
        reached = step
        if pace.seconds >= QUIET:
            share = f"{100 * step // _STEPS} % ({done} of {total} replies)"
            say(f"{title}: {', '.join(filter(None, [share, pace.told(done, total, stored)]))}")

    return report
