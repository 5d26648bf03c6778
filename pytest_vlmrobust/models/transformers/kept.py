"""What is kept of the distributions that a reply was generated from."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass

import torch
from transformers import LogitsProcessor

from pytest_vlmrobust.models.letters import Step


class Watch:
    """Takes from a batch's scores the probabilities of the watched tokens.

    Keeping whole distributions would take steps x rows x vocabulary numbers.
    """

    def __init__(self, watched: Sequence[int], device: torch.device) -> None:
        """Watch these token ids."""
        self.ids = list(watched)
        self._index = torch.tensor(self.ids, device=device, dtype=torch.long)

    def and_also(self, ids: Sequence[int]) -> Watch:
        """Return one that keeps more tokens."""
        more = sorted(set(ids) - set(self.ids))
        return Watch([*self.ids, *more], self._index.device) if more else self

    def keep(self, scores: torch.Tensor) -> KeptScores:
        """Keep what is watched of ``scores``, (rows, vocabulary)."""
        logits = scores.float()
        total = logits.logsumexp(dim=-1)
        return KeptScores(
            ids=self.ids,
            watched=logits[:, self._index] - total[:, None],
            best=logits.amax(dim=-1) - total,
            finite=total.isfinite(),
        )


@dataclass(frozen=True, kw_only=True, eq=False)
class KeptScores:
    """One step of a batch.

    Attributes:
        ids: the watched tokens.
        watched: (rows, watched): their log-probabilities.
        best: (rows,): log-probability of the likeliest token.
        finite: (rows,): whether the scores are a distribution at all.
    """

    ids: Sequence[int]
    watched: torch.Tensor
    best: torch.Tensor
    finite: torch.Tensor

    def step(self, row: int) -> Step:
        """Return one row."""
        probs = self.watched[row].cpu().double().exp().tolist()
        return Step(
            probs=dict(zip(self.ids, probs, strict=True)), emitted=self.best[row].cpu().double().exp().item()
        )

    @functools.cached_property
    def broken(self) -> frozenset[int]:
        """The rows whose scores were no distribution."""
        return frozenset((~self.finite).nonzero().flatten().tolist())


@dataclass(frozen=True, kw_only=True)
class Generated:
    """One row's reply as tokens.

    Attributes:
        ids: the generated tokens, an end-of-sequence token included.
        text_ids: the same without it.
        ended: False when the token limit cut it off.
        kept: for each token the scores it was chosen by, and the row's place among them.
    """

    ids: list[int]
    text_ids: list[int]
    ended: bool
    kept: Sequence[tuple[KeptScores, int]]

    @classmethod
    def of(
        cls, ids: list[int], kept: Sequence[tuple[KeptScores, int]], *, ended: bool, eos: frozenset[int]
    ) -> Generated:
        """Leave an end-of-sequence token out of the text."""
        at_eos = bool(ids) and ids[-1] in eos
        return cls(ids=ids, text_ids=ids[:-1] if at_eos else ids, ended=ended, kept=kept)

    def at(self, step: int) -> Step:
        """Return what was kept of the distribution at a step."""
        scores, row = self.kept[step]
        return scores.step(row)

    @property
    def broken_step(self) -> int | None:
        """Index of the first step whose scores were no distribution, or None."""
        return next((step for step, (scores, row) in enumerate(self.kept) if row in scores.broken), None)


class Capture(LogitsProcessor):
    """Keeps each step's scores while the library's ``generate`` runs; it changes nothing."""

    def __init__(self, watch: Watch) -> None:
        """Start with no step."""
        self._watch = watch
        self.steps: list[KeptScores] = []

    def __call__(
        self,
        input_ids: torch.LongTensor,  # noqa: ARG002
        scores: torch.FloatTensor,
    ) -> torch.FloatTensor:
        """Keep one step; ``scores`` is (rows, vocabulary)."""
        self.steps.append(self._watch.keep(scores))
        return scores
