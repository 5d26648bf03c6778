"""A saved folder's chat template, rendered by jinja2 alone: neither torch nor transformers is needed.

The rules are those of transformers' chat templates: a sandbox, block tags that take their line with
them, ``break`` and ``continue``, a ``generation`` tag, and the same few functions. A template is a
stranger's code: it sees plain text, lists and dicts, and nothing that it could reach Python through.
"""

from __future__ import annotations

import functools
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from pathlib import Path
from typing import Any, NoReturn

from jinja2 import Template, nodes
from jinja2.exceptions import SecurityError, TemplateError
from jinja2.ext import Extension, loopcontrols
from jinja2.parser import Parser
from jinja2.sandbox import ImmutableSandboxedEnvironment
from jinja2.utils import Namespace

Chat = Sequence[Mapping[str, Any]]
"""Turns of a chat: each has a ``role``, and a ``content`` that is a list of texts and images."""

_CUT = "CONTINUE_FINAL_MESSAGE_TAG "
_DEFAULT = "default"


@dataclass(frozen=True, kw_only=True)
class FolderTemplate:
    """A saved folder's chat template; made by `find`.

    Attributes:
        source: the template's text.
        variables: what it may use beside the chat: the tokenizer's special tokens, by name.

    Raises:
        jinja2.TemplateSyntaxError: the text is no template.
    """

    source: str
    variables: Mapping[str, str] = field(default_factory=dict)

    def __post_init__(self) -> None:
        """Compile it, so that one that cannot be used shows at once."""
        _ = self._compiled

    @classmethod
    def find(cls, folder: Path) -> FolderTemplate | None:
        """Read the chat template that a folder's processor, or else its tokenizer, would use.

        It may stand in processor_config.json, chat_template.json, chat_template.jinja or
        tokenizer_config.json; of named ones, the one named ``default`` counts.

        Returns:
            The template, or None when there is none that can be read and compiled here.
        """
        tokenizer = _json_object(folder / "tokenizer_config.json")
        source = _find_source(folder, tokenizer)
        if source is None:
            return None
        try:
            return cls(source=source, variables=_special_tokens(folder, tokenizer))
        except Exception:  # whatever ails it, the processor meets it too, and says so
            return None

    def apply_chat_template(
        self, conversation: Chat, *, add_generation_prompt: bool = False, continue_final_message: bool = False
    ) -> str:
        """Render the turns of a chat as one text.

        Args:
            conversation: the turns.
            add_generation_prompt: open an assistant's turn at the end.
            continue_final_message: end the text where the text of the last turn ends, so that the model
                goes on with it.

        Raises:
            jinja2.TemplateError: the template fails, refuses the chat, or reaches out of its sandbox.
            ValueError: the last turn cannot be continued, since the template drops or alters it.
        """
        if not continue_final_message:
            return self._render(conversation, add_generation_prompt=add_generation_prompt)
        if "content" not in self.source:
            raise ValueError("the chat template does not use the content of a turn")
        marked, last = _marked(conversation)
        text = self._render(marked, add_generation_prompt=add_generation_prompt)
        place = text.rfind(_CUT.strip())
        if place < 0 or last.strip() not in text:
            raise ValueError("the chat template drops or alters the turn that is to be continued")
        whole = text.startswith(_CUT, place)
        return text[:place] if whole else text[:place].rstrip()  # trimmed: spaces before the end went too

    def _render(self, conversation: Chat, *, add_generation_prompt: bool) -> str:
        return self._compiled.render(
            messages=conversation,
            tools=None,
            documents=None,
            add_generation_prompt=add_generation_prompt,
            **self.variables,
        )

    @functools.cached_property
    def _compiled(self) -> Template:
        template = _environment().from_string(self.source)
        template.globals = dict(
            template.globals
        )  # copied for each chat, and a chain of dicts is slow to copy
        return template


def default_template(templates: object) -> str | None:
    """Return the template that counts where one or several named ones may be given, or None.

    >>> default_template([{"name": "rag", "template": "r"}, {"name": "default", "template": "d"}])
    'd'
    """
    if isinstance(templates, list | tuple):
        templates = {
            entry.get("name"): entry.get("template") for entry in templates if isinstance(entry, Mapping)
        }
    if isinstance(templates, Mapping):
        templates = templates.get(_DEFAULT)
    return templates if isinstance(templates, str) else None


