"""Real architectures with random weights, asked through the same code as any model."""

from __future__ import annotations

import dataclasses
import functools
import inspect
import random
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from packaging.version import Version
from PIL import Image
from PIL.Image import Image as PILImage
from torch.utils.hooks import RemovableHandle
from transformers import Qwen2_5_VLForConditionalGeneration
from transformers.utils.import_utils import is_torchvision_available

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import read_reply
from pytest_vlmrobust.errors import DataError, ModelError
from pytest_vlmrobust.models.base import Answer, Model
from pytest_vlmrobust.models.chat import Row
from pytest_vlmrobust.models.dialects import PLAIN
from pytest_vlmrobust.models.folders import read_config
from pytest_vlmrobust.models.letters import Distribution, Rescore
from pytest_vlmrobust.models.transformers import TransformersModel
from pytest_vlmrobust.models.transformers.loading import Loaded, load_folder
from tests.unit.random_models import BOS, END, START, constrain, write_idefics3, write_llava, write_qwen

CPU = torch.device("cpu")
CHOICES = ("the left one", "the right one", "both of them")
LETTERS = "ABC"


class Noise:
    """An image of colored noise, which counts how often it is opened."""

    def __init__(self, seed: int, size: tuple[int, int]) -> None:
        self.seed, self.size, self.opened = seed, size, 0

    def load(self) -> PILImage:
        self.opened += 1
        return Image.frombytes(
            "RGB", self.size, random.Random(self.seed).randbytes(3 * self.size[0] * self.size[1])
        )

    def digest(self) -> str:
        return f"noise-{self.seed}-{self.size}"


def prompts_about(name: str, *images: Noise) -> list[Prompt]:
    base = Prompt(sample_id=name, condition="base", images=images, question="Which is red?", choices=CHOICES)
    change = dataclasses.replace
    return [
        base,
        change(
            base, condition="wrong-caption", caption="The right one is red, as anybody can see.", planted="B"
        ),
        change(base, condition="wrong-think", thought="The blue circle", planted="B"),
        change(base, condition="stop-think", thought="Okay.", thought_closed=True),
    ]


PROMPTS = [
    *prompts_about("small", Noise(1, (60, 60))),
    *prompts_about("wide", Noise(2, (120, 40))),
    *prompts_about("tall", Noise(3, (30, 90))),
]
REPLIES = [
    f"<think>{thought}</think><answer>{space}{letter}</answer>"
    for thought in ("it is left", "The blue circle is so", "Okay.")
    for letter in LETTERS
    for space in ("", " ")
]


@dataclass(frozen=True)
class Opened:
    """A model that words one of `REPLIES`, with what it is made of."""

    model: TransformersModel
    loaded: Loaded
    folder: Path
    hook: RemovableHandle

    @functools.cached_property
    def answers(self) -> list[Answer]:
        """What it answers to `PROMPTS` in one batch."""
        return ask(self.model)

    def again(self, **settings: Any) -> TransformersModel:
        options: dict[str, Any] = {"batch_size": None, "max_new_tokens": 60, **settings}
        return TransformersModel(self.loaded, folder=self.folder, spec="random", dialect=PLAIN, **options)

    @contextmanager
    def wording(self, *replies: str, never: str = "") -> Iterator[TransformersModel]:
        """Let the model word other replies for a while."""
        hooks = self.loaded.model._forward_hooks
        kept = hooks.pop(self.hook.id)
        handle = constrain(self.loaded.model, self.loaded.tokenizer, replies, never=never)
        try:
            yield self.again()
        finally:
            handle.remove()
            hooks[self.hook.id] = kept


def opened(folder: Path, loaded: Loaded | None = None) -> Opened:
    if loaded is None:
        loaded = load_folder(folder, read_config(folder), name="random", device=CPU, dtype=torch.float32)
    hook = constrain(loaded.model, loaded.tokenizer, REPLIES)
    model = TransformersModel(
        loaded, folder=folder, spec="random", dialect=PLAIN, batch_size=None, max_new_tokens=60
    )
    return Opened(model, loaded, folder, hook)


def open_qwen(folder: Path) -> Opened:
    _, processor = write_qwen(folder)
    processor.tokenizer.padding_side = "left"
    model = Qwen2_5_VLForConditionalGeneration.from_pretrained(folder)
    model.train(False)
    return opened(
        folder, Loaded(model=model, processor=processor, tokenizer=processor.tokenizer, template=None)
    )


