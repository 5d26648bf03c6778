"""The fixtures that tests of models use."""

from __future__ import annotations

import traceback
from collections.abc import Callable, Iterator, Sequence
from dataclasses import replace
from typing import TYPE_CHECKING

import pytest

from pytest_vlmrobust.errors import DryRunError, UsageError, VlmRobustError
from pytest_vlmrobust.plugin.state import STATE, State

if TYPE_CHECKING:
    from pytest_vlmrobust.core.prompts import Prompt
    from pytest_vlmrobust.core.records import Evaluation, Record
    from pytest_vlmrobust.core.samples import Sample
    from pytest_vlmrobust.judges import Judge
    from pytest_vlmrobust.models.base import Model
    from pytest_vlmrobust.runs import ModelRequest

NO_MODEL = "no model to test: pass --vlm-model, such as --vlm-model=bundled:grounded"


@pytest.fixture(scope="session")
def vlm(request: pytest.FixtureRequest) -> Iterator[Model]:
    """The model under test: loaded once, freed when its last test is done.

    Named by --vlm-model, the ini key vlm_model or @pytest.mark.vlm(model=...). With several models
    each test runs once for each, the spec in its id. Without any the test is skipped, or is an
    error under --vlm-require. A model that was asked for and cannot be loaded is an error.
    """
    state = request.config.stash[STATE]
    wanted = _wanted(state, getattr(request, "param", None))
    if wanted is None:
        if state.settings.require:
            pytest.fail(f"{NO_MODEL} (--vlm-require makes this an error)", pytrace=False)
        pytest.skip(NO_MODEL)
    problem = ""
    try:
        model = state.session.load(wanted)
    except VlmRobustError as error:
        problem = told(error)
    if problem:  # outside of the handler, so that pytest shows no chain of tracebacks
        pytest.fail(problem, pytrace=False)
    yield model
    state.session.release(model)


def told(error: VlmRobustError) -> str:
    """The message of an error, and the place in the user's code that caused it."""
    cause = error.__cause__
    frames = traceback.extract_tb(cause.__traceback__) if cause else []
    if not frames:
        return str(error)
    where = frames[-1]
    return f"{error}\n  raised at {where.filename}:{where.lineno}, in {where.name}"


def _wanted(state: State, param: ModelRequest | str | None) -> ModelRequest | None:
    """The model that a test was parametrized with, or the only one there is."""
    from pytest_vlmrobust.session import model_requests

    if param is not None and not isinstance(param, str):
        return param
    settings = state.settings if param is None else replace(state.settings, model=(param,))
    requests = model_requests(settings)
    if len(requests) > 1:
        pytest.fail(
            "several models were asked for, and this test got its model by request.getfixturevalue(): "
            "name the fixture as an argument, so that the test runs once for each model",
            pytrace=False,
        )
    return requests[0] if requests else None


@pytest.fixture(scope="session")
def vlm_evaluate(request: pytest.FixtureRequest, vlm: Model) -> Callable[..., Evaluation]:
    """Callable that evaluates the model and returns an Evaluation.

    vlm_evaluate(dataset=..., conditions=..., limit=..., seed=..., judge=..., plant=...) returns an
    Evaluation for the assert_* functions. What is left out comes from the test's marker, the
    command line or the ini file. An answer is asked for once in a session: calls that agree in data
    set, limit, seed, judge and plant share it, in whatever test or fixture they stand.
    """
    state = request.config.stash[STATE]

    def evaluate(
        *,
        dataset: str | None = None,
        conditions: str | Sequence[str] | None = None,
        limit: int | None = None,
        seed: int | None = None,
        judge: str | None = None,
        plant: str | None = None,
    ) -> Evaluation:
        __tracebackhide__ = True
        given = {
            "dataset": dataset,
            "conditions": conditions,
            "limit": limit,
            "seed": seed,
            "judge": judge,
            "plant": plant,
        }
        state.note_use()
        arguments = {name: value for name, value in given.items() if value is not None}
        try:
            return state.session.evaluate(state.model_here(vlm), state.settings_here(arguments))
        except DryRunError as dry:
            pytest.skip(str(dry))
        except VlmRobustError as error:
            raise error.with_traceback(None) from error.__cause__

    return evaluate


@pytest.fixture
def vlm_run(vlm_evaluate: Callable[..., Evaluation]) -> Evaluation:
    """The Evaluation that the marker, the command line and the ini file ask for.

    The same as vlm_evaluate() in the test itself.
    """
    try:
        return vlm_evaluate()
    except VlmRobustError as error:
        problem = told(error)
    pytest.fail(problem, pytrace=False)


@pytest.fixture
def vlm_samples(request: pytest.FixtureRequest) -> Sequence[Sample]:
    """The samples that the marker, the command line and the ini file ask for; needs no model."""
    state = request.config.stash[STATE]
    state.note_use()
    return state.session.samples(state.settings_here({}))


@pytest.fixture
def vlm_perturb(request: pytest.FixtureRequest) -> Callable[[Sample, str], Prompt]:
    """Callable that applies a condition to a sample; needs no model.

    vlm_perturb(sample, "wrong-caption") returns a Prompt. The seed is the one that an evaluation in
    this test would use, so that the planted option is the same. A third argument is the index of the
    wrong option to plant; without a model, there is no runner-up.
    """
    from pytest_vlmrobust.conditions import get_condition, perturb

    state = request.config.stash[STATE]
    settings = state.settings_here({})

    def apply(sample: Sample, condition: str, planted: int | None = None) -> Prompt:
        state.note_use()
        if planted is None and settings.plant != "random" and get_condition(condition).plants == "wrong":
            raise UsageError(
                f"vlm_perturb cannot know what plant={settings.plant!r} chooses for {condition!r}: that "
                "takes a model's answers; use vlm_ask, or name the option: "
                "vlm_perturb(sample, condition, planted=1)"
            )
        return perturb(sample, condition, seed=settings.seed, planted=planted)

    return apply


@pytest.fixture
def vlm_judge(request: pytest.FixtureRequest) -> Judge:
    """The judge of reasoning that --vlm-judge names."""
    state = request.config.stash[STATE]
    try:
        return state.session.judge(state.settings_here({}))
    except VlmRobustError as error:
        problem = told(error)
    pytest.fail(problem, pytrace=False)


@pytest.fixture
def vlm_ask(request: pytest.FixtureRequest, vlm: Model, vlm_judge: Judge) -> Callable[..., Record]:
    """Callable that asks the model one question.

    vlm_ask(sample, condition="base") returns a Record: the reply, the letter that was read in it, the
    reasoning and the judge's verdict.
    """
    from pytest_vlmrobust.evaluation import ask

    state = request.config.stash[STATE]
    settings = state.settings_here({})

    def ask_here(sample: Sample, condition: str = "base") -> Record:
        __tracebackhide__ = True
        state.note_use()
        try:
            return ask(vlm, sample, condition, judge=vlm_judge, seed=settings.seed, plant=settings.plant)
        except DryRunError as dry:
            pytest.skip(str(dry))

    return ask_here
