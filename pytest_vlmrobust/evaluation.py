"""The whole way from samples to an evaluation; the only place that knows it."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import replace
from typing import Any

from pytest_vlmrobust.conditions import get_condition, perturb, resolve_conditions
from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.provenance import checked_provenance
from pytest_vlmrobust.core.records import Evaluation, EvaluationBuilder, Record
from pytest_vlmrobust.core.replies import READER_VERSION, ReplyFormat, read_reply
from pytest_vlmrobust.core.samples import Sample, check_ids, samples_digest
from pytest_vlmrobust.core.views import BASE
from pytest_vlmrobust.errors import (
    DataError,
    ModelError,
    UsageError,
    VacuousError,
    VlmRobustError,
    gist,
)
from pytest_vlmrobust.judges import Judge, load_judge
from pytest_vlmrobust.judging import Judging, judge_case
from pytest_vlmrobust.models.base import Answer, Model

PROTOCOL = "zhao2026"
"""Zhao et al. 2026, arXiv 2602.12506."""

PROTOCOL_VERSION = 1
"""Counts our choices where the paper leaves them open; figures of different versions do not compare."""

_SAMPLES_PER_CALL = 1024
"""How many samples a model is asked about at once: many batches, and yet bounded memory."""

Progress = Callable[[int, int], None]


def evaluate(
    model: Model,
    samples: Iterable[Sample],
    conditions: str | Iterable[str] = PROTOCOL,
    *,
    judge: Judge | str = "rules",
    seed: int = 0,
    progress: Progress | None = None,
    dataset: str = "",
    context: Mapping[str, Any] | None = None,
) -> Evaluation:
    """Ask a model every sample under every condition, and read and judge what it replies.

    Args:
        model: the model.
        samples: at least one, each with an id of its own.
        conditions: names of conditions or sets, as one string with commas or several;
            ``base`` is always run.
        judge: compares the reasoning with the answer; or the name of a judge.
        seed: seeds, with each sample's id, which option is planted.
        progress: called with (replies so far, replies in all), at first with 0 of them.
        dataset: name of the data set, for the report.
        context: what else is to be known about the run, as JSON values: time, versions, the
            ``command`` that repeats it; joins the provenance.

    Returns:
        The evaluation, its samples in the order given.

    Raises:
        VacuousError: there are no samples, or a condition changes none of their prompts.
        DataError: two samples share an id.
        UsageError: an unknown condition or judge, a condition that changes the question or takes away
            the right option, a judge that does not give one verdict for each case, or an argument of
            another type.
        ModelError: the model failed, did not answer each prompt once, or did not go on from a
            planted thought.
    """
    names = resolve_conditions(conditions)
    chosen = tuple(samples)
    judging = Judging(_known_judge(judge))
    _check(model, chosen, seed)
    _check_conditions(chosen, names, seed)
    provenance = _provenance(model, chosen, names, judging.judge, seed, dataset, context or {})
    builder = EvaluationBuilder(sample_ids=[sample.id for sample in chosen], conditions=names)
    done, total = 0, len(chosen) * len(names)
    report = progress or _silent
    report(done, total)
    for record, prompt in _replies(model, chosen, names, seed):
        case = judge_case(record, prompt, reasons=get_condition(record.condition).reasons)
        for judged in judging.take(record, case):
            builder.add(judged)
        done += 1
        report(done, total)
    for judged in judging.rest():
        builder.add(judged)
    if judging.failures:
        provenance["judge_failures"] = {"count": judging.failures, "first": judging.first_failure}
    return builder.build(provenance=provenance)


def ask(
    model: Model, sample: Sample, condition: str = BASE, *, judge: Judge | str = "rules", seed: int = 0
) -> Record:
    """Ask a model one sample under one condition.

    Args:
        model: the model.
        sample: the sample.
        condition: name of a condition.
        judge: compares the reasoning with the answer; or the name of a judge.
        seed: seeds, with the sample's id, which option is planted.

    Returns:
        The reply, what was read in it, and the judge's verdict.

    Raises:
        UsageError: an unknown condition or judge, or an argument of another type.
        ModelError: the model failed, or did not answer the prompt once.
    """
    judging = Judging(_known_judge(judge))
    _check(model, [sample], seed)
    reasons = get_condition(condition).reasons
    ((record, prompt),) = _replies(model, [sample], [condition], seed)
    judged = [*judging.take(record, judge_case(record, prompt, reasons=reasons)), *judging.rest()]
    return judged[0]


def _silent(_done: int, _total: int) -> None:
    """Report no progress."""


def _replies(
    model: Model, samples: Sequence[Sample], names: Sequence[str], seed: int
) -> Iterator[tuple[Record, Prompt]]:
    """Ask the model, part of the samples at a time, and yield each reply as it was read."""
    for start in range(0, len(samples), _SAMPLES_PER_CALL):
        part = samples[start : start + _SAMPLES_PER_CALL]
        asked = [(sample, _prompt(sample, name, seed)) for sample in part for name in names]
        prompts = [prompt for _, prompt in asked]
        for index, answer in _answers(model, prompts):
            sample, prompt = asked[index]
            try:
                record = _record(sample, prompt, answer, model.reply_format)
            except DataError as error:
                spec = model.info.spec
                raise ModelError(f"model {spec!r} gave an answer that makes no sense: {error}") from error
            yield record, prompt


def _prompt(sample: Sample, name: str, seed: int) -> Prompt:
    """Perturb a sample, and see that it is still the same question."""
    prompt = perturb(sample, name, seed=seed)
    where = f"condition {name!r} on sample {sample.id!r}"
    for field, was, came in (
        ("sample_id", sample.id, prompt.sample_id),
        ("condition", name, prompt.condition),
        ("question", sample.question, prompt.question),
    ):
        if was != came:
            raise UsageError(f"{where} changed {field} from {was!r} to {came!r}: it has to stay as it is")
    if sample.choices[sample.answer] not in prompt.choices:
        raise UsageError(
            f"{where} took away the right option {sample.choices[sample.answer]!r}: a condition may order "
            "or add options, but the right one stays among them"
        )
    return prompt


def _answers(model: Model, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
    """Pass the model's answers on, and see that each prompt is answered once."""
    spec = model.info.spec
    waiting = set(range(len(prompts)))
    for index, answer in _explained(model, prompts):
        if index not in waiting:
            again = "a second time" if index in range(len(prompts)) else f"of only {len(prompts)}"
            raise ModelError(f"model {spec!r} answered prompt {index} {again}: each is to be answered once")
        if not isinstance(answer, Answer):
            raise ModelError(f"model {spec!r} yielded {answer!r:.80} for prompt {index}, not an Answer")
        waiting.remove(index)
        _check_prefill(spec, prompts[index], answer)
        yield index, answer
    if waiting:
        first = prompts[min(waiting)]
        raise ModelError(
            f"model {spec!r} left {len(waiting)} of {len(prompts)} prompts without an answer, the first of "
            f"them sample {first.sample_id!r} under {first.condition!r}"
        )


