"""One condition seen beside ``base``, and why a figure may not apply to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from pytest_vlmrobust.core.arrays import BoolArray
from pytest_vlmrobust.core.columns import Columns

BASE = "base"
"""The condition that every drop is measured against."""


@dataclass(frozen=True, kw_only=True, eq=False)
class View:
    """One condition of an evaluation beside ``base``, sample by sample.

    Attributes:
        condition: its name.
        here: its records.
        base: the records of ``base``, or None when it was not run.
        own_reasoning: False where replies hold no reasoning of the model's own by the condition's design.
        hidden_reasoning: True where the model has reasoned and nobody can read it.
    """

    condition: str
    here: Columns
    base: Columns | None
    own_reasoning: bool = True
    hidden_reasoning: bool = False

    def pairs(self) -> BoolArray:
        """(n,) True where a letter was read both here and under ``base``."""
        none_paired: BoolArray = np.zeros(self.here.parsed.size, dtype=np.bool_)
        return none_paired if self.base is None else self.here.parsed & self.base.parsed

    def base_right(self) -> BoolArray:
        """(n,) True where the right letter was read under ``base``."""
        return np.zeros_like(self.here.parsed) if self.base is None else self.base.right

    def could_be_misled(self) -> BoolArray:
        """(n,) True where a letter was read and a wrong option was planted."""
        return self.here.parsed & self.here.wrongly_planted

    def could_be_turned(self) -> BoolArray:
        """(n,) True where, besides, the sample was right under ``base``."""
        return self.could_be_misled() & self.base_right()


Obstacle = Callable[[View], str]
"""Says as a clause why a figure does not apply; "" when it does."""


def never(_: View) -> str:
    """Nothing stands in the way."""
    return ""


def unread(view: View) -> str:
    """No reply could be read."""
    return "" if view.here.parsed.any() else f"none of the {view.here.parsed.size} replies could be read"


def nothing_planted(view: View) -> str:
    """No wrong option was planted, or no reply to one could be read."""
    if not view.here.wrongly_planted.any():
        return "no wrong option is planted under this condition"
    return "" if view.could_be_misled().any() else "no reply with a wrong option planted could be read"


def unpaired(view: View) -> str:
    """There is nothing to compare with ``base``."""
    if view.condition == BASE:
        return f"it compares a condition with {BASE}, and this is {BASE} itself"
    if view.base is None:
        return f"it compares with {BASE}, which was not run"
    return "" if view.pairs().any() else f"no sample could be read both here and under {BASE}"


def never_right(view: View) -> str:
    """No sample was right before a wrong option was planted."""
    reason = unpaired(view) or nothing_planted(view)
    if reason or view.could_be_turned().any():
        return reason
    return f"no sample that was right under {BASE} could be read here with a wrong option planted"


def unreasoned(view: View) -> str:
    """There is no reasoning to judge."""
    reason = unread(view)
    if not reason and view.hidden_reasoning:
        return "the model's reasoning is hidden, so nobody can tell whether its answer agrees with it"
    if reason or view.here.reasoned.any():
        return reason
    if not view.own_reasoning:
        return "the thought is planted whole, so the replies hold no reasoning of the model's own"
    return "the model gave no reasoning in any reply that could be read"


def unjudged(view: View) -> str:
    """The judge gave no verdict at all."""
    reason = unreasoned(view)
    if reason or (view.here.reasoned & ~view.here.has_verdict("unscored")).any():
        return reason
    return f"the judge failed on all {int(view.here.reasoned.sum())} replies that it was given"


def undecided(view: View) -> str:
    """The judge gave no verdict that decides."""
    reason = unjudged(view)
    if reason or view.here.decided.any():
        return reason
    return f"the judge could decide on none of the {int(view.here.reasoned.sum())} replies that it was given"


def unvoted(view: View) -> str:
    """There are no verdicts of several judges to compare."""
    reason = unreasoned(view)
    if reason or len(view.here.ballots):
        return reason
    if any(view.here.votes):
        return "on no reply did every judge of the panel give a verdict"
    return "no panel of judges was asked"


def unvaried(view: View) -> str:
    """The judges gave one and the same verdict on everything."""
    reason = unvoted(view)
    if reason or np.unique(view.here.ballots).size > 1:
        return reason
    return "every vote is for one verdict, so chance alone would agree as well"


def without_probs(view: View) -> str:
    """The model tells no probabilities."""
    reason = unread(view)
    return reason if reason or view.here.has_probs.any() else "the model gave no letter probabilities"


def without_mass(view: View) -> str:
    """The model tells no probabilities before they are renormalized."""
    reason = without_probs(view)
    if reason or (view.here.has_probs & ~np.isnan(view.here.mass)).any():
        return reason
    return "the model gave the letters' probabilities renormalized alone"
