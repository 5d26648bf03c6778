"""The files of each benchmark."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

from tests.benchmark_files import details, places
from tests.benchmark_files.writing import (
    LETTERS,
    Drawn,
    base64_png,
    drawn,
    embedded,
    mirrored,
    rolled,
    write_jsonl,
    write_parquet,
    write_tsv,
)

Write = Callable[[Path], Path]


def lettered(choices: Sequence[str | None], letters: str = "ABCD") -> dict[str, str | None]:
    """Columns named by letters; those that are not used are empty."""
    return {letter: choices[place] if place < len(choices) else None for place, letter in enumerate(letters)}


def cv_bench_row(idx: int, kind: str, task: str, source: str, one: Drawn) -> dict[str, Any]:
    inline = " ".join(f"({letter}) {text}" for letter, text in zip(LETTERS, one.choices, strict=False))
    return {
        "idx": idx,
        "type": kind,
        "task": task,
        "image": embedded(one.image),
        "question": one.question,
        "choices": list(one.choices),
        "answer": f"({one.letter})",
        "prompt": f"{one.question} Select from the following choices.\n{inline}",
        "filename": f"img/{kind}/{task.lower()}/{source.lower()}_{idx}.png",
        "source": source,
        "source_dataset": f"{source} Dataset",
        "source_filename": f"{idx:012d}.jpg",
        "target_class": None,
        "target_size": None,
        "bbox": None,
    }


def cv_bench_rows() -> tuple[list[dict[str, Any]], list[dict[str, Any]]]:
    """Rows of 2D and 3D; the indices of 3D go on where those of 2D end in the benchmark itself."""
    two, three = [], []
    for n in range(8):
        source = ("ADE20K", "COCO")[n % 2]
        task = ("Relation", "Count")[n // 2 % 2]
        two.append(cv_bench_row(n, "2D", task, source, drawn(n, task.lower())))
    for n in range(6):
        task = ("Depth", "Distance")[n % 2]
        three.append(cv_bench_row(1438 + n, "3D", task, "Omni3D", drawn(n, ("relation", "color")[n % 2])))
    # Counts have more than four options at times.
    one = drawn(2, "count")
    many = Drawn(one.question, tuple(map(str, (5, 4, 3, 2, 1, 0))), 5 - int(one.right), one.image)
    two.append(cv_bench_row(8, "2D", "Count", "COCO", many))
    return two, three


def write_cv_bench(folder: Path) -> Path:
    two, three = cv_bench_rows()
    write_parquet(folder / "test_2d.parquet", two)
    write_parquet(folder / "test_3d.parquet", three)
    for name, rows in (("test_2d", two), ("test_3d", three)):
        write_jsonl(
            folder / f"{name}.jsonl",
            [{key: value for key, value in row.items() if key != "image"} for row in rows],
        )
    (folder / "build_img.py").write_text("print('writes the pixels as files')\n", encoding="utf-8")
    return folder


def threedsrbench_rows(*, rolls: bool) -> list[dict[str, Any]]:
    """Questions about an image and about its mirror image, perhaps in every order of their options."""
    rows: list[dict[str, Any]] = []
    categories = ("height_higher", "location_above", "orientation_viewpoint", "multi_object_facing")
    for n, category in enumerate(categories):
        # Left and right change places in a mirror; color, shape, count and existence do not.
        one = drawn(n, ("color", "shape", "count", "existence")[n])
        for flip in ("", "-flip"):
            image = base64_png(mirrored(one.image) if flip else one.image)
            for by in range(len(one.choices) if rolls else 1):
                choices, answer = rolled(one.choices, one.answer, by)
                rows.append(
                    {
                        "index": len(rows),
                        "qid": f"Q{n}ABCDEF{flip}" + (f"-{by}" if rolls else ""),
                        "image": image,
                        "question": one.question,
                        **lettered(choices),
                        "answer": LETTERS[answer],
                        "category": category,
                    }
                )
    # What an option that is not there has been written as, by one program or another.
    short = [row for row in rows if row["D"] is None]
    for row, blank in zip(short, ("nan", "None", "NaN"), strict=False):
        row["D"] = blank
    return rows


def write_threedsrbench(folder: Path) -> Path:
    write_tsv(folder / "3dsrbench_v1_vlmevalkit_circular.tsv", threedsrbench_rows(rolls=True))
    write_tsv(folder / "3dsrbench_v1_vlmevalkit.tsv", threedsrbench_rows(rolls=False))
    write_parquet(folder / "3dsrbench_v1-00000-of-00001.parquet", threedsrbench_addresses())
    write_tsv(folder / "3dsrbench_v1.csv", threedsrbench_addresses(), ",")
    (folder / "compute_3drbench_results_circular.py").write_text("print('scores')\n", encoding="utf-8")
    return folder


def threedsrbench_addresses(host: str = "http://images.cocodataset.org") -> list[dict[str, Any]]:
    """The form that has addresses in place of images, and the word None in place of an option."""
    rows = []
    for n in range(3):
        one = drawn(n, "existence")
        rows.append(
            {
                "index": f"{n:08d}",
                "question": one.question,
                **lettered([*one.choices, "None", "None"]),
                "answer": one.letter,
                "category": "location_above",
                "image_source": "COCO",
                "image_url": f"{host}/val2017/{n:012d}.jpg",
            }
        )
    return rows


def mmbench_rows() -> list[dict[str, Any]]:
    """Each question in every order of its options; only the first row of a question has the image."""
    rows: list[dict[str, Any]] = []
    for n in range(6):
        one = drawn(n)
        for by in range(len(one.choices)):
            choices, answer = rolled(one.choices, one.answer, by)
            rows.append(
                {
                    "index": 241 + n + by * 1_000_000,
                    "question": one.question,
                    # Tabs, quotes and line ends stand in hints.
                    "hint": 'Read "this" first:\n\tthe scene is drawn.' if n == 1 else None,
                    **lettered(choices),
                    "answer": LETTERS[answer],
                    "category": ("spatial_relationship", "object_counting")[n % 2],
                    "image": base64_png(one.image) if by == 0 else str(241 + n),
                    "source": "drawn",
                    "l2-category": ("relation_reasoning", "finegrained_perception")[n % 2],
                    "comment": None,
                    "split": "dev",
                }
            )
    # The rolls follow after all first rows.
    return sorted(rows, key=lambda row: int(row["index"]))


def write_mmbench(folder: Path) -> Path:
    write_tsv(folder / "MMBench_DEV_EN_V11.tsv", mmbench_rows())
    return folder


WRITERS: Mapping[str, Write] = {
    "3dsrbench": write_threedsrbench,
    "cv-bench": write_cv_bench,
    "spatial-mm": places.write_spatial_mm,
    "whatsup": places.write_whatsup,
    "vstar": places.write_vstar,
    "mmbench": write_mmbench,
    "mme-realworld-lite": details.write_mme,
    "sat": details.write_sat,
    "pixmo-count": details.write_pixmo,
    "geometry3k": details.write_geometry3k,
    "mmstar": details.write_mmstar,
    "blink": details.write_blink,
    "realworldqa": details.write_realworldqa,
    "hallusionbench": details.write_hallusionbench,
}
"""Write the files of a benchmark into a folder, and return what stands after the colon of its spec."""
