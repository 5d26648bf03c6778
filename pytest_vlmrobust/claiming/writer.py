"""A language model that writes claims, and is believed only where they hold what a claim must.

Each claim is asked for by itself, greedily, and kept in the store under what it follows from: the model,
how it is asked, and the exact words. A reply that is refused is asked for once more, with the reason; then
the rules word the claim.
"""

from __future__ import annotations

import functools
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import TYPE_CHECKING, Any

from pytest_vlmrobust.claiming.checks import fault_of
from pytest_vlmrobust.claiming.requests import WRITER_VERSION, asked_again, request_for
from pytest_vlmrobust.conditions.claims import GIVEN, sample_claim
from pytest_vlmrobust.core.excerpts import shorten
from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.keys import content_key
from pytest_vlmrobust.stored import unreadable

if TYPE_CHECKING:
    from pytest_vlmrobust.judges.questions import JudgePrompt
    from pytest_vlmrobust.judges.texts import Said, TextModel
    from pytest_vlmrobust.store import Store

WRITTEN = "written"
"""Where claims come from that a language model wrote, as reports count them."""

MAX_TOKENS = 128
"""The most tokens of a claim, where the model does not think first."""

_THOUGHT = re.compile(r"\A.*</think(?:ing)?>", re.DOTALL | re.IGNORECASE)
_SHOWN = 120


Report = Callable[[int, int, int], None]


def _silent(_done: int, _total: int, _stored: int) -> None:
    """Report no progress."""


@dataclass(frozen=True, kw_only=True)
class Written:
    """Samples with claims that were written.

    Attributes:
        samples: the samples, in order, each with statements.
        sources: by sample id, where each of its claims came from: "written", "given", or a rule.
        facts: for the provenance: the writer's ``name``, how many claims it ``written`` and how many of its
            replies were ``refused``, or ``failed`` to come; the ``first`` reason, or "".
    """

    samples: tuple[Sample, ...]
    sources: Mapping[str, tuple[str, ...]]
    facts: Mapping[str, Any]


@dataclass(frozen=True)
class _Task:
    """One claim that is to be written."""

    sample: Sample
    index: int

    @property
    def option(self) -> str:
        return self.sample.choices[self.index]


