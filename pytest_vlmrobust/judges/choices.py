"""What a question's options are called in a thought: their texts and the short forms of them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace

from pytest_vlmrobust.core.mentions import NEGATORS, ChoiceTexts, Mention, Prose, leveled, vocabulary
from pytest_vlmrobust.judges.directions import Directions
from pytest_vlmrobust.judges.wording import (
    alike,
    carries_content,
    compares,
    content_words,
    counted_things,
    other_number,
    plain_words,
)

_BEFORE_CORRECT = vocabulary("all seems thats quite sounds about feels looks")
_AFTER_CORRECT = vocabulary("now here next away there behind above below under beside")
_BEFORE_COUNTED_ONE = vocabulary("only just exactly is are makes remains total with")
_AFTER_PRONOUN_ONE = vocabulary("of that which is who")


class Options:
    """The options of one question, found in prose by text, short form or number.

    Attributes:
        choices: the options' texts.
        question: the question, or "".
        topic: the words that the question is about, without those of the options.
        counted: the words for what is to be counted; else the topic.
        compared: the comparatives and superlatives of the question.
        negative: whether the question itself denies something ("which is not …").
        numeric: whether the options are numbers.
        yes: index of the option "yes", or None.
        no: index of the option "no", or None.
        zero: index of the option that is no thing at all, or None.
        directions: the options that say where something is.
    """

    def __init__(self, choices: Sequence[str], question: str = "") -> None:
        """Work out the short forms, and what the question is about."""
        keys = [plain_words(choice) for choice in choices]
        asked = plain_words(question)
        self.choices = tuple(choices)
        self.question = question
        self.topic = content_words(question) - {word for key in keys for word in key}
        self.counted = counted_things(question) or self.topic
        self.compared = {word for word in asked if compares(word)}
        self.negative = any(word in NEGATORS for word in asked)
        self.numeric = sum(_is_number(key) for key in keys) >= max(2, len(keys) - 1)
        self.yes, self.no = _only(keys, "yes"), _only(keys, "no")
        self.zero = next((i for i in (_only(keys, "0"), _only(keys, "none")) if i is not None), None)
        self.directions = Directions(keys, question)
        self._one = next((i for i in (_only(keys, "one"), _only(keys, "1")) if i is not None), None)
        names = [*((choice, index) for index, choice in enumerate(choices)), *self._short_forms(keys)]
        self._owner = [index for _, index in names]
        self._texts = ChoiceTexts([name for name, _ in names])
        self._repeated: set[tuple[int, str]] = set()
        self._repeated = self._named_in_question()

    @property
    def asks_yes_or_no(self) -> bool:
        """Whether yes and no are both among the options."""
        return self.yes is not None and self.no is not None

    def mentions(self, prose: Prose) -> list[Mention]:
        """Return where options are named, in order; yes and no are left to the caller."""
        found = [replace(m, choice=self._owner[m.choice]) for m in self._texts.mentions(prose)]
        found += self._counted_ones(prose)
        found = [m for m in found if m.choice not in (self.yes, self.no) and not self._incidental(prose, m)]
        return sorted(found, key=lambda m: m.first)

    def _short_forms(self, keys: Sequence[tuple[str, ...]]) -> list[tuple[str, int]]:
        forms: dict[str, set[int]] = {}
        for form, index in self.directions.forms():
            forms.setdefault(form, set()).add(index)
        for index, key in enumerate(keys):
            others = [other for i, other in enumerate(keys) if i != index]
            for form in (*_distinguishing(key, others), *_respelled(key)):
                forms.setdefault(form, set()).add(index)
        if self.numeric and self.zero is not None:
            for form in ("0", "none"):
                forms.setdefault(form, set()).add(self.zero)
        single = [(form, min(owner)) for form, owner in forms.items() if len(owner) == 1]
        return [(form, index) for form, index in single if plain_words(form) not in keys]

    def _counted_ones(self, prose: Prose) -> list[Mention]:
        """Find "one" where it is a number: "only one", "one bird", "a single bird"."""
        if not self.numeric or self._one is None:
            return []
        found = []
        for index, word in enumerate(prose.words):
            before = prose.words[index - 1].text if index else ""
            after = prose.words[index + 1].text if index + 1 < len(prose.words) else ""
            counts = before in _BEFORE_COUNTED_ONE or not (before or after)
            counts = counts or any(alike(after, noun) for noun in self.counted)
            is_pronoun = after in _AFTER_PRONOUN_ONE and before not in {"only", "just", "exactly"}
            is_one = word.text == "one" and counts and not is_pronoun
            if is_one or (word.text == "single" and before not in NEGATORS):
                found.append(
                    Mention(choice=self._one, start=word.start, end=word.end, first=index, last=index)
                )
        return found

    def _named_in_question(self) -> set[tuple[int, str]]:
        """Find the one option that the question names in passing, with the word after it."""
        asked = Prose(leveled(self.question))
        found = self.mentions(asked)
        if len({mention.choice for mention in found}) != 1:
            return set()
        following = [asked.words[m.last + 1].text for m in found if m.last + 1 < len(asked.words)]
        return {(found[0].choice, word) for word in following if carries_content(word)}

    def _incidental(self, prose: Prose, mention: Mention) -> bool:
        """Whether a mention repeats the question ("with the green bag"), or means something else."""
        before = prose.words[mention.first - 1].text if mention.first else ""
        after = prose.words[mention.last + 1].text if mention.last + 1 < len(prose.words) else ""
        if (mention.choice, after) in self._repeated:
            return True
        if mention.first != mention.last:
            return False
        word = prose.words[mention.first].text
        if word == "right":  # as "correct"
            interjection = (
                mention.first == 0 and bool(after) and prose.text[mention.end : mention.end + 1] == ","
            )
            assent = not after and [w.text for w in prose.words[: mention.first][-2:]] == ["that", "is"]
            return before in _BEFORE_CORRECT or after in _AFTER_CORRECT or interjection or assent
        # "left" as "remaining"
        return word == "left" and before in {"are", "have", "has", "were"} and after not in {"of", "to"}


def _distinguishing(key: tuple[str, ...], others: Sequence[tuple[str, ...]]) -> Iterator[str]:
    """Yield "left one" and "left" for "the left cup" where the other options are cups, too."""
    elsewhere = {word for other in others for word in other}
    own = [word for word in key if word not in elsewhere]
    shared = {word for word in key if word in elsewhere}
    if len(own) == 1 and shared and own[0].isalpha() and len(own[0]) > 2:
        yield f"{own[0]} one"
        if all(shared <= set(other) for other in others):
            yield own[0]


def _respelled(key: tuple[str, ...]) -> Iterator[str]:
    """Yield the plural or singular, and two words written as one ("pony tail", "ponytail")."""
    if key and len(key[-1]) > 3 and key[-1].isalpha():
        yield " ".join((*key[:-1], other_number(key[-1])))
    if len(key) == 2 and all(word.isalpha() and len(word) > 2 for word in key):
        yield "".join(key)


def _only(keys: Sequence[tuple[str, ...]], word: str) -> int | None:
    return list(keys).index((word,)) if list(keys).count((word,)) == 1 else None


def _is_number(key: tuple[str, ...]) -> bool:
    return len(key) == 1 and (key[0] in {"one", "none"} or key[0].isdigit())
