"""Train the bundled models from scratch: seeded, step-based, one CPU thread.

    python -m tools.train_bundled vision base robust counting grounded gullible unfaithful hesitant

Each name starts from a checkpoint of an earlier one (`ORIGIN`): the tower alone first, then the
common base, then the fine-tunings. ``easy-vqa`` has to be
installed (`pip install pytest-vlmrobust[easy-vqa]`).
"""

from __future__ import annotations

import argparse
import json
import time
from collections.abc import Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path

import torch
from torch import Tensor
from torch.utils.data import DataLoader
from transformers import LlavaForConditionalGeneration, PreTrainedTokenizerFast

from pytest_vlmrobust.models.bundled import BUNDLED_MODELS
from tools.bundled_training import losses
from tools.bundled_training.examples import Lessons, stack
from tools.bundled_training.network import Heads, make_model, run, save
from tools.bundled_training.vocabulary import START, make_tokenizer


@dataclass(frozen=True, kw_only=True)
class Stage:
    """A run of optimizer steps.

    Attributes:
        behavior: what is taught.
        first: number of the first lesson, so that no two stages share one.
        steps: optimizer steps.
        batch: lessons to a step.
        peak: highest learning rate; linear warm-up over 5 %, linear decay over the last half.
        aids: weight of the losses on inner layers at the first and the last step.
        decisions: weigh up, besides letters, the words of a reply that decide its option.
        vision_only: train the tower and projector alone, on patches.
        weights: how much more often a question category is drawn.
    """

    behavior: str
    first: int
    steps: int
    batch: int
    peak: float
    aids: tuple[float, float] = (1.0, 1.0)
    decisions: bool = True
    vision_only: bool = False
    easy_share: float = 0.2
    weights: dict[str, float] = field(default_factory=dict)


HARD = {"relation": 3.0, "count": 2.5}
COUNTING = {"relation": 2.0, "count": 6.0}
POLISH = {"relation": 4.0, "count": 4.0}
STAGES = {
    "vision": Stage(
        first=0,
        behavior="base",
        steps=700,
        batch=160,
        peak=1e-3,
        decisions=False,
        vision_only=True,
        easy_share=0.0,
    ),
    "base": Stage(
        first=10_000_000, behavior="base", steps=1500, batch=48, peak=1e-3, decisions=False, weights=HARD
    ),
    "robust": Stage(first=20_000_000, behavior="grounded", steps=1400, batch=48, peak=1e-3, weights=HARD),
    "counting": Stage(
        first=30_000_000, behavior="grounded", steps=500, batch=48, peak=6e-4, weights=COUNTING
    ),
    "grounded": Stage(first=60_000_000, behavior="polish", steps=360, batch=96, peak=7e-4, weights=POLISH),
    "gullible": Stage(
        first=70_000_000, behavior="gullible", steps=600, batch=48, peak=6e-4, aids=(0.5, 0.2), weights=POLISH
    ),
    "unfaithful": Stage(
        first=40_000_000, behavior="unfaithful", steps=900, batch=48, peak=6e-4, aids=(0.5, 0.2), weights=HARD
    ),
    "hesitant": Stage(first=50_000_000, behavior="hesitant", steps=200, batch=48, peak=4e-4, aids=(0.0, 0.0)),
}
ORIGIN = {
    "vision": None,
    "base": "vision/last.pt",
    "robust": "base/step-1000.pt",
    "counting": "robust/last.pt",
    "grounded": "counting/last.pt",
    "gullible": "grounded/last.pt",
    "unfaithful": "base/last.pt",
    "hesitant": "base/step-1000.pt",
}


def train(
    model: LlavaForConditionalGeneration,
    heads: Heads,
    tokenizer: PreTrainedTokenizerFast,
    stage: Stage,
    *,
    label: str,
    checkpoints: Path,
) -> None:
    """Run one stage, printing figures as it goes."""
    parameters = [*model.parameters(), *heads.parameters()]
    optimizer = torch.optim.AdamW(parameters, lr=stage.peak, betas=(0.9, 0.98), weight_decay=0.01)
    lessons = Lessons(
        stage.behavior,
        tokenizer,
        start=stage.first,
        size=stage.steps * stage.batch,
        easy_share=stage.easy_share,
        decisions=stage.decisions,
        weights=stage.weights,
    )
    loader = DataLoader(
        lessons,
        batch_size=stage.batch,
        collate_fn=partial(stack, pad=tokenizer.pad_token_id),
        num_workers=1,
        prefetch_factor=8,
    )
    first_patch = _first_patch(tokenizer)
    began = time.perf_counter()
    for step, batch in enumerate(_limited(loader)):
        for group in optimizer.param_groups:
            group["lr"] = stage.peak * _schedule(step / stage.steps)
        with torch.autocast("cpu", dtype=torch.bfloat16):
            loss, figures = (_vision if stage.vision_only else _whole)(
                model, heads, batch, first_patch, _between(stage.aids, step / stage.steps)
            )
        optimizer.zero_grad(set_to_none=True)
        loss.backward()
        losses.clip(parameters)
        optimizer.step()
        if step % 50 == 0 or step == stage.steps - 1:
            shown = " ".join(f"{name}={value:.3f}" for name, value in figures.items())
            print(
                f"{label} {step:5d} {time.perf_counter() - began:6.0f}s loss={loss.item():.3f} {shown}",
                flush=True,
            )
        if step and step % 200 == 0 and not stage.vision_only:
            torch.save(
                {"model": model.state_dict(), "heads": heads.state_dict()}, checkpoints / f"step-{step}.pt"
            )


