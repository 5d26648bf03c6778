"""MME-RealWorld-Lite, SAT, PixMo-Count, Geometry3K, MMStar, BLINK, RealWorldQA and HallusionBench."""

from __future__ import annotations

import hashlib
from pathlib import Path
from typing import Any

import pyarrow as pa

from tests.benchmark_files.places import in_text
from tests.benchmark_files.writing import (
    LETTERS,
    Drawn,
    base64_png,
    drawn,
    embedded,
    png,
    write_image,
    write_json,
    write_parquet,
    write_tsv,
)

ABSENT = "The image does not show it"
COLORS = ("red", "green", "blue", "yellow", "purple", "black")


def of_five(n: int) -> Drawn:
    """A question about a color with five options, the last of which says that it cannot be seen."""
    one = drawn(n, "color")
    others = [color for color in COLORS if color != one.right][:3]
    choices = [*others[: n % 4], one.right, *others[n % 4 :], ABSENT]
    return Drawn(one.question, tuple(choices), choices.index(one.right), one.image)


def mme_rows() -> list[dict[str, Any]]:
    domains = ("Perception/Autonomous_Driving", "perception/Remote Sensing", "Reasoning/Monitoring")
    rows = []
    for n in range(6):
        one = of_five(n)
        rows.append(
            {
                "index": str(n),
                "bytes": base64_png(one.image),
                "question": one.question,
                "multi-choice options": [
                    f"({letter}) {text}" for letter, text in zip(LETTERS, one.choices, strict=False)
                ],
                "answer": one.letter,
                "category": domains[n % 3],
                "l2-category": ("color", "attribute", "intention")[n % 3],
            }
        )
    return rows


def write_mme(folder: Path) -> Path:
    rows = mme_rows()
    for shard in range(2):
        write_parquet(
            folder / "data" / f"train-0000{shard}-of-00002.parquet", rows[3 * shard : 3 * shard + 3]
        )
    return folder


def write_mme_tsv(folder: Path) -> Path:
    """Lists of options are texts here, as Python writes them."""
    rows = [
        {("image" if key == "bytes" else key): value for key, value in row.items()}
        | {"multi-choice options": str(row["multi-choice options"])}
        for row in mme_rows()
    ]
    write_tsv(folder / "mme_realworld_lite.tsv", rows)
    return folder


def write_mme_documents(folder: Path) -> Path:
    documents = []
    for n, row in enumerate(mme_rows()):
        task, _, subtask = row["category"].partition("/")
        write_image(folder / "data" / f"{n}.png", of_five(n).image)
        documents.append(
            {
                "Question_id": f"{row['category']}/{n}",
                "Image": f"{n}.png",
                "Text": row["question"],
                "Question Type": "Multiple Choice",
                "Answer choices": row["multi-choice options"],
                "Ground truth": row["answer"],
                "Category": row["l2-category"],
                "Subtask": subtask,
                "Task": task,
            }
        )
    write_json(folder / "MME_RealWorld_Lite.json", documents)
    return folder


def sat_rows(*, wrapped: bool) -> list[dict[str, Any]]:
    """Questions about one image or two; images are bytes, or what the hub's libraries make of them."""
    rows = []
    for n in range(6):
        one = drawn(n, ("relation", "existence")[n % 2])
        images = [one.image, drawn(n + 1).image][: 1 + n % 2]
        rows.append(
            {
                "image_bytes": [embedded(image) if wrapped else png(image) for image in images],
                "question": one.question,
                "answers": one.right_first,
                "question_type": ("obj_movement", "action_consequence")[n % 2],
                "correct_answer": one.right,
            }
        )
    return rows


def write_sat(folder: Path) -> Path:
    write_parquet(folder / "SAT_test.parquet", sat_rows(wrapped=True))
    write_parquet(folder / "SAT_val.parquet", sat_rows(wrapped=False))
    return folder


def pixmo_rows(host: str) -> list[dict[str, Any]]:
    rows = []
    for n, (count, label) in enumerate(((7, "people"), (0, "boats"), (1, "cups"), (10, "birds"))):
        data = png(drawn(n).image)
        rows.append(
            {
                "image_url": f"{host}/{n}.png",
                "image_sha256": hashlib.sha256(data).hexdigest(),
                "count": count,
                "label": label,
            }
        )
    # The same photo is asked about twice.
    rows.append({**rows[0], "count": 2, "label": "dogs"})
    return rows


