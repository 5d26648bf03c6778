"""A dialect from a TOML file.

The keys are the fields of `Dialect`; the tables ``[user]`` and ``[reply]`` have those of `UserTurn` and
`ReplyFormat`. ``extends`` names a dialect whose parts count where the file gives none.
"""

from __future__ import annotations

import difflib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import fields, replace
from enum import StrEnum
from pathlib import Path
from typing import Any

from pytest_vlmrobust.core.letters import AnswerForm
from pytest_vlmrobust.core.replies import ReplyFormat
from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.models.dialects.families import FAMILIES
from pytest_vlmrobust.models.dialects.registry import AUTO, get_dialect
from pytest_vlmrobust.models.dialects.wording import Dialect, PrefillPlace, UserTurn

_KINDS: Mapping[str, type] = {
    "name": str,
    "summary": str,
    "extends": str,
    "system": str,
    "system_in_user": bool,
    "yields_to_template": bool,
    "instruction": str,
    "before_thought": str,
    "after_thought": str,
    "prefill": PrefillPlace,
    "max_new_tokens": int,
    "user": dict,
    "reply": dict,
}
_USER_KINDS: Mapping[str, type] = {part.name: str for part in fields(UserTurn)}
_REPLY_KINDS: Mapping[str, type] = {
    **{part.name: str for part in fields(ReplyFormat) if part.init},
    "think_preopened": bool,
    "answer": AnswerForm,
}
_CALLED = {str: "a string", bool: "true or false", int: "a whole number", dict: "a table"}


def read_dialect(path: Path) -> Dialect:
    """Read a dialect.

    Raises:
        UsageError: the file cannot be read, is no TOML, lacks a name, or has a key, type or value that no
            dialect has.
    """
    content = _document(path)
    try:
        _check(content, _KINDS, "")
        return _dialect(content)
    except UsageError as error:
        raise UsageError(f"dialect {str(path)!r}: {error}") from None


def _document(path: Path) -> dict[str, Any]:
    try:
        return tomllib.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        near = difflib.get_close_matches(path.name, _names_beside(path), n=1, cutoff=0.6)
        hint = f"; did you mean {str(path.with_name(near[0]))!r}?" if near else ""
        raise UsageError(f"dialect {str(path)!r}: there is no such file{hint}") from None
    except OSError as error:
        raise UsageError(f"dialect {str(path)!r}: the file cannot be read ({error.strerror})") from None
    except UnicodeDecodeError as error:
        raise UsageError(f"dialect {str(path)!r}: not UTF-8 at byte {error.start}") from None
    except tomllib.TOMLDecodeError as error:
        raise UsageError(f"dialect {str(path)!r}: not TOML: {error}") from None


def _names_beside(path: Path) -> Iterable[str]:
    try:
        return [other.name for other in path.parent.glob(f"*{path.suffix}")]
    except OSError:
        return []


def _dialect(content: Mapping[str, Any]) -> Dialect:
    if not content.get("name", "").strip():
        raise UsageError('it has no name: give one, which reports will show, as name = "my-model"')
    if content["name"] in (AUTO, *(known.name for known in FAMILIES)):
        raise UsageError(f"the name {content['name']!r} is taken: choose another")
    basis = get_dialect(content["extends"]) if "extends" in content else Dialect(name=content["name"])
    if basis.word is not None:
        raise UsageError(
            f"extends = {basis.name!r}: that dialect is a function, which has no parts to go on from"
        )
    _check(content.get("user", {}), _USER_KINDS, "user.")
    _check(content.get("reply", {}), _REPLY_KINDS, "reply.")
    parts: dict[str, Any] = {
        key: value for key, value in content.items() if key not in ("extends", "user", "reply")
    }
    if "prefill" in parts:
        parts["prefill"] = PrefillPlace(parts["prefill"])
    reply = dict(content.get("reply", {}))
    if "answer" in reply:
        reply["answer"] = AnswerForm(reply["answer"])
    return replace(
        basis,
        **{"summary": "", **parts},
        user=replace(basis.user, **content.get("user", {})),
        reply=replace(basis.reply, **reply),
    )


def _check(table: Mapping[str, Any], kinds: Mapping[str, type], where: str) -> None:
    """Refuse unknown keys and values of another type."""
    for key, value in table.items():
        if key not in kinds:
            near = difflib.get_close_matches(key, kinds, n=1, cutoff=0.6)
            hint = f"did you mean {where}{near[0]}?" if near else f"allowed are {', '.join(kinds)}"
            raise UsageError(f"unknown key {where}{key}; {hint}")
        kind = kinds[key]
        if issubclass(kind, StrEnum):
            if value not in list(kind):
                allowed = ", ".join(f'"{each}"' for each in kind)
                raise UsageError(f"{where}{key} is {value!r}; allowed are {allowed}")
        elif not isinstance(value, kind) or (kind is int and isinstance(value, bool)):
            raise UsageError(f"{where}{key} is {value!r:.80}; it has to be {_CALLED[kind]}")
