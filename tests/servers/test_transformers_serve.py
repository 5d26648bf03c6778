"""The server of transformers accepts a beginning of the turn and log-probabilities, and acts on neither."""

from __future__ import annotations

from itertools import islice

import pytest

from pytest_vlmrobust.core.gates import Gate, check
from pytest_vlmrobust.datasets.shapes import iterate_shapes
from pytest_vlmrobust.errors import VacuousError
from pytest_vlmrobust.evaluation import evaluate
from pytest_vlmrobust.judges import RuleJudge
from pytest_vlmrobust.models.registry import load_model
from tests.servers.running import Running


def test_the_probe_sees_through_it(serve_server: Running) -> None:
    model = load_model(serve_server.spec, dialect="bare", max_new_tokens=64)
    details = model.info.details
    assert "last message, prefix: the turn is closed and a new one opened (+5 tokens)" in details["prefill"]
    assert details["prefill"].startswith("none (continue_final_message: HTTP 422")
    assert details["logprobs"] == "none (accepted and ignored)"
    assert details["stop"].startswith("not used")
    run = evaluate(model, islice(iterate_shapes(), 8), "wrong-think,wrong-caption", judge=RuleJudge())
    model.close()
    assert run.approximate == ("wrong-think",)
    assert run.figures("base")["accuracy"].value > 0.8
    with pytest.raises(VacuousError, match="the model gave no letter probabilities"):
        check(run, Gate("p_correct", "base", min=0.5))
