from __future__ import annotations

import csv
import io
import json
import os
import sys
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_vlmrobust.datasets.tables import (
    Columns,
    Row,
    column_names,
    delimited,
    is_blank,
    parquet,
    read_table,
)
from pytest_vlmrobust.errors import DataError, UsageError
from tests.benchmark_files.writing import write_json, write_jsonl, write_parquet, write_tsv

BIG = "x" * 5000
LAZY = Columns(needs=("index", "image"), may=("note",), lazy=("image",))


def read(path: Path, columns: Columns = LAZY) -> list[Row]:
    return read_table(path, columns, path.name)


def refusal(path: Path, columns: Columns = LAZY) -> str:
    with pytest.raises(UsageError) as caught:
        read(path, columns)
    return str(caught.value)


# --- tsv and csv ------------------------------------------------------------------------------------

TEXT = st.text(alphabet=st.sampled_from(list('ab",\t\n é"')), max_size=8)


@given(st.lists(st.tuples(TEXT, TEXT, TEXT), min_size=1, max_size=6), st.sampled_from("\t,"))
def test_fields_are_read_as_the_csv_module_reads_them(
    tmp_path_factory: pytest.TempPathFactory, rows: list[tuple[str, str, str]], delimiter: str
) -> None:
    path = tmp_path_factory.mktemp("t") / ("a.csv" if delimiter == "," else "a.tsv")
    written = io.StringIO(newline="")
    writer = csv.writer(written, delimiter=delimiter, lineterminator="\n")
    writer.writerows([("index", "image", "note"), *rows])
    path.write_text(written.getvalue(), encoding="utf-8", newline="")
    found = read(path)
    assert [(r.values["index"], r.values["image"].read(), r.values["note"]) for r in found] == rows
    assert [r.values["image"].short for r in found] == [image for _, image, _ in rows]


def test_a_long_field_stays_in_the_file_and_is_read_from_there(tmp_path: Path) -> None:
    rows = [{"index": n, "image": f'{n}"\t\n{BIG}', "note": "ü"} for n in range(3)]
    path = write_tsv(tmp_path / "a.tsv", rows)
    found = read(path)
    assert sys.getsizeof(found[0].values["image"]) < 500
    assert [row.values["image"].short for row in found] == [None] * 3
    assert [row.values["image"].read() for row in reversed(found)] == [r["image"] for r in reversed(rows)]
    assert [row.where for row in found] == ["a.tsv:2", "a.tsv:4", "a.tsv:6"]


def test_a_byte_order_mark_and_windows_line_ends_and_blank_lines_are_let_pass(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"\xef\xbb\xbfindex\timage\r\n1\tabc\r\n\r\n2\tdef")
    found = read(path)
    assert [(row.values["index"], row.values["image"].read()) for row in found] == [
        ("1", "abc"),
        ("2", "def"),
    ]


@pytest.mark.parametrize(
    ("data", "message"),
    [
        (b"", "the file is empty"),
        (b"index\timage\n", "a.tsv: the file has columns and no rows"),
        (b"index\tindex\timage\n", "a.tsv:1: the column 'index' stands there twice"),
        (
            b"index\tpicture\n1\tx\n",
            "a.tsv: column 'image' is missing; there are: index, picture",
        ),
        (
            b"Index\timages\n1\tx\n",
            "a.tsv: columns 'index' (renamed to 'Index'?), 'image' (renamed to 'images'?) are missing; there "
            "are: Index, images",
        ),
        (
            b"index\timage\n1\tx\n2",
            "a.tsv:3: has 1 fields for 2 columns: the file is damaged or cut off; download it again",
        ),
        (
            b'index\timage\n1\t"x\n2\ty\n',
            "a.tsv:2: a quote is opened here and never closed: the file is damaged or cut off; download it "
            "again",
        ),
        (
            b"index\timage\tnote\n1\tx\tgood\n2\ty\tcaf\xe9\n",
            "a.tsv:3: note: not UTF-8 (byte 0xe9 at position 4 of the field): the file mixes encodings or "
            "has another one; save it as UTF-8",
        ),
        ("index\timage\n".encode("utf-16"), "a.tsv: not UTF-8 (UTF-16): save the file as UTF-8"),
        (
            b"version https://git-lfs.github.com/spec/v1\noid sha256:ab\n",
            "is a Git LFS pointer and not the file itself: run  git lfs pull",
        ),
    ],
)
def test_a_damaged_tsv_is_refused(tmp_path: Path, data: bytes, message: str) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(data)
    assert refusal(path).endswith(message)


