"""Runs lmms-eval's own model classes for `benchmarks.peers`, in lmms-eval's environment.

    python peers_worker.py FOLDER REQUESTS THREADS

Reads two indices a line, answers the requests between them, and writes seconds and replies as a line of JSON.
"""

from __future__ import annotations

import contextlib
import importlib
import json
import sys
import time
from pathlib import Path
from typing import Any

import torch

CLASSES = {"llava": ("llava_hf", "LlavaHf"), "qwen2_5_vl": ("qwen2_5_vl", "Qwen2_5_VL")}
TASK, SPLIT = "robustness", "test"


def tolerate_torchvision_without_operators() -> None:
    """Let torchvision be imported where its compiled operators do not fit the installed torch.

    Nothing that is timed here uses them.
    """
    library: Any = torch.library
    register = library.register_fake

    def register_fake(operator: Any, *args: Any, **kwargs: Any) -> Any:
        if isinstance(operator, str) and operator.startswith("torchvision::"):
            return lambda function: function
        return register(operator, *args, **kwargs)

    library.register_fake = register_fake


def load(folder: Path) -> Any:
    """Load a folder by lmms-eval's class for it, in float32 on the CPU."""
    family = json.loads((folder / "config.json").read_text())["model_type"]
    module, name = CLASSES[family]
    made = getattr(importlib.import_module(f"lmms_eval.models.chat.{module}"), name)
    options = {"dtype": "float32"} if family == "llava" else {}
    peer = made(pretrained=str(folder), device="cpu", device_map="cpu", batch_size=1, **options)
    if peer.model.dtype != torch.float32:  # its Qwen class takes no dtype and loads bfloat16
        peer._model = type(peer.model).from_pretrained(folder, dtype=torch.float32).eval()
    return peer


def instances(requests: list[dict[str, Any]], peer: Any) -> list[Any]:
    """Word requests as lmms-eval's own, with images opened when they are asked for."""
    instance = importlib.import_module("lmms_eval.api.instance").Instance
    peer.task_dict = {TASK: {SPLIT: requests}}
    return [
        instance(
            request_type="generate_until",
            arguments=(
                "",
                messages,
                {"max_new_tokens": request["max_new_tokens"], "until": []},
                index,
                TASK,
                SPLIT,
            ),
            idx=0,
            metadata={"task": TASK, "doc_id": index, "repeats": 1},
        )
        for index, request in enumerate(requests)
    ]


def messages(request: dict[str, Any]) -> list[dict[str, Any]]:
    """Return the turns of a chat."""
    image = importlib.import_module("PIL.Image").open(request["image"]).convert("RGB")
    user = [{"type": "image", "url": image}, {"type": "text", "text": request["user"]}]
    chat: list[dict[str, Any]] = [{"role": "user", "content": user}]
    if request["prefill"]:
        chat.append({"role": "assistant", "content": [{"type": "text", "text": request["prefill"]}]})
    return chat


def main() -> None:
    folder, requests, threads = Path(sys.argv[1]), Path(sys.argv[2]), int(sys.argv[3])
    torch.set_num_threads(threads)
    tolerate_torchvision_without_operators()
    channel = sys.stdout
    with contextlib.redirect_stdout(sys.stderr):
        peer = load(folder)
        every = instances(json.loads(requests.read_text()), peer)
        print("[]", file=channel, flush=True)
        for line in sys.stdin:
            start, stop = json.loads(line)
            began = time.perf_counter()
            results = peer.generate_until(every[start:stop])
            seconds = time.perf_counter() - began
            print(json.dumps([seconds, [result.text for result in results]]), file=channel, flush=True)


if __name__ == "__main__":
    main()
