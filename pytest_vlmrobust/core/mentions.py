"""Finding the options' texts in prose: by whole words, the longest option first.

Shared by the reader of answers and the judges of thoughts, so that both mean the same by "the
text names this option".
"""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass

_LEVEL = str.maketrans(
    {
        **dict.fromkeys("\u2018\u2019\u02bc\u2032`", "'"),
        **dict.fromkeys("\u201c\u201d\u00ab\u00bb", '"'),
        **dict.fromkeys("\u2010\u2011\u2212\uff0d", "-"),
        **dict.fromkeys("\u2013\u2014\uff1b", ";"),  # a dash parts clauses as a semicolon does
        **dict.fromkeys("\u00a0\u3000\u202f\r\v\f\x85\u2028\u2029", " "),
        "\u3002": ".",
        "\u3001": ",",
        "\u3010": "[",
        "\u3011": "]",
        # ASCII in full width, as models trained on Chinese text write it
        **{chr(0xFEE0 + code): chr(code) for code in range(0x21, 0x7F) if chr(code) not in "-;"},
    }
)
_WORD = re.compile(r"(?:(?<![\w)\]])-)?\d+(?:[.,:/]\d+)*[^\W_]*|[^\W_]+(?:'[^\W_]+)*")
_CLAUSE_END = re.compile(r"[.;:!?,\n()]")
_ARTICLES = ("a", "an", "the")
_UNITS = frozenset("%\u2030\u00b0")
_NUMBERS = {  # "one" is left alone: it is a pronoun, too
    "zero": "0",
    "two": "2",
    "three": "3",
    "four": "4",
    "five": "5",
    "six": "6",
    "seven": "7",
    "eight": "8",
    "nine": "9",
    "ten": "10",
    "eleven": "11",
    "twelve": "12",
    "thirteen": "13",
    "fourteen": "14",
    "fifteen": "15",
    "sixteen": "16",
    "seventeen": "17",
    "eighteen": "18",
    "nineteen": "19",
    "twenty": "20",
}


def vocabulary(words: str) -> frozenset[str]:
    """Return the set of words that are written with spaces between them."""
    return frozenset(words.split())


NEGATORS = vocabulary(
    "not no never neither nor without cannot except excluding unlike than instead isnt arent wasnt werent "
    "doesnt dont didnt wont cant couldnt shouldnt wouldnt"
)
"""Words that deny what follows them, apostrophes dropped."""

_BE = vocabulary("is are was were be seems looks must can would should")
_DENIED = vocabulary("not wrong incorrect false out impossible unlikely excluded no")
_ISOLATED = vocabulary("yes no one")
_AFTER_RIGHT_AS_CORRECT = vocabulary("answer option choice letter thing")


@dataclass(frozen=True, slots=True)
class Word:
    """A word as compared (case, apostrophes and number words levelled) and where it stands."""

    text: str
    start: int
    end: int


@dataclass(frozen=True, slots=True)
class Mention:
    """An option's text found in prose.

    Attributes:
        choice: index of the option.
        start: offset of its first character in the text.
        end: offset after its last character.
        first: index of its first word.
        last: index of its last word.
    """

    choice: int
    start: int
    end: int
    first: int
    last: int


class Prose:
    """A stretch of text as words; articles are left out, offsets are those of the text.

    Attributes:
        text: the whole text.
        end: offset after the stretch.
        words: the words of the stretch.
    """

    def __init__(self, text: str, start: int = 0, end: int | None = None) -> None:
        """Split ``text[start:end]``; the text has been through `leveled`."""
        self.text = text
        self.end = len(text) if end is None else end
        words = _words(text, start, self.end)
        self.words = [word for word in words if word.text not in _ARTICLES]

    def parted(self, index: int) -> bool:
        """Whether a clause may end just before word ``index``, as it does at either end of the text."""
        if not 0 < index < len(self.words):
            return True
        return _CLAUSE_END.search(self.text, self.words[index - 1].end, self.words[index].start) is not None

    def negated(self, mention: Mention) -> bool:
        """Whether the clause around a mention denies it: "not left", "left is wrong"."""
        index = mention.first
        while index > max(0, mention.first - 3) and not self.parted(index):
            index -= 1
            if self.words[index].text in NEGATORS:
                return True
            if self.words[index].text == "but":
                break
        after = [word.text for word in self.words[mention.last + 1 : mention.last + 3]]
        if not after or self.parted(mention.last + 1):
            return False
        return after[0] in NEGATORS - {"than"} or (after[0] in _BE and after[-1] in _DENIED)


