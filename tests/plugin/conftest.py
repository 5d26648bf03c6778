from __future__ import annotations

import json
from collections.abc import Callable
from contextlib import closing
from importlib import import_module
from pathlib import Path

# The inner sessions of pytester restore sys.modules; what cannot be imported twice has to be there before.
import numpy as np  # noqa: F401
import PIL.Image  # noqa: F401
import pytest
import scipy.stats  # noqa: F401

import pytest_vlmrobust
from pytest_vlmrobust import evaluate, load_model, load_samples

ROOT = Path(pytest_vlmrobust.__file__).parent
SLOW = ("models/transformers/", "models/openai/", "remote/", "judges/served.py")

# What an inner session loads itself is forgotten at its end, and loaded again by the next one.
for path in ROOT.rglob("*.py"):
    inner = path.relative_to(ROOT)
    if not inner.as_posix().startswith(("suite/", *SLOW)):
        import_module(".".join(("pytest_vlmrobust", *inner.with_suffix("").parts)).removesuffix(".__init__"))

STAGE = '''
"""Scripted models that know the truth about the drawn scenes, and what they do with it."""

import functools
import pathlib

from pytest_vlmrobust import Answer, ScriptedModel, load_samples
from pytest_vlmrobust.datasets.shapes import shapes_sample
from pytest_vlmrobust.models.scripted import reply


@functools.cache
def _right_letter(name):
    """Look up the right letter: of a drawn scene, or in the .jsonl files that lie about."""
    if name.startswith("shapes-test-"):
        seed, index = name.split("-")[2:]
        return shapes_sample(int(index), seed=int(seed)).answer_letter
    files = pathlib.Path.cwd().glob("**/*.jsonl")
    return next(s.answer_letter for file in files for s in load_samples(str(file)) if s.id == name)


def _scripted(choose, sure=0.97):
    def answer(prompt):
        right = _right_letter(prompt.sample_id)
        thought, letter = choose(prompt, right)
        rest = (1 - sure) / (len(prompt.letters) - 1)
        return Answer(
            text=reply(letter, f"So the answer is {thought}.", prompt=prompt),
            letter_probs=tuple(sure if other == letter else rest for other in prompt.letters),
            letter_mass=0.99,
            tokens=12,
        )

    return ScriptedModel(answer)


def grounded():
    return _scripted(lambda prompt, right: (right, right))


def gullible():
    """Believes what it is told."""
    return _scripted(lambda prompt, right: (prompt.planted or right, prompt.planted or right))


def unfaithful():
    """Says what it is told, and answers what it sees."""
    return _scripted(lambda prompt, right: (prompt.planted or right, right))


def hasty():
    """Cannot do without reasoning."""
    return _scripted(lambda prompt, right: (right, _other(prompt, right) if prompt.thought_closed else right))


def _other(prompt, letter):
    return next(other for other in prompt.letters if other != letter)


def mumbling():
    return ScriptedModel(lambda prompt: "Hm, hard to say.")


def counting():
    """Says how many prompts it is asked."""
    model = grounded()

    class Counting(ScriptedModel):
        def answer(self, prompts):
            print("ASKED", len(prompts), sorted({prompt.condition for prompt in prompts}))
            return model.answer(prompts)

        def close(self):
            print("CLOSED")

    return Counting({})


def broken():
    raise RuntimeError("the disk is on fire")


def failing():
    """Loads, and then cannot answer."""
    return ScriptedModel({})
'''
"""A module with one model for each way of behaving."""

INI = """
[pytest]
pythonpath = .
filterwarnings = error
addopts = -p no:hypothesispytest -p no:anyio
"""


@pytest.fixture
def stage(pytester: pytest.Pytester) -> pytest.Pytester:
    """A folder with scripted models, such as ``--vlm-model=stage:gullible``, and few samples."""
    pytester.makepyfile(stage=STAGE)
    pytester.makeini(f"{INI}vlm_limit = 10\n")
    return pytester


@pytest.fixture(scope="session")
def torch_loaded() -> None:
    """PyTorch, Transformers and what a bundled model loads of them, so that inner sessions find them loaded.

    They cannot be loaded twice in one process, and what an inner session loads is forgotten at its end; in a
    process of its own each session would take seconds to load them.
    """
    with closing(load_model("bundled:grounded")) as model:
        evaluate(model, load_samples("shapes", limit=1))


@pytest.fixture
def ini(stage: pytest.Pytester) -> Callable[..., str]:
    """Write the ini file anew, with lines of its own."""
    return lambda *lines: str(stage.makeini("\n".join([INI, *lines, ""])))


MATES = '''
import pathlib

from mates import Mates

LOG = pathlib.Path.cwd() / "computed.jsonl"


def mates():
    return Mates(log=LOG)


def others():
    return Mates(log=LOG, version="2")


def slow():
    """Computes two batches, and then takes long."""
    return Mates(log=LOG, seconds=60, fast=2)
'''
"""A module with models whose replies can be kept."""


@pytest.fixture
def kept(stage: pytest.Pytester) -> pytest.Pytester:
    """The stage with a model whose replies can be kept, ``--vlm-model=models:mates``, and a test of it."""
    source = Path(__file__).parents[1] / "unit" / "mates.py"
    stage.makepyfile(mates=source.read_text(encoding="utf-8"), models=MATES)
    stage.makepyfile(test_it="def test_it(vlm_run): pass")
    return stage


@pytest.fixture
def computed(kept: pytest.Pytester) -> Callable[[], int]:
    """How many replies were computed since it was last asked."""
    log = kept.path / "computed.jsonl"

    def count() -> int:
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
        log.unlink(missing_ok=True)
        return sum(len(batch) for what, batch in map(json.loads, lines) if what == "computes")

    return count
