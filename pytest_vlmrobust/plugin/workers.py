"""Working with pytest-xdist: results travel to the controller, and a model stays on one worker."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import pytest

from pytest_vlmrobust.plugin.state import STATE


@pytest.hookimpl(optionalhook=True)
def pytest_xdist_make_scheduler(config: pytest.Config, log: Any) -> Any:
    """With ``-n`` alone, give all tests of a model to one worker: else each worker would load it.

    Any other ``--dist`` is the user's own choice, and stays.
    """
    specs = config.stash[STATE].settings.model
    if not specs or config.getvalue("dist") != "load":
        return None
    from xdist.scheduler import LoadScopeScheduling  # type: ignore[import-untyped]

    class ByModel(LoadScopeScheduling):  # type: ignore[misc]
        """Distributes tests one by one, but for those of one model."""

        def _split_scope(self, nodeid: str) -> str:
            return model_in(nodeid, specs) or nodeid

    return ByModel(config, log)


@pytest.hookimpl(optionalhook=True)
def pytest_testnodedown(node: Any) -> None:
    """Take in what a worker has measured."""
    output = getattr(node, "workeroutput", {})
    state = node.config.stash[STATE]
    state.usage_error = output.get("vlmrobust_usage_error", "") or state.usage_error
    state.note_store(output.get("vlmrobust_store_problem", ""))
    state.add_text(output.get("vlmrobust", ""))
    state.add_claims(output.get("vlmrobust_claims", ""))
    state.add_plan(output.get("vlmrobust_plan", ""))
    state.add_costs(output.get("vlmrobust_costs", ""))


def model_in(nodeid: str, specs: Iterable[str]) -> str:
    """The model that a node id names, or "".

    >>> model_in("test_a.py::test_drop[bundled:gullible-wrong-caption]", ["bundled:gullible"])
    'bundled:gullible'
    """
    parameters = nodeid.rpartition("::")[2].partition("[")[2]
    named = [spec for spec in specs if parameters.startswith((f"{spec}-", f"{spec}]"))]
    return max(named, key=len, default="")
