from __future__ import annotations

import base64
import io
import json
import os
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from PIL import Image

from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.datasets.files import read_jsonl
from pytest_vlmrobust.datasets.images import BytesImage, FileImage
from pytest_vlmrobust.errors import DataError


def png(color: str = "red") -> bytes:
    buffer = io.BytesIO()
    Image.new("RGB", (4, 4), color).save(buffer, "PNG")
    return buffer.getvalue()


ROW: dict[str, Any] = {
    "id": "one",
    "image": "images/a.png",
    "question": "Which side?",
    "choices": ["left", "right", "none"],
    "answer": "B",
}


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    (tmp_path / "set" / "images").mkdir(parents=True)
    (tmp_path / "set" / "images" / "a.png").write_bytes(png())
    (tmp_path / "outside.png").write_bytes(png())
    return tmp_path / "set"


@pytest.fixture
def read(folder: Path) -> Callable[..., list[Sample]]:
    """Write rows (dicts, or raw text) as lines and read them back."""

    def read_rows(*rows: dict[str, Any] | str, end: str = "\n") -> list[Sample]:
        lines = [row if isinstance(row, str) else json.dumps(row) for row in rows]
        path = folder / "data.jsonl"
        path.write_text("\n".join(lines) + end, encoding="utf-8", newline="")
        return read_jsonl(path)

    return read_rows


Read = Callable[..., list[Sample]]


def changed(**changes: Any) -> dict[str, Any]:
    return {name: value for name, value in (ROW | changes).items() if value is not ...}


def refusal(read: Read, *rows: dict[str, Any] | str, end: str = "\n") -> str:
    """The message of the refusal, without the folder."""
    with pytest.raises(DataError) as caught:
        read(*rows, end=end)
    return re.sub(r"\S*/(?=data\.jsonl)", "", str(caught.value))


# --- what is read -----------------------------------------------------------------------------------


def test_a_line_becomes_a_sample(read: Read, folder: Path) -> None:
    (sample,) = read(ROW)
    assert sample == Sample(
        id="one",
        images=(FileImage(folder / "images" / "a.png"),),
        question="Which side?",
        choices=("left", "right", "none"),
        answer=1,
    )
    assert sample.images[0].load().size == (4, 4)


def test_optional_fields_are_read_and_null_is_as_good_as_none(read: Read) -> None:
    statements = ["It is left.", "It is right.", "It is none."]
    full, empty = read(
        changed(category="side", group="g", statements=statements),
        changed(id="two", category=None, group=None, statements=None),
    )
    assert (full.category, full.group, full.statements) == ("side", "g", tuple(statements))
    assert (empty.category, empty.group, empty.statements) == ("", "", None)


def test_an_id_may_be_a_whole_number(read: Read) -> None:
    assert [sample.id for sample in read(changed(id=7), changed(id="a7"))] == ["7", "a7"]


@pytest.mark.parametrize(
    "answer", ["B", "(B)", 1, "right"], ids=["letter", "letter in brackets", "index", "text"]
)
def test_each_way_to_write_the_answer(read: Read, answer: object) -> None:
    assert read(changed(answer=answer))[0].answer == 1


def test_answers_that_only_look_ambiguous_are_read(read: Read) -> None:
    same = changed(choices=["A", "B"], answer="A")  # the text and the letter of one option
    digits = changed(id="two", choices=["0", "1", "2"], answer=2)  # the index and the text of one option
    by_text = changed(id="three", choices=["3", "2", "1"], answer="2")  # digits in quotes are a text
    by_letter = changed(id="four", choices=["3", "2", "1"], answer="C")
    assert [sample.answer for sample in read(same, digits, by_text, by_letter)] == [0, 2, 1, 2]


@pytest.mark.parametrize("form", ["base64", "data URI", "data URI without a type"])
def test_an_image_within_the_line_is_read(read: Read, form: str) -> None:
    text = base64.b64encode(png("blue")).decode()
    written = {
        "base64": text,
        "data URI": f"data:image/png;base64,{text}",
        "data URI without a type": f"data:;charset=x;base64,{text}",
    }[form]
    (image,) = read(changed(image=written))[0].images
    assert isinstance(image, BytesImage)
    assert image.load().getpixel((0, 0)) == (0, 0, 255)
    assert image.digest() == BytesImage(png("blue")).digest()


def test_several_images_are_kept_in_order(read: Read, folder: Path) -> None:
    text = base64.b64encode(png()).decode()
    first, second = read(changed(image=["images/a.png", text]))[0].images
    assert first == FileImage(folder / "images" / "a.png")
    assert isinstance(second, BytesImage)


