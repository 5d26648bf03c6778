from __future__ import annotations

import string
from collections.abc import Sequence

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_vlmrobust.core.letters import Unread
from pytest_vlmrobust.core.replies import REPLY_FORMATS, ReplyFormat, read_reply
from pytest_vlmrobust.core.samples import LETTERS
from pytest_vlmrobust.errors import UsageError

PLACES = ("left of it", "right of it", "above it", "below it")
COLORS = ("red", "dark red", "green", "a pale blue")


@pytest.mark.parametrize(
    ("reply", "letter"),
    [
        ("The answer is (B).", "B"),
        ("Based on the image, C", "C"),
        ("A red car is left of it. Answer: B", "B"),
        ("Answer: C", "C"),
        (r"The car is parked. Option (A) is false, so \boxed{B}", "B"),
        ("<answer>B</answer>", "B"),
        ("Cannot be determined", None),
        ("The answer is A. But wait, the answer is B", "B"),
    ],
)
def test_replies_that_other_readers_get_wrong(reply: str, letter: str | None) -> None:
    assert read_reply(reply, PLACES).letter == letter


@pytest.mark.parametrize(
    "answer",
    [
        *(
            "B",
            "b",
            " B ",
            "\nB\n",
            "B.",
            "B)",
            "(B)",
            "( B )",
            "[B]",
            "**B**",
            "**B.**",
            '"B"',
            "`B`",
            "- B",
        ),
        *(
            "Option B",
            "option (B)",
            "Choice B",
            "Answer B",
            "Answer: B",
            "Final Answer: B",
            "Final Answer: (B)",
        ),
        *(r"\boxed{B}", r"\boxed{\text{B}}", r"$\boxed{\mathrm{(B)}}$", r"\(B\)", r"\boxed{B. right of it}"),
        *("B. right of it", "(B) right of it", "B: right of it", "B) Right of it.", "B, right of it"),
        *("**B.** right of it", "B - right of it", "B\nright of it", "B right of it", "The answer is B."),
        *("The correct option is **B**", "I choose B", "I'd go with (B) because it is on that side", "So B."),
        *(
            "right of it",
            "Right of it.",
            "the right of it",
            "It is right of it",
            "not left of it but right of it",
        ),
        *(
            "\uff08B\uff09",
            "\u7b54\u6848\uff1aB",
            "Answer → B",
            "It's B.",
            "B is correct",
            "B because it is right of it",
            "B\u00a0",
        ),
    ],
)
def test_an_answer_in_any_wrapping(answer: str) -> None:
    reply = read_reply(f"<think>Is it A?</think><answer>{answer}</answer>", PLACES)
    assert (reply.letter, reply.reason, reply.think) == ("B", None, "Is it A?")


@pytest.mark.parametrize(
    "reply",
    [
        "< think >A?</ think >< answer >B</ answer >",
        "<THINK>A?</THINK>\n\n<Answer>\nB\n</Answer>\n",
        "A?</think><answer>B</answer>",
        "A?</think> B",
        "<think>A?</think>\n\nB",
        "<think>A?</think><answer>B",
        "<think>A?</think><answer>B</answ",
        "<think>A?</think><answer>B</ANSWER ",
        "<think>A?</think><answer>B<",
        "<think>A?</think>B</answer>",
        "<think>A?</think><answer>A</answer> or rather <answer>B</answer>",
        "<think>A?</think><answer>A</answer><answer>B",
        "<think>A?</think><map>C D</map><answer>B</answer>",
        "<think>A</think><think>C</think><answer>B</answer> D",
        "Sure. <think>A?</think> The answer is B",
    ],
)
def test_a_reply_with_damaged_tags(reply: str) -> None:
    assert read_reply(reply, PLACES).letter == "B"


