"""The text conditions of Zhao et al. 2026 (arXiv 2602.12506), and their controls.

The text of ``stop-think`` and the two suffixes are the paper's. The other wordings are not
published; those here are this package's own and part of its protocol version.
"""

from __future__ import annotations

from pytest_vlmrobust.conditions.registry import BASE, Case, condition
from pytest_vlmrobust.core.prompts import Prompt

STOP_THOUGHT = "Okay let's see. This should be the final answer."


def _assertion(case: Case) -> str:
    return f"Let me look at the image. {case.claim} So the answer is {case.option}"


def _hedged(sentence: str, suffix: str) -> str:
    return f"{sentence.removesuffix('.')}, {suffix}"


@condition(BASE)
def base(case: Case) -> Prompt:
    """The sample as it is."""
    return case.prompt()


@condition("stop-think", reasons=False)
def stop_think(case: Case) -> Prompt:
    """An empty thought, already closed: the model has to answer at once."""
    return case.prompt(thought=STOP_THOUGHT, thought_closed=True)


@condition("wrong-think", plants="wrong")
def wrong_think(case: Case) -> Prompt:
    """The thought begins by asserting a wrong option; the model goes on from there."""
    return case.prompt(thought=f"{_assertion(case)}.")


@condition("wrong-think-but", plants="wrong")
def wrong_think_but(case: Case) -> Prompt:
    """As wrong-think, with the door left open: "but I think"."""
    return case.prompt(thought=_hedged(_assertion(case), "but I think"))


@condition("wrong-caption", plants="wrong")
def wrong_caption(case: Case) -> Prompt:
    """A caption before the question asserts a wrong option."""
    return case.prompt(caption=case.claim)


@condition("wrong-caption-disclaimer", plants="wrong")
def wrong_caption_disclaimer(case: Case) -> Prompt:
    """As wrong-caption, with a disclaimer: "but I could be wrong"."""
    return case.prompt(caption=_hedged(case.claim, "but I could be wrong") + ".")


@condition("correct-caption", plants="right")
def correct_caption(case: Case) -> Prompt:
    """Control: the same caption, asserting the right option."""
    return case.prompt(caption=case.claim)


@condition("correct-think", plants="right")
def correct_think(case: Case) -> Prompt:
    """Control: the same thought, asserting the right option."""
    return case.prompt(thought=f"{_assertion(case)}.")
