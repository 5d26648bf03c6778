"""The names that a user imports."""

from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import pytest

import pytest_vlmrobust

DOCUMENTED = [
    "Answer",
    "AnswerForm",
    "Case",
    "DataError",
    "Dialect",
    "Evaluation",
    "EvaluationInterrupted",
    "Figure",
    "Filter",
    "Gate",
    "ImageSource",
    "InconclusiveWarning",
    "Judge",
    "JudgeError",
    "Loaded",
    "Model",
    "ModelError",
    "ModelInfo",
    "PrefillPlace",
    "Prompt",
    "Record",
    "ReplyFormat",
    "Sample",
    "ScriptedModel",
    "Storable",
    "Store",
    "StoreError",
    "Trend",
    "Turns",
    "UsageError",
    "UserTurn",
    "VacuousError",
    "VlmRobustError",
    "ask",
    "assert_abstention_rate",
    "assert_accuracy",
    "assert_accuracy_drop",
    "assert_benchmark_score",
    "assert_benchmark_score_drop",
    "assert_confidently_wrong_rate",
    "assert_gates",
    "assert_misled_rate",
    "assert_no_regression",
    "assert_robustness_auroc",
    "assert_trend",
    "assert_unfaithful_rate",
    "condition",
    "content_key",
    "dataset",
    "dialect",
    "evaluate",
    "judge_consistency",
    "load_dataset",
    "load_judge",
    "load_model",
    "load_report",
    "load_run",
    "load_samples",
    "make_tags",
    "make_trend",
    "perturb",
    "read_reply",
    "recommend_p_base",
    "register_dialect",
    "registered_dialects",
    "trace_risk",
]


def test_the_public_names_are_the_documented_ones() -> None:
    assert pytest_vlmrobust.__all__ == DOCUMENTED
    assert set(DOCUMENTED) <= set(dir(pytest_vlmrobust))


@pytest.mark.parametrize("name", DOCUMENTED)
def test_every_public_name_resolves_and_says_what_it_is(name: str) -> None:
    value = getattr(pytest_vlmrobust, name)
    assert value.__name__ == name
    assert value.__doc__


def test_type_checkers_see_the_same_names_from_the_same_modules() -> None:
    tree = ast.parse(Path(pytest_vlmrobust.__file__).read_text(encoding="utf-8"))
    (block,) = (node for node in tree.body if isinstance(node, ast.If))
    seen = {
        alias.name: node.module
        for node in block.body
        if isinstance(node, ast.ImportFrom)
        for alias in node.names
    }
    assert seen == pytest_vlmrobust._HOME


def test_an_unknown_name_is_an_attribute_error() -> None:
    with pytest.raises(AttributeError, match="module 'pytest_vlmrobust' has no attribute 'evaluat'"):
        pytest_vlmrobust.evaluat  # noqa: B018


def test_importing_the_package_imports_nothing_else() -> None:
    code = (
        "import sys, pytest_vlmrobust; print([m for m in sys.modules if m.startswith('pytest_vlmrobust.')])"
    )
    result = subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True)
    assert result.stdout.strip() == "[]"
