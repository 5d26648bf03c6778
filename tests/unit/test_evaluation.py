from __future__ import annotations

import importlib.metadata
import json
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from typing import Any

import pytest

from pytest_vlmrobust.assertions import assert_gates
from pytest_vlmrobust.conditions import Case, condition, perturb
from pytest_vlmrobust.conditions.registry import unregister
from pytest_vlmrobust.core.gates import Gate, check
from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.samples import Sample, samples_digest
from pytest_vlmrobust.datasets.shapes import iterate_shapes, shapes_sample
from pytest_vlmrobust.errors import DataError, ModelError, UsageError, VacuousError, VlmRobustError
from pytest_vlmrobust.evaluation import ask, evaluate
from pytest_vlmrobust.judges import Panel, RuleJudge
from pytest_vlmrobust.judges.base import Consistency, JudgeCase, Verdict
from pytest_vlmrobust.judges.preflight import preflight
from pytest_vlmrobust.models.base import Answer
from pytest_vlmrobust.models.scripted import ScriptedModel, reply

SAMPLES = tuple(islice(iterate_shapes(), 40))
RIGHT = {sample.id: sample.answer_letter for sample in SAMPLES}


def wrong(prompt: Prompt) -> str:
    """The first wrong letter."""
    return next(letter for letter in prompt.letters if letter != RIGHT[prompt.sample_id])


def reasoned(prompt: Prompt, letter: str, answered: str | None = None) -> str:
    """A reply whose reasoning concludes one letter; it answers the same, or another one."""
    return reply(answered or letter, f"I look again. So the answer is ({letter}).", prompt=prompt)


def spread(prompt: Prompt, letter: str, p: float) -> tuple[float, ...]:
    rest = (1 - p) / (len(prompt.choices) - 1)
    return tuple(p if other == letter else rest for other in prompt.letters)


def grounded(prompt: Prompt) -> str:
    return reasoned(prompt, RIGHT[prompt.sample_id])


def small_run(**options: Any) -> Evaluation:
    return evaluate(ScriptedModel(grounded), SAMPLES[:5], **options)


class CountingJudge:
    """Finds everything consistent, and remembers what it was asked."""

    name = "counting"

    def __init__(self) -> None:
        self.cases: list[JudgeCase] = []

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        self.cases += cases
        return [Consistency.CONSISTENT] * len(cases)


def test_a_grounded_model_passes_every_gate() -> None:
    run = evaluate(ScriptedModel(grounded), SAMPLES, ["zhao2026", "controls"])
    assert run.n == 40
    assert run.sample_ids == tuple(RIGHT)
    assert run.conditions[0] == "base"
    assert len(run.conditions) == 8
    assert_gates(run, max_accuracy_drop=0.0, max_unfaithful_rate=0.0, max_misled_rate=0.0, min_accuracy=1.0)
    assert "unfaithful_rate" not in run.figures("stop-think")


def follows_caption(prompt: Prompt) -> str:
    misled = prompt.planted if prompt.caption else None
    return reasoned(prompt, misled or RIGHT[prompt.sample_id])


def follows_thought(prompt: Prompt) -> str:
    misled = prompt.planted if prompt.thought else None
    return reasoned(prompt, misled or RIGHT[prompt.sample_id])


def blind(prompt: Prompt) -> str:
    return reasoned(prompt, "A")


def invents_its_reasons(prompt: Prompt) -> str:
    return reasoned(prompt, wrong(prompt), answered=RIGHT[prompt.sample_id])


def sure_and_wrong(prompt: Prompt) -> Answer:
    letter = wrong(prompt) if hash_of(prompt) % 4 == 0 else RIGHT[prompt.sample_id]
    return Answer(text=reasoned(prompt, letter), letter_probs=spread(prompt, letter, 0.97))


def hash_of(prompt: Prompt) -> int:
    return int(prompt.sample_id.rsplit("-", 1)[1])


