"""How much faster the package answers than a plain loop over samples and conditions.

    python benchmarks/engine.py [--quick] [--model NAME ...] [--rounds N] [--threads N] [--noise]

The plain loop calls the processor and ``generate`` for each sample and condition, and reuses nothing. Both
run in one process in turn: half of the plain loop, the package, the other half. The models' weights are
random (`benchmarks.models`); so that replies end at different times, as real ones do, a script ends them at
a length that depends on the condition. Prints a table, and as the last line one JSON object: for each model
the ratio of seconds per sample.

``--noise`` measures in place of time what the package's way of computing changes in scores and tokens.
"""

from __future__ import annotations

import argparse
import json
import statistics
import tempfile
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from unittest import mock

import torch
from transformers.utils import logging

from benchmarks.models import FAMILIES, register_images_only_qwen, write_model
from benchmarks.noise import print_noise
from benchmarks.parts import Parts
from benchmarks.plain import PlainLoop
from benchmarks.questions import SCRIPT, make_prompts
from pytest_vlmrobust import Answer, Prompt, load_model
from pytest_vlmrobust.models.bundled import bundled_folder
from pytest_vlmrobust.models.dialects import PLAIN
from pytest_vlmrobust.models.transformers import TransformersModel
from pytest_vlmrobust.models.transformers.ending import ReplyEnd

BUNDLED = "bundled"

_logging: Any = logging  # its own annotations lack the function


@dataclass(frozen=True, kw_only=True)
class Plan:
    """How much is run.

    Attributes:
        samples: for the package.
        plain_samples: the first of them, for the plain loop, whose time per sample does not depend on
            their number.
        rounds: how often both are run.
    """

    samples: int
    plain_samples: int
    rounds: int


@dataclass(frozen=True, kw_only=True)
class Timing:
    """What one model took.

    Attributes:
        plain_s: seconds per sample of the plain loop, one for each round.
        package_s: the same of the package.
        shares: share of the package's time by part.
        path: the way the package took.
        compared: how many replies both gave.
        differing: how many of these differ.
    """

    plain_s: Sequence[float]
    package_s: Sequence[float]
    shares: Mapping[str, float]
    path: str
    compared: int
    differing: int

    @property
    def ratio(self) -> float:
        """How many times faster the package is; the median of the rounds."""
        return statistics.median(
            plain / package for plain, package in zip(self.plain_s, self.package_s, strict=True)
        )


def time_family(family: str, plan: Plan) -> Timing:
    """Time a model whose weights are random, and whose replies the script ends."""
    prompts = make_prompts(plan.samples)
    with tempfile.TemporaryDirectory() as name, scripted(prompts):
        folder = write_model(family, Path(name))
        return _time(str(folder), folder, prompts, plan, lambda prompt: SCRIPT[prompt.condition])


def time_bundled(plan: Plan) -> Timing:
    """Time a bundled model, which ends its replies itself."""
    name = "grounded"
    prompts = make_prompts(plan.samples, conditions="zhao2026", image_px=None)
    return _time(f"bundled:{name}", bundled_folder(name), prompts, plan, lambda _: 512)


def _time(
    spec: str, folder: Path, prompts: Sequence[Prompt], plan: Plan, limit: Callable[[Prompt], int]
) -> Timing:
    plain = PlainLoop(folder)
    model = load_model(spec, device="cpu", dtype="float32", max_new_tokens=max(map(limit, prompts)))
    if not isinstance(model, TransformersModel):
        raise TypeError(f"{spec} was loaded as {type(model).__name__}, whose time is not that of the model")
    conditions = len({prompt.condition for prompt in prompts})
    warm = prompts[:conditions]
    plain.answer(warm[1], limit(warm[1]))
    dict(model.answer(warm))
    plain_s, package_s = [], []
    texts: dict[int, str] = {}
    answers: dict[int, Answer] = {}
    parts = Parts(model._loaded.model)
    middle = plan.plain_samples * conditions // 2
    for _ in range(plan.rounds):
        spent = 0.0
        for index, prompt in enumerate(prompts[: 2 * middle]):
            if index == middle:
                with parts.measured():
                    answers = dict(model.answer(prompts))
                package_s.append(parts.last_s / plan.samples)
            began = time.perf_counter()
            texts[index] = plain.answer(prompt, limit(prompt))
            spent += time.perf_counter() - began
        plain_s.append(spent / plan.plain_samples)
    return Timing(
        plain_s=plain_s,
        package_s=package_s,
        shares=parts.shares(),
        path=model.info.details["path"],
        compared=len(texts),
        differing=sum(not text.startswith(answers[index].text) for index, text in texts.items()),
    )


@contextmanager
def scripted(prompts: Sequence[Prompt]) -> Iterator[None]:
    """End the package's replies to these prompts at the length that `SCRIPT` says, and nowhere else."""
    limits = {PLAIN.render(prompt).prefill: SCRIPT[prompt.condition] for prompt in prompts}
    if any(limits[PLAIN.render(prompt).prefill] != SCRIPT[prompt.condition] for prompt in prompts):
        raise ValueError("replies are told apart by their prefill, and one prefill stands for two lengths")

    def ended(_self: ReplyEnd, prefill: str, ids: Sequence[int]) -> bool:
        return len(ids) >= limits[prefill]

    with mock.patch.object(ReplyEnd, "ended", ended):
        yield


def print_timing(name: str, timing: Timing) -> None:
    shares = ", ".join(f"{part} {share:.0%}" for part, share in timing.shares.items())
    print(
        f"{name:<11} {statistics.median(timing.plain_s):8.2f} {statistics.median(timing.package_s):9.2f} "
        f"{timing.ratio:6.2f}  {timing.path:<13} {timing.differing:3} of {timing.compared:<4} {shares}",
        flush=True,
    )


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="one round, of fewer samples")
    parser.add_argument(
        "--model", action="append", choices=[*FAMILIES, BUNDLED], help="by default the first three"
    )
    parser.add_argument("--rounds", type=int, default=None, help="3 by default, 1 with --quick")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads")
    parser.add_argument("--noise", action="store_true", help="measure differences in place of time")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    _logging.disable_progress_bar()
    register_images_only_qwen()
    names = args.model or FAMILIES
    if args.noise:
        print_noise([name for name in names if name != BUNDLED])
        return
    rounds = args.rounds or (1 if args.quick else 3)
    ratios = {}
    print(f"torch {torch.__version__}, {args.threads} threads, float32; seconds per sample, all conditions")
    print("model          plain   package  ratio  path          differing  the package's time")
    for name in names:
        if name == BUNDLED:
            plan = Plan(
                samples=50 if args.quick else 200, plain_samples=10 if args.quick else 40, rounds=rounds
            )
            timing = time_bundled(plan)
        else:
            timing = time_family(name, Plan(samples=8, plain_samples=1 if args.quick else 4, rounds=rounds))
        print_timing(name, timing)
        ratios[name] = round(timing.ratio, 2)
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
