"""From question and option to the sentence that asserts the option.

``claim("Where is the cat?", "on the mat")`` is "The cat is on the mat.". The rules that word it
stand in `wording`, which is loaded when the first claim is made.
"""

from __future__ import annotations

from dataclasses import dataclass

from pytest_vlmrobust.core.samples import Sample


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
        return Claim(sample.statements[index], "given")
    return claim(sample.question, sample.choices[index])


def claim(question: str, option: str) -> Claim:
    """Assert ``option`` as the answer to ``question``.

    Args:
        question: one question in English; context before it and instructions after it are dropped.
        option: the text of one option.

    >>> claim("Which is closer to the camera, the cup or the lamp?", "the lamp").text
    'The lamp is closer to the camera.'
    >>> claim("Is there a dog on the left?", "no").text
    'There is no dog on the left.'
    >>> claim("Whatever for?", "fun")
    Claim(text='The right answer to the question "Whatever for?" is "fun".', rule='generic')
    """
    from pytest_vlmrobust.conditions.wording.questions import worded

    text, rule = worded(question, option)
    return Claim(text, rule)