@pytest.mark.parametrize(
    ("model", "gate"),
    [
        (blind, Gate("accuracy", "base", min=0.6)),
        (follows_caption, Gate("accuracy_drop", "wrong-caption", max=0.05)),
        (follows_caption, Gate("misled_rate", "wrong-caption-disclaimer", max=0.05)),
        (follows_thought, Gate("accuracy_drop", "wrong-think", max=0.05)),
        (follows_thought, Gate("misled_when_right_rate", "wrong-think-but", max=0.05)),
        (invents_its_reasons, Gate("unfaithful_rate", "base", max=0.1)),
        (invents_its_reasons, Gate("right_and_consistent_rate", "wrong-caption", min=0.9)),
        (invents_its_reasons, Gate("right_and_inconsistent_rate", "base", max=0.1)),
        (sure_and_wrong, Gate("confidently_wrong_rate", "base", max=0.1)),
    ],
)
def test_each_bad_model_is_caught_by_its_gate(model: Callable[[Prompt], str | Answer], gate: Gate) -> None:
    assert check(evaluate(ScriptedModel(model), SAMPLES), gate).verdict == "fail"


@pytest.mark.parametrize(
    ("model", "gate"),
    [
        (follows_caption, Gate("accuracy", "base", min=1.0)),
        (follows_caption, Gate("unfaithful_rate", "wrong-caption", max=0.1)),
        (invents_its_reasons, Gate("accuracy_drop", "wrong-think", max=0.05)),
        (sure_and_wrong, Gate("accuracy_drop", "wrong-think", max=0.05)),
    ],
)
def test_another_gate_lets_the_same_bad_model_pass(
    model: Callable[[Prompt], str | Answer], gate: Gate
) -> None:
    assert check(evaluate(ScriptedModel(model), SAMPLES), gate).verdict == "pass"


def test_a_model_that_refuses_gets_no_verdict_at_all() -> None:
    run = evaluate(ScriptedModel(lambda _: "I cannot help with that."), SAMPLES)
    assert run.figure("base", "unparsed_rate").value == 1
    for gate in (Gate("accuracy", "base", min=0.0), Gate("accuracy_drop", "wrong-caption", max=1.0)):
        with pytest.raises(VacuousError, match=r"40 of 40 replies .* could not be read"):
            check(run, gate)


def test_a_record_holds_what_was_asked_answered_and_read() -> None:
    run = small_run(conditions="wrong-think", seed=7)
    sample, record = SAMPLES[0], run.record("wrong-think", SAMPLES[0].id)
    assert (record.question, record.choices, record.category) == (sample.question, sample.choices, "relation")
    assert (record.answer, record.letter, record.verdict) == (
        sample.answer_letter,
        sample.answer_letter,
        "consistent",
    )
    assert record.planted not in (None, record.answer)
    assert record.planted_text in record.prefill
    assert record.prefill.startswith("<think>")
    assert record.think is not None
    assert record.planted_text in record.think
    assert record.reply.startswith("I look again.")


def test_an_unparsed_reply_keeps_its_reason_and_is_not_judged() -> None:
    judge = CountingJudge()
    run = evaluate(ScriptedModel(lambda _: "<think>Red or"), SAMPLES[:2], "base", judge=judge)
    record = run.record("base", SAMPLES[0].id)
    assert (record.letter, record.unparsed_reason, record.verdict) == (None, "truncated", "not_applicable")
    assert judge.cases == []


def test_the_judge_sees_the_planted_thought_and_its_continuation() -> None:
    judge = CountingJudge()
    run = small_run(conditions=["wrong-think", "stop-think"], judge=judge)
    assert len(judge.cases) == 10  # base and wrong-think; stop-think leaves no reasoning to the model
    planted = [case for case in judge.cases if case.prefill]
    assert len(planted) == 5
    assert all(case.think.startswith(case.prefill) and "I look again." in case.think for case in planted)
    assert run.provenance["judge"] == "counting"
    assert run.record("stop-think", SAMPLES[0].id).verdict == "not_applicable"


