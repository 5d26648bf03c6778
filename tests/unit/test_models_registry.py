"""Model specs: which are refused, with what words, and what is loaded for the others."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from transformers import LlavaProcessor

from pytest_vlmrobust import load_samples
from pytest_vlmrobust.conditions import perturb
from pytest_vlmrobust.errors import ModelError, UsageError
from pytest_vlmrobust.keys import file_digest
from pytest_vlmrobust.models import bundled
from pytest_vlmrobust.models.base import Storable
from pytest_vlmrobust.models.bundled import BUNDLED_MODELS, bundled_folder
from pytest_vlmrobust.models.checkpoint import Checkpoint, ModelOptions
from pytest_vlmrobust.models.folders import folder_digest, is_hub_id
from pytest_vlmrobust.models.registry import check_device, check_dtype, check_model_spec, load_model
from pytest_vlmrobust.models.remembered import RememberedModel
from pytest_vlmrobust.models.transformers import TransformersModel
from pytest_vlmrobust.store import Store
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
        ("openai:gpt-x", "name model and address, as openai:MODEL@http://localhost:8000/v1"),
        ("openaii:gpt", "no module named 'openaii'; did you mean 'openai:gpt'?"),
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
        "openai:some-lab/some-vlm@http://localhost:8000/v1",
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
        "heavy = {'torch', 'transformers', 'numpy', 'PIL', 'huggingface_hub', 'jinja2', 'my_zoo'}\n"
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


def test_the_reference_is_the_librarys_own_way(tmp_path: Path) -> None:
    folder = str(write_llava(tmp_path))
    details = load_model(folder, device="cpu", reference=True).info.details
    assert details["path"] == "reference"
    assert load_model(folder, device="cpu").info.details["path"] != "reference"


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.sqlite") as opened:
        yield opened


def test_a_model_that_was_loaded_before_is_loaded_when_it_is_needed(store: Store, tmp_path: Path) -> None:
    folder = str(write_llava(tmp_path / "model"))
    assert isinstance(load_model(folder, device="cpu", store=store), TransformersModel)
    assert isinstance(load_model(folder, device="cpu", store=store), RememberedModel)
    assert isinstance(load_model(folder, device="cpu", dtype="bfloat16", store=store), TransformersModel)
    assert isinstance(load_model(folder, device="cpu"), TransformersModel)


def test_the_store_remembers_digests_of_files(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = write_llava(tmp_path / "model")
    asked: list[str] = []

    def remembering(_store: Store, path: Path) -> str:
        asked.append(path.name)
        return file_digest(path)

    monkeypatch.setattr(Store, "file_digest", remembering)
    digest = load_model(str(folder), device="cpu", store=store).info.digest
    assert "model.safetensors" in asked
    assert digest == folder_digest(folder)


def test_a_folder_that_never_loaded_fails_at_once(store: Store, tmp_path: Path) -> None:
    folder = write_llava(tmp_path / "model")
    weights = folder / "model.safetensors"
    weights.write_bytes(weights.read_bytes()[:1000])
    for _ in range(2):
        with pytest.raises(ModelError, match="its model cannot be loaded"):
            load_model(str(folder), device="cpu", store=store)


def test_a_folder_that_was_spoiled_since_fails_at_once(store: Store, tmp_path: Path) -> None:
    folder = write_llava(tmp_path / "model")
    load_model(str(folder), device="cpu", store=store)
    (folder / "model.safetensors").unlink()
    with pytest.raises(ModelError, match="no weights"):
        load_model(str(folder), device="cpu", store=store)


def test_a_model_that_loads_otherwise_than_before_is_refused_once(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(write_llava(tmp_path / "model"))
    load_model(folder, device="cpu", max_new_tokens=2, store=store)
    real = TransformersModel.load

    def slower(checkpoint: Checkpoint) -> TransformersModel:
        return real(replace(checkpoint, options=replace(checkpoint.options, reference=True)))

    monkeypatch.setattr(TransformersModel, "load", slower)
    prompt = perturb(load_samples("shapes", limit=1)[0], "base")
    remembered = load_model(folder, device="cpu", max_new_tokens=2, store=store)
    before = remembered.reply_key(prompt) if isinstance(remembered, Storable) else ""
    with pytest.raises(ModelError, match=r"path=reference, was path=.*Run once more"):
        remembered.answer([prompt])
    again = load_model(folder, device="cpu", max_new_tokens=2, store=store)
    assert isinstance(again, RememberedModel)
    assert again.reply_key(prompt) != before
    assert len(list(again.answer([prompt]))) == 1


def test_a_processor_that_renders_otherwise_words_prompt_and_key(
    store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    folder = str(write_llava(tmp_path / "model"))
    prompt = perturb(load_samples("shapes", limit=1)[0], "stop-think")
    real: Any = LlavaProcessor.apply_chat_template

    def politer(self: Any, conversation: Any, **options: Any) -> str:
        return f"Please. {real(self, conversation, **options)}"

    monkeypatch.setattr(LlavaProcessor, "apply_chat_template", politer)
    for _ in range(2):
        model = load_model(folder, device="cpu", store=store)
        assert isinstance(model, TransformersModel)
        assert model.info.details["chat_template"] == "processor"
        assert model._chat.render(prompt).text.startswith("Please. <|im_start|>user\n<image>")
        checkpoint = Checkpoint.resolve(folder, ModelOptions(device="cpu"))
        assert checkpoint.template is not None
        ours = RememberedModel(checkpoint, model.info, checkpoint.template, TransformersModel.load)
        assert model.reply_key(prompt) != ours.reply_key(prompt)


@pytest.mark.usefixtures("here")
def test_what_a_factory_makes_is_not_remembered(store: Store) -> None:
    for _ in range(2):
        assert load_model("my_zoo.factories:make_model", store=store).info.spec == "made"
    assert store.kept == 0


@pytest.mark.parametrize("name", ["lab/model", "lab-1/model_2.5@main", "a.b/c"])
def test_hub_ids(name: str) -> None:
    assert is_hub_id(name)


@pytest.mark.parametrize(
    "name", ["model", "./model", "../lab/model", "/lab/model", "lab/", "a/b/c", "~/model", "a b/c"]
)
def test_names_that_are_no_hub_ids(name: str) -> None:
    assert not is_hub_id(name)
