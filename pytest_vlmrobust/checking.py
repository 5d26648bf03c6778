"""The gates of one test, held against one run: rows for the reports, and messages where one does not pass."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import asdict, dataclass, replace
from typing import Any

from pytest_vlmrobust.concluding import Problems
from pytest_vlmrobust.core.baselines import Regression, RegressionGate, Weighed, weigh_regression
from pytest_vlmrobust.core.evidence import Evidence
from pytest_vlmrobust.core.explain import explain_gates
from pytest_vlmrobust.core.explain_comparisons import explain_regression
from pytest_vlmrobust.core.findings import Finding, find_all
from pytest_vlmrobust.core.gates import Gate, Outcome, weigh_gate
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.declared_baselines import load_baseline
from pytest_vlmrobust.errors import UsageError, VacuousError
from pytest_vlmrobust.options import Settings
from pytest_vlmrobust.runs import GateRow, RunKey

AnyGate = Gate | RegressionGate


@dataclass(frozen=True, kw_only=True)
class Checked:
    """What the gates of one test said."""

    rows: Sequence[GateRow]
    problems: Problems


@dataclass(frozen=True, kw_only=True, eq=False)
class Member:
    """A gate of another test of the session, which is judged together with those of this one."""

    key: RunKey
    run: Evaluation
    gate: AnyGate
    settings: Settings


@dataclass(frozen=True, kw_only=True, eq=False)
class _Case:
    """A gate and what the samples show about it."""

    gate: AnyGate
    evidence: Evidence
    compared: Weighed | None = None
    baseline: Evaluation | None = None


def check_all(
    run: Evaluation,
    gates: Iterable[AnyGate],
    settings: Settings,
    *,
    key: RunKey,
    test: str,
    command: str,
    family: Sequence[Member] = (),
) -> Checked:
    """Hold a run against gates.

    Args:
        run: the run.
        gates: bounds on its figures, and on what is worse than in a baseline.
        settings: what is run, and how gates are judged.
        key: what the run depends on.
        test: node id of the test that declares the gates.
        command: the command that runs that test alone.
        family: the gates of all tests that are judged together, those of this one among them or not.
    """
    weighed = [_weighed(run, gate, settings) for gate in gates]
    cases = [case for case in weighed if isinstance(case, _Case)]
    findings = iter(_judged(cases, settings, key, family))
    found = [(case, next(findings) if isinstance(case, _Case) else case) for case in weighed]
    rows = [
        _row(key, gate, case, finding, test, approximate=gate.condition in run.approximate)
        for gate, (case, finding) in zip(gates, found, strict=True)
    ]
    judged = [(case, one) for case, one in found if isinstance(case, _Case) and isinstance(one, Finding)]
    baseless = [str(one) for _, one in found if isinstance(one, VacuousError)]
    return Checked(rows=rows, problems=_problems(run, judged, baseless, command))


def _weighed(run: Evaluation, gate: AnyGate, settings: Settings) -> _Case | VacuousError:
    try:
        if isinstance(gate, Gate):
            evidence = weigh_gate(run, gate, max_unscored_rate=settings.max_unscored_rate)
            return _Case(gate=gate, evidence=evidence)
        baseline = load_baseline(gate.baseline, run)
        compared = weigh_regression(
            run,
            baseline,
            gate,
            intersect=settings.baseline_intersect,
            max_unscored_rate=settings.max_unscored_rate,
        )
        return _Case(gate=gate, evidence=compared.evidence, compared=compared, baseline=baseline)
    except VacuousError as error:
        return error
    except UsageError as error:  # a difference is known only now, and there is no verdict on this gate alone
        against = gate.baseline if isinstance(gate, RegressionGate) else "the run"
        return VacuousError(f"no verdict on {gate} than in {against}: {error}")


def _judged(
    cases: Sequence[_Case], settings: Settings, key: RunKey, family: Sequence[Member]
) -> list[Finding | VacuousError]:
    together = {(key, case.gate): case for case in cases}
    if settings.familywise:
        for member in family:
            if (member.key, member.gate) not in together:
                case = _weighed(member.run, member.gate, member.settings)
                if isinstance(case, _Case):
                    together[member.key, member.gate] = case
    found = find_all(
        [(case.gate, case.evidence) for case in together.values()],
        mode=settings.gate,
        confidence=settings.confidence,
        familywise=settings.familywise,
    )
    known = dict(zip(together, found, strict=True))
    return [known[key, case.gate] for case in cases]


def _problems(
    run: Evaluation, judged: Sequence[tuple[_Case, Finding]], baseless: Sequence[str], command: str
) -> Problems:
    texts: dict[str, list[str]] = {"fail": [], "inconclusive": []}
    outcomes = []
    for case, finding in judged:
        if isinstance(case.gate, Gate):
            outcomes.append(Outcome(gate=case.gate, figure=case.evidence.figure, finding=finding))
        elif finding.verdict != "pass":
            texts[finding.verdict].append(_worse(run, case, finding, command))
    if not all(outcome.passed for outcome in outcomes):
        failed = any(outcome.verdict == "fail" for outcome in outcomes)
        texts["fail" if failed else "inconclusive"].append(explain_gates(run, outcomes, command=command))
    return Problems(
        failed="\n\n".join(texts["fail"]),
        unsure="\n\n".join(texts["inconclusive"]),
        baseless="\n\n".join(baseless),
    )


def _worse(run: Evaluation, case: _Case, finding: Finding, command: str) -> str:
    assert case.compared is not None
    assert case.baseline is not None
    outcome: Regression = case.compared.judged(finding)
    return explain_regression(run, case.baseline, outcome, command=command)


_ALWAYS = ("value", "family", "mode", "confidence")


def gate_entry(row: GateRow) -> dict[str, Any]:
    """Return the JSON form of a gate that was checked; what is not known or does not apply is left out."""
    entry = asdict(row)
    key, told = entry.pop("key"), GateRow.__dataclass_fields__
    optional = [name for name in entry if told[name].default == entry[name] and name not in _ALWAYS]
    entry = {name: value for name, value in entry.items() if name not in optional}
    return {"model": key["model"]["spec"], "dataset": key["dataset"], "seed": key["seed"], **entry}


def _row(
    key: RunKey,
    gate: AnyGate,
    case: _Case | VacuousError,
    found: Finding | VacuousError,
    test: str,
    *,
    approximate: bool,
) -> GateRow:
    row = GateRow(
        key=key,
        metric=gate.metric,
        condition=gate.condition,
        bound=gate.bound,
        threshold=gate.threshold,
        value=None,
        verdict="error",
        test=test,
        approximate=approximate,
        baseline=gate.baseline if isinstance(gate, RegressionGate) else "",
    )
    if isinstance(case, VacuousError) or isinstance(found, VacuousError):
        return row
    return replace(
        row,
        value=case.evidence.figure.value,
        verdict=found.verdict,
        n=case.evidence.figure.n,
        mode=found.mode,
        confidence=found.confidence,
        low=None if found.interval is None else found.interval.low,
        high=None if found.interval is None else found.interval.high,
        clusters=found.clusters,
        detectable=found.detectable,
        needed=found.needed,
        fewest=found.fewest,
        family=found.family,
    )
