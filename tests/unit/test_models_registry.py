"""Model specs: which are refused, with what words, and what is loaded for the others."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from pytest_vlmrobust.errors import ModelError, UsageError
from pytest_vlmrobust.models import bundled
from pytest_vlmrobust.models.bundled import BUNDLED_MODELS, bundled_folder
from pytest_vlmrobust.models.folders import is_hub_id
from pytest_vlmrobust.models.registry import check_device, check_dtype, check_model_spec, load_model
from tests.unit.random_models import change_config, write_llava

FACTORIES = """
from pytest_vlmrobust.errors import DataError
from pytest_vlmrobust.models.scripted import ScriptedModel

class Zoo:
    @staticmethod
    def scripted():
        return ScriptedModel({}, name="from-the-zoo")

def make_model():
    return ScriptedModel({}, name="made")

def make_nothing():
    return {}

def fail():
    raise KeyError("no such checkpoint")

def fail_on_purpose():
    raise DataError("bad weights list")

setting = 3
"""


@pytest.fixture
def here(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """An empty working folder on sys.path, with a package of factories."""
    package = tmp_path / "my_zoo"
    package.mkdir()
    (package / "__init__.py").write_text("")
    (package / "factories.py").write_text(FACTORIES)
    (package / "broken.py").write_text("import no_such_dependency")
    monkeypatch.chdir(tmp_path)
    monkeypatch.syspath_prepend(tmp_path)
    for name in [name for name in sys.modules if name.split(".")[0] == "my_zoo"]:
        monkeypatch.delitem(sys.modules, name)
    return tmp_path


@pytest.mark.parametrize(
    ("spec", "words"),
    [
        ("", "model spec is empty"),
        ("  ", "model spec is empty"),
        ("bundled:gulible", "unknown bundled model 'gulible': did you mean 'gullible'?"),
        ("bundled:", "unknown bundled model ''"),
        ("bundle:grounded", "no module named 'bundle'; did you mean 'bundled:grounded'?"),
        ("openai:gpt-x@http://localhost:8000/v1", "the OpenAI protocol are not supported by this version"),
        ("no_such_zoo:make", "no module named 'no_such_zoo'. A module has to be installed or on sys.path"),
        ("my_zoo.nowhere:make", "no module named 'my_zoo.nowhere'"),
        ("my_zoo.factories.deeper:make", "no module named 'my_zoo.factories.deeper'"),
        ("./checkpoints/lats", "no such folder; did you mean 'checkpoints/last'?"),
        ("checkpoints/lats", "no such folder; did you mean 'checkpoints/last'?"),
        ("./nowhere/lats", "no such folder ('nowhere' does not exist either)"),
        ("grounded", "no such folder. A model is named as bundled:NAME"),
        ("a/b/c", "no such folder ('a/b' does not exist either)"),
        ("C:\\models\\vlm", "no such folder"),
        ("weights.safetensors", "is a file: name the folder"),
    ],
)
def test_specs_that_are_refused(here: Path, spec: str, words: str) -> None:
    (here / "checkpoints" / "last").mkdir(parents=True)
    (here / "weights.safetensors").write_text("")
    with pytest.raises(UsageError) as caught:
        check_model_spec(spec)
    assert words in str(caught.value)
    with pytest.raises(UsageError):
        load_model(spec)


@pytest.mark.parametrize(
    "spec",
    [
        *(f"bundled:{name}" for name in BUNDLED_MODELS),
        "some-lab/some-vlm",
        "some-lab/some-vlm@v1.0",
        "checkpoints",
    ],
)
def test_specs_that_may_be_loaded(here: Path, spec: str) -> None:
    (here / "checkpoints").mkdir()
    check_model_spec(spec)


def test_a_spec_is_checked_without_importing_anything_heavy_or_of_the_users(here: Path) -> None:
    (here / "my_zoo" / "__init__.py").write_text("raise SystemExit('imported')")
    code = (
        "import sys\n"
        "from pytest_vlmrobust.models.registry import check_model_spec\n"
        "for spec in ('my_zoo.factories:make_model', 'bundled:grounded', 'some-lab/some-vlm', '.'):\n"
        "    check_model_spec(spec)\n"
        "try:\n"
        "    check_model_spec('bundled:gulible')\n"
        "except ValueError as error:\n"
        "    print(error)\n"
        "heavy = {'torch', 'transformers', 'numpy', 'PIL', 'huggingface_hub', 'my_zoo'}\n"
        "print(sorted(heavy & set(sys.modules)))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, cwd=here, check=False)
    assert done.stderr == ""
    assert done.stdout.splitlines()[0].startswith("unknown bundled model 'gulible'")
    assert done.stdout.splitlines()[1] == "[]"


@pytest.mark.usefixtures("here")
def test_a_factory_is_called() -> None:
    assert load_model("my_zoo.factories:make_model").info.spec == "made"
    check_model_spec("my_zoo.factories:make_model")  # imported by now, and still found
    assert load_model("my_zoo.factories:Zoo.scripted").info.spec == "from-the-zoo"


@pytest.mark.usefixtures("here")
@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        (
            "my_zoo.factories:make_modle",
            UsageError,
            "my_zoo.factories has no 'make_modle'; did you mean 'make_model'?",
        ),
        ("my_zoo.factories:Zoo.nothing", UsageError, "has no 'nothing'"),
        ("my_zoo.factories:setting", UsageError, "setting is a int; it has to be a function of no arguments"),
        (
            "my_zoo.factories:make_nothing",
            UsageError,
            "returned a dict, which lacks info, reply_format, answer, close",
        ),
        ("my_zoo.factories:fail", ModelError, "the factory failed (KeyError: 'no such checkpoint')"),
        ("my_zoo.factories:fail_on_purpose", UsageError, "bad weights list"),
        ("my_zoo.broken:make", ModelError, "importing 'my_zoo.broken' failed (ModuleNotFoundError"),
    ],
)
def test_factories_that_are_refused(spec: str, kind: type[Exception], words: str) -> None:
    with pytest.raises(kind) as caught:
        load_model(spec)
    assert words in str(caught.value)


@pytest.mark.parametrize(
    ("settings", "words"),
    [
        ({"device": "gpu"}, "device 'gpu': allowed are auto, cpu, cuda, cuda:N (such as cuda:1) and mps"),
        ({"device": "cuda:x"}, "device 'cuda:x'"),
        ({"dtype": "bf16"}, "unknown dtype 'bf16': did you mean 'bfloat16'"),
        ({"batch_size": 0}, "batch_size=0: has to be 1 or more"),
        ({"max_new_tokens": -1}, "max_new_tokens=-1: has to be 1 or more"),
        ({"threads": 0}, "threads=0: has to be 1 or more"),
        ({"dialect": "bear"}, "unknown dialect 'bear': did you mean 'bare'"),
    ],
)
def test_settings_that_are_refused(settings: dict[str, Any], words: str) -> None:
    with pytest.raises(UsageError) as caught:
        load_model("bundled:grounded", **settings)
    assert words in str(caught.value)


def test_settings_that_are_allowed() -> None:
    for device in ("auto", "cpu", "cuda", "cuda:11", "mps"):
        check_device(device)
    for dtype in ("auto", "float32", "bfloat16", "float16"):
        check_dtype(dtype)


def test_a_folder_is_loaded_with_its_settings(tmp_path: Path) -> None:
    write_llava(tmp_path)
    change_config(tmp_path, vlmrobust_dialect="bare")
    model = load_model(
        str(tmp_path),
        device="cpu",
        dtype="float32",
        batch_size=3,
        max_new_tokens=4,
        threads=1,
        dialect="plain",
    )
    info = model.info
    assert info.spec == str(tmp_path)
    assert {key: info.details[key] for key in ("batch_size", "max_new_tokens", "dialect")} == {
        "batch_size": "3",
        "max_new_tokens": "4",
        "dialect": "plain",
    }


def test_a_bundled_model_is_loaded_like_any_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(bundled, "__file__", str(tmp_path / "__init__.py"))
    with pytest.raises(ModelError, match="bundled:grounded: its files are missing"):
        load_model("bundled:grounded")
    write_llava(tmp_path / "grounded")
    assert bundled_folder("grounded") == tmp_path / "grounded"
    assert load_model("bundled:grounded", device="cpu").info.spec == "bundled:grounded"


@pytest.mark.parametrize("name", ["lab/model", "lab-1/model_2.5@main", "a.b/c"])
def test_hub_ids(name: str) -> None:
    assert is_hub_id(name)


@pytest.mark.parametrize(
    "name", ["model", "./model", "../lab/model", "/lab/model", "lab/", "a/b/c", "~/model", "a b/c"]
)
def test_names_that_are_no_hub_ids(name: str) -> None:
    assert not is_hub_id(name)
