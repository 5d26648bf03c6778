"""Every benchmark, read from files in its own schema."""

from __future__ import annotations

import csv
import json
import os
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from PIL import Image

from pytest_vlmrobust.core.samples import Sample, samples_digest
from pytest_vlmrobust.core.scores.table import BENCHMARKS as SCORES
from pytest_vlmrobust.datasets.benchmarks import SUMMARIES, benchmark
from pytest_vlmrobust.datasets.benchmarks.reading import read_benchmark
from pytest_vlmrobust.datasets.downloads import UrlImage
from pytest_vlmrobust.datasets.registry import Loaded, load_dataset, load_samples, registered_datasets
from pytest_vlmrobust.errors import DataError, VacuousError
from tests.benchmark_files import details, places
from tests.benchmark_files.writers import (
    WRITERS,
    cv_bench_rows,
    mmbench_rows,
    threedsrbench_addresses,
    threedsrbench_rows,
    write_cv_bench,
    write_threedsrbench,
)
from tests.benchmark_files.writing import (
    base64_png,
    drawn,
    embedded,
    write_image,
    write_json,
    write_parquet,
    write_tsv,
)

Read = Callable[..., Loaded]

WITH_ADDRESSES = "pixmo-count"


@pytest.fixture
def read(tmp_path: Path) -> Read:
    """Write the files of a benchmark, or others for it, and load them."""

    def load(name: str, write: Callable[[Path], Path] | None = None, **how: Any) -> Loaded:
        path = (write or WRITERS[name])(tmp_path / name)
        return load_dataset(f"{name}:{path}", **how)

    return load


def by_id(loaded: Loaded) -> dict[str, Sample]:
    return {sample.id: sample for sample in loaded.samples}


def right(sample: Sample) -> str:
    return sample.choices[sample.answer]


def tags(sample: Sample) -> dict[str, str]:
    return dict(sample.tags)


def kinds(loaded: Loaded) -> dict[str, int]:
    return {fault.kind: fault.count for fault in loaded.faults}


# --- what holds for all of them ---------------------------------------------------------------------


@pytest.mark.parametrize("name", [name for name in SUMMARIES if name != WITH_ADDRESSES])
def test_every_benchmark_is_read_with_its_images_and_its_score(read: Read, name: str) -> None:
    loaded = read(name)
    assert len(loaded.samples) >= 3
    assert loaded.score_name == name
    assert name in SCORES
    for sample in loaded.samples:
        assert sample.id.startswith(f"{name}-")
        assert sample.category
        assert all(image.load().size == (224, 224) for image in sample.images)
    assert len(samples_digest(loaded.samples)) == 32
    assert loaded.to_json() == json.loads(json.dumps(loaded.to_json()))
    assert loaded.facts["rows"] == len(loaded.samples)
    assert loaded.facts["files"]


@pytest.mark.parametrize("name", [name for name in SUMMARIES if name != WITH_ADDRESSES])
def test_the_same_files_give_the_same_samples_wherever_they_lie(tmp_path: Path, name: str) -> None:
    one, two = WRITERS[name](tmp_path / "one"), WRITERS[name](tmp_path / "two")
    first, second = load_samples(f"{name}:{one}"), load_samples(f"{name}:{two}")
    assert samples_digest(first) == samples_digest(second)
    assert [sample.id for sample in first] == [sample.id for sample in second]


@pytest.mark.parametrize("name", ["whatsup", "sat"])
def test_options_that_come_right_first_are_shuffled_by_the_seed_and_nothing_else(
    read: Read, name: str
) -> None:
    first, again, other = read(name, seed=1), read(name, seed=1), read(name, seed=2)
    orders = [[sample.choices for sample in loaded.samples] for loaded in (first, again, other)]
    assert orders[0] == orders[1] != orders[2]
    for one, two in zip(first.samples, other.samples, strict=True):
        assert (one.id, right(one), set(one.choices)) == (two.id, right(two), set(two.choices))
    assert len({sample.answer for sample in first.samples}) > 1
    assert first.facts["options_shuffled"] is True


def test_a_limit_takes_each_category_with_its_share_and_groups_whole(read: Read) -> None:
    whole = by_id(read("mmbench"))
    loaded = read("mmbench", limit=9, seed=3)
    assert len(loaded.samples) <= 9
    sizes = Counter(sample.group for sample in whole.values())
    chosen = Counter(sample.group for sample in loaded.samples)
    assert chosen == {group: sizes[group] for group in chosen}
    assert all(tags(sample)["group_size"] == str(sizes[sample.group]) for sample in loaded.samples)
    assert loaded.facts["rows"] == len(whole)
    with pytest.raises(VacuousError, match="limit 1 leaves no sample: groups are kept whole"):
        read("mmbench", limit=1)


def test_images_are_not_decoded_before_they_are_needed(tmp_path: Path) -> None:
    two, _ = cv_bench_rows()
    for row in two:
        row["image"] = {"bytes": b"no image at all", "path": None}
    write_parquet(tmp_path / "test_2d.parquet", two)
    samples = load_samples(f"cv-bench:{tmp_path}")
    with pytest.raises(DataError, match=r"image test_2d\.parquet, row 0: image: not an image"):
        samples[0].images[0].load()


# --- 3DSRBench --------------------------------------------------------------------------------------


