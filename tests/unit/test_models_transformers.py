"""Real architectures with random weights, asked through the same code as any model."""

from __future__ import annotations

import dataclasses
import gc
import weakref
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest
import torch
import transformers
from PIL.Image import Image as PILImage

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import read_reply
from pytest_vlmrobust.errors import DataError, ModelError
from pytest_vlmrobust.models.base import Answer
from pytest_vlmrobust.models.chat import Row
from pytest_vlmrobust.models.dialects import PLAIN
from pytest_vlmrobust.models.letters import LOW_MASS, Distribution, Rescore
from pytest_vlmrobust.models.transformers import answers, paths
from pytest_vlmrobust.models.transformers.encoding import InputEncoder
from pytest_vlmrobust.models.transformers.paths import Ended
from tests.unit.opened_models import (
    CHOICES,
    LETTERS,
    MAKERS,
    PROMPTS,
    REPLIES,
    Models,
    Noise,
    Opened,
    ask,
    assert_alike,
    candidates,
    opened,
    prompts_about,
)
from tests.unit.random_models import BOS, END, START, write_llava


@pytest.fixture(params=list(MAKERS))
def any_model(request: pytest.FixtureRequest, models: Models) -> Opened:
    return models[request.param]


@pytest.fixture
def llava(models: Models) -> Opened:
    return models["llava"]


@pytest.fixture
def llava_mixed(models: Models) -> Opened:
    return models["llava-mixed"]


def test_every_prompt_gets_a_whole_reply_with_probabilities(any_model: Opened) -> None:
    answers, agreeing = any_model.answers, 0
    for prompt, answer in zip(PROMPTS, answers, strict=True):
        assert answer.prefill + answer.text in REPLIES
        assert answer.prefill == PLAIN.render(prompt).prefill
        assert not answer.truncated
        assert answer.letter_probs is not None
        assert answer.letter_mass is not None
        assert sum(answer.letter_probs) == pytest.approx(1.0)
        assert 0.0 < answer.letter_mass <= 1.0
        likeliest = LETTERS[answer.letter_probs.index(max(answer.letter_probs))]
        agreeing += likeliest == read_reply(answer.text, CHOICES, prefill=answer.prefill).letter
    assert agreeing >= 10, "a letter may lead in all its spellings together without being the one emitted"
    assert len({answer.letter_probs for answer in answers}) == len(answers), "image or text has no influence"


def test_letter_probabilities_agree_with_separate_passes(any_model: Opened) -> None:
    for prompt, answer in zip(PROMPTS[5:7], any_model.answers[5:7], strict=True):
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
    if partly_merged and not token.startswith("Ġ"):
        before_tag = ids[:step] if token.startswith(">") else ids[: step - 1]
        first = distribution(subject, prompt, before_tag)
        second = distribution(subject, prompt, [*before_tag, vocab[">"]])
        merged = [first[vocab[">" + letter]] if ">" + letter in vocab else 0.0 for letter in LETTERS]
        return [
            whole + first[vocab[">"]] * second[vocab[letter]]
            for whole, letter in zip(merged, LETTERS, strict=True)
        ]
    same = [now[index] for index in siblings if index is not None]
    assert len(same) == len(LETTERS)
    return same if sum(same) >= LOW_MASS else every_spelling(subject, prompt, ids[:step], now)


