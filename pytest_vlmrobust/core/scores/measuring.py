"""From replies that are right or wrong to the scores of a benchmark, with intervals by cluster.

A reply that could not be read counts as wrong, as it does where the benchmarks are scored by their own
scripts. A reply that never came, since the request for it failed, is no reply: its sample is left out,
and with it the units that would not be whole without it.
"""

from __future__ import annotations

from collections.abc import Mapping
from functools import cached_property
from types import MappingProxyType

import numpy as np

from pytest_vlmrobust.core.arrays import BoolArray, check_flags
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.scores.layout import NOWHERE, Codes, Labels, Layout, lay_out
from pytest_vlmrobust.core.scores.rules import Benchmark
from pytest_vlmrobust.core.scores.spread import Spread
from pytest_vlmrobust.core.scores.table import BENCHMARKS
from pytest_vlmrobust.errors import UsageError, VacuousError, unknown_name

SCORE = "benchmark_score"
DROP = "benchmark_score_drop"

Parts = Mapping[str, Mapping[str, Figure]]
"""For each key the figure of each of its labels."""


class Scorer:
    """Scores the replies to the samples of one benchmark as the benchmark does.

    Args:
        benchmark: its name.
        labels: what is known of the n samples.
        headline: the score that stands for the benchmark, where the n samples are chosen from a data set
            that it applies to; "" for the first that applies to them. What a choice lacks does not put
            another score in its place.

    Raises:
        UsageError: there is no such benchmark, or it has no such score.
        DataError: a tag is malformed.

    >>> labels = Labels(ids="abcd", categories=["c"] * 4, groups=["1", "1", "2", "2"], tags=[{}] * 4)
    >>> scorer = Scorer("mmbench", labels)
    >>> right, came = np.array([True, True, True, False]), np.ones(4, dtype=np.bool_)
    >>> {name: scorer.score(name, right, came).value for name in scorer.names}
    {'circular': 0.5, 'vanilla': 0.75}
    """

    def __init__(self, benchmark: str, labels: Labels, headline: str = "") -> None:
        """See the class."""
        if benchmark not in BENCHMARKS:
            raise unknown_name("benchmark", benchmark, BENCHMARKS)
        self.benchmark: Benchmark = BENCHMARKS[benchmark]
        self._n = len(labels.ids)
        self._laid = {score.name: lay_out(self.benchmark, score, labels) for score in self.benchmark.scores}
        self._whole = headline
        if headline:
            self._known(headline)

    @cached_property
    def names(self) -> tuple[str, ...]:
        """The scores that apply to the samples: at least that of each row by itself."""
        return tuple(name for name, laid in self._laid.items() if isinstance(laid, Layout))

    @property
    def headline(self) -> str:
        """The score that stands for the benchmark: of the whole data set, or else the first of `names`."""
        return self._whole or self.names[0]

    @cached_property
    def missing(self) -> Mapping[str, str]:
        """Why each of the other scores does not apply, as a clause."""
        reasons = {
            name: self._lacking(name, laid) for name, laid in self._laid.items() if isinstance(laid, str)
        }
        return MappingProxyType(reasons)

    def _lacking(self, name: str, reason: str) -> str:
        """Why a score does not apply; of that of the whole data set, that the choice is to blame."""
        if name != self._whole:
            return reason
        return f"{name} stands for the whole data set, of which too little was chosen: {reason}"

    def obstacle(self, name: str, came: BoolArray) -> str:
        """Why there is no such score of these replies, as a clause; "" where there is.

        Args:
            name: one of the scores.
            came: (n,) True where there is a reply, read or not.
        """
        laid = self._known(name)
        if isinstance(laid, str):
            return self._lacking(name, laid)
        counted = np.bincount(laid.stratum[_units(laid, came)], minlength=len(laid.strata))
        if counted.all():
            return ""
        if not laid.score.over:
            return "no group has a reply to each of its questions" if laid.whole else "no reply came"
        return f"no reply came to a question of {laid.score.over} {laid.strata[int(np.argmin(counted))]!r}"

    def counted(self, name: str, came: BoolArray) -> BoolArray:
        """(n,) True for the samples that a score stands on; none where it does not apply.

        Args:
            name: one of the scores.
            came: (n,) True where there is a reply, read or not.
        """
        laid = self._known(name)
        return np.zeros(self._n, dtype=np.bool_) if isinstance(laid, str) else laid.counted(came)

    def clusters(self, name: str, came: BoolArray) -> int | None:
        """Among how many clusters the units of a score are; None where each is by itself.

        Args:
            name: one of `names`.
            came: (n,) True where there is a reply, read or not.
        """
        laid, _, units = self._checked(name, came)
        chosen = laid.cluster[units]
        count = int(np.unique(chosen).size)
        return None if count == chosen.size else count

    def score(
        self,
        name: str,
        right: BoolArray,
        came: BoolArray,
        *,
        confidence: float = 0.95,
        exact: bool = False,
    ) -> Figure:
        """Measure a score.

        Args:
            name: one of `names`.
            right: (n,) True where the right letter was read.
            came: (n,) True where there is a reply, read or not.
            confidence: of the interval, strictly between 0.5 and 1.
            exact: give the interval that a confident verdict stands on.

        Returns:
            A fraction in [0, 1] of the ``n`` samples that it stands on. ``detail`` has the number of
            ``units``, and how many samples of the score were ``left_out`` since they, or others
            of their group, have no reply.

        Raises:
            UsageError: there is no such score, or an array has another shape or type.
            VacuousError: it does not apply; the message says why.
        """
        laid, counted, units = self._checked(name, came, right=right)
        hits = _all_right(laid, right)[units]
        spread = _spread(laid, units)
        interval = spread.share(hits, confidence=confidence, exact=exact)
        return Figure(
            name=SCORE,
            value=spread.mean(hits),
            n=int(counted.sum()),
            low=interval.low,
            high=interval.high,
            detail=MappingProxyType(_basis(laid, counted, units)),
        )

    def drop(
        self,
        name: str,
        base_right: BoolArray,
        right: BoolArray,
        came: BoolArray,
        *,
        confidence: float = 0.95,
        exact: bool = False,
    ) -> Figure:
        """Measure how much a score falls from ``base`` to another condition, on the same samples.

        Args:
            name: one of `names`.
            base_right: (n,) True where the right letter was read under ``base``.
            right: (n,) the same under the condition.
            came: (n,) True where there is a reply under both, read or not.
            confidence: as of `score`.
            exact: as of `score`.

        Returns:
            A difference in [-1, 1], positive is worse. ``detail`` has both scores, ``base_score``
            and ``score``, and the counts of `score`.

        Raises:
            UsageError, VacuousError: as `score`.
        """
        laid, counted, units = self._checked(name, came, base_right=base_right, right=right)
        before, after = _all_right(laid, base_right)[units], _all_right(laid, right)[units]
        spread = _spread(laid, units)
        interval = spread.difference(before, after, confidence=confidence, exact=exact)
        scores = {"base_score": spread.mean(before), "score": spread.mean(after)}
        return Figure(
            name=DROP,
            value=spread.mean(before) - spread.mean(after),
            n=int(counted.sum()),
            low=interval.low,
            high=interval.high,
            detail=MappingProxyType({**scores, **_basis(laid, counted, units)}),
        )

    def parts(self, name: str, right: BoolArray, came: BoolArray) -> Parts:
        """Tell a score apart by the labels of the benchmark's own keys, such as its categories.

        Args:
            name: one of `names`.
            right: as of `score`.
            came: as of `score`.

        Returns:
            For each key the share of the units that are right by label; ``n`` counts units. Labels without
            a unit that counts are left out.
        """
        laid, _, units = self._checked(name, came, right=right)
        hits = _all_right(laid, right)[units]
        told = {key: _by_label(labels, codes[units], hits) for key, (labels, codes) in laid.parts.items()}
        return {key: figures for key, figures in told.items() if figures}

    def _known(self, name: str) -> Layout | str:
        if name not in self._laid:
            raise unknown_name(f"score of {self.benchmark.name}", name, self._laid)
        return self._laid[name]

    def _checked(
        self, name: str, came: BoolArray, **rights: BoolArray
    ) -> tuple[Layout, BoolArray, BoolArray]:
        check_flags(name, came=came, **rights)
        if came.size != self._n:
            raise UsageError(f"{name}: there are {self._n} samples, but came has {came.size}")
        laid, reason = self._known(name), self.obstacle(name, came)
        if isinstance(laid, str) or reason:
            raise VacuousError(f"{self.benchmark.name} has no score {name!r} here: {reason}")
        return laid, laid.counted(came), _units(laid, came)


