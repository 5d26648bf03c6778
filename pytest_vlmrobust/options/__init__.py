"""Settings: one table, read from the ini file, the command line, markers and arguments, in that order."""

from pytest_vlmrobust.options.layers import (
    add_options,
    as_argument,
    as_flag,
    as_ini,
    as_marked,
    check_names,
    command_line_layer,
    ini_layer,
    marker_layer,
    overlay,
    session_settings,
)
from pytest_vlmrobust.options.table import (
    BY_NAME,
    DEFAULTS,
    GATE_KEYS,
    SETTINGS,
    Setting,
    Settings,
)
from pytest_vlmrobust.options.writing import options_for, options_table

__all__ = [
    "BY_NAME",
    "DEFAULTS",
    "GATE_KEYS",
    "SETTINGS",
    "Setting",
    "Settings",
    "add_options",
    "as_argument",
    "as_flag",
    "as_ini",
    "as_marked",
    "check_names",
    "command_line_layer",
    "ini_layer",
    "marker_layer",
    "options_for",
    "options_table",
    "overlay",
    "session_settings",
]
