"""Settings written out: as a command line, and as the table of the README."""

from __future__ import annotations

from collections.abc import Iterable

from pytest_vlmrobust.options.table import SETTINGS, Settings


def options_for(settings: Settings, *, always: Iterable[str] = ()) -> list[str]:
    """Write settings as command line arguments: those that are not the default, and those asked for.

    Settings of the session (``json``, ``require``, ``store``) are left out: they change no figure.

    >>> from dataclasses import replace
    >>> from pytest_vlmrobust.options import DEFAULTS
    >>> options_for(replace(DEFAULTS, limit=40, max_accuracy_drop=None), always=["seed"])
    ['--vlm-limit=40', '--vlm-seed=0', '--vlm-max-accuracy-drop=off']
    """
    asked = set(always)
    words: list[str] = []
    for setting in SETTINGS:
        value = getattr(settings, setting.name)
        if setting.session or (value == setting.default and setting.name not in asked):
            continue
        if not setting.metavar:
            words += [setting.flag] if value else []
            continue
        items = value if setting.repeatable else (value,)
        words += [f"{setting.flag}={setting.write(item)}" for item in items]
    return words


def options_table() -> str:
    """Render the settings as the Markdown table of the README."""
    rows = ["| option | ini key | marker key | default | what it does |", "|---|---|---|---|---|"]
    for setting in SETTINGS:
        option = f"{setting.flag} {setting.metavar}".rstrip()
        marker = "" if setting.session else f"`{setting.name}`"
        default = f"`{setting.shown_default}`" if setting.shown_default else ""
        text = f"{setting.help[0].upper()}{setting.help[1:]}. Allowed: {setting.allowed}."
        rows.append(f"| `{option}` | `{setting.ini_key}` | {marker} | {default} | {text} |")
    return "\n".join(rows) + "\n"
