"""What a dialect is made of, and how it turns a structured prompt into the turns of a chat."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field, fields, replace
from enum import StrEnum
from typing import TYPE_CHECKING

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import ReplyFormat
from pytest_vlmrobust.errors import UsageError, VlmRobustError, gist
from pytest_vlmrobust.keys import content_key

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

NAME = re.compile(r"[a-z0-9]+([.-][a-z0-9]+)*")
"""Names of dialects."""


class PrefillPlace(StrEnum):
    """What the beginning of the assistant's turn is put behind.

    ``TURN``: the chat template words a turn of the assistant's, which is left open.
    ``GENERATION_PROMPT``: what the template ends in to have the model speak; for templates that word a
    thought of an earlier turn otherwise than one that is under way.
    """

    TURN = "turn"
    GENERATION_PROMPT = "generation prompt"


@dataclass(frozen=True, kw_only=True)
class Turns:
    """A chat up to the point where the model goes on.

    Attributes:
        system: the system turn, or "" for none.
        user: the text of the user's turn; the images stand before it.
        prefill: the start of the assistant's turn, or "".
        place: what the prefill is put behind.
    """

    system: str
    user: str
    prefill: str
    place: PrefillPlace = PrefillPlace.TURN


@dataclass(frozen=True, kw_only=True)
class UserTurn:
    """The lines of the user's turn: caption, question, options, in this order.

    Attributes:
        caption: the line of a caption, with ``{caption}`` in its place; left out when there is none.
        question: the line of the question, with ``{question}``.
        options: a line before the options, or "".
        option: the line of an option, with ``{letter}`` and ``{text}``.

    Raises:
        UsageError: a place is missing.
    """

    caption: str = "Caption: {caption}"
    question: str = "{question}"
    options: str = ""
    option: str = "{letter}. {text}"

    def __post_init__(self) -> None:
        """Refuse lines that would leave something out."""
        for name, places in _PLACES.items():
            missing = [place for place in places if getattr(self, name).count(place) != 1]
            if missing:
                raise UsageError(
                    f"user.{name} is {getattr(self, name)!r}: it has to hold {' and '.join(places)}, "
                    "each once"
                )

    def lines(self, prompt: Prompt) -> Iterator[str]:
        """Word a prompt, line by line."""
        if prompt.caption:
            yield self.caption.replace("{caption}", prompt.caption)
        yield self.question.replace("{question}", prompt.question)
        if self.options:
            yield self.options
        for letter, choice in zip(prompt.letters, prompt.choices, strict=True):
            before, _, after = self.option.partition("{text}")
            yield before.replace("{letter}", letter) + choice + after.replace("{letter}", letter)


_PLACES = {"caption": ("{caption}",), "question": ("{question}",), "option": ("{letter}", "{text}")}


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How one family of models is asked, and how its replies are laid out.

    Attributes:
        name: the name that reports show: lower case words and numbers, joined by hyphens or dots.
        summary: what it is for, in one line.
        system: the system turn, or "".
        system_in_user: True to put ``system`` before the user's text, for chat templates without a
            system turn.
        yields_to_template: True to leave ``system`` out where the chat template has a system turn
            of its own that names the tags of a thought: it is what the model was trained with.
        user: the lines of the user's turn.
        instruction: a last line of the user's turn that asks for thought and letter, or "".
        reply: the tags and the answers of a reply.
        before_thought: what a planted thought is begun with; None for the opening tag alone.
        after_thought: what a complete planted thought is ended with; None for the closing tag alone, or
            for what announces the answer where thoughts have no tags.
        prefill: what a planted thought is put behind.
        max_new_tokens: the most tokens of a reply unless the user says otherwise, or None.
        word: words prompts in place of system, user, instruction and thought, or None; see `dialect`.
        fit: what was adapted to a model's chat template, for the report; made by `fitted`.

    Raises:
        UsageError: the name is malformed, or the parts contradict each other.
    """

    name: str
    summary: str = ""
    system: str = ""
    system_in_user: bool = False
    yields_to_template: bool = False
    user: UserTurn = field(default_factory=UserTurn)
    instruction: str = ""
    reply: ReplyFormat = field(default_factory=ReplyFormat)
    before_thought: str | None = None
    after_thought: str | None = None
    prefill: PrefillPlace = PrefillPlace.TURN
    max_new_tokens: int | None = None
    word: Callable[[Prompt], Turns] | None = None
    fit: str = ""

    def __post_init__(self) -> None:
        """Refuse parts that contradict each other."""
        if not NAME.fullmatch(self.name):
            raise UsageError(
                f"dialect name {self.name!r}: use lower case words and numbers joined by hyphens or dots, "
                "such as 'my-model-2.5'"
            )
        if self.max_new_tokens is not None and self.max_new_tokens < 1:
            raise UsageError(
                f"dialect {self.name!r}: max_new_tokens={self.max_new_tokens}: has to be 1 or more"
            )
        for name, tag in (("before_thought", "think_open"), ("after_thought", "think_close")):
            text = getattr(self, name)
            if text is not None and self.reply.tagged and [t for t, _, _ in self.reply.tags(text)] != [tag]:
                raise UsageError(
                    f"dialect {self.name!r}: {name}={text!r} has to hold the tag "
                    f"{getattr(self.reply, tag)!r} (reply.{tag}) once, and no other"
                )

    def render(self, prompt: Prompt) -> Turns:
        """Word a prompt for this family.

        Raises:
            UsageError: a function of the user's own failed, or left out the planted thought.
        """
        if self.word is not None:
            return self._unopened(self._complete(_worded(self.name, self.word, prompt), prompt))
        user = "\n".join([*self.user.lines(prompt), *([self.instruction] if self.instruction else ())])
        system = self.system
        if self.system_in_user and system:
            user, system = f"{system}\n\n{user}", ""
        return Turns(system=system, user=user, prefill=self._prefill(prompt), place=self._place)

    def _complete(self, turns: Turns, prompt: Prompt) -> Turns:
        """Refuse a function's prefill whose thought is not open or closed as the condition has it."""
        if not prompt.thought:
            return turns
        at = turns.prefill.index(prompt.thought)
        before, after = turns.prefill[:at], turns.prefill[at + len(prompt.thought) :]
        where = f"dialect {self.name!r} on sample {prompt.sample_id!r} under {prompt.condition!r}"
        if self.reply.tagged:
            opened = self.reply.think_preopened or self._last_tag(before) == "think_open"
            closed = self._last_tag(after) == "think_close"
        else:
            opened, closed = True, self.reply.last_lead(after) is not None
        if not opened:
            raise UsageError(f"{where} left out the tag {self.reply.think_open!r} before the planted thought")
        if closed is not prompt.thought_closed:
            what = "left out" if prompt.thought_closed else "put, though the thought is to go on,"
            raise UsageError(f"{where} {what} {self.reply.closing.strip()!r} behind the planted thought")
        return turns

    def _last_tag(self, text: str) -> str:
        tags = self.reply.tags(text)
        return tags[-1][0] if tags else ""

    def _unopened(self, turns: Turns) -> Turns:
        """Leave out the opening tag of a function's prefill where the chat template opens the thought."""
        if not self.reply.think_preopened:
            behind = PrefillPlace.GENERATION_PROMPT
            return replace(turns, place=behind) if self.prefill is behind else turns
        tags = self.reply.tags(turns.prefill)
        opened = bool(tags) and tags[0][0] == "think_open" and not turns.prefill[: tags[0][1]].strip()
        prefill = turns.prefill[tags[0][2] :].lstrip() if opened else turns.prefill
        return replace(turns, prefill=prefill, place=PrefillPlace.GENERATION_PROMPT)

    @property
    def _place(self) -> PrefillPlace:
        return PrefillPlace.GENERATION_PROMPT if self.reply.think_preopened else self.prefill

    def _prefill(self, prompt: Prompt) -> str:
        if not prompt.thought:
            return ""
        before = self.reply.think_open if self.before_thought is None else self.before_thought
        after = self.reply.closing if self.after_thought is None else self.after_thought
        opened = "" if self.reply.think_preopened else before
        return opened + prompt.thought + (after if prompt.thought_closed else "")

    def lines(self) -> list[str]:
        """Return what it consists of, as lines of ``name=value``, for keys; a function is what it words."""
        lines = [
            f"{part.name}={getattr(self, part.name)!r}" for part in fields(self) if part.name not in _APART
        ]
        if self.word is not None:
            lines += [f"word={self.render(prompt)!r}" for prompt in _TRIALS]
        return [*lines, *self.reply.lines()]

    def details(self) -> dict[str, str]:
        """Return what a model's provenance tells: the name, what was adapted, and a digest of the content."""
        told = {
            "dialect": self.name,
            "dialect_digest": content_key("model", "dialect", self.lines())[:_DIGITS],
        }
        return {**told, "dialect_fit": self.fit} if self.fit else told


