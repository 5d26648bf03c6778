"""A model's folder before anything heavy is loaded: what is known of it, and by what content."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

from pytest_vlmrobust.errors import ModelError, UsageError
from pytest_vlmrobust.keys import file_digest
from pytest_vlmrobust.models.bundled import bundled_folder
from pytest_vlmrobust.models.checkpoint import Checkpoint, ModelOptions
from pytest_vlmrobust.models.dialects import BARE, PLAIN
from tests.unit.random_models import change_config


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    """A copy of a bundled model to change."""
    return Path(shutil.copytree(bundled_folder("grounded"), tmp_path / "model"))


def digest(folder: Path) -> str:
    return Checkpoint.resolve(str(folder)).digest


def test_a_bundled_model() -> None:
    options = ModelOptions(dtype="bfloat16")
    checkpoint = Checkpoint.resolve("bundled:grounded", options)
    assert checkpoint.spec == "bundled:grounded"
    assert checkpoint.folder == bundled_folder("grounded")
    assert checkpoint.config["model_type"] == "llava"
    assert checkpoint.options is options
    assert checkpoint.dialect is BARE
    assert checkpoint.template is not None
    assert checkpoint.template is checkpoint.template


def test_a_folder_with_a_dialect_of_its_own(folder: Path) -> None:
    change_config(folder, vlmrobust_dialect="plain")
    assert Checkpoint.resolve(str(folder)).dialect is PLAIN
    assert Checkpoint.resolve(str(folder), ModelOptions(dialect=BARE)).dialect is BARE


@pytest.mark.parametrize(
    ("spec", "kind", "words"),
    [
        ("bundled:groundd", UsageError, "unknown bundled model 'groundd': did you mean 'grounded'?"),
        (".", ModelError, "no config.json, so this is not a saved model"),
    ],
)
def test_what_is_no_model(
    spec: str, kind: type[Exception], words: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    with pytest.raises(kind) as caught:
        Checkpoint.resolve(spec)
    assert words in str(caught.value)


@pytest.mark.parametrize("name", ["bear", 3, ["plain"]])
def test_an_unknown_dialect(name: object, folder: Path) -> None:
    change_config(folder, vlmrobust_dialect=name)
    with pytest.raises(ModelError, match=r"vlmrobust_dialect in its config\.json: "):
        Checkpoint.resolve(str(folder))


def test_a_folder_without_a_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    assert Checkpoint.resolve(str(folder)).template is None


def test_equal_content_has_an_equal_digest_wherever_it_lies(folder: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(folder, tmp_path / "elsewhere" / "checkpoint-2"))
    assert digest(moved) == digest(folder) == Checkpoint.resolve("bundled:grounded").digest
    assert len(digest(folder)) == 32


def test_what_is_no_part_of_the_model_leaves_the_digest_as_it_is(folder: Path) -> None:
    before = digest(folder)
    (folder / "README.md").write_text("A model card.")
    (folder / "runs").mkdir()
    (folder / "runs" / "log.json").write_text("{}")
    assert digest(folder) == before


def replace_bytes(path: Path) -> None:
    """Change the last byte that is not white space, and nothing else."""
    content = path.read_bytes().rstrip()
    path.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))


@pytest.mark.parametrize(
    "name",
    [
        "model.safetensors",
        "config.json",
        "generation_config.json",
        "processor_config.json",
        "tokenizer.json",
        "tokenizer_config.json",
        "chat_template.jinja",
    ],
)
def test_every_file_of_the_model_is_in_its_digest(name: str, folder: Path) -> None:
    def now() -> str:
        return Checkpoint(spec="m", folder=folder, config={}, dialect=BARE, options=ModelOptions()).digest

    first = now()
    replace_bytes(folder / name)
    changed = now()
    (folder / name).rename(folder / f"other.{name}")
    assert len({first, changed, now()}) == 3


def test_a_digest_is_taken_once(folder: Path) -> None:
    checkpoint = Checkpoint.resolve(str(folder))
    before = checkpoint.digest
    replace_bytes(folder / "model.safetensors")
    assert checkpoint.digest == before
    assert digest(folder) != before


def test_an_added_file_changes_the_digest(folder: Path) -> None:
    before = digest(folder)
    (folder / "adapter_model.safetensors").write_bytes(b"")
    assert digest(folder) != before


def test_files_are_read_by_the_digest_that_is_given(folder: Path) -> None:
    asked: list[str] = []

    def remembering(path: Path) -> str:
        asked.append(path.name)
        return file_digest(path)

    checkpoint = Checkpoint.resolve(str(folder), file_digest=remembering)
    assert checkpoint.digest == digest(folder)
    assert sorted(asked) == sorted(path.name for path in folder.iterdir())


def test_a_file_that_cannot_be_read(folder: Path) -> None:
    def failing(path: Path) -> str:
        raise PermissionError(13, "Permission denied", str(path))

    checkpoint = Checkpoint.resolve(str(folder), file_digest=failing)
    with pytest.raises(ModelError, match=r"model '.*': a file of it cannot be read .*Permission denied"):
        _ = checkpoint.digest


def test_a_checkpoint_is_resolved_without_torch(folder: Path) -> None:
    code = (
        "import json, sys\n"
        "from pytest_vlmrobust.models.checkpoint import Checkpoint\n"
        f"checkpoint = Checkpoint.resolve({str(folder)!r})\n"
        "known = [checkpoint.digest, checkpoint.template is None]\n"
        "heavy = {'torch', 'transformers', 'numpy', 'PIL', 'huggingface_hub', 'tokenizers'}\n"
        "print(json.dumps([*known, sorted(heavy & set(sys.modules))]))"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [digest(folder), False, []]
