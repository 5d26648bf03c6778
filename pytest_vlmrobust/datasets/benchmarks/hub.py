"""A benchmark's files from the Hugging Face hub: only those that are read, kept in the hub's own cache."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark, Layout
from pytest_vlmrobust.datasets.benchmarks.finding import Found, choose_layout, matching
from pytest_vlmrobust.errors import DataError, gist

_ID = re.compile(r"(?P<repo>[\w.-]+/[\w.-]+)(?:@(?P<revision>[\w./-]+))?")
_SHOWN = 8


@dataclass(frozen=True, kw_only=True)
class HubId:
    """A data set on the hub.

    Attributes:
        repo: organization and name.
        revision: a branch, tag or commit.
    """

    repo: str
    revision: str = "main"


def hub_id(text: str) -> HubId | None:
    """Read ``organization/name`` or ``organization/name@revision``; None where it is something else.

    >>> hub_id("nyu-visionx/CV-Bench"), hub_id("./data"), hub_id("data/cv/bench")
    (HubId(repo='nyu-visionx/CV-Bench', revision='main'), None, None)
    """
    match = _ID.fullmatch(text)
    if match is None or set(match["repo"].split("/")) & {".", ".."}:
        return None
    return HubId(repo=match["repo"], revision=match["revision"] or "main")


def download(benchmark: Benchmark, source: HubId) -> tuple[Found, str]:
    """Download the files of a benchmark, or take them from the cache.

    Returns:
        The files, and the commit that they are of.

    Raises:
        DataError: the hub cannot be reached and the cache does not have them, there is no such data set, or
            it holds none of the files that are looked for.
    """
    try:
        names = _listing(source)
    except Exception as error:  # the client raises a tree of its own, and whatever its HTTP library does
        return _cached(benchmark, source, error)
    layout = choose_layout(benchmark, names)
    if layout is None:
        looked = dict.fromkeys(pattern for layout in benchmark.layouts for pattern in layout.files)
        raise DataError(
            f"{benchmark.name}: {source.repo} on the hub has none of its files: looked for "
            f"{', '.join(looked)}; found {_shown(names)}"
        )
    files = matching(layout, names)
    try:
        # By its branch and not by the commit, or the cache would not know the branch without a network.
        folder = _snapshot(source.repo, source.revision, [*files, *layout.beside])
    except Exception as error:  # as above
        raise _failed(benchmark, source, error) from error
    return _found(layout, files, folder), folder.name


def _listing(source: HubId) -> list[str]:
    from huggingface_hub import HfApi

    info = HfApi().dataset_info(source.repo, revision=source.revision)
    return [sibling.rfilename for sibling in info.siblings or ()]


def _cached(benchmark: Benchmark, source: HubId, error: Exception) -> tuple[Found, str]:
    """Take what an earlier download left, of the first layout of which there is everything."""
    for layout in benchmark.layouts:
        try:
            wanted = [*layout.files, *layout.beside]
            folder = _snapshot(source.repo, source.revision, wanted, offline=True)
        except Exception:  # not in the cache
            continue
        names = [file.relative_to(folder).as_posix() for file in folder.rglob("*") if file.is_file()]
        files = matching(layout, names)
        if files:
            return _found(layout, files, folder), folder.name
    raise _failed(benchmark, source, error) from error


def _snapshot(repo: str, revision: str, patterns: Sequence[str], *, offline: bool = False) -> Path:
    from huggingface_hub import snapshot_download

    folder = snapshot_download(
        repo,
        repo_type="dataset",
        revision=revision,
        allow_patterns=list(patterns),
        local_files_only=offline,
    )
    return Path(folder)


def _found(layout: Layout, files: Sequence[str], folder: Path) -> Found:
    return Found(layout=layout, files=tuple(folder / name for name in files), folder=folder)


def _failed(benchmark: Benchmark, source: HubId, error: Exception) -> DataError:
    at = "" if source.revision == "main" else f"@{source.revision}"
    return DataError(
        f"{benchmark.name}: nothing is at {source.repo} here (looked from {Path.cwd()}), and data set "
        f"{source.repo}{at} cannot be had from the hub ({gist(error)}), nor is it in the hub's cache. Where "
        f"there is no network, download it elsewhere and give the folder: {benchmark.name}:PATH"
    )


def _shown(names: Sequence[str]) -> str:
    more = f" and {len(names) - _SHOWN} more" if len(names) > _SHOWN else ""
    return (", ".join(names[:_SHOWN]) + more) or "no files"
