"""One more option, by which a model may decline to answer.

Any condition can be asked so: ``wrong-caption+abstain`` is ``wrong-caption`` with "I'm not sure" as its
last option, and nothing else is changed (Zhao et al. 2026, arXiv 2602.12506, where it is part of the tests).
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import replace

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.samples import LETTERS, Sample
from pytest_vlmrobust.errors import DataError

SUFFIX = "+abstain"
"""What the name of a condition ends in that offers to abstain."""

OPTION = "I'm not sure"
"""The text of the option."""


def plain_name(condition: str) -> str:
    """Name of the condition without the offer to abstain.

    >>> plain_name("wrong-caption+abstain"), plain_name("base")
    ('wrong-caption', 'base')
    """
    return condition.removesuffix(SUFFIX)


def offers_abstention(condition: str) -> bool:
    """Whether a condition of this name offers to abstain.

    >>> offers_abstention("base+abstain"), offers_abstention("base")
    (True, False)
    """
    return condition.endswith(SUFFIX)


def offer_abstention(prompt: Prompt) -> Prompt:
    """Add the option to a prompt, behind all others, so that these keep their letters.

    Raises:
        DataError: the prompt has no letter left for it, or has such an option already.
    """
    reason = _obstacle(prompt.choices)
    if reason:
        raise DataError(f"sample {prompt.sample_id!r} under {prompt.condition!r}: {reason}")
    return replace(prompt, choices=(*prompt.choices, OPTION), abstention=LETTERS[len(prompt.choices)])


def check_offers(samples: Sequence[Sample], conditions: Iterable[str]) -> None:
    """Refuse samples that cannot take one more option, before any of them is asked.

    Raises:
        DataError: there are some, and a condition offers to abstain; the message counts them.
    """
    offering = next(filter(offers_abstention, conditions), None)
    if offering is None:
        return
    refused = [(sample, reason) for sample in samples if (reason := _obstacle(sample.choices))]
    if refused:
        sample, reason = refused[0]
        raise DataError(
            f"condition {offering!r} cannot be asked of {len(refused)} of {len(samples)} samples, such as "
            f"{sample.id!r}: {reason}; leave these samples out, or ask {plain_name(offering)!r} instead"
        )


def _obstacle(choices: Sequence[str]) -> str:
    """Why there can be no such option beside these, or ""."""
    if len(choices) >= len(LETTERS):
        return f"it has {len(choices)} options, so no letter is left for {OPTION!r}"
    if OPTION.casefold() in (choice.strip().casefold() for choice in choices):
        return f"it has the option {OPTION!r} already"
    return ""
