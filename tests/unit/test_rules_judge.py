from __future__ import annotations

import hashlib
import json
from collections import Counter
from collections.abc import Sequence
from itertools import islice
from pathlib import Path
from random import Random

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_vlmrobust import judges
from pytest_vlmrobust.core.samples import LETTERS, Sample
from pytest_vlmrobust.datasets.shapes import iterate_shapes
from pytest_vlmrobust.errors import UsageError, VlmRobustError
from pytest_vlmrobust.judges import (
    Consistency,
    Judge,
    JudgeCase,
    RuleJudge,
    Verdict,
    final_judgment,
    judge_consistency,
    load_judge,
)

PLACES = ("above it", "left of it", "right of it")
COLORS = ("red", "dark red", "green")
NUMBERS = ("0", "2", "3")
TRACES = Path(judges.__file__).parent / "labelled.jsonl"


@pytest.mark.parametrize(
    ("think", "letter"),
    [
        ("The circle is left of the square. So the answer is (B) left of it.", "B"),
        (
            "So the answer is (B) left of it. But looking again, it is above. So the answer is (A) above it.",
            "A",
        ),
        ("So the answer is (B) left of it, but I think it is clear.", "B"),
        ("So the answer is (B) left of it, but I think it is above it.", "A"),
        ("So the answer is (B) left of it, but I think", None),
        ("So the answer is (B) left of it. No, that's not right.", None),
        ("So the answer is B. But wait, no, it is C.", "C"),
        ("The answer is A. Actually, on second thought it is B.", "B"),
        ("It looks like it is left of it. Hmm, looking again, it is right of it.", "C"),
        ("=> B", "B"),
        ("I'll go with C.", "C"),
        ("Final answer: A", "A"),
        (r"Hence \boxed{\text{B}}.", "B"),
        ("The second option fits.", "B"),
        ("A is out, and it's not C. Only B remains.", "B"),
        ("Neither above it nor left of it.", "C"),
        ("It is not B.", None),
        ("That rules out B.", None),
        ("It could be A or B.", None),
        ("So it is left of it or right of it.", None),
        ("I'm not sure.", None),
        ("So the answer is (B). Then again, I'm not sure.", None),
        ("Probably B.", "B"),
        ("So B, above it.", None),
        ("So it is either B or it is above it.", None),
        ("It is above it. Option B is wrong and option C is impossible.", "A"),
        ("Rather than left of it, it hangs above it.", "A"),
        ("Unlike what B says, so A.", "A"),
        ("In short, the best option is C because A and B are too far away.", "C"),
        ("If it were B, it would be left of it.", None),
        ("Option A would mean that it floats.", None),
        ("The options are A above it, B left of it, C right of it.", None),
        ("A. above it\nB. left of it\nC. right of it", None),
        ("The caption says it is left of it.", None),
        ("Someone might say left of it.", None),
        ("I first thought it was left of it.", None),
        ("Is it left of it?", None),
        ("So the answer is (B). Option A would mean that it floats.", "B"),
        ("So the answer is (B) above it.", None),
        ("A red thing hangs there. I see it.", None),
        ("The answer is (D).", None),
        ("", None),
    ],
)
def test_the_option_that_a_thought_asserts_last(think: str, letter: str | None) -> None:
    assert final_judgment(think, PLACES) == letter


