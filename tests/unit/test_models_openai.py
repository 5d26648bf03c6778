from __future__ import annotations

import base64
import io
import json
import math
import sqlite3
import time
from collections import deque
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from itertools import islice
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pytest_vlmrobust.conditions import perturb
from pytest_vlmrobust.core.explain import explain_gates
from pytest_vlmrobust.core.gates import Gate, check
from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.datasets.shapes import iterate_shapes
from pytest_vlmrobust.errors import CostLimitError, ModelError, UsageError, VacuousError
from pytest_vlmrobust.evaluation import ask
from pytest_vlmrobust.evaluation import evaluate as evaluate_measured
from pytest_vlmrobust.judges import RuleJudge
from pytest_vlmrobust.models.base import Answer, Storable
from pytest_vlmrobust.models.dialects import BARE
from pytest_vlmrobust.models.openai import OpenAIModel
from pytest_vlmrobust.models.openai.chats import MOST_PIXELS, image_part
from pytest_vlmrobust.models.registry import check_model_spec, load_model
from pytest_vlmrobust.remote.budget import Budget, Price
from pytest_vlmrobust.remote.options import RemoteOptions
from pytest_vlmrobust.store import Store
from tests.unit.fault_server import ALL_FAULTS, Drawn, FaultServer, Manners, Seen, sensible

SAMPLES: Sequence[Sample] = tuple(islice(iterate_shapes(), 8))
SECRET = "sk-do-not-tell-0123456789"
evaluate = partial(evaluate_measured, judge=RuleJudge())  # an object is not measured first
OPTIONS = RemoteOptions(concurrency=16, backoff_s=0.01, total_s=20.0)


