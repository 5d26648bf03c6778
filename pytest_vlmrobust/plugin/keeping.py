"""The store's part in a session: where it lies, whether it can be used, and that it stays small."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_vlmrobust.options.parsers import AUTO

if TYPE_CHECKING:
    from pytest_vlmrobust.options import Settings


def store_file(settings: Settings) -> Path | None:
    """The file that settings name, or None where nothing is to be kept."""
    if settings.store != AUTO:
        return None if settings.store is None else Path(settings.store)
    from pytest_vlmrobust.store import default_store_path

    return default_store_path()


def check_store(settings: Settings) -> None:
    """See that a store that is there can be used, before any model is loaded; nothing is made.

    Raises:
        StoreError: it is damaged, another program's, of a later release, or no file.
    """
    path = store_file(settings)
    if path is not None and path.exists():
        from pytest_vlmrobust.store import Store

        Store.open(path).close()


def prune_store(settings: Settings) -> tuple[str, str]:
    """Keep the store below the size that settings name, where they name one.

    Returns:
        What was done, and what kept it from being done; "" where there is nothing to say.

    Raises:
        StoreError: as `check_store`.
    """
    path = store_file(settings) if settings.store_prune is not None else None
    if path is None or settings.store_prune is None or not path.exists():
        return "", ""
    from pytest_vlmrobust.store import Store

    with Store.open(path) as store:
        gone = store.prune(settings.store_prune)
        problem = store.problem
    left = path.stat().st_size / 1e6
    return f"store {path}: {gone} entries deleted, {left:.1f} MB left", problem
