"""Verdicts that have to be sure: modes, confidence, groups, families, and inconclusive gates."""

from __future__ import annotations

import functools
import math
import unittest
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_vlmrobust.assertions import assert_accuracy, assert_accuracy_drop, assert_gates
from pytest_vlmrobust.comparisons import assert_no_regression
from pytest_vlmrobust.core.baselines import RegressionGate, check_regression
from pytest_vlmrobust.core.evidence import Evidence, rate_evidence, weigh
from pytest_vlmrobust.core.explain import explain_failure
from pytest_vlmrobust.core.findings import Inconclusive, find_all, find_family
from pytest_vlmrobust.core.gates import Gate, check, judge_gates
from pytest_vlmrobust.core.metrics import rate
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.errors import InconclusiveWarning, UsageError, VacuousError
from tests.unit.made_runs import record, run_of

INCONCLUSIVE: tuple[Inconclusive, ...] = ("fail", "warn", "skip")
DROP = Gate("accuracy_drop", "wrong-think", max=0.05)


def dropped(lost: int, n: int) -> Evaluation:
    return run_of({"base": "A" * n, "wrong-think": "B" * lost + "A" * (n - lost)})


def grouped(n: int, size: int, lost: int) -> Evaluation:
    """Samples in groups of ``size``; the first ``lost`` samples are right under base alone."""
    return Evaluation.from_records(
        record(name, index, "B" if name != "base" and index < lost else "A", group=f"g{index // size}")
        for name in ("base", "wrong-think")
        for index in range(n)
    )


@pytest.mark.parametrize(
    ("lost", "n", "estimate", "confident"),
    [
        (0, 200, "pass", "pass"),
        (6, 200, "pass", "inconclusive"),
        (12, 200, "fail", "inconclusive"),
        (30, 200, "fail", "fail"),
    ],
)
def test_a_confident_verdict_needs_the_whole_interval_on_one_side(
    lost: int, n: int, estimate: str, confident: str
) -> None:
    run = dropped(lost, n)
    assert check(run, DROP).verdict == estimate
    assert check(run, DROP, mode="confident").verdict == confident


def test_a_minimum_is_judged_from_the_other_side() -> None:
    run = run_of({"base": "A" * 180 + "B" * 20})
    for least, verdict in ((0.8, "pass"), (0.9, "inconclusive"), (0.97, "fail")):
        assert check(run, Gate("accuracy", "base", min=least), mode="confident").verdict == verdict


def test_the_outcome_tells_interval_resolution_and_what_would_settle_it() -> None:
    finding = check(dropped(12, 200), DROP, mode="confident", confidence=0.9).finding
    assert (finding.mode, finding.confidence, finding.family, finding.clusters) == ("confident", 0.9, 1, None)
    assert finding.interval is not None
    assert finding.interval.low < 0.05 < finding.interval.high
    assert finding.detectable is not None
    assert 0.05 < finding.detectable < 0.15
    assert finding.needed is not None
    assert finding.needed > 200
    narrower = check(dropped(60, 1000), DROP, mode="confident", confidence=0.9).finding
    assert narrower.detectable is not None
    assert narrower.detectable < finding.detectable
    assert check(dropped(60, 1000 + 60 * 20), DROP, mode="confident").finding.needed is None


@settings(max_examples=60, deadline=None)
@given(lost=st.integers(0, 60), n=st.integers(60, 150), threshold=st.floats(0.01, 0.5))
def test_a_confident_verdict_never_contradicts_the_estimate(lost: int, n: int, threshold: float) -> None:
    run, gate = dropped(lost, n), Gate("accuracy_drop", "wrong-think", max=threshold)
    estimate, loose = check(run, gate).verdict, check(run, gate, mode="confident", confidence=0.8).verdict
    sure = check(run, gate, mode="confident", confidence=0.99).verdict
    assert loose in (estimate, "inconclusive")
    assert sure in (loose, "inconclusive")