def test_a_quote_that_is_never_closed_does_not_swallow_a_large_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(delimited, "MAX_ROW_BYTES", 1000)
    path = tmp_path / "a.tsv"
    path.write_bytes(b'index\timage\n1\t"x\n' + b"2\ty\n" * 10_000)
    assert "a.tsv:2: a quote is opened here" in refusal(path)


@pytest.mark.parametrize("change", [b"index\timage\n1\t" + b"y" * 70 + b"\n2\tz\n", None])
def test_a_file_that_changes_or_goes_after_it_was_read_is_noticed(
    tmp_path: Path, change: bytes | None
) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"index\timage\n1\t" + b"x" * 70 + b"\n")
    (row,) = read(path)
    assert row.values["image"].read() == "x" * 70
    if change is None:
        path.unlink()
    else:
        path.write_bytes(change)
    with pytest.raises(DataError, match=r"a\.tsv: (the file has changed since it was opened|cannot be read)"):
        row.values["image"].read()


def test_another_file_of_the_same_size_and_time_is_noticed_where_its_rows_differ(tmp_path: Path) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"index\timage\n1\t" + b"x" * 70 + b"\n")
    (row,) = read(path)
    status = path.stat()
    path.write_bytes(b"index\timage\n1x" + b"x" * 70 + b"\n")
    os.utime(path, ns=(status.st_mtime_ns, status.st_mtime_ns))
    with pytest.raises(DataError, match="the file has changed since it was opened: run again"):
        row.values["image"].read()


