"""What a folder has to hold, and what is said when it does not."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import huggingface_hub.constants
import pytest
import torch
from PIL import Image
from PIL.Image import Image as PILImage
from safetensors.torch import load_file, save_file

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.models.checkpoint import Checkpoint, ModelOptions
from pytest_vlmrobust.models.folders import fetch, folder_digest
from pytest_vlmrobust.models.transformers import TransformersModel
from pytest_vlmrobust.models.transformers.loading import (
    check_accelerate,
    load_folder,
    needs_several,
    pick_device,
    pick_dtype,
    spreads,
)
from pytest_vlmrobust.models.transformers.memory import MOST_ROWS
from tests.unit.random_models import change_config, write_llava, write_qwen


@pytest.fixture(scope="module")
def saved(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_llava(tmp_path_factory.mktemp("saved"))


@pytest.fixture
def folder(saved: Path, tmp_path: Path) -> Path:
    """A copy to spoil."""
    return Path(shutil.copytree(saved, tmp_path / "model"))


def load(spec: str, **options: Any) -> TransformersModel:
    return TransformersModel.load(Checkpoint.resolve(spec, ModelOptions(**options)))


def change_weights(folder: Path, change: Callable[[dict[str, torch.Tensor]], object]) -> None:
    path = folder / "model.safetensors"
    weights = load_file(path)
    change(weights)
    save_file(weights, path, metadata={"format": "pt"})


def change_json(path: Path, **changes: Any) -> None:
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def refused(folder: Path) -> str:
    with pytest.raises(ModelError) as caught:
        load(str(folder), device="cpu")
    return str(caught.value)


def test_a_saved_folder_loads(saved: Path) -> None:
    model = load(str(saved), device="auto", dtype="bfloat16", threads=1)
    assert torch.get_num_threads() == 1
    assert model.info.spec == str(saved)
    assert model.info.details["dtype"] == "bfloat16"
    assert model.info.details["dialect"] == "plain"
    assert model.info.details["batch_size"] == "auto"
    assert model.info.details["rows_at_once"] == str(MOST_ROWS["cpu"])
    assert model.info.digest == folder_digest(saved)
    model.close()


def test_the_dialect_comes_from_the_folder(folder: Path) -> None:
    change_config(folder, vlmrobust_dialect="bare")
    assert load(str(folder)).info.details["dialect"] == "bare"


def test_no_config(folder: Path) -> None:
    (folder / "config.json").unlink()
    assert "no config.json, so this is not a saved model" in refused(folder)


@pytest.mark.parametrize(
    ("text", "reason"), [("{", "not valid JSON"), ("[]", "holds a list, not a JSON object")]
)
def test_a_broken_config(folder: Path, text: str, reason: str) -> None:
    (folder / "config.json").write_text(text)
    assert reason in refused(folder)


def test_no_weights(folder: Path) -> None:
    (folder / "model.safetensors").unlink()
    assert "no weights; a file that ends in .safetensors is needed" in refused(folder)


def test_pickled_weights_alone(folder: Path) -> None:
    (folder / "model.safetensors").rename(folder / "pytorch_model.bin")
    message = refused(folder)
    assert "weights are pickled (pytorch_model.bin)" in message
    assert "convert them" in message


def test_no_processor(folder: Path) -> None:
    (folder / "processor_config.json").unlink()
    assert "no processor (preprocessor_config.json or processor_config.json)" in refused(folder)


def test_no_tokenizer(folder: Path) -> None:
    for path in folder.glob("tokenizer*"):
        path.unlink()
    assert "no tokenizer (tokenizer.json)" in refused(folder)


def test_half_a_processor(folder: Path) -> None:
    change_json(folder / "processor_config.json", processor_class="SiglipImageProcessorPil")
    assert "gives a SiglipImageProcessorPil and no processor for text and images" in refused(folder)


def test_no_chat_template(folder: Path) -> None:
    (folder / "chat_template.jinja").unlink()
    assert "no chat template (chat_template.jinja)" in refused(folder)


def test_a_chat_template_that_only_the_tokenizer_has(folder: Path) -> None:
    text = (folder / "chat_template.jinja").read_text()
    (folder / "chat_template.jinja").unlink()
    change_json(folder / "tokenizer_config.json", chat_template=text)
    assert load(str(folder)).info.details["class"] == "LlavaForConditionalGeneration"


def test_a_chat_template_without_images(folder: Path) -> None:
    path = folder / "chat_template.jinja"
    path.write_text(path.read_text().replace("<image>", ""))
    assert "its chat template leaves images out" in refused(folder)


def test_a_text_only_model(folder: Path) -> None:
    change_config(folder, model_type="llama")
    message = refused(folder)
    assert "model_type 'llama' is no image-text-to-text model" in message


@pytest.mark.parametrize("model_type", ["homemade", None])
def test_a_model_that_needs_remote_code(folder: Path, model_type: str | None) -> None:
    change_config(folder, model_type=model_type, auto_map={"AutoModel": "modeling.Homemade"})
    (folder / "modeling.py").write_text("raise SystemExit('remote code was run')")
    assert "needs code from its own folder (auto_map in config.json)" in refused(folder)


def test_a_processor_that_needs_remote_code(folder: Path) -> None:
    change_json(
        folder / "processor_config.json",
        processor_class="Homemade",
        auto_map={"AutoProcessor": "processing.Homemade"},
    )
    (folder / "processing.py").write_text("raise SystemExit('remote code was run')")
    assert "its processor needs code from its own folder, and remote code is never run" in refused(folder)


def test_weights_that_lack_a_part_are_not_filled_up_at_random(folder: Path) -> None:
    change_weights(folder, lambda weights: weights.pop("language_model.lm_head.weight"))
    message = refused(folder)
    assert "its weights lack lm_head.weight" in message
    assert "left random" in message


def test_weights_of_another_shape(folder: Path) -> None:
    change_weights(
        folder, lambda weights: weights.update({"language_model.lm_head.weight": torch.zeros(3, 32)})
    )
    assert "its weights have another shape for lm_head.weight, which would be left random" in refused(folder)


def test_weights_that_are_cut_off(folder: Path) -> None:
    path = folder / "model.safetensors"
    path.write_bytes(path.read_bytes()[:1000])
    assert "its model cannot be loaded (SafetensorError" in refused(folder)


def test_an_unknown_dialect(folder: Path) -> None:
    change_config(folder, vlmrobust_dialect="bear")
    assert "vlmrobust_dialect in its config.json: unknown dialect 'bear': did you mean 'bare'?" in refused(
        folder
    )


def test_neither_padding_nor_end_of_sequence_token(folder: Path) -> None:
    change_json(folder / "tokenizer_config.json", eos_token=None, pad_token=None)
    assert "neither a padding nor an end-of-sequence token" in refused(folder)


def test_a_processor_that_needs_torchvision(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    _, processor = write_qwen(tmp_path)
    processor.save_pretrained(tmp_path)
    change_json(tmp_path / "processor_config.json", processor_class="Qwen2_5_VLProcessor")
    monkeypatch.setattr("importlib.util.find_spec", lambda name: None if name == "torchvision" else name)
    message = refused(tmp_path)
    assert "its processor cannot be loaded" in message
    assert "need torchvision, which is not installed" in message


def test_no_network_for_a_hub_id(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    with pytest.raises(
        ModelError, match="could not be fetched from the hub as 'some-lab/some-vlm'"
    ) as caught:
        load("some-lab/some-vlm@v2", device="cpu")
    assert "Check the spelling and the network" in str(caught.value)


def test_a_hub_id_that_was_fetched_before_needs_no_network(
    saved: Path, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    commit = "0123456789abcdef0123456789abcdef01234567"
    cached = tmp_path / "models--some-lab--some-vlm"
    shutil.copytree(saved, cached / "snapshots" / commit)
    (cached / "refs").mkdir()
    for revision in ("main", "v2"):
        (cached / "refs" / revision).write_text(commit)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(huggingface_hub.constants, "HF_HUB_CACHE", str(tmp_path))
    assert fetch("some-lab/some-vlm").name == commit
    assert fetch("some-lab/some-vlm@v2").name == commit
    assert load("some-lab/some-vlm").info.digest == folder_digest(saved)


def test_the_digest_follows_weights_and_configuration(saved: Path, folder: Path) -> None:
    assert folder_digest(folder) == folder_digest(saved)
    (folder / "README.md").write_text("says nothing to the model")
    assert folder_digest(folder) == folder_digest(saved)
    change_weights(folder, lambda weights: weights["language_model.lm_head.weight"].mul_(1.01))
    changed = folder_digest(folder)
    assert changed != folder_digest(saved)
    change_config(folder, vlmrobust_dialect="bare")
    assert folder_digest(folder) != changed


@pytest.mark.parametrize(
    ("count", "device", "reason"),
    [
        (0, "cuda", "finds no CUDA device"),
        (0, "cuda:1", "finds no CUDA device"),
        (1, "cuda:1", "1 CUDA devices are there"),
    ],
)
def test_a_device_that_is_not_there(
    monkeypatch: pytest.MonkeyPatch, count: int, device: str, reason: str
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: count > 0)
    monkeypatch.setattr(torch.cuda, "device_count", lambda: count)
    with pytest.raises(ModelError, match=f"device '{device}' was asked for, but .*{reason}"):
        pick_device(device)


def test_no_metal_device(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.backends.mps, "is_available", lambda: False)
    with pytest.raises(ModelError, match="device 'mps' was asked for"):
        pick_device("mps")


def test_auto_takes_cuda_and_half_precision_where_there_is_one(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: True)
    assert pick_device("auto") == torch.device("cuda")
    assert pick_dtype("auto", torch.device("cuda")) is torch.bfloat16
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert pick_device("auto") == torch.device("cpu")
    assert pick_dtype("auto", torch.device("cpu")) is torch.float32
    assert pick_dtype("float16", torch.device("cpu")) is torch.float16


def test_a_model_is_spread_when_no_gpu_holds_it() -> None:
    gib = 1 << 30
    assert needs_several(140 * gib, [79 * gib, 79 * gib])
    assert not needs_several(14 * gib, [79 * gib, 79 * gib])
    assert not needs_several(140 * gib, [79 * gib]), "one GPU cannot be spread over"
    assert needs_several(70 * gib, [79 * gib, 20 * gib]), "prompts need room beside the weights"


def test_spreading_asks_for_the_library_that_does_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("importlib.util.find_spec", lambda _: None)
    with pytest.raises(
        ModelError, match=r"accelerate.*is not installed: pip install 'pytest-vlmrobust\[multi-gpu\]'"
    ):
        check_accelerate("a/model")


def test_without_a_gpu_nothing_is_spread(saved: Path) -> None:
    assert not spreads(saved, "auto")


def test_a_spread_model_answers_as_one_in_one_piece(saved: Path) -> None:
    checkpoint = Checkpoint.resolve(str(saved), ModelOptions(max_new_tokens=4))
    prompt = Prompt(
        sample_id="a", condition="base", images=(Drawn(),), question="Which?", choices=("left", "right")
    )
    answers = []
    for spread in (False, True):
        loaded = load_folder(
            saved, checkpoint.config, name="m", device=torch.device("cpu"), dtype=torch.float32, spread=spread
        )
        answers.append(list(TransformersModel(checkpoint, loaded).answer([prompt])))
    assert answers[0] == answers[1]


class Drawn:
    """A plain image."""

    def load(self) -> PILImage:
        return Image.new("RGB", (60, 60), "red")

    def digest(self) -> str:
        return "red"