def test_the_mean_probability_of_the_right_letter_gets_an_interval() -> None:
    sure, open_ = (0.98, 0.01, 0.01), (0.4, 0.3, 0.3)
    run = run_of({"base": "A" * 40}, probs={"base": [sure] * 30 + [open_] * 10})
    outcome = check(run, Gate("p_correct", "base", min=0.8), mode="confident")
    assert outcome.figure.low is None  # the report shows it as a plain mean
    assert outcome.finding.interval is not None
    assert outcome.finding.interval.low < 0.8 < outcome.finding.interval.high
    assert outcome.verdict == "inconclusive"
    assert check(run, Gate("p_correct", "base", min=0.3), mode="confident").passed


def test_the_mean_entropy_has_an_interval_within_its_bounds() -> None:
    run = run_of({"base": "A" * 30}, probs={"base": [(1 / 3, 1 / 3, 1 / 3)] * 15 + [(1.0, 0.0, 0.0)] * 15})
    figure = run.figure("base", "letter_entropy")
    found = weigh(run.view("base"), "letter_entropy", figure)
    assert found is not None
    interval = found.interval(0.95)
    assert 0 < interval.low < figure.value < interval.high < math.log(3)


def test_samples_that_share_a_group_show_less() -> None:
    alone, fours = grouped(160, 1, 16), grouped(160, 4, 16)
    free, tied = (check(run, DROP, mode="confident").finding for run in (alone, fours))
    assert (free.clusters, tied.clusters) == (None, 40)
    assert free.interval is not None
    assert tied.interval is not None
    assert tied.interval.low < free.interval.low < free.interval.high < tied.interval.high
    assert free.detectable is not None
    assert tied.detectable is not None
    assert tied.detectable > free.detectable
    figure = fours.figure("wrong-think", "accuracy_drop")
    assert figure.low is not None
    assert figure.low < (alone.figure("wrong-think", "accuracy_drop").low or 0)
    text = explain_failure(fours, check(fours, DROP))
    assert "\n  groups     the samples come in 40 groups, which are not independent within\n" in text


def test_one_group_has_no_interval_and_no_sure_verdict() -> None:
    run = grouped(20, 20, 5)
    outcome = check(run, DROP)
    assert (outcome.verdict, outcome.finding.interval) == ("fail", None)
    figure, plain = run.figure("wrong-think", "accuracy_drop"), run.figure("base", "accuracy")
    assert (figure.low, figure.high, plain.low, plain.high) == (-1.0, 1.0, 0.0, 1.0)
    told = "all samples are of one group, which does not show how groups differ: there is no interval"
    assert f"\n  groups     {told}\n" in explain_failure(run, outcome)
    with pytest.raises(
        VacuousError, match=r"without an interval none can be sure .* all 20 samples are of one"
    ):
        check(run, DROP, mode="confident")


@pytest.mark.parametrize("letters", ["A", "B"])
def test_too_few_samples_for_any_verdict_are_an_error_that_says_how_many_it_takes(letters: str) -> None:
    run = run_of({"base": letters})
    with pytest.raises(VacuousError) as caught:
        check(run, Gate("accuracy", "base", min=0.9), mode="confident")
    assert str(caught.value) == (
        "no verdict on accuracy under base >= 0.9: 1 sample is too few for any that is sure (0.95), whatever "
        "the model does: a pass takes 36, a fail 2 at least; raise --vlm-limit (in code: give more samples)"
    )
    assert check(run, Gate("accuracy", "base", min=0.9)).verdict in ("pass", "fail")


def test_a_bound_that_no_number_of_samples_can_keep_or_break_for_sure_is_judged_all_the_same() -> None:
    run = run_of({"base": "AAAAB"})
    assert check(run, Gate("accuracy", "base", min=1.0), mode="confident").verdict == "fail"
    assert check(run, Gate("accuracy", "base", min=0.0), mode="confident").verdict == "pass"
    perfect = check(run_of({"base": "AAAA"}), Gate("accuracy", "base", min=1.0), mode="confident")
    assert (perfect.verdict, perfect.finding.needed) == ("inconclusive", None)


