"""While tests are collected: one test for each model, and everything wrong refused before a model loads."""

from __future__ import annotations

import sys
from collections.abc import Sequence

import pytest

from pytest_vlmrobust import options
from pytest_vlmrobust.errors import StoreError, UsageError
from pytest_vlmrobust.plugin.comparing import TREND
from pytest_vlmrobust.plugin.fixtures import NO_MODEL
from pytest_vlmrobust.plugin.marks import is_own, marked_gates, model_spec, names_a_gate, parametrizes_model
from pytest_vlmrobust.plugin.running import SUITE, Tracker
from pytest_vlmrobust.plugin.state import STATE, State, is_worker, shown, worker_output

_FIXTURES = {
    "vlm",
    "vlm_ask",
    "vlm_baselines",
    "vlm_evaluate",
    "vlm_judge",
    "vlm_perturb",
    "vlm_run",
    "vlm_samples",
    "vlm_trend",
}


@pytest.hookimpl(tryfirst=True)
def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Run a test once for each model; a test that declares gates needs one, even if it names no fixture."""
    if "vlm" not in metafunc.fixturenames and not names_a_gate(metafunc.definition):
        return
    if parametrizes_model(metafunc.definition):
        return
    state = metafunc.config.stash[STATE]
    try:
        settings = state.settings_at(metafunc.definition)
    except UsageError:
        return  # raised again below, where pytest takes it for a usage error
    from pytest_vlmrobust.session import model_requests

    requests = model_requests(settings)
    if "vlm" not in metafunc.fixturenames:
        metafunc.fixturenames.append("vlm")
    if requests:
        ids = [request.spec for request in requests]
        metafunc.parametrize("vlm", requests, ids=ids, indirect=True, scope="session")


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(config: pytest.Config, items: list[pytest.Item]) -> None:
    """Check every name that was given; by now the conftest files have registered theirs."""
    state = config.stash[STATE]
    # First, while no model is held: each of them is loaded in turn where it has to be.
    items.sort(key=lambda item: TREND not in getattr(item, "fixturenames", ()))
    try:
        _check_session(config, state)
        _check_items(config, state, items)
    except (UsageError, StoreError) as error:
        if not is_worker(config):
            raise pytest.UsageError(shown(error)) from None
        # A worker of pytest-xdist that raises here takes the whole session down with a traceback.
        worker_output(config)["vlmrobust_usage_error"] = shown(error)
        items.clear()


def pytest_collection_finish(session: pytest.Session) -> None:
    """With --vlm-familywise, take down the gates of all tests that are left: they are judged together."""
    state = session.config.stash[STATE]
    if not state.settings.familywise:
        return
    for item in session.items:
        if item.get_closest_marker("vlm") is not None:
            settings = state.settings_at(item)
            state.declare(model_spec(item), [(settings, gate) for gate in marked_gates(state, item)])


def _check_session(config: pytest.Config, state: State) -> None:
    options.check_names(options.ini_layer(config), state.settings, options.as_ini(config))
    options.check_names(options.command_line_layer(config), state.settings, options.as_flag)


def _check_items(config: pytest.Config, state: State, items: Sequence[pytest.Item]) -> None:
    concerned = False
    for item in items:
        names = getattr(item, "fixturenames", [])
        marked = item.get_closest_marker("vlm") is not None
        if not marked and _FIXTURES.isdisjoint(names):
            continue
        concerned = True
        if marked:
            _check_marked(state, item, names)
    _check_suite(config, state, items)
    if any(map(model_spec, items)):
        from pytest_vlmrobust.plugin.keeping import check_store

        check_store(state.settings)
    if concerned:
        config.pluginmanager.register(Tracker(state), "vlmrobust-tracker")


def _check_suite(config: pytest.Config, state: State, items: Sequence[pytest.Item]) -> None:
    """The ready-made tests need a model, and every gate that was asked for has to have one of them."""
    own = [i for i in items if isinstance(i, pytest.Function) and i.module.__name__.startswith(SUITE)]
    if not own:
        return
    if not state.settings.model or not all(model_spec(i) or TREND in i.fixturenames for i in own):
        raise UsageError(NO_MODEL)
    from pytest_vlmrobust.conditions import resolve_conditions
    from pytest_vlmrobust.declared import gated_conditions

    conditions = resolve_conditions(state.settings.conditions)
    if state.settings.baseline or state.settings.max_regression:
        from pytest_vlmrobust.declared_baselines import check_planned

        check_planned(state.settings, conditions)
    asked = {**options.ini_layer(config), **options.command_line_layer(config)}
    for name in options.GATE_KEYS:
        threshold = getattr(state.settings, name)
        if name in asked and threshold is not None and not gated_conditions(name, conditions):
            raise UsageError(
                f"{options.BY_NAME[name].flag}={threshold:g} holds for none of the conditions "
                f"{', '.join(conditions)}; switch it off or run others"
            )


def _check_marked(state: State, item: pytest.Item, names: list[str]) -> None:
    try:
        layer = options.marker_layer(item.iter_markers("vlm"))
        settings = state.settings_at(item)
        options.check_names(layer, settings, options.as_marked)
        if marked_gates(state, item):
            _need_function(item)
            _check_family(state.settings, settings)
            names += [name for name in ("vlm", "vlm_run") if name not in names]
        elif is_own(item) and _FIXTURES.isdisjoint(names):
            raise UsageError(
                "@pytest.mark.vlm would check nothing: the test uses no vlm fixture, and the marker "
                f"declares no gate; request vlm_run, or declare one of {', '.join(options.GATE_KEYS)}"
            )
    except UsageError as error:
        raise UsageError(f"{item.nodeid}: {error}") from None


def _check_family(session: options.Settings, here: options.Settings) -> None:
    if session.familywise and (here.gate, here.confidence) != (session.gate, session.confidence):
        raise UsageError(
            "@pytest.mark.vlm: --vlm-familywise judges all gates together, so gate and confidence hold for "
            "the whole session; leave them out of the marker"
        )


def _need_function(item: pytest.Item) -> None:
    unittest = sys.modules.get("unittest")  # where it is not loaded, no test can come from it
    case = getattr(item, "cls", None) or object
    if not isinstance(item, pytest.Function) or (unittest and issubclass(case, unittest.TestCase)):
        raise UsageError("@pytest.mark.vlm with a gate needs a test function of pytest, not one of unittest")