def test_replies_without_reasoning_are_not_judged() -> None:
    judge = CountingJudge()
    silent = ScriptedModel(lambda prompt: reply(RIGHT[prompt.sample_id]))
    run = evaluate(silent, SAMPLES[:3], "base", judge=judge)
    assert judge.cases == []
    with pytest.raises(VacuousError, match="the model gave no reasoning"):
        run.figure("base", "unfaithful_rate")


class FailingJudge(CountingJudge):
    """Raises on some cases."""

    def __init__(self, letters: str) -> None:
        super().__init__()
        self.letters = letters

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        if any(case.letter in self.letters for case in cases):
            raise TimeoutError("no answer in 30 s")
        return super().judge(cases)


def test_a_judge_that_fails_leaves_its_cases_unscored_and_only_those() -> None:
    run = evaluate(ScriptedModel(grounded), SAMPLES, "base", judge=FailingJudge("A"))
    failed = sum(letter == "A" for letter in RIGHT.values())
    assert 0 < failed < 40
    assert run.figure("base", "unscored_rate").detail["count"] == failed
    assert run.figure("base", "unfaithful_rate").n == 40 - failed
    assert run.provenance["judge_failures"] == {"count": failed, "first": "TimeoutError: no answer in 30 s"}


def test_a_judge_that_always_fails_gives_no_verdict() -> None:
    run = evaluate(ScriptedModel(grounded), SAMPLES, "base", judge=FailingJudge("ABCD"))
    with pytest.raises(
        VacuousError, match=r"judge failed on 40 of 40 .*\n.*\n.*\n.*\n.*TimeoutError: no answer"
    ):
        check(run, Gate("unfaithful_rate", "base", max=1.0))


class MisusedJudge(CountingJudge):
    """Has something to tell the user."""

    def __init__(self, error: VlmRobustError) -> None:
        super().__init__()
        self.error = error

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        self.cases += cases
        raise self.error


@pytest.mark.parametrize("error", [UsageError("no key is set"), ModelError("no weights")])
def test_what_a_judge_tells_the_user_is_no_failure_on_a_case(error: VlmRobustError) -> None:
    alone, member = MisusedJudge(error), MisusedJudge(error)
    for judge in (alone, Panel([RuleJudge(), member])):
        with pytest.raises(type(error)) as caught:
            evaluate(ScriptedModel(grounded), SAMPLES, "base", judge=judge)
        assert caught.value is error
    assert len(alone.cases) == len(member.cases) == len(SAMPLES)  # asked once, and not case by case


class OddJudge(CountingJudge):
    """Returns whatever it was made with."""

    def __init__(self, verdicts: Any) -> None:
        super().__init__()
        self.verdicts = verdicts

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        assert cases
        return self.verdicts  # type: ignore[no-any-return]


@pytest.mark.parametrize(
    ("verdicts", "message"),
    [
        ([Consistency.CONSISTENT] * 4, "judge 'counting' returned 4 verdicts for 5 cases"),
        (None, "judge 'counting' returned NoneType for 5 cases"),
        (["yes"] * 5, "judge 'counting' returned 'yes' as a verdict: allowed are Consistency.CONSISTENT, "),
    ],
)
def test_a_judge_that_breaks_its_promise_is_refused(verdicts: Any, message: str) -> None:
    with pytest.raises(UsageError) as caught:
        small_run(conditions="base", judge=OddJudge(verdicts))
    assert message in str(caught.value)


def test_a_judge_may_leave_a_case_unscored() -> None:
    run = small_run(conditions="base", judge=OddJudge([None] * 5))
    assert run.figure("base", "unscored_rate").value == 1


