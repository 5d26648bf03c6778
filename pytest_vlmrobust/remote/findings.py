"""What was found out about a server by asking it."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Prefill:
    """Whether the assistant's turn can be begun for the model, so that it goes on from there.

    Attributes:
        way: how it is asked for; "" where no way was seen to work.
        fields: fields of the request's body that ask for it.
        message: fields of the assistant's message that ask for it.
        echoes: whether replies repeat the beginning before they go on.
        evidence: how that was seen, or what happened instead.
    """

    way: str = ""
    fields: Mapping[str, Any] = field(default_factory=dict)
    message: Mapping[str, Any] = field(default_factory=dict)
    echoes: bool = False
    evidence: str = ""

    @property
    def works(self) -> bool:
        """Whether a way was seen to work."""
        return bool(self.way)

    def __str__(self) -> str:
        """Say it in a line."""
        return f"continued ({self.way}; {self.evidence})" if self.works else f"none ({self.evidence})"


@dataclass(frozen=True, kw_only=True)
class Findings:
    """What a server does, as it was seen.

    Attributes:
        model: the model that the server says has replied, or "".
        root: where the server says that it has the weights from, or "".
        limit: the field that limits the length of a reply.
        greedy: whether a temperature of 0 is taken.
        counts: whether replies come with numbers of tokens.
        prefill: whether the assistant's turn can be begun.
        top: how many candidates each token comes with; 0 where log-probabilities are of no use.
        top_evidence: how that was seen, or what came instead.
        stop: fields of the request's body that end a reply at a stop string, but for the string; None where
            it does not end there.
        stop_evidence: how that was seen, or what happened instead.
        reasoning: "apart", "hidden", or "" where none was seen apart from the text.
        image_tokens: tokens that an image adds to the prompt, or None where that is not known.
        text: a greedy reply to a fixed prompt: another model will hardly give the same.
        logprobs: the log-probabilities of its tokens, or ().
    """

    model: str = ""
    root: str = ""
    limit: str = "max_tokens"
    greedy: bool = True
    counts: bool = False
    prefill: Prefill = field(default_factory=Prefill)
    top: int = 0
    top_evidence: str = ""
    stop: Mapping[str, Any] | None = None
    stop_evidence: str = ""
    reasoning: str = ""
    image_tokens: int | None = None
    text: str = ""
    logprobs: tuple[float, ...] = ()

    def settings(self, max_tokens: int) -> dict[str, Any]:
        """Return the fields that every request for a greedy reply has."""
        return {self.limit: max_tokens, **({"temperature": 0} if self.greedy else {})}

    def key_lines(self) -> list[str]:
        """Return what decides how a server is asked, as lines of ``name=value``; evidence has no part."""
        prefill = self.prefill
        ways = [prefill.way, dict(prefill.fields), dict(prefill.message), prefill.echoes]
        stop = None if self.stop is None else dict(self.stop)
        return [
            f"served_model={self.model}",
            f"settings={json.dumps(self.settings(0), sort_keys=True)}",
            f"prefill={json.dumps(ways, sort_keys=True)}",
            f"top={self.top}",
            f"stop={json.dumps(stop, sort_keys=True)}",
        ]

    def lines(self) -> dict[str, str]:
        """Say all of it in words; the fixed prompt's reply is left out."""
        images = "not told" if self.image_tokens is None else f"{self.image_tokens} tokens for a small one"
        reasoning = {"apart": "returned apart", "hidden": "hidden"}
        candidates = f"top {self.top}" if self.top else "none"
        return {
            "served_model": self.model or "not told",
            "prefill": str(self.prefill),
            "logprobs": f"{candidates} ({self.top_evidence})",
            "stop": f"{'not used' if self.stop is None else 'honored'} ({self.stop_evidence})",
            "reasoning": reasoning.get(self.reasoning, "in the text, if any"),
            "images": images,
            "token_counts": "yes" if self.counts else "no",
            "sampling": f"{'greedy' if self.greedy else 'temperature 0 is refused'}, {self.limit}",
        }
