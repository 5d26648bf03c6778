"""A saved model before anything heavy is loaded: where it lies, what it is, how it is to be run."""

from __future__ import annotations

import functools
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pytest_vlmrobust.errors import ModelError, UsageError
from pytest_vlmrobust.models.bundled import bundled_folder
from pytest_vlmrobust.models.dialects import DIALECT_KEY, PLAIN, Dialect, fitted, get_dialect, match_dialect
from pytest_vlmrobust.models.folders import fetch, folder_digest, read_config

if TYPE_CHECKING:
    from pytest_vlmrobust.models.templates import FolderTemplate

DEFAULT_MAX_NEW_TOKENS = 512
"""The most tokens of a reply, unless the user or the dialect says otherwise."""


@dataclass(frozen=True, kw_only=True)
class ModelOptions:
    """How a model is to be run; the user's choices, not yet resolved for a machine.

    Attributes:
        device: auto, cpu, cuda, cuda:N or mps.
        dtype: auto, float32, bfloat16 or float16.
        batch_size: rows in a batch, or None for a size that fits.
        max_new_tokens: the most tokens of a reply, or None for what the dialect says.
        threads: CPU threads, or None for a sensible number.
        dialect: how prompts are worded, or None for what the folder says or its name tells.
        reference: True for one prompt at a time by the library's own ``generate``, with nothing reused.
    """

    device: str = "auto"
    dtype: str = "auto"
    batch_size: int | None = None
    max_new_tokens: int | None = None
    threads: int | None = None
    dialect: Dialect | None = None
    reference: bool = False

    def limit(self, dialect: Dialect) -> int:
        """Return the most tokens of a reply: the user's limit, the dialect's, or the default."""
        return self.max_new_tokens or dialect.max_new_tokens or DEFAULT_MAX_NEW_TOKENS


@dataclass(frozen=True, kw_only=True)
class Checkpoint:
    """A model's folder with the options to run it by; made by `resolve`, without torch.

    Attributes:
        spec: what the user named, and what messages and reports call the model.
        folder: the local folder that holds weights, configuration and processor.
        config: its config.json.
        dialect: how prompts are worded, adapted to the folder's chat template.
        options: how the model is to be run.
        file_digest: gives the hex digest of a file's bytes from memory, or None to read every file.
        rows_at_once: how many rows fitted into memory when it was run here before, or None.
    """

    spec: str
    folder: Path
    config: Mapping[str, Any]
    dialect: Dialect
    options: ModelOptions
    file_digest: Callable[[Path], str] | None = field(default=None, repr=False, compare=False)
    rows_at_once: int | None = field(default=None, compare=False)

    @classmethod
    def resolve(
        cls,
        spec: str,
        options: ModelOptions | None = None,
        *,
        file_digest: Callable[[Path], str] | None = None,
    ) -> Checkpoint:
        """Find a model's folder and read its configuration.

        Args:
            spec: ``bundled:NAME``, a folder, or a hub id, which is downloaded.
            options: how it is to be run; all defaults if not given.
            file_digest: gives the hex digest of a file's bytes and remembers it, which saves reading
                gigabytes again; None to read every file.

        Raises:
            UsageError: no bundled model has this name.
            ModelError: it cannot be fetched, has no readable config.json, or names an unknown dialect there.
        """
        options = options or ModelOptions()
        scheme, separator, name = spec.partition(":")
        folder = bundled_folder(name) if separator and scheme == "bundled" else fetch(spec)
        config = read_config(folder)
        found = cls(
            spec=spec,
            folder=folder,
            config=config,
            dialect=options.dialect or PLAIN,
            options=options,
            file_digest=file_digest,
        )
        return found.with_dialect(options.dialect or _configured_dialect(config, spec, found.template))

    def with_dialect(self, dialect: Dialect) -> Checkpoint:
        """Return it with a dialect, adapted to the folder's chat template if that can be rendered here."""
        template = self.template
        return replace(self, dialect=dialect if template is None else fitted(dialect, template))

    @functools.cached_property
    def digest(self) -> str:
        """Hex digest of weights, configuration and tokenizer files: the same wherever the folder lies.

        Raises:
            ModelError: one of the files cannot be read.
        """
        try:
            return folder_digest(self.folder, self.file_digest)
        except OSError as error:
            raise ModelError(f"model {self.spec!r}: a file of it cannot be read ({error})") from error

    @functools.cached_property
    def template(self) -> FolderTemplate | None:
        """The folder's chat template, or None when it has none that can be rendered without its processor."""
        from pytest_vlmrobust.models.templates import FolderTemplate

        return FolderTemplate.find(self.folder)


def _configured_dialect(config: Mapping[str, Any], spec: str, template: FolderTemplate | None) -> Dialect:
    if DIALECT_KEY not in config:
        return match_dialect(spec, config, None if template is None else template.source)
    try:
        return get_dialect(config[DIALECT_KEY])
    except (UsageError, TypeError) as error:
        raise ModelError(f"model {spec!r}: {DIALECT_KEY} in its config.json: {error}") from None
