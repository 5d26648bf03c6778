"""What a single clause says about the options, all in all."""

from __future__ import annotations

from collections.abc import Iterator

from pytest_vlmrobust.core.letters import Unread, read_letter
from pytest_vlmrobust.judges import cues
from pytest_vlmrobust.judges.choices import Options
from pytest_vlmrobust.judges.clauses import Clause
from pytest_vlmrobust.judges.evidence import Evidence, Weight
from pytest_vlmrobust.judges.labels import labeled
from pytest_vlmrobust.judges.naming import named
from pytest_vlmrobust.judges.polarity import yes_or_no


def clause_evidence(clause: Clause, options: Options) -> list[Evidence]:
    """Return what a clause says about the options, in the order of the text."""
    if clause.asked or clause.supposed or clause.reported:
        return []
    answered = _answered(clause, options)
    careful = cues.WOULD_BE.search(clause.own)
    if answered or (clause.possible and careful is None):
        return answered
    found = [*labeled(clause, options), *named(clause, options), *_polarity(clause, options)]
    if clause.possible and careful is not None:
        found = [e for e in found if e.at >= clause.start + careful.end()]
    firm = {e.choice for e in found if e.holds and e.weight >= Weight.CONCLUDED}
    if len(firm) > 1:
        if cues.EITHER.search(clause.own):
            return [Evidence(at=clause.start, choice=None, weight=Weight.CONCLUDED)]
        found = [e for e in found if not e.holds]
    return sorted(found, key=lambda e: e.at)


def _answered(clause: Clause, options: Options) -> list[Evidence]:
    """Read an explicit answer: a box, or "the answer is …"."""
    own = clause.own
    starts = [m.start() for m in cues.BOX.finditer(own)] or [m.end() for m in cues.ANSWER.finditer(own)]
    if not starts:
        return []
    reading = read_letter(own[starts[-1] :], options.choices)
    if reading.choice is None and reading.reason is not Unread.AMBIGUOUS:
        return []
    return [Evidence(at=clause.start + starts[-1], choice=reading.choice, weight=Weight.ANSWERED)]


def _polarity(clause: Clause, options: Options) -> Iterator[Evidence]:
    """Read yes or no, said outright or by answering the question in a statement."""
    if not options.asks_yes_or_no:
        return
    for at, affirmed, outright in yes_or_no(clause, options.question):
        choice = options.yes if affirmed else options.no
        yield Evidence(at=at, choice=choice, weight=Weight.CONCLUDED if outright else Weight.STATED)
    if not options.question and cues.THERE.search(clause.own):
        # It answers a question that is not known here.
        yield Evidence(at=clause.start, choice=None, weight=Weight.STATED)