def test_3dsrbench_groups_rolls_and_mirrors_of_a_question(read: Read) -> None:
    loaded = read("3dsrbench")
    assert loaded.facts["files"] == ["3dsrbench_v1_vlmevalkit_circular.tsv"]
    samples = by_id(loaded)
    base, flip = samples["3dsrbench-Q3ABCDEF-0"], samples["3dsrbench-Q3ABCDEF-flip-1"]
    assert base.group == flip.group == "Q3ABCDEF"
    assert tags(base) == {"flip": "0", "roll": "0", "group_size": "4"}
    assert tags(flip) == {"flip": "1", "roll": "1", "group_size": "4"}
    assert right(base) == right(flip)
    assert base.answer != flip.answer
    assert base.images[0].digest() != flip.images[0].digest()
    assert base.category == "multi_object_facing"


def test_3dsrbench_leaves_out_options_that_are_written_as_missing(read: Read) -> None:
    rows = threedsrbench_rows(rolls=True)
    assert {"nan", "None", "NaN", None} <= {row["D"] for row in rows}
    sizes = {len(sample.choices) for sample in read("3dsrbench").samples}
    assert sizes == {2, 3, 4}


def test_3dsrbench_with_flips_alone_and_by_the_name_of_its_file(tmp_path: Path) -> None:
    folder = write_threedsrbench(tmp_path)
    samples = load_samples(f"3dsrbench:{folder / '3dsrbench_v1_vlmevalkit.tsv'}")
    assert [sample.id for sample in samples][:2] == ["3dsrbench-Q0ABCDEF", "3dsrbench-Q0ABCDEF-flip"]
    assert {tags(sample)["group_size"] for sample in samples} == {"2"}


def test_3dsrbench_by_addresses_asks_for_leave(tmp_path: Path) -> None:
    path = write_parquet(tmp_path / "3dsrbench_v1-00000-of-00001.parquet", threedsrbench_addresses())
    read = read_benchmark(benchmark("3dsrbench"), path)
    assert all(isinstance(sample.images[0], UrlImage) for sample in read.samples)
    assert {sample.choices for sample in read.samples} <= {("yes", "no"), ("no", "yes")}
    with pytest.raises(DataError, match="would have to be downloaded: allow it with --vlm-allow-download"):
        load_dataset(f"3dsrbench:{path}")


def test_3dsrbench_reads_one_of_several_forms_and_images_that_are_unpacked(tmp_path: Path) -> None:
    rows = threedsrbench_addresses()
    write_parquet(tmp_path / "3dsrbench_v1-00000-of-00001.parquet", rows)
    write_parquet(tmp_path / "benchmark" / "test-00000-of-00001.parquet", rows)
    write_tsv(tmp_path / "3dsrbench_v1.csv", rows, ",")
    fetched = read_benchmark(benchmark("3dsrbench"), tmp_path)
    assert fetched.facts["files"] == ["3dsrbench_v1-00000-of-00001.parquet"]
    assert all(isinstance(sample.images[0], UrlImage) for sample in fetched.samples)
    for n, folder in enumerate(("coco_images", "coco_images/val2017", "coco_images/train2017")):
        write_image(tmp_path / folder / f"{n:012d}.jpg", drawn(n).image)
    samples = load_samples(f"3dsrbench:{tmp_path}")
    assert [sample.images[0].load().size for sample in samples] == [(224, 224)] * 3
    assert len({sample.images[0].digest() for sample in samples}) == 3


@pytest.mark.parametrize("name", ["3dsrbench", "mmbench", "vstar", "mmstar", "realworldqa"])
def test_tables_with_lettered_options_have_eight_at_most(tmp_path: Path, name: str) -> None:
    row = {
        "index": 1,
        "qid": "Q0ABCDEF",
        "image": base64_png(drawn(0).image),
        "question": "Q?",
        **dict(zip("ABCDEFGH", "abcdefgh", strict=True)),
        "answer": "H",
        "category": "c",
        "l2_category": "d",
    }
    file = {
        "3dsrbench": "3DSRBench",
        "mmbench": "MMBench_DEV_EN",
        "vstar": "VStarBench",
        "mmstar": "MMStar",
        "realworldqa": "RealWorldQA",
    }[name]
    (sample,) = load_samples(f"{name}:{write_tsv(tmp_path / f'{file}.tsv', [row])}")
    assert (len(sample.choices), right(sample)) == (8, "h")
    path = write_tsv(tmp_path / f"{file}.tsv", [row | {"I": "i"}])
    with pytest.raises(DataError, match=rf"{file}\.tsv:2: I: holds an option; at most 8 are allowed"):
        load_samples(f"{name}:{path}")


@pytest.mark.parametrize("qid", ["short", "Q0ABCDEF-turned", "Q0ABCDEF-1-flip"])
def test_3dsrbench_refuses_an_id_that_it_cannot_read(tmp_path: Path, qid: str) -> None:
    rows = threedsrbench_rows(rolls=True)
    rows[3]["qid"] = qid
    path = write_tsv(tmp_path / "3dsrbench_v1_vlmevalkit_circular.tsv", rows)
    with pytest.raises(DataError, match=rf"circular\.tsv:5: qid: is '{qid}'; an id of 8 characters is"):
        load_samples(f"3dsrbench:{path}")


# --- CV-Bench ---------------------------------------------------------------------------------------


def test_cv_bench_reads_both_parts_and_keeps_their_source(read: Read) -> None:
    samples = by_id(read("cv-bench"))
    assert Counter(tags(sample)["source"] for sample in samples.values()) == {
        "ADE20K": 4,
        "COCO": 5,
        "Omni3D": 6,
    }
    assert {sample.category for sample in samples.values()} == {"Relation", "Count", "Depth", "Distance"}
    first = drawn(0, "relation")
    assert samples["cv-bench-0"].question == first.question
    assert (samples["cv-bench-0"].choices, right(samples["cv-bench-0"])) == (first.choices, first.right)
    assert "cv-bench-1438" in samples


