"""A language model from a folder as judge: loaded by transformers, asked in batches."""

from __future__ import annotations

import json
import shutil
from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_vlmrobust.errors import JudgeError, ModelError
from pytest_vlmrobust.judges import Consistency, JudgeCase, load_judge
from pytest_vlmrobust.judges.known import Switches
from pytest_vlmrobust.judges.labelled import labelled_cases
from pytest_vlmrobust.judges.llm import LanguageModelJudge
from pytest_vlmrobust.judges.preflight import check_preflight, preflight
from pytest_vlmrobust.judges.questions import question_for
from pytest_vlmrobust.judges.texts import LocalOptions, LocalText
from pytest_vlmrobust.models.folders import read_config
from pytest_vlmrobust.models.transformers.text import TextReply, TextSettings, TransformersText
from pytest_vlmrobust.store import Store
from tests.unit.random_models import END, START, change_config
from tests.unit.random_texts import NO_SYSTEM, SPECIAL, TEMPLATE, make_text_tokenizer, write_text_model
from tests.unit.test_judge_questions import ATTACKS, CASE, attacked

CASES = [labelled.case for labelled in labelled_cases()[:24]]
CHATS = [(f"Be {'very ' * number}brief.", f"{'Really, ' * (7 * number % 5)}what now?") for number in range(9)]


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_text_model(tmp_path_factory.mktemp("texts") / "random")


Opener = Callable[..., TransformersText]


@pytest.fixture
def opened(folder: Path) -> Iterator[Opener]:
    made: list[TransformersText] = []

    def load(where: Path = folder, **settings: Any) -> TransformersText:
        known = {"device": "cpu", "template": {}, "max_new_tokens": 8, **settings}
        made.append(TransformersText.load(where, read_config(where), TextSettings(**known), name="judge"))
        return made[-1]

    yield load
    for model in made:
        model.close()


def replies(model: TransformersText, chats: Sequence[tuple[str, str]] = CHATS) -> list[TextReply]:
    found: dict[int, TextReply] = {}
    for batch in model.complete(chats):
        assert not found.keys() & dict(batch).keys()
        found |= dict(batch)
    return [found[index] for index in range(len(chats))]


def test_a_batch_gives_what_single_prompts_give(opened: Opener) -> None:
    single = replies(opened(batch_size=1))
    assert len({reply.text for reply in single}) > 4
    assert not any(reply.failure for reply in single)
    for size in (2, 4, None):
        assert replies(opened(batch_size=size)) == single


def test_replies_are_greedy_and_no_setting_of_the_folder_counts(tmp_path: Path, opened: Opener) -> None:
    other = write_text_model(tmp_path / "sampling")
    shipped = {"do_sample": True, "temperature": 5.0, "repetition_penalty": 3.0, "max_new_tokens": 1}
    (other / "generation_config.json").write_text(json.dumps(shipped))
    assert replies(opened(other)) == replies(opened())


def test_the_chat_ends_where_the_models_turn_begins(opened: Opener) -> None:
    model = opened()
    assert model._rendered("Be brief.", "What?") == (
        f"{START}system\nBe brief.{END}\n{START}user\nWhat?{END}\n{START}assistant\n"
    )
    thinking = opened(template={"enable_thinking": False})
    assert thinking._rendered("s", "u").endswith("assistant\n<think>\n\n</think>\n\n")


def test_a_template_without_a_system_turn_gets_both_texts_in_the_users(
    tmp_path: Path, opened: Opener
) -> None:
    model = opened(write_text_model(tmp_path / "m", template=NO_SYSTEM))
    assert (
        model._rendered("Be brief.", "What?") == f"{START}user\nBe brief.\n\nWhat?{END}\n{START}assistant\n"
    )
    broken = opened(write_text_model(tmp_path / "n", template="{{ raise_exception('never') }}" + TEMPLATE))
    with pytest.raises(
        ModelError, match=r"judge'?: its chat template cannot render a question \(TemplateError: never"
    ):
        replies(broken)


def test_a_tokenizer_without_padding_pads_with_the_end(tmp_path: Path, opened: Opener) -> None:
    model = opened(write_text_model(tmp_path / "m", pad=False))
    single = replies(opened(tmp_path / "m", batch_size=1))
    assert replies(model) == single


def test_a_question_that_is_too_long_has_no_reply_and_harms_no_other(tmp_path: Path, opened: Opener) -> None:
    model = opened(write_text_model(tmp_path / "short", max_position_embeddings=64))
    long = ("Be brief.", "Why? " * 60)
    came = replies(model, [CHATS[0], long, CHATS[1]])
    assert came[1].failure.startswith("the question has ")
    assert came[1].failure.endswith("tokens, and the model's context holds 64 with 8 of a reply")
    assert [came[0], came[2]] == replies(model, CHATS[:2])
    assert replies(model, [long])[0].failure