def test_a_long_name_without_an_image_in_it_is_a_path(read: Read, folder: Path) -> None:
    name = "a" * 64  # valid base64, but of no image
    (folder / name).write_bytes(png())
    assert read(changed(image=name))[0].images == (FileImage(folder / name),)


def test_a_broken_image_is_found_when_it_is_opened_not_before(read: Read, folder: Path) -> None:
    (folder / "images" / "a.png").write_bytes(b"no image")
    (sample,) = read(ROW)
    with pytest.raises(DataError, match=r"a\.png: not an image"):
        sample.images[0].load()


@pytest.mark.parametrize("end", ["", "\n", "\n\n", "\n  \n", "\r\n"])
def test_one_blank_line_at_the_end_is_let_pass(read: Read, end: str) -> None:
    assert len(read(ROW, end=end)) == 1


def test_lines_may_end_as_windows_ends_them_and_begin_with_a_mark(folder: Path) -> None:
    path = folder / "data.jsonl"
    rows = [json.dumps(ROW), json.dumps(changed(id="zwei", question="Wo ist die Tür?"), ensure_ascii=False)]
    path.write_bytes(b"\xef\xbb\xbf" + "\r\n".join(rows).encode() + b"\r\n")
    assert [sample.question for sample in read_jsonl(path)] == ["Which side?", "Wo ist die Tür?"]


def test_a_relative_path_of_the_file_works(read: Read, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    read(ROW)
    monkeypatch.chdir(folder.parent)
    (sample,) = read_jsonl(Path("set/data.jsonl"))
    monkeypatch.chdir("/")
    assert sample.images[0].load().size == (4, 4)


# --- what is refused, with file, line, field and what is allowed --------------------------------------

ANSWERS = (
    'allowed are a letter "A" to "C", an index 0 to 2 (a number, without quotes), '
    "or the exact text of an option: 'left', 'right', 'none'"
)
NEEDED = "id, image, question, choices, answer"


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ('{"id" 1}', "not JSON: Expecting ':' delimiter at column 7"),
        ('{"id": NaN}', "NaN is not JSON"),
        ('{"id": "x", "id": "y"}', "the field 'id' stands there twice"),
        ("[]", f"holds a list; each line is one JSON object with {NEEDED}"),
        ("3", f"holds a number; each line is one JSON object with {NEEDED}"),
        ("null", f"holds null; each line is one JSON object with {NEEDED}"),
        ("1" * 5000, "not usable as JSON: Exceeds the limit (4300 digits) for integer string conversion"),
        (changed(answer=...), f"answer: is missing; every line needs {NEEDED}"),
        (
            changed(choises=["a"], choices=...),
            "unknown field 'choises': did you mean 'choices'? "
            "Known: answer, category, choices, group, id, image, question, statements",
        ),
        (changed(id=""), "id: is ''; a string with text in it is needed"),
        (changed(id=True), "id: is True; a string with text in it is needed"),
        (changed(id=1.5), "id: is 1.5; a string with text in it is needed"),
        (changed(question=None), "question: is null; a string with text in it is needed"),
        (changed(question=" "), "question: is ' '; a string with text in it is needed"),
        (changed(choices="left"), "choices: is 'left'; a list of strings is needed"),
        (
            changed(choices=[1, 2, 3]),
            'choices[0]: is 1; a string with text in it is needed: write it as "1"',
        ),
        (changed(choices=["a", ""]), "choices[1]: is ''; a string with text in it is needed"),
        (changed(choices=["a"]), "choices has 1 entries; 2 to 8 are allowed"),
        (changed(choices=["a", "A "]), "choices ['a', 'A '] are not distinct"),
        (changed(category=3), "category: is 3; a string is needed, or leave the field out"),
        (changed(group=[]), "group: is []; a string is needed, or leave the field out"),
        (changed(statements="x"), "statements: is 'x'; a list of strings is needed"),
        (
            changed(statements=["x"]),
            "sample 'one': statements has 1 entries for 3 choices; give one sentence for each choice, "
            "in the same order",
        ),
        (changed(answer="D"), f"answer: 'D' is no option; {ANSWERS}"),
        (changed(answer="b"), f"answer: 'b' is no option; {ANSWERS}"),
        (changed(answer="(B"), f"answer: '(B' is no option; {ANSWERS}"),
        (changed(answer="Rihgt"), f"answer: 'Rihgt' is no option; did you mean 'right'? {ANSWERS}"),
        (changed(answer="1"), f"answer: '1' is no option; {ANSWERS}"),
        (changed(answer=3), f"answer: is 3; {ANSWERS}"),
        (changed(answer=-1), f"answer: is -1; {ANSWERS}"),
        (changed(answer=True), f"answer: is True; {ANSWERS}"),
        (changed(answer=1.0), f"answer: is 1.0; {ANSWERS}"),
        (changed(answer=["B"]), f"answer: is ['B']; {ANSWERS}"),
        (
            changed(choices=["B", "A"], answer="A"),
            "answer: 'A' is the text of option B and the letter of option A: give the index, 1 or 0",
        ),
        (
            changed(choices=["1", "2", "3"], answer=1),
            "answer: 1 is the index of option B ('2') and the text of option A: give the letter",
        ),
        (changed(image=3), "image: is 3; a string with text in it is needed"),
        (changed(image=[]), "image: is an empty list; at least one image is needed"),
        (changed(image=["images/a.png", None]), "image[1]: is null; a string with text in it is needed"),
        (
            changed(image="https://example.com/a.png"),
            "image: 'https://example.com/a.png' is an address; download the image and give its path",
        ),
        (
            changed(image="data:image/png,xyz"),
            "image: 'data:image/png,xyz' is no base64 data URI; write data:image/png;base64,…",
        ),
        (
            changed(image="data:text/html;base64,aGk="),
            "image: the data URI holds 'text/html'; an image is needed",
        ),
        (
            changed(image="data:image/png;base64,!!"),
            "image: 'data:image/png;base64,!!' holds no valid base64",
        ),
    ],
)
def test_a_bad_line_is_refused(read: Read, row: dict[str, Any] | str, message: str) -> None:
    other = changed(id="first")
    refused = refusal(read, other, row)
    assert refused.startswith(f"data.jsonl:2: {message}")
    if "Exceeds" not in message:
        assert refused == f"data.jsonl:2: {message}"


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("id", "x\ud83d"),
        ("question", "x\ud83d"),
        ("choice B", ["a", "x\ud83d", "b"]),
        ("category", "x\ud83d"),
        ("group", "x\ud83d"),
        ("statement 3", ["a", "b", "x\ud83d"]),
    ],
)
def test_half_of_a_surrogate_pair_is_refused_with_its_line(read: Read, field: str, value: object) -> None:
    key = {"choice B": "choices", "statement 3": "statements"}.get(field, field)
    row = changed(**{key: value, "answer": 0})
    sample_id = r"'x\ud83d'" if field == "id" else "'one'"
    assert refusal(read, changed(id="first"), row).startswith(
        rf"data.jsonl:2: sample {sample_id}: {field} holds '\ud83d' at character 2: half of a surrogate pair"
    )