def test_all_right_and_all_wrong_are_judged() -> None:
    assert check(dropped(0, 100), DROP, mode="confident").passed
    assert check(dropped(100, 100), DROP, mode="confident").verdict == "fail"
    few = check(dropped(0, 40), DROP, mode="confident")
    assert (few.verdict, few.finding.fewest) == ("inconclusive", 72)
    assert "\n  too few    even a run without a fault takes 72 samples to pass\n" in explain_failure(
        dropped(0, 40), few
    )


def test_an_inconclusive_gate_says_so_and_what_would_settle_it() -> None:
    run = dropped(12, 200)
    lines = explain_failure(run, check(run, DROP, mode="confident", confidence=0.99)).splitlines()
    assert lines[0] == "inconclusive: accuracy fell by 0.060 under wrong-think; max_accuracy_drop is 0.05"
    assert any("99 % interval 0.0" in line for line in lines)
    assert any(
        line.startswith("  unsure     the interval straddles 0.05; about ") and "would settle it" in line
        for line in lines
    )
    assert any(line.startswith("  could show with 200 samples, a true value of 0.") for line in lines)


BAD: dict[str, tuple[Callable[[], object], str]] = {
    "mode": (lambda: check(dropped(0, 9), DROP, mode="sure"), "unknown gate mode 'sure'"),  # type: ignore[arg-type]
    "confidence": (
        lambda: check(dropped(0, 9), DROP, confidence=95),
        "confidence=95: it lies strictly between 0.5 and 1, such as 0.95; for 95 percent say 0.95",
    ),
    "half": (lambda: check(dropped(0, 9), DROP, confidence=0.5), "confidence=0.5: it lies strictly between"),
    "regression": (
        lambda: assert_no_regression(
            dropped(0, 9),
            dropped(0, 9),
            max_regression=0.1,
            mode="sure",  # type: ignore[arg-type]
        ),
        "unknown gate mode 'sure'",
    ),
    "inconclusive": (
        lambda: assert_accuracy(dropped(0, 9), min_accuracy=0.5, inconclusive="pass"),  # type: ignore[arg-type]
        "unknown way to treat inconclusive gates 'pass'",
    ),
    "inconclusive of several": (
        lambda: assert_gates(dropped(0, 9), DROP, inconclusive="error"),  # type: ignore[arg-type]
        "unknown way to treat inconclusive gates 'error'",
    ),
    "a family of estimates": (
        lambda: assert_gates(dropped(0, 9), DROP, familywise=True),
        "familywise makes verdicts surer, so it needs verdicts that claim to be sure",
    ),
}


@pytest.mark.parametrize("what", BAD)
def test_arguments_that_make_no_sense_are_refused(what: str) -> None:
    make, message = BAD[what]
    with pytest.raises(UsageError) as caught:
        make()
    assert message in str(caught.value)


def unsure(**more: Any) -> None:
    assert_accuracy_drop(dropped(12, 200), "wrong-think", max_drop=0.05, mode="confident", **more)


def test_an_inconclusive_assertion_fails_warns_or_skips() -> None:
    with pytest.raises(AssertionError, match=r"^inconclusive: accuracy fell by 0.060"):
        unsure()
    with pytest.warns(InconclusiveWarning, match=r"^inconclusive: accuracy fell by 0.060") as told:
        unsure(inconclusive="warn")
    assert told[0].filename == __file__
    with pytest.raises(unittest.SkipTest, match=r"^inconclusive: accuracy fell by 0.060"):
        unsure(inconclusive="skip")


def test_a_gate_that_fails_fails_however_inconclusive_ones_are_treated() -> None:
    run = run_of({"base": "A" * 200, "wrong-think": "B" * 12 + "A" * 188, "wrong-caption": "B" * 200})
    for inconclusive in INCONCLUSIVE:
        with pytest.raises(AssertionError) as caught:
            assert_gates(run, max_accuracy_drop=0.05, mode="confident", inconclusive=inconclusive)
        assert str(caught.value).startswith("1 of 2 gates failed, 1 inconclusive\n")


