"""Adapting a dialect to what a model's chat template does by itself."""

from __future__ import annotations

from dataclasses import replace
from typing import Any, Protocol

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import ReplyFormat
from pytest_vlmrobust.models.dialects.wording import Dialect, PrefillPlace

_PROBE = "Which of the two is larger?"
_TAGGED = ReplyFormat()
_TRIAL = Prompt(
    sample_id="trial",
    condition="trial",
    images=(),
    question=_PROBE,
    choices=("the left one", "the right one"),
    thought="Okay.",
)


class Template(Protocol):
    """Words a chat; see `models.chat.ChatTemplate`."""

    def apply_chat_template(
        self,
        conversation: list[dict[str, Any]],
        *,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
    ) -> str:
        """Render the turns of a chat as one text."""
        ...


def fitted(dialect: Dialect, template: Template) -> Dialect:
    """Return the dialect as it goes with a chat template.

    A template that opens a thought leaves no opening tag to the model; one that brings a system turn
    which names the tags is what the model was trained with; one that words a turn of the assistant's
    otherwise than it has the model speak gets the prefill behind what has it speak. What was adapted
    stands in ``fit``.

    Args:
        dialect: the dialect.
        template: the model's chat template. One that cannot word a plain question leaves the dialect as it
            is: whoever asks a real one hears why.
    """
    try:
        text = template.apply_chat_template([_user(_PROBE)], add_generation_prompt=True)
    except Exception:
        return dialect
    before, asked, after = text.partition(_PROBE)
    if not asked:
        return dialect
    layout, notes = dialect.reply, []
    if not layout.tagged and opens_thought(after, _TAGGED):
        layout = replace(layout, think_open=_TAGGED.think_open, think_close=_TAGGED.think_close)
        dialect = replace(dialect, reply=layout, before_thought=None, after_thought=None)
    opened = opens_thought(after, layout)
    if opened:
        notes.append("the chat template opens the thought")
    elif _closes_thought(after):
        notes.append("the chat template has the model speak behind an empty thought")
    if opened != layout.think_preopened:
        layout = replace(layout, think_preopened=opened)
    system = dialect.system
    if system and dialect.yields_to_template and _names_thought(before, layout):
        system = ""
        notes.append("the chat template's own system turn")
    place = dialect.prefill
    if not opened and place is PrefillPlace.TURN and not _words_turns_alike(template, dialect, text):
        place = PrefillPlace.GENERATION_PROMPT
        notes.append("the prefill stands behind the generation prompt")
    if not notes and layout is dialect.reply:
        return dialect
    return replace(dialect, reply=layout, system=system, prefill=place, fit="; ".join(notes))


def _words_turns_alike(template: Template, dialect: Dialect, asked: str) -> bool:
    """Whether the assistant's turn that is left open begins as the generation prompt has it."""
    prompts = (replace(_TRIAL, thought_closed=closed) for closed in (False, True))
    for prefill in (
        "Okay.",
        *([] if dialect.word else (dialect.render(prompt).prefill for prompt in prompts)),
    ):
        turn = {"role": "assistant", "content": [{"type": "text", "text": prefill}]}
        try:
            text = template.apply_chat_template([_user(_PROBE), turn], continue_final_message=True)
        except Exception:  # what a template cannot word so has to stand behind the generation prompt
            return False
        if not text.endswith(prefill) or text[: -len(prefill)].rstrip() != asked.rstrip():
            return False
    return True


def _closes_thought(text: str) -> bool:
    tags = [tag for tag, _, _ in _TAGGED.tags(text)]
    return bool(tags) and tags[-1] == "think_close"


def opens_thought(text: str, layout: ReplyFormat) -> bool:
    r"""Tell whether a text ends within a thought, as a generation prompt may.

    >>> opens_thought("<|im_start|>assistant\n<think>\n", ReplyFormat())
    True
    """
    tags = [tag for tag in layout.tags(text) if tag[0].startswith("think")]
    return bool(tags) and tags[-1][0] == "think_open" and not text[tags[-1][2] :].strip()


def _names_thought(text: str, layout: ReplyFormat) -> bool:
    return any(tag == "think_open" for tag, _, _ in layout.tags(text))


def _user(text: str) -> dict[str, Any]:
    return {"role": "user", "content": [{"type": "image"}, {"type": "text", "text": text}]}
