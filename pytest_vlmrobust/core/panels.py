"""How far the judges of a panel agree over a whole run, beside what was published."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np

from pytest_vlmrobust.core.agreement import fleiss_kappa, strict_agreement
from pytest_vlmrobust.core.columns import Columns
from pytest_vlmrobust.core.figures import figure_to_json
from pytest_vlmrobust.core.metrics import Figure

PUBLISHED: Mapping[str, tuple[float, float]] = {
    "panel_agreement": (0.89, 0.94),
    "panel_kappa": (0.81, 0.88),
}
"""The ranges over models and conditions in Zhao et al. 2026: Qwen3-32B, GPT-OSS-120B and Llama-3.1-70B."""


def panel_figures(conditions: Iterable[Columns]) -> dict[str, Figure]:
    """Measure how far the judges of a panel agree, over all conditions together.

    Args:
        conditions: the records of each condition.

    Returns:
        ``panel_agreement``, the share of records on which all judges said the same, and ``panel_kappa``,
        which is missing where they said one and the same of all. Both stand on the records on which
        every judge gave a verdict. Empty where there are none, or where conditions had different panels.
    """
    ballots = [columns.ballots for columns in conditions if len(columns.ballots)]
    if len({each.shape[1] for each in ballots}) != 1:
        return {}
    votes = np.concatenate(ballots)
    figures = [strict_agreement(votes)]
    if np.unique(votes).size > 1:
        figures.append(fleiss_kappa(votes))
    return {figure.name: figure for figure in figures}


def panel_to_json(figures: Mapping[str, Figure]) -> dict[str, Any]:
    """Return the JSON form of what `panel_figures` gave, with the published ranges."""
    written: dict[str, Any] = {name: figure_to_json(figure) for name, figure in figures.items()}
    return {**written, "published": {name: list(PUBLISHED[name]) for name in figures}}
