"""Which prompts are run together, and how tokens of one row serve the others.

All conditions of a sample belong in one batch: its image is then encoded once, and in half precision
the make-up of a batch is part of the result.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Sequence

from pytest_vlmrobust.core.prompts import Prompt

Group = list[int]
"""Indices of one sample's prompts."""


def group_by_sample(prompts: Sequence[Prompt]) -> deque[Group]:
    """Gather the indices of each sample's prompts, samples in order of first appearance."""
    groups: dict[str, Group] = {}
    for index, prompt in enumerate(prompts):
        groups.setdefault(prompt.sample_id, []).append(index)
    return deque(groups.values())


def take_batch(queue: deque[Group], rows: int) -> list[Group]:
    """Remove from the front of the queue the groups that fit into a batch together.

    A group larger than a whole batch is cut, and its rest stays in front.

    Args:
        queue: what is still to be run; not empty.
        rows: the most prompts in a batch, at least 1.

    >>> queue = deque([[0, 1, 2], [3, 4, 5], [6]])
    >>> take_batch(queue, 4), take_batch(queue, 4)
    ([[0, 1, 2]], [[3, 4, 5], [6]])
    """
    first = queue.popleft()
    if len(first) > rows:
        queue.appendleft(first[rows:])
        return [first[:rows]]
    batch, room = [first], rows - len(first)
    while queue and len(queue[0]) <= room:
        room -= len(queue[0])
        batch.append(queue.popleft())
    return batch


def expand_like(
    sibling: Sequence[int], expanded: Sequence[int], row: Sequence[int]
) -> tuple[list[int], int] | None:
    """Expand the image placeholders of a row as they were expanded in another row with the same images.

    Args:
        sibling: token ids of the other row, placeholders not expanded.
        expanded: the same with placeholders expanded.
        row: token ids of the row, placeholders not expanded.

    Returns:
        The row's expanded ids, and how many of them at its start are shared with ``expanded``; or None when
        the rows differ before the last placeholder's end, so that one does not tell about the other.

    >>> expand_like([1, 9, 2], [1, 9, 9, 9, 2], [1, 9, 7, 8])
    ([1, 9, 9, 9, 7, 8], 4)
    """
    limit = min(len(sibling), len(expanded))
    start = 0
    while start < limit and sibling[start] == expanded[start]:
        start += 1
    tail = 0
    while tail < limit - start and sibling[-1 - tail] == expanded[-1 - tail]:
        tail += 1
    head = len(sibling) - tail
    if list(row[:head]) != list(sibling[:head]):
        return None
    while tail and row[head : head + 1] == sibling[head : head + 1]:
        head, tail = head + 1, tail - 1
    shared = len(expanded) - tail
    return [*expanded[:shared], *row[head:]], shared
