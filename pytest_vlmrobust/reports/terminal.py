"""The summary at the end of a session: for each model and data set a table of its conditions.

Made of segments, text with a style, so that whoever writes it decides about color.
"""

from __future__ import annotations

import textwrap
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Literal

from pytest_vlmrobust.core.excerpts import printable
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.reports.claims import claim_lines
from pytest_vlmrobust.reports.datasets import fault_line
from pytest_vlmrobust.reports.gates import gate_lines
from pytest_vlmrobust.reports.judges import judge_lines
from pytest_vlmrobust.reports.predictions import abstention_line, cut_name, prediction_lines
from pytest_vlmrobust.reports.scores import score_lines
from pytest_vlmrobust.reports.servers import usage, warnings
from pytest_vlmrobust.runs import GateRow, ModelRequest, RunKey, Runs

Style = Literal["", "bold", "red", "green", "yellow"]

WIDTH = 110
"""The widest line, in characters."""

_LONGEST_NAME = 24

_MUCH_UNDECIDED = 0.1
"""The share of undecided judgments from which on the unfaithful rate stands on a choice of the replies."""


@dataclass(frozen=True)
class Segment:
    """A piece of a line in one style."""

    text: str
    style: Style = ""


Line = list[Segment]


@dataclass(frozen=True, kw_only=True)
class Glyphs:
    """The characters that a terminal may not have."""

    none: str = "–"  # noqa: RUF001
    breach: str = "✗"
    unsure: str = "?"
    cut: str = "…"
    about: str = "≈"


UNICODE = Glyphs()
ASCII = Glyphs(none="-", breach="x", cut="~", about="*")


