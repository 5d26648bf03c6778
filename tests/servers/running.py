"""Starts real servers with a bundled model, and ends them."""

from __future__ import annotations

import os
import shutil
import socket
import subprocess
import time
import urllib.request
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

from pytest_vlmrobust.models.bundled import bundled_folder

PATIENCE = 420.0
"""Seconds until a server has to be ready; the first start of a fresh environment takes the longest."""

# vLLM imports torchvision, for nothing here; beside a CPU build of torch its operators are missing.
_LENIENT = """
import torch

_register = torch.library.register_fake


def _lenient(name, *args, **kwargs):
    if isinstance(name, str) and name.startswith("torchvision::"):
        return lambda function: function
    return _register(name, *args, **kwargs)


torch.library.register_fake = _lenient
"""


@dataclass(frozen=True)
class Running:
    """A server that runs.

    Attributes:
        spec: of the model behind it.
        root: its address.
    """

    spec: str
    root: str

    def metric(self, name: str) -> float:
        """Add up a counter of the server's."""
        with urllib.request.urlopen(f"{self.root}/metrics", timeout=10) as page:
            lines = page.read().decode().splitlines()
        return sum(float(line.rpartition(" ")[2]) for line in lines if line.startswith(f"{name}{{"))

    def prefix_tokens(self) -> tuple[float, float]:
        """Count the tokens of prompts that vLLM looked for in its prefix cache, and those that it found."""
        return self.metric("vllm:prefix_cache_queries_total"), self.metric("vllm:prefix_cache_hits_total")


@contextmanager
def vllm(python: Path, folder: Path) -> Iterator[Running]:
    """Serve the grounded model by vLLM."""
    patch = folder / "patch"
    patch.mkdir()
    (patch / "sitecustomize.py").write_text(_LENIENT)
    model = folder / "model"
    _copy_for_vllm(python, bundled_folder("grounded"), model)
    port = _free_port()
    command = [
        *(str(python), "-m", "vllm.entrypoints.openai.api_server", "--model", str(model)),
        *("--served-model-name", "grounded", "--dtype", "float32", "--enforce-eager", "--block-size", "32"),
        *("--max-model-len", "512", "--host", "127.0.0.1", "--port", str(port)),
    ]
    more = {"PYTHONPATH": str(patch), "VLLM_CPU_KVCACHE_SPACE": "1", "VLLM_NO_USAGE_STATS": "1"}
    with _running(command, more, port, folder / "log"):
        root = f"http://127.0.0.1:{port}"
        yield Running(f"openai:grounded@{root}/v1", root)


@contextmanager
def transformers_serve(python: Path, folder: Path) -> Iterator[Running]:
    """Serve the grounded model by ``transformers serve``."""
    model = folder / "grounded"
    shutil.copytree(bundled_folder("grounded"), model)
    (folder / "hub").mkdir()
    port = _free_port()
    command = [
        *(str(python.with_name("transformers")), "serve", "--device", "cpu", "--dtype", "float32"),
        *("--host", "127.0.0.1", "--port", str(port), str(model)),
    ]
    with _running(command, {"HF_HOME": str(folder)}, port, folder / "log"):
        root = f"http://127.0.0.1:{port}"
        yield Running(f"openai:{model}@{root}/v1", root)


def _copy_for_vllm(python: Path, source: Path, target: Path) -> None:
    """Copy a model, its vision tower's weights under the names that vLLM expects."""
    shutil.copytree(source, target)
    code = (
        "import sys; from safetensors.torch import load_file, save_file; path = sys.argv[1]\n"
        "old, new = 'vision_tower.', 'vision_tower.vision_model.'\n"
        "weights = {k if new in k else k.replace(old, new): v for k, v in load_file(path).items()}\n"
        "save_file(weights, path, metadata={'format': 'pt'})\n"
    )
    subprocess.run([str(python), "-c", code, str(target / "model.safetensors")], check=True)


@contextmanager
def _running(command: Sequence[str], more: Mapping[str, str], port: int, log: Path) -> Iterator[None]:
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "OMP_NUM_THREADS": "1", **more}
    with log.open("wb") as output:
        process = subprocess.Popen(command, env=environment, stdout=output, stderr=subprocess.STDOUT)
        try:
            _wait_for(process, port, log)
            yield
        finally:
            process.terminate()
            process.wait(timeout=30)


def _wait_for(process: subprocess.Popen[bytes], port: int, log: Path) -> None:
    deadline = time.monotonic() + PATIENCE
    while time.monotonic() < deadline and process.poll() is None:
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{port}/health", timeout=2):
                return
        except OSError:
            time.sleep(0.5)
    raise RuntimeError(f"the server is not ready:\n{log.read_text(errors='replace')[-4000:]}")


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
    return port