def every_spelling(subject: Opened, prompt: Prompt, ids: list[int], now: list[float]) -> list[float]:
    """P(each letter by itself, behind a space or behind the tag's end, in one token or in two)."""
    vocab = subject.loaded.tokenizer.get_vocab()
    leads = [lead for lead in ("Ġ", ">") if lead + "A" in vocab and now[vocab[lead]] >= 0.05]
    befores = [
        before
        for before in ("", "Ġ", ">")
        if before in leads or all(before + letter in vocab for letter in LETTERS)
    ]
    masses = [
        sum(now[vocab[before + letter]] for before in befores if before + letter in vocab)
        for letter in LETTERS
    ]
    for lead in leads:
        after = distribution(subject, prompt, [*ids, vocab[lead]])
        masses = [
            mass + now[vocab[lead]] * after[vocab[letter]]
            for mass, letter in zip(masses, LETTERS, strict=True)
        ]
    return masses


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
@pytest.mark.parametrize(
    "options", [{}, {"reference": True}], ids=["from the cache", "by running the prompt again"]
)
def test_spellings_that_only_some_letters_have_are_summed(
    llava_mixed: Opened,
    monkeypatch: pytest.MonkeyPatch,
    never: str,
    more_steps: int,
    options: dict[str, Any],
) -> None:
    wanted: list[int] = []
    finish = answers._finished

    def spy(found: dict[int, Distribution | Rescore | None], ended: Ended) -> dict[int, Distribution | None]:
        wanted.extend(index for index, each in found.items() if isinstance(each, Rescore))
        return finish(found, ended)

    monkeypatch.setattr(answers, "_finished", spy)
    with llava_mixed.wording("<answer>A", never=never):
        (answer,) = ask(llava_mixed.again(**options), PROMPTS[:1])
        expected = naive_probabilities(llava_mixed, PROMPTS[0], answer)
    assert len(wanted) == more_steps
    assert answer.text == "<answer>A"
    assert answer.letter_probs == pytest.approx([mass / sum(expected) for mass in expected], abs=1e-6)
    assert answer.letter_mass == pytest.approx(sum(expected), abs=1e-6)


def test_a_letter_inside_a_word_has_no_probabilities(llava: Opened) -> None:
    with llava.wording("<answer>the right one</answer>"):
        (answer,) = ask(llava.model, PROMPTS[:1])
    assert read_reply(answer.text, CHOICES).letter == "B"
    assert answer.letter_probs is None
    assert answer.letter_mass is None


def test_rows_stop_at_their_own_closing_tag(llava: Opened) -> None:
    prompts = [prompt for prompt in PROMPTS if prompt.condition in ("base", "stop-think")]
    with llava.wording("<think>Okay.</think><answer>B</answer> so it is"):
        answers = ask(llava.model, prompts)
    assert [answer.text for answer in answers] == [
        "<think>Okay.</think><answer>B</answer>",
        "<answer>B</answer>",
    ] * 3
    assert not any(answer.truncated for answer in answers)
    assert max(answers[1].tokens, answers[3].tokens) < min(answers[0].tokens, answers[2].tokens)


def test_a_closing_tag_inside_the_thought_does_not_stop(llava: Opened) -> None:
    reply = "<think>it is <answer>A</answer> so</think><answer>B</answer>"
    with llava.wording(reply):
        (answer,) = ask(llava.model, PROMPTS[:1])
    assert answer.text == reply
    assert answer.letter_probs is not None


def test_a_reply_that_ends_by_itself_is_whole(llava: Opened) -> None:
    with llava.wording("<think>it is so"):
        (answer,) = ask(llava.model, PROMPTS[:1])
    assert (answer.text, answer.truncated) == ("<think>it is so", False)


def test_the_token_limit_truncates(llava: Opened) -> None:
    answers = ask(llava.again(max_new_tokens=2))
    assert {(answer.truncated, answer.tokens, answer.letter_probs) for answer in answers} == {(True, 2, None)}


def test_the_prefill_is_the_end_of_what_the_model_reads(llava: Opened) -> None:
    encoder, decode = InputEncoder(llava.loaded), llava.loaded.tokenizer.decode
    row = llava.model._chat.render(PROMPTS[2])
    for ids in (encoder.encode([row])["input_ids"][0], encoder.encode_parted([row]).ids[0]):
        assert decode(ids).endswith("assistant\n<think>The blue circle")


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
    for ids_of_rows in encoded_in_every_way(subject, rows):
        for ids, row in zip(ids_of_rows, rows, strict=True):
            tokens = subject.loaded.tokenizer.convert_ids_to_tokens(ids)
            assert (tokens.count(BOS), tokens[begins]) == (begins, START)
            assert subject.loaded.tokenizer.decode(ids).endswith(row.prefill)


