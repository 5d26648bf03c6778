"""The small parts of which the tables of facts are made: options, answers, texts, pictures, faults."""

from __future__ import annotations

import base64
import io
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pytest_vlmrobust.datasets import images
from pytest_vlmrobust.datasets.benchmarks import benchmark
from pytest_vlmrobust.datasets.benchmarks.answers import (
    AnswerOf,
    first_answer,
    lettered_answer,
    mapped_answer,
    text_answer,
)
from pytest_vlmrobust.datasets.benchmarks.marks import split_options, unmarked
from pytest_vlmrobust.datasets.benchmarks.options import (
    Asked,
    asked,
    fixed,
    inline,
    lettered,
    listed,
    numbered,
)
from pytest_vlmrobust.datasets.benchmarks.pictures import (
    BenchmarkImage,
    InCell,
    InFile,
    Place,
    at_address,
    embedded,
    in_folder,
)
from pytest_vlmrobust.datasets.benchmarks.texts import place
from pytest_vlmrobust.datasets.downloads import Downloads
from pytest_vlmrobust.datasets.faults import KINDS, Faults, refuse_faults
from pytest_vlmrobust.datasets.images import BytesImage, decode_bounded
from pytest_vlmrobust.datasets.tables import Row
from pytest_vlmrobust.errors import DataError, UsageError


def row(**values: Any) -> Row:
    return Row("here", "data/part.tsv", 3, values)


# --- options ----------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "question", "options"),
    [
        ("Where is it?\nA. left\nB. right", "Where is it?", ["left", "right"]),
        ("Where is it? \nA. left\nB. right\nC. up\nD. down", "Where is it?", ["left", "right", "up", "down"]),
        ("Where?\n(A) left\n(B) right\nAnswer with the letter.", "Where?", ["left", "right"]),
        ("Where?\n\nA) left\nB) right\n\nAnswer now.", "Where?", ["left", "right"]),
        ("What?\nOptions: A: one, B: two, C: three", "What?", ["one", "two", "three"]),
        ("What?\nOptions:\nA: one,\nB: two,\nC: three", "What?", ["one", "two", "three"]),
        ("What? Options: (A) one (B) two", "What?", ["one", "two"]),
        ("What?\nChoices:\nA. one\nB. two", "What?", ["one", "two"]),
        (
            "What? Select from the following choices.\n(A) one\n(B) two",
            "What?",
            ["one", "two"],
        ),
        ("What? The choices are listed below:\n(A) one\n(B) two", "What?", ["one", "two"]),
        # An option may go on in the next line, commas of its own stay, and so do letters within it.
        ("What?\nA. one, and\n   more\nB. two", "What?", ["one, and more", "two"]),
        ("Is A. Smith there?\nA. yes, he is\nB. no", "Is A. Smith there?", ["yes, he is", "no"]),
        # What looks like options in the question is not taken for them: it is the last run that counts.
        ("Rules:\nA. one\nB. two\nWhich?\nA. first\nB. second", None, ["first", "second"]),
        # Nothing is made up.
        ("How many cars are there?", "How many cars are there?", []),
        ("Plan A. is it good?", "Plan A. is it good?", []),
        ("Where?\nA. left", "Where?\nA. left", []),
        ("Where?\nB. left\nC. right", "Where?\nB. left\nC. right", []),
    ],
)
def test_options_are_found_within_a_text(text: str, question: str | None, options: list[str]) -> None:
    found_question, found = split_options(text)
    assert found == options
    if question is not None:
        assert found_question == question


WORDS = st.lists(
    st.text(alphabet="abcdefghij klm", min_size=1, max_size=12).map(str.strip).filter(bool),
    min_size=2,
    max_size=8,
    unique=True,
)


@given(WORDS, st.sampled_from(["{}. {}", "({}) {}", "{}: {}", "{}) {}"]))
def test_options_on_lines_come_back_as_they_were(options: list[str], form: str) -> None:
    lines = [form.format(letter, text) for letter, text in zip("ABCDEFGH", options, strict=False)]
    wanted = [" ".join(option.split()) for option in options]
    assert split_options("\n".join(["Which?", *lines, "Answer directly."])) == ("Which?", wanted)


@given(st.text(max_size=200))
def test_no_text_breaks_the_search_for_options(text: str) -> None:
    try:
        question, options = split_options(text)
    except DataError:  # they could be read in several ways
        return
    assert len(options) != 1
    assert options or question == text.strip()


