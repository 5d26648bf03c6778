"""Who may import whom, read from the source, so that no room grows a door that it should not have."""

from __future__ import annotations

import ast
import doctest
import importlib
import pkgutil
from collections.abc import Iterator
from pathlib import Path

import pytest

import pytest_vlmrobust
import pytest_vlmrobust.conditions.registry
import pytest_vlmrobust.datasets.registry
from pytest_vlmrobust import conditions, datasets

ROOT = Path(pytest_vlmrobust.__file__).parent
FILES = sorted(path for path in ROOT.rglob("*.py"))
PROTOCOLS = ("models/base.py", "judges/base.py")


def imports(path: Path, *, top_level: bool = False) -> Iterator[str]:
    """Name every module that a file imports, but for those it imports for type checkers only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    hidden = {
        id(inner)
        for node in ast.walk(tree)
        if isinstance(node, ast.If) and ast.unparse(node.test) == "TYPE_CHECKING"
        for inner in ast.walk(node)
    }
    nodes = tree.body if top_level else ast.walk(tree)
    for node in nodes:
        if id(node) in hidden:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{path}: relative import"
            yield node.module or ""


def room(path: Path) -> str:
    return path.relative_to(ROOT).as_posix()


def outsiders(names: Iterator[str], module: str) -> set[str]:
    return {name for name in names if name == module or name.startswith(f"{module}.")}


@pytest.mark.parametrize("path", FILES, ids=room)
def test_an_arrow_points_the_allowed_way(path: Path) -> None:
    where, used = room(path), set(imports(path))
    if not where.startswith("models/transformers/"):
        for library in ("torch", "transformers"):
            assert not outsiders(iter(used), library), f"{where} imports {library}"
    if not where.startswith("remote/"):
        for library in ("openai", "tenacity", "httpx"):
            assert not outsiders(iter(used), library), f"{where} imports {library}"
    else:
        rooms = ("pytest_vlmrobust.core", "pytest_vlmrobust.errors", "pytest_vlmrobust.remote")
        assert all(name.startswith(rooms) for name in used if name.startswith("pytest_vlmrobust."))
    if not where.startswith(("plugin/", "options/", "suite/")):
        assert not outsiders(iter(used), "pytest"), f"{where} imports pytest"
    if not where.startswith(("plugin/", "suite/")):
        assert not outsiders(iter(used), "pytest_vlmrobust.plugin"), f"{where} imports the plugin"
    if where.startswith("core/"):
        own = {name for name in used if name.startswith("pytest_vlmrobust.")}
        assert all(name.startswith(("pytest_vlmrobust.core", "pytest_vlmrobust.errors")) for name in own)
        for outside in ("PIL", "os", "pathlib", "time", "random.seed", "datetime", "sqlite3"):
            assert not outsiders(iter(used), outside), f"{where} imports {outside}"
    if where in PROTOCOLS:
        own = {name for name in used if name.startswith("pytest_vlmrobust.")}
        assert all(name.startswith(("pytest_vlmrobust.core", "pytest_vlmrobust.errors")) for name in own)


def test_the_rule_would_see_a_wrong_arrow(tmp_path: Path) -> None:
    file = tmp_path / "wrong.py"
    file.write_text("def late() -> None:\n    import torch.nn\n", encoding="utf-8")
    assert outsiders(imports(file), "torch") == {"torch.nn"}


def modules() -> list[str]:
    found = pkgutil.walk_packages([str(ROOT)], prefix="pytest_vlmrobust.")
    return sorted(info.name for info in found if not info.name.endswith("suite.conftest"))


@pytest.mark.parametrize("name", modules())
def test_examples_in_docstrings_are_true(name: str) -> None:
    kinds = (conditions.registry, datasets.registry)
    before = [dict(kind._REGISTRY) for kind in kinds]
    try:
        result = doctest.testmod(importlib.import_module(name), optionflags=doctest.NORMALIZE_WHITESPACE)
    finally:  # what an example registers is gone afterwards
        for kind, kept in zip(kinds, before, strict=True):
            for added in set(kind._REGISTRY) - set(kept):
                kind.unregister(added)
    assert result.failed == 0
