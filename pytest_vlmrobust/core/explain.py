"""Words a failed gate, with `telling` (which samples) and `excerpts` (how text is shown).

Written for whoever reads it at two in the morning: the first line says what was measured and what is
allowed, then what it stands on, then samples to look at, then how to see it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_vlmrobust.core.basis import ANSWERS
from pytest_vlmrobust.core.distributions import CONFIDENT
from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.findings import Finding
from pytest_vlmrobust.core.gates import Gate, Outcome
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.predictors import AUROCS, PREDICTORS
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.scores.measuring import DROP, SCORE
from pytest_vlmrobust.core.scores.report import score_name
from pytest_vlmrobust.core.shown import (
    JUDGED,
    distinct,
    finding_lines,
    interval_words,
    line,
    reproduce_lines,
    run_lines,
    sample_lines,
)
from pytest_vlmrobust.core.telling import telling_samples
from pytest_vlmrobust.core.views import BASE

_SHOWN = 3

_APPROXIMATE = "approximate, since the thought was asked for in the prompt"

_HEADLINES = {
    "accuracy": "accuracy is {value} under {condition}",
    "accuracy_drop": "accuracy fell by {value} under {condition}",
    "abstention_rate": "{value} of the replies under {condition} abstain",
    "right_rate": (
        "{value} of the replies under {condition} are right, those that abstain counted as not right"
    ),
    "misled_rate": "{value} of the answers under {condition} are the wrong option that was planted",
    "misled_when_right_rate": (
        f"{{value}} of the samples that were right under {BASE} are misled to the planted option "
        "under {condition}"
    ),
    "unfaithful_rate": (
        "{value} of the replies under {condition} answer another option than their reasoning ends in"
    ),
    "right_and_consistent_rate": (
        "{value} of the replies under {condition} are right in line with their reasoning"
    ),
    "right_and_inconsistent_rate": (
        "{value} of the replies under {condition} are right against their reasoning"
    ),
    "wrong_and_consistent_rate": (
        "{value} of the replies under {condition} are wrong in line with their reasoning"
    ),
    "wrong_and_inconsistent_rate": (
        "{value} of the replies under {condition} are wrong against their reasoning"
    ),
    "p_correct": "the right letter has a mean probability of {value} under {condition}",
    "confidently_wrong_rate": (
        f"{{value}} of the answers under {{condition}} are wrong with P(letter) of {CONFIDENT:g} or more"
    ),
    "calibration_error": "probability and accuracy differ by {value} on average under {condition}",
    "brier_score": "the Brier score is {value} under {condition}",
    "p_base_auroc": "P_base tells right from wrong under {condition} with an AUROC of {value}",
    "entropy_auroc": (
        "the entropy under base tells right from wrong under {condition} with an AUROC of {value}"
    ),
    "unparsed_rate": "{value} of the replies under {condition} could not be read",
    "truncated_rate": "{value} of the replies under {condition} were ended by the token limit",
    "unscored_rate": "the judge failed on {value} of the replies under {condition}",
    "undecided_rate": "the judge could not decide on {value} of the replies under {condition}",
    SCORE: "{score} is {value} under {condition}",
    DROP: "{score} fell by {value} under {condition}",
}


def explain_failure(evaluation: Evaluation, outcome: Outcome, *, command: str | None = None) -> str:
    """Say why a gate failed, or is inconclusive.

    Args:
        evaluation: the run that the gate was held against.
        outcome: what `pytest_vlmrobust.core.gates.check` returned.
        command: the command that runs it again; by default the ``command`` of the run's provenance,
            if it has one.

    Returns:
        Several lines without a last line break: what was measured and allowed, the run, interval and n,
        accuracies and flips for a drop, up to three samples, the command.
    """
    finding = [_headline(evaluation, outcome), *run_lines(evaluation), *_evidence(evaluation, outcome)]
    return "\n".join([*finding, *reproduce_lines(evaluation, command)])


def explain_gates(evaluation: Evaluation, outcomes: Sequence[Outcome], *, command: str | None = None) -> str:
    """Say how a run did at several gates: one line for each gate, then each failure in full.

    Args:
        evaluation: the run.
        outcomes: one for each gate, those that passed included.
        command: as in `explain_failure`.
    """
    failed = [outcome for outcome in outcomes if not outcome.passed]
    if len(outcomes) == 1 and failed:
        return explain_failure(evaluation, failed[0], command=command)
    unsure = sum(outcome.verdict == "inconclusive" for outcome in outcomes)
    counted = f"{len(failed) - unsure} of {len(outcomes)} gates failed"
    lines = [counted + (f", {unsure} inconclusive" if unsure else ""), *run_lines(evaluation)]
    for outcome in outcomes:
        value = distinct(outcome.figure.value, outcome.gate.threshold)
        about = ", approximate" if outcome.gate.condition in evaluation.approximate else ""
        lines.append(line(outcome.verdict, f"{outcome.gate}: {value}, n = {outcome.figure.n}{about}"))
    for outcome in failed:
        lines += ["", _headline(evaluation, outcome), *_evidence(evaluation, outcome)]
    ending = reproduce_lines(evaluation, command)
    return "\n".join([*lines, *([""] if ending else []), *ending])


def _headline(evaluation: Evaluation, outcome: Outcome) -> str:
    gate = outcome.gate
    value = distinct(outcome.figure.value, gate.threshold)
    score = score_name(evaluation.scorer)
    said = _HEADLINES[gate.metric].format(value=value, condition=gate.condition, score=score)
    about = f" ({_APPROXIMATE})" if gate.condition in evaluation.approximate else ""
    unsure = "inconclusive: " if outcome.verdict == "inconclusive" else ""
    return f"{unsure}{said}{about}; {gate.setting} is {gate.threshold:g}"


def _evidence(evaluation: Evaluation, outcome: Outcome) -> list[str]:
    gate, figure = outcome.gate, outcome.figure
    lines = [line("measured", _measured(figure, outcome.finding))]
    if gate.metric == "accuracy_drop":
        lines += _flips(evaluation, gate.condition, figure)
    if gate.metric == DROP:
        scores = f"{figure.detail['base_score']:.3f} under {BASE}, {figure.detail['score']:.3f}"
        lines.append(line("score", f"{scores} under {gate.condition}"))
    if gate.metric in (SCORE, DROP):
        lines += _counted_as_wrong(evaluation, gate)
    lines += finding_lines(figure, outcome.finding, gate)
    lines += _left_out(evaluation, gate, figure)
    return lines + _samples(evaluation, gate, figure)


def _measured(figure: Figure, finding: Finding) -> str:
    count = figure.detail.get("count")
    words = f"{figure.value:.3f} " + (f"(n = {figure.n})" if count is None else f"({count} of {figure.n})")
    return words + interval_words(finding)


def _flips(evaluation: Evaluation, condition: str, figure: Figure) -> list[str]:
    detail, view = figure.detail, evaluation.view(condition)
    lost = f"{detail['lost']} right->wrong"
    if view.here.wrongly_planted.any():
        lost += f" ({int((view.could_be_turned() & view.here.misled).sum())} to the planted option)"
    rates = f"{detail['base_accuracy']:.3f} under {BASE}, {detail['accuracy']:.3f} under {condition}"
    return [line("accuracy", rates), line("flips", f"{lost}, {detail['gained']} wrong->right")]


def _left_out(evaluation: Evaluation, gate: Gate, figure: Figure) -> list[str]:
    """Say which samples the figure does not stand on."""
    if figure.n == evaluation.n:
        return []
    if gate.metric in (SCORE, DROP):
        outside = f"{evaluation.n - figure.n} of {evaluation.n} samples: {_outside(evaluation, figure)}"
        return [line("left out", outside)]
    view, basis = evaluation.view(gate.condition), METRICS[gate.metric].basis
    here, parsed = view.here, view.here.parsed
    causes = [
        (f"whose request failed under {gate.condition}", here.failed),
        (f"unparsed under {gate.condition}", ~parsed),
    ]
    if gate.metric in ANSWERS or basis == "judged":
        causes.append(("that abstain", here.abstained))
    if basis in ("paired", "base_probs") and view.base is not None:
        causes.append((f"whose request failed under {BASE}", view.base.failed))
        causes.append((f"unparsed under {BASE}", ~view.base.parsed))
    if basis == "base_probs" and view.base is not None:
        causes.append((f"without letter probabilities under {BASE}", ~view.base.has_probs))
    if basis == "judged" or gate.metric in JUDGED:
        causes.append(("without reasoning", parsed & ~here.reasoned))
    if basis == "judged" or gate.metric == "undecided_rate":
        causes.append(("on which the judge failed", here.has_verdict("unscored")))
    if basis == "judged":
        causes.append(("undecided", here.has_verdict("undecided")))
    if basis == "letter_probs":
        causes.append(("without letter probabilities", parsed & ~here.has_probs))
    if gate.metric.startswith("misled"):
        causes.append(("with nothing wrong planted", parsed & ~here.wrongly_planted))
    if gate.metric == "misled_when_right_rate":
        causes.append((f"not right under {BASE}", view.pairs() & ~view.base_right()))
    told, counted = [], parsed & False
    for cause, rows in causes:  # a sample counts for the first cause that holds
        if (rows & ~counted).any():
            told.append(f"{int((rows & ~counted).sum())} {cause}")
        counted = counted | rows
    return [line("left out", f"{evaluation.n - figure.n} of {evaluation.n} samples: {', '.join(told)}")]


def _counted_as_wrong(evaluation: Evaluation, gate: Gate) -> list[str]:
    """Say how many replies count as wrong since they could not be read."""
    names = [gate.condition, *([BASE] if gate.metric == DROP else [])]
    views = [(name, evaluation.view(name)) for name in names]
    unread = [(name, int((view.came() & ~view.here.parsed).sum())) for name, view in views]
    told = [f"{count} under {name}" for name, count in unread if count]
    lines = [line("unparsed", f"{', '.join(told)}, which count as wrong")] if told else []
    abstained = int((views[0][1].came() & views[0][1].here.abstained).sum())
    return [*lines, *([line("abstained", f"{abstained}, which count as wrong")] if abstained else [])]


def _outside(evaluation: Evaluation, figure: Figure) -> str:
    """Say why a score of the data set's own does not stand on all samples."""
    left_out = int(figure.detail["left_out"])
    others = evaluation.n - figure.n - left_out
    told = [f"{left_out} without a reply, or of a group that is not whole"] if left_out else []
    return ", ".join([*told, *([f"{others} that are no part of this score"] if others else [])])


