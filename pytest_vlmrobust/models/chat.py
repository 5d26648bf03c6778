"""From a structured prompt to the text that a model reads, by the model's own chat template."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.errors import ModelError, gist
from pytest_vlmrobust.models.dialects import Dialect, Turns


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
    """The part of a processor that words a chat."""

    def apply_chat_template(self, conversation: list[dict[str, Any]], **options: Any) -> str:
        """Render the turns of a chat as one text."""
        ...


class ChatRenderer:
    """Renders prompts for one model.

    Args:
        processor: has the chat template.
        dialect: words question, options and prefill.
        template: a template to use instead of the processor's own, or None.
        name: how messages name the model.

    Raises:
        ModelError: the template loses the image or the text of the user's turn.
    """

    def __init__(self, processor: ChatTemplate, dialect: Dialect, *, template: str | None, name: str) -> None:
        """Try the template on a chat, so that a useless one shows before any prompt is run."""
        self._processor = processor
        self._dialect = dialect
        self._options: dict[str, Any] = {"tokenize": False}
        if template is not None:
            self._options["chat_template"] = template
        self._name = name
        probe = Turns(system=dialect.system, user="Which is it?", prefill="")
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
        return text

    def _apply(self, turns: Turns, images: int) -> str:
        user = [*({"type": "image"} for _ in range(images)), {"type": "text", "text": turns.user}]
        chat: list[dict[str, Any]] = [{"role": "user", "content": user}]
        if turns.system:
            chat.insert(0, {"role": "system", "content": [{"type": "text", "text": turns.system}]})
        if not turns.prefill:
            return self._processor.apply_chat_template(chat, add_generation_prompt=True, **self._options)
        chat.append({"role": "assistant", "content": [{"type": "text", "text": turns.prefill}]})
        return self._processor.apply_chat_template(chat, continue_final_message=True, **self._options)
