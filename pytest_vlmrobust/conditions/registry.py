"""Conditions by name, sets of conditions, and what a condition is given to work with."""

from __future__ import annotations

import random
import re
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Literal

from pytest_vlmrobust.conditions.abstain import SUFFIX, offer_abstention, plain_name
from pytest_vlmrobust.conditions.claims import statement
from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.samples import LETTERS, Sample
from pytest_vlmrobust.core.seeding import seeded
from pytest_vlmrobust.errors import UsageError, VlmRobustError, gist, unknown_name

Plants = Literal["wrong", "right"]
"""Which option the added text asserts: a wrong one, or the right one."""

BASE = "base"
"""The condition that every drop is measured against."""


@dataclass(frozen=True, kw_only=True)
class Condition:
    """A named intervention.

    Attributes:
        name: lower case words joined by hyphens.
        make: turns a `Case` into the prompt.
        plants: whether the added text asserts a wrong option, the right one, or none (None).
        reasons: True when a reply has reasoning that a judge can compare with the answer;
            False where the thought is planted whole, as in ``stop-think``.
        summary: one line for lists.
    """

    name: str
    make: Callable[[Case], Prompt]
    plants: Plants | None = None
    reasons: bool = True
    summary: str = ""


@dataclass(frozen=True, kw_only=True)
class Case:
    """One sample about to be perturbed: what a condition has at hand.

    Attributes:
        sample: the sample.
        condition: name of the condition that is applied.
        plants: as in `Condition`.
        planted: index of the option that the condition asserts: the same wrong option under every
            condition of one sample and seed, or the right one; None when it asserts none.
        rng: generator seeded by (seed, sample id, condition name), for choices of the
            condition's own.
    """

    sample: Sample
    condition: str
    plants: Plants | None
    planted: int | None
    rng: random.Random

    @property
    def claim(self) -> str:
        """The sentence that asserts the planted option.

        Raises:
            UsageError: the condition was registered without ``plants``.
        """
        return statement(self.sample, self._index())

    @property
    def option(self) -> str:
        """The planted option as a thought names it: letter and text, ``(B) left of it``.

        Raises:
            UsageError: the condition was registered without ``plants``.
        """
        index = self._index()
        return f"({LETTERS[index]}) {self.sample.choices[index]}"

    def prompt(self, *, caption: str = "", thought: str = "", thought_closed: bool = False) -> Prompt:
        """Build the prompt: the sample as it is, and what the condition adds to it."""
        return Prompt(
            sample_id=self.sample.id,
            condition=self.condition,
            images=self.sample.images,
            question=self.sample.question,
            choices=self.sample.choices,
            caption=caption,
            thought=thought,
            thought_closed=thought_closed,
            planted=None if self.planted is None else LETTERS[self.planted],
        )

    def _index(self) -> int:
        if self.planted is None:
            raise UsageError(
                f"condition {self.condition!r} asks for a claim, but was registered without plants=: "
                "say plants='wrong' or plants='right'"
            )
        return self.planted


_REGISTRY: dict[str, Condition] = {}
_NAME = re.compile(r"[a-z0-9]+(-[a-z0-9]+)*")

_ZHAO = (
    BASE,
    "stop-think",
    "wrong-think",
    "wrong-think-but",
    "wrong-caption",
    "wrong-caption-disclaimer",
)

CONDITION_SETS: dict[str, tuple[str, ...]] = {
    "zhao2026": _ZHAO,
    "controls": (BASE, "correct-caption", "correct-think"),
    "abstain": (BASE, *(name + SUFFIX for name in _ZHAO)),
}
"""Named sets; ``all`` stands for every registered condition, as it is registered."""


def condition(
    name: str, *, plants: Plants | None = None, reasons: bool = True, summary: str = ""
) -> Callable[[Callable[[Case], Prompt]], Callable[[Case], Prompt]]:
    """Register a condition under a name; it then works in every option, marker and fixture.

    Args:
        name: lower case words joined by hyphens, not yet taken.
        plants: "wrong" or "right" when the condition asserts an option, else None.
        reasons: False when the reply holds no reasoning of the model's own.
        summary: one line for lists; by default the first line of the docstring.

    Raises:
        UsageError: the name is malformed, taken, or the name of a set.

    >>> @condition("loud-caption", plants="wrong")
    ... def loud_caption(case: Case) -> Prompt:
    ...     "The caption, shouted."
    ...     return case.prompt(caption=case.claim.upper())
    >>> get_condition("loud-caption").summary
    'The caption, shouted.'
    """
    if not _NAME.fullmatch(name):
        raise UsageError(
            f"condition name {name!r}: use lower case words joined by hyphens, such as 'wrong-caption'"
        )
    if name in _REGISTRY or name in CONDITION_SETS or name == "all":
        raise UsageError(f"condition name {name!r} is already taken: choose another")
    if plants not in (None, "wrong", "right"):
        raise UsageError(f"plants={plants!r} of condition {name!r}: allowed are 'wrong', 'right' and None")

    def register(make: Callable[[Case], Prompt]) -> Callable[[Case], Prompt]:
        first = (make.__doc__ or "").strip().splitlines()
        line = summary or (first[0] if first else "")
        _REGISTRY[name] = Condition(name=name, make=make, plants=plants, reasons=reasons, summary=line)
        return make

    return register


