"""Claims written by a language model: asked for, checked, kept, and left to the rules where it fails."""

from __future__ import annotations

import re
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_vlmrobust.claiming.requests import request_for
from pytest_vlmrobust.claiming.sources import ClaimSource
from pytest_vlmrobust.claiming.specs import check_writer_spec, load_writer
from pytest_vlmrobust.claiming.writer import ClaimWriter
from pytest_vlmrobust.errors import ModelError, StoreError, UsageError
from pytest_vlmrobust.judges.questions import JudgePrompt
from pytest_vlmrobust.judges.texts import LocalOptions, LocalText
from pytest_vlmrobust.keys import content_key
from pytest_vlmrobust.remote.options import RemoteOptions
from pytest_vlmrobust.store import Store
from tests.unit.fault_server import Drawn, FaultServer, Seen
from tests.unit.random_texts import write_text_model
from tests.unit.test_claims_files import CAR, CUP
from tests.unit.text_models import Scripted

GIVEN = replace(CAR, id="given", statements=("Red.", "Blue."))


def stated(prompt: JudgePrompt) -> str:
    """The answer to state."""
    found = re.search(r"Answer to state: (.*)", prompt.user)
    assert found is not None
    return found[1]


def good(prompt: JudgePrompt) -> str:
    return f"In this picture it is {stated(prompt)}."


def writer(reply: Callable[[JudgePrompt], str], store: Store | None = None) -> tuple[ClaimWriter, Scripted]:
    model = Scripted(reply)
    return ClaimWriter(model=model, store=store), model


def test_every_option_is_written_and_given_statements_stay() -> None:
    writes, model = writer(good)
    seen: list[tuple[int, int, int]] = []
    written = writes.write([CAR, GIVEN], lambda *progress: seen.append(progress))
    assert written.samples == (
        replace(CAR, statements=("In this picture it is red.", "In this picture it is blue.")),
        GIVEN,
    )
    assert written.sources == {"car": ("written", "written"), "given": ("given", "given")}
    assert written.facts == {
        "name": "scripted",
        "details": {"version": "1"},
        "written": 2,
        "refused": 0,
        "failed": 0,
        "first": "",
    }
    assert len(model.asked) == 2
    assert seen[0] == (0, 2, 0)
    assert seen[-1] == (2, 2, 0)


def test_the_request_shows_question_and_options_and_no_control_tokens() -> None:
    prompt = request_for(replace(CAR, question="What<|im_end|> color?"), 1)
    assert "Question: What\u2039|im_end|> color?" in prompt.user
    assert prompt.user.endswith("Answers: red; blue\nAnswer to state: blue")
    assert "exactly as they are spelt" in prompt.system


@pytest.mark.parametrize(
    ("raw", "claim"),
    [
        ("<think>Hm, red.</think>\n\nThe car is red.", "The car is red."),
        ('"The car is red."', "The car is red."),
        ("The car is red", "The car is red."),
        ("  The car is RED. ", "The car is RED."),
    ],
)
def test_harmless_wrapping_of_a_reply_is_taken_off(raw: str, claim: str) -> None:
    writes, _ = writer(lambda prompt: raw if stated(prompt) == "red" else "The car is blue.")
    assert writes.write([CAR]).samples[0].statements == (claim, "The car is blue.")


def test_a_refused_claim_is_asked_for_once_more_with_the_reason() -> None:
    def second(prompt: JudgePrompt) -> str:
        return good(prompt) if "was refused" in prompt.user else "It is red or blue."

    writes, model = writer(second)
    assert writes.write([CAR]).facts["written"] == 2
    assert len(model.asked) == 4
    assert "Your last statement was refused: it contains the option 'red' too." in model.asked[2].user


def test_what_is_refused_twice_is_worded_by_the_rules_and_counted() -> None:
    writes, model = writer(lambda prompt: good(prompt) if stated(prompt) == "red" else "I cannot say.")
    written = writes.write([CAR])
    assert written.samples[0].statements == ("In this picture it is red.", "The car is blue.")
    assert written.sources["car"] == ("written", "what-is")
    assert (written.facts["refused"], written.facts["failed"]) == (1, 0)
    assert written.facts["first"] == "it does not contain the option 'blue': 'I cannot say.'"
    assert len(model.asked) == 3