class ChoiceTexts:
    """The options' texts, ready to be found.

    Options that read alike once case, articles and punctuation are levelled ("5" and "5%") are
    found only where the whole text is one of them to the letter.

    >>> ChoiceTexts(["red", "dark red"]).exact("Dark red.")
    1
    >>> [m.choice for m in ChoiceTexts(["red", "dark red"]).mentions(Prose("a dark red car"))]
    [1]
    """

    def __init__(self, choices: Sequence[str]) -> None:
        """Level the options' texts."""
        self._raw = {_squeezed(choice): index for index, choice in enumerate(choices)}
        keys = [_key(choice) for choice in choices]
        self._units = [_units(choice) for choice in choices]
        self._exact = {_exact_key(k): i for i, k in enumerate(keys) if k and _once(k, keys)}
        self._by_first: dict[str, list[tuple[tuple[str, ...], int]]] = {}
        for key, index in sorted(
            ((k, i) for i, k in enumerate(keys) if k and _once(k, keys)), key=_longest_first
        ):
            self._by_first.setdefault(key[0], []).append((key, index))

    def exact(self, text: str) -> int | None:
        """Return the option that ``text`` is as a whole, or None."""
        raw = self.spelled(text)
        found = self._exact.get(_exact_key(_key(text))) if raw is None else raw
        return None if found is not None and _units(text) - self._units[found] else found

    def spelled(self, text: str) -> int | None:
        """Return the option that ``text`` is to the letter, but for case and spaces, or None."""
        return self._raw.get(_squeezed(text))

    def mentions(self, prose: Prose) -> list[Mention]:
        """Return every mention of an option, in order, without overlaps."""
        found: list[Mention] = []
        index = 0
        while index < len(prose.words):
            mention = self.mention_at(prose, index)
            if mention is None or not _counts(prose, mention):
                index += 1
                continue
            found.append(mention)
            index = mention.last + 1
        return found

    def mention_at(self, prose: Prose, index: int) -> Mention | None:
        """Return the longest option whose text begins at word ``index``, or None."""
        words = prose.words
        if not 0 <= index < len(words):
            return None
        for key, choice in self._by_first.get(words[index].text, ()):
            last = index + len(key) - 1
            same = last < len(words) and all(words[index + i].text == part for i, part in enumerate(key))
            if same and not (_units(prose.text[words[last].end :][:1]) - self._units[choice]):
                return Mention(
                    choice=choice, start=words[index].start, end=words[last].end, first=index, last=last
                )
        return None


def leveled(text: str) -> str:
    """Write quotes, dashes and full-width characters in ASCII, one for one: offsets stay."""
    return text.translate(_LEVEL)


def _words(text: str, start: int, end: int) -> list[Word]:
    return [
        Word(text=_level(m.group()), start=m.start(), end=m.end()) for m in _WORD.finditer(text, start, end)
    ]


def _level(word: str) -> str:
    level = word.casefold().replace("'", "")
    return _NUMBERS.get(level, level)


def _units(text: str) -> frozenset[str]:
    """Return the signs that make a number another quantity."""
    return frozenset(_UNITS.intersection(text))


def _squeezed(text: str) -> str:
    return " ".join(leveled(text).casefold().split())


def _key(text: str) -> tuple[str, ...]:
    every = tuple(word.text for word in _words(leveled(text), 0, len(text)))
    return tuple(word for word in every if word not in _ARTICLES) or every


def _exact_key(key: tuple[str, ...]) -> tuple[str, ...]:
    return ("1",) if key == ("one",) else key


def _once(key: tuple[str, ...], keys: Sequence[tuple[str, ...]]) -> bool:
    return [_exact_key(k) for k in keys].count(_exact_key(key)) == 1


def _longest_first(item: tuple[tuple[str, ...], int]) -> int:
    return -len(item[0])


def _counts(prose: Prose, mention: Mention) -> bool:
    """Whether a word that prose also uses otherwise ("no", "one", a letter) stands for the option."""
    if mention.first != mention.last:
        return True
    word = prose.words[mention.first].text
    if word in _ISOLATED:
        return prose.parted(mention.first) and prose.parted(mention.last + 1)
    if len(word) == 1 and word.isalpha():
        return prose.text[mention.start].isupper() and word not in {"a", "i"}
    if word == "right" and mention.last + 1 < len(prose.words):
        return prose.words[mention.last + 1].text not in _AFTER_RIGHT_AS_CORRECT
    return True
