"""What becomes of gates that do not pass: an error, a warning or a skipped test."""

from __future__ import annotations

import warnings
from collections.abc import Callable
from dataclasses import dataclass

from pytest_vlmrobust.core.findings import INCONCLUSIVE, Inconclusive
from pytest_vlmrobust.core.verdicts import Verdict
from pytest_vlmrobust.errors import InconclusiveWarning, VacuousError, unknown_name


@dataclass(frozen=True, kw_only=True)
class Problems:
    """What is to be said about gates; each "" where there is none of the kind.

    Attributes:
        failed: about gates that fail.
        baseless: about gates on which there can be no verdict.
        unsure: about gates that are inconclusive.
    """

    failed: str = ""
    baseless: str = ""
    unsure: str = ""

    def severe(self, inconclusive: Inconclusive) -> str:
        """All that makes a test fail, or "".

        Args:
            inconclusive: "fail" where an inconclusive gate is one that fails.
        """
        unsure = self.unsure if self.failed or inconclusive == "fail" else ""
        return "\n\n".join(text for text in (self.failed, unsure, self.baseless) if text)


def problems_of(verdict: Verdict, explain: Callable[[], str]) -> Problems:
    """What is to be said about one gate."""
    if verdict == "pass":
        return Problems()
    return Problems(failed=explain()) if verdict == "fail" else Problems(unsure=explain())


def check_inconclusive(inconclusive: object) -> None:
    """Refuse what is no way of treating inconclusive gates.

    Raises:
        UsageError: it is none.
    """
    if inconclusive not in INCONCLUSIVE:
        raise unknown_name("way to treat inconclusive gates", str(inconclusive), INCONCLUSIVE)


def conclude(problems: Problems, inconclusive: Inconclusive) -> None:
    """Raise, warn or skip.

    Args:
        problems: what is to be said.
        inconclusive: what becomes of gates that are inconclusive: "fail"; "warn" and go on; or "skip".

    Raises:
        AssertionError: a gate fails, or is inconclusive and that is a failure.
        VacuousError: no gate fails, but on some there can be no verdict.
        unittest.SkipTest: a gate is inconclusive and that is to be skipped; pytest knows it too.
    """
    __tracebackhide__ = True
    severe = problems.severe(inconclusive)
    if problems.failed or (problems.unsure and inconclusive == "fail"):
        raise AssertionError(severe)
    if problems.baseless:
        raise VacuousError(severe)
    if problems.unsure and inconclusive == "skip":
        import unittest

        raise unittest.SkipTest(problems.unsure)
    if problems.unsure:
        warnings.warn(problems.unsure, InconclusiveWarning, stacklevel=4)
