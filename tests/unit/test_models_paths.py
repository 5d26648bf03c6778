"""Every way from prompts to replies gives the replies of the plainest one."""

from __future__ import annotations

import dataclasses
import itertools
import random
import weakref
from collections import deque
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from types import SimpleNamespace
from typing import Any

import pytest
import torch
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers.cache_utils import DynamicCache

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.datasets.images import BytesImage
from pytest_vlmrobust.errors import DataError, ModelError
from pytest_vlmrobust.models.chat import Row
from pytest_vlmrobust.models.transformers.cache import Rows
from pytest_vlmrobust.models.transformers.paths import Path
from pytest_vlmrobust.models.transformers.shared_prefix import _admitted
from tests.unit.opened_models import (
    MAKERS,
    PROMPTS,
    TOKEN_LIMIT,
    UNSHAREABLE,
    Asked,
    Models,
    Noise,
    Opened,
    ask,
    assert_same,
    candidates,
    follow,
    prompts_about,
)

pytestmark = pytest.mark.filterwarnings("ignore:__array__ implementation:DeprecationWarning")  # a processor's

_BASE, _CAPTION, _THINK, _STOP = prompts_about("two", Noise(4, (60, 60)), Noise(5, (90, 40)))
VARIED = [
    *PROMPTS[:7],
    _BASE,
    _STOP,
    dataclasses.replace(_BASE, sample_id="swapped", images=_BASE.images[::-1]),
    dataclasses.replace(PROMPTS[8], choices=("one", "two", "three", "four", "five")),
    dataclasses.replace(PROMPTS[10], thought="The blue circle is", condition="longer-think"),
    dataclasses.replace(PROMPTS[8], condition="other-image", images=(Noise(6, (60, 60)),)),
]
"""Images of several sizes, several images, samples of one to four conditions, replies of 8 to 40 tokens."""


class Expected:
    """The reference's replies, computed once for each model."""

    def __init__(self, models: Models) -> None:
        self._models = models
        self._known: dict[str, list[Asked]] = {}

    def __getitem__(self, name: str) -> list[Asked]:
        if name not in self._known:
            subject = self._models[name]
            self._known[name] = follow(subject, candidates(subject).reference, VARIED)
        return self._known[name]


@pytest.fixture(scope="module")
def expected(models: Models) -> Expected:
    return Expected(models)


@pytest.mark.parametrize("name", [*MAKERS, *UNSHAREABLE])
def test_every_path_gives_the_replies_of_the_reference(models: Models, expected: Expected, name: str) -> None:
    subject, wanted = models[name], expected[name]
    every, unshared = candidates(subject), candidates(subject, shares_images=False)
    assert_same(follow(subject, every.batched, VARIED), wanted)
    assert_same(follow(subject, unshared.batched, VARIED, rows_at_once=6), wanted)
    assert (every.batched.name, unshared.batched.name) == ("shared-image", "batched")
    if name in MAKERS:
        assert every.shared_prefix.name == "shared-prefix"
        assert_same(follow(subject, every.shared_prefix, VARIED), wanted)
        assert_same(follow(subject, every.shared_prefix, VARIED, rows_at_once=6), wanted)
    assert len({asked.answer.letter_probs for asked in wanted}) > len(wanted) / 2, "the replies hardly differ"


@settings(max_examples=9)
@given(
    name=st.sampled_from(["llava-mixed", "qwen2.5-vl"]),
    sharing=st.sampled_from(["prefix", "prefix", "prefix", "image", "nothing"]),
    rows_at_once=st.integers(1, 9),
    seed=st.integers(0, 2**32),
    share=st.sampled_from([0.3, 0.7, 1.0]),
)
def test_neither_order_nor_company_nor_number_of_rows_matters(
    models: Models, expected: Expected, name: str, sharing: str, rows_at_once: int, seed: int, share: float
) -> None:
    subject, wanted = models[name], expected[name]
    drawn = random.Random(seed)
    samples = sorted({prompt.sample_id for prompt in VARIED}, key=lambda _: drawn.random())
    chosen = [place for place in range(len(VARIED)) if drawn.random() < share] or [0]
    chosen.sort(key=lambda place: (samples.index(VARIED[place].sample_id), drawn.random()))
    paths = candidates(subject, shares_images=sharing != "nothing")
    path: Path = paths.shared_prefix if sharing == "prefix" else paths.batched
    asked = follow(subject, path, [VARIED[place] for place in chosen], rows_at_once=rows_at_once)
    assert_same(asked, [wanted[place] for place in chosen])


