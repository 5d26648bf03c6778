"""Gates that are decided while the samples come."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest

from pytest_vlmrobust.core.gates import Gate
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.stopping import check_stoppable, look, random_order
from pytest_vlmrobust.errors import UsageError, VacuousError
from tests.unit.made_runs import record, run_of

DROP = Gate("accuracy_drop", "wrong-think", max=0.05)
ACCURACY = Gate("accuracy", "base", min=0.9)


def drawn(rng: np.random.Generator, n: int, *, lost: float, gained: float) -> Evaluation:
    kinds = rng.random(n)
    base = "".join("B" if kind < gained else "A" for kind in kinds)
    here = "".join("B" if gained <= kind < gained + lost else "A" for kind in kinds)
    return run_of({"base": base, "wrong-think": here})


def test_a_clear_gate_is_decided_long_before_all_samples_are_spent() -> None:
    good, bad = run_of({"base": "A" * 300, "wrong-think": "A" * 300}), "AAB" * 100
    (kept,) = look(good, [DROP])
    assert kept.verdict == "pass"
    assert kept.decided_at is not None
    assert kept.decided_at < 200
    assert kept.interval is not None
    assert kept.interval.high <= 0.05
    (broken, wrong) = look(
        run_of({"base": "A" * 300, "wrong-think": bad}), [DROP, Gate("misled_rate", "wrong-think", max=0.1)]
    )
    assert (broken.verdict, wrong.verdict) == ("fail", "fail")
    assert (broken.decided_at or 300) < 60
    assert (wrong.decided_at or 300) < 100


def test_a_minimum_passes_from_above() -> None:
    assert look(run_of({"base": "A" * 200}), [ACCURACY])[0].verdict == "pass"
    assert look(run_of({"base": "AB" * 100}), [ACCURACY])[0].verdict == "fail"
    assert look(run_of({"base": "A" * 18 + "BB"}), [ACCURACY])[0].verdict == "inconclusive"


def test_a_verdict_stays_at_every_later_look() -> None:
    rng = np.random.default_rng(3)
    run = drawn(rng, 400, lost=0.2, gained=0.02)
    seen = [look(run.restricted(run.sample_ids[:n]), [DROP])[0] for n in (25, 50, 100, 200, 400)]
    decided = [one.verdict for one in seen if one.verdict != "inconclusive"]
    assert set(decided) == {"fail"}
    assert {one.decided_at for one in seen if one.decided_at} == {seen[-1].decided_at}


def test_wrong_verdicts_stay_rare_however_often_one_looks() -> None:
    """The true drop is the threshold, so any verdict is wrong on one side; each may be in 2.5 % of runs."""
    rng, runs = np.random.default_rng(7), 200
    wrong = sum(
        look(drawn(rng, 300, lost=0.07, gained=0.02), [DROP])[0].verdict == "fail" for _ in range(runs)
    )
    assert wrong / runs <= 0.05


def test_gates_together_are_decided_later() -> None:
    run = drawn(np.random.default_rng(1), 400, lost=0.2, gained=0.0)
    gates = [DROP, ACCURACY, Gate("misled_rate", "wrong-think", max=0.1)]
    alone, together = look(run, gates), look(run, gates, familywise=True)
    for one, all_ in zip(alone, together, strict=True):
        assert one.decided_at is not None
        assert all_.decided_at is not None
        assert all_.decided_at > one.decided_at


def test_the_order_is_random_and_belongs_to_ids_and_seed() -> None:
    ids = [f"s{index}" for index in range(50)]
    order = random_order(ids, 0)
    assert sorted(order) == list(range(50))
    assert order != list(range(50))
    assert order != random_order(ids, 1)
    kept = [row for row in order if row % 2]
    assert [ids[row] for row in kept] == [ids[1::2][row] for row in random_order(ids[1::2], 0)]


def test_a_gate_without_a_basis_waits() -> None:
    run = run_of({"base": "A" * 300, "wrong-think": "B" * 250 + "-" * 50})
    (waits,) = look(run, [DROP])
    assert (waits.verdict, waits.n) == ("inconclusive", 250)
    assert "50 of 300 replies (0.167) could not be read" in waits.waiting
    assert look(run, [DROP], max_unscored_rate=0.2)[0].verdict == "fail"
    (nothing,) = look(run_of({"base": "AA", "wrong-think": "--"}), [DROP])
    assert (nothing.verdict, nothing.interval, nothing.n) == ("inconclusive", None, 0)


RUN = run_of({"base": "A" * 9, "wrong-think": "A" * 9})
GROUPED = Evaluation.from_records(record("base", index, "A", group="g") for index in range(4))
NOT_VALID: dict[str, tuple[Callable[[], object], type[Exception], str]] = {
    "a score": (
        lambda: check_stoppable(Gate("benchmark_score", "base", min=0.5)),
        UsageError,
        "early stop is not valid for benchmark_score, which is no mean of samples with known bounds",
    ),
    "a bound at the end of the range": (
        lambda: look(RUN, [Gate("misled_rate", "wrong-think", max=0.0)]),
        UsageError,
        "misled_rate under wrong-think <= 0: no number of samples can decide for sure about a bound",
    ),
    "groups": (
        lambda: look(GROUPED, [ACCURACY]),
        UsageError,
        "samples that share a group are not independent, so early stop is not valid for them",
    ),
    "no gates": (lambda: look(RUN, []), VacuousError, "there are no gates, so nothing can be decided"),
    "percent": (lambda: look(RUN, [ACCURACY], confidence=95), UsageError, "for 95 percent say 0.95"),
    "unscored": (
        lambda: look(RUN, [ACCURACY], max_unscored_rate=2),
        UsageError,
        "max_unscored_rate=2: it is a fraction",
    ),
}


@pytest.mark.parametrize("what", NOT_VALID)
def test_what_it_is_not_valid_for_is_refused(what: str) -> None:
    make, kind, message = NOT_VALID[what]
    with pytest.raises(kind) as caught:
        make()
    assert message in str(caught.value)
