"""Greedy generation of one batch: where each row ends, and what is kept of its distributions."""

from __future__ import annotations

import functools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from transformers import (
    GenerationConfig,
    LogitsProcessor,
    LogitsProcessorList,
    StoppingCriteria,
    StoppingCriteriaList,
)

from pytest_vlmrobust.core.replies import ReplyFormat
from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.models.letters import LetterForms, Step
from pytest_vlmrobust.models.transformers.encoding import Inputs
from pytest_vlmrobust.models.transformers.loading import Loaded

_Settings: Any = GenerationConfig


class Capture(LogitsProcessor):
    """Keeps the probabilities of the watched tokens at each step, from the model's own scores.

    It changes nothing. Keeping whole distributions would take steps x rows x vocabulary numbers.
    """

    def __init__(self, watched: Sequence[int], device: torch.device) -> None:
        """Watch these token ids."""
        self._ids = torch.tensor(list(watched), device=device, dtype=torch.long)
        self._watched = list(watched)
        self._kept: list[torch.Tensor] = []  # each (rows, watched): log-probabilities
        self._best: list[torch.Tensor] = []  # each (rows,): log-probability of the likeliest token
        self._finite: list[torch.Tensor] = []  # each (rows,): whether the scores are a distribution at all

    def __call__(
        self,
        input_ids: torch.LongTensor,  # noqa: ARG002
        scores: torch.FloatTensor,
    ) -> torch.FloatTensor:
        """Keep one step; ``scores`` is (rows, vocabulary)."""
        logits = scores.float()
        total = logits.logsumexp(dim=-1)
        self._kept.append(logits[:, self._ids] - total[:, None])
        self._best.append(logits.amax(dim=-1) - total)
        self._finite.append(total.isfinite())
        return scores

    def step(self, row: int, step: int) -> Step:
        """Return what was kept of one row's step."""
        probs = self._kept[step][row].double().exp().tolist()
        return Step(
            probs=dict(zip(self._watched, probs, strict=True)),
            emitted=self._best[step][row].double().exp().item(),
        )

    def broken_step(self, row: int, count: int) -> int | None:
        """Return the first of a row's ``count`` steps whose scores were no distribution, or None."""
        if self._all_finite:
            return None
        return next((step for step in range(count) if not self._finite[step][row]), None)

    @functools.cached_property
    def _all_finite(self) -> bool:
        return bool(torch.stack(self._finite).all())


class EndOfReply(StoppingCriteria):
    """Ends a row at an end-of-sequence token or at the closing tag of its answer, however it is tokenized.

    A closing tag inside the thought is only talked about: it ends nothing.
    """

    def __init__(
        self, tokenizer: Any, layout: ReplyFormat, closing: frozenset[int] | None, eos: frozenset[int]
    ) -> None:
        """Keep what does not change from batch to batch; `start` begins one."""
        self._tokenizer = tokenizer
        self._layout = layout
        self._closing = closing
        self._eos = eos

    def start(self, prefills: Sequence[str], prompt_length: int) -> None:
        """Begin a batch: the rows' prefills, and how many tokens come before the replies."""
        self._prefills = list(prefills)
        self._prompt_length = prompt_length
        self.lengths: list[int | None] = [None] * len(prefills)

    def __call__(
        self,
        input_ids: torch.LongTensor,
        scores: Any,  # noqa: ARG002
        **kwargs: Any,  # noqa: ARG002
    ) -> torch.BoolTensor:
        """Return for each row whether it has ended; ``input_ids`` is (rows, tokens)."""
        count = input_ids.shape[1] - self._prompt_length
        for row, newest in enumerate(input_ids[:, -1].tolist()):
            if self.lengths[row] is None and (newest in self._eos or self._answered(row, newest, input_ids)):
                self.lengths[row] = count
        ended = [length is not None for length in self.lengths]
        return torch.tensor(ended, device=input_ids.device)  # type: ignore[return-value]

    def _answered(self, row: int, newest: int, input_ids: torch.Tensor) -> bool:
        if self._closing is not None and newest not in self._closing:
            return False
        ids = input_ids[row, self._prompt_length :].tolist()
        prefill = self._prefills[row]
        return closes_answer(prefill + self._tokenizer.decode(ids), len(prefill), self._layout)


