"""The scores of benchmarks, against hand-made figures and against the slow way of working them out."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_vlmrobust.core.intervals import paired_difference, wilson
from pytest_vlmrobust.core.scores import BENCHMARKS, Scorer
from pytest_vlmrobust.core.scores.measuring import Parts
from pytest_vlmrobust.errors import DataError, UsageError, VacuousError
from tests.unit.made_benchmarks import SLOW, Row, benchmark_rows, came_of, flags, labels_of, right_of

NAMES = sorted(BENCHMARKS)
GROUPED = ("3dsrbench", "mmbench", "whatsup", "hallusionbench")


def scored(name: str, rows: list[Row]) -> dict[str, float]:
    scorer = Scorer(name, labels_of(rows))
    came = came_of(rows)
    return {score: scorer.score(score, right_of(rows), came).value for score in scorer.names}


def shares(parts: Parts) -> dict[str, dict[str, tuple[float, int]]]:
    return {
        key: {label: (figure.value, figure.n) for label, figure in figures.items()}
        for key, figures in parts.items()
    }


def test_each_benchmark_is_worked_out_the_slow_way_too() -> None:
    assert set(SLOW) == set(BENCHMARKS)
    assert len(BENCHMARKS) == 14
    assert all(any(not score.unit and not score.over for score in one.scores) for one in BENCHMARKS.values())
    for name, scores in SLOW.items():
        assert tuple(scores) == tuple(score.name for score in BENCHMARKS[name].scores)


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=40)
def test_every_score_is_what_the_slow_way_gives(name: str, data: st.DataObject) -> None:
    rows = data.draw(benchmark_rows(name))
    fast = scored(name, rows)
    assert list(fast) == list(SLOW[name])
    for score, value in fast.items():
        assert value == pytest.approx(SLOW[name][score](rows), abs=1e-12), score


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=25)
def test_a_drop_is_the_difference_of_two_scores(name: str, data: st.DataObject) -> None:
    rows = data.draw(benchmark_rows(name))
    scorer, came = Scorer(name, labels_of(rows)), came_of(rows)
    before = flags(row.base_right for row in rows)
    for score in scorer.names:
        drop = scorer.drop(score, before, right_of(rows), came)
        base, here = scorer.score(score, before, came), scorer.score(score, right_of(rows), came)
        assert (drop.detail["base_score"], drop.detail["score"]) == (base.value, here.value)
        assert drop.value == pytest.approx(base.value - here.value, abs=1e-12)
        assert (drop.n, drop.detail["units"]) == (here.n, here.detail["units"])
        assert drop.low is not None
        assert drop.high is not None
        assert -1 <= drop.low <= drop.value <= drop.high <= 1
        assert drop.low < drop.high
        assert here.low is not None
        assert here.high is not None
        assert 0 <= here.low <= here.value <= here.high <= 1
        assert here.low < here.high


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data(), seed=st.integers(0, 99))
@settings(max_examples=20)
def test_the_order_of_the_samples_does_not_matter(name: str, data: st.DataObject, seed: int) -> None:
    rows = data.draw(benchmark_rows(name))
    turned = random.Random(seed).sample(rows, len(rows))
    first, second = (Scorer(name, labels_of(some)) for some in (rows, turned))
    assert first.names == second.names
    for score in first.names:
        one = first.score(score, right_of(rows), came_of(rows))
        other = second.score(score, right_of(turned), came_of(turned))
        assert (one.n, one.detail) == (other.n, other.detail)
        assert one.value == pytest.approx(other.value)
        assert (one.low, one.high) == pytest.approx((other.low, other.high))
        parts = first.parts(score, right_of(rows), came_of(rows))
        assert shares(parts) == shares(second.parts(score, right_of(turned), came_of(turned)))


@pytest.mark.parametrize("name", NAMES)
@given(data=st.data())
@settings(max_examples=20)
def test_all_right_is_one_all_wrong_is_none_and_a_reply_more_never_hurts(
    name: str, data: st.DataObject
) -> None:
    rows = data.draw(benchmark_rows(name))
    assert set(scored(name, [replace(row, right=True) for row in rows]).values()) == {1.0}
    assert set(scored(name, [replace(row, right=False) for row in rows]).values()) == {0.0}
    before = scored(name, rows)
    lucky = data.draw(st.integers(0, len(rows) - 1))
    after = scored(name, [replace(row, right=row.right or at == lucky) for at, row in enumerate(rows)])
    assert all(after[score] >= before[score] - 1e-12 for score in before)


@pytest.mark.parametrize("name", GROUPED)
@given(data=st.data())
@settings(max_examples=40)
def test_more_has_to_be_right_for_a_stricter_score(name: str, data: st.DataObject) -> None:
    """Where all groups are of one size; of groups of many sizes the mean over rows may be the smaller one."""
    rows = data.draw(benchmark_rows(name, equal=True))
    told = scored(name, rows)
    stricter = {
        "3dsrbench": ("flip_circular", "circular", "vanilla"),
        "mmbench": ("circular", "vanilla"),
        "whatsup": ("set", "pair", "individual"),
        "hallusionbench": ("question_accuracy", "all_accuracy"),
    }[name]
    values = [told[score] for score in stricter if score in told]
    assert values == sorted(values)


def test_the_scores_of_3dsrbench_by_hand() -> None:
    def row(group: str, flip: str, roll: str, right: bool, category: str = "height_higher") -> Row:
        return Row(right=right, category=category, group=group, tags={"flip": flip, "roll": roll})

    near = "location_closer_to_camera"
    rows = [
        *(row("aaaaaaaa", flip, roll, True) for flip in "01" for roll in "01"),
        row("bbbbbbbb", "0", "0", True, near),
        row("bbbbbbbb", "0", "1", True, near),
        row("bbbbbbbb", "1", "0", True, near),
        row("bbbbbbbb", "1", "1", False, near),
    ]
    assert scored("3dsrbench", rows) == {
        "vanilla": 7 / 8,
        "flip": 3 / 4,
        "circular": 3 / 4,
        "flip_circular": 1 / 2,
    }
    scorer = Scorer("3dsrbench", labels_of(rows))
    whole = scorer.score("flip_circular", right_of(rows), came_of(rows))
    assert (whole.n, whole.detail["units"], whole.detail["left_out"]) == (8, 2, 0)
    parts = scorer.parts("circular", right_of(rows), came_of(rows))
    assert shares(parts) == {
        "main": {"height": (1.0, 2), "location": (0.5, 2)},
        "category": {"height_higher": (1.0, 2), near: (0.5, 2)},
    }


def test_without_mirror_images_and_turned_options_the_plain_mean_is_all_there_is() -> None:
    rows = [Row(right=True, group=str(at), tags={"flip": "0", "roll": "0"}) for at in range(3)]
    scorer = Scorer("3dsrbench", labels_of(rows))
    assert scorer.names == ("vanilla",)
    assert set(scorer.missing.values()) == {"no question is there in more than one form"}
    assert scored("mmbench", rows) == {"vanilla": 1.0}


def test_the_score_of_cv_bench_by_hand() -> None:
    sources = {"ADE20K": "10", "COCO": "1110", "Omni3D": "10000"}
    rows = [
        Row(right=hit == "1", tags={"source": source}) for source, hits in sources.items() for hit in hits
    ]
    told = scored("cv-bench", rows)
    assert told == pytest.approx(
        {"combined": ((0.5 + 0.75) / 2 + 0.2) / 2, "2d": 0.625, "3d": 0.2, "accuracy": 5 / 11}
    )
    two = [row for row in rows if row.tags["source"] != "Omni3D"]
    scorer = Scorer("cv-bench", labels_of(two))
    assert scorer.names == ("2d", "accuracy")
    assert scorer.missing == {
        "combined": "no sample is from Omni3D",
        "3d": "no sample is from Omni3D",
    }
    assert scorer.obstacle("combined", came_of(two)) == "no sample is from Omni3D"
    assert not scorer.counted("combined", came_of(two)).any()
    with pytest.raises(VacuousError, match="cv-bench has no score '3d' here: no sample is from Omni3D"):
        scorer.score("3d", right_of(two), came_of(two))
    assert scored("cv-bench", rows[:2]) == {"accuracy": 0.5}
    assert scorer.score("2d", right_of(two), came_of(two)).n == 6


def test_a_source_that_nobody_knows_is_told_and_not_left_out() -> None:
    sources = ("ADE20K", "COCO", "Omni3D", "KITTI")
    scorer = Scorer("cv-bench", labels_of([Row(right=True, tags={"source": one}) for one in sources]))
    assert scorer.missing == {"combined": "source 'KITTI' is none of ADE20K, COCO, Omni3D"}


def test_the_scores_of_whatsup_by_hand() -> None:
    def image(group: str, relation: str, pair: str, right: bool) -> Row:
        tags = {"pair": pair, "subset": "A"} if group else {"subset": "coco-one"}
        return Row(right=right, category=relation, group=group, tags=tags)

    rows = [
        image("mug_table", "on", "vertical", True),
        image("mug_table", "under", "vertical", True),
        image("mug_table", "left_of", "horizontal", True),
        image("mug_table", "right_of", "horizontal", False),
        *(image("cap_chair", relation, pair, True) for relation, pair in (("on", "v"), ("under", "v"))),
        *(
            image("cap_chair", relation, pair, True)
            for relation, pair in (("left_of", "h"), ("right_of", "h"))
        ),
        image("", "left", "", False),
    ]
    assert scored("whatsup", rows) == {"individual": 7 / 9, "pair": 3 / 4, "set": 1 / 2}
    scorer = Scorer("whatsup", labels_of(rows))
    figure = scorer.score("pair", right_of(rows), came_of(rows))
    assert (figure.n, figure.detail) == (8, {"units": 4, "left_out": 0})
    assert list(scorer.parts("pair", right_of(rows), came_of(rows))) == [
        "subset"
    ]  # relations differ in a pair
    alone = Scorer("whatsup", labels_of([rows[-1]]))
    assert alone.missing == {"pair": "no sample is part of a group", "set": "no sample is part of a group"}


def test_the_scores_of_hallusionbench_by_hand() -> None:
    rows = [
        Row(right=hit == "1", group="VD/illusion/0", tags={"question": question, "figure": figure})
        for question, figure, hit in (("0", "0", "1"), ("0", "1", "1"), ("1", "0", "1"), ("1", "1", "0"))
    ]
    assert scored("hallusionbench", rows) == {
        "all_accuracy": 3 / 4,
        "question_accuracy": 1 / 2,
        "figure_accuracy": 1 / 2,
    }


def test_a_mean_of_types_is_not_the_overall_share() -> None:
    rows = [
        *(Row(right=hit, category="direct_attributes") for hit in (True, True, True, False)),
        Row(right=False, category="relative_position"),
    ]
    assert scored("vstar", rows) == {"overall": 3 / 5, "type_mean": 3 / 8}
    parts = Scorer("vstar", labels_of(rows)).parts("overall", right_of(rows), came_of(rows))
    assert {label: figure.value for label, figure in parts["category"].items()} == {
        "direct_attributes": 0.75,
        "relative_position": 0.0,
    }


def test_a_tag_that_is_missing_is_told_with_a_sample() -> None:
    rows = [Row(right=True, tags={"l2_category": "a"}), Row(right=True), Row(right=True, category="")]
    scorer = Scorer("mmstar", labels_of(rows))
    assert scorer.missing == {
        "axis_mean": "2 samples have no tag 'l2_category', such as 's1'",
        "category_mean": "1 samples have no category, such as 's2'",
    }
    assert Scorer("blink", labels_of(rows)).missing == {
        "task_mean": "1 samples have no category, such as 's2'"
    }


def two_questions(**tags: str) -> list[Row]:
    """Two questions in two orders each, the second wrong in one of them."""
    return [
        Row(right=hit, group=group, tags=tags)
        for group, hit in (("a", True), ("a", True), ("b", True), ("b", False))
    ]


def test_a_reply_that_never_came_takes_its_group_out_of_the_score() -> None:
    rows = two_questions()
    rows[3] = replace(rows[3], came=False)
    scorer = Scorer("mmbench", labels_of(rows))
    circular = scorer.score("circular", right_of(rows), came_of(rows))
    assert (circular.value, circular.n, circular.detail) == (1.0, 2, {"units": 1, "left_out": 2})
    vanilla = scorer.score("vanilla", right_of(rows), came_of(rows))
    assert (vanilla.value, vanilla.n, vanilla.detail) == (1.0, 3, {"units": 3, "left_out": 1})


def test_a_group_that_was_cut_is_not_scored_as_if_it_were_whole() -> None:
    rows = [*two_questions(group_size="2"), Row(right=True, group="c", tags={"group_size": "2"})]
    circular = Scorer("mmbench", labels_of(rows)).score("circular", right_of(rows), came_of(rows))
    assert (circular.value, circular.n, circular.detail) == (0.5, 4, {"units": 2, "left_out": 1})
    cut = [replace(row, tags={"group_size": "3"}) for row in rows]
    scorer = Scorer("mmbench", labels_of(cut))
    reason = "no group has a reply to each of its questions"
    assert scorer.obstacle("circular", came_of(cut)) == reason
    with pytest.raises(VacuousError, match=f"mmbench has no score 'circular' here: {reason}"):
        scorer.score("circular", right_of(cut), came_of(cut))


def test_a_stratum_without_a_reply_leaves_no_score() -> None:
    rows = [Row(right=True, tags={"source": source}) for source in ("ADE20K", "COCO", "Omni3D")]
    rows[1] = replace(rows[1], came=False)
    scorer = Scorer("cv-bench", labels_of(rows))
    assert scorer.obstacle("combined", came_of(rows)) == "no reply came to a question of source 'COCO'"
    assert scorer.obstacle("accuracy", came_of(rows)) == ""
    assert scorer.obstacle("accuracy", flags([False] * 3)) == "no reply came"


@pytest.mark.parametrize("size", ["two", "", "-1", "1" * 10, "٣"])
def test_a_size_of_a_group_that_is_no_number_is_refused(size: str) -> None:
    with pytest.raises(DataError, match="sample 's0': tag 'group_size' must be a whole number, got"):
        Scorer("mmbench", labels_of(two_questions(group_size=size)))


def test_what_makes_no_sense_is_refused() -> None:
    rows = two_questions()
    scorer, came = Scorer("mmbench", labels_of(rows)), came_of(rows)
    with pytest.raises(UsageError, match="unknown benchmark 'mmbnech': did you mean 'mmbench'"):
        Scorer("mmbnech", labels_of(rows))
    with pytest.raises(UsageError, match="unknown score of mmbench 'circle': did you mean 'circular'"):
        scorer.score("circle", right_of(rows), came)
    with pytest.raises(UsageError, match="circular: there are 4 samples, but came has 2"):
        scorer.score("circular", right_of(rows)[:2], came[:2])
    with pytest.raises(UsageError, match="the arrays are paired by sample"):
        scorer.drop("circular", right_of(rows)[:2], right_of(rows), came)
    with pytest.raises(UsageError, match="right must be a 1-D bool array, got 1-D float64"):
        scorer.parts("circular", np.ones(4), came)  # type: ignore[arg-type]


def plain(hits: str) -> tuple[Scorer, Any, Any]:
    rows = [Row(right=hit == "1") for hit in hits]
    return Scorer("realworldqa", labels_of(rows)), right_of(rows), came_of(rows)


@given(hits=st.text("01", min_size=1, max_size=40), data=st.data())
def test_without_groups_the_intervals_are_those_of_accuracy(hits: str, data: st.DataObject) -> None:
    scorer, right, came = plain(hits)
    figure, known = scorer.score("accuracy", right, came), wilson(hits.count("1"), len(hits))
    assert (figure.low, figure.high) == pytest.approx((known.low, known.high), abs=1e-12)
    before = flags(data.draw(st.lists(st.booleans(), min_size=len(hits), max_size=len(hits))))
    drop = scorer.drop("accuracy", before, right, came)
    tango = paired_difference(int((before & ~right).sum()), int((right & ~before).sum()), len(hits))
    assert (drop.low, drop.high) == pytest.approx((tango.low, tango.high), abs=1e-12)


def test_asking_each_question_four_times_over_does_not_make_it_surer() -> None:
    """Four equal rows of a group are worth one row, not four."""
    alone = [Row(right=at % 3 > 0, base_right=at % 5 > 0, group=str(at)) for at in range(60)]
    copied = [row for row in alone for _ in range(4)]
    one, four = (Scorer("mmbench", labels_of(rows)) for rows in (alone, copied))
    single = one.score("vanilla", right_of(alone), came_of(alone))
    fourfold = four.score("vanilla", right_of(copied), came_of(copied))
    assert fourfold.value == single.value
    assert width(fourfold) == pytest.approx(width(single), rel=0.15)
    naive = wilson(int(right_of(copied).sum()), len(copied))
    assert width(fourfold) > 1.8 * (naive.high - naive.low)
    drops = [
        scorer.drop("vanilla", flags(row.base_right for row in rows), right_of(rows), came_of(rows))
        for scorer, rows in ((one, alone), (four, copied))
    ]
    assert width(drops[1]) == pytest.approx(width(drops[0]), rel=0.2)


def width(figure: Any) -> float:
    return float(figure.high - figure.low)


def test_one_group_says_nothing_of_others() -> None:
    rows = [Row(right=True, base_right=True, group="a", tags={"roll": roll}) for roll in "01"]
    scorer, came = Scorer("mmbench", labels_of(rows)), came_of(rows)
    circular, vanilla = (scorer.score(name, right_of(rows), came) for name in ("circular", "vanilla"))
    assert (circular.low, circular.high) == pytest.approx((wilson(1, 1).low, 1))
    assert (vanilla.low, vanilla.high) == (0, 1)
    drop = scorer.drop("vanilla", right_of(rows), right_of(rows), came)
    assert (drop.low, drop.high) == (-1, 1)


@pytest.mark.parametrize("name", ["cv-bench", "3dsrbench"])
def test_intervals_hold_the_truth_about_as_often_as_they_say(name: str) -> None:
    """Questions differ in difficulty, so that their forms are right or wrong together."""
    rng = np.random.default_rng(5)
    rows = coverage_rows(name)
    scorer, came = Scorer(name, labels_of(rows)), came_of(rows)
    groups = np.array([int(row.group) for row in rows])
    score = scorer.names[0] if name == "cv-bench" else "vanilla"
    held, dropped, runs = 0, 0, 150
    for _ in range(runs):
        ease = rng.beta(2, 1, size=groups.max() + 1)[groups]
        before, after = rng.random(ease.size) < ease, rng.random(ease.size) < ease * 0.9
        figure, drop = scorer.score(score, before, came), scorer.drop(score, before, after, came)
        held += covers(figure, 2 / 3)
        dropped += covers(drop, 2 / 3 * 0.1)
    assert held / runs >= 0.91
    assert dropped / runs >= 0.91


def covers(figure: Any, truth: float) -> bool:
    return bool(figure.low <= truth <= figure.high)


def coverage_rows(name: str) -> list[Row]:
    if name == "cv-bench":
        sources = ["ADE20K"] * 30 + ["COCO"] * 40 + ["Omni3D"] * 60
        return [Row(right=True, group=str(at), tags={"source": source}) for at, source in enumerate(sources)]
    forms = [{"flip": flip, "roll": roll} for flip in "01" for roll in "0123"]
    return [Row(right=True, group=str(at), tags=form) for at in range(40) for form in forms]


def test_many_samples_are_scored_in_no_time() -> None:
    rows = coverage_rows("3dsrbench") * 40  # 12,800, about as many as the benchmark has
    rows = [replace(row, group=f"{row.group}-{at // 320}") for at, row in enumerate(rows)]
    scorer, came = Scorer("3dsrbench", labels_of(rows)), came_of(rows)
    right = np.random.default_rng(0).random(len(rows)) < 0.9
    figure = scorer.score("flip_circular", right, came)
    assert figure.detail["units"] == 1600
    assert figure.value == pytest.approx(0.9**8, abs=0.03)
