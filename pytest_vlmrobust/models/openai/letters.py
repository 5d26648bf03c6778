"""The distribution over the options, from the candidates that a server names at each token.

The rule is that of `pytest_vlmrobust.models.letters`, for a vocabulary of which only the likeliest tokens of
a step are seen. A spelling of which one letter is seen is taken to exist for the others too, unless what
stands before the letter is a likely token of its own: then the vocabulary may write them in two tokens, and
a second look is needed. Where what is not seen could move the result, there is none.
"""

from __future__ import annotations

import math
from collections import defaultdict
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

from pytest_vlmrobust.models import letters as rule
from pytest_vlmrobust.models.letters import Distribution, Form, LetterForms, Rescore
from pytest_vlmrobust.remote import wire

UNSEEN = 0.01
"""The largest share of the letters' probability that may lie with letters that were not named."""

_WORTH_A_LOOK = 0.001
"""The share of it from which on a second look is worth a request, where it can be had."""

_LIKELY = 0.01
"""Probability from which on a token that can stand before a letter shows that letters are written so too."""

_SAME = 0.02
"""How far two looks at the same step may lie apart in a probability, by the noise of computing."""

_WINDOW = 32  # characters before the letter that a reply is known again by, where the whole of it is not


@dataclass(frozen=True, kw_only=True)
class Look:
    """A step of the model that is needed in addition.

    Attributes:
        reply: the beginning of the reply that it follows.
        tokens: texts of tokens whose probabilities are needed there; () for the likeliest ones.
    """

    reply: str
    tokens: tuple[str, ...] = ()


@dataclass(frozen=True, kw_only=True)
class SecondLook:
    """A distribution that needs more steps.

    Attributes:
        looks: the steps.
        finish: turns them, in order, into the distribution.
        otherwise: what there is without them, if that is good enough, or None.
    """

    looks: tuple[Look, ...]
    finish: Callable[[Sequence[wire.Step]], Distribution | None]
    otherwise: Distribution | None = None


def read_steps(
    steps: Sequence[wire.Step], said: str, place: int, letter: str, letters: Sequence[str]
) -> Distribution | SecondLook | None:
    """Compute the distribution over the options at the token that named one.

    Args:
        steps: the tokens of the reply, with their candidates.
        said: the text that came with them, or the part of it that the answer stands in.
        place: index into ``said`` of the answer's letter.
        letter: that letter.
        letters: the sample's letters, "A" first.

    Returns:
        The distribution; or what is needed to finish it; or None when no token, or more than a letter's, can
        be told to have brought the letter, or too little is seen of the others.
    """
    index = _emitting(steps, said, place)
    form = None if index is None else rule_form(steps[index].token.decode("utf-8", "replace"))
    if index is None or form is None or form.letter != letter:
        return None
    before = b"".join(step.token for step in steps[:index]).decode("utf-8", "replace")
    return _Reading(steps[max(0, index - 1) : index + 1], letters, before).distribution()


def _emitting(steps: Sequence[wire.Step], said: str, place: int) -> int | None:
    """Find the token that brought a character of the text."""
    spelled = b"".join(step.token for step in steps)
    for start in (0, max(0, place - _WINDOW)):
        found = spelled.rfind(said[start:].encode("utf-8", "replace"))
        if found >= 0:
            position = found + len(said[start:place].encode("utf-8", "replace"))
            break
    else:
        return None
    reached = 0
    for index, step in enumerate(steps):
        reached += len(step.token)
        if reached > position:
            return index
    return None


