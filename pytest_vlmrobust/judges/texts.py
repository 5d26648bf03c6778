"""Language models that read text and reply with text, as a judge needs them: local or behind a server."""

from __future__ import annotations

import functools
import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Protocol

from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.judges.known import Switches, switches_for, with_room
from pytest_vlmrobust.judges.questions import MENU, JudgePrompt
from pytest_vlmrobust.models.folders import fetch, folder_digest, read_config
from pytest_vlmrobust.models.reply_keys import library_versions

if TYPE_CHECKING:
    from pathlib import Path

    from pytest_vlmrobust.models.transformers.text import TransformersText
    from pytest_vlmrobust.store import Store

LIBRARIES = ("torch", "transformers", "tokenizers")


@dataclass(frozen=True, kw_only=True)
class Said:
    """What came of one prompt.

    Attributes:
        text: the reply, as it came.
        failure: why there is none, or "".
    """

    text: str = ""
    failure: str = ""


class TextModel(Protocol):
    """A language model that is asked in two turns, greedily."""

    @property
    def name(self) -> str:
        """How reports call it."""
        ...

    @property
    def identity(self) -> Sequence[str]:
        """Everything besides the prompt that a reply follows from, as lines of ``name=value``."""
        ...

    @property
    def details(self) -> Mapping[str, str]:
        """What a report should tell about it."""
        ...

    def complete(self, prompts: Sequence[JudgePrompt]) -> Iterator[Sequence[tuple[int, Said]]]:
        """Answer every prompt once; yield (index, reply) of those that are done together.

        Raises:
            ModelError: the model cannot be loaded, or cannot go on.
        """
        ...

    def close(self) -> None:
        """Free what it holds; it may be asked again, and then loads again."""
        ...


@dataclass(frozen=True, kw_only=True)
class LocalOptions:
    """How a local language model is run.

    Attributes:
        device: auto, cpu, cuda, cuda:N or mps.
        batch_size: how many prompts at a time, or None for a size that fits.
        threads: CPU threads, or None for PyTorch's own choice.
    """

    device: str = "auto"
    batch_size: int | None = None
    threads: int | None = None


@dataclass(kw_only=True)
class LocalText:
    """A saved language model, or one on the hub, loaded by transformers when it is first asked.

    Unless it is free or always thinks first, it can say no other word than those of the menu.

    Attributes:
        name: the folder or hub id, as the user gave it.
        options: how it is run.
        store: remembers digests of large files, or None.
        free: whether it may say anything.
        max_tokens: the most tokens of a reply, for a model that does not think first; None for as many as a
            word of the menu needs.
    """

    name: str
    options: LocalOptions = field(default_factory=LocalOptions)
    store: Store | None = None
    free: bool = False
    max_tokens: int | None = None
    _loaded: TransformersText | None = None

    @functools.cached_property
    def _folder(self) -> Path:
        return fetch(self.name)

    @functools.cached_property
    def _config(self) -> dict[str, object]:
        return read_config(self._folder)

    @functools.cached_property
    def _switches(self) -> Switches:
        return with_room(switches_for(self.name, str(self._config.get("model_type", ""))), self.max_tokens)

    @functools.cached_property
    def _digest(self) -> str:
        try:
            return folder_digest(self._folder, self.store.file_digest if self.store is not None else None)
        except OSError as error:
            raise ModelError(f"judge {self.name!r}: a file of it cannot be read ({error})") from error

    @property
    def identity(self) -> Sequence[str]:
        """Weights and files beside them by content, the libraries, and how it is asked.

        Raises:
            ModelError: it cannot be fetched or read.
        """
        return [
            f"digest={self._digest}",
            f"device={self._kind_of_device()}",
            f"max_tokens={self._switches.max_tokens}",
            f"template={json.dumps(dict(self._switches.template), sort_keys=True)}",
            *library_versions(LIBRARIES),
        ]

    def _kind_of_device(self) -> str:
        """Name what it is run on; for ``auto``, what the machine offers, which takes no torch to tell."""
        from pytest_vlmrobust.models.remembered import accelerators

        kind = self.options.device.partition(":")[0]
        return " ".join(["auto", *accelerators()]) if kind == "auto" else kind

    @property
    def details(self) -> Mapping[str, str]:
        """Digest of the weights, and the family of switches."""
        return {"digest": self._digest, "switches": self._switches.family, "device": self.options.device}

    def complete(self, prompts: Sequence[JudgePrompt]) -> Iterator[Sequence[tuple[int, Said]]]:
        """Answer in batches; see `TextModel`."""
        if self._loaded is None:
            self._loaded = self._load()
        for batch in self._loaded.complete([(prompt.system, prompt.user) for prompt in prompts]):
            yield [(index, Said(text=reply.text, failure=reply.failure)) for index, reply in batch]

    def _load(self) -> TransformersText:
        from pytest_vlmrobust.models.transformers.text import TextSettings, TransformersText

        settings = TextSettings(
            device=self.options.device,
            batch_size=self.options.batch_size,
            threads=self.options.threads,
            max_new_tokens=self._switches.max_tokens,
            template=self._switches.template,
            menu=() if self.free or self._switches.thinks else tuple(MENU),
            after=self._switches.after,
        )
        return TransformersText.load(self._folder, self._config, settings, name=self.name)

    def close(self) -> None:
        """Drop the model, and free the memory of its device."""
        if self._loaded is not None:
            self._loaded.close()
            self._loaded = None
