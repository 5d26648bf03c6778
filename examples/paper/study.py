"""What a study asks, what was published of it, and whether a figure agrees with that."""

from __future__ import annotations

import tomllib
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from pytest_vlmrobust import Evaluation, VacuousError

Runs = Mapping[tuple[str, str], Evaluation]
"""What was run, by the names of model and benchmark."""

Verdict = Literal["agrees", "differs", "not run"]

UNREAD = 0.05
"""Where more of the replies could not be read, or never came, a figure shows nothing."""


class NotRunError(Exception):
    """Why there is nothing to compare."""


@dataclass(frozen=True, kw_only=True)
class Result:
    """What came of a cell; ``measured`` is the reason where it was not run."""

    verdict: Verdict
    published: str
    measured: str


@dataclass(frozen=True, kw_only=True)
class Side:
    """A figure, as the mean over models and benchmarks."""

    figure: str
    condition: str
    models: Sequence[str]

    def __str__(self) -> str:
        under = f" under {self.condition}" if self.condition else ""
        return f"{self.figure}{under} of {', '.join(self.models)}"

    def measure(self, runs: Runs, benchmarks: Sequence[str], least: int) -> float:
        values = [self._of(runs[model, name], least) for model in self.models for name in benchmarks]
        return sum(values) / len(values)

    def _of(self, run: Evaluation, least: int) -> float:
        where = f"{run.provenance['model']['spec']} on {run.provenance['dataset']['name']}"
        if run.incomplete is not None:
            raise NotRunError(f"{where} was stopped before its end")
        try:
            for name in self._read_under(run):
                unread = run.figure(name, "unparsed_rate").value + run.figure(name, "failed_rate").value
                if unread > UNREAD:
                    raise NotRunError(f"{where}: {unread:.0%} of the replies under {name} could not be read")
            value, n = measured(run, self.condition, self.figure)
        except VacuousError as error:
            raise NotRunError(f"{where}: {error}") from None
        if n < least:
            raise NotRunError(f"{where}: it would stand on {n} samples, not on {least} or more")
        return value

    def _read_under(self, run: Evaluation) -> Sequence[str]:
        return ("base", self.condition) if self.condition else run.conditions


@dataclass(frozen=True, kw_only=True)
class Cell:
    """Something that was published: a value, or that one side is lower than another.

    Attributes:
        side: the figure, or the lower side.
        higher: the other side, or None for a value.
        low, high: the published value, or its range.
        tolerance: how far from that a value may lie.
        benchmarks: those that the mean is over, as far as they were run.
        source: where it was published.
    """

    side: Side
    higher: Side | None = None
    low: float = 0.0
    high: float = 0.0
    tolerance: float = 0.0
    benchmarks: Sequence[str]
    least: int
    source: str

    def __str__(self) -> str:
        name = f"{self.side} < {self.higher}" if self.higher else str(self.side)
        return f"{name}, {self.benchmarks[0]}" if len(self.benchmarks) == 1 else name

    def compare(self, runs: Runs) -> Result:
        try:
            return self._compared(runs, self._common(runs))
        except NotRunError as reason:
            return Result(verdict="not run", published=self._published, measured=str(reason))

    @property
    def _published(self) -> str:
        if self.higher:
            return "lower"
        value = f"{self.low:.3f}" if self.low == self.high else f"{self.low:.2f} to {self.high:.2f}"
        return f"{value} ± {self.tolerance:g}"

    def _common(self, runs: Runs) -> list[str]:
        """The benchmarks that all models of the cell were asked."""
        models = {*self.side.models, *(self.higher.models if self.higher else ())}
        common = [name for name in self.benchmarks if all((model, name) in runs for model in models)]
        if not common:
            raise NotRunError("no benchmark was asked of every model")
        return common

    def _compared(self, runs: Runs, benchmarks: Sequence[str]) -> Result:
        value = self.side.measure(runs, benchmarks, self.least)
        told = f"{value:.3f}"
        if self.higher:
            other = self.higher.measure(runs, benchmarks, self.least)
            agrees, told = value < other, f"{value:.3f} and {other:.3f}"
        else:
            agrees = self.low - self.tolerance <= value <= self.high + self.tolerance
        if len(self.benchmarks) > 1:
            told += f" on {len(benchmarks)} of {len(self.benchmarks)} benchmarks"
        return Result(verdict="agrees" if agrees else "differs", published=self._published, measured=told)