@pytest.mark.parametrize(
    ("reply", "reason"),
    [
        ("", Unread.NO_ANSWER),
        ("<think>It is B.</think>", Unread.NO_ANSWER),
        ("<think>It is B.</think><answer></answer>", Unread.NO_ANSWER),
        ("<think>x</think><answer>I'm sorry, but I can't help with that.</answer>", Unread.NO_ANSWER),
        ("I cannot tell whether it is left of it.", Unread.NO_ANSWER),
        ("Is it left of it?", Unread.NO_ANSWER),
        ("A red car drives by.", Unread.NO_ANSWER),
        ("I think so.", Unread.NO_ANSWER),
        ("The answer is clear.", Unread.NO_ANSWER),
        ("The answer is not A.", Unread.NO_ANSWER),
        ("Vitamin C is good for you.", Unread.NO_ANSWER),
        ("A-1", Unread.NO_ANSWER),
        ("It is left of it, I said, " + "and I went on and on " * 10, Unread.NO_ANSWER),
        ("<think>So the answer is B", Unread.TRUNCATED),
        ("<think>So the answer is B. <answer>B</answer>", Unread.TRUNCATED),
        ("<think>x</think> Hm. <think>So B", Unread.TRUNCATED),
        ("<think>x</think><answer>", Unread.TRUNCATED),
        ("<answer>A</answer><answer>", Unread.TRUNCATED),
        ("<answer>A or B</answer>", Unread.AMBIGUOUS),
        ("<answer>A, B</answer>", Unread.AMBIGUOUS),
        ("<answer>B. left of it</answer>", Unread.AMBIGUOUS),
        ("The answer is B or C.", Unread.AMBIGUOUS),
        ("The answer is B. Wait, that's wrong.", Unread.AMBIGUOUS),
        ("left of it or above it", Unread.AMBIGUOUS),
        ("A. left of it\nB. right of it\nC. above it\nD. below it", Unread.AMBIGUOUS),
        ("<answer>E</answer>", Unread.NOT_AN_OPTION),
        ("The answer is (H).", Unread.NOT_AN_OPTION),
        ("<answer>I</answer>", Unread.NOT_AN_OPTION),
        (r"The answer is B, that is \boxed{42}", Unread.NOT_AN_OPTION),
    ],
)
def test_a_reply_that_cannot_be_read_says_why(reply: str, reason: Unread) -> None:
    read = read_reply(reply, PLACES)
    assert (read.letter, read.answer_span, read.reason) == (None, None, reason)


@pytest.mark.parametrize(
    ("choices", "answer", "letter"),
    [
        (COLORS, "dark red", "B"),
        (COLORS, "red", "A"),
        (COLORS, "The car is dark red.", "B"),
        (COLORS, "It is pale-blue", "D"),
        (COLORS, "It isn't red; it is green.", "C"),
        (COLORS, "neither red nor green", None),
        (("2", "12", "3"), "12", "B"),
        (("2", "12", "3"), "There are 2 of them", "A"),
        (("2", "12", "3"), "three", "C"),
        (("2", "12", "3"), "3:15", None),
        (("one", "two"), "1", "A"),
        (("one", "two"), "The one on the left", None),
        (("-2", "2", "1/2"), "-2", "A"),
        (("-2", "2", "1/2"), "x = 2", "B"),
        (("-2", "2", "1/2"), "1/2", "C"),
        (("yes", "no"), "No.", "B"),
        (("yes", "no"), "Yes, it is not far away.", "A"),
        (("yes", "no"), "There is no car.", None),
        (("P", "Q", "R"), "Q", "B"),
        (("P", "Q", "R"), "R.", "C"),
        (("B", "A"), "A", "A"),
        (("B", "A"), "<answer>B</answer>", "B"),
        (("5", "5%"), "5%", "B"),
        (("5", "5%"), "about 5", None),
        (("<", ">"), ">", "B"),
        (("left", "right"), "The right answer is plain to see.", None),
        (("a cup", "I'm not sure"), "I\u2019m not sure.", "B"),
        (("C major", "D minor"), "D minor", "B"),
        (("C major", "D minor"), "C major", "A"),
        (("x",) * 1 + tuple("abcdefg"), "H", "H"),
    ],
)
def test_an_answer_given_as_text(choices: Sequence[str], answer: str, letter: str | None) -> None:
    assert read_reply(answer, choices).letter == letter


