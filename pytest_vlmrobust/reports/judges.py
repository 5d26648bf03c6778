"""What the summary says of the judges: how they did on labelled thoughts, and how far a panel agrees."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_vlmrobust.core.excerpts import printable
from pytest_vlmrobust.core.panels import PUBLISHED
from pytest_vlmrobust.core.records import Evaluation


def judge_lines(evaluation: Evaluation) -> Iterator[str]:
    """Say what is known of the judges of a run: a line for each that was measured, and of the panel."""
    yield from map(_measured, evaluation.provenance.get("judge_preflight", ()))
    panel = evaluation.panel()
    if not panel:
        return
    judges = len(evaluation.provenance.get("judges", ())) or "judges"
    agreement, kappa = panel["panel_agreement"], panel.get("panel_kappa")
    text = (
        f"panel of {judges}: all agree on {agreement.value:.3f} of {agreement.n} thoughts "
        f"({_published('panel_agreement')} in Zhao et al. 2026)"
    )
    told = "none, every vote is the same" if kappa is None else f"{kappa.value:.3f}"
    yield f"{text}, Fleiss' kappa {told} ({_published('panel_kappa')} there)"
    if len(evaluation.conditions) > 1:
        yield f"panel by condition, agreement and kappa: {', '.join(_by_condition(evaluation))}"


def _measured(result: Mapping[str, Any]) -> str:
    figures = [f"{name} {result[name]['value']:.3f}" for name in ("kappa", "accuracy") if name in result]
    unscored = f", {result['unscored']} of them without a verdict" if result["unscored"] else ""
    measured = " and ".join(figures) or "no figures"
    return f"judge {printable(result['judge'])}: {measured} on {result['n']} labelled thoughts{unscored}"


def _by_condition(evaluation: Evaluation) -> Iterator[str]:
    for condition in evaluation.conditions:
        figures = evaluation.figures(condition)
        if "panel_agreement" in figures:
            kappa = f"{figures['panel_kappa'].value:.3f}" if "panel_kappa" in figures else "none"
            yield f"{condition} {figures['panel_agreement'].value:.3f} and {kappa}"


def _published(name: str) -> str:
    low, high = PUBLISHED[name]
    return f"{low:g} to {high:g}"
