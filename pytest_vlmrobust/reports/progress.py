"""A progress bar for evaluations."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from contextlib import contextmanager
from typing import TextIO

Report = Callable[[int, int], None]
"""Takes how many replies are done, and how many there will be."""


@contextmanager
def progress_bar(title: str, stream: TextIO | None) -> Iterator[Report]:
    """Show a bar on a terminal while an evaluation runs, and wipe it out afterwards.

    Args:
        title: what is evaluated.
        stream: the terminal; None shows nothing.

    Yields:
        What the evaluation calls with (done, total).
    """
    if stream is None:
        yield lambda _done, _total: None
        return
    from tqdm import tqdm

    class Bar(tqdm):  # type: ignore[type-arg]
        monitor_interval = 0  # the default starts a thread that outlives the bar

    with Bar(desc=title, unit=" replies", file=stream, leave=False, dynamic_ncols=True) as bar:

        def report(done: int, total: int) -> None:
            if bar.total != total:
                bar.total = total
                bar.refresh()
            bar.update(done - bar.n)

        yield report
