"""Which samples two runs have in common, and whether their answers may be paired."""

from __future__ import annotations

from typing import TYPE_CHECKING

from pytest_vlmrobust.errors import DataError, VacuousError

if TYPE_CHECKING:
    from pytest_vlmrobust.core.records import Evaluation


def shared_ids(first: Evaluation, second: Evaluation) -> list[str]:
    """Return the ids of the samples that two runs have in common, in the order of the first.

    Raises:
        DataError: they were asked other samples: one lacks a sample of the other, and not because it is
            incomplete.
        VacuousError: they are incomplete, and have none in common.
    """
    theirs = set(second.sample_ids)
    shared = [sample_id for sample_id in first.sample_ids if sample_id in theirs]
    asked = [run.n if run.incomplete is None else run.incomplete.of for run in (first, second)]
    alone = [run.n - len(shared) for run in (first, second)]
    unexplained = (alone[0] and second.incomplete is None) or (alone[1] and first.incomplete is None)
    if asked[0] != asked[1] or unexplained:
        raise DataError(
            f"the runs are not of the same samples: {asked[0]} and {asked[1]} were asked, {alone[0]} are in "
            f"the first run alone and {alone[1]} in the second"
        )
    if not shared:
        raise VacuousError("the runs are incomplete and have no sample in common: there is nothing to pair")
    return shared
