"""Reports read back from their files."""

from __future__ import annotations

import json
import os
from functools import lru_cache
from pathlib import Path

from pytest_vlmrobust.core.choosing import choose_run
from pytest_vlmrobust.core.documents import read_report
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.errors import UsageError


def load_report(path: str | os.PathLike[str]) -> list[Evaluation]:
    """Read the runs of a report that ``--vlm-json`` wrote.

    Args:
        path: the file.

    Raises:
        UsageError: there is no such file, it is no report, or it was changed or cut.
    """
    file = Path(path).expanduser()
    try:
        known = file.stat()
    except OSError as error:
        raise UsageError(f"report {str(path)!r}: {error.strerror or error}") from None
    return list(_read(file.absolute(), known.st_mtime_ns, known.st_size))


def load_run(path: str | os.PathLike[str], *, model: str = "", like: Evaluation | None = None) -> Evaluation:
    """Read one run of a report that ``--vlm-json`` wrote.

    Args:
        path: the file.
        model: the spec of the model, where the report holds runs of several.
        like: the run that it is to be compared with; see `pytest_vlmrobust.core.choosing.choose_run`.

    Raises:
        UsageError: there is no such file, it is no report, or it does not hold just one such run.
    """
    return choose_run(load_report(path), model=model, like=like, source=f"report {str(path)!r}")


@lru_cache(maxsize=4)
def _read(file: Path, _changed: int, _size: int) -> tuple[Evaluation, ...]:
    """Read a file once, as long as it does not change."""
    try:
        document = json.loads(file.read_text(encoding="utf-8"))
        return tuple(read_report(document))
    except OSError as error:
        raise UsageError(f"report {str(file)!r}: {error.strerror or error}") from None
    except UnicodeDecodeError:
        raise UsageError(f"report {str(file)!r}: not text in UTF-8, so no report") from None
    except json.JSONDecodeError as error:
        raise UsageError(f"report {str(file)!r}: not valid JSON ({error})") from None
    except UsageError as error:
        raise UsageError(f"report {str(file)!r}: {error}") from None
