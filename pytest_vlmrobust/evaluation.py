"""The whole way from samples to an evaluation; the only place that knows it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from pytest_vlmrobust.accounts import Accounts
from pytest_vlmrobust.asking import Came, answers, senseless
from pytest_vlmrobust.conditions import get_condition, resolve_conditions
from pytest_vlmrobust.core.building import EvaluationBuilder
from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.records import Evaluation, Record
from pytest_vlmrobust.core.rows import REQUEST_FAILED
from pytest_vlmrobust.core.samples import Sample, check_ids, samples_digest
from pytest_vlmrobust.core.views import BASE
from pytest_vlmrobust.described import PROTOCOL, described, misleading, planting
from pytest_vlmrobust.errors import (
    CostLimitError,
    DataError,
    EvaluationInterrupted,
    UsageError,
    VacuousError,
)
from pytest_vlmrobust.judges import Judge, close_judge, load_judge
from pytest_vlmrobust.judges.preflight import MIN_KAPPA, check_preflight, preflight
from pytest_vlmrobust.judging import Judged, Judging, judge_case
from pytest_vlmrobust.models.base import Answer, Model, Storable
from pytest_vlmrobust.planting import RANDOM, RUNNER_UP, Plants, check_plant
from pytest_vlmrobust.prompting import Part, Prompts
from pytest_vlmrobust.reading import Content, Reader
from pytest_vlmrobust.stored import unreadable

if TYPE_CHECKING:
    from pytest_vlmrobust.store import Store

_READ_AT_ONCE = 128
"""How many replies are read and judged together: few enough for Ctrl-C to leave little unfinished."""

Progress = Callable[[int, int, int], None]
"""Takes how many replies there are, how many there will be, and how many of the former were stored."""


def evaluate(
    model: Model,
    samples: Iterable[Sample],
    conditions: str | Iterable[str] = PROTOCOL,
    *,
    judge: Judge | str = "rules",
    min_judge_kappa: float | None = MIN_KAPPA,
    seed: int = 0,
    plant: str = RANDOM,
    store: Store | None = None,
    progress: Progress | None = None,
    dataset: str = "",
    dataset_facts: Mapping[str, Any] | None = None,
    context: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Ask a model every sample under every condition, and read and judge what it replies.

    Args:
        model: the model.
        samples: at least one, each with an id of its own.
        conditions: names of conditions or sets, as one string with commas or several;
            ``base`` is always run.
        judge: compares the reasoning with the answer; or the spec of a judge, see
            `pytest_vlmrobust.judges.specs`. One that is named by a spec is measured on labelled thoughts
            first; an object is taken at its word.
        min_judge_kappa: how well a judge that is named by a spec has to agree with the labels (Cohen's
            kappa); None admits any.
        seed: seeds, with each sample's id, which option is planted.
        plant: "random", or "runner-up" to plant the wrong option that the model finds most probable under
            ``base``; where it gives no probabilities for a sample, the seed chooses.
        store: gives the replies that were computed before, and keeps each new one as soon as it exists;
            used where the model is `Storable`.
        progress: called with (replies so far, replies in all, replies so far that were stored), at
            first with none so far.
        dataset: name of the data set, for the report.
        dataset_facts: what else is known of it, as `Loaded.to_json` gives it: the ``score`` that it is known
            by, ``faults`` and ``facts``.
        context: what else is to be known about the run, as JSON values: time, versions, the
            ``command`` that repeats it; joins the provenance.

    Returns:
        The evaluation, its samples in the order given; where costs are limited and the limit was reached,
        marked as incomplete.

    Raises:
        VacuousError: there are no samples, or a condition changes none of their prompts.
        DataError: two samples share an id, or a sample cannot take one more option where a condition offers
            to abstain.
        UsageError: an unknown condition, judge or plant, a model that gives no probabilities where the
            runner-up is to be planted, a condition that changes the question or takes away the right
            option, a judge that does not give one verdict for each case, or an argument of
            another type.
        ModelError: the model failed, did not answer each prompt once, or did not go on from a
            planted thought; or a judge is a language model that cannot be loaded.
        JudgeError: the judge agrees too little with the labels, or gives no verdicts.
        CostLimitError: the limit of costs was reached before any sample was asked under every condition.
        StoreError: the store is damaged. One that cannot be written to is no error; its ``problem`` tells.
        EvaluationInterrupted: Ctrl-C; brings the samples that were finished.
    """
    names = resolve_conditions(conditions)
    chosen = tuple(samples)
    known_plant = check_plant(plant)
    with _known_judge(judge, store) as known_judge:
        _check(model, chosen, seed, store)
        prompts = Prompts(chosen, names, seed)
        prompts.check()
        told = _measured(known_judge, min_judge_kappa, store, model) if isinstance(judge, str) else {}
        data = {**(dataset_facts or {}), "name": dataset, "digest": samples_digest(chosen), "n": len(chosen)}
        provenance = described(model, names, known_judge, seed, data, {**told, **(context or {})})
        provenance = {**provenance, **planting(known_plant, chosen, names, provenance)}
        plants = Plants(seed) if known_plant == RUNNER_UP and misleading(names) else None
        run = _Run(model, known_judge, prompts, store, progress or _silent, plants)
        builder = EvaluationBuilder(sample_ids=[sample.id for sample in chosen], conditions=names)
        return _built(run, builder, provenance)


