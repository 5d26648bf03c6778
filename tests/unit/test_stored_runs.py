"""Evaluations with a store: every reply is computed once, and a run from the store is the same run."""

from __future__ import annotations

import json
import math
import weakref
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from itertools import islice
from pathlib import Path
from typing import Any

import pytest

from pytest_vlmrobust import reading
from pytest_vlmrobust.conditions import perturb
from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.replies import read_reply
from pytest_vlmrobust.core.samples import ImageSource
from pytest_vlmrobust.datasets.shapes import iterate_shapes
from pytest_vlmrobust.errors import ModelError, StoreError
from pytest_vlmrobust.evaluation import evaluate
from pytest_vlmrobust.judges import RuleJudge
from pytest_vlmrobust.judges.base import Consistency, JudgeCase, Verdict
from pytest_vlmrobust.keys import content_key
from pytest_vlmrobust.models.base import Answer, Model, Storable
from pytest_vlmrobust.models.registry import load_model
from pytest_vlmrobust.models.scripted import ScriptedModel, reply
from pytest_vlmrobust.store import Store
from tests.unit.mates import ROWS, Mates

SAMPLES = tuple(islice(iterate_shapes(), 12))


@pytest.fixture
def store(tmp_path: Path) -> Iterator[Store]:
    with Store.open(tmp_path / "replies.sqlite") as opened:
        yield opened


def document(run: Evaluation) -> str:
    """Records and figures, and everything else that is known of the run but where its replies came from."""
    whole = run.to_json()
    del whole["provenance"]["replies"]
    return json.dumps(whole)


def test_a_run_from_the_store_computes_nothing_and_is_the_same_to_the_last_bit(store: Store) -> None:
    model = Mates()
    assert isinstance(model, Storable)
    first = evaluate(model, SAMPLES, store=store)
    assert first.provenance["replies"] == {"stored": 0, "computed": 72}
    again = Mates()
    second = evaluate(again, SAMPLES, store=store)
    assert second.provenance["replies"] == {"stored": 72, "computed": 0}
    assert again.computed == []
    assert document(second) == document(first)
    assert document(first) == document(evaluate(Mates(), SAMPLES))


def test_each_batch_is_kept_before_the_next_is_computed(store: Store) -> None:
    class Looking(Mates):
        def answer_batches(self, prompts: Sequence[Prompt]) -> Iterator[Sequence[tuple[int, Answer]]]:
            for batch in super().answer_batches(prompts):
                keys = [self.reply_key(prompts[index]) for index, _ in batch]
                assert not store.read(keys)
                yield batch
                assert set(store.read(keys)) == set(keys)
                batches.append(len(batch))

    batches: list[int] = []
    evaluate(Looking(), SAMPLES, store=store)
    assert batches == [12] * 6


