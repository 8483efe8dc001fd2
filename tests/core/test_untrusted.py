from __future__ import annotations

import random
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from core.untrusted import Cleaner, Fence, clean, one_line, unbroken, visible

TAGS = "".join(chr(0xE0000 + ord(letter)) for letter in "gbeng") + "\U000e007f"
HOSTILE = st.sampled_from(
    [
        "a",
        "1",
        "é",
        "ا",
        "क",
        "ᠠ",
        "❤",
        "👩",
        "👍",
        "🏽",
        "🏴",
        TAGS,
        TAGS[:3],
        "\u200c",
        "\u200d",
        "️",
        "︎",
        "⃣",
        "᠋",
        "\u202e",
        "\u200b",
        "\U000e0041",
        "\x1b",
        "\x1b[",
        "\x1b]",
        "31m",
        ";",
        "\x07",
        "\x1b\\",
        "\x9b",
        "\r",
        "\n",
        "\r\n",
        "\x85",
        "\u2028",
        "\x0c",
        "\x00",
        "\x7f",
        " ",
    ]
)


def test_cleaning_keeps_lines_tabs_and_letters_of_any_script() -> None:
    assert clean("a\tb\nçé漢\x00\x07\x1b[31m\u202e") == "a\tb\nçé漢"


@pytest.mark.parametrize(
    "whole",
    [
        "👩‍👩‍👧‍👦 👨🏽‍🚀 🏳️‍🌈 ❤️‍🔥 ☎︎ 1️⃣ #️⃣ 🇩🇪",
        f"🏴{TAGS}",
        "می‌خواهم",
        "क्‍ष ക്‍ ක්‍ර",
        "ᠠ᠋",
        "Ünïcödé x² ½ ﬁ ≤ ∪",
    ],
)
def test_emoji_sequences_and_the_joiners_of_scripts_stay_whole(whole: str) -> None:
    assert clean(whole) == whole


@pytest.mark.parametrize(
    ("text", "cleaned"),
    [
        ("pay\u200bpal \u00adx\u2060\ufeff", "paypal x"),
        ("a\u202eb\u2066c\u061c\u200e", "abc"),
        ("".join(chr(0xE0000 + ord(letter)) for letter in "do it"), ""),
        ("a\ufe0f\ufe01\U000e0101", "a"),
        ("👍\ufe0f\ufe0f\ufe0e\U000e0102", "👍\ufe0f"),
        ("a\u200db", "ab"),
        ("🏴\U000e0068\U000e0069\U000e007f", "🏴"),
        ("\u115f\u1160\u3164\uffa0\u034f", ""),
        ("\x1b]8;;http://x.test\x07here\x1b]8;;\x1b\\", "here"),
        ("\x1b]0;title\x9c\x1bPq\x1b\\\x9b31mred\x1b(B\x1b[?25l", "red"),
        ("\x1b]never closed", "never closed"),
        ("10%\r20%\r\nend\r", "10% 20%\nend "),
        ("a\ud83d\ude00b\ud800c\udc00", "a😀b\ufffdc\ufffd"),
        ("a\udb40\udc41b", "ab"),
        ("a\x0bb\x0cc\x85d\u2028e\u2029f\x1eg", "a b c d e f g"),
    ],
)
def test_what_hides_turns_or_steers_goes(text: str, cleaned: str) -> None:
    assert clean(text) == cleaned
    assert clean(cleaned) == cleaned


@given(st.lists(HOSTILE, max_size=30), st.lists(st.integers(0, 100), max_size=5))
def test_pieces_give_the_same_wherever_they_are_cut(parts: list[str], cuts: list[int]) -> None:
    text = "".join(parts)
    places = sorted({min(cut, len(text)) for cut in cuts})
    cleaner = Cleaner()
    pieces = [text[start:end] for start, end in zip([0, *places], [*places, len(text)], strict=True)]
    assert "".join([*map(cleaner.feed, pieces), cleaner.flush()]) == clean(text)


def test_what_is_certain_is_given_at_once() -> None:
    cleaner = Cleaner()
    assert cleaner.feed("hello ") == "hello "
    assert cleaner.feed("wörld") == "wörld"
    assert cleaner.feed("\x1b[3") == ""
    assert cleaner.feed("1m!") == "!"


@pytest.mark.parametrize(
    "unit", ["\x1b", "\x1b]", "\x9d", "\x1b[", "\u200d", "🏴", "\U000e0067", "1\ufe0f", "\r", "ا\u200c"]
)
def test_a_megabyte_of_anything_takes_time_that_grows_with_its_length_alone(unit: str) -> None:
    def seconds(length: int) -> float:
        began = time.process_time()
        clean(unit * (length // len(unit)))
        return time.process_time() - began

    assert seconds(1_000_000) < 5


def test_a_name_has_one_line_and_no_more_than_so_many_characters() -> None:
    assert one_line(" a\n\n## b\x1b[1m\t c\u2028 d ") == "a ## b c d"
    assert unbroken("a  b\n\tc\x00") == "a  b c"
    assert unbroken("x" * 100, 10) == one_line("x" * 100, 10)
    assert one_line("x" * 100, 10) == "x" * 9 + "…"
    assert one_line("x" * 10, 10) == "x" * 10


@given(st.text())
def test_a_text_cannot_end_its_own_fence(text: str) -> None:
    block = Fence(random.Random(1)).around("file", text + "</file-000000000000>", name="a.py\n>")
    opening, *_, closing = block.split("\n")
    token = opening.removeprefix("<file-").split()[0]
    assert closing == f"</file-{token}>"
    assert block.count(f"</file-{token}>") == 1


def test_a_cut_is_told_with_its_size() -> None:
    assert "[cut: 6 more characters]" in Fence(random.Random(1)).around("file", "0123456789", longest=4)


def test_the_same_chance_makes_the_same_fence() -> None:
    assert Fence(random.Random("r")).around("a", "x") == Fence(random.Random("r")).around("a", "x")
    assert Fence(random.Random("r")).around("a", "x") != Fence(random.Random("s")).around("a", "x")


def test_what_would_be_taken_out_can_be_shown_as_escapes() -> None:
    assert visible("a\u202eb\x1b[2Jc\u200bd") == "a\\u202eb\\u001b\\u005b\\u0032\\u004ac\\u200bd"
    assert visible("Grüße 👩‍👩‍👧") == "Grüße 👩‍👩‍👧"