def test_half_of_a_surrogate_pair_elsewhere_is_refused_with_its_line_too(read: Read) -> None:
    assert refusal(read, changed(image="\ud83d.png")).startswith(
        r"data.jsonl:1: image: '\ud83d.png' cannot be found in"
    )
    assert refusal(read, changed(**{"\ud83d": 1})).startswith(r"data.jsonl:1: unknown field '\ud83d':")
    assert refusal(read, changed(answer="\ud83d")).startswith(r"data.jsonl:1: answer: '\ud83d' is no option")


def test_a_whole_surrogate_pair_is_one_character(read: Read) -> None:
    (sample,) = read(json.dumps(changed(question="\N{GRINNING FACE}?")))
    assert sample.question == "\N{GRINNING FACE}?"


@pytest.mark.parametrize(
    ("image", "message"),
    [
        ("images/b.png", "'images/b.png' cannot be found in {}: No such file or directory"),
        ("images", "'images' is not a file"),
        ("/etc/hostname", "'/etc/hostname' is absolute; give a path relative to {}"),
        ("C:\\a.png", "'C:\\\\a.png' is absolute; give a path relative to {}"),
        ("../outside.png", "'../outside.png' has '..' in it; images lie in {} or below"),
        ("images/../images/a.png", "'images/../images/a.png' has '..' in it; images lie in {} or below"),
        ("images\\..\\a.png", "'images\\\\..\\\\a.png' has '..' in it; images lie in {} or below"),
        ("images/link.png", "'images/link.png' is a link that leads out of {}"),
        ("images/loop.png", "'images/loop.png' cannot be found in {}: "),
        ("a\0b", "'a\\x00b' cannot be found in {}: "),
        ("x" * 300, f"'{'x' * 59}… cannot be found in {{}}: File name too long"),
    ],
)
def test_a_path_must_lead_to_a_file_in_the_folder(read: Read, folder: Path, image: str, message: str) -> None:
    (folder / "images" / "link.png").symlink_to(folder.parent / "outside.png")
    (folder / "images" / "loop.png").symlink_to("loop.png")
    assert refusal(read, changed(image=image)).startswith(f"data.jsonl:1: image: {message.format(folder)}")