def write_pixmo(folder: Path, host: str = "https://photos.example") -> Path:
    rows = pixmo_rows(host)
    schema = pa.schema(
        [
            ("image_url", pa.string()),
            ("image_sha256", pa.string()),
            ("count", pa.int32()),
            ("label", pa.string()),
        ]
    )
    write_parquet(folder / "data" / "test-00000-of-00001.parquet", rows, schema)
    return folder


GEOMETRY = (
    ("<image>Find x.", ("10", "20", "30", "40"), 1),
    (r"<image>Find the measure of $\angle 2$.", ("68", "68.5", "111.5", "112"), 2),
    (
        r"<image>Circle $\odot X$ has radius 3. Find $m\widehat{AB}$.",
        ("3", r"3 \sqrt { 2 }", r"\frac { 1 } { 3 }", "9"),
        3,
    ),
)


def write_geometry3k(folder: Path) -> Path:
    rows = [
        {
            "images": [embedded(drawn(n).image)],
            "problem": problem,
            "answer": choices[answer],
            "id": n,
            "choices": list(choices),
            "ground_truth": LETTERS[answer],
        }
        for n, (problem, choices, answer) in enumerate(GEOMETRY)
    ]
    write_parquet(folder / "data" / "test-00000-of-00001.parquet", rows)
    write_parquet(folder / "data" / "train-00000-of-00001.parquet", rows[:1])
    return folder


def write_geometry3k_folders(folder: Path) -> Path:
    """The authors' own form: a folder for each problem."""
    for n, (problem, choices, answer) in enumerate(GEOMETRY):
        place = folder / "test" / str(2401 + n)
        for name in ("img_diagram.png", "img_diagram_point.png"):
            write_image(place / name, drawn(n).image)
        write_json(
            place / "data.json",
            {
                "problem_text": problem.removeprefix("<image>"),
                "choices": list(choices),
                "answer": LETTERS[answer],
                "problem_type_graph": [("Triangle", "Line", "Circle")[n], "Other"],
                "problem_type_goal": ["Length"],
                "id": 2401 + n,
                "precise_value": [1.0, 2.0, 3.0, 4.0],
            },
        )
    return folder


def mmstar_rows() -> list[dict[str, Any]]:
    """The options follow the question in several ways."""
    ways = (
        ("\nOptions: ", "{letter}: {text}", ", "),
        ("\nOptions:\n", "{letter}: {text}", ",\n"),
        ("\n", "({letter}) {text}", "\n"),
        (" Options: ", "({letter}) {text}", " "),
    )
    rows = []
    for n in range(6):
        one = drawn(n)
        before, form, between = ways[n % len(ways)]
        rows.append(
            {
                "index": n,
                "question": f"{one.question}{before}{in_text(one, form, between)}",
                "image": png(one.image),
                "answer": one.letter,
                "category": ("coarse perception", "math")[n % 2],
                "l2_category": ("image scene and topic", "geometry")[n % 2],
                "meta_info": {"source": "drawn", "split": "val", "image_path": f"images/{n}.png"},
            }
        )
    return rows


def write_mmstar(folder: Path) -> Path:
    write_parquet(folder / "mmstar.parquet", mmstar_rows())
    return folder


def write_mmstar_tsv(folder: Path) -> Path:
    rows = []
    for n in range(3):
        one = drawn(n)
        rows.append(
            {
                "index": n,
                "image": base64_png(one.image),
                "question": one.question,
                **{
                    letter: one.choices[place] if place < len(one.choices) else "nan"
                    for place, letter in enumerate("ABCD")
                },
                "answer": one.letter,
                "category": "coarse perception",
                "l2_category": "image scene and topic",
            }
        )
    write_tsv(folder / "MMStar.tsv", rows)
    return folder


IMAGE = pa.struct([("bytes", pa.binary()), ("path", pa.string())])
BLINK = pa.schema(
    [
        ("idx", pa.string()),
        ("question", pa.string()),
        ("sub_task", pa.string()),
        *((f"image_{n}", IMAGE) for n in (1, 2, 3, 4)),
        ("choices", pa.list_(pa.string())),
        ("answer", pa.string()),
        ("prompt", pa.string()),
    ]
)


def blink_row(n: int, task: str, images: int, answer: str) -> dict[str, Any]:
    one = drawn(n, "existence")
    options = in_text(one, "({letter}) {text}")
    return {
        "idx": f"val_{task}_{n}",
        "question": one.question,
        "sub_task": task,
        **{
            f"image_{place}": embedded(drawn(n + place - 1).image) if place <= images else None
            for place in (1, 2, 3, 4)
        },
        "choices": list(one.choices),
        "answer": answer or f"({one.letter})",
        "prompt": f"Look at the first image. {one.question} Select from the following choices.\n{options}",
    }


