"""One test session: what it asks of models, and what it knows afterwards.

The glue between pytest's hooks (in `plugin`) and the functions that do the work. pytest's objects
come in as arguments; nothing of pytest is imported.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, dataclass, fields, replace
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_vlmrobust.conditions import resolve_conditions
from pytest_vlmrobust.core.documents import report_document
from pytest_vlmrobust.core.explain import explain_gates
from pytest_vlmrobust.core.gates import Gate, Outcome, check
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.datasets.registry import load_samples
from pytest_vlmrobust.errors import DryRunError, EvaluationInterrupted, VacuousError
from pytest_vlmrobust.evaluation import evaluate
from pytest_vlmrobust.judges import Judge, close_judge, load_judge
from pytest_vlmrobust.judges.preflight import Preflight, check_preflight, preflight
from pytest_vlmrobust.judges.specs import RULES
from pytest_vlmrobust.judges.texts import LocalOptions
from pytest_vlmrobust.models.base import Model
from pytest_vlmrobust.models.registry import load_model
from pytest_vlmrobust.options import Settings
from pytest_vlmrobust.planning import DRY, Plan, PlannedModel
from pytest_vlmrobust.prompting import Prompts
from pytest_vlmrobust.remote.options import RemoteOptions
from pytest_vlmrobust.runs import GateRow, ModelRequest, RunKey, Runs, free_name

if TYPE_CHECKING:
    from pytest_vlmrobust.store import Store

Progress = Callable[[str], Any]
"""Given a title, opens a context manager that yields ``progress(done, total, stored)``."""

_LIBRARIES = ("pytest-vlmrobust", "pytest", "torch", "transformers", "numpy", "pillow")


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What the gates of one test said; ``failure`` is "" when all of them passed."""

    rows: Sequence[GateRow]
    failure: str