@dataclass(frozen=True, kw_only=True)
class Study:
    """Models and benchmarks by the names that they go by, and what was published of them."""

    title: str
    models: Mapping[str, str]
    benchmarks: Mapping[str, str]
    cells: Sequence[Cell]

    @classmethod
    def read(cls, path: Path) -> Study:
        table = tomllib.loads(path.read_text(encoding="utf-8"))
        cells = (*_values(table), *_directions(table))
        return cls(title=table["title"], models=table["models"], benchmarks=table["benchmarks"], cells=cells)

    def name_of(self, spec: str) -> str:
        """The name of a model, or its spec where the study does not know it."""
        return next((name for name, known in self.models.items() if known == spec), spec)


def measured(run: Evaluation, condition: str, figure: str) -> tuple[float, int]:
    """Measure a figure of the package, or one of the two below; return what it is and what it stands on.

    Raises:
        VacuousError: it does not apply.
    """
    if figure in ("auroc_p_base", "auroc_minus_entropy"):
        return _auroc(run, condition, entropy=figure == "auroc_minus_entropy")
    if condition:
        known = run.figure(condition, figure)
    elif figure in run.panel():
        known = run.panel()[figure]
    else:
        raise VacuousError(f"there is no {figure} without a panel of judges")
    return known.value, known.n


def _auroc(run: Evaluation, condition: str, *, entropy: bool) -> tuple[float, int]:
    """How well the letters' probabilities under base tell who will be right under a condition."""
    import numpy as np

    from pytest_vlmrobust.core.ranking import auroc

    base, here = run.columns("base"), run.columns(condition)
    told = here.parsed & ~np.isnan(base.probs[:, 0])
    probs = base.probs[told]
    if entropy:
        score = np.nansum(probs * np.log(np.where(probs > 0, probs, 1.0)), axis=1)
    else:
        score = probs[np.arange(len(probs)), base.answer[told]]
    return auroc(score, here.right[told]).value, len(probs)


def _values(table: Mapping[str, Any]) -> Iterator[Cell]:
    for entry in table.get("values", ()):
        for model, published in entry["published"].items():
            low, high = published if isinstance(published, list) else (published, published)
            yield Cell(
                side=_side(entry, {"models": [model]}, table),
                low=low,
                high=high,
                tolerance=entry.get("tolerance", table["tolerance"]),
                **_common_to(entry, table),
            )


def _directions(table: Mapping[str, Any]) -> Iterator[Cell]:
    for entry in table.get("directions", ()):
        lower, higher = (_side(entry, entry[name], table) for name in ("lower", "higher"))
        yield Cell(side=lower, higher=higher, **_common_to(entry, table))


def _common_to(entry: Mapping[str, Any], table: Mapping[str, Any]) -> dict[str, Any]:
    benchmarks = [entry["benchmark"]] if "benchmark" in entry else list(table["benchmarks"])
    return {"benchmarks": benchmarks, "least": table["min_samples"], "source": entry["source"]}


def _side(entry: Mapping[str, Any], own: Mapping[str, Any], table: Mapping[str, Any]) -> Side:
    known = {"figure": entry.get("figure"), "condition": entry.get("condition", ""), **own}
    models = known.get("models", list(table["models"]))
    unknown = set(models) - set(table["models"])
    if unknown:
        raise ValueError(f"{entry['source']}: no such model: {', '.join(sorted(unknown))}")
    return Side(figure=known["figure"], condition=known["condition"], models=models)
