"""Where the time of a run goes: images, prompts, new tokens, and what is not the model."""

from __future__ import annotations

import functools
import time
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

PARTS = ("vision", "prefill", "decode", "rest")


class Parts:
    """Times the passes of a model on the CPU, told apart by how many tokens they read."""

    def __init__(self, model: Any) -> None:
        """Time this model; nothing is timed before `measured`."""
        self._model = model
        self._spent = dict.fromkeys(PARTS, 0.0)
        self.last_s = 0.0
        """Seconds that the last run took."""

    @contextmanager
    def measured(self) -> Iterator[None]:
        """Time a run; several add up."""
        before = sum(self._spent.values())
        with self._hooked():
            began = time.perf_counter()
            yield
            self.last_s = time.perf_counter() - began
        self._spent["rest"] += self.last_s - (sum(self._spent.values()) - before)

    def shares(self) -> Mapping[str, float]:
        """Return the share of each part in all runs."""
        total = sum(self._spent.values())
        return {part: spent / total for part, spent in self._spent.items()}

    @contextmanager
    def _hooked(self) -> Iterator[None]:
        """Put clocks around the model's forward pass, and around what it makes of images."""
        base = self._model.base_model
        encode, forward = base.get_image_features, self._model.forward

        @functools.wraps(encode)
        def timed_encode(*args: Any, **kwargs: Any) -> Any:
            began = time.perf_counter()
            features = encode(*args, **kwargs)
            self._spent["vision"] += time.perf_counter() - began
            return features

        @functools.wraps(forward)
        def timed_forward(*args: Any, **kwargs: Any) -> Any:
            ids = kwargs["input_ids"]
            part = "decode" if ids.shape[1] == 1 else "prefill"
            began, vision = time.perf_counter(), self._spent["vision"]
            output = forward(*args, **kwargs)
            self._spent[part] += time.perf_counter() - began - (self._spent["vision"] - vision)
            return output

        base.get_image_features, self._model.forward = timed_encode, timed_forward
        try:
            yield
        finally:
            del base.get_image_features, self._model.forward
