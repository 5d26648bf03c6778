"""How many rows are run at once when nobody says."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from transformers import GemmaConfig, LlamaConfig, Qwen2Config

from pytest_vlmrobust.models.transformers import memory
from pytest_vlmrobust.models.transformers.cache import GrowingLayer
from pytest_vlmrobust.models.transformers.memory import MOST_ROWS, bytes_per_token, free_bytes, rows_that_fit
from tests.unit.opened_models import PROMPTS, Models, candidates


def model_on(device: str, dtype: torch.dtype = torch.float32) -> Any:
    text = LlamaConfig(
        hidden_size=64, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2, vocab_size=10
    )
    return SimpleNamespace(
        device=torch.device(device), dtype=dtype, config=SimpleNamespace(get_text_config=lambda: text)
    )


@pytest.mark.parametrize(
    ("config", "size"),
    [
        (Qwen2Config(hidden_size=64, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=2), 16),
        (LlamaConfig(hidden_size=64, num_hidden_layers=3, num_attention_heads=2), 32),
        (
            GemmaConfig(
                hidden_size=64, num_hidden_layers=3, num_attention_heads=4, num_key_value_heads=1, head_dim=32
            ),
            32,
        ),
    ],
    ids=["grouped heads", "as many keys as queries", "a size of its own"],
)
def test_the_bytes_of_a_token_are_those_of_its_keys_and_values(config: Any, size: int) -> None:
    assert bytes_per_token(config, 2) == 2 * 3 * config.num_key_value_heads * size * 2


def test_the_estimate_is_what_the_cache_of_a_model_takes(models: Models) -> None:
    subject = models["llava"]
    rows, _ = candidates(subject).shared_prefix.reader.prompts([subject.model._chat.render(PROMPTS[0])])
    config = subject.loaded.model.config.get_text_config()
    layers = rows.cache.layers[: config.num_hidden_layers]
    taken = sum(each.nbytes for layer in layers if isinstance(layer, GrowingLayer) for each in layer.columns)
    assert bytes_per_token(config, 4) * int(rows.lengths[0]) == taken


@pytest.mark.parametrize("device", ["cpu", "cuda:1", "mps"])
def test_no_more_rows_than_gain_anything_and_never_none(monkeypatch: pytest.MonkeyPatch, device: str) -> None:
    monkeypatch.setattr(memory, "free_bytes", lambda _: 1 << 50)
    assert rows_that_fit(model_on(device), 512) == MOST_ROWS[device.partition(":")[0]]
    monkeypatch.setattr(memory, "free_bytes", lambda _: 0)
    assert rows_that_fit(model_on(device), 512) == 1


def test_rows_fill_half_of_the_free_memory(monkeypatch: pytest.MonkeyPatch) -> None:
    token = bytes_per_token(model_on("cpu").config.get_text_config(), 4)
    monkeypatch.setattr(memory, "free_bytes", lambda _: 2 * 10 * token * (1024 + 76))
    assert rows_that_fit(model_on("cpu"), 76) == 10
    assert rows_that_fit(model_on("cpu", torch.bfloat16), 76) == 20
    assert rows_that_fit(model_on("cpu"), 76 + 1100) == 5


class Differing:
    """A configuration whose layers differ, so that it refuses to name one number for all of them."""

    def __getattr__(self, name: str) -> Any:
        raise RuntimeError(f"{name} depends on the layer")


@pytest.mark.parametrize(("device", "rows"), [("cpu", 16), ("cuda", 16), ("mps", 16)])
def test_layers_that_differ_get_a_number_of_rows_that_most_machines_can_hold(device: str, rows: int) -> None:
    model = model_on(device)
    model.config = SimpleNamespace(get_text_config=Differing)
    with pytest.raises(RuntimeError, match="depends on the layer"):
        bytes_per_token(model.config.get_text_config(), 4)
    assert rows_that_fit(model, 512) == rows


def test_the_free_memory_of_a_device_is_asked_for_by_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "mem_get_info", lambda device: (1000 + device.index, 9999))
    assert free_bytes(torch.device("cuda:1")) == 1001
    assert free_bytes(torch.device("mps")) == 1 << 32


@pytest.mark.parametrize(
    ("files", "free"),
    [
        ({}, 1 << 32),
        ({"proc/meminfo": "MemTotal: 9 kB\nMemAvailable:    300 kB\n"}, 300 * 1024),
        (
            {
                "proc/meminfo": "MemAvailable: 300 kB\n",
                "sys/fs/cgroup/memory.max": "200000\n",
                "sys/fs/cgroup/memory.current": "50000\n",
            },
            150_000,
        ),
        (
            {
                "proc/meminfo": "MemAvailable: 300 kB\n",
                "sys/fs/cgroup/memory.max": "max\n",
                "sys/fs/cgroup/memory.current": "50000\n",
            },
            300 * 1024,
        ),
        (
            {"sys/fs/cgroup/memory.max": "200", "sys/fs/cgroup/memory.current": "500"},
            0,
        ),
        (
            {
                "proc/meminfo": "MemAvailable: 300 kB\n",
                "sys/fs/cgroup/memory.max": "200000\n",
                "sys/fs/cgroup/memory.current": "190000\n",
                "sys/fs/cgroup/memory.stat": "anon 9\nactive_file 7\ninactive_file 60000\nslab 5\n",
            },
            70_000,
        ),
    ],
    ids=["nobody knows", "the machine", "a limit", "no limit", "beyond the limit", "files that were read"],
)
def test_main_memory_is_that_of_the_machine_or_of_a_limit(
    tmp_path: Path, files: dict[str, str], free: int
) -> None:
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    assert memory._free_main_memory(tmp_path) == free


def test_this_machine_has_some_memory_left() -> None:
    assert free_bytes(torch.device("cpu")) > 1 << 20
