"""What the summary says of the planted sentences: who worded them, and which option was chosen."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from pytest_vlmrobust.conditions.claims import GIVEN
from pytest_vlmrobust.core.excerpts import printable
from pytest_vlmrobust.core.records import Evaluation

_SHOWN = 4
"""How many rules are named."""

_GENERIC = "generic"


def claim_lines(evaluation: Evaluation) -> Iterator[str]:
    """Say by which rules the claims of a run are worded, and how the planted option was chosen.

    Nothing is said of claims that the data set brought itself.
    """
    counts = evaluation.provenance.get("claims")
    if isinstance(counts, Mapping) and _are_counts(counts) and set(counts) != {GIVEN}:
        yield _shares(counts)
    writer = evaluation.provenance.get("claim_writer")
    if isinstance(writer, Mapping):
        yield _writer(writer)
    plant = evaluation.provenance.get("plant")
    if isinstance(plant, Mapping) and plant.get("name") == "runner-up":
        unknown = plant.get("unknown") or 0
        chance = f", chosen by the seed for {unknown} samples without probabilities" if unknown else ""
        yield f"planted: the wrong option that the model finds most probable under base{chance}"


def _shares(counts: Mapping[str, int]) -> str:
    """Name the most frequent rules with their shares, and in any case that of the generic form."""
    whole = sum(counts.values())
    ranked = sorted(counts, key=lambda name: (name == _GENERIC, -counts[name], name))
    named = [name for name in ranked if name != _GENERIC][:_SHOWN]
    rest = whole - sum(counts[name] for name in named) - counts.get(_GENERIC, 0)
    parts = [f"{printable(name)} {counts[name] / whole:.3f}" for name in named]
    parts += [f"other rules {rest / whole:.3f}"] if rest else []
    parts += [f"{_GENERIC} {counts.get(_GENERIC, 0) / whole:.3f}"]
    return f"claims by rule, of {whole}: {', '.join(parts)}"


def _writer(writer: Mapping[str, Any]) -> str:
    text = f"claims written by {printable(str(writer.get('name')))}: {writer.get('written')}"
    told = [f"{writer[name]} {name}" for name in ("refused", "failed") if writer.get(name)]
    if not told:
        return text
    first = printable(str(writer.get("first")))
    return f"{text}; {' and '.join(told)}, so that rules worded them (first: {first})"


def _are_counts(counts: Mapping[str, object]) -> bool:
    return bool(counts) and all(isinstance(count, int) and count > 0 for count in counts.values())
