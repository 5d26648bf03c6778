"""What is told of replies besides what they say: marks, tokens, costs, plans."""

from __future__ import annotations

from collections.abc import Sequence
from itertools import islice
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vlmrobust.accounts import Accounts
from pytest_vlmrobust.conditions import perturb
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.datasets.shapes import iterate_shapes
from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.evaluation import ask, evaluate
from pytest_vlmrobust.judges import Consistency, JudgeCase
from pytest_vlmrobust.models.base import Answer
from pytest_vlmrobust.models.scripted import ScriptedModel, reply
from pytest_vlmrobust.planning import Plan, plan_lines
from pytest_vlmrobust.remote.budget import Budget, Price
from pytest_vlmrobust.reports.servers import cost_line, usage, warnings
from tests.unit.made_runs import record, run_of

BASE = {"name": "base", "plants": None, "reasons": True}
TOKENS = {"tokens_in": 2_000_000, "tokens_out": 30, "computed_in": 1_000_000, "computed_out": 20}


def test_nothing_is_told_of_a_condition_of_which_there_is_nothing_to_tell() -> None:
    accounts = Accounts()
    accounts.take("base", Answer(text="A", tokens=3), stored=False)
    assert accounts.complete([BASE]) == [BASE]
    assert Accounts().complete([BASE]) == [BASE]


def test_marks_and_tokens_are_told_by_condition() -> None:
    accounts = Accounts()
    accounts.take("base", Answer(text="A", tokens=3, tokens_in=10, approximate=True), stored=False)
    accounts.take("base", Answer(text="A", tokens=4, tokens_in=20, reasoning_hidden=True), stored=True)
    counts = {"tokens_in": 30, "tokens_out": 7, "computed_in": 10, "computed_out": 3}
    assert accounts.complete([BASE]) == [
        {**BASE, "approximate": True, "reasoning_hidden": True, "tokens": counts}
    ]


@pytest.mark.parametrize(
    ("entry", "words"),
    [
        ({"approximate": "yes"}, r"provenance.conditions\[0\].approximate must be true or false, got 'yes'"),
        ({"reasoning_hidden": 1}, r"conditions\[0\].reasoning_hidden must be true or false, got 1"),
        ({"tokens": {"tokens_in": 3}}, r"conditions\[0\].tokens must be an object with tokens_in \(a whole"),
        ({"tokens": {**TOKENS, "tokens_out": -1}}, r"conditions\[0\].tokens must be an object"),
    ],
)
def test_a_malformed_account_is_refused(entry: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError, match=words):
        run_of({"base": "AAB"}, provenance={"conditions": [{**BASE, **entry}]})


def test_marks_go_with_their_condition() -> None:
    listed = [{"name": name, "plants": None, "reasons": True} for name in ("base", "odd")]
    marked = run_of(
        {"base": "AAB", "odd": "ABB"},
        provenance={"conditions": [listed[0], {**listed[1], "approximate": True}]},
    )
    plain = run_of({"base": "AAB"}, provenance={"conditions": listed[:1]})
    assert marked.approximate == ("odd",)
    assert marked.select("base").approximate == ()
    assert plain.merge(marked).approximate == ("odd",)


def test_little_mass_and_failed_requests_are_told() -> None:
    records = [record("base", index, "A", probs=(0.9, 0.05, 0.05), letter_mass=0.2) for index in range(3)]
    failed = record("base", 3, "-", unparsed_reason="request failed: HTTP 500")
    run = Evaluation.from_records([*records, failed])
    assert list(warnings(run, "*")) == [
        "requests that failed: 0.250 under base",
        "the letters' probabilities stand on little, all letters together: 0.200 under base",
    ]
    assert run.figure("base", "letter_mass").value == pytest.approx(0.2)
    assert list(warnings(run_of({"base": "AAB"}), "*")) == []


def test_a_distribution_that_was_told_renormalized_alone_has_no_mass() -> None:
    records = [record("base", index, "A", probs=(0.9, 0.05, 0.05), letter_mass=None) for index in range(3)]
    assert "letter_mass" not in Evaluation.from_records(records).figures("base")