def test_the_planted_beginning_is_thought_and_never_the_answer() -> None:
    reply = read_reply(
        " But it is red.</think><answer>B</answer>", ["blue", "red"], prefill="<think>It is blue."
    )
    assert (reply.letter, reply.think, reply.answer_text) == ("B", "It is blue. But it is red.", "B")
    closed = read_reply("<answer>A</answer>", ["blue", "red"], prefill="<think>Done.</think>")
    assert (closed.letter, closed.think) == ("A", "Done.")
    for text in ("", " "):
        planted = read_reply(text, ["blue", "red"], prefill="<think>Done.</think><answer>B</answer>")
        assert (planted.letter, planted.reason) == (None, Unread.NO_ANSWER)
    opened = read_reply("B</answer>", ["blue", "red"], prefill="<think>Done.</think><answer>")
    assert (opened.letter, opened.answer_span) == ("B", (0, 1))


def test_the_thought_is_told_from_the_answer() -> None:
    assert read_reply("B", PLACES).think is None
    assert read_reply("<think></think>B", PLACES).think == ""
    assert read_reply("<think>one</think> two <think>three</think>B", PLACES).think == "one\ntwo\nthree"
    assert read_reply("Sure! <think> one \n</think>B", PLACES).think == "one"
    assert read_reply("<think> cut off", PLACES).think == "cut off"


@pytest.mark.parametrize("prefill", ["", "<think>Let me see."])
@pytest.mark.parametrize(
    "answer", ["<answer> ({}) it</answer>", "The answer is **{}**.", r"\boxed{{\text{{{}}}}}"]
)
def test_the_span_points_at_the_letter_in_the_generated_text(prefill: str, answer: str) -> None:
    text = ("" if prefill else "<think>A") + " or D?</think>" + answer.format("C")
    span = read_reply(text, PLACES, prefill=prefill).answer_span
    assert span is not None
    assert text[slice(*span)] == "C"
    assert span[0] > text.index("</think>")


def test_another_layout_is_data() -> None:
    layout = ReplyFormat(
        think_open="[THINK]",
        think_close="[/THINK]",
        answer_open="<|begin_of_box|>",
        answer_close="<|end_of_box|>",
    )
    reply = read_reply("[think]A?[/think]<|begin_of_box|>B<|end_of_box|> C", PLACES, dialect=layout)
    assert (reply.letter, reply.think) == ("B", "A?")
    assert layout == ReplyFormat(
        **{name: getattr(layout, name) for name in layout.__dataclass_fields__ if name[0] != "_"}
    )


def test_where_the_template_opens_the_thought_a_bare_text_is_no_answer() -> None:
    layout = ReplyFormat(think_preopened=True)
    reply = read_reply("So the answer is B", PLACES, dialect=layout)
    assert (reply.letter, reply.reason, reply.think) == (None, Unread.TRUNCATED, "So the answer is B")
    assert read_reply("So A.</think>B", PLACES, dialect=layout).letter == "B"
    assert read_reply("So the answer is B", PLACES).letter == "B"


def test_a_layout_whose_tags_cannot_be_told_apart_is_refused() -> None:
    with pytest.raises(UsageError, match=r"ReplyFormat\.answer_open is empty"):
        ReplyFormat(answer_open=" ")
    with pytest.raises(UsageError, match="are not distinct"):
        ReplyFormat(answer_open="<think>")


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown reply format 'plian': did you mean 'plain'"):
        read_reply("B", PLACES, dialect="plian")
    for choices in ((), ("only",), tuple("123456789")):
        with pytest.raises(UsageError, match=f"choices has {len(choices)} entries; 2 to 8 are allowed"):
            read_reply("B", choices)