@settings(max_examples=3)
@given(batch_size=st.integers(1, 2), gone=st.sets(st.integers(0, 3), max_size=3), reference=st.booleans())
def test_leaving_whole_batches_out_leaves_the_others_as_they_are(
    models: Models, batch_size: int, gone: set[int], reference: bool
) -> None:
    model = models["llava"].again(batch_size=batch_size, reference=reference, max_new_tokens=4)
    batches = list(model.answer_batches(VARIED))
    kept = [batch for place, batch in enumerate(batches) if place not in gone]
    indices = sorted(index for batch in kept for index, _ in batch)
    again = list(model.answer_batches([VARIED[index] for index in indices]))
    assert [[(indices[index], answer) for index, answer in batch] for batch in again] == kept


@pytest.mark.parametrize("name", ["qwen2.5-vl", "qwen3-vl"])
def test_positions_left_over_from_another_image_do_not_matter(
    models: Models, expected: Expected, name: str
) -> None:
    subject, wanted = models[name], expected[name]
    paths = candidates(subject)
    for path in (paths.shared_prefix, paths.batched, paths.reference):
        subject.loaded.model.base_model.rope_deltas = torch.tensor([[-992]])
        assert_same(follow(subject, path, VARIED[4:6]), wanted[4:6])
        assert_same(follow(subject, path, VARIED[3:4]), wanted[3:4])


@contextmanager
def watched_passes(subject: Opened) -> Iterator[list[dict[str, Any]]]:
    """Collect what goes into each pass of a model."""
    passes: list[dict[str, Any]] = []
    handle = subject.loaded.model.register_forward_pre_hook(
        lambda _module, _args, inputs: passes.append(dict(inputs)), with_kwargs=True
    )
    try:
        yield passes
    finally:
        handle.remove()


def test_what_conditions_share_is_read_once(models: Models) -> None:
    subject = models["llava"]
    rows = [subject.model._chat.render(prompt) for prompt in PROMPTS]
    path = candidates(subject).shared_prefix
    read, order = path.reader.prompts(rows)
    with watched_passes(subject) as passes:
        read, order = path.reader.prompts(rows)
    whole = sum(read.lengths.tolist())
    assert sorted(order) == list(range(12))
    assert [len(each["pixel_values"]) for each in passes if "pixel_values" in each] == [3]
    tokens = sum(each["input_ids"].numel() for each in passes)
    assert tokens < 0.6 * whole
    image = subject.loaded.tokenizer.convert_tokens_to_ids("<image>")
    assert sum(int((each["input_ids"] == image).sum()) for each in passes) == 3 * 36


def test_rows_leave_when_they_end_and_others_take_their_places(models: Models) -> None:
    subject = models["llava"]
    with watched_passes(subject) as passes:
        asked = follow(subject, candidates(subject).shared_prefix, PROMPTS, rows_at_once=8)
    sizes = [len(each["input_ids"]) for each in passes if each["input_ids"].shape[1] == 1]
    filled = [len(each["input_ids"]) for before, each in itertools.pairwise(passes) if begins(before, each)]
    assert max(sizes) == 8
    assert sum(sizes) < 1.2 * sum(len(each.ids) - 1 for each in asked), "rows that have ended are left out"
    assert filled[0] == 8
    assert len(filled) == 2
    assert filled[1] > 4, "the last sample joins rows that are still running"


def begins(before: dict[str, Any], each: dict[str, Any]) -> bool:
    """Tell whether a pass is the first step after prompts were read."""
    return bool(before["input_ids"].shape[1] > 1 and each["input_ids"].shape[1] == 1)


