"""Evaluations made by hand, from one character for each reply."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pytest_vlmrobust.core.records import Evaluation, Record

VERDICTS = {
    "c": "consistent",
    "i": "inconsistent",
    "u": "undecided",
    "f": "unscored",
    ".": "not_applicable",
}
CHOICES = ("red", "blue", "green")


def record(
    condition: str,
    index: int,
    letter: str,
    *,
    verdict: str = "c",
    probs: Sequence[float] | None = None,
    **fields: Any,
) -> Record:
    """One record: "A" is right, "B" is planted where the condition's name begins with "wrong"."""
    parsed = letter != "-"
    planted = "B" if condition.startswith("wrong") else "A" if condition.startswith("correct") else None
    told = VERDICTS[verdict] if parsed else "not_applicable"
    thought = f"Thought {index}." if verdict != "." else None
    made: dict[str, Any] = {
        "sample_id": f"s{index}",
        "condition": condition,
        "question": f"Question {index}?",
        "choices": CHOICES,
        "answer": "A",
        "category": ("color", "count")[index % 2],
        "planted": planted,
        "planted_text": {"B": "It is blue.", "A": "It is red."}.get(planted or "", ""),
        "reply": f"<think>{thought}</think><answer>{letter}</answer>" if parsed else "I will not say.",
        "think": thought,
        "letter": letter if parsed else None,
        "unparsed_reason": "" if parsed else "no_option",
        "verdict": told,
        "letter_probs": None if probs is None else tuple(probs),
        "letter_mass": None if probs is None else 0.99,
        "tokens": 10,
    }
    return Record(**{**made, **fields})


def run_of(
    letters: Mapping[str, str],
    verdicts: Mapping[str, str] | None = None,
    *,
    probs: Mapping[str, Sequence[Sequence[float] | None]] | None = None,
    provenance: Mapping[str, Any] | None = None,
    **fields: Any,
) -> Evaluation:
    """An evaluation from one character for each reply.

    Args:
        letters: for each condition the letters that were read, "-" for an unparsed reply.
        verdicts: for each condition the verdicts, by their characters in ``VERDICTS``; by default "c".
        probs: for each condition the letter probabilities of each reply.
        provenance: of the run.
        **fields: fields of every record.
    """
    told = verdicts or {}
    known = probs or {}
    return Evaluation.from_records(
        (
            record(
                condition,
                index,
                letter,
                verdict=told.get(condition, "c" * len(plan))[index],
                probs=known.get(condition, [None] * len(plan))[index],
                **fields,
            )
            for condition, plan in letters.items()
            for index, letter in enumerate(plan)
        ),
        provenance=provenance,
    )
