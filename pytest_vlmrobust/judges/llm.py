"""A language model as judge: asked about each case in the same words, believed when it says one of three."""

from __future__ import annotations

import functools
from collections.abc import Iterator, Mapping, Sequence

from pytest_vlmrobust.core.excerpts import shorten
from pytest_vlmrobust.judges.base import JudgeCase, Verdict
from pytest_vlmrobust.judges.questions import (
    QUESTION_VERSION,
    JudgePrompt,
    asked_again,
    question_for,
    read_word,
)
from pytest_vlmrobust.judges.texts import Said, TextModel
from pytest_vlmrobust.keys import content_key

_SHOWN = 120

_KIND = f"language model {QUESTION_VERSION}"


class LanguageModelJudge:
    """Has a language model compare thoughts with answers.

    A reply that is none of the words asked for is asked for once more, and then unscored. So is a case
    that the model could not be asked about.

    Attributes:
        first_failure: why the first case of the last call that is unscored is, or "".
    """

    def __init__(self, model: TextModel) -> None:
        """Take the model; nothing is loaded or asked yet."""
        self._model = model
        self.first_failure = ""

    @property
    def name(self) -> str:
        """The spec of the model."""
        return self._model.name

    @property
    def details(self) -> Mapping[str, str]:
        """What a report tells about the model."""
        return self._model.details

    def verdict_key(self, case: JudgeCase) -> str:
        """Return the key of the verdict on a case: model, settings, and the exact words of the question.

        Raises:
            ModelError: the model cannot be fetched or read.
        """
        prompt = question_for(case)
        return content_key("verdict", _KIND, self._identity, prompt.system, prompt.user)

    @functools.cached_property
    def _identity(self) -> Sequence[str]:
        return tuple(self._model.identity)

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        """Judge each case; None where the model gave no verdict.

        Raises:
            ModelError: the model cannot be loaded, or cannot go on.
        """
        verdicts: list[Verdict] = [None] * len(cases)
        for batch in self.judge_batches(cases):
            for index, verdict in batch:
                verdicts[index] = verdict
        return verdicts

    def judge_batches(self, cases: Sequence[JudgeCase]) -> Iterator[Sequence[tuple[int, Verdict]]]:
        """Judge like `judge`, and yield verdicts, with the indices of their cases, as they come.

        Raises:
            ModelError: as `judge`.
        """
        self.first_failure = ""
        prompts = [question_for(case) for case in cases]
        missed: list[int] = []
        for batch in self._asked(prompts):
            read = [(index, said, read_word(said.text)) for index, said in batch]
            missed += [index for index, said, word in read if word is None and not said.failure]
            yield [(index, self._verdict(said)) for index, said, word in read if word or said.failure]
        for batch in self._asked([asked_again(prompts[index]) for index in missed]):
            yield [(missed[place], self._verdict(said)) for place, said in batch]

    def close(self) -> None:
        """Free what the model holds."""
        self._model.close()

    def _asked(self, prompts: Sequence[JudgePrompt]) -> Iterator[Sequence[tuple[int, Said]]]:
        if prompts:
            yield from self._model.complete(prompts)

    def _verdict(self, said: Said) -> Verdict:
        verdict = None if said.failure else read_word(said.text)
        if verdict is None and not self.first_failure:
            came = shorten(said.text, _SHOWN) or "nothing at all"
            self.first_failure = said.failure or f"its reply was none of the words asked for: {came}"
        return verdict
