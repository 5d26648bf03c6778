"""Finds options by the marks that stand before them: "A.", "(A)", "A)" or "A:".

What could be read in more than one way is refused and never guessed: a wrong split makes a wrong key.
"""

from __future__ import annotations

import re
from collections.abc import Sequence

from pytest_vlmrobust.core.samples import LETTERS
from pytest_vlmrobust.datasets.tables.rows import shown
from pytest_vlmrobust.errors import DataError

_MARK = r"(?P<open>\(?)(?P<letter>[A-Z])(?P<close>[.):]\)?)"
_MARKED = re.compile(rf"\s*{_MARK}\s*(?P<text>.*)", re.DOTALL)
_LINE = re.compile(rf"^[ \t]*{_MARK}(?P<blank>[ \t]*)(?P<text>.*?)[ \t]*$", re.MULTILINE)
_WITHIN = re.compile(rf"(?<=[\s,;.]){_MARK}\s+")
_BEHIND_WORD = re.compile(r"\b(?:options|choices)\s*:?\s*(?=\(?A[.):]\)?\s)", re.IGNORECASE)
_HEADER = re.compile(
    r"(?:^|(?<=[.?!:\n]))\s*"
    r"(?:select from the following (?:options|choices)|(?:the )?(?:options|choices)(?: are listed below)?)"
    r"\s*[:.]?\s*$",
    re.IGNORECASE,
)


def split_options(text: str) -> tuple[str, list[str]]:
    r"""Split a text into its question and the options that stand in it.

    Each option is on a line of its own, or they follow one another behind the word "Options"; what comes
    after the last one, such as an instruction, is left out.

    Returns:
        The question, and the options in the order of their letters from A, "" for a mark with nothing
        behind it. There are no options where no two marks follow each other.

    Raises:
        DataError: marks are there twice, out of order or written in several ways, or options that follow
            one another can be told apart in more than one way.

    >>> split_options("Where is it?\nA. left\nB. right\nAnswer with the letter.")
    ('Where is it?', ['left', 'right'])
    >>> split_options("What is it?\nOptions: A: a cat, B: a dog")
    ('What is it?', ['a cat', 'a dog'])
    """
    found = _on_lines(text) or _in_a_row(text)
    if found is None:
        return text.strip(), []
    start, options = found
    return _HEADER.sub("", text[:start]).strip(), options


def unmarked(texts: Sequence[str]) -> tuple[list[str], list[str]]:
    """Take the letters away that stand before options, where they stand before each of them.

    Letters that are neither in brackets nor among those that as many options have are taken for initials.

    Args:
        texts: the options, "" for one that is not there.

    Returns:
        The letters of the options, and their texts; of those without a text only some may be there.

    Raises:
        DataError: the letters are out of order, or one is there twice, so that it is not known which option
            an answer means.

    >>> unmarked(["(A) red", "", "(C) blue"])
    (['A', 'C'], ['red', 'blue'])
    >>> unmarked(["A. Smith", "C. Jones"])
    (['A', 'B'], ['A. Smith', 'C. Jones'])
    """
    by_place = [_letter(place) for place in range(len(texts))]
    matches = [_MARKED.fullmatch(text) for text in texts]
    marks = [match["letter"] for match in matches if match]
    initials = any(match and not match["open"] and match["letter"] not in by_place for match in matches)
    if not marks or initials:
        return by_place, list(texts)
    if len(marks) < len(list(filter(None, texts))):
        bracketed = zip(by_place, matches, strict=True)
        if any(match and match["open"] and match["letter"] != letter for letter, match in bracketed):
            raise _disordered(texts)
        return by_place, list(texts)
    if marks != sorted(set(marks)):
        raise _disordered(texts)
    return marks, [match["text"] for match in matches if match]


def _disordered(texts: Sequence[str]) -> DataError:
    return DataError(
        f"options {shown(list(texts))} have letters that are out of order or there twice, or that some of "
        f"them lack; {LETTERS[0]}, {LETTERS[1]} and so on are needed"
    )


def _letter(place: int) -> str:
    return chr(ord("A") + place)


def _style(mark: re.Match[str]) -> tuple[str, str]:
    return mark["open"], mark["close"]


