"""Pieces of messages: labelled lines, numbers that do not mislead, a sample as a person wants to see it."""

from __future__ import annotations

from collections.abc import Sequence

from pytest_vlmrobust.core.excerpts import printable, shorten, tail
from pytest_vlmrobust.core.figures import METRICS
from pytest_vlmrobust.core.findings import Bounded, Finding
from pytest_vlmrobust.core.intervals import Interval, samples_to_settle
from pytest_vlmrobust.core.metrics import Figure
from pytest_vlmrobust.core.records import Evaluation
from pytest_vlmrobust.core.rows import Record

_MOST_DIGITS = 9
_OPTION_WIDTH = 60
JUDGED = ("unscored_rate", "undecided_rate")
"""Figures about the judge itself; those on the basis "judged" come on top."""


def run_lines(evaluation: Evaluation) -> list[str]:
    """Name the model, the data and the seed, as far as they are known."""
    known = evaluation.provenance
    model, dataset = known.get("model"), known.get("dataset")
    words = [str(model["spec"])] if isinstance(model, dict) and model.get("spec") else []
    if isinstance(dataset, dict) and dataset.get("name"):
        words.append(f"on {dataset['name']}")
    words.append(f"{evaluation.n} samples" + (f", seed {known['seed']}" if "seed" in known else ""))
    return [line("run", " ".join(words[:-1]) + f" ({words[-1]})" if words[:-1] else words[-1])]


def doubt_lines(figure: Figure, threshold: float) -> list[str]:
    """Say so where the interval leaves the verdict open."""
    if figure.low is None or figure.high is None:
        return []
    interval = Interval(figure.low, figure.high)
    needed = samples_to_settle(figure.value, interval, threshold, figure.n)
    if needed is None:
        return []
    words = f"the interval straddles {threshold:g}; about {needed} samples would settle it"
    return [line("unsure", f"{words} if the value stayed")]


def finding_lines(figure: Figure, finding: Finding, gate: Bounded) -> list[str]:
    """Say how sure a verdict is, what so many samples could have shown, and how many would settle it."""
    lines, n = [], figure.n
    if finding.clusters is not None:
        told = f"the samples come in {finding.clusters} groups, which are not independent within"
        alone = "all samples are of one group, which does not show how groups differ: there is no interval"
        lines.append(line("groups", told if finding.clusters > 1 else alone))
    if finding.family > 1 and finding.chance is not None:
        lines.append(
            line(
                "family",
                f"one of {finding.family} gates that are judged together (Holm): by chance alone in "
                f"{finding.chance:.2g} of cases, and {(1 - finding.confidence) / 2:.2g} is sure",
            )
        )
    lines += _doubt(figure, finding, gate.threshold)
    if "by_chance" in figure.detail:  # of what it could show nothing is known, but of its bias
        bias = f"{figure.detail['by_chance']:.3f} on average"
        return [*lines, line("by chance", f"{bias}, were all probabilities right: it is biased by that")]
    lines.append(line("could show", could_show(n, finding, gate)))
    return lines


def could_show(n: int, finding: Finding, gate: Bounded) -> str:
    """Say which true value a number of samples would have shown to be beyond a bound."""
    samples = f"with {n} sample{'s' if n > 1 else ''}"
    if finding.detectable is None:
        return f"{samples}, no breach, however large"
    more = "more" if gate.bound == "max" else "less"
    value = distinct(finding.detectable, gate.threshold)
    return f"{samples}, a true value of {value} or {more}, 4 times in 5"


def _doubt(figure: Figure, finding: Finding, threshold: float) -> list[str]:
    straddles = finding.interval is not None and threshold in finding.interval
    words = f"the interval straddles {threshold:g}"
    if not straddles and finding.verdict != "inconclusive":
        return []
    if not straddles:
        words = "not sure enough among so many gates"
    if finding.needed is not None:
        words += f"; about {finding.needed} samples would settle it if the value stayed"
    lines = [line("unsure", words)] if figure.value != threshold or finding.mode == "confident" else []
    if finding.fewest is not None:
        lines.append(line("too few", f"even a run without a fault takes {finding.fewest} samples to pass"))
    return lines


def percent(confidence: float) -> str:
    """Write a confidence as it stands in front of "interval".

    >>> percent(0.95), percent(0.999)
    ('95 %', '99.9 %')
    """
    return f"{100 * confidence:.10g} %"


def interval_words(finding: Finding) -> str:
    """Write an interval as it stands behind a value; "" where there is none."""
    found = finding.interval
    if found is None:
        return ""
    return f", {percent(finding.confidence)} interval {found.low:.3f} to {found.high:.3f}"


def sample_lines(record: Record, metric: str, judges: Sequence[str]) -> list[str]:
    """Show a sample: what was asked, answered and planted, and what else matters to the metric."""
    labeled = zip(record.letters, record.choices, strict=True)
    facts = [
        ("question", shorten(record.question)),
        ("options", "  ".join(f"({letter}) {shorten(text, _OPTION_WIDTH)}" for letter, text in labeled)),
        ("answered", _answer(record)),
    ]
    if record.planted_text:
        facts.append(("planted", shorten(record.planted_text)))
    if METRICS[metric].basis == "judged" or metric in JUDGED:
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
    if record.abstains:
        return f"{record.letter}, which declines to answer; right is {record.answer}"
    if record.right:
        return f"{record.letter}, which is right"
    return f"{record.letter}{', as planted' if record.misled else ''}; right is {record.answer}"


def reproduce_lines(evaluation: Evaluation, command: str | None) -> list[str]:
    """Say how to see it again: the command given, else that of the run, else nothing."""
    told = command or evaluation.provenance.get("command")
    return [line("reproduce", str(told))] if told else []


def distinct(value: float, threshold: float) -> str:
    """Format with three digits, or as many as it takes to differ from the threshold."""
    for digits in range(3, _MOST_DIGITS):
        text = f"{value:.{digits}f}"
        if value == threshold or float(text) != threshold:
            return text
    return repr(value)


def line(name: str, text: str) -> str:
    """Put a label in front of a text, so that texts stand below each other."""
    return f"  {name:<10} {text}".rstrip()