def _units(laid: Layout, came: BoolArray) -> BoolArray:
    """(u,) True for the units that count."""
    there = np.zeros(laid.stratum.size, dtype=np.bool_)
    there[laid.unit[laid.counted(came)]] = True
    return there


def _all_right(laid: Layout, right: BoolArray) -> BoolArray:
    """(u,) True for the units all of whose samples are right."""
    hits = np.ones(laid.stratum.size, dtype=np.bool_)
    hits[laid.unit[~right & (laid.unit != NOWHERE)]] = False
    return hits


def _spread(laid: Layout, units: BoolArray) -> Spread:
    return Spread(stratum=laid.stratum[units], weights=laid.weights, cluster=laid.cluster[units])


def _basis(laid: Layout, counted: BoolArray, units: BoolArray) -> dict[str, int]:
    left_out = (laid.unit != NOWHERE) & ~counted
    return {"units": int(units.sum()), "left_out": int(left_out.sum())}


def _by_label(labels: tuple[str, ...], codes: Codes, hits: BoolArray) -> dict[str, Figure]:
    known = codes != NOWHERE
    sizes = np.bincount(codes[known], minlength=len(labels))
    sums = np.bincount(codes[known], weights=hits[known].astype(np.float64), minlength=len(labels))
    return {
        label: Figure(name=label, value=float(total / size), n=int(size))
        for label, total, size in zip(labels, sums.tolist(), sizes.tolist(), strict=True)
        if size
    }
