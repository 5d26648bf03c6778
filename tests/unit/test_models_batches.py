from __future__ import annotations

from collections import deque

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.models.batches import expand_like, group_by_sample, take_batch
from pytest_vlmrobust.models.prefix_tree import common_length

IMAGE = 99
ids = st.lists(st.integers(0, 3), max_size=5)


def prompt(sample: str) -> Prompt:
    return Prompt(sample_id=sample, condition="base", images=(), question="?", choices=("a", "b"))


@given(samples=st.lists(st.sampled_from("xyz"), min_size=1), rows=st.integers(1, 8))
def test_every_prompt_is_run_once_and_no_batch_is_too_large(samples: list[str], rows: int) -> None:
    queue = group_by_sample([prompt(sample) for sample in samples])
    batches = []
    while queue:
        batches.append([index for group in take_batch(queue, rows) for index in group])
    assert sorted(index for batch in batches for index in batch) == list(range(len(samples)))
    assert all(1 <= len(batch) <= rows for batch in batches)


@given(sizes=st.lists(st.integers(1, 4), min_size=1), rows=st.integers(4, 9))
def test_a_sample_that_fits_is_never_cut(sizes: list[int], rows: int) -> None:
    queue = deque([number] * size for number, size in enumerate(sizes))
    while queue:
        for group in take_batch(queue, rows):
            assert len(group) == sizes[group[0]]


def expanded(tokens: list[int], lengths: list[int]) -> list[int]:
    left = iter(lengths)
    return [token for each in tokens for token in ([IMAGE] * next(left) if each == IMAGE else [each])]


@given(
    head=ids,
    between=ids,
    mine=ids.filter(bool),
    other=ids.filter(bool),
    lengths=st.lists(st.integers(2, 6), min_size=2, max_size=2),
)
def test_rows_with_the_same_beginning_expand_alike(
    head: list[int], between: list[int], mine: list[int], other: list[int], lengths: list[int]
) -> None:
    start = [*head, IMAGE, *between, IMAGE]
    found = expand_like([*start, *mine], expanded([*start, *mine], lengths), [*start, *other])
    assert found is not None
    assert found[0] == expanded([*start, *other], lengths)
    assert found[1] == common_length([found[0], expanded([*start, *mine], lengths)])


def test_rows_that_differ_before_the_image_do_not_tell_about_each_other() -> None:
    assert expand_like([1, IMAGE, 2], [1, IMAGE, IMAGE, 2], [7, IMAGE, 2]) is None


@pytest.mark.parametrize("wrapped", [[8, IMAGE, 7], [8, IMAGE, 9, IMAGE, 7]])
def test_an_expansion_may_bring_tokens_of_its_own(wrapped: list[int]) -> None:
    found = expand_like([1, IMAGE, 2], [1, *wrapped, 2], [1, IMAGE, 3, 4])
    assert found == ([1, *wrapped, 3, 4], 1 + len(wrapped))
