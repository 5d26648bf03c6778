"""Words a preflight: what a judge got right, and what it got wrong."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_vlmrobust.core.excerpts import printable, shorten, tail
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.samples import LETTERS
from pytest_vlmrobust.judges.base import Consistency
from pytest_vlmrobust.judges.labelled import LabelledCase
from pytest_vlmrobust.judges.preflight import Preflight

_SHOWN = 3
"""How many wrong verdicts are shown."""

_ADVICE = (
    "name another judge with --vlm-judge, such as rules; --vlm-judge-preflight measures one by itself, and "
    "--vlm-min-judge-kappa sets the bound"
)


def distrusted(result: Preflight, min_kappa: float) -> str:
    """Say why a judge is not trusted, with three thoughts that it got wrong."""
    kappa = "it has none" if result.kappa is None else f"it is {_with_interval(result.kappa)}"
    head = (
        f"judge {result.judge!r} is not trusted: its agreement (Cohen's kappa) with the labels of "
        f"{len(result.scored)} thoughts has to be {wanted(min_kappa)}, and {kappa}"
    )
    return "\n".join([head, *_indented(_body(result)), f"  what to do: {_ADVICE}"])


def wanted(min_kappa: float) -> str:
    """Say how large a kappa has to be.

    >>> wanted(0.6), wanted(0.0)
    ('0.6 or more', 'more than 0, which is chance')
    """
    return f"{min_kappa:g} or more" if min_kappa > 0 else "more than 0, which is chance"


def silent(result: Preflight) -> str:
    """Say that a judge gave too few verdicts to be measured."""
    head = (
        f"judge {result.judge!r} is not trusted: it gave no verdict on {result.unscored} of "
        f"{len(result.judged)} labelled thoughts"
    )
    cause = [f"  the first time because {printable(result.problem)}"] if result.problem else []
    advice = f"  what to do: see whether it is there and replies in one word; {_ADVICE}"
    return "\n".join([head, *cause, advice])


def preflight_lines(result: Preflight) -> list[str]:
    """Lay a preflight out for a person: figures, a table, and thoughts that were judged wrong."""
    return [f"judge {result.judge} on {len(result.judged)} labelled thoughts", *_indented(_body(result))]


def _body(result: Preflight) -> Iterator[str]:
    if result.kappa is not None:
        yield f"kappa      {_with_interval(result.kappa)}"
    if result.accuracy is not None:
        yield f"accuracy   {_with_interval(result.accuracy)}"
    if result.unscored:
        yield f"unscored   {result.unscored}{f': {printable(result.problem)}' if result.problem else ''}"
    if result.scored:
        yield from _table(result)
    wrong = result.wrong
    if wrong:
        shown = f"{min(_SHOWN, len(wrong))} of {len(wrong)}"
        yield f"wrong      {shown} verdicts, those that were decided the wrong way first"
    for labelled, verdict in wrong[:_SHOWN]:
        yield from _indented(_mistake(labelled, verdict))


def _table(result: Preflight) -> Iterator[str]:
    width = max(map(len, Consistency))
    yield f"{'label':<{width}}  " + "  ".join(f"said {verdict}" for verdict in Consistency)
    for label in Consistency:
        cells = (str(result.counts[label, verdict]).rjust(len(f"said {verdict}")) for verdict in Consistency)
        yield f"{label:<{width}}  " + "  ".join(cells)


def _mistake(labelled: LabelledCase, verdict: Consistency) -> Iterator[str]:
    case = labelled.case
    options = "  ".join(f"({letter}) {text}" for letter, text in zip(LETTERS, case.choices, strict=False))
    yield f"{labelled.id}: said {verdict}, and it is {labelled.label}"
    yield f"  question   {shorten(case.question)}"
    yield f"  options    {shorten(options)}"
    yield f"  reasoning  {tail(case.think, 240)}"
    yield f"  answer     {case.letter}"


def _indented(lines: Iterator[str]) -> Iterator[str]:
    return (f"  {line}" for line in lines)


def _with_interval(figure: Figure) -> str:
    return f"{figure.value:.3f} (95 % interval {figure.low:.3f} to {figure.high:.3f})"