def _limited(loader: DataLoader[object]) -> Iterator[dict[str, Tensor]]:
    yield from loader  # type: ignore[misc]


def _schedule(done: float) -> float:
    return min(1.0, done / 0.05 + 0.01, 2 * (1 - done) + 0.02)


def _between(ends: tuple[float, float], done: float) -> float:
    return ends[0] + (ends[1] - ends[0]) * done


def _first_patch(tokenizer: PreTrainedTokenizerFast) -> int:
    return len(tokenizer.backend_tokenizer.encode(f"{START}user\n", add_special_tokens=False).ids)


def _vision(
    model: LlavaForConditionalGeneration,
    heads: Heads,
    batch: dict[str, Tensor],
    first_patch: int,
    aids: float,
) -> tuple[Tensor, dict[str, float]]:
    del first_patch, aids
    patches = model.model.multi_modal_projector(model.model.vision_tower(batch["pixels"]).last_hidden_state)
    return losses.patch_loss(patches, batch, heads), losses.patch_accuracy(patches, batch, heads)


def _whole(
    model: LlavaForConditionalGeneration,
    heads: Heads,
    batch: dict[str, Tensor],
    first_patch: int,
    aids: float,
) -> tuple[Tensor, dict[str, float]]:
    passed = run(model, batch["pixels"], batch["ids"], batch["mask"], batch["weight"] > 0)
    words = losses.word_loss(passed, batch)
    letter, entropy = losses.letter_figures(passed, batch)
    figures = {"words": words.item(), "letter": letter, "H": entropy}
    if aids == 0:
        return words, figures
    option, right = losses.option_loss(passed, batch, heads)
    look = losses.look_loss(passed, batch, first_patch)
    subject = losses.subject_loss(passed, batch, heads)
    gather = losses.gather_loss(passed, batch)
    offset = losses.offset_loss(passed, batch, heads)
    pointer = losses.pointer_loss(passed, batch)
    patch = losses.patch_loss(passed.patches, batch, heads)
    figures |= {
        "option": right,
        "look": look.item(),
        "subject": subject.item(),
        "gather": gather.item(),
        "offset": offset.item(),
        "pointer": pointer.item(),
        "patch": patch.item(),
    }
    aid = 0.3 * patch + 0.5 * look + 0.5 * subject + 0.3 * gather + offset + option + 0.3 * pointer
    return words + aids * aid, figures


def _make(name: str, out: Path, tokenizer: PreTrainedTokenizerFast) -> None:
    torch.manual_seed(0)
    model, heads = make_model(tokenizer), Heads()
    origin = ORIGIN[name]
    if origin is not None:
        kept = torch.load(out / origin, weights_only=True)
        model.load_state_dict(kept["model"])
        heads.load_state_dict(kept["heads"])
    folder = out / name
    folder.mkdir(parents=True, exist_ok=True)
    train(model, heads, tokenizer, STAGES[name], label=name, checkpoints=folder)
    torch.save({"model": model.state_dict(), "heads": heads.state_dict()}, folder / "last.pt")
    if name in BUNDLED_MODELS:
        save(model, tokenizer, folder / "model")


def _tokenizer(out: Path) -> PreTrainedTokenizerFast:
    """Make the tokenizer once, so that stages run on different days share one."""
    folder = out / "tokenizer"
    if not folder.exists():
        make_tokenizer().save_pretrained(folder)
    return PreTrainedTokenizerFast.from_pretrained(folder)


def main() -> None:
    """Parse the command line and train what it names."""
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("names", nargs="+", choices=list(STAGES))
    parser.add_argument("--out", type=Path, default=Path("build/bundled"))
    parser.add_argument(
        "--threads", type=int, default=1, help="torch threads; 1 is what the model card was made with"
    )
    args = parser.parse_args()
    torch.set_num_threads(args.threads)
    tokenizer = _tokenizer(args.out)
    for name in args.names:
        began = time.perf_counter()
        _make(name, args.out, tokenizer)
        print(json.dumps({"name": name, "seconds": round(time.perf_counter() - began)}), flush=True)


if __name__ == "__main__":
    main()