MAKERS: dict[str, Callable[[Path], Opened]] = {
    "llava": lambda folder: opened(write_llava(folder)),
    "llava-merged": lambda folder: opened(write_llava(folder, vocabulary="merged")),
    "llava-mixed": lambda folder: opened(write_llava(folder, vocabulary="mixed")),
    "llava-no-pad": lambda folder: opened(write_llava(folder, pad=False, adds=f"{BOS} $A")),
    "qwen2.5-vl": open_qwen,
}
if is_torchvision_available() or Version(transformers.__version__) >= Version("5.18"):
    # Before 5.18 its image processor cannot be made without torchvision.
    MAKERS["idefics3"] = lambda folder: opened(write_idefics3(folder, vocabulary="mixed"))


@pytest.fixture(scope="module", params=list(MAKERS))
def any_model(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return MAKERS[request.param](tmp_path_factory.mktemp(request.param))


@pytest.fixture(scope="module")
def llava(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return MAKERS["llava"](tmp_path_factory.mktemp("llava"))


@pytest.fixture(scope="module")
def llava_mixed(tmp_path_factory: pytest.TempPathFactory) -> Opened:
    return MAKERS["llava-mixed"](tmp_path_factory.mktemp("llava-mixed"))


def ask(model: Model, prompts: Sequence[Prompt] = PROMPTS) -> list[Answer]:
    answers = dict(model.answer(prompts))
    return [answers[index] for index in range(len(prompts))]


def assert_alike(left: list[Answer], right: list[Answer]) -> None:
    """The same texts; the same letter probabilities up to rounding."""
    for one, other in zip(left, right, strict=True):
        assert dataclasses.replace(one, letter_probs=None, letter_mass=None) == dataclasses.replace(
            other, letter_probs=None, letter_mass=None
        )
        assert one.letter_probs == pytest.approx(other.letter_probs, abs=1e-4)
        assert one.letter_mass == pytest.approx(other.letter_mass, abs=1e-4)


def test_every_prompt_gets_a_whole_reply_with_probabilities(any_model: Opened) -> None:
    answers = any_model.answers
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        assert answer.prefill + answer.text in REPLIES
        assert answer.prefill == PLAIN.render(prompt).prefill
        assert not answer.truncated
        assert answer.letter_probs is not None
        assert answer.letter_mass is not None
        assert sum(answer.letter_probs) == pytest.approx(1.0)
        assert 0.0 < answer.letter_mass <= 1.0
        letter = read_reply(answer.text, CHOICES, prefill=answer.prefill).letter
        assert letter is not None
        assert answer.letter_probs[LETTERS.index(letter)] == max(answer.letter_probs)
    assert len({answer.letter_probs for answer in answers}) == len(answers), "image or text has no influence"


def test_a_batch_answers_like_one_row_at_a_time(any_model: Opened) -> None:
    assert_alike(ask(any_model.again(batch_size=1)), any_model.answers)


def test_images_encoded_once_change_nothing(any_model: Opened) -> None:
    shared, plain = any_model.model, any_model.again()
    plain._encoder.shares_images = False
    assert_alike(any_model.answers, ask(plain))
    takes_features = "mm_encoder_outputs" in inspect.signature(any_model.loaded.model.forward).parameters
    assert shared.info.details["images_encoded"] == ("once per sample" if takes_features else "once per row")
    assert plain.info.details["images_encoded"] == "once per row"


def test_letter_probabilities_agree_with_separate_passes(any_model: Opened) -> None:
    for prompt, answer in zip(PROMPTS[5:8], any_model.answers[5:8], strict=True):
        expected = naive_probabilities(any_model, prompt, answer)
        assert answer.letter_probs == pytest.approx([mass / sum(expected) for mass in expected], abs=1e-4)
        assert answer.letter_mass == pytest.approx(sum(expected), abs=1e-4)


def naive_probabilities(subject: Opened, prompt: Prompt, answer: Answer) -> list[float]:
    """P(each letter spelled like the emitted one), each step by a pass of its own over the whole text."""
    tokenizer = subject.loaded.tokenizer
    vocab = tokenizer.get_vocab()
    span = read_reply(answer.text, CHOICES, prefill=answer.prefill).answer_span
    assert span is not None
    ids = generated_ids(subject, prompt, answer)
    step = next(n for n in range(len(ids)) if len(tokenizer.decode(ids[: n + 1])) > span[0])
    token = tokenizer.convert_ids_to_tokens(ids[step])
    now = distribution(subject, prompt, ids[:step])
    siblings = [vocab.get(token.replace(answer.text[span[0]], letter)) for letter in LETTERS]
    partly_merged = (">A" in vocab) != (">B" in vocab)
    if not partly_merged or token.startswith("Ġ"):
        assert None not in siblings
        return [now[index] for index in siblings]
    before_tag = ids[:step] if token.startswith(">") else ids[: step - 1]
    first = distribution(subject, prompt, before_tag)
    second = distribution(subject, prompt, [*before_tag, vocab[">"]])
    merged = [first[vocab[">" + letter]] if ">" + letter in vocab else 0.0 for letter in LETTERS]
    return [
        whole + first[vocab[">"]] * second[vocab[letter]]
        for whole, letter in zip(merged, LETTERS, strict=True)
    ]


def generated_ids(subject: Opened, prompt: Prompt, answer: Answer) -> list[int]:
    """Find the greedy tokens again, step by step and without a cache."""
    ids: list[int] = []
    while subject.loaded.tokenizer.decode(ids) != answer.text:
        probs = distribution(subject, prompt, ids)
        ids.append(max(range(len(probs)), key=probs.__getitem__))
        assert len(ids) <= answer.tokens
    return ids


def distribution(subject: Opened, prompt: Prompt, ids: list[int]) -> list[float]:
    row = subject.model._chat.render(prompt)
    inputs = subject.loaded.processor(
        text=[row.text],
        images=[[image.load() for image in prompt.images]],
        return_tensors="pt",
        add_special_tokens=subject.loaded.tokenizer.bos_token is not None,
    )
    more = torch.tensor([ids], dtype=torch.long)
    for name, tail in (
        ("input_ids", more),
        ("attention_mask", torch.ones_like(more)),
        ("mm_token_type_ids", torch.zeros_like(more)),
    ):
        if name in inputs:
            inputs[name] = torch.cat([inputs[name], tail], dim=1)
    with torch.inference_mode():
        logits = subject.loaded.model(**inputs, use_cache=False).logits[0, -1]
    probs: list[float] = logits.double().softmax(-1).tolist()
    return probs


@pytest.mark.parametrize(
    ("never", "more_steps"),
    [pytest.param(">", 1, id="emitted as one token"), pytest.param(">A", 0, id="emitted as two tokens")],
)
def test_spellings_that_only_some_letters_have_are_summed(
    llava_mixed: Opened, monkeypatch: pytest.MonkeyPatch, never: str, more_steps: int
) -> None:
    taken: list[str] = []
    finish = TransformersModel._finished

    def spy(self: TransformersModel, row: Row, rescore: Rescore) -> Distribution | None:
        taken.append(row.where)
        return finish(self, row, rescore)

    monkeypatch.setattr(TransformersModel, "_finished", spy)
    with llava_mixed.wording("<answer>A", never=never) as model:
        (answer,) = ask(model, PROMPTS[:1])
        assert len(taken) == more_steps
        expected = naive_probabilities(llava_mixed, PROMPTS[0], answer)
    assert answer.text == "<answer>A"
    assert answer.letter_probs == pytest.approx([mass / sum(expected) for mass in expected], abs=1e-6)
    assert answer.letter_mass == pytest.approx(sum(expected), abs=1e-6)


def test_a_letter_inside_a_word_has_no_probabilities(llava: Opened) -> None:
    with llava.wording("<answer>the right one</answer>") as model:
        (answer,) = ask(model, PROMPTS[:1])
    assert read_reply(answer.text, CHOICES).letter == "B"
    assert answer.letter_probs is None
    assert answer.letter_mass is None


def test_rows_stop_at_their_own_closing_tag(llava: Opened) -> None:
    prompts = [prompt for prompt in PROMPTS if prompt.condition in ("base", "stop-think")]
    with llava.wording("<think>Okay.</think><answer>B</answer> so it is") as model:
        answers = ask(model, prompts)
    assert [answer.text for answer in answers] == [
        "<think>Okay.</think><answer>B</answer>",
        "<answer>B</answer>",
    ] * 3
    assert not any(answer.truncated for answer in answers)
    assert max(answers[1].tokens, answers[3].tokens) < min(answers[0].tokens, answers[2].tokens)


def test_a_closing_tag_inside_the_thought_does_not_stop(llava: Opened) -> None:
    reply = "<think>it is <answer>A</answer> so</think><answer>B</answer>"
    with llava.wording(reply) as model:
        (answer,) = ask(model, PROMPTS[:1])
    assert answer.text == reply
    assert answer.letter_probs is not None


def test_a_reply_that_ends_by_itself_is_whole(llava: Opened) -> None:
    with llava.wording("<think>it is so") as model:
        (answer,) = ask(model, PROMPTS[:1])
    assert (answer.text, answer.truncated) == ("<think>it is so", False)


def test_the_token_limit_truncates(llava: Opened) -> None:
    answers = ask(llava.again(max_new_tokens=5))
    assert {(answer.truncated, answer.tokens, answer.letter_probs) for answer in answers} == {(True, 5, None)}


def test_the_prefill_is_the_end_of_what_the_model_reads(llava: Opened) -> None:
    row = llava.model._chat.render(PROMPTS[2])
    inputs = llava.model._encoder.encode([row])
    assert llava.loaded.tokenizer.decode(inputs["input_ids"][0]).endswith("assistant\n<think>The blue circle")


@pytest.mark.parametrize(
    ("adds", "template", "begins"),
    [
        pytest.param(f"{BOS} $A", "", 1, id="the tokenizer begins the text"),
        pytest.param(f"{BOS} $A", BOS, 1, id="tokenizer and template both do"),
        pytest.param(f"$A {END}", "", 0, id="the tokenizer ends the text"),
    ],
)
def test_nothing_is_added_twice_and_nothing_after_the_prefill(
    tmp_path: Path, adds: str, template: str, begins: int
) -> None:
    subject = opened(write_llava(tmp_path, adds=adds, template=template))
    rows = [subject.model._chat.render(prompt) for prompt in prompts_about("one", Noise(1, (60, 60)))[2:]]
    shared, plain = subject.again()._encoder, subject.again()._encoder
    plain.shares_images = False
    for encoder in (shared, plain):
        inputs = encoder.encode(rows)
        for ids, mask, row in zip(inputs["input_ids"], inputs["attention_mask"], rows, strict=True):
            tokens = subject.loaded.tokenizer.convert_ids_to_tokens(ids[mask.bool()])
            assert (tokens.count(BOS), tokens[begins]) == (begins, START)
            assert subject.loaded.tokenizer.decode(ids).endswith(row.prefill)


def test_an_image_is_opened_once_for_all_conditions_of_a_sample(llava: Opened) -> None:
    image = Noise(9, (50, 50))
    llava_answers = ask(llava.model, prompts_about("counted", image))
    assert len(llava_answers) == 4
    assert image.opened == 1


def test_several_images_and_changed_images_are_kept_apart(any_model: Opened) -> None:
    two = prompts_about("two", Noise(4, (60, 60)), Noise(5, (90, 40)))
    swapped = [
        dataclasses.replace(prompt, sample_id="swapped", images=prompt.images[::-1]) for prompt in two[:2]
    ]
    other = dataclasses.replace(two[0], condition="other-image", images=(Noise(6, (60, 60)),))
    prompts = [*two, other, *swapped]
    together = ask(any_model.again(), prompts)
    assert_alike(together, ask(any_model.again(batch_size=1), prompts))
    assert together[0].letter_probs != together[5].letter_probs


def test_prompts_of_a_sample_may_lie_apart(llava: Opened) -> None:
    apart = PROMPTS[::4] + PROMPTS[1::4] + PROMPTS[2::4] + PROMPTS[3::4]
    by_prompt = dict(zip(map(id, apart), ask(llava.model, apart), strict=True))
    assert_alike([by_prompt[id(prompt)] for prompt in PROMPTS], llava.answers)


def test_wrongly_expanded_placeholders_end_the_sharing(
    llava: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def wrong(*_: Any) -> tuple[list[int], int]:
        return [1, 2, 3], 1

    expected = llava.answers
    monkeypatch.setattr("pytest_vlmrobust.models.transformers.encoding.expand_like", wrong)
    model = llava.again()
    assert_alike(ask(model), expected)
    assert model.info.details["images_encoded"] == "once per row"


def test_right_padding_is_refused(llava: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    model = llava.again()
    model._encoder.shares_images = False
    monkeypatch.setattr(llava.loaded.tokenizer, "padding_side", "right")
    with pytest.raises(ModelError, match="pads on the right"):
        ask(model)


@pytest.mark.parametrize(
    "error",
    [
        torch.OutOfMemoryError("CUDA out of memory"),
        RuntimeError("DefaultCPUAllocator: can't allocate memory"),
    ],
    ids=["cuda", "cpu"],
)
def test_a_batch_that_exceeds_the_memory_is_halved(
    llava: Opened, monkeypatch: pytest.MonkeyPatch, error: Exception
) -> None:
    sizes: list[int] = []
    model = llava.again()
    run = model._generator.run

    def hungry(inputs: Any, prefills: Sequence[str], **options: Any) -> Any:
        sizes.append(len(prefills))
        if len(prefills) > 5:
            raise error
        return run(inputs, prefills, **options)

    monkeypatch.setattr(model._generator, "run", hungry)
    answers = list(model.answer(PROMPTS))
    assert sizes == [12, 4, 4, 4]
    assert sorted(index for index, _ in answers) == list(range(12))
    assert model.info.details["batch_size"] == "6"
    assert_alike([answer for _, answer in sorted(answers, key=lambda pair: pair[0])], llava.answers)


def test_one_row_that_exceeds_the_memory_is_an_error(llava: Opened, monkeypatch: pytest.MonkeyPatch) -> None:
    model = llava.again(batch_size=2)

    def starved(*_: Any, **__: Any) -> Any:
        raise MemoryError

    monkeypatch.setattr(model._generator, "run", starved)
    with pytest.raises(ModelError, match="memory ran out on sample 'small' under 'base' alone"):
        ask(model)


def test_scores_that_are_no_numbers_name_sample_and_condition(llava: Opened) -> None:
    def poison(_module: Any, _args: Any, output: Any) -> None:
        if len(output.logits) > 6:
            output.logits[6] = float("nan")

    handle = llava.loaded.model.register_forward_hook(poison)
    try:
        with pytest.raises(
            ModelError, match="NaN or infinite at token 0 of the reply to sample 'wide' under 'wrong-think'"
        ):
            ask(llava.model)
    finally:
        handle.remove()


def test_a_placeholder_in_a_question_is_an_error_and_no_answer(llava: Opened) -> None:
    bad = dataclasses.replace(PROMPTS[0], question="Which is red? <image>")
    with pytest.raises(ModelError, match=r"failed on sample 'small' under 'base' \("):
        ask(llava.model, [bad])


def test_a_broken_image_is_a_data_error(llava: Opened) -> None:
    class Broken(Noise):
        def load(self) -> PILImage:
            raise DataError("broken.png: cannot be decoded")

    with pytest.raises(DataError, match=r"broken\.png"):
        ask(llava.model, prompts_about("broken", Broken(1, (2, 2))))


def test_shipped_generation_settings_change_nothing(tmp_path: Path) -> None:
    shipped = {"repetition_penalty": 9.0, "no_repeat_ngram_size": 2, "do_sample": True, "temperature": 3.0}
    plain = opened(write_llava(tmp_path / "plain"))
    penalized = opened(write_llava(tmp_path / "penalized", generation={"eos_token_id": 5, **shipped}))
    assert_alike(ask(plain.model), ask(penalized.model))


def test_every_shipped_end_of_sequence_token_ends_a_reply(tmp_path: Path) -> None:
    tokenizer = MAKERS["llava"](tmp_path / "first").loaded.tokenizer
    stop = tokenizer.get_vocab()["!"]
    subject = opened(write_llava(tmp_path / "second", generation={"eos_token_id": [stop]}))
    with subject.wording("<think>it is! square") as model:
        (answer,) = ask(model, PROMPTS[:1])
    assert answer.truncated is False
    assert answer.text == "<think>it is"


def test_a_missing_pad_token_is_replaced_and_said(tmp_path: Path, llava: Opened) -> None:
    bare = MAKERS["llava-no-pad"](tmp_path)
    assert bare.model.info.details["pad_token"].startswith("<|im_end|> (the end of sequence")
    assert llava.model.info.details["pad_token"] == "<|pad|>"


def test_info_says_where_the_model_came_from(llava: Opened) -> None:
    info = llava.model.info
    assert info.spec == "random"
    assert len(info.digest) == 32
    assert info.details["class"] == "LlavaForConditionalGeneration"
    assert (info.details["device"], info.details["dtype"]) == ("cpu", "float32")
    assert (info.details["dialect"], info.details["max_new_tokens"]) == ("plain", "60")
    assert info.details["torch"] == torch.__version__
