"""Words a regression against a baseline, and a trade-off in a training, as `explain` does other failures."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vlmrobust.core.baselines import Regression
from pytest_vlmrobust.core.choosing import spec_of
from pytest_vlmrobust.core.excerpts import printable
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.shown import (
    distinct,
    doubt_lines,
    finding_lines,
    interval_words,
    line,
    reproduce_lines,
    run_lines,
    sample_lines,
)
from pytest_vlmrobust.core.tradeoffs import Change, Tradeoff
from pytest_vlmrobust.core.trends import Trend

_SHOWN = 3
_ENTROPY_FELL = 1e-3
"""Nats by which letter entropy has to fall to be worth a line."""


def explain_regression(
    run: Evaluation, baseline: Evaluation, outcome: Regression, *, command: str | None = None
) -> str:
    """Say why a run is taken to be worse than its baseline.

    Args:
        run: the run under test.
        baseline: the earlier one.
        outcome: what `pytest_vlmrobust.core.baselines.check_regression` returned.
        command: the command that runs it again; by default the ``command`` of the run's provenance.

    Returns:
        Several lines without a last line break: what is worse and by how much, both runs, the interval,
        what became worse and better, up to three samples as they are now, the command.
    """
    gate, figure = outcome.gate, outcome.figure
    value = distinct(figure.value, gate.max_regression)
    about = " (approximate)" if gate.condition in run.approximate else ""
    unsure = "inconclusive: " if outcome.verdict == "inconclusive" else ""
    lines = [
        f"{unsure}{gate.metric} under {gate.condition} is {value} worse than in "
        f"{printable(gate.baseline)}{about}; "
        f"max_regression is {gate.max_regression:g}",
        *run_lines(run),
        *_baseline(baseline),
        line("measured", _paired(figure) + interval_words(outcome.finding)),
        line("values", _before_and_after(figure)),
    ]
    lines += _entropy(outcome)
    lines += finding_lines(figure, outcome.finding, gate)
    if figure.n < run.n:
        lines.append(line("left out", _left_out(run, baseline, outcome)))
    changed = f"{figure.detail['worse']} became worse, {figure.detail['better']} better"
    lines += _samples(run, baseline, gate.metric, gate.condition, outcome.worse, changed)
    return "\n".join([*lines, *reproduce_lines(run, command)])


def explain_tradeoff(trend: Trend, outcome: Tradeoff, *, command: str | None = None) -> str:
    """Say where a training began to pay for what it gained.

    Args:
        trend: the checkpoints.
        outcome: what `pytest_vlmrobust.core.tradeoffs.check_trend` returned.
        command: the command that runs it again.

    Returns:
        Several lines without a last line break: what got worse since which step, every step, the spread
        between trainings or up to three samples, the command.
    """
    gate, at = outcome.gate, outcome.at
    one = next(training for training in trend.trainings if training.name == outcome.trainings[0])
    run = one.at(at.step).run
    many = len(outcome.trainings) > 1
    fall = distinct(at.fall, gate.max_fall)
    told = _sentence(outcome, fall)
    lines = [
        f"{told}; max_fall is {gate.max_fall:g}",
        line("trainings" if many else "training", ", ".join(map(printable, outcome.trainings))),
        *(_data(run) if many else run_lines(run)),
        line("began", f"step {at.step}: {_before(outcome)}"),
        *_steps(outcome, one.steps if not many else trend.steps),
    ]
    if many:
        lines += _between(outcome)
    else:
        assert at.figure is not None  # one training has an interval at each step
        lines.append(line("measured", _measured(at.figure)))
        lines += doubt_lines(at.figure, gate.max_fall)
        start = one.at(outcome.since).run
        changed = f"{at.figure.detail['worse']} became worse, {at.figure.detail['better']} better"
        lines += _samples(run, start, gate.metric, gate.condition, at.worse, changed)
    return "\n".join([*lines, *reproduce_lines(run, command)])


def _sentence(outcome: Tradeoff, fall: str) -> str:
    gate, at = outcome.gate, outcome.at
    steps = f"from step {outcome.since} to step {at.step}"
    mean = f", in the mean of {len(outcome.trainings)} trainings" if len(outcome.trainings) > 1 else ""
    worse = f"{gate.metric} under {gate.condition} got {fall} worse {steps}{mean}"
    if gate.gain is None:
        return worse
    rose = "fell" if gate.gain == "letter_entropy" else "rose"
    return f"{worse}, while {gate.gain} under {gate.gain_condition} {rose} by {distinct(at.gain, 0.0)}"


def _data(run: Evaluation) -> list[str]:
    dataset, seed = run.provenance.get("dataset"), run.provenance.get("seed")
    name = dataset.get("name") if isinstance(dataset, dict) else ""
    words = f"{run.n} samples" + ("" if seed is None else f", seed {seed}")
    return [line("data", f"{printable(str(name))} ({words})" if name else words)]


def _before(outcome: Tradeoff) -> str:
    """Say how it was up to the step where it began."""
    earlier = [change for change in outcome.changes if change.step < outcome.at.step]
    if not earlier:
        return f"the first checkpoint after step {outcome.since}"
    last = earlier[-1]
    return f"up to step {last.step} the bound was kept ({last.fall:.3f} worse there)"


def _steps(outcome: Tradeoff, steps: Sequence[int]) -> list[str]:
    width = max(len(str(step)) for step in steps)
    gain = "gain in " + outcome.gate.shown_gain
    lines = [line("step", f"{'':>{width}}  {gain}  {outcome.gate.metric} worse by")]
    lines.append(line("", f"{outcome.since:>{width}}  {'-':>{len(gain)}}  -"))
    for change in outcome.changes:
        mark = "  <- began here" if change.step == outcome.began else ""
        value = _changed(change)
        lines.append(line("", f"{change.step:>{width}}  {change.gain:>{len(gain)}.3f}  {value}{mark}"))
    return lines


def _changed(change: Change) -> str:
    if change.spread is not None:
        return f"{change.fall:.3f} (spread {change.spread.spread:.3f})"
    figure = change.figure
    if figure is None or figure.low is None or figure.high is None:
        return f"{change.fall:.3f}"
    return f"{change.fall:.3f} [{figure.low:.3f}, {figure.high:.3f}]"


def _between(outcome: Tradeoff) -> list[str]:
    """What the trainings show one by one at the step where it began, and how far they agree."""
    at = outcome.at
    assert at.spread is not None  # several trainings have one at each step
    falls = next(
        fall for change, fall in zip(outcome.changes, outcome.each, strict=True) if change.step == at.step
    )
    named = zip(outcome.trainings, falls, strict=True)
    lines = [
        line("measured", f"mean {at.fall:.3f}, 95 % interval {at.spread.low:.3f} to {at.spread.high:.3f}"),
        line("each", ", ".join(f"{printable(name)} {fall:.3f}" for name, fall in named)),
    ]
    if at.spread.spread > abs(at.fall):
        lines.append(
            line(
                "unsure",
                f"the spread between trainings, {at.spread.spread:.3f}, exceeds the difference, "
                f"{at.fall:.3f}: other seeds may show the contrary",
            )
        )
    return lines


def _baseline(baseline: Evaluation) -> list[str]:
    words = [printable(spec_of(baseline)) or "a model without a name"]
    created = baseline.provenance.get("created")
    if created:
        words.append(f"of {printable(str(created))}")
    words.append(f"({baseline.n} samples)")
    return [line("baseline", " ".join(words))]


def _paired(figure: Figure) -> str:
    return f"{figure.value:.3f} worse (n = {figure.n}, paired by sample)"


def _measured(figure: Figure) -> str:
    words = _paired(figure)
    if figure.low is not None and figure.high is not None:
        words += f", 95 % interval {figure.low:.3f} to {figure.high:.3f}"
    return words


def _before_and_after(figure: Figure) -> str:
    return f"{figure.detail['baseline']:.3f} in the baseline, {figure.detail['run']:.3f} now"


def _entropy(outcome: Regression) -> list[str]:
    """Say so where a model that errs more often with confidence has become surer altogether."""
    if outcome.gate.metric != "confidently_wrong_rate" or outcome.entropy is None:
        return []
    before, after = outcome.entropy
    moved = f"letter entropy {before:.3f} in the baseline, {after:.3f} now"
    if before - after > _ENTROPY_FELL:
        moved += ": the model has become surer, and that is no knowledge"
    return [line("entropy", moved)]


def _left_out(run: Evaluation, baseline: Evaluation, outcome: Regression) -> str:
    words = f"{run.n - outcome.figure.n} of {run.n} samples"
    causes = []
    if outcome.samples < run.n:
        causes.append(f"{run.n - outcome.samples} that the baseline does not have")
    uncounted = outcome.samples - outcome.figure.n
    if uncounted:
        causes.append(f"{uncounted} that do not count for {outcome.gate.metric} in both")
    if baseline.n > outcome.samples:
        causes.append(f"and {baseline.n - outcome.samples} of the baseline's own")
    return f"{words}: {', '.join(causes)}"


def _samples(
    run: Evaluation,
    before: Evaluation,
    metric: str,
    condition: str,
    worse: Sequence[str],
    changed: str,
) -> list[str]:
    """Show samples that became worse, as they are now, and what was answered before."""
    lines = [line("samples", f"{changed}; {min(_SHOWN, len(worse))} of those that became worse")]
    judges = [str(judge["name"]) for judge in run.provenance.get("judges", ())]
    for sample_id in worse[:_SHOWN]:
        lines += sample_lines(run.record(condition, sample_id), metric, judges)
        letter = before.record(condition, sample_id).letter
        lines.append(f"      {'before':<9} {letter or 'nothing that could be read'}")
    return lines if worse else [line("samples", changed)]
