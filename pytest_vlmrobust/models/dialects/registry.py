"""Dialects by name: those that ship with the package, and the user's own."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from pathlib import Path

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import ReplyFormat
from pytest_vlmrobust.errors import UsageError, unknown_name
from pytest_vlmrobust.models.dialects.families import FAMILIES
from pytest_vlmrobust.models.dialects.wording import Dialect, Turns

AUTO = "auto"
"""Leaves the choice to the model's folder or name."""

SUFFIX = ".toml"
"""What the path of a dialect's file ends in."""

_REGISTRY: dict[str, Dialect] = {known.name: known for known in FAMILIES}
_OWN: dict[str, tuple[str, ...]] = {}


def register_dialect(dialect: Dialect, *, models: Sequence[str] = ()) -> Dialect:
    """Make a dialect known by its name; it then works in every option and marker.

    Args:
        dialect: the dialect.
        models: parts of the names of models that are asked in it unless the user says otherwise, such as
            "my-org/my-model"; case does not count.

    Returns:
        The dialect.

    Raises:
        UsageError: the name is taken.
    """
    if dialect.name in _REGISTRY or dialect.name == AUTO:
        raise UsageError(f"dialect name {dialect.name!r} is already taken: choose another")
    if isinstance(models, str) or not all(isinstance(part, str) and part.strip() for part in models):
        raise UsageError(
            f"models={models!r} of dialect {dialect.name!r}: give a list of parts of models' names, "
            "none of them empty"
        )
    _REGISTRY[dialect.name] = dialect
    _OWN[dialect.name] = tuple(models)
    return dialect


def dialect(
    name: str,
    *,
    models: Sequence[str] = (),
    reply: ReplyFormat | None = None,
    max_new_tokens: int | None = None,
) -> Callable[[Callable[[Prompt], Turns]], Callable[[Prompt], Turns]]:
    """Register a function that words prompts as a dialect.

    Args:
        name: lower case words and numbers joined by hyphens or dots, not yet taken.
        models: as in `register_dialect`.
        reply: the tags and the answers of a reply; by default ``<think>`` and ``<answer>``, with a letter.
        max_new_tokens: the most tokens of a reply unless the user says otherwise.

    Raises:
        UsageError: the name is malformed or taken.

    >>> @dialect("terse")
    ... def terse(prompt: Prompt) -> Turns:
    ...     options = "; ".join(map(" ".join, zip(prompt.letters, prompt.choices)))
    ...     thought = prompt.thought and f"<think>{prompt.thought}" + "</think>" * prompt.thought_closed
    ...     return Turns(system="", user=f"{prompt.caption} {prompt.question} {options}", prefill=thought)
    >>> get_dialect("terse").name
    'terse'
    >>> unregister_dialect("terse")
    """

    def register(word: Callable[[Prompt], Turns]) -> Callable[[Prompt], Turns]:
        first = (word.__doc__ or "").strip().splitlines()
        own = Dialect(
            name=name,
            summary=first[0] if first else "",
            word=word,
            reply=reply or ReplyFormat(),
            max_new_tokens=max_new_tokens,
        )
        register_dialect(own, models=models)
        return word

    return register


def unregister_dialect(name: str) -> None:
    """Take a dialect of one's own out of the registry; for tests that register one."""
    if _OWN.pop(name, None) is not None:
        del _REGISTRY[name]


def registered_dialects() -> tuple[Dialect, ...]:
    """Return every dialect, those that ship with the package first."""
    return tuple(_REGISTRY.values())


def own_dialect(model: str) -> Dialect | None:
    """Return the dialect that the user registered for a model's name, the last one first, or None."""
    for name, parts in reversed(_OWN.items()):
        if any(part.casefold() in model.casefold() for part in parts):
            return _REGISTRY[name]
    return None


def get_dialect(name: str) -> Dialect:
    """Look a dialect up.

    Raises:
        UsageError: there is none of this name.
    """
    try:
        return _REGISTRY[name]
    except KeyError:
        raise unknown_name("dialect", name, _REGISTRY) from None


def find_dialect(spec: str) -> Dialect | None:
    """Return the dialect that a spec asks for: a name, or the path of a TOML file; None for ``auto``.

    Raises:
        UsageError: there is none of this name, or the file says something that no dialect has.
    """
    if spec == AUTO:
        return None
    if spec.endswith(SUFFIX):
        from pytest_vlmrobust.models.dialects.files import read_dialect

        return read_dialect(Path(spec))
    try:
        return _REGISTRY[spec]
    except KeyError:
        raise unknown_name("dialect", spec, [*_REGISTRY, AUTO]) from None


def check_dialect_spec(spec: str) -> None:
    """Refuse a spec that names no dialect.

    Raises:
        UsageError: as `find_dialect`.
    """
    find_dialect(spec)
