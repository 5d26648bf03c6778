"""One multiple-choice question about one or more images."""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Protocol, runtime_checkable

from pytest_vlmrobust.errors import DataError

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

Tags = tuple[tuple[str, str], ...]
"""Names and values, in the order of the names, each name once."""

LETTERS = ("A", "B", "C", "D", "E", "F", "G", "H")
"""The labels of the options, in order; a sample has 2 to 8 of them."""

GROUP_SIZE = "group_size"
"""The tag of a sample in a group that says how many rows of the benchmark belong to it, also those that
could not be read, but not those that are not asked at all."""

_HALF = re.compile("[\ud800-\udfff]")
"""Half of a surrogate pair: a JSON escape can hold one, and nothing can encode it."""


@runtime_checkable
class ImageSource(Protocol):
    """An image that is opened when it is needed, and never before."""

    def load(self) -> PILImage:
        """Open and decode the image as RGB.

        Raises:
            DataError: the image is missing, broken or too large.
        """
        ...

    def digest(self) -> str:
        """Hex digest of what determines the pixels; equal digests mean equal images."""
        ...


@dataclass(frozen=True, kw_only=True)
class Sample:
    """A question with lettered options about an image, and the option that is right.

    Attributes:
        id: unique within its data set; figures are paired by it.
        images: one or more images.
        question: the question without its options.
        choices: 2 to 8 option texts; the first is "A".
        answer: index of the right option in ``choices``.
        category: what the question is about ("count"), or "".
        group: samples that share it are one question in several forms (a flip, a roll), or "".
        statements: for each option the sentence that asserts it, or None when only
            the generic wording is at hand.
        tags: what a benchmark's own score needs to know beside category and group, such as
            ``(("source", "COCO"),)``; see `make_tags`.

    Raises:
        DataError: the options are fewer than 2, more than 8, empty or not distinct, the answer
            is none of them, there is no image, the statements do not match the options, a tag is
            named twice, or a text is no string or holds half of a surrogate pair.
    """

    id: str
    images: tuple[ImageSource, ...]
    question: str
    choices: tuple[str, ...]
    answer: int
    category: str = ""
    group: str = ""
    statements: tuple[str, ...] | None = None
    tags: Tags = ()

    def __post_init__(self) -> None:
        """Refuse a sample that no metric could be computed on."""
        if not self.id:
            raise DataError("sample id is empty: give every sample an id of its own")
        where = f"sample {self.id!r}"
        self._check_texts(where)
        if not self.images:
            raise DataError(f"{where}: images is empty; at least one image is needed")
        if not self.question.strip():
            raise DataError(f"{where}: question is empty")
        check_choices(where, self.choices)
        check_tags(where, self.tags)
        if not 0 <= self.answer < len(self.choices):
            raise DataError(
                f"{where}: answer is option {self.answer}, but the {len(self.choices)} options are "
                f"numbered 0 to {len(self.choices) - 1}"
            )
        if self.statements is not None and len(self.statements) != len(self.choices):
            raise DataError(
                f"{where}: statements has {len(self.statements)} entries for {len(self.choices)} choices; "
                "give one sentence for each choice, in the same order"
            )
        if self.statements is not None and len(set(self.statements)) < len(self.statements):
            raise DataError(
                f"{where}: statements {list(self.statements)!r} are not distinct; a wrong option could then "
                "not be told from the right one"
            )

    def _check_texts(self, where: str) -> None:
        """Refuse what no tokenizer, digest or report could encode."""
        texts = [(name, getattr(self, name)) for name in ("id", "question", "category", "group")]
        texts += [(f"choice {letter}", text) for letter, text in zip(LETTERS, self.choices, strict=False)]
        texts += [(f"statement {place}", text) for place, text in enumerate(self.statements or (), start=1)]
        for name, text in texts:
            if not isinstance(text, str):
                raise DataError(f"{where}: {name} must be a string, got {type(text).__name__}: {text!r:.80}")
            half = _HALF.search(text)
            if half is not None:
                raise DataError(
                    f"{where}: {name} holds {half[0]!r} at character {half.start() + 1}: half of a surrogate "
                    "pair, which stands for no character; write both halves, or the character itself"
                )

    @property
    def letters(self) -> tuple[str, ...]:
        """The labels in use, "A" first."""
        return LETTERS[: len(self.choices)]

    @property
    def answer_letter(self) -> str:
        """The label of the right option."""
        return LETTERS[self.answer]


def make_tags(tags: Mapping[str, str]) -> Tags:
    """Bring tags into the form of `Sample.tags`, leaving those out whose value is "".

    >>> make_tags({"type": "2D", "source": "COCO", "note": ""})
    (('source', 'COCO'), ('type', '2D'))
    """
    return tuple(sorted((name, value) for name, value in tags.items() if value != ""))


def check_tags(where: str, tags: object) -> None:
    """Refuse tags that are no pairs of texts, or of which two have one name.

    Raises:
        DataError: they are anything but what `make_tags` gives.
    """
    wanted = "tags are pairs of texts in the order of their names, each name once; use make_tags({...})"
    pairs = tags if isinstance(tags, tuple) else (tags,)
    for pair in pairs:
        match pair:
            case (str(name), str(value)) if name and value:
                if _HALF.search(name + value) is None:
                    continue
        raise DataError(f"{where}: {pair!r:.80} is no tag: {wanted}")
    names = [name for name, _ in pairs]
    if names != sorted(set(names)):
        raise DataError(f"{where}: the tags are named {', '.join(names)}: {wanted}")


def check_choices(where: str, choices: Sequence[str]) -> None:
    """Refuse options that cannot be told apart or lettered.

    Raises:
        DataError: fewer than 2 or more than 8 options, an empty one, or two that are equal.
    """
    if not 2 <= len(choices) <= len(LETTERS):
        raise DataError(f"{where}: choices has {len(choices)} entries; 2 to {len(LETTERS)} are allowed")
    for index, choice in enumerate(choices):
        if not choice.strip():
            raise DataError(f"{where}: choice {LETTERS[index]} is empty")
    if len({choice.strip().casefold() for choice in choices}) < len(choices):
        raise DataError(f"{where}: choices {list(choices)!r} are not distinct")


def check_ids(samples: Iterable[Sample]) -> None:
    """Refuse samples that share an id: their answers could not be paired.

    Raises:
        DataError: two samples have one id; the message names it.
    """
    seen: set[str] = set()
    for sample in samples:
        if sample.id in seen:
            raise DataError(
                f"duplicate sample id {sample.id!r}: figures are paired by id, so each needs its own"
            )
        seen.add(sample.id)


def samples_digest(samples: Iterable[Sample]) -> str:
    """Hex digest of everything in the samples that a figure can depend on, in order."""
    digest = hashlib.blake2b(digest_size=16)
    for sample in samples:
        parts = (
            sample.id,
            *(image.digest() for image in sample.images),
            sample.question,
            *sample.choices,
            str(sample.answer),
            *(sample.statements or ()),
            *(part for tag in sample.tags for part in tag),
            # Where there are tags there is a score that counts by them, by category and by group.
            *((sample.category, sample.group) if sample.tags else ()),
        )
        for part in parts:
            digest.update(part.encode())
            digest.update(b"\x1f")
        digest.update(b"\x1e")
    return digest.hexdigest()
