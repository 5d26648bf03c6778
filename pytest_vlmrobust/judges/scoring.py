"""Has one judge give verdicts, recalls those that it gave before, and turns none of its failures into one."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import TYPE_CHECKING

from pytest_vlmrobust.errors import UsageError, VlmRobustError, gist
from pytest_vlmrobust.judges.base import (
    Consistency,
    Judge,
    JudgeCase,
    Verdict,
    declared_version,
    storable,
)
from pytest_vlmrobust.stored import unreadable

if TYPE_CHECKING:
    from pytest_vlmrobust.store import Store

Given = Sequence[tuple[int, Verdict]]
"""Verdicts with the indices of their cases."""


class Scoring:
    """The verdicts of one judge.

    Attributes:
        judge: the judge.
        first_failure: why the first case without a verdict has none, as far as the judge says; or "".
    """

    def __init__(self, judge: Judge, store: Store | None = None) -> None:
        """Take the judge, and where its verdicts are looked up and kept, if they can be."""
        self.judge = judge
        self.first_failure = ""
        self._raised = ""
        self._version = declared_version(judge)
        self._storable = storable(judge)
        self._store = store if self.keeps else None

    @property
    def keeps(self) -> bool:
        """Whether the judge says what its verdicts follow from, so that they can be kept."""
        return self._storable is not None or self._version is not None

    def verdicts(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        """Return a verdict, or None, for each case.

        Raises:
            UsageError: the judge did not give one verdict for each case.
            ModelError: the judge is a language model that cannot be loaded.
            StoreError: the store is damaged.
            VlmRobustError: the judge itself raised it, to tell the user something; any other exception of it
                leaves cases without a verdict.
        """
        verdicts = self._made(cases) if self._store is None else self._recalled(cases, self._store)
        if None in verdicts and not self.first_failure:
            self.first_failure = self._raised or str(getattr(self.judge, "first_failure", ""))
        return verdicts

    def _recalled(self, cases: Sequence[JudgeCase], store: Store) -> list[Verdict]:
        """Look verdicts up, have each missing one given once, and keep those that come together at once."""
        keys = [self._key(case) for case in cases]
        found = store.read(keys)
        known: dict[str, Verdict] = {key: _read(store, text) for key, text in found.items()}
        missing = {key: case for key, case in zip(keys, cases, strict=True) if key not in known}
        asked = list(missing)
        for batch in self._batches(list(missing.values())):
            given = {asked[index]: verdict for index, verdict in batch}
            store.write("verdict", {key: value.value for key, value in given.items() if value is not None})
            known |= given
        return [known[key] for key in keys]

    def _key(self, case: JudgeCase) -> str:
        if self._storable is not None:
            return self._storable.verdict_key(case)
        from pytest_vlmrobust.keys import content_key, source_digest

        fixed = source_digest(), self.judge.name, self._version or ""
        return content_key(
            "verdict", *fixed, case.question, case.choices, case.think, case.letter, case.prefill
        )

    def _made(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        verdicts: dict[int, Verdict] = {}
        for batch in self._batches(cases):
            verdicts |= dict(batch)
        return [verdicts[index] for index in range(len(cases))]

    def _batches(self, cases: Sequence[JudgeCase]) -> Iterator[Given]:
        """Have cases judged; each of them comes once, whatever the judge does."""
        waiting = set(range(len(cases)))
        for batch in self._given(cases):
            indices = [index for index, _ in batch]
            if len(set(indices)) != len(indices) or not waiting.issuperset(indices):
                raise UsageError(
                    f"judge {self.judge.name!r} gave verdicts on the cases {indices} of {len(cases)}, some "
                    "of them unknown or a second time: it has to give one for each"
                )
            waiting.difference_update(indices)
            checked = _checked([verdict for _, verdict in batch], len(batch), self.judge.name)
            yield list(zip(indices, checked, strict=True))
        if waiting:
            raise UsageError(
                f"judge {self.judge.name!r} gave no verdict on {len(waiting)} of {len(cases)} cases: it has "
                "to give one for each"
            )

    def _given(self, cases: Sequence[JudgeCase]) -> Iterator[Given]:
        if not cases:
            return
        if self._storable is None:
            yield list(enumerate(self._judged(cases)))
            return
        left = dict.fromkeys(range(len(cases)))
        try:
            for batch in self._storable.judge_batches(cases):
                for index, _ in batch:
                    left.pop(index, None)
                yield batch
        except VlmRobustError:  # meant for the user: no failure on these cases alone
            raise
        except Exception as error:  # a judge may fail in any way; it is counted, not guessed around
            self._raised = self._raised or gist(error)
            yield [(index, None) for index in left]

    def _judged(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        """Judge all cases together; where that fails, one by one, so that one cannot spoil the others."""
        try:
            given = self.judge.judge(cases)
        except VlmRobustError:  # meant for the user: no failure on these cases alone
            raise
        except Exception as error:
            if len(cases) > 1:
                return [verdict for case in cases for verdict in self._judged([case])]
            self._raised = self._raised or f"{type(error).__name__}: {error}"
            return [None]
        return _checked(given, len(cases), self.judge.name)


def _read(store: Store, text: str) -> Consistency:
    try:
        return Consistency(text)
    except ValueError as error:
        raise unreadable(store, "verdict", error) from error


def _checked(given: object, wanted: int, judge: str) -> list[Verdict]:
    if not isinstance(given, Sequence) or len(given) != wanted:
        got = f"{len(given)} verdicts" if isinstance(given, Sequence) else type(given).__name__
        raise UsageError(f"judge {judge!r} returned {got} for {wanted} cases: it has to return one for each")
    for verdict in given:
        if verdict is not None and not isinstance(verdict, Consistency):
            raise UsageError(
                f"judge {judge!r} returned {verdict!r} as a verdict: allowed are "
                f"{', '.join(f'Consistency.{known.name}' for known in Consistency)} and None"
            )
    return list(given)