@dataclass(kw_only=True)
class ClaimWriter:
    """Has a language model write the claims of samples.

    Attributes:
        model: the language model.
        store: where claims are looked up and kept, or None.
    """

    model: TextModel
    store: Store | None = None
    _refused: int = 0
    _failed: int = 0
    _first: str = ""
    _known: dict[str, str] = field(default_factory=dict)
    _report: Report = _silent
    _progress: list[int] = field(default_factory=lambda: [0, 0, 0])

    def write(self, samples: Iterable[Sample], report: Report | None = None) -> Written:
        """Have the claims of all options written; samples that bring statements keep them.

        Args:
            samples: the samples.
            report: called with (claims so far, claims in all, claims so far that were stored).

        Raises:
            ModelError: the model cannot be loaded or cannot go on, or none of its replies is a claim.
            StoreError: the store is damaged.
        """
        self._refused = self._failed = 0
        self._first = ""
        self._report = report or _silent
        chosen = tuple(samples)
        tasks = [
            _Task(sample, index)
            for sample in chosen
            if sample.statements is None
            for index in range(len(sample.choices))
        ]
        texts = self._texts(tasks)
        done, sources = [], {}
        for sample in chosen:
            own = _own(sample, texts)
            finished, told = _with_statements(sample, own)
            if sample.statements is None and WRITTEN not in told:
                self._note_clash(own)
            done.append(finished)
            sources[sample.id] = told
        written = sum(told.count(WRITTEN) for told in sources.values())
        if tasks and not written:
            raise ModelError(
                f"claim writer {self.model.name!r} wrote none of {len(tasks)} claims ({self._first}): "
                "use another model, or none, and the rules word them"
            )
        facts = {
            "name": self.model.name,
            "details": dict(self.model.details),
            "written": written,
            "refused": self._refused,
            "failed": self._failed,
            "first": self._first,
        }
        return Written(samples=tuple(done), sources=sources, facts=facts)

    def close(self) -> None:
        """Free what the model holds."""
        self.model.close()

    def _texts(self, tasks: Sequence[_Task]) -> dict[tuple[str, int], str]:
        """Look claims up, and have those written that are missing; what cannot be written is left out."""
        found: dict[tuple[str, int], str] = {}
        missing: list[tuple[_Task, str]] = []
        keys = [self._key(task) for task in tasks]
        known = self._recalled(keys)
        for task, key in zip(tasks, keys, strict=True):
            if key in known:
                found[task.sample.id, task.index] = known[key]
            else:
                missing.append((task, key))
        self._progress = [len(found), len(keys), len(found)]
        self._report(*self._progress)
        if missing:
            found = self._asked(missing, found)
        return found

    def _recalled(self, keys: Sequence[str]) -> dict[str, str]:
        if self.store is None:
            return {key: self._known[key] for key in keys if key in self._known}
        known = {}
        for key, text in self.store.read(keys).items():
            try:
                known[key] = str(json.loads(text)["claim"])
            except (ValueError, KeyError, TypeError) as error:
                raise unreadable(self.store, "claim", error) from error
        return known

    def _asked(
        self, missing: Sequence[tuple[_Task, str]], known: Mapping[tuple[str, int], str]
    ) -> dict[tuple[str, int], str]:
        """Ask for claims, and once more for those that are refused; keep what is of use."""
        found = dict(known)
        keys = {(task.sample.id, task.index): key for task, key in missing}
        again: list[tuple[_Task, JudgePrompt]] = []
        prompts = [request_for(task.sample, task.index) for task, _ in missing]
        for batch in self._complete(prompts):
            new: list[_Task] = []
            for at, said in batch:
                task = missing[at][0]
                text, fault = _read(said, task)
                if said.failure:
                    self._note(said.failure, failed=True)
                elif fault:
                    again.append((task, asked_again(prompts[at], fault)))
                else:
                    found[task.sample.id, task.index] = text
                    new.append(task)
            self._keep_whole(new, found, keys)
        for batch in self._complete([prompt for _, prompt in again]):
            for at, said in batch:
                task = again[at][0]
                text, fault = _read(said, task)
                if said.failure or fault:
                    why = said.failure or f"{fault}: {shorten(said.text, _SHOWN)!r}"
                    self._note(why, failed=bool(said.failure))
                else:
                    found[task.sample.id, task.index] = text
        self._keep_rest([task for task, _ in missing], found, keys)
        return found

    def _keep_whole(
        self, new: Sequence[_Task], found: Mapping[tuple[str, int], str], keys: dict[tuple[str, int], str]
    ) -> None:
        """Keep at once the claims of samples that lack none, so that little is lost when a run breaks off."""
        whole = {task.sample.id: task.sample for task in new if None not in _own(task.sample, found)}
        self._keep_of(whole.values(), found, keys)

    def _keep_rest(
        self, tasks: Sequence[_Task], found: Mapping[tuple[str, int], str], keys: dict[tuple[str, int], str]
    ) -> None:
        self._keep_of({task.sample.id: task.sample for task in tasks}.values(), found, keys)

    def _keep_of(
        self,
        samples: Iterable[Sample],
        found: Mapping[tuple[str, int], str],
        keys: dict[tuple[str, int], str],
    ) -> None:
        """Keep the claims of samples, but not where two are the same: then one of them is wrong."""
        kept = {}
        for sample in samples:
            own = _own(sample, found)
            useful = WRITTEN in _with_statements(sample, own)[1]
            for index, text in enumerate(own):
                key = keys.pop((sample.id, index), None) if text is not None else None
                if key is not None and text is not None and useful:
                    kept[key] = text
        self._keep(kept)

    def _complete(self, prompts: Sequence[JudgePrompt]) -> Iterator[Sequence[tuple[int, Said]]]:
        if prompts:
            yield from self.model.complete(prompts)

    def _note_clash(self, own: Sequence[str | None]) -> None:
        """Count what was written and is of no use, since two options would get the same claim."""
        for text in own:
            if text is not None:
                self._note(f"two options would get the same claim: {shorten(text, _SHOWN)!r}", failed=False)

    def _note(self, reason: str, *, failed: bool) -> None:
        self._failed += failed
        self._refused += not failed
        self._first = self._first or reason

    def _keep(self, kept: Mapping[str, str]) -> None:
        self._progress[0] += len(kept)
        self._report(*self._progress)
        self._known |= kept
        if self.store is not None and kept:
            self.store.write("claim", {key: json.dumps({"claim": text}) for key, text in kept.items()})

    def _key(self, task: _Task) -> str:
        prompt = request_for(task.sample, task.index)
        return content_key("claim", f"writer {WRITER_VERSION}", self._identity, prompt.system, prompt.user)

    @functools.cached_property
    def _identity(self) -> Sequence[str]:
        return tuple(self.model.identity)


def _own(sample: Sample, texts: Mapping[tuple[str, int], str]) -> list[str | None]:
    """Return the claims that were written for a sample, by option."""
    return [texts.get((sample.id, index)) for index in range(len(sample.choices))]


def _read(said: Said, task: _Task) -> tuple[str, str]:
    """Return the claim in a reply, and what is wrong with it, or ""."""
    text = _THOUGHT.sub("", said.text).strip()
    if len(text) > 1 and text[0] == text[-1] and text[0] in "\"'`":
        text = text[1:-1].strip()
    if text and text[-1].isalnum():
        text += "."
    return text, fault_of(text, task.option, task.sample.choices, task.sample.question)


def _with_statements(sample: Sample, own: Sequence[str | None]) -> tuple[Sample, tuple[str, ...]]:
    """Fill in the rules' claims where none was written; all of them where two would be the same."""
    if sample.statements is not None:
        return sample, (GIVEN,) * len(sample.choices)
    ruled = [sample_claim(sample, index) for index in range(len(sample.choices))]
    texts = [text or claim.text for text, claim in zip(own, ruled, strict=True)]
    if len({text.casefold() for text in texts}) < len(texts):
        own, texts = [None] * len(texts), [claim.text for claim in ruled]
    told = tuple(WRITTEN if text else claim.rule for text, claim in zip(own, ruled, strict=True))
    return replace(sample, statements=tuple(texts)), told