def closes_answer(text: str, start: int, layout: ReplyFormat) -> bool:
    """Tell whether a reply has closed an answer after its thought.

    Args:
        text: prefill and reply so far.
        start: length of the prefill.
        layout: the reply's tags.
    """
    thinking = layout.think_preopened
    for tag, _, end in layout.tags(text):
        if tag in ("think_open", "think_close"):
            thinking = tag == "think_open"
        elif tag == "answer_close" and not thinking and end > start:
            return True
    return False


@dataclass(frozen=True, kw_only=True)
class Generated:
    """One row's reply as tokens.

    Attributes:
        ids: the generated tokens, an end-of-sequence token included.
        text_ids: the same without it.
        ended: False when the token limit cut it off.
        row: its place in the batch.
        capture: what was kept of the batch's distributions.
    """

    ids: list[int]
    text_ids: list[int]
    ended: bool
    row: int
    capture: Capture

    def at(self, step: int) -> Step:
        """Return what was kept of the distribution at a step."""
        return self.capture.step(self.row, step)

    @property
    def broken_step(self) -> int | None:
        """Index of the first step whose scores were no distribution, or None."""
        return self.capture.broken_step(self.row, len(self.ids))


class GreedyGenerator:
    """Runs batches greedily, whatever generation settings the model was shipped with."""

    def __init__(self, loaded: Loaded, forms: LetterForms, layout: ReplyFormat, *, name: str) -> None:
        """Read the end-of-sequence tokens and drop every other shipped setting.

        Raises:
            ModelError: the tokenizer has neither a padding nor an end-of-sequence token.
        """
        self._model = loaded.model
        tokenizer = loaded.tokenizer
        eos = _eos_ids(loaded.model, tokenizer)
        self.pads_with_eos = tokenizer.pad_token_id is None
        if self.pads_with_eos:
            if tokenizer.eos_token_id is None:
                raise ModelError(
                    f"model {name!r}: its tokenizer has neither a padding nor an end-of-sequence token; name "
                    "one in tokenizer_config.json"
                )
            tokenizer.pad_token = tokenizer.eos_token
        self._settings = {"eos_token_id": sorted(eos) or None, "pad_token_id": tokenizer.pad_token_id}
        # `generate` fills what a configuration leaves open from the model's own, penalties included.
        loaded.model.generation_config = _Settings(**self._settings)
        self._watched = forms.watched
        self._end = EndOfReply(tokenizer, layout, _closing_ids(tokenizer, layout), frozenset(eos))

    @torch.inference_mode()
    def run(self, inputs: Inputs, prefills: Sequence[str], *, max_new_tokens: int) -> list[Generated]:
        """Generate a reply to each row.

        Args:
            inputs: a left-padded batch.
            prefills: each row's prefill.
            max_new_tokens: the most tokens of a reply.
        """
        length = inputs["input_ids"].shape[1]
        capture = Capture(self._watched, self._model.device)
        self._end.start(prefills, length)
        settings = _Settings(
            do_sample=False,
            num_beams=1,
            repetition_penalty=1.0,
            max_new_tokens=max_new_tokens,
            use_cache=True,
            **self._settings,
        )
        output = self._model.generate(
            **inputs,
            generation_config=settings,
            logits_processor=LogitsProcessorList([capture]),
            stopping_criteria=StoppingCriteriaList([self._end]),
        )
        rows = output[:, length:].tolist()
        return [self._cut(index, ids, capture) for index, ids in enumerate(rows)]

    def _cut(self, row: int, ids: list[int], capture: Capture) -> Generated:
        length = self._end.lengths[row]
        kept = ids if length is None else ids[:length]
        at_eos = bool(kept) and kept[-1] in (self._settings["eos_token_id"] or ())
        return Generated(
            ids=kept,
            text_ids=kept[:-1] if at_eos else kept,
            ended=length is not None,
            row=row,
            capture=capture,
        )


def _eos_ids(model: Any, tokenizer: Any) -> set[int]:
    shipped = model.generation_config.eos_token_id
    ids = {shipped} if isinstance(shipped, int) else set(shipped or ())
    if tokenizer.eos_token_id is not None:
        ids.add(tokenizer.eos_token_id)
    return ids


def _closing_ids(tokenizer: Any, layout: ReplyFormat) -> frozenset[int] | None:
    """Return the tokens that can end a closing tag, so that only they cost a look; None for all."""
    last = layout.answer_close.strip()[-1]
    if not last.isascii() or last.isalnum():
        return None
    return frozenset(index for token, index in tokenizer.get_vocab().items() if last in token)
