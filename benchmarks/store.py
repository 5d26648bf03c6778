"""How fast the store keeps replies and finds them again, and what a reply takes on the disk.

    python benchmarks/store.py [--quick]

8,000 replies of 500 characters with four letter probabilities, written in batches of 128, one
transaction each, by one process and by two at once; then all read from a file opened anew. Beside
it, the same texts appended to a plain file, batch by batch. Everything in turn, medians of the
rounds; the last line is one JSON object.
"""

from __future__ import annotations

import argparse
import json
import random
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path

from pytest_vlmrobust.keys import content_key
from pytest_vlmrobust.models.base import Answer
from pytest_vlmrobust.store import Store
from pytest_vlmrobust.stored import answer_to_text

REPLIES, BATCH, CHARACTERS = 8000, 128, 500
SENTENCE = "the cube is left of a red sphere which stands behind another so that it cannot be right"


def replies() -> dict[str, str]:
    """Make replies as a run keeps them, by key."""
    chance = random.Random(0)
    made = {}
    for number in range(REPLIES):
        thought = " ".join(chance.choices(SENTENCE.split(), k=CHARACTERS))[: CHARACTERS - 41]
        probs = [chance.random() for _ in "ABCD"]
        answer = Answer(
            text=f"<think>{thought}</think>\n<answer>A</answer>",
            letter_probs=tuple(prob / sum(probs) for prob in probs),
            letter_mass=chance.random(),
            tokens=len(thought) // 4,
        )
        made[content_key("reply", str(number))] = answer_to_text(answer)
    return made


def batches(entries: dict[str, str]) -> Iterator[dict[str, str]]:
    keys = list(entries)
    for start in range(0, len(keys), BATCH):
        yield {key: entries[key] for key in keys[start : start + BATCH]}


def write(path: Path, entries: dict[str, str]) -> float:
    """Seconds to open a new store, write all batches, and close it."""
    began = time.perf_counter()
    with Store.open(path) as store:
        for batch in batches(entries):
            store.write("reply", batch)
    return time.perf_counter() - began


def write_by_two(path: Path) -> float:
    """Seconds until two processes that start at once have written half of the replies each."""
    command = [sys.executable, __file__, "--writer", str(path)]
    writers = [
        subprocess.Popen([*command, half], stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        for half in ("0", "1")
    ]
    for writer in writers:
        assert writer.stdout is not None
        assert writer.stdout.readline() == "ready\n"
    began = time.perf_counter()
    for writer in writers:
        assert writer.stdin is not None
        writer.stdin.write("go\n")
        writer.stdin.flush()
    for writer in writers:
        assert writer.wait() == 0
    return time.perf_counter() - began


def be_a_writer(path: Path, half: int) -> None:
    mine = dict(list(replies().items())[half::2])
    print("ready", flush=True)
    sys.stdin.readline()
    write(path, mine)


def read(path: Path, entries: dict[str, str]) -> float:
    """Seconds to open a store and read all of it."""
    began = time.perf_counter()
    with Store.open(path) as store:
        found = store.read(entries)
    took = time.perf_counter() - began
    assert found == entries
    return took


def append(path: Path, entries: dict[str, str]) -> float:
    """Seconds to append all batches to a plain file."""
    began = time.perf_counter()
    with path.open("w", encoding="utf-8") as file:
        for batch in batches(entries):
            file.writelines(f"{key} {value}\n" for key, value in batch.items())
            file.flush()
    return time.perf_counter() - began


def one_round(folder: Path, entries: dict[str, str]) -> tuple[float, float, float, float, int]:
    took_one = write(folder / "one.sqlite", entries)
    took_two = write_by_two(folder / "two.sqlite")
    took_read = read(folder / "one.sqlite", entries)
    read(folder / "two.sqlite", entries)  # nothing was lost
    took_plain = append(folder / "plain.txt", entries)
    return took_one, took_two, took_read, took_plain, (folder / "one.sqlite").stat().st_size


def main() -> None:
    parser = argparse.ArgumentParser(
        description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter
    )
    parser.add_argument("--quick", action="store_true", help="3 rounds in place of 15")
    parser.add_argument("--writer", nargs=2, help=argparse.SUPPRESS)
    chosen = parser.parse_args()
    if chosen.writer:
        be_a_writer(Path(chosen.writer[0]), int(chosen.writer[1]))
        return
    entries, rounds = replies(), []
    for _ in range(3 if chosen.quick else 15):
        with tempfile.TemporaryDirectory() as name:
            rounds.append(one_round(Path(name), entries))
    one, two, found, plain, size = (statistics.median(column) for column in zip(*rounds, strict=True))
    text = statistics.mean(len(value.encode()) for value in entries.values())
    print(f"{REPLIES} replies of {text:.0f} bytes, batches of {BATCH}; median of {len(rounds)}")
    print(f"written by one process     {one * 1000:7.0f} ms  {REPLIES / one:8.0f} replies a second")
    print(f"written by two at once     {two * 1000:7.0f} ms  {REPLIES / two:8.0f}")
    print(f"read from a file anew      {found * 1000:7.0f} ms  {REPLIES / found:8.0f}")
    print(f"appended to a plain file   {plain * 1000:7.0f} ms  {REPLIES / plain:8.0f}")
    print(f"on the disk                {size / REPLIES:7.0f} bytes a reply")
    figures = {"write_per_s": REPLIES / one, "write_two_per_s": REPLIES / two, "read_per_s": REPLIES / found}
    figures |= {"plain_per_s": REPLIES / plain, "bytes_per_reply": size / REPLIES, "text_bytes": text}
    print(json.dumps({name: round(value) for name, value in figures.items()}))


if __name__ == "__main__":
    main()
