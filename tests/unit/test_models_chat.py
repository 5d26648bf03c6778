"""What a chat template must not do to a prompt."""

from __future__ import annotations

from typing import Any

import pytest

from pytest_vlmrobust.core.prompts import Prompt
from pytest_vlmrobust.core.replies import ReplyFormat
from pytest_vlmrobust.errors import ModelError
from pytest_vlmrobust.models.chat import ChatRenderer
from pytest_vlmrobust.models.dialects import BARE, Dialect
from pytest_vlmrobust.models.transformers.generation import closes_answer

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
        self.asked: list[dict[str, Any]] = []

    def apply_chat_template(self, conversation: list[dict[str, Any]], **options: Any) -> str:
        self.asked.append(options)
        parts = [part for turn in conversation for part in turn["content"]]
        if self.needs_image and not any(part["type"] == "image" for part in parts):
            raise ValueError("no image in this chat")
        if self.fails_on_prefill and options.get("continue_final_message"):
            raise ValueError("final message does not appear in the chat\nlong dump")
        text = ""
        for turn in conversation:
            if turn["role"] == "system" and not self.system:
                continue
            text += f"[{turn['role']}]"
            for part in turn["content"]:
                text += ("<image>" if self.images else "") if part["type"] == "image" else part["text"]
        if options.get("add_generation_prompt"):
            text += "[assistant]"
        return text + ("[end]" if self.closes else "")


def test_the_turn_stays_open_after_the_prefill() -> None:
    template = Template()
    row = ChatRenderer(template, BARE, template=None, name="m").render(PROMPT)
    assert row.prefill == "<think>Okay.</think>"
    assert row.text == "[user]Which is red?\nA. left\nB. right[assistant]<think>Okay.</think>"
    assert template.asked[-1] == {"tokenize": False, "continue_final_message": True}
    assert row.where == "sample 's1' under 'stop-think'"


def test_without_a_prefill_the_model_is_asked_to_begin() -> None:
    template = Template()
    plain = Prompt(sample_id="s", condition="base", images=(), question="Which?", choices=("a", "b"))
    row = ChatRenderer(template, BARE, template="{{ jinja }}", name="m").render(plain)
    assert row.text.endswith("[assistant]")
    assert template.asked[-1] == {
        "tokenize": False,
        "chat_template": "{{ jinja }}",
        "add_generation_prompt": True,
    }


def test_a_template_that_cannot_do_without_an_image_shows_it() -> None:
    ChatRenderer(Template(needs_image=True), BARE, template=None, name="m")


def test_a_template_without_the_image_is_refused_at_once() -> None:
    with pytest.raises(ModelError, match="model 'm': its chat template leaves images out"):
        ChatRenderer(Template(images=False), BARE, template=None, name="m")


def test_a_lost_system_turn_is_refused() -> None:
    strict = Dialect(name="strict", system="You look closely.")
    with pytest.raises(ModelError, match="drops or alters the system turn 'You look closely"):
        ChatRenderer(Template(system=False), strict, template=None, name="m")


def test_a_closed_prefill_is_refused() -> None:
    renderer = ChatRenderer(Template(closes=True), BARE, template=None, name="m")
    with pytest.raises(ModelError, match=r"does not leave the assistant's turn open .*stop-think.*\[end\]"):
        renderer.render(PROMPT)


def test_a_template_that_fails_is_named_with_the_condition() -> None:
    renderer = ChatRenderer(Template(fails_on_prefill=True), BARE, template=None, name="m")
    with pytest.raises(
        ModelError, match=r"cannot render the condition 'stop-think' \(ValueError: final message"
    ) as e:
        renderer.render(PROMPT)
    assert "long dump" not in str(e.value)


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
