"""What the summary says of the data: what is wrong with it, and what had to be left out."""

from __future__ import annotations

from pytest_vlmrobust.core.excerpts import printable
from pytest_vlmrobust.core.records import Evaluation


def fault_line(evaluation: Evaluation) -> str:
    """Name the faults of the data set, of all of it and not of the samples that were used; "" for none."""
    dataset = evaluation.provenance.get("dataset")
    faults = dataset.get("faults", []) if isinstance(dataset, dict) else []
    if not faults:
        return ""
    return f"data: {'; '.join(printable(fault['told']) for fault in faults)}"
