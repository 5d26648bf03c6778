"""``pytest --vlm-model=SPEC`` runs this; ``--vlm-conditions=repeated-caption`` works for the suite, too."""

import pytest

from pytest_vlmrobust import assert_misled_rate


@pytest.mark.vlm(conditions="repeated-caption", max_accuracy_drop=0.05)
def test_repeating_a_wrong_caption_costs_little_accuracy() -> None:
    pass


def test_nobody_is_misled_by_repetition(vlm_evaluate) -> None:
    run = vlm_evaluate(conditions=["repeated-caption", "wrong-caption"])
    assert_misled_rate(run, "repeated-caption", max_rate=0.10)


def test_the_condition_changes_nothing_but_the_caption(vlm_samples, vlm_perturb) -> None:
    for sample in vlm_samples[:20]:
        once, twice = vlm_perturb(sample, "wrong-caption"), vlm_perturb(sample, "repeated-caption")
        assert (once.question, once.choices, once.planted) == (twice.question, twice.choices, twice.planted)
        assert twice.caption == f"{once.caption} {once.caption}"
