"""What pytest tells about the plugin: options, ini keys, markers, fixtures."""

from __future__ import annotations

import pytest

from pytest_vlmrobust import plugin
from pytest_vlmrobust.options import SETTINGS
from pytest_vlmrobust.plugin import collection

FIXTURES = {
    "vlm": "?session scope? -- *",
    "vlm_evaluate": "?session scope? -- *",
    "vlm_run": "-- *",
    "vlm_samples": "-- *",
    "vlm_perturb": "-- *",
    "vlm_judge": "-- *",
    "vlm_ask": "-- *",
    "vlm_baselines": "-- *",
    "vlm_trend": "-- *",
}


def test_every_fixture_counts_as_one_that_concerns_a_model() -> None:
    assert (
        collection._FIXTURES == {name for name in plugin.__all__ if name.startswith("vlm")} == set(FIXTURES)
    )


def test_help_names_every_option_and_ini_key_with_range_and_default(stage: pytest.Pytester) -> None:
    result = stage.runpytest("--help")
    assert result.ret == pytest.ExitCode.OK
    text = " ".join(" ".join(result.outlines).split())
    for setting in SETTINGS:
        assert f"{setting.flag}={setting.metavar}" in text or (not setting.metavar and setting.flag in text)
        assert f"Allowed: {setting.allowed}." in text
        assert f"{setting.ini_key} ({setting.ini_type})" in text
        if setting.shown_default:
            assert f"Default: {setting.shown_default}." in text


def test_the_marker_is_announced_and_strict_markers_accept_it(stage: pytest.Pytester) -> None:
    result = stage.runpytest("--markers")
    result.stdout.fnmatch_lines(
        ["@pytest.mark.vlm(dataset=..., conditions=..., limit=..., max_accuracy_drop=...*"]
    )
    stage.makepyfile("import pytest\n\n@pytest.mark.vlm(limit=2)\ndef test_it(vlm_samples): pass")
    stage.runpytest("--strict-markers", "--strict-config").assert_outcomes(passed=1)


def test_every_fixture_is_listed_with_what_it_gives(stage: pytest.Pytester) -> None:
    result = stage.runpytest("--fixtures")
    for name, rest in FIXTURES.items():
        result.stdout.fnmatch_lines([f"{name} {rest}"])
    result.stdout.fnmatch_lines(["    The model under test: loaded once, freed when its last test is done."])
    result.stdout.no_fnmatch_line("*no docstring available*")
