"""Print the table of docs/dialects.md, or with --write put it there."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

from pytest_vlmrobust.models.dialects import Dialect
from pytest_vlmrobust.models.dialects.families import FAMILIES

PAGE = Path(__file__).resolve().parent.parent / "docs" / "dialects.md"
BEGIN, END = "<!-- dialects: begin -->\n", "<!-- dialects: end -->"


def table() -> str:
    """Return the table in Markdown."""
    return "".join(f"{line}\n" for line in _lines())


def _lines() -> Iterator[str]:
    yield "| dialect | for | system turn | question and options | instruction | thought | answer | limit |"
    yield "|---|---|---|---|---|---|---|---|"
    for known in FAMILIES:
        cells = [
            f"`{known.name}`",
            known.summary,
            _words(known.system),
            _layout(known),
            _words(known.instruction),
            _thought(known),
            _answer(known),
            str(known.max_new_tokens or ""),
        ]
        yield f"| {' | '.join(cells)} |"


def _words(text: str) -> str:
    return f"`{text}`" if text else ""  # as code: tags in prose would be taken for HTML


def _layout(known: Dialect) -> str:
    user = known.user
    lines = [user.question, user.options, user.option.replace("{letter}", "A").replace("{text}", "…")]
    return " ⏎ ".join(f"`{line}`" for line in lines if line)


def _thought(known: Dialect) -> str:
    if not known.reply.tagged:
        return f"no tags, up to `{known.reply.answer_lead}`"
    opened = ", opened by the template" if known.reply.think_preopened else ""
    return f"`{known.reply.think_open}` … `{known.reply.think_close}`{opened}"


def _answer(known: Dialect) -> str:
    lead = f"`{known.reply.answer_lead}` " if known.reply.answer_lead else ""
    what = {"letter": "the letter", "text": "the option's text", "boxed": "`\\boxed{letter}`"}[
        known.reply.answer
    ]
    words = known.system + known.instruction
    tagged = not words or known.reply.answer_open in words  # without any words it is what was trained
    return f"{lead}{what}" + (f" in `{known.reply.answer_open}`" if tagged else "")


def main() -> None:
    """Replace what stands between the markers."""
    if "--write" not in sys.argv[1:]:
        print(table(), end="")
        return
    head, _, rest = PAGE.read_text(encoding="utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    PAGE.write_text(f"{head}{BEGIN}{table()}{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
