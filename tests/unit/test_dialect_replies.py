"""What is read from replies of each family of models."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vlmrobust.core.letters import AnswerForm, Unread, read_letter
from pytest_vlmrobust.core.replies import ReplyFormat, read_reply
from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.models.dialects import get_dialect
from pytest_vlmrobust.models.dialects.families import FAMILIES
from tests.unit.dialect_replies import CHOICES, REPLIES

CASES = [(name, *case) for name, cases in REPLIES.items() for case in cases]


@pytest.mark.parametrize(("name", "text", "expected", "think"), CASES)
def test_a_reply_of_a_family(name: str, text: str, expected: str | Unread, think: str | None) -> None:
    read = read_reply(text, CHOICES, dialect=get_dialect(name).reply)
    assert (read.reason or read.letter, read.think) == (expected, think)


_PIECES = st.sampled_from(
    [
        *"AB .\n",
        "<think>",
        "</think>",
        "<answer>",
        "</answer>",
        "Answer:",
        "Final Answer:",
        "\\boxed{",
        "}",
        "both",
    ]
)


@given(
    name=st.sampled_from(list(REPLIES)),
    prefill=st.lists(_PIECES, max_size=6).map("".join),
    text=st.lists(_PIECES, max_size=14).map("".join),
)
def test_any_reply_has_an_answer_or_a_reason(name: str, prefill: str, text: str) -> None:
    read = read_reply(text, CHOICES, dialect=get_dialect(name).reply, prefill=prefill)
    assert (read.letter is None) is (read.reason is not None)
    assert read.answer_text in text
    for span in (read.answer_span, read.text_span):
        assert span is None or 0 <= span[0] < span[1] <= len(text)
    if read.answer_span is not None:
        assert text[slice(*read.answer_span)].upper() == read.letter


def test_each_family_has_its_replies() -> None:
    assert set(REPLIES) == {dialect.name for dialect in FAMILIES}
    assert all(len(cases) >= 12 for cases in REPLIES.values())
    for name, cases in REPLIES.items():
        answers = {expected for _, expected, _ in cases}
        assert answers & set("ABCD"), name
        assert answers & set(Unread), name


@pytest.mark.parametrize(
    ("name", "prefill", "text", "expected", "think"),
    [
        ("internvl3-mpo", "It is (A).\nAnswer:", " \\boxed{B}", "B", "It is (A)."),
        ("internvl3-mpo", "It is (A).\nAnswer:", "\nAnswer: B", "B", "It is (A).\nAnswer:"),
        ("internvl3-mpo", "The answer: A.", " No.\nAnswer: \\boxed{B}", "B", "The answer: A. No."),
        ("internvl3-mpo", "So \\boxed{A}.", " Hm", Unread.TRUNCATED, "So \\boxed{A}. Hm"),
        ("internvl3-mpo", "So it is (A).", "B", Unread.TRUNCATED, "So it is (A).B"),
        ("internvl3-mpo", "So Answer: A.", " Hm", Unread.TRUNCATED, "So Answer: A. Hm"),
        ("qwen3-vl-thinking", "It is (A).", " No.\n</think>\n\nB", "B", "It is (A). No."),
        ("qwen3-vl-thinking", "Okay.\n</think>\n\n", "B", "B", "Okay."),
        ("qwen3-vl-thinking", "It is (A).", " So A", Unread.TRUNCATED, "It is (A). So A"),
        ("vision-r1", "<think>Final Answer: A.", "</think>B", "B", "Final Answer: A."),
        ("vigorl", "<think>It is (B) the right side.", "</think><answer>both</answer>", "D", None),
    ],
)
def test_a_reply_that_was_begun(
    name: str, prefill: str, text: str, expected: str | Unread, think: str | None
) -> None:
    read = read_reply(text, CHOICES, dialect=get_dialect(name).reply, prefill=prefill)
    assert (read.reason or read.letter, read.think) == (expected, think or prefill.removeprefix("<think>"))
    if read.answer_span:
        assert text[slice(*read.answer_span)] == expected


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("<think>both</think><answer>The RIGHT side</answer>", "The RIGHT side"),
        ("<think>x</think><answer>It is the right side, I say.</answer>", "the right side"),
        ("<think>x</think><answer>right side</answer>", None),
        ("<think>x</think><answer>the right side, the right side</answer>", None),
        ("<think>x</think><answer>B. the right side</answer>", None),
        ("<think>x</think><answer>A side</answer>", None),
    ],
)
def test_where_an_option_stands_in_its_own_words(text: str, said: str | None) -> None:
    read = read_reply(text, CHOICES, dialect=get_dialect("vigorl").reply)
    assert (None if read.text_span is None else text[slice(*read.text_span)]) == said


def test_an_option_that_is_a_letter_wins_only_where_options_are_answered_in_words() -> None:
    reply = "<answer>B</answer>"
    assert read_reply(reply, ["B", "A"]).letter == "B"
    read = read_reply(reply, ["B", "A"], dialect=get_dialect("vigorl").reply)
    assert (read.letter, read.answer_span, read.text_span) == ("A", None, (8, 9))


def test_a_box_wins_only_where_answers_are_boxed() -> None:
    reply = r"So \boxed{B}. I choose A."
    boxed = get_dialect("internvl3-mpo").reply
    assert read_reply(reply, CHOICES).letter == "A"
    assert read_letter(reply, CHOICES, AnswerForm.BOXED).choice == 1
    assert read_reply(reply, CHOICES, dialect=boxed).reason is Unread.TRUNCATED  # the box ends no thought
    assert read_reply(f"{reply} \\boxed{{}}", CHOICES, dialect=boxed).letter is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"think_open": "", "think_close": ""}, "ends only where the answer is announced: give answer_lead"),
        (
            {"think_open": "", "think_close": "", "answer_lead": "Answer:", "think_preopened": True},
            "no template opens a thought that has no tags: leave out think_preopened",
        ),
        ({"think_open": ""}, "ReplyFormat.think_open is empty: give the text that marks this place"),
        ({"answer_close": " "}, "ReplyFormat.answer_close is empty"),
        ({"think_close": "< Think >"}, "are not distinct"),
    ],
)
def test_a_layout_that_could_not_be_read(fields: dict[str, object], message: str) -> None:
    with pytest.raises(UsageError, match=message):
        ReplyFormat(**fields)  # type: ignore[arg-type]


def test_every_part_of_a_layout_is_part_of_its_lines() -> None:
    layouts = [
        ReplyFormat(),
        ReplyFormat(answer_lead="Answer:"),
        ReplyFormat(think_preopened=True),
        get_dialect("vigorl").reply,
        get_dialect("internvl3-mpo").reply,
    ]
    assert len({tuple(layout.lines()) for layout in layouts}) == len(layouts)


SIDES = ("left", "right")


@pytest.mark.parametrize(
    ("answer", "choices", "letter"),
    [
        *((denied, SIDES, None) for denied in ("A is wrong", "A is incorrect", "A is not correct")),
        ("(A) is wrong, so the other", SIDES, None),
        ("A is clearly wrong", SIDES, None),
        ("None of A, B", SIDES, None),
        ("None of the left", SIDES, None),
        *((torn, SIDES, None) for torn in ("left (B)", "right (A)", "left, i.e. option B", "Left - B")),
        *((torn, SIDES, None) for torn in ("A - right", "A right", "B left", "C left", "The right one, A.")),
        ("A, the cup is on the right", SIDES, None),
        ("2 or 3", ("2", "4"), None),
        ("1 to 2", ("2", "4"), None),
        ("5%", ("5", "50"), None),
        ("about 5% of it", ("5", "50"), None),
        ("5%", ("5%", "50%"), "A"),
        ("A dog", ("cat", "dog"), "B"),
        ("A is right", SIDES, "A"),
        ("B is right", SIDES, "B"),
        ("left (A)", SIDES, "A"),
        ("A, the cup is on the left", SIDES, "A"),
        ("A, since it is not on the right", SIDES, "A"),
        ("B right", SIDES, "B"),
        ("The cup by point B", ("the cup", "point B"), None),
        ("point B", ("point A", "point B"), "B"),
    ],
)
@pytest.mark.parametrize("name", ["plain", "vigorl"])
def test_letters_and_texts_that_disagree_or_are_denied_are_not_read(
    name: str, answer: str, choices: tuple[str, ...], letter: str | None
) -> None:
    reply = f"<think>x</think><answer>{answer}</answer>"
    read = read_reply(reply, choices, dialect=get_dialect(name).reply)
    assert read.letter == letter
    assert (read.reason is None) is (letter is not None)


@pytest.mark.parametrize("mark", ["{}. {}", "{}) {}", "({}) {}", "{}: {}", "**{}**. {}", "{} - {}", "{}, {}"])
def test_a_marked_letter_counts_where_options_are_answered_in_words(mark: str) -> None:
    for index, letter in enumerate("AB"):
        for said in SIDES:
            text = f"<think>x</think><answer>{mark.format(letter, said)}</answer>"
            read = read_reply(text, SIDES, dialect=get_dialect("vigorl").reply)
            if said == SIDES[index]:
                assert read.letter == letter
                assert read.answer_span is not None
                assert text[slice(*read.answer_span)] == letter
            else:
                assert read.reason is Unread.AMBIGUOUS


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ('<think>x</think>\n<map>\n{"left": [[1, 2]]}\n</map>\n', None),
        ('<think>x</think><map>{"left": [[1, 2]], "cu', None),
        ("<think>x</think><map>(A)</map>", None),
        ('<think>x</think><map>{"A": [1]}</map> right', "B"),
        ('<think>x</think><map>{"A": [1]<answer>B</answer>', "B"),
        ('<think>x</think>< Map >{"left": [1]}</map><answer>B</answer>', "B"),
    ],
)
def test_a_map_is_no_answer(text: str, letter: str | None) -> None:
    assert read_reply(text, SIDES, dialect=get_dialect("spacer").reply).letter == letter


@pytest.mark.parametrize(
    ("said", "choices", "letter"),
    [
        ("left", ("left", "left of it", "right"), None),
        ("left of", ("left", "left of it", "right"), None),
        ("It is left", ("left", "left of it", "right"), None),
        ("1", ("1", "12"), None),
        ("red", ("red", "red and blue"), None),
        ("The dog", ("the dog", "the dog and the cat"), None),
        ("B", ("cat", "dog", "Bus"), None),
        ("left.", ("left", "left of it", "right"), "A"),
        ("right", ("left", "left of it", "right"), "C"),
        ("left of it", ("left", "left of it", "right"), "B"),
    ],
)
def test_a_text_that_was_cut_off_is_not_taken_for_a_shorter_option(
    said: str, choices: tuple[str, ...], letter: str | None
) -> None:
    layout = get_dialect("vigorl").reply
    cut = read_reply(f"<think>x</think><answer>{said}", choices, dialect=layout)
    assert (cut.letter, cut.reason) == (letter, None if letter else Unread.TRUNCATED)
    assert read_reply(f"<think>x</think><answer>{said}</answer>", choices, dialect=layout).letter is not None


@pytest.mark.parametrize(
    ("text", "letter"),
    [
        ("Let's see. A possible answer: A. But wait, let me go on, since the cup is", None),
        ("A possible answer: A. But", None),
        ("My last line will be 'Answer: \\boxed{A}' if so. Now the cup stands near the edge", None),
        ("Area is \\boxed{A}. Then twice that is", None),
        ("The answer: left is tempting", None),
        ("It is so.\nAnswer: A\nWait, that is wrong. The cup", None),
        ("First A looks so. Answer: \\boxed{\\text{B}}", "B"),
        ("It is so.\nAnswer: \\boxed{\\textbf{B}}\n\nExplanation: A is wrong.", "B"),
        ("It is so.\n**Answer:** the cup is on the right.", "B"),
        ("It is so. \\boxed{B}", "B"),
        ("It is so.\nAnswer:\n$\\boxed{B}$.", "B"),
    ],
)
def test_a_thought_without_tags_ends_where_the_answer_stands_alone(text: str, letter: str | None) -> None:
    read = read_reply(text, SIDES, dialect=get_dialect("internvl3-mpo").reply)
    assert read.letter == letter
    assert letter or read.reason is Unread.TRUNCATED
