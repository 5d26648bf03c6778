"""A model that was loaded before, and is loaded again only when a reply is not in the store."""

from __future__ import annotations

import json
import os
import platform
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import TYPE_CHECKING

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import ReplyFormat
from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.keys import content_key
from pytest_vlmrobust.models.base import Answer, ModelInfo, Storable
from pytest_vlmrobust.models.chat import ChatRenderer
from pytest_vlmrobust.models.checkpoint import Checkpoint
from pytest_vlmrobust.models.reply_keys import (
    ENGINE_VERSION,
    KEY_DETAILS,
    ReplyKeys,
    key_facts,
    library_versions,
)
from pytest_vlmrobust.models.templates import FolderTemplate

if TYPE_CHECKING:
    from pytest_vlmrobust.store import Store

FOLDER_TEMPLATE = "folder"
"""What ``chat_template`` in a model's details says when `FolderTemplate` words its chats."""

_OPTIONS = ("device", "dtype", "batch_size", "max_new_tokens", "reference")
_DEV, _DRIVER = Path("/dev"), Path("/proc/driver/nvidia/gpus")
_DEVICES = ("nvidia[0-9]*", "kfd", "dri/renderD*", "dxg")
_VISIBLE = ("CUDA_VISIBLE_DEVICES", "HIP_VISIBLE_DEVICES", "ROCR_VISIBLE_DEVICES")


