"""What a score of a benchmark is: which rows make one unit, and how the units are averaged.

Every score here is of one form. Rows of a benchmark that share some labels make a *unit*, such as a question
with all its rolls; a unit is right where all its rows are. The score is the mean over the units, or a
weighted sum of the means over strata of them.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field

GROUP = "group"
CATEGORY = "category"


@dataclass(frozen=True, kw_only=True)
class Score:
    """One score of a benchmark.

    A key is "category", "group", the name of a tag of the samples, or one that the benchmark derives.

    Attributes:
        name: its name within the benchmark, such as "circular".
        says: what it is the share of, or the mean of, in words.
        unit: the keys in which the rows of one unit agree, "group" first; () where each row is a unit.
            Rows without a group are no part of a score that needs one.
        over: the key whose labels are the strata; "" for none.
        weights: weight of each stratum by its label, adding up to 1; empty for equal weights. All of
            them have to be there.
        partial: whether rows of other strata than the weighted ones are no part of it; otherwise
            there must not be any.
    """

    name: str
    says: str
    unit: tuple[str, ...] = ()
    over: str = ""
    weights: Mapping[str, float] = field(default_factory=dict, hash=False)
    partial: bool = False


@dataclass(frozen=True, kw_only=True)
class Benchmark:
    """How a benchmark scores a model.

    Attributes:
        name: name of the data set.
        scores: its scores; the first that applies to a run is the one that stands for it. One of them needs
            neither units nor strata, so that one always does.
        parts: keys by whose labels each score is told apart, too.
        derived: makes the label of a key that is no tag from the category.
    """

    name: str
    scores: tuple[Score, ...]
    parts: tuple[str, ...] = (CATEGORY,)
    derived: Mapping[str, Callable[[str], str]] = field(default_factory=dict, hash=False)