def test_letters_before_options_are_taken_away_only_where_all_have_them() -> None:
    assert unmarked(["(A) red", "(B) blue"]) == (["A", "B"], ["red", "blue"])
    assert unmarked(["A. red", "B. blue", "C. red and\nblue"])[1] == ["red", "blue", "red and\nblue"]
    for kept in (["(A) red", "blue"], ["A. Smith", "C. Jones"], ["J. Smith", "A. Jones"], []):
        assert unmarked(kept) == (list("ABCD"[: len(kept)]), kept)


@pytest.mark.parametrize(
    ("choices", "options"),
    [
        (["(A) red", None, "(C) blue"], (("A", "red"), ("C", "blue"))),
        (["(A) red", "(C) blue"], (("A", "red"), ("C", "blue"))),
        (["A. red", "B. blue", ""], (("A", "red"), ("B", "blue"))),
        (["(A) red", float("nan"), "(B) blue"], (("A", "red"), ("B", "blue"))),
    ],
)
def test_options_have_the_letters_that_the_list_itself_gives_them(
    choices: list[Any], options: tuple[tuple[str, str], ...]
) -> None:
    assert listed("choices")(row(question="Q?", choices=choices)).options == options


@pytest.mark.parametrize(
    "choices",
    [
        ["(B) red", "(A) blue", "(C) c"],
        ["(A) red", "(A) blue"],
        ["B. red", "A. blue"],
        ["(B) red", "(A) blue", "green"],
        ["A. red", "B. blue", "B. green", ""],
    ],
)
def test_letters_of_a_list_that_are_out_of_order_or_there_twice_are_refused(choices: list[str]) -> None:
    with pytest.raises(DataError, match="have letters that are out of order or there twice"):
        listed("choices")(row(question="Q?", choices=choices))


@pytest.mark.parametrize(
    ("text", "options"),
    [
        ("Q?\nA. x\nB. y\nC. \nD. z", ["x", "y", "", "z"]),
        ("Q?\nA.left\nB.right\nAnswer now.", ["left", "right"]),
        ("Q?\nA. x\nB.y\nC. z", ["x", "y", "z"]),
        ("Q?\nA.\nleft\nB.\nright\nAnswer now.", ["left", "right"]),
        ("Q?\nA. x\nB. y\nU.S. flags are there.", ["x", "y"]),
        ("Q?\nA. see (C) of it\n(C) there\nB. y", ["see (C) of it (C) there", "y"]),
        (
            "Q?\nOptions: A: Plan B. Good, B: Plan C. Bad, C: Neither",
            ["Plan B. Good", "Plan C. Bad", "Neither"],
        ),
        (
            "Q?\nOptions: A: iron, B: zinc, C: vitamin D: low, D: 5",
            ["iron", "zinc", "vitamin D: low", "5"],
        ),
        ("Q? Options: (A) one. (B) two (C) three", ["one.", "two", "three"]),
    ],
)
def test_marks_are_read_in_the_one_way_in_which_they_can_be(text: str, options: list[str]) -> None:
    assert split_options(text) == ("Q?", options)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("Q?\nA. x\nB. y\nB. z\nC. w", "the mark 'B.' is out of order, twice or written in another way"),
        ("Q?\nA. x\nB. y\nD. z", "the mark 'D.' is out of order"),
        ("Q?\nA. x\nB. y\nC) z", r"the mark 'C\)' is out of order, .* than 'A\.'"),
        ("Q?\nA. x\nA. y\nB. z", "the mark 'A.' is there twice"),
        ("Q? Options: A: x, B: y, C: vitamin D: low", "can be told apart in more than one way"),
        ("Q? Options: A: x, B: y, B: z", "can be told apart in more than one way"),
    ],
)
def test_marks_that_could_be_read_in_several_ways_are_refused(text: str, message: str) -> None:
    with pytest.raises(DataError, match=message):
        split_options(text)


@pytest.mark.parametrize(
    ("question", "kept"),
    [
        ("Choose the best from the following options:", "Choose the best from the following options:"),
        ("Which of these are the options?", "Which of these are the options?"),
        ("Which?\nOptions:", "Which?"),
        ("Which is it\nThe choices are listed below:", "Which is it"),
    ],
)
def test_a_header_is_taken_away_only_where_it_stands_alone(question: str, kept: str) -> None:
    assert split_options(f"{question}\nA. x\nB. y") == (kept, ["x", "y"])


