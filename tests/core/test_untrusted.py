from __future__ import annotations

import random

from hypothesis import given
from hypothesis import strategies as st

from core.untrusted import Fence, clean


def test_cleaning_keeps_lines_tabs_and_letters_of_any_script() -> None:
    assert clean("a\tb\nçé漢\x00\x07\x1b[31m\u202e") == "a\tb\nçé漢"


@given(st.text())
def test_a_text_cannot_end_its_own_fence(text: str) -> None:
    block = Fence(random.Random(1)).around("file", text + "</file-000000000000>", name="a.py")
    opening, *_, closing = block.splitlines()
    token = opening.removeprefix("<file-").split()[0]
    assert closing == f"</file-{token}>"
    assert block.count(f"</file-{token}>") == 1


def test_a_cut_is_told_with_its_size() -> None:
    assert "[cut: 6 more characters]" in Fence(random.Random(1)).around("file", "0123456789", longest=4)


def test_the_same_chance_makes_the_same_fence() -> None:
    assert Fence(random.Random("r")).around("a", "x") == Fence(random.Random("r")).around("a", "x")
    assert Fence(random.Random("r")).around("a", "x") != Fence(random.Random("s")).around("a", "x")