def _check_prefill(spec: str, prompt: Prompt, answer: Answer) -> None:
    """Refuse an answer to a planted thought that was never planted: it would look robust."""
    if prompt.thought not in answer.prefill:
        raise ModelError(
            f"model {spec!r} did not begin its turn with the thought that {prompt.condition!r} plants; the "
            f"prefill of its answer is {answer.prefill!r:.80}. Without a prefill this condition tests nothing"
        )


def _explained(model: Model, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
    """Pass on what a model yields, and say that it was the model when it fails."""
    try:
        yield from model.answer(prompts)
    except VlmRobustError:
        raise
    except Exception as error:
        raise ModelError(f"model {model.info.spec!r} failed while answering ({gist(error)})") from error


def _record(sample: Sample, prompt: Prompt, answer: Answer, layout: ReplyFormat) -> Record:
    reply = read_reply(answer.text, prompt.choices, dialect=layout, prefill=answer.prefill)
    return Record(
        sample_id=sample.id,
        condition=prompt.condition,
        question=prompt.question,
        choices=prompt.choices,
        answer=prompt.letters[prompt.choices.index(sample.choices[sample.answer])],
        category=sample.category,
        group=sample.group,
        planted=prompt.planted,
        planted_text=prompt.planted_text,
        prefill=answer.prefill,
        reply=answer.text,
        think=reply.think,
        letter=reply.letter,
        unparsed_reason=str(reply.reason or ""),
        letter_probs=answer.letter_probs,
        letter_mass=answer.letter_mass,
        truncated=answer.truncated,
        tokens=answer.tokens,
    )


def _check(model: object, samples: Sequence[Sample], seed: int) -> None:
    if not isinstance(model, Model):
        raise UsageError(
            f"model must be a model, as load_model(...) returns it, got {type(model).__name__}: it lacks "
            "info, reply_format, answer or close"
        )
    if isinstance(seed, bool) or not isinstance(seed, int):
        raise UsageError(f"seed={seed!r}: an integer is needed")
    if not samples:
        raise VacuousError("there are no samples: an evaluation of nothing shows nothing")
    for sample in samples:
        if not isinstance(sample, Sample):
            raise UsageError(f"samples must be Sample objects, got {type(sample).__name__}: {sample!r:.80}")
    check_ids(samples)


def _check_conditions(samples: Sequence[Sample], names: Sequence[str], seed: int) -> None:
    """Refuse a condition that leaves every prompt as it is: it could never fail."""
    for name in names:
        if name != BASE and not any(_changes(sample, name, seed) for sample in samples):
            raise VacuousError(
                f"condition {name!r} changed nothing on any of the {len(samples)} samples, so it would "
                f"compare {BASE} with itself"
            )


def _changes(sample: Sample, name: str, seed: int) -> bool:
    prompt, plain = _prompt(sample, name, seed), _prompt(sample, BASE, seed)
    return replace(prompt, condition=BASE, planted=plain.planted) != plain


def _known_judge(judge: Judge | str) -> Judge:
    if isinstance(judge, str):
        return load_judge(judge)
    if not isinstance(judge, Judge):
        raise UsageError(f"judge must be a name or have name and judge(cases), got {type(judge).__name__}")
    return judge


def _provenance(
    model: Model,
    samples: Sequence[Sample],
    names: Sequence[str],
    judge: Judge,
    seed: int,
    dataset: str,
    context: Mapping[str, Any],
) -> dict[str, Any]:
    info = model.info
    listed = [get_condition(name) for name in names]
    ours: dict[str, Any] = {
        "package_version": importlib.metadata.version("pytest-vlmrobust"),
        "protocol": PROTOCOL,
        "protocol_version": PROTOCOL_VERSION,
        "reader_version": READER_VERSION,
        "model": {"spec": info.spec, "digest": info.digest, "details": dict(info.details)},
        "dataset": {"name": dataset, "digest": samples_digest(samples), "n": len(samples)},
        "conditions": [{"name": c.name, "plants": c.plants, "reasons": c.reasons} for c in listed],
        "judge": judge.name,
        "judge_failures": {"count": 0, "first": ""},
        "seed": seed,
    }
    for key in context:
        if key in ours:
            raise UsageError(f"context.{key} is written by evaluate itself: leave it out")
    return checked_provenance({**ours, **context})
