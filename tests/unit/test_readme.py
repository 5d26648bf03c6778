"""What the README says is what the code does."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from pytest_vlmrobust.conditions import CONDITION_SETS, registered_conditions
from pytest_vlmrobust.options import SETTINGS, options_table

README = Path(__file__).resolve().parents[2] / "README.md"
TEXT = README.read_text(encoding="utf-8")


def test_the_options_table_is_the_one_that_the_code_makes() -> None:
    shown = TEXT.split("<!-- options: begin -->\n")[1].split("<!-- options: end -->")[0]
    assert shown == options_table(), "run: make table"
    rows = [re.findall(r"^\| `(--vlm-[a-z-]+)", row) for row in shown.splitlines()[2:]]
    assert rows == [[setting.flag] for setting in SETTINGS]


def test_every_option_that_is_named_exists() -> None:
    flags = {setting.flag for setting in SETTINGS}
    assert set(re.findall(r"--vlm-[a-z-]+", TEXT)) <= flags


@pytest.mark.parametrize("name", [*registered_conditions(), *CONDITION_SETS])
def test_every_built_in_condition_is_described(name: str) -> None:
    assert f"`{name}`" in TEXT


def test_every_link_to_a_file_leads_somewhere() -> None:
    links = re.findall(r"\]\((?!https?:)([^)#]+)\)", TEXT)
    assert links
    for link in links:
        assert (README.parent / link).exists(), link


@pytest.mark.parametrize("number", range(TEXT.count("```python")))
def test_every_block_of_python_compiles(number: int) -> None:
    block = TEXT.split("```python\n")[number + 1].split("```")[0]
    compile(block, f"README block {number}", "exec")


@pytest.mark.parametrize("page", ["README.md", "pytest_vlmrobust/models/bundled/README.md"])
def test_nothing_between_markers_is_left_empty(page: str) -> None:
    text = (README.parent / page).read_text(encoding="utf-8")
    blocks = re.findall(r"<!-- (\w+): begin -->\n(.*?)<!-- \1: end -->", text, re.DOTALL)
    assert blocks
    for name, block in blocks:
        assert len(block) > 200, name