def write_blink(folder: Path) -> Path:
    for task, images in (
        ("Counting", 1),
        ("Visual_Similarity", 3),
        ("Multi-view_Reasoning", 2),
        ("Jigsaw", 4),
    ):
        rows = [blink_row(n, task, images, "") for n in range(3)]
        write_parquet(folder / task / "val-00000-of-00001.parquet", rows, BLINK, row_group=2)
        hidden = [
            {**blink_row(n, task, images, "hidden"), "idx": f"test_{task}_{n}", "answer": "hidden"}
            for n in range(2)
        ]
        write_parquet(folder / task / "test-00000-of-00001.parquet", hidden, BLINK)
    return folder


def write_realworldqa(folder: Path) -> Path:
    letter = "Please answer directly with only the letter of the correct option and nothing else."
    word = "Please answer directly with a single word or number."
    asked = []
    for n in range(3):
        one = drawn(n, "relation")
        asked.append((one, f"{one.question}\n\n{in_text(one)}\n{letter}", one.letter))
    yes = drawn(1, "existence")
    asked.append((yes, f"{yes.question}\n{word}", yes.right.capitalize()))
    number = drawn(1, "count")
    asked.append((number, f"{number.question}\n{word}", number.right))
    rows = [
        {"image": embedded(one.image), "question": question, "answer": answer}
        for one, question, answer in asked
    ]
    write_parquet(folder / "data" / "test-00000-of-00001.parquet", rows)
    return folder


def write_realworldqa_tsv(folder: Path) -> Path:
    one = drawn(0, "relation")
    options = {
        letter: one.choices[place] if place < len(one.choices) else None
        for place, letter in enumerate("ABCD")
    }
    row = {
        "index": 0,
        "image": base64_png(one.image),
        "question": one.question,
        **options,
        "answer": one.letter,
    }
    write_tsv(folder / "RealWorldQA.tsv", [row])
    return folder


def hallusion_rows() -> list[dict[str, Any]]:
    """Two sets, each with a figure and an altered one, and each figure with two questions."""
    rows: list[dict[str, Any]] = []
    for number in range(2):
        for figure in (1, 2):
            image = drawn(4 * number + figure, "existence")
            for question in (0, 1):
                about, answer = (image.question, image.right) if question else ("Is a scene drawn?", "yes")
                rows.append(
                    {
                        "category": "VD",
                        "subcategory": "illusion",
                        "visual_input": "1",
                        "set_id": str(number),
                        "figure_id": str(figure),
                        "sample_note": "drawn",
                        "question_id": str(question),
                        "question": about,
                        "gt_answer_details": f"The answer is {answer}.",
                        "gt_answer": "1" if answer == "yes" else "0",
                        "filename": f"./VD/illusion/{number}_{figure}.png",
                        "image": image.image,
                    }
                )
    return rows


def without_image() -> dict[str, Any]:
    row = {key: value for key, value in hallusion_rows()[0].items() if key != "image"}
    return {**row, "category": "VS", "visual_input": "0", "figure_id": "0", "filename": None}


def write_hallusionbench(folder: Path) -> Path:
    rows = [{**row, "image": embedded(row["image"])} for row in hallusion_rows()]
    write_parquet(folder / "data" / "image-00000-of-00001.parquet", rows)
    write_parquet(folder / "data" / "non_image-00000-of-00001.parquet", [without_image()])
    return folder


def write_hallusionbench_documents(folder: Path) -> Path:
    """The authors' own form: one document, and the figures in a folder."""
    documents = [without_image()]
    for row in hallusion_rows():
        write_image(folder / "hallusion_bench" / row["filename"], row["image"])
        documents.append({key: value for key, value in row.items() if key != "image"})
    write_json(folder / "HallusionBench.json", documents)
    return folder


def write_hallusionbench_tsv(folder: Path) -> Path:
    rows = [
        {
            "index": f"0_VD_illusion_{row['set_id']}_{row['figure_id']}_{row['question_id']}",
            "image": base64_png(row["image"]),
            "question": row["question"],
            "answer": "Yes" if row["gt_answer"] == "1" else "No",
            "category": "VD",
            "l2-category": "illusion",
        }
        for row in hallusion_rows()
    ]
    write_tsv(folder / "HallusionBench.tsv", rows)
    return folder
