"""Ctrl-C: what was finished comes back, marked as incomplete, and no verdict stands on it."""

from __future__ import annotations

import random
import sys
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

import pytest_vlmrobust
from pytest_vlmrobust.assertions import assert_gates
from pytest_vlmrobust.core.gates import Gate, check
from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.datasets.shapes import iterate_shapes
from pytest_vlmrobust.errors import EvaluationInterrupted, VacuousError
from pytest_vlmrobust.evaluation import evaluate
from pytest_vlmrobust.judges.base import JudgeCase, Verdict
from pytest_vlmrobust.models.scripted import ScriptedModel, reply
from pytest_vlmrobust.store import Store
from tests.unit.mates import Mates

SAMPLES = tuple(islice(iterate_shapes(), 12))
PACKAGE = str(Path(pytest_vlmrobust.__file__).parent)


class Stopped(Mates):
    """Is stopped by Ctrl-C when it comes to compute batch number ``at``."""

    def __init__(self, at: int) -> None:
        super().__init__()
        self.at = at

    def note(self, what: str, batch: Sequence[Prompt] = ()) -> None:
        if what == "computes" and len(self.computed) == self.at * len(batch):
            raise KeyboardInterrupt


def stopped(model: Mates | ScriptedModel, **options: Any) -> EvaluationInterrupted:
    with pytest.raises(EvaluationInterrupted) as caught:
        evaluate(model, SAMPLES, **options)
    assert isinstance(caught.value, KeyboardInterrupt)
    return caught.value


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "replies.sqlite") as opened:
        yield opened


def test_what_was_finished_comes_back_marked_as_incomplete(store: Store) -> None:
    error = stopped(Stopped(at=2), store=store)
    assert str(error) == (
        f"stopped after 24 of 72 replies, which are kept in {store.path}: the next run goes on from there"
    )
    part = error.evaluation
    assert part is not None
    assert part.sample_ids == tuple(sample.id for sample in SAMPLES[:4])
    assert part.provenance["incomplete"] == {"samples": 4, "of": 12, "reason": "interrupted"}
    assert part.provenance["replies"] == {"stored": 0, "computed": 24}
    model = Mates()
    whole = evaluate(model, SAMPLES, store=store)
    assert len(model.computed) == 48
    for name in whole.conditions:
        assert list(part.records(name)) == list(whole.records(name))[:4]


def test_no_verdict_stands_on_a_part(store: Store) -> None:
    part = stopped(Stopped(at=2), store=store).evaluation
    assert part is not None
    with pytest.raises(VacuousError, match=r"the run is incomplete \(interrupted\), 4 of 12 samples"):
        check(part, Gate("accuracy", "base", min=0.0))
    with pytest.raises(VacuousError, match="the run is incomplete"):
        assert_gates(part, min_accuracy=0.0)


def test_there_is_no_part_without_a_finished_sample(store: Store) -> None:
    error = stopped(Stopped(at=0), store=store)
    assert error.evaluation is None
    assert str(error).startswith("stopped after 0 of 72 replies")


def test_without_a_store_the_replies_are_gone_and_the_message_does_not_promise_them() -> None:
    def answer(prompt: Prompt) -> str:
        if (prompt.sample_id, prompt.condition) == (SAMPLES[3].id, "wrong-think"):
            raise KeyboardInterrupt
        return reply("A", "So the answer is (A).", prompt=prompt)

    error = stopped(ScriptedModel(answer))
    assert str(error) == "stopped after 20 of 72 replies"
    assert error.evaluation is not None
    assert error.evaluation.n == 3


def test_what_waits_for_a_slow_judge_is_left_out() -> None:
    class Slow:
        name = "slow"

        def judge(self, _: Sequence[JudgeCase]) -> list[Verdict]:
            raise AssertionError("nobody waits for a judge after Ctrl-C")

    assert stopped(Stopped(at=2), judge=Slow()).evaluation is None


def test_ctrl_c_in_the_judge_is_no_failure_of_the_judge() -> None:
    class Interrupted:
        name = "own"

        def judge(self, _: Sequence[JudgeCase]) -> list[Verdict]:
            raise KeyboardInterrupt

    assert stopped(Mates(), judge=Interrupted()).evaluation is None


def interrupted_at(line: int, store: Store) -> Evaluation | int | None:
    """Evaluate, with Ctrl-C when that many lines of the package were run.

    Returns:
        What came of it; or, when it came to its end, how many lines there are.
    """
    ran = 0

    def trace(frame: FrameType, event: str, _: Any) -> Any:
        nonlocal ran
        if not frame.f_code.co_filename.startswith(PACKAGE):
            return None
        if event == "line":
            ran += 1
            if ran == line:
                raise KeyboardInterrupt
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        evaluate(Mates(), SAMPLES[:4], "wrong-think", store=store)
    except EvaluationInterrupted as error:
        return error.evaluation
    except KeyboardInterrupt:
        return None  # before anything was asked
    finally:
        sys.settrace(before)
    return ran


def test_wherever_it_strikes_no_record_is_torn_or_made_up(store: Store) -> None:
    whole = evaluate(Mates(), SAMPLES[:4], "wrong-think", store=store)
    lines = interrupted_at(0, store)
    assert isinstance(lines, int)
    rng, found = random.Random(5), 0
    for _ in range(60):
        part = interrupted_at(rng.randint(lines // 2, lines), store)
        assert not isinstance(part, int)
        if part is None:
            continue
        found += 1
        for record in part.records():
            assert record == whole.record(record.condition, record.sample_id)
    assert found > 5
