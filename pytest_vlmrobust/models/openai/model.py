"""A model behind a server of chat completions."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from itertools import chain
from typing import TYPE_CHECKING

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import ReplyFormat
from pytest_vlmrobust.keys import content_key
from pytest_vlmrobust.models.base import Answer, ModelInfo
from pytest_vlmrobust.models.checkpoint import DEFAULT_MAX_NEW_TOKENS
from pytest_vlmrobust.models.dialects import PLAIN, Dialect, match_name
from pytest_vlmrobust.models.openai.chats import IMAGE_FORMAT, Chats, small_image
from pytest_vlmrobust.models.openai.conversation import Conversation
from pytest_vlmrobust.models.reply_keys import ImageDigests
from pytest_vlmrobust.models.server_identity import identity
from pytest_vlmrobust.remote.client import ChatClient
from pytest_vlmrobust.remote.findings import Findings
from pytest_vlmrobust.remote.options import RemoteOptions
from pytest_vlmrobust.remote.probe import Tags, probe
from pytest_vlmrobust.remote.spec import ServerSpec

if TYPE_CHECKING:
    from pytest_vlmrobust.store import Store

SERVER_VERSION = 1
"""Raised whenever the same reply may be asked for or read otherwise, and no other part of a key tells."""


class OpenAIModel:
    """A model behind a server, asked greedily with several requests in flight. Made by `load`.

    Replies come one by one, in the order in which the server is done with them.
    """

    def __init__(
        self,
        client: ChatClient,
        findings: Findings,
        *,
        weights: str,
        dialect: Dialect,
        max_new_tokens: int,
        options: RemoteOptions,
    ) -> None:
        """Ask nothing yet; see `load`."""
        self._client = client
        self._findings = findings
        self._weights = weights
        self._dialect = dialect
        self._max_new_tokens = max_new_tokens
        self._chats = Chats(dialect, findings.prefill)
        self._conversation = Conversation(
            client,
            findings,
            self._chats,
            dialect,
            max_new_tokens=max_new_tokens,
            budget=options.budget,
        )
        self._digests = ImageDigests()
        self._facts = self._key_facts()

    @classmethod
    def load(
        cls,
        spec: str,
        *,
        max_new_tokens: int | None = None,
        dialect: Dialect | None = None,
        options: RemoteOptions | None = None,
        store: Store | None = None,
    ) -> OpenAIModel:
        """Find out what a server does, by some ten short requests.

        Args:
            spec: ``openai:MODEL@URL``.
            max_new_tokens: the most tokens of a reply; by default what the dialect says, else 512.
            dialect: how prompts are worded; by default what the model's name tells, else ``plain``.
            options: how many requests at once, for how long, at what cost.
            store: knows the weights behind the server's name again by their replies.

        Raises:
            UsageError: the spec is wrong, or costs are limited and the server counts no tokens.
            CostLimitError: the limit of costs does not allow the requests.
            ModelError: the server cannot be reached, refuses the key, does not serve the model, or refuses
                an image.
        """
        options, server = options or RemoteOptions(), ServerSpec.parse(spec)
        dialect = dialect or match_name(server.model) or PLAIN
        max_new_tokens = max_new_tokens or dialect.max_new_tokens or DEFAULT_MAX_NEW_TOKENS
        client = ChatClient(
            server,
            concurrency=options.concurrency,
            timeout_s=options.timeout_s,
            total_s=options.total_s,
            backoff_s=options.backoff_s,
            most_tokens=max_new_tokens,
            budget=options.budget,
        )
        try:
            tags = Tags(think_open=dialect.reply.think_open, think_close=dialect.reply.closing)
            findings = probe(client, small_image(), tags, options.budget)
            weights = identity(
                store, server, text=findings.text, logprobs=findings.logprobs, root=findings.root
            )
        except BaseException:
            client.close()
            raise
        return cls(
            client,
            findings,
            weights=weights,
            dialect=dialect,
            max_new_tokens=max_new_tokens,
            options=options,
        )

    @property
    def info(self) -> ModelInfo:
        """Provenance: address, name, and what the server was seen to do; no server tells a digest."""
        lines = self._findings.lines()
        reason = (
            f"prefill {lines['prefill']}; log-probabilities {lines['logprobs']}; stop strings {lines['stop']}"
            f"{'; reasoning hidden' if self._findings.reasoning == 'hidden' else ''}"
        )
        return ModelInfo(
            spec=str(self._client.server),
            details={
                "class": type(self).__name__,
                "server": self._client.server.base_url,
                **self._dialect.details(),
                "max_new_tokens": str(self._max_new_tokens),
                "image_format": IMAGE_FORMAT,
                "known_by": self._weights,
                **lines,
                "path": "server",
                "path_reason": reason,
            },
        )

    @property
    def reply_format(self) -> ReplyFormat:
        """The dialect's layout."""
        return self._dialect.reply

    def reply_key(self, prompt: Prompt) -> str:
        """Return the key of the reply to a prompt: address, name, what the server does, messages, images."""
        chat = self._chats.word(prompt)
        return content_key(
            "reply",
            self._facts,
            [chat.system, chat.user, chat.prefill],
            prompt.choices,
            self._digests.of(prompt),
        )

    def answer(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        """Answer every prompt, each as soon as the server is done with it.

        Raises:
            ModelError: the server refuses every request, or does not reply any more.
            CostLimitError: the limit of costs does not allow a further request.
            DataError: an image cannot be opened.
        """
        return chain.from_iterable(self.answer_batches(prompts))

    def answer_batches(self, prompts: Sequence[Prompt]) -> Iterator[Sequence[tuple[int, Answer]]]:
        """Answer every prompt; each answer is a batch of its own, since no reply depends on another.

        Raises:
            ModelError: as `answer`.
            CostLimitError: as `answer`.
            DataError: as `answer`.
        """
        for answered in self._conversation.answers(prompts):
            yield [answered]

    def close(self) -> None:
        """Close all connections."""
        self._client.close()

    def _key_facts(self) -> list[str]:
        """Return everything that all replies depend on, as lines of ``name=value``."""
        return [
            f"version={SERVER_VERSION}",
            f"server={self._client.server}",
            f"weights={self._weights}",
            f"max_new_tokens={self._max_new_tokens}",
            f"images={IMAGE_FORMAT}",
            *self._findings.key_lines(),
            *self._dialect.reply.lines(),
        ]
