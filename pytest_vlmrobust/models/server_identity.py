"""Which model is behind a name: servers tell no digest of weights, so its replies to fixed prompts tell it.

Other weights served under the same name, as a next checkpoint often is, would else be given the old
weights' replies or verdicts from the store.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from pytest_vlmrobust.keys import content_key
from pytest_vlmrobust.remote.spec import ServerSpec

if TYPE_CHECKING:
    from pytest_vlmrobust.store import Store

NOISE = 0.05
"""How far log-probabilities of the same weights may lie apart, by the noise of computing in batches."""


def identity(
    store: Store | None, server: ServerSpec, *, text: str, logprobs: Sequence[float], root: str = ""
) -> str:
    """Return a digest that stands for the weights behind a server's name.

    Two sessions get the same one where the same prompts have the same greedy replies, to the letter, and the
    log-probabilities of their tokens agree but for noise.

    Args:
        store: remembers the replies of earlier sessions; None, and only equal log-probabilities are known
            again.
        server: the server.
        text: the replies.
        logprobs: the log-probabilities of their tokens, as far as the server gives any.
        root: where the server says that it has the weights from, or "".

    Raises:
        StoreError: the store is damaged.
    """
    here: dict[str, Any] = {"text": text, "logprobs": [round(p, 4) for p in logprobs]}
    key = content_key("model", "server", str(server), root)
    while store is not None:
        known = store.read([key]).get(key)
        if known is None:
            store.write("model", {key: json.dumps(here)})
            break
        if _same(_read(known), here):
            break
        key = content_key("model", key)
    return key if store is not None else content_key("model", key, json.dumps(here))


def _read(text: str) -> dict[str, Any]:
    try:
        document = json.loads(text)
    except ValueError:
        return {}
    return document if isinstance(document, dict) else {}


def _same(known: dict[str, Any], here: dict[str, Any]) -> bool:
    before, now = known.get("logprobs"), here["logprobs"]
    return known.get("text") == here["text"] and isinstance(before, list) and _close(before, now)


def _close(before: Sequence[object], now: Sequence[float]) -> bool:
    return len(before) == len(now) and all(
        isinstance(old, int | float) and abs(old - new) <= NOISE for old, new in zip(before, now, strict=True)
    )