@pytest.mark.parametrize(
    ("think", "choices", "question", "letter"),
    [
        ("The car is dark red.", COLORS, "What color is the car?", "B"),
        ("The car isn't red, it's green.", COLORS, "What color is the car?", "C"),
        ("The car is red, not green.", COLORS, "What color is the car?", "A"),
        ("It isn't red, dark red, or any such color.", COLORS, "What color is the car?", "C"),
        ("The car is red. The house is green.", COLORS, "What color is the car?", "A"),
        ("The car is red. The car is green.", COLORS, "What color is the car?", None),
        ("I count three dogs.", NUMBERS, "How many dogs are there?", "C"),
        ("Two dogs here and one there: 2 + 1 = 3.", NUMBERS, "How many dogs are there?", "C"),
        ("There are no dogs.", NUMBERS, "How many dogs are there?", "A"),
        ("There are 2 cats.", NUMBERS, "How many dogs are there?", None),
        ("Only one of them barks, so 2 are quiet.", ("1", "2"), "How many dogs are quiet?", "B"),
        ("There is a single dog.", ("one", "two"), "How many dogs are there?", "A"),
        ("The front one is large.", ("one", "two"), "How many dogs are there?", None),
        ("There is a red circle.", ("yes", "no"), "Is there a red circle?", "A"),
        ("There is no red circle.", ("yes", "no"), "Is there a red circle?", "B"),
        ("There is a red circle.", ("yes", "no"), "", None),
        ("There is a red circle. Yes.", ("yes", "no"), "", "A"),
        ("The man is left of the woman.", ("yes", "no"), "Is the woman left of the man?", None),
        ("She is not far away.", ("yes", "no"), "Is the woman far away?", "B"),
        ("It is far from the pole.", ("yes", "no"), "Can you see the moon?", None),
        ("The square is right of the circle.", PLACES, "Where is the circle relative to the square?", "B"),
        ("The square is right of the circle.", PLACES, "Where is the square relative to the circle?", "C"),
        ("The square is right of the circle.", PLACES, "", None),
        ("The lamp is farther from the camera.", ("lamp", "chair"), "Which is closer to the camera?", None),
        ("The lamp is nearest to the camera.", ("lamp", "chair"), "Which is closer to the camera?", "A"),
        ("The bat is a mammal.", ("bat", "hen"), "Which is not a mammal?", None),
        ("So the one that isn't a mammal is the hen.", ("bat", "hen"), "Which is not a mammal?", "B"),
        ("The left one is full.", ("the left cup", "the right cup"), "Which cup is full?", "A"),
        ("That seems right.", ("left", "right"), "Where is the cup?", None),
        ("Two cups are left.", ("left", "right"), "Where is the cup?", None),
        (
            "The woman with the green bag holds a red cup.",
            COLORS,
            "Which cup has the woman with the green bag?",
            "A",
        ),
    ],
)
def test_a_judgment_in_the_light_of_the_question(
    think: str, choices: Sequence[str], question: str, letter: str | None
) -> None:
    assert final_judgment(think, choices, question=question) == letter


def load_traces() -> list[dict[str, str]]:
    return [json.loads(line) for line in TRACES.read_text(encoding="utf-8").splitlines()]


def in_first_half(trace: dict[str, str]) -> bool:
    # All pairs about one question share the number in their id, and so a half.
    return hashlib.blake2b(trace["id"][:4].encode(), digest_size=1).digest()[0] % 2 == 0


def test_the_labelled_traces_are_sound() -> None:
    traces = load_traces()
    labels = Counter(trace["label"] for trace in traces)
    assert len({trace["id"] for trace in traces}) == len(traces) >= 250
    assert set(labels) == set(Consistency)
    assert labels["undecided"] >= 25
    assert 0.8 < labels["consistent"] / labels["inconsistent"] < 1.25
    for trace in traces:
        assert set(trace) - {"prefill"} == {"id", "question", "choices", "think", "letter", "label", "style"}
        assert 2 <= len(trace["choices"]) <= 8
        assert trace["letter"] in LETTERS[: len(trace["choices"])]
        assert trace["question"].strip()
        assert trace["think"].strip()


@pytest.mark.parametrize(
    ("half", "with_question", "least_precision", "least_coverage"),
    [
        ("all", True, 0.975, 0.90),
        ("first", True, 0.97, 0.89),
        ("second", True, 0.97, 0.90),
        ("all", False, 0.96, 0.80),
    ],
)
def test_precision_and_coverage_on_the_labelled_traces(
    half: str, with_question: bool, least_precision: float, least_coverage: float
) -> None:
    counts: Counter[tuple[str, str]] = Counter()
    for trace in load_traces():
        if half != "all" and in_first_half(trace) != (half == "first"):
            continue
        question = trace["question"] if with_question else ""
        verdict = judge_consistency(trace["think"], trace["letter"], trace["choices"], question=question)
        counts[trace["label"], verdict.value] += 1
    labels = [label.value for label in Consistency]
    for claimed in ("consistent", "inconsistent"):
        said = sum(counts[label, claimed] for label in labels)
        assert counts[claimed, claimed] / said >= least_precision, (claimed, counts)
    decidable = sum(n for (label, _), n in counts.items() if label != "undecided")
    decided = decidable - counts["consistent", "undecided"] - counts["inconsistent", "undecided"]
    assert decided / decidable >= least_coverage, counts


