"""Which path a model may take: each is tried on a few prompts and held against the reference."""

from __future__ import annotations

import random
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import torch
from transformers import LogitsProcessor, LogitsProcessorList

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.errors import gist
from pytest_vlmrobust.models.chat import ChatRenderer, Row
from pytest_vlmrobust.models.transformers.batched import BatchedPath, ReferencePath
from pytest_vlmrobust.models.transformers.cache import gathered, is_plain
from pytest_vlmrobust.models.transformers.encoding import InputEncoder, Inputs
from pytest_vlmrobust.models.transformers.paths import Path
from pytest_vlmrobust.models.transformers.shared_prefix import SharedPrefixPath

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

TOLERANCE = 1e-3
"""How far a row's scores may differ: root mean square over the vocabulary, in their standard deviations."""

_ROUNDING = 3.0
"""The same in roundings of half precision; right ways differ by up to 2.5 of them, wrong ones by more."""

_STEPS = 3
"""Tokens of each reply that are looked at."""

_NOISE_FACTOR = 3.0
"""In half precision, how many times the noise of plain batching a path may differ by."""

_MOST_NOISE = 0.1
"""Beyond this the difference that batching makes is no noise."""


@dataclass(frozen=True, kw_only=True)
class Candidates:
    """The paths that a model can be run on, before it is known which of them are right."""

    reference: ReferencePath
    batched: BatchedPath
    shared_prefix: SharedPrefixPath


def choose_path(
    model: Any, encoder: InputEncoder, chat: ChatRenderer, candidates: Candidates
) -> tuple[Path, str]:
    """Find the fastest path whose scores are those of the reference.

    Args:
        model: the model.
        encoder: its encoder; stops sharing images if that alters scores.
        chat: words the prompts to try.
        candidates: the paths.

    Returns:
        The path, and why it is not the fastest one, or "".
    """
    try:
        trial = Trial(model, encoder, probe_rows(chat))
    except Exception as error:  # a model may fail in any way; the run itself will say so in full
        return candidates.reference, f"a trial of the plain path failed: {gist(error)}"
    shares_images, encoder.shares_images = encoder.shares_images, False
    reason = trial.objection_to_batches(allow_noise=True)
    if reason:
        return candidates.reference, f"batching {reason}"
    encoder.shares_images = shares_images
    if shares_images and trial.objection_to_batches():
        encoder.shares_images = False
    if not is_plain(model.config):
        return (
            candidates.batched,
            "shared-prefix needs layers that keep every token, and some of these do not",
        )
    reason = trial.objection_to(candidates.shared_prefix)
    return (candidates.batched, f"shared-prefix {reason}") if reason else (candidates.shared_prefix, "")


class Trial:
    """Some prompts, and the scores that the model gives them one at a time, with nothing reused."""

    def __init__(self, model: Any, encoder: InputEncoder, rows: Sequence[Row]) -> None:
        """Run the reference."""
        self._model = model
        self._encoder = encoder
        self._rows = rows
        alone = [_first_steps(model, encoder.encode([row])) for row in rows]
        self._scores = [torch.cat([scores[step] for scores, _ in alone]) for step in range(_STEPS)]
        self._tokens = [tokens for _, tokens in alone]
        self._allowed = max(TOLERANCE, _ROUNDING * torch.finfo(model.dtype).eps)

    def objection_to_batches(self, *, allow_noise: bool = False) -> str:
        """Say what is wrong with left-padded batches, or ""; noise found here is allowed from then on."""
        try:
            scores, _ = _first_steps(self._model, self._encoder.encode(self._rows), self._tokens)
        except Exception as error:
            return f"fails here: {gist(error)}"
        differing = _largest(map(_difference, scores, self._scores))
        if allow_noise and self._model.dtype != torch.float32 and differing <= _MOST_NOISE:
            # Half precision makes every order of adding differ: this much is noise.
            self._allowed = max(self._allowed, _NOISE_FACTOR * differing)
        return self._objection(differing)

    @torch.inference_mode()
    def objection_to(self, path: SharedPrefixPath) -> str:
        """Say what is wrong with sharing prefixes, or ""; rows leave on the way, as they do in a run."""
        try:
            rows, order = path.reader.prompts(self._rows)
            found = [_difference(rows.logits, self._scores[0][order])]
            for step in range(1, _STEPS):
                rows = path.reader.append(rows, [self._tokens[row][step - 1] for row in order])
                found.append(_difference(rows.logits, self._scores[step][order]))
                keep = range(1, len(order))
                rows, order = gathered([(rows, keep)]), [order[place] for place in keep]
        except Exception as error:
            return f"fails here: {gist(error)}"
        return self._objection(_largest(found))

    def _objection(self, differing: float) -> str:
        if differing <= self._allowed:
            return ""
        return f"differs from the plain path by {differing:.2g} here, and {self._allowed:.2g} is allowed"


