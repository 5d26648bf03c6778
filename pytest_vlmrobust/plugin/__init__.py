"""The pytest plugin: hooks, the ``vlm`` marker, and fixtures.

No arithmetic and no wording of results here, and no import that a session without model tests would
have to pay for.
"""

from __future__ import annotations

import gc
import sys
from dataclasses import replace
from pathlib import Path

import pytest

from pytest_vlmrobust import options
from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.plugin.collection import (
    pytest_collection_finish,
    pytest_collection_modifyitems,
    pytest_generate_tests,
)
from pytest_vlmrobust.plugin.comparing import vlm_baselines, vlm_trend
from pytest_vlmrobust.plugin.fixtures import (
    vlm,
    vlm_ask,
    vlm_evaluate,
    vlm_judge,
    vlm_perturb,
    vlm_run,
    vlm_samples,
)
from pytest_vlmrobust.plugin.running import Watch, pytest_pyfunc_call, pytest_runtest_makereport
from pytest_vlmrobust.plugin.state import STATE, State, is_worker, usage_errors, with_folders, worker_output
from pytest_vlmrobust.plugin.workers import pytest_testnodedown, pytest_xdist_make_scheduler

__all__ = [
    "pytest_collection_finish",
    "pytest_collection_modifyitems",
    "pytest_generate_tests",
    "pytest_pyfunc_call",
    "pytest_runtest_makereport",
    "pytest_testnodedown",
    "pytest_xdist_make_scheduler",
    "vlm",
    "vlm_ask",
    "vlm_baselines",
    "vlm_evaluate",
    "vlm_judge",
    "vlm_perturb",
    "vlm_run",
    "vlm_samples",
    "vlm_trend",
]

_MARKER = (
    "vlm(dataset=..., conditions=..., limit=..., max_accuracy_drop=..., ...): settings of a test of a "
    "vision-language model, by the names of the --vlm-* options; where a gate is among them, such as "
    "max_accuracy_drop, it is checked after the test's own code."
)


_NOTHING_RAN = "--vlm-require: no test has run a model, so the session shows nothing"
_NOTHING_COMPARED = (
    "--vlm-baseline: no test has compared a run with it; use the ready-made suite, a marker with "
    "max_regression, or the fixture vlm_baselines"
)


def pytest_addoption(parser: pytest.Parser) -> None:
    """Declare the options and the ini keys."""
    options.add_options(parser)


def pytest_cmdline_main(config: pytest.Config) -> int | None:
    """With --vlm-judge-preflight, measure the judge and exit."""
    with usage_errors():
        settings = options.session_settings(config)
        if not settings.judge_preflight:
            return None
        from pytest_vlmrobust.plugin.preflight import measure_judge

        return measure_judge(config, settings)


def pytest_configure(config: pytest.Config) -> None:
    """Read the settings; refuse what is wrong in them before anything is collected."""
    config.addinivalue_line("markers", _MARKER)
    with usage_errors():
        settings = with_folders(options.session_settings(config))
        if settings.json is not None:
            from pytest_vlmrobust.reports.json import check_writable

            check_writable(settings.json, options.BY_NAME["json"].flag)
            settings = replace(settings, json=settings.json.absolute())  # a test may change the folder
        if settings.claims_export is not None:
            from pytest_vlmrobust.reports.json import check_writable

            check_writable(settings.claims_export, options.BY_NAME["claims_export"].flag)
            settings = replace(settings, claims_export=settings.claims_export.absolute())
        if settings.claims is not None:
            settings = replace(settings, claims=settings.claims.absolute())
        if settings.store is None and settings.store_prune is not None:
            raise UsageError("--vlm-store-prune: --vlm-store=off leaves no store to prune")
        if isinstance(settings.store, Path):
            settings = replace(settings, store=settings.store.absolute())
    config.stash[STATE] = State(config, settings)
    if settings.require or settings.baseline:
        config.pluginmanager.register(Watch(config.stash[STATE]), "vlmrobust-watch")


def pytest_report_header(config: pytest.Config) -> str | None:
    """Say what is tested."""
    settings = config.stash[STATE].settings
    if not settings.model:
        return None
    from pytest_vlmrobust.remote.spec import without_credentials

    shown = options.options_for(settings, always=["dataset", "conditions", "limit", "seed"])
    return without_credentials(f"vlmrobust: {' '.join(shown)}")


def pytest_sessionfinish(session: pytest.Session, exitstatus: int) -> None:
    """Hand over or write what was measured; with --vlm-require, refuse a session that ran no model."""
    config, state = session.config, session.config.stash[STATE]
    state.end()
    if "torch" in sys.modules:
        # Else the interpreter looks through its millions of objects once more on the way out, for seconds.
        gc.freeze()
    if is_worker(config):
        worker_output(config)["vlmrobust"] = state.to_text()
        worker_output(config)["vlmrobust_claims"] = state.claims_to_text()
        worker_output(config)["vlmrobust_plan"] = state.plan_to_text()
        worker_output(config)["vlmrobust_costs"] = state.costs_to_text()
        worker_output(config)["vlmrobust_store_problem"] = state.store_problem
        return
    if state.usage_error:
        raise pytest.UsageError(state.usage_error)
    if config.option.collectonly or exitstatus == pytest.ExitCode.USAGE_ERROR:
        return
    if state.measured:
        state.session.runs.sort(state.settings.model)
    state.nothing_ran = _missed(config, state)
    if state.nothing_ran and exitstatus == pytest.ExitCode.OK:
        session.exitstatus = pytest.ExitCode.TESTS_FAILED
    if state.settings.json is not None:
        from pytest_vlmrobust.reports.json import write_json

        write_json(state.settings.json, state.session.document())
    with usage_errors():
        state.export_claims()
    if state.settings.store_prune is not None:
        from pytest_vlmrobust.plugin.keeping import prune_store

        with usage_errors():
            state.pruned, problem = prune_store(state.settings)
        state.note_store(problem)


def _missed(config: pytest.Config, state: State) -> str:
    """Say what was asked for, and has not happened; one in the ini file need not serve each session."""
    if state.settings.dry_run:
        return ""
    if state.settings.require and not state.ran:
        return _NOTHING_RAN
    asked = config.getoption(options.BY_NAME["baseline"].ini_key) is not None or state.settings.require
    unused = state.settings.baseline and state.ran and not state.compared
    return _NOTHING_COMPARED if asked and unused else ""


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter, config: pytest.Config) -> None:
    """Show a table for each model and data set."""
    state = config.stash[STATE]
    if state.nothing_ran:
        terminalreporter.write_line(state.nothing_ran, red=True)
    if is_worker(config):
        return
    if state.measured:
        from pytest_vlmrobust.plugin.screen import write_summary

        write_summary(terminalreporter, state.session.runs, state.settings.json)
    if state.costs:
        terminalreporter.write_line(state.costs)
    if state.settings.dry_run:
        from pytest_vlmrobust.plugin.screen import write_plan

        rows = [*state.planned, *(state.plan.rows if state.plan is not None else [])]
        write_plan(terminalreporter, rows, state.settings.price)
    if state.pruned:
        terminalreporter.write_line(state.pruned)
    if state.store_problem:
        terminalreporter.write_line(state.store_problem, yellow=True)
