"""What the store keeps of an evaluation, as text: answers, and what follows from them.

Numbers and texts come back as they were, to the last bit. A text that is none of ours is refused
with a ValueError, never mended.
"""

from __future__ import annotations

import json
import math
import re
from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, TypeVar

from pytest_vlmrobust.errors import StoreError
from pytest_vlmrobust.models.base import Answer

if TYPE_CHECKING:
    from pytest_vlmrobust.keys import Kind
    from pytest_vlmrobust.store import Store

T = TypeVar("T")

# Between two code points that JSON would read back as one: the halves of a surrogate pair.
_BETWEEN_HALVES = re.compile("(?<=[\ud800-\udbff])(?=[\udc00-\udfff])")

_ANSWER = ("text", "prefill", "letter_probs", "letter_mass", "truncated", "tokens")
_SOME: dict[str, type] = {"tokens_in": int, "approximate": bool, "reasoning_hidden": bool}
"""Fields that are written only where they say something, with their types."""


def recalled(
    store: Store,
    kind: Kind,
    keys: Sequence[str],
    *,
    make: Callable[[Sequence[int]], Sequence[T]],
    write: Callable[[int, T], str | None],
    read: Callable[[int, str], T],
) -> list[T]:
    """Look values up; make those that are missing, and keep them.

    Args:
        store: where to look.
        kind: what the values are.
        keys: what each value follows from.
        make: given the indices of the keys that are missing, returns their values.
        write: given an index and its value, gives the text, or None where it is not to be kept.
        read: given an index and a text, gives the value back; raises ValueError for a text that
            ``write`` has not written.

    Returns:
        One value for each key, in order.

    Raises:
        StoreError: the store is damaged, or holds something else under one of the keys.
    """
    known = store.read(keys)
    missing = [index for index, key in enumerate(keys) if key not in known]
    made = dict(zip(missing, make(missing), strict=True)) if missing else {}
    texts = {keys[index]: write(index, value) for index, value in made.items()}
    store.write(kind, {key: text for key, text in texts.items() if text is not None})
    values: list[T] = []
    for index, key in enumerate(keys):
        if index in made:
            values.append(made[index])
            continue
        try:
            values.append(read(index, known[key]))
        except ValueError as error:
            raise unreadable(store, kind, error) from error
    return values


def unreadable(store: Store, kind: Kind, error: Exception) -> StoreError:
    """Build the error for a stored value that makes no sense."""
    return StoreError(
        f"the store {store.path} holds a {kind} that cannot be used: {error}. Move or delete the file, or "
        "name another one with --vlm-store"
    )


def answer_to_text(answer: Answer) -> str:
    r"""Write an answer as JSON.

    Raises:
        ValueError: a number is not finite.
        TypeError: a field is of a type that has no form in JSON.

    >>> answer_to_text(Answer(text="B", letter_probs=(0.1, 0.9), tokens=1))
    '{"text":"B","prefill":"","letter_probs":[0.1,0.9],"letter_mass":null,"truncated":false,"tokens":1}'
    """
    document = {name: getattr(answer, name) for name in _ANSWER}
    document |= {name: _split(document[name]) for name in ("text", "prefill")}
    document |= {name: getattr(answer, name) for name in _SOME if getattr(answer, name)}
    return json.dumps(document, allow_nan=False, separators=(",", ":"))


def answer_from_text(text: str) -> Answer:
    """Read what `answer_to_text` wrote.

    Raises:
        ValueError: the text is something else.
    """
    document = json.loads(text)
    more = {name: document[name] for name in _SOME if name in document} if isinstance(document, dict) else {}
    if not isinstance(document, dict) or tuple(document) != (*_ANSWER, *more):
        raise ValueError("it does not have the fields of an answer")
    probs, mass = document["letter_probs"], document["letter_mass"]
    typed = (
        (probs is None or (isinstance(probs, list) and all(map(_is_number, probs))))
        and (mass is None or _is_number(mass))
        and type(document["tokens"]) is int
        and type(document["truncated"]) is bool
        and all(type(value) is _SOME[name] and value for name, value in more.items())
    )
    if not typed:
        raise ValueError("a field of the answer is of another type")
    return Answer(
        text=_joined(document["text"]),
        prefill=_joined(document["prefill"]),
        letter_probs=None if probs is None else tuple(probs),
        letter_mass=mass,
        truncated=document["truncated"],
        tokens=document["tokens"],
        **more,
    )


def _is_number(value: object) -> bool:
    return type(value) in (int, float) and math.isfinite(value)  # type: ignore[arg-type]


def _split(text: str) -> str | list[str]:
    pieces = _BETWEEN_HALVES.split(text)
    return text if len(pieces) == 1 else pieces


def _joined(value: object) -> str:
    pieces: list[object] = value if isinstance(value, list) else [value]
    if not all(isinstance(piece, str) for piece in pieces):
        raise ValueError("a text of the answer is no text")
    return "".join(map(str, pieces))
