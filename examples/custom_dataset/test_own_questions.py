"""Questions of one's own, from a .jsonl file; run with ``pytest --vlm-model=SPEC``."""

from pathlib import Path

import pytest

from pytest_vlmrobust import assert_accuracy

QUESTIONS = str(Path(__file__).parent / "questions.jsonl")


def test_own_questions_are_answered_right(vlm_evaluate) -> None:
    run = vlm_evaluate(dataset=QUESTIONS, conditions="base")
    assert_accuracy(run, min_accuracy=0.80)


@pytest.mark.vlm(dataset=QUESTIONS, conditions="wrong-caption", max_misled_rate=0.20)
def test_captions_do_not_mislead() -> None:
    pass
