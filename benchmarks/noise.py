"""What the package's way of computing changes: scores and tokens against one prompt at a time."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

import torch

from benchmarks.models import write_model
from benchmarks.plain import PlainLoop
from benchmarks.questions import make_prompts
from pytest_vlmrobust import Prompt, load_model
from pytest_vlmrobust.models.transformers import TransformersModel

SAMPLES = 2
STEPS = 8
LETTERS = "ABCD"

Dtype = Literal["float32", "bfloat16"]
DTYPES: tuple[Dtype, ...] = ("float32", "bfloat16")


@dataclass(frozen=True, kw_only=True)
class Noise:
    """How far the package's scores are from those of the plain loop.

    Attributes:
        first_step: largest difference of a logit at a reply's first token.
        any_step: the same at any token up to where the replies part.
        letter_prob: largest difference of a probability among `LETTERS`, at any of these tokens.
        letter_flips: at how many first tokens another letter is the likeliest.
        same: how many replies have the same tokens.
        rows: how many replies there are.
        spread: standard deviation of the logits.
    """

    first_step: float
    any_step: float
    letter_prob: float
    letter_flips: int
    same: int
    rows: int
    spread: float


def print_noise(families: Sequence[str]) -> None:
    """Print one line for each family and type of the numbers."""
    print(f"{SAMPLES} samples, all conditions, {STEPS} tokens; against one prompt at a time")
    print(
        "model       dtype     path           dlogit 1st  dlogit any  dP(letter)  letter flips  same tokens"
    )
    for family in families:
        with tempfile.TemporaryDirectory() as name:
            folder = write_model(family, Path(name))
            for dtype in DTYPES:
                path, noise = measure(folder, dtype)
                print(
                    f"{family:<11} {dtype:<9} {path:<13} {noise.first_step:11.1e} {noise.any_step:11.1e} "
                    f"{noise.letter_prob:11.1e}  {noise.letter_flips:5} of {noise.rows:<3} "
                    f"{noise.same:5} of {noise.rows}   (spread of logits {noise.spread:.1f})",
                    flush=True,
                )


def measure(folder: Path, dtype: Dtype) -> tuple[str, Noise]:
    """Ask the same of both, and return the package's path with the differences."""
    prompts = make_prompts(SAMPLES)
    plain = PlainLoop(folder, getattr(torch, dtype))
    alone = [_scores(plain, prompt) for prompt in prompts]
    model = load_model(str(folder), device="cpu", dtype=dtype, max_new_tokens=STEPS)
    if not isinstance(model, TransformersModel):
        raise TypeError(f"{folder} was loaded as {type(model).__name__}, whose scores cannot be seen")
    with _seen(model._loaded.model) as seen:
        dict(model.answer(prompts))
    vocab = plain.processor.tokenizer.get_vocab()
    return model.info.details["path"], _compare(alone, torch.cat(seen), [vocab[letter] for letter in LETTERS])


def _scores(plain: PlainLoop, prompt: Prompt) -> torch.Tensor:
    """Return the logits of each step: (steps, vocabulary)."""
    output = plain.model.generate(
        **plain.inputs(prompt),
        do_sample=False,
        max_new_tokens=STEPS,
        output_logits=True,
        return_dict_in_generate=True,
    )
    return torch.cat(output.logits).float()


@contextmanager
def _seen(model: Any) -> Iterator[list[torch.Tensor]]:
    """Gather what a model says of next tokens, in whatever order: tensors of (rows, vocabulary)."""
    seen: list[torch.Tensor] = []

    def gather(_module: Any, _inputs: Any, output: torch.Tensor) -> None:
        seen.append(output[:, -1].float())

    handle = model.get_output_embeddings().register_forward_hook(gather)
    try:
        yield seen
    finally:
        handle.remove()


def _compare(alone: Sequence[torch.Tensor], seen: torch.Tensor, letters: Sequence[int]) -> Noise:
    """Hold each step of each row against the scores nearest to it.

    Scores of different prompts are further apart than noise can carry them, so the nearest
    are those of the same prompt.
    """
    first: list[float] = []
    later: list[float] = []
    probs: list[float] = []
    flips = same = 0
    for steps in alone:
        for place, scores in enumerate(steps):
            distances = (seen - scores).abs().amax(dim=1)
            nearest = seen[distances.argmin()]
            (later if place else first).append(float(distances.min()))
            ours, theirs = nearest[letters].softmax(dim=0), scores[letters].softmax(dim=0)
            probs.append(float((ours - theirs).abs().max()))
            flips += place == 0 and bool(ours.argmax() != theirs.argmax())
            if nearest.argmax() != scores.argmax():
                break
        else:
            same += 1
    return Noise(
        first_step=max(first),
        any_step=max(first + later),
        letter_prob=max(probs),
        letter_flips=flips,
        same=same,
        rows=len(alone),
        spread=float(torch.cat(list(alone)).std()),
    )
