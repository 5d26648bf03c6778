"""Print the options table of the README, or with --write put it there."""

from __future__ import annotations

import sys
from pathlib import Path

from pytest_vlmrobust.options import options_table

README = Path(__file__).resolve().parent.parent / "README.md"
BEGIN, END = "<!-- options: begin -->\n", "<!-- options: end -->"


def main() -> None:
    """Replace what stands between the markers."""
    if "--write" not in sys.argv[1:]:
        print(options_table(), end="")
        return
    head, _, rest = README.read_text(encoding="utf-8").partition(BEGIN)
    _, _, tail = rest.partition(END)
    README.write_text(f"{head}{BEGIN}{options_table()}{END}{tail}", encoding="utf-8")


if __name__ == "__main__":
    main()