def encoded_in_every_way(subject: Opened, rows: Sequence[Row]) -> Iterator[list[list[int]]]:
    """The rows' tokens: each sample's images encoded once, every row's by themselves, rows in parts."""
    shared, plain = InputEncoder(subject.loaded), InputEncoder(subject.loaded)
    plain.shares_images = False
    for encoder in (shared, plain):
        inputs = encoder.encode(rows)
        pairs = zip(inputs["input_ids"], inputs["attention_mask"], strict=True)
        yield [ids[mask.bool()].tolist() for ids, mask in pairs]
    yield [list(ids) for ids in shared.encode_parted(rows).ids]


def test_an_image_is_opened_once_for_all_conditions_of_a_sample(any_model: Opened) -> None:
    image = Noise(9, (50, 50))
    assert len(ask(any_model.model, prompts_about("counted", image))) == 4
    assert image.opened == 1


def test_prompts_of_a_sample_may_lie_apart(llava: Opened) -> None:
    apart = PROMPTS[::4] + PROMPTS[1::4] + PROMPTS[2::4] + PROMPTS[3::4]
    by_prompt = dict(zip(map(id, apart), ask(llava.model, apart), strict=True))
    assert_alike([by_prompt[id(prompt)] for prompt in PROMPTS], llava.answers)


def test_rows_that_exceed_the_memory_are_halved_and_none_is_run_twice(llava: Opened) -> None:
    model = llava.again()
    hungry = model._path = Hungry(model._path)
    answers = list(model.answer(PROMPTS))
    assert [at_once for _, at_once in hungry.runs] == [64, 6, 3, 1]
    left = [12 - sum(hungry.done[:place]) for place in range(4)]
    assert [rows for rows, _ in hungry.runs] == left
    assert len(set(left)) == 4, "some rows ended before memory ran out, and stayed done"
    assert sorted(index for index, _ in answers) == list(range(12))
    assert_alike([answer for _, answer in sorted(answers, key=lambda pair: pair[0])], llava.answers)
    ask(model, PROMPTS[:1])
    assert hungry.runs[4:] == [(1, 1)], "a batch size that fits is kept"


class Hungry:
    """A path whose memory runs out three times, after the first rows have ended."""

    name = "hungry"

    def __init__(self, path: paths.Path) -> None:
        self._path = path
        self._errors: list[Exception] = [
            torch.OutOfMemoryError("CUDA out of memory"),
            RuntimeError("DefaultCPUAllocator: can't allocate memory"),
            MemoryError(),
        ]
        self.runs: list[tuple[int, int]] = []
        self.done: list[int] = []

    def run(self, rows: Sequence[Row], *, rows_at_once: int, max_new_tokens: int) -> Iterator[Ended]:
        self.runs.append((len(rows), rows_at_once))
        self.done.append(0)
        for ended in self._path.run(rows, rows_at_once=rows_at_once, max_new_tokens=max_new_tokens):
            if self._errors and self.done[-1]:
                raise self._errors.pop(0)
            self.done[-1] += len(ended.replies)
            yield ended


def test_one_row_that_exceeds_the_memory_is_an_error(llava: Opened) -> None:
    model = llava.again(batch_size=2)
    model._path = Starved()
    with pytest.raises(
        ModelError, match="memory ran out on sample 'small' under 'base' alone; use a smaller"
    ):
        ask(model)


