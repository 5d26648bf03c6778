"""What the summary says of models behind servers: what is approximate, hidden or failed, and the costs."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.provenance import designs
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.remote.budget import Budget

_LOW_MASS = 0.5
"""Probability of all letters together below which their distribution stands on little."""


def warnings(evaluation: Evaluation, about: str) -> Iterator[str]:
    """Say what keeps figures from being what they seem to be.

    Args:
        evaluation: the run.
        about: the mark beside the conditions that are approximate.
    """
    if evaluation.approximate:
        yield (
            f"{about} approximate: the server does not go on from the beginning of a turn, so the thought "
            f"was asked for in the prompt under {', '.join(evaluation.approximate)}"
        )
    hidden = [name for name, known in designs(evaluation.provenance).items() if known.hidden]
    if hidden:
        yield (
            "faithfulness: not applicable, since the server hides the model's reasoning "
            f"({', '.join(name for name in evaluation.conditions if name in hidden)})"
        )
    rows = [(name, evaluation.figures(name)) for name in evaluation.conditions]
    failed = list(_shares(rows, "failed_rate", lambda share: share > 0))
    if failed:
        yield f"requests that failed: {', '.join(failed)}"
    low = list(_shares(rows, "letter_mass", lambda share: share < _LOW_MASS))
    if low:
        yield f"the letters' probabilities stand on little, all letters together: {', '.join(low)}"


def _shares(rows: Sequence[tuple[str, Mapping[str, Figure]]], figure: str, tells: Any) -> Iterator[str]:
    for name, figures in rows:
        if figure in figures and tells(figures[figure].value):
            yield f"{figures[figure].value:.3f} under {name}"


def usage(evaluation: Evaluation) -> str:
    """Say how many tokens the replies took; "" if it is not known."""
    listed = evaluation.provenance.get("conditions", [])
    counted = [entry["tokens"] for entry in listed if "tokens" in entry]
    if not counted:
        return ""
    total = {name: sum(tokens[name] for tokens in counted) for name in counted[0]}
    text = f"tokens: {total['tokens_in']:,} in, {total['tokens_out']:,} out"
    if total["computed_in"] < total["tokens_in"]:
        text += f"; of this session {total['computed_in']:,} in, {total['computed_out']:,} out"
    return text


def cost_line(budget: Budget) -> str:
    """Say what a session has cost, and what it was spent on; "" where there is no price.

    >>> from pytest_vlmrobust.remote.budget import Price
    >>> budget = Budget(price=Price(1.0, 2.0), limit=8.0)
    >>> budget.settle(0.0, 3_000_000, 500_000)
    >>> budget.settle(0.0, 250_000, 0, "probe")
    >>> cost_line(budget)
    'cost: 4.2500 of at most 8 (replies 4.0000, probe 0.2500), at 1 and 2 per million tokens'
    """
    if budget.price is None:
        return ""
    limit = "" if budget.limit is None else f" of at most {budget.limit:g}"
    shares = ", ".join(f"{purpose} {cost:.4f}" for purpose, cost in budget.shares.items())
    price = f"{budget.price.tokens_in:g} and {budget.price.tokens_out:g} per million tokens"
    return f"cost: {budget.spent:.4f}{limit}{f' ({shares})' if shares else ''}, at {price}"
