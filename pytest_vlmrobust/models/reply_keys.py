"""The key of a reply: everything it depends on, by content."""

from __future__ import annotations

import importlib.metadata
from collections.abc import Sequence

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.samples import ImageSource
from pytest_vlmrobust.keys import content_key
from pytest_vlmrobust.models.base import ModelInfo
from pytest_vlmrobust.models.chat import ChatRenderer
from pytest_vlmrobust.models.checkpoint import ModelOptions
from pytest_vlmrobust.models.dialects import Dialect

ENGINE_VERSION = 1
"""Raised whenever the same model may reply differently for a reason that no other part of a key tells.

A reply holds the probabilities of the letters too, at the step where its reader finds the answer.
"""

LIBRARIES = ("torch", "torchvision", "transformers", "tokenizers", "pillow")
"""The libraries whose versions a reply depends on: they compute it, and prepare text and image for it."""

KEY_DETAILS = ("device", "dtype", "path")
"""The details of a model's provenance that keys are made of."""


class ReplyKeys:
    """Gives the keys of one model's replies.

    A key depends on the weights and the files beside them, on the libraries, the kind of device, the
    type of the numbers and the way they are computed, on the settings of generation, on the exact text of
    the chat and on the images' content. Names have no part in it: neither the model's nor the
    condition's nor the sample's.

    Args:
        info: a loaded model's provenance, or what is remembered of it.
        options: how the model is run.
        renderer: words a prompt.
        dialect: lays out the reply, which tells where generation stops.
    """

    def __init__(
        self, info: ModelInfo, options: ModelOptions, renderer: ChatRenderer, dialect: Dialect
    ) -> None:
        """Write down what is the same for every reply."""
        self._facts = content_key("model", key_facts(info, options, dialect))
        self._renderer = renderer
        self._images = ImageDigests()

    def __call__(self, prompt: Prompt) -> str:
        """Return the key of the reply to a prompt.

        Raises:
            ModelError: the chat template cannot render the prompt.
            DataError: an image cannot be read.
        """
        row = self._renderer.render(prompt)
        # The letters are watched one for each choice, which the text alone does not tell for certain.
        return content_key(
            "reply", self._facts, row.text, row.prefill, prompt.choices, self._images.of(prompt)
        )


def key_facts(info: ModelInfo, options: ModelOptions, dialect: Dialect) -> list[str]:
    """Return everything that all replies of a model depend on, as lines of ``name=value``.

    Args:
        info: the model's provenance; its details name at least device, dtype and path.
        options: how it is run.
        dialect: lays out its replies, and limits them where the options do not.
    """
    dtype = info.details["dtype"]
    # Rows of float32 do not see their batch mates; coarser numbers are rounded by the shape of the batch.
    batch = "any" if dtype == "float32" else str(options.batch_size or "auto")
    return [
        f"engine={ENGINE_VERSION}",
        f"digest={info.digest}",
        f"device={info.details['device'].partition(':')[0]}",
        f"dtype={dtype}",
        f"path={info.details['path']}",
        f"batch={batch}",
        f"max_new_tokens={options.limit(dialect)}",
        *dialect.reply.lines(),
        *library_versions(),
    ]


def library_versions(names: Sequence[str] = LIBRARIES) -> list[str]:
    """Return libraries with their versions, as ``name=version``, without importing them.

    A library that is not installed has an empty version.
    """
    return [f"{name}={_version(name)}" for name in names]


def _version(name: str) -> str:
    try:
        return importlib.metadata.version(name)
    except importlib.metadata.PackageNotFoundError:
        return ""


class ImageDigests:
    """Digests of the images of one sample at a time: its prompts come side by side and share them."""

    def __init__(self) -> None:
        self._sample: str | None = None
        self._known: dict[int, tuple[ImageSource, str]] = {}

    def of(self, prompt: Prompt) -> list[str]:
        """Return the digest of each of a prompt's images.

        Raises:
            DataError: an image cannot be read.
        """
        if prompt.sample_id != self._sample:
            self._sample, self._known = prompt.sample_id, {}
        return [self._digest(image) for image in prompt.images]

    def _digest(self, image: ImageSource) -> str:
        key = id(image)  # the image is kept beside it, so that the id stays its own
        if key not in self._known:
            self._known[key] = (image, image.digest())
        return self._known[key][1]
