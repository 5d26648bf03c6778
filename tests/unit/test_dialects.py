"""Dialects by name, by file, by function; which one a model is asked in; what prompts look like."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vlmrobust.core.letters import AnswerForm
from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import ReplyFormat, read_reply
from pytest_vlmrobust.core.samples import LETTERS
from pytest_vlmrobust.errors import ModelError, UsageError
from pytest_vlmrobust.models.chat import ChatRenderer
from pytest_vlmrobust.models.checkpoint import Checkpoint, ModelOptions
from pytest_vlmrobust.models.dialects import (
    BARE,
    PLAIN,
    Dialect,
    PrefillPlace,
    Turns,
    UserTurn,
    dialect,
    expected_limit,
    find_dialect,
    fitted,
    get_dialect,
    match_dialect,
    match_name,
    register_dialect,
    registered_dialects,
    unregister_dialect,
)
from pytest_vlmrobust.models.dialects.families import FAMILIES
from pytest_vlmrobust.models.openai.chats import Chats
from pytest_vlmrobust.models.templates import FolderTemplate
from pytest_vlmrobust.remote.findings import Prefill
from tests.unit import chat_templates
from tests.unit.golden_prompts import CONDITIONS, golden_text, path_of, renderer

NAMES = [known.name for known in FAMILIES]
PROMPT = Prompt(
    sample_id="s1", condition="base", images=(), question="Which is red?", choices=("left", "right")
)
THOUGHT = replace(PROMPT, condition="wrong-think", thought="It is right.")
CLOSED = replace(THOUGHT, condition="stop-think", thought_closed=True)
CAPTION = replace(PROMPT, condition="wrong-caption", caption="The right one is red.")


@pytest.fixture
def own() -> Iterator[Callable[[str], None]]:
    names: list[str] = []
    yield names.append
    for name in names:
        unregister_dialect(name)


# What prompts look like


@pytest.mark.parametrize("name", NAMES)
def test_the_exact_prompt_of_every_condition(name: str) -> None:
    text = golden_text(name)
    assert text == path_of(name).read_text(encoding="utf-8")
    assert re.findall(r"^=== (.*)$", text, re.M) == list(CONDITIONS)


def test_each_family_has_its_prompts() -> None:
    assert set(chat_templates.KINDS) == set(NAMES)
    assert {path.stem for path in path_of("plain").parent.glob("*.txt")} == set(NAMES)


_WORDS = st.text(st.characters(exclude_categories=("C", "Z")), min_size=1, max_size=12)


@given(
    name=st.sampled_from(NAMES),
    choices=st.lists(_WORDS, min_size=2, max_size=8, unique=True),
    question=_WORDS,
    caption=st.just("") | _WORDS,
    thought=st.just("") | _WORDS,
    closed=st.booleans(),
)
def test_every_dialect_says_all_that_is_asked(
    name: str, choices: list[str], question: str, caption: str, thought: str, closed: bool
) -> None:
    prompt = replace(
        PROMPT,
        choices=tuple(choices),
        question=question,
        caption=caption,
        thought=thought,
        thought_closed=closed and bool(thought),
    )
    known = get_dialect(name)
    turns = known.render(prompt)
    lines = turns.user.split("\n")
    places = [
        next(i for i, line in enumerate(lines) if line.endswith(c) and line[0] == letter)
        for letter, c in zip(LETTERS, choices, strict=False)
    ]
    assert places == sorted(places)
    asked = next(i for i, line in enumerate(lines) if line.endswith(question))
    assert asked < places[0] + (caption.endswith(question) or question in choices)
    assert not caption or lines[0].endswith(caption)
    assert thought in turns.prefill
    assert bool(turns.prefill) is bool(thought)
    if thought:
        read = read_reply("B", choices, dialect=known.reply, prefill=turns.prefill)
        assert (read.letter == "B") is prompt.thought_closed or any(
            sign in thought for sign in ("<", "Answer", "boxed")
        )


def test_a_thought_that_the_template_opens_is_not_opened_again() -> None:
    thinking = get_dialect("qwen3-vl-thinking")
    assert thinking.render(THOUGHT).prefill == "It is right."
    assert thinking.render(CLOSED).prefill == "It is right.\n</think>\n\n"
    text = renderer("qwen3-vl-thinking").render(THOUGHT).text
    assert text.endswith("<|im_start|>assistant\n<think>\nIt is right.")
    assert text.count("<think>") == 1


def test_a_template_would_close_a_thought_that_is_planted_as_a_turn() -> None:
    """Why the place of the prefill matters: this is what the model would have been shown."""
    template = FolderTemplate(source=chat_templates.QWEN3_VL_THINKING)
    turns = ChatRenderer(template, replace(PLAIN, prefill=PrefillPlace.TURN), name="m")
    with pytest.raises(ModelError, match=re.escape(r"<think>\n\n</think>\n\n', but has the model speak")):
        turns.render(THOUGHT)


@pytest.mark.parametrize("name", ["plain", "spacer", "internvl3-mpo", "qwen3-vl-thinking", "vigorl"])
@pytest.mark.parametrize("prompt", [THOUGHT, replace(THOUGHT, thought_closed=True)])
@pytest.mark.parametrize("opens", [True, False])
def test_a_planted_thought_goes_on_from_where_the_model_would_speak(
    name: str, prompt: Prompt, opens: bool
) -> None:
    source = chat_templates.QWEN3_VL_THINKING
    if not opens:  # words thoughts of turns, but lets the model open its own
        source = source.replace("assistant\\n<think>\\n' }}", "assistant\\n' }}")
    template = FolderTemplate(source=source)
    shaped = fitted(get_dialect(name), template)
    known = ChatRenderer(template, shaped, name="m")
    asked, row = known.render(PROMPT).text, known.render(prompt)
    assert row.text == asked + row.prefill
    assert shaped.reply.think_preopened is opens
    if opens:
        assert row.text.count("<think>") == 1 + asked.count("<think>") - 1
        assert ("</think>" in row.prefill) is prompt.thought_closed


def test_an_empty_thought_before_the_models_words_is_told() -> None:
    source = chat_templates.QWEN3_VL_THINKING.replace(
        "assistant\\n<think>\\n' }}", "assistant\\n<think>\\n\\n</think>\\n\\n' }}"
    )
    fit = fitted(get_dialect("plain"), FolderTemplate(source=source)).details()["dialect_fit"]
    assert "the chat template has the model speak behind an empty thought" in fit


def test_a_system_turn_that_a_template_refuses_can_stand_in_the_users() -> None:
    template = FolderTemplate(source=chat_templates.NO_SYSTEM, variables={"bos_token": ""})
    strict = Dialect(name="strict", system="Be strict.")
    with pytest.raises(ModelError, match="set system_in_user to put the system text"):
        ChatRenderer(template, strict, name="m")
    row = ChatRenderer(template, replace(strict, system_in_user=True), name="m").render(PROMPT)
    assert row.text.startswith("<start_of_turn>user\nBe strict.\n\nWhich is red?\nA. left")


def test_a_template_may_fold_the_system_turn_into_the_users() -> None:
    template = FolderTemplate(source=chat_templates.GEMMA, variables={"bos_token": ""})
    row = ChatRenderer(template, Dialect(name="strict", system="Be strict."), name="m").render(PROMPT)
    assert row.text.startswith("<start_of_turn>user\nBe strict.\n\nWhich is red?")


# Adapting to a template


def test_what_is_adapted_is_told() -> None:
    template = FolderTemplate(source=chat_templates.GROUNDED)
    vigorl = fitted(get_dialect("vigorl"), template)
    assert (vigorl.system, vigorl.fit) == ("", "the chat template's own system turn")
    assert vigorl.details()["dialect_fit"] == vigorl.fit
    assert fitted(get_dialect("spacer"), template) is get_dialect("spacer")
    stays = fitted(get_dialect("vigorl"), FolderTemplate(source=chat_templates.QWEN2_5_VL))
    assert stays is get_dialect("vigorl")


def test_a_template_that_cannot_be_tried_changes_nothing() -> None:
    refuses = FolderTemplate(source="{{ raise_exception('no') }}")
    silent = FolderTemplate(source="{{ messages[0]['role'] }}")
    for template in (refuses, silent):
        assert fitted(get_dialect("qwen3-vl-thinking"), template) is get_dialect("qwen3-vl-thinking")


def test_the_page_has_every_dialect_in_its_own_words() -> None:
    page = (Path(__file__).parents[2] / "docs" / "dialects.md").read_text(encoding="utf-8")
    rows = {
        row.split("`")[1]: row
        for row in page.splitlines()
        if row.startswith("| `") and ("<think" in row or "no tags" in row)
    }
    assert list(rows) == NAMES, "run: make table"
    for known in FAMILIES:
        words = (known.summary, known.system, known.instruction, str(known.max_new_tokens or ""))
        assert all(text in rows[known.name] for text in words), "run: make table"


# Which dialect a model is asked in


@pytest.mark.parametrize(
    ("model", "name"),
    [
        ("Qwen/Qwen2.5-VL-7B-Instruct", "qwen2.5-vl"),
        ("RUBBISHLIKE/SpaceR", "spacer"),
        ("RUBBISHLIKE/SpaceR-SFT-7B", "spacer"),
        ("Video-R1/Video-R1-7B", "video-r1"),
        ("Video-R1/Qwen2.5-VL-7B-COT-SFT", "video-r1"),
        ("Osilly/Vision-R1-7B", "vision-r1"),
        ("UCSC-VLAA/VLAA-Thinker-Qwen2.5VL-3B", "vlaa-thinker"),
        ("gsarch/ViGoRL-7b-Spatial", "vigorl"),
        ("OpenGVLab/InternVL3-8B-hf", "internvl3"),
        ("me/InternVL2_5-8B-MPO", "internvl3-mpo"),
        ("Qwen/Qwen3-VL-8B-Instruct", "qwen3-vl"),
        ("Qwen/Qwen3-VL-30B-A3B-Thinking-FP8", "qwen3-vl-thinking"),
        ("HuggingFaceTB/SmolVLM2-256M-Video-Instruct", "smolvlm2"),
        ("google/gemma-3-4b-it", "gemma3"),
        ("google/gemma-3n-E4B-it", None),
        ("me/spacer-less", "spacer"),
        ("me/spacers", None),
        ("gpt-4o", None),
        ("/home/spacer/models/Qwen2.5-VL-7B-Instruct", "qwen2.5-vl"),
        ("/data/spacer/Qwen2.5-VL-7B-Instruct", "qwen2.5-vl"),
        ("/data/SpaceR/checkpoint-250", "spacer"),
        ("/home/spacer/models/qwen", None),
        ("models/InternVL3-8B-hf/Qwen3-VL-8B-Instruct", "qwen3-vl"),
        ("compare-qwen3-vl-thinking/gemma-3-4b-it", "gemma3"),
        ("InternVL3-8B-compo", "internvl3"),
        ("InternVL3-8B-tempo-run", "internvl3"),
        ("InternVL3_5-8B-MPO", "internvl3-mpo"),
        ("Qwen3-VL-8B-Instruct-nonthinking", "qwen3-vl"),
        ("Qwen3-VL-8B-non-thinking", "qwen3-vl"),
        ("video_r1", "video-r1"),
        ("qwen3_vl_8b_thinking", "qwen3-vl-thinking"),
        ("made/up", None),
    ],
)
def test_a_dialect_by_the_name_of_a_model(model: str, name: str | None) -> None:
    found = match_name(model)
    assert (found and found.name) == name


@pytest.mark.parametrize(
    ("spec", "config", "template", "name"),
    [
        ("/runs/step-250", {"model_type": "qwen2_5_vl"}, None, "qwen2.5-vl"),
        ("/runs/SpaceR/checkpoint-250", {"model_type": "qwen2_5_vl"}, None, "spacer"),
        ("/data/Video-R1/runs/7/step-250", {"model_type": "qwen2_5_vl"}, None, "qwen2.5-vl"),
        ("runs/x", {"model_type": "qwen2_5_vl", "_name_or_path": "Osilly/Vision-R1-7B"}, None, "vision-r1"),
        ("me/m@v3-gemma-3", {"model_type": "llava"}, None, "plain"),
        ("runs/x", {"model_type": "qwen3_vl"}, chat_templates.QWEN3_VL, "qwen3-vl"),
        ("runs/x", {"model_type": "qwen3_vl"}, chat_templates.QWEN3_VL_THINKING, "qwen3-vl-thinking"),
        ("runs/x", {"model_type": "qwen3_vl_moe"}, None, "qwen3-vl"),
        ("runs/x", {"model_type": "internvl"}, None, "internvl3"),
        ("runs/x", {"model_type": "smolvlm"}, None, "smolvlm2"),
        ("runs/x", {"model_type": "gemma3"}, None, "gemma3"),
        ("runs/x", {"model_type": "llava"}, None, "plain"),
        ("runs/x", {"_name_or_path": 3}, None, "plain"),
    ],
)
def test_a_dialect_by_the_folder_of_a_model(
    spec: str, config: dict[str, Any], template: str | None, name: str
) -> None:
    assert match_dialect(spec, config, template).name == name


def _folder(path: Path, config: str, template: str = chat_templates.QWEN2_5_VL) -> str:
    path.mkdir()
    (path / "config.json").write_text(config)
    (path / "chat_template.jinja").write_text(template)
    return str(path)


def test_what_a_checkpoint_is_asked_in(tmp_path: Path) -> None:
    found = Checkpoint.resolve(_folder(tmp_path / "a", '{"model_type": "qwen2_5_vl"}'))
    assert found.dialect.name == "qwen2.5-vl"
    named = _folder(tmp_path / "SpaceR", '{"model_type": "qwen2_5_vl", "vlmrobust_dialect": "bare"}')
    assert Checkpoint.resolve(named).dialect is BARE
    assert Checkpoint.resolve(named, ModelOptions(dialect=PLAIN)).dialect is PLAIN
    thinking = _folder(tmp_path / "b", '{"model_type": "qwen3_vl"}', chat_templates.QWEN3_VL_THINKING)
    found = Checkpoint.resolve(thinking)
    assert (found.dialect.name, found.dialect.fit) == (
        "qwen3-vl-thinking",
        "the chat template opens the thought",
    )
    assert found.dialect.reply.think_preopened


def test_the_longest_reply_is_the_users_the_dialects_or_the_default() -> None:
    assert ModelOptions(max_new_tokens=7).limit(get_dialect("vision-r1")) == 7
    assert ModelOptions().limit(get_dialect("vision-r1")) == 4096
    assert ModelOptions().limit(PLAIN) == 512


def test_the_longest_reply_as_far_as_it_is_known_before_loading(tmp_path: Path) -> None:
    folder = _folder(tmp_path / "a", '{"model_type": "qwen2_5_vl"}')
    assert expected_limit("Osilly/Vision-R1-7B", "auto") == 4096
    assert expected_limit("Osilly/Vision-R1-7B", "spacer") == 1024
    assert expected_limit("made/up", "auto") is None
    assert expected_limit(folder, "auto") == 1024
    (tmp_path / "a" / "config.json").write_text('{"vlmrobust_dialect": "vigorl"}')
    assert expected_limit(folder, "auto") == 2048
    (tmp_path / "a" / "config.json").write_text("[]")
    assert expected_limit(folder, "auto") is None
    with pytest.raises(UsageError, match="unknown dialect 'spaser'"):
        expected_limit(folder, "spaser")


def test_a_server_cannot_go_on_behind_a_generation_prompt() -> None:
    works = Prefill(way="continue_final_message")
    assert works.works
    chat = Chats(get_dialect("qwen3-vl-thinking"), works).word(THOUGHT)
    assert (chat.approximate, chat.prefill) == (True, "")
    assert chat.user.endswith("\nIt is right.")
    assert not Chats(get_dialect("qwen3-vl"), works).word(THOUGHT).approximate


# Names


def test_a_dialect_that_nobody_knows() -> None:
    with pytest.raises(UsageError, match=r"unknown dialect 'spacr'.*spacer"):
        get_dialect("spacr")
    with pytest.raises(UsageError, match="unknown dialect 'qwen3'"):
        find_dialect("qwen3")
    assert find_dialect("auto") is None
    assert find_dialect("vigorl") is get_dialect("vigorl")


@pytest.mark.parametrize("name", ["", "My Model", "a_b", "-a", "a..b"])
def test_a_malformed_name(name: str) -> None:
    with pytest.raises(UsageError, match="use lower case words and numbers joined by hyphens or dots"):
        Dialect(name=name)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"max_new_tokens": 0}, "max_new_tokens=0: has to be 1 or more"),
        (
            {"before_thought": "Hm: "},
            r"before_thought='Hm: ' has to hold the tag '<think>' \(reply.think_open\)",
        ),
        ({"after_thought": "</think></think>"}, r"after_thought='.*' has to hold the tag '</think>'"),
        ({"after_thought": "</think><answer>"}, "once, and no other"),
    ],
)
def test_parts_that_contradict_each_other(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        Dialect(name="odd", **fields)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"caption": "Caption:"}, r"user.caption is 'Caption:': it has to hold \{caption\}, each once"),
        ({"question": "{question} {question}"}, r"user.question is .*: it has to hold \{question\}"),
        ({"option": "{text}"}, r"user.option is '\{text\}': it has to hold \{letter\} and \{text\}"),
    ],
)
def test_lines_that_leave_something_out(fields: dict[str, str], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        UserTurn(**fields)


def test_places_in_what_is_asked_stay_as_they_are() -> None:
    odd = replace(PROMPT, question="What is {letter}?", choices=("{text}", "{letter}"), caption="{question}")
    assert PLAIN.render(odd).user.split("\n")[:4] == [
        "Caption: {question}",
        "What is {letter}?",
        "A. {text}",
        "B. {letter}",
    ]


def test_content_tells_dialects_apart_and_names_do_not() -> None:
    digests = [known.details()["dialect_digest"] for known in FAMILIES]
    assert len(set(digests)) == len(digests)
    renamed = replace(PLAIN, summary="another", fit="something")
    assert renamed.lines() == PLAIN.lines()
    for change in (
        {"system": "x"},
        {"system_in_user": True},
        {"instruction": "x"},
        {"user": UserTurn(options="Options:")},
        {"reply": ReplyFormat(answer=AnswerForm.TEXT)},
        {"before_thought": "<think>\n"},
        {"prefill": PrefillPlace.GENERATION_PROMPT},
        {"max_new_tokens": 3},
    ):
        assert replace(PLAIN, **change).lines() != PLAIN.lines()


# The user's own


def test_a_dialect_of_ones_own(own: Callable[[str], None]) -> None:
    own("terse")
    terse = register_dialect(Dialect(name="terse", instruction="Letter."), models=["my-org/Terse"])
    assert get_dialect("terse") is find_dialect("terse") is terse
    assert registered_dialects()[-1] is terse
    assert match_name("MY-ORG/terse-7b") is terse
    assert match_dialect("runs/terse", {"_name_or_path": "my-org/terse"}, None) is terse
    with pytest.raises(UsageError, match="dialect name 'terse' is already taken"):
        register_dialect(Dialect(name="terse"))
    with pytest.raises(UsageError, match="dialect name 'auto' is already taken"):
        register_dialect(Dialect(name="auto"))
    unregister_dialect("terse")
    unregister_dialect("plain")  # ships with the package, and stays
    assert get_dialect("plain") is PLAIN
    assert match_name("MY-ORG/terse-7b") is None


@pytest.mark.parametrize("models", ["terse", ["x", " "], [3]])
def test_names_of_models_that_are_none(models: Any) -> None:
    with pytest.raises(
        UsageError, match=r"models=.* of dialect 'odd': give a list of parts of models' names"
    ):
        register_dialect(Dialect(name="odd"), models=models)


def test_a_function_that_words_prompts(own: Callable[[str], None]) -> None:
    own("shout")

    @dialect("shout", models=["loud"], max_new_tokens=9)
    def shout(prompt: Prompt) -> Turns:
        """Louder.

        And more.
        """
        options = ", ".join(map("=".join, zip(prompt.letters, prompt.choices, strict=True)))
        thought = f"<think>{prompt.thought}" + "</think>" * prompt.thought_closed if prompt.thought else ""
        return Turns(system="Loud.", user=f"{prompt.caption} {prompt.question} {options}!", prefill=thought)

    known = get_dialect("shout")
    assert match_name("me/loud-1b") is known
    assert (known.summary, known.max_new_tokens) == ("Louder.", 9)
    assert known.render(CAPTION) == Turns(
        system="Loud.", user="The right one is red. Which is red? A=left, B=right!", prefill=""
    )
    assert known.render(THOUGHT).prefill == "<think>It is right."
    template = FolderTemplate(source=chat_templates.QWEN3_VL_THINKING)
    row = ChatRenderer(template, fitted(known, template), name="m").render(THOUGHT)
    assert (row.prefill, row.text[-20:]) == ("It is right.", "<think>\nIt is right.")
    quiet = replace(known, word=lambda prompt: replace(shout(prompt), system="Quiet."))
    assert quiet.lines() != known.lines()


@pytest.mark.parametrize(
    ("changes", "prompt", "message"),
    [
        ({"user": "left right"}, PROMPT, "left out the question 'Which is red?'"),
        ({"user": "Which is red? left"}, PROMPT, "left out the option 'right'"),
        ({}, CAPTION, "left out the caption 'The right one is red.'"),
        ({}, THOUGHT, "left out the thought 'It is right.'"),
        (
            {"user": "Which is red? left right", "prefill": "It is right."},
            THOUGHT,
            "left out the tag '<think>'",
        ),
        (
            {"prefill": "<think>It is right."},
            replace(THOUGHT, thought_closed=True),
            "left out '</think>' behind the planted thought",
        ),
        (
            {"prefill": "<think>It is right.</think>"},
            THOUGHT,
            "put, though the thought is to go on, '</think>' behind the planted thought",
        ),
        (
            {"user": "Which is red? left of it"},
            replace(PROMPT, choices=("left", "left of it")),
            "left out the option 'left'",
        ),
        ({"prefill": "<think>"}, PROMPT, "begins the reply with '<think>', and no thought was planted"),
    ],
)
def test_a_function_that_leaves_something_out(changes: dict[str, str], prompt: Prompt, message: str) -> None:
    turns = replace(Turns(system="", user="Which is red? left right", prefill=""), **changes)  # type: ignore[arg-type]
    where = f"dialect 'odd' on sample 's1' under '{prompt.condition}' "
    with pytest.raises(UsageError, match=re.escape(where + message)):
        Dialect(name="odd", word=lambda _: turns).render(prompt)


def test_a_function_that_looks_at_the_images_has_details() -> None:
    def word(prompt: Prompt) -> Turns:
        assert prompt.images[0]
        thought = prompt.thought and f"<think>{prompt.thought}" + "</think>" * prompt.thought_closed
        return Turns(system="", user=f"{prompt.caption}{prompt.question}{prompt.choices}", prefill=thought)

    assert Dialect(name="looks", word=word).details()["dialect"] == "looks"


def test_a_digest_is_that_of_the_content() -> None:
    known = get_dialect("vigorl")
    digests = [replace(known, name=name).details()["dialect_digest"] for name in ("a", "b")]
    assert digests == [known.details()["dialect_digest"]] * 2
    assert replace(known, system="x").details()["dialect_digest"] != digests[0]


def test_a_function_that_fails() -> None:
    with pytest.raises(
        UsageError, match=r"dialect 'odd' on sample 's1' under 'base' failed \(ZeroDivisionError"
    ):
        Dialect(name="odd", word=lambda _: 1 / 0).render(PROMPT)  # type: ignore[arg-type, return-value]
    with pytest.raises(UsageError, match=r"returned str: it has to return Turns\(system, user, prefill\)"):
        Dialect(name="odd", word=lambda _: "text").render(PROMPT)  # type: ignore[arg-type, return-value]

    def refuses(_: Prompt) -> Turns:
        raise UsageError("only two options, please")

    with pytest.raises(UsageError, match=r"^only two options, please$"):
        Dialect(name="odd", word=refuses).render(PROMPT)


# Files

WHOLE = """
name = "my-model"
summary = "Mine."
extends = "spacer"
system = \"\"\"
You look twice.\"\"\"
system_in_user = false
yields_to_template = true
instruction = "Letter, please."
before_thought = "<reason>\\n"
after_thought = "\\n</reason>\\n"
prefill = "generation prompt"
max_new_tokens = 77