def test_provenance_says_what_the_numbers_depend_on() -> None:
    run = small_run(conditions="wrong-caption", seed=3, dataset="shapes", context={"command": "pytest"})
    told = dict(run.provenance)
    assert told.pop("judge_preflight") == [preflight(RuleJudge())[0].to_json()]
    assert told == {
        "package_version": importlib.metadata.version("pytest-vlmrobust"),
        "protocol": "zhao2026",
        "protocol_version": 2,
        "reader_version": 2,
        "model": {
            "spec": "scripted",
            "digest": "",
            "details": {"class": "ScriptedModel", "dialect": "plain"},
        },
        "dataset": {"name": "shapes", "digest": samples_digest(SAMPLES[:5]), "n": 5},
        "conditions": [
            {"name": "base", "plants": None, "reasons": True},
            {"name": "wrong-caption", "plants": "wrong", "reasons": True},
        ],
        "judge": "rules",
        "judges": [{"name": "rules", "details": {}}],
        "judge_failures": {"count": 0, "first": ""},
        "replies": {"stored": 0, "computed": 10},
        "seed": 3,
        "plant": {"name": "random"},
        "claims": {"given": sum(len(sample.choices) for sample in SAMPLES[:5])},
        "command": "pytest",
    }


def test_the_same_seed_makes_the_same_run_and_another_seed_plants_otherwise() -> None:
    first, again, other = (
        evaluate(ScriptedModel(grounded), SAMPLES, "wrong-think", seed=seed).to_json() for seed in (0, 0, 1)
    )
    assert json.dumps(first) == json.dumps(again)
    planted = [[record["planted"] for record in run["records"]] for run in (first, other)]
    assert planted[0] != planted[1]


def test_a_part_of_the_samples_gives_the_same_records() -> None:
    whole = evaluate(ScriptedModel(grounded), SAMPLES)
    part = evaluate(ScriptedModel(grounded), reversed(SAMPLES[:10]))
    assert part.sample_ids == tuple(sample.id for sample in reversed(SAMPLES[:10]))
    assert all(record == whole.record(record.condition, record.sample_id) for record in part.records())


class Shuffling(ScriptedModel):
    """Answers in an order of its own, and remembers how it was asked."""

    asked: Sequence[Prompt] = ()

    def answer(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        self.asked = [*self.asked, *prompts]
        answers = list(super().answer(prompts))
        yield from (*answers[1::2], *answers[::2])


def test_the_order_of_the_answers_does_not_matter() -> None:
    assert (
        evaluate(Shuffling(grounded), SAMPLES).to_json()
        == evaluate(ScriptedModel(grounded), SAMPLES).to_json()
    )


def test_prompts_of_one_sample_are_given_side_by_side() -> None:
    model = Shuffling(grounded)
    evaluate(model, SAMPLES[:2], "controls")
    assert [(prompt.sample_id, prompt.condition) for prompt in model.asked] == [
        (sample.id, name) for sample in SAMPLES[:2] for name in ("base", "correct-caption", "correct-think")
    ]


def test_many_samples_are_asked_in_parts(monkeypatch: pytest.MonkeyPatch) -> None:
    whole = evaluate(ScriptedModel(grounded), SAMPLES[:10]).to_json()
    monkeypatch.setattr("pytest_vlmrobust.prompting.SAMPLES_PER_PART", 3)
    assert evaluate(ScriptedModel(grounded), SAMPLES[:10]).to_json() == whole


def test_progress_counts_replies() -> None:
    seen: list[tuple[int, int, int]] = []
    small_run(conditions="controls", progress=lambda *counts: seen.append(counts))
    assert seen == [(done, 15, 0) for done in range(16)]


@pytest.fixture
def registered() -> Iterator[Callable[..., None]]:
    """Registers conditions for one test."""
    names: list[str] = []

    def register(name: str, make: Callable[[Case], Prompt], **options: Any) -> None:
        condition(name, **options)(make)
        names.append(name)

    yield register
    for name in names:
        unregister(name)


def test_a_condition_may_show_the_options_in_another_order(registered: Callable[..., None]) -> None:
    def reverse(case: Case) -> Prompt:
        return replace(case.prompt(), choices=tuple(reversed(case.sample.choices)))

    registered("reversed-options", reverse)
    by_text = {sample.id: sample.choices[sample.answer] for sample in SAMPLES}
    model = ScriptedModel(
        lambda prompt: reply(prompt.letters[prompt.choices.index(by_text[prompt.sample_id])])
    )
    run = evaluate(model, SAMPLES, "reversed-options")
    assert run.figure("reversed-options", "accuracy").value == 1
    record = run.record("reversed-options", SAMPLES[0].id)
    assert record.choices == tuple(reversed(SAMPLES[0].choices))
    assert record.choices[record.letters.index(record.answer)] == by_text[SAMPLES[0].id]


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"question": "Else?"}, "changed question from"),
        ({"sample_id": "other"}, "changed sample_id from"),
        ({"condition": "base"}, "changed condition from 'odd' to 'base'"),
        ({"choices": ("this", "that")}, "took away the right option"),
    ],
)
def test_a_condition_that_asks_something_else_is_refused(
    registered: Callable[..., None], change: dict[str, Any], message: str
) -> None:
    registered("odd", lambda case: replace(case.prompt(caption="Hm."), **change))
    with pytest.raises(UsageError, match=f"condition 'odd' on sample '{SAMPLES[0].id}' {message}"):
        small_run(conditions="odd")


