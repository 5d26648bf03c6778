"""Laws of sharing: no row changes, nothing is read more often than before, and small gains are left."""

from __future__ import annotations

import itertools
from collections import Counter
from collections.abc import Sequence

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vlmrobust.models.prefix_tree import (
    LEAST_SAVING,
    Level,
    alike_in_length,
    common_length,
    prefix_levels,
)

tokens = st.integers(0, 2)


@st.composite
def grown(draw: st.DrawFn) -> tuple[list[list[int]], list[list[int]]]:
    """Trees of rows that go on from one another, repeat one another, or part early or late."""
    trees: list[list[int]] = []
    rows: list[list[int]] = []
    for top in range(draw(st.integers(1, 3))):
        family = [[100 + top, *draw(st.lists(tokens, max_size=30))]]
        for _ in range(draw(st.integers(0, 6))):
            like = draw(st.sampled_from(family))
            kept = draw(st.integers(1, len(like)))
            family.append(like[:kept] + draw(st.lists(tokens, max_size=20)))
        trees.append(list(range(len(rows), len(rows) + len(family))))
        rows += family
    order = draw(st.permutations(range(len(rows))))
    return [[order.index(row) for row in tree] for tree in trees], [rows[row] for row in order]


def spelled(levels: Sequence[Level], depth: int, place: int) -> list[int]:
    """The tokens from the top down to a segment."""
    segment = levels[depth][place]
    above = spelled(levels, depth - 1, segment.parent) if depth else []
    return [*above, *segment.ids]


def below(levels: Sequence[Level], depth: int, place: int) -> list[int]:
    """Every row that a segment is read for."""
    rows = list(levels[depth][place].rows)
    if depth + 1 < len(levels):
        for child, segment in enumerate(levels[depth + 1]):
            if segment.parent == place:
                rows += below(levels, depth + 1, child)
    return rows


@given(grown())
def test_every_row_is_spelled_once_from_the_top(given_: tuple[list[list[int]], list[list[int]]]) -> None:
    trees, rows = given_
    levels = prefix_levels(trees, rows)
    ends = Counter(row for level in levels for segment in level for row in segment.rows)
    assert ends == Counter(range(len(rows)))
    for depth, level in enumerate(levels):
        for place, segment in enumerate(level):
            assert segment.ids
            assert (segment.parent == -1) == (depth == 0)
            for row in segment.rows:
                assert spelled(levels, depth, place) == rows[row]
    assert [sorted(below(levels, 0, place)) for place in range(len(trees))] == [
        sorted(tree) for tree in trees
    ]


@given(grown())
def test_no_token_is_read_more_often_than_by_itself(given_: tuple[list[list[int]], list[list[int]]]) -> None:
    trees, rows = given_
    levels = prefix_levels(trees, rows)
    assert sum(len(segment.ids) for level in levels for segment in level) <= sum(map(len, rows))


@given(grown())
def test_rows_stay_together_exactly_where_that_saves_enough(
    given_: tuple[list[list[int]], list[list[int]]],
) -> None:
    trees, rows = given_
    levels = prefix_levels(trees, rows)
    for depth, level in enumerate(levels[1:], start=1):
        parted: dict[tuple[int, int], list[int]] = {}
        for place, segment in enumerate(level):
            together = below(levels, depth, place)
            if len(together) > 1:
                assert (len(together) - 1) * len(segment.ids) >= LEAST_SAVING
            else:
                parted.setdefault((segment.parent, segment.ids[0]), []).extend(together)
        for (parent, _), apart in parted.items():
            start = len(spelled(levels, depth - 1, parent))
            shared = common_length([rows[row] for row in apart]) - start
            assert len(apart) == 1 or (len(apart) - 1) * shared < LEAST_SAVING


def test_equal_rows_are_read_once() -> None:
    (level,) = prefix_levels([[0, 1, 2]], [[1, 2, 3]] * 3)
    assert [(segment.ids, segment.rows) for segment in level] == [((1, 2, 3), (0, 1, 2))]


def test_a_row_that_begins_another_ends_above_it() -> None:
    levels = prefix_levels([[0, 1]], [[1, 2], [1, 2, 3]])
    assert [[(segment.parent, segment.ids, segment.rows) for segment in level] for level in levels] == [
        [(-1, (1, 2), (0,))],
        [(0, (3,), (1,))],
    ]


@pytest.mark.parametrize(("shared", "depth"), [(LEAST_SAVING - 1, 2), (LEAST_SAVING, 3)])
def test_a_second_fork_has_to_save_enough(shared: int, depth: int) -> None:
    rows = [[9, *[1] * shared, 2], [9, *[1] * shared, 3], [9, 4]]
    assert len(prefix_levels([[0, 1, 2]], rows)) == depth


@given(st.lists(st.lists(tokens, min_size=1, max_size=5), min_size=1, max_size=5))
def test_the_common_length_is_that_of_the_common_prefix(rows: list[list[int]]) -> None:
    same = itertools.takewhile(lambda column: len(set(column)) == 1, zip(*rows, strict=False))
    assert common_length(rows) == len(list(same))


@given(st.lists(st.integers(1, 200), max_size=12), st.integers(1, 1000))
def test_segments_of_like_length_go_together(lengths: list[int], most_tokens: int) -> None:
    batches = alike_in_length(lengths, most_tokens)
    assert sorted(index for batch in batches for index in batch) == list(range(len(lengths)))
    descending = [lengths[index] for batch in batches for index in batch]
    assert descending == sorted(lengths, reverse=True)
    for batch in batches:
        padded = len(batch) * lengths[batch[0]]
        assert len(batch) == 1 or padded <= bound([lengths[index] for index in batch], most_tokens)
    for batch, after in itertools.pairwise(batches):
        more = [lengths[index] for index in (*batch, after[0])]
        assert len(more) * more[0] > bound(more, most_tokens), "the next one would have fitted in"


def bound(lengths: list[int], most_tokens: int) -> float:
    whole = sum(lengths)
    return min(most_tokens, max(1.25 * whole, whole + LEAST_SAVING))