def test_cv_bench_counts_may_have_six_options(read: Read) -> None:
    sample = by_id(read("cv-bench"))["cv-bench-8"]
    assert sample.choices == ("5", "4", "3", "2", "1", "0")
    assert sample.letters == ("A", "B", "C", "D", "E", "F")
    assert right(sample) == drawn(2, "count").right


@pytest.mark.parametrize("name", ["test.parquet", "2D/test-00000-of-00001.parquet", "renamed.parquet"])
def test_cv_bench_in_its_older_and_other_forms(tmp_path: Path, name: str) -> None:
    path = write_parquet(tmp_path / name, cv_bench_rows()[0])
    source = path if name == "renamed.parquet" else tmp_path
    assert len(load_samples(f"cv-bench:{source}")) == 9


def test_cv_bench_without_pixels_needs_the_images_that_its_script_writes(tmp_path: Path) -> None:
    folder = write_cv_bench(tmp_path)
    for name in ("test_2d.parquet", "test_3d.parquet"):
        (folder / name).unlink()
    with pytest.raises(DataError, match=r"test_2d\.jsonl:1: filename: .* is in none of the folders"):
        load_samples(f"cv-bench:{folder}")
    for rows in cv_bench_rows():
        for row in rows:
            write_image(folder / row["filename"], Image.new("RGB", (5, 5)))
    assert len(load_samples(f"cv-bench:{folder}")) == 15


# --- Spatial-MM -------------------------------------------------------------------------------------


def test_spatial_mm_takes_options_out_of_the_question(read: Read) -> None:
    samples = by_id(read("spatial-mm"))
    first = samples["spatial-mm-spatial_mm_one_obj-0"]
    made = drawn(0, "relation")
    assert (first.question, first.choices, right(first)) == (made.question, made.choices, made.right)
    assert Counter(sample.category for sample in samples.values()) == {"one object": 7, "two objects": 7}
    assert {len(sample.choices) for sample in samples.values()} >= {2, 4}


def test_spatial_mm_counts_its_known_faults_and_trusts_the_letter(read: Read) -> None:
    loaded = read("spatial-mm")
    assert kinds(loaded) == {"letter-and-text-disagree": 2, "duplicate-question": 2}
    assert loaded.faults[0].examples == (
        "data/spatial_mm_one_obj.json, entry 1",
        "data/spatial_mm_two_obj.json, entry 1",
    )
    assert right(by_id(loaded)["spatial-mm-spatial_mm_one_obj-1"]) == drawn(1, "color").right
    with pytest.raises(DataError, match=r"strict reading \(--vlm-strict-data\) refuses: 2 rows with an"):
        read("spatial-mm", strict=True)


def test_spatial_mm_multihop_gets_options_of_the_kind_of_the_answer(tmp_path: Path) -> None:
    folder = places.write_spatial_mm(tmp_path)
    spec = f"spatial-mm:{folder / 'data' / 'multihop_reasoning_309.json'}"
    loaded = load_dataset(spec)
    assert "this package's own" in loaded.facts["note"]
    found = {sample.question: sample for sample in loaded.samples}
    wanted = {
        "no": {"yes", "no"},
        "Yes": {"yes", "no"},
        "3": {"3", "5"},
        "left": {"left", "right", "in front"},
        "a bicycle": {"a bicycle", "an umbrella", "none"},
        "None": {"a bicycle", "an umbrella", "none"},
    }
    for question, answer, hop in places.MULTIHOP:
        assert right(found[question]) == answer.casefold()
        assert found[question].category == f"{hop} hops"
        if answer in wanted:
            assert set(found[question].choices) == wanted[answer]
    other = {sample.id: set(sample.choices) for sample in load_samples(spec, seed=9)}
    assert other == {sample.id: set(sample.choices) for sample in loaded.samples}


def multihop(folder: Path, answers: list[str]) -> Path:
    write_image(folder / "a.png", drawn(0).image)
    rows = [
        {"image_name": "a.png", "question": f"Question {n}?", "answer": answer, "hop": 2}
        for n, answer in enumerate(answers)
    ]
    return write_json(folder / "multihop_reasoning_309.json", rows)


def test_spatial_mm_multihop_options_are_never_right_in_other_words(tmp_path: Path) -> None:
    same = ["left", "to the left", "on the left side", "Leftward", "2", "two", "a bicycle", "the bicycle"]
    other = ["right", "in front", "front left", "behind", "at the back", "3", "an umbrella"]
    loaded = load_dataset(f"spatial-mm:{multihop(tmp_path, same + other)}")
    assert len(loaded.samples) == len(same + other)
    alike = [set(map(str.casefold, same[:4])) | {"front left"}, {"2", "two"}, {"a bicycle", "the bicycle"}]
    alike.append({"behind", "at the back"})
    for sample in loaded.samples:
        assert all(len(set(sample.choices) & words) <= 1 for words in alike), sample.choices


def test_spatial_mm_multihop_with_one_answer_of_a_kind_takes_others(tmp_path: Path) -> None:
    loaded = load_dataset(f"spatial-mm:{multihop(tmp_path, ['None', '2', 'left', 'yes'])}")
    assert [right(sample) for sample in loaded.samples] == ["none", "2", "left", "yes"]
    assert set(loaded.samples[1].choices) == {"none", "2", "left"}
    lonely = load_dataset(f"spatial-mm:{multihop(tmp_path / 'lonely', ['2', 'two', 'yes'])}")
    assert kinds(lonely) == {"options-not-found": 2}
    assert [right(sample) for sample in lonely.samples] == ["yes"]