@pytest.mark.parametrize("rows_at_once", [4, 5, 7])
def test_all_conditions_of_a_sample_are_in_one_batch(models: Models, rows_at_once: int) -> None:
    subject = models["llava"]
    with watched_passes(subject) as passes:
        follow(subject, candidates(subject).batched, PROMPTS, rows_at_once=rows_at_once, limit=1)
    assert [len(each["input_ids"]) for each in passes if each["input_ids"].shape[1] > 1][-3:] == [4, 4, 4]


@pytest.mark.parametrize("rows_at_once", [4, 5, 7])
def test_all_conditions_of_a_sample_join_together(
    models: Models, monkeypatch: pytest.MonkeyPatch, rows_at_once: int
) -> None:
    subject = models["llava"]
    path, joined = candidates(subject).shared_prefix, []
    read = path.reader.prompts

    def counted(rows: Sequence[Row]) -> tuple[Rows, list[int]]:
        joined.append([row.prompt.sample_id for row in rows])
        return read(rows)

    monkeypatch.setattr(path.reader, "prompts", counted)
    follow(subject, path, PROMPTS, rows_at_once=rows_at_once, limit=2)
    assert joined == [["small"] * 4, ["wide"] * 4, ["tall"] * 4]


def three_ways(subject: Opened) -> list[Path]:
    paths = candidates(subject)
    return [paths.shared_prefix, paths.batched, paths.reference]


def test_a_model_that_never_stops_is_cut_off(models: Models) -> None:
    subject = models["llava"]
    with subject.wording("<think>" + "so it is " * TOKEN_LIMIT):
        several = [follow(subject, path, PROMPTS[:2], rows_at_once=1) for path in three_ways(subject)]
    for asked in several:
        assert_same(asked, several[0])
        assert {(each.answer.truncated, each.answer.tokens) for each in asked} == {(True, TOKEN_LIMIT)}
        assert {each.answer.letter_probs for each in asked} == {None}


def limit_context(monkeypatch: pytest.MonkeyPatch, subject: Opened, most: int) -> None:
    text = subject.loaded.model.config.get_text_config()
    monkeypatch.setattr(text, "max_position_embeddings", most)


def lengths_of(subject: Opened, prompts: Sequence[Prompt]) -> list[int]:
    rows = [subject.model._chat.render(prompt) for prompt in prompts]
    return [len(ids) for ids in candidates(subject).reference._encoder.encode_parted(rows).ids]


@pytest.mark.parametrize("way", range(3), ids=["shared-prefix", "batched", "reference"])
def test_a_reply_ends_where_the_context_does(
    models: Models, monkeypatch: pytest.MonkeyPatch, way: int
) -> None:
    subject = models["llava"]
    prompts = [PROMPTS[0], *PROMPTS[2:4]]
    lengths = lengths_of(subject, prompts)
    most = max(lengths) + 3
    limit_context(monkeypatch, subject, most)
    asked = follow(subject, three_ways(subject)[way], prompts)
    limit_context(monkeypatch, subject, 10**6)
    whole = follow(subject, three_ways(subject)[way], prompts)
    assert len(set(lengths)) == 3
    for cut, free, length in zip(asked, whole, lengths, strict=True):
        assert cut.ids == free.ids[: most - length]
        assert cut.answer.truncated == (len(free.ids) > most - length)
        assert not free.answer.truncated
    assert sum(cut.answer.truncated for cut in asked) >= 2


@pytest.mark.parametrize("way", range(3), ids=["shared-prefix", "batched", "reference"])
def test_a_prompt_that_fills_the_context_is_an_error(
    models: Models, monkeypatch: pytest.MonkeyPatch, way: int
) -> None:
    subject = models["qwen2.5-vl"]
    lengths = lengths_of(subject, PROMPTS[:4])
    assert max(lengths) == lengths[1]
    limit_context(monkeypatch, subject, lengths[1])
    with pytest.raises(ModelError) as caught:
        follow(subject, three_ways(subject)[way], PROMPTS[:4])
    assert str(caught.value) == (
        f"sample 'small' under 'wrong-caption': the prompt has {lengths[1]} tokens, images included, and the "
        f"model's context holds {lengths[1]} (max_position_embeddings in its config.json), the reply "
        "included; use smaller images or shorter texts"
    )


