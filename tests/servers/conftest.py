"""Real servers, in environments of their own: `make test-servers` makes these, and says where they are."""

from __future__ import annotations

import os
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.servers.running import Running, transformers_serve, vllm

VLLM, SERVE = "VLMROBUST_VLLM_PYTHON", "VLMROBUST_SERVE_PYTHON"

# Without them this folder is no part of the tests.
collect_ignore_glob = [] if VLLM in os.environ and SERVE in os.environ else ["test_*.py"]


@pytest.fixture(scope="session")
def vllm_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """vLLM on the CPU, with a bundled model."""
    with vllm(Path(os.environ[VLLM]).absolute(), tmp_path_factory.mktemp("vllm")) as running:
        yield running


@pytest.fixture(scope="session")
def serve_server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Running]:
    """The server of transformers, with a bundled model."""
    with transformers_serve(Path(os.environ[SERVE]).absolute(), tmp_path_factory.mktemp("serve")) as running:
        yield running