@pytest.mark.parametrize("name", ["spatial-mm", "pixmo-count"])
def test_options_that_are_made_up_are_the_same_from_folder_and_file(tmp_path: Path, name: str) -> None:
    if name == "spatial-mm":
        many = [f"thing{n}" for n in range(40)]
        file = multihop(tmp_path / "data", many)
        write_image(tmp_path / "a.png", drawn(0).image)
    else:
        folder = details.write_pixmo(tmp_path)
        file = next((folder / "data").glob("*.parquet"))
    one, two = (read_benchmark(benchmark(name), path).samples for path in (tmp_path, file))
    assert [sample.choices for sample in one] == [sample.choices for sample in two]


def test_spatial_mm_leaves_out_and_tells_rows_whose_options_it_cannot_read(tmp_path: Path) -> None:
    write_image(tmp_path / "a.png", drawn(0).image)
    rows = [
        {"image_name": "a.png", "question": f"Where?\n{options}", "answer": "A. left"}
        for options in ("A. left\nB. right", "A left\nB right")
    ]
    loaded = load_dataset(f"spatial-mm:{write_json(tmp_path / 'spatial_mm_one_obj.json', rows)}")
    assert kinds(loaded) == {"options-not-found": 1}
    rows[1]["question"] = "Where?\nA. x\nB. y\nB. z"
    path = write_json(tmp_path / "spatial_mm_one_obj.json", rows)
    with pytest.raises(DataError, match=r"obj\.json, entry 1: options: the mark 'B\.' is out of order"):
        load_dataset(f"spatial-mm:{path}")


def test_spatial_mm_as_others_have_put_it_on_the_hub(read: Read) -> None:
    loaded = read("spatial-mm", places.write_spatial_mm_mirror)
    made = [drawn(n, "relation") for n in range(3)]
    assert [sample.choices for sample in loaded.samples] == [one.choices for one in made]
    assert [right(sample) for sample in loaded.samples] == [one.right for one in made]


# --- What's Up --------------------------------------------------------------------------------------


def test_whatsup_knows_the_sets_and_pairs_of_a_and_b(read: Read) -> None:
    samples = by_id(read("whatsup"))
    sets = Counter(sample.group for sample in samples.values() if sample.group)
    assert sets == dict.fromkeys(("A-mug-table", "A-book-chair", "B-mug-table", "B-book-chair"), 4)
    left = samples["whatsup-A-mug_left_of_table"]
    assert right(left) == "A mug to the left of a table"
    assert tags(left) == {"subset": "A", "pair": "left-right", "group_size": "4"}
    pairs = Counter((sample.group, tags(sample)["pair"]) for sample in samples.values() if sample.group)
    assert set(pairs.values()) == {2}
    assert {pair for group, pair in pairs if group.startswith("B")} == {"left-right", "front-behind"}
    assert tags(samples["whatsup-B-mug_in-front_of_table"])["pair"] == "front-behind"
    assert left.question == "Which caption describes the image?"


def test_whatsup_reads_rows_that_are_lists_and_finds_images_by_number(read: Read) -> None:
    samples = by_id(read("whatsup"))
    one = samples["whatsup-coco_qa_one_obj-0"]
    assert (right(one), one.category, one.group) == ("A photo of a dog on the left", "left", "")
    assert tags(one) == {"subset": "COCO, one object"}
    relations = {key: sample.category for key, sample in samples.items() if "_obj-" in key}
    assert relations == {
        **dict.fromkeys(("whatsup-coco_qa_one_obj-0", "whatsup-vg_qa_one_obj-0"), "left"),
        **dict.fromkeys(("whatsup-coco_qa_one_obj-1", "whatsup-vg_qa_one_obj-1"), "top"),
        **dict.fromkeys(("whatsup-coco_qa_two_obj-0", "whatsup-vg_qa_two_obj-0"), "left of"),
        **dict.fromkeys(("whatsup-coco_qa_two_obj-1", "whatsup-vg_qa_two_obj-1"), "above"),
    }
    assert len({sample.images[0].digest() for sample in samples.values() if "_obj-" in sample.id}) == 2


def test_whatsup_one_file_alone_with_images_beside_or_around_it(tmp_path: Path) -> None:
    folder = places.write_whatsup(tmp_path)
    assert len(load_samples(f"whatsup:{folder / 'coco_qa_two_obj.json'}")) == 2
    (folder / "data").mkdir()
    name = "controlled_images_dataset.json"
    moved = (folder / name).rename(folder / "data" / name)
    assert len(load_samples(f"whatsup:{moved}")) == 8


def test_whatsup_as_others_have_put_it_on_the_hub(read: Read) -> None:
    loaded = read("whatsup", places.write_whatsup_mirror)
    controlled = [sample for sample in loaded.samples if sample.group]
    assert len(controlled) == 4
    assert len({sample.group for sample in controlled}) == 1
    assert Counter(tags(sample)["pair"] for sample in controlled) == {"left-right": 2, "on-under": 2}
    assert [right(sample) for sample in loaded.samples][-1] == "A photo of a dog on the left"


def test_whatsup_refuses_captions_that_are_none(tmp_path: Path) -> None:
    for wrong in (3, "", "."):
        path = write_json(tmp_path / "coco_qa_one_obj.json", [[139, "left", wrong]])
        with pytest.raises(DataError, match=r"coco_qa_one_obj\.json, entry 0: captions: are \["):
            load_samples(f"whatsup:{path}")


