"""How each model family is asked and read.

A dialect is data: what stands in the system turn, how question and options are laid out, the tags
around a thought and an answer, and where a planted thought is put.
"""

from pytest_vlmrobust.models.dialects.families import BARE, PLAIN
from pytest_vlmrobust.models.dialects.fitting import fitted
from pytest_vlmrobust.models.dialects.matching import DIALECT_KEY, expected_limit, match_dialect, match_name
from pytest_vlmrobust.models.dialects.registry import (
    AUTO,
    check_dialect_spec,
    dialect,
    find_dialect,
    get_dialect,
    register_dialect,
    registered_dialects,
    unregister_dialect,
)
from pytest_vlmrobust.models.dialects.wording import Dialect, PrefillPlace, Turns, UserTurn

__all__ = [
    "AUTO",
    "BARE",
    "DIALECT_KEY",
    "PLAIN",
    "Dialect",
    "PrefillPlace",
    "Turns",
    "UserTurn",
    "check_dialect_spec",
    "dialect",
    "expected_limit",
    "find_dialect",
    "fitted",
    "get_dialect",
    "match_dialect",
    "match_name",
    "register_dialect",
    "registered_dialects",
    "unregister_dialect",
]
