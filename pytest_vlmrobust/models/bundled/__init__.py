"""The tiny models that ship with the package: real weights of a stock architecture."""

from __future__ import annotations

from pathlib import Path

from pytest_vlmrobust.errors import ModelError, unknown_name

BUNDLED_MODELS = ("grounded", "gullible", "unfaithful", "hesitant")
"""Their names, as in ``bundled:grounded``."""


def check_bundled_name(name: str) -> None:
    """Refuse a name that no bundled model has.

    Raises:
        UsageError: there is none; near misses are named.
    """
    if name not in BUNDLED_MODELS:
        raise unknown_name("bundled model", name, BUNDLED_MODELS)


def bundled_folder(name: str) -> Path:
    """Return the folder of a bundled model.

    Raises:
        UsageError: no bundled model has this name.
        ModelError: its files are missing from this installation.
    """
    check_bundled_name(name)
    folder = Path(__file__).parent / name
    if not (folder / "config.json").is_file():
        raise ModelError(f"bundled:{name}: its files are missing from {folder}; reinstall pytest-vlmrobust")
    return folder
