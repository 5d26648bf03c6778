"""Metrics of the letter distribution: how sure a model is, and whether it should be.

The distribution is read at the first answer letter, after the think block, and renormalised over
the sample's letters (Zhao et al. 2026, arXiv 2602.12506). Means are summed exactly (``math.fsum``), so
the order of the samples cannot change a digit.
"""

from __future__ import annotations

import math

import numpy as np

from pytest_vlmrobust.core.arrays import FloatArray, IntArray, check_indices, check_probs
from pytest_vlmrobust.core.metrics import Figure, rate
from pytest_vlmrobust.errors import UsageError

CONFIDENT = 0.9
"""From this probability of its own letter on, a wrong answer counts as confidently wrong."""


def letter_entropy(probs: FloatArray) -> Figure:
    """Mean entropy of the letter distribution in nats: H = -sum p ln p, with 0 ln 0 = 0.

    Args:
        probs: (n, k) float; each row the probabilities of one sample's letters, which add up to 1, NaN
            where the sample has fewer than k options.

    Returns:
        A mean in [0, ln k], without an interval.

    Raises:
        UsageError: ``probs`` is not such an array.
        VacuousError: n is 0.

    >>> round(letter_entropy(np.array([[0.5, 0.5, np.nan], [1.0, 0.0, 0.0]])).value, 4)
    0.3466
    """
    check_probs("letter_entropy", probs)
    return _mean("letter_entropy", entropies(probs))


def normalized_letter_entropy(probs: FloatArray) -> Figure:
    """Mean of H / ln k, which is comparable between samples with different numbers of options.

    Args:
        probs: as for `letter_entropy`; k is counted for each sample.

    Returns:
        A mean in [0, 1], without an interval; 1 when the letters are equally likely.

    Raises:
        UsageError: ``probs`` is not such an array.
        VacuousError: n is 0.

    >>> normalized_letter_entropy(np.array([[0.5, 0.5, np.nan], [1.0, 0.0, 0.0]])).value
    0.5
    """
    check_probs("normalized_letter_entropy", probs)
    return _mean("normalized_letter_entropy", entropies(probs) / largest_entropies(probs))


def p_correct(probs: FloatArray, correct: IntArray) -> Figure:
    """Mean probability of the right letter. Up is good; under ``base`` it is the paper's P_base.

    Args:
        probs: as for `letter_entropy`.
        correct: (n,) int; index of the right letter.

    Returns:
        A mean in [0, 1], without an interval.

    Raises:
        UsageError: an array has another shape or type, or an index points at no letter.
        VacuousError: n is 0.

    >>> round(p_correct(np.array([[0.5, 0.5], [0.9, 0.1]]), np.array([0, 0])).value, 4)
    0.7
    """
    check_probs("p_correct", probs)
    check_indices("p_correct", correct=correct)
    return _mean("p_correct", np.minimum(_probability_of("p_correct", probs, correct), 1.0))


def confidently_wrong_rate(
    probs: FloatArray, answers: IntArray, correct: IntArray, *, confident: float = CONFIDENT
) -> Figure:
    """Share of samples answered wrong although their own letter had a high probability.

    This is the failure that entropy hides: low entropy looks like knowledge. Down is good.

    Args:
        probs: as for `letter_entropy`.
        answers: (n,) int; index of the letter that was read.
        correct: (n,) int; index of the right letter.
        confident: the probability from which on an answer is confident, in [0, 1].

    Raises:
        UsageError: an array has another shape or type, or an index points at no letter.
        VacuousError: n is 0.

    >>> probs = np.array([[0.95, 0.05], [0.6, 0.4]])
    >>> confidently_wrong_rate(probs, np.array([0, 0]), np.array([1, 1])).value
    0.5
    """
    check_probs("confidently_wrong_rate", probs)
    check_indices("confidently_wrong_rate", answers=answers, correct=correct)
    own = _probability_of("confidently_wrong_rate", probs, answers)
    return rate("confidently_wrong_rate", (answers != correct) & (own >= confident))


def _mean(name: str, values: FloatArray) -> Figure:
    return Figure(name=name, value=math.fsum(values.tolist()) / values.size, n=int(values.size))


def entropies(probs: FloatArray) -> FloatArray:
    """Entropy of each row in nats, (n,)."""
    known = np.where(np.isnan(probs), 0.0, probs)
    logs = np.zeros_like(known)
    np.log(known, where=known > 0, out=logs)
    # Probabilities that a model rounded may pass the bounds by a hair.
    nats: FloatArray = np.clip(-(known * logs).sum(axis=1), 0.0, largest_entropies(probs))
    return nats


def largest_entropies(probs: FloatArray) -> FloatArray:
    """Entropy of k equally likely letters, ln k, for each row, (n,)."""
    largest: FloatArray = np.log((~np.isnan(probs)).sum(axis=1))
    return largest


def _probability_of(metric: str, probs: FloatArray, letters: IntArray) -> FloatArray:
    """The probability of one letter of each row, (n,)."""
    if letters.size != len(probs):
        raise UsageError(f"{metric}: probs has {len(probs)} rows, but there are {letters.size} letters")
    inside = (letters >= 0) & (letters < probs.shape[1])
    picked: FloatArray = probs[np.arange(len(probs)), np.where(inside, letters, 0)]
    if not inside.all() or np.isnan(picked).any():
        raise UsageError(f"{metric}: a letter index points at no letter of its sample")
    return picked