def _find_source(folder: Path, tokenizer: Mapping[str, Any]) -> str | None:
    for name in ("processor_config.json", "chat_template.json"):
        found = _json_object(folder / name).get("chat_template")
        if found is not None:
            return default_template(found)
    try:
        return (folder / "chat_template.jinja").read_text(encoding="utf-8")
    except (OSError, UnicodeDecodeError):
        return default_template(tokenizer.get("chat_template"))


def _json_object(path: Path) -> dict[str, Any]:
    """Read a JSON object; an absent or broken file is empty here, and refused when the model is loaded."""
    try:
        content = json.loads(path.read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return content if isinstance(content, dict) else {}


def _special_tokens(folder: Path, tokenizer: Mapping[str, Any]) -> dict[str, str]:
    """Return special tokens by name, as the tokenizer knows them."""
    entries = dict(tokenizer)
    if "added_tokens_decoder" not in entries:  # as old folders are
        entries |= _json_object(folder / "special_tokens_map.json")
    named = entries.get("extra_special_tokens")
    if isinstance(named, dict):
        entries |= named
    texts = {
        name: value.get("content") if isinstance(value, dict) else value
        for name, value in entries.items()
        if name.endswith("_token")
    }
    return {name: text for name, text in texts.items() if isinstance(text, str)}


def _marked(conversation: Chat) -> tuple[list[Mapping[str, Any]], str]:
    """Return the chat with a mark behind the last text of its last turn, and that text without the mark."""
    *before, final = conversation
    parts = list(final["content"])
    index = max((i for i, part in enumerate(parts) if "text" in part), default=None)
    if index is None:
        raise ValueError("the last turn has no text to continue")
    text: str = parts[index]["text"]
    parts[index] = {**parts[index], "text": text + _CUT}
    return [*before, {**final, "content": parts}], text


@functools.cache
def _environment() -> ImmutableSandboxedEnvironment:
    environment = ImmutableSandboxedEnvironment(
        trim_blocks=True, lstrip_blocks=True, extensions=[_Generation, loopcontrols]
    )
    environment.filters["tojson"] = _to_json
    environment.globals.update(
        raise_exception=_raise_exception, strftime_now=_strftime_now, dict=_Dict(), namespace=_Namespace
    )
    return environment


class _Generation(Extension):
    """``{% generation %}`` marks what a model said, for training; here it shows what it encloses."""

    tags: set[str] = {"generation"}  # noqa: RUF012 - the base class says so

    def parse(self, parser: Parser) -> nodes.Node:
        """Make the tag a scope: variables set inside end with it."""
        line = next(parser.stream).lineno
        body = parser.parse_statements(("name:endgeneration",), drop_needle=True)
        return nodes.Scope(body).set_lineno(line)


class _Dict:
    """The ``dict`` of templates: by the type itself, ``dict.update(messages[0], …)`` changes the chat."""

    def __call__(self, *args: Any, **kwargs: Any) -> dict[Any, Any]:
        return dict(*args, **kwargs)

    def fromkeys(self, *args: Any) -> dict[Any, Any]:
        return dict.fromkeys(*args)


class _Namespace(Namespace):
    """Variables of a template. A name such as ``__html__`` would be called from outside of the sandbox."""

    def __init__(self, /, *args: Any, **kwargs: Any) -> None:
        values = dict(*args, **kwargs)
        for name in values:
            _check_variable(name)
        super().__init__(values)

    def __setitem__(self, name: str, value: Any) -> None:
        _check_variable(name)
        super().__setitem__(name, value)


def _check_variable(name: object) -> None:
    if str(name).startswith("_"):
        raise SecurityError(f"a chat template may not set {name!r}: the name begins with an underscore")


def _to_json(
    value: Any,
    ensure_ascii: bool = False,
    indent: int | None = None,
    separators: tuple[str, str] | None = None,
    sort_keys: bool = False,
) -> str:
    """Return JSON as it is: jinja2's own filter would write ``<`` as an escape, for web pages."""
    return json.dumps(
        value, ensure_ascii=ensure_ascii, indent=indent, separators=separators, sort_keys=sort_keys
    )


def _raise_exception(message: str) -> NoReturn:
    raise TemplateError(message)


def _strftime_now(format: str) -> str:
    return datetime.now().strftime(format)
