"""vLLM: figures equal to those of transformers, and what its probe and its caches show."""

from __future__ import annotations

import time
from collections.abc import Iterator
from functools import partial
from itertools import islice

import pytest

from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.datasets.shapes import iterate_shapes
from pytest_vlmrobust.evaluation import evaluate
from pytest_vlmrobust.judges import RuleJudge
from pytest_vlmrobust.models.openai import OpenAIModel
from pytest_vlmrobust.models.registry import load_model
from pytest_vlmrobust.remote.options import RemoteOptions
from tests.servers.running import Running

SAMPLES = tuple(islice(iterate_shapes(), 200))
NOISE = 1e-3
"""How far probabilities may lie apart: other kernels, the same numbers of 32 bits."""

evaluated = partial(evaluate, judge=RuleJudge())


def loaded(server: Running, concurrency: int) -> OpenAIModel:
    options = RemoteOptions(concurrency=concurrency, total_s=120.0)
    model = load_model(server.spec, dialect="bare", max_new_tokens=96, remote=options)
    assert isinstance(model, OpenAIModel)
    return model


@pytest.fixture(scope="module")
def model(vllm_server: Running) -> Iterator[OpenAIModel]:
    model = loaded(vllm_server, 16)
    yield model
    model.close()


@pytest.fixture(scope="module")
def served(vllm_server: Running, model: OpenAIModel) -> Evaluation:
    before = [
        vllm_server.metric(name)
        for name in ("vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total")
    ]
    run = evaluated(model, SAMPLES)
    after = [
        vllm_server.metric(name)
        for name in ("vllm:prefix_cache_queries_total", "vllm:prefix_cache_hits_total")
    ]
    queries, hits = (late - early for late, early in zip(after, before, strict=True))
    assert hits / queries > 0.3  # the conditions of a sample share image and question
    return run


def test_the_probe_finds_that_all_is_honored(model: OpenAIModel) -> None:
    details = model.info.details
    assert details["prefill"] == "continued (continue_final_message; seen in the prompt's text)"
    assert details["logprobs"] == "top 20 (seen)"
    assert details["stop"] == "honored (seen, the stop string included)"
    assert details["images"] == "37 tokens for a small one"


def test_every_reply_is_that_of_transformers(served: Evaluation) -> None:
    local = load_model("bundled:grounded", dtype="float32", device="cpu", max_new_tokens=96)
    run = evaluated(local, SAMPLES)
    local.close()
    assert served.approximate == ()
    for ours, theirs in zip(served.records(), run.records(), strict=True):
        assert (ours.reply, ours.letter, ours.prefill) == (theirs.reply, theirs.letter, theirs.prefill)
        assert ours.letter_probs == pytest.approx(theirs.letter_probs, abs=NOISE)
        assert ours.letter_mass == pytest.approx(theirs.letter_mass, abs=NOISE)


def test_several_requests_in_flight_are_faster_than_one(vllm_server: Running, served: Evaluation) -> None:
    seconds = {}
    for concurrency in (1, 16):
        model = loaded(vllm_server, concurrency)
        began = time.monotonic()
        run = evaluated(model, SAMPLES[:20])
        seconds[concurrency] = time.monotonic() - began
        model.close()
        assert [record.letter for record in run.records("base")] == [
            record.letter for record in islice(served.records("base"), 20)
        ]
    print(f"replies a second: {', '.join(f'{120 / s:.1f} with {n} in flight' for n, s in seconds.items())}")
    assert seconds[16] < 0.6 * seconds[1]
