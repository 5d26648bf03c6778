"""Where values come from: ini file, command line, marker, argument; each a layer over the last.

Values arrive as strings (command line, ini files) or as native values (TOML, markers, arguments).
A layer is a mapping from the names of settings to what was written, not yet parsed.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import replace
from typing import TYPE_CHECKING, Any

from pytest_vlmrobust.errors import UsageError, unknown_name
from pytest_vlmrobust.options.table import BY_NAME, DEFAULTS, SETTINGS, Setting, Settings

if TYPE_CHECKING:
    import pytest

Layer = Mapping[str, object]
Named = Callable[[Setting], str]
"""Says how a source writes a setting, for messages: ``--vlm-limit``, ``vlm_limit in pytest.ini``."""


def add_options(parser: pytest.Parser) -> None:
    """Declare an option and an ini key for every setting; nothing is computed."""
    group = parser.getgroup("vlmrobust", "robustness of vision-language models (pytest-vlmrobust)")
    for setting in SETTINGS:
        help = f"{setting.help[0].upper()}{setting.help[1:]}. Allowed: {setting.allowed}."
        if setting.shown_default:
            help += f" Default: {setting.shown_default}."
        extra: dict[str, Any] = {"metavar": setting.metavar}
        if not setting.metavar:
            extra = {"action": "store_true"}
        elif setting.repeatable:
            extra["action"] = "append"
        # argparse only collects strings: every source is parsed in one place, `overlay`.
        group.addoption(setting.flag, dest=setting.ini_key, default=None, help=help, **extra)
        parser.addini(setting.ini_key, f"Same as {setting.flag}.", type=setting.ini_type, default=None)


def overlay(settings: Settings, layer: Layer, named: Named) -> Settings:
    """Lay the values of one source over the settings so far.

    Raises:
        UsageError: an unknown name, or a value that is refused; the source is named.
    """
    parsed = {}
    for name, value in layer.items():
        if name not in BY_NAME:
            raise unknown_name("setting", name, BY_NAME)
        parsed[name] = BY_NAME[name].read(value, named(BY_NAME[name]))
    return replace(settings, **parsed)


def session_settings(config: pytest.Config) -> Settings:
    """Read the ini file and the command line over the defaults.

    Raises:
        UsageError: an unknown ``vlm_`` ini key, a value that is refused, or two that exclude each other.
    """
    settings = overlay(DEFAULTS, ini_layer(config), as_ini(config))
    settings = overlay(settings, command_line_layer(config), as_flag)
    _check_dry_run(settings)
    return settings


def _check_dry_run(settings: Settings) -> None:
    """Refuse what a dry run cannot do, since it asks neither model nor judge, and would pass without."""
    refused = {"require": "wants a model to be run", "judge_preflight": "wants the judge to be measured"}
    for name, wants in refused.items():
        if settings.dry_run and getattr(settings, name):
            setting = BY_NAME[name]
            raise UsageError(
                f"{BY_NAME['dry_run'].flag} asks nothing, and {setting.flag} {wants}: leave one out; "
                f"-o {setting.ini_key}=false overrules an ini file"
            )


def command_line_layer(config: pytest.Config) -> dict[str, object]:
    """Collect the options that were given."""
    given = {setting.name: config.getoption(setting.ini_key) for setting in SETTINGS}
    return {name: value for name, value in given.items() if value is not None}


def ini_layer(config: pytest.Config) -> dict[str, object]:
    """Collect the ini keys that were given, ``-o`` included, as they were written.

    Raises:
        UsageError: a key begins with ``vlm_`` and is no setting.
    """
    # config.getini() would refuse "off" where a number is announced, and a bad number is
    # reported by it without the key. pytest < 9.1 has the same mapping under the public name,
    # and pytest < 9 does not put the values of -o into it.
    file: Mapping[str, Any] = config._inicfg if hasattr(config, "_inicfg") else config.inicfg
    overrides = (text.partition("=") for text in config.getoption("override_ini") or ())
    written = {**file, **{key: value for key, _, value in overrides}}
    known = {setting.ini_key: setting.name for setting in SETTINGS}
    layer: dict[str, object] = {}
    for key in written:
        if key in known:
            layer[known[key]] = getattr(written[key], "value", written[key])
        elif key.startswith("vlm_"):
            raise unknown_name(f"key{_file(config)}", key, known)
    return layer


def marker_layer(marks: Iterable[pytest.Mark]) -> dict[str, object]:
    """Merge the keys of ``vlm`` marks; the closest mark comes first and wins.

    Raises:
        UsageError: a value without a key, or a key that is no setting of a test.
    """
    layer: dict[str, object] = {}
    known = [setting.name for setting in SETTINGS if not setting.session]
    for mark in marks:
        if mark.args:
            raise UsageError(
                f"@pytest.mark.vlm: got {mark.args[0]!r} without a key; the keys are {', '.join(known)}"
            )
        for key, value in mark.kwargs.items():
            if key not in BY_NAME:
                raise UsageError(f"@pytest.mark.vlm: {unknown_name('key', key, known)}")
            if BY_NAME[key].session:
                raise UsageError(
                    f"@pytest.mark.vlm: {key} holds for the whole session; use {BY_NAME[key].flag} or "
                    f"the ini key {BY_NAME[key].ini_key}"
                )
            layer.setdefault(key, value)
    return layer


def as_flag(setting: Setting) -> str:
    """How the command line writes a setting."""
    return setting.flag


def as_ini(config: pytest.Config) -> Named:
    """How the ini file of a pytest session writes a setting."""
    return lambda setting: setting.ini_key + _file(config)


def as_marked(setting: Setting) -> str:
    """How a marker writes a setting."""
    return f"@pytest.mark.vlm({setting.name}=...)"


def as_argument(setting: Setting) -> str:
    """How a call of ``vlm_evaluate`` writes a setting."""
    return f"vlm_evaluate({setting.name}=...)"


def check_names(layer: Layer, settings: Settings, named: Named) -> None:
    """Look up the models, data set, conditions and judge that a layer names; nothing is loaded.

    Args:
        layer: the source; only what it sets is looked up, so that defaults cost no import.
        settings: the same values, parsed.
        named: how the source writes a setting.

    Raises:
        UsageError: an unknown name; near misses are listed.
    """
    for name, check in _CHECKS.items():
        if name in layer:
            try:
                check(settings)
            except UsageError as error:
                raise UsageError(f"{named(BY_NAME[name])}: {error}") from None


def _file(config: pytest.Config) -> str:
    return f" in {config.inipath.name}" if config.inipath else ""


def _check_models(settings: Settings) -> None:
    from pytest_vlmrobust.models.registry import check_model_spec

    for spec in settings.model:
        check_model_spec(spec)


def _check_dataset(settings: Settings) -> None:
    from pytest_vlmrobust.datasets.registry import check_dataset_spec

    check_dataset_spec(settings.dataset)


def _check_conditions(settings: Settings) -> None:
    from pytest_vlmrobust.conditions import resolve_conditions

    resolve_conditions(settings.conditions)


def _check_dialect(settings: Settings) -> None:
    from pytest_vlmrobust.models.dialects import check_dialect_spec

    check_dialect_spec(settings.dialect)


def _check_claims(settings: Settings) -> None:
    if settings.claims is None:
        return
    if not settings.claims.is_file():
        raise UsageError(f"{settings.claims}: no such file; {BY_NAME['claims_export'].flag} writes one")
    if settings.claim_writer is not None:
        raise UsageError(
            f"claims come from a file or from a writer: give {BY_NAME['claims'].flag} or "
            f"{BY_NAME['claim_writer'].flag}, not both"
        )


def _check_claim_writer(settings: Settings) -> None:
    if settings.claim_writer is not None:
        from pytest_vlmrobust.claiming.specs import check_writer_spec

        check_writer_spec(settings.claim_writer)


def _check_judge(settings: Settings) -> None:
    from pytest_vlmrobust.judges import check_judge_spec

    check_judge_spec(settings.judge)


def _check_max_cost(settings: Settings) -> None:
    if settings.max_cost is not None and settings.price is None:
        raise UsageError("costs can only be counted with a price: give --vlm-price=IN,OUT too")


def _check_baseline(settings: Settings) -> None:
    from pytest_vlmrobust.declared_baselines import check_baselines

    check_baselines(settings.baseline)


def _check_max_regression(settings: Settings) -> None:
    from pytest_vlmrobust.declared_baselines import check_bounds

    check_bounds(settings.max_regression)


def _check_familywise(settings: Settings) -> None:
    if settings.familywise and settings.gate != "confident":
        raise UsageError(
            "verdicts can be sure together only where each claims to be: use it with --vlm-gate=confident"
        )


_CHECKS: dict[str, Callable[[Settings], None]] = {
    "model": _check_models,
    "dataset": _check_dataset,
    "conditions": _check_conditions,
    "dialect": _check_dialect,
    "claims": _check_claims,
    "claim_writer": _check_claim_writer,
    "judge": _check_judge,
    "max_cost": _check_max_cost,
    "gate": _check_familywise,
    "familywise": _check_familywise,
    "baseline": _check_baseline,
    "max_regression": _check_max_regression,
}
