from __future__ import annotations

from typing import TYPE_CHECKING

import pytest
from hypothesis import HealthCheck, settings

if TYPE_CHECKING:
    from tests.unit.opened_models import Models

# A law holds or it does not; how fast it is drawn and checked depends on what else the machine does.
settings.register_profile("laws", deadline=None, suppress_health_check=[HealthCheck.too_slow])
settings.load_profile("laws")


@pytest.fixture(scope="session")
def models(tmp_path_factory: pytest.TempPathFactory) -> Models:
    """Random models by name, each opened when it is first asked for."""
    from tests.unit.opened_models import Models

    return Models(tmp_path_factory)
