"""What a chat template must not do to a prompt."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import ReplyFormat
from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.models.chat import ChatRenderer, ChatTemplate, ProcessorTemplate, choose_template
from pytest_vlmrobust.models.dialects import BARE, Dialect, fitted
from pytest_vlmrobust.models.templates import FolderTemplate
from pytest_vlmrobust.models.transformers.ending import closes_answer

PROMPT = Prompt(
    sample_id="s1",
    condition="stop-think",
    images=(),
    question="Which is red?",
    choices=("left", "right"),
    thought="Okay.",
    thought_closed=True,
)


class Template:
    """A chat template as a function; each flag makes one mistake that real ones make."""

    def __init__(
        self,
        *,
        images: bool = True,
        needs_image: bool = False,
        system: bool = True,
        closes: bool = False,
        fails_on_prefill: bool = False,
    ) -> None:
        self.images, self.needs_image, self.system = images, needs_image, system
        self.closes, self.fails_on_prefill = closes, fails_on_prefill
        self.asked: list[tuple[bool, bool]] = []

    def apply_chat_template(
        self,
        conversation: list[dict[str, Any]],
        *,
        add_generation_prompt: bool = False,
        continue_final_message: bool = False,
    ) -> str:
        self.asked.append((add_generation_prompt, continue_final_message))
        parts = [part for turn in conversation for part in turn["content"]]
        if self.needs_image and not any(part["type"] == "image" for part in parts):
            raise ValueError("no image in this chat")
        if self.fails_on_prefill and continue_final_message:
            raise ValueError("final message does not appear in the chat\nlong dump")
        text = ""
        for turn in conversation:
            if turn["role"] == "system" and not self.system:
                continue
            text += f"[{turn['role']}]"
            for part in turn["content"]:
                text += ("<image>" if self.images else "") if part["type"] == "image" else part["text"]
        if add_generation_prompt:
            text += "[assistant]"
        return text + ("[end]" if self.closes else "")


def test_the_turn_stays_open_after_the_prefill() -> None:
    template = Template()
    row = ChatRenderer(template, BARE, name="m").render(PROMPT)
    assert row.prefill == "<think>Okay.</think>"
    assert row.text == "[user]Which is red?\nA. left\nB. right[assistant]<think>Okay.</think>"
    assert template.asked[-2] == (False, True)
    assert row.where == "sample 's1' under 'stop-think'"


def test_without_a_prefill_the_model_is_asked_to_begin() -> None:
    template = Template()
    plain = Prompt(sample_id="s", condition="base", images=(), question="Which?", choices=("a", "b"))
    row = ChatRenderer(template, BARE, name="m").render(plain)
    assert row.text.endswith("[assistant]")
    assert template.asked[-1] == (True, False)


def test_a_template_that_cannot_do_without_an_image_shows_it() -> None:
    ChatRenderer(Template(needs_image=True), BARE, name="m")


def test_a_template_without_the_image_is_refused_at_once() -> None:
    with pytest.raises(ModelError, match="model 'm': its chat template leaves images out"):
        ChatRenderer(Template(images=False), BARE, name="m")


def test_a_lost_system_turn_is_refused() -> None:
    strict = Dialect(name="strict", system="You look closely.")
    with pytest.raises(ModelError, match="drops or alters the system turn 'You look closely"):
        ChatRenderer(Template(system=False), strict, name="m")


def test_a_closed_prefill_is_refused() -> None:
    renderer = ChatRenderer(Template(closes=True), BARE, name="m")
    with pytest.raises(ModelError, match=r"does not leave the assistant's turn open .*stop-think.*\[end\]"):
        renderer.render(PROMPT)


class Wrapping(Template):
    """Puts an empty thought before an assistant's turn, which its generation prompt has not."""

    def apply_chat_template(self, conversation: list[dict[str, Any]], **options: bool) -> str:
        return (
            super()
            .apply_chat_template(conversation, **options)
            .replace(
                "[assistant]",
                "[assistant]" if options.get("add_generation_prompt") else "[assistant]<think></think>",
            )
        )


def test_a_prefill_behind_something_else_than_the_models_own_words_is_refused() -> None:
    with pytest.raises(
        ModelError, match=r"left open as .*</think>', .* set prefill to \"generation prompt\""
    ):
        ChatRenderer(Wrapping(), BARE, name="m").render(PROMPT)
    fit = fitted(BARE, Wrapping())
    assert fit.details()["dialect_fit"] == "the prefill stands behind the generation prompt"
    assert (
        ChatRenderer(Wrapping(), fit, name="m")
        .render(PROMPT)
        .text.endswith("[assistant]<think>Okay.</think>")
    )
    assert fitted(BARE, Template()) is BARE