def _samples(evaluation: Evaluation, gate: Gate, figure: Figure) -> list[str]:
    telling = telling_samples(evaluation, gate.metric, gate.condition)
    rows = telling.rows.tolist()
    if not rows:  # a gate may be inconclusive without a single fault
        return []
    words = f"{min(_SHOWN, len(rows))} of {len(rows)} {telling.label}"
    kinds = Counter(evaluation.categories[row] or "without category" for row in rows)
    if len(kinds) > 1 and len(rows) < figure.n:
        words += f" ({', '.join(f'{count} {kind}' for kind, count in kinds.most_common())})"
    lines = [line("samples", words)]
    judges = [str(judge["name"]) for judge in evaluation.provenance.get("judges", ())]
    for row in rows[:_SHOWN]:
        lines += sample_lines(
            evaluation.record(gate.condition, evaluation.sample_ids[row]), gate.metric, judges
        )
        lines += _promise(evaluation, gate, row)
    return lines


def _promise(evaluation: Evaluation, gate: Gate, row: int) -> list[str]:
    """Show what was known of a sample under base, where the figure is about that."""
    if gate.metric not in AUROCS:
        return []
    predictor = PREDICTORS[AUROCS[gate.metric]]
    number = predictor.number(evaluation.columns(BASE))[row]
    return [f"      under {BASE} {predictor.called} {number:.3f}"]
