"""Language models for tests of judges: scripted ones, and tiny ones with random weights."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence

from pytest_vlmrobust.judges.base import Consistency
from pytest_vlmrobust.judges.labelled import labelled_cases
from pytest_vlmrobust.judges.questions import MENU, JudgePrompt, question_for
from pytest_vlmrobust.judges.texts import Said

WORDS = {verdict: word for word, verdict in MENU.items()}


class Scripted:
    """A language model that replies as a function says; an exception of it is a failure."""

    def __init__(
        self,
        reply: Callable[[JudgePrompt], str],
        *,
        name: str = "scripted",
        version: str = "1",
        batch: int = 8,
    ) -> None:
        self.reply = reply
        self.name = name
        self.identity: Sequence[str] = [f"version={version}"]
        self.details: Mapping[str, str] = {"version": version}
        self.batch = batch
        self.asked: list[JudgePrompt] = []
        self.closed = 0

    def complete(self, prompts: Sequence[JudgePrompt]) -> Iterator[Sequence[tuple[int, Said]]]:
        order = sorted(range(len(prompts)), key=lambda index: -len(prompts[index].user))
        for start in range(0, len(order), self.batch):
            yield [(index, self._said(prompts[index])) for index in order[start : start + self.batch]]

    def close(self) -> None:
        self.closed += 1

    def _said(self, prompt: JudgePrompt) -> Said:
        self.asked.append(prompt)
        try:
            return Said(text=self.reply(prompt))
        except OSError as error:
            return Said(failure=str(error))


def knowing(*, wrong: int = 0) -> Callable[[JudgePrompt], str]:
    """Give the right verdict on each labelled thought, but for the first ``wrong`` of them; else AGREES."""
    known = {question_for(labelled.case).user: WORDS[labelled.label] for labelled in labelled_cases()}
    for prompt in list(known)[:wrong]:
        known[prompt] = WORDS[
            Consistency.CONSISTENT if known[prompt] != "AGREES" else Consistency.INCONSISTENT
        ]
    return lambda prompt: known.get(prompt.user, "AGREES")
