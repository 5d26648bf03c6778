"""What the plugin remembers about a session; it lives on ``config.stash``."""

from __future__ import annotations

import json
import shlex
from collections.abc import Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import asdict, replace
from typing import TYPE_CHECKING

import pytest

from pytest_vlmrobust import options
from pytest_vlmrobust.errors import StoreError, UsageError

if TYPE_CHECKING:
    from pytest_vlmrobust.core.baselines import RegressionGate
    from pytest_vlmrobust.core.gates import Gate
    from pytest_vlmrobust.models.base import Model
    from pytest_vlmrobust.planning import Plan, PlanRow
    from pytest_vlmrobust.remote.options import RemoteOptions
    from pytest_vlmrobust.session import Session


class State:
    """The settings of a session, and what has happened in it so far.

    Attributes:
        settings: ini and command line over the defaults.
        nodes: whose code is running: the test, or the node that a wider fixture belongs to.
        used: node ids of the tests that were given something their own marker has a say in.
        ran: whether some test has run a model.
        compared: whether some test has compared a run with the baseline, or asked for it.
        nothing_ran: what was asked for and has not happened at the end, or "".
        usage_error: what a worker of pytest-xdist found wrong; told by the controller.
        store_problem: why replies that should have been kept were not, or "".
        pruned: what --vlm-store-prune did, for the summary, or "".
        planned: what other processes would ask in a dry run.
    """

    def __init__(self, config: pytest.Config, settings: options.Settings) -> None:
        self.settings = settings
        self.nodes: list[pytest.Item | pytest.Collector] = []
        self.used: set[str] = set()
        self.ran = False
        self.compared = False
        self.nothing_ran = ""
        self.usage_error = ""
        self.store_problem = ""
        self.pruned = ""
        self.planned: list[PlanRow] = []
        self._families: dict[str, list[tuple[options.Settings, Gate | RegressionGate]]] = {}
        self._plan: Plan | None = None
        self._config = config
        self._session: Session | None = None

    @property
    def session(self) -> Session:
        """The part that does the work; made, and its imports paid for, when first asked for."""
        if self._session is None:
            from pytest_vlmrobust.claiming.sources import ClaimOptions
            from pytest_vlmrobust.plugin.keeping import store_file
            from pytest_vlmrobust.plugin.screen import progress_on
            from pytest_vlmrobust.session import Session

            self._session = Session(
                command=shlex.join(["pytest", *map(str, self._config.invocation_params.args)]),
                progress=progress_on(self._config),
                threads=_threads(self._config),
                store=store_file(self.settings),
                remote=_remote(self._config, self.settings),
                plan=self.plan,
                claims=ClaimOptions(
                    file=self.settings.claims,
                    writer=self.settings.claim_writer,
                    device=self.settings.device,
                    keep=self.settings.claims_export is not None,
                ),
            )
            self._config.add_cleanup(self._session.close)
        return self._session

    @property
    def plan(self) -> Plan | None:
        """What would be asked, in a dry run; None where the session asks."""
        if self.settings.dry_run and self._plan is None:
            from pytest_vlmrobust.planning import Plan

            self._plan = Plan()
        return self._plan

    @property
    def measured(self) -> bool:
        """Whether some evaluation was made."""
        return self._session is not None and bool(self._session.runs)

    def settings_at(self, node: pytest.Item | pytest.Collector | None) -> options.Settings:
        """The settings with the markers of a node laid over them.

        Raises:
            UsageError: a marker is wrong.
        """
        layer = {} if node is None else options.marker_layer(node.iter_markers("vlm"))
        settings = options.overlay(self.settings, layer, options.as_marked)
        return with_folders(settings) if "model" in layer else settings

    def declare(self, spec: str, gates: Iterable[tuple[options.Settings, Gate | RegressionGate]]) -> None:
        """Remember gates that a test declares for a model, since they are judged together."""
        self._families.setdefault(spec, []).extend(gates)

    def family(self, spec: str) -> Sequence[tuple[options.Settings, Gate | RegressionGate]]:
        """All gates that the tests of a model declare; a model of a fixture of the user's own has no name."""
        return self._families.get(spec, ()) if spec else ()

    def note_use(self) -> None:
        """Remember that the running code was given something that its marker has a say in."""
        if self.nodes:
            self.used.add(self.nodes[-1].nodeid)

    def model_here(self, model: Model) -> Model:
        """The model of the test that is running, or else the one given.

        pytest < 9 keeps a session's fixture although a module overrides what it was made of.
        """
        test = self.nodes[0] if self.nodes else None
        own: Model = getattr(test, "funcargs", {}).get("vlm", model)
        return own

    def settings_here(self, arguments: Mapping[str, object]) -> options.Settings:
        """The settings where code is running now, with arguments laid over them.

        A test's own markers do not reach into a fixture of wider scope: such a fixture is
        shared with other tests, and sees the markers of its own node only.

        Raises:
            UsageError: a marker or an argument is wrong, or names what nobody has registered.
        """
        node = self.nodes[-1] if self.nodes else None
        settings = options.overlay(self.settings_at(node), arguments, options.as_argument)
        options.check_names(arguments, settings, options.as_argument)
        return settings

    def note_store(self, problem: str) -> None:
        """Remember the first trouble with the store, of this process or of a worker."""
        self.store_problem = self.store_problem or problem

    def to_text(self) -> str:
        """What was measured here, for the controller of pytest-xdist."""
        return json.dumps(self.session.runs.to_json()) if self.measured else ""

    def claims_to_text(self) -> str:
        """The claims of the samples here, for the controller of pytest-xdist."""
        rows = [] if self._session is None else self._session.claims
        return json.dumps([asdict(row) for row in rows]) if rows else ""

    def add_claims(self, text: str) -> None:
        """Take in the claims of a worker."""
        if text:
            from pytest_vlmrobust.claiming.files import row_from_json

            self.session.add_claims(map(row_from_json, json.loads(text)))

    def export_claims(self) -> None:
        """Write the claims of all samples to the file that they are asked for in.

        Raises:
            UsageError: there are none, or the file cannot be written.
        """
        path = self.settings.claims_export
        if path is None:
            return
        from pytest_vlmrobust.claiming.files import write_claims

        rows = [] if self._session is None else self._session.claims
        if not rows:
            raise UsageError("--vlm-claims-export: no test has loaded any samples, so there are no claims")
        write_claims(path, rows)

    def plan_to_text(self) -> str:
        """What would be asked here, for the controller of pytest-xdist."""
        return json.dumps([vars(row) for row in self._plan.rows]) if self._plan is not None else ""

    def add_plan(self, text: str) -> None:
        """Take in what a worker would ask."""
        if text:
            from pytest_vlmrobust.planning import PlanRow

            self.planned += [PlanRow(**row) for row in json.loads(text)]

    def costs_to_text(self) -> str:
        """What was spent here, for the controller of pytest-xdist."""
        return json.dumps(dict(self._session.budget.shares)) if self._session is not None else ""

    def add_costs(self, text: str) -> None:
        """Take in what a worker has spent."""
        if self.settings.price is not None and text:
            for purpose, cost in json.loads(text).items():
                self.session.budget.pay(0.0, cost, purpose)

    @property
    def costs(self) -> str:
        """What the session has cost, in a line; "" where there is no price, or nothing was asked."""
        if self._session is None or self.settings.dry_run:
            return ""
        from pytest_vlmrobust.reports.servers import cost_line

        return cost_line(self._session.budget)

    def add_text(self, text: str) -> None:
        """Take in what a worker measured."""
        if text:
            self.session.runs.add_json(json.loads(text))

    def end(self) -> None:
        """Take in what the session's own part of the work has met with."""
        if self._session is not None:
            self.note_store(self._session.store_problem)


