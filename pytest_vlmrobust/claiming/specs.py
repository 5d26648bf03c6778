"""What may be named as a writer of claims, and what it loads: a language model as judges use them."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_vlmrobust.claiming.writer import MAX_TOKENS, ClaimWriter
from pytest_vlmrobust.errors import UsageError

if TYPE_CHECKING:
    from pytest_vlmrobust.judges.texts import LocalOptions
    from pytest_vlmrobust.remote.options import RemoteOptions
    from pytest_vlmrobust.store import Store

_HOW = "a writer of claims is one folder or hub id of a language model, or openai:MODEL@URL"


def check_writer_spec(spec: str) -> None:
    """Refuse a spec that names no language model; nothing is loaded and no server asked.

    Raises:
        UsageError: it names none, or more than one.
    """
    from pytest_vlmrobust.judges.specs import RULES, check_judge_spec

    if spec == RULES:
        raise UsageError(f"{spec!r} writes no claims: without a writer the rules word them; {_HOW}")
    if "," in spec:
        raise UsageError(f"claim writer {spec!r}: name one; {_HOW}")
    try:
        check_judge_spec(spec)
    except UsageError as error:
        raise UsageError(
            f"{str(error).partition('. ')[0].replace('judge', 'claim writer', 1)}; {_HOW}"
        ) from None


def load_writer(
    spec: str,
    *,
    local: LocalOptions | None = None,
    remote: RemoteOptions | None = None,
    store: Store | None = None,
) -> ClaimWriter:
    """Make the writer that a spec names. The model is loaded, or its server asked, with its first claim.

    Args:
        spec: a folder, a hub id, or ``openai:MODEL@URL``.
        local: how language models are run here.
        remote: how servers are asked.
        store: where claims are kept, and what is remembered of models: digests of large files, replies that
            tell a server's weights.

    Raises:
        UsageError: as `check_writer_spec`.
    """
    from pytest_vlmrobust.judges.texts import LocalOptions, LocalText
    from pytest_vlmrobust.remote.options import RemoteOptions
    from pytest_vlmrobust.remote.spec import ServerSpec, is_server_spec

    check_writer_spec(spec)
    if is_server_spec(spec):
        from pytest_vlmrobust.judges.served import ServedText

        served = ServedText(
            server=ServerSpec.parse(spec),
            options=remote or RemoteOptions(),
            free=True,
            max_tokens=MAX_TOKENS,
            store=store,
        )
        return ClaimWriter(model=served, store=store)
    options = local or LocalOptions()
    text = LocalText(name=spec, options=options, store=store, free=True, max_tokens=MAX_TOKENS)
    return ClaimWriter(model=text, store=store)
