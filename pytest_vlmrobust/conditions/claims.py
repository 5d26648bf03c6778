"""From question and option to the sentence that asserts it."""

from __future__ import annotations

from pytest_vlmrobust.core.samples import Sample


def statement(sample: Sample, index: int) -> str:
    """Return the sentence that asserts option ``index`` of a sample.

    A sample that brings statements is taken at its word; else one is made from the question.
    """
    if sample.statements is not None:
        return sample.statements[index]
    return generic_statement(sample.question, sample.choices[index])


def generic_statement(question: str, option: str) -> str:
    """Assert ``option`` as the answer to ``question``."""
    return f'The answer to "{question.strip()}" is {option.strip()}.'