@pytest.mark.parametrize("value", [["1", "2", "None"], "['1', '2', 'None']"])
def test_words_for_nothing_are_options_in_lists_and_texts(value: object) -> None:
    taken = listed("choices")(row(question="Q?", choices=value))
    assert taken.options == (("A", "1"), ("B", "2"), ("C", "None"))
    assert answered(text_answer("answer"), "None", taken) == (2, [])
    assert answered(lettered_answer(), "none", taken) == (2, [])
    text = inline()(row(question="Q?\nA. 1\nB. null\nC. nan"))
    assert [option for _, option in text.options] == ["1", "null", "nan"]
    assert len(numbered("a", "b", "c")(row(question="Q?", a="None", b="1", c=float("nan"))).options) == 2


def test_a_blank_mark_is_a_gap() -> None:
    taken = inline()(row(question="Q?\nA. x\nB. y\nC. \nD. z"))
    assert (taken.options, taken.gap) == ((("A", "x"), ("B", "y"), ("D", "z")), True)


def test_a_ninth_column_of_options_is_refused_and_eight_are_read() -> None:
    eight = dict(zip("ABCDEFGH", "abcdefgh", strict=True))
    assert len(lettered()(row(question="Q?", **eight, I="nan")).options) == 8
    with pytest.raises(DataError, match="here: I: holds an option; at most 8 are allowed, in A to H"):
        lettered()(row(question="Q?", A="a", B="b", I="i"))


def test_blank_options_are_left_out_and_the_others_keep_their_letters() -> None:
    taken = lettered()(row(question="Q?", A="x", B="nan", C="z", D=float("nan")))
    assert taken == Asked(question="Q?", options=(("A", "x"), ("C", "z")), gap=True)
    assert not lettered()(row(question="Q?", A="x", B="y", C=None, D="None")).gap
    assert numbered("o1", "o2", "o3")(row(question="Q?", o1="x", o2="y")).options == (("A", "x"), ("B", "y"))


def test_a_hint_goes_before_the_question_and_image_marks_go() -> None:
    asks = lettered(hint="hint")
    assert asks(row(question="Q?", hint="H.", A="x", B="y")).question == "H.\nQ?"
    assert asks(row(question="<image>\nQ?", hint=float("nan"), A="x", B="y")).question == "Q?"
    assert asks(row(question="<image 1> Q <image_2>?", A="x", B="y")).question == "Q ?"


@pytest.mark.parametrize("value", [["(A) x", "(B) y"], "['(A) x', '(B) y']", '["x", "y"]', ("x", "y")])
def test_a_list_of_options_may_be_the_text_of_one(value: object) -> None:
    assert listed("choices")(row(question="Q?", choices=value)).options == (("A", "x"), ("B", "y"))


@pytest.mark.parametrize("value", ["__import__('os').getcwd()", "x, y", "[", 3, None, "(" * 5000])
def test_a_text_that_is_no_list_is_refused_and_never_run(value: object) -> None:
    with pytest.raises(DataError, match=r"here: choices: is .*; a list of options is needed"):
        listed("choices")(row(question="Q?", choices=value))


def test_more_options_than_letters_are_kept_to_be_refused_later() -> None:
    assert len(asked("Q?", list("abcdefghij")).options) == 10


# --- answers ----------------------------------------------------------------------------------------

FOUR = asked("Q?", ["left", "right", "up", "down"])


def answered(find: AnswerOf, value: object, options: Asked = FOUR) -> tuple[int | None, list[str]]:
    faults = Faults()
    index = find(row(answer=value), options, faults)
    return index, [fault.kind for fault in faults.listed()]


@pytest.mark.parametrize(
    "written", ["B", "(B)", "B.", "B)", "B:", " B ", "B. right", "(B) Right.", "B: right", "right", "RIGHT."]
)
def test_an_answer_is_read_in_every_writing(written: str) -> None:
    assert answered(lettered_answer(), written) == (1, [])


@pytest.mark.parametrize("written", ["B. left", "(B) leftwards"])
def test_where_letter_and_text_disagree_the_letter_counts_and_the_fault_is_counted(written: str) -> None:
    assert answered(lettered_answer(), written) == (1, ["letter-and-text-disagree"])