def probe_rows(chat: ChatRenderer) -> list[Row]:
    """Word prompts of different lengths about images of different sizes."""
    rows = []
    for number, size in enumerate(((224, 168), (140, 196))):
        asked: dict[str, Any] = {
            "sample_id": f"probe-{number}",
            "images": (_Noise(size=size, seed=number),),
            "question": "Which of the two things in the image is larger?" + " Look twice." * number,
            "choices": ("the left one", "the right one", "both are of one size"),
        }
        rows += [
            chat.render(Prompt(condition="base", **asked)),
            chat.render(Prompt(condition="think", thought="The right one is larger, but I think", **asked)),
            chat.render(
                Prompt(condition="caption", caption="The left one is larger than the right.", **asked)
            ),
        ]
    return rows


@dataclass(frozen=True)
class _Noise:
    """An image of random pixels: no two patches of it are alike."""

    size: tuple[int, int]
    seed: int

    def load(self) -> PILImage:
        from PIL import Image

        width, height = self.size
        return Image.frombytes("RGB", self.size, random.Random(self.seed).randbytes(3 * width * height))

    def digest(self) -> str:
        return f"noise-{self.size}-{self.seed}"


class _Forced(LogitsProcessor):
    """Lets each row say given tokens, whatever it scores."""

    def __init__(self, tokens: Sequence[Sequence[int]]) -> None:
        """Force these tokens, one list for each row."""
        self._tokens = tokens
        self._step = 0

    def __call__(self, input_ids: torch.LongTensor, scores: torch.FloatTensor) -> torch.FloatTensor:  # noqa: ARG002
        """Leave each row one token; ``scores`` is (rows, vocabulary)."""
        only = torch.full_like(scores, -torch.inf)
        for row, tokens in enumerate(self._tokens):
            only[row, tokens[self._step]] = 0.0
        self._step += 1
        return only  # type: ignore[return-value]


@torch.inference_mode()
def _first_steps(
    model: Any, inputs: Inputs, along: Sequence[Sequence[int]] | None = None
) -> tuple[list[torch.Tensor], list[int]]:
    """Run the library's own ``generate``, along given tokens or freely.

    Returns:
        The scores of each step, and the first row's tokens, none of which ends a sequence.
    """
    output = model.generate(
        **inputs,
        do_sample=False,
        min_new_tokens=_STEPS,
        max_new_tokens=_STEPS,
        logits_processor=LogitsProcessorList([_Forced(along)] if along else []),
        output_logits=True,
        return_dict_in_generate=True,
    )
    return list(output.logits), output.sequences[0, -_STEPS:].tolist()


def _largest(differences: Iterable[float]) -> float:
    """Return the largest; NaN if one is."""
    return float(torch.tensor(list(differences)).max())


def _difference(some: torch.Tensor, others: torch.Tensor) -> float:
    """Return how far (rows, vocabulary) scores differ, in the row where they differ most."""
    expected = others.float()
    differing = (some.float() - expected).square().mean(dim=-1).sqrt()
    return (differing / expected.std(dim=-1).clamp(min=1e-6)).max().item()