STATE = pytest.StashKey[State]()

COMPARED = "vlm_baseline"
"""The property of a test that has compared a run with a baseline."""


def with_folders(settings: options.Settings) -> options.Settings:
    """Put in place of each pattern among the models the folders that it names.

    Raises:
        UsageError: a pattern names no folder.
    """
    if not any(sign in spec for spec in settings.model for sign in "*?["):
        return settings
    from pytest_vlmrobust.models.patterns import expand

    return replace(settings, model=expand(settings.model))


@contextmanager
def usage_errors() -> Iterator[None]:
    """Turn a wrong setting into pytest's own usage error: a message without traceback, exit code 4."""
    try:
        yield
    except (UsageError, StoreError) as error:
        raise pytest.UsageError(shown(error)) from None


def shown(error: Exception) -> str:
    """Return the message of an error about a setting, without what a spec in it may hold of secrets."""
    from pytest_vlmrobust.remote.spec import without_credentials

    return without_credentials(str(error))


def is_worker(config: pytest.Config) -> bool:
    """Whether this process runs tests for another one that reports."""
    return hasattr(config, "workerinput")


def _remote(config: pytest.Config, settings: options.Settings) -> RemoteOptions:
    """How servers are asked; of a limit of costs each process has its share, so that all together keep it."""
    from pytest_vlmrobust.remote.budget import Budget
    from pytest_vlmrobust.remote.options import RemoteOptions

    limit = settings.max_cost
    if limit is not None and is_worker(config):
        limit /= config.workerinput["workercount"]  # type: ignore[attr-defined]
    return RemoteOptions(
        concurrency=settings.concurrency,
        total_s=settings.timeout,
        budget=Budget(price=settings.price, limit=limit),
    )


def _threads(config: pytest.Config) -> int | None:
    """A process's share of the cores, since several that use all of them slow each other to a crawl."""
    from pytest_vlmrobust.cores import threads_for

    return threads_for(config.workerinput["workercount"] if is_worker(config) else 1)  # type: ignore[attr-defined]


def worker_output(config: pytest.Config) -> dict[str, str]:
    """What a worker tells when it is done; values have to be simple."""
    output: dict[str, str] = config.workeroutput  # type: ignore[attr-defined]
    return output
