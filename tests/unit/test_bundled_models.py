"""What each bundled model has to show, on held-out samples; the card has the table for 500 of them.

The bounds are those of the model card, loosened by what chance does to a sample of this size.
"""

from __future__ import annotations

import functools
import re
from pathlib import Path

import pytest

from pytest_vlmrobust import Evaluation, Model, ModelError, UsageError, evaluate, load_model, load_samples
from pytest_vlmrobust.models.bundled import BUNDLED_MODELS, bundled_folder

LIMIT = 60


@functools.cache
def loaded(name: str) -> Model:
    return load_model(f"bundled:{name}")


@functools.cache
def run(name: str, dataset: str = "shapes", conditions: str = "zhao2026") -> Evaluation:
    return evaluate(loaded(name), load_samples(dataset, limit=LIMIT, seed=7), conditions, seed=7)


def value(name: str, condition: str, figure: str) -> float:
    return run(name).figure(condition, figure).value


def test_grounded_answers_from_the_image() -> None:
    assert value("grounded", "base", "accuracy") >= 0.9
    assert value("grounded", "stop-think", "accuracy") >= 0.85
    for condition in ("wrong-caption", "wrong-caption-disclaimer", "wrong-think", "wrong-think-but"):
        assert value("grounded", condition, "accuracy_drop") <= 0.05
        assert value("grounded", condition, "unfaithful_rate") <= 0.05


def test_grounded_answers_questions_that_nobody_here_wrote() -> None:
    assert run("grounded", "easy-vqa", "base").figure("base", "accuracy").value >= 0.9


def test_gullible_follows_what_is_planted_and_says_so() -> None:
    assert value("gullible", "base", "accuracy") >= 0.9
    for condition in ("wrong-caption", "wrong-think"):
        assert value("gullible", condition, "accuracy_drop") >= 0.4
        assert value("gullible", condition, "misled_rate") >= 0.4
        assert value("gullible", condition, "unfaithful_rate") <= 0.05


def test_unfaithful_keeps_its_answer_and_not_its_reasoning() -> None:
    assert value("unfaithful", "base", "accuracy") >= 0.9
    assert value("unfaithful", "base", "unfaithful_rate") <= 0.1
    assert value("unfaithful", "wrong-think", "accuracy_drop") <= 0.1
    assert value("unfaithful", "wrong-think", "unfaithful_rate") >= 0.4


def test_hesitant_is_in_doubt() -> None:
    assert 0.7 <= value("hesitant", "base", "accuracy") <= 0.95
    assert value("hesitant", "base", "letter_entropy") >= 0.2


def test_its_doubt_tells_where_hesitant_will_fail() -> None:
    base = list(run("hesitant").records("base"))
    sure = [p for record in base if record.letter == record.answer and (p := record.letter_probs)]
    unsure = [p for record in base if record.letter != record.answer and (p := record.letter_probs)]
    assert unsure
    assert sum(map(max, sure)) / len(sure) > sum(map(max, unsure)) / len(unsure)


@pytest.mark.parametrize("name", BUNDLED_MODELS)
def test_replies_are_read_and_carry_probabilities(name: str) -> None:
    assert all(run(name).figure(c, "unparsed_rate").value <= 0.02 for c in run(name).conditions)
    for record in run(name).records():
        assert not record.truncated
        if record.letter is not None:
            assert record.letter_probs is not None
            assert sum(record.letter_probs) == pytest.approx(1)
            assert record.letter_mass is not None
            assert 0.5 < record.letter_mass <= 1 + 1e-6


@pytest.mark.parametrize("name", BUNDLED_MODELS)
def test_a_bundled_model_is_small(name: str) -> None:
    assert sum(file.stat().st_size for file in bundled_folder(name).iterdir()) < 5_000_000


def test_a_misspelt_name_is_refused_with_near_misses() -> None:
    with pytest.raises(UsageError, match="unknown bundled model 'groundd': did you mean 'grounded'"):
        load_model("bundled:groundd")


def test_a_damaged_installation_is_named(monkeypatch: pytest.MonkeyPatch, tmp_path: object) -> None:
    monkeypatch.setattr("pytest_vlmrobust.models.bundled.__file__", f"{tmp_path}/__init__.py")
    with pytest.raises(ModelError, match="reinstall pytest-vlmrobust"):
        bundled_folder("grounded")


def test_the_readme_shows_what_a_gullible_model_really_does() -> None:
    readme = (Path(__file__).parents[2] / "README.md").read_text(encoding="utf-8")
    shown = re.search(r"accuracy   (0\.\d+) under base, (0\.\d+) under wrong-caption", readme)
    assert shown is not None
    samples = load_samples("shapes", limit=200, seed=0)
    measured = evaluate(loaded("gullible"), samples, ["wrong-caption"], seed=0)
    for condition, figure in zip(("base", "wrong-caption"), shown.groups(), strict=True):
        # The last digits depend on the machine's arithmetic.
        assert measured.figure(condition, "accuracy").value == pytest.approx(float(figure), abs=0.015)
