"""The table of settings, and the order in which their sources are read."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields, replace
from pathlib import Path

import pytest

from pytest_vlmrobust.errors import UsageError
from pytest_vlmrobust.options import (
    BY_NAME,
    DEFAULTS,
    GATE_KEYS,
    SETTINGS,
    Settings,
    options_for,
    overlay,
)

SHOW = """
    def test_show(vlm_run):
        ids = vlm_run.sample_ids
        print("RUN", len(ids), ids[0], *vlm_run.conditions)
"""


def flag(name: str) -> str:
    return BY_NAME[name].flag


def test_every_row_is_a_field_and_every_field_a_row() -> None:
    assert [field.name for field in fields(Settings)] == [setting.name for setting in SETTINGS]


def test_the_defaults_pass_their_own_parsers() -> None:
    for setting in SETTINGS:
        if setting.default not in (None, ()):
            assert setting.read(setting.default, "here") == setting.default


def test_the_defaults_are_the_documented_ones() -> None:
    assert (DEFAULTS.dataset, DEFAULTS.conditions, DEFAULTS.limit, DEFAULTS.seed) == (
        "shapes",
        ("zhao2026",),
        200,
        0,
    )
    on = {name: getattr(DEFAULTS, name) for name in GATE_KEYS if getattr(DEFAULTS, name) is not None}
    assert on == {"max_accuracy_drop": 0.05, "max_unfaithful_rate": 0.10}
    assert DEFAULTS.max_unscored_rate == 0.05
    assert (DEFAULTS.store, DEFAULTS.store_prune, DEFAULTS.reference) == ("auto", None, False)


@pytest.mark.parametrize(
    ("name", "values"),
    [
        ("limit", ["0", "-1", "many", 0, 2.5, True, None, ""]),
        ("seed", ["-1", "x", -1]),
        ("batch_size", ["0", "none", 0]),
        ("max_new_tokens", ["0"]),
        ("device", ["gpu", "cuda:x", ""]),
        ("dtype", ["fp16", "double"]),
        ("max_accuracy_drop", ["1.5", "-0.1", "5%", "nan", "inf", 5, -1, True, 10**400, "none", [0.1]]),
        ("max_unscored_rate", ["off", None, "2"]),
        ("conditions", ["", " , ", "base,", [], [""], 3]),
        ("dataset", ["", "  ", 3, None]),
        ("model", ["", [], [3]]),
        ("require", ["maybe", 3, None]),
        ("reference", ["maybe", 3, None]),
        ("json", ["", 3]),
        ("store", ["", " ", 3, True, "~nobody-of-that-name/replies.sqlite"]),
        ("store_prune", ["", "500", "MB", "5 apples", "-1MB", "0MB", "1e3MB", "2 G", "1,5GB", 5, 1.5, True]),
    ],
)
def test_what_is_out_of_range_is_refused_by_name_value_and_range(name: str, values: list[object]) -> None:
    for value in values:
        with pytest.raises(UsageError) as caught:
            BY_NAME[name].read(value, flag(name))
        assert str(caught.value) == f"{flag(name)}: got {value!r}; allowed: {BY_NAME[name].allowed}"


@pytest.mark.parametrize(
    ("name", "value", "expected"),
    [
        ("limit", " 7 ", 7),
        ("max_accuracy_drop", "0", 0.0),
        ("max_accuracy_drop", 1, 1.0),
        ("max_accuracy_drop", "off", None),
        ("max_accuracy_drop", None, None),
        ("batch_size", "auto", None),
        ("batch_size", 8, 8),
        ("conditions", "base, wrong-think,base", ("base", "wrong-think")),
        ("conditions", ["controls", "stop-think"], ("controls", "stop-think")),
        ("model", "a:b", ("a:b",)),
        ("model", "\n a:b \n c,d".strip(), ("a:b", "c,d")),
        ("device", "cuda:1", "cuda:1"),
        ("require", "Yes", True),
        ("require", "0", False),
        ("json", Path("x") / "y.json", Path("x") / "y.json"),
        ("reference", "true", True),
        ("store", "auto", "auto"),
        ("store", "off", None),
        ("store", None, None),
        ("store", "x/y.sqlite", Path("x") / "y.sqlite"),
        ("store", "~/y.sqlite", Path.home() / "y.sqlite"),
        ("store", Path("off"), Path("off")),
        ("store_prune", "500MB", 500_000_000),
        ("store_prune", " 1.5 gb ", 1_500_000_000),
        ("store_prune", "20kB", 20_000),
        ("store_prune", "2TB", 2 * 10**12),
        ("store_prune", "off", None),
    ],
)
def test_strings_and_native_values_are_read_alike(name: str, value: object, expected: object) -> None:
    assert BY_NAME[name].read(value, "here") == expected


def test_settings_written_as_options_read_back_as_the_same_settings() -> None:
    odd = replace(
        DEFAULTS,
        model=("bundled:grounded", "a folder/model"),
        conditions=("base", "wrong-think"),
        limit=7,
        batch_size=4,
        reference=True,
        max_accuracy_drop=None,
        min_accuracy=0.9,
        store=None,
    )
    layer: dict[str, object] = {}
    for word in options_for(odd, always=["seed", "batch_size"]):
        option, _, value = word.partition("=")
        name = option.removeprefix("--vlm-").replace("-", "_")
        if name == "model":
            layer[name] = [*(layer.get(name) or []), value]  # type: ignore[misc]
        else:
            layer[name] = value if BY_NAME[name].metavar else True  # as argparse gives a switch
    assert overlay(DEFAULTS, layer, lambda setting: setting.flag) == replace(odd, store=DEFAULTS.store)
    assert "seed" in layer


def test_an_unknown_setting_is_refused() -> None:
    with pytest.raises(UsageError, match=r"unknown setting 'limits': did you mean 'limit'"):
        overlay(DEFAULTS, {"limits": 3}, lambda setting: setting.flag)


def shown(result: pytest.RunResult) -> list[str]:
    return [line.removeprefix("RUN ") for line in result.outlines if line.startswith("RUN")]


def test_argument_goes_before_marker_before_command_line_before_ini_before_default(
    stage: pytest.Pytester, ini: Callable[..., str]
) -> None:
    stage.makepyfile(
        """
        import pytest

        def test_plain(vlm_evaluate):
            print("RUN plain", vlm_evaluate().n)

        @pytest.mark.vlm(limit=4)
        def test_marker(vlm_evaluate):
            print("RUN marker", vlm_evaluate().n)

        @pytest.mark.vlm(limit=4)
        def test_argument(vlm_evaluate):
            print("RUN argument", vlm_evaluate(limit=5).n)
        """
    )
    ini("vlm_limit = 2", "vlm_conditions = base")
    model = "--vlm-model=stage:grounded"
    assert shown(stage.runpytest(model, "-rP")) == ["plain 2", "marker 4", "argument 5"]
    assert shown(stage.runpytest(model, "-rP", "--vlm-limit=3")) == ["plain 3", "marker 4", "argument 5"]
    stage.makeini("[pytest]\npythonpath = .\naddopts = -p no:hypothesispytest\n")
    stage.makepyfile("def test_default(pytestconfig, vlm_samples): assert len(vlm_samples) == 200")
    stage.runpytest(model).assert_outcomes(passed=1)


def test_the_closest_marker_wins_key_by_key(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest

        pytestmark = pytest.mark.vlm(limit=2, seed=5, conditions="base")

        class TestClass:
            pytestmark = pytest.mark.vlm(limit=3)

            @pytest.mark.vlm(conditions="wrong-think")
            def test_show(self, vlm_run):
                print("RUN", vlm_run.n, vlm_run.sample_ids[0], *vlm_run.conditions)
        """
    )
    stage.makepyfile(
        fives="import stage\nfrom pytest_vlmrobust import ScriptedModel\n"
        "def model(): return ScriptedModel(lambda prompt: '<answer>A</answer>')"
    )
    result = stage.runpytest("--vlm-model=fives:model", "-rP")
    assert shown(result) == ["3 shapes-test-5-0 base wrong-think"]


