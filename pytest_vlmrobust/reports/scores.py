"""What the summary says of the scores that benchmarks are known by: a row for each condition."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.scores import Scorer
from pytest_vlmrobust.core.scores.report import drop_figures, score_figures
from pytest_vlmrobust.reports.predictions import cut_name

_LONGEST_NAME = 24


def score_lines(evaluation: Evaluation, *, none: str, cut: str) -> Iterator[str]:
    """Lay out every score of the data set's own under every condition.

    Args:
        evaluation: the run.
        none: stands for a score that does not apply.
        cut: ends a name that is too long.
    """
    scorer = evaluation.scorer
    if scorer is None:
        return
    views = [evaluation.view(name) for name in evaluation.conditions]
    scores = [score_figures(scorer, view) for view in views]
    drops = [drop_figures(scorer, view) for view in views]
    names = [_cut(name, cut) for name in evaluation.conditions]
    yield from _table(scorer, names, scores, drops, none)
    yield from _notes(evaluation, scorer, scores)


def _table(
    scorer: Scorer,
    names: Sequence[str],
    scores: Sequence[Mapping[str, Figure]],
    drops: Sequence[Mapping[str, Figure]],
    none: str,
) -> Iterator[str]:
    """A row for each condition: the score that stands for the benchmark, its drop, and the others."""
    headline = scorer.headline
    others = [name for name in scorer.names if name != headline]
    columns = [
        [f"own score: {headline}", *(_interval(row.get(headline), none) for row in scores)],
        ["drop [95% interval]", *(_interval(row.get(headline), none) for row in drops)],
        *([name, *(_plain(row.get(name), none) for row in scores)] for name in others),
    ]
    widths = [max(map(len, column)) for column in columns]
    first = max(map(len, [*names, scorer.benchmark.name]))
    for index, name in enumerate([scorer.benchmark.name, *names]):
        cells = [column[index].rjust(width) for column, width in zip(columns, widths, strict=True)]
        yield " ".join([name.ljust(first), *cells]).rstrip()


def _notes(evaluation: Evaluation, scorer: Scorer, scores: Sequence[Mapping[str, Figure]]) -> Iterator[str]:
    """Say what a reader of the table has to know: what counts as wrong, and what is left out."""
    conditions = evaluation.conditions
    unread = sum(
        int((evaluation.view(name).came() & ~evaluation.columns(name).parsed).sum()) for name in conditions
    )
    if unread:
        replies, count = ("reply", "counts") if unread == 1 else ("replies", "count")
        yield f"own scores: {unread} {replies} that could not be read {count} as wrong"
    abstained = sum(int(evaluation.columns(name).abstained.sum()) for name in conditions)
    if abstained:
        yield f"own scores: replies that abstain count as wrong: {abstained}"
    left_out = {
        name: max(int(row[name].detail["left_out"]) for row in scores if name in row)
        for name in scorer.names
        if any(name in row for row in scores)
    }
    told = [f"{name} up to {count}" for name, count in left_out.items() if count]
    if told:
        yield (
            f"own scores: samples left out that have no reply, or are of a group that is not whole: "
            f"{', '.join(told)} of {evaluation.n}"
        )


def _interval(figure: Figure | None, none: str) -> str:
    return none if figure is None else f"{figure.value:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _plain(figure: Figure | None, none: str) -> str:
    return none if figure is None else f"{figure.value:.3f}"


def _cut(name: str, cut: str) -> str:
    return cut_name(name, _LONGEST_NAME, cut)
