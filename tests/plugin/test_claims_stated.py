"""The sentences that are planted: chosen, exported, given back in, written by a model, and told of."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

GULLIBLE = ("--vlm-model=stage:gullible", "--vlm-conditions=wrong-caption", "--vlm-limit=6")


def runs(stage: pytest.Pytester, name: str = "report.json") -> list[dict[str, Any]]:
    found: list[dict[str, Any]] = json.loads((stage.path / name).read_text(encoding="utf-8"))["runs"]
    return found


def rows(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").splitlines()]


@pytest.fixture
def asked(stage: pytest.Pytester) -> pytest.Pytester:
    stage.makepyfile("def test_it(vlm_run): pass")
    return stage


def write_questions(stage: pytest.Pytester) -> None:
    """Lay a small data set beside the test, whose claims the rules have to word."""
    from PIL import Image

    Image.new("RGB", (8, 8)).save(stage.path / "a.png")
    questions = ["What color is the car?", "Where is the cat?", "Whatever for?"]
    choices = [["red", "blue"], ["on the mat", "under the bed"], ["fun", "money"]]
    made = [
        {"id": f"q{at}", "image": "a.png", "question": question, "choices": choices[at], "answer": "A"}
        for at, question in enumerate(questions)
    ]
    text = "".join(f"{json.dumps(row)}\n" for row in made)
    (stage.path / "own.jsonl").write_text(text, encoding="utf-8")


OWN = ("--vlm-model=stage:gullible", "--vlm-conditions=wrong-caption", "--vlm-dataset=own.jsonl")


def test_the_runner_up_is_planted_and_told_of(asked: pytest.Pytester) -> None:
    result = asked.runpytest(*GULLIBLE, "--vlm-plant=runner-up", "--vlm-json=report.json")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["planted: the wrong option that the model finds most probable under base"])
    (run,) = runs(asked)
    assert run["provenance"]["plant"] == {"name": "runner-up", "unknown": 0, "ties": 5}
    assert "--vlm-plant=runner-up" in run["provenance"]["command"]


def test_runs_that_plant_differently_do_not_share_their_answers(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest

        def test_both(vlm_evaluate):
            random = vlm_evaluate(limit=6, conditions="wrong-caption")
            best = vlm_evaluate(limit=6, conditions="wrong-caption", plant="runner-up")
            more = vlm_evaluate(limit=6, conditions="wrong-caption,wrong-think", plant="runner-up")
            assert random.provenance["plant"]["name"] == "random"
            assert best.provenance["plant"]["name"] == "runner-up"
            planted = [record.planted for record in more.records("wrong-caption")]
            assert planted == [record.planted for record in more.records("wrong-think")]
            assert planted == [record.planted for record in best.records("wrong-caption")]

        @pytest.mark.vlm(plant="runner-up", limit=6, conditions="wrong-caption", max_misled_rate=1)
        def test_marked(vlm_run):
            assert vlm_run.provenance["plant"]["name"] == "runner-up"
        """
    )
    result = stage.runpytest("--vlm-model=stage:gullible")
    result.assert_outcomes(passed=2)


def test_ask_and_perturb_know_how_to_plant(stage: pytest.Pytester) -> None:
    stage.makepyfile(
        """
        import pytest
        from pytest_vlmrobust import UsageError

        def test_them(vlm_ask, vlm_perturb, vlm_samples, vlm_run):
            sample = vlm_samples[0]
            told = vlm_ask(sample, "wrong-caption").planted
            assert told == next(iter(vlm_run.records("wrong-caption"))).planted
            with pytest.raises(UsageError, match="vlm_perturb cannot know what plant='runner-up' chooses"):
                vlm_perturb(sample, "wrong-caption")
            assert vlm_perturb(sample, "correct-caption").planted == sample.answer_letter
            wrong = next(index for index in range(len(sample.choices)) if index != sample.answer)
            assert vlm_perturb(sample, "wrong-caption", wrong).planted == "ABCDEFGH"[wrong]
        """
    )
    result = stage.runpytest(*GULLIBLE, "--vlm-plant=runner-up")
    result.assert_outcomes(passed=1)


def test_a_dry_run_counts_the_same_requests(asked: pytest.Pytester) -> None:
    plans = []
    for plant in ("random", "runner-up"):
        result = asked.runpytest(*GULLIBLE, "--vlm-dry-run", f"--vlm-plant={plant}")
        result.assert_outcomes(skipped=1)
        plans.append([line.partition(",")[0] for line in result.outlines if " requests, " in line])
    assert plans[0] == plans[1] == ["stage:gullible on shapes: 12 requests"]


def test_the_rules_that_worded_the_claims_are_told_with_their_shares(asked: pytest.Pytester) -> None:
    write_questions(asked)
    result = asked.runpytest(*OWN, "--vlm-json=report.json")
    result.assert_outcomes(passed=1)
    told = "claims by rule, of 6: what-is 0.333, where 0.333, generic 0.333"
    result.stdout.fnmatch_lines([told])
    assert runs(asked)[0]["provenance"]["claims"] == {"generic": 2, "what-is": 2, "where": 2}