class Session:
    """Loads models, makes evaluations once, checks gates, and keeps what came of it."""

    def __init__(
        self,
        *,
        command: str,
        progress: Progress,
        threads: int | None = None,
        store: Path | None = None,
        remote: RemoteOptions | None = None,
        plan: Plan | None = None,
    ) -> None:
        """Start with nothing measured.

        Args:
            command: the command that started the session.
            progress: shows how far an evaluation is.
            threads: CPU threads of a model; by default PyTorch's own choice.
            store: where replies are kept; opened, and made, with the first model. None keeps none.
            remote: how servers are asked.
            plan: takes down what would be asked, and nothing is asked; None to ask.
        """
        self.runs = Runs()
        self._command = command
        self._progress = progress
        self._threads = threads
        self._remote = remote or RemoteOptions()
        self._plan = plan
        self._loaded: dict[int, ModelRequest] = {}
        self._own: list[tuple[Model, ModelRequest]] = []
        self._samples: dict[tuple[str, int, int], Sequence[Sample]] = {}
        self._judges: dict[tuple[str, str], tuple[Judge, list[Preflight]]] = {}
        self._store_path = store
        self._store: Store | None = None

    @property
    def store_problem(self) -> str:
        """Why something that should have been kept was not, or ""."""
        return self._store.problem if self._store is not None and self._store.lost else ""

    def load(self, request: ModelRequest) -> Model:
        """Load a model, and remember what was asked for.

        Raises:
            UsageError, ModelError, StoreError: it cannot be loaded, or the store is damaged.
        """
        options = asdict(request)
        spec = options.pop("spec")
        model: Model
        if self._plan is not None:
            model = PlannedModel(spec, self._plan, max_new_tokens=request.max_new_tokens)
        else:
            store = self._opened_store()
            model = load_model(spec, threads=self._threads, store=store, remote=self._remote, **options)
        self._loaded[id(model)] = request
        return model

    def release(self, model: Model) -> None:
        """Free a model that was loaded here."""
        del self._loaded[id(model)]  # another object may get the same id
        model.close()

    def samples(self, settings: Settings) -> Sequence[Sample]:
        """The samples that settings ask for, loaded once."""
        key = (settings.dataset, settings.limit, settings.seed)
        if key not in self._samples:
            self._samples[key] = tuple(
                load_samples(settings.dataset, limit=settings.limit, seed=settings.seed)
            )
        return self._samples[key]

    def judge(self, settings: Settings) -> Judge:
        """The judge that settings ask for, made and measured once.

        Raises:
            JudgeError: it agrees too little with the labelled thoughts, or gives no verdicts.
            UsageError, ModelError, StoreError: it cannot be loaded, or the store is damaged.
        """
        judge, results = self._measured(settings)
        check_preflight(results, settings.min_judge_kappa)
        return judge

    def judge_preflight(self, settings: Settings) -> list[Preflight]:
        """How the judge that settings ask for did on the labelled thoughts.

        Raises:
            UsageError, ModelError, StoreError: as `judge`.
        """
        return self._measured(settings)[1]

    def _measured(self, settings: Settings) -> tuple[Judge, list[Preflight]]:
        key = settings.judge, settings.device
        if key not in self._judges:
            local = LocalOptions(device=settings.device, threads=self._threads)
            store = self._opened_store()
            judge = load_judge(settings.judge, local=local, remote=self._remote, store=store)
            self._judges[key] = judge, [] if self._plan is not None else self._preflight(judge, store)
        return self._judges[key]

    def _preflight(self, judge: Judge, store: Store | None) -> list[Preflight]:
        if judge.name == RULES:  # no time to show anything
            return preflight(judge, store)
        with self._progress(f"judge {judge.name} on labelled thoughts") as progress:
            return preflight(judge, store, report=progress)

    def key(self, model: Model, settings: Settings) -> RunKey:
        """What the answers of a model under these settings depend on."""
        return RunKey(
            model=self._loaded.get(id(model)) or self._request_of_own(model),
            dataset=settings.dataset,
            limit=settings.limit,
            seed=settings.seed,
            judge=settings.judge,
        )

    def evaluate(self, model: Model, settings: Settings) -> Evaluation:
        """Evaluate a model, or return what is known of it already.

        Raises:
            EvaluationInterrupted: Ctrl-C; what was finished is kept, marked as incomplete.
            JudgeError: the judge is not to be trusted.
            VlmRobustError: as `pytest_vlmrobust.evaluation.evaluate`.
        """
        key = self.key(model, settings)
        if self._plan is not None:
            self._count(self._plan, key, settings)
        judge = self.judge(settings)

        def measure(conditions: tuple[str, ...]) -> Evaluation:
            samples, store = self.samples(settings), self._opened_store()
            try:
                with self._progress(f"{key.model.spec} on {key.dataset}") as progress:
                    return evaluate(
                        model,
                        samples,
                        conditions,
                        judge=judge,
                        seed=settings.seed,
                        store=store,
                        dataset=settings.dataset,
                        progress=progress,
                        context=self._context(key.model, self.judge_preflight(settings)),
                    )
            except EvaluationInterrupted as stopped:
                if stopped.evaluation is not None:
                    self.runs.add(key, stopped.evaluation)
                raise

        return self.runs.get(key, resolve_conditions(settings.conditions), measure)

    def check_gates(
        self, model: Model, settings: Settings, gates: Iterable[Gate], *, test: str, command: str
    ) -> Checked:
        """Hold a model against gates, and keep what they said.

        Args:
            model: the model.
            settings: what is run.
            gates: the gates.
            test: node id of the test that declares them.
            command: the command that runs that test alone.
        """
        run, key = self.evaluate(model, settings), self.key(model, settings)
        rows: list[GateRow] = []
        outcomes: list[Outcome] = []
        texts: list[str] = []
        for gate in gates:
            outcome = None
            try:
                outcome = check(run, gate, max_unscored_rate=settings.max_unscored_rate)
                outcomes.append(outcome)
            except VacuousError as error:
                texts.append(str(error))
            row = _row(key, gate, outcome, test)
            rows.append(replace(row, approximate=gate.condition in run.approximate))
        if not all(outcome.passed for outcome in outcomes):
            texts.append(explain_gates(run, outcomes, command=command))
        self.runs.gates += rows
        return Checked(rows=rows, failure="\n\n".join(texts))

    def document(self) -> dict[str, Any]:
        """The whole session as a report, schema vlmrobust/1."""
        gates = [_gate_entry(row) for row in self.runs.gates]
        context = {"created": _now(), "command": self._command, "gates": gates}
        return report_document([run for _, run in self.runs], context)

    def close(self) -> None:
        """Free the judges, and close the store."""
        for judge, _ in self._judges.values():
            close_judge(judge)
        if self._store is not None:
            self._store.close()

    def _count(self, plan: Plan, key: RunKey, settings: Settings) -> NoReturn:
        """Take down what an evaluation would ask, and ask nothing."""
        conditions = resolve_conditions(settings.conditions)
        plan.add(
            model=key.model.spec,
            dataset=key.dataset,
            prompts=Prompts(self.samples(settings), conditions, settings.seed),
            max_new_tokens=key.model.max_new_tokens,
        )
        raise DryRunError(DRY)

    def _opened_store(self) -> Store | None:
        if self._store is None and self._store_path is not None and self._plan is None:
            from pytest_vlmrobust.store import Store

            self._store = Store.open(self._store_path)
        return self._store

    def _request_of_own(self, model: Model) -> ModelRequest:
        """Name a model that a fixture of the user's own has put in the place of ours.

        Two such models may call themselves the same, and must not share their answers.
        """
        for known, request in self._own:
            if known is model:
                return request
        taken = [request.spec for _, request in self._own]
        request = ModelRequest(spec=free_name(model.info.spec, taken))
        self._own.append((model, request))
        return request

    def _context(self, request: ModelRequest, measured: list[Preflight]) -> dict[str, Any]:
        price = self._remote.budget.price
        return {
            "request": asdict(request),
            "judge_preflight": [result.to_json() for result in measured],
            **({"price": {"in": price.tokens_in, "out": price.tokens_out}} if price else {}),
            "created": _now(),
            "command": self._command,
            "versions": _versions(),
            "platform": platform.platform(),
        }


def model_requests(settings: Settings) -> list[ModelRequest]:
    """The models that settings ask for."""
    names = {field.name for field in fields(ModelRequest)} - {"spec"}
    options = {name: getattr(settings, name) for name in names}
    return [ModelRequest(spec=spec, **options) for spec in settings.model]


def _row(key: RunKey, gate: Gate, outcome: Outcome | None, test: str) -> GateRow:
    return GateRow(
        key=key,
        metric=gate.metric,
        condition=gate.condition,
        bound=gate.bound,
        threshold=gate.threshold,
        value=None if outcome is None else outcome.figure.value,
        verdict="error" if outcome is None else outcome.verdict,
        test=test,
    )


def _gate_entry(row: GateRow) -> dict[str, Any]:
    entry = asdict(row)
    key, approximate = entry.pop("key"), entry.pop("approximate")
    entry |= {"approximate": True} if approximate else {}
    return {"model": key["model"]["spec"], "dataset": key["dataset"], "seed": key["seed"], **entry}


def _now() -> str:
    return datetime.now(UTC).isoformat(timespec="seconds")


def _versions() -> dict[str, str]:
    versions = {"python": platform.python_version()}
    for name in _LIBRARIES:
        try:
            versions[name] = importlib.metadata.version(name)
        except importlib.metadata.PackageNotFoundError:  # run from a checkout that is not installed
            continue
    return versions
