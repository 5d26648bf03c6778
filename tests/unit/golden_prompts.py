"""The exact prompts of every dialect under every condition.

``python -m tests.unit.golden_prompts`` writes the files anew, to be read before they are committed.
"""

from __future__ import annotations

from pathlib import Path

from pytest_vlmrobust.conditions import perturb
from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.models.chat import ChatRenderer
from pytest_vlmrobust.models.dialects import fitted, get_dialect
from pytest_vlmrobust.models.templates import FolderTemplate
from tests.unit.chat_templates import KINDS
from tests.unit.flat_images import Flat

FOLDER = Path(__file__).parent / "data" / "dialects"
CONDITIONS = (
    "base",
    "stop-think",
    "wrong-think",
    "wrong-think-but",
    "wrong-caption",
    "wrong-caption-disclaimer",
    "correct-caption",
    "correct-think",
)
SAMPLE = Sample(
    id="dog",
    images=(Flat("gray"),),
    question="Which side of the dog faces the camera?",
    choices=("the left side", "the right side", "neither"),
    answer=0,
    statements=(
        "The left side of the dog is facing the camera.",
        "The right side of the dog is facing the camera.",
        "No side of the dog is facing the camera.",
    ),
)


def renderer(name: str, source: str = "") -> ChatRenderer:
    """Words prompts in a dialect, by a template of the kind that its models have."""
    template = FolderTemplate(source=source or KINDS[name], variables={"bos_token": "<bos>"})
    return ChatRenderer(template, fitted(get_dialect(name), template), name=name)


def golden_text(name: str) -> str:
    """Word the sample under each condition; ⏎ marks the end of each prompt."""
    words = renderer(name)
    rows = [words.render(perturb(SAMPLE, condition)) for condition in CONDITIONS]
    return "".join(f"=== {row.prompt.condition}\n{row.text}⏎\n" for row in rows)


def path_of(name: str) -> Path:
    """Where the prompts of a dialect are kept."""
    return FOLDER / f"{name}.txt"


if __name__ == "__main__":
    FOLDER.mkdir(parents=True, exist_ok=True)
    for known in KINDS:
        path_of(known).write_text(golden_text(known), encoding="utf-8")