def test_a_template_that_fails_is_named_with_the_condition() -> None:
    renderer = ChatRenderer(Template(fails_on_prefill=True), BARE, name="m")
    with pytest.raises(
        ModelError, match=r"cannot render the condition 'stop-think' \(ValueError: final message"
    ) as e:
        renderer.render(PROMPT)
    assert "long dump" not in str(e.value)


JINJA = (
    "{% for m in messages %}[{{ m['role'] }}]{% for p in m['content'] %}"
    "{% if p['type'] == 'image' %}<image>{% else %}{{ p['text'] }}{% endif %}{% endfor %}{% endfor %}"
    "{% if add_generation_prompt %}[assistant]{% endif %}"
)
OURS = FolderTemplate(source=JINJA)


class Processor:
    """A processor that renders `JINJA`, but for what ``twist`` makes of it."""

    def __init__(
        self, chat_template: object = JINJA, twist: Callable[[str], str] = str, needs: str = ""
    ) -> None:
        self.chat_template, self.twist, self.needs = chat_template, twist, needs
        self.options: dict[str, Any] = {}

    def apply_chat_template(
        self, conversation: list[dict[str, Any]], *, tokenize: bool, **options: Any
    ) -> str:
        assert not tokenize
        self.options = dict(options)
        options.pop("chat_template", None)
        text = OURS.apply_chat_template(conversation, **options)
        if self.needs not in text:
            raise ValueError(f"no {self.needs}")
        return self.twist(text)


def taken(processor: Processor, ours: FolderTemplate | None = OURS, own: object = None) -> ChatTemplate:
    return choose_template(ProcessorTemplate(processor, own), ours)


def test_our_rendering_is_taken_where_the_processor_gives_the_same() -> None:
    assert taken(Processor()) is OURS
    assert taken(Processor({"default": JINJA, "rag": "r"})) is OURS
    assert taken(Processor(None), own=JINJA) is OURS
    assert taken(Processor(None), own={"default": JINJA, "rag": "r"}) is OURS


@pytest.mark.parametrize(
    "processor",
    [
        Processor(twist=lambda text: text + " "),
        Processor(twist=lambda text: text.replace("<think>Okay.</think>", "")),
        Processor(twist=lambda text: text.replace("<image><image>", "<image>")),
        Processor(twist=lambda text: text.replace("[system]", "")),
        Processor(twist=lambda text: text.replace("\u00e9", "e")),
        Processor(needs="Which"),
        Processor(chat_template=JINJA + " "),
        Processor(chat_template=None),
        Processor(chat_template={"rag": JINJA}),
    ],
)
def test_the_processors_is_taken_where_it_differs(processor: Processor) -> None:
    chosen = taken(processor)
    assert isinstance(chosen, ProcessorTemplate)
    processor.needs = ""
    chat = [{"role": "user", "content": [{"type": "text", "text": "[system]<image><image>\u00e9"}]}]
    expected = processor.twist("[user][system]<image><image>\u00e9[assistant]")
    assert chosen.apply_chat_template(chat, add_generation_prompt=True) == expected
    assert "chat_template" not in processor.options


def test_the_processors_is_taken_where_the_folder_has_none() -> None:
    assert isinstance(taken(Processor(), None), ProcessorTemplate)


def test_a_template_of_the_tokenizers_is_handed_to_the_processor() -> None:
    processor = Processor(None)
    template = ProcessorTemplate(processor, [{"name": "default", "template": JINJA}])
    chat = [{"role": "user", "content": [{"type": "text", "text": "u"}]}]
    assert template.apply_chat_template(chat, add_generation_prompt=True) == "[user]u[assistant]"
    assert processor.options == {
        "chat_template": JINJA,
        "add_generation_prompt": True,
        "continue_final_message": False,
    }


@pytest.mark.parametrize(
    ("text", "prefill", "ends"),
    [
        ("<think>a</think><answer>B</answer>", "", True),
        ("<answer>B</answer>", "", True),
        ("<ANSWER>B</ Answer >", "", True),
        ("<think>a</think><answer>B", "", False),
        ("<think>I write <answer>B</answer>", "", False),
        ("it</think><answer>B</answer>", "<think>so ", True),
        ("I write <answer>B</answer>", "<think>so ", False),
        ("", "<think>a</think><answer>B</answer>", False),
    ],
)
def test_when_a_reply_has_closed_its_answer(text: str, prefill: str, ends: bool) -> None:
    assert closes_answer(prefill + text, len(prefill), ReplyFormat()) is ends


def test_a_thought_that_the_template_opened_has_to_close_first() -> None:
    layout = ReplyFormat(think_preopened=True)
    assert not closes_answer("so <answer>B</answer>", 0, layout)
    assert closes_answer("so</think><answer>B</answer>", 0, layout)
