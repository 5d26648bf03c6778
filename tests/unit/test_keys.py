from __future__ import annotations

import hashlib
import shutil
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vlmrobust import keys
from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.keys import content_key, file_digest, source_digest

ANY_TEXT = st.text(st.characters(exclude_categories=()), max_size=5)
PARTS = st.lists(st.one_of(ANY_TEXT, st.lists(ANY_TEXT, max_size=3)), max_size=4)


@given(PARTS, PARTS)
def test_two_lists_of_parts_share_a_key_only_if_they_are_equal(one: list[Any], other: list[Any]) -> None:
    assert (content_key("reply", *one) == content_key("reply", *other)) == (one == other)


def test_parts_cannot_run_into_one_another() -> None:
    forms: list[list[Any]] = [["ab", "c"], ["a", "bc"], ["abc"], [["a", "bc"]], [["ab"], "c"], ['a","bc'], []]
    assert len({content_key("reply", *parts) for parts in forms}) == len(forms)


def test_a_surrogate_pair_is_not_the_character_that_it_stands_for() -> None:
    assert content_key("reply", "\ud83d\ude00") != content_key("reply", "\U0001f600")


def test_a_list_and_a_tuple_are_alike_and_each_kind_is_apart() -> None:
    assert content_key("reply", ["a", "b"]) == content_key("reply", ("a", "b"))
    kinds = {content_key("reply", "a"), content_key("reading", "a"), content_key("verdict", "a")}
    assert len(kinds | {content_key("model", "a"), content_key("file", "a")}) == 5


def test_an_unknown_kind_is_refused_with_near_misses() -> None:
    with pytest.raises(UsageError) as caught:
        content_key("replies", "a")  # type: ignore[arg-type]
    assert str(caught.value) == (
        "unknown kind of stored value 'replies': did you mean 'reply'? "
        "Known: claim, file, model, reading, reply, verdict"
    )


@pytest.mark.parametrize("part", [3, None, 0.5, b"a", ["a", 1], Path("a"), {"a"}])
def test_a_part_that_is_no_text_is_refused(part: Any) -> None:
    with pytest.raises(UsageError) as caught:
        content_key("reply", "a", part)
    assert str(caught.value) == (
        f"part of a 'reply' key: got {part!r}; a string or a list of strings is needed: "
        "write other values as text"
    )


def test_a_files_digest_is_that_of_its_bytes(tmp_path: Path) -> None:
    (tmp_path / "a").write_bytes(b"\0weights" * 100_000)
    expected = hashlib.blake2b(b"\0weights" * 100_000, digest_size=16).hexdigest()
    assert file_digest(tmp_path / "a") == expected
    with pytest.raises(FileNotFoundError):
        file_digest(tmp_path / "b")


@pytest.fixture
def package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the package's deriving code, that can be changed."""
    for name in ("core", "judges"):
        shutil.copytree(keys._PACKAGE / name, tmp_path / name, ignore=shutil.ignore_patterns("*.pyc"))
    for name in ("judging.py", "reading.py"):
        shutil.copy(keys._PACKAGE / name, tmp_path)
    monkeypatch.setattr(keys, "_PACKAGE", tmp_path)
    return tmp_path


def digest_now() -> str:
    return source_digest.__wrapped__()


def test_the_digest_of_the_source_follows_from_the_code_alone(package: Path) -> None:
    first = digest_now()
    assert first == source_digest()
    (package / "core" / "notes.txt").write_text("no code")
    assert digest_now() == first


@pytest.mark.parametrize("name", ["core/replies.py", "judges/rules.py", "judging.py", "reading.py"])
def test_a_changed_line_changes_the_digest_of_the_source(package: Path, name: str) -> None:
    first = digest_now()
    with (package / name).open("a", encoding="utf-8") as file:
        file.write("# more\n")
    assert digest_now() != first


def test_a_new_name_and_a_new_file_change_the_digest_of_the_source(package: Path) -> None:
    digests = [digest_now()]
    (package / "core" / "replies.py").rename(package / "core" / "answers.py")
    digests.append(digest_now())
    (package / "judges" / "new.py").touch()
    digests.append(digest_now())
    assert len(set(digests)) == 3
