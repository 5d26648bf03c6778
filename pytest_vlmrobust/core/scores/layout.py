"""The units of each score of a benchmark among a run's samples: worked out once, used for every condition."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_vlmrobust.core.arrays import BoolArray, FloatArray
from pytest_vlmrobust.core.clusters import cluster_codes
from pytest_vlmrobust.core.samples import GROUP_SIZE
from pytest_vlmrobust.core.scores.rules import CATEGORY, GROUP, Benchmark, Score
from pytest_vlmrobust.errors import DataError

NOWHERE = -1
"""Stands for "no unit" and "no label"."""

_DIGITS = 9

Codes = NDArray[np.intp]


@dataclass(frozen=True, kw_only=True, eq=False)
class Labels:
    """What the scores of a benchmark need to know about n samples.

    Attributes:
        ids: n ids.
        categories: n categories.
        groups: n groups; "" where a sample has none.
        tags: for each sample the benchmark's own facts by name, such as "roll" or "source".
    """

    ids: Sequence[str]
    categories: Sequence[str]
    groups: Sequence[str]
    tags: Sequence[Mapping[str, str]]

    def of(self, key: str, benchmark: Benchmark) -> list[str]:
        """The label of each sample under a key, "" where it has none."""
        if key == GROUP:
            return list(self.groups)
        if key == CATEGORY:
            return list(self.categories)
        if key in benchmark.derived:
            return [benchmark.derived[key](category) for category in self.categories]
        return [tags.get(key, "") for tags in self.tags]


@dataclass(frozen=True, kw_only=True, eq=False)
class Layout:
    """The units of one score; u units of n samples in s strata.

    Attributes:
        score: the score.
        unit: (n,) the unit of each sample, `NOWHERE` where it is no part of the score.
        stratum: (u,) the stratum of each unit.
        weights: (s,) the weight of each stratum; they add up to 1.
        strata: the s labels.
        cluster: (u,) the cluster of each unit: units of one group are right or wrong together.
        parts: for each key, the labels and the (u,) label of each unit, `NOWHERE` for none.
        group: (n,) the group of each sample.
        group_size: (n,) of how many rows its group consists, 0 where that is not known.
        whole: whether a unit counts only where its group is there with all its rows.
    """

    score: Score
    unit: Codes
    stratum: Codes
    weights: FloatArray
    strata: tuple[str, ...]
    cluster: Codes
    parts: Mapping[str, tuple[tuple[str, ...], Codes]]
    group: Codes
    group_size: Codes
    whole: bool

    def counted(self, came: BoolArray) -> BoolArray:
        """(n,) True for the samples that the score stands on.

        Args:
            came: (n,) True where there is a reply, read or not.
        """
        part: BoolArray = came & (self.unit != NOWHERE)
        if not self.whole:
            return part
        there = np.bincount(self.group, weights=came)[self.group]
        rows = np.bincount(self.group)[self.group]
        complete: BoolArray = there >= np.maximum(rows, self.group_size)
        return part & complete


def lay_out(benchmark: Benchmark, score: Score, labels: Labels) -> Layout | str:
    """Work out the units of a score.

    Args:
        benchmark: the benchmark.
        score: one of its scores.
        labels: what is known of the n samples.

    Returns:
        The units, or why the score does not apply to these samples, as a clause.

    Raises:
        DataError: a tag ``group_size`` is no whole number.
    """
    keys = {key: labels.of(key, benchmark) for key in (*score.unit, score.over, *benchmark.parts) if key}
    member = _members(score, keys, len(labels.ids))
    reason = _missing(score, keys, member, labels)
    if reason:
        return reason
    unit, first = _numbered(_unit_labels(score, keys, len(labels.ids)), member)
    if score.unit and np.bincount(unit[member]).max() < 2:
        return "no question is there in more than one form"
    group = cluster_codes(labels.groups)
    strata, stratum = _strata(score, keys, first)
    return Layout(
        score=score,
        unit=unit,
        stratum=stratum,
        weights=_weights(score, strata),
        strata=strata,
        cluster=group[first],
        parts={key: _part(keys[key], unit, first) for key in benchmark.parts},
        group=group,
        group_size=np.array(list(map(_size, labels.ids, labels.tags)), dtype=np.intp),
        whole=bool(score.unit),
    )


def _members(score: Score, keys: Mapping[str, Sequence[str]], n: int) -> BoolArray:
    """(n,) True for the samples that are part of a score."""
    member: BoolArray = np.ones(n, dtype=np.bool_)
    if score.unit:
        member &= np.array([group != "" for group in keys[GROUP]], dtype=np.bool_)
    if score.partial:
        member &= np.array([label in score.weights for label in keys[score.over]], dtype=np.bool_)
    return member


def _missing(score: Score, keys: Mapping[str, Sequence[str]], member: BoolArray, labels: Labels) -> str:
    """What a score needs that is not there, as a clause; "" when all is."""
    if not member.any():
        return "no sample is part of a group" if score.unit else f"no sample is from {_listed(score.weights)}"
    for key in filter(None, (*score.unit, score.over)):
        without = [row for row in np.flatnonzero(member).tolist() if not keys[key][row]]
        if without:
            name = key if key == CATEGORY else f"tag {key!r}"
            return f"{len(without)} samples have no {name}, such as {labels.ids[without[0]]!r}"
    if not score.weights:
        return ""
    present = {keys[score.over][row] for row in np.flatnonzero(member).tolist()}
    lacking = [label for label in score.weights if label not in present]
    if lacking:
        return f"no sample is from {_listed(lacking)}"
    unknown = sorted(present - set(score.weights))
    return f"{score.over} {unknown[0]!r} is none of {_listed(score.weights)}" if unknown else ""


def _listed(labels: Iterable[str]) -> str:
    return ", ".join(labels)


def _unit_labels(score: Score, keys: Mapping[str, Sequence[str]], n: int) -> Sequence[object]:
    return list(zip(*(keys[key] for key in score.unit), strict=True)) if score.unit else range(n)


def _numbered(labels: Sequence[object], member: BoolArray) -> tuple[Codes, Codes]:
    """Number the labels of the members; return the (n,) numbers and the (u,) first row of each."""
    numbers: dict[object, int] = {}
    first: list[int] = []
    codes = np.full(len(labels), NOWHERE, dtype=np.intp)
    for row in np.flatnonzero(member).tolist():
        number = numbers.setdefault(labels[row], len(numbers))
        codes[row] = number
        if number == len(first):
            first.append(row)
    return codes, np.array(first, dtype=np.intp)


def _strata(score: Score, keys: Mapping[str, Sequence[str]], first: Codes) -> tuple[tuple[str, ...], Codes]:
    if not score.over:
        return ("",), np.zeros(first.size, dtype=np.intp)
    labels = [keys[score.over][row] for row in first.tolist()]
    names = tuple(score.weights) or tuple(sorted(set(labels)))
    place = {name: index for index, name in enumerate(names)}
    return names, np.array([place[label] for label in labels], dtype=np.intp)


def _weights(score: Score, strata: Sequence[str]) -> FloatArray:
    equal = 1 / len(strata)
    return np.array([score.weights.get(name, equal) for name in strata], dtype=np.float64)


def _part(labels: Sequence[str], unit: Codes, first: Codes) -> tuple[tuple[str, ...], Codes]:
    """Names and (u,) codes of the units' labels; a unit whose rows differ in it has none."""
    known = [labels[row] for row in first.tolist()]
    places = enumerate(unit.tolist())
    mixed = {number for row, number in places if number != NOWHERE and labels[row] != known[number]}
    names = tuple(sorted({label for number, label in enumerate(known) if label and number not in mixed}))
    place = {name: index for index, name in enumerate(names)}
    codes = [NOWHERE if number in mixed else place.get(label, NOWHERE) for number, label in enumerate(known)]
    return names, np.array(codes, dtype=np.intp)


def _size(sample_id: str, tags: Mapping[str, str]) -> int:
    told = tags.get(GROUP_SIZE, "0")
    if not (told.isascii() and told.isdigit() and len(told) <= _DIGITS):
        raise DataError(f"sample {sample_id!r}: tag {GROUP_SIZE!r} must be a whole number, got {told!r:.40}")
    return int(told)