def _built(run: _Run, builder: EvaluationBuilder, provenance: Mapping[str, Any]) -> Evaluation:
    """Collect the records of a run; of one that is stopped, those of the samples that are whole."""
    try:
        for record in run.records():
            builder.add(record)
        return builder.build(provenance={**provenance, **run.facts(provenance)})
    except CostLimitError as error:
        known = {**provenance, **run.facts(provenance)}
        part = builder.build_partial(provenance=known, reason=str(error).partition(":")[0])
        if part is None:
            raise
        return part
    except KeyboardInterrupt:
        part = builder.build_partial(provenance={**provenance, **run.facts(provenance)})
        raise EvaluationInterrupted(run.told(), part) from None


def ask(
    model: Model,
    sample: Sample,
    condition: str = BASE,
    *,
    judge: Judge | str = "rules",
    seed: int = 0,
    plant: str = RANDOM,
) -> Record:
    """Ask a model one sample under one condition.

    Args:
        model: the model.
        sample: the sample.
        condition: name of a condition.
        judge: compares the reasoning with the answer; or the spec of a judge, which is not measured.
        seed: seeds, with the sample's id, which option is planted.
        plant: "random", or "runner-up": then the sample is asked under ``base`` first.

    Returns:
        The reply, what was read in it, and the judge's verdict.

    Raises:
        UsageError: an unknown condition, judge or plant, a model that gives no probabilities where the
            runner-up is to be planted, or an argument of another type.
        ModelError: the model failed, or did not answer the prompt once.
    """
    with _known_judge(judge) as known_judge:
        _check(model, [sample], seed, None)
        planted: dict[str, int] = {}
        if check_plant(plant) == RUNNER_UP and misleading([condition]):
            planted = _asked_first(model, sample, seed)
        prompts = Prompts([sample], [condition], seed, planted)
        (record,) = _Run(model, known_judge, prompts, None, _silent).records()
    return record


def _asked_first(model: Model, sample: Sample, seed: int) -> dict[str, int]:
    """Ask a sample under ``base``, to find the runner-up."""
    plants = Plants(seed)
    (part,) = Prompts([sample], [BASE], seed).parts()
    for came in answers(model, [prompt for _, prompt in part], None):
        for index, answer in came.answers:
            plants.take(*part[index], answer)
    plants.check(model.info.spec)
    return plants.planted


def _silent(_done: int, _total: int, _stored: int) -> None:
    """Report no progress."""


@dataclass(frozen=True, kw_only=True, slots=True)
class _Read:
    """A reply that was read, on its way to the judge."""

    sample: Sample
    prompt: Prompt
    answer: Answer
    content: Content
    stored: bool


class _Run:
    """The way of all prompts through model, reader and judge."""

    def __init__(
        self,
        model: Model,
        judge: Judge,
        prompts: Prompts,
        store: Store | None,
        report: Progress,
        plants: Plants | None = None,
    ) -> None:
        self._model = model
        self._plants = plants
        self._prompts = prompts
        # What was read and judged is kept where the reply itself is kept, and nowhere else.
        self._store = store if isinstance(model, Storable) else None
        self._reader = Reader(model.reply_format, self._store)
        self._judging: Judging[_Read] = Judging(judge, store=self._store)
        self._report = report
        self._accounts = Accounts()
        self._stored = self._computed = 0

    def records(self) -> Iterator[Record]:
        """Yield the record of each prompt, in the order in which they are finished."""
        self._report(0, self._prompts.total, 0)
        spent: CostLimitError | None = None
        try:
            yield from self._all_finished()
        except CostLimitError as error:
            spent = error
        for read, judged in self._judging.rest():
            yield self._record(read, judged)
        if spent is not None:
            raise spent

    def _all_finished(self) -> Iterator[Record]:
        plants = self._plants
        for part in self._prompts.parts() if plants is None else self._prompts.staged(plants.planted):
            for came in answers(self._model, [prompt for _, prompt in part], self._store):
                self._count(part, came)
                self._learn(part, came)
                for start in range(0, len(came.answers), _READ_AT_ONCE):
                    yield from self._finished(part, came, start)
            if plants is not None:
                plants.check(self._model.info.spec)

    def _learn(self, part: Part, came: Came) -> None:
        """Find the runner-up in answers under ``base``."""
        for index, answer in came.answers if self._plants is not None else ():
            sample, prompt = part[index]
            if prompt.condition == BASE and self._plants is not None:
                self._plants.take(sample, prompt, answer)

    def facts(self, provenance: Mapping[str, Any]) -> dict[str, Any]:
        """What is known about the run at its end; ``provenance`` is what was known at its beginning."""
        plants = self._plants
        failures = {"count": self._judging.failures, "first": self._judging.first_failure}
        return {
            "conditions": self._accounts.complete(provenance["conditions"]),
            "judge_failures": failures,
            "replies": {"stored": self._stored, "computed": self._computed},
            **({} if plants is None else {"plant": {"name": RUNNER_UP, **plants.counts()}}),
        }

    def told(self) -> str:
        """How far the run has come, for a person who stopped it."""
        done = self._stored + self._computed
        text = f"stopped after {done} of {self._prompts.total} replies"
        if not done or self._store is None or self._store.problem:
            return text
        return f"{text}, which are kept in {self._store.path}: the next run goes on from there"

    def _count(self, part: Part, came: Came) -> None:
        for index, answer in came.answers:
            self._accounts.take(part[index][1].condition, answer, stored=came.stored)
        if came.stored:
            self._stored += len(came.answers)
        else:
            self._computed += len(came.answers)
        self._report(self._stored + self._computed, self._prompts.total, self._stored)

    def _finished(self, part: Part, came: Came, start: int) -> Iterator[Record]:
        """Read and judge some of the answers that came together."""
        chosen = came.answers[start : start + _READ_AT_ONCE]
        contents = self._contents([(part[index][1], answer) for index, answer in chosen])
        cases = []
        for (index, answer), content in zip(chosen, contents, strict=True):
            sample, prompt = part[index]
            read = _Read(sample=sample, prompt=prompt, answer=answer, content=content, stored=came.stored)
            reasons = get_condition(prompt.condition).reasons and not answer.reasoning_hidden
            planted = _as_answered(prompt, answer, content)
            cases.append((read, judge_case(planted, content, reasons=reasons)))
        for read, judged in self._judging.take(cases):
            yield self._record(read, judged)

    def _contents(self, replies: Sequence[tuple[Prompt, Answer]]) -> list[Content]:
        """Read replies; where there is none, say why."""
        read = iter(self._reader.read([(prompt, answer) for prompt, answer in replies if not answer.failure]))
        return [
            Content(None, None, f"{REQUEST_FAILED}: {answer.failure}") if answer.failure else next(read)
            for _, answer in replies
        ]

    def _record(self, read: _Read, judged: Judged) -> Record:
        try:
            return _record(read, judged)
        except DataError as error:
            if read.stored and self._store is not None:
                raise unreadable(self._store, "reply", error) from error
            raise senseless(self._model, error) from error


