"""Options named together, and whether they are denied."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_vlmrobust.core.mentions import NEGATORS, Mention, Prose, vocabulary

_LINK = re.compile(
    r"""[\s"'*]*(?:\(\s*[A-H]\s*\)\s*)?
        (?:,|/|&|\band\b|\bor\b|\bnor\b|\bversus\b|\bvs\b)
        [\s"'*]*(?:(?:and|or|nor)\b\s*)?
        (?:(?:a|an|the|any|either|neither|even|just|other|some|on|in|at|to)\b\s*)*["'*]*""",
    re.I | re.X,
)
_LONGEST_LINK = 40
_OTHERS = vocabulary("other others alternatives remaining rest besides options choices unlike")
_FINITE = vocabulary("is are was were its thats looks seems appears has have")
_VERBS = _FINITE | {"see", "be"}
_REJECTED = vocabulary("wrong incorrect false out impossible unlikely excluded eliminated ruled")
_BEFORE_REJECTED = vocabulary("is are was were seems can would")
_TURNS = vocabulary("but so rather instead")
_SCOPE = 6  # words between a negator and what it surely denies


@dataclass(frozen=True, kw_only=True, slots=True)
class Group:
    """Options named in one breath: "a cat, a dog or a bird".

    Attributes:
        mentions: at least one, in order.
    """

    mentions: tuple[Mention, ...]

    @property
    def start(self) -> int:
        """Offset of the first character."""
        return self.mentions[0].start

    @property
    def end(self) -> int:
        """Offset after the last character."""
        return self.mentions[-1].end

    @property
    def choices(self) -> set[int]:
        """The options that are named."""
        return {mention.choice for mention in self.mentions}


def groups(text: str, mentions: Sequence[Mention]) -> list[Group]:
    """Join mentions of different options that only commas, "and" and "or" part."""
    joined: list[list[Mention]] = []
    for mention in mentions:
        if joined and _goes_with(text, joined[-1], mention):
            joined[-1].append(mention)
        else:
            joined.append([mention])
    return [Group(mentions=tuple(part)) for part in joined]


def denied(prose: Prose, group: Group, *, negative_question: bool = False) -> bool | None:
    """Whether a clause denies the options of a group; None where it may.

    Where the question itself denies something, a denial far from the options is the question's.
    """
    words = [word.text for word in prose.words]
    first, last = group.mentions[0].first, group.mentions[-1].last
    before, after = _since_turn(words[:first]), words[last + 1 :]
    if any(word in NEGATORS for word in _since_verb(before[-_SCOPE:])):
        return True
    if words[max(0, first - 2) : first] == ["anything", "but"]:
        return True
    is_subject = _VERBS.isdisjoint(before)
    if any(word in NEGATORS - {"than", "unlike"} for word in after[: 5 if is_subject else 2]):
        return True
    if len(after) > 1 and after[0] in _BEFORE_REJECTED and after[1] in _REJECTED:
        return True
    doubtful = not NEGATORS.isdisjoint(before) and not negative_question
    return None if doubtful or not _OTHERS.isdisjoint(before[-5:]) else False


def _goes_with(text: str, part: Sequence[Mention], mention: Mention) -> bool:
    return (
        mention.choice not in {earlier.choice for earlier in part}
        and mention.start - part[-1].end <= _LONGEST_LINK
        and _LINK.fullmatch(text, part[-1].end, mention.start) is not None
    )


def _since_verb(words: list[str]) -> list[str]:
    """Drop what a later verb shuts off: "which is not here is …" denies nothing after the second "is"."""
    shut = [i for i, word in enumerate(words) if word in _FINITE and not NEGATORS.isdisjoint(words[:i])]
    return words[shut[-1] :] if shut else words


def _since_turn(words: list[str]) -> list[str]:
    """Drop what stands before the last "but" or "so"; "rather" and "instead" deny, so they stay."""
    for index in range(len(words) - 1, -1, -1):
        if words[index] in _TURNS:
            return words[index + 1 :] if words[index] in {"but", "so"} else words[index:]
    return words
