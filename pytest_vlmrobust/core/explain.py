"""Words a failed gate, with `telling` (which samples) and `excerpts` (how text is shown).

Written for whoever reads it at two in the morning: the first line says what was measured and what is
allowed, then what it stands on, then samples to look at, then how to see it again.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_vlmrobust.core.distributions import CONFIDENT
from pytest_vlmrobust.core.excerpts import printable, shorten, tail
from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.gates import Gate, Outcome
from pytest_vlmrobust.core.intervals import Interval, samples_to_settle
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.rows import Record
from pytest_vlmrobust.core.telling import telling_samples
from pytest_vlmrobust.core.views import BASE

_SHOWN = 3
_MOST_DIGITS = 9
_OPTION_WIDTH = 60
_JUDGED = ("unscored_rate", "undecided_rate")
"""Figures about the judge itself; those on the basis "judged" come on top."""

_APPROXIMATE = "approximate, since the thought was asked for in the prompt"

_HEADLINES = {
    "accuracy": "accuracy is {value} under {condition}",
    "accuracy_drop": "accuracy fell by {value} under {condition}",
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
    "unparsed_rate": "{value} of the replies under {condition} could not be read",
    "truncated_rate": "{value} of the replies under {condition} were ended by the token limit",
    "unscored_rate": "the judge failed on {value} of the replies under {condition}",
    "undecided_rate": "the judge could not decide on {value} of the replies under {condition}",
}


def explain_failure(evaluation: Evaluation, outcome: Outcome, *, command: str | None = None) -> str:
    """Say why a gate failed.

    Args:
        evaluation: the run that the gate was held against.
        outcome: what `pytest_vlmrobust.core.gates.check` returned.
        command: the command that runs it again; by default the ``command`` of the run's provenance,
            if it has one.

    Returns:
        Several lines without a last line break: what was measured and allowed, the run, interval and n,
        accuracies and flips for a drop, up to three samples, the command.
    """
    finding = [_headline(evaluation, outcome), *_run(evaluation), *_evidence(evaluation, outcome)]
    return "\n".join([*finding, *_reproduce(evaluation, command)])


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
    lines = [f"{len(failed)} of {len(outcomes)} gates failed", *_run(evaluation)]
    for outcome in outcomes:
        value = _distinct(outcome.figure.value, outcome.gate.threshold)
        about = ", approximate" if outcome.gate.condition in evaluation.approximate else ""
        lines.append(_line(outcome.verdict, f"{outcome.gate}: {value}, n = {outcome.figure.n}{about}"))
    for outcome in failed:
        lines += ["", _headline(evaluation, outcome), *_evidence(evaluation, outcome)]
    ending = _reproduce(evaluation, command)
    return "\n".join([*lines, *([""] if ending else []), *ending])


def _headline(evaluation: Evaluation, outcome: Outcome) -> str:
    gate = outcome.gate
    value = _distinct(outcome.figure.value, gate.threshold)
    said = _HEADLINES[gate.metric].format(value=value, condition=gate.condition)
    about = f" ({_APPROXIMATE})" if gate.condition in evaluation.approximate else ""
    return f"{said}{about}; {gate.setting} is {gate.threshold:g}"


def _evidence(evaluation: Evaluation, outcome: Outcome) -> list[str]:
    gate, figure = outcome.gate, outcome.figure
    lines = [_line("measured", _measured(figure))]
    if gate.metric == "accuracy_drop":
        lines += _flips(evaluation, gate.condition, figure)
    lines += _doubt(figure, gate.threshold)
    lines += _left_out(evaluation, gate, figure)
    return lines + _samples(evaluation, gate, figure)


def _run(evaluation: Evaluation) -> list[str]:
    """Name the model, the data and the seed, as far as they are known."""
    known = evaluation.provenance
    model, dataset = known.get("model"), known.get("dataset")
    words = [str(model["spec"])] if isinstance(model, dict) and model.get("spec") else []
    if isinstance(dataset, dict) and dataset.get("name"):
        words.append(f"on {dataset['name']}")
    words.append(f"{evaluation.n} samples" + (f", seed {known['seed']}" if "seed" in known else ""))
    return [_line("run", " ".join(words[:-1]) + f" ({words[-1]})" if words[:-1] else words[-1])]


def _measured(figure: Figure) -> str:
    count = figure.detail.get("count")
    words = f"{figure.value:.3f} " + (f"(n = {figure.n})" if count is None else f"({count} of {figure.n})")
    if figure.low is not None and figure.high is not None:
        words += f", 95 % interval {figure.low:.3f} to {figure.high:.3f}"
    return words


def _flips(evaluation: Evaluation, condition: str, figure: Figure) -> list[str]:
    detail, view = figure.detail, evaluation.view(condition)
    lost = f"{detail['lost']} right->wrong"
    if view.here.wrongly_planted.any():
        lost += f" ({int((view.could_be_turned() & view.here.misled).sum())} to the planted option)"
    rates = f"{detail['base_accuracy']:.3f} under {BASE}, {detail['accuracy']:.3f} under {condition}"
    return [_line("accuracy", rates), _line("flips", f"{lost}, {detail['gained']} wrong->right")]


def _doubt(figure: Figure, threshold: float) -> list[str]:
    """Say so where the interval leaves the verdict open."""
    if figure.low is None or figure.high is None:
        return []
    interval = Interval(figure.low, figure.high)
    needed = samples_to_settle(figure.value, interval, threshold, figure.n)
    if needed is None:
        return []
    words = f"the interval straddles {threshold:g}; about {needed} samples would settle it"
    return [_line("unsure", f"{words} if the value stayed")]


def _left_out(evaluation: Evaluation, gate: Gate, figure: Figure) -> list[str]:
    """Say which samples the figure does not stand on."""
    if figure.n == evaluation.n:
        return []
    view, basis = evaluation.view(gate.condition), METRICS[gate.metric].basis
    here, parsed = view.here, view.here.parsed
    causes = [
        (f"whose request failed under {gate.condition}", here.failed),
        (f"unparsed under {gate.condition}", ~parsed),
    ]
    if basis == "paired" and view.base is not None:
        causes.append((f"whose request failed under {BASE}", view.base.failed))
        causes.append((f"unparsed under {BASE}", ~view.base.parsed))
    if basis == "judged" or gate.metric in _JUDGED:
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
    return [_line("left out", f"{evaluation.n - figure.n} of {evaluation.n} samples: {', '.join(told)}")]


def _samples(evaluation: Evaluation, gate: Gate, figure: Figure) -> list[str]:
    telling = telling_samples(evaluation, gate.metric, gate.condition)
    rows = telling.rows.tolist()
    words = f"{min(_SHOWN, len(rows))} of {len(rows)} {telling.label}"
    kinds = Counter(evaluation.categories[row] or "without category" for row in rows)
    if len(kinds) > 1 and len(rows) < figure.n:
        words += f" ({', '.join(f'{count} {kind}' for kind, count in kinds.most_common())})"
    lines = [_line("samples", words)]
    judges = [str(judge["name"]) for judge in evaluation.provenance.get("judges", ())]
    for row in rows[:_SHOWN]:
        lines += _sample(evaluation.record(gate.condition, evaluation.sample_ids[row]), gate.metric, judges)
    return lines


def _sample(record: Record, metric: str, judges: Sequence[str]) -> list[str]:
    labeled = zip(record.letters, record.choices, strict=True)
    facts = [
        ("question", shorten(record.question)),
        ("options", "  ".join(f"({letter}) {shorten(text, _OPTION_WIDTH)}" for letter, text in labeled)),
        ("answered", _answer(record)),
    ]
    if record.planted_text:
        facts.append(("planted", shorten(record.planted_text)))
    if METRICS[metric].basis == "judged" or metric in _JUDGED:
        facts.append(("thought", tail(record.think or "")))
        if record.votes and len(record.votes) == len(judges):
            votes = zip(judges, record.votes, strict=True)
            facts.append(
                ("judges", ", ".join(f"{shorten(name, _OPTION_WIDTH)} {vote}" for name, vote in votes))
            )
    else:
        facts.append(("reply", shorten(record.reply) or "(empty)"))
    if METRICS[metric].basis == "letter_probs" and record.letter_probs is not None:
        probs = zip(record.letters, record.letter_probs, strict=True)
        facts.append(("P(letter)", ", ".join(f"{letter} {p:.3f}" for letter, p in probs)))
    return [f"    {printable(record.sample_id)}", *(f"      {name:<9} {text}" for name, text in facts)]


def _answer(record: Record) -> str:
    if record.letter is None:
        why = f" ({record.unparsed_reason})" if record.unparsed_reason else ""
        return f"nothing that could be read{why}; right is {record.answer}"
    if record.right:
        return f"{record.letter}, which is right"
    return f"{record.letter}{', as planted' if record.misled else ''}; right is {record.answer}"


def _reproduce(evaluation: Evaluation, command: str | None) -> list[str]:
    told = command or evaluation.provenance.get("command")
    return [_line("reproduce", str(told))] if told else []


def _distinct(value: float, threshold: float) -> str:
    """Format with three digits, or as many as it takes to differ from the threshold."""
    for digits in range(3, _MOST_DIGITS):
        text = f"{value:.{digits}f}"
        if value == threshold or float(text) != threshold:
            return text
    return repr(value)


def _line(name: str, text: str) -> str:
    return f"  {name:<10} {text}".rstrip()
