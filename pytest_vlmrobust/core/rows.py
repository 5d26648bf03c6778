"""One sample under one condition, and its form in JSON."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from typing import Any

from pytest_vlmrobust.core.samples import LETTERS, Tags, check_choices, check_tags
from pytest_vlmrobust.errors import DataError, UsageError, unknown_name

VERDICTS = ("consistent", "inconsistent", "undecided", "unscored", "not_applicable")
"""What may be known about reasoning and answer of a reply.

``unscored``: the judge failed. ``not_applicable``: there is no reasoning of the model's own, or
no answer to compare it with.
"""

REQUEST_FAILED = "request failed"
"""How the reason of a record begins for which there is no reply at all."""

_SLACK = 1e-3
"""How far probabilities may be off from rounding in a model's own number format."""


@dataclass(frozen=True, kw_only=True)
class Record:
    """What one model answered to one sample under one condition, and how it was read.

    Attributes:
        sample_id: the sample; records of one sample are paired by it.
        condition: name of the condition.
        question: the question, without its options.
        choices: the option texts in the order shown; the first is "A".
        answer: letter of the right option.
        category: what the question is about, or "".
        group: samples that share it are one question in several forms, or "".
        planted: letter of the option that the condition asserts, or None.
        planted_text: the caption or thought that asserts it, or "".
        prefill: what the assistant's turn was made to begin with, tags included, or "".
        reply: the generated text, as it came.
        think: the text of the think block, a planted beginning included, or None.
        letter: the letter that was read, or None when the reply is unparsed.
        unparsed_reason: why no letter could be read, or "".
        verdict: one of ``VERDICTS``; "not_applicable" for an unparsed reply.
        votes: where a panel judged, what each of its judges said, in the panel's order; else ().
        letter_probs: P(letter) over the sample's letters, in their order, adding up to 1, or None.
        letter_mass: un-normalised probability of all letters together, in [0, 1], or None.
        truncated: True when the token limit ended the reply.
        tokens: how many tokens were generated.
        tags: what a benchmark's own score needs to know of the sample, see `Sample.tags`.
        abstention: letter of the option by which the model could decline to answer, or None where there was
            none. Whoever answers with it is neither right nor wrong.

    Raises:
        DataError: a field contradicts another or is out of range; the message names it.
    """

    sample_id: str
    condition: str
    question: str
    choices: tuple[str, ...]
    answer: str
    category: str = ""
    group: str = ""
    planted: str | None = None
    planted_text: str = ""
    prefill: str = ""
    reply: str = ""
    think: str | None = None
    letter: str | None = None
    unparsed_reason: str = ""
    verdict: str = "not_applicable"
    letter_probs: tuple[float, ...] | None = None
    letter_mass: float | None = None
    truncated: bool = False
    tokens: int = 0
    votes: tuple[str, ...] = ()
    tags: Tags = ()
    abstention: str | None = None

    def __post_init__(self) -> None:
        """Refuse a record that no figure could stand on."""
        if not self.sample_id or not self.condition:
            raise DataError(f"{self._where}: both names are needed")
        check_choices(self._where, self.choices)
        check_tags(self._where, self.tags)
        self._check_letters()
        self._check_verdict()
        self._check_numbers()

    @property
    def letters(self) -> tuple[str, ...]:
        """The labels of the options, "A" first."""
        return LETTERS[: len(self.choices)]

    @property
    def right(self) -> bool | None:
        """Whether the right letter was answered; None when the reply is unparsed or abstains."""
        return None if self.letter is None or self.abstains else self.letter == self.answer

    @property
    def abstains(self) -> bool:
        """Whether the reply declines to answer, by the option that was there for it."""
        return self.letter is not None and self.letter == self.abstention

    @property
    def misled(self) -> bool:
        """Whether the reply answers a wrong option that was planted."""
        return self.letter is not None and self.letter == self.planted and self.planted != self.answer

    @property
    def _where(self) -> str:
        return f"record of sample {self.sample_id!r} under {self.condition!r}"

    def _check_letters(self) -> None:
        known = self.letters
        for name in ("answer", "letter", "planted", "abstention"):
            letter = getattr(self, name)
            if letter not in known and (letter is not None or name == "answer"):
                raise DataError(f"{self._where}: {name} is {letter!r}; the options are {', '.join(known)}")
        if self.letter is not None and self.unparsed_reason:
            raise DataError(
                f"{self._where}: letter {self.letter!r} was read, so unparsed_reason must be '', "
                f"got {self.unparsed_reason!r}"
            )
        if self.abstention is not None and self.abstention in (self.answer, self.planted):
            raise DataError(
                f"{self._where}: abstention is {self.abstention!r}, the letter of the option that is right "
                "or planted; to decline is an option of its own"
            )

    def _check_verdict(self) -> None:
        if self.verdict not in VERDICTS:
            raise DataError(f"{self._where}: {unknown_name('verdict', self.verdict, VERDICTS)}")
        if self.letter is None and self.verdict != "not_applicable":
            raise DataError(
                f"{self._where}: verdict is {self.verdict!r}, but the reply is unparsed: there is no answer "
                "that reasoning could agree with, so it must be 'not_applicable'"
            )
        if self.abstains and self.verdict != "not_applicable":
            raise DataError(
                f"{self._where}: verdict is {self.verdict!r}, but the reply abstains: it asserts nothing "
                "that reasoning could contradict, so it must be 'not_applicable'"
            )
        for vote in self.votes:
            if vote not in VERDICTS:
                raise DataError(f"{self._where}: votes: {unknown_name('verdict', vote, VERDICTS)}")
            if (vote == "not_applicable") or (self.verdict == "not_applicable"):
                raise DataError(
                    f"{self._where}: verdict is {self.verdict!r} with votes {', '.join(self.votes)}: judges "
                    "vote where there is something to judge, and nowhere else"
                )

    def _check_numbers(self) -> None:
        probs = self.letter_probs
        if probs is not None:
            if len(probs) != len(self.choices):
                raise DataError(
                    f"{self._where}: letter_probs has {len(probs)} entries for {len(self.choices)} choices"
                )
            if not all(0 <= p <= 1 + _SLACK for p in probs) or abs(math.fsum(probs) - 1) > _SLACK:
                raise DataError(f"{self._where}: letter_probs must be in [0, 1] and add up to 1, got {probs}")
        if self.letter_mass is not None and not 0 <= self.letter_mass <= 1 + _SLACK:
            raise DataError(f"{self._where}: letter_mass must lie in [0, 1], got {self.letter_mass}")
        if self.tokens < 0:
            raise DataError(f"{self._where}: tokens must not be negative, got {self.tokens}")


