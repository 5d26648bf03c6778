"""From what a server sent back to the text that is read."""

from __future__ import annotations

from dataclasses import dataclass

from pytest_vlmrobust.core.replies import ReplyFormat
from pytest_vlmrobust.models.openai.chats import Chat
from pytest_vlmrobust.remote.wire import Completion


@dataclass(frozen=True, kw_only=True)
class Written:
    """A reply as the model has written it.

    Attributes:
        text: the reply, up to the end of its answer.
        said: the part of it that a server calls the message, with whatever follows the answer.
        lead: where that part begins in the text.
        complete: whether the answer is closed.
    """

    text: str
    said: str
    lead: int
    complete: bool


def written(came: Completion, chat: Chat, layout: ReplyFormat, *, echoes: bool) -> Written:
    """Put a reply together: reasoning that came apart is its thought; after its answer it ends.

    Args:
        came: what the server sent.
        chat: what was asked.
        layout: the tags of a thought.
        echoes: whether the server repeats what the turn was begun with.
    """
    said = came.text
    if echoes and chat.prefill and said.startswith(chat.prefill):
        said = said[len(chat.prefill) :]
    lead = ""
    if came.reasoning and chat.prefill and chat.prompt.thought_closed:
        said = came.reasoning + said  # a server that looks for the end of a thought takes the answer for one
    elif came.reasoning:
        lead = came.reasoning if chat.prefill else layout.think_open + came.reasoning
        lead += layout.closing if said.strip() else ""
    text = lead + said
    end = answer_end(chat.prefill + text, len(chat.prefill), layout)
    whole = text if end is None else text[: end - len(chat.prefill)]
    return Written(text=whole, said=said, lead=len(lead), complete=end is not None)


def hides_reasoning(came: Completion) -> bool:
    """Whether the model has reasoned, and the server keeps it back."""
    return came.reasoning_tokens > 0 and not came.reasoning


def answer_end(text: str, start: int, layout: ReplyFormat) -> int | None:
    """Find where an answer is closed for the first time, outside of a thought.

    Args:
        text: prefill and reply.
        start: length of the prefill, which closes no answer.
        layout: the tags.

    >>> answer_end("<think>not </answer> yet</think><answer>B</answer> and so on", 0, ReplyFormat())
    50
    """
    thinking = layout.think_preopened
    for tag, _, end in layout.tags(text):
        if tag in ("think_open", "think_close"):
            thinking = tag == "think_open"
        elif tag == "answer_close" and not thinking and end > start:
            return end
    return None


def stopped_within_thought(came: Completion, chat: Chat, text: str, layout: ReplyFormat) -> bool:
    """Whether a stop string may have ended a reply that only talked about its answer.

    Args:
        came: what the server sent.
        chat: what was asked.
        text: the reply's text.
        layout: the tags.
    """
    if came.finish != "stop" or (came.stopped_by and came.stopped_by != layout.answer_close):
        return False
    tags = [tag for tag, _, _ in layout.tags(chat.prefill + text) if tag.startswith("think")]
    thinking = tags[-1] == "think_open" if tags else layout.think_preopened
    return thinking and not came.reasoning
