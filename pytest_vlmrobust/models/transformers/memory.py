"""How many rows fit into a device's memory."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

import torch

MOST_ROWS = {"cpu": 64, "cuda": 256, "mps": 32}
"""Beyond these a batch gains nothing: a processor is busy with fewer."""

_PROMPT_TOKENS = 1024
_USABLE = 0.5
"""Share of the free memory that rows may take; the rest is for what a pass of the model needs meanwhile."""

_MEMORY_SIGNS = (
    "out of memory",
    "not enough memory",
    "can't allocate memory",
    "CUBLAS_STATUS_ALLOC_FAILED",
)

_FALLBACK_BYTES = 1 << 32

_UNKNOWN_ROWS = 16
"""Rows of a model whose configuration does not tell what a token takes."""


def rows_that_fit(model: Any, max_new_tokens: int) -> int:
    """Estimate a batch size from the free memory of the model's device.

    Args:
        model: the model, loaded.
        max_new_tokens: the most tokens of a reply.

    Returns:
        At least 1, at most `MOST_ROWS` of the device.
    """
    device = model.device
    tokens = _PROMPT_TOKENS + max_new_tokens
    most = MOST_ROWS.get(device.type, MOST_ROWS["cpu"])
    try:
        row = tokens * bytes_per_token(model.config.get_text_config(), model.dtype.itemsize)
    except Exception:  # layers that differ, or a configuration that names its numbers otherwise
        return min(_UNKNOWN_ROWS, most)
    return max(1, min(int(_USABLE * free_bytes(device) / max(1, row)), most))


def bytes_per_token(config: Any, itemsize: int) -> int:
    """Return what the keys and values of one token take, over all layers."""
    heads = getattr(config, "num_key_value_heads", None) or config.num_attention_heads
    size = getattr(config, "head_dim", None) or config.hidden_size // config.num_attention_heads
    return int(2 * config.num_hidden_layers * heads * size * itemsize)


def free_bytes(device: torch.device) -> int:
    """Return how much memory is free on a device, or a small guess where nobody knows."""
    if device.type == "cuda":
        free, _ = torch.cuda.mem_get_info(device)
        return int(free)
    if device.type == "cpu":
        return _free_main_memory()
    return _FALLBACK_BYTES


def out_of_memory(error: Exception) -> bool:
    """Tell whether an error means that memory ran out."""
    if isinstance(error, MemoryError | torch.OutOfMemoryError):
        return True
    return isinstance(error, RuntimeError) and any(sign in str(error) for sign in _MEMORY_SIGNS)


def _free_main_memory(root: Path = Path("/")) -> int:
    """Return what the machine has free, or what is left of the control group's limit if that is less."""
    found = re.search(r"MemAvailable:\s*(\d+) kB", _text(root / "proc/meminfo"))
    free = [int(found[1]) * 1024] if found else []
    group = root / "sys/fs/cgroup"
    limit, used = (_text(group / name).strip() for name in ("memory.max", "memory.current"))
    if limit.isdecimal() and used.isdecimal():
        # Files that were read count as used, and are given up when memory is needed.
        cached = re.search(r"^inactive_file (\d+)$", _text(group / "memory.stat"), re.M)
        free.append(max(0, int(limit) - int(used) + (int(cached[1]) if cached else 0)))
    return min(free, default=_FALLBACK_BYTES)


def _text(path: Path) -> str:
    try:
        return path.read_text(encoding="utf-8")
    except OSError:  # not on every system
        return ""
