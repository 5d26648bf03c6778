"""The picture of docs/gates.md is drawn from the functions that decide."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from types import ModuleType
from xml.etree import ElementTree as ET

TOOL = Path(__file__).parents[2] / "tools" / "gates_picture.py"


def tool() -> ModuleType:
    spec = importlib.util.spec_from_file_location("gates_picture", TOOL)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


def test_the_picture_is_up_to_date_and_shows_every_verdict() -> None:
    drawn = tool().draw()
    assert tool().PICTURE.read_text(encoding="utf-8") == drawn
    texts = [node.text for node in ET.fromstring(drawn).iter() if node.tag.endswith("text")]
    assert [texts.count(verdict) for verdict in ("pass", "inconclusive", "fail")] == [4, 3, 3]
