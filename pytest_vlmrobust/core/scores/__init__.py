"""The scores that benchmarks are known by, beside the figures that every data set has."""

from pytest_vlmrobust.core.samples import GROUP_SIZE
from pytest_vlmrobust.core.scores.layout import Labels
from pytest_vlmrobust.core.scores.measuring import Scorer
from pytest_vlmrobust.core.scores.rules import Benchmark, Score
from pytest_vlmrobust.core.scores.table import BENCHMARKS

__all__ = ["BENCHMARKS", "GROUP_SIZE", "Benchmark", "Labels", "Score", "Scorer"]