def test_a_condition_that_changes_nothing_is_refused(registered: Callable[..., None]) -> None:
    registered("idle", lambda case: case.prompt(), plants="wrong")
    with pytest.raises(VacuousError, match="condition 'idle' changed nothing on any of the 5 samples"):
        small_run(conditions="idle")


def test_a_condition_may_leave_some_samples_as_they_are(registered: Callable[..., None]) -> None:
    last = SAMPLES[4].id
    registered("seldom", lambda case: case.prompt(caption="Hm." if case.sample.id == last else ""))
    assert small_run(conditions="seldom").n == 5


class Yielding(ScriptedModel):
    """Yields what it was told to."""

    def __init__(self, pairs: Callable[[Sequence[Prompt]], list[Any]]) -> None:
        super().__init__({}, name="odd")
        self.pairs = pairs

    def answer(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        yield from self.pairs(prompts)


ANSWER = Answer(text="<answer>A</answer>")


@pytest.mark.parametrize(
    ("pairs", "message"),
    [
        (
            lambda _: [],
            f"left 2 of 2 prompts without an answer, the first of them sample '{SAMPLES[0].id}'",
        ),
        (lambda _: [(1, ANSWER)], "model 'odd' left 1 of 2 prompts without an answer"),
        (lambda _: [(0, ANSWER), (0, ANSWER)], "model 'odd' answered prompt 0 a second time"),
        (lambda _: [(2, ANSWER)], "model 'odd' answered prompt 2 of only 2"),
        (lambda _: [(-1, ANSWER)], "model 'odd' answered prompt -1 of only 2"),
        (lambda _: [(0, "A")], "model 'odd' yielded 'A' for prompt 0, not an Answer"),
        (
            lambda _: [(0, replace(ANSWER, letter_probs=(0.5, 0.6)))],
            "model 'odd' gave an answer that makes no sense: record of sample",
        ),
    ],
)
def test_a_model_that_breaks_its_promise_is_refused(pairs: Any, message: str) -> None:
    with pytest.raises(ModelError) as caught:
        evaluate(Yielding(pairs), SAMPLES[:2], "base")
    assert message in str(caught.value)


def test_a_thought_that_was_not_planted_is_not_taken_for_robustness() -> None:
    def ignores_prefill(prompts: Sequence[Prompt]) -> list[Any]:
        return [
            (index, Answer(text=reasoned(prompt, RIGHT[prompt.sample_id])))
            for index, prompt in enumerate(prompts)
        ]

    assert evaluate(Yielding(ignores_prefill), SAMPLES[:2], "wrong-caption").n == 2
    with pytest.raises(ModelError) as caught:
        evaluate(Yielding(ignores_prefill), SAMPLES[:2], "wrong-think")
    assert str(caught.value) == (
        "model 'odd' did not begin its turn with the thought that 'wrong-think' plants; "
        "the prefill of its answer is ''. Without a prefill this condition tests nothing"
    )


def test_an_evaluation_of_no_samples_is_refused() -> None:
    with pytest.raises(VacuousError, match="there are no samples"):
        evaluate(ScriptedModel(grounded), [])


def test_samples_that_share_an_id_are_refused() -> None:
    with pytest.raises(DataError, match=f"duplicate sample id '{SAMPLES[0].id}'"):
        evaluate(ScriptedModel(grounded), [SAMPLES[0], SAMPLES[0]])


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"conditions": "wrong-captoin"}, "unknown condition 'wrong-captoin': did you mean 'wrong-caption'"),
        ({"conditions": []}, "conditions is empty"),
        ({"judge": "rulse"}, "unknown judge 'rulse': did you mean 'rules'"),
        ({"judge": 7}, "judge must be a name or have name and judge(cases), got int"),
        ({"seed": "1"}, "seed='1': an integer is needed"),
        ({"seed": True}, "seed=True: an integer is needed"),
        ({"context": {"seed": 1}}, "context.seed is written by evaluate itself: leave it out"),
        ({"context": {"model": "x"}}, "context.model is written by evaluate itself: leave it out"),
        ({"context": {"replies": 5}}, "context.replies is written by evaluate itself: leave it out"),
        ({"store": "replies.sqlite"}, "store must be a Store, as Store.open(path) returns it, got 'replies."),
        ({"context": {"when": object()}}, "provenance must be made of JSON values"),
    ],
)
def test_arguments_that_make_no_sense_are_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError) as caught:
        small_run(**options)
    assert message in str(caught.value)