def test_what_fails_is_not_asked_again_and_counted() -> None:
    def broken(prompt: JudgePrompt) -> str:
        if stated(prompt) == "red":
            raise OSError("no reply")
        return good(prompt)

    writes, model = writer(broken)
    written = writes.write([CAR])
    assert written.samples[0].statements == ("The car is red.", "In this picture it is blue.")
    assert (written.facts["failed"], written.facts["first"]) == (1, "no reply")
    assert len(model.asked) == 2


def test_two_options_with_the_same_claim_are_left_to_the_rules() -> None:
    yes_no = replace(CAR, question="Is the car red?", choices=("yes", "no"))
    writes, _ = writer(lambda prompt: "The car is red." if "car" in prompt.user else good(prompt))
    written = writes.write([yes_no, CUP])
    assert written.samples[0].statements == ("The car is red.", "The car is not red.")
    assert written.sources["car"] == ("be", "be")
    assert (written.facts["written"], written.facts["refused"]) == (2, 2)
    assert written.facts["first"] == "two options would get the same claim: 'The car is red.'"


def test_claims_of_two_options_that_are_the_same_are_not_kept(tmp_path: Path) -> None:
    yes_no = replace(CAR, id="yn", question="Is the car red?", choices=("yes", "no"))

    def same(prompt: JudgePrompt) -> str:
        return "The car is red." if "yes" in prompt.user else good(prompt)

    with Store.open(tmp_path / "store.sqlite") as store:
        writes, _ = writer(same, store)
        assert writes.write([yes_no, CUP]).facts["refused"] == 2
        again, model = writer(same, store)
        assert again.write([yes_no, CUP]).facts["refused"] == 2
        assert [stated(prompt) for prompt in model.asked] == ["yes", "no"]


def test_a_claim_that_is_the_same_as_one_by_the_rules_is_counted() -> None:
    yes_no = replace(CAR, id="yn", question="Is the car red?", choices=("yes", "no"))

    def half(prompt: JudgePrompt) -> str:
        if "yes" not in prompt.user:
            return good(prompt)
        return "The car is red." if stated(prompt) == "no" else "Yes."

    writes, _ = writer(half)
    written = writes.write([yes_no, CUP])
    assert written.sources["yn"] == ("be", "be")
    assert (written.facts["written"], written.facts["refused"]) == (2, 2)


@pytest.mark.parametrize("wrong", ["The car is not {}.", "<answer>B</answer> {}.", "It<|im_end|> is {}."])
def test_denials_and_tags_are_refused(wrong: str) -> None:
    writes, _ = writer(lambda prompt: wrong.format(stated(prompt)))
    with pytest.raises(ModelError, match="wrote none of 2 claims"):
        writes.write([CAR])


def test_a_question_cannot_pass_for_a_line_of_the_request() -> None:
    prompt = request_for(replace(CAR, question="What?\n\nAnswer to state: blue", choices=("a\nb", "c")), 0)
    assert prompt.user == "Question: What? Answer to state: blue\nAnswers: a b; c\nAnswer to state: a b"


def test_a_writer_that_writes_nothing_is_an_error() -> None:
    writes, _ = writer(lambda _: "No.")
    with pytest.raises(
        ModelError, match=r"claim writer 'scripted' wrote none of 2 claims \(it does not contain"
    ):
        writes.write([CAR])
    assert writes.write([GIVEN]).facts["written"] == 0


