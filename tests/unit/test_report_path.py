from __future__ import annotations

import os
from pathlib import Path

import pytest

from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.reports.json import check_writable, write_json


def test_a_path_that_works_leaves_no_trace_of_the_check(tmp_path: Path) -> None:
    check_writable(tmp_path / "report.json", "--vlm-json")
    assert list(tmp_path.iterdir()) == []
    write_json(tmp_path / "report.json", {"schema": "vlmrobust/1"})
    check_writable(tmp_path / "report.json", "--vlm-json")
    assert [path.name for path in tmp_path.iterdir()] == ["report.json"]


def test_what_is_no_regular_file_is_refused_and_left_alone(tmp_path: Path) -> None:
    pipe = tmp_path / "pipe"
    os.mkfifo(pipe)
    with pytest.raises(UsageError, match="is a device or pipe; name a regular file"):
        check_writable(pipe, "--vlm-json")
    assert pipe.is_fifo()


def test_a_folder_that_takes_no_files_is_refused() -> None:
    with pytest.raises(UsageError, match=r"--vlm-json: folder '/proc' cannot be written to \("):
        check_writable(Path("/proc/report.json"), "--vlm-json")
