from __future__ import annotations

import dataclasses
from typing import Any

import pytest

from pytest_vlmrobust.core.samples import (
    LETTERS,
    ImageSource,
    Sample,
    check_ids,
    make_tags,
    samples_digest,
)
from pytest_vlmrobust.datasets.images import BytesImage
from pytest_vlmrobust.errors import DataError, UsageError, VlmRobustError


def sample(**changes: Any) -> Sample:
    fields: dict[str, Any] = {
        "id": "one",
        "images": (BytesImage(b"x"),),
        "question": "What is it?",
        "choices": ("a cat", "a dog", "a cow"),
        "answer": 1,
    }
    return Sample(**fields | changes)


def test_a_sample_knows_its_letters() -> None:
    assert sample().letters == ("A", "B", "C")
    assert sample().answer_letter == "B"
    assert sample(choices=tuple("qrstuvwx"), answer=7).letters == LETTERS
    assert (sample().category, sample().group, sample().statements) == ("", "", None)


def test_a_sample_cannot_be_changed() -> None:
    with pytest.raises(dataclasses.FrozenInstanceError):
        sample().answer = 0  # type: ignore[misc]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": ""}, "sample id is empty: give every sample an id of its own"),
        ({"images": ()}, "sample 'one': images is empty; at least one image is needed"),
        ({"question": " \n"}, "sample 'one': question is empty"),
        ({"choices": ("a",), "answer": 0}, "sample 'one': choices has 1 entries; 2 to 8 are allowed"),
        ({"choices": tuple("abcdefghi")}, "sample 'one': choices has 9 entries; 2 to 8 are allowed"),
        ({"choices": ("a", " ")}, "sample 'one': choice B is empty"),
        ({"choices": ("Left", "left ")}, "sample 'one': choices ['Left', 'left '] are not distinct"),
        (
            {"answer": 3},
            "sample 'one': answer is option 3, but the 3 options are numbered 0 to 2",
        ),
        (
            {"answer": -1},
            "sample 'one': answer is option -1, but the 3 options are numbered 0 to 2",
        ),
        (
            {"statements": ("It is here.", "It is there.", "It is here.")},
            "sample 'one': statements ['It is here.', 'It is there.', 'It is here.'] are not distinct; a "
            "wrong option could then not be told from the right one",
        ),
        (
            {"statements": ("It is a cat.",)},
            "sample 'one': statements has 1 entries for 3 choices; give one sentence for each choice, "
            "in the same order",
        ),
    ],
)
def test_a_sample_that_nothing_could_be_computed_on_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        sample(**changes)
    assert str(caught.value) == message


HALF = "half of a surrogate pair, which stands for no character; write both halves, or the character itself"


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"id": "\udc80"}, rf"sample '\udc80': id holds '\udc80' at character 1: {HALF}"),
        ({"question": "a\ud83d"}, rf"sample 'one': question holds '\ud83d' at character 2: {HALF}"),
        (
            {"choices": ("a", "b", "c\udfff")},
            rf"sample 'one': choice C holds '\udfff' at character 2: {HALF}",
        ),
        ({"category": "\ud800"}, rf"sample 'one': category holds '\ud800' at character 1: {HALF}"),
        ({"group": "\ud800"}, rf"sample 'one': group holds '\ud800' at character 1: {HALF}"),
        (
            {"statements": ("a", "\ud800", "c")},
            rf"sample 'one': statement 2 holds '\ud800' at character 1: {HALF}",
        ),
        ({"id": 7}, "sample 7: id must be a string, got int: 7"),
        ({"category": None}, "sample 'one': category must be a string, got NoneType: None"),
        ({"choices": ("a", 2, "c")}, "sample 'one': choice B must be a string, got int: 2"),
    ],
)
def test_what_no_tokenizer_or_report_could_write_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(DataError) as caught:
        sample(**changes)
    assert str(caught.value) == message
    str(caught.value).encode()


