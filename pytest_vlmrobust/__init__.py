"""Tests whether a vision-language model really reasons from the image.

The public names are imported from where they live when they are first used, so that loading the
pytest plugin, which every test session does, imports nothing heavy.
"""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_vlmrobust.assertions import (
        assert_abstention_rate,
        assert_accuracy,
        assert_accuracy_drop,
        assert_benchmark_score,
        assert_benchmark_score_drop,
        assert_confidently_wrong_rate,
        assert_gates,
        assert_misled_rate,
        assert_robustness_auroc,
        assert_unfaithful_rate,
    )
    from pytest_vlmrobust.comparisons import assert_no_regression, assert_trend
    from pytest_vlmrobust.conditions import Case, condition, perturb
    from pytest_vlmrobust.core.gates import Gate
    from pytest_vlmrobust.core.letters import AnswerForm
    from pytest_vlmrobust.core.metrics import Figure
    from pytest_vlmrobust.core.predicting import Filter, recommend_p_base, trace_risk
    from pytest_vlmrobust.core.prompts import Prompt
    from pytest_vlmrobust.core.records import Evaluation, Record
    from pytest_vlmrobust.core.replies import ReplyFormat, read_reply
    from pytest_vlmrobust.core.samples import ImageSource, Sample, make_tags
    from pytest_vlmrobust.core.trends import Trend, make_trend
    from pytest_vlmrobust.datasets.registry import Loaded, dataset, load_dataset, load_samples
    from pytest_vlmrobust.errors import (
        DataError,
        EvaluationInterrupted,
        InconclusiveWarning,
        JudgeError,
        ModelError,
        StoreError,
        UsageError,
        VacuousError,
        VlmRobustError,
    )
    from pytest_vlmrobust.evaluation import ask, evaluate
    from pytest_vlmrobust.judges import Judge, judge_consistency, load_judge
    from pytest_vlmrobust.keys import content_key
    from pytest_vlmrobust.models.base import Answer, Model, ModelInfo, Storable
    from pytest_vlmrobust.models.dialects import (
        Dialect,
        PrefillPlace,
        Turns,
        UserTurn,
        dialect,
        register_dialect,
        registered_dialects,
    )
    from pytest_vlmrobust.models.registry import load_model
    from pytest_vlmrobust.models.scripted import ScriptedModel
    from pytest_vlmrobust.reports.reading import load_report, load_run
    from pytest_vlmrobust.store import Store

__all__ = [
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

_HOMES = {
    "assertions": (
        "assert_abstention_rate",
        "assert_accuracy",
        "assert_accuracy_drop",
        "assert_benchmark_score",
        "assert_benchmark_score_drop",
        "assert_confidently_wrong_rate",
        "assert_gates",
        "assert_misled_rate",
        "assert_robustness_auroc",
        "assert_unfaithful_rate",
    ),
    "comparisons": ("assert_no_regression", "assert_trend"),
    "conditions": ("Case", "condition", "perturb"),
    "core.gates": ("Gate",),
    "core.letters": ("AnswerForm",),
    "core.metrics": ("Figure",),
    "core.predicting": ("Filter", "recommend_p_base", "trace_risk"),
    "core.prompts": ("Prompt",),
    "core.records": ("Evaluation", "Record"),
    "core.replies": ("ReplyFormat", "read_reply"),
    "core.samples": ("ImageSource", "Sample", "make_tags"),
    "core.trends": ("Trend", "make_trend"),
    "datasets.registry": ("Loaded", "dataset", "load_dataset", "load_samples"),
    "errors": (
        "DataError",
        "EvaluationInterrupted",
        "InconclusiveWarning",
        "JudgeError",
        "ModelError",
        "StoreError",
        "UsageError",
        "VacuousError",
        "VlmRobustError",
    ),
    "evaluation": ("ask", "evaluate"),
    "judges": ("Judge", "judge_consistency", "load_judge"),
    "keys": ("content_key",),
    "models.base": ("Answer", "Model", "ModelInfo", "Storable"),
    "models.dialects": (
        "Dialect",
        "PrefillPlace",
        "Turns",
        "UserTurn",
        "dialect",
        "register_dialect",
        "registered_dialects",
    ),
    "models.registry": ("load_model",),
    "models.scripted": ("ScriptedModel",),
    "reports.reading": ("load_report", "load_run"),
    "store": ("Store",),
}
_HOME = {name: f"{__name__}.{module}" for module, names in _HOMES.items() for name in names}


def __getattr__(name: str) -> object:
    """Import a public name from the module that defines it."""
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value: object = getattr(import_module(_HOME[name]), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names, imported or not."""
    return sorted({*globals(), *__all__})