WRAPPINGS = st.sampled_from(
    [
        *("{}", " {} ", "({})", "**{}**", "{}.", "\n{}\n", r"\boxed{{{}}}", "Final Answer: {}", "Option {}"),
        *("The answer is {}.", "{}: thing"),
    ]
)
PIECES = st.sampled_from(
    [
        *(
            "<think>",
            "</think>",
            "<answer>",
            "</answer>",
            "A",
            "B",
            "(C)",
            "Z",
            "left of it",
            "not",
            "so",
            "I",
        ),
        *(
            "the answer is",
            r"\boxed{",
            "}",
            "*",
            "\n",
            ".",
            ",",
            "?",
            "{",
            "12",
            "option ",
            " or ",
            "<",
            "\0",
        ),
    ]
)
HOSTILE = st.one_of(
    st.text(max_size=60), st.lists(PIECES, max_size=15).map(" ".join), st.lists(PIECES).map("".join)
)
NO_TAGS = st.text(max_size=40).filter(lambda text: "<" not in text)


@settings(deadline=None)
@given(st.integers(2, 8), st.data(), WRAPPINGS)
def test_any_letter_is_read_back_from_any_wrapping(count: int, data: st.DataObject, wrapping: str) -> None:
    letter = data.draw(st.sampled_from(LETTERS[:count]))
    choices = [f"thing number {index}" for index in range(count)]
    reply = read_reply(f"<think>x</think><answer>{wrapping.format(letter)}</answer>", choices)
    assert reply.letter == letter
    assert reply.answer_span is not None


@settings(deadline=None)
@given(HOSTILE, st.integers(2, 8))
def test_no_string_raises_and_no_letter_lies_outside_the_choices(text: str, count: int) -> None:
    reply = read_reply(text, [*PLACES, "12", "Z", "no", "so"][:count])
    assert reply.letter is None or reply.letter in LETTERS[:count]
    assert (reply.letter is None) == (reply.reason is not None)
    assert reply.answer_span is None or text[slice(*reply.answer_span)].upper() == reply.letter


@settings(deadline=None)
@given(st.text(alphabet=string.digits + string.punctuation.replace("<", "") + " \n", max_size=80))
def test_text_without_a_letter_or_an_option_is_no_answer(text: str) -> None:
    assert read_reply(text, PLACES).letter is None


@settings(deadline=None)
@given(HOSTILE, st.sampled_from(["B", "(C)", "left of it", "none", ""]))
def test_what_stands_in_the_thought_never_changes_the_letter(thought: str, answer: str) -> None:
    plain = read_reply(f"</think>{answer}", PLACES)
    assert read_reply(f"<think>{thought}</think>{answer}", PLACES).letter == plain.letter
    assert read_reply(f"</think>{answer}", PLACES, prefill=f"<think>{thought}").letter == plain.letter


@settings(deadline=None)
@given(HOSTILE, st.sampled_from([" ", "\n", "\t", "\r\n", " \n "]))
def test_space_around_the_parts_changes_nothing(text: str, space: str) -> None:
    tight = read_reply(f"<think>x</think><answer>{text.strip()}</answer>", PLACES)
    wide = read_reply(
        f"{space}<think>{space}x{space}</think>{space}<answer>{space}{text.strip()}{space}</answer>{space}",
        PLACES,
    )
    assert (wide.letter, wide.reason) == (tight.letter, tight.reason)


@settings(deadline=None)
@given(NO_TAGS)
def test_the_default_layout_is_the_one_named_plain(text: str) -> None:
    assert read_reply(text, PLACES) == read_reply(text, PLACES, dialect=REPLY_FORMATS["plain"])


@pytest.mark.parametrize(
    "piece",
    [
        *(
            "<",
            "<think>",
            "<answer>",
            "< ",
            r"\boxed{",
            "(A) (B) ",
            "B ",
            "A, ",
            "Answer: ",
            "the answer is ",
        ),
        *("->", "1.1", "'a", " ", "\n", "left of it, ", "not ", "option ", "["),
    ],
)
def test_hostile_text_is_read_to_its_end(piece: str) -> None:
    text = (piece * (200_000 // len(piece) + 1))[:200_000]
    assert read_reply(text + "<answer>B</answer>", PLACES, prefill="<think>done</think>").letter in (
        "B",
        None,
    )
    assert read_reply(text, PLACES).letter in (None, *"ABC")