class RememberedModel:
    """Stands for a model of which everything is known that its replies' keys need.

    The model itself is loaded when it is first asked for an answer.

    Args:
        checkpoint: the folder and how it is run.
        info: the provenance of that model when it was loaded before.
        template: the folder's chat template, which worded its chats.
        load: loads the model.

    Raises:
        ModelError: the chat template loses the image or the text of the user's turn.
    """

    def __init__(
        self,
        checkpoint: Checkpoint,
        info: ModelInfo,
        template: FolderTemplate,
        load: Callable[[Checkpoint], Storable],
    ) -> None:
        """Prepare for keys, and for nothing more."""
        self._checkpoint = checkpoint
        self._info = info
        self._load = load
        self._model: Storable | None = None
        renderer = ChatRenderer(template, checkpoint.dialect, name=checkpoint.spec)
        self._keys = ReplyKeys(info, checkpoint.options, renderer, checkpoint.dialect)

    @property
    def info(self) -> ModelInfo:
        """Provenance: of the model as it is loaded now, or else as it was before."""
        return self._model.info if self._model else self._info

    @property
    def reply_format(self) -> ReplyFormat:
        """The dialect's layout."""
        return self._checkpoint.dialect.reply

    def reply_key(self, prompt: Prompt) -> str:
        """Return the key of the reply to a prompt, without loading the model.

        Raises:
            ModelError: the chat template cannot render the prompt.
            DataError: an image cannot be read.
        """
        return self._keys(prompt)

    def answer(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        """Load the model if need be, and let it answer.

        Raises:
            ModelError: it cannot be loaded, is not the model that is remembered, or cannot go on.
        """
        return self._loaded().answer(prompts)

    def answer_batches(self, prompts: Sequence[Prompt]) -> Iterator[Sequence[tuple[int, Answer]]]:
        """Load the model if need be, and let it answer by whole batches.

        Raises:
            ModelError: it cannot be loaded, is not the model that is remembered, or cannot go on.
        """
        return self._loaded().answer_batches(prompts)

    def close(self) -> None:
        """Free the model, if it was loaded."""
        if self._model is not None:
            self._model.close()

    def _loaded(self) -> Storable:
        if self._model is None:
            # A new checkpoint takes the digest anew: the files may have changed meanwhile.
            # The same number of rows makes the same batches as before, whatever memory is free now.
            model = self._load(replace(self._checkpoint, rows_at_once=_rows_at_once(self._info)))
            self._check_unchanged(model)
            self._model = model
        return self._model

    def _check_unchanged(self, model: Storable) -> None:
        before, now = (_facts(info, self._checkpoint) for info in (self._info, model.info))
        changed = [f"{new}, was {old}" for old, new in zip(before, now, strict=True) if old != new]
        if changed:
            model.close()
            raise ModelError(
                f"model {self._checkpoint.spec!r}: it does not load as it did when it was last loaded "
                f"({'; '.join(changed)}), so its new replies would not belong with the stored ones. Run once "
                "more: replies of the model as it loads now are stored apart"
            )


def recall(store: Store, checkpoint: Checkpoint) -> ModelInfo | None:
    """Return what a store remembers of a model, or None when the model has to be loaded to be known.

    Raises:
        StoreError: the store is damaged.
    """
    info, _ = _last(store, checkpoint)
    return info if info is not None and info.details.get("chat_template") == FOLDER_TEMPLATE else None


def recalled_rows(store: Store, checkpoint: Checkpoint) -> int | None:
    """Return how many rows of a model were last run at once, or None when it was not loaded here before.

    Raises:
        StoreError: the store is damaged.
    """
    info, _ = _last(store, checkpoint)
    return None if info is None else _rows_at_once(info)


def remember(store: Store, checkpoint: Checkpoint, info: ModelInfo) -> None:
    """Store the provenance of a model that was just loaded, if nothing or something else is remembered.

    Raises:
        StoreError: the store is damaged.
    """
    last, key = _last(store, checkpoint)
    told = [[*_facts(each, checkpoint), _rows_at_once(each)] for each in (last, info) if each is not None]
    if last is None or told[0] != told[1]:
        store.write("model", {key: json.dumps(dict(info.details))})


def _last(store: Store, checkpoint: Checkpoint) -> tuple[ModelInfo | None, str]:
    """Return the latest provenance, and the key of the next: what is stored is never overwritten."""
    details = None
    key = _machine_key(checkpoint)
    while (text := store.read([key]).get(key)) is not None:
        details = _details(text)
        key = content_key("model", key)
    if details is None:
        return None, key
    return ModelInfo(spec=checkpoint.spec, digest=checkpoint.digest, details=details), key


def _details(text: str) -> Mapping[str, str] | None:
    """Read stored details; None when they are none that keys could be made of."""
    try:
        details = json.loads(text)
    except ValueError:
        return None
    if not isinstance(details, dict) or not all(isinstance(value, str) for value in details.values()):
        return None
    return details if all(name in details for name in KEY_DETAILS) else None


def _facts(info: ModelInfo, checkpoint: Checkpoint) -> list[str]:
    """Return what may not change between the time that a model is remembered from and now."""
    facts = key_facts(info, checkpoint.options, checkpoint.dialect)
    return [*facts, f"chat_template={info.details.get('chat_template')}"]


def _rows_at_once(info: ModelInfo) -> int | None:
    rows = info.details.get("rows_at_once", "")
    return int(rows) if rows.isdecimal() else None


def _machine_key(checkpoint: Checkpoint) -> str:
    """Return a key of all that may change how a model loads: files, settings, libraries and machine."""
    options, dialect = checkpoint.options, checkpoint.dialect
    return content_key(
        "model",
        f"engine={ENGINE_VERSION}",
        checkpoint.digest,
        [f"{name}={getattr(options, name)}" for name in _OPTIONS],
        dialect.lines(),
        library_versions(),
        accelerators(),
    )


def accelerators() -> list[str]:
    """Return what tells one machine's accelerators from another's, without a library that drives them."""
    models = [
        line
        for path in sorted(_DRIVER.glob("*/information"))
        for line in path.read_text(encoding="utf-8", errors="replace").splitlines()
        if line.startswith("Model:")
    ]
    return [
        sys.platform,
        platform.machine(),
        *sorted(path.name for pattern in _DEVICES for path in _DEV.glob(pattern)),
        *models,
        *(f"{name}={os.environ.get(name)}" for name in _VISIBLE),
    ]
