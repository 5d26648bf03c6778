"""What loading the plugin imports: nothing that a session without model tests would have to pay for."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path

import pytest

HEAVY = {
    "numpy",
    "PIL",
    "torch",
    "transformers",
    "scipy",
    "tqdm",
    "safetensors",
    "tokenizers",
    "huggingface_hub",
    "sqlite3",
    "platformdirs",
    "openai",
    "tenacity",
    "asyncio",
}

LOADED = {
    "pytest_vlmrobust",
    "pytest_vlmrobust.errors",
    "pytest_vlmrobust.options",
    "pytest_vlmrobust.options.layers",
    "pytest_vlmrobust.options.parsers",
    "pytest_vlmrobust.options.table",
    "pytest_vlmrobust.options.writing",
    "pytest_vlmrobust.plugin",
    "pytest_vlmrobust.plugin.collection",
    "pytest_vlmrobust.plugin.comparing",
    "pytest_vlmrobust.plugin.fixtures",
    "pytest_vlmrobust.plugin.marks",
    "pytest_vlmrobust.plugin.running",
    "pytest_vlmrobust.plugin.state",
    "pytest_vlmrobust.plugin.workers",
}
"""Every module of this package that a session loads when no test concerns a model."""

SPY = """
import json, pathlib, sys, pytest

class Spy:
    @pytest.hookimpl(trylast=True)
    def pytest_unconfigure(self, config):
        pathlib.Path("modules.json").write_text(json.dumps(sorted(sys.modules)))

sys.exit(pytest.main(sys.argv[1:], plugins=[Spy()]))
"""


def modules_after(folder: Path, *arguments: str) -> set[str]:
    """The modules that a pytest session in another process has loaded by its very end."""
    environment = {**os.environ, "PYTEST_DISABLE_PLUGIN_AUTOLOAD": "1"}
    command = [sys.executable, "-c", SPY, "-p", "pytest_vlmrobust.plugin", *arguments]
    subprocess.run(command, cwd=folder, env=environment, check=True, capture_output=True)
    loaded: list[str] = json.loads((folder / "modules.json").read_text(encoding="utf-8"))
    return set(loaded)


@pytest.mark.parametrize("arguments", [(), ("--co",), ("--fixtures",), ("--vlm-limit=3",)])
def test_a_session_without_model_tests_loads_nothing_heavy(
    pytester: pytest.Pytester, arguments: tuple[str]
) -> None:
    pytester.makepyfile("def test_other(tmp_path): pass")
    loaded = modules_after(pytester.path, *arguments)
    assert not HEAVY & {name.partition(".")[0] for name in loaded}
    assert {name for name in loaded if name.partition(".")[0] == "pytest_vlmrobust"} == LOADED


def test_checking_names_loads_nothing_heavy_either(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_other(): pass")
    options = ("--vlm-conditions=controls", "--vlm-dataset=shapes", "--vlm-judge=rules")
    loaded = modules_after(pytester.path, *options)
    assert not HEAVY & {name.partition(".")[0] for name in loaded}


def test_a_scripted_model_needs_no_torch(stage: pytest.Pytester) -> None:
    stage.makepyfile("def test_model(vlm_run): pass")
    loaded = modules_after(stage.path, "--vlm-model=stage:grounded")
    assert not {"torch", "transformers"} & loaded
    assert "numpy" in loaded  # what is measured is measured
