"""What a verdict stands on: refuses one where too little was read, judged or told."""

from __future__ import annotations

import numpy as np

from pytest_vlmrobust.core.arrays import BoolArray
from pytest_vlmrobust.core.excerpts import shorten
from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.predictors import AUROCS, unforetold
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.views import BASE
from pytest_vlmrobust.errors import UsageError, VacuousError

ANSWERS = frozenset(
    {"accuracy", "accuracy_drop", "confidently_wrong_rate", "calibration_error", "brier_score", *AUROCS}
)
"""Figures of answers that are right or wrong, which an abstention is not."""

MAX_UNSCORED_RATE = 0.05
"""The largest share of replies that may be unreadable, or of verdicts that may be missing, by default."""

_SHOWN = 3
"""How many examples a message brings."""


def check_basis(evaluation: Evaluation, metric: str, condition: str, *, max_unscored_rate: float) -> None:
    """Refuse a verdict that would stand on too little.

    Args:
        evaluation: the run.
        metric: a figure of the catalog.
        condition: the condition that it is asked under.
        max_unscored_rate: see `pytest_vlmrobust.core.gates.check`.

    Raises:
        VacuousError: the run is incomplete, the condition was not run, the figure does not apply, or
            too much is missing.
        UsageError: ``evaluation`` is something else.
    """
    if not isinstance(evaluation, Evaluation):
        raise UsageError(f"run must be an Evaluation, as evaluate(...) returns it; got {evaluation!r:.80}")
    check_whole(evaluation)
    evaluation.columns(condition)
    basis = METRICS[metric].basis
    needed = [] if basis == "asked" else [condition]
    needed += [BASE] if basis in ("paired", "base_probs") and BASE in evaluation.conditions else []
    for name in dict.fromkeys(needed):
        _check_failed(evaluation, metric, name, max_unscored_rate)
        _check_parsed(evaluation, metric, name, max_unscored_rate)
    if basis == "judged" or metric == "undecided_rate":
        _check_scored(evaluation, metric, condition, max_unscored_rate)
    figure = evaluation.figure(condition, metric)  # refuses where it does not apply
    if metric in ANSWERS or basis == "judged":
        _check_answered(evaluation, metric, condition)
    if figure.detail.get("base_accuracy") == 0:
        raise VacuousError(
            f"no verdict on {metric}: none of {figure.n} samples was right under {BASE}, so {condition} had "
            "no accuracy to take away; see whether the model can do these questions at all"
        )
    if figure.detail.get("base_score") == 0:
        raise VacuousError(
            f"no verdict on {metric}: the score of {figure.n} samples is 0 under {BASE}, so {condition} had "
            "nothing to take away; see whether the model can do these questions at all"
        )
    if basis == "judged":
        _check_decided(evaluation, metric, condition)
    if basis in ("letter_probs", "base_probs"):
        _check_probs(evaluation, metric, condition if basis == "letter_probs" else BASE, max_unscored_rate)


def check_foretold(
    evaluation: Evaluation, what: str, condition: str, predictor: str, *, max_unscored_rate: float
) -> None:
    """Refuse a threshold on a predictor that would stand on too little.

    Args:
        evaluation: the run.
        what: what is chosen, for messages.
        condition: the condition that is predicted.
        predictor: name of the predictor.
        max_unscored_rate: see `pytest_vlmrobust.core.gates.check`.

    Raises:
        VacuousError, UsageError: as `check_basis`.
    """
    check_basis(evaluation, "unparsed_rate", condition, max_unscored_rate=max_unscored_rate)
    reason = unforetold(predictor)(evaluation.view(condition))
    if reason:
        raise VacuousError(f"there is no {what}: {reason}")
    for name in dict.fromkeys((condition, BASE)):
        _check_failed(evaluation, what, name, max_unscored_rate)
        _check_parsed(evaluation, what, name, max_unscored_rate)
    _check_answered(evaluation, what, condition)
    _check_probs(evaluation, what, BASE, max_unscored_rate)


def check_whole(evaluation: Evaluation) -> None:
    """Refuse any verdict on a run that was stopped before its end.

    The samples that it has are the first ones, not a fair choice: an easy beginning would pass.

    Raises:
        VacuousError: the run is incomplete; the message says how much of it there is.
    """
    told = evaluation.incomplete
    if told is not None:
        raise VacuousError(
            f"no verdict: the run is incomplete ({told.reason}), {told.samples} of {told.of} samples have a "
            "reply under every condition\n"
            "  what to do: run it again to its end; replies that are in the store are not computed twice"
        )


