from __future__ import annotations

import ast
import json
import random
import re
import subprocess
import sys
from collections import Counter
from collections.abc import Iterable, Iterator
from itertools import count
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image

from pytest_vlmrobust.core.samples import Sample
from pytest_vlmrobust.datasets import registry
from pytest_vlmrobust.datasets.benchmarks import SUMMARIES
from pytest_vlmrobust.datasets.files import read_jsonl
from pytest_vlmrobust.datasets.images import BytesImage
from pytest_vlmrobust.datasets.registry import (
    check_dataset_spec,
    check_limit,
    dataset,
    load_dataset,
    load_samples,
    registered_datasets,
    unregister,
)
from pytest_vlmrobust.datasets.shapes import shapes_sample
from pytest_vlmrobust.datasets.subset import MAX_LIMIT, choose_samples
from pytest_vlmrobust.errors import DataError, UsageError, VacuousError

BUILT_IN = ("shapes", "easy-vqa", *SUMMARIES)
KNOWN = ", ".join(sorted(BUILT_IN))
DOCS = Path(__file__).parents[2] / "docs" / "dataset_format.md"


def made(name: str, *, category: str = "", group: str = "") -> Sample:
    return Sample(
        id=name,
        images=(BytesImage(b"x"),),
        question="What is it?",
        choices=("a cat", "a dog"),
        answer=0,
        category=category,
        group=group,
    )


@pytest.fixture(autouse=True)
def _no_data_set_outlives_a_test() -> Iterator[None]:
    yield
    for entry in registered_datasets():
        if entry.name not in BUILT_IN:
            unregister(entry.name)


@pytest.fixture
def jsonl(tmp_path: Path) -> Path:
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    rows = [
        {
            "id": f"s{n}",
            "image": "a.png",
            "question": "Which?",
            "choices": ["a", "b"],
            "answer": 0,
            "category": c,
        }
        for n, c in enumerate("xxxxxxyyyz")
    ]
    path = tmp_path / "data.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    return path


# --- specs ------------------------------------------------------------------------------------------


def test_the_built_in_data_sets_are_registered_with_a_summary() -> None:
    assert tuple(entry.name for entry in registered_datasets()) == BUILT_IN
    assert all(entry.summary and "\n" not in entry.summary for entry in registered_datasets())


@pytest.mark.parametrize(
    ("spec", "split"), [("shapes", "test"), ("shapes:test", "test"), ("shapes:train", "train")]
)
def test_shapes_by_name(spec: str, split: Any) -> None:
    assert load_samples(spec, limit=7, seed=4) == [shapes_sample(n, seed=4, split=split) for n in range(7)]


def test_what_is_no_benchmark_has_neither_score_nor_faults_nor_facts(jsonl: Path) -> None:
    for spec in ("shapes", str(jsonl)):
        loaded = load_dataset(spec, limit=3, seed=2)
        assert list(loaded.samples) == load_samples(spec, limit=3, seed=2)
        assert (loaded.score_name, loaded.faults, loaded.to_json()) == ("", (), {})


