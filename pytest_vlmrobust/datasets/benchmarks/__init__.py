"""Public benchmarks, read from their official files: one module for each, which is a table of facts."""

from __future__ import annotations

from importlib import import_module
from typing import TYPE_CHECKING

from pytest_vlmrobust.errors import unknown_name

if TYPE_CHECKING:
    from pytest_vlmrobust.datasets.benchmarks.facts import Benchmark

SUMMARIES = {
    "3dsrbench": "3D spatial reasoning, with mirrored images and turned options (Ma et al. 2024)",
    "cv-bench": "counts, relations, depth and distance, in 2D and 3D (Tong et al. 2024)",
    "spatial-mm": "where things are, seen by the camera or by a person (Shiri et al. 2024)",
    "whatsup": "which caption has the right preposition (Kamath et al. 2023)",
    "vstar": "small things in large images: V*Bench (Wu and Xie 2023)",
    "mmbench": "abilities of all kinds, in every order of the options; dev, English (Liu et al. 2023)",
    "mme-realworld-lite": "details in large images of five domains (Zhang et al. 2024)",
    "sat": "spatial aptitude, also of motion and actions, with one image or two (Ray et al. 2024)",
    "pixmo-count": "how many there are, in photos from the web (Deitke et al. 2024)",
    "geometry3k": "plane geometry with a diagram (Lu et al. 2021)",
    "mmstar": "questions that need the image, on eighteen axes (Chen et al. 2024)",
    "blink": "fourteen tasks of seeing, with one to four images; validation (Fu et al. 2024)",
    "realworldqa": "photos, many of them from vehicles (xAI 2024)",
    "hallusionbench": "yes or no about figures and altered ones (Guan et al. 2023)",
}
"""Every benchmark by name, with one line for lists."""

_MODULES = {"3dsrbench": "threedsrbench"}
"""The modules that cannot have the name of their benchmark, but for hyphens."""


def benchmark(name: str) -> Benchmark:
    """Return the facts about a benchmark.

    Raises:
        UsageError: there is none of that name.

    >>> benchmark("cv-bench").hub
    'nyu-visionx/CV-Bench'
    """
    if name not in SUMMARIES:
        raise unknown_name("benchmark", name, SUMMARIES)
    module = _MODULES.get(name, name.replace("-", "_"))
    found: Benchmark = import_module(f"{__name__}.{module}").BENCHMARK
    return found
