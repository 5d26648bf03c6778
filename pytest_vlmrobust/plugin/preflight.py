"""Measures the judge instead of running tests: ``--vlm-judge-preflight``."""

from __future__ import annotations

import pytest

from pytest_vlmrobust import options
from pytest_vlmrobust.errors import StoreError, UsageError, VlmRobustError
from pytest_vlmrobust.plugin.keeping import check_store
from pytest_vlmrobust.plugin.state import State


def measure_judge(config: pytest.Config, settings: options.Settings) -> pytest.ExitCode:
    """Print how the judge did on the labelled thoughts.

    Returns:
        The exit code of the session: OK where the judge is to be trusted, else TESTS_FAILED.

    Raises:
        UsageError: the judge's spec is wrong.
        StoreError: the store is damaged.
    """
    from pytest_vlmrobust.judges.preflight import check_preflight
    from pytest_vlmrobust.judges.telling import preflight_lines, wanted

    options.check_names({"judge": settings.judge}, settings, options.as_flag)
    check_store(settings)
    state = State(config, settings)
    try:
        results = state.session.judge_preflight(settings)
        for result in results:
            print("\n".join(preflight_lines(result)))
        if state.costs:
            print(state.costs)
        check_preflight(results, settings.min_judge_kappa)
    except (UsageError, StoreError):
        raise
    except VlmRobustError as error:
        print(f"ERROR: {str(error).splitlines()[0]}")
        return pytest.ExitCode.TESTS_FAILED
    if settings.min_judge_kappa is not None:
        print(f"trusted: every kappa is {wanted(settings.min_judge_kappa)}")
    return pytest.ExitCode.OK
