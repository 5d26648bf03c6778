"""The fields of a line in a ``.jsonl`` data set, one function each: value in, checked value out.

Every function takes ``where`` ("file:line: field") to begin its messages with.
"""

from __future__ import annotations

import base64
import binascii
import difflib
import re
from collections.abc import Sequence
from pathlib import Path, PurePosixPath, PureWindowsPath

from pytest_vlmrobust.core.samples import LETTERS, ImageSource
from pytest_vlmrobust.datasets.images import BytesImage, FileImage
from pytest_vlmrobust.errors import DataError

REQUIRED = ("id", "image", "question", "choices", "answer")
FIELDS = (*REQUIRED, "category", "group", "statements")

_SHOWN_CHARACTERS = 60
_DATA_URI = re.compile(r"data:(?P<type>[^;,]*)(?P<options>(?:;[^;,]*)*),(?P<data>.*)", re.DOTALL)
_LEAST_BASE64_CHARACTERS = 64
_SIGNATURES = (b"\x89PNG", b"\xff\xd8\xff", b"GIF8", b"RIFF", b"BM", b"II*\0", b"MM\0*")


def identifier(value: object, where: str) -> str:
    """Read an id: a string, or a whole number, which becomes its digits."""
    if isinstance(value, int) and not isinstance(value, bool):
        return str(value)
    return required_text(value, where)


def required_text(value: object, where: str) -> str:
    """Read a string that is not blank."""
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: is {_shown(value)}; a string with text in it is needed")
    return value


def optional_text(value: object, where: str) -> str:
    """Read a string; null, like a field that is not there, is ""."""
    if value is None:
        return ""
    if not isinstance(value, str):
        raise DataError(f"{where}: is {_shown(value)}; a string is needed, or leave the field out")
    return value


def texts(value: object, where: str) -> tuple[str, ...]:
    """Read a list of strings, none of them blank."""
    if not isinstance(value, list):
        raise DataError(f"{where}: is {_shown(value)}; a list of strings is needed")
    for position, item in enumerate(value):
        if not isinstance(item, str) or not item.strip():
            hint = f': write it as "{item}"' if isinstance(item, int | float) else ""
            raise DataError(
                f"{where}[{position}]: is {_shown(item)}; a string with text in it is needed{hint}"
            )
    return tuple(value)


def answer_index(value: object, choices: Sequence[str], where: str) -> int:
    """Read the right answer: an index from 0, a letter, or the exact text of an option.

    What could be read in two ways is refused: a number that is also the text of another option,
    and a letter that is also the text of another option.
    """
    if isinstance(value, int) and not isinstance(value, bool):
        return _by_index(value, choices, where)
    if not isinstance(value, str):
        raise DataError(f"{where}: is {_shown(value)}; {_answers_allowed(choices)}")
    by_text = choices.index(value) if value in choices else None
    by_letter = _by_letter(value, len(choices))
    if by_text is not None and by_letter is not None and by_letter != by_text:
        raise DataError(
            f"{where}: {value!r} is the text of option {LETTERS[by_text]} and the letter of option "
            f"{LETTERS[by_letter]}: give the index, {by_text} or {by_letter}"
        )
    found = by_text if by_text is not None else by_letter
    if found is None:
        near = difflib.get_close_matches(value.casefold(), [choice.casefold() for choice in choices], n=1)
        meant = [choice for choice in choices if choice.casefold() in near]
        hint = f" did you mean {meant[0]!r}?" if meant else ""
        raise DataError(f"{where}: {_shown(value)} is no option;{hint} {_answers_allowed(choices)}")
    return found


def _by_index(index: int, choices: Sequence[str], where: str) -> int:
    if not 0 <= index < len(choices):
        raise DataError(f"{where}: is {index}; {_answers_allowed(choices)}")
    if str(index) in choices and choices[index] != str(index):
        raise DataError(
            f"{where}: {index} is the index of option {LETTERS[index]} ({choices[index]!r}) and the text "
            f"of option {LETTERS[choices.index(str(index))]}: give the letter"
        )
    return index


