"""How many replies vLLM gives a second with one request in flight and with 16, and what faults cost.

    python benchmarks/servers.py --python .venv-vllm/bin/python [--quick]

``make test-servers`` makes that environment. vLLM serves the bundled model on the CPU, in 32 bits. Each
measurement has samples of its own, under the six conditions of ``zhao2026``, so that nothing but the
conditions of one sample can share a prefix; one request and 16 take turns, and the turns change order.

Then 200 samples are asked through the tests' own server in front of vLLM: once as it is, and once with one
reply in five that goes wrong, of every kind that passes. The figures of both have to be the same.

Prints tables, and as the last line one JSON object. Exits with 1 where the figures differ.
"""

from __future__ import annotations

import argparse
import json
import statistics
import sys
import tempfile
import time
import urllib.error
import urllib.request
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.datasets.shapes import iterate_shapes
from pytest_vlmrobust.evaluation import evaluate
from pytest_vlmrobust.judges import RuleJudge
from pytest_vlmrobust.models.registry import load_model
from pytest_vlmrobust.remote.options import RemoteOptions
from tests.servers.running import Running, vllm
from tests.unit.fault_server import ALL_FAULTS, FaultServer

CONDITIONS = "zhao2026"
IN_FLIGHT = (1, 16)
RATE = 0.2
OPTIONS = RemoteOptions(concurrency=16, timeout_s=20.0)

evaluated = partial(evaluate, conditions=CONDITIONS, judge=RuleJudge())


@dataclass(frozen=True, kw_only=True)
class Speed:
    """One measurement.

    Attributes:
        replies: replies a second.
        tokens: of them, a second.
        shared: share of the prompts' tokens that the server had read already.
    """

    replies: float
    tokens: float
    shared: float


def speed(server: Running, in_flight: int, samples: Sequence[Sample]) -> Speed:
    """Measure once; what loading and probing take is left out."""
    model = load(server.spec, replace(OPTIONS, concurrency=in_flight))
    queries, hits = server.prefix_tokens()
    began = time.perf_counter()
    run = evaluated(model, samples)
    seconds = time.perf_counter() - began
    more_queries, more_hits = server.prefix_tokens()
    model.close()
    records = list(run.records())
    return Speed(
        replies=len(records) / seconds,
        tokens=sum(record.tokens for record in records) / seconds,
        shared=(more_hits - hits) / (more_queries - queries),
    )


def load(spec: str, options: RemoteOptions) -> Any:
    return load_model(spec, dialect="bare", max_new_tokens=96, remote=options)


def throughput(server: Running, rounds: int, per_round: int) -> dict[int, list[Speed]]:
    """Measure one request in flight and many, in turn."""
    samples = iterate_shapes()
    speeds: dict[int, list[Speed]] = {in_flight: [] for in_flight in IN_FLIGHT}
    speed(server, IN_FLIGHT[-1], list(islice(samples, 4)))  # the first requests pay for what is set up once
    for number in range(rounds):
        for in_flight in IN_FLIGHT[:: 1 if number % 2 else -1]:
            speeds[in_flight].append(speed(server, in_flight, list(islice(samples, per_round))))
    return speeds


@dataclass(frozen=True, kw_only=True)
class Relayed:
    """A run through the tests' server.

    Attributes:
        run: the run.
        seconds: what it took.
        faults: what went wrong on the way, by kind.
        sent: requests that came, those of the probe among them.
    """

    run: Evaluation
    seconds: float
    faults: Counter[str]
    sent: int


def relayed(server: Running, samples: Sequence[Sample], rate: float) -> Relayed:
    """Ask through the tests' server, which hands on to vLLM, and lets some replies go wrong."""
    with FaultServer() as front, FaultServer() as elsewhere:
        front.reply = partial(hand_on, server.root)  # type: ignore[method-assign]
        model = load(server.spec.partition("@")[0] + f"@{front.url}", OPTIONS)
        faults = front.faults
        faults.rate, faults.kinds, faults.retry_after = rate, ALL_FAULTS, "1"
        faults.target = f"{elsewhere.url}/chat/completions"
        began = time.perf_counter()
        run = evaluated(model, samples)
        seconds = time.perf_counter() - began
        model.close()
        if elsewhere.got:
            raise RuntimeError("a redirect was followed")
        return Relayed(run=run, seconds=seconds, faults=faults.met, sent=len(front.chats()))


def hand_on(root: str, body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
    """Have vLLM reply."""
    data = json.dumps(body).encode()
    request = urllib.request.Request(
        f"{root}/v1/chat/completions", data, {"content-type": "application/json"}
    )
    try:
        with urllib.request.urlopen(request, timeout=120) as reply:
            return reply.status, json.load(reply)
    except urllib.error.HTTPError as error:
        return error.code, json.load(error)


def figures(run: Evaluation) -> dict[tuple[str, str], float]:
    """Collect every figure of every condition."""
    return {(name, key): figure.value for name in run.conditions for key, figure in run.figures(name).items()}


def compare(calm: Relayed, stormy: Relayed) -> dict[str, int]:
    """Count what differs in any digit between a run without faults and one with them."""
    ours, theirs = figures(calm.run), figures(stormy.run)
    pairs = list(zip(calm.run.records(), stormy.run.records(), strict=True))
    return {
        "replies": len(pairs),
        "replies_that_differ": sum(one != other for one, other in pairs),
        "figures": len(ours),
        "figures_that_differ": sum(ours.get(name) != theirs.get(name) for name in ours | theirs),
    }


def main() -> int:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", type=Path, required=True, help="of the environment that has vLLM")
    parser.add_argument("--quick", action="store_true", help="fewer rounds, and 40 samples with faults")
    chosen = parser.parse_args()
    rounds, per_round, faulty = (2, 10, 40) if chosen.quick else (5, 20, 200)
    samples = list(islice(iterate_shapes(seed=1), faulty))
    with (
        tempfile.TemporaryDirectory() as name,
        vllm(chosen.python.absolute(), Path(name)) as server,
    ):
        speeds = throughput(server, rounds, per_round)
        calm, stormy = (relayed(server, samples, rate) for rate in (0.0, RATE))
    print(f"{rounds} rounds of {per_round} samples; medians")
    print(f"{'in flight':>10}{'replies/s':>12}{'tokens/s':>12}{'read before':>14}")
    medians = {}
    for in_flight, seen in speeds.items():
        replies, tokens, shared = (
            statistics.median(getattr(one, field) for one in seen)
            for field in ("replies", "tokens", "shared")
        )
        medians[f"replies_per_s_{in_flight}"], medians[f"prefix_share_{in_flight}"] = replies, shared
        print(f"{in_flight:>10}{replies:>12.2f}{tokens:>12.1f}{shared:>13.1%}")
    compared = compare(calm, stormy)
    print(f"\n{faulty} samples, 16 in flight")
    for title, one in (("without faults", calm), ("with faults", stormy)):
        line = f"{one.sent:>6} requests, {one.faults.total():>4} faults, {one.seconds:>7.1f} s"
        print(f"{title:>16}: {line}")
    print("faults: " + ", ".join(f"{count} {kind}" for kind, count in sorted(stormy.faults.items())))
    print(", ".join(f"{count} {what.replace('_', ' ')}" for what, count in compared.items()))
    whole = {"samples": faulty, "requests": stormy.sent, "faults": stormy.faults.total(), **compared}
    print(json.dumps({**medians, **whole}))
    return 1 if compared["replies_that_differ"] or compared["figures_that_differ"] else 0


if __name__ == "__main__":
    sys.exit(main())