[user]
caption = "({caption})"
option = "{letter}) {text}"

[reply]
think_open = "<reason>"
think_close = "</reason>"
answer = "text"
answer_lead = "Final:"
"""


@pytest.fixture
def write(tmp_path: Path) -> Callable[[str], str]:
    def written(text: str) -> str:
        (tmp_path / "mine.toml").write_text(text, encoding="utf-8")
        return str(tmp_path / "mine.toml")

    return written


def test_a_dialect_in_a_file(write: Callable[[str], str]) -> None:
    mine = find_dialect(write(WHOLE))
    assert mine is not None
    assert mine == Dialect(
        name="my-model",
        summary="Mine.",
        system="You look twice.",
        yields_to_template=True,
        user=UserTurn(
            caption="({caption})",
            question="Question: {question}",
            options="Options:",
            option="{letter}) {text}",
        ),
        instruction="Letter, please.",
        reply=ReplyFormat(
            think_open="<reason>", think_close="</reason>", answer=AnswerForm.TEXT, answer_lead="Final:"
        ),
        before_thought="<reason>\n",
        after_thought="\n</reason>\n",
        prefill=PrefillPlace.GENERATION_PROMPT,
        max_new_tokens=77,
    )
    assert mine.render(CLOSED).prefill == "<reason>\nIt is right.\n</reason>\n"


def test_a_file_needs_no_more_than_a_name(write: Callable[[str], str]) -> None:
    assert find_dialect(write('name = "mine"')) == Dialect(name="mine")


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("name = ", "not TOML: Invalid value"),
        ('name = "a"\nname = "b"', "not TOML: Cannot overwrite a value"),
        ("", 'it has no name: give one, which reports will show, as name = "my-model"'),
        ('name = " "', "it has no name"),
        ("name = 3", "name is 3; it has to be a string"),
        ('name = "auto"', "the name 'auto' is taken: choose another"),
        ('name = "vigorl"', "the name 'vigorl' is taken: choose another"),
        ('name = "My Model"', "dialect name 'My Model': use lower case words"),
        ('name = "m"\nsytem = "x"', r"unknown key sytem; did you mean system\?"),
        ('name = "m"\nxyz = "x"', "unknown key xyz; allowed are name, summary, extends"),
        ('name = "m"\nsystem = true', "system is True; it has to be a string"),
        ('name = "m"\nsystem_in_user = "yes"', "system_in_user is 'yes'; it has to be true or false"),
        ('name = "m"\nmax_new_tokens = true', "max_new_tokens is True; it has to be a whole number"),
        ('name = "m"\nmax_new_tokens = 1.5', "max_new_tokens is 1.5; it has to be a whole number"),
        ('name = "m"\nmax_new_tokens = 0', "max_new_tokens=0: has to be 1 or more"),
        ('name = "m"\nprefill = "front"', 'prefill is \'front\'; allowed are "turn", "generation prompt"'),
        ('name = "m"\nprefill = []', 'prefill is \\[\\]; allowed are "turn", "generation prompt"'),
        ('name = "m"\nextends = "spacr"', "unknown dialect 'spacr'"),
        ('name = "m"\nextends = "shout"', "extends = 'shout': that dialect is a function"),
        ('name = "m"\nuser = "x"', "user is 'x'; it has to be a table"),
        ('name = "m"\n[user]\noptoin = "x"', r"unknown key user.optoin; did you mean user.option\?"),
        ('name = "m"\n[user]\noption = 3', "user.option is 3; it has to be a string"),
        ('name = "m"\n[user]\noption = "{text}"', r"user.option is '\{text\}': it has to hold \{letter\}"),
        ('name = "m"\n[reply]\nthink = "x"', r"unknown key reply.think; did you mean reply.think_\w+\?"),
        (
            'name = "m"\n[reply]\nthink_preopened = 1',
            "reply.think_preopened is 1; it has to be true or false",
        ),
        (
            'name = "m"\n[reply]\nanswer = "word"',
            'reply.answer is \'word\'; allowed are "letter", "text", "boxed"',
        ),
        ('name = "m"\n[reply]\nthink_open = ""', "ReplyFormat.think_open is empty"),
        ('name = "m"\nbefore_thought = "x"', "before_thought='x' has to hold the tag '<think>'"),
    ],
)
def test_a_file_with_a_mistake(
    write: Callable[[str], str], own: Callable[[str], None], text: str, message: str
) -> None:
    own("shout")
    register_dialect(Dialect(name="shout", word=PLAIN.render))
    path = write(text)
    with pytest.raises(UsageError, match=f"^dialect {re.escape(repr(path))}: .*{message}"):
        find_dialect(path)


def test_a_file_that_cannot_be_read(tmp_path: Path, write: Callable[[str], str]) -> None:
    path = write(WHOLE)
    with pytest.raises(UsageError, match=r"there is no such file; did you mean '.*mine\.toml'\?"):
        find_dialect(str(tmp_path / "mime.toml"))
    with pytest.raises(UsageError, match=r"there is no such file$"):
        find_dialect(str(tmp_path / "none" / "x.toml"))
    (tmp_path / "folder.toml").mkdir()
    with pytest.raises(UsageError, match=r"the file cannot be read \(Is a directory\)"):
        find_dialect(str(tmp_path / "folder.toml"))
    Path(path).write_bytes(b'name = "\xff"')
    with pytest.raises(UsageError, match="not UTF-8 at byte 8"):
        find_dialect(path)
