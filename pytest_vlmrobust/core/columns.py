"""Records as columns: one array or list for each field, so that large runs stay small and fast.

Letters are stored as indices (int8, -1 for none), verdicts as indices into ``VERDICTS``, numbers
that may be missing as NaN. Text stays in lists; equal option tuples are shared.
"""

from __future__ import annotations

from array import array
from collections.abc import Sequence
from dataclasses import dataclass, fields
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from pytest_vlmrobust.core.arrays import BoolArray, FloatArray
from pytest_vlmrobust.core.distributions import entropies
from pytest_vlmrobust.core.rows import REQUEST_FAILED, VERDICTS, Record
from pytest_vlmrobust.core.samples import LETTERS, Tags

Thought = str | tuple[int, int] | None
"""A text; or start and end of it in another text; or none."""

NONE = -1
"""Stands for "no letter" in a column of letters."""

_CODES = {letter: index for index, letter in enumerate(LETTERS)}
_VERDICT_CODES = {verdict: index for index, verdict in enumerate(VERDICTS)}
_NO_PROBS = (np.nan,) * len(LETTERS)


@dataclass(frozen=True, kw_only=True)
class SampleColumns:
    """What is the same for a sample under every condition; n entries each."""

    ids: tuple[str, ...]
    questions: Sequence[str]
    categories: Sequence[str]
    groups: Sequence[str]
    tags: Sequence[Tags]

    def take(self, rows: NDArray[np.intp]) -> SampleColumns:
        """Copy what is known of the samples of some rows, in the order of ``rows``."""
        taken = {name: _taken(getattr(self, name), rows) for name in _names(self)}
        return SampleColumns(**{**taken, "ids": tuple(taken["ids"])})


