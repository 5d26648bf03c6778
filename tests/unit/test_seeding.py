from __future__ import annotations

import subprocess
import sys

from hypothesis import given
from hypothesis import strategies as st

from pytest_vlmrobust.core.seeding import seeded

keys = st.lists(st.one_of(st.integers(), st.text(alphabet="abc-", max_size=5)), max_size=4)


def test_the_numbers_are_pinned() -> None:
    # A change here changes every planted option and every drawn scene: figures would not compare.
    assert seeded(0, "sample-7", "plant").randrange(10**6) == 551316


@given(keys)
def test_the_same_key_gives_the_same_numbers(key: list[int | str]) -> None:
    assert [seeded(*key).random() for _ in range(2)] == [seeded(*key).random()] * 2


@given(keys, keys)
def test_different_keys_give_different_numbers(one: list[int | str], other: list[int | str]) -> None:
    same = [str(part) for part in one] == [str(part) for part in other]
    # No part and one empty part are written alike; no caller uses either.
    assert (seeded(*one).random() == seeded(*other).random()) == same or {len(one), len(other)} == {0, 1}


def test_another_process_draws_the_same() -> None:
    code = "from pytest_vlmrobust.core.seeding import seeded; print(seeded(3, 'x').random())"
    other = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert float(other.stdout) == seeded(3, "x").random()