def test_tokens_and_costs_are_told() -> None:
    known = {"conditions": [{**BASE, "tokens": TOKENS}]}
    run = run_of({"base": "AAB"}, provenance=known)
    assert usage(run) == "tokens: 2,000,000 in, 30 out; of this session 1,000,000 in, 20 out"
    budget = Budget(price=Price(2.5, 10))
    assert cost_line(Budget()) == ""
    assert cost_line(budget) == "cost: 0.0000, at 2.5 and 10 per million tokens"
    budget.settle(0.0, 1_000_000, 20, "judge")
    assert cost_line(budget) == "cost: 2.5002 (judge 2.5002), at 2.5 and 10 per million tokens"
    assert usage(run_of({"base": "AAB"})) == ""


class Noting:
    """A judge that notes what it is given."""

    name = "noting"

    def __init__(self) -> None:
        self.cases: list[JudgeCase] = []

    def judge(self, cases: Sequence[JudgeCase]) -> list[Consistency | None]:
        self.cases += cases
        return [Consistency.CONSISTENT] * len(cases)


@pytest.mark.parametrize("begins", [True, False])
def test_a_judge_is_told_of_a_thought_only_where_the_model_has_begun_with_it(begins: bool) -> None:
    """Where the thought was asked for in the prompt, the model may have left it out."""
    sample = next(iterate_shapes())
    thought = perturb(sample, "wrong-think").thought
    text = reply("A", f"{thought} So A." if begins else "No. So A.")
    model = ScriptedModel(lambda _: Answer(text=text, approximate=True), dialect="bare")
    judge = Noting()
    record = ask(Unbegun(model), sample, "wrong-think", judge=judge)
    assert record.prefill == ""
    assert [case.prefill for case in judge.cases] == [thought if begins else ""]


class Unbegun:
    """A model whose turn cannot be begun."""

    def __init__(self, model: ScriptedModel) -> None:
        self.info, self.reply_format, self.close = model.info, model.reply_format, model.close
        self._model = model

    def answer(self, prompts: Any) -> Any:
        from dataclasses import replace

        return ((index, replace(answer, prefill="")) for index, answer in self._model.answer(prompts))


def test_a_model_may_fail_on_a_prompt_and_say_so() -> None:
    samples = tuple(islice(iterate_shapes(), 4))
    lost = samples[1].id
    model = ScriptedModel(
        lambda prompt: Answer(text="", failure="it rains") if prompt.sample_id == lost else reply("A")
    )
    run = evaluate(model, samples, "base", judge=Noting())
    assert run.record("base", lost).unparsed_reason == "request failed: it rains"
    assert run.figure("base", "failed_rate").detail["count"] == 1


@given(
    st.lists(st.tuples(st.integers(0, 10**6), st.integers(0, 10**6), st.booleans()), max_size=30),
    st.floats(0.01, 10.0),
)
def test_no_order_of_requests_spends_more_than_the_limit(
    requests: list[tuple[int, int, bool]], limit: float
) -> None:
    """Where each costs no more than was held for it."""
    budget = Budget(price=Price(1.0, 3.0), limit=limit)
    waiting: list[tuple[float, int, int]] = []
    for tokens_in, tokens_out, settles in requests:
        held = budget.hold(tokens_in, tokens_out)
        if held is not None:
            waiting.append((held, tokens_in, tokens_out))
        if settles and waiting:
            budget.settle(*waiting.pop(0))
        assert budget.spent <= limit * (1 + 1e-9)
    for each in waiting:
        budget.settle(*each)
    assert budget.spent <= limit * (1 + 1e-9)


def test_without_a_price_nothing_is_limited() -> None:
    budget = Budget(limit=1.0)
    assert not budget.counts
    assert budget.hold(10**12, 10**12) == 0.0


def test_a_plan_counts_each_prompt_once() -> None:
    samples = tuple(islice(iterate_shapes(), 3))
    prompts = [perturb(sample, name) for sample in samples for name in ("base", "wrong-caption")]
    plan = Plan()
    for asked in (prompts, prompts[:4]):
        plan.add(model="m", dataset="d", prompts=asked, max_new_tokens=10)
    (row,) = plan.rows
    assert (row.requests, row.tokens_out) == (6, 60)
    assert row.tokens_in > 6 * 20
    assert len(list(plan_lines(plan.rows, None))) == 2
    assert next(plan_lines([], None)) == "in all: 0 requests, about 0 tokens in and at most 0 out"