@pytest.mark.parametrize("path", ["a" * 300 + ".jpg", "\udc80.jpg", "a\0.jpg"], ids=["long", "half", "null"])
def test_whatsup_refuses_paths_that_no_file_can_have(tmp_path: Path, path: str) -> None:
    rows = [{"image_path": path, "caption_options": ["A cat on a mat", "A cat under a mat"]}]
    file = tmp_path / "controlled_images_dataset.json"
    file.write_text(json.dumps(rows), encoding="utf-8")
    with pytest.raises(DataError, match=r"^controlled_images_dataset\.json, entry 0: "):
        load_samples(f"whatsup:{file}")


def test_whatsup_finds_relations_in_whole_words_alone(tmp_path: Path) -> None:
    write_image(tmp_path / "val2017" / "000000000139.jpg", drawn(0).image)
    rows = [[139, "A photo of an undershirt on the left", "A photo of an undershirt on the right"]]
    (sample,) = load_samples(f"whatsup:{write_json(tmp_path / 'coco_qa_one_obj.json', rows)}")
    assert sample.category == "left"


# --- V*Bench ----------------------------------------------------------------------------------------


def test_vstar_has_the_same_samples_in_each_form_of_its_files(tmp_path: Path) -> None:
    folder = places.write_vstar(tmp_path)
    listed = load_samples(f"vstar:{folder}")
    assert [sample.id for sample in listed][-1] == "vstar-relative_position-sa_7.2"
    (folder / "test_questions.jsonl").unlink()
    single = load_samples(f"vstar:{folder}")

    def facts(sample: Sample) -> tuple[object, ...]:
        images = [image.digest() for image in sample.images]
        return sample.id, sample.question, set(sample.choices), right(sample), sample.category, images

    assert sorted(map(facts, listed), key=str) == sorted(map(facts, single), key=str)
    assert {sample.answer for sample in single} != {0}
    tables = places.write_vstar_tables(tmp_path / "tables")
    for source in (tables / "VStarBench.tsv", tables):
        found = load_samples(f"vstar:{source}")
        assert [(s.question, right(s), s.category) for s in found] == [
            (s.question, right(s), s.category) for s in listed
        ]


def test_vstar_says_which_image_is_missing(tmp_path: Path) -> None:
    folder = places.write_vstar(tmp_path)
    (folder / "test_questions.jsonl").unlink()
    (folder / "relative_position" / "sa_7.1.jpg").unlink()
    with pytest.raises(
        DataError, match=r"relative_position/sa_7\.1\.json: no image is beside it; looked for"
    ):
        load_samples(f"vstar:{folder}")


# --- MMBench ----------------------------------------------------------------------------------------


def test_mmbench_gives_turned_rows_the_image_of_their_question(read: Read) -> None:
    samples = by_id(read("mmbench"))
    first, turned = samples["mmbench-241"], samples["mmbench-2000241"]
    assert first.images[0].digest() == turned.images[0].digest()
    assert first.group == turned.group == "241"
    assert (tags(first)["roll"], tags(turned)["roll"]) == ("0", "2")
    assert right(first) == right(turned)
    assert turned.choices == (*first.choices[2:], *first.choices[:2])
    assert tags(first)["l2_category"] == "relation_reasoning"
    assert tags(first)["split"] == "dev"
    assert by_id(read("mmbench"))["mmbench-242"].question.startswith('Read "this" first:\n\tthe scene')


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"image": "1000243"}, "refers to the image of row '1000243'"),
        ({"image": "999"}, "'999' is too short for an image, and is not the index of another row"),
        ({"image": ""}, "image: is empty; an image is needed"),
        ({"index": "1" * 5000}, "1111…; a whole number of at most 12 digits is needed"),
        ({"index": "12a"}, "index: is '12a'; a whole number of at most 12 digits is needed"),
        (
            {"index": 241},
            "the id 'mmbench-241' is taken by MMBench_DEV_EN_V11.tsv:2: each row needs one of its own",
        ),
        ({"answer": "D", "D": "nan"}, "answer: 'D' is none of the options"),
        ({"answer": ""}, "answer: is empty; a split whose answers are hidden cannot be scored"),
        ({"question": " "}, "question: is empty; a text is needed"),
        (
            {"A": "only", "B": "", "C": "nan", "D": "", "answer": "A"},
            "choices has 1 entries; 2 to 8 are allowed",
        ),
        ({"A": "", "B": "", "C": "", "D": "", "answer": "A"}, None),
    ],
)
def test_mmbench_refuses_rows_that_are_wrong(
    tmp_path: Path, change: dict[str, Any], message: str | None
) -> None:
    rows = mmbench_rows()
    rows[-1] = {**rows[-1], **change}
    path = write_tsv(tmp_path / "MMBench_DEV_EN_V11.tsv", rows)
    if message is None:
        assert kinds(load_dataset(f"mmbench:{path}")) == {"options-not-found": 1}
        with pytest.raises(DataError, match="1 row whose options are not found, though the answer names one"):
            load_dataset(f"mmbench:{path}", strict=True)
        return
    with pytest.raises(DataError) as caught:
        load_samples(f"mmbench:{path}")
    # The fourth row has a line end in its hint.
    assert str(caught.value).startswith(f"MMBench_DEV_EN_V11.tsv:{len(rows) + 1 + hints(rows)}: ")
    assert message in str(caught.value)


def hints(rows: list[dict[str, Any]]) -> int:
    """How many lines the hints take beyond one for each row."""
    return sum(str(row["hint"]).count("\n") for row in rows[:-1] if row["hint"])


