"""From generated tokens to an answer: its text, and the distribution over the options."""

from __future__ import annotations

import functools
import re
from collections.abc import Callable, Iterator, Sequence
from typing import Any

from pytest_vlmrobust.core.letters import AnswerForm
from pytest_vlmrobust.core.replies import Reply, ReplyFormat, read_reply
from pytest_vlmrobust.core.samples import LETTERS
from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.models.base import Answer
from pytest_vlmrobust.models.chat import Row
from pytest_vlmrobust.models.letters import Distribution, LetterForms, Rescore, emitting_step, read_letters
from pytest_vlmrobust.models.option_texts import read_texts, spelled_alike, tokens_of
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
            by_text = self._layout.answer is AnswerForm.TEXT and _begins_answer(text, read)
            return self._texts(row, reply, text, read, decode) if by_text else None
        step = emitting_step(decode, len(reply.text_ids), read.answer_span[0])
        if step is None:
            return None
        form = self._forms.form(reply.ids[step])
        if form is None or form.letter != read.letter:
            return None
        return read_letters(self._forms, row.prompt.letters, reply.ids, step, reply.at)

    def _texts(
        self, row: Row, reply: Generated, text: str, read: Reply, decode: Callable[[int], str]
    ) -> Rescore | None:
        """Say what the distribution over the options' texts needs, where one of them was the answer."""
        if read.text_span is None or read.letter is None:
            return None
        start, end = read.text_span
        index, step = LETTERS.index(read.letter), emitting_step(decode, len(reply.text_ids), start)
        options = spelled_alike(row.prompt.choices, index, text[start:end])
        if step is None or options is None:
            return None
        # An option may be written with what stands before it: ">No" is one token, ">Yes" two.
        for first in range(step, max(0, step - _MOST_BACK), -1):
            begun = decode(first)
            if text.startswith(begun):
                paths = self._paths(options, row.text + begun, text[len(begun) : start], text[end:])
                found = paths and read_texts(paths, reply.text_ids, first, index)
                if found:
                    return found
        return None

    def _paths(
        self, options: Sequence[str], tail: str, before: str, after: str
    ) -> list[tuple[int, ...]] | None:
        """Tokenize each option in its place; None where one of them is joined to what comes earlier."""
        paths = []
        for option in options:
            path = tokens_of(
                before + option + after[:_TAIL],
                tail[-_TAIL:],
                until=len(before) + len(option),
                encode=self._encode,
                decode=self._decode,
            )
            if path is None:
                return None
            paths.append(path)
        return paths

    def _encode(self, text: str) -> Sequence[int]:
        ids: list[int] = self._tokenizer(text, add_special_tokens=False)["input_ids"]
        return ids

    def _decode(self, ids: Sequence[int]) -> str:
        text: str = self._tokenizer.decode(list(ids), clean_up_tokenization_spaces=False)
        return text

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

_MOST_BACK = 4
"""Tokens before an option's text that may have to be looked at with it."""


def _begins_answer(text: str, read: Reply) -> bool:
    """Whether nothing but markup stands before an option's text.

    Behind other words ("A. left") the probabilities would be those given that these had been said.
    """
    if read.text_span is None:
        return False
    start = read.text_span[0]
    begin = text.rfind(read.answer_text, 0, start + len(read.answer_text))
    return begin >= 0 and not re.search(r"\w", text[begin:start])


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
    also = {token for each in found.values() if isinstance(each, Rescore) for token in each.watch}
    steps = iter(ended.score(wanted, sorted(also)) if wanted else ())
    finished: dict[int, Distribution | None] = {}
    for index, each in found.items():
        if isinstance(each, Rescore):
            after = [next(steps) for _ in each.contexts]
            known = [step for step in after if step is not None]
            finished[index] = each.finish(known) if len(known) == len(after) else None
        else:
            finished[index] = each
    return finished
