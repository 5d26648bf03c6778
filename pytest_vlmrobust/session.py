"""One test session: what it asks of models, and what it knows afterwards.

The glue between pytest's hooks (in `plugin`) and the functions that do the work. pytest's objects
come in as arguments; nothing of pytest is imported.
"""

from __future__ import annotations

import importlib.metadata
import platform
from collections.abc import Callable, Iterable, Sequence
from dataclasses import asdict, fields
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any, NoReturn

from pytest_vlmrobust.checking import Checked, Member, check_all, gate_entry
from pytest_vlmrobust.claiming.files import ClaimRow
from pytest_vlmrobust.claiming.sources import Claimed, ClaimOptions, ClaimSource
from pytest_vlmrobust.claiming.specs import load_writer
from pytest_vlmrobust.claiming.writer import ClaimWriter
from pytest_vlmrobust.conditions import resolve_conditions
from pytest_vlmrobust.core.baselines import RegressionGate
from pytest_vlmrobust.core.documents import report_document
from pytest_vlmrobust.core.gates import Gate
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.core.trends import Trend, check_checkpoints, make_trend
from pytest_vlmrobust.datasets.downloads import Downloads
from pytest_vlmrobust.datasets.registry import Loaded, load_dataset
from pytest_vlmrobust.errors import DryRunError, EvaluationInterrupted
from pytest_vlmrobust.evaluation import evaluate
from pytest_vlmrobust.judges import Judge, close_judge, load_judge
from pytest_vlmrobust.judges.preflight import Preflight, check_preflight, preflight
from pytest_vlmrobust.judges.specs import RULES
from pytest_vlmrobust.judges.texts import LocalOptions
from pytest_vlmrobust.models.base import Model
from pytest_vlmrobust.models.registry import load_model
from pytest_vlmrobust.options import Settings
from pytest_vlmrobust.planning import DRY, Plan, PlannedJudge, PlannedModel, longest_reply
from pytest_vlmrobust.prompting import Prompts
from pytest_vlmrobust.remote.options import RemoteOptions
from pytest_vlmrobust.reports.trends import trends_to_json
from pytest_vlmrobust.runs import ModelRequest, RunKey, Runs, free_name

if TYPE_CHECKING:
    from pytest_vlmrobust.remote.budget import Budget
    from pytest_vlmrobust.store import Store

Progress = Callable[[str], Any]
"""Given a title, opens a context manager that yields ``progress(done, total, stored)``."""

