"""Saved model folders: what has to be in one, checked before anything heavy is loaded."""

from __future__ import annotations

import difflib
import hashlib
import json
import re
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from pytest_vlmrobust.errors import ModelError, UsageError, gist
from pytest_vlmrobust.keys import file_digest
from pytest_vlmrobust.remote.spec import without_credentials

_HUB_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9][\w.-]*(@[\w./-]+)?")
_PICKLED = (".bin", ".pt", ".pth", ".ckpt", ".pkl")
_DIGESTED = (".safetensors", ".json", ".jinja", ".model", ".txt")
_HUB_FILES = tuple(f"*{suffix}" for suffix in _DIGESTED)


def is_hub_id(name: str) -> bool:
    """Tell whether a name could be ``organization/model``, with or without ``@revision``.

    >>> is_hub_id("HuggingFaceTB/SmolVLM-256M-Instruct"), is_hub_id("./checkpoints/last")
    (True, False)
    """
    return _HUB_ID.fullmatch(name) is not None


def check_folder_or_hub_id(name: str) -> None:
    """Refuse a name that is neither a folder nor looks like a hub id.

    Raises:
        UsageError: there is no such folder; folders of like names beside it are named.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return
    if path.exists():
        raise UsageError(f"model {name!r} is a file: name the folder that holds config.json and the weights")
    if is_hub_id(name) and not path.parent.is_dir():
        return
    near = "" if "://" in name else _near_folders(path)
    raise UsageError(
        f"model {without_credentials(name)!r}: no such folder{near}. A model is named as bundled:NAME, as a "
        "folder, as a hub id such as 'organization/model', as 'openai:MODEL@URL', or as "
        "'package.module:factory'"
    )


def _near_folders(path: Path) -> str:
    if not path.parent.is_dir():
        return f" ({str(path.parent)!r} does not exist either)"
    names = [entry.name for entry in path.parent.iterdir() if entry.is_dir()]
    near = difflib.get_close_matches(path.name, names, n=3, cutoff=0.6)
    return f"; did you mean {' or '.join(repr(str(path.parent / name)) for name in near)}?" if near else ""


def fetch(name: str) -> Path:
    """Return the local folder of a model, downloading it when the name is a hub id.

    Only weights in safetensors, configuration and tokenizer files are fetched: never code, never pickles.

    Raises:
        ModelError: the hub cannot be reached, or has no such model.
    """
    path = Path(name).expanduser()
    if path.is_dir():
        return path
    from huggingface_hub import snapshot_download

    repository, _, revision = name.partition("@")
    try:
        folder = snapshot_download(
            repository,
            revision=revision or None,
            allow_patterns=list(_HUB_FILES),
            ignore_patterns=["*/*", "consolidated*"],
        )
    except Exception as error:
        raise ModelError(
            f"model {name!r} is no folder here and could not be fetched from the hub as {repository!r} "
            f"({gist(error)}). Check the spelling and the network; offline, "
            "download it beforehand or give the path of a saved folder"
        ) from error
    return Path(folder)


def read_config(folder: Path) -> dict[str, Any]:
    """Read a folder's config.json.

    Raises:
        ModelError: it is missing or is not a JSON object.
    """
    path = folder / "config.json"
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        raise ModelError(
            f"{folder}: no config.json, so this is not a saved model; save model and processor there with "
            "save_pretrained()"
        ) from None
    except ValueError as error:
        raise ModelError(f"{path}: not valid JSON ({error})") from None
    if not isinstance(config, dict):
        raise ModelError(f"{path}: holds a {type(config).__name__}, not a JSON object")
    return config


def check_folder(folder: Path) -> None:
    """Refuse a folder that lacks what a vision-language model needs.

    Raises:
        ModelError: no weights in safetensors, no image processor or no tokenizer; the message says
            what to add.
    """
    names = _files(folder)
    check_text_folder(folder, save="processor.save_pretrained()")
    if not any(name in names for name in ("preprocessor_config.json", "processor_config.json")):
        raise ModelError(
            f"{folder}: no processor (preprocessor_config.json or processor_config.json); save it there with "
            "processor.save_pretrained()"
        )


def check_text_folder(folder: Path, *, save: str = "tokenizer.save_pretrained()") -> None:
    """Refuse a folder that lacks what a language model needs.

    Args:
        folder: the saved model.
        save: what would write the tokenizer there.

    Raises:
        ModelError: no weights in safetensors or no tokenizer; the message says what to add.
    """
    names = _files(folder)
    if not any(name.endswith(".safetensors") for name in names):
        pickled = [name for name in names if name.endswith(_PICKLED)]
        if pickled:
            raise ModelError(
                f"{folder}: its weights are pickled ({', '.join(pickled)}) and a pickle can run code, so "
                "only safetensors are loaded; convert them with model.save_pretrained()"
            )
        raise ModelError(f"{folder}: no weights; a file that ends in .safetensors is needed")
    if not any(name.startswith("tokenizer") or name in ("vocab.json", "vocab.txt") for name in names):
        raise ModelError(f"{folder}: no tokenizer (tokenizer.json); save it there with {save}")


def _files(folder: Path) -> list[str]:
    return sorted(entry.name for entry in folder.iterdir() if entry.is_file())


def folder_digest(folder: Path, of_file: Callable[[Path], str] | None = None) -> str:
    """Hex digest of a folder's weights, configuration and tokenizer files, by name and content.

    Two folders with equal digests answer alike under equal settings.

    Args:
        folder: the saved model.
        of_file: gives the hex digest of a file's bytes, like `keys.file_digest`, which is the default.
    """
    digest = hashlib.blake2b(digest_size=16)
    for path in _digested(folder.iterdir()):
        digest.update(f"{path.name}\x1f{(of_file or file_digest)(path)}\x1e".encode())
    return digest.hexdigest()


def _digested(paths: Iterable[Path]) -> list[Path]:
    return sorted(path for path in paths if path.is_file() and path.suffix in _DIGESTED)
