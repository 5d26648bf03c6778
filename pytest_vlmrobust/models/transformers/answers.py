"""From generated tokens to an answer: its text, and the distribution over the options."""

from __future__ import annotations

import functools
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pytest_vlmrobust.core.replies import ReplyFormat, read_reply
from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.models.base import Answer
from pytest_vlmrobust.models.chat import Row
from pytest_vlmrobust.models.letters import Distribution, LetterForms, Rescore, emitting_step, read_letters
from pytest_vlmrobust.models.transformers.kept import Generated
from pytest_vlmrobust.models.transformers.paths import Ended


class AnswerReader:
    """Reads the replies of one model."""

    def __init__(self, tokenizer: Any, forms: LetterForms, layout: ReplyFormat, *, name: str) -> None:
        """Keep what is the same for every reply; ``name`` is how messages call the model."""
        self._tokenizer = tokenizer
        self._forms = forms
        self._layout = layout
        self._name = name
        self._last = functools.lru_cache(maxsize=4096)(self._last_token)

    def read(self, rows: Sequence[Row], ended: Ended) -> Iterator[tuple[int, Answer]]:
        """Read replies that are complete.

        Args:
            rows: the prompts; ``ended`` has their indices.
            ended: some of their replies.

        Yields:
            Index and answer of each.

        Raises:
            ModelError: the scores of a reply are no distribution.
        """
        found: dict[int, Distribution | Rescore | None] = {}
        texts: dict[int, str] = {}
        for index, reply in ended.replies:
            self._check(rows[index], reply)
            decode = self._decoder(rows[index], reply.text_ids)
            texts[index] = decode(len(reply.text_ids))
            found[index] = self._letters(rows[index], reply, texts[index], decode)
        finished = _finished(found, ended)
        for index, reply in ended.replies:
            letters = finished[index]
            yield (
                index,
                Answer(
                    text=texts[index],
                    prefill=rows[index].prefill,
                    letter_probs=letters.probs if letters else None,
                    letter_mass=letters.mass if letters else None,
                    truncated=not reply.ended,
                    tokens=len(reply.ids),
                ),
            )

    def _check(self, row: Row, reply: Generated) -> None:
        if reply.broken_step is not None:
            raise ModelError(
                f"model {self._name!r}: its scores are NaN or infinite at token {reply.broken_step} of the "
                f"reply to {row.where}; another dtype may help (float16 overflows easily)"
            )

    def _letters(
        self, row: Row, reply: Generated, text: str, decode: Callable[[int], str]
    ) -> Distribution | Rescore | None:
        """Read the distribution over the letters at the step that emitted the answer's letter."""
        read = read_reply(text, row.prompt.choices, dialect=self._layout, prefill=row.prefill)
        if read.answer_span is None:
            return None
        step = emitting_step(decode, len(reply.text_ids), read.answer_span[0])
        if step is None:
            return None
        form = self._forms.form(reply.ids[step])
        if form is None or form.letter != read.letter:
            return None
        return read_letters(self._forms, row.prompt.letters, reply.ids, step, reply.at)

    def _decoder(self, row: Row, ids: Sequence[int]) -> Callable[[int], str]:
        """Return a function that gives the text of the first n tokens of a reply.

        The text is decoded behind the prompt's last token: at the start of a text, some
        tokenizers drop the space that a token begins with.
        """
        last, lead = self._last(row.text[-_TAIL:])

        def decode(count: int) -> str:
            text: str = self._tokenizer.decode([*last, *ids[:count]], clean_up_tokenization_spaces=False)
            if text.startswith(lead):
                return text[len(lead) :]
            alone: str = self._tokenizer.decode(list(ids[:count]), clean_up_tokenization_spaces=False)
            return alone

        return functools.lru_cache(maxsize=None)(decode)

    def _last_token(self, tail: str) -> tuple[list[int], str]:
        """Tokenize the end of a prompt; returns its last token, and the text of that alone."""
        last = self._tokenizer(tail, add_special_tokens=False)["input_ids"][-1:]
        return last, self._tokenizer.decode(last, clean_up_tokenization_spaces=False)


_TAIL = 64
"""Characters of a prompt's end that hold its last token."""


def _finished(
    found: dict[int, Distribution | Rescore | None], ended: Ended
) -> dict[int, Distribution | None]:
    """Run the model on for the distributions that need it, all in one pass."""
    wanted = [
        (index, context)
        for index, each in found.items()
        if isinstance(each, Rescore)
        for context in each.contexts
    ]
    steps = iter(ended.score(wanted) if wanted else ())
    finished: dict[int, Distribution | None] = {}
    for index, each in found.items():
        if isinstance(each, Rescore):
            after = [next(steps) for _ in each.contexts]
            known = [step for step in after if step is not None]
            finished[index] = each.finish(known) if len(known) == len(after) else None
        else:
            finished[index] = each
    return finished