def glyphs_for(encoding: str | None) -> Glyphs:
    """Choose the characters that an encoding can write.

    >>> glyphs_for("ascii").breach, glyphs_for("utf-8").breach
    ('x', '✗')
    """
    try:
        f"{UNICODE.none}{UNICODE.breach}{UNICODE.cut}{UNICODE.about}".encode(encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return ASCII
    return UNICODE


def summary_lines(runs: Runs, glyphs: Glyphs = UNICODE) -> Iterator[Line]:
    """Lay out every run of a session, with an empty line after each.

    Args:
        runs: what was measured.
        glyphs: the characters to use.
    """
    told: set[ModelRequest | str] = set()
    for key, evaluation in runs:
        yield from run_lines(
            key,
            evaluation,
            runs.gates_of(key),
            glyphs,
            engine=key.model not in told,
            faults=key.dataset not in told,
        )
        yield []
        told |= {key.model, key.dataset}


def run_lines(
    key: RunKey,
    evaluation: Evaluation,
    gates: Sequence[GateRow],
    glyphs: Glyphs = UNICODE,
    *,
    engine: bool = True,
    faults: bool = True,
) -> list[Line]:
    """Lay out one run: a title, a row for each condition, and what its gates said.

    Args:
        key: what was run.
        evaluation: what was measured.
        gates: the gates that were checked on it.
        glyphs: the characters to use.
        engine: say which way of computing the model took where it is not the fastest, and why.
        faults: say what is wrong with the data.
    """
    rows = [(name, evaluation.figures(name)) for name in evaluation.conditions]
    stopped = evaluation.incomplete
    return [
        *_title(key, evaluation),
        *(_engine(evaluation) if engine else []),
        *(_wrapped(fault_line(evaluation), "yellow") if faults else []),
        *_table(rows, gates if evaluation.incomplete is None else [], evaluation.approximate, glyphs),
        *([Segment(text)] for text in score_lines(evaluation, none=glyphs.none, cut=glyphs.cut)),
        *_wrapped(abstention_line(rows)),
        *(line for text in prediction_lines(rows) for line in _wrapped(text)),
        *_undecided(rows),
        *(line for text in warnings(evaluation, glyphs.about) for line in _wrapped(text, "yellow")),
        *_wrapped(usage(evaluation)),
        *(line for text in claim_lines(evaluation) for line in _wrapped(text)),
        *(line for text in judge_lines(evaluation) for line in _wrapped(text)),
        *(_verdict(gates) if stopped is None else _no_verdict(stopped.reason)),
    ]


def _title(key: RunKey, evaluation: Evaluation) -> Iterator[Line]:
    """Name what was run; what is known about it follows on the same line if it has the room."""
    line = [Segment(f"{key.model.spec} on {key.dataset}", "bold")]
    if evaluation.incomplete is not None:
        line.append(Segment("  INCOMPLETE", "yellow"))
    facts = ", ".join(_facts(key, evaluation))
    if sum(len(segment.text) for segment in line) + len(f"  {facts}") <= WIDTH:
        yield [*line, Segment(f"  {facts}")]
    else:
        yield line
        yield from _wrapped(f"  {facts}")


def _facts(key: RunKey, evaluation: Evaluation) -> Iterator[str]:
    stopped = evaluation.incomplete
    yield f"{evaluation.n} samples" if stopped is None else f"{stopped.samples} of {stopped.of} samples"
    yield f"seed {key.seed}"
    yield f"judge {key.judge}"
    replies = evaluation.provenance.get("replies", {})
    if replies.get("stored"):
        yield f"{replies['stored']} of {replies['stored'] + replies['computed']} replies from the store"


def _engine(evaluation: Evaluation) -> Iterator[Line]:
    model = evaluation.provenance.get("model")
    details = model.get("details") if isinstance(model, dict) else None
    if isinstance(details, dict) and details.get("path_reason"):
        told = printable(f"{details.get('path')} ({details['path_reason']})")
        yield from _wrapped(f"  engine: {told}")


def _wrapped(text: str, style: Style = "") -> Iterator[Line]:
    for part in textwrap.wrap(text, WIDTH, subsequent_indent="  ", break_on_hyphens=False):
        yield [Segment(part, style)]


@dataclass(frozen=True)
class _Column:
    """A column: its heading, the figure whose gates it shows, and how a figure is written."""

    heading: str
    metric: str
    write: Callable[[Figure], str]


def _plain(figure: Figure) -> str:
    return f"{figure.value:.3f}"


def _count(figure: Figure) -> str:
    return str(round(figure.value))


def _with_interval(figure: Figure) -> str:
    if figure.low is None or figure.high is None:
        return _plain(figure)
    return f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


_COLUMNS = (
    _Column("n", "n", _count),
    _Column("accuracy", "accuracy", _plain),
    _Column("drop [95% interval]", "accuracy_drop", _with_interval),
    _Column("misled", "misled_rate", _plain),
    _Column("unfaithful", "unfaithful_rate", _plain),
    _Column("P(correct)", "p_correct", _plain),
    _Column("entropy", "letter_entropy", _plain),
    _Column("unparsed", "unparsed_rate", _plain),
)


_Rows = Sequence[tuple[str, Mapping[str, Figure]]]
"""The conditions in order, each with its figures."""


def _table(
    rows: _Rows, gates: Sequence[GateRow], approximate: Sequence[str], glyphs: Glyphs
) -> Iterator[Line]:
    marks = {(row.condition, row.metric): glyphs.unsure for row in gates if row.verdict == "inconclusive"}
    marks |= {(row.condition, row.metric): glyphs.breach for row in gates if row.verdict in ("fail", "error")}
    names = [_cut(name, glyphs) + (glyphs.about if name in approximate else "") for name, _ in rows]
    columns = [_cells(column, rows, marks, glyphs) for column in _COLUMNS]
    first = max(map(len, [*names, "condition"]))
    yield [Segment(" ".join(["condition".ljust(first), *(heading for heading, _ in columns)]).rstrip())]
    for index, name in enumerate(names):
        line = [Segment(name.ljust(first))]
        for _, cells in columns:
            line += [Segment(" "), cells[index]]
        yield line


def _cells(
    column: _Column, rows: _Rows, marks: Mapping[tuple[str, str], str], glyphs: Glyphs
) -> tuple[str, list[Segment]]:
    """Write one column: its heading and its cells, all of one width."""
    texts = [
        column.write(figures[column.metric]) if column.metric in figures else glyphs.none
        for _, figures in rows
    ]
    marked = [marks.get((name, column.metric), "") for name, _ in rows]
    # The mark has a place of its own, so that figures stay below each other.
    place = " " * len(glyphs.breach) if any(marked) else ""
    full = [text + (mark or place) for text, mark in zip(texts, marked, strict=True)]
    width = max(map(len, [*full, column.heading]))
    cells = [
        Segment(text.rjust(width), "" if not mark else "yellow" if mark == glyphs.unsure else "red")
        for text, mark in zip(full, marked, strict=True)
    ]
    return column.heading.rjust(width), cells


def _cut(name: str, glyphs: Glyphs) -> str:
    return cut_name(name, _LONGEST_NAME, glyphs.cut)


def _undecided(rows: _Rows) -> Iterator[Line]:
    """Say where the judge left much open; a column for it would make the table too wide."""
    shares = [(name, figures["undecided_rate"]) for name, figures in rows if "undecided_rate" in figures]
    much = [f"{share.value:.3f} under {name}" for name, share in shares if share.value > _MUCH_UNDECIDED]
    if much:
        yield from _wrapped(f"undecided by the judge: {', '.join(much)}", "yellow")


def _no_verdict(reason: str) -> Iterator[Line]:
    text = f"gates: without a verdict, since the run is incomplete ({printable(reason)})"
    yield from _wrapped(text, "yellow")


def _verdict(gates: Sequence[GateRow]) -> Iterator[Line]:
    """Count the gates, and name those that did not pass."""
    if not gates:
        yield [Segment("gates: none declared; the tests' own assertions decide")]
        return
    checked = _distinct(gates)
    failed = [row for row in checked if row.verdict == "fail"]
    unsure = [row for row in checked if row.verdict == "inconclusive"]
    silent = [row for row in checked if row.verdict == "error"]
    words = [f"{len(checked)} checked", f"{len(failed)} failed"]
    if unsure:
        words.append(f"{len(unsure)} inconclusive")
    if silent:
        words.append(f"{len(silent)} without a verdict")
    text = f"gates: {', '.join(words)}"
    named = [*failed, *unsure, *silent]
    if named:
        text += ": " + "; ".join(f"{row.metric} under {row.condition} {row.in_short}" for row in named)
    yield from _wrapped(text, "red" if failed or silent else "yellow" if unsure else "green")
    for told in gate_lines(checked):
        yield from _wrapped(told)


def _distinct(gates: Sequence[GateRow]) -> Sequence[GateRow]:
    return list(
        {
            (row.metric, row.condition, row.bound, row.threshold, row.baseline, row.mode, row.confidence): row
            for row in gates
        }.values()
    )
