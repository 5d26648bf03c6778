"""Makes the prompts of an evaluation, a part of the samples at a time, and sees that they ask the same."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace

from pytest_vlmrobust.conditions import perturb
from pytest_vlmrobust.conditions.abstain import check_offers
from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.core.views import BASE
from pytest_vlmrobust.errors import UsageError, VacuousError

SAMPLES_PER_PART = 1024
"""How many samples a model is asked about at once: many batches, and yet bounded memory."""

SAMPLES_PER_STAGE = 256
"""How many samples are asked under base before the rest, where that decides about the rest: few enough for
Ctrl-C to leave most of what was asked finished."""

Part = Sequence[tuple[Sample, Prompt]]


class Prompts:
    """Every sample under every condition, the prompts of one sample side by side.

    Attributes:
        total: how many prompts there are.
    """

    def __init__(
        self,
        samples: Sequence[Sample],
        conditions: Sequence[str],
        seed: int,
        planted: Mapping[str, int] | None = None,
    ) -> None:
        """Make no prompt yet.

        Args:
            samples: the samples.
            conditions: names of conditions.
            seed: seeds what the conditions choose.
            planted: by sample id, the index of the wrong option to plant, where the seed shall not choose it.
        """
        self.total = len(samples) * len(conditions)
        self._samples = samples
        self._conditions = conditions
        self._seed = seed
        self._planted = planted or {}
        self._last: tuple[int, Part] = -1, ()

    def parts(self) -> Iterator[Part]:
        """Yield the prompts, as many at a time as a model is asked at once.

        Raises:
            UsageError: a condition changes the question or takes away the right option.
        """
        for start in range(0, len(self._samples), SAMPLES_PER_PART):
            if self._last[0] != start:
                self._last = start, self._made(self._samples[start : start + SAMPLES_PER_PART])
            yield self._last[1]

    def check(self) -> None:
        """Refuse a condition that leaves every prompt as it is: it could never fail.

        Raises:
            VacuousError: there is such a condition.
            DataError: a condition offers to abstain, and a sample cannot take one more option.
            UsageError: as in `parts`.
        """
        check_offers(self._samples, self._conditions)
        idle = {name: None for name in self._conditions if name != BASE}
        for part in self.parts() if idle else ():
            plain = {sample.id: prompt for sample, prompt in part if prompt.condition == BASE}
            for sample, prompt in part:
                if prompt.condition in idle and _differ(prompt, plain[sample.id]):
                    del idle[prompt.condition]
            if not idle:
                return
        for name in idle:
            raise VacuousError(
                f"condition {name!r} changed nothing on any of the {len(self._samples)} samples, so it would "
                f"compare {BASE} with itself"
            )

    def staged(self, planted: Mapping[str, int]) -> Iterator[Part]:
        """Yield prompts as `parts` does, those under ``base`` first: the answers to them decide the rest.

        Args:
            planted: as for the class; it is looked at after the prompts under ``base`` were yielded, so
                that it may grow meanwhile.

        Raises:
            UsageError: as `parts`.
        """
        rest = [name for name in self._conditions if name != BASE]
        for start in range(0, len(self._samples), SAMPLES_PER_STAGE):
            samples = self._samples[start : start + SAMPLES_PER_STAGE]
            yield [(sample, _prompt(sample, BASE, self._seed, None)) for sample in samples]
            yield [
                (sample, _prompt(sample, name, self._seed, planted.get(sample.id)))
                for sample in samples
                for name in rest
            ]

    def _made(self, samples: Sequence[Sample]) -> Part:
        names, seed = self._conditions, self._seed
        return [
            (sample, _prompt(sample, name, seed, self._planted.get(sample.id)))
            for sample in samples
            for name in names
        ]


def _prompt(sample: Sample, name: str, seed: int, planted: int | None) -> Prompt:
    """Perturb a sample, and see that it is still the same question."""
    prompt = perturb(sample, name, seed=seed, planted=planted)
    for field, was, came in (
        ("sample_id", sample.id, prompt.sample_id),
        ("condition", name, prompt.condition),
        ("question", sample.question, prompt.question),
    ):
        if was != came:
            raise UsageError(
                f"{_where(sample, name)} changed {field} from {was!r} to {came!r}: it has to stay as it is"
            )
    right = sample.choices[sample.answer]
    if right not in prompt.choices:
        raise UsageError(
            f"{_where(sample, name)} took away the right option {right!r}: a condition may order "
            "or add options, but the right one stays among them"
        )
    return prompt


def _where(sample: Sample, name: str) -> str:
    return f"condition {name!r} on sample {sample.id!r}"


def _differ(prompt: Prompt, plain: Prompt) -> bool:
    return replace(prompt, condition=BASE, planted=plain.planted) != plain