class Failing:
    """A path that fails once, after some rows have ended."""

    name = "failing"

    def __init__(self, path: paths.Path, error: Exception, *, after: int) -> None:
        self._path, self._error, self._after = path, error, after
        self.runs: list[int] = []

    def run(self, rows: Sequence[Row], *, rows_at_once: int, max_new_tokens: int) -> Iterator[Ended]:
        self.runs.append(rows_at_once)
        done = 0
        for ended in self._path.run(rows, rows_at_once=rows_at_once, max_new_tokens=max_new_tokens):
            if len(self.runs) == 1 and done == self._after:
                raise self._error
            done += len(ended.replies)
            yield ended


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (MemoryError(), "memory ran out on sample 'small' under 'wrong-think' alone; use a smaller"),
        (ValueError("odd"), r"failed on sample 'small' under 'wrong-think' and 1 more \(ValueError: odd\)"),
    ],
)
def test_an_error_names_the_first_row_that_has_no_answer_yet(
    llava: Opened, error: Exception, message: str
) -> None:
    model = llava.again(batch_size=1)
    model._path = Failing(candidates(llava).reference, error, after=2)
    with pytest.raises(ModelError, match=message):
        ask(model, PROMPTS[:4])


@pytest.mark.parametrize(
    "error",
    [
        RuntimeError("CUDA error: CUBLAS_STATUS_ALLOC_FAILED when calling `cublasCreate(handle)`"),
        torch.OutOfMemoryError("no room"),
    ],
)
def test_a_library_that_gets_no_memory_halves_the_rows_and_tells(llava: Opened, error: Exception) -> None:
    model, told = llava.again(batch_size=4), []
    model.on_smaller_batches = lambda: told.append(model.info.details["rows_at_once"])
    failing = model._path = Failing(model._path, error, after=0)
    assert_alike(ask(model, PROMPTS[:4]), llava.answers[:4])
    assert (failing.runs, told) == ([4, 2], ["2"])


def test_closing_twice_does_no_harm(llava: Opened) -> None:
    model = llava.again()
    path = weakref.ref(model._path)
    for _ in range(2):
        model.close()
    gc.collect()
    assert path() is None, "a closed model keeps nothing"


