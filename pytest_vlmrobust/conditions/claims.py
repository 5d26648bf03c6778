"""From question and option to the sentence that asserts the option.

``claim("Where is the cat?", "on the mat")`` is "The cat is on the mat.". The rules that word it
stand in `wording`, which is loaded when the first claim is made.
"""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Sequence
from dataclasses import dataclass

from pytest_vlmrobust.core.samples import LETTERS, Sample

GIVEN = "given"
"""Name of the rule for sentences that the sample brings."""

_KEPT = 4096
"""For how many questions the claims are remembered: every condition of a sample asks for the same."""


@dataclass(frozen=True)
class Claim:
    """A sentence that asserts an option.

    Attributes:
        text: the sentence; it begins with a capital where it begins with a letter, ends with one
            period, and contains the option unless that is yes or no.
        rule: the rule that worded it; "generic" when the question had to be quoted, "given" when
            the sample brought the sentence.
    """

    text: str
    rule: str


def statement(sample: Sample, index: int) -> str:
    """Return the sentence that asserts option ``index`` of a sample.

    A sample that brings statements is taken at its word; else one is made from the question.
    """
    return sample_claim(sample, index).text


def sample_claim(sample: Sample, index: int) -> Claim:
    """Return the claim for option ``index``, with the rule that worded it."""
    if sample.statements is not None:
        return Claim(sample.statements[index], GIVEN)
    return claims(sample.question, sample.choices)[index]


def claim(question: str, option: str) -> Claim:
    """Assert ``option`` as the answer to ``question``, where the other options are not known.

    Args:
        question: one question in English; context before it and instructions after it are dropped.
        option: the text of one option.

    >>> claim("Which is closer to the camera, the cup or the lamp?", "the lamp").text
    'The lamp is closer to the camera.'
    >>> claim("Is there a dog on the left?", "no").text
    'There is no dog on the left.'
    >>> claim("Whatever for?", "fun")
    Claim(text='The answer to the question "Whatever for?" is "fun".', rule='generic')
    """
    from pytest_vlmrobust.conditions.wording.questions import worded

    return Claim(*worded(question, option))


def claims(question: str, choices: Sequence[str]) -> tuple[Claim, ...]:
    """Assert each of the options; no two claims are the same.

    The options are better worded together: they tell whether a capital belongs to a name, and which words
    of the question are alternatives.

    Args:
        question: as for `claim`.
        choices: the texts of all options, no two of them the same.

    >>> [claim.text for claim in claims("Is the cup on the left or right of it?", ("left", "right"))]
    ['The cup is on the left of it.', 'The cup is on the right of it.']
    """
    return _claims(question, tuple(choices))


@functools.lru_cache(_KEPT)
def _claims(question: str, choices: tuple[str, ...]) -> tuple[Claim, ...]:
    from pytest_vlmrobust.conditions.wording.questions import lettered, worded

    made = [Claim(*worded(question, choice, choices)) for choice in choices]
    often = Counter(claim.text.casefold() for claim in made)
    return tuple(
        claim if often[claim.text.casefold()] == 1 else Claim(*lettered(question, choices[at], LETTERS[at]))
        for at, claim in enumerate(made)
    )


def count_rules(samples: Iterable[Sample]) -> dict[str, int]:
    """Count by which rules the claims of samples are worded, all options of each, the most frequent first.

    >>> from pytest_vlmrobust.datasets.shapes import shapes_sample
    >>> count_rules([shapes_sample(0)])
    {'given': 3}
    """
    counts = Counter(
        sample_claim(sample, index).rule for sample in samples for index in range(len(sample.choices))
    )
    return dict(sorted(counts.items(), key=lambda entry: (-entry[1], entry[0])))
