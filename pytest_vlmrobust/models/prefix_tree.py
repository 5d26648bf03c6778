"""What the rows of one sample have in common: a tree of token segments, each to be computed once.

The conditions of a sample show the same image and, but for captions, ask the same question; they part
where a caption or a thought begins. Nothing here knows torch.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass

LEAST_SAVING = 16
"""Tokens that a shared segment has to save; fewer are not worth a pass of the model of their own."""


@dataclass(frozen=True, kw_only=True)
class Segment:
    """Tokens that follow those of the parent, for all rows below it.

    Attributes:
        parent: index into the level above; -1 at the top.
        ids: at least one token.
        rows: indices of the rows that end here.
    """

    parent: int
    ids: tuple[int, ...]
    rows: tuple[int, ...]


Level = list[Segment]

_WASTE = 1.25
"""How much larger a padded batch may be than its tokens."""


def prefix_levels(trees: Sequence[Sequence[int]], rows: Sequence[Sequence[int]]) -> list[Level]:
    """Arrange rows as levels of shared segments; each level can be computed in one pass.

    Args:
        trees: for each tree the rows that share its top; rows of different trees share nothing.
        rows: the tokens of each row, none empty.

    Returns:
        The levels from the top. Following parents from the segment in which a row ends, and reading
        their tokens from the top, gives the row.

    >>> levels = prefix_levels([[0, 1]], [[*range(20), 50], [*range(20), 60, 61]])
    >>> [len(segment.ids) for level in levels for segment in level]
    [20, 1, 2]
    """
    levels: list[Level] = []
    pending = [(-1, 0, list(tree)) for tree in trees]
    while pending:
        level: Level = []
        below: list[tuple[int, int, list[int]]] = []
        for parent, start, members in pending:
            end = common_length([rows[row] for row in members])
            level.append(
                Segment(
                    parent=parent,
                    ids=tuple(rows[members[0]][start:end]),
                    rows=tuple(row for row in members if len(rows[row]) == end),
                )
            )
            rest = [row for row in members if len(rows[row]) > end]
            below += [(len(level) - 1, end, part) for part in _parts(rest, end, rows)]
        levels.append(level)
        pending = below
    return levels


def common_length(rows: Sequence[Sequence[int]]) -> int:
    """Return how many tokens all rows have in common at their start.

    >>> common_length([[1, 2, 3], [1, 2], [1, 2, 4]])
    2
    """
    first, last = min(rows, key=list), max(rows, key=list)
    limit = min(len(first), len(last))
    return next((place for place in range(limit) if first[place] != last[place]), limit)


def _parts(members: Sequence[int], start: int, rows: Sequence[Sequence[int]]) -> Iterator[list[int]]:
    """Split rows that part at ``start``: together stay those that save enough by it."""
    by_token: dict[int, list[int]] = {}
    for row in members:
        by_token.setdefault(rows[row][start], []).append(row)
    for group in by_token.values():
        shared = common_length([rows[row] for row in group]) - start
        if (len(group) - 1) * shared >= LEAST_SAVING:
            yield group
        else:
            yield from ([row] for row in group)


def alike_in_length(lengths: Sequence[int], most_tokens: int) -> list[list[int]]:
    """Split segments so that none is padded to a length far beyond its own.

    Args:
        lengths: tokens of each segment.
        most_tokens: of a batch, padding included; a longer segment is alone.

    Returns:
        Indices, the longest segments first.

    >>> alike_in_length([90, 5, 92, 6], 1000), alike_in_length([90, 5, 92, 6], 100)
    ([[2, 0], [3, 1]], [[2], [0], [3, 1]])
    """
    batches: list[list[int]] = []
    tokens = 0
    for index in sorted(range(len(lengths)), key=lambda index: -lengths[index]):
        if batches:
            padded = lengths[batches[-1][0]] * (len(batches[-1]) + 1)
            real = tokens + lengths[index]
            if padded <= min(most_tokens, max(_WASTE * real, real + LEAST_SAVING)):
                batches[-1].append(index)
                tokens += lengths[index]
                continue
        batches.append([index])
        tokens = lengths[index]
    return batches