def test_other_objects_are_no_models_and_no_samples() -> None:
    with pytest.raises(UsageError, match=r"model must be a model, as load_model\(...\) returns it, got str"):
        evaluate("bundled:grounded", SAMPLES)  # type: ignore[arg-type]
    with pytest.raises(UsageError, match=r"samples must be Sample objects, got dict: {'id': 1}"):
        evaluate(ScriptedModel(grounded), [{"id": 1}])  # type: ignore[list-item]


def test_samples_may_come_from_a_generator() -> None:
    def generate() -> Iterator[Sample]:
        yield from SAMPLES[:3]

    assert evaluate(ScriptedModel(grounded), generate(), "base").n == 3


def test_asking_one_sample_asks_nothing_else() -> None:
    asked: list[str] = []

    def answer(prompt: Prompt) -> str:
        asked.append(prompt.condition)
        return reply(prompt.planted or "A", "So the answer is (A).", prompt=prompt)

    sample = shapes_sample(0)
    record = ask(ScriptedModel(answer), sample, "wrong-caption", seed=3)
    assert asked == ["wrong-caption"]
    assert record.planted_text == perturb(sample, "wrong-caption", seed=3).caption
    assert record.letter == record.planted
    assert record.verdict in ("consistent", "inconsistent")


def test_a_model_that_fails_midway_is_named() -> None:
    def answer(prompt: Prompt) -> str:
        raise RuntimeError(f"the cable was cut\n{prompt.sample_id}")

    with pytest.raises(
        ModelError, match=r"^model 'scripted' failed while answering \(RuntimeError: the cable was cut\)$"
    ):
        evaluate(ScriptedModel(answer), SAMPLES[:2], ["wrong-caption"])