@pytest.mark.parametrize(("width", "height"), [(10_000, 10_000), (60_000, 60_000)])
@pytest.mark.parametrize("options", [{}, {"reference": True}], ids=["shared-prefix", "reference"])
def test_an_image_that_is_too_large_is_a_data_error(
    models: Models, width: int, height: int, options: dict[str, Any]
) -> None:
    data = f"P6\n{width} {height}\n255\n".encode()  # the header of a PPM
    huge = dataclasses.replace(PROMPTS[0], images=(BytesImage(data, name="huge.ppm"),))
    with pytest.raises(DataError, match=r"image huge\.ppm: .*at most 64000000"):
        ask(models["llava"].again(**options), [huge])


def rows_of(subject: Opened, prompts: Sequence[Prompt]) -> list[Row]:
    return [subject.model._chat.render(prompt) for prompt in prompts]


def test_holding_on_to_what_has_ended_keeps_no_cache_alive(
    models: Models, monkeypatch: pytest.MonkeyPatch
) -> None:
    subject = models["llava"]
    alive: weakref.WeakSet[Any] = weakref.WeakSet()
    begin = DynamicCache.__init__

    def noted(self: Any, *args: Any, **kwargs: Any) -> None:
        begin(self, *args, **kwargs)
        alive.add(self)

    monkeypatch.setattr(DynamicCache, "__init__", noted)
    path, counts, held = candidates(subject).shared_prefix, [], []
    for ended in path.run(rows_of(subject, PROMPTS), rows_at_once=8, max_new_tokens=TOKEN_LIMIT):
        counts.append(len(alive))
        held.append(ended)
    assert len(held) > 3
    assert counts == [1] * len(held), "one batch at a time"
    assert len(alive) == 0


def test_a_row_cannot_be_run_on_once_the_next_are_asked_for(models: Models) -> None:
    subject = models["llava"]
    running = candidates(subject).shared_prefix.run(
        rows_of(subject, PROMPTS), rows_at_once=64, max_new_tokens=TOKEN_LIMIT
    )
    ended = next(running)
    wanted = [(index, reply.ids[:2]) for index, reply in ended.replies]
    assert len(ended.score(wanted)) == len(wanted)
    next(running)
    with pytest.raises(AssertionError, match="asked for after the next rows were"):
        ended.score(wanted)


@given(
    sizes=st.lists(st.integers(1, 9), min_size=1, max_size=6),
    most=st.integers(1, 6),
    data=st.data(),
)
def test_only_a_sample_that_is_larger_than_any_batch_is_cut(
    sizes: list[int], most: int, data: st.DataObject
) -> None:
    names = [name for name, size in enumerate(sizes) for _ in range(size)]
    rows: list[Any] = [SimpleNamespace(prompt=SimpleNamespace(sample_id=name)) for name in names]
    waiting = deque(enumerate(rows))
    came: list[int] = []
    while waiting:
        free = data.draw(st.integers(0, most)) if data.draw(st.booleans()) else most
        taken = [index for index, _ in _admitted(waiting, free, most=most)]
        assert len(taken) <= free
        assert taken or free < most, "an empty batch takes somebody in"
        if taken and waiting and names[taken[-1]] == names[taken[-1] + 1]:
            left = names[taken[-1] + 1 :].count(names[taken[-1]])
            assert left + [names[index] for index in taken].count(names[taken[-1]]) > most
        came += taken
    assert came == list(range(len(rows)))


@pytest.mark.parametrize(
    ("sizes", "free", "most", "taken"),
    [
        ([2, 4], 4, 4, 2),
        ([4], 3, 4, 0),
        ([5], 3, 4, 3),
        ([1, 5], 4, 4, 4),
        ([4, 5], 4, 4, 4),
        ([2, 2], 4, 4, 4),
    ],
)
def test_who_is_let_in(sizes: list[int], free: int, most: int, taken: int) -> None:
    rows: list[Any] = [
        SimpleNamespace(prompt=SimpleNamespace(sample_id=name))
        for name, size in enumerate(sizes)
        for _ in range(size)
    ]
    assert len(_admitted(deque(enumerate(rows)), free, most=most)) == taken
