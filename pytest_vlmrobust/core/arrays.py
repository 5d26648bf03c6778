"""Types of the arrays that metrics take, and checks that refuse any others."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from pytest_vlmrobust.errors import UsageError, VacuousError

BoolArray = NDArray[np.bool_]
IntArray = NDArray[np.integer]
FloatArray = NDArray[np.float64]

_SUM_TOLERANCE = 1e-3


def check_flags(metric: str, **arrays: BoolArray) -> None:
    """Refuse what is not 1-D bool, is not paired, or is empty.

    Raises:
        UsageError: an array has another shape or type, or the lengths differ.
        VacuousError: the arrays are empty.
    """
    for name, array in arrays.items():
        if array.ndim != 1 or array.dtype != np.bool_:
            raise UsageError(f"{metric}: {name} must be a 1-D bool array, got {array.ndim}-D {array.dtype}")
    check_lengths(metric, **arrays)


def check_indices(metric: str, **arrays: IntArray) -> None:
    """Refuse what is not 1-D integer, is not paired, or is empty; raises as `check_flags` does."""
    for name, array in arrays.items():
        if array.ndim != 1 or not np.issubdtype(array.dtype, np.integer):
            raise UsageError(
                f"{metric}: {name} must be a 1-D integer array, got {array.ndim}-D {array.dtype}"
            )
    check_lengths(metric, **arrays)


def check_lengths(metric: str, **arrays: NDArray[np.generic]) -> None:
    """Refuse arrays that are not paired, or empty; raises as `check_flags` does."""
    sizes = {name: array.size for name, array in arrays.items()}
    if len(set(sizes.values())) > 1:
        told = ", ".join(f"{name} has {size} samples" for name, size in sizes.items())
        raise UsageError(f"{metric}: the arrays are paired by sample, but {told}")
    if 0 in sizes.values():
        raise VacuousError(f"{metric}: no samples, so there is nothing to measure")


def check_probs(metric: str, probs: FloatArray) -> None:
    """Refuse what does not hold one letter distribution in each row.

    Args:
        metric: what is measured, for the message.
        probs: (n, k) float; NaN where a sample has fewer than k letters.

    Raises:
        UsageError: another shape or type, fewer than 2 letters in a row, or a row that does not add up to 1.
        VacuousError: n is 0.
    """
    if probs.ndim != 2 or not np.issubdtype(probs.dtype, np.floating):
        raise UsageError(f"{metric}: probs must be a 2-D float array, got {probs.ndim}-D {probs.dtype}")
    if len(probs) == 0:
        raise VacuousError(f"{metric}: no samples, so there is nothing to measure")
    known = ~np.isnan(probs)
    if (known.sum(axis=1) < 2).any():
        raise UsageError(f"{metric}: each row of probs needs the probabilities of at least 2 letters")
    values = probs[known]
    if (values < 0).any() or (np.abs(np.nansum(probs, axis=1) - 1) > _SUM_TOLERANCE).any():
        raise UsageError(f"{metric}: each row of probs must hold probabilities that add up to 1")