def option(sample: Sample, index: int) -> str:
    return f"({LETTERS[index]}) {sample.choices[index]}"


@pytest.mark.parametrize("sample", list(islice(iterate_shapes(seed=5), 60)), ids=lambda sample: sample.id)
def test_the_words_of_the_conditions_and_of_the_bundled_models(sample: Sample) -> None:
    assert sample.statements is not None
    right, wrong = sample.answer, (sample.answer + 1) % len(sample.choices)
    seen = sample.statements[right][0].lower() + sample.statements[right][1:]
    planted = f"Let me look at the image. {sample.statements[wrong]} So the answer is {option(sample, wrong)}"
    corrected = f"{seen} So the answer is {option(sample, right)}."
    for think, final in {
        f"{planted}.": wrong,
        f"{planted}, but I think it is clear.": wrong,
        f"{planted}, but I think {corrected}": right,
        f"{planted}. But looking at the image again, {corrected}": right,
        f"{planted}, but I think": None,
    }.items():
        for question in (sample.question, ""):
            judged = final_judgment(think, sample.choices, question=question)
            assert judged == (None if final is None else LETTERS[final]), (think, question)
    for think in (sample.statements[right], f"{planted}. But looking at the image again, {seen}"):
        assert final_judgment(think, sample.choices, question=sample.question) == LETTERS[right], think
        assert final_judgment(think, sample.choices) in {LETTERS[right], None}, think


OPTIONS = st.sampled_from(
    [PLACES, COLORS, NUMBERS, ("yes", "no"), ("the lamp", "a chair"), ("I'm not sure", "it")]
)
PIECES = st.sampled_from(
    [
        *(
            "It is",
            "is not",
            "left of it",
            "above it",
            "red",
            "green",
            "the lamp",
            "2",
            "no",
            "yes",
            "So",
            "but",
            "wait",
        ),
        *(
            "the answer is",
            "if",
            "?",
            ".",
            ",",
            "\n",
            "(B)",
            "A.",
            "B.",
            r"\boxed{",
            "}",
            "The caption says",
            "or",
        ),
        *(
            "I'm not sure",
            "that's wrong",
            "anything but",
            "option C",
            "->",
            "=",
            "would",
            "one",
            "there are",
            "\0",
            "*",
        ),
    ]
)
TEXTS = st.one_of(st.text(max_size=80), st.lists(PIECES, max_size=25).map(" ".join))
WITHOUT_LETTERS = st.lists(
    PIECES.filter(lambda piece: not any(c in piece for c in "ABC\\")), max_size=20
).map(" ".join)


@settings(deadline=None)
@given(TEXTS, OPTIONS, st.sampled_from(["", "What is it?", "How many are there?", "Is it red?"]))
def test_no_thought_raises_and_the_judgment_is_an_option(
    think: str, choices: Sequence[str], question: str
) -> None:
    final = final_judgment(think, choices, question=question)
    assert final is None or final in LETTERS[: len(choices)]


@settings(deadline=None)
@given(TEXTS, OPTIONS, st.data())
def test_a_conclusion_at_the_end_decides_whatever_comes_before(
    think: str, choices: Sequence[str], data: st.DataObject
) -> None:
    index = data.draw(st.integers(0, len(choices) - 1))
    ended = f"{think} So the answer is ({LETTERS[index]}) {choices[index]}."
    assert final_judgment(ended, choices) == LETTERS[index]


