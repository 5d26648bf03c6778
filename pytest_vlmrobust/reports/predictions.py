"""What the summary says of abstentions, and of what predicts robustness."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.predictors import AUROCS, PREDICTORS

_SUFFIX = "+"
"""What follows it in the name of a condition says how it is varied, and is not cut off."""

Rows = Sequence[tuple[str, Mapping[str, Figure]]]
"""The conditions in order, each with its figures."""


def abstention_line(rows: Rows) -> str:
    """Say how many replies abstain where they may, or ""."""
    told = [
        f"{row['abstention_rate'].value:.3f} under {name}" for name, row in rows if "abstention_rate" in row
    ]
    return f"abstained (neither right nor wrong in the table): {', '.join(told)}" if told else ""


def prediction_lines(rows: Rows) -> Iterator[str]:
    """Say how well each number that is known under base tells right from wrong, a line for each."""
    for metric, predictor in AUROCS.items():
        told = [f"{row[metric].value:.3f} under {name}" for name, row in rows if metric in row]
        if told:
            yield f"AUROC of {PREDICTORS[predictor].called} for a right answer: {', '.join(told)}"


def cut_name(name: str, longest: int, cut: str) -> str:
    """Shorten the name of a condition, but not what stands behind its plus sign.

    >>> cut_name("wrong-caption-disclaimer+abstain", 24, "~"), cut_name("base", 24, "~")
    ('wrong-caption-d~+abstain', 'base')
    """
    if len(name) <= longest:
        return name
    plain, plus, kind = name.rpartition(_SUFFIX)
    kept = f"{plus}{kind}" if plain and len(kind) < longest // 2 else ""
    return name[: longest - len(cut) - len(kept)] + cut + kept