def test_mmbench_groups_stay_as_large_as_the_file_has_them(tmp_path: Path) -> None:
    rows = mmbench_rows()
    group = [row for row in rows if row["index"] % 1_000_000 == 241]
    group[-1] |= dict.fromkeys("ABCD")
    loaded = load_dataset(f"mmbench:{write_tsv(tmp_path / 'MMBench_DEV_EN.tsv', rows)}")
    left = [sample for sample in loaded.samples if sample.group == "241"]
    assert len(left) == len(group) - 1
    assert {tags(sample)["group_size"] for sample in left} == {str(len(group))}


def test_mmbench_takes_equal_options_for_one_and_counts_gaps(tmp_path: Path) -> None:
    rows = mmbench_rows()[:1]
    rows[0] |= {"A": "left", "B": None, "C": "Left", "D": "right", "answer": "C"}
    loaded = load_dataset(f"mmbench:{write_tsv(tmp_path / 'MMBench_DEV_EN_V11.tsv', rows)}")
    assert (loaded.samples[0].choices, right(loaded.samples[0])) == (("left", "right"), "left")
    assert kinds(loaded) == {"duplicate-option": 1, "gap-in-options": 1}


def test_mmbench_with_other_capitals_in_a_column_and_as_parquet(tmp_path: Path) -> None:
    rows = [
        {("L2-category" if key == "l2-category" else key): value for key, value in row.items()}
        | {"image": embedded(drawn(n).image), "index": str(row["index"])}
        for n, row in enumerate(mmbench_rows())
    ]
    write_parquet(tmp_path / "en" / "dev-00000-of-00001.parquet", rows)
    loaded = load_dataset(f"mmbench:{tmp_path}")
    assert {tags(sample)["l2_category"] for sample in loaded.samples} == {
        "relation_reasoning",
        "finegrained_perception",
    }


# --- MME-RealWorld-Lite -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    "write",
    [details.write_mme, details.write_mme_tsv, details.write_mme_documents],
    ids=lambda write: write.__name__,
)
def test_mme_realworld_lite_has_five_options_in_each_form(read: Read, write: Callable[[Path], Path]) -> None:
    loaded = read("mme-realworld-lite", write)
    made = [details.of_five(n) for n in range(6)]
    assert [sample.choices for sample in loaded.samples] == [one.choices for one in made]
    assert [right(sample) for sample in loaded.samples] == [one.right for one in made]
    assert [tags(sample) for sample in loaded.samples[:3]] == [
        {"task": "Perception", "l2_category": "color"},
        {"task": "Perception", "l2_category": "attribute"},
        {"task": "Reasoning", "l2_category": "intention"},
    ]
    assert loaded.samples[1].category == "Perception/Remote Sensing"
    assert all(sample.images[0].load().size == (224, 224) for sample in loaded.samples)


# --- SAT --------------------------------------------------------------------------------------------


def test_sat_has_one_image_or_two_and_takes_the_answer_by_its_text(tmp_path: Path) -> None:
    folder = details.write_sat(tmp_path)
    loaded = load_dataset(f"sat:{folder}")
    assert loaded.facts["files"] == ["SAT_test.parquet"]
    assert [len(sample.images) for sample in loaded.samples] == [1, 2] * 3
    assert [right(sample) for sample in loaded.samples] == [
        row["correct_answer"] for row in details.sat_rows(wrapped=True)
    ]
    # Bytes alone are as good as what the hub's libraries make of them.
    other = load_samples(f"sat:{folder / 'SAT_val.parquet'}")
    assert [[image.digest() for image in sample.images] for sample in other] == [
        [image.digest() for image in sample.images] for sample in loaded.samples
    ]


# --- PixMo-Count ------------------------------------------------------------------------------------


def test_pixmo_count_makes_question_and_options_of_a_count(tmp_path: Path) -> None:
    folder = details.write_pixmo(tmp_path)
    read = read_benchmark(benchmark("pixmo-count"), folder)
    assert "this package's own" in read.facts["note"]
    assert [sample.question for sample in read.samples][:2] == [
        "How many people are in the image?",
        "How many boats are in the image?",
    ]
    for sample, row in zip(read.samples, details.pixmo_rows(""), strict=True):
        counts = [int(choice) for choice in sample.choices]
        assert right(sample) == str(row["count"])
        assert 3 <= len(counts) <= 4
        assert all(count >= 0 and abs(count - row["count"]) <= 2 for count in counts)
        image = sample.images[0]
        assert isinstance(image, UrlImage)
        assert image.sha256 == row["image_sha256"]
    assert {len(sample.choices) for sample in read.samples} == {3, 4}  # 0 has two neighbors only
    with pytest.raises(DataError, match="would have to be downloaded: allow it with --vlm-allow-download"):
        load_dataset(f"pixmo-count:{folder}")


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"count": -1}, "count: is '-1'; a whole number from 0 is needed"),
        ({"count": None}, "count: is empty"),
        ({"label": ""}, "label: is empty; a text is needed"),
    ],
)
def test_pixmo_count_refuses_rows_that_are_wrong(
    tmp_path: Path, change: dict[str, Any], message: str
) -> None:
    rows = details.pixmo_rows("https://photos.example")
    rows[2] |= change
    path = write_parquet(tmp_path / "test.parquet", rows)
    with pytest.raises(DataError, match=rf"test\.parquet, row 2: .*|{message}") as caught:
        load_samples(f"pixmo-count:{path}")
    assert message in str(caught.value)


# --- Geometry3K -------------------------------------------------------------------------------------