_DIGITS = 16
_APART = ("name", "reply", "word", "summary", "fit")


class _TrialImage:
    """One gray pixel, for functions that look at the images."""

    def load(self) -> PILImage:
        from PIL import Image

        return Image.new("RGB", (1, 1), "gray")

    def digest(self) -> str:
        return "trial"

    def __repr__(self) -> str:
        return "trial"


_TRIALS = tuple(
    Prompt(
        sample_id="trial",
        condition="trial",
        images=(_TrialImage(),),
        question="Which one is larger?",
        choices=("the left one", "the right one"),
        caption=caption,
        thought=thought,
        thought_closed=closed,
    )
    for caption, thought, closed in (
        ("", "", False),
        ("It is.", "", False),
        ("", "It is.", False),
        ("", "It.", True),
    )
)


def _worded(name: str, word: Callable[[Prompt], Turns], prompt: Prompt) -> Turns:
    """Call a user's function, and see that it leaves nothing out."""
    where = f"dialect {name!r} on sample {prompt.sample_id!r} under {prompt.condition!r}"
    try:
        turns = word(prompt)
    except VlmRobustError:
        raise
    except Exception as error:
        raise UsageError(f"{where} failed ({gist(error)})") from error
    if not isinstance(turns, Turns):
        raise UsageError(
            f"{where} returned {type(turns).__name__}: it has to return Turns(system, user, prefill)"
        )
    for what, wanted, text in (
        ("question", prompt.question, turns.system + turns.user),
        ("caption", prompt.caption, turns.system + turns.user),
        ("thought", prompt.thought, turns.prefill),
    ):
        if wanted not in text:
            raise UsageError(f"{where} left out the {what} {wanted!r}")
    left = turns.system + "\0" + turns.user
    for text in (prompt.question, prompt.caption):
        left = left.replace(text, "\0", 1) if text else left
    for choice in sorted(prompt.choices, key=len, reverse=True):  # an option may be part of another
        if choice not in left:
            raise UsageError(f"{where} left out the option {choice!r}")
        left = left.replace(choice, "\0", 1)
    if turns.prefill and not prompt.thought:
        raise UsageError(f"{where} begins the reply with {turns.prefill!r}, and no thought was planted")
    return turns
