"""How fast the package answers beside lmms-eval's own path for the same model.

    python -m venv lmms && lmms/bin/pip install torch==2.13.0
    lmms/bin/pip install torch==2.13.0 lmms-eval==0.7.3 decord qwen-vl-utils
    python benchmarks/peers.py --python lmms/bin/python [--quick] [--model NAME ...] [--rounds N]

lmms-eval runs unchanged in an environment and a process of its own (`benchmarks.peers_worker`). Both get the
same weights, images, texts and token limits, and run in turn: half of lmms-eval's part, the package, the
other half. Only the chat template that lmms-eval is given is altered, to leave a last turn of the assistant
open; it has no other way to let a model go on from a thought. Prints a table, and as the last line one JSON
object: for each model the ratio of seconds per sample.
"""

from __future__ import annotations

import argparse
import json
import shutil
import statistics
import subprocess
import tempfile
import time
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import torch
from transformers.utils import logging

from benchmarks import peers_worker
from benchmarks.engine import scripted
from benchmarks.models import register_images_only_qwen, write_model
from benchmarks.questions import SCRIPT, make_prompts
from pytest_vlmrobust import Prompt, load_model
from pytest_vlmrobust.models.dialects import PLAIN

FAMILIES = ("qwen2_5_vl", "llava")
SAMPLES = 8
"""For the package; lmms-eval gets the first of them: its time per sample does not depend on their number."""

_logging: Any = logging  # its own annotations lack the function


@dataclass(frozen=True, kw_only=True)
class Timing:
    """Seconds per sample, one for each round, and which of the peer's replies are the package's too."""

    peer_s: list[float] = field(default_factory=list)
    package_s: list[float] = field(default_factory=list)
    same: list[bool] = field(default_factory=list)

    @property
    def ratio(self) -> float:
        """How many times faster the package is; the median of the rounds."""
        return statistics.median(
            peer / package for peer, package in zip(self.peer_s, self.package_s, strict=True)
        )


class Peer:
    """lmms-eval in a process of its own."""

    def __init__(self, python: Path, folder: Path, requests: Path, threads: int) -> None:
        """Start it, and wait until it has loaded the model."""
        self._log = folder / "peer.log"
        with self._log.open("w") as log:
            self._process = subprocess.Popen(
                [python, peers_worker.__file__, folder, requests, str(threads)],
                stdin=subprocess.PIPE,
                stdout=subprocess.PIPE,
                stderr=log,
                text=True,
            )
        self._receive()

    def run(self, start: int, stop: int) -> tuple[float, list[str]]:
        """Answer the requests from ``start`` to before ``stop``; returns seconds and replies."""
        assert self._process.stdin is not None
        print(json.dumps([start, stop]), file=self._process.stdin, flush=True)
        seconds, texts = self._receive()
        return seconds, texts

    def close(self) -> None:
        """End the process."""
        assert self._process.stdin is not None
        self._process.stdin.close()
        self._process.wait()

    def _receive(self) -> Any:
        assert self._process.stdout is not None
        line = self._process.stdout.readline()
        if not line:
            raise RuntimeError(f"lmms-eval has ended: {self._log.read_text()[-2000:]}")
        return json.loads(line)


def compare(family: str, python: Path, *, peer_samples: int, rounds: int, threads: int) -> Timing:
    """Time both on one model."""
    prompts = make_prompts(SAMPLES)
    end = peer_samples * len(SCRIPT)
    timing = Timing()
    with tempfile.TemporaryDirectory() as name, scripted(prompts):
        folder = write_model(family, Path(name) / "model")
        model = load_model(str(folder), device="cpu", dtype="float32", max_new_tokens=max(SCRIPT.values()))
        with _peer(python, folder, prompts[:end], threads) as peer:
            peer.run(1, 2)
            dict(model.answer(prompts[: len(SCRIPT)]))
            for _ in range(rounds):
                before, texts = peer.run(0, end // 2)
                began = time.perf_counter()
                answers = dict(model.answer(prompts))
                timing.package_s.append((time.perf_counter() - began) / SAMPLES)
                after, more = peer.run(end // 2, end)
                timing.peer_s.append((before + after) / peer_samples)
                timing.same.extend(answers[n].text == text for n, text in enumerate([*texts, *more]))
    return timing


@contextmanager
def _peer(python: Path, model: Path, prompts: Sequence[Prompt], threads: int) -> Iterator[Peer]:
    """Start lmms-eval on a copy of the folder."""
    folder = Path(shutil.copytree(model, model.with_name("peer")))
    _adapt(folder)
    requests = folder / "requests.json"
    requests.write_text(json.dumps([_request(prompt, folder) for prompt in prompts]))
    peer = Peer(python, folder, requests, threads)
    try:
        yield peer
    finally:
        peer.close()


def _adapt(folder: Path) -> None:
    """Leave a last turn of the assistant open, and name the library's own Qwen processor."""
    template = (folder / "chat_template.jinja").read_text()
    close, begin = "{{ '<|im_end|>\n' }}", "{% if add_generation_prompt"
    assert close in template
    assert begin in template
    assistant_last = "loop.last and message['role'] == 'assistant'"
    template = template.replace(close, f"{{% if not ({assistant_last}) %}}{close}{{% endif %}}")
    template = template.replace(begin, f"{begin} and messages[-1]['role'] != 'assistant'")
    (folder / "chat_template.jinja").write_text(template)
    for name in ("processor_config.json", "tokenizer_config.json"):
        text = (folder / name).read_text()
        (folder / name).write_text(text.replace("ImagesOnlyQwenProcessor", "Qwen2_5_VLProcessor"))
    video = {"video_processor_type": "Qwen2VLVideoProcessor", "patch_size": 14, "merge_size": 2}
    (folder / "video_preprocessor_config.json").write_text(json.dumps(video))


def _request(prompt: Prompt, folder: Path) -> dict[str, Any]:
    turns = PLAIN.render(prompt)
    image = folder / f"{prompt.sample_id}.png".replace("/", "-")
    prompt.images[0].load().save(image)
    return {
        "image": str(image),
        "user": turns.user,
        "prefill": turns.prefill,
        "max_new_tokens": SCRIPT[prompt.condition],
    }


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--python", type=Path, required=True, help="of the environment that has lmms-eval")
    parser.add_argument("--quick", action="store_true", help="one round, of fewer samples")
    parser.add_argument("--model", action="append", choices=FAMILIES, help="both by default")
    parser.add_argument("--rounds", type=int, default=None, help="3 by default, 1 with --quick")
    parser.add_argument("--threads", type=int, default=2, help="CPU threads of either process")
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    _logging.disable_progress_bar()
    register_images_only_qwen()
    ratios = {}
    print(f"torch {torch.__version__}, {args.threads} threads, float32; seconds per sample, all conditions")
    print("model       lmms-eval   package  ratio  same replies")
    for family in args.model or FAMILIES:
        timing = compare(
            family,
            args.python,
            peer_samples=2 if args.quick else 4,
            rounds=args.rounds or (1 if args.quick else 3),
            threads=args.threads,
        )
        peer_s, package_s = statistics.median(timing.peer_s), statistics.median(timing.package_s)
        same = f"{sum(timing.same)} of {len(timing.same)}"
        print(f"{family:<11} {peer_s:9.2f} {package_s:9.2f} {timing.ratio:6.2f}  {same}", flush=True)
        ratios[family] = round(timing.ratio, 2)
    print(json.dumps(ratios))


if __name__ == "__main__":
    main()
