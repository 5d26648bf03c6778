"""Judge specs: what a user may write for a judge, and what it loads.

======================  =============================================================================
``rules``               the judge without a model
``PATH``                a folder with a language model and its tokenizer, loaded by transformers
``ORGANIZATION/MODEL``  the same on the hub, with ``@REVISION`` to pin one
``openai:MODEL@URL``    a language model behind a server that speaks the OpenAI protocol
``SPEC,SPEC,...``       several of these: a panel, which judges by majority
======================  =============================================================================
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

from pytest_vlmrobust.errors import UsageError, unknown_name
from pytest_vlmrobust.judges.base import Closable, Judge
from pytest_vlmrobust.judges.panel import Panel
from pytest_vlmrobust.judges.rules import RuleJudge

if TYPE_CHECKING:
    from pytest_vlmrobust.judges.texts import LocalOptions
    from pytest_vlmrobust.remote.options import RemoteOptions
    from pytest_vlmrobust.store import Store

RULES = "rules"
_HOW = (
    "A judge is named as rules, as a folder or hub id ('organization/model') of a language model, as "
    "openai:MODEL@URL, or as several of these, separated by commas"
)


def check_judge_spec(spec: str) -> None:
    """Refuse a spec that names no judge; nothing is loaded and no server asked.

    Args:
        spec: see the table of this module.

    Raises:
        UsageError: a part is empty, named twice, or names no judge, folder or server; near misses are listed.
    """
    parts = _parts(spec)
    for part in parts:
        _check_part(part)
    for part in parts:
        if parts.count(part) > 1:
            raise UsageError(f"judge {part!r} is named twice: on a panel its vote would count double")


def load_judge(
    spec: str,
    *,
    local: LocalOptions | None = None,
    remote: RemoteOptions | None = None,
    store: Store | None = None,
) -> Judge:
    """Make the judge that a spec names. A language model is loaded, or its server asked, with its first case.

    Args:
        spec: see the table of this module.
        local: how language models are run here.
        remote: how servers are asked.
        store: remembers the digests of large files, and knows the weights behind a server again.

    Raises:
        UsageError: as `check_judge_spec`.

    >>> load_judge("rules").name
    'rules'
    """
    check_judge_spec(spec)
    judges = [_load(part, local, remote, store) for part in _parts(spec)]
    return judges[0] if len(judges) == 1 else Panel(judges)


def close_judge(judge: Judge) -> None:
    """Free what a judge that was loaded here holds: a model's memory, or connections."""
    for member in judge.members if isinstance(judge, Panel) else (judge,):
        if isinstance(member, Closable):
            member.close()


def _parts(spec: str) -> list[str]:
    return [part.strip() for part in spec.split(",")]


def _check_part(part: str) -> None:
    from pytest_vlmrobust.models.folders import is_hub_id
    from pytest_vlmrobust.remote.spec import JUDGE_KEY_VARIABLES, check_server_spec, is_server_spec

    if not part:
        raise UsageError(f"judge spec is empty, or a part of it is. {_HOW}")
    path = Path(part).expanduser()
    if part == RULES:
        return
    if is_server_spec(part):
        check_server_spec(part, JUDGE_KEY_VARIABLES)
    elif path.is_file():
        raise UsageError(f"judge {part!r} is a file: name the folder that holds config.json and the weights")
    elif not path.is_dir() and not (is_hub_id(part) and not path.parent.is_dir()):
        near = unknown_name("judge", part, [RULES])
        raise UsageError(f"judge {part!r}: no such folder. {_HOW}" if "/" in part else f"{near}. {_HOW}")


def _load(part: str, local: LocalOptions | None, remote: RemoteOptions | None, store: Store | None) -> Judge:
    if part == RULES:
        return RuleJudge()
    from pytest_vlmrobust.judges.llm import LanguageModelJudge
    from pytest_vlmrobust.judges.texts import LocalOptions, LocalText
    from pytest_vlmrobust.remote.options import RemoteOptions
    from pytest_vlmrobust.remote.spec import ServerSpec, is_server_spec

    if not is_server_spec(part):
        return LanguageModelJudge(LocalText(name=part, options=local or LocalOptions(), store=store))
    from pytest_vlmrobust.judges.served import ServedText

    options = remote or RemoteOptions()
    return LanguageModelJudge(ServedText(server=ServerSpec.parse(part), options=options, store=store))