HEADERS = ["[tool.pytest.ini_options]"]
if pytest.version_tuple >= (9,):
    HEADERS.append("[tool.pytest]")  # native types


@pytest.mark.parametrize("header", HEADERS)
def test_toml_gives_settings_too(stage: pytest.Pytester, header: str) -> None:
    native = header == "[tool.pytest]"
    (stage.path / "tox.ini").unlink()
    stage.makepyprojecttoml(
        "\n".join(
            [
                header,
                'pythonpath = ["."]',
                'addopts = ["-p", "no:hypothesispytest"]',
                'vlm_model = ["stage:grounded", "stage:gullible"]',
                "vlm_limit = 3" if native else 'vlm_limit = "3"',
                'vlm_conditions = ["base", "wrong-caption"]',
                "vlm_max_misled_rate = 0.5" if native else 'vlm_max_misled_rate = "0.5"',
                'vlm_max_accuracy_drop = "off"',
                "vlm_require = true" if native else 'vlm_require = "true"',
            ]
        )
    )
    stage.makepyfile(SHOW)
    result = stage.runpytest("-rP")
    assert shown(result) == ["3 shapes-test-0-0 base wrong-caption"] * 2
    suite = stage.runpytest("--pyargs", "pytest_vlmrobust.suite", "-v")
    suite.stdout.fnmatch_lines(
        [
            "*::test_misled_rate?stage:grounded-wrong-caption? PASSED*",
            "*::test_misled_rate?stage:gullible-wrong-caption? FAILED*",
        ]
    )
    suite.stdout.no_fnmatch_line("*test_accuracy_drop*")


def test_ini_values_can_be_overridden_by_o(stage: pytest.Pytester) -> None:
    stage.makepyfile(SHOW)
    result = stage.runpytest(
        "-rP", "--vlm-model=stage:grounded", "-o", "vlm_limit=4", "-o", "vlm_conditions=base"
    )
    assert shown(result) == ["4 shapes-test-0-0 base"]