def _as_answered(prompt: Prompt, answer: Answer, content: Content) -> Prompt:
    """Leave a thought out that the model was asked for and has not begun with."""
    begun = not answer.approximate or prompt.thought in (content.think or "")
    return prompt if begun else replace(prompt, thought="")


def _record(read: _Read, judged: Judged) -> Record:
    sample, prompt, answer, content = read.sample, read.prompt, read.answer, read.content
    return Record(
        sample_id=sample.id,
        condition=prompt.condition,
        question=prompt.question,
        choices=prompt.choices,
        answer=prompt.letters[prompt.choices.index(sample.choices[sample.answer])],
        category=sample.category,
        group=sample.group,
        tags=sample.tags,
        planted=prompt.planted,
        abstention=prompt.abstention,
        planted_text=prompt.planted_text,
        prefill=answer.prefill,
        reply=answer.text,
        think=content.think,
        letter=content.letter,
        unparsed_reason=content.reason,
        verdict=judged.verdict,
        letter_probs=answer.letter_probs,
        letter_mass=answer.letter_mass,
        truncated=answer.truncated,
        tokens=answer.tokens,
        votes=judged.votes,
    )


def _check(model: object, samples: Sequence[Sample], seed: int, store: object) -> None:
    if not isinstance(model, Model):
        raise UsageError(
            f"model must be a model, as load_model(...) returns it, got {type(model).__name__}: it lacks "
            "info, reply_format, answer or close"
        )
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise UsageError(f"seed={seed!r}: an integer is needed")
    if store is not None:
        from pytest_vlmrobust.store import Store

        if not isinstance(store, Store):
            raise UsageError(f"store must be a Store, as Store.open(path) returns it, got {store!r:.80}")
    if not samples:
        raise VacuousError("there are no samples: an evaluation of nothing shows nothing")
    for sample in samples:
        if not isinstance(sample, Sample):
            raise UsageError(f"samples must be Sample objects, got {type(sample).__name__}: {sample!r:.80}")
    check_ids(samples)


@contextmanager
def _known_judge(judge: Judge | str, store: Store | None = None) -> Iterator[Judge]:
    """Give the judge; one that a spec names is loaded, and freed afterwards."""
    if isinstance(judge, Judge):
        yield judge
    elif isinstance(judge, str):
        loaded = load_judge(judge, store=store)
        try:
            yield loaded
        finally:
            close_judge(loaded)
    else:
        raise UsageError(f"judge must be a name or have name and judge(cases), got {type(judge).__name__}")


def _measured(
    judge: Judge, min_kappa: float | None, store: Store | None, model: Model
) -> dict[str, list[dict[str, Any]]]:
    """Measure a judge on labelled thoughts, and refuse it where it is not to be trusted."""
    results = preflight(judge, store if isinstance(model, Storable) else None)
    check_preflight(results, min_kappa)
    return {"judge_preflight": [result.to_json() for result in results]}
