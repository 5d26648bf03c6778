"""Reads the study, has its models tested, and ends with what agrees and what does not."""

from __future__ import annotations

from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from study import Study

from pytest_vlmrobust import Evaluation

HERE = Path(__file__).parent
STUDY = pytest.StashKey[Study]()
RUNS = pytest.StashKey[dict[tuple[str, str], Evaluation]]()


def pytest_addoption(parser: pytest.Parser) -> None:
    group = parser.getgroup("paper")
    group.addoption("--study", type=Path, default=HERE / "zhao2026.toml", help="what is asked and compared")
    group.addoption("--data", type=Path, default=Path("data"), help="the folder of the benchmarks")


@pytest.hookimpl(tryfirst=True)
def pytest_configure(config: pytest.Config) -> None:
    path = config.getoption("study")
    if not path.is_file():
        raise pytest.UsageError(f"--study: no such file: {path}")
    config.stash[STUDY] = study = Study.read(path)
    config.stash[RUNS] = {}
    if not config.getoption("vlm_model"):
        config.option.vlm_model = list(study.models.values())


def pytest_collection_finish(session: pytest.Session) -> None:
    """Refuse a folder without any of the benchmarks, before a model is loaded: nothing would be compared."""
    config = session.config
    paths = [_path(config, benchmark) for benchmark in config.stash[STUDY].benchmarks]
    if not config.option.collectonly and not any(path.exists() for path in paths):
        wanted = ", ".join(sorted({path.name for path in paths}))
        raise pytest.UsageError(f"--data: none of {wanted} is in {config.getoption('data').absolute()}")


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    study = metafunc.config.stash[STUDY]
    if "benchmark" in metafunc.fixturenames:
        metafunc.parametrize("benchmark", [_param(metafunc.config, name) for name in study.benchmarks])
    if "cell" in metafunc.fixturenames:
        metafunc.parametrize("cell", study.cells, ids=str)


@pytest.fixture
def study(request: pytest.FixtureRequest) -> Study:
    return request.config.stash[STUDY]


@pytest.fixture
def runs(request: pytest.FixtureRequest) -> dict[tuple[str, str], Evaluation]:
    return request.config.stash[RUNS]


@pytest.fixture
def dataset(request: pytest.FixtureRequest, study: Study, benchmark: str) -> str:
    return f"{study.benchmarks[benchmark].partition(':')[0]}:{_path(request.config, benchmark)}"


def _path(config: pytest.Config, benchmark: str) -> Path:
    data: Path = config.getoption("data")
    return data / config.stash[STUDY].benchmarks[benchmark].partition(":")[2]


def _param(config: pytest.Config, benchmark: str) -> Any:
    """Mark a benchmark that is not there, so that no model is loaded for it."""
    path = _path(config, benchmark)
    missing = pytest.mark.skipif(not path.exists(), reason=f"{path} is not there")
    return pytest.param(benchmark, marks=missing)


@pytest.hookimpl(trylast=True)
def pytest_terminal_summary(
    terminalreporter: pytest.TerminalReporter, exitstatus: int, config: pytest.Config
) -> None:
    if exitstatus == pytest.ExitCode.USAGE_ERROR or config.option.collectonly:
        return
    runs, study = config.stash[RUNS], config.stash[STUDY]
    results = [(cell, cell.compare(runs)) for cell in study.cells]
    counts = Counter(result.verdict for _, result in results)
    terminalreporter.section("beside what was published")
    terminalreporter.write_line(study.title)
    for cell, result in results:
        terminalreporter.write_line(f"{result.verdict:8} {cell}")
        terminalreporter.write_line(f"           published {result.published} ({cell.source})")
        terminalreporter.write_line(f"           measured  {result.measured}")
    terminalreporter.write_line(
        f"{len(results)} cells: {counts['agrees']} agree, {counts['differs']} differ, "
        f"{counts['not run']} not run"
    )
