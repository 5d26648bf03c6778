"""Claims in a file, one sample on each line, so that everyone tests with the same sentences.

``{"id": "s1", "question": "Where is the cat?", "choices": ["left", "right"], "claims": ["The cat is on the
left.", "The cat is on the right."], "rules": ["where", "where"]}``; ``rules`` tells where each came from, and
is not read back.
"""

from __future__ import annotations

import json
import os
import tempfile
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

from pytest_vlmrobust.claiming.checks import foreign_marks
from pytest_vlmrobust.conditions.claims import sample_claim
from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.errors import DataError, UsageError, unknown_name

FILE = "file"
"""Where claims come from that a file brought, as reports count them."""

_NEEDED = ("id", "question", "choices", "claims")
_KNOWN = (*_NEEDED, "rules")


@dataclass(frozen=True, kw_only=True)
class ClaimRow:
    """The claims of one sample.

    Attributes:
        id: the sample.
        question: its question.
        choices: its options, in order.
        claims: for each option the sentence that asserts it.
        rules: for each claim where it came from; () where that is not known.
    """

    id: str
    question: str
    choices: tuple[str, ...]
    claims: tuple[str, ...]
    rules: tuple[str, ...] = ()


def claim_rows(
    samples: Iterable[Sample], *, sources: Mapping[str, Sequence[str]] | None = None
) -> list[ClaimRow]:
    """Return the claims that samples would be planted with.

    Args:
        samples: the samples.
        sources: for samples whose statements were made here, by id, where each of them came from.
    """
    rows = []
    for sample in samples:
        made = [sample_claim(sample, index) for index in range(len(sample.choices))]
        told = (sources or {}).get(sample.id)
        rows.append(
            ClaimRow(
                id=sample.id,
                question=sample.question,
                choices=sample.choices,
                claims=tuple(claim.text for claim in made),
                rules=tuple(told or [claim.rule for claim in made]),
            )
        )
    return rows


def write_claims(path: Path, rows: Iterable[ClaimRow]) -> None:
    """Write claims to a file, whole or not at all; what stood there before is replaced.

    Raises:
        UsageError: the file cannot be written.
    """
    text = "".join(f"{json.dumps(asdict(row), ensure_ascii=False)}\n" for row in rows)
    try:
        handle, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(handle, "w", encoding="utf-8", newline="\n") as file:
                file.write(text)
            Path(name).replace(path)
        except BaseException:
            Path(name).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise UsageError(f"claims cannot be written to {path}: {error.strerror or error}") from error


def read_claims(path: Path) -> dict[tuple[str, str, tuple[str, ...]], ClaimRow]:
    """Read a file of claims.

    Returns:
        The rows by sample id, question and options: several data sets may share one file.

    Raises:
        DataError: the file is missing, empty or no UTF-8; or a line is no such object, lacks a field, has
            another number of claims than options, or comes a second time. The message names file and line.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").split("\n")
    except OSError as error:
        raise DataError(f"claims file {path}: cannot be read: {error.strerror or error}") from error
    except UnicodeDecodeError as error:
        raise DataError(
            f"claims file {path}: not UTF-8 (byte {error.start + 1}): save it as UTF-8"
        ) from error
    rows: dict[tuple[str, str, tuple[str, ...]], ClaimRow] = {}
    for number, line in enumerate(lines, start=1):
        if not line.strip():
            continue
        row = _row(line, f"{path}:{number}")
        key = row.id, row.question, row.choices
        if key in rows:
            raise DataError(f"{path}:{number}: the claims of sample {row.id!r} stand there a second time")
        rows[key] = row
    if not rows:
        raise DataError(f"claims file {path}: holds no claims; --vlm-claims-export writes such a file")
    return rows


def with_claims(
    samples: Iterable[Sample], rows: Mapping[tuple[str, str, tuple[str, ...]], ClaimRow], where: str
) -> list[Sample]:
    """Give samples the claims of a file as their statements.

    Args:
        samples: the samples.
        rows: what `read_claims` returned; it may hold more than is needed.
        where: how messages name the file.

    Raises:
        DataError: a sample has no claims in the file, or its question or options are others there.
    """
    by_id = {row.id: row for row in rows.values()}
    chosen = list(samples)
    missing = [sample for sample in chosen if (sample.id, sample.question, sample.choices) not in rows]
    if missing:
        first = missing[0]
        other = by_id.get(first.id)
        told = (
            f"{len(missing)} of {len(chosen)} samples have no claims there, the first of them {first.id!r}; "
            "--vlm-claims-export writes them for all"
            if other is None
            else f"sample {first.id!r} has {_difference(first, other)}: the claims were made for other data"
        )
        raise DataError(f"claims file {where}: {told}")
    return [
        replace(sample, statements=rows[sample.id, sample.question, sample.choices].claims)
        for sample in chosen
    ]


def row_from_json(document: Mapping[str, Any]) -> ClaimRow:
    """Read what ``dataclasses.asdict`` wrote."""
    return ClaimRow(
        id=document["id"],
        question=document["question"],
        choices=tuple(document["choices"]),
        claims=tuple(document["claims"]),
        rules=tuple(document["rules"]),
    )


def _difference(sample: Sample, row: ClaimRow) -> str:
    if sample.question != row.question:
        return f"the question {sample.question!r:.80}, but {row.question!r:.80} there"
    return f"the options {list(sample.choices)!r:.80}, but {list(row.choices)!r:.80} there"


def _row(line: str, where: str) -> ClaimRow:
    try:
        found = json.loads(line)
    except (ValueError, RecursionError) as error:
        raise DataError(f"{where}: not JSON: {error}") from error
    if not isinstance(found, dict):
        raise DataError(f"{where}: an object is needed, got {type(found).__name__}")
    for name in found:
        if name not in _KNOWN:
            raise DataError(f"{where}: {unknown_name('field', str(name), _KNOWN)}")
    for name in _NEEDED:
        if name not in found:
            raise DataError(f"{where}: the field {name!r} is missing; needed are {', '.join(_NEEDED)}")
    choices, claims = (_texts(found[name], f"{where}: {name}") for name in ("choices", "claims"))
    if len(claims) != len(choices):
        raise DataError(f"{where}: {len(claims)} claims for {len(choices)} choices: one is needed for each")
    if len(set(claims)) < len(claims):
        raise DataError(f"{where}: the claims are not distinct: each option needs a sentence of its own")
    name, question = (_text(found[field], f"{where}: {field}") for field in ("id", "question"))
    for number, text in enumerate(claims):
        fault = foreign_marks(text, [question, *choices])
        if fault:
            raise DataError(f"{where}: claims[{number}]: {fault}, which neither question nor options hold")
    return ClaimRow(id=name, question=question, choices=choices, claims=claims)


def _texts(value: Any, where: str) -> tuple[str, ...]:
    if not isinstance(value, list):
        raise DataError(f"{where}: an array of strings is needed, got {type(value).__name__}")
    return tuple(_text(item, f"{where}[{index}]") for index, item in enumerate(value))


def _text(value: Any, where: str) -> str:
    if not isinstance(value, str) or not value.strip():
        raise DataError(f"{where}: a string that is not blank is needed, got {value!r:.60}")
    return value