def test_claims_that_the_data_set_brought_are_not_told_of(asked: pytest.Pytester) -> None:
    result = asked.runpytest(*GULLIBLE)
    result.assert_outcomes(passed=1)
    result.stdout.no_fnmatch_line("claims by rule*")


def test_exported_claims_are_given_back_in_and_edited_ones_are_planted(asked: pytest.Pytester) -> None:
    write_questions(asked)
    asked.runpytest(*OWN, "--vlm-claims-export=claims.txt").assert_outcomes(passed=1)
    file = asked.path / "claims.txt"
    made = rows(file)
    assert [row["claims"][0] for row in made] == [
        "The car is red.",
        "The cat is on the mat.",
        'The answer to the question "Whatever for?" is "fun".',
    ]
    made[2]["claims"] = ["It is for fun.", "It is for money."]
    file.write_text("".join(f"{json.dumps(row)}\n" for row in made), encoding="utf-8")
    result = asked.runpytest(*OWN, "--vlm-claims=claims.txt", "--vlm-json=report.json")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["claims by rule, of 6: file 1.000, generic 0.000"])
    (run,) = runs(asked)
    planted = [record["planted_text"] for record in run["records"] if record["condition"] == "wrong-caption"]
    assert planted == ["The car is blue.", "The cat is under the bed.", "It is for money."]
    assert run["provenance"]["claims"] == {"file": 6}


def test_claims_are_exported_without_any_model_to_be_asked(stage: pytest.Pytester) -> None:
    write_questions(stage)
    stage.makepyfile("def test_it(vlm_samples): assert len(vlm_samples) == 3")
    stage.runpytest("--vlm-dataset=own.jsonl", "--vlm-claims-export=claims.txt").assert_outcomes(passed=1)
    assert [row["id"] for row in rows(stage.path / "claims.txt")] == ["q0", "q1", "q2"]


def test_claims_of_all_workers_meet_in_one_file(stage: pytest.Pytester) -> None:
    write_questions(stage)
    stage.makepyfile(
        """
        import pytest

        @pytest.mark.vlm(dataset="own.jsonl")
        def test_one(vlm_samples): pass

        @pytest.mark.vlm(dataset="shapes", limit=2)
        def test_two(vlm_samples): pass
        """
    )
    result = stage.runpytest("-n2", "--vlm-claims-export=claims.txt")
    result.assert_outcomes(passed=2)
    assert len(rows(stage.path / "claims.txt")) == 5


def test_the_runner_up_travels_with_xdist(asked: pytest.Pytester) -> None:
    options = ("--vlm-plant=runner-up", "--vlm-json=report.json", "-n1")
    asked.runpytest(*GULLIBLE, *options).assert_outcomes(passed=1)
    assert runs(asked)[0]["provenance"]["plant"]["name"] == "runner-up"


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (["--vlm-plant=best"], "*--vlm-plant: got 'best'; allowed: random or runner-up"),
        (
            ["--vlm-claims=none.txt"],
            "*--vlm-claims: *none.txt: no such file; --vlm-claims-export writes one",
        ),
        (
            ["--vlm-claims=test_it.py", "--vlm-claim-writer=a/b"],
            "*--vlm-claims or --vlm-claim-writer, not both",
        ),
        (["--vlm-claim-writer=rules"], "*--vlm-claim-writer: 'rules' writes no claims*"),
        (["--vlm-claims-export=none/claims.txt"], "*--vlm-claims-export*none*"),
    ],
)
def test_wrong_settings_are_refused_before_anything_is_asked(
    stage: pytest.Pytester, options: list[str], message: str
) -> None:
    stage.makepyfile(test_it="def test_it(vlm_run): pass")
    result = stage.runpytest(*GULLIBLE, *options)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([message])


def test_an_export_of_nothing_is_an_error(stage: pytest.Pytester) -> None:
    stage.makepyfile("def test_it(): pass")
    result = stage.runpytest("--vlm-claims-export=claims.txt")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--vlm-claims-export: no test has loaded any samples*"])
    assert not (stage.path / "claims.txt").exists()


def test_a_file_that_lacks_a_sample_fails_the_test_with_its_reason(asked: pytest.Pytester) -> None:
    write_questions(asked)
    asked.runpytest(*OWN, "--vlm-claims-export=claims.txt").assert_outcomes(passed=1)
    file = asked.path / "claims.txt"
    file.write_text(file.read_text(encoding="utf-8").splitlines()[0], encoding="utf-8")
    result = asked.runpytest(*OWN, "--vlm-claims=claims.txt")
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(["*2 of 3 samples have no claims there, the first of them 'q1'*"])