def test_geometry3k_keeps_formulas_as_they_are_in_both_forms(tmp_path: Path) -> None:
    table = load_dataset(f"geometry3k:{details.write_geometry3k(tmp_path / 'table')}")
    assert table.facts["files"] == ["data/test-00000-of-00001.parquet"]
    folders = load_samples(f"geometry3k:{details.write_geometry3k_folders(tmp_path / 'folders')}")
    for found in (table.samples, folders):
        assert [sample.question for sample in found] == [
            problem.removeprefix("<image>") for problem, _, _ in details.GEOMETRY
        ]
        assert [sample.choices for sample in found] == [choices for _, choices, _ in details.GEOMETRY]
        assert [sample.answer for sample in found] == [answer for _, _, answer in details.GEOMETRY]
    assert [sample.id for sample in table.samples] == [f"geometry3k-test-{n}" for n in range(3)]
    assert [sample.id for sample in folders] == [f"geometry3k-{n}" for n in (2401, 2402, 2403)]
    assert [sample.category for sample in folders] == ["Triangle", "Line", "Circle"]


# --- MMStar, BLINK, RealWorldQA, HallusionBench -----------------------------------------------------


def test_mmstar_finds_the_options_however_they_are_separated(read: Read) -> None:
    loaded = read("mmstar")
    made = [drawn(n) for n in range(6)]
    assert [(s.question, s.choices, right(s)) for s in loaded.samples] == [
        (one.question, one.choices, one.right) for one in made
    ]
    assert tags(loaded.samples[0]) == {"l2_category": "image scene and topic"}
    columns = read("mmstar", lambda folder: details.write_mmstar_tsv(folder) / "MMStar.tsv")
    assert [sample.choices for sample in columns.samples] == [one.choices for one in made[:3]]


def test_blink_has_several_images_and_asks_as_it_prompts(read: Read) -> None:
    loaded = read("blink")
    assert all("val-" in file for file in loaded.facts["files"])
    images = {sample.category: len(sample.images) for sample in loaded.samples}
    assert images == {"Counting": 1, "Visual_Similarity": 3, "Multi-view_Reasoning": 2, "Jigsaw": 4}
    made = drawn(0, "existence")
    first = by_id(loaded)["blink-val_Jigsaw_0"]
    assert first.question == f"Look at the first image. {made.question}"
    assert (first.choices, right(first)) == (made.choices, made.right)
    assert len({image.digest() for image in first.images}) == 4


def test_blink_refuses_the_split_whose_answers_are_hidden(tmp_path: Path) -> None:
    path = details.write_blink(tmp_path) / "Jigsaw" / "test-00000-of-00001.parquet"
    with pytest.raises(DataError, match=r"row 0: answer: 'hidden' is none of the options"):
        load_samples(f"blink:{path}")


def test_realworldqa_leaves_free_answers_out_and_says_so(read: Read) -> None:
    loaded = read("realworldqa")
    assert kinds(loaded) == {"no-options": 1}
    assert loaded.faults[0].told == "1 row with a free answer and no options (left out)"
    assert [right(s) for s in loaded.samples[:3]] == [drawn(n, "relation").right for n in range(3)]
    polar = loaded.samples[3]
    assert (polar.choices, right(polar)) == (("Yes", "No"), drawn(1, "existence").right.capitalize())
    assert polar.question == drawn(1, "existence").question
    assert len(read("realworldqa", strict=True).samples) == 4
    table = read("realworldqa", lambda folder: details.write_realworldqa_tsv(folder / "tsv"))
    assert right(table.samples[0]) == drawn(0, "relation").right


@pytest.mark.parametrize(
    "write",
    [details.write_hallusionbench, details.write_hallusionbench_documents],
    ids=lambda write: write.__name__,
)
def test_hallusionbench_is_yes_or_no_in_sets_of_figures(read: Read, write: Callable[[Path], Path]) -> None:
    loaded = read("hallusionbench", write)
    assert kinds(loaded) == {"no-image": 1}
    assert {sample.choices for sample in loaded.samples} == {("Yes", "No")}
    assert [right(sample) for sample in loaded.samples] == [
        "Yes" if row["gt_answer"] == "1" else "No" for row in details.hallusion_rows()
    ]
    sample = by_id(loaded)["hallusionbench-VD-illusion-1-2-0"]
    assert sample.group == "VD-illusion-1"
    assert tags(sample) == {"figure": "2", "question": "0", "group_size": "4"}


def test_hallusionbench_as_a_tsv_has_its_ids_in_the_index(tmp_path: Path) -> None:
    folder = details.write_hallusionbench_tsv(tmp_path)
    samples = load_samples(f"hallusionbench:{folder}")
    assert [(s.group, tags(s)["figure"], tags(s)["question"]) for s in samples][:3] == [
        ("illusion-0", "1", "0"),
        ("illusion-0", "1", "1"),
        ("illusion-0", "2", "0"),
    ]
    text = (folder / "HallusionBench.tsv").read_text(encoding="utf-8")
    (folder / "HallusionBench.tsv").write_text(text.replace("0_VD_illusion_0_1_0", "17"), encoding="utf-8")
    with pytest.raises(DataError, match="index: is '17'; three words and the ids of set, figure and"):
        load_samples(f"hallusionbench:{folder}")


