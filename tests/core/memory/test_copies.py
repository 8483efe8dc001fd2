from __future__ import annotations

import json

import pytest

from core.memory.copies import Copies

AT = "2026-06-17T12:00:00+00:00"
LONG = "The zebra of my aunt lives in a small house near the harbour of Kiel, and it eats cake."
CJK = (
    "\u79d8\u5bc6\u306e\u8a00\u8449\u306f\u6e2f\u306e\u8fd1\u304f\u306e\u5c0f\u3055\u306a\u5bb6\u306b\u3042\u308b\u3002"
)


@pytest.mark.parametrize(
    "told",
    [
        LONG,
        f"[1] user, 2026-06-17T12:00:\n> {LONG}",
        "a, user, 2026-06-17T12:00: ... aunt lives in a small <<house>> near the <<harbour>> of Kiel ...",
        "You said:\n> the ZEBRA of my aunt\n> lives in a small house.",
        "a  (2 turns, 2026-06-17)  The zebra of my aunt lives in a small house nea",
    ],
)
def test_a_copy_is_known_though_it_is_cut_quoted_or_marked(told: str) -> None:
    assert Copies([(AT, LONG)]).told_by(told)
    assert Copies([(AT, LONG)]).in_value({"result": [1, None, {"deep": told}]})
    assert Copies([(AT, LONG)]).in_value(json.loads(json.dumps([told])))


def test_what_only_has_words_in_common_is_no_copy() -> None:
    copies = Copies([(AT, LONG)])
    assert not copies.told_by("The zebra of my uncle lives in a large house near the harbour of Bonn.")
    assert not copies.told_by("")
    assert not copies.in_value({"a": 1, "b": None})
    assert not Copies([(AT, "  \n")])


def test_of_what_was_not_read_here_a_short_text_is_no_copy_and_a_long_one_is() -> None:
    copies = Copies([(AT, "What is the weather?"), (AT, LONG), (AT, "ok then")])
    assert copies.told_by(f"{AT} Say: what is the weather, ok then")
    assert not copies.in_value([f"{AT} Say: what is the weather, ok then", "What is the weather?"], long=True)
    assert copies.in_value([f"> {LONG}"], long=True)


def test_a_short_turn_is_known_by_its_words_and_its_time() -> None:
    copies = Copies([(AT, "hunter2-pass")])
    assert copies.told_by("[3] user, 2026-06-17T12:00:\n> hunter2-pass")
    assert not copies.told_by("[3] user, 2026-06-18T12:00:\n> hunter2-pass")
    assert not Copies([(AT, "ok")]).told_by("Is that ok?")


def test_a_text_without_blanks_is_known_by_its_signs() -> None:
    copies = Copies([(AT, CJK)])
    assert copies.told_by(f"> {CJK[4:18]}")
    assert not copies.told_by(f"> {CJK[:5]}")


def test_of_very_much_that_was_said_a_copy_of_a_sentence_is_known(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("core.memory.copies._MUCH", 10)
    assert Copies([(AT, LONG)]).told_by(f"[1] user:\n> {LONG}")
    assert Copies([(AT, LONG), (AT, "x" * 40)]).told_by(
        "> lives in a small house near the harbour of Kiel, and it eats cake"
    )
    assert not Copies([(AT, LONG)]).told_by("The zebra of my uncle lives in a large house near the harbour of Bonn.")
