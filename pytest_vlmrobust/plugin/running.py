"""While tests run: whose marker holds, and the gates that markers declare."""

from __future__ import annotations

import inspect
import os
import shlex
import warnings
from collections.abc import Generator, Iterable
from dataclasses import replace
from typing import TYPE_CHECKING, Any

import pytest

from pytest_vlmrobust import options
from pytest_vlmrobust.errors import DryRunError, InconclusiveWarning
from pytest_vlmrobust.plugin.marks import is_own, marked_gates, model_spec
from pytest_vlmrobust.plugin.state import COMPARED, STATE, State

if TYPE_CHECKING:
    from pytest_vlmrobust.concluding import Problems
    from pytest_vlmrobust.core.baselines import RegressionGate
    from pytest_vlmrobust.core.findings import Inconclusive
    from pytest_vlmrobust.core.gates import Gate
    from pytest_vlmrobust.models.base import Model

UNSURE = "vlm_inconclusive"
"""The property of a test with an inconclusive gate that has not failed for it: what became of it."""

SUITE = "pytest_vlmrobust.suite"


class Tracker:
    """Keeps track of whose code is running; registered only where some test concerns a model."""

    def __init__(self, state: State) -> None:
        self._state = state

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_protocol(self, item: pytest.Item) -> Generator[None, object, object]:
        """A test, its function-scoped fixtures included, runs as itself."""
        self._state.nodes.append(item)
        try:
            return (yield)
        finally:
            self._state.nodes.pop()

    @pytest.hookimpl(wrapper=True)
    def pytest_fixture_setup(self, request: pytest.FixtureRequest) -> Generator[None, object, object]:
        """A fixture of wider scope runs as the node that it belongs to."""
        self._state.nodes.append(request.node)
        try:
            return (yield)
        finally:
            self._state.nodes.pop()


class Watch:
    """Notices, in the process that reports, whether a test has run a model, and one used the baseline."""

    def __init__(self, state: State) -> None:
        self._state = state

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Look for the mark that `pytest_pyfunc_call` leaves; skipped tests never get there."""
        named = any(name == "vlm_model" for name, _ in report.user_properties)
        judged = hasattr(report, "wasxfail") or any(name == UNSURE for name, _ in report.user_properties)
        if report.when == "call" and named and (judged or not report.skipped):
            self._state.ran = True
        if any(name == COMPARED for name, _ in report.user_properties):
            self._state.compared = True


@pytest.hookimpl(wrapper=True)
def pytest_pyfunc_call(pyfuncitem: pytest.Function) -> Generator[None, object, object]:
    """Check, after the code of a marked test, the gates that its marker declares."""
    if "vlm" in pyfuncitem.funcargs:
        spec = model_spec(pyfuncitem) or _model(pyfuncitem).info.spec
        pyfuncitem.user_properties.append(("vlm_model", spec))
    result = yield
    if pyfuncitem.get_closest_marker("vlm") is not None:
        _finish(pyfuncitem.config.stash[STATE], pyfuncitem)
    return result


@pytest.hookimpl(tryfirst=True)
def pytest_runtest_makereport(call: pytest.CallInfo[None]) -> None:
    """Take a test that asks a model or a judge itself, in a dry run, for a skipped one."""
    if call.excinfo is not None and isinstance(call.excinfo.value, DryRunError):
        told = str(call.excinfo.value)
        call.excinfo = pytest.CallInfo.from_call(lambda: pytest.skip(told), call.when).excinfo


def check_gates(item: pytest.Function, gates: Iterable[Gate | RegressionGate]) -> None:
    """Hold the model of a test against gates; fail the test, without a traceback, when one does not pass."""
    state = item.config.stash[STATE]
    settings = state.settings_at(item)
    try:
        checked = state.session.check_gates(
            _model(item),
            settings,
            gates,
            test=item.nodeid,
            command=reproduce(item),
            family=state.family(model_spec(item)),
        )
    except DryRunError as dry:
        pytest.skip(str(dry))
    for row in checked.rows:
        against = f", {row.baseline}" if row.baseline else ""
        item.user_properties.append((f"vlm_{row.metric}[{row.condition}{against}]", row.in_short))
        if row.baseline:
            item.user_properties.append((COMPARED, row.baseline))
    _conclude(item, checked.problems, settings.inconclusive)


def _conclude(item: pytest.Function, problems: Problems, inconclusive: Inconclusive) -> None:
    """Fail, skip or warn where a gate of a test does not pass."""
    severe = problems.severe(inconclusive)
    if severe:
        pytest.fail(severe, pytrace=False)
    if not problems.unsure:
        return
    item.user_properties.append((UNSURE, inconclusive))
    if inconclusive == "skip":
        pytest.skip(problems.unsure)
    warnings.warn(InconclusiveWarning(problems.unsure), stacklevel=1)


def reproduce(item: pytest.Function) -> str:
    """The command that runs one test alone, from the folder in which pytest was started."""
    name = item.nodeid.partition("::")[2]
    if item.nodeid.rfind("@") > item.nodeid.rfind("]"):  # pytest-xdist appends "@" and the test's group
        name = name.rpartition("@")[0]
    if item.module.__name__.startswith(SUITE):
        target = ["--pyargs", f"{item.module.__name__}::{name}"]
    else:
        target = [f"{os.path.relpath(item.path, item.config.invocation_params.dir)}::{name}"]
    spec = model_spec(item)
    settings = replace(item.config.stash[STATE].settings, model=(spec,) if spec else ())
    marked = item.get_closest_marker("vlm") is not None
    always = () if marked else ("dataset", "limit", "seed")
    return shlex.join(["pytest", *target, *options.options_for(settings, always=always)])


def _finish(state: State, item: pytest.Function) -> None:
    gates = marked_gates(state, item)
    if gates:
        check_gates(item, gates)
    elif is_own(item) and item.nodeid not in state.used and "vlm" not in _arguments(item.function):
        pytest.fail(
            "this test is marked with @pytest.mark.vlm(...), but evaluated nothing under its marker: request "
            "vlm_run, or call vlm_evaluate in the test itself (the marker of a test does not reach into a "
            "fixture of wider scope)",
            pytrace=False,
        )


def _model(item: pytest.Function) -> Model:
    model: Model = item.funcargs["vlm"]  # type: ignore[assignment]
    return model


def _arguments(function: Any) -> set[str]:
    return set(inspect.signature(function).parameters)
