"""Which wrong option is planted: by the seed, or the one that the model itself ranks second."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from pytest_vlmrobust.conditions import perturb
from pytest_vlmrobust.conditions.registry import planted_option
from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.samples import LETTERS, Sample
from pytest_vlmrobust.datasets.shapes import iterate_shapes
from pytest_vlmrobust.errors import EvaluationInterrupted, UsageError
from pytest_vlmrobust.evaluation import ask, evaluate
from pytest_vlmrobust.models.base import Answer
from pytest_vlmrobust.models.registry import load_model
from pytest_vlmrobust.models.scripted import ScriptedModel, reply
from pytest_vlmrobust.planting import Plants, check_plant, runner_up
from pytest_vlmrobust.prompting import SAMPLES_PER_STAGE, Prompts
from pytest_vlmrobust.store import Store

SAMPLES = tuple(islice(iterate_shapes(), 24))
BY_ID = {sample.id: sample for sample in SAMPLES}
WRONG = ["wrong-caption", "wrong-think", "correct-caption"]


def last_wrong(sample: Sample) -> int:
    return max(index for index in range(len(sample.choices)) if index != sample.answer)


def ranked(sample: Sample) -> tuple[float, ...]:
    """Sure of the right option; of the wrong ones the last is the most probable."""
    weights = [1.0 + index for index in range(len(sample.choices))]
    weights[sample.answer] = 20.0
    return tuple(weight / sum(weights) for weight in weights)


def ranking(
    probs: Callable[[Sample, Prompt], tuple[float, ...] | None] = lambda sample, _: ranked(sample),
) -> tuple[ScriptedModel, list[Prompt]]:
    """A model that answers right with given probabilities, and what it was asked."""
    asked: list[Prompt] = []

    def answer(prompt: Prompt) -> Answer:
        asked.append(prompt)
        sample = BY_ID[prompt.sample_id]
        text = reply(sample.answer_letter, f"It is ({sample.answer_letter}).", prompt=prompt)
        given = probs(sample, prompt)
        return Answer(text=text, letter_probs=given, letter_mass=None if given is None else 0.9)

    return ScriptedModel(answer), asked


def planted(run: Evaluation, condition: str) -> dict[str, str | None]:
    return {record.sample_id: record.planted for record in run.records(condition)}


def test_the_runner_up_under_base_is_planted_and_base_is_asked_first() -> None:
    model, asked = ranking()
    run = evaluate(model, SAMPLES, WRONG, plant="runner-up")
    wanted = {sample.id: LETTERS[last_wrong(sample)] for sample in SAMPLES}
    assert planted(run, "wrong-caption") == planted(run, "wrong-think") == wanted
    assert planted(run, "correct-caption") == {sample.id: sample.answer_letter for sample in SAMPLES}
    assert [prompt.condition for prompt in asked[: len(SAMPLES)]] == ["base"] * len(SAMPLES)
    assert len(asked) == 4 * len(SAMPLES)
    assert run.sample_ids == tuple(sample.id for sample in SAMPLES)
    assert run.provenance["plant"] == {"name": "runner-up", "unknown": 0}
    texts = [record.planted_text for record in run.records("wrong-caption")]
    assert texts == [(sample.statements or ())[last_wrong(sample)] for sample in SAMPLES]


def test_by_default_the_seed_chooses() -> None:
    model, _ = ranking()
    run = evaluate(model, SAMPLES, "wrong-caption", seed=5)
    wanted = {sample.id: LETTERS[planted_option(sample, seed=5)] for sample in SAMPLES}
    assert planted(run, "wrong-caption") == wanted
    assert run.provenance["plant"] == {"name": "random"}


def test_a_sample_without_probabilities_gets_the_option_of_the_seed_and_is_counted() -> None:
    blind = SAMPLES[3].id
    model, _ = ranking(lambda sample, _: None if sample.id == blind else ranked(sample))
    run = evaluate(model, SAMPLES, "wrong-caption", plant="runner-up", seed=2)
    assert run.provenance["plant"] == {"name": "runner-up", "unknown": 1}
    assert planted(run, "wrong-caption")[blind] == LETTERS[planted_option(SAMPLES[3], seed=2)]


def test_a_model_without_probabilities_is_refused() -> None:
    model, asked = ranking(lambda *_: None)
    message = "model 'scripted' gave none for 24 samples; use plant='random'"
    with pytest.raises(UsageError, match=message):
        evaluate(model, SAMPLES, "wrong-caption", plant="runner-up")
    assert len(asked) == len(SAMPLES)
    failing = ScriptedModel(lambda _: Answer(text="", failure="the server is down"))
    with pytest.raises(UsageError, match=r"\(the first reason: the server is down\)"):
        evaluate(failing, SAMPLES, "wrong-caption", plant="runner-up")


def test_where_nothing_misleads_probabilities_are_not_needed() -> None:
    model, _ = ranking(lambda *_: None)
    run = evaluate(model, SAMPLES, "stop-think", plant="runner-up")
    assert "plant" not in run.provenance
    assert "claims" not in run.provenance
    right = evaluate(model, SAMPLES, "correct-caption", plant="runner-up")
    assert right.provenance["plant"] == {"name": "runner-up"}


def test_probabilities_that_do_not_decide_are_counted() -> None:
    sample = Sample(id="s", images=SAMPLES[0].images, question="Q?", choices=("a", "b", "c", "d"), answer=0)
    prompt = perturb(sample, "base", seed=0)
    plants = Plants(0)
    plants.take(sample, prompt, Answer(text="A", letter_probs=(1.0, 0.0, 0.0, 0.0)))
    assert (plants.counts(), list(plants.planted)) == ({"unknown": 0, "ties": 1}, ["s"])
    for odd in (math.nan, math.inf):
        broken = Answer(text="A", letter_probs=(1.0, odd, 0.0, 0.0))
        assert runner_up(sample, prompt, broken, seed=0) is None
        plants.take(sample, prompt, broken)
    assert plants.counts() == {"unknown": 2, "ties": 1}


def test_equally_probable_options_are_decided_by_seed_and_sample() -> None:
    sample = next(sample for sample in SAMPLES if len(sample.choices) > 2)
    flat = Answer(text="", letter_probs=(1 / len(sample.choices),) * len(sample.choices))
    prompt = perturb(sample, "base")
    found = {runner_up(sample, prompt, flat, seed=seed) for seed in range(40)}
    assert found == set(range(len(sample.choices))) - {sample.answer}
    assert runner_up(sample, prompt, flat, seed=1) == runner_up(sample, prompt, flat, seed=1)


def test_options_in_another_order_are_told_by_their_text() -> None:
    sample = SAMPLES[0]
    prompt = replace(perturb(sample, "base"), choices=tuple(reversed(sample.choices)))
    answer = Answer(text="", letter_probs=tuple(reversed(ranked(sample))))
    assert runner_up(sample, prompt, answer, seed=0) == last_wrong(sample)


@pytest.mark.parametrize("planted", [-1, 8, SAMPLES[0].answer])
def test_only_a_wrong_option_can_be_planted(planted: int) -> None:
    with pytest.raises(UsageError, match="the index of a wrong option is needed"):
        perturb(SAMPLES[0], "wrong-caption", planted=planted)


def test_a_given_option_is_planted_under_misleading_conditions_alone() -> None:
    index = last_wrong(SAMPLES[0])
    assert perturb(SAMPLES[0], "wrong-think", planted=index).planted == LETTERS[index]
    assert perturb(SAMPLES[0], "correct-think", planted=index).planted == SAMPLES[0].answer_letter
    assert perturb(SAMPLES[0], "base", planted=index).planted is None


def test_an_unknown_plant_is_refused_with_near_misses() -> None:
    with pytest.raises(UsageError, match="unknown plant 'runnerup': did you mean 'runner-up'"):
        check_plant("runnerup")
    model, asked = ranking()
    for refused in (
        lambda: evaluate(model, SAMPLES, plant="best"),
        lambda: ask(model, SAMPLES[0], plant="best"),
    ):
        with pytest.raises(UsageError, match="unknown plant 'best'"):
            refused()
    assert asked == []


def test_ask_looks_for_the_runner_up_first() -> None:
    model, asked = ranking()
    record = ask(model, SAMPLES[1], "wrong-caption", plant="runner-up")
    assert record.planted == LETTERS[last_wrong(SAMPLES[1])]
    assert [prompt.condition for prompt in asked] == ["base", "wrong-caption"]
    ask(model, SAMPLES[1], "correct-caption", plant="runner-up")
    assert [prompt.condition for prompt in asked] == ["base", "wrong-caption", "correct-caption"]
    silent, _ = ranking(lambda *_: None)
    with pytest.raises(UsageError, match="gave none for 1 samples"):
        ask(silent, SAMPLES[1], "wrong-caption", plant="runner-up")


def test_what_is_stopped_keeps_the_samples_that_were_finished(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_vlmrobust.prompting.SAMPLES_PER_STAGE", 8)

    def stops(sample: Sample, _prompt: Prompt) -> tuple[float, ...]:
        if sample.id == SAMPLES[10].id:
            raise KeyboardInterrupt
        return ranked(sample)

    model, _ = ranking(stops)
    with pytest.raises(EvaluationInterrupted) as stopped:
        evaluate(model, SAMPLES, "wrong-caption", plant="runner-up")
    assert stopped.value.evaluation is not None
    assert stopped.value.evaluation.n == 8
    assert stopped.value.evaluation.provenance["plant"] == {"name": "runner-up", "unknown": 0}


def test_prompts_are_made_in_stages() -> None:
    prompts = Prompts(SAMPLES, ["base", "wrong-caption"], 0)
    chosen: dict[str, int] = {}
    stages = prompts.staged(chosen)
    first = next(stages)
    assert {prompt.condition for _, prompt in first} == {"base"}
    chosen[SAMPLES[0].id] = last_wrong(SAMPLES[0])
    second = next(stages)
    assert second[0][1].planted == LETTERS[last_wrong(SAMPLES[0])]
    assert list(stages) == []
    assert len(SAMPLES) < SAMPLES_PER_STAGE


@pytest.fixture(scope="module")
def bundled() -> Iterator[Any]:
    model = load_model("bundled:gullible", device="cpu", threads=1)
    yield model
    model.close()


def test_a_real_model_and_a_store_give_the_same_again(bundled: Any, tmp_path: Path) -> None:
    samples: Sequence[Sample] = SAMPLES[:12]
    with Store.open(tmp_path / "store.sqlite") as store:
        first = evaluate(bundled, samples, WRONG, plant="runner-up", store=store)
        again = evaluate(bundled, samples, WRONG, plant="runner-up", store=store)
        assert again.provenance["replies"] == {"stored": 48, "computed": 0}
    plain = evaluate(bundled, samples, WRONG, plant="runner-up")
    for condition in ("base", *WRONG):
        assert planted(first, condition) == planted(again, condition) == planted(plain, condition)
    for record, misled in zip(first.records("base"), first.records("wrong-caption"), strict=True):
        probs = record.letter_probs
        assert probs is not None
        assert misled.planted is not None
        right = LETTERS.index(record.answer)
        best = max(p for index, p in enumerate(probs) if index != right)
        assert probs[LETTERS.index(misled.planted)] == best


def test_claims_are_counted_by_rule_where_something_is_planted() -> None:
    ruled = [replace(sample, statements=None) for sample in SAMPLES[:4]]
    model, _ = ranking()
    run = evaluate(model, ruled, "wrong-caption")
    assert sum(run.provenance["claims"].values()) == sum(len(sample.choices) for sample in ruled)
    assert "given" not in run.provenance["claims"]
    told = evaluate(model, ruled, "wrong-caption", context={"claims": {"file": 12}})
    assert told.provenance["claims"] == {"file": 12}
    with pytest.raises(UsageError, match=r"context\.plant is written by evaluate itself"):
        evaluate(model, ruled, context={"plant": "mine"})
