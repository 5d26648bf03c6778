"""Multiple-choice samples from a ``.jsonl`` file: one JSON object a line.

The schema is written down in ``docs/dataset_format.md``. A line that does not follow it is
refused with file, line number, field and what is allowed; no line is ever skipped.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any, NoReturn

from pytest_vlmrobust.core.samples import Sample, check_choices
from pytest_vlmrobust.datasets.fields import (
    FIELDS,
    REQUIRED,
    answer_index,
    identifier,
    image_sources,
    optional_text,
    required_text,
    texts,
)
from pytest_vlmrobust.errors import DataError, unknown_name

_BOM = b"\xef\xbb\xbf"
_OTHER_BOMS = {b"\xff\xfe": "UTF-16", b"\xfe\xff": "UTF-16"}


def read_jsonl(path: Path) -> list[Sample]:
    """Read every sample of a file, in its order.

    Images are checked to exist, not decoded.

    Args:
        path: the file; paths of images are relative to its folder.

    Raises:
        DataError: the file is missing or empty, or a line is not a valid sample.
    """
    folder = path.parent.resolve()
    samples: list[Sample] = []
    lines: dict[str, int] = {}
    for number, text in _lines(path):
        sample = _sample(text, f"{path}:{number}", folder)
        if sample.id in lines:
            raise DataError(
                f"{path}:{number}: id: {sample.id!r} is taken by line {lines[sample.id]}; "
                "give every sample an id of its own"
            )
        lines[sample.id] = number
        samples.append(sample)
    if not samples:
        raise DataError(f"{path}: the file holds no samples: write one JSON object on each line")
    return samples


def check_file(path: Path) -> None:
    """Refuse a path that is no file, without reading it.

    Raises:
        DataError: nothing is there, or a folder is.
    """
    if path.is_dir():
        raise DataError(f"data set {path}: is a folder; name a .jsonl file")
    if not path.is_file():
        raise DataError(f"data set {path}: no such file (looked from {Path.cwd()})")


def _lines(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (number from 1, text) of each line; one blank line at the end is let pass."""
    check_file(path)
    blank = 0
    try:
        with path.open("rb") as file:
            for number, raw in enumerate(file, start=1):
                if blank:
                    raise DataError(f"{path}:{blank}: the line is blank; one JSON object stands on each line")
                text = _decoded(raw.removeprefix(_BOM) if number == 1 else raw, f"{path}:{number}")
                if text.strip():
                    yield number, text
                else:
                    blank = number
    except OSError as error:
        raise DataError(f"data set {path}: cannot be read: {error.strerror or error}") from error


def _decoded(raw: bytes, where: str) -> str:
    try:
        return raw.decode()
    except UnicodeDecodeError as error:
        seen = _OTHER_BOMS.get(raw[:2], f"byte 0x{raw[error.start]:02x} at position {error.start + 1}")
        raise DataError(f"{where}: not UTF-8 ({seen}): save the file as UTF-8") from error


def _sample(text: str, where: str, folder: Path) -> Sample:
    """Make the sample of one line."""
    row = _object(text, where)
    _check_names(row, where)
    choices = texts(row["choices"], f"{where}: choices")
    check_choices(where, choices)
    statements = row.get("statements")
    try:
        return Sample(
            id=identifier(row["id"], f"{where}: id"),
            images=image_sources(row["image"], f"{where}: image", folder),
            question=required_text(row["question"], f"{where}: question"),
            choices=choices,
            answer=answer_index(row["answer"], choices, f"{where}: answer"),
            category=optional_text(row.get("category"), f"{where}: category"),
            group=optional_text(row.get("group"), f"{where}: group"),
            statements=None if statements is None else texts(statements, f"{where}: statements"),
        )
    except DataError as error:
        raise error if str(error).startswith(where) else DataError(f"{where}: {error}") from None


def _object(text: str, where: str) -> Mapping[str, Any]:
    def unique(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
        row = dict(pairs)
        if len(row) < len(pairs):
            names = [name for name, _ in pairs]
            twice = next(name for name in names if names.count(name) > 1)
            raise DataError(f"{where}: the field {twice!r} stands there twice")
        return row

    def refused(constant: str) -> NoReturn:
        raise DataError(f"{where}: {constant} is not JSON")

    try:
        row = json.loads(text, object_pairs_hook=unique, parse_constant=refused)
    except json.JSONDecodeError as error:
        raise DataError(f"{where}: not JSON: {error.msg} at column {error.colno}") from error
    except (ValueError, RecursionError) as error:
        if isinstance(error, DataError):
            raise
        raise DataError(f"{where}: not usable as JSON: {error}") from error
    if not isinstance(row, dict):
        raise DataError(
            f"{where}: holds {_kind(row)}; each line is one JSON object with {', '.join(REQUIRED)}"
        )
    return row


def _check_names(row: Mapping[str, Any], where: str) -> None:
    for name in row:
        if name not in FIELDS:
            raise DataError(f"{where}: {unknown_name('field', name, FIELDS)}")
    missing = [name for name in REQUIRED if name not in row]
    if missing:
        raise DataError(f"{where}: {missing[0]}: is missing; every line needs {', '.join(REQUIRED)}")


def _kind(value: object) -> str:
    names = {str: "a string", list: "a list", bool: "true or false", int: "a number", float: "a number"}
    return names.get(type(value), "null")