_LIBRARIES = ("pytest-vlmrobust", "pytest", "torch", "transformers", "numpy", "pillow")


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
        claims: ClaimOptions | None = None,
    ) -> None:
        """Start with nothing measured.

        Args:
            command: the command that started the session.
            progress: shows how far an evaluation is.
            threads: CPU threads of a model; by default PyTorch's own choice.
            store: where replies are kept; opened, and made, with the first model. None keeps none.
            remote: how servers are asked.
            plan: takes down what would be asked, and nothing is asked; None to ask.
            claims: where planted sentences come from, besides the rules.
        """
        self.runs = Runs()
        self._command = command
        self._progress = progress
        self._threads = threads
        self._remote = remote or RemoteOptions()
        self._plan = plan
        self._loaded: dict[int, ModelRequest] = {}
        self._own: list[tuple[Model, ModelRequest]] = []
        self._data: dict[tuple[object, ...], Loaded] = {}
        self._judges: dict[tuple[str, str], tuple[Judge, list[Preflight]]] = {}
        self._claims = self._claim_source(claims or ClaimOptions())
        self._claimed: dict[tuple[object, ...], Claimed] = {}
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
            model = PlannedModel(spec, self._plan, max_new_tokens=longest_reply(request))
        else:
            store = self._opened_store()
            model = load_model(spec, threads=self._threads, store=store, remote=self._remote, **options)
        self._loaded[id(model)] = request
        return model

    @property
    def budget(self) -> Budget:
        """What may be spent on servers, and what was."""
        return self._remote.budget

    def release(self, model: Model) -> None:
        """Free a model that was loaded here."""
        del self._loaded[id(model)]  # another object may get the same id
        model.close()

    def samples(self, settings: Settings) -> Sequence[Sample]:
        """The samples that settings ask for, loaded once, with the claims that are to be planted.

        Raises:
            DataError: the data set or the file of claims cannot be used.
            ModelError, StoreError: what writes the claims cannot be loaded, or the store is damaged.
        """
        return self._with_claims(settings).samples

    @property
    def claims(self) -> Sequence[ClaimRow]:
        """The claims of all samples so far, where they are to be exported."""
        return tuple(self._claims.rows.values())

    def add_claims(self, rows: Iterable[ClaimRow]) -> None:
        """Take in the claims of another process."""
        self._claims.add(rows)

    def _with_claims(self, settings: Settings) -> Claimed:
        key = (settings.dataset, settings.limit, settings.seed)
        if key not in self._claimed:
            self._claimed[key] = self._claims.claimed(self.data(settings).samples)
        return self._claimed[key]

    def _claim_source(self, options: ClaimOptions) -> ClaimSource:
        def writer() -> ClaimWriter:
            local = LocalOptions(device=options.device, threads=self._threads)
            return load_writer(
                options.writer or "", local=local, remote=self._remote, store=self._opened_store()
            )

        asks = options.writer is not None and self._plan is None
        return ClaimSource(
            file=options.file,
            writer=writer if asks else None,
            keep=options.keep,
            progress=self._progress,
        )

    def data(self, settings: Settings) -> Loaded:
        """The data set that settings ask for, loaded once."""
        allowed = settings.strict_data, settings.allow_download
        key = (settings.dataset, settings.limit, settings.seed, *allowed)
        if key not in self._data:
            self._data[key] = load_dataset(
                settings.dataset,
                limit=settings.limit,
                seed=settings.seed,
                strict=settings.strict_data,
                downloads=Downloads(allow=settings.allow_download),
            )
        return self._data[key]

    def judge(self, settings: Settings) -> Judge:
        """The judge that settings ask for, made and measured once; in a dry run, one that refuses to judge.

        Raises:
            JudgeError: it agrees too little with the labelled thoughts, or gives no verdicts.
            UsageError, ModelError, StoreError: it cannot be loaded, or the store is damaged.
        """
        if self._plan is not None:
            return PlannedJudge(settings.judge)
        judge, results = self._measured(settings)
        check_preflight(results, settings.min_judge_kappa)
        return judge

    def judge_preflight(self, settings: Settings) -> list[Preflight]:
        """How the judge that settings ask for did on the labelled thoughts.

        Raises:
            UsageError, ModelError, StoreError: as `judge`.
            DryRunError: nothing is asked.
        """
        return self._measured(settings)[1]

    def _measured(self, settings: Settings) -> tuple[Judge, list[Preflight]]:
        if self._plan is not None:
            raise DryRunError(DRY)
        key = settings.judge, settings.device
        if key not in self._judges:
            local = LocalOptions(device=settings.device, threads=self._threads)
            store = self._opened_store()
            judge = load_judge(settings.judge, local=local, remote=self._remote, store=store)
            try:
                self._judges[key] = judge, self._preflight(judge, store)
            except BaseException:
                close_judge(judge)
                raise
        return self._judges[key]

    def _preflight(self, judge: Judge, store: Store | None) -> list[Preflight]:
        if judge.name == RULES:  # no time to show anything
            return preflight(judge, store)
        with self._progress(f"judge {judge.name} on labelled thoughts") as progress:
            return preflight(judge, store, report=progress)

    def key(self, model: Model, settings: Settings) -> RunKey:
        """What the answers of a model under these settings depend on."""
        return self._key(self._loaded.get(id(model)) or self._request_of_own(model), settings)

    def _key(self, request: ModelRequest, settings: Settings) -> RunKey:
        return RunKey(
            model=request,
            dataset=settings.dataset,
            limit=settings.limit,
            seed=settings.seed,
            judge=settings.judge,
            plant=settings.plant,
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
                        plant=settings.plant,
                        store=store,
                        dataset=settings.dataset,
                        dataset_facts=self.data(settings).to_json(),
                        progress=progress,
                        context={
                            **self._context(key.model, self.judge_preflight(settings)),
                            **self._with_claims(settings).facts,
                        },
                    )
            except EvaluationInterrupted as stopped:
                if stopped.evaluation is not None:
                    self.runs.add(key, stopped.evaluation)
                raise

        return self.runs.get(key, resolve_conditions(settings.conditions), measure)

    def trend(self, settings: Settings) -> Trend:
        """Evaluate every model that settings ask for, as checkpoints of trainings.

        Each is loaded where answers are missing, one at a time.

        Raises:
            UsageError: a model is no checkpoint.
            VacuousError: a training has one checkpoint only.
            DryRunError: nothing is asked; what would be asked of all of them is counted.
            VlmRobustError: as `evaluate`.
        """
        requests = model_requests(settings)
        check_checkpoints(request.spec for request in requests)
        runs: dict[str, Evaluation] = {}
        dry: DryRunError | None = None
        for request in requests:
            try:
                runs[request.spec] = self._evaluated(request, settings)
            except DryRunError as error:
                dry = error
        if dry is not None:
            raise dry
        return make_trend(runs)

    def _evaluated(self, request: ModelRequest, settings: Settings) -> Evaluation:
        """Evaluate a model that no test holds."""
        key, conditions = self._key(request, settings), resolve_conditions(settings.conditions)
        if self.runs.known(key, conditions):
            return self.runs.get(key, conditions, _nothing_missing)
        model = self.load(request)
        try:
            return self.evaluate(model, settings)
        finally:
            self.release(model)

    def check_gates(
        self,
        model: Model,
        settings: Settings,
        gates: Iterable[Gate | RegressionGate],
        *,
        test: str,
        command: str,
        family: Sequence[tuple[Settings, Gate | RegressionGate]] = (),
    ) -> Checked:
        """Hold a model against gates, and keep what they said.

        Args:
            model: the model.
            settings: what is run.
            gates: the gates.
            test: node id of the test that declares them.
            command: the command that runs that test alone.
            family: the gates of all tests of the model, which are judged together with these.
        """
        run, key = self.evaluate(model, settings), self.key(model, settings)
        members = [
            Member(key=self.key(model, its), run=self.evaluate(model, its), gate=gate, settings=its)
            for its, gate in (family if settings.familywise else ())
        ]
        checked = check_all(run, tuple(gates), settings, key=key, test=test, command=command, family=members)
        self.runs.gates += checked.rows
        return checked

    def document(self) -> dict[str, Any]:
        """The whole session as a report, schema vlmrobust/1."""
        gates = [gate_entry(row) for row in self.runs.gates]
        trends = trends_to_json(self.runs)
        context = {
            "created": _now(),
            "command": self._command,
            "gates": gates,
            **({"trends": trends} if trends else {}),
            **self._costs(),
        }
        return report_document([run for _, run in self.runs], context)

    def _costs(self) -> dict[str, Any]:
        """What the session has cost, for the report."""
        budget = self.budget
        if budget.price is None:
            return {}
        return {"costs": {"spent": budget.spent, "limit": budget.limit, "shares": dict(budget.shares)}}

    def close(self) -> None:
        """Free the judges, and close the store."""
        for judge, _ in self._judges.values():
            close_judge(judge)
        self._claims.close()
        if self._store is not None:
            self._store.close()

    def _count(self, plan: Plan, key: RunKey, settings: Settings) -> NoReturn:
        """Take down what an evaluation would ask, and ask nothing."""
        conditions = resolve_conditions(settings.conditions)
        plan.add(
            model=key.model.spec,
            dataset=key.dataset,
            prompts=Prompts(self.samples(settings), conditions, settings.seed),
            max_new_tokens=longest_reply(key.model),
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


def _nothing_missing(conditions: tuple[str, ...]) -> NoReturn:
    raise AssertionError(f"{conditions} were said to be there")  # `Runs.known` has looked


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
