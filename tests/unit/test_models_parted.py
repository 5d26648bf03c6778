"""Samples that are read in one pass: joined in order, as far as their images can lie side by side."""

from __future__ import annotations

import itertools

import pytest
import torch
from hypothesis import given
from hypothesis import strategies as st

from pytest_vlmrobust.models.transformers.parted import Parted, passes


@st.composite
def samples(draw: st.DrawFn) -> Parted:
    """A sample of one or two units, whose image is some pixels high."""
    units: list[list[int]] = []
    ids: list[list[int]] = []
    for _ in range(draw(st.integers(1, 2))):
        rows = draw(st.integers(1, 3))
        units.append(list(range(len(ids), len(ids) + rows)))
        ids += [draw(st.lists(st.integers(0, 9), min_size=1, max_size=6)) for _ in range(rows)]
    height = draw(st.sampled_from([2, 2, 2, 3]))
    pixels = torch.full((len(units), height), float(draw(st.integers(0, 9))))
    return Parted(
        ids=ids,
        units=units,
        columns={"kind": [[1] * len(ids[unit[0]]) for unit in units]},
        vision={
            "pixels": pixels,
            "mark": torch.zeros(1, dtype=draw(st.sampled_from([torch.int, torch.long]))),
        },
    )


@given(st.lists(samples(), max_size=6), st.integers(1, 20))
def test_samples_stay_whole_and_in_order(each: list[Parted], most_tokens: int) -> None:
    read = list(passes(each, most_tokens))
    assert [ids for part in read for ids in part.ids] == [ids for sample in each for ids in sample.ids]
    columns = [values for part in read for values in part.columns["kind"]]
    assert columns == [values for sample in each for values in sample.columns["kind"]]
    units = [[list(part.ids[row]) for row in unit] for part in read for unit in part.units]
    assert units == [[list(sample.ids[row]) for row in unit] for sample in each for unit in sample.units]
    pixels = [row.tolist() for part in read for row in part.vision["pixels"]]
    assert pixels == [row.tolist() for sample in each for row in sample.vision["pixels"]]


@given(st.lists(samples(), max_size=6), st.integers(1, 20))
def test_samples_are_joined_exactly_where_they_fit(each: list[Parted], most_tokens: int) -> None:
    read = list(passes(each, most_tokens))
    left = iter(each)
    held = [list(itertools.islice(left, len(part.vision["mark"]))) for part in read]
    for joined in held:
        assert len(joined) == 1 or sum(sample.top_tokens for sample in joined) <= most_tokens
        assert len({shape(sample) for sample in joined}) == 1
    for before, after in itertools.pairwise(held):
        tokens = sum(sample.top_tokens for sample in (*before, after[0]))
        assert tokens > most_tokens or shape(before[0]) != shape(after[0])


def shape(sample: Parted) -> tuple[int, torch.dtype]:
    return sample.vision["pixels"].shape[1], sample.vision["mark"].dtype


@pytest.mark.parametrize("value", [["a"], None, 3, torch.tensor(3)])
def test_what_has_no_rows_is_never_joined(value: object) -> None:
    parts = [Parted(ids=[[place]], units=[[0]], columns={}, vision={"value": value}) for place in range(2)]
    assert list(passes(parts, 100)) == parts
