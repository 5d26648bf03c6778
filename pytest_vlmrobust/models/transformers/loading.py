"""Loads model and processor from a folder: safetensors only, no remote code, nothing left random."""

from __future__ import annotations

import importlib.util
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import torch
from transformers import AutoModelForImageTextToText, AutoProcessor
from transformers.models.auto.modeling_auto import MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES
from transformers.utils import logging

from pytest_vlmrobust.errors import ModelError, gist
from pytest_vlmrobust.models.folders import check_folder

# The library's own annotations of these do not hold for every model.
_AutoModel: Any = AutoModelForImageTextToText
_AutoProcessor: Any = AutoProcessor
_logging: Any = logging

_WEIGHTS_SHARE = 0.8
"""Share of a GPU's memory that weights may take; prompts and replies need the rest."""


@dataclass(frozen=True, kw_only=True)
class Loaded:
    """What was loaded; the types are the library's own and differ from model to model.

    Attributes:
        model: in eval mode, on its device.
        processor: makes inputs from text and images.
        tokenizer: the processor's.
        template: a chat template that only the tokenizer has, or None.
    """

    model: Any
    processor: Any
    tokenizer: Any
    template: str | None


def pick_device(device: str) -> torch.device:
    """Resolve a device setting.

    Raises:
        ModelError: the device is not there.
    """
    if device == "auto":
        return torch.device("cuda" if torch.cuda.is_available() else "cpu")
    picked = torch.device(device)
    if picked.type == "cuda":
        count = torch.cuda.device_count() if torch.cuda.is_available() else 0
        if count <= (picked.index or 0):
            there = (
                f"{count} CUDA devices are there"
                if count
                else f"PyTorch {torch.__version__} finds no CUDA device"
            )
            raise ModelError(f"device {device!r} was asked for, but {there}; use device 'auto' or 'cpu'")
    if picked.type == "mps" and not torch.backends.mps.is_available():
        raise ModelError(
            "device 'mps' was asked for, but PyTorch finds no Metal device; use device 'auto' or 'cpu'"
        )
    return picked


def pick_dtype(dtype: str, device: torch.device) -> torch.dtype:
    """Resolve a dtype setting: ``auto`` is bfloat16 on CUDA and float32 elsewhere."""
    if dtype == "auto":
        return torch.bfloat16 if device.type == "cuda" else torch.float32
    picked: torch.dtype = getattr(torch, dtype)
    return picked


def needs_several(weights_bytes: int, free: Sequence[int]) -> bool:
    """Tell whether a model has to be spread over several GPUs.

    Args:
        weights_bytes: size of its weights.
        free: free memory of each GPU, in bytes.

    >>> needs_several(140, [80, 80]), needs_several(14, [80, 80]), needs_several(140, [80])
    (True, False, False)
    """
    return len(free) > 1 and weights_bytes > _WEIGHTS_SHARE * max(free)


def spreads(folder: Path, device: str) -> bool:
    """Tell whether ``auto`` means several GPUs for the model in a folder.

    Raises:
        ModelError: it does, and accelerate, which spreads models, is not installed.
    """
    if device != "auto" or not torch.cuda.is_available():
        return False
    free = [torch.cuda.mem_get_info(index)[0] for index in range(torch.cuda.device_count())]
    if not needs_several(sum(path.stat().st_size for path in folder.glob("*.safetensors")), free):
        return False
    check_accelerate(str(folder))
    return True


def check_accelerate(name: str) -> None:
    """Refuse to spread a model without the library that does it.

    Raises:
        ModelError: accelerate is not installed.
    """
    if importlib.util.find_spec("accelerate") is None:
        raise ModelError(
            f"model {name!r} is too large for one of these GPUs, and accelerate, which spreads a model over "
            "several, is not installed: pip install 'pytest-vlmrobust[multi-gpu]'"
        )


