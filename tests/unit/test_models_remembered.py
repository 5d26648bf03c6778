"""A model that was loaded before: known by its keys, and loaded when it is asked."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_vlmrobust import load_samples
from pytest_vlmrobust.conditions import Case, condition, perturb, resolve_conditions
from pytest_vlmrobust.conditions.registry import unregister
from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import ReplyFormat
from pytest_vlmrobust.datasets.images import BytesImage, FileImage
from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.models import remembered, reply_keys
from pytest_vlmrobust.models.base import Answer, ModelInfo, Storable
from pytest_vlmrobust.models.bundled import bundled_folder
from pytest_vlmrobust.models.chat import ChatRenderer, Row
from pytest_vlmrobust.models.checkpoint import Checkpoint, ModelOptions
from pytest_vlmrobust.models.dialects import PLAIN
from pytest_vlmrobust.models.registry import load_model
from pytest_vlmrobust.models.remembered import RememberedModel, recall, recalled_rows, remember
from pytest_vlmrobust.models.templates import FolderTemplate
from pytest_vlmrobust.models.transformers import TransformersModel, paths
from pytest_vlmrobust.models.transformers.paths import Ended
from pytest_vlmrobust.store import Store
from tests.unit.random_models import write_llava

DETAILS = {
    "device": "cpu",
    "dtype": "float32",
    "path": "shared-prefix",
    "chat_template": "folder",
    "batch_size": "auto",
}
SOURCE = (
    "{% for m in messages %}[{{ m['role'] }}]{% for p in m['content'] %}"
    "{% if p['type'] == 'image' %}<image>{% else %}{{ p['text'] }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
RED, BLUE = BytesImage(b"red"), BytesImage(b"blue")
PROMPT = Prompt(
    sample_id="s1", condition="base", images=(RED,), question="Which is it?", choices=("left", "right")
)


class Fake:
    """A model that counts what is done to it."""

    def __init__(self, checkpoint: Checkpoint, details: Mapping[str, str]) -> None:
        self.info = ModelInfo(spec=checkpoint.spec, digest=checkpoint.digest, details=details)
        self.reply_format = checkpoint.dialect.reply
        self.closed = 0

    def reply_key(self, prompt: Prompt) -> str:
        raise AssertionError(f"the key of {prompt} is had without it")

    def answer(self, prompts: Sequence[Prompt]) -> Iterator[tuple[int, Answer]]:
        for index, prompt in enumerate(prompts):
            yield index, Answer(text=prompt.question)

    def answer_batches(self, prompts: Sequence[Prompt]) -> Iterator[Sequence[tuple[int, Answer]]]:
        yield list(self.answer(prompts))

    def close(self) -> None:
        self.closed += 1


class Loader:
    """Loads a `Fake` and keeps it."""

    def __init__(self, details: Mapping[str, str] = DETAILS) -> None:
        self.details = details
        self.loaded: list[Fake] = []

    def __call__(self, checkpoint: Checkpoint) -> Fake:
        self.loaded.append(Fake(checkpoint, self.details))
        return self.loaded[-1]


def resolved(spec: str = "bundled:grounded", **options: Any) -> Checkpoint:
    return Checkpoint.resolve(spec, ModelOptions(**options))


def known(
    checkpoint: Checkpoint,
    *,
    details: Mapping[str, str] = DETAILS,
    source: str = SOURCE,
    load: Callable[[Checkpoint], Storable] | None = None,
) -> RememberedModel:
    info = ModelInfo(spec=checkpoint.spec, digest=checkpoint.digest, details=details)
    return RememberedModel(checkpoint, info, FolderTemplate(source=source), load or Loader())


def key(prompt: Prompt = PROMPT, *, digest: str = "", source: str = SOURCE, **changes: Any) -> str:
    """The key of a reply where the changes are options, or details of the provenance."""
    details = {**DETAILS, **{name: changes.pop(name) for name in DETAILS if name in changes}}
    batch_size = changes.pop("rows", None)
    checkpoint = resolved(batch_size=batch_size, **changes)
    info = ModelInfo(spec="m", digest=digest or checkpoint.digest, details=details)
    template = FolderTemplate(source=source)
    return RememberedModel(checkpoint, info, template, Loader()).reply_key(prompt)


@pytest.mark.parametrize(
    "other",
    [
        {"digest": "0" * 32},
        {"device": "cuda:0"},
        {"dtype": "bfloat16"},
        {"path": "shared-image"},
        {"max_new_tokens": 8},
        {"dialect": PLAIN},
        {"dialect": replace(PLAIN, instruction="", reply=ReplyFormat(answer_close="</a>"))},
        {"dialect": replace(PLAIN, instruction="", reply=ReplyFormat(answer_lead="Answer:"))},
        {"source": SOURCE + " "},
        {"prompt": replace(PROMPT, question="Which was it?")},
        {"prompt": replace(PROMPT, choices=("right", "left"))},
        {"prompt": replace(PROMPT, choices=("left", "right", "none"))},
        {"prompt": replace(PROMPT, caption="It is right.")},
        {"prompt": replace(PROMPT, thought="It is right.")},
        {"prompt": replace(PROMPT, thought="It is right.", thought_closed=True)},
        {"prompt": replace(PROMPT, images=(BLUE,))},
        {"prompt": replace(PROMPT, images=(RED, RED))},
        {"prompt": replace(PROMPT, images=(RED, BLUE))},
        {"prompt": replace(PROMPT, images=(BLUE, RED))},
    ],
)
def test_each_ingredient_changes_the_key(other: dict[str, Any]) -> None:
    bare = replace(PLAIN, instruction="")
    assert key(**{"dialect": bare, **other}) != key(dialect=bare)


def test_all_those_keys_differ_from_each_other() -> None:
    prompts = [replace(PROMPT, images=images) for images in ((RED,), (BLUE,), (RED, BLUE), (BLUE, RED))]
    prompts += [replace(PROMPT, thought="a", thought_closed=closed) for closed in (False, True)]
    assert len({key(prompt) for prompt in prompts}) == len(prompts)


def test_the_same_text_with_other_options_has_another_key() -> None:
    joined = replace(PROMPT, question="Which?\nA. x", choices=("y", "z"))
    apart = replace(PROMPT, question="Which?", choices=("x\nA. y", "z"))
    assert key(joined) != key(apart)


def test_a_template_that_speaks_behind_another_beginning_than_it_continues_is_refused() -> None:
    source = SOURCE.replace("[assistant]", "[assistant]<think>It")
    renderer = ChatRenderer(FolderTemplate(source=source), PLAIN, name="m")
    with pytest.raises(ModelError, match='set prefill to "generation prompt" in the dialect'):
        renderer.render(replace(PROMPT, thought="It"))


@pytest.mark.parametrize("name", reply_keys.LIBRARIES)
def test_a_librarys_version_changes_the_key(name: str, monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    real = reply_keys._version
    monkeypatch.setattr(reply_keys, "_version", lambda asked: "0.1" if asked == name else real(asked))
    assert key() != before


def test_the_engines_version_changes_the_key(monkeypatch: pytest.MonkeyPatch) -> None:
    before = key()
    monkeypatch.setattr(reply_keys, "ENGINE_VERSION", 0)
    assert key() != before


def test_the_installed_versions_are_those_of_the_libraries_themselves() -> None:
    import torch
    import transformers

    versions = reply_keys.library_versions()
    assert f"torch={torch.__version__}" in versions
    assert f"transformers={transformers.__version__}" in versions
    assert reply_keys.library_versions(["no-such-library"]) == ["no-such-library="]


@pytest.mark.parametrize(
    "other",
    [
        {"device": "cpu:0"},
        {"rows": 3},
        {"threads": 1},
        {"batch_size": "7"},
        {"prompt": replace(PROMPT, sample_id="s2")},
        {"prompt": replace(PROMPT, condition="calm")},
        {"prompt": replace(PROMPT, planted="B")},
        {"prompt": replace(PROMPT, images=(BytesImage(b"red", name="again"),))},
    ],
)
def test_what_a_reply_does_not_depend_on_leaves_the_key_as_it_is(other: dict[str, Any]) -> None:
    assert key(**other) == key()


def test_coarse_numbers_depend_on_the_batch_that_was_asked_for() -> None:
    keys = {key(dtype="bfloat16", rows=rows) for rows in (None, 3, 4)}
    assert len(keys) == 3


def test_renaming_a_folder_changes_no_key(tmp_path: Path) -> None:
    keys = set()
    for name in ("last", "checkpoint-7"):
        folder = Path(shutil.copytree(bundled_folder("grounded"), tmp_path / name))
        keys.add(known(resolved(str(folder))).reply_key(PROMPT))
    assert keys == {known(resolved()).reply_key(PROMPT)}


def test_editing_a_perturbation_changes_the_key() -> None:
    (sample,) = load_samples("shapes", limit=1)

    def reworded(words: str) -> str:
        @condition("reworded", summary="")
        def make(case: Case) -> Prompt:
            return case.prompt(caption=words)

        try:
            return key(perturb(sample, "reworded"))
        finally:
            unregister("reworded")

    assert reworded("It is big.") == reworded("It is big.") != reworded("It is small.")


def test_editing_an_image_changes_the_key(tmp_path: Path) -> None:
    path = tmp_path / "photo.png"
    path.write_bytes(b"before")
    model = known(resolved())
    prompt = replace(PROMPT, images=(FileImage(path),))
    before = model.reply_key(prompt)
    assert model.reply_key(prompt) == before
    path.write_bytes(b"after it")
    assert known(resolved()).reply_key(prompt) != before


def test_an_image_is_read_once_for_all_conditions_of_a_sample() -> None:
    class Counted:
        asked = 0

        def load(self) -> Any:
            raise AssertionError("a key needs no pixels")

        def digest(self) -> str:
            self.asked += 1
            return "d"

    image, other, model = Counted(), Counted(), known(resolved())
    for name in ("base", "stop-think", "calm"):
        model.reply_key(replace(PROMPT, images=(image, other), condition=name))
    assert (image.asked, other.asked) == (1, 1)
    model.reply_key(replace(PROMPT, images=(image,), sample_id="s2"))
    assert (image.asked, other.asked) == (2, 1)


def test_nothing_is_loaded_until_an_answer_is_wanted() -> None:
    load = Loader()
    model = known(resolved(), load=load)
    assert isinstance(model, Storable)
    model.reply_key(PROMPT)
    assert model.info.details == DETAILS
    assert model.reply_format is resolved().dialect.reply
    assert load.loaded == []
    assert list(model.answer([PROMPT])) == [(0, Answer(text="Which is it?"))]
    assert list(model.answer_batches([PROMPT])) == [[(0, Answer(text="Which is it?"))]]
    assert len(load.loaded) == 1
    model.close()
    assert load.loaded[0].closed == 1


def test_closing_loads_nothing() -> None:
    load = Loader()
    known(resolved(), load=load).close()
    assert load.loaded == []


def test_the_provenance_is_that_of_the_loaded_model() -> None:
    model = known(resolved(), load=Loader({**DETAILS, "batch_size": "4"}))
    next(model.answer([PROMPT]))
    assert model.info.details["batch_size"] == "4"


@pytest.mark.parametrize(
    ("name", "value", "words"),
    [
        ("path", "shared-image", "path=shared-image, was path=shared-prefix"),
        ("dtype", "bfloat16", "dtype=bfloat16, was dtype=float32; batch=auto, was batch=any"),
        ("device", "cuda:0", "device=cuda, was device=cpu"),
        ("chat_template", "processor", "chat_template=processor, was chat_template=folder"),
    ],
)
def test_a_model_that_loads_otherwise_is_refused(name: str, value: str, words: str) -> None:
    load = Loader({**DETAILS, name: value})
    model = known(resolved(), load=load)
    with pytest.raises(ModelError) as caught:
        model.answer_batches([PROMPT])
    assert f"model 'bundled:grounded': it does not load as it did when it was last loaded ({words})" in str(
        caught.value
    )
    assert load.loaded[0].closed == 1


def test_files_that_changed_since_are_noticed(tmp_path: Path) -> None:
    folder = Path(shutil.copytree(bundled_folder("grounded"), tmp_path / "model"))
    model = known(resolved(str(folder)))
    model.reply_key(PROMPT)
    (folder / "generation_config.json").write_text("{}")
    with pytest.raises(ModelError, match=r"digest=[0-9a-f]{32}, was digest=[0-9a-f]{32}"):
        model.answer([PROMPT])


def test_a_useless_template_shows_at_once() -> None:
    with pytest.raises(ModelError, match="leaves images out"):
        known(resolved(), source=SOURCE.replace("<image>", ""))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "store.sqlite") as opened:
        yield opened


def info_of(checkpoint: Checkpoint, **changes: str) -> ModelInfo:
    return ModelInfo(spec="x", digest=checkpoint.digest, details={**DETAILS, **changes})


def test_what_was_remembered_is_recalled_under_the_name_of_now(store: Store, tmp_path: Path) -> None:
    checkpoint = resolved()
    assert recall(store, checkpoint) is None
    remember(store, checkpoint, info_of(checkpoint))
    moved = resolved(str(shutil.copytree(bundled_folder("grounded"), tmp_path / "moved")))
    info = recall(store, moved)
    assert info == ModelInfo(spec=str(tmp_path / "moved"), digest=checkpoint.digest, details=DETAILS)


@pytest.mark.parametrize(
    "options",
    [
        {"device": "cpu"},
        {"dtype": "bfloat16"},
        {"batch_size": 2},
        {"max_new_tokens": 8},
        {"reference": True},
        {"dialect": PLAIN},
        {"dialect": replace(resolved().dialect, system="Look.")},
        {"dialect": replace(resolved().dialect, reply=ReplyFormat(think_open="<thought>"))},
    ],
)
def test_other_settings_are_other_facts(store: Store, options: dict[str, Any]) -> None:
    remember(store, resolved(), info_of(resolved()))
    assert recall(store, resolved(threads=1)) is not None
    assert recall(store, resolved(**options)) is None


def test_other_files_are_other_facts(store: Store, tmp_path: Path) -> None:
    remember(store, resolved(), info_of(resolved()))
    folder = Path(shutil.copytree(bundled_folder("grounded"), tmp_path / "model"))
    (folder / "generation_config.json").write_text("{}")
    assert recall(store, resolved(str(folder))) is None


def test_another_release_of_a_library_forgets(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    remember(store, resolved(), info_of(resolved()))
    monkeypatch.setattr(reply_keys, "_version", lambda name: f"{name} 99")
    assert recall(store, resolved()) is None


def plug_in(machine: Path) -> None:
    (machine / "dev" / "nvidia0").touch()


def exchange(machine: Path) -> None:
    (machine / "gpus" / "0000:01" / "information").write_text("Model: \t NVIDIA H200\nIRQ: 5\n")


@pytest.mark.parametrize("change", [plug_in, exchange])
def test_other_accelerators_forget(
    change: Callable[[Path], None], store: Store, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "dev").mkdir()
    (tmp_path / "gpus" / "0000:01").mkdir(parents=True)
    information = tmp_path / "gpus" / "0000:01" / "information"
    information.write_text("Model: \t NVIDIA H100\nIRQ: 4\n")
    monkeypatch.setattr(remembered, "_DEV", tmp_path / "dev")
    monkeypatch.setattr(remembered, "_DRIVER", tmp_path / "gpus")
    remember(store, resolved(), info_of(resolved()))
    (tmp_path / "dev" / "tty0").touch()
    information.write_text("Model: \t NVIDIA H100\nIRQ: 7\n")
    assert recall(store, resolved()) is not None
    change(tmp_path)
    assert recall(store, resolved()) is None


@pytest.mark.parametrize("value", ["", "0,1"])
def test_hidden_accelerators_forget(store: Store, value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("CUDA_VISIBLE_DEVICES", raising=False)
    remember(store, resolved(), info_of(resolved()))
    monkeypatch.setenv("CUDA_VISIBLE_DEVICES", value)
    assert recall(store, resolved()) is None


def test_the_latest_facts_count(store: Store) -> None:
    checkpoint = resolved()
    for path in ("shared-prefix", "shared-image", "shared-prefix"):
        remember(store, checkpoint, info_of(checkpoint, path=path))
        info = recall(store, checkpoint)
        assert info is not None
        assert info.details["path"] == path


def test_the_same_facts_are_kept_once(store: Store) -> None:
    remember(store, resolved(), info_of(resolved()))
    kept = store.kept
    remember(store, resolved(), info_of(resolved(), batch_size="9"))
    assert store.kept == kept


def test_a_model_whose_processor_words_its_chats_has_to_be_loaded(store: Store) -> None:
    remember(store, resolved(), info_of(resolved()))
    remember(store, resolved(), info_of(resolved(), chat_template="processor"))
    assert recall(store, resolved()) is None


@pytest.mark.parametrize("text", ["{", "[]", '{"device": 1}', '{"device": "cpu", "dtype": "float32"}'])
def test_facts_that_cannot_be_read_are_not_known(store: Store, text: str) -> None:
    store.write("model", {remembered._machine_key(resolved()): text})
    assert recall(store, resolved()) is None
    remember(store, resolved(), info_of(resolved()))
    assert recall(store, resolved()) is not None


def test_a_model_is_loaded_before_it_is_remembered(tmp_path: Path, store: Store) -> None:
    folder = write_llava(tmp_path / "model", template="")
    eager = load_model(str(folder), device="cpu", max_new_tokens=2, store=store)
    assert not isinstance(eager, RememberedModel)
    assert isinstance(eager, Storable)
    lazy = load_model(str(folder), device="cpu", max_new_tokens=2, store=store)
    assert isinstance(lazy, RememberedModel)
    assert lazy.info == eager.info
    (sample,) = load_samples("shapes", limit=1)
    prompts = [perturb(sample, name) for name in resolve_conditions("zhao2026")]
    assert [lazy.reply_key(prompt) for prompt in prompts] == [eager.reply_key(prompt) for prompt in prompts]
    assert sorted(lazy.answer(prompts)) == sorted(eager.answer(prompts))


def test_keys_of_many_prompts_take_neither_torch_nor_transformers(tmp_path: Path) -> None:
    path = tmp_path / "store.sqlite"
    with Store.open(path) as store:
        loaded = load_model("bundled:grounded", store=store)
    assert isinstance(loaded, Storable)
    prompts = [
        perturb(sample, name)
        for sample in load_samples("shapes", limit=20)
        for name in resolve_conditions("zhao2026")
    ]
    code = (
        "import json, sys\n"
        "from pathlib import Path\n"
        "from pytest_vlmrobust import load_samples\n"
        "from pytest_vlmrobust.conditions import perturb, resolve_conditions\n"
        "from pytest_vlmrobust.models.registry import load_model\n"
        "from pytest_vlmrobust.store import Store\n"
        f"model = load_model('bundled:grounded', store=Store.open(Path({str(path)!r})))\n"
        "samples, names = load_samples('shapes', limit=20), resolve_conditions('zhao2026')\n"
        "keys = [model.reply_key(perturb(sample, name)) for sample in samples for name in names]\n"
        "heavy = {'torch', 'transformers', 'numpy', 'PIL', 'huggingface_hub', 'tokenizers'}\n"
        "print(json.dumps([type(model).__name__, keys, sorted(heavy & set(sys.modules))]))\n"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert json.loads(done.stdout) == [
        "RememberedModel",
        [loaded.reply_key(prompt) for prompt in prompts],
        [],
    ]


class OutOnce:
    """A path whose memory runs out when it is first run."""

    name = "shared-prefix"

    def __init__(self, path: paths.Path) -> None:
        self._path = path
        self.runs: list[int] = []

    def run(self, rows: Sequence[Row], *, rows_at_once: int, max_new_tokens: int) -> Iterator[Ended]:
        self.runs.append(rows_at_once)
        if len(self.runs) == 1:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return self._path.run(rows, rows_at_once=rows_at_once, max_new_tokens=max_new_tokens)


def run_out_of_memory(model: TransformersModel) -> list[int]:
    """Let a model answer four prompts, and run out of memory meanwhile; returns the rows run at once."""
    out = model._path = OutOnce(model._path)
    (sample,) = load_samples("shapes", limit=1)
    prompts = [perturb(sample, name) for name in resolve_conditions("zhao2026")][:4]
    assert len(list(model.answer(prompts))) == 4
    return out.runs


@pytest.mark.parametrize("wording", ["folder", "processor"])
def test_a_number_of_rows_that_was_too_large_is_not_tried_again(
    tmp_path: Path, store: Store, monkeypatch: pytest.MonkeyPatch, wording: str
) -> None:
    folder = str(write_llava(tmp_path / "model", template=""))
    if wording == "processor":  # as for a template that only the library can render
        monkeypatch.setattr(FolderTemplate, "find", lambda _: None)
    first = load_model(folder, device="cpu", max_new_tokens=2, store=store)
    assert isinstance(first, TransformersModel)
    assert first.info.details["chat_template"] == wording
    assert run_out_of_memory(first) == [64, 2]

    second = load_model(folder, device="cpu", max_new_tokens=2, store=store)
    assert second.info.details["rows_at_once"] == "2"
    if wording == "folder":
        assert isinstance(second, RememberedModel)
        second = second._loaded()
    assert isinstance(second, TransformersModel)
    assert run_out_of_memory(second) == [2, 1]

    third = load_model(folder, device="cpu", max_new_tokens=2, store=store)
    assert third.info.details["rows_at_once"] == "1"
    assert third.info.details["batch_size"] == "auto"


def test_rows_are_recalled_whoever_words_the_chats(store: Store) -> None:
    checkpoint = resolved()
    assert recalled_rows(store, checkpoint) is None
    for wording, rows in (("folder", "9"), ("processor", "5"), ("processor", "2")):
        remember(store, checkpoint, info_of(checkpoint, chat_template=wording, rows_at_once=rows))
        assert recalled_rows(store, checkpoint) == int(rows)
    remember(store, checkpoint, info_of(checkpoint, rows_at_once="many"))
    assert recalled_rows(store, checkpoint) is None