@pytest.mark.parametrize(("yes", "no"), [("Y", "N"), ("y", "n"), ("YES", "No"), (1, 0)])
def test_hallusionbench_answers_are_written_in_several_ways(tmp_path: Path, yes: object, no: object) -> None:
    file = details.write_hallusionbench_tsv(tmp_path) / "HallusionBench.tsv"
    samples = load_samples(f"hallusionbench:{file}")
    with file.open(encoding="utf-8", newline="") as text:
        rows = list(csv.DictReader(text, delimiter="\t"))
    for row in rows:
        row["answer"] = str({"yes": yes, "no": no}[row["answer"].lower()])
    again = load_samples(f"hallusionbench:{write_tsv(file, rows)}")
    assert [right(sample) for sample in again] == [right(sample) for sample in samples]


# --- what is wrong with a path ----------------------------------------------------------------------


def refusal(spec: str) -> str:
    with pytest.raises((DataError, VacuousError)) as caught:
        load_samples(spec)
    return str(caught.value)


def test_a_wrong_folder_is_told_with_what_was_looked_for_and_what_is_there(tmp_path: Path) -> None:
    (tmp_path / "photos").mkdir()
    (tmp_path / "notes.txt").write_text("x")
    assert refusal(f"mmbench:{tmp_path}") == (
        f"mmbench: none of its files is in {tmp_path}: looked for MMBench_DEV_EN_V11.tsv, "
        "MMBench_DEV_EN.tsv, en/dev-*.parquet, data/dev-*.parquet, dev-*.parquet; found notes.txt, photos/"
    )
    empty = tmp_path / "photos"
    assert refusal(f"mmbench:{empty}").endswith("found an empty folder")
    (tmp_path / "MMBench.tsv").write_text("x")
    assert refusal(f"mmbench:{tmp_path}").endswith(
        f". To read one of them all the same, name it: mmbench:{tmp_path / 'MMBench.tsv'}"
    )


def test_a_path_where_nothing_is_is_told(tmp_path: Path) -> None:
    with pytest.raises(DataError, match=r"mmbench: nothing is at .*gone \(looked from "):
        read_benchmark(benchmark("mmbench"), tmp_path / "gone")


def test_a_benchmark_among_the_registered_data_sets_makes_its_samples(tmp_path: Path) -> None:
    folder = WRITERS["mmbench"](tmp_path)
    (entry,) = [entry for entry in registered_datasets() if entry.name == "mmbench"]
    assert list(entry.make(str(folder), 0)) == load_samples(f"mmbench:{folder}")


def test_an_archive_is_told_to_be_unpacked(tmp_path: Path) -> None:
    import zipfile

    for name in ("CV-Bench.zip", "disguised.parquet"):
        with zipfile.ZipFile(tmp_path / name, "w") as archive:
            archive.writestr("test_2d.parquet", "x")
        assert refusal(f"cv-bench:{tmp_path / name}").endswith(
            "is an archive: unpack it, and name the folder that comes out"
        )
    (tmp_path / "disguised.parquet").unlink()
    assert refusal(f"cv-bench:{tmp_path}").endswith(
        "found CV-Bench.zip. CV-Bench.zip is an archive: unpack it"
    )


def test_a_file_of_another_kind_is_refused_and_one_with_other_columns_too(tmp_path: Path) -> None:
    text = tmp_path / "readme.md"
    text.write_text("x")
    assert "is no file that is read" in refusal(f"cv-bench:{text}")
    table = write_tsv(tmp_path / "a.tsv", [{"x": 1}])
    assert refusal(f"cv-bench:{table}") == (
        f"cv-bench: {table} is not one of its files; looked for are test_2d.parquet, test_3d.parquet, "
        "test.parquet, 2D/test-*.parquet, 3D/test-*.parquet, data/test-*.parquet, default/test-*.parquet, "
        "test_2d.jsonl and 1 more"
    )
    rows = [
        {("choises" if key == "choices" else key): v for key, v in row.items()} for row in cv_bench_rows()[0]
    ]
    path = write_parquet(tmp_path / "test_2d.parquet", rows)
    assert refusal(f"cv-bench:{path}").startswith(
        "test_2d.parquet: column 'choices' (renamed to 'choises'?) is missing; there are: idx, type, task, "
    )


@pytest.mark.parametrize("options", [9, 1])
def test_too_many_options_and_too_few_are_refused(tmp_path: Path, options: int) -> None:
    two, _ = cv_bench_rows()
    two[4] |= {"choices": [f"option {n}" for n in range(options)], "answer": "(A)"}
    path = write_parquet(tmp_path / "test_2d.parquet", two)
    assert refusal(f"cv-bench:{path}") == (
        f"test_2d.parquet, row 4: choices has {options} entries; 2 to 8 are allowed"
    )


def test_a_benchmark_of_which_no_row_can_be_asked_is_refused(tmp_path: Path) -> None:
    write_parquet(tmp_path / "data" / "non_image-00000-of-00001.parquet", [details.without_image()])
    assert refusal(f"hallusionbench:{tmp_path}") == (
        f"hallusionbench: no row of {tmp_path} can be asked: 1 row without an image (left out)"
    )


def test_rows_of_the_hubs_cache_are_links_that_may_lead_out_of_the_folder(tmp_path: Path) -> None:
    blobs, snapshot = tmp_path / "blobs", tmp_path / "snapshots" / "abc"
    written = places.write_vstar(tmp_path / "written")
    blobs.mkdir()
    for n, file in enumerate(sorted(written.rglob("*.*"))):
        link = snapshot / file.relative_to(written)
        link.parent.mkdir(parents=True, exist_ok=True)
        file.rename(blobs / str(n))
        link.symlink_to(os.path.relpath(blobs / str(n), link.parent))
    assert len(load_samples(f"vstar:{snapshot}")) == 7