def test_letters_are_those_of_the_file_even_where_an_option_is_left_out() -> None:
    with_gap = asked("Q?", ["left", "", "up"])
    assert answered(lettered_answer(), "C", with_gap) == (1, [])
    with pytest.raises(DataError, match=r"here: answer: 'B' is none of the options: A 'left', C 'up'"):
        answered(lettered_answer(), "B", with_gap)


@pytest.mark.parametrize(
    ("find", "written", "message"),
    [
        (
            lettered_answer(),
            "E",
            "here: answer: 'E' is none of the options: A 'left', B 'right', C 'up', D 'down'",
        ),
        (lettered_answer(), "b", "here: answer: 'b' is none of the options"),
        (lettered_answer(), "sideways", "here: answer: 'sideways' is none of the options"),
        (
            lettered_answer(),
            None,
            "here: answer: is empty; a split whose answers are hidden cannot be scored: use one that has "
            "them",
        ),
        (text_answer("answer"), "B", "here: answer: 'B' is none of the options"),
        (mapped_answer("answer", {"1": 0, "0": 1}), "2", "here: answer: is '2'; allowed are '1', '0'"),
    ],
)
def test_an_answer_that_is_no_option_is_refused(find: AnswerOf, written: object, message: str) -> None:
    with pytest.raises(DataError) as caught:
        answered(find, written)
    assert str(caught.value).startswith(message)


def test_answers_by_text_by_place_and_in_words_of_their_own() -> None:
    assert answered(text_answer("answer"), "Up ") == (2, [])
    assert answered(first_answer, None) == (0, [])
    polar = fixed("Yes", "No")(row(question="Q?"))
    assert answered(mapped_answer("answer", {"1": 0, "0": 1}), "0", polar) == (1, [])


def test_the_first_option_of_the_file_is_right_or_none() -> None:
    words = listed("options")(row(question="Q?", options=["None", "red", "blue"]))
    assert (words.options[0], answered(first_answer, None, words)) == (("A", "None"), (0, []))
    with pytest.raises(DataError, match="here: the first option, which is the right one, is empty"):
        answered(first_answer, None, asked("Q?", ["", "red", "blue"]))


@pytest.mark.parametrize(
    ("written", "kind"),
    [
        ("B", "options-not-found"),
        ("A. left", "options-not-found"),
        ("(B) left", "options-not-found"),
        ("three", "no-options"),
        ("", "no-options"),
    ],
)
def test_an_answer_that_names_an_option_where_there_is_none_is_no_free_answer(
    written: str, kind: str
) -> None:
    for find in (lettered_answer(), text_answer("answer")):
        assert answered(find, written, asked("Q?", [])) == (None, [kind])
    assert answered(first_answer, written, asked("Q?", [])) == (None, ["options-not-found"])


# --- texts ------------------------------------------------------------------------------------------


def test_a_row_without_an_id_is_known_by_its_file_and_place() -> None:
    assert place(row()) == "part-3"
    assert place(Row("here", "Jigsaw/val-00000-of-00001.parquet", 3, {})) == "val-3"
    assert place(Row("here", "data/train-00002-of-00012.parquet", 3, {})) == "train-2-3"


# --- pictures ---------------------------------------------------------------------------------------


class Held:
    """A value in the place of one in a file."""

    def __init__(self, value: object, short: str | None = None) -> None:
        self.value = value
        self.short = short

    def read(self) -> object:
        return self.value