@pytest.fixture(autouse=True)
def key(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("VLMROBUST_API_KEY", SECRET)


@pytest.fixture
def server() -> Iterator[FaultServer]:
    with FaultServer() as running:
        yield running


@pytest.fixture
def load(server: FaultServer) -> Iterator[Any]:
    """Load the server's model; close it in the end."""
    models = []

    def loaded(manners: Manners | None = None, **settings: Any) -> OpenAIModel:
        server.manners = manners or Manners()
        model = load_model(server.spec, **{"remote": OPTIONS, **settings})
        assert isinstance(model, OpenAIModel)
        assert isinstance(model, Storable)
        models.append(model)
        return model

    yield loaded
    for model in models:
        model.close()


def prompts(*conditions: str, samples: Sequence[Sample] = SAMPLES) -> list[Prompt]:
    return [perturb(sample, name) for sample in samples for name in conditions]


def answered(model: OpenAIModel, asked: Sequence[Prompt]) -> list[Answer]:
    return [answer for _, answer in sorted(model.answer(asked), key=lambda pair: pair[0])]


def figures(run: Evaluation) -> dict[str, Any]:
    return {name: run.figures(name) for name in run.conditions}


def last_chat(server: FaultServer, text: str = "") -> Mapping[str, Any]:
    return next(body for body in reversed(server.chats()) if text in json.dumps(body["messages"]))


# What is asked


def test_a_prompt_is_asked_with_its_image_in_png_and_its_thought_begun(
    server: FaultServer, load: Any
) -> None:
    model = load()
    (prompt,) = prompts("wrong-think", samples=SAMPLES[:1])
    (answer,) = answered(model, [prompt])
    body = last_chat(server)
    user, assistant = body["messages"]
    image, text = user["content"]
    data = image["image_url"]["url"].removeprefix("data:image/png;base64,")
    sent = Image.open(io.BytesIO(base64.b64decode(data)))
    assert sent.format == "PNG"
    assert sent.tobytes() == SAMPLES[0].images[0].load().tobytes()
    assert prompt.question in text["text"]
    assert assistant == {"role": "assistant", "content": f"<think>{prompt.thought}"}
    assert answer.prefill == f"<think>{prompt.thought}"
    assert not answer.text.startswith("<think>")
    settings = {name: value for name, value in body.items() if name not in ("messages", "model")}
    assert settings == {
        "max_tokens": 512,
        "temperature": 0,
        "logprobs": True,
        "top_logprobs": 20,
        "stop": ["</answer>"],
        "continue_final_message": True,
        "add_generation_prompt": False,
    }


def test_without_a_thought_no_turn_is_begun(server: FaultServer, load: Any) -> None:
    answered(load(), prompts("base", samples=SAMPLES[:1]))
    assert [message["role"] for message in last_chat(server)["messages"]] == ["user"]
    assert "continue_final_message" not in last_chat(server)


def test_the_conditions_of_a_sample_are_sent_side_by_side(server: FaultServer, load: Any) -> None:
    model = load(remote=replace(OPTIONS, concurrency=1))
    before = len(server.chats())
    evaluate(model, SAMPLES, "wrong-caption,stop-think,wrong-think")
    images = [body["messages"][0]["content"][0]["image_url"]["url"] for body in server.chats()[before:]]
    assert images == [image for sample in range(8) for image in [images[4 * sample]] * 4]
    assert len(set(images)) == 8


def test_a_large_image_is_made_smaller_and_keeps_its_shape() -> None:
    part = image_part(Image.new("RGB", (8192, 2048)))
    data = part["image_url"]["url"].partition(",")[2]
    size = Image.open(io.BytesIO(base64.b64decode(data))).size
    assert size[0] * size[1] <= MOST_PIXELS
    assert math.isclose(size[0] / size[1], 4.0, rel_tol=0.01)


def test_a_dialects_system_turn_goes_first(server: FaultServer, load: Any) -> None:
    model = load(dialect=replace(BARE, system="Be brief."))
    answered(model, prompts("base", samples=SAMPLES[:1]))
    first, second = last_chat(server)["messages"]
    assert first == {"role": "system", "content": "Be brief."}
    assert second["role"] == "user"


# What is read


def test_letters_come_with_the_probabilities_at_the_answers_token(load: Any) -> None:
    model = load()
    asked = prompts("base", "stop-think", "wrong-think")
    for prompt, answer in zip(asked, answered(model, asked), strict=True):
        seen_probs = answer.letter_probs
        assert seen_probs is not None
        assert math.isclose(sum(seen_probs), 1.0)
        assert answer.letter_mass == pytest.approx(0.98)
        best = prompt.letters[seen_probs.index(max(seen_probs))]
        assert f"<answer>{best}" in answer.text


def test_the_probabilities_are_those_of_the_model(server: FaultServer, load: Any) -> None:
    drawn: dict[str, Drawn] = {}

    def noting(seen: Seen) -> Drawn:
        drawn[seen.user] = sensible(seen)
        return drawn[seen.user]

    server.brain = noting
    model = load()
    (prompt,) = prompts("base", samples=SAMPLES[:1])
    (answer,) = answered(model, [prompt])
    told = next(value for user, value in drawn.items() if prompt.question in user)
    assert answer.letter_probs == pytest.approx([told.letters[letter] for letter in prompt.letters])


@pytest.mark.parametrize("kind", ["text", "apart", "named"])
@pytest.mark.parametrize("continues", ["field", "echo"])
def test_reasoning_is_the_thought_wherever_it_came_from(load: Any, kind: str, continues: str) -> None:
    plain = answered(load(), prompts("base", "stop-think", "wrong-think"))
    model = load(Manners(reasoning=kind, continues=continues))
    for expected, answer in zip(
        plain, answered(model, prompts("base", "stop-think", "wrong-think")), strict=True
    ):
        assert answer.text.removesuffix("</answer>") == expected.text.removesuffix("</answer>")
        assert answer.prefill == expected.prefill
        assert answer.letter_probs == expected.letter_probs


def test_an_answer_that_was_taken_for_a_thought_is_an_answer(server: FaultServer, load: Any) -> None:
    model = load()
    (prompt,) = prompts("stop-think", samples=SAMPLES[:1])
    plain = server.reply

    def mistaken(body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        status, document = plain(body)
        message = document["choices"][0]["message"]
        message["reasoning_content"], message["content"] = message["content"], None
        return status, document

    server.reply = mistaken  # type: ignore[method-assign]
    record = ask(model, SAMPLES[0], "stop-think")
    assert record.letter is not None
    assert record.letter_probs is not None
    assert record.reply.startswith("<answer>")
    assert prompt.thought in record.prefill


def test_what_follows_the_answer_is_left_out_where_stop_strings_are_ignored(
    server: FaultServer, load: Any
) -> None:
    server.brain = lambda seen: replace(
        sensible(seen), text=f"{sensible(seen).text} Or rather <answer>D</answer>"
    )
    model = load(Manners(stops="ignores"))
    for answer in answered(model, prompts("base", "wrong-think")):
        assert answer.text.endswith("</answer>")
        assert "Or rather" not in answer.text
        assert answer.letter_probs is not None
        assert not answer.truncated


def test_a_thought_that_only_talks_about_its_answer_is_not_its_end(server: FaultServer, load: Any) -> None:
    def musing(seen: Seen) -> Drawn:
        drawn = sensible(seen)
        return replace(drawn, text=drawn.text.replace("I look", "Not <answer>A</answer> yet. I look"))

    server.brain = musing
    model = load()
    for answer in answered(model, prompts("base", samples=SAMPLES[:2])):
        assert "Not <answer>A</answer> yet." in answer.text
        assert "</think><answer>" in answer.text
        assert answer.letter_probs is not None
        assert answer.tokens_in > 150  # both prompts


def test_a_reply_that_was_cut_off_is_truncated(load: Any) -> None:
    model = load(max_new_tokens=4)
    answers = answered(model, prompts("base", "stop-think"))
    assert {answer.truncated for answer in answers[::2]} == {True}
    assert all(answer.tokens == 4 and answer.letter_probs is None for answer in answers[::2])


@dataclass(frozen=True)
class Tokens:
    """A reply in tokens, with the candidates at each of them."""

    steps: Sequence[tuple[str, Mapping[str, float]]]


def speaking(server: FaultServer, *replies: Tokens) -> None:
    """Have the server send these replies, in turn, to all chats from now on."""
    waiting = deque(replies)
    plain = server.reply

    def reply(body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        status, document = plain(body)
        tokens = waiting.popleft() if len(waiting) > 1 else waiting[0]
        document["choices"][0]["message"]["content"] = "".join(token for token, _ in tokens.steps)
        content = []
        for token, probs in tokens.steps:
            top = [{"token": text, "logprob": math.log(p), "bytes": None} for text, p in probs.items()]
            value = math.log(probs.get(token, 0.5))
            content.append({"token": token, "logprob": value, "bytes": None, "top_logprobs": top})
        document["choices"][0]["logprobs"] = {"content": content}
        return status, document

    server.reply = reply  # type: ignore[method-assign]


BEGUN: tuple[str, Mapping[str, float]] = ("<think>x</think><answer", {})


def letters_of(server: FaultServer, load: Any, *replies: Tokens, **manners: Any) -> Answer:
    model = load(Manners(**manners))
    speaking(server, *replies)
    (answer,) = answered(
        model, prompts("base", samples=[replace(SAMPLES[0], choices=("w", "x", "y"), answer=0)])
    )
    return answer


def test_only_spellings_of_one_kind_are_compared(server: FaultServer, load: Any) -> None:
    steps = [BEGUN, (">", {">": 0.99}), ("B", {"B": 0.5, "A": 0.25, "C": 0.125, " A": 0.1, "b": 0.02})]
    answer = letters_of(server, load, Tokens([*steps, ("</answer>", {})]))
    assert answer.letter_probs == pytest.approx((2 / 7, 4 / 7, 1 / 7))
    assert answer.letter_mass == pytest.approx(0.875)


def test_little_mass_is_kept_as_it_is_and_told(server: FaultServer, load: Any) -> None:
    steps = [BEGUN, (">", {">": 0.99}), ("B", {"B": 0.2, "A": 0.1, "C": 0.05, "The": 0.6})]
    answer = letters_of(server, load, Tokens([*steps, ("</answer>", {})]))
    assert answer.letter_probs == pytest.approx((2 / 7, 4 / 7, 1 / 7))
    assert answer.letter_mass == pytest.approx(0.35)


def test_a_letter_that_was_not_named_counts_as_nothing_where_it_can_have_next_to_nothing(
    server: FaultServer, load: Any
) -> None:
    steps = [BEGUN, (">", {">": 0.99}), ("B", {"B": 0.9, "A": 0.0999})]
    answer = letters_of(server, load, Tokens([*steps, ("</answer>", {})]))
    assert answer.letter_probs == pytest.approx((0.0999 / 0.9999, 0.9 / 0.9999, 0.0))


def test_where_letters_that_were_not_named_may_have_much_there_is_no_distribution(
    server: FaultServer, load: Any
) -> None:
    steps = [BEGUN, (">", {">": 0.99}), ("B", {"B": 0.5, "A": 0.3})]
    answer = letters_of(server, load, Tokens([*steps, ("</answer>", {})]))
    assert (answer.letter_probs, answer.letter_mass) == (None, None)


def test_a_second_look_asks_for_the_letters_by_their_ids(server: FaultServer, load: Any) -> None:
    step = (">", {">": 0.99})
    first = Tokens([BEGUN, step, ("B", {"B": 0.5, "A": 0.3}), ("</answer>", {})])
    again = Tokens([("B", {"B": 0.5, "A": 0.3, "C": 0.15})])
    answer = letters_of(server, load, first, again, token_ids=True)
    assert answer.letter_probs == pytest.approx((0.3 / 0.95, 0.5 / 0.95, 0.15 / 0.95))
    body = server.chats()[-1]
    assert body["messages"][-1] == {"role": "assistant", "content": "<think>x</think><answer>"}
    assert body["continue_final_message"]
    assert body["logprob_token_ids"] == [0x41, 0x42, 0x43]
    assert body["max_tokens"] == 1


@pytest.mark.parametrize(("token_ids", "third"), [(False, 0.0), (True, 0.004)])
def test_a_second_look_that_cannot_be_had_is_done_without_where_little_hangs_on_it(
    server: FaultServer, load: Any, token_ids: bool, third: float
) -> None:
    step = (">", {">": 0.99})
    first = Tokens([BEGUN, step, ("B", {"B": 0.9, "A": 0.095}), ("</answer>", {})])
    again = Tokens([("B", {"B": 0.9, "A": 0.095, "C": 0.004})])
    answer = letters_of(server, load, first, again, token_ids=token_ids)
    mass = 0.995 + third
    assert answer.letter_probs == pytest.approx((0.095 / mass, 0.9 / mass, third / mass))


def test_a_second_look_at_another_step_is_not_taken(server: FaultServer, load: Any) -> None:
    first = Tokens([BEGUN, (">", {">": 0.99}), ("B", {"B": 0.5, "A": 0.3}), ("</answer>", {})])
    again = Tokens([("B", {"B": 0.9, "A": 0.05, "C": 0.05})])
    assert letters_of(server, load, first, again, token_ids=True).letter_probs is None


def test_letters_in_one_token_and_in_two_are_added_up(server: FaultServer, load: Any) -> None:
    """ ">B" is one token, and ">" with "A" or "C" after it are two."""
    first = Tokens([BEGUN, (">B", {">B": 0.6, ">": 0.4}), ("</answer>", {})])
    after = Tokens([("A", {"A": 0.5, "B": 0.25, "C": 0.25})])
    answer = letters_of(server, load, first, after)
    assert answer.letter_probs == pytest.approx((0.2, 0.7, 0.1))
    assert answer.letter_mass == pytest.approx(1.0)
    assert server.chats()[-1]["messages"][-1]["content"] == "<think>x</think><answer>"


def test_letters_in_one_token_and_in_two_need_a_turn_that_is_gone_on_with(
    server: FaultServer, load: Any
) -> None:
    first = Tokens([BEGUN, (">B", {">B": 0.6, ">": 0.4}), ("</answer>", {})])
    assert letters_of(server, load, first, continues="closes").letter_probs is None


@pytest.mark.parametrize(
    "steps",
    [
        [("<think>x</think><answer>B</answer>", {})],  # one token for everything
        [BEGUN, (">", {">": 0.9}), ("Box", {"Box": 0.9}), ("</answer>", {})],  # no letter was said
        [BEGUN, (">", {">": 0.9}), ("I", {"I": 0.9}), ("</answer>", {})],
    ],
)
def test_where_no_token_names_a_letter_there_is_no_distribution(
    server: FaultServer, load: Any, steps: list[tuple[str, dict[str, float]]]
) -> None:
    assert letters_of(server, load, Tokens(steps)).letter_probs is None


def test_characters_cut_into_several_tokens_do_not_move_the_letter(server: FaultServer, load: Any) -> None:
    model = load()
    plain = server.reply
    pieces = [b"<think>", "é".encode()[:1], "é".encode()[1:], b"</think><answer>", b"B", b"</answer>"]

    def reply(body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        status, document = plain(body)
        document["choices"][0]["message"]["content"] = "<think>é</think><answer>B</answer>"
        top = [{"token": letter, "logprob": math.log(0.25), "bytes": [ord(letter)]} for letter in "ABCD"]
        document["choices"][0]["logprobs"] = {
            "content": [
                {
                    "token": "\ufffd",
                    "logprob": -0.1,
                    "bytes": list(piece),
                    "top_logprobs": top if piece == b"B" else [],
                }
                for piece in pieces
            ]
        }
        return status, document

    server.reply = reply  # type: ignore[method-assign]
    (answer,) = answered(model, prompts("base", samples=SAMPLES[:1]))
    assert answer.letter_probs is not None
    assert set(answer.letter_probs[:2]) == {answer.letter_probs[0]}


# What cannot be had is told


def test_where_no_turn_can_be_begun_thoughts_are_asked_for_and_figures_marked(
    server: FaultServer, load: Any
) -> None:
    model = load(Manners(continues="closes"))
    run = evaluate(model, SAMPLES, "wrong-think,stop-think,wrong-caption")
    (prompt,) = prompts("wrong-think", samples=SAMPLES[:1])
    text = last_chat(server, prompt.thought[:40])["messages"][-1]["content"][-1]["text"]
    assert text.endswith(f"and think on from there:\n<think>{prompt.thought}")
    closed = last_chat(server, "answer at once")["messages"][-1]["content"][-1]["text"]
    assert closed.endswith("</think>")
    assert run.approximate == ("wrong-think", "stop-think")
    assert all(record.prefill == "" for record in run.records("wrong-think"))
    assert all(prompt.thought[:20] in (record.think or "") for record in run.records("wrong-think"))
    document = run.to_json()
    assert {name: entry.get("approximate") for name, entry in document["conditions"].items()} == {
        "base": None,
        "wrong-think": True,
        "stop-think": True,
        "wrong-caption": None,
    }
    assert Evaluation.from_json(document).approximate == run.approximate


def test_assertions_tell_that_a_figure_is_approximate(load: Any) -> None:
    model = load(Manners(continues="closes"))
    run = evaluate(model, SAMPLES, "wrong-think,wrong-caption")
    gates = [Gate("accuracy", "wrong-think", min=1.0), Gate("accuracy", "wrong-caption", min=1.0)]
    text = explain_gates(run, [check(run, gate) for gate in gates])
    assert "accuracy under wrong-think >= 1: 0." in text
    assert ", n = 8, approximate\n" in text
    assert (
        "under wrong-think (approximate, since the thought was asked for in the prompt); min_accuracy" in text
    )
    assert text.count("pproximate") == 2


def test_a_report_that_hides_the_mark_is_refused(load: Any) -> None:
    document = evaluate(load(Manners(continues="closes")), SAMPLES[:2], "wrong-think").to_json()
    del document["conditions"]["wrong-think"]["approximate"]
    with pytest.raises(
        UsageError, match=r"conditions.wrong-think.approximate is None, but the provenance says"
    ):
        Evaluation.from_json(document)


@pytest.mark.parametrize("top", [0, -1])
def test_without_log_probabilities_letter_figures_are_absent_and_gates_on_them_errors(
    load: Any, top: int
) -> None:
    run = evaluate(load(Manners(top=top)), SAMPLES, "wrong-caption")
    for name in ("p_correct", "letter_entropy", "n_letter_probs", "letter_mass", "confidently_wrong_rate"):
        assert name not in run.figures("base")
    with pytest.raises(VacuousError, match="the model gave no letter probabilities"):
        check(run, Gate("p_correct", "base", min=0.5))


def test_hidden_reasoning_has_no_faithfulness_figure_and_that_is_said(load: Any) -> None:
    run = evaluate(load(Manners(reasoning="hidden")), SAMPLES, "wrong-caption")
    assert {record.verdict for record in run.records()} == {"not_applicable"}
    assert "unfaithful_rate" not in run.figures("base")
    assert "accuracy" in run.figures("base")
    with pytest.raises(
        VacuousError, match="reasoning is hidden, so nobody can tell whether its answer agrees"
    ):
        check(run, Gate("unfaithful_rate", "base", max=0.5))
    assert Evaluation.from_json(run.to_json()).provenance == run.provenance


def test_the_provenance_tells_what_the_probe_has_found(load: Any) -> None:
    details = load(Manners(continues="closes", top=0, stops="ignores")).info.details
    assert "continue_final_message, last message, prefix: the turn is closed" in details["prefill"]
    assert details["logprobs"] == "none (accepted and ignored)"
    assert details["stop"] == "not used (accepted and ignored)"
    assert details["image_format"] == "PNG, at most 4194304 pixels"
    assert all(isinstance(value, str) for value in details.values())


# Requests that fail


def test_a_request_that_fails_is_counted_apart_and_not_kept(
    server: FaultServer, load: Any, tmp_path: Path
) -> None:
    model = load()
    server.reply = refusing(server, "wrong-caption", SAMPLES[0].question)  # type: ignore[method-assign]
    with Store.open(tmp_path / "store") as store:
        run = evaluate(model, SAMPLES, "wrong-caption", store=store)
        record = run.record("wrong-caption", SAMPLES[0].id)
        assert record.letter is None
        assert record.unparsed_reason == "request failed: HTTP 400 (too long)"
        counted = run.figures("wrong-caption")
        assert counted["failed_rate"].detail["count"] >= 1
        assert counted["unparsed_rate"].value == 0.0
        with pytest.raises(
            VacuousError, match=r"never came; max_unscored_rate is 0.05(.|\n)*see to the server"
        ):
            check(run, Gate("accuracy", "wrong-caption", min=0.0))
        failing = check(run, Gate("accuracy", "wrong-caption", min=1.0), max_unscored_rate=1.0)
        assert "whose request failed under wrong-caption" in explain_gates(run, [failing])
        del server.reply
        whole = evaluate(model, SAMPLES, "wrong-caption", store=store)
    assert whole.figures("wrong-caption")["failed_rate"].value == 0.0
    assert whole.provenance["replies"]["computed"] == counted["failed_rate"].detail["count"]


def refusing(server: FaultServer, condition: str, question: str) -> Any:
    """Refuse what asks a question under a condition with a caption."""
    plain = server.reply

    def reply(body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        text = json.dumps(body["messages"])
        if question in text and "Caption:" in text:
            return 400, {"error": {"message": "too long"}}
        return plain(body)

    assert condition == "wrong-caption"
    return reply


def test_a_server_that_is_gone_ends_the_run_and_what_came_is_kept(
    server: FaultServer, load: Any, tmp_path: Path
) -> None:
    model = load(remote=replace(OPTIONS, concurrency=2, total_s=0.5))
    server.faults.queue = deque([""] * 6)
    server.faults.rate, server.faults.kinds = 1.0, ["500"]
    with Store.open(tmp_path / "store") as store:
        with pytest.raises(ModelError, match=r"not sent, since \d requests in a row had failed \(HTTP 500"):
            evaluate(model, SAMPLES, "wrong-caption", store=store)
        assert store.kept >= 6
        server.faults.rate = 0.0
        run = evaluate(model, SAMPLES, "wrong-caption", store=store)
    assert run.provenance["replies"] == {"stored": 6, "computed": 10}


def test_a_key_that_is_revoked_ends_the_run(server: FaultServer, load: Any) -> None:
    model = load()
    server.manners.key = "another"
    with pytest.raises(ModelError, match=r"HTTP 401 \(Incorrect API key provided: Bearer \*\*\*\)"):
        evaluate(model, SAMPLES, "wrong-caption")


def test_one_fault_in_five_changes_no_figure(server: FaultServer, load: Any) -> None:
    """With every fault that passes among them; ``benchmarks/servers.py`` does it with 200 samples."""
    samples = tuple(islice(iterate_shapes(), 50))
    model = load(remote=replace(OPTIONS, timeout_s=0.5))
    calm = evaluate(model, samples, "wrong-think")
    faults = server.faults
    faults.kinds, faults.retry_after, faults.seconds = ALL_FAULTS, "0.2", 0.05
    with FaultServer() as other:
        faults.rate, faults.target = 0.2, f"{other.url}/chat/completions"
        stormy = evaluate(model, samples, "wrong-think")
        assert other.got == []
    assert set(faults.met) == set(ALL_FAULTS)
    assert figures(stormy) == figures(calm)
    assert list(stormy.records()) == list(calm.records())


# The store


def test_two_runs_share_the_store(server: FaultServer, load: Any, tmp_path: Path) -> None:
    with Store.open(tmp_path / "store") as store:
        first = evaluate(load(store=store), SAMPLES, "wrong-think", store=store)
        before = len(server.chats())
        again = load(store=store)
        probing = len(server.chats())
        second = evaluate(again, SAMPLES, "wrong-think", store=store)
        assert len(server.chats()) == probing > before
    assert list(second.records()) == list(first.records())
    assert second.provenance["replies"] == {"stored": 16, "computed": 0}
    tokens = second.provenance["conditions"][0]["tokens"]
    assert tokens["tokens_in"] > 0 == tokens["computed_in"]


def test_each_reply_is_kept_as_soon_as_it_is_there(load: Any, tmp_path: Path) -> None:
    model = load(remote=replace(OPTIONS, concurrency=1))
    with Store.open(tmp_path / "store") as store:
        kept: list[int] = []

        def watch(done: int, _total: int, _stored: int) -> None:
            with sqlite3.connect(tmp_path / "store") as other:
                kept.append(other.execute("SELECT count(*) FROM entries WHERE kind = 'reply'").fetchone()[0])
            assert kept[-1] == done

        evaluate(model, SAMPLES[:3], "wrong-think", store=store, progress=watch)
    assert kept == [0, 1, 2, 3, 4, 5, 6]


def test_other_weights_under_the_same_name_share_no_reply(
    server: FaultServer, load: Any, tmp_path: Path
) -> None:
    with Store.open(tmp_path / "store") as store:
        keys = []
        for weights in ("1", "2", "1"):
            server.brain = partial(sensible, weights=weights)
            keys.append(load(store=store).reply_key(prompts("base")[0]))
    assert keys[0] == keys[2] != keys[1]


def test_noise_in_log_probabilities_makes_no_other_weights(
    server: FaultServer, load: Any, tmp_path: Path
) -> None:
    with Store.open(tmp_path / "store") as store:
        plain, keys = server.reply, []
        for shift in (0.0, 0.02, 0.2):

            def reply(body: Mapping[str, Any], shift: float = shift) -> tuple[int, Mapping[str, Any]]:
                status, document = plain(body)
                for entry in (document["choices"][0]["logprobs"] or {}).get("content", []):
                    entry["logprob"] -= shift
                return status, document

            server.reply = reply  # type: ignore[method-assign]
            keys.append(load(store=store).reply_key(prompts("base")[0]))
    assert keys[0] == keys[1] != keys[2]


def test_a_key_changes_with_everything_that_a_reply_depends_on(load: Any) -> None:
    asked = prompts("base", "wrong-caption", "wrong-think")
    seen = {model.reply_key(prompt) for model in [load()] for prompt in asked}
    assert len(seen) == len(asked)
    for manners in (Manners(top=5), Manners(continues="closes"), Manners(stops="ignores")):
        seen.add(load(manners).reply_key(asked[0]))
    seen.add(load(max_new_tokens=7).reply_key(asked[0]))
    seen.add(load(dialect="bare").reply_key(asked[0]))
    assert len(seen) == len(asked) + 5


# Costs


def test_tokens_are_counted_for_each_condition(load: Any) -> None:
    run = evaluate(load(), SAMPLES, "wrong-think")
    for entry in run.provenance["conditions"]:
        tokens = entry["tokens"]
        assert tokens["tokens_in"] == tokens["computed_in"] > 8 * 16
        assert tokens["tokens_out"] == sum(record.tokens for record in run.records(entry["name"]))


def test_a_limit_of_costs_ends_the_run_as_incomplete(load: Any, tmp_path: Path) -> None:
    budget = Budget(price=Price(1000.0, 1000.0), limit=2.0)
    model = load(remote=replace(OPTIONS, budget=budget), max_new_tokens=64)
    with Store.open(tmp_path / "store") as store:
        run = evaluate(model, SAMPLES, "wrong-caption", store=store)
        assert run.incomplete is not None
        assert 0 < run.n < 8
        assert run.incomplete.reason.startswith("the limit of costs is reached (1.")
        with pytest.raises(VacuousError, match="the run is incomplete"):
            check(run, Gate("accuracy", "base", min=0.0))
        spent = budget.spent
        assert 0.0 < spent <= 2.0
        with pytest.raises(CostLimitError, match="raise --vlm-max-cost"):
            list(model.answer(prompts("stop-think")))
        assert budget.spent == spent
        rest = evaluate(load(max_new_tokens=64), SAMPLES, "wrong-caption", store=store)
    assert rest.incomplete is None
    assert rest.provenance["replies"]["stored"] >= 2 * run.n


class Large:
    """An image with a hundred times the pixels of the one that servers are tried with."""

    def load(self) -> Image.Image:
        return Image.new("RGB", (1120, 1120))

    def digest(self) -> str:
        return "large"


def test_a_limit_holds_where_images_take_more_tokens_than_the_one_that_was_tried(load: Any) -> None:
    budget = Budget(price=Price(1000.0, 0.0), limit=4.0)
    model = load(Manners(patch=784), remote=replace(OPTIONS, budget=budget), max_new_tokens=64)
    samples = [replace(sample, images=(Large(),)) for sample in SAMPLES]
    spent = budget.spent
    run = evaluate(model, samples, "wrong-caption")
    assert run.incomplete is not None
    assert spent + 1.6 < budget.spent <= 4.0


def test_a_limit_that_allows_no_sample_is_an_error(load: Any) -> None:
    model = load(remote=replace(OPTIONS, budget=Budget(price=Price(1000.0, 1000.0), limit=1.0)))
    with pytest.raises(CostLimitError, match=r"\(\d\.\d{4} of 1 spent\)"):
        evaluate(model, SAMPLES, "wrong-caption")


def test_a_limit_needs_a_server_that_counts(load: Any) -> None:
    with pytest.raises(UsageError, match="--vlm-max-cost cannot be kept, since the server counts no tokens"):
        load(Manners(counts=False), remote=replace(OPTIONS, budget=Budget(price=Price(1, 1), limit=1.0)))


def test_what_is_held_is_let_go_when_a_run_is_left(load: Any) -> None:
    budget = Budget(price=Price(1.0, 1.0), limit=1.0)
    model = load(remote=replace(OPTIONS, budget=budget))
    replies = model.answer_batches(prompts("base"))
    next(replies)
    replies.close()
    assert budget.hold(0, int(0.99e6)) is not None


# The rest


def test_a_spec_is_refused_before_anything_is_loaded() -> None:
    with pytest.raises(UsageError, match="name model and address"):
        load_model("openai:gpt-x")
    check_model_spec("openai:gpt-x@http://localhost:8000/v1")


def test_a_server_that_is_not_there_is_told_soon() -> None:
    began = time.monotonic()
    with pytest.raises(ModelError, match="see whether it runs and can be reached from here"):
        load_model("openai:m@http://127.0.0.1:9/v1", remote=OPTIONS)
    assert time.monotonic() - began < 5.0


def test_the_key_is_nowhere(server: FaultServer, load: Any, tmp_path: Path) -> None:
    """Not even where the server sends it back, in every text that it can put it into."""
    plain = server.reply

    def telling(body: Mapping[str, Any]) -> tuple[int, Mapping[str, Any]]:
        status, document = plain(body)
        choice = document["choices"][0]
        choice["message"]["content"] = f"<think>{SECRET}</think>{choice['message']['content']}"
        choice["message"]["reasoning_content"] = f"My key is {SECRET}"
        return status, document

    server.reply = telling  # type: ignore[method-assign]
    with Store.open(tmp_path / "store") as store:
        model = load(store=store)
        run = evaluate(model, SAMPLES, "wrong-think", store=store)
    assert all(got.headers["authorization"] == f"Bearer {SECRET}" for got in server.got)
    assert "***" in run.record("base", SAMPLES[0].id).reply
    for text in (json.dumps(run.to_json()), repr(vars(model)), repr(model.info), repr(vars(model._client))):
        assert SECRET not in text
    for path in tmp_path.iterdir():
        assert SECRET.encode() not in path.read_bytes()
