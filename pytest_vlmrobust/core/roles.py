"""What part a condition plays in a run: it decides which thresholds hold for it."""

from __future__ import annotations

from typing import Literal

from pytest_vlmrobust.core.columns import Columns
from pytest_vlmrobust.core.provenance import Design
from pytest_vlmrobust.core.views import BASE

Role = Literal["base", "misleading", "altering", "silencing", "reasoned"]
"""A condition may play several.

``misleading``: a wrong option is planted. ``altering``: nothing is planted, and yet something else than
under ``base`` is shown, such as the image. ``silencing``: nothing is planted, and the model may not
reason (``stop-think``). ``reasoned``: replies should hold reasoning of the model's own. A condition
that plants the right option is a control, and plays none of the first four.
"""


def planned_roles(name: str, design: Design) -> frozenset[Role]:
    """Return the roles of a condition by its design.

    >>> sorted(planned_roles("stop-think", Design(plants=None, reasons=False)))
    ['silencing']
    """
    roles: set[Role] = set()
    if name == BASE:
        roles.add("base")
    elif design.plants is None:
        roles.add("altering" if design.reasons else "silencing")
    if design.plants == "wrong":
        roles.add("misleading")
    if design.reasons:
        roles.add("reasoned")
    return frozenset(roles)


def seen_roles(name: str, design: Design | None, columns: Columns) -> frozenset[Role]:
    """Return the roles that a condition has played in a run.

    Args:
        name: the condition.
        design: what it is meant to do, or None where the run does not say: then the records tell
            what they can, and a condition is neither altering nor silencing.
        columns: its records; whether it is misleading is always told by them.
    """
    roles: set[Role] = {"base"} if name == BASE else set()
    if design is not None:
        roles |= planned_roles(name, design) - {"misleading"}
    elif columns.reasoned.any():
        roles.add("reasoned")
    if columns.wrongly_planted.any():
        roles.add("misleading")
    return frozenset(roles)