def _on_lines(text: str) -> tuple[int, list[str]] | None:
    """Find options on lines of their own: the last run of lines that begins with A."""
    lines = list(_LINE.finditer(text))
    starts = [place for place, line in enumerate(lines) if line["letter"] == "A"]
    for start in reversed(starts):
        run = _run(lines[start:])
        if len(run) >= 2:
            before = lines[start - 1] if start else None
            if before and before["letter"] == "A" and _style(before) == _style(run[0]):
                raise DataError(f"options: the mark {_written(before)} is there twice")
            return run[0].start(), _with_continuations(text, run)
    return None


def _run(lines: Sequence[re.Match[str]]) -> list[re.Match[str]]:
    """The lines of options from the first one on; a line of another kind is part of the option before it."""
    run = [lines[0]]
    style, spaced = _style(lines[0]), bool(lines[0]["blank"])
    wrong = []
    for line in lines[1:]:
        wanted, same = _letter(len(run)), _style(line) == style
        if line["letter"] == wanted and same:
            run.append(line)
        elif line["letter"] == wanted or (same and (line["blank"] or not line["text"] or not spaced)):
            wrong.append(line)
    if wrong and len(run) >= 2:
        raise DataError(
            f"options: the mark {_written(wrong[0])} is out of order, twice or written in another way than "
            f"{_written(run[0])}"
        )
    return run


def _written(mark: re.Match[str]) -> str:
    return repr(f"{mark['open']}{mark['letter']}{mark['close']}")


def _with_continuations(text: str, run: Sequence[re.Match[str]]) -> list[str]:
    """An option may go on in the next line; the last one may not, since an instruction may follow it."""
    last = run[-1].end()
    if not any(line["text"] for line in run):
        # Each mark has a line of its own, and so has each text.
        following = re.compile(r"\s*[^\n]*").match(text, last)
        last = following.end() if following else last
    ends = [line.start() for line in run[1:]] + [last]
    options = [" ".join(text[line.start("text") : end].split()) for line, end in zip(run, ends, strict=True)]
    separated = any(all(option.endswith(sign) for option in options[:-1]) for sign in ",;")
    return [_cleaned(option) for option in options] if separated else options


def _in_a_row(text: str) -> tuple[int, list[str]] | None:
    """Find options one after another: "A: one, B: two" or "(A) one (B) two"."""
    for opening in _openings(text):
        marks = [opening, *_following(text, opening)]
        if len(marks) >= 2:
            last = text.find("\n", marks[-1].end())
            ends = [mark.start() for mark in marks[1:]] + [last if last >= 0 else len(text)]
            spans = zip(marks, ends, strict=True)
            return opening.start(), [_cleaned(text[mark.end() : end]) for mark, end in spans]
    return None


def _openings(text: str) -> list[re.Match[str]]:
    """Where a first option may begin: behind the word "Options", or as "(A)" anywhere."""
    behind = [re.compile(rf"{_MARK}\s+").match(text, word.end()) for word in _BEHIND_WORD.finditer(text)]
    bracketed = list(re.compile(r"(?:^|(?<=\s))(?P<open>\()(?P<letter>A)(?P<close>\))\s+").finditer(text))
    return [mark for mark in (*behind[-1:], *bracketed[-1:]) if mark]


def _following(text: str, opening: re.Match[str]) -> list[re.Match[str]]:
    """The marks behind the first, written like it; those behind a comma or the like come before others."""
    style = _style(opening)
    found = [mark for mark in _WITHIN.finditer(text, opening.end()) if _style(mark) == style]
    if "B" not in (mark["letter"] for mark in found):
        return []
    separated = [mark for mark in found if _is_separated(text, mark)]
    furthest = max(mark["letter"] for mark in found)
    if _in_order(separated) and separated[-1]["letter"] == furthest:
        return separated
    if _in_order(found) and (not separated or style[0]):
        return found
    raise DataError(
        f"options: {shown(text[opening.start() :])} can be told apart in more than one way; each on a line "
        "of its own is needed, or a comma before each letter"
    )


def _is_separated(text: str, mark: re.Match[str]) -> bool:
    before = text[: mark.start()]
    return before.rstrip()[-1:] in (",", ";", ".") or before.rstrip(" \t")[-1:] == "\n"


def _in_order(marks: Sequence[re.Match[str]]) -> bool:
    letters = [mark["letter"] for mark in marks]
    return bool(letters) and letters == [_letter(place) for place in range(1, len(letters) + 1)]


def _cleaned(option: str) -> str:
    return " ".join(option.split()).rstrip(",;").rstrip()