class _Reading:
    """The step that named an option, and the one before it."""

    def __init__(self, steps: Sequence[wire.Step], letters: Sequence[str], before: str) -> None:
        self._letters = letters
        self._before = before
        self._tokens = [step.token.decode("utf-8", "replace") for step in steps]
        self._probs = [_probabilities(step) for step in steps]

    def distribution(self) -> Distribution | SecondLook | None:
        found, texts = self._read()
        if isinstance(found, Rescore):
            return self._rescored(found, texts)
        unseen = 0.0 if found is None else self._unseen(found)
        form = rule_form(self._tokens[-1])
        if found is None or form is None or unseen <= _WORTH_A_LOOK:
            return found
        enough = found if unseen <= UNSEEN else None
        family = tuple(f"{form.before}{letter}{form.after}" for letter in self._letters)
        return SecondLook(
            looks=(Look(reply=self._before, tokens=family),),
            finish=lambda steps: self._looked(steps) or enough,
            otherwise=enough,
        )

    def _read(self) -> tuple[Distribution | Rescore | None, dict[str, int]]:
        texts = self._vocabulary()
        ids = [texts[token] for token in self._tokens]

        def at(step: int) -> rule.Step:
            probs: dict[int, float] = defaultdict(float)
            probs.update({texts[text]: value for text, value in self._probs[step].items()})
            return rule.Step(probs=probs, emitted=self._probs[step][self._tokens[step]])

        found = rule.read_letters(LetterForms(texts), self._letters, ids, len(ids) - 1, at)
        return found, texts

    def _vocabulary(self) -> dict[str, int]:
        """Number every text that was seen, and those that are taken to exist."""
        texts = dict.fromkeys([*self._letters, *(text for probs in self._probs for text in probs)])
        for probs in self._probs:
            for text in probs:
                form = rule_form(text)
                if form is not None and (not form.before or probs.get(form.before, 0.0) < _LIKELY):
                    texts |= dict.fromkeys(f"{form.before}{letter}{form.after}" for letter in self._letters)
        return {text: index for index, text in enumerate(texts)}

    def _unseen(self, found: Distribution) -> float:
        """Bound the share that letters which were not named could have."""
        missing = sum(1 for probability in found.probs if probability == 0.0)
        probs = self._probs[-1].values()
        most = min(missing * min(probs), max(0.0, 1.0 - sum(probs)))
        return most / (found.mass + most)

    def _rescored(self, found: Rescore, texts: Mapping[str, int]) -> SecondLook | None:
        """Turn the contexts, which end in a token that stands before a letter, into beginnings of a reply."""
        numbered = {index: text for text, index in texts.items()}
        leads = [numbered[context[-1]] for context in found.contexts]
        if any(lead != lead.rstrip() for lead in leads):
            return None  # a chat template may take white space away at the end of a turn

        def finish(steps: Sequence[wire.Step]) -> Distribution | None:
            return found.finish([_numbered(step, texts) for step in steps])

        looks = tuple(Look(reply=self._before + lead) for lead in leads)
        return SecondLook(looks=looks, finish=finish)

    def _looked(self, steps: Sequence[wire.Step]) -> Distribution | None:
        """Add what a second look at the same step has shown, if it was the same."""
        emitted, again = self._tokens[-1], _probabilities(steps[0])
        if not math.isclose(again.get(emitted, 0.0), self._probs[-1][emitted], abs_tol=_SAME):
            return None
        self._probs[-1] = {**again, **self._probs[-1]}
        found, _ = self._read()
        return found if isinstance(found, Distribution) and all(found.probs) else None


def rule_form(text: str) -> Form | None:
    """Return how a token names an option, or None when it names none."""
    return LetterForms({text: 0}).form(0)


def _probabilities(step: wire.Step) -> dict[str, float]:
    """Return the probability of each text, of tokens with the same text together."""
    probs: dict[str, float] = defaultdict(float)
    for token, value in step.top:
        probs[token.decode("utf-8", "replace")] += math.exp(value)
    emitted = step.token.decode("utf-8", "replace")
    if emitted not in probs:
        probs[emitted] = math.exp(step.logprob)
    return dict(probs)


def _numbered(step: wire.Step, texts: Mapping[str, int]) -> rule.Step:
    """Number the letters that begin a token; whatever follows them in it counts for them too."""
    probs: dict[int, float] = defaultdict(float)
    for text, value in _probabilities(step).items():
        form = rule_form(text)
        if form is not None and not form.before and form.letter in texts:
            probs[texts[form.letter]] += value
    return rule.Step(probs=probs, emitted=math.exp(step.logprob))