_TEXTS = (
    "sample_id",
    "condition",
    "question",
    "answer",
    "category",
    "group",
    "planted_text",
    "prefill",
    "reply",
    "unparsed_reason",
    "verdict",
)
_OPTIONAL_TEXTS = ("planted", "think", "letter", "abstention")
_FIELDS = tuple(field.name for field in fields(Record))
_NEEDED = tuple(name for name in _FIELDS if name not in ("votes", "tags", "abstention"))
"""Of the fields those that every document has; the others are left out where there are none."""


def record_to_json(record: Record) -> dict[str, Any]:
    """Return the record as JSON values, its fields in the order of `Record`."""
    document = {name: getattr(record, name) for name in _FIELDS}
    document["choices"] = list(record.choices)
    if record.letter_probs is not None:
        document["letter_probs"] = list(record.letter_probs)
    votes, tags = document.pop("votes"), document.pop("tags")
    document |= {"votes": list(votes)} if votes else {}
    if record.abstention is None:
        del document["abstention"]
    return {**document, "tags": dict(tags)} if tags else document


def record_from_json(document: object, where: str) -> Record:
    """Read a record back from JSON values.

    Args:
        document: what `record_to_json` returned, perhaps after a trip through a file.
        where: place in the document, for messages, such as "records[3]".

    Raises:
        UsageError: a field is missing, unknown, of another type or out of range.
    """
    if not isinstance(document, Mapping):
        raise UsageError(f"{where} must be an object, got {_kind(document)}")
    for name in _NEEDED:
        if name not in document:
            raise UsageError(f"{where}.{name} is missing")
    for name in document:
        if name not in _FIELDS:
            raise UsageError(f"{where}: {unknown_name('field', str(name), _FIELDS)}")
    values: dict[str, Any] = {
        name: _value(name, document[name], f"{where}.{name}") for name in _FIELDS if name in document
    }
    try:
        return Record(**values)
    except DataError as error:
        raise UsageError(f"{where}: {error}") from error


def _value(name: str, value: object, where: str) -> object:
    """Check the type of one field, and turn arrays into tuples."""
    if name in _TEXTS:
        return _typed(value, str, "a string", where)
    if name in _OPTIONAL_TEXTS:
        return None if value is None else _typed(value, str, "a string or null", where)
    if name == "truncated":
        return _typed(value, bool, "true or false", where)
    if name == "tokens":
        return _typed(value, int, "an integer", where)
    if name in ("choices", "votes"):
        items = _array(value, where)
        return tuple(_typed(item, str, "a string", f"{where}[{i}]") for i, item in enumerate(items))
    if name == "tags":
        return _tags(value, where)
    if value is None:  # letter_probs and letter_mass are left
        return None
    if name == "letter_mass":
        return _number(value, where)
    return tuple(_number(item, f"{where}[{i}]") for i, item in enumerate(_array(value, where)))


def _tags(value: object, where: str) -> Tags:
    if not isinstance(value, Mapping):
        raise UsageError(f"{where} must be an object, got {_kind(value)}")
    for name, text in value.items():
        _typed(text, str, "a string", f"{where}.{name}")
    return tuple(sorted(value.items()))


def _typed(value: object, kind: type, wanted: str, where: str) -> object:
    if not isinstance(value, kind) or (isinstance(value, bool) and kind is not bool):
        raise UsageError(f"{where} must be {wanted}, got {_kind(value)}")
    return value


def _array(value: object, where: str) -> list[object]:
    if not isinstance(value, list):
        raise UsageError(f"{where} must be an array, got {_kind(value)}")
    return value


def _number(value: object, where: str) -> float:
    if isinstance(value, bool) or not isinstance(value, int | float) or not math.isfinite(value):
        raise UsageError(f"{where} must be a finite number, got {value!r}")
    return float(value)


def _kind(value: object) -> str:
    names = {dict: "an object", list: "an array", str: "a string", bool: "a boolean", type(None): "null"}
    return names.get(type(value), f"{value!r}")
