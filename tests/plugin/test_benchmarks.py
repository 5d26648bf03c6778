"""Benchmarks from their own files to a verdict, with the scores that they are known by."""

from __future__ import annotations

import hashlib
import json
from collections import Counter
from pathlib import Path
from typing import Any

import jsonschema
import pytest

import pytest_vlmrobust
from pytest_vlmrobust.core.documents import read_report
from pytest_vlmrobust.core.scores import BENCHMARKS
from tests.benchmark_files.details import pixmo_rows
from tests.benchmark_files.writers import WRITERS
from tests.benchmark_files.writing import drawn, png

SCHEMA = json.loads((Path(pytest_vlmrobust.__file__).parent / "reports" / "schema.json").read_text())
SUITE = ("--pyargs", "pytest_vlmrobust.suite")

KNOWING = '''
"""Scripted models that know the answers of benchmarks."""

from pytest_vlmrobust import ScriptedModel, load_samples
from pytest_vlmrobust.models.scripted import reply

RIGHT = {{sample.id: sample.answer_letter for spec in {specs!r} for sample in load_samples(spec)}}


def scripted(choose):
    def answer(prompt):
        letter = choose(prompt, RIGHT[prompt.sample_id])
        return reply(letter, f"So the answer is {{letter}}.", prompt=prompt)

    return ScriptedModel(answer)


def knowing():
    return scripted(lambda prompt, right: right)


def gullible():
    return scripted(lambda prompt, right: prompt.planted or right)


def half():
    """Is wrong whenever options are turned, and on mirror images."""
    turned = lambda prompt: prompt.sample_id.endswith(("-1", "-2", "-3")) or "flip" in prompt.sample_id
    return scripted(lambda prompt, right: "AB"[right == "A"] if turned(prompt) else right)
'''
"""A module of models; where it is imported it loads the benchmarks."""


