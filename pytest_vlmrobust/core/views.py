"""One condition seen beside ``base``, and why a figure may not apply to it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from pytest_vlmrobust.core.arrays import BoolArray
from pytest_vlmrobust.core.columns import Columns
from pytest_vlmrobust.core.scores import Scorer

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
        scorer: scores as the data set's benchmark does; None where it has no score of its own.
        clusters: (n,) equal numbers for samples that share a group, which are not independent; None where
            all samples are.
    """

    condition: str
    here: Columns
    base: Columns | None
    own_reasoning: bool = True
    hidden_reasoning: bool = False
    scorer: Scorer | None = None
    clusters: NDArray[np.intp] | None = None

    def came(self) -> BoolArray:
        """(n,) True where there is a reply here, read or not."""
        came: BoolArray = ~self.here.failed
        return came

    def both_came(self) -> BoolArray:
        """(n,) True where there is a reply both here and under ``base``, read or not."""
        none_came: BoolArray = np.zeros(self.here.parsed.size, dtype=np.bool_)
        return none_came if self.base is None else self.came() & ~self.base.failed

    def pairs(self) -> BoolArray:
        """(n,) True where there is an answer both here and under ``base``: a letter that does not abstain."""
        none_paired: BoolArray = np.zeros(self.here.parsed.size, dtype=np.bool_)
        return none_paired if self.base is None else self.here.answered & self.base.answered

    def answered_probs(self) -> BoolArray:
        """(n,) True where there is an answer here that does not abstain, with letter probabilities."""
        known: BoolArray = self.here.has_probs & self.here.answered
        return known

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


def unanswered(view: View) -> str:
    """No reply holds an answer that is right or wrong."""
    reason = unread(view)
    if reason or view.here.answered.any():
        return reason
    return f"all {int(view.here.parsed.sum())} replies that could be read abstain"


def without_abstention(view: View) -> str:
    """No question had an option by which to decline."""
    if not view.here.could_abstain.any():
        return "no option to abstain is offered under this condition"
    return unread(view)


def nothing_planted(view: View) -> str:
    """No wrong option was planted, or no reply to one could be read."""
    if not view.here.wrongly_planted.any():
        return "no wrong option is planted under this condition"
    return "" if view.could_be_misled().any() else "no reply with a wrong option planted could be read"


def _uncompared(view: View) -> str:
    if view.condition == BASE:
        return f"it compares a condition with {BASE}, and this is {BASE} itself"
    return f"it compares with {BASE}, which was not run" if view.base is None else ""


def unpaired(view: View) -> str:
    """There is nothing to compare with ``base``."""
    reason = _uncompared(view)
    if reason:
        return reason
    if view.pairs().any():
        return ""
    told = "was answered" if view.here.abstained.any() else "could be read"
    return f"no sample {told} both here and under {BASE}"


def without_score(view: View) -> str:
    """The data set has no score of its own, or it does not apply."""
    return _scoreless(view, view.came())


def without_score_drop(view: View) -> str:
    """There is no score of its own to compare with that under ``base``."""
    return _uncompared(view) or _scoreless(view, view.both_came())


def scorer_of(view: View) -> Scorer:
    """What scores a view to which `without_score` does not object."""
    assert view.scorer is not None
    return view.scorer


def _scoreless(view: View, came: BoolArray) -> str:
    if view.scorer is None:
        return "the data set has no score of its own"
    return view.scorer.obstacle(view.scorer.headline, came)


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


def without_answered_probs(view: View) -> str:
    """The model tells no probabilities where it answers."""
    reason = without_probs(view) or unanswered(view)
    if reason or view.answered_probs().any():
        return reason
    return "the model gave no letter probabilities where it answered"


def without_mass(view: View) -> str:
    """The model tells no probabilities before they are renormalized."""
    reason = without_probs(view)
    if reason or (view.here.has_probs & ~np.isnan(view.here.mass)).any():
        return reason
    return "the model gave the letters' probabilities renormalized alone"