def _by_letter(value: str, count: int) -> int | None:
    letter = value.removeprefix("(").removesuffix(")")
    return LETTERS.index(letter) if letter in LETTERS[:count] and value in (letter, f"({letter})") else None


def _answers_allowed(choices: Sequence[str]) -> str:
    last = len(choices) - 1
    return (
        f'allowed are a letter "A" to "{LETTERS[last]}", an index 0 to {last} (a number, without quotes), '
        f"or the exact text of an option: {', '.join(map(repr, choices))}"
    )


def image_sources(value: object, where: str, folder: Path) -> tuple[ImageSource, ...]:
    """Read an image, or a list of images."""
    if not isinstance(value, list):
        return (_image(value, where, folder),)
    if not value:
        raise DataError(f"{where}: is an empty list; at least one image is needed")
    return tuple(_image(item, f"{where}[{position}]", folder) for position, item in enumerate(value))


def _image(value: object, where: str, folder: Path) -> ImageSource:
    """Read an image: a data URI, base64, or a path below ``folder``.

    A string counts as base64 when it is long, decodes strictly and begins like an image file; the
    decision does not look at what files there are.
    """
    text = required_text(value, where)
    if text.startswith("data:"):
        return BytesImage(_of_data_uri(text, where), name=where)
    if len(text) >= _LEAST_BASE64_CHARACTERS:
        data = _strict_base64(text)
        if data is not None and data.startswith(_SIGNATURES):
            return BytesImage(data, name=where)
    return FileImage(_path(text, where, folder))


def _of_data_uri(text: str, where: str) -> bytes:
    match = _DATA_URI.fullmatch(text)
    if match is None or "base64" not in match["options"].split(";"):
        raise DataError(f"{where}: {_shown(text)} is no base64 data URI; write data:image/png;base64,…")
    if match["type"] and not match["type"].startswith("image/"):
        raise DataError(f"{where}: the data URI holds {match['type']!r}; an image is needed")
    data = _strict_base64(match["data"])
    if not data:
        raise DataError(f"{where}: {_shown(text)} holds no valid base64")
    return data


def _strict_base64(text: str) -> bytes | None:
    try:
        return base64.b64decode(text, validate=True)
    except (binascii.Error, ValueError):
        return None


def _path(text: str, where: str, folder: Path) -> Path:
    """Resolve a path that must not leave the folder of the data set."""
    refuse_outside(text, where, folder)
    try:
        path = (folder / text).resolve(strict=True)
    except (OSError, ValueError, RuntimeError) as error:
        reason = error.strerror if isinstance(error, OSError) and error.strerror else str(error)
        raise DataError(f"{where}: {_shown(text)} cannot be found in {folder}: {reason}") from error
    if not path.is_relative_to(folder):
        raise DataError(f"{where}: {_shown(text)} is a link that leads out of {folder}")
    if not path.is_file():
        raise DataError(f"{where}: {_shown(text)} is not a file")
    return folder / text


def refuse_outside(text: str, where: str, folder: Path) -> None:
    """Refuse a path that by its very text is not one below ``folder``.

    Raises:
        DataError: it is absolute, an address, or has ".." in it.
    """
    if re.match(r"[a-zA-Z][a-zA-Z0-9+.-]+://", text):
        raise DataError(f"{where}: {_shown(text)} is an address; download the image and give its path")
    windows = PureWindowsPath(text)
    if PurePosixPath(text).is_absolute() or windows.drive or windows.root:
        raise DataError(f"{where}: {_shown(text)} is absolute; give a path relative to {folder}")
    if ".." in (*PurePosixPath(text).parts, *windows.parts):
        raise DataError(f"{where}: {_shown(text)} has '..' in it; images lie in {folder} or below")


def _shown(value: object) -> str:
    """Show a value in a message, shortened: base64 may be megabytes long."""
    text = "null" if value is None else repr(value)
    return text if len(text) <= _SHOWN_CHARACTERS else f"{text[:_SHOWN_CHARACTERS]}…"
