"""Spatial-MM, What's Up and V*Bench: tables of texts, with the images in files beside them."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from tests.benchmark_files.writing import (
    LETTERS,
    Drawn,
    base64_png,
    drawn,
    embedded,
    write_image,
    write_json,
    write_jsonl,
    write_parquet,
    write_tsv,
)

WITH_INSTRUCTION = "Answer with the option's letter from the given choices directly."


def in_text(one: Drawn, form: str = "{letter}. {text}", between: str = "\n") -> str:
    """The options as they stand within the text of a question."""
    return between.join(
        form.format(letter=letter, text=text) for letter, text in zip(LETTERS, one.choices, strict=False)
    )


def object_row(n: int, one: Drawn, name: str, *, two: bool) -> dict[str, Any]:
    return {
        "image_name": name,
        "question": f"{one.question} \n{in_text(one)}",
        "answer": f"{one.letter}. {one.right}",
        "object1": f"thing {n}",
        "object2": f"thing {n + 1}" if two else "",
    }


def spatial_mm_objects(folder: Path, stem: str, *, two: bool, count: int = 6) -> list[dict[str, Any]]:
    """Rows of one file, with its images; one answer with the text of another letter, one question twice."""
    rows = []
    for n in range(count):
        one = drawn(n + (20 if two else 0), ("relation", "color")[n % 2])
        name = f"{stem}_{n}.{('jpg', 'png')[n % 2]}"
        write_image(folder / name, one.image)
        rows.append(object_row(n, one, name, two=two))
    odd = rows[1]
    letter, text = odd["answer"].split(". ")
    other = next(line[3:] for line in odd["question"].split("\n")[1:] if line[3:] != text)
    odd["answer"] = f"{letter}. {other}"
    rows.append(dict(rows[2]))
    return rows


MULTIHOP = (
    # Answers of each kind: yes or no, numbers, places, and others.
    ("Is the cup on the table, left of the plate?", "no", 2),
    ("Is there a lamp beside the person who reads?", "Yes", 3),
    ("How many chairs face the window?", "3", 3),
    ("How many books are on the shelf above the desk?", "5", 4),
    ("On which side of the man who runs is the dog?", "left", 2),
    ("Where is the bag of the woman with the hat?", "right", 4),
    ("Where is the ball from where the child stands?", "in front", 5),
    ("What is behind the car beside the tree?", "a bicycle", 3),
    ("What does the person left of the door hold?", "an umbrella", 8),
    ("What does the child right of the tree hold?", "None", 2),
)


def write_spatial_mm(folder: Path) -> Path:
    images = folder / "Spatial_MM_Obj"
    for stem, two in (("one", False), ("two", True)):
        rows = spatial_mm_objects(images, stem, two=two)
        write_json(folder / "data" / f"spatial_mm_{stem}_obj.json", rows)
    hops = []
    for n, (question, answer, hop) in enumerate(MULTIHOP):
        name = f"hop_{n}.jpg"
        write_image(images / name, drawn(n).image)
        reasoning = "{['the first step'],['the second step']}"
        hops.append(
            {
                "image_name": name,
                "question": question,
                "answer": answer,
                "reasoning": reasoning,
                "hop": hop,
            }
        )
    write_json(folder / "data" / "multihop_reasoning_309.json", hops)
    return folder


def write_spatial_mm_mirror(folder: Path) -> Path:
    """The form that others have put on the hub: options in columns, images in the table."""
    rows = []
    for n in range(3):
        one = drawn(n, "relation")
        texts = [*one.choices, None, None, None][:4]
        rows.append(
            {
                "image": embedded(one.image),
                "question": one.question,
                **{f"option_{place + 1}": text for place, text in enumerate(texts)},
                "answer": one.right,
            }
        )
    write_parquet(folder / "data" / "train-00000-of-00001.parquet", rows)
    return folder


_WORDS = {"left": "to the left of", "right": "to the right of", "on": "on", "under": "under"}
_BEFORE = {
    "left": "to the left of",
    "right": "to the right of",
    "in-front": "in front of",
    "behind": "behind",
}


def captions(first: str, second: str, words: dict[str, str], right: str) -> list[str]:
    """The four captions of a set, the right one first."""
    texts = {key: f"A {first} {word} a {second}" for key, word in words.items()}
    return [texts[right], *(text for key, text in texts.items() if key != right)]


def whatsup_controlled(folder: Path, name: str, words: dict[str, str]) -> list[dict[str, Any]]:
    rows = []
    for n, (first, second) in enumerate((("mug", "table"), ("book", "chair"))):
        for m, key in enumerate(words):
            file = f"{first}_{key if key in ('on', 'under', 'behind') else f'{key}_of'}_{second}.jpeg"
            write_image(folder / name / file, drawn(4 * n + m).image)
            rows.append(
                {
                    "image_path": f"data/{name}/{file}",
                    "caption_options": captions(first, second, words, key),
                }
            )
    # Archives hold images that no row speaks of.
    write_image(folder / name / "never_asked.jpeg", drawn(0).image)
    return rows


def write_whatsup(folder: Path) -> Path:
    write_json(
        folder / "controlled_images_dataset.json", whatsup_controlled(folder, "controlled_images", _WORDS)
    )
    write_json(
        folder / "controlled_clevr_dataset.json", whatsup_controlled(folder, "controlled_clevr", _BEFORE)
    )
    for number in (139, 285):
        write_image(folder / "val2017" / f"{number:012d}.jpg", drawn(number).image)
        write_image(folder / "vg_images" / f"{number}.jpg", drawn(number).image)
    one = [
        [139, "A photo of a dog on the left", "A photo of a dog on the right"],
        [285, "A photo of a kite on the top", "A photo of a kite on the bottom"],
    ]
    two = [
        [139, "A photo of a dog to the left of a cat", "A photo of a dog to the right of a cat"],
        [285, "A photo of a kite above a tree", "A photo of a kite below a tree"],
    ]
    for stem in ("coco_qa", "vg_qa"):
        write_json(folder / f"{stem}_one_obj.json", one)
        write_json(folder / f"{stem}_two_obj.json", two)
    return folder


def write_whatsup_mirror(folder: Path) -> Path:
    """The form that others have put on the hub: a split for each part, images in the table."""
    rows = [
        {
            "image_options": [embedded(drawn(place).image)],
            "caption_options": captions("mug", "table", _WORDS, key),
        }
        for place, key in enumerate(_WORDS)
    ]
    write_parquet(folder / "data" / "Controlled_Images_A-00000-of-00001.parquet", rows)
    rows = [
        {
            "image_options": [embedded(drawn(9).image)],
            "caption_options": ["A photo of a dog on the left", "A photo of a dog on the right"],
        }
    ]
    write_parquet(folder / "data" / "COCO_QA_one_obj-00000-of-00001.parquet", rows)
    return folder


def vstar_questions() -> list[tuple[str, str, Drawn]]:
    """Type, name of the image without its suffix, question; a name has dots in it."""
    named = [("direct_attributes", f"sa_{n}", drawn(n, "color")) for n in range(4)]
    named += [("relative_position", f"sa_7.{n}", drawn(n + 3, "existence")) for n in range(3)]
    return named


def write_vstar(folder: Path) -> Path:
    rows = []
    for number, (kind, name, one) in enumerate(vstar_questions()):
        write_image(folder / kind / f"{name}.jpg", one.image)
        write_json(
            folder / kind / f"{name}.json",
            {
                "target_object": ["thing"],
                "bbox": [[10, 20, 30, 40]],
                "question": one.question,
                "options": one.right_first,
            },
        )
        text = f"{one.question}\n{in_text(one, '({letter}) {text}')}\n{WITH_INSTRUCTION}"
        rows.append(
            {
                "image": f"{kind}/{name}.jpg",
                "text": text,
                "category": kind,
                "label": one.letter,
                "question_id": number,
            }
        )
    write_jsonl(folder / "test_questions.jsonl", rows)
    write_image(folder / "OCR" / "not_scored.jpg", drawn(0).image)
    return folder


def write_vstar_tables(folder: Path) -> Path:
    """The same questions with the images in the table: as parquet, and as tsv."""
    questions = list(enumerate(vstar_questions()))
    write_parquet(
        folder / "data" / "test-00000-of-00001.parquet",
        [
            {
                "image": embedded(one.image),
                "text": f"{one.question}\n{in_text(one)}\n{WITH_INSTRUCTION}",
                "label": one.letter,
                "category": kind,
                "question_id": number,
            }
            for number, (kind, _, one) in questions
        ],
    )
    write_tsv(
        folder / "VStarBench.tsv",
        [
            {
                "index": number,
                "image": base64_png(one.image),
                "question": one.question,
                **{
                    letter: one.choices[place] if place < len(one.choices) else None
                    for place, letter in enumerate("ABCD")
                },
                "answer": one.letter,
                "category": kind,
            }
            for number, (kind, _, one) in questions
        ],
    )
    return folder
