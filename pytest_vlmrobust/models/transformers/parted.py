"""Prompts of one or several samples whose images are given once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import torch


@dataclass(frozen=True, kw_only=True)
class Parted:
    """Rows whose images are given once.

    Attributes:
        ids: the tokens of each row.
        units: rows that show the same images; they are alike up to the last image's end.
        columns: what a model takes for each token beside the token itself: name to one list for each unit,
            that of its first row.
        vision: what a model takes for the images, of one unit after the other, on its device.
    """

    ids: Sequence[Sequence[int]]
    units: Sequence[Sequence[int]]
    columns: Mapping[str, Sequence[Sequence[int]]]
    vision: Mapping[str, Any]

    @property
    def top_tokens(self) -> int:
        """How many tokens the first rows of the units have, which bounds those that their rows share."""
        return sum(len(self.ids[unit[0]]) for unit in self.units)


def passes(samples: Sequence[Parted], most_tokens: int) -> Iterator[Parted]:
    """Put samples together that can be read in one pass of the model.

    Args:
        samples: each encoded by itself.
        most_tokens: of a pass; a sample that has more is read alone.

    Yields:
        The samples in order. Only those are joined whose images have the same shape.
    """
    together: list[Parted] = []
    for sample in samples:
        tokens = sum(each.top_tokens for each in together) + sample.top_tokens
        if together and (tokens > most_tokens or _shapes(sample) != _shapes(together[0])):
            yield _joined(together)
            together = []
        together.append(sample)
    if together:
        yield _joined(together)


def _shapes(sample: Parted) -> dict[str, object]:
    """What has to be equal for two samples' images to be laid one behind the other; some never can be."""
    return {
        name: (value.shape[1:], value.dtype) if isinstance(value, torch.Tensor) and value.dim() else object()
        for name, value in sample.vision.items()
    }


def _joined(samples: Sequence[Parted]) -> Parted:
    if len(samples) == 1:
        return samples[0]
    units: list[list[int]] = []
    start = 0
    for sample in samples:
        units += [[start + row for row in unit] for unit in sample.units]
        start += len(sample.ids)
    first = samples[0]
    return Parted(
        ids=[ids for sample in samples for ids in sample.ids],
        units=units,
        columns={name: [value for each in samples for value in each.columns[name]] for name in first.columns},
        vision={name: torch.cat([each.vision[name] for each in samples]) for name in first.vision},
    )
