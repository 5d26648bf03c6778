"""From a structured prompt to the messages of the protocol, images included."""

from __future__ import annotations

import base64
import io
import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.samples import ImageSource
from pytest_vlmrobust.models.dialects import Dialect, PrefillPlace, Turns
from pytest_vlmrobust.remote.findings import Prefill

if TYPE_CHECKING:
    from PIL.Image import Image as PILImage

Message = Mapping[str, Any]

MOST_PIXELS = 2048 * 2048
"""The largest image that is sent, in pixels; a larger one is made smaller, its shape kept."""

IMAGE_FORMAT = f"PNG, at most {MOST_PIXELS} pixels"
"""How images are sent, for reports and keys."""

_ASKED_OPEN = "Begin your reply with exactly the following text, as your own, and think on from there:"
_ASKED_CLOSED = "Begin your reply with exactly the following text, as your own, and then answer at once:"


@dataclass(frozen=True, kw_only=True)
class Chat:
    """A prompt in words.

    Attributes:
        prompt: what is asked.
        system: the system turn, or "".
        user: the text of the user's turn; the images stand before it.
        prefill: what the assistant's turn is begun with, or "".
        approximate: whether the user's turn asks for a beginning that the assistant's turn cannot be given.
    """

    prompt: Prompt
    system: str
    user: str
    prefill: str
    approximate: bool

    @property
    def where(self) -> str:
        """How a message names it."""
        return f"sample {self.prompt.sample_id!r} under {self.prompt.condition!r}"


class Chats:
    """Words prompts for one server.

    Args:
        dialect: words question, options and prefill.
        prefill: whether and how the assistant's turn can be begun.
    """

    def __init__(self, dialect: Dialect, prefill: Prefill) -> None:
        """Encode no image yet."""
        self._dialect = dialect
        self._prefill = prefill
        self._sample: str | None = None
        self._images: dict[int, tuple[ImageSource, Message]] = {}

    def word(self, prompt: Prompt) -> Chat:
        """Word a prompt; where no turn can be begun, the thought is asked for in the user's turn.

        Servers go on with a turn of the assistant's only: what belongs behind the template's
        generation prompt cannot be put there.
        """
        turns: Turns = self._dialect.render(prompt)
        user, prefill = turns.user, turns.prefill
        here = self._prefill.works and turns.place is PrefillPlace.TURN
        asked = bool(prefill) and not here
        if asked:
            user = f"{user}\n{_ASKED_CLOSED if prompt.thought_closed else _ASKED_OPEN}\n{prefill}"
            prefill = ""
        return Chat(prompt=prompt, system=turns.system, user=user, prefill=prefill, approximate=asked)

    def messages(self, chat: Chat, *, reply: str = "") -> list[Message]:
        """Write a chat as messages, its images as data URIs.

        Args:
            chat: the chat.
            reply: the beginning of the model's own reply, to have it gone on with.

        Raises:
            DataError: an image cannot be read.
        """
        parts = [self._part(chat.prompt.sample_id, image) for image in chat.prompt.images]
        messages: list[Message] = [{"role": "user", "content": [*parts, {"type": "text", "text": chat.user}]}]
        if chat.system:
            messages.insert(0, {"role": "system", "content": chat.system})
        if chat.prefill or reply:
            beginning = chat.prefill + reply
            messages.append({"role": "assistant", "content": beginning, **self._prefill.message})
        return messages

    def _part(self, sample_id: str, image: ImageSource) -> Message:
        """Encode an image once for all prompts of a sample, which come side by side."""
        if sample_id != self._sample:
            self._sample, self._images = sample_id, {}
        if id(image) not in self._images:  # the image is kept beside it, so that the id stays its own
            self._images[id(image)] = (image, image_part(image.load()))
        return self._images[id(image)][1]


def image_part(image: PILImage) -> Message:
    """Write an image as a part of a message: PNG, which loses nothing, in a data URI."""
    pixels = image.width * image.height
    if pixels > MOST_PIXELS:
        ratio = math.sqrt(MOST_PIXELS / pixels)
        image = image.resize((max(1, int(image.width * ratio)), max(1, int(image.height * ratio))))
    file = io.BytesIO()
    image.convert("RGB").save(file, format="PNG")
    data = base64.b64encode(file.getvalue()).decode("ascii")
    return {"type": "image_url", "image_url": {"url": f"data:image/png;base64,{data}"}}


def small_image() -> Sequence[Message]:
    """Draw what servers are tried with: a red square and a blue disc on white."""
    from PIL import Image, ImageDraw

    image = Image.new("RGB", (112, 112), "white")
    draw = ImageDraw.Draw(image)
    draw.rectangle((10, 30, 50, 70), fill=(220, 20, 30))
    draw.ellipse((60, 40, 100, 80), fill=(20, 60, 220))
    return [image_part(image)]