def test_the_vocabulary_is_not_scanned_again_for_each_batch(
    llava: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    path, scans = candidates(llava).batched, []
    tokenizer = llava.loaded.tokenizer
    vocabulary = tokenizer.get_vocab
    rows = [llava.model._chat.render(prompt) for prompt in PROMPTS]

    def counted() -> Any:
        scans.append(len(vocabulary()))
        return vocabulary()

    with monkeypatch.context() as patch:
        patch.setattr(tokenizer, "get_vocab", counted)
        assert path.name == "shared-image"
        assert len(list(path.run(rows, rows_at_once=4, max_new_tokens=2))) == 3
        assert scans == []
        candidates(llava)
        assert scans, "they are counted"


@pytest.mark.parametrize("name", ["llava", "qwen2.5-vl", "qwen3-vl"])
def test_what_the_model_made_of_images_carries_no_graph(models: Models, name: str) -> None:
    subject = models[name]
    encoder = InputEncoder(subject.loaded)
    inputs = encoder.encode([subject.model._chat.render(prompt) for prompt in PROMPTS])
    assert encoder.shares_images
    features = inputs["mm_encoder_outputs"]["image"]
    layers = getattr(features, "deepstack_features", None) or ()
    tensors = [tensor for part in (features.pooler_output, *layers) for tensor in part]
    assert all(parameter.requires_grad for parameter in subject.loaded.model.parameters())
    assert not any(tensor.requires_grad for tensor in tensors)
    assert len(tensors) >= 3


class Starved:
    """A path that has no memory for a single row."""

    name = "starved"

    def run(self, rows: Sequence[Row], *, rows_at_once: int, max_new_tokens: int) -> Iterator[Ended]:  # noqa: ARG002
        raise MemoryError


PATHS: list[dict[str, Any]] = [{}, {"reference": True}]


@pytest.mark.parametrize("options", PATHS, ids=["shared-prefix", "reference"])
@pytest.mark.parametrize("value", [float("nan"), float("inf")])
def test_scores_that_are_no_numbers_name_sample_and_condition(
    models: Models, options: dict[str, Any], value: float
) -> None:
    subject = models["llava"]
    bad = dataclasses.replace(PROMPTS[5], caption="The right one is red!")
    prompts = [*PROMPTS[:5], bad, *PROMPTS[6:]]
    with (
        tampered(subject, "!", value),
        pytest.raises(
            ModelError,
            match="model 'random': its scores are NaN or infinite at token 0 of the reply to "
            "sample 'wide' under 'wrong-caption'; another dtype",
        ),
    ):
        ask(subject.again(**options), prompts)


@pytest.mark.parametrize("options", PATHS, ids=["shared-prefix", "reference"])
def test_scores_that_break_in_mid_reply_name_the_token(models: Models, options: dict[str, Any]) -> None:
    subject = models["llava"]
    with (
        subject.wording("<!</think><answer>A</answer>"),
        tampered(subject, "!", float("nan")),
        pytest.raises(
            ModelError, match="NaN or infinite at token 2 of the reply to sample 'small' under 'base'"
        ),
    ):
        ask(subject.again(**options), PROMPTS[:1])


@contextmanager
def tampered(subject: Opened, token: str, value: float) -> Iterator[None]:
    """Spoil for a while what the model makes of one token."""
    embedding = subject.loaded.model.get_input_embeddings()
    index = subject.loaded.tokenizer.get_vocab()[token]
    kept = embedding.weight.detach()[index].clone()
    with torch.no_grad():
        embedding.weight[index] = value
    try:
        yield
    finally:
        with torch.no_grad():
            embedding.weight[index] = kept


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
    assert_alike(plain.answers, penalized.answers)
    assert_alike(penalized.reference, penalized.answers)


@pytest.mark.parametrize("options", PATHS, ids=["shared-prefix", "reference"])
def test_every_shipped_end_of_sequence_token_ends_a_reply(
    tmp_path: Path, llava: Opened, options: dict[str, Any]
) -> None:
    stop = llava.loaded.tokenizer.get_vocab()["!"]
    subject = opened(write_llava(tmp_path, generation={"eos_token_id": [stop]}))
    with subject.wording("<think>it is! square"):
        (answer,) = ask(subject.again(**options), PROMPTS[:1])
    assert answer.truncated is False
    assert answer.text == "<think>it is"


def test_a_missing_pad_token_is_replaced_and_said(models: Models) -> None:
    details = models["llava-no-pad"].model.info.details
    assert details["pad_token"].startswith("<|im_end|> (the end of sequence")
    assert models["llava"].model.info.details["pad_token"] == "<|pad|>"


def test_a_tokenizer_without_any_end_is_refused(tmp_path: Path) -> None:
    subject = opened(write_llava(tmp_path, pad=False))
    tokenizer = subject.loaded.tokenizer
    tokenizer.pad_token = tokenizer.eos_token = None
    with pytest.raises(
        ModelError, match="model 'random': its tokenizer has neither a padding nor an end-of-sequ"
    ):
        subject.again()


def test_info_says_where_the_model_came_from(llava: Opened) -> None:
    info = llava.again(batch_size=7).info
    assert info.spec == "random"
    assert info.digest == llava.checkpoint.digest
    assert info.details["class"] == "LlavaForConditionalGeneration"
    assert (info.details["device"], info.details["dtype"]) == ("cpu", "float32")
    assert (info.details["dialect"], info.details["max_new_tokens"]) == ("plain", "60")
    assert (info.details["batch_size"], llava.model.info.details["batch_size"]) == ("7", "auto")
    assert (info.details["path"], info.details["path_reason"]) == ("shared-prefix", "")
    assert info.details["torch"] == torch.__version__
    assert info.details["transformers"] == transformers.__version__


def test_the_reference_is_one_call_of_generate_for_each_prompt(
    llava: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    model, rows = llava.again(reference=True), []
    generate = llava.loaded.model.generate

    def counted(**inputs: Any) -> Any:
        rows.append((len(inputs["input_ids"]), "pixel_values" in inputs))
        return generate(**inputs)

    monkeypatch.setattr(llava.loaded.model, "generate", counted)
    assert_alike(ask(model), llava.answers)
    assert rows == [(1, True)] * len(PROMPTS)
    assert (model.info.details["path"], model.info.details["path_reason"]) == ("reference", "asked for")
