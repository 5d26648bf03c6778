"""A model is run on the fastest path that is right for it, and what is wrong with the faster ones is said."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_vlmrobust.models.chat import ChatRenderer, ProcessorTemplate
from pytest_vlmrobust.models.dialects import PLAIN
from pytest_vlmrobust.models.transformers.admission import Candidates, Trial, choose_path, probe_rows
from pytest_vlmrobust.models.transformers.cache import Rows, is_plain
from pytest_vlmrobust.models.transformers.encoding import InputEncoder
from tests.unit.opened_models import (
    MAKERS,
    PROMPTS,
    Models,
    Opened,
    ask,
    assert_alike,
    candidates,
    opened,
)
from tests.unit.random_models import write_gemma3, write_llava, write_paligemma

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # a processor's

LAYERS = "shared-prefix needs layers that keep every token, and some of these do not"
DIFFERS = r"differs from the plain path by (\S+) here, and (\S+) is allowed"


def chosen(subject: Opened, paths: Candidates | None = None) -> tuple[str, str]:
    """Name of the path that a model is admitted to as its weights are, and why it is no faster one."""
    paths = paths or candidates(subject)
    with subject.unbound():
        path, reason = choose_path(subject.loaded.model, paths.batched._encoder, chat(subject), paths)
    return path.name, reason


def chat(subject: Opened) -> ChatRenderer:
    return ChatRenderer(ProcessorTemplate(subject.loaded.processor), PLAIN, name="random")


def objection(subject: Opened) -> str:
    """What a trial alone says against sharing prefixes."""
    paths = candidates(subject)
    with subject.unbound():
        trial = Trial(subject.loaded.model, paths.batched._encoder, probe_rows(chat(subject)))
        assert trial.objection_to_batches(allow_noise=True) == ""
        return trial.objection_to(paths.shared_prefix)


@pytest.mark.parametrize("name", list(MAKERS))
def test_what_shares_rightly_is_admitted(models: Models, name: str) -> None:
    details = models[name].model.info.details
    assert (details["path"], details["path_reason"]) == ("shared-prefix", "")


@pytest.mark.parametrize(
    ("name", "reason"), [("gemma3", LAYERS), ("qwen3.5", LAYERS), ("paligemma", "shared-prefix " + DIFFERS)]
)
def test_what_would_share_wrongly_is_refused_and_still_answers_rightly(
    models: Models, name: str, reason: str
) -> None:
    subject = models[name]
    path, said = chosen(subject)
    assert path == "shared-image"
    found = re.fullmatch(reason, said)
    assert found is not None
    if found.groups():
        assert float(found[1]) > 100 * float(found[2])
    details = subject.model.info.details
    assert details["path"] == "shared-image"
    assert re.fullmatch(reason, details["path_reason"])
    assert_alike(subject.answers[:4], ask(subject.again(reference=True), PROMPTS[:4]))


def test_a_trial_alone_sees_a_window_only_where_prompts_leave_it(models: Models, tmp_path: Path) -> None:
    found = re.fullmatch(DIFFERS, objection(models["gemma3"]))
    assert found is not None
    assert float(found[1]) > 10 * float(found[2])
    wide = opened(write_gemma3(tmp_path, window=1000))
    assert not is_plain(wide.loaded.model.config)
    assert objection(wide) == "", "so it takes a look at the layers"
    assert chosen(wide) == ("shared-image", LAYERS)


def test_a_trial_alone_sees_layers_that_keep_no_keys(models: Models) -> None:
    assert objection(models["qwen3.5"]).startswith("fails here: ValueError: ")


HALF = [torch.bfloat16, torch.float16]


@pytest.mark.parametrize(("dtype", "layers"), [(torch.bfloat16, 2), (torch.bfloat16, 8), (torch.float16, 2)])
def test_noise_of_half_precision_keeps_nobody_out(tmp_path: Path, dtype: torch.dtype, layers: int) -> None:
    assert chosen(opened(write_llava(tmp_path, layers=layers), dtype=dtype)) == ("shared-prefix", "")


@pytest.mark.parametrize("dtype", HALF)
def test_what_is_wrong_stands_out_from_the_noise_of_half_precision(
    tmp_path: Path, dtype: torch.dtype
) -> None:
    path, reason = chosen(opened(*write_paligemma(tmp_path), dtype=dtype))
    assert path == "shared-image"
    found = re.fullmatch("shared-prefix " + DIFFERS, reason)
    assert found is not None
    assert float(found[1]) > 5 * float(found[2])


@pytest.mark.parametrize("dtype", [torch.float32, torch.bfloat16])
def test_images_shared_wrongly_are_not_shared(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, dtype: torch.dtype
) -> None:
    subject = opened(write_llava(tmp_path), dtype=dtype)
    features = InputEncoder._image_features

    def swapped(self: InputEncoder, *args: Any) -> Any:
        found = features(self, *args)
        found.pooler_output = found.pooler_output.flip(0)
        return found

    monkeypatch.setattr(InputEncoder, "_image_features", swapped)
    paths = candidates(subject)
    monkeypatch.setattr(paths.shared_prefix.reader, "prompts", lambda _: fail("no such luck"))
    assert chosen(subject, paths) == ("batched", "shared-prefix fails here: RuntimeError: no such luck")


def test_placeholders_expanded_wrongly_end_the_sharing(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = models["llava"]
    monkeypatch.setattr(
        "pytest_vlmrobust.models.transformers.encoding.expand_like", lambda *_: ([1, 2, 3], 1)
    )
    encoder = InputEncoder(subject.loaded)
    rows = [chat(subject).render(prompt) for prompt in PROMPTS]
    shared, parted = encoder.encode(rows), encoder.encode_parted(rows)
    assert "pixel_values" in shared
    assert not encoder.shares_images
    assert [list(unit) for unit in parted.units] == [[place] for place in range(len(rows))]
    assert_alike(ask(subject.again()), subject.answers)


def rolled(_module: Any, _args: Any, output: Any) -> None:
    output.logits = output.logits.roll(1, 0)


def spoiled(_module: Any, _args: Any, output: Any) -> None:
    if len(output.logits) > 1:
        output.logits[-1] = float("nan")


def drifting(_module: Any, _args: Any, inputs: dict[str, Any], output: Any) -> None:
    if len(output.logits) > 1 and inputs["input_ids"].shape[1] == 1:
        noise = torch.Generator().manual_seed(1)
        output.logits += torch.randn(output.logits.shape, generator=noise)


def test_a_model_whose_batches_go_wrong_after_the_first_step_is_asked_one_prompt_at_a_time(
    models: Models,
) -> None:
    subject = models["llava"]
    with subject.loaded.model.register_forward_hook(drifting, with_kwargs=True):
        model = subject.again()
        assert model.info.details["path"] == "reference"
        assert re.fullmatch("batching " + DIFFERS, model.info.details["path_reason"])
        assert_alike(ask(model, PROMPTS[:4]), subject.answers[:4])


@pytest.mark.parametrize("step", [1, 2])
def test_scores_that_are_no_numbers_in_a_later_step_are_an_objection(
    models: Models, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    subject = models["llava"]
    paths, steps = candidates(subject), []
    append = paths.shared_prefix.reader.append

    def broken(rows: Rows, tokens: Sequence[int]) -> Rows:
        steps.append(tokens)
        read = append(rows, tokens)
        return replace(read, logits=read.logits * float("nan")) if len(steps) == step else read

    monkeypatch.setattr(paths.shared_prefix.reader, "append", broken)
    path, reason = chosen(subject, paths)
    assert path == "shared-image"
    assert re.fullmatch("shared-prefix differs from the plain path by nan here, .*", reason)
    assert len(steps) == 2


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [(rolled, "batching " + DIFFERS), (spoiled, "batching differs from the plain path by nan here, .*")],
)
def test_a_model_that_is_wrong_in_batches_is_asked_one_prompt_at_a_time(
    models: Models, spoil: Callable[..., None], reason: str
) -> None:
    subject = models["llava"]
    with subject.loaded.model.register_forward_hook(spoil):
        model = subject.again()
        assert model.info.details["path"] == "reference"
        assert re.fullmatch(reason, model.info.details["path_reason"])
        assert_alike(ask(model, PROMPTS[:4]), subject.answers[:4])


def test_a_processor_that_pads_on_the_right_is_given_one_prompt_at_a_time(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = models["llava"]
    monkeypatch.setattr(subject.loaded.tokenizer, "padding_side", "right")
    details = (model := subject.again()).info.details
    assert details["path"] == "reference"
    assert details["path_reason"] == (
        "batching fails here: ModelError: the processor pads on the right; a reply has to follow the prompt "
        "itself"
    )
    assert_alike(ask(model, PROMPTS[:4]), subject.answers[:4])


def test_a_trial_that_fails_leaves_the_plain_path(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    subject = models["llava"]
    with monkeypatch.context() as patch:
        patch.setattr(subject.loaded.model, "generate", lambda **_: fail("cannot do this"))
        model = subject.again()
    details = model.info.details
    assert details["path"] == "reference"
    assert details["path_reason"] == "a trial of the plain path failed: RuntimeError: cannot do this"
    assert_alike(ask(model, PROMPTS[:4]), subject.answers[:4])


def test_what_was_asked_for_is_not_tried(models: Models, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("pytest_vlmrobust.models.transformers.model.choose_path", lambda *_: fail("tried"))
    details = models["llava"].again(reference=True).info.details
    assert (details["path"], details["path_reason"]) == ("reference", "asked for")


def fail(words: str) -> Any:
    raise RuntimeError(words)