def test_whole_pairs_are_characters_like_any_other() -> None:
    face = "\N{GRINNING FACE}"
    samples_digest([sample(id=face, question=face, category=face)])


def test_a_data_error_is_a_usage_error_and_a_value_error() -> None:
    assert issubclass(DataError, UsageError)
    assert issubclass(UsageError, ValueError)
    assert issubclass(UsageError, VlmRobustError)


def test_samples_that_share_an_id_are_refused() -> None:
    check_ids([sample(), sample(id="two")])
    with pytest.raises(DataError, match="duplicate sample id 'one': figures are paired by id"):
        check_ids([sample(), sample(id="two"), sample(question="And now?")])


def test_a_source_of_images_is_recognized_by_what_it_can_do() -> None:
    assert isinstance(BytesImage(b"x"), ImageSource)
    assert not isinstance("x.png", ImageSource)


@pytest.mark.parametrize(
    "changes",
    [
        {"id": "two"},
        {"images": (BytesImage(b"y"),)},
        {"images": (BytesImage(b"x"), BytesImage(b"x"))},
        {"question": "What was it?"},
        {"choices": ("a cat", "a dog", "a hen")},
        {"choices": ("a dog", "a cat", "a cow")},
        {"answer": 2},
        {"statements": ("It is a cat.", "It is a dog.", "It is a cow.")},
    ],
)
def test_the_digest_sees_everything_that_a_figure_depends_on(changes: dict[str, Any]) -> None:
    assert samples_digest([sample()]) != samples_digest([sample(**changes)])


def test_the_digest_is_stable_and_knows_the_order() -> None:
    one, two = sample(), sample(id="two")
    assert samples_digest([one, two]) == samples_digest([sample(), sample(id="two")])
    assert samples_digest([one, two]) != samples_digest([two, one])
    assert samples_digest([one]) != samples_digest([one, two])
    # Names are for messages: the same bytes under another name are the same sample.
    assert samples_digest([one]) == samples_digest([sample(images=(BytesImage(b"x", name="other"),))])


# --- tags -------------------------------------------------------------------------------------------


def test_tags_are_pairs_in_the_order_of_their_names() -> None:
    tags = make_tags({"type": "2D", "source": "COCO", "note": ""})
    assert tags == (("source", "COCO"), ("type", "2D"))
    assert sample(tags=tags).tags == tags
    assert hash(sample(tags=tags)) != hash(sample())


WANTED = "tags are pairs of texts in the order of their names, each name once; use make_tags({...})"


@pytest.mark.parametrize(
    ("tags", "shown"),
    [
        ({"source": "COCO"}, "{'source': 'COCO'} is no tag"),
        ("source", "'source' is no tag"),
        ((("source", 3),), "('source', 3) is no tag"),
        ((("source", ""),), "('source', '') is no tag"),
        ((("source", "\ud800"),), "('source', '\\ud800') is no tag"),
        ((("source",),), "('source',) is no tag"),
        ((("b", "1"), ("a", "1")), "the tags are named b, a"),
        ((("a", "1"), ("a", "2")), "the tags are named a, a"),
    ],
)
def test_tags_that_are_none_are_refused(tags: Any, shown: str) -> None:
    with pytest.raises(DataError) as caught:
        sample(tags=tags)
    assert str(caught.value) == f"sample 'one': {shown}: {WANTED}"


def test_the_digest_depends_on_tags_and_then_on_category_and_group_too() -> None:
    def digest(**changes: Any) -> str:
        return samples_digest([sample(**changes)])

    assert digest(category="x", group="y") == digest()
    tagged = {"tags": make_tags({"source": "COCO"})}
    digests = [
        digest(),
        digest(**tagged),
        digest(tags=make_tags({"source": "ADE20K"})),
        digest(**tagged, category="x"),
        digest(**tagged, group="x"),
    ]
    assert len(set(digests)) == len(digests)
