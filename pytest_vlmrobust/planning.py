"""A dry run: counts what would be asked, estimates its tokens, and asks nothing."""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import ReplyFormat
from pytest_vlmrobust.core.samples import ImageSource
from pytest_vlmrobust.errors import DryRunError
from pytest_vlmrobust.judges.base import JudgeCase, Verdict
from pytest_vlmrobust.models.base import Answer, ModelInfo
from pytest_vlmrobust.models.checkpoint import DEFAULT_MAX_NEW_TOKENS
from pytest_vlmrobust.models.dialects import PLAIN, expected_limit
from pytest_vlmrobust.prompting import Prompts
from pytest_vlmrobust.remote.budget import Price
from pytest_vlmrobust.runs import ModelRequest

DRY = "--vlm-dry-run: nothing was asked"

_CHARACTERS = 4
"""Characters of English that a token has on average."""

_PATCH = 28 * 28
"""Pixels of an image that a token stands for, in Qwen2.5-VL; other models take more tokens or fewer."""


@dataclass(kw_only=True)
class PlanRow:
    """What would be asked of one model about one data set.

    Attributes:
        model: the model.
        dataset: the data set.
        requests: how many replies would be asked for.
        tokens_in: an estimate of the tokens of all prompts.
        tokens_out: the most tokens that all replies can have.
    """

    model: str
    dataset: str
    requests: int = 0
    tokens_in: int = 0
    tokens_out: int = 0


class Plan:
    """What a session would ask; each prompt counts once, as it would be asked once.

    Attributes:
        rows: one for each model and data set.
    """

    def __init__(self) -> None:
        """Plan nothing yet."""
        self.rows: list[PlanRow] = []
        self._seen: set[tuple[str, str, str, str, str]] = set()

    def add(
        self, *, model: str, dataset: str, prompts: Prompts | Sequence[Prompt], max_new_tokens: int
    ) -> None:
        """Take down prompts.

        Args:
            model: the model.
            dataset: the data set, or "" for single prompts.
            prompts: what would be asked.
            max_new_tokens: the most tokens of a reply.
        """
        row = next((row for row in self.rows if (row.model, row.dataset) == (model, dataset)), None)
        if row is None:
            row = PlanRow(model=model, dataset=dataset)
            self.rows.append(row)
        images: dict[int, tuple[ImageSource, int]] = {}
        for prompt in _all(prompts):
            key = (model, dataset, prompt.sample_id, prompt.condition, prompt.planted_text)
            if key not in self._seen:
                self._seen.add(key)
                row.requests += 1
                row.tokens_in += estimate(prompt, images)
                row.tokens_out += max_new_tokens


def estimate(prompt: Prompt, images: dict[int, tuple[ImageSource, int]]) -> int:
    """Estimate the tokens of a prompt.

    Args:
        prompt: the prompt.
        images: the images that were looked at, by id, with their tokens; grows.
    """
    turns = PLAIN.render(prompt)
    count = math.ceil(len(turns.system + turns.user + turns.prefill) / _CHARACTERS)
    for image in prompt.images:
        if id(image) not in images:
            width, height = image.load().size
            images[id(image)] = (image, math.ceil(width * height / _PATCH))
        count += images[id(image)][1]
    return count


def longest_reply(request: ModelRequest) -> int:
    """Return how many tokens a reply of a model may have, as far as it is known before the model is loaded.

    Raises:
        UsageError: the dialect that is asked for is unknown.
    """
    return request.max_new_tokens or expected_limit(request.spec, request.dialect) or DEFAULT_MAX_NEW_TOKENS


def plan_lines(rows: Iterable[PlanRow], price: Price | None) -> Iterator[str]:
    """Word a plan for the summary: a line for each row, and one for all.

    Args:
        rows: the rows.
        price: the price of tokens, or None.
    """
    known = list(rows)
    whole = PlanRow(model="in all", dataset="")
    for row in known:
        whole.requests += row.requests
        whole.tokens_in += row.tokens_in
        whole.tokens_out += row.tokens_out
        yield _line(f"{row.model} on {row.dataset}" if row.dataset else row.model, row, price)
    if len(known) != 1:
        yield _line("in all", whole, price)
    yield (
        f"an estimate: a token for {_CHARACTERS} characters and for {_PATCH} pixels; a server is asked some "
        "ten short questions more, and replies that are in the store are not asked for again"
    )


def _line(name: str, row: PlanRow, price: Price | None) -> str:
    tokens = f"about {row.tokens_in:,} tokens in and at most {row.tokens_out:,} out"
    text = f"{name}: {row.requests:,} requests, {tokens}"
    return text if price is None else f"{text}; at most about {price.of(row.tokens_in, row.tokens_out):.4f}"


class PlannedModel:
    """Stands for a model that is not to be asked.

    Args:
        spec: what names it.
        plan: takes its prompts down.
        max_new_tokens: the most tokens of a reply.
    """

    def __init__(self, spec: str, plan: Plan, *, max_new_tokens: int) -> None:
        """Load nothing."""
        self._spec = spec
        self._plan = plan
        self._max_new_tokens = max_new_tokens

    @property
    def info(self) -> ModelInfo:
        """The spec, and nothing else."""
        return ModelInfo(spec=self._spec)

    @property
    def reply_format(self) -> ReplyFormat:
        """The layout that would be asked for."""
        return PLAIN.reply

    def answer(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        """Take prompts down.

        Raises:
            DryRunError: always.
        """
        self._plan.add(model=self._spec, dataset="", prompts=prompts, max_new_tokens=self._max_new_tokens)
        raise DryRunError(DRY)

    def close(self) -> None:
        """Nothing to free."""


class PlannedJudge:
    """Stands for a judge that is not to be asked.

    Attributes:
        name: what names it.
    """

    def __init__(self, name: str) -> None:
        """Load nothing."""
        self.name = name

    def judge(self, _cases: Sequence[JudgeCase]) -> list[Verdict]:
        """Judge nothing.

        Raises:
            DryRunError: always.
        """
        raise DryRunError(DRY)


def _all(prompts: Prompts | Sequence[Prompt]) -> Iterator[Prompt]:
    if isinstance(prompts, Prompts):
        yield from (prompt for part in prompts.parts() for _, prompt in part)
    else:
        yield from prompts