def test_parts_of_the_samples_are_looked_up_and_computed_one_after_the_other(
    store: Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    whole = document(evaluate(Mates(), SAMPLES))  # of 12 samples in pairs
    monkeypatch.setattr("pytest_vlmrobust.prompting.SAMPLES_PER_PART", 4)
    assert document(evaluate(Mates(), SAMPLES[:7], store=store)) != whole
    run = evaluate(Mates(), SAMPLES, store=store)
    assert run.provenance["replies"] == {"stored": 42, "computed": 30}
    assert document(evaluate(Mates(), SAMPLES, store=store)) == document(run)


def test_nothing_is_read_or_judged_twice(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = evaluate(Mates(), SAMPLES, store=store)

    def refuse(*_: object, **__: object) -> None:
        raise AssertionError("this was known")

    monkeypatch.setattr(reading, "read_reply", refuse)
    monkeypatch.setattr(RuleJudge, "judge", refuse)
    assert document(evaluate(Mates(), SAMPLES, store=store)) == document(first)


def test_other_code_reads_and_judges_anew(store: Store, monkeypatch: pytest.MonkeyPatch) -> None:
    first = evaluate(Mates(), SAMPLES, store=store)
    monkeypatch.setattr("pytest_vlmrobust.keys.source_digest", lambda: "another")
    monkeypatch.setattr(RuleJudge, "judge", lambda _, cases: [Consistency.UNDECIDED] * len(cases))
    monkeypatch.setattr(reading, "read_reply", lambda *a, **k: replace(read_reply(*a, **k), letter="B"))
    second = evaluate(Mates(), SAMPLES, store=store)
    assert second.provenance["replies"] == {"stored": 72, "computed": 0}
    assert {record.letter for record in second.records()} == {"B"}
    assert {record.verdict for record in second.records("base")} == {"undecided"}
    assert {record.verdict for record in first.records("base")} == {"consistent"}


def test_another_seed_recomputes_only_what_it_plants_otherwise(store: Store) -> None:
    evaluate(Mates(), SAMPLES, store=store)
    changed = {
        (sample.id, name)
        for sample in SAMPLES
        for name in evaluate(ScriptedModel(lambda _: "A"), SAMPLES[:1]).conditions
        if replace(perturb(sample, name, seed=1), planted=None)
        != replace(perturb(sample, name, seed=0), planted=None)
    }
    assert 0 < len(changed) < 60
    model = Mates()
    evaluate(model, SAMPLES, seed=1, store=store)
    assert set(model.computed) == changed
    assert len(model.computed) == len(changed)


def test_further_samples_and_conditions_are_all_that_is_computed(store: Store) -> None:
    evaluate(Mates(), SAMPLES[:6], "wrong-caption", store=store)
    model = Mates()
    evaluate(model, SAMPLES[:8], "wrong-caption,wrong-think", store=store)
    assert sorted(model.computed) == sorted(
        [(sample.id, name) for sample in SAMPLES[6:8] for name in ("base", "wrong-caption")]
        + [(sample.id, "wrong-think") for sample in SAMPLES[:8]]
    )


def test_other_weights_and_an_edited_image_are_computed_anew(store: Store) -> None:
    evaluate(Mates(), SAMPLES[:4], "base", store=store)
    other = Mates(version="2")
    evaluate(other, SAMPLES[:4], "base", store=store)
    assert len(other.computed) == 4
    edited = (replace(SAMPLES[0], images=SAMPLES[5].images), *SAMPLES[1:4])
    model = Mates()
    evaluate(model, edited, "base", store=store)
    assert model.computed == [(SAMPLES[0].id, "base")]


def test_a_sample_by_another_name_is_known(store: Store) -> None:
    evaluate(Mates(), SAMPLES[:4], "base", store=store)
    model = Mates()
    renamed = [replace(sample, id=f"renamed-{sample.id}") for sample in SAMPLES[:4]]
    run = evaluate(model, renamed, "base", store=store)
    assert model.computed == []
    assert run.sample_ids == tuple(sample.id for sample in renamed)


def test_what_is_asked_twice_in_a_run_is_computed_once(store: Store) -> None:
    twins = [replace(sample, id=f"{name}-{sample.id}") for sample in SAMPLES[:4] for name in "ab"]
    model = Mates()
    first = evaluate(model, twins, "wrong-caption", seed=0, store=store)
    pairs = {model.reply_key(perturb(sample, name)) for sample in twins for name in first.conditions}
    assert len(model.computed) == len(pairs) < 16
    assert first.provenance["replies"] == {"stored": 0, "computed": 16}
    assert document(evaluate(Mates(), twins, "wrong-caption", store=store)) == document(first)
    one, other = (first.record("base", f"{name}-{SAMPLES[0].id}") for name in "ab")
    assert replace(one, sample_id="either") == replace(other, sample_id="either")


def test_texts_and_numbers_of_any_kind_come_back(store: Store) -> None:
    odd = Answer(
        text="<think>\ud83d\ude00 \x00 \U0001f600</think><answer>A</answer> \udfff",
        letter_probs=(0.1 + 0.2, 0.7 - 5e-17),
        letter_mass=5e-324,
        truncated=True,
    )

    class Odd(Mates):
        def answer_batches(self, prompts: Sequence[Prompt]) -> Iterator[Sequence[tuple[int, Answer]]]:
            yield [(index, odd) for index, _ in enumerate(prompts)]

    samples = [replace(SAMPLES[0], choices=("this", "that"), answer=1, statements=None)]
    first = evaluate(Odd(), samples, "base", store=store)
    second = evaluate(Odd(), samples, "base", store=store)
    assert list(second.records()) == list(first.records())
    record = second.record("base", SAMPLES[0].id)
    assert (record.reply, record.letter_probs, record.letter_mass) == (odd.text, odd.letter_probs, 5e-324)
    assert record.think == "\ud83d\ude00 \x00 \U0001f600"


class Judge:
    """Counts its cases; may fail on a letter."""

    name = "own"

    def __init__(self, fails_on: str = "") -> None:
        self.cases: list[JudgeCase] = []
        self.fails_on = fails_on

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        self.cases += cases
        return [None if case.letter in self.fails_on else Consistency.UNDECIDED for case in cases]


def test_a_judge_of_ones_own_is_asked_again(store: Store) -> None:
    for _ in range(2):
        judge = Judge()
        evaluate(Mates(), SAMPLES, "base", judge=judge, store=store)
        assert len(judge.cases) == 12


def test_a_judge_that_declares_a_version_is_asked_once_and_its_failures_again(store: Store) -> None:
    class Versioned(Judge):
        verdict_version = "1"

    class Newer(Judge):
        verdict_version = "2"

    class Heir(Versioned):
        """Could judge in any other way, and declares nothing itself."""

    run = evaluate(Mates(), SAMPLES, "base", judge=Versioned(fails_on="A"), store=store)
    unscored = [record for record in run.records() if record.verdict == "unscored"]
    assert 0 < len(unscored) < 12
    again = Versioned()
    evaluate(Mates(), SAMPLES, "base", judge=again, store=store)
    assert [case.letter for case in again.cases] == ["A"] * len(unscored)
    for other in (Newer(), Heir()):
        evaluate(Mates(), SAMPLES, "base", judge=other, store=store)
        assert len(other.cases) == 12


def test_a_model_that_is_not_storable_is_asked_each_time(store: Store) -> None:
    model = ScriptedModel(lambda prompt: reply("A", "So it is A.", prompt=prompt))
    for _ in range(2):
        run = evaluate(model, SAMPLES, "base", store=store)
        assert run.provenance["replies"] == {"stored": 0, "computed": 12}
    assert store.kept == 0


def test_progress_tells_what_was_stored(store: Store) -> None:
    evaluate(Mates(), SAMPLES[:4], "base", store=store)
    seen: list[tuple[int, int, int]] = []
    evaluate(Mates(), SAMPLES, "wrong-think", store=store, progress=lambda *counts: seen.append(counts))
    assert seen == [(0, 24, 0), (4, 24, 4), (20, 24, 4), (24, 24, 4)]


def test_two_runs_at_once_share_what_is_there(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with Store.open(path) as one, Store.open(path) as other:

        class Nested(Mates):
            """While it computes its second batch, another run does all of the work."""

            def note(self, what: str, _: Sequence[Prompt] = ()) -> None:
                if what == "handed over" and len(self.computed) == ROWS // 6 * 6:
                    inner.append(evaluate(Mates(), SAMPLES, store=other))

        inner: list[Evaluation] = []
        outer = evaluate(Nested(), SAMPLES, store=one)
    assert inner[0].provenance["replies"] == {"stored": 12, "computed": 60}
    assert document(inner[0]) == document(outer) == document(evaluate(Mates(), SAMPLES))


SENSELESS: list[tuple[str, str]] = [
    ("no json", "holds a reply that cannot be used: Expecting value"),
    ("{}", "holds a reply that cannot be used: it does not have the fields of an answer"),
    (
        '{"text":"<answer>A</answer>","prefill":"","letter_probs":[1.0],"letter_mass":null,'
        '"truncated":false,"tokens":0}',
        "holds a reply that cannot be used: record of sample 'shapes-test-0-0' under 'base': letter_probs "
        "has 1 entries for",
    ),
]


@pytest.mark.parametrize(("text", "message"), SENSELESS)
def test_a_stored_reply_that_makes_no_sense_is_an_error_that_names_the_store(
    store: Store, text: str, message: str
) -> None:
    key = Mates().reply_key(perturb(SAMPLES[0], "base"))
    store.write("reply", {key: text})
    with pytest.raises(StoreError) as caught:
        evaluate(Mates(), SAMPLES[:1], "base", store=store)
    assert f"the store {store.path} {message}" in str(caught.value)
    assert "Move or delete the file, or name another one with --vlm-store" in str(caught.value)


@pytest.mark.parametrize(
    ("kind", "text"),
    [
        ("reading", "A"),
        ("reading", '["Z",null,""]'),
        ("reading", '["A",null,"because"]'),
        ("reading", '["A",[5,99999],""]'),
        ("reading", '["A",[7,5],""]'),
        ("reading", '["A","thought",""]'),
        ("reading", '["A",null]'),
        ("verdict", "perhaps"),
        ("verdict", ""),
    ],
)
def test_what_was_read_or_judged_and_makes_no_sense_is_an_error_too(
    store: Store, monkeypatch: pytest.MonkeyPatch, kind: str, text: str
) -> None:
    def key(asked: Any, *parts: Any) -> str:
        return "ab" * 16 if asked == kind else content_key(asked, *parts)

    monkeypatch.setattr("pytest_vlmrobust.keys.content_key", key)
    store.write(kind, {"ab" * 16: text})  # type: ignore[arg-type]
    with pytest.raises(StoreError, match=rf"replies\.sqlite holds a {kind} that cannot be used: "):
        evaluate(Mates(), SAMPLES[:1], "base", store=store)


class Faulty(Mates):
    """Yields whatever it was made with, in place of the first batch."""

    def __init__(self, batches: Callable[[Sequence[Prompt]], Any]) -> None:
        super().__init__()
        self.batches = batches

    def answer_batches(self, prompts: Sequence[Prompt]) -> Iterator[Sequence[tuple[int, Answer]]]:
        return iter(self.batches(prompts))


FINE = Answer(text="<answer>A</answer>")
SENSE = "gave an answer that makes no sense"


@pytest.mark.parametrize(
    ("batches", "message"),
    [
        (lambda _: [[(0, FINE)]], "left 1 of 2 prompts without an answer, the first of them sample 'shapes-"),
        (lambda _: [[(0, FINE), (0, FINE)]], "answered prompt 0 a second time: each is to be answered once"),
        (lambda _: [[(2, FINE)]], "answered prompt 2 of only 2: each is to be answered once"),
        (lambda _: [[(0, "A")]], "yielded 'A' for prompt 0, not an Answer"),
        (lambda _: [3], "failed while answering (TypeError: 'int' object is not iterable)"),
        (lambda _: 1 / 0, "failed while answering (ZeroDivisionError: division by zero)"),
        (
            lambda _: [[(0, replace(FINE, letter_probs=(math.nan, 0.5, 0.5)))]],
            f"{SENSE}: record of sample 'shapes-test-0-0' under 'base': letter_probs must be in [0, 1]",
        ),
        (
            lambda _: [[(0, replace(FINE, letter_mass=math.inf))]],
            f"{SENSE}: record of sample 'shapes-test-0-0' under 'base': letter_mass must lie in [0, 1]",
        ),
        (
            lambda _: [[(0, Answer(text=b"A"))]],  # type: ignore[arg-type]
            f"{SENSE}: that for sample 'shapes-test-0-0' under 'base' cannot be kept",
        ),
    ],
)
def test_a_model_that_breaks_its_promise_is_refused_and_nothing_of_it_kept(
    store: Store, batches: Any, message: str
) -> None:
    with pytest.raises(ModelError) as caught:
        evaluate(Faulty(batches), SAMPLES[:2], "base", store=store)
    assert f"model 'mates' {message}" in str(caught.value)
    key = Mates().reply_key(perturb(SAMPLES[0], "base"))
    assert (key in store.read([key])) == message.startswith("left")


@pytest.mark.parametrize("key", ["", "XY", "AB", "a name", None, 7])
def test_a_key_that_is_no_digest_is_refused(store: Store, key: Any) -> None:
    class Odd(Mates):
        def reply_key(self, _: Prompt) -> str:
            return key  # type: ignore[no-any-return]

    with pytest.raises(
        ModelError, match=r"gave no key for the reply to sample 'shapes-test-0-0' under 'base' \("
    ):
        evaluate(Odd(), SAMPLES[:1], "base", store=store)


@pytest.mark.parametrize("stored", [False, True])
def test_a_key_that_leaves_out_the_planted_thought_does_not_make_a_model_look_robust(
    store: Store, stored: bool
) -> None:
    class Careless(Mates):
        def reply_key(self, prompt: Prompt) -> str:
            return super().reply_key(replace(prompt, thought="", thought_closed=False))

    if stored:
        evaluate(Careless(), SAMPLES[:1], "base", store=store)
    with pytest.raises(ModelError, match="did not begin its turn with the thought that 'wrong-think' plants"):
        evaluate(Careless(), SAMPLES[:1], "wrong-think", store=store)


def test_a_store_that_cannot_be_written_to_ends_no_run(tmp_path: Path) -> None:
    path = tmp_path / "replies.sqlite"
    with Store.open(path) as store:
        file: Any = store._connection
        (pages,) = file.execute("PRAGMA page_count").fetchone()
        file.execute(f"PRAGMA max_page_count = {pages + 3}").fetchall()
        run = evaluate(Mates(), SAMPLES, store=store)
        assert "the disk is full" in store.problem
        assert store.kept > 0
    assert document(run) == document(evaluate(Mates(), SAMPLES))


class Noting:
    """An image that tells when it is opened, and how many opened ones are alive then."""

    def __init__(self, source: ImageSource, opened: list[str], most: list[int]) -> None:
        self.source, self.opened, self.most = source, opened, most

    def load(self) -> Any:
        image = self.source.load()
        self.opened.append(self.digest())
        ALIVE.append(weakref.ref(image))
        self.most.append(sum(known() is not None for known in ALIVE))
        return image

    def digest(self) -> str:
        return self.source.digest()


ALIVE: list[weakref.ref[Any]] = []


class Seeing(Mates):
    """Opens the images of a batch, each once, and lets go of them afterwards."""

    def answer_batches(self, prompts: Sequence[Prompt]) -> Iterator[Sequence[tuple[int, Answer]]]:
        for batch in super().answer_batches(prompts):
            sources = {prompts[index].sample_id: prompts[index].images[0] for index, _ in batch}
            images = [source.load() for source in sources.values()]
            yield batch
            del images


def bundled() -> Model:
    """A model of this package's own, with batches like those of the other one."""
    return load_model("bundled:grounded", batch_size=ROWS, max_new_tokens=8)


@pytest.mark.parametrize(("make", "limit"), [(Seeing, 10), (Seeing, 40), (bundled, 8)])
def test_images_are_opened_once_for_all_conditions_and_never_kept(
    store: Store, make: Callable[[], Model], limit: int
) -> None:
    opened: list[str] = []
    most: list[int] = []
    samples = [
        replace(sample, images=(Noting(sample.images[0], opened, most),))
        for sample in islice(iterate_shapes(), limit)
    ]
    model = make()
    evaluate(model, samples, store=store)
    assert sorted(opened) == sorted(sample.images[0].digest() for sample in samples)
    assert 0 < max(most) <= ROWS // 6  # those of one batch, however many there are
    evaluate(model, samples, store=store)
    assert len(opened) == limit