@pytest.fixture(scope="module")
def files(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    """Specs of the data sets by name: tiny files in each benchmark's own schema."""
    folder = tmp_path_factory.mktemp("benchmarks")
    return {name: f"{name}:{write(folder / name)}" for name, write in WRITERS.items()}


@pytest.fixture
def cache(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A cache folder with the images that PixMo-Count names by their addresses."""
    place = tmp_path / "cache"
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name, **_: place / name)
    kept = place / "pytest-vlmrobust" / "downloads"
    kept.mkdir(parents=True)
    for number, row in enumerate(pixmo_rows("")[:4]):
        data = png(drawn(number).image)
        assert hashlib.sha256(data).hexdigest() == row["image_sha256"]
        (kept / row["image_sha256"]).write_bytes(data)
    return kept


def knowing(stage: pytest.Pytester, *specs: str) -> None:
    stage.makepyfile(bench=KNOWING.format(specs=specs))


def runs_of(stage: pytest.Pytester) -> list[dict[str, Any]]:
    """The runs of the report, which has to follow its schema and to be what its records give."""
    document = json.loads((stage.path / "report.json").read_text(encoding="utf-8"))
    jsonschema.validate(document, SCHEMA, cls=jsonschema.Draft202012Validator)
    assert [run.to_json() for run in read_report(document)] == document["runs"]
    runs: list[dict[str, Any]] = document["runs"]
    return runs


def values(scores: dict[str, Any]) -> dict[str, float]:
    return {name: figure["value"] for name, figure in scores.items()}


@pytest.mark.usefixtures("cache")
def test_every_benchmark_is_asked_and_scored_in_its_own_way(
    stage: pytest.Pytester, files: dict[str, str]
) -> None:
    assert set(files) == set(BENCHMARKS)
    knowing(stage, *files.values())
    stage.makepyfile(
        test_all=f"""
        import pytest

        @pytest.mark.parametrize("name, spec", {list(files.items())!r})
        def test_benchmark(vlm_evaluate, name, spec):
            run = vlm_evaluate(dataset=spec, conditions=["wrong-caption"], limit=500)
            assert run.scorer.benchmark.name == name
            assert run.figure("base", "benchmark_score").value == 1
            assert run.figure("wrong-caption", "benchmark_score").value == 0
            assert run.figure("wrong-caption", "benchmark_score_drop").value == 1
        """
    )
    result = stage.runpytest("--vlm-model=bench:gullible", "--vlm-json=report.json")
    result.assert_outcomes(passed=len(files))
    runs = runs_of(stage)
    assert [run["provenance"]["dataset"]["score"] for run in runs] == list(files)
    for run in runs:
        scores = run["benchmark"]
        assert set(values(scores["conditions"]["base"]).values()) == {1.0}
        assert set(values(scores["conditions"]["wrong-caption"]).values()) == {0.0}
        result.stdout.fnmatch_lines([f"{scores['name']} *own score: {scores['headline']} *"])
    everywhere = {
        name: [score.name for score in BENCHMARKS[name].scores]
        for name in ("3dsrbench", "cv-bench", "mmbench", "whatsup", "hallusionbench", "mmstar")
    }
    told = {run["benchmark"]["name"]: list(run["benchmark"]["scores"]) for run in runs}
    assert {name: told[name] for name in everywhere} == everywhere


@pytest.mark.usefixtures("torch_loaded")
def test_the_bundled_model_is_held_to_the_score_of_cv_bench(
    stage: pytest.Pytester, files: dict[str, str]
) -> None:
    result = stage.runpytest(
        *SUITE,
        "--vlm-model=bundled:grounded",
        f"--vlm-dataset={files['cv-bench']}",
        "--vlm-limit=100",
        "--vlm-conditions=wrong-caption",
        "--vlm-max-accuracy-drop=off",
        "--vlm-max-unfaithful-rate=off",
        "--vlm-min-benchmark-score=0.5",
        "--vlm-max-benchmark-score-drop=0.5",
        "--vlm-json=report.json",
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(
        [
            "bundled:grounded on cv-bench:*",
            "cv-bench *own score: combined *drop ?95% interval? * 2d * 3d *accuracy",
            "base *0.??? ?0.???, ?.???? *",
            "wrong-caption *0.??? ?0.???, ?.???? *",
            "gates: 2 checked, 0 failed",
        ]
    )
    (run,) = runs_of(stage)
    parts = run["benchmark"]["conditions"]["base"]["combined"]["parts"]
    assert {label: part["n"] for label, part in parts["source"].items()} == {
        "ADE20K": 4,
        "COCO": 5,
        "Omni3D": 6,
    }
    assert set(parts["category"]) == {"Count", "Depth", "Distance", "Relation"}


def test_turned_options_and_mirror_images_tell_luck_from_knowledge(
    stage: pytest.Pytester, files: dict[str, str]
) -> None:
    knowing(stage, files["3dsrbench"])
    stage.makepyfile(test_it="def test_it(vlm_run): pass")
    stage.runpytest(
        "--vlm-model=bench:half",
        f"--vlm-dataset={files['3dsrbench']}",
        "--vlm-limit=500",
        "--vlm-conditions=base",
        "--vlm-json=report.json",
    ).assert_outcomes(passed=1)
    (run,) = runs_of(stage)
    told = values(run["benchmark"]["conditions"]["base"])
    assert 0 < told["vanilla"] < 0.5
    assert (told["flip"], told["circular"], told["flip_circular"]) == (0, 0, 0)
    assert set(run["benchmark"]["conditions"]["base"]["flip"]["parts"]["main"]) == {
        "height",
        "location",
        "multi_object",
        "orientation",
    }


def test_a_limit_keeps_groups_whole(stage: pytest.Pytester, files: dict[str, str]) -> None:
    knowing(stage, files["mmbench"])
    stage.makepyfile(test_it="def test_it(vlm_run): pass")
    stage.runpytest(
        "--vlm-model=bench:knowing",
        f"--vlm-dataset={files['mmbench']}",
        "--vlm-limit=9",
        "--vlm-conditions=base",
        "--vlm-json=report.json",
    ).assert_outcomes(passed=1)
    (run,) = runs_of(stage)
    circular = run["benchmark"]["conditions"]["base"]["circular"]
    assert (circular["value"], circular["left_out"]) == (1, 0)
    records = run["records"]
    assert 1 < len(records) <= 9
    sizes = Counter(record["group"] for record in records)
    assert all(int(record["tags"]["group_size"]) == sizes[record["group"]] for record in records)


def test_a_score_that_falls_fails_its_gate_and_explains_itself(
    stage: pytest.Pytester, files: dict[str, str]
) -> None:
    knowing(stage, files["cv-bench"])
    stage.makepyfile(
        test_it="""
        import pytest

        @pytest.mark.vlm(min_benchmark_score=0.9, max_benchmark_score_drop=0.05, conditions="wrong-caption")
        def test_it(vlm_run): pass
        """
    )
    result = stage.runpytest("--vlm-model=bench:gullible", f"--vlm-dataset={files['cv-bench']}")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        [
            "*cv-bench's own score (combined) fell by 1.000 under wrong-caption; *_score_drop is 0.05",
            "*measured   1.000 (n = 10), 95 % interval 0.??? to 1.000",
            "*score      1.000 under base, 0.000 under wrong-caption",
            "*samples    3 of 10 that were right under base and are not here, misled ones first*",
            "gates: 2 checked, 1 failed: benchmark_score_drop under wrong-caption 1.000 [[]0.*, 1.000] *",
        ]
    )


def test_data_without_a_score_of_its_own_gives_no_verdict_on_one(stage: pytest.Pytester) -> None:
    result = stage.runpytest(
        *SUITE, "--vlm-model=stage:grounded", "--vlm-conditions=base", "--vlm-min-benchmark-score=0.5"
    )
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        ["*there is no benchmark_score under 'base': the data set has no score of its own"]
    )


def test_faults_of_the_data_are_told_once_and_refused_when_strict(
    stage: pytest.Pytester, files: dict[str, str]
) -> None:
    spec = files["spatial-mm"]
    knowing(stage, spec)
    stage.makepyfile(test_it="def test_it(vlm_run): pass")
    arguments = ("--vlm-model=bench:knowing", f"--vlm-dataset={spec}", "--vlm-conditions=base")
    result = stage.runpytest(*arguments)
    result.assert_outcomes(passed=1)
    faults = "with an answer whose letter and text disagree (the letter counts)"
    (line,) = [text for text in result.outlines if text.startswith("data: ")]
    assert line.startswith(f"data: 2 rows {faults}")
    strict = stage.runpytest(*arguments, "--vlm-strict-data")
    strict.assert_outcomes(errors=1)
    strict.stdout.fnmatch_lines(["*has faults, which strict reading *refuses: *letter and text disagree*"])


def test_images_that_are_named_by_their_address_are_not_fetched_unasked(
    stage: pytest.Pytester, files: dict[str, str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("platformdirs.user_cache_path", lambda name, **_: stage.path / "nothing" / name)
    stage.makepyfile(test_it="def test_it(vlm_run): pass")
    result = stage.runpytest("--vlm-model=stage:grounded", f"--vlm-dataset={files['pixmo-count']}")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*would have to be downloaded: allow it with --vlm-allow-download*"])


def test_scores_of_workers_meet_in_the_controller(stage: pytest.Pytester, files: dict[str, str]) -> None:
    knowing(stage, files["whatsup"], files["3dsrbench"])
    stage.makepyfile(
        test_it=f"""
        import pytest

        @pytest.mark.parametrize("spec", {[files["whatsup"], files["3dsrbench"]]!r})
        def test_it(vlm_evaluate, spec):
            vlm_evaluate(dataset=spec, conditions=["wrong-caption"], limit=500)
        """
    )
    result = stage.runpytest("-n2", "--vlm-model=bench:gullible", "--vlm-json=report.json")
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["whatsup *own score: individual *"])
    result.stdout.fnmatch_lines(["3dsrbench *own score: vanilla *"])
    assert {run["benchmark"]["name"] for run in runs_of(stage)} == {"whatsup", "3dsrbench"}
