"""A model without a network whose replies can be kept, and whose numbers depend on who shares the batch.

It stands for half precision on a GPU, where the make-up of a batch is part of the result: a run that
was resumed in other batches would give other figures.

    python mates.py STORE LOG SAMPLES

evaluates it and prints its records and figures; LOG gets a line when the process begins, one for each
batch before it is computed, and one when the batch was handed over.
"""

from __future__ import annotations

import hashlib
import json
import sys
import time
from collections.abc import Iterator, Sequence
from itertools import islice
from pathlib import Path

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.datasets.shapes import iterate_shapes
from pytest_vlmrobust.evaluation import evaluate
from pytest_vlmrobust.keys import content_key
from pytest_vlmrobust.models.base import Answer
from pytest_vlmrobust.models.batches import group_by_sample, take_batch
from pytest_vlmrobust.models.dialects import PLAIN
from pytest_vlmrobust.models.scripted import ScriptedModel, reply
from pytest_vlmrobust.store import Store

ROWS = 16
"""Prompts in a batch, at most."""


class Mates(ScriptedModel):
    """Answers in batches of whole samples, and remembers which prompts it was asked."""

    def __init__(
        self,
        *,
        version: str = "1",
        seconds: float = 0.0,
        fast: int = 0,
        log: Path | None = None,
    ) -> None:
        """Choose the weights' version, and how long each batch takes but for the first ``fast`` ones."""
        super().__init__({}, name="mates")
        self.version = version
        self.seconds = seconds
        self.fast = fast
        self.log = log
        self.computed: list[tuple[str, str]] = []

    def reply_key(self, prompt: Prompt) -> str:
        turns = PLAIN.render(prompt)
        images = [image.digest() for image in prompt.images]
        return content_key("reply", self.version, turns.user, turns.prefill, images, prompt.choices)

    def answer_batches(self, prompts: Sequence[Prompt]) -> Iterator[Sequence[tuple[int, Answer]]]:
        queue = group_by_sample(prompts)
        while queue:
            indices = [index for group in take_batch(queue, ROWS) for index in group]
            batch = [prompts[index] for index in indices]
            name = digest(*map(self.reply_key, batch))
            self.note("computes", batch)
            if self.fast <= 0:
                time.sleep(self.seconds)
            self.fast -= 1
            self.computed += [(prompt.sample_id, prompt.condition) for prompt in batch]
            yield [(index, answered(prompt, name)) for index, prompt in zip(indices, batch, strict=True)]
            self.note("handed over", batch)

    def answer(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        for batch in self.answer_batches(prompts):
            yield from batch

    def note(self, what: str, batch: Sequence[Prompt] = ()) -> None:
        if self.log is not None:
            line = json.dumps([what, [[prompt.sample_id, prompt.condition] for prompt in batch]])
            with self.log.open("a", encoding="utf-8") as file:
                file.write(f"{line}\n")


def answered(prompt: Prompt, mates: str) -> Answer:
    weights = [1 + int(digest(mates, prompt.sample_id, letter)[:8], 16) for letter in prompt.letters]
    probs = tuple(weight / sum(weights) for weight in weights)
    letter = prompt.letters[probs.index(max(probs))]
    return Answer(
        text=reply(letter, f"I look at it. So the answer is ({letter}).", prompt=prompt),
        prefill=PLAIN.render(prompt).prefill,
        letter_probs=probs,
        letter_mass=probs[0] / 3,
        tokens=9,
    )


def digest(*parts: str) -> str:
    return hashlib.blake2b("\n".join(parts).encode(), digest_size=8).hexdigest()


def main(store: str, log: str, samples: str) -> None:
    model = Mates(log=Path(log), seconds=0.01)
    model.note("begins")
    with Store.open(Path(store)) as opened:
        run = evaluate(model, islice(iterate_shapes(), int(samples)), store=opened)
    document = run.to_json()
    print(json.dumps(document["provenance"].pop("replies")))
    print(json.dumps(document))


if __name__ == "__main__":
    main(*sys.argv[1:])