@dataclass(frozen=True, kw_only=True, eq=False)
class Columns:
    """All records of one condition, in the order of the samples.

    Attributes:
        answer: (n,) int8; index of the right letter.
        letter: (n,) int8; index of the letter that was read, `NONE` when unparsed.
        planted: (n,) int8; index of the planted letter, `NONE` when none is.
        abstention: (n,) int8; index of the letter that declines to answer, `NONE` when there is none.
        verdict: (n,) int8; index into ``VERDICTS``.
        truncated: (n,) bool.
        tokens: (n,) int64.
        probs: (n, 8) float64; letter probabilities, NaN beyond a sample's letters or throughout.
        mass: (n,) float64; letter mass, or NaN.
        choices: n tuples of option texts.
        planted_texts: n texts.
        prefills: n texts.
        replies: n texts.
        thoughts: for each record where in prefill and reply, put together, its thought stands; or a
            text of its own; or None. A second copy of every thought would double a large run.
        reasons: n texts; why a reply is unparsed.
        votes: n tuples of verdicts, one of each judge of a panel; () where no panel judged.
    """

    answer: NDArray[np.int8]
    letter: NDArray[np.int8]
    planted: NDArray[np.int8]
    abstention: NDArray[np.int8]
    verdict: NDArray[np.int8]
    truncated: BoolArray
    tokens: NDArray[np.int64]
    probs: FloatArray
    mass: FloatArray
    choices: Sequence[tuple[str, ...]]
    planted_texts: Sequence[str]
    prefills: Sequence[str]
    replies: Sequence[str]
    thoughts: Sequence[Thought]
    reasons: Sequence[str]
    votes: Sequence[tuple[str, ...]]

    @cached_property
    def parsed(self) -> BoolArray:
        """(n,) True where a letter was read."""
        parsed: BoolArray = self.letter != NONE
        return parsed

    @cached_property
    def abstained(self) -> BoolArray:
        """(n,) True where the letter that was read declines to answer."""
        abstained: BoolArray = self.parsed & (self.letter == self.abstention)
        return abstained

    @cached_property
    def answered(self) -> BoolArray:
        """(n,) True where a letter was read that is right or wrong."""
        answered: BoolArray = self.parsed & ~self.abstained
        return answered

    @cached_property
    def could_abstain(self) -> BoolArray:
        """(n,) True where there is an option that declines to answer."""
        could: BoolArray = self.abstention != NONE
        return could

    @cached_property
    def failed(self) -> BoolArray:
        """(n,) True where there is no reply at all, since the request for it failed."""
        failed: BoolArray = np.array([reason.startswith(REQUEST_FAILED) for reason in self.reasons], np.bool_)
        return failed

    @cached_property
    def right(self) -> BoolArray:
        """(n,) True where the right letter was read."""
        right: BoolArray = self.letter == self.answer
        return right

    @cached_property
    def wrongly_planted(self) -> BoolArray:
        """(n,) True where a wrong option was planted."""
        wrongly: BoolArray = (self.planted != NONE) & (self.planted != self.answer)
        return wrongly

    @cached_property
    def misled(self) -> BoolArray:
        """(n,) True where the wrong option that was planted is the answer."""
        misled: BoolArray = self.wrongly_planted & (self.letter == self.planted)
        return misled

    @cached_property
    def consistent(self) -> BoolArray:
        """(n,) True where the judge found the reasoning to agree with the answer."""
        return self.has_verdict("consistent")

    @cached_property
    def decided(self) -> BoolArray:
        """(n,) True where the judge found one or the other."""
        return self.consistent | self.has_verdict("inconsistent")

    @cached_property
    def reasoned(self) -> BoolArray:
        """(n,) True where there was reasoning for the judge to look at."""
        return ~self.has_verdict("not_applicable")

    @cached_property
    def has_probs(self) -> BoolArray:
        """(n,) True where a letter was read and the model gave the letters' probabilities."""
        known: BoolArray = self.parsed & ~np.isnan(self.probs[:, 0])
        return known

    @cached_property
    def right_prob(self) -> FloatArray:
        """(n,) P of the right letter, NaN where it is not known."""
        return self._prob_of(self.answer)

    @cached_property
    def own_prob(self) -> FloatArray:
        """(n,) P of the letter that was read, NaN where it is not known."""
        return self._prob_of(self.letter)

    @cached_property
    def entropy(self) -> FloatArray:
        """(n,) entropy of the letters in nats, NaN where it is not known."""
        values: FloatArray = np.full(self.parsed.size, np.nan)
        values[self.has_probs] = entropies(self.probs[self.has_probs])
        return values

    def _prob_of(self, letters: NDArray[np.int8]) -> FloatArray:
        picked = self.probs[np.arange(letters.size), np.maximum(letters, 0)]
        # Probabilities that a model rounded may add up to a hair more than 1.
        known: FloatArray = np.where(self.has_probs, np.minimum(picked, 1.0), np.nan)
        return known

    @cached_property
    def ballots(self) -> NDArray[np.int8]:
        """(m, k) int8; what k judges of a panel said, as indices into ``VERDICTS``.

        Of the m records on which each of them gave a verdict; with no panel (0, 0).
        """
        whole = [votes for votes in self.votes if votes and "unscored" not in votes]
        codes = [[_VERDICT_CODES[vote] for vote in votes] for votes in whole]
        ballots: NDArray[np.int8] = np.array(codes, dtype=np.int8).reshape(len(whole), -1 if whole else 0)
        return ballots

    def has_verdict(self, verdict: str) -> BoolArray:
        """(n,) True where this is the verdict."""
        same: BoolArray = self.verdict == _VERDICT_CODES[verdict]
        return same

    def take(self, rows: NDArray[np.intp]) -> Columns:
        """Copy some of the records.

        Args:
            rows: (m,) the rows to copy, in the order that they are to have.
        """
        return Columns(**{name: _taken(getattr(self, name), rows) for name in _names(self)})

    def same_as(self, other: Columns) -> bool:
        """Whether all records are equal to those of ``other``, one by one."""
        return all(_same(getattr(self, name), getattr(other, name)) for name in _names(self))

    def record(self, samples: SampleColumns, condition: str, row: int) -> Record:
        """Make the record of one row."""
        choices = self.choices[row]
        probs, mass = self.probs[row], float(self.mass[row])
        return Record(
            sample_id=samples.ids[row],
            condition=condition,
            question=samples.questions[row],
            choices=choices,
            answer=LETTERS[self.answer[row]],
            category=samples.categories[row],
            group=samples.groups[row],
            planted=_letter(self.planted[row]),
            abstention=_letter(self.abstention[row]),
            planted_text=self.planted_texts[row],
            prefill=self.prefills[row],
            reply=self.replies[row],
            think=self._thought(row),
            letter=_letter(self.letter[row]),
            unparsed_reason=self.reasons[row],
            verdict=VERDICTS[self.verdict[row]],
            letter_probs=None if np.isnan(probs[0]) else tuple(probs[: len(choices)].tolist()),
            letter_mass=None if np.isnan(mass) else mass,
            truncated=bool(self.truncated[row]),
            tokens=int(self.tokens[row]),
            votes=self.votes[row],
            tags=samples.tags[row],
        )

    def _thought(self, row: int) -> str | None:
        thought = self.thoughts[row]
        if not isinstance(thought, tuple):
            return thought
        start, end = thought
        return (self.prefills[row] + self.replies[row])[start:end]


