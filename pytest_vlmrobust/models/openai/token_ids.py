"""Ids of tokens by their text, from servers that tokenize on demand."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vlmrobust.remote.client import ChatClient


class TokenIds:
    """Asks a server for the id of each text once."""

    def __init__(self, client: ChatClient) -> None:
        """Ask nothing yet."""
        self._client = client
        self._known: dict[str, int | None] = {}
        self._offered = True

    def of(self, texts: Sequence[str]) -> list[int] | None:
        """Return the id of each text; None where the server tells none, or writes one in several tokens."""
        ids = [self._id(text) for text in texts]
        return None if None in ids else [index for index in ids if index is not None]

    def _id(self, text: str) -> int | None:
        if text not in self._known and self._offered:
            server = self._client.server
            body = {"model": server.model, "prompt": text, "add_special_tokens": False}
            document = self._client.post(f"{server.root}/tokenize", body)
            tokens = document.get("tokens") if isinstance(document, dict) else None
            self._offered = isinstance(tokens, list)
            single = isinstance(tokens, list) and len(tokens) == 1 and isinstance(tokens[0], int)
            self._known[text] = tokens[0] if single and isinstance(tokens, list) else None
        return self._known.get(text)
