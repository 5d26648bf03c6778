"""How each model family is asked and read.

A dialect is data: what stands in the system turn, what follows the options, and the tags
around a thought and an answer. `render` turns a structured prompt into the turns of a chat.
"""

from __future__ import annotations

from dataclasses import dataclass, field

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import ReplyFormat
from pytest_vlmrobust.errors import unknown_name


@dataclass(frozen=True, kw_only=True)
class Turns:
    """A chat up to the point where the model goes on.

    Attributes:
        system: the system turn, or "" for none.
        user: the text of the user's turn; the images stand before it.
        prefill: the start of the assistant's turn, or "".
    """

    system: str
    user: str
    prefill: str


@dataclass(frozen=True, kw_only=True)
class Dialect:
    """How one family of models is asked, and how its replies are laid out.

    Attributes:
        name: the name that the report shows.
        system: the system turn, or "".
        instruction: a last line of the user's turn that asks for thought and letter, or "".
        reply: the tags of the reply.
    """

    name: str
    system: str = ""
    instruction: str = ""
    reply: ReplyFormat = field(default_factory=ReplyFormat)

    def render(self, prompt: Prompt) -> Turns:
        """Word a prompt for this family."""
        lines = [f"Caption: {prompt.caption}"] if prompt.caption else []
        lines.append(prompt.question)
        lines += [
            f"{letter}. {choice}" for letter, choice in zip(prompt.letters, prompt.choices, strict=True)
        ]
        if self.instruction:
            lines.append(self.instruction)
        prefill = ""
        if prompt.thought:
            prefill = self.reply.think_open + prompt.thought
            if prompt.thought_closed:
                prefill += self.reply.think_close
        return Turns(system=self.system, user="\n".join(lines), prefill=prefill)


PLAIN = Dialect(
    name="plain",
    instruction=(
        "Look at the image and reason step by step inside <think> and </think>. "
        "Then give the letter of the right option, and nothing else, inside <answer> and </answer>."
    ),
)
BARE = Dialect(name="bare")
"""Question and options alone, for models that reason unasked."""

DIALECTS = {dialect.name: dialect for dialect in (PLAIN, BARE)}


def get_dialect(name: str) -> Dialect:
    """Look a dialect up.

    Raises:
        UsageError: there is none of this name.
    """
    try:
        return DIALECTS[name]
    except KeyError:
        raise unknown_name("dialect", name, DIALECTS) from None