def test_a_file_by_its_path(jsonl: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    check_dataset_spec(str(jsonl))
    assert load_samples(str(jsonl)) == read_jsonl(jsonl)
    monkeypatch.chdir(jsonl.parent)
    assert len(load_samples("data.jsonl")) == 10


def test_a_path_with_a_colon_in_it_is_still_a_path(jsonl: Path) -> None:
    odd = jsonl.with_name("v2:data.jsonl")
    odd.write_bytes(jsonl.read_bytes())
    assert len(load_samples(str(odd))) == 10


@pytest.mark.parametrize(
    ("spec", "message"),
    [
        (
            "shape",
            f"unknown data set 'shape': did you mean 'shapes'? Known: {KNOWN}, or the path of a .jsonl file",
        ),
        ("easyvqa:train", "unknown data set 'easyvqa': did you mean 'easy-vqa'?"),
        ("", f"unknown data set '': Known: {KNOWN}, or the path of a .jsonl file"),
        ("data.json", f"unknown data set 'data.json': Known: {KNOWN}, or the path of a .jsonl file"),
        ("shpaes:x.jsonl", "unknown data set 'shpaes': did you mean 'shapes'?"),
        (
            "shapes:trian",
            "unknown variant of data set 'shapes' 'trian': did you mean 'train'? Known: test, train",
        ),
        ("shapes:", "unknown variant of data set 'shapes' '': Known: test, train"),
        ("missing.jsonl", "data set missing.jsonl: no such file (looked from "),
    ],
)
def test_a_spec_that_cannot_work_is_refused_by_check_and_by_load(spec: str, message: str) -> None:
    for use in (lambda: check_dataset_spec(spec), lambda: load_samples(spec, limit=1)):
        with pytest.raises(UsageError) as caught:
            use()
        assert str(caught.value).startswith(message)


def test_checking_a_spec_reads_no_data_and_imports_nothing_heavy(jsonl: Path) -> None:
    jsonl.write_text("not JSON")
    (jsonl.parent / "test_2d.parquet").write_text("no parquet")
    code = f"""
import sys
from pytest_vlmrobust.datasets import check_dataset_spec
for spec in ("shapes", "shapes:train", "easy-vqa", "cv-bench:{jsonl.parent}", {str(jsonl)!r}):
    check_dataset_spec(spec)
heavy = ("numpy", "PIL", "torch", "scipy", "easy_vqa", "transformers", "pyarrow", "huggingface_hub")
print([name for name in heavy if name in sys.modules])
"""
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert ast.literal_eval(found.stdout) == []


# --- limits -----------------------------------------------------------------------------------------


@pytest.mark.parametrize("limit", [0, -1, 1.5, True, "3"])
def test_a_limit_that_leaves_nothing_is_refused(limit: Any, jsonl: Path) -> None:
    for use in (
        lambda: check_limit(limit),
        lambda: load_samples("shapes", limit=limit),
        lambda: load_samples(str(jsonl), limit=limit),
    ):
        with pytest.raises(UsageError, match=rf"limit is {limit!r}: .* a whole number of at least 1"):
            use()


@pytest.mark.parametrize(
    ("limit", "shown"),
    [
        (MAX_LIMIT + 1, "1000000001"),
        (2**63, "9223372036854775808"),
        (10**5000, "a number of 16610 bits"),
        (-(10**5000), "a number of 16610 bits"),
    ],
    ids=["one too many", "too long for the machine", "too long to be written", "and negative"],
)
def test_a_limit_beyond_any_machine_is_refused(limit: int, shown: str, jsonl: Path) -> None:
    message = (
        f"limit is {shown}: it is the number of samples, a whole number of at least 1 and at most 1000000000"
    )
    for use in (
        lambda: check_limit(limit),
        lambda: load_samples("shapes", limit=limit),
        lambda: load_samples(str(jsonl), limit=limit),
        lambda: choose_samples([made("s")], limit, seed=0),
    ):
        with pytest.raises(UsageError) as caught:
            use()
        assert str(caught.value) == message


def test_endless_data_without_a_limit_is_refused() -> None:
    with pytest.raises(UsageError, match=r"'shapes:train' never ends: give a limit, such as limit=200"):
        load_samples("shapes:train")


def test_a_limit_chooses_from_a_file_by_category_in_the_order_of_the_file(jsonl: Path) -> None:
    whole = load_samples(str(jsonl))
    chosen = load_samples(str(jsonl), limit=5)
    assert Counter(sample.category for sample in chosen) == {"x": 3, "y": 2}  # 3, 1.5 and 0.5 of 5
    assert [sample for sample in whole if sample in chosen] == chosen
    assert load_samples(str(jsonl), limit=5) == chosen
    assert any(load_samples(str(jsonl), limit=5, seed=seed) != chosen for seed in range(1, 5))


@pytest.mark.parametrize("limit", [10, 11, None])
def test_a_limit_beyond_the_data_takes_all_of_it(jsonl: Path, limit: int | None) -> None:
    assert load_samples(str(jsonl), limit=limit) == read_jsonl(jsonl)


# --- the choice ---------------------------------------------------------------------------------------

populations = st.lists(
    st.tuples(st.sampled_from(["", "x", "y", "z"]), st.sampled_from(["", "", "g", "h", "i"])),
    min_size=1,
    max_size=40,
).map(
    lambda rows: [made(f"s{n}", category=category, group=group) for n, (category, group) in enumerate(rows)]
)


@given(populations, st.integers(1, 45), st.integers(0, 9))
def test_the_choice_keeps_its_promises(samples: list[Sample], limit: int, seed: int) -> None:
    sizes = Counter(sample.group or sample.id for sample in samples)
    if min(sizes.values()) > limit:
        with pytest.raises(VacuousError, match=f"the smallest has {min(sizes.values())};"):
            choose_samples(samples, limit, seed=seed)
        return
    chosen = choose_samples(samples, limit, seed=seed)
    assert 1 <= len(chosen) <= limit
    assert [sample for sample in samples if sample in chosen] == chosen
    for key, size in Counter(sample.group or sample.id for sample in chosen).items():
        assert sizes[key] == size
    if not any(sample.group for sample in samples):
        assert len(chosen) == min(limit, len(samples))
        everyone, some = (Counter(sample.category for sample in group) for group in (samples, chosen))
        for category, total in everyone.items():
            assert abs(some[category] - total * len(chosen) / len(samples)) < 1


@given(st.lists(st.sampled_from("xyz"), min_size=1), st.integers(1, 20), st.integers(0, 999))
def test_the_order_of_the_data_changes_nothing(categories: list[str], limit: int, shuffle: int) -> None:
    samples = [made(f"s{n}", category=category) for n, category in enumerate(categories)]
    shuffled = list(samples)
    random.Random(shuffle).shuffle(shuffled)
    one = {sample.id for sample in choose_samples(samples, limit, seed=0)}
    other = {sample.id for sample in choose_samples(shuffled, limit, seed=0)}
    assert one == other


def test_a_larger_limit_only_adds_samples() -> None:
    samples = [made(f"s{n}") for n in range(50)]
    chosen: set[str] = set()
    for limit in range(1, 50):
        larger = {sample.id for sample in choose_samples(samples, limit, seed=0)}
        assert chosen < larger
        chosen = larger


def test_every_sample_is_as_likely_as_any_other() -> None:
    samples = [made(f"s{n}") for n in range(20)]
    drawn = Counter(sample.id for seed in range(400) for sample in choose_samples(samples, 5, seed=seed))
    assert len(drawn) == 20
    assert max(abs(times - 100) for times in drawn.values()) < 40  # 4.6 standard deviations


def test_groups_that_are_all_larger_than_the_limit_are_refused() -> None:
    samples = [made(f"s{n}", group=f"g{n // 3}") for n in range(9)]
    with pytest.raises(VacuousError) as caught:
        choose_samples(samples, 2, seed=0)
    assert str(caught.value) == (
        "limit 2 leaves no sample: groups are kept whole, and the smallest has 3; use a limit of at least 3"
    )
    assert len(choose_samples(samples, 8, seed=0)) == 6
    with pytest.raises(UsageError, match="limit is 0"):
        choose_samples(samples, 0, seed=0)


# --- data sets of the users ---------------------------------------------------------------------------


def test_a_data_set_of_the_users_works_by_name() -> None:
    seen: list[tuple[str | None, int]] = []

    @dataset("mine")
    def mine(path: str | None, seed: int) -> list[Sample]:
        """Three samples.

        More that no list shows.
        """
        seen.append((path, seed))
        return [made(f"{seed}-{n}") for n in range(3)]

    check_dataset_spec("mine")
    assert seen == []
    assert [sample.id for sample in load_samples("mine", seed=5)] == ["5-0", "5-1", "5-2"]
    assert len(load_samples("mine", limit=2)) == 2
    assert seen[0] == (None, 5)
    assert registered_datasets()[-1].summary == "Three samples."
    unregister("mine")
    with pytest.raises(UsageError, match="unknown data set 'mine'"):
        load_samples("mine")
    unregister("mine")  # once more is no error


def test_a_path_may_stand_after_the_name_and_has_to_exist(tmp_path: Path) -> None:
    @dataset("folder", needs_path=True, summary="A folder.")
    def folder(path: str | None, seed: int) -> Iterable[Sample]:  # noqa: ARG001
        assert path is not None
        return (made(file.name) for file in sorted(Path(path).iterdir()))

    (tmp_path / "b.jsonl").touch()
    (tmp_path / "a").touch()
    assert [sample.id for sample in load_samples(f"folder:{tmp_path}")] == ["a", "b.jsonl"]
    assert registered_datasets()[-1].summary == "A folder."
    with pytest.raises(UsageError, match="data set 'folder' needs a path: write folder:PATH"):
        check_dataset_spec("folder")
    for missing in ("", "nowhere", "nowhere.jsonl"):
        with pytest.raises(
            UsageError, match=rf"data set 'folder': nothing is at '{missing}' \(looked from /"
        ):
            check_dataset_spec(f"folder:{missing}")


def test_variants_and_a_check_of_the_users() -> None:
    def check() -> None:
        raise UsageError("the disk is not there")

    @dataset("varied", variants=["easy", "hard"])
    def varied(variant: str | None, seed: int) -> list[Sample]:  # noqa: ARG001
        return [made(variant or "none")]

    dataset("checked", check=check)(lambda _path, _seed: [made("x")])
    assert load_samples("varied:hard")[0].id == "hard"
    assert load_samples("varied")[0].id == "none"
    with pytest.raises(UsageError, match="variant of data set 'varied' 'hrad': did you mean 'hard'"):
        load_samples("varied:hrad")
    for use in (lambda: check_dataset_spec("checked"), lambda: load_samples("checked")):
        with pytest.raises(UsageError, match="the disk is not there"):
            use()


def test_an_endless_data_set_of_the_users_needs_a_limit(monkeypatch: pytest.MonkeyPatch) -> None:
    endless = dataset("stream", endless=True)(lambda _path, _seed: (made(f"s{n}") for n in count()))
    with pytest.raises(UsageError, match="data set 'stream' never ends"):
        load_samples("stream")
    assert [sample.id for sample in load_samples("stream", limit=2)] == ["s0", "s1"]
    dataset("secretly-endless")(endless)
    monkeypatch.setattr(registry, "MAX_FINITE_SAMPLES", 100)
    with pytest.raises(UsageError, match=r"gave more than 100 samples: register it with endless=True"):
        load_samples("secretly-endless", limit=2)


@pytest.mark.parametrize("endless", [False, True])
def test_no_sample_two_of_one_id_and_things_that_are_no_samples_are_refused(endless: bool) -> None:
    dataset("empty", endless=endless)(lambda _path, _seed: [])
    dataset("twins", endless=endless)(lambda _path, _seed: [made("a"), made("b"), made("a")])
    dataset("rows", endless=endless)(lambda _path, _seed: [made("a"), {"id": "b"}])  # type: ignore[list-item]
    dataset("nothing", endless=endless)(lambda _path, _seed: None)  # type: ignore[arg-type, return-value]
    with pytest.raises(VacuousError, match="data set 'empty' gave no samples: there is nothing to test"):
        load_samples("empty", limit=3)
    with pytest.raises(DataError, match="duplicate sample id 'a'"):
        load_samples("twins", limit=3)
    with pytest.raises(UsageError, match="data set 'rows' gave dict: it has to give Sample objects"):
        load_samples("rows", limit=3)
    with pytest.raises(UsageError, match="data set 'nothing' returned NoneType: it has to return samples"):
        load_samples("nothing", limit=3)


@pytest.mark.parametrize("name", ["", "Mine", "my_data", "a.jsonl", "a:b", "-a"])
def test_a_malformed_name_is_refused(name: str) -> None:
    with pytest.raises(UsageError, match=rf"data set name {name!r}: use lower case words joined by hyphens"):
        dataset(name)


def test_a_name_that_is_taken_and_contradictory_settings_are_refused() -> None:
    with pytest.raises(UsageError, match="data set name 'shapes' is already taken: choose another"):
        dataset("shapes")
    with pytest.raises(UsageError, match="data set 'x': give variants or needs_path, not both"):
        dataset("x", variants=["a"], needs_path=True)


# --- the page that documents all this -----------------------------------------------------------------


def blocks(kind: str) -> list[str]:
    return re.findall(rf"```{kind}\n(.*?)```", DOCS.read_text(encoding="utf-8"), re.DOTALL)


def test_the_lines_on_the_page_are_read(tmp_path: Path) -> None:
    (tmp_path / "images").mkdir()
    for name in ("dog.jpg", "before.png", "after.png"):
        Image.new("RGB", (2, 2)).save(tmp_path / "images" / name)
    (tmp_path / "data.jsonl").write_text(blocks("json")[0])
    one, two = load_samples(str(tmp_path / "data.jsonl"))
    assert (one.answer, two.answer, len(two.images)) == (0, 1, 2)


def test_the_refusals_on_the_page_are_what_is_said(tmp_path: Path) -> None:
    Image.new("RGB", (2, 2)).save(tmp_path / "a.png")
    row = {"id": "x", "image": "a.png", "question": "?", "choices": ["red", "green", "blue", "black"]}
    wrong = [{**row, "answer": 0, "choises": []}, {**row, "answer": "E"}]
    shown = blocks("text")[0].splitlines()
    assert len(shown) == len(wrong)
    for line, expected in zip(wrong, shown, strict=True):
        (tmp_path / "data.jsonl").write_text(json.dumps(line))
        with pytest.raises(DataError) as caught:
            load_samples(str(tmp_path / "data.jsonl"))
        said = str(caught.value).removeprefix(f"{tmp_path}/")
        assert said == re.sub(r":\d+:", ":1:", expected, count=1)


def test_the_code_on_the_page_runs(tmp_path: Path) -> None:
    for name in ("shelf-3.jpg", "shelf-5.jpg"):
        Image.new("RGB", (2, 2)).save(tmp_path / name)
    (code,) = blocks("python")
    exec(compile(f"from pathlib import Path\n{code}", str(DOCS), "exec"), {})
    assert [sample.answer for sample in load_samples(f"warehouse:{tmp_path}")] == [3, 5]


def test_every_field_of_the_schema_is_on_the_page() -> None:
    from pytest_vlmrobust.datasets.fields import FIELDS

    documented = re.findall(r"^\| `(\w+)` \|", DOCS.read_text(encoding="utf-8"), re.MULTILINE)
    assert tuple(documented) == FIELDS