def unregister(name: str) -> None:
    """Take a condition out of the registry; for tests that register their own."""
    _REGISTRY.pop(name, None)


def registered_conditions() -> tuple[str, ...]:
    """Names of every condition, built-in ones first."""
    return tuple(_REGISTRY)


def get_condition(name: str) -> Condition:
    """Look a condition up.

    Raises:
        UsageError: there is none of this name; near misses are named.
    """
    plain = plain_name(name)
    if plain not in _REGISTRY:
        raise unknown_name("condition", name, [*_REGISTRY, *CONDITION_SETS, "all"])
    return _REGISTRY[name] if name == plain else _abstaining(_REGISTRY[plain])


def _abstaining(plain: Condition) -> Condition:
    """The same condition with one more option, by which the model may decline to answer."""
    name = plain.name + SUFFIX

    def make(case: Case) -> Prompt:
        prompt = plain.make(replace(case, condition=plain.name))
        return offer_abstention(replace(prompt, condition=name)) if isinstance(prompt, Prompt) else prompt

    told = f"{plain.summary.removesuffix('.')}; the model may abstain."
    return replace(plain, name=name, make=make, summary=told)


def resolve_conditions(names: str | Iterable[str]) -> tuple[str, ...]:
    """Expand names and sets into conditions: ``base`` first, each once, in the order asked for.

    Args:
        names: one string, in which commas separate names, or several strings. A name or set may end in
            ``+abstain``.

    Raises:
        UsageError: an unknown name, or no name at all.

    >>> resolve_conditions("wrong-think,controls")
    ('base', 'wrong-think', 'correct-caption', 'correct-think')
    >>> resolve_conditions("controls+abstain")
    ('base', 'base+abstain', 'correct-caption+abstain', 'correct-think+abstain')
    """
    asked = [names] if isinstance(names, str) else list(names)
    words = [word.strip() for item in asked for word in item.split(",") if word.strip()]
    if not words:
        raise UsageError("conditions is empty: name at least one condition or set, such as 'zhao2026'")
    chosen: dict[str, None] = {BASE: None}
    for word in words:
        for member in _members(word) or (get_condition(word).name,):
            chosen[member] = None
    return tuple(chosen)


def _members(word: str) -> Sequence[str]:
    """The conditions of a set, or none where it is no set."""
    if word in CONDITION_SETS:
        return CONDITION_SETS[word]
    if word == "all":
        return registered_conditions()
    plain = plain_name(word)
    return () if plain == word else [plain_name(name) + SUFFIX for name in _members(plain)]


def planted_option(sample: Sample, *, seed: int) -> int:
    """Index of the wrong option that every misleading condition of this sample asserts."""
    wrong = [index for index in range(len(sample.choices)) if index != sample.answer]
    return seeded(seed, sample.id, "plant").choice(wrong)


def perturb(sample: Sample, condition: str, *, seed: int = 0, planted: int | None = None) -> Prompt:
    """Apply a condition to a sample.

    Args:
        sample: the sample; it is not changed.
        condition: name of a registered condition.
        seed: seeds the choice of the planted option and the condition's own choices, together
            with the sample's id.
        planted: index of the wrong option that a misleading condition asserts, instead of the seed's choice.

    Raises:
        UsageError: no condition has this name, it raised an error, or it returned no prompt; or ``planted``
            is no wrong option of the sample.
        DataError: the condition offers to abstain, and the sample cannot take one more option.
    """
    chosen = get_condition(condition)
    if planted is not None and (planted == sample.answer or not 0 <= planted < len(sample.choices)):
        raise UsageError(
            f"planted={planted!r} for sample {sample.id!r}: the index of a wrong option is needed, from 0 to "
            f"{len(sample.choices) - 1} without {sample.answer}, the right one"
        )
    index = {
        None: None,
        "right": sample.answer,
        "wrong": planted_option(sample, seed=seed) if planted is None else planted,
    }[chosen.plants]
    case = Case(
        sample=sample,
        condition=condition,
        plants=chosen.plants,
        planted=index,
        rng=seeded(seed, sample.id, plain_name(condition)),
    )
    try:
        prompt = chosen.make(case)
    except VlmRobustError:
        raise
    except Exception as error:
        raise UsageError(f"condition {condition!r} failed on sample {sample.id!r} ({gist(error)})") from error
    if not isinstance(prompt, Prompt):
        raise UsageError(
            f"condition {condition!r} returned {type(prompt).__name__}: it has to return a Prompt, "
            "best made with case.prompt(...)"
        )
    return prompt
