"""Has a model answer prompts: looks each reply up first, asks for what is missing, and keeps it at once."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.records import Record
from pytest_vlmrobust.errors import DataError, ModelError, VlmRobustError, gist
from pytest_vlmrobust.models.base import Answer, Model, Storable
from pytest_vlmrobust.stored import answer_from_text, answer_to_text, unreadable

if TYPE_CHECKING:
    from pytest_vlmrobust.store import Store

Batch = list[tuple[int, Answer]]
"""Answers with the indices of their prompts."""

Batches = Callable[[], Iterable[Iterable[tuple[int, Answer]]]]


@dataclass(frozen=True, kw_only=True)
class Came:
    """Answers that came together.

    Attributes:
        answers: each with the index of its prompt.
        stored: whether they came from the store; else the model has computed them.
    """

    answers: Batch
    stored: bool = False


def answers(model: Model, prompts: Sequence[Prompt], store: Store | None) -> Iterator[Came]:
    """Answer every prompt once.

    Prompts with the same key are asked once, so that a run gives the same whether its replies were kept
    or not. What the model computes is kept batch by batch, before it is passed on.

    Args:
        model: the model.
        prompts: what is asked; the prompts of one sample stand side by side.
        store: where replies are looked up and kept; None, or a model that is not `Storable`, and
            each prompt is asked.

    Raises:
        ModelError: the model failed, did not answer each prompt once, gave an answer that makes no sense,
            or did not go on from a planted thought.
        StoreError: the store is damaged, or what it holds is no answer.
    """
    if store is None or not isinstance(model, Storable):
        for batch in _promised(model, prompts, lambda: ([pair] for pair in model.answer(prompts))):
            yield Came(answers=batch)
        return
    keys = [_key(model, prompt) for prompt in prompts]
    found = store.read(keys)
    known = [(index, _stored(store, found[key])) for index, key in enumerate(keys) if key in found]
    for index, answer in known:
        check_prefill(model, prompts[index], answer)
    if known:
        yield Came(answers=known, stored=True)
    twins: dict[str, list[int]] = {}
    for index, key in enumerate(keys):
        if key not in found:
            twins.setdefault(key, []).append(index)
    if twins:
        yield from _computed(model, prompts, store, twins)


def _computed(
    model: Storable, prompts: Sequence[Prompt], store: Store, twins: Mapping[str, Sequence[int]]
) -> Iterator[Came]:
    """Ask for one prompt of each key, keep each batch as it comes, and pass it on for all of its twins."""
    missing, places = list(twins), list(twins.values())
    asked = [prompts[place[0]] for place in places]
    for batch in _promised(model, asked, lambda: model.answer_batches(asked)):
        kept = [(index, answer) for index, answer in batch if not answer.failure]
        store.write("reply", {missing[index]: _text(model, asked[index], answer) for index, answer in kept})
        shared = [(place, answer) for index, answer in batch for place in places[index]]
        for place, answer in shared:
            check_prefill(model, prompts[place], answer)
        yield Came(answers=shared)


def _key(model: Storable, prompt: Prompt) -> str:
    try:
        key = model.reply_key(prompt)
        if bytes.fromhex(key).hex() != key or not key:
            raise ValueError(f"got {key!r:.80}")
    except VlmRobustError:
        raise
    except Exception as error:
        raise ModelError(
            f"model {model.info.spec!r} gave no key for the reply to {_where(prompt)} ({gist(error)}): "
            "reply_key has to return what content_key(...) returns"
        ) from error
    return key


def _text(model: Model, prompt: Prompt, answer: Answer) -> str:
    """Write an answer down; what makes no sense must not be kept, or it would come back in every run."""
    try:
        _check_numbers(prompt, answer)
        return answer_to_text(answer)
    except DataError as error:
        raise senseless(model, error) from error
    except (TypeError, ValueError) as error:
        raise senseless(model, f"that for {_where(prompt)} cannot be kept: {error}") from error


def _stored(store: Store, text: str) -> Answer:
    try:
        return answer_from_text(text)
    except ValueError as error:
        raise unreadable(store, "reply", error) from error


def _promised(model: Model, prompts: Sequence[Prompt], batches: Batches) -> Iterator[Batch]:
    """Pass on what a model yields, and see that each prompt is answered once."""
    spec = model.info.spec
    waiting = set(range(len(prompts)))
    for batch in _explained(model, batches):
        for index, answer in batch:
            if index not in waiting:
                again = "a second time" if index in range(len(prompts)) else f"of only {len(prompts)}"
                raise ModelError(
                    f"model {spec!r} answered prompt {index} {again}: each is to be answered once"
                )
            if not isinstance(answer, Answer):
                raise ModelError(f"model {spec!r} yielded {answer!r:.80} for prompt {index}, not an Answer")
            waiting.remove(index)
            check_prefill(model, prompts[index], answer)
        yield batch
    if waiting:
        raise ModelError(
            f"model {spec!r} left {len(waiting)} of {len(prompts)} prompts without an answer, the first of "
            f"them {_where(prompts[min(waiting)])}"
        )


def _explained(model: Model, batches: Batches) -> Iterator[Batch]:
    """Pass on what a model yields, and say that it was the model when it fails."""
    try:
        yield from map(list, batches())
    except VlmRobustError:
        raise
    except Exception as error:
        raise ModelError(f"model {model.info.spec!r} failed while answering ({gist(error)})") from error


def check_prefill(model: Model, prompt: Prompt, answer: Answer) -> None:
    """Refuse an answer to a planted thought that was never planted: it would look robust.

    Raises:
        ModelError: the answer's prefill does not hold the thought, nor is it told to be approximate.
    """
    if prompt.thought not in answer.prefill and not answer.approximate:
        raise ModelError(
            f"model {model.info.spec!r} did not begin its turn with the thought that {prompt.condition!r} "
            f"plants; the prefill of its answer is {answer.prefill!r:.80}. Without a prefill this condition "
            "tests nothing"
        )


def senseless(model: Model, error: object) -> ModelError:
    """Build the error for an answer that contradicts itself or its prompt."""
    return ModelError(f"model {model.info.spec!r} gave an answer that makes no sense: {error}")


def _check_numbers(prompt: Prompt, answer: Answer) -> None:
    """Raise DataError where the numbers of an answer could not stand in a record."""
    Record(
        sample_id=prompt.sample_id,
        condition=prompt.condition,
        question=prompt.question,
        choices=prompt.choices,
        answer=prompt.letters[0],
        letter_probs=answer.letter_probs,
        letter_mass=answer.letter_mass,
        tokens=answer.tokens,
    )


def _where(prompt: Prompt) -> str:
    return f"sample {prompt.sample_id!r} under {prompt.condition!r}"