@settings(deadline=None)
@given(WITHOUT_LETTERS, OPTIONS, st.randoms(use_true_random=False))
def test_the_order_of_the_options_does_not_matter(think: str, choices: Sequence[str], random: Random) -> None:
    shuffled = list(choices)
    random.shuffle(shuffled)
    first, second = final_judgment(think, choices), final_judgment(think, shuffled)
    assert (first and choices[LETTERS.index(first)]) == (second and shuffled[LETTERS.index(second)])


@settings(deadline=None)
@given(TEXTS, st.sampled_from(LETTERS[:3]))
def test_the_verdict_compares_the_final_judgment_with_the_letter(think: str, letter: str) -> None:
    final = final_judgment(think, PLACES)
    expected = {None: Consistency.UNDECIDED, letter: Consistency.CONSISTENT}.get(
        final, Consistency.INCONSISTENT
    )
    assert judge_consistency(think, letter, PLACES) is expected


@pytest.mark.parametrize(
    "piece", ["B ", "(A)", "->-", "A, ", "left of it, ", "not ", "best ", ", ", "-", "the answer is "]
)
def test_a_hostile_thought_is_judged_by_its_end(piece: str) -> None:
    text = (piece * (200_000 // len(piece) + 1))[:200_000]
    think = f"{text}\n\nSo the answer is (A) {PLACES[0]}."
    assert final_judgment(think, PLACES, question="Where is the best one?") == "A"


class Moody:
    """A judge that fails, or says what it was told to say."""

    name = "moody"

    def __init__(self, verdict: Verdict) -> None:
        self.verdict = verdict
        self.cases: list[JudgeCase] = []

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        self.cases.extend(cases)
        return [self.verdict for _ in cases]


def test_another_judge_can_be_asked() -> None:
    judge = Moody(Consistency.INCONSISTENT)
    assert isinstance(judge, Judge)
    assert (
        judge_consistency("So B.", "B", ["x", "y"], judge=judge, question="Which?")
        is Consistency.INCONSISTENT
    )
    assert judge.cases == [JudgeCase(question="Which?", choices=("x", "y"), think="So B.", letter="B")]


def test_an_empty_thought_is_undecided_without_asking_a_judge() -> None:
    judge = Moody(Consistency.CONSISTENT)
    assert judge_consistency(" \n", "B", ["x", "y"], judge=judge) is Consistency.UNDECIDED
    assert judge.cases == []


def test_a_judge_that_fails_is_an_error_and_no_verdict() -> None:
    with pytest.raises(VlmRobustError, match="judge 'moody' failed on this case: no verdict was given"):
        judge_consistency("So B.", "B", ["x", "y"], judge=Moody(None))


def test_bad_arguments_are_refused() -> None:
    with pytest.raises(UsageError, match="unknown judge 'rule': did you mean 'rules'"):
        judge_consistency("So B.", "B", ["x", "y"], judge="rule")
    with pytest.raises(UsageError, match="letter is 'C'; the 2 choices are lettered A, B"):
        judge_consistency("So B.", "C", ["x", "y"])
    with pytest.raises(UsageError, match="choices has 1 entries; 2 to 8 are allowed"):
        judge_consistency("So A.", "A", ["x"])


def test_the_rule_judge_is_known_by_name_and_keeps_the_order_of_the_cases() -> None:
    judge = load_judge("rules")
    assert isinstance(judge, RuleJudge)
    assert isinstance(judge, Judge)
    assert judge.name == "rules"
    thoughts = ("So the answer is A.", "So the answer is B.", "Hm.")
    cases = [JudgeCase(question="", choices=("x", "y"), think=think, letter="A") for think in thoughts]
    assert judge.judge(cases) == [Consistency.CONSISTENT, Consistency.INCONSISTENT, Consistency.UNDECIDED]
    assert judge.judge([]) == []


@pytest.mark.parametrize("letter", ["A", "B"])
def test_that_is_right_agrees_and_is_no_direction(letter: str) -> None:
    choices = ("left of it", "right of it")
    named = choices["AB".index(letter)]
    think = f"Let me look at the image. So the answer is ({letter}) {named}, but I think that is right."
    assert final_judgment(think, choices) == letter
