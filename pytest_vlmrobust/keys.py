"""What is kept is found again by its content: the keys of the store, and the digests that go into them."""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Sequence
from pathlib import Path
from typing import Literal, get_args

from pytest_vlmrobust.errors import UsageError, unknown_name

Kind = Literal["reply", "reading", "verdict", "claim", "model", "file"]

_BYTES = 16
_PACKAGE = Path(__file__).parent
_DERIVING = ("core", "judges", "judging.py", "reading.py")


def content_key(kind: Kind, *parts: str | Sequence[str]) -> str:
    r"""Return the key of a value that follows from ``parts`` alone.

    The parts are written as JSON before they are hashed, so that no two lists of parts share a key:
    neither ``("ab", "c")`` and ``("a", "bc")`` nor ``("a",)`` and ``(["a"],)``.

    Args:
        kind: what the value is: "reply", "reading", "verdict", "claim", "model" or "file".
        parts: everything that the value depends on, in a fixed order: strings, or lists or tuples of
            strings. Any Unicode text, lone surrogates too.

    Returns:
        The BLAKE2b digest (16 bytes) as 32 hexadecimal digits.

    Raises:
        UsageError: an unknown kind, or a part that is neither a string nor a sequence of strings.

    >>> content_key("reply", "a model", "a prompt", ["an image", "another"])
    '70d662c6a801a3481351f77d57bb4bf7'
    """
    if kind not in get_args(Kind):
        raise unknown_name("kind of stored value", str(kind), get_args(Kind))
    for part in parts:
        if not (isinstance(part, str) or _is_strings(part)):
            raise UsageError(
                f"part of a {kind!r} key: got {part!r}; a string or a list of strings is needed: "
                "write other values as text"
            )
    # Not ASCII: there, an emoji and the two halves of its surrogate pair would be written alike.
    text = json.dumps([kind, *parts], ensure_ascii=False, separators=(",", ":"))
    return hashlib.blake2b(text.encode("utf-8", "surrogatepass"), digest_size=_BYTES).hexdigest()


def file_digest(path: Path) -> str:
    """Return the BLAKE2b digest (16 bytes, in hexadecimal digits) of a file's bytes.

    Raises:
        OSError: the file cannot be read.
    """
    with path.open("rb") as file:
        return hashlib.file_digest(file, lambda: hashlib.blake2b(digest_size=_BYTES)).hexdigest()


@functools.cache
def source_digest() -> str:
    """Return the digest of the code that reads and judges replies.

    A reading or a verdict that was kept is worth as much as the code that made it: with this digest in
    its key it is made anew once a line of that code has changed.
    """
    digest = hashlib.blake2b(digest_size=_BYTES)
    for path in sorted(_sources(), key=Path.as_posix):
        name, content = path.relative_to(_PACKAGE).as_posix().encode(), path.read_bytes()
        for part in (name, content):
            digest.update(len(part).to_bytes(8, "big") + part)
    return digest.hexdigest()


def _sources() -> list[Path]:
    found: list[Path] = []
    for name in _DERIVING:
        place = _PACKAGE / name
        found += place.rglob("*.py") if place.is_dir() else [place]
    return found


def _is_strings(part: object) -> bool:
    return isinstance(part, list | tuple) and all(isinstance(item, str) for item in part)
