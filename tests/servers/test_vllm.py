"""vLLM: figures equal to those of transformers, and what its probe and its caches show."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from functools import partial
from itertools import islice

import pytest

from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.rows import Record
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


@dataclass(frozen=True)
class Served:
    """A run, and which share of the prompts' tokens the server had read already."""

    run: Evaluation
    shared: float


@pytest.fixture(scope="module")
def served(vllm_server: Running, model: OpenAIModel) -> Served:
    queries, hits = vllm_server.prefix_tokens()
    run = evaluated(model, SAMPLES)
    later_queries, later_hits = vllm_server.prefix_tokens()
    return Served(run, (later_hits - hits) / (later_queries - queries))


def test_the_probe_finds_that_all_is_honored(model: OpenAIModel) -> None:
    details = model.info.details
    assert details["prefill"] == "continued (continue_final_message; seen in the prompt's text)"
    assert details["logprobs"] == "top 20 (seen)"
    assert details["stop"] == "honored (seen, the stop string included)"
    assert details["images"] == "37 tokens for a small one"


def test_every_reply_is_that_of_transformers(served: Served) -> None:
    local = load_model("bundled:grounded", dtype="float32", device="cpu", max_new_tokens=96)
    run = evaluated(local, SAMPLES)
    local.close()
    assert served.run.approximate == ()
    assert_same(served.run.records(), run.records())


def test_the_conditions_of_a_sample_share_what_the_server_has_read(served: Served) -> None:
    assert served.shared > 0.3


def test_one_request_in_flight_gets_the_same_replies_as_16(vllm_server: Running, served: Served) -> None:
    model = loaded(vllm_server, 1)
    run = evaluated(model, SAMPLES[:20])
    model.close()
    known = {(record.condition, record.sample_id): record for record in served.run.records()}
    records = list(run.records())
    assert_same(records, [known[record.condition, record.sample_id] for record in records])


def assert_same(records: Iterable[Record], others: Iterable[Record]) -> None:
    for ours, theirs in zip(records, others, strict=True):
        assert (ours.reply, ours.letter, ours.prefill) == (theirs.reply, theirs.letter, theirs.prefill)
        assert theirs.letter_probs is not None
        assert ours.letter_probs == pytest.approx(theirs.letter_probs, abs=NOISE)
        assert ours.letter_mass == pytest.approx(theirs.letter_mass, abs=NOISE)