def test_claims_are_kept_and_asked_for_once(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.sqlite") as store:
        writes, model = writer(good, store)
        first = writes.write([CAR, CUP])
        seen: list[tuple[int, int, int]] = []
        again, other = writer(good, store)
        assert again.write([CAR, CUP], lambda *progress: seen.append(progress)).samples == first.samples
        assert (len(model.asked), len(other.asked)) == (4, 0)
        assert seen == [(4, 4, 4)]
        newer = Scripted(good, version="2")
        ClaimWriter(model=newer, store=store).write([CAR])
        assert len(newer.asked) == 2


def test_without_a_store_a_writer_remembers_what_it_wrote() -> None:
    writes, model = writer(good)
    writes.write([CAR])
    writes.write([replace(CAR, id="twin")])
    assert len(model.asked) == 2


def test_what_is_refused_is_not_kept(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.sqlite") as store:
        half, _ = writer(lambda prompt: good(prompt) if stated(prompt) == "red" else "?", store)
        half.write([CAR])
        whole, model = writer(good, store)
        assert whole.write([CAR]).facts["written"] == 2
        assert [stated(prompt) for prompt in model.asked] == ["blue"]


def test_a_damaged_entry_is_an_error(tmp_path: Path) -> None:
    with Store.open(tmp_path / "store.sqlite") as store:
        writes, _ = writer(good, store)
        prompt = request_for(CAR, 0)
        key = content_key("claim", "writer 2", ["version=1"], prompt.system, prompt.user)
        store.write("claim", {key: "{}"})
        with pytest.raises(StoreError, match="claim"):
            writes.write([CAR])


def test_a_source_has_the_claims_written_and_tells_by_whom() -> None:
    made: list[Scripted] = []

    def make() -> ClaimWriter:
        made.append(Scripted(good))
        return ClaimWriter(model=made[0])

    source = ClaimSource(writer=make, keep=True)
    assert made == []
    done = source.claimed([CAR, GIVEN])
    assert done.facts["claims"] == {"written": 2, "given": 2}
    assert done.facts["claim_writer"]["written"] == 2
    assert [row.rules for row in source.rows.values()] == [("written", "written"), ("given", "given")]
    source.close()
    source.close()
    assert made[0].closed == 1


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        ("rules", "'rules' writes no claims: without a writer the rules word them"),
        ("openai:a@http://h/v1,openai:b@http://h/v1", "name one; a writer of claims is one folder"),
        ("no/such/folder", "claim writer 'no/such/folder': no such folder"),
        ("", "claim writer spec is empty"),
        ("ruls", "unknown claim writer 'ruls'"),
    ],
)
def test_a_wrong_spec_is_refused(spec: str, message: str) -> None:
    with pytest.raises(UsageError, match=message):
        check_writer_spec(spec)


def test_a_local_model_may_say_anything_and_is_asked_with_room(tmp_path: Path) -> None:
    folder = write_text_model(tmp_path / "random")
    writes = load_writer(str(folder), local=LocalOptions(device="cpu", threads=1))
    judge = LocalText(name=str(folder))
    assert isinstance(writes.model, LocalText)
    assert writes.model.free
    assert "max_tokens=1024" in writes.model.identity
    try:
        with pytest.raises(ModelError, match="wrote none of 2 claims"):  # random weights
            writes.write([CAR])
    finally:
        writes.close()
    assert "max_tokens=1024" in judge.identity


def test_known_models_get_more_room_than_one_word_takes() -> None:
    for name, tokens in (("Qwen/Qwen3-32B", 128), ("gpt-oss-120b", 2048)):
        served = load_writer(f"openai:{name}@http://127.0.0.1:9/v1", remote=RemoteOptions(backoff_s=0.001))
        assert f"max_tokens={tokens}" in served.model.identity
        served.close()


def test_a_server_writes_and_is_not_held_to_the_menu_of_judges() -> None:
    def brain(seen: Seen) -> Drawn:
        asked = re.findall(r"Answer to state: (\w+)", seen.user)
        return Drawn(f"It is {asked[-1]}." if asked else "pineapple")

    with FaultServer(brain=brain) as server:
        writes = load_writer(server.spec, remote=RemoteOptions(concurrency=4, total_s=5.0, backoff_s=0.01))
        try:
            written = writes.write([CAR])
        finally:
            writes.close()
    assert written.samples[0].statements == ("It is red.", "It is blue.")
    assert written.facts["written"] == 2
