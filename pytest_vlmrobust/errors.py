"""The exceptions of this package, all in one place.

::

    VlmRobustError
    ├── UsageError            a bad argument, option, marker or name (also a ValueError)
    │   └── DataError         a data file, image or sample that cannot be used
    ├── ModelError            a model that cannot be loaded or run
    ├── JudgeError            a judge that is not to be trusted
    ├── StoreError            a store of replies that cannot be read or written
    ├── CostLimitError        the limit of costs does not allow a further request
    ├── DryRunError           nothing was asked, since only the number of requests was
    └── VacuousError          a verdict was asked for, but nothing (or too little) was measured

    UserWarning
    └── InconclusiveWarning   a gate is inconclusive, and that is no failure

    KeyboardInterrupt
    └── EvaluationInterrupted Ctrl-C while a model was asked; brings what was finished
"""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pytest_vlmrobust.core.records import Evaluation


class VlmRobustError(Exception):
    """Base of every exception that this package raises on purpose."""


class UsageError(VlmRobustError, ValueError):
    """An argument, option, marker key or name is wrong; the message says what is allowed."""


class DataError(UsageError):
    """A data file, an image or a sample cannot be used; the message says where and why."""


class ModelError(VlmRobustError, RuntimeError):
    """A model was asked for and cannot be loaded, or failed while answering."""


class JudgeError(VlmRobustError, RuntimeError):
    """A judge does not judge the labelled thoughts well enough to be trusted, or gives no verdicts."""


class StoreError(VlmRobustError, RuntimeError):
    """A store of replies is damaged, of another version, or cannot be opened."""


class CostLimitError(VlmRobustError):
    """The limit of costs does not allow a further request; what was asked before is kept."""


class DryRunError(VlmRobustError):
    """Nothing was asked of any model: only what would be asked was counted."""


class VacuousError(VlmRobustError, RuntimeError):
    """There is no basis for a verdict: no samples, a condition not run, too much unscored."""


class InconclusiveWarning(UserWarning):
    """A gate could not be decided with confidence, and that was asked to be a warning."""


class EvaluationInterrupted(KeyboardInterrupt):
    """Ctrl-C while a model was asked.

    Attributes:
        evaluation: the samples that were finished under every condition, marked as incomplete; None where
            there is none.
    """

    def __init__(self, message: str, evaluation: Evaluation | None) -> None:
        """Say how far it came."""
        super().__init__(message)
        self.evaluation = evaluation


def unknown_name(kind: str, name: str, known: Iterable[str]) -> UsageError:
    """Build the error for a name that is not in a closed list, with near misses first.

    Args:
        kind: what the name stands for, as it reads in a sentence ("condition").
        name: what came.
        known: every name that is allowed.

    >>> print(unknown_name("condition", "wrong-captoin", ["base", "wrong-caption"]))
    unknown condition 'wrong-captoin': did you mean 'wrong-caption'? Known: base, wrong-caption
    """
    import difflib  # every session loads this module, few get here

    names = sorted(set(known))
    near = difflib.get_close_matches(name, names, n=3, cutoff=0.6)
    hint = f" did you mean {' or '.join(repr(n) for n in near)}?" if near else ""
    return UsageError(f"unknown {kind} {name!r}:{hint} Known: {', '.join(names) or 'none'}")


def gist(error: BaseException) -> str:
    r"""Sum up another library's error in one line: its kind, and the first line of its message.

    >>> print(gist(ValueError("no such key\nlong explanation")))
    ValueError: no such key
    """
    first = str(error).strip().splitlines()[:1]
    return ": ".join([type(error).__name__, *first])