def encoded(size: tuple[int, int] = (4, 3), kind: str = "PNG", color: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", size, color).save(buffer, kind)
    return buffer.getvalue()


def somewhere(folder: Path, rows: dict[str, Row] | None = None) -> Place:
    return Place(
        folders=(folder,), boundary=folder.resolve(), rows=rows or {}, downloads=Downloads(folder=folder)
    )


@pytest.mark.parametrize(
    "wrap",
    [
        lambda data: data,
        lambda data: {"bytes": data, "path": "a.png"},
        lambda data: base64.b64encode(data).decode(),
        lambda data: base64.encodebytes(data).decode(),
        lambda data: "data:image/png;base64," + base64.b64encode(data).decode(),
    ],
)
def test_an_image_in_a_table_is_read_in_every_form(tmp_path: Path, wrap: Any) -> None:
    (image,) = embedded("image")(row(image=Held(wrap(encoded()))), somewhere(tmp_path))
    assert image.load().size == (4, 3)
    assert image.digest() == BytesImage(encoded()).digest()


@pytest.mark.parametrize("value", [None, b"", {"bytes": None, "path": "x"}, "not base64 at all!", 3])
def test_what_is_no_image_is_refused_when_it_is_needed(tmp_path: Path, value: object) -> None:
    (image,) = embedded("image")(row(image=Held(value)), somewhere(tmp_path))
    for use in (image.load, image.digest):
        with pytest.raises(DataError, match="here: image: holds no image; bytes or base64 are needed"):
            use()


def test_bytes_that_are_no_image_name_the_row(tmp_path: Path) -> None:
    (image,) = embedded("image")(row(image=Held(b"hello")), somewhere(tmp_path))
    for use in (image.load, image.digest):
        with pytest.raises(DataError, match="image here: image: not an image in a format that is read"):
            use()


def test_several_images_come_from_one_column_or_from_several(tmp_path: Path) -> None:
    one, two = Held(encoded()), Held(encoded(color="blue"))
    here = somewhere(tmp_path)
    assert len(embedded("image")(row(image=[one, two]), here)) == 2
    assert len(embedded("a", "b", "c")(row(a=[one], b=[], c=[two]), here)) == 2
    with pytest.raises(DataError, match="here: a: holds no image"):
        embedded("a", "b")(row(a=[], b=None), here)


def test_a_short_text_stands_for_the_image_of_another_row(tmp_path: Path) -> None:
    whole = Held(encoded())
    rows = {"241": row(image=whole), "242": row(image=Held("241", "241"))}
    (image,) = embedded("image")(row(image=Held("241", "241")), somewhere(tmp_path, rows))
    assert image.digest() == BytesImage(encoded()).digest()
    with pytest.raises(
        DataError,
        match=r"here: image: refers to the image of row '242' \(here\), which refers to '241' itself: the "
        "row with the image has to be named",
    ):
        embedded("image")(row(image=Held("242", "242")), somewhere(tmp_path, rows))
    with pytest.raises(DataError, match="'7' is too short for an image, and is not the index of another row"):
        embedded("image")(row(image=Held("7", "7")), somewhere(tmp_path, rows))
    with pytest.raises(DataError, match="here: image: is empty; an image is needed"):
        embedded("image")(row(image=Held("nan", "nan")), somewhere(tmp_path, rows))


def test_an_image_in_a_file_is_looked_for_in_several_folders(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "photos" / "a.png").write_bytes(encoded())
    make = in_folder(lambda row: row.text("image"), "photos")
    (image,) = make(row(image="a.png"), somewhere(tmp_path))
    assert image.load().size == (4, 3)
    assert image.digest() == BytesImage(encoded()).digest()
    with pytest.raises(DataError) as caught:
        make(row(image="b.png"), somewhere(tmp_path))
    assert str(caught.value) == (
        f"here: image: 'b.png' is in none of the folders where it was looked for: {tmp_path}, "
        f"{tmp_path / 'photos'}"
    )


@pytest.mark.parametrize(
    ("path", "message"),
    [
        ("../secret.png", "has '..' in it; images lie in"),
        ("/etc/secret.png", "is absolute; give a path relative to"),
        ("C:\\secret.png", "is absolute; give a path relative to"),
        ("https://host/a.png", "is an address; download the image and give its path"),
        ("link.png", "is a link that leads out of"),
    ],
)
def test_a_path_that_leaves_the_folder_is_refused(tmp_path: Path, path: str, message: str) -> None:
    inside = tmp_path / "inside"
    inside.mkdir()
    (tmp_path / "secret.png").write_bytes(encoded())
    (inside / "link.png").symlink_to(tmp_path / "secret.png")
    with pytest.raises(DataError, match=message):
        in_folder(lambda row: row.text("image"))(row(image=path), somewhere(inside))


def test_an_address_is_refused_with_its_row_where_the_host_is_unknown(tmp_path: Path) -> None:
    make = at_address("url", hosts=("images.example",))
    (refused,) = make(row(url="https://other.example/a.png"), somewhere(tmp_path))
    with pytest.raises(DataError, match=r"here: 'https://other\.example/a\.png': host"):
        refused.load()
    (image,) = make(row(url="https://images.example/a.png"), somewhere(tmp_path))
    with pytest.raises(DataError, match="allow it with --vlm-allow-download"):
        image.load()


# --- large images -----------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", ["PNG", "JPEG"])
def test_a_large_image_is_made_smaller_when_it_is_opened(kind: str) -> None:
    data = encoded((400, 100), kind)
    image = decode_bounded(data, "x", 10_000)
    assert image.size == (200, 50)
    red, green, blue = image.getpixel((100, 25))  # type: ignore[misc]
    assert red > 250
    assert max(green, blue) < 5
    assert decode_bounded(data, "x", 40_000).size == (400, 100)


@given(st.integers(1, 400), st.integers(1, 400), st.integers(1, 5000))
def test_no_image_has_more_pixels_than_the_bound(width: int, height: int, bound: int) -> None:
    size = images._bounded((width, height), bound)
    assert size[0] * size[1] <= bound or size == (width, height)
    assert min(size) >= 1
    assert (size == (width, height)) == (width * height <= bound)


def test_an_image_that_is_turned_by_its_camera_is_bounded_too() -> None:
    buffer = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.new("RGB", (400, 100)).save(buffer, "JPEG", exif=exif)
    assert decode_bounded(buffer.getvalue(), "x", 10_000).size == (50, 200)


def test_the_digest_tells_whether_an_image_is_made_smaller(tmp_path: Path) -> None:
    data = encoded((40, 10))
    (tmp_path / "a.png").write_bytes(data)
    for source in (InFile(tmp_path / "a.png"), InCell(Held(data), "here")):
        whole, smaller = BenchmarkImage(source, "x"), BenchmarkImage(source, "x", 100)
        assert whole.digest() == BytesImage(data).digest()
        assert smaller.digest() == f"{whole.digest()}-100"
        assert (whole.load().size, smaller.load().size) == ((40, 10), (20, 5))


def test_an_image_that_is_too_large_even_to_be_made_smaller_is_refused(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(images, "LARGEST_BOUNDED", 1000)
    with pytest.raises(DataError, match="image here: 40 x 30 = 1200 pixels; at most 1000 are decoded"):
        BenchmarkImage(InCell(Held(encoded((40, 30))), "here"), "here", 100).load()


def test_a_file_that_is_exchanged_has_another_digest(tmp_path: Path) -> None:
    image = BenchmarkImage(InFile(tmp_path / "a.png"), "x")
    (tmp_path / "a.png").write_bytes(encoded())
    before = image.digest()
    (tmp_path / "a.png").write_bytes(encoded(color="blue", size=(5, 5)))
    assert image.digest() != before
    (tmp_path / "a.png").unlink()
    with pytest.raises(DataError, match="cannot be read: No such file"):
        image.load()


# --- faults -----------------------------------------------------------------------------------------


def test_faults_are_counted_with_the_first_few_places() -> None:
    faults = Faults()
    for n in range(5):
        faults.add("duplicate-question", f"row {n}")
    faults.add("letter-and-text-disagree", "row 9")
    first, second = faults.listed()
    assert first.told == "1 row with an answer whose letter and text disagree (the letter counts)"
    assert second.told == "5 rows that ask the same about the same image again (kept)"
    assert second.to_json() == {
        "kind": "duplicate-question",
        "told": second.told,
        "count": 5,
        "examples": ["row 0", "row 1", "row 2"],
    }


@pytest.mark.parametrize("kind", KINDS)
def test_strict_reading_refuses_faults_but_not_what_cannot_be_asked(kind: str) -> None:
    faults = Faults()
    faults.add(kind, "row 1")
    if not KINDS[kind].refused:
        refuse_faults(faults.listed(), "name:path")
        return
    with pytest.raises(DataError) as caught:
        refuse_faults(faults.listed(), "name:path")
    assert str(caught.value) == (
        "data set 'name:path' has faults, which strict reading (--vlm-strict-data) refuses: 1 row "
        + KINDS[kind].told
        + ": row 1"
    )


def test_an_unknown_benchmark_is_refused_with_near_misses() -> None:
    with pytest.raises(UsageError, match="unknown benchmark 'cvbench': did you mean 'cv-bench'"):
        benchmark("cvbench")