def test_a_link_within_the_folder_is_fine(read: Read, folder: Path) -> None:
    (folder / "link.png").symlink_to("images/a.png")
    assert read(changed(image="link.png"))[0].images[0].load().size == (4, 4)


def test_two_lines_with_one_id_are_refused_with_both_numbers(read: Read) -> None:
    assert refusal(read, ROW, changed(id="two"), ROW) == (
        "data.jsonl:3: id: 'one' is taken by line 1; give every sample an id of its own"
    )
    assert "id: '7' is taken by line 1" in refusal(read, changed(id=7), changed(id="7"))


def test_a_blank_line_before_the_end_is_refused(read: Read) -> None:
    message = "data.jsonl:2: the line is blank; one JSON object stands on each line"
    assert refusal(read, ROW, " ", changed(id="two")) == message
    assert refusal(read, ROW, end="\n\n\n") == message


@pytest.mark.parametrize("content", [b"", b"\n", b"\xef\xbb\xbf", b"  "])
def test_an_empty_file_is_refused(folder: Path, content: bytes) -> None:
    path = folder / "data.jsonl"
    path.write_bytes(content)
    with pytest.raises(DataError, match=f"{path}: the file holds no samples: write one JSON object"):
        read_jsonl(path)


def test_another_encoding_is_refused_with_the_line(folder: Path) -> None:
    path = folder / "data.jsonl"
    row = json.dumps(ROW).encode()
    path.write_bytes(row + b"\n" + row.replace(b"side", b"T\xfcr") + b"\n")
    with pytest.raises(DataError, match=rf"{path}:2: not UTF-8 \(byte 0xfc at position \d+\): save the file"):
        read_jsonl(path)
    path.write_bytes(json.dumps(ROW).encode("utf-16"))
    with pytest.raises(DataError, match=rf"{path}:1: not UTF-8 \(UTF-16\): save the file as UTF-8"):
        read_jsonl(path)


def test_deep_nesting_is_refused(read: Read) -> None:
    assert refusal(read, "[" * 100_000).startswith("data.jsonl:1: not usable as JSON: ")


def test_a_missing_file_and_a_folder_are_refused(folder: Path) -> None:
    with pytest.raises(DataError, match=r"data set .*no\.jsonl: no such file \(looked from /"):
        read_jsonl(folder / "no.jsonl")
    with pytest.raises(DataError, match=r"data set .*/set: is a folder; name a \.jsonl file"):
        read_jsonl(folder)


def test_a_file_that_cannot_be_opened_is_refused(read: Read, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*_args: object, **_options: object) -> None:
        raise PermissionError(13, os.strerror(13))

    monkeypatch.setattr(Path, "open", refuse)
    monkeypatch.setattr(Path, "write_text", lambda *_args, **_options: None)
    monkeypatch.setattr(Path, "is_file", lambda _self: True)
    assert refusal(read, ROW).endswith("cannot be read: Permission denied")


@settings(suppress_health_check=[HealthCheck.function_scoped_fixture], deadline=None)
@given(
    st.one_of(
        st.text(),
        st.fixed_dictionaries(
            {},
            optional={
                name: st.one_of(
                    st.just(ROW.get(name)),
                    st.none(),
                    st.integers(),
                    st.text(max_size=5),
                    st.lists(st.one_of(st.text(max_size=3), st.none(), st.integers()), max_size=9),
                )
                for name in (*ROW, "statements", "other")
            },
        ),
    )
)
def test_any_line_is_a_sample_or_a_data_error_that_names_the_line(
    folder: Path, row: str | dict[str, Any]
) -> None:
    path = folder / "data.jsonl"
    text = row if isinstance(row, str) else json.dumps(row)
    path.write_bytes(text.encode("utf-8", "surrogatepass").replace(b"\n", b" "))
    try:
        outcome = f"{path}: {len(read_jsonl(path))} sample"
    except DataError as error:
        outcome = str(error)
    assert outcome.startswith(str(path))
