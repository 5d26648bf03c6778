"""Several judges in one: what most of them say."""

from __future__ import annotations

from collections import Counter
from collections.abc import Sequence

from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.judges.base import Consistency, Judge, JudgeCase, Verdict


class Panel:
    """Judges by majority.

    Attributes:
        members: the judges, in the order of their votes.
    """

    def __init__(self, members: Sequence[Judge]) -> None:
        """Take the judges.

        Raises:
            UsageError: there are fewer than two, or two of the same name.
        """
        names = [member.name for member in members]
        if len(members) < 2:
            raise UsageError(f"a panel needs at least two judges, got {', '.join(names) or 'none'}")
        twice = [name for name, count in Counter(names).items() if count > 1]
        if twice:
            raise UsageError(f"judge {twice[0]!r} sits on the panel twice: its vote would count double")
        self.members = tuple(members)

    @property
    def name(self) -> str:
        """The names of its members, separated by commas."""
        return ",".join(member.name for member in self.members)

    def judge(self, cases: Sequence[JudgeCase]) -> list[Verdict]:
        """Have every member judge, and take the majority; see `majority`."""
        ballots = zip(*(member.judge(cases) for member in self.members), strict=True)
        return [majority(votes) for votes in ballots]


def majority(votes: Sequence[Verdict]) -> Verdict:
    """Return what more than half of all judges say.

    Where no verdict has that many, the panel is undecided: a tie is no verdict on the thought. But
    if a judge failed whose vote might have made a majority, the panel has failed as well.

    >>> AGREES, DIFFERS = Consistency.CONSISTENT, Consistency.INCONSISTENT
    >>> majority([AGREES, DIFFERS, AGREES]).value, majority([AGREES, DIFFERS]).value
    ('consistent', 'undecided')
    >>> majority([AGREES, AGREES, None]).value, majority([AGREES, DIFFERS, None])
    ('consistent', None)
    """
    counts = Counter(vote for vote in votes if vote is not None)
    failed = len(votes) - counts.total()
    (leading, count), *_ = [*counts.most_common(1), (None, 0)]
    if 2 * count > len(votes):
        return leading
    return None if 2 * (count + failed) > len(votes) else Consistency.UNDECIDED
