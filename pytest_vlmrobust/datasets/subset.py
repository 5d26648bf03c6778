"""A smaller choice from a data set: seeded, stratified by category, with groups kept whole."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence

from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.errors import UsageError, VacuousError

MAX_LIMIT = 10**9
"""The largest limit: a number beyond it is a slip of the hand."""

_Unit = list[int]
"""Positions of samples that are chosen together: a group, or a single sample."""


def choose_samples(samples: Sequence[Sample], limit: int, *, seed: int) -> list[Sample]:
    """Choose at most ``limit`` samples without replacement, and keep them in their order.

    Each category gets its share of the limit (largest remainder), so that the figures of the
    choice resemble those of the whole. Samples of one group are chosen all together or not at all;
    then fewer than ``limit`` may be chosen, never more. A category is that of a group's sample with
    the smallest id. Whether a sample is preferred depends on (seed, group or id) alone, so that the order
    of the file changes nothing.

    Args:
        samples: all samples, with distinct ids.
        limit: the most samples to choose, at least 1.
        seed: seeds the choice.

    Raises:
        UsageError: ``limit`` is less than 1, or more than `MAX_LIMIT`.
        VacuousError: every group is larger than ``limit``, so that nothing can be chosen.
    """
    check_count(limit)
    if limit >= len(samples):
        return list(samples)
    strata = _strata(samples, seed)
    shares = _shares({name: sum(map(len, units)) for name, units in strata.items()}, limit)
    chosen: list[int] = []
    left: list[_Unit] = []
    for name, units in strata.items():
        left += _take(units, shares[name], chosen)
    # What groups left free goes to whoever still fits, whatever its category.
    left.sort(key=lambda unit: _rank(samples[unit[0]], seed))
    _take(left, limit - len(chosen), chosen)
    if not chosen:
        smallest = min(len(unit) for units in strata.values() for unit in units)
        raise VacuousError(
            f"limit {limit} leaves no sample: groups are kept whole, and the smallest has {smallest}; "
            f"use a limit of at least {smallest}"
        )
    return [samples[position] for position in sorted(chosen)]


def check_count(limit: int) -> None:
    """Refuse a number of samples that is out of range.

    Raises:
        UsageError: it is less than 1, or more than `MAX_LIMIT`.
    """
    if not 1 <= limit <= MAX_LIMIT:
        # Python refuses to write numbers of thousands of digits.
        shown = repr(limit) if abs(limit) < 10**20 else f"a number of {limit.bit_length()} bits"
        raise UsageError(
            f"limit is {shown}: it is the number of samples, a whole number of at least 1 and at most "
            f"{MAX_LIMIT}"
        )


def _strata(samples: Sequence[Sample], seed: int) -> dict[str, list[_Unit]]:
    """Units by category, categories by name, each category's units in seeded order."""
    units: dict[tuple[str, str], _Unit] = {}
    for position, sample in enumerate(samples):
        key = ("group", sample.group) if sample.group else ("id", sample.id)
        units.setdefault(key, []).append(position)
    strata: dict[str, list[_Unit]] = {}
    for unit in units.values():
        first = min((samples[position] for position in unit), key=lambda sample: sample.id)
        strata.setdefault(first.category, []).append(unit)
    return {
        name: sorted(strata[name], key=lambda unit: _rank(samples[unit[0]], seed)) for name in sorted(strata)
    }


def _rank(sample: Sample, seed: int) -> bytes:
    """Give a sample its place in a shuffled order that no other sample has a say in."""
    key = f"{seed}\x1flimit\x1f{sample.group or sample.id}"
    return hashlib.blake2b(key.encode(), digest_size=16).digest()


def _shares(sizes: dict[str, int], limit: int) -> dict[str, int]:
    """Divide ``limit`` in proportion to ``sizes``, by largest remainder; ties go by name."""
    total = sum(sizes.values())
    shares = {name: size * limit // total for name, size in sizes.items()}
    by_remainder = sorted(sizes, key=lambda name: (-(sizes[name] * limit % total), name))
    for name in by_remainder[: limit - sum(shares.values())]:
        shares[name] += 1
    return shares


def _take(units: Sequence[_Unit], room: int, chosen: list[int]) -> list[_Unit]:
    """Add units to ``chosen`` while they fit into ``room``; return those that did not."""
    left = []
    for unit in units:
        if len(unit) <= room:
            chosen += unit
            room -= len(unit)
        else:
            left.append(unit)
    return left