def load_folder(
    folder: Path,
    config: Mapping[str, Any],
    *,
    name: str,
    device: torch.device,
    dtype: torch.dtype,
    spread: bool = False,
) -> Loaded:
    """Load model and processor.

    Args:
        folder: the saved model.
        config: its config.json.
        name: how messages name the model.
        device: where the model goes.
        dtype: of its weights.
        spread: spread it over all devices of the machine, as they have room, instead.

    Raises:
        ModelError: it needs remote code, is no image-text-to-text model, lacks weights, processor or
            chat template, or does not load.
    """
    _check_type(config, name)
    check_folder(folder)
    options: dict[str, Any] = {"local_files_only": True, "trust_remote_code": False}
    with no_progress_bars():
        with explained(name, "processor"):
            processor = _AutoProcessor.from_pretrained(folder, **options)
        tokenizer = _tokenizer(processor, name)
        template = _template(processor, tokenizer, name)
        with explained(name, "model"):
            model, report = _AutoModel.from_pretrained(
                folder,
                dtype=dtype,
                use_safetensors=True,
                output_loading_info=True,
                ignore_mismatched_sizes=True,  # so that they are reported, and refused below
                **({"device_map": "auto"} if spread else {}),
                **options,
            )
    check_complete(report, name)
    with explained(name, "model"):
        model = model.eval() if spread else model.to(device).eval()
    return Loaded(model=model, processor=processor, tokenizer=tokenizer, template=template)


def _check_type(config: Mapping[str, Any], name: str) -> None:
    model_type = config.get("model_type")
    if model_type in MODEL_FOR_IMAGE_TEXT_TO_TEXT_MAPPING_NAMES:
        return
    if config.get("auto_map"):
        raise ModelError(
            f"model {name!r}: it needs code from its own folder (auto_map in config.json), and remote code "
            "is never run; wrap it in a factory of your own, as 'package.module:factory'"
        )
    raise ModelError(
        f"model {name!r}: model_type {model_type!r} is no image-text-to-text model of the installed "
        "transformers; a text-only model cannot be shown an image, and a newer type may need a newer release"
    )


def _tokenizer(processor: Any, name: str) -> Any:
    tokenizer = getattr(processor, "tokenizer", None)
    if tokenizer is None or getattr(processor, "image_processor", None) is None:
        raise ModelError(
            f"model {name!r}: its folder gives a {type(processor).__name__} and no processor for text and "
            "images; save the whole processor there with processor.save_pretrained()"
        )
    tokenizer.padding_side = "left"
    return tokenizer


def _template(processor: Any, tokenizer: Any, name: str) -> str | None:
    if getattr(processor, "chat_template", None):
        return None
    template: str | None = getattr(tokenizer, "chat_template", None)
    if not template:
        raise ModelError(
            f"model {name!r}: no chat template (chat_template.jinja); a base model without one cannot be "
            "asked in turns"
        )
    return template


def check_complete(report: dict[str, Any], name: str) -> None:
    """Refuse weights that leave parts of the model random: its figures would mean nothing.

    Raises:
        ModelError: some are missing, or have another shape.
    """
    for key, what in (("missing_keys", "lack"), ("mismatched_keys", "have another shape for")):
        keys = sorted(entry if isinstance(entry, str) else entry[0] for entry in report.get(key) or ())
        if keys:
            more = f" and {len(keys) - 3} more" if len(keys) > 3 else ""
            raise ModelError(
                f"model {name!r}: its weights {what} {', '.join(keys[:3])}{more}, which would be left "
                "random; config.json and weights do not belong together"
            )


@contextmanager
def explained(name: str, part: str) -> Iterator[None]:
    """Say which part of which model the library could not load.

    Raises:
        ModelError: it could not.
    """
    try:
        yield
    except Exception as error:
        if "trust_remote_code" in str(error):
            raise ModelError(
                f"model {name!r}: its {part} needs code from its own folder, and remote code is never run; "
                "wrap it in a factory of your own, as 'package.module:factory'"
            ) from error
        hint = ""
        if part == "processor" and importlib.util.find_spec("torchvision") is None:
            hint = "; processors that also take videos need torchvision, which is not installed"
        raise ModelError(f"model {name!r}: its {part} cannot be loaded ({gist(error)}){hint}") from error


@contextmanager
def no_progress_bars() -> Iterator[None]:
    """Keep the library's bars out of a test run's output, and leave its setting as it was."""
    shown = _logging.is_progress_bar_enabled()
    _logging.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            _logging.enable_progress_bar()
