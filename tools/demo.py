"""The main job, for a person to watch: one good model passes, two bad ones fail and say why.

    make demo

Runs the ready-made suite and the example tests on the bundled models and checks that each ends as
it should: exit status 0 here means that the good model passed and both bad ones were caught.
"""

from __future__ import annotations

import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).resolve().parent.parent
SUITE = ("--pyargs", "pytest_vlmrobust.suite")
EXAMPLES = ("examples/model_repo",)


@dataclass(frozen=True, kw_only=True)
class Act:
    """One pytest run and how it has to end."""

    title: str
    model: str
    tests: tuple[str, ...]
    expected: int


ACTS = (
    Act(title="A grounded model: the ready-made suite passes", model="grounded", tests=SUITE, expected=0),
    Act(
        title="The same model: a model repository's own tests pass",
        model="grounded",
        tests=EXAMPLES,
        expected=0,
    ),
    Act(title="A gullible model: it believes what it is told", model="gullible", tests=SUITE, expected=1),
    Act(
        title="An unfaithful model: right answers, other reasons", model="unfaithful", tests=SUITE, expected=1
    ),
)


def play(act: Act) -> int:
    """Run one act in the foreground and return pytest's exit status."""
    arguments = [*act.tests, f"--vlm-model=bundled:{act.model}"]
    print(f"\n\n##  {act.title}\n$ pytest {' '.join(arguments)}\n", flush=True)
    command = [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", *arguments]
    return subprocess.run(command, cwd=ROOT, check=False).returncode


def main() -> int:
    """Play every act, then say how each ended."""
    statuses = [play(act) for act in ACTS]
    print("\n\n##  What you saw")
    for act, status in zip(ACTS, statuses, strict=True):
        verdict = (
            "as it should be" if status == act.expected else f"WRONG: it should have been {act.expected}"
        )
        print(f"  exit status {status}, {verdict:<16} {act.title}")
    return int(any(status != act.expected for act, status in zip(ACTS, statuses, strict=True)))


if __name__ == "__main__":
    raise SystemExit(main())
