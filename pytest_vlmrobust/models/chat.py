"""From a structured prompt to the text that a model reads, by the model's own chat template."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from dataclasses import dataclass, replace
from typing import Any, Protocol

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.errors import ModelError, gist
from pytest_vlmrobust.models.dialects import Dialect, PrefillPlace, Turns
from pytest_vlmrobust.models.templates import FolderTemplate, default_template


@dataclass(frozen=True, kw_only=True)
class Row:
    """One prompt as it goes into a batch.

    Attributes:
        prompt: what was asked.
        text: the whole chat up to where the model goes on, image placeholders not yet expanded.
        prefill: the end of ``text`` that counts as the model's own words, or "".
    """

    prompt: Prompt
    text: str
    prefill: str

    @property
    def where(self) -> str:
        """How a message names this row."""
        return f"sample {self.prompt.sample_id!r} under {self.prompt.condition!r}"


class ChatTemplate(Protocol):
    """Words a chat."""

    def apply_chat_template(
        self,
        conversation: list[dict[str, Any]],
        *,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
    ) -> str:
        """Render the turns of a chat as one text, which opens the assistant's turn or leaves it open."""
        ...


class ProcessorTemplate:
    """The chat template of a loaded processor.

    Args:
        processor: a processor of transformers.
        own: the template, or several named ones, to use instead of the processor's; None for those.
    """

    def __init__(self, processor: Any, own: object = None) -> None:
        """Find out which of several named templates counts."""
        self._processor = processor
        self._options: dict[str, Any] = {"tokenize": False}
        self.source = default_template(own or getattr(processor, "chat_template", None))
        if own is not None:
            self._options["chat_template"] = self.source

    def apply_chat_template(
        self,
        conversation: list[dict[str, Any]],
        *,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
    ) -> str:
        """Render the turns of a chat as one text."""
        text: str = self._processor.apply_chat_template(
            conversation,
            add_generation_prompt=add_generation_prompt,
            continue_final_message=continue_final_message,
            **self._options,
        )
        return text


def choose_template(theirs: ProcessorTemplate, ours: FolderTemplate | None) -> ChatTemplate:
    """Return our rendering of a folder's template, or the processor's where the two differ.

    Only ours can be had without loading the processor. It is taken if it has the same source and renders
    the same text for chats that try what templates make differences for.
    """
    if ours is None or ours.source != theirs.source:
        return theirs
    if any(_attempt(ours, chat) != _attempt(theirs, chat) for chat in _trial_chats()):
        return theirs
    return ours


def _attempt(template: ChatTemplate, chat: list[dict[str, Any]]) -> str | None:
    open_turn = chat[-1]["role"] == "assistant"
    try:
        return template.apply_chat_template(
            chat, add_generation_prompt=not open_turn, continue_final_message=open_turn
        )
    except Exception:  # that a chat is refused is a result too
        return None


def _trial_chats() -> Iterator[list[dict[str, Any]]]:
    users = ("Which is it?\nA. left\nB. right", ' "1 < 2" & caf\u00e9 \U0001f600 <image> ')
    prefills = ("", "<think>Okay.</think>", "<think>It's ", " <think>\n")
    systems = ("", "Look closely. ")
    for images, user, prefill, system in itertools.product((1, 2), users, prefills, systems):
        yield _chat(Turns(system=system, user=user, prefill=prefill), images)


def _chat(turns: Turns, images: int) -> list[dict[str, Any]]:
    user = [*({"type": "image"} for _ in range(images)), {"type": "text", "text": turns.user}]
    chat: list[dict[str, Any]] = [{"role": "user", "content": user}]
    if turns.system:
        chat.insert(0, {"role": "system", "content": [{"type": "text", "text": turns.system}]})
    if turns.prefill:
        chat.append({"role": "assistant", "content": [{"type": "text", "text": turns.prefill}]})
    return chat


class ChatRenderer:
    """Renders prompts for one model.

    Args:
        template: the model's chat template.
        dialect: words question, options and prefill.
        name: how messages name the model.

    Raises:
        ModelError: the template loses the image or the text of the user's turn.
    """

    def __init__(self, template: ChatTemplate, dialect: Dialect, *, name: str) -> None:
        """Try the template on a chat, so that a useless one shows before any prompt is run."""
        self._template = template
        self._dialect = dialect
        self._name = name
        system = "" if dialect.system_in_user else dialect.system
        probe = Turns(system=system, user="Which is it?", prefill="")
        if self._checked(probe, images=1) == self._without_image(probe):
            raise ModelError(
                f"model {name!r}: its chat template leaves images out, so the model would never see one"
            )

    def render(self, prompt: Prompt) -> Row:
        """Word a prompt.

        Raises:
            ModelError: the template drops or alters the system turn, the user's text or the prefill.
        """
        turns = self._dialect.render(prompt)
        text = self._checked(turns, images=len(prompt.images), condition=prompt.condition)
        return Row(prompt=prompt, text=text, prefill=turns.prefill)

    def _without_image(self, turns: Turns) -> str | None:
        try:
            return self._apply(turns, 0)
        except Exception:  # a template that cannot do without an image does not leave it out
            return None

    def _checked(self, turns: Turns, *, images: int, condition: str = "") -> str:
        try:
            text = self._apply(turns, images)
        except Exception as error:
            raise ModelError(
                f"model {self._name!r}: its chat template cannot render "
                f"{f'the condition {condition!r}' if condition else 'a chat with an image'} ({gist(error)})"
                f"{self._advice(turns, images)}"
            ) from error
        for turn, wanted in (("system", turns.system), ("user", turns.user)):
            if wanted.strip() not in text:
                raise ModelError(
                    f"model {self._name!r}: its chat template drops or alters the {turn} turn {wanted!r}"
                )
        if not text.endswith(turns.prefill):
            raise ModelError(
                f"model {self._name!r}: its chat template does not leave the assistant's turn open after "
                f"{turns.prefill!r} (condition {condition!r}); it ends in {text[-80:]!r}"
            )
        if turns.prefill and turns.place is PrefillPlace.TURN:
            self._check_turn(turns, text[: -len(turns.prefill)], images)
        return text

    def _check_turn(self, turns: Turns, before: str, images: int) -> None:
        """Refuse a prefill that stands behind something else than the model's own words would."""
        asked = self._apply(replace(turns, prefill=""), images)
        if before.rstrip() != asked.rstrip():
            raise ModelError(
                f"model {self._name!r}: its chat template words an assistant's turn that is left open as "
                f"{before[-60:]!r}, but has the model speak behind {asked[-60:]!r}: set prefill to "
                f'"generation prompt" in the dialect {self._dialect.name!r}'
            )

    def _advice(self, turns: Turns, images: int) -> str:
        """Say what to do where it is the system turn that a template refuses."""
        try:
            self._apply(replace(turns, system=""), images)
        except Exception:
            return ""
        return (
            "; it takes no system turn: set system_in_user to put the system text of the dialect "
            f"{self._dialect.name!r} into the user's turn"
        )

    def _apply(self, turns: Turns, images: int) -> str:
        if turns.place is PrefillPlace.GENERATION_PROMPT:
            asked = _chat(replace(turns, prefill=""), images)
            return self._template.apply_chat_template(asked, add_generation_prompt=True) + turns.prefill
        return self._template.apply_chat_template(
            _chat(turns, images),
            add_generation_prompt=not turns.prefill,
            continue_final_message=bool(turns.prefill),
        )