def test_a_file_that_cannot_be_opened_again_is_told(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "a.tsv"
    path.write_bytes(b"index\timage\n1\t" + b"x" * 70 + b"\n")
    (row,) = read(path)

    def refuse(*_args: object, **_options: object) -> None:
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", refuse)
    with pytest.raises(DataError, match=r"a\.tsv: cannot be read: Permission denied"):
        row.values["image"].read()


# --- parquet ----------------------------------------------------------------------------------------


def pictures(n: int) -> list[dict[str, Any]]:
    return [
        {"index": k, "image": {"bytes": f"{k}{BIG}".encode(), "path": None}, "note": "ü"} for k in range(n)
    ]


def test_images_of_parquet_stay_in_the_file_in_every_order_of_reading(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", pictures(90), row_group=50)
    found = read(path)
    assert [row.values["index"] for row in found] == list(range(90))
    assert [row.where for row in found][:2] == ["a.parquet, row 0", "a.parquet, row 1"]
    for order in (range(90), range(89, -1, -1), (3, 70, 3, 4, 88, 0)):
        for k in order:
            assert found[k].values["image"].read()["bytes"] == f"{k}{BIG}".encode()


def test_at_most_a_few_batches_of_a_column_are_held(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", pictures(90), row_group=90)
    for row in read(path):
        row.values["image"].read()
    held = [len(values) for reader in parquet._READERS.values() for _, values in reader._kept]
    assert sum(held) <= parquet._KEPT_READERS * parquet._KEPT_BATCHES * parquet._BATCH
    assert len(parquet._READERS) <= parquet._KEPT_READERS


def test_only_columns_that_are_asked_for_are_read(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", pictures(3))
    columns = Columns(needs=("index",))
    assert [dict(row.values) for row in read(path, columns)] == [{"index": 0}, {"index": 1}, {"index": 2}]


IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
ONE = {"bytes": b"1", "path": None}


@pytest.mark.parametrize(
    ("kind", "values", "counts"),
    [
        (pa.list_(pa.binary()), [[b"1", b"2"], [], None, [b"1"]], [2, 0, 0, 1]),
        (pa.large_list(IMAGE), [[ONE, ONE], [], None, [ONE]], [2, 0, 0, 1]),
        (IMAGE, [ONE, None, {"bytes": None, "path": "x"}, ONE], [1, 0, 0, 1]),
        (pa.string(), ["1", None, "2", "1"], [1, 0, 1, 1]),
    ],
)
def test_how_many_images_a_row_has_is_counted(
    tmp_path: Path, kind: pa.DataType, values: list[Any], counts: list[int]
) -> None:
    table = pa.table({"index": pa.array(range(4)), "image": pa.array(values, kind)})
    pq.write_table(table, tmp_path / "a.parquet", row_group_size=3)
    columns = Columns(needs=("index", "image"), lazy=("image",), many=("image",))
    found = read(tmp_path / "a.parquet", columns)
    assert [len(row.values["image"]) for row in found] == counts
    assert found[3].values["image"][0].read() in (b"1", ONE, "1")


def test_a_truncated_parquet_is_refused(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", pictures(3))
    path.write_bytes(path.read_bytes()[:-100])
    assert refusal(path).startswith("a.parquet: damaged or cut off (")
    assert refusal(path).endswith("; download the file again")


def test_a_parquet_that_is_damaged_inside_is_refused_when_the_row_is_read(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", pictures(3))
    data = bytearray(path.read_bytes())
    start = pq.ParquetFile(path).metadata.row_group(0).column(1).data_page_offset
    data[start : start + 40] = bytes(40)
    path.write_bytes(bytes(data))
    row = read(path)[0]
    with pytest.raises(DataError, match=r"a\.parquet: damaged or cut off \("):
        row.values["image"].read()


def test_a_parquet_whose_texts_are_damaged_is_refused(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", pictures(3))
    data = bytearray(path.read_bytes())
    column = pq.ParquetFile(path).metadata.row_group(0).column(0)
    start = column.dictionary_page_offset or column.data_page_offset
    data[start : start + column.total_compressed_size] = bytes(column.total_compressed_size)
    path.write_bytes(bytes(data))
    assert refusal(path).startswith("a.parquet: damaged or cut off (")


def test_a_renamed_column_of_parquet_is_named(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", [{"index": 1, "images": b""}])
    assert refusal(path) == (
        "a.parquet: column 'image' (renamed to 'images'?) is missing; there are: index, images"
    )


def test_a_parquet_that_changes_after_it_was_read_is_noticed(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "a.parquet", pictures(3))
    row = read(path)[0]
    os.utime(path, ns=(1, 1))
    with pytest.raises(DataError, match="the file has changed since it was opened: run again"):
        row.values["image"].read()


def test_without_pyarrow_the_message_has_the_command_that_installs_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_parquet(tmp_path / "a.parquet", pictures(1))
    monkeypatch.setattr("importlib.util.find_spec", lambda _name: None)
    assert refusal(path) == (
        "a.parquet: parquet files need pyarrow, which is not installed: "
        'run  pip install "pytest-vlmrobust[benchmarks]"'
    )


# --- json and jsonl ---------------------------------------------------------------------------------


def test_rows_of_documents_are_objects_or_lists(tmp_path: Path) -> None:
    columns = Columns(needs=("index|0", "image|1"), may=("note",))
    rows: list[Any] = [{"index": 1, "image": "a", "note": "x"}, [2, "b"]]
    found = read(write_json(tmp_path / "a.json", rows), columns)
    assert [dict(row.values) for row in found] == [
        {"index": 1, "image": "a", "note": "x"},
        {"index": 2, "image": "b"},
    ]
    assert [row.where for row in found] == ["a.json, entry 0", "a.json, entry 1"]
    lines = read(write_jsonl(tmp_path / "a.jsonl", rows), columns)
    assert [row.where for row in lines] == ["a.jsonl:1", "a.jsonl:2"]
    (alone,) = read(write_json(tmp_path / "b.json", rows[0]), columns)
    assert alone.where == "b.json"


@pytest.mark.parametrize(
    ("name", "data", "message"),
    [
        ("a.json", b"[]", "a.json: the file has columns and no rows"),
        (
            "a.json",
            b'[{"index": 1,\n "image',
            "a.json: not JSON, or cut off: Unterminated string starting at at column 2 of line 2; download "
            "the file again",
        ),
        (
            "a.jsonl",
            b'{"index": 1, "image": "a"}\n{"index',
            "a.jsonl:2: not JSON, or cut off: Unterminated string starting at at column 2; download the file "
            "again",
        ),
        ("a.json", b"[1]", "a.json, entry 0: is 1; an object or a list is needed"),
        ("a.json", b"[" * 100_000, "a.json: not usable as JSON: "),
        (
            "a.json",
            b'[{"index": 1, "image": "a"}, {"index": 1}]',
            "a.json, entry 1: column 'image' is missing; there are: index",
        ),
        (
            "a.json",
            b'[{"index": 1,\n"image": "caf\xe9"}]',
            "a.json:2: not UTF-8 (byte 0xe9): the file mixes encodings or has another one; save it as UTF-8",
        ),
    ],
)
def test_a_damaged_document_is_refused(tmp_path: Path, name: str, data: bytes, message: str) -> None:
    path = tmp_path / name
    path.write_bytes(data)
    assert refusal(path, Columns(needs=("index", "image"))).startswith(message)


# --- files of all kinds -----------------------------------------------------------------------------


def test_the_columns_of_every_kind_of_file_can_be_named(tmp_path: Path) -> None:
    rows = [{"index": 1, "image": "a"}]
    for path in (
        write_tsv(tmp_path / "a.tsv", rows),
        write_tsv(tmp_path / "a.csv", rows, ","),
        write_parquet(tmp_path / "a.parquet", rows),
        write_json(tmp_path / "a.json", rows),
        write_jsonl(tmp_path / "a.jsonl", rows),
    ):
        assert column_names(path) == ["index", "image"]
    assert column_names(write_json(tmp_path / "b.json", [])) == []


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("a.zip", "a.zip: is an archive: unpack it, and name the folder that comes out"),
        ("a.tar.gz", "a.tar.gz: is an archive: unpack it, and name the folder that comes out"),
        ("a.xlsx", "a.xlsx: is no file that is read; those are .tsv, .csv, .parquet, .json, .jsonl"),
        ("a.tsv", "a.tsv: cannot be read: No such file or directory"),
    ],
)
def test_a_file_that_is_none_of_these_is_refused(tmp_path: Path, name: str, message: str) -> None:
    assert refusal(tmp_path / name).endswith(message)


# --- values -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [None, float("nan"), "", "  ", "nan", "NaN", "None", "null"])
def test_blank_values_are_known_in_every_writing(value: object) -> None:
    assert is_blank(value)
    row = Row("here", "a", 0, {"x": value})
    assert (row.value("x"), row.optional("x"), row.optional("y")) == (None, "", "")
    with pytest.raises(DataError, match="here: x: is empty; a text is needed"):
        row.text("x")


def test_numbers_become_their_digits_and_other_things_are_refused() -> None:
    row = Row("here", "a", 0, json.loads('{"a": 3, "b": 3.0, "c": 2.5, "d": [1], "e": true, "f": " x "}'))
    assert [row.text(name) for name in "abcf"] == ["3", "3", "2.5", "x"]
    for name, shown in (("d", r"\[1\]"), ("e", "True")):
        with pytest.raises(DataError, match=f"here: {name}: is {shown}; a text is needed"):
            row.text(name)