def test_a_gate_without_a_basis_is_an_error_before_inconclusive_ones_are_skipped() -> None:
    run = dropped(12, 200)
    with pytest.raises(VacuousError, match=r"no verdict|there is no"):
        assert_gates(run, DROP, Gate("p_correct", "base", min=0.5), mode="confident", inconclusive="skip")


def test_no_worse_than_the_baseline_can_be_asked_for_with_confidence() -> None:
    before, gate = dropped(0, 200), RegressionGate("accuracy", "wrong-think", max_regression=0.02)
    for lost, verdict in ((0, "pass"), (6, "inconclusive"), (40, "fail")):
        outcome = check_regression(dropped(lost, 200), before, gate, mode="confident")
        assert outcome.verdict == verdict
    with pytest.raises(AssertionError, match=r"^inconclusive: accuracy under wrong-think is 0.030 worse"):
        assert_no_regression(
            dropped(6, 200), before, condition="wrong-think", max_regression=0.02, mode="confident"
        )


def test_a_family_is_judged_more_strictly_than_each_of_its_gates() -> None:
    """13 of 200 lost is a breach of 0.03 by itself, at 95 %, and not among eight gates."""
    letters = {"base": "A" * 200} | {f"wrong-{index}": "B" * 13 + "A" * 187 for index in range(8)}
    run = run_of(letters)
    gates = [Gate("accuracy_drop", name, max=0.03) for name in letters if name != "base"]
    alone, _ = judge_gates(run, gates, mode="confident")
    together, _ = judge_gates(run, gates, mode="confident", familywise=True)
    assert {outcome.verdict for outcome in alone} == {"fail"}
    assert {outcome.verdict for outcome in together} == {"inconclusive"}
    finding = together[0].finding
    assert finding.family == 8
    assert finding.chance is not None
    assert finding.chance > 0.025
    assert finding.needed is not None
    assert (finding.detectable or 0) > (alone[0].finding.detectable or 1)
    text = explain_failure(run, together[0])
    assert "\n  family     one of 8 gates that are judged together (Holm): by chance alone in 0." in text
    assert "\n  unsure     " in text
    with pytest.raises(AssertionError, match="0 of 8 gates failed, 8 inconclusive"):
        assert_gates(run, max_accuracy_drop=0.03, mode="confident", familywise=True)


def test_a_gate_without_a_basis_is_no_member_of_the_family() -> None:
    run = dropped(30, 200)
    gates = [DROP, Gate("p_correct", "base", min=0.5)]
    outcomes, baseless = judge_gates(run, gates, mode="confident", familywise=True)
    assert [(outcome.verdict, outcome.finding.family) for outcome in outcomes] == [("fail", 1)]
    assert len(baseless) == 1


def test_twelve_gates_without_a_breach_are_rarely_red() -> None:
    """All true rates just at their thresholds, where false alarms are most frequent; and well within them."""
    rng, suites, members, n = np.random.default_rng(5), 300, 12, 250
    gates = [Gate("misled_rate", f"c{index}", max=0.1) for index in range(members)]

    @functools.cache  # the same counts come again and again
    def evidence(count: int) -> Evidence:
        hits = np.arange(n) < count
        return rate_evidence(rate("misled_rate", hits), hits, None)

    red = together_red = green = 0
    for at, within in zip(
        rng.binomial(n, 0.1, (suites, members)), rng.binomial(n, 0.02, (suites, members)), strict=True
    ):
        cases = [(gate, evidence(int(count))) for gate, count in zip(gates, at, strict=True)]
        alone = find_all(cases, mode="confident", confidence=0.95, familywise=False)
        red += any(one.verdict == "fail" for one in alone)  # type: ignore[union-attr]
        together_red += any(one.verdict == "fail" for one in find_family(cases))  # type: ignore[union-attr]
        good = [(gate, evidence(int(count))) for gate, count in zip(gates, within, strict=True)]
        green += all(one.verdict == "pass" for one in find_family(good))  # type: ignore[union-attr]
    assert together_red / suites <= 0.05
    assert red > together_red
    assert green / suites >= 0.95
