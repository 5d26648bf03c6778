"""What a rule for claims is made of."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property

from pytest_vlmrobust.conditions.wording.english import in_mid_sentence, with_definite, with_indefinite

BE = r"(?P<be>is|are|was|were)"
DO = r"(?P<do>does|do|did|can|could|will|would|should|may|might|must)"
POLAR = {"yes": True, "no": False}


@dataclass(frozen=True)
class Option:
    """An option text, and its forms inside a sentence.

    Attributes:
        text: the option without outer spaces and final period.
        named: whether the question asks for a name, so that a capital has to stay.
        choices: all options of the sample as they stand within a sentence, where they are known.
    """

    text: str
    named: bool = False
    choices: tuple[str, ...] = ()

    @property
    def polarity(self) -> bool | None:
        """True for yes, False for no, None for any other text."""
        return POLAR.get(self.text.lower())

    @cached_property
    def mid(self) -> str:
        """As it stands within a sentence."""
        return in_mid_sentence(self.text, named=self.named)

    @property
    def bare(self) -> str:
        """Without an article."""
        return re.sub(r"^(?:the|an?) ", "", self.mid, flags=re.IGNORECASE)

    @cached_property
    def a(self) -> str:
        """With "a" or "an" where it needs one."""
        return with_indefinite(self.mid)

    @cached_property
    def the(self) -> str:
        """With "the" where it needs one."""
        return with_definite(self.mid)


Build = Callable[[re.Match[str], Option], str | None]
"""From the match of a rule's pattern to the claim, or None where the rule does not apply after all."""


@dataclass(frozen=True)
class Rule:
    """One way to word a claim.

    Attributes:
        name: what the rule is called in counts.
        pattern: matches the whole question, without its question mark; case is ignored.
        build: words the claim; it need not care for capital and period.
    """

    name: str
    pattern: re.Pattern[str]
    build: Build

    def apply(self, question: str, option: Option) -> str | None:
        """Word the claim, or return None where the rule does not apply."""
        match = self.pattern.fullmatch(question)
        return None if match is None else self.build(match, option)


def rule(name: str, pattern: str, build: Build | str) -> Rule:
    """Make a rule; a string is a template over the groups of the pattern and the option.

    In a template ``{o}`` is the option as in mid-sentence, ``{a}`` and ``{the}`` the same with
    an article; other fields are groups of the pattern.
    """
    compiled = re.compile(pattern, re.IGNORECASE)
    if not isinstance(build, str):
        return Rule(name, compiled, build)
    template = build

    def fill(match: re.Match[str], option: Option) -> str:
        groups = {key: value or "" for key, value in match.groupdict().items()}
        return template.format(o=option.mid, a=option.a, the=option.the, **groups)

    return Rule(name, compiled, fill)