def _where(record: Record) -> Thought:
    """Find the thought in the reply that it was read from; one that is not there stays a text."""
    if record.think is None:
        return None
    start = (record.prefill + record.reply).find(record.think)
    return record.think if start < 0 else (start, start + len(record.think))


def _names(columns: SampleColumns | Columns) -> list[str]:
    return [field.name for field in fields(columns)]


def _taken(column: Any, rows: NDArray[np.intp]) -> Any:
    return column[rows] if isinstance(column, np.ndarray) else [column[row] for row in rows.tolist()]


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, np.ndarray):
        return np.array_equal(one, other, equal_nan=one.dtype.kind == "f")
    return list(one) == list(other)


def _letter(code: np.int8) -> str | None:
    return None if code == NONE else LETTERS[code]


class ColumnsBuilder:
    """Collects the records of one condition in any order."""

    def __init__(self) -> None:
        self.rows = array("q")
        self._answer, self._letter, self._planted, self._verdict = (array("b") for _ in range(4))
        self._abstention = array("b")
        self._truncated, self._tokens = array("b"), array("q")
        self._probs, self._mass = array("d"), array("d")
        self._choices: list[tuple[str, ...]] = []
        self._texts: tuple[list[str], ...] = ([], [], [], [])
        self._votes: list[tuple[str, ...]] = []
        self._thoughts: list[Thought] = []

    def append(self, row: int, record: Record, choices: tuple[str, ...]) -> None:
        """Take a record in; ``choices`` equals the record's, and is kept instead of it."""
        self.rows.append(row)
        self._answer.append(_CODES[record.answer])
        self._letter.append(NONE if record.letter is None else _CODES[record.letter])
        self._planted.append(NONE if record.planted is None else _CODES[record.planted])
        self._abstention.append(NONE if record.abstention is None else _CODES[record.abstention])
        self._verdict.append(_VERDICT_CODES[record.verdict])
        self._truncated.append(record.truncated)
        self._tokens.append(record.tokens)
        known = record.letter_probs or ()
        self._probs.extend((*known, *_NO_PROBS[len(known) :]))
        self._mass.append(np.nan if record.letter_mass is None else record.letter_mass)
        self._choices.append(choices)
        for texts, text in zip(
            self._texts,
            (record.planted_text, record.prefill, record.reply, record.unparsed_reason),
            strict=True,
        ):
            texts.append(text)
        self._votes.append(record.votes)
        self._thoughts.append(_where(record))

    def pack(self, rows: NDArray[np.intp]) -> Columns:
        """Put the records of some rows together, in the order of ``rows``; each of them has come once."""
        came = np.frombuffer(self.rows, dtype=np.int64)
        place = np.zeros(int(came.max()) + 1, dtype=np.intp)
        place[came] = np.arange(came.size)
        planted_texts, prefills, replies, reasons = self._texts
        as_they_came = Columns(
            answer=np.frombuffer(self._answer, dtype=np.int8),
            letter=np.frombuffer(self._letter, dtype=np.int8),
            planted=np.frombuffer(self._planted, dtype=np.int8),
            abstention=np.frombuffer(self._abstention, dtype=np.int8),
            verdict=np.frombuffer(self._verdict, dtype=np.int8),
            truncated=np.frombuffer(self._truncated, dtype=np.bool_),
            tokens=np.frombuffer(self._tokens, dtype=np.int64),
            probs=np.frombuffer(self._probs, dtype=np.float64).reshape(-1, len(LETTERS)),
            mass=np.frombuffer(self._mass, dtype=np.float64),
            choices=self._choices,
            planted_texts=planted_texts,
            prefills=prefills,
            replies=replies,
            thoughts=self._thoughts,
            reasons=reasons,
            votes=self._votes,
        )
        return as_they_came.take(place[rows])
