"""Language models that are known as judges, and the switches that each of them needs."""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from typing import Any


@dataclass(frozen=True, kw_only=True)
class Switches:
    """How a language model is to be asked so that it replies with one word.

    Attributes:
        family: what it is, for the report.
        max_tokens: the most tokens of a reply, a thought of the judge's own included.
        template: further arguments of its chat template.
        request: further fields of a request to a server.
        after: what the model writes before the reply proper, special tokens and all; "" where the reply is
            all that it writes.
        thinks: True where it always thinks before it replies: its output cannot be held to a menu then.
    """

    family: str
    max_tokens: int
    template: Mapping[str, Any] = field(default_factory=dict)
    request: Mapping[str, Any] = field(default_factory=dict)
    after: str = ""
    thinks: bool = False


@dataclass(frozen=True)
class _Known:
    names: re.Pattern[str]
    types: tuple[str, ...]
    switches: Switches


_ONE_WORD = 32
_SHORT_THOUGHT = 2048

UNKNOWN = Switches(family="", max_tokens=1024)
"""For any other model: room for a thought, should it have one."""

_TABLE = (
    # Qwen3 thinks unless told otherwise. Releases that only think, or never do, are named after it.
    _Known(
        re.compile(r"qwen3-(?!.*thinking).*"),
        ("qwen3", "qwen3_moe"),
        Switches(
            family="Qwen3, thinking off",
            max_tokens=_ONE_WORD,
            template={"enable_thinking": False},
            request={"chat_template_kwargs": {"enable_thinking": False}},
        ),
    ),
    # GPT-OSS cannot be kept from thinking.
    _Known(
        re.compile(r"gpt-oss-.*"),
        ("gpt_oss",),
        Switches(
            family="GPT-OSS, low effort",
            max_tokens=_SHORT_THOUGHT,
            template={"reasoning_effort": "low"},
            request={"reasoning_effort": "low"},
            after="<|channel|>final<|message|>",
            thinks=True,
        ),
    ),
    _Known(
        re.compile(r"(meta-)?llama-3\.1-.*instruct.*"),
        (),  # its type is that of many others
        Switches(family="Llama 3.1 Instruct", max_tokens=_ONE_WORD),
    ),
)
"""The families of the three judges of Zhao et al. 2026: Qwen3-32B, GPT-OSS-120B, Llama-3.1-70B-Instruct."""


def switches_for(name: str, model_type: str = "") -> Switches:
    """Choose the switches of a model.

    Args:
        name: what a server or the hub calls it, such as "Qwen/Qwen3-32B"; or a path.
        model_type: what its config.json says, or "" where that is not known; it outweighs the name.

    >>> switches_for("Qwen/Qwen3-32B").family, switches_for("gpt-4o").family
    ('Qwen3, thinking off', '')
    """
    for known in _TABLE:
        if model_type and model_type in known.types:
            return known.switches
    own = name.rstrip("/").rpartition("/")[2].partition("@")[0].lower()
    for known in _TABLE:
        if known.names.fullmatch(own) and (not model_type or not known.types):
            return known.switches
    return UNKNOWN


def with_room(switches: Switches, max_tokens: int | None) -> Switches:
    """Give replies room for a number of tokens, where they have less; None leaves them as they are."""
    if max_tokens is None or switches.max_tokens >= max_tokens:
        return switches
    return replace(switches, max_tokens=max_tokens)