def _check_failed(evaluation: Evaluation, metric: str, condition: str, allowed: float) -> None:
    failed = evaluation.columns(condition).failed
    if failed.mean() <= allowed:
        return
    raise _too_little(
        evaluation,
        metric,
        condition,
        fact=f"{_share(failed)} never came; max_unscored_rate is {allowed:g}",
        rows=failed,
        advice="see to the server and run again: replies that are in the store are not computed twice",
    )


def _check_parsed(evaluation: Evaluation, metric: str, condition: str, allowed: float) -> None:
    columns = evaluation.columns(condition)
    unparsed = ~columns.parsed & ~columns.failed
    if unparsed.mean() <= allowed:
        return
    cut = int((unparsed & columns.truncated).sum())
    if 2 * cut >= int(unparsed.sum()):
        advice = f"the token limit ended {cut} of them: raise --vlm-max-new-tokens (in code: max_new_tokens)"
    else:
        advice = "see whether the model's dialect asks for the tags that its replies should have"
    raise _too_little(
        evaluation,
        metric,
        condition,
        fact=f"{_share(unparsed)} could not be read; max_unscored_rate is {allowed:g}",
        rows=unparsed,
        advice=advice,
    )


def _check_scored(evaluation: Evaluation, metric: str, condition: str, allowed: float) -> None:
    columns = evaluation.columns(condition)
    unscored = columns.has_verdict("unscored")
    if unscored.sum() <= allowed * columns.reasoned.sum():
        return
    first = evaluation.provenance.get("judge_failures", {}).get("first", "")
    raise _too_little(
        evaluation,
        metric,
        condition,
        fact=f"the judge failed on {_share(unscored, columns.reasoned)}; max_unscored_rate is {allowed:g}",
        rows=unscored,
        advice=f"mend the judge or name another{f'; its first error was {shorten(first)}' if first else ''}",
    )


def _check_answered(evaluation: Evaluation, metric: str, condition: str) -> None:
    """Refuse a verdict on the few answers of a model that declines most questions."""
    columns = evaluation.columns(condition)
    abstained = columns.abstained
    if 2 * abstained.sum() <= columns.parsed.sum():
        return
    raise _too_little(
        evaluation,
        metric,
        condition,
        fact=f"{_share(abstained, columns.parsed)} abstain, and at least half have to answer",
        rows=abstained,
        advice="gate right_rate, which counts an abstention as not right, or abstention_rate",
    )


def _check_decided(evaluation: Evaluation, metric: str, condition: str) -> None:
    columns = evaluation.columns(condition)
    decided, parsed = int(columns.decided.sum()), int(columns.answered.sum())
    if 2 * decided >= parsed:
        return
    silent = int((columns.answered & ~columns.reasoned).sum())
    undecided = columns.has_verdict("undecided")
    unscored = int(columns.has_verdict("unscored").sum())
    raise _too_little(
        evaluation,
        metric,
        condition,
        fact=(
            f"the judge decided on {decided} of {parsed} replies, and at least half is needed "
            f"({int(undecided.sum())} undecided, {unscored} failed, {silent} without reasoning)"
        ),
        rows=undecided | (columns.answered & ~columns.reasoned),
        advice="name a stronger judge, or gate accuracy only: on this reasoning no verdict can stand",
    )


def _check_probs(evaluation: Evaluation, metric: str, condition: str, allowed: float) -> None:
    columns = evaluation.columns(condition)
    silent = columns.parsed & ~columns.has_probs
    if silent[columns.parsed].mean() <= allowed:
        return
    raise _too_little(
        evaluation,
        metric,
        condition,
        fact=(
            f"{_share(silent, columns.parsed)} came without letter probabilities; "
            f"max_unscored_rate is {allowed:g}"
        ),
        rows=silent,
        advice="gate accuracy instead, or use a model that tells the probability of each letter",
    )


def _share(some: BoolArray, of: BoolArray | None = None) -> str:
    count, whole = int(some.sum()), int(some.size if of is None else of.sum())
    return f"{count} of {whole} replies ({count / whole:.3f})"


def _too_little(
    evaluation: Evaluation, metric: str, condition: str, *, fact: str, rows: BoolArray, advice: str
) -> VacuousError:
    lines = [f"no verdict on {metric}: under {condition}, {fact}"]
    for row in np.flatnonzero(rows)[:_SHOWN]:
        record = evaluation.record(condition, evaluation.sample_ids[row])
        why = f" ({record.unparsed_reason})" if record.unparsed_reason else ""
        lines.append(f"  {record.sample_id}{why}: {shorten(record.reply) or 'an empty reply'}")
    lines.append(f"  what to do: {advice}")
    return VacuousError("\n".join(lines))