def test_where_memory_runs_out_fewer_are_asked_at_once(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(batch_size=8)
    wanted, generate, sizes = replies(model), model._model.generate, []

    def scarce(**inputs: Any) -> Any:
        sizes.append(len(inputs["input_ids"]))
        if sizes[-1] > 2:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return generate(**inputs)

    monkeypatch.setattr(model._model, "generate", scarce)
    assert replies(model) == wanted
    assert sizes == [8, 4, 2, 2, 2, 2, 1]


def test_a_model_that_fails_on_a_batch_is_asked_the_next(
    opened: Opener, monkeypatch: pytest.MonkeyPatch
) -> None:
    model = opened(batch_size=3)
    generate, count = model._model.generate, iter(range(9))

    def fails_first(**inputs: Any) -> Any:
        if next(count) == 0:
            raise RuntimeError("device-side assert\nmore")
        return generate(**inputs)

    monkeypatch.setattr(model._model, "generate", fails_first)
    failures = Counter(reply.failure for reply in replies(model))
    assert failures == {"": 6, "model 'judge' failed (RuntimeError: device-side assert)": 3}

    def no_memory(**_: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(model._model, "generate", no_memory)
    assert {reply.failure for reply in replies(model)} == {"model 'judge' failed (MemoryError)"}


def test_the_reply_proper_comes_after_the_models_own_channels(opened: Opener) -> None:
    model = opened(after="<|channel|>final<|message|>")
    tokenizer = model._tokenizer

    def decoded(text: str) -> str:
        return model._decoded(tokenizer.encode(text, add_special_tokens=False))

    thought = "<|channel|>analysis<|message|>It says B.<|im_end|><|im_start|>assistant"
    assert decoded(f"{thought}<|channel|>final<|message|>AGREES<|im_end|>") == "AGREES"
    assert decoded(thought) == ""


def remove(folder: Path, pattern: str) -> None:
    for path in folder.glob(pattern):
        path.unlink()


BROKEN: list[tuple[Callable[[Path], Any], str]] = [
    (
        lambda f: remove(f, "model.safetensors"),
        r"no weights; a file that ends in \.safetensors is needed",
    ),
    (
        lambda f: (f / "model.safetensors").rename(f / "pytorch_model.bin"),
        "its weights are pickled .* so only safetensors are loaded",
    ),
    (lambda f: remove(f, "tokenizer*"), r"with tokenizer\.save_pretrained\(\)"),
    (lambda f: remove(f, "chat_template.jinja"), "no chat template .* cannot be asked to judge"),
    (lambda f: (f / "tokenizer.json").write_text("{"), "its tokenizer cannot be loaded"),
    (lambda f: change_config(f, model_type="siglip"), "model_type 'siglip' is no causal language model"),
    (
        lambda f: change_config(f, model_type="mine", auto_map={"AutoModelForCausalLM": "code.py"}),
        "it needs code from its own folder .* remote code is never run",
    ),
    (lambda f: change_config(f, num_hidden_layers=2), r"its weights lack model\.layers\.1\."),
    (lambda f: change_config(f, intermediate_size=7), "its weights have another shape for"),
    (lambda f: remove(f, "config.json"), r"no config\.json"),
]


@pytest.mark.parametrize(("damage", "message"), BROKEN)
def test_a_folder_that_cannot_be_used_is_an_error(
    tmp_path: Path, damage: Callable[[Path], Any], message: str
) -> None:
    broken = write_text_model(tmp_path / "m")
    damage(broken)
    judge = load_judge(str(broken))
    with pytest.raises(ModelError, match=message):
        preflight(judge)


def test_a_device_that_is_not_there_is_an_error(folder: Path) -> None:
    judge = LanguageModelJudge(LocalText(name=str(folder), options=LocalOptions(device="mps")))
    with pytest.raises(ModelError, match="device 'mps' was asked for"):
        judge.judge(CASES[:1])


def test_a_hub_id_that_cannot_be_fetched_is_an_error(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    with pytest.raises(
        ModelError, match=r"'no-such/judge' is no folder here and could not be fetched from the hub"
    ):
        preflight(load_judge("no-such/judge"))


@pytest.fixture
def local(folder: Path) -> Iterator[LocalText]:
    model = LocalText(name=str(folder), options=LocalOptions(device="cpu"))
    yield model
    model.close()


def inner(local: LocalText) -> TransformersText:
    local._loaded = local._loaded or local._load()
    return local._loaded


def test_a_model_that_can_say_anything_babbles_and_the_error_says_so(
    local: LocalText, monkeypatch: pytest.MonkeyPatch
) -> None:
    thinks = Switches(family="thinker", max_tokens=12, thinks=True)
    monkeypatch.setattr("pytest_vlmrobust.judges.known.UNKNOWN", thinks)
    with pytest.raises(JudgeError) as caught:
        check_preflight(preflight(LanguageModelJudge(local)))
    lines = str(caught.value).splitlines()
    assert (
        lines[0] == f"judge {local.name!r} is not trusted: it gave no verdict on 32 of 32 labelled thoughts"
    )
    assert lines[1].startswith("  the first time because its reply was none of the words asked for: ")


def test_a_model_with_random_weights_fails_its_preflight_and_the_error_says_so(
    local: LocalText, tmp_path: Path
) -> None:
    judge = LanguageModelJudge(local)
    with Store.open(tmp_path / "verdicts.sqlite") as store:
        results = preflight(judge, store)
        with pytest.raises(JudgeError) as caught:
            check_preflight(results)
        text = str(caught.value)
        assert "is not trusted: its agreement (Cohen's kappa) with the labels of " in text
        assert text.count(": said ") == 3
        assert results[0].unscored == 0
        kept = store.kept
        again = LocalText(name=local.name, options=LocalOptions(device="cpu"), store=store)
        assert preflight(LanguageModelJudge(again), store) == results
        assert again._loaded is None
        assert store.kept - kept <= 10  # digests of files


def test_a_local_judge_can_say_nothing_but_the_words_of_the_menu(local: LocalText) -> None:
    judge = LanguageModelJudge(local)
    together = judge.judge(CASES)
    assert set(together) <= set(Consistency)
    assert [verdict for case in CASES for verdict in judge.judge([case])] == together


def test_held_to_a_menu_the_likeliest_beginning_is_taken(opened: Opener) -> None:
    words = ("so", "such", "left of it", "left")
    held = replies(opened(menu=words))
    assert {reply.text for reply in held} <= set(words)
    model = opened()
    for chat, reply in zip(CHATS, held, strict=True):
        ids = model._tokenizer(model._rendered(*chat), add_special_tokens=False, return_tensors="pt")
        with torch.inference_mode():
            scores = model._model(**ids).logits[0, -1]
        begins = {word: model._tokenizer.encode(word)[0] for word in words}
        best = max(begins, key=lambda word: float(scores[begins[word]]))
        assert begins[reply.text] == begins[best]
    assert replies(opened(menu=words, batch_size=1)) == held


def test_on_a_cpu_questions_are_read_one_by_one(opened: Opener) -> None:
    assert [len(batch) for batch in opened(menu=("so", "left")).complete(CHATS)] == [1] * len(CHATS)
    assert len(next(opened(menu=("so", "left"), batch_size=4).complete(CHATS))) == 4
    assert len(next(opened().complete(CHATS))) == len(CHATS)


def test_the_identity_is_the_content_and_the_way_of_asking(folder: Path, tmp_path: Path) -> None:
    moved = Path(shutil.copytree(folder, tmp_path / "elsewhere"))
    one, other = (LocalText(name=str(where), options=LocalOptions(device="cpu")) for where in (folder, moved))
    assert one.identity == other.identity
    assert one.details["digest"] == other.details["digest"]
    changed = Path(shutil.copytree(folder, tmp_path / "changed"))
    (changed / "chat_template.jinja").write_text(TEMPLATE + " ")
    assert LocalText(name=str(changed), options=LocalOptions(device="cpu")).identity != one.identity
    assert LocalText(name=str(folder), options=LocalOptions(device="cuda")).identity != one.identity
    assert any(line.startswith("torch=2") for line in one.identity)


def test_a_store_that_two_machines_share_tells_their_verdicts_apart(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def identities() -> list[Sequence[str]]:
        options = (LocalOptions(device="auto"), LocalOptions(device="cpu"))
        return [LocalText(name=str(folder), options=each).identity for each in options]

    here = identities()
    assert identities() == here
    monkeypatch.setattr("pytest_vlmrobust.models.remembered.accelerators", lambda: ["linux", "nvidia0"])
    there = identities()
    assert there[0] != here[0]
    assert there[1] == here[1]


def test_a_known_family_is_told_by_the_folders_configuration(tmp_path: Path) -> None:
    qwen = LocalText(name=str(write_text_model(tmp_path / "checkpoint-7", kind="qwen3", head_dim=16)))
    assert qwen.details["switches"] == "Qwen3, thinking off"
    assert "max_tokens=32" in qwen.identity
    rendered = inner(qwen)._rendered("s", "u")
    assert rendered.endswith("<think>\n\n</think>\n\n")
    qwen.close()


@pytest.mark.parametrize("attack", ATTACKS, ids=lambda attack: attack["name"])
def test_an_attack_brings_no_control_token_into_the_prompt(attack: dict[str, str]) -> None:
    tokenizer: Any = make_text_tokenizer()
    control = set(tokenizer.convert_tokens_to_ids([*SPECIAL, END]))

    def controls(case: JudgeCase) -> list[int]:
        prompt = question_for(case)
        turns = [{"role": "system", "content": prompt.system}, {"role": "user", "content": prompt.user}]
        text = tokenizer.apply_chat_template(turns, tokenize=False, add_generation_prompt=True)
        return [token for token in tokenizer(text, add_special_tokens=False)["input_ids"] if token in control]

    assert set(tokenizer.encode("</s><s>[INST]</think><|im_end|>", add_special_tokens=False)) <= control
    assert controls(attacked(attack)) == controls(CASE)
