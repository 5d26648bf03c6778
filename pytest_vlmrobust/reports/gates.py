"""The lines of the summary that say what the gates could have shown, and what would settle them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence

from pytest_vlmrobust.core.shown import percent
from pytest_vlmrobust.runs import GateRow


def gate_lines(rows: Sequence[GateRow]) -> Iterator[str]:
    """Word what is to be known about gates besides their verdicts.

    Args:
        rows: the gates of one run, each once.
    """
    judged = [row for row in rows if row.verdict != "error" and row.n]
    if not judged:
        return
    yield from _judging(judged)
    yield from _settling(judged)
    yield from _could_show(judged)


def _judging(rows: Sequence[GateRow]) -> Iterator[str]:
    """Say how confident verdicts were reached."""
    sure = [row for row in rows if row.mode == "confident"]
    for confidence in dict.fromkeys(row.confidence for row in sure):
        some = [row for row in sure if row.confidence == confidence]
        together = max(row.family for row in some)
        held = "each verdict by itself" if together == 1 else f"all of {together} gates together (Holm)"
        yield f"  sure: {percent(confidence)}, {held}"


def _settling(rows: Sequence[GateRow]) -> Iterator[str]:
    """Say what would settle the gates that are not clear."""
    told = [f"{row.metric} under {row.condition} {_needed(row)}" for row in rows if _open(row)]
    if told:
        yield f"  samples to settle, if the values stay: {'; '.join(told)}"


def _open(row: GateRow) -> bool:
    return row.needed is not None or row.verdict == "inconclusive"


def _needed(row: GateRow) -> str:
    words = "no number, so near is it" if row.needed is None else f"about {row.needed}"
    return words if row.fewest is None else f"{words} (a pass takes {row.fewest} at least)"


def _could_show(rows: Sequence[GateRow]) -> Iterator[str]:
    """Say which true values would have been shown to be breaches; one range for each figure and bound."""
    told = []
    for metric, bound, threshold in dict.fromkeys((row.metric, row.bound, row.threshold) for row in rows):
        same = [row for row in rows if (row.metric, row.bound, row.threshold) == (metric, bound, threshold)]
        found = [row.detectable for row in same if row.detectable is not None]
        if not found:
            told.append(f"{metric} none")
            continue
        low, high = min(found), max(found)
        value = f"{low:.3f}" if high - low < 5e-4 else f"{low:.3f} to {high:.3f}"
        told.append(f"{metric} {value} ({bound} {threshold:g})")
    yield f"  smallest breach that would be shown, 4 times in 5: {'; '.join(told)}"
