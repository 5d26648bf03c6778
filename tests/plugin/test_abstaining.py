"""Conditions that offer to abstain, and what the summary and the report say of them."""

from __future__ import annotations

import json

import pytest

CAUTIOUS = '''
from pytest_vlmrobust import Answer, ScriptedModel
from pytest_vlmrobust.models.scripted import reply
from stage import _right_letter


def cautious():
    """Declines where it is told something wrong and may; else is right, or believes it."""

    def answer(prompt):
        letter = _right_letter(prompt.sample_id)
        number = int(prompt.sample_id.rsplit("-", 1)[1])
        if prompt.condition.startswith("wrong") and number % 3:
            letter = prompt.abstention or prompt.planted
        sure = 0.9 if number % 3 else 0.6
        rest = (1 - sure) / (len(prompt.letters) - 1)
        return Answer(
            text=reply(letter, f"So the answer is {letter}.", prompt=prompt),
            letter_probs=tuple(sure if other == letter else rest for other in prompt.letters),
        )

    return ScriptedModel(answer)
'''


@pytest.fixture
def cautious(stage: pytest.Pytester) -> pytest.Pytester:
    stage.makepyfile(careful=CAUTIOUS)
    return stage


def test_a_run_with_abstentions_is_told_in_summary_and_report(cautious: pytest.Pytester) -> None:
    cautious.makepyfile(
        """
        import pytest
        from pytest_vlmrobust.assertions import assert_abstention_rate, assert_robustness_auroc

        def test_it(vlm_run):
            assert_abstention_rate(vlm_run, "base+abstain", max_rate=0.0)
            assert_robustness_auroc(vlm_run, "wrong-caption", min_auroc=0.0)
            with pytest.raises(AssertionError):
                assert_abstention_rate(vlm_run, "wrong-caption-disclaimer+abstain", max_rate=0.5)
        """
    )
    result = cautious.runpytest(
        "--vlm-model=careful:cautious",
        "--vlm-conditions=wrong-caption,base+abstain,wrong-caption-disclaimer+abstain",
        "--vlm-json=report.json",
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(
        [
            "base+abstain * 1.000 *",
            "wrong-caption-d*+abstain *",
            "abstained (neither right nor wrong in the table): 0.000 under base+abstain, 0.600 under*",
            "AUROC of P_base for a right answer: 0.000 under wrong-caption",
            "AUROC of letter entropy for a right answer: 0.000 under wrong-caption",
        ]
    )
    report = json.loads((cautious.path / "report.json").read_text(encoding="utf-8"))
    (run,) = report["runs"]
    figures = run["conditions"]["wrong-caption-disclaimer+abstain"]
    assert figures["abstention_rate"]["count"] == 6
    assert figures["accuracy"]["n"] == 4
    assert set(run["predictions"]["wrong-caption"]) == {"p_base", "entropy", "confidence"}
    assert set(run["calibration"]["conditions"]) == set(run["conditions"])


def test_a_threshold_gets_no_verdict_where_most_replies_abstain(cautious: pytest.Pytester) -> None:
    cautious.makepyfile(
        """
        import pytest

        @pytest.mark.vlm(max_accuracy_drop=0.5)
        def test_it(): ...
        """
    )
    result = cautious.runpytest("--vlm-model=careful:cautious", "--vlm-conditions=wrong-caption+abstain")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*6 of 10 replies (0.600) abstain, and at least half have to answer*"])


def test_a_misspelt_variant_is_a_usage_error(cautious: pytest.Pytester) -> None:
    cautious.makepyfile("def test_it(vlm_run): pass")
    result = cautious.runpytest("--vlm-model=careful:cautious", "--vlm-conditions=wrong-captoin+abstain")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*unknown condition 'wrong-captoin+abstain': did you mean 'wrong-caption'*"])
