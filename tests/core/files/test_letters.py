"""Which letters a text has that is not as it should be, in files and in pages."""

from __future__ import annotations

from pathlib import Path

import pytest

from core.files.documents import page_of
from core.files.letters import text_of
from core.files.workspace import FileRefusedError, Workspace

NOTE = ("no UTF-8, so read as Windows-1252: check letters with accents",)


@pytest.mark.parametrize(
    ("data", "text", "notes"),
    [
        ("Straße;5 €".encode("cp1252"), "Straße;5 €", NOTE),
        ("Grüße".encode("utf-16"), "Grüße", ()),
        ("Grüße".encode("utf-8-sig"), "Grüße", ()),
        ("Grüße".encode(), "Grüße", ()),
        (b"", "", ()),
    ],
)
def test_a_text_is_read_in_the_encoding_it_is_in(data: bytes, text: str, notes: tuple[str, ...]) -> None:
    assert text_of(data) == (text, notes)


@pytest.mark.parametrize(
    "data",
    [
        "Привет, мир; 15".encode("cp1251"),
        "東京都; 5".encode("shift_jis"),
        "Grüße".encode("utf-32"),
        b"a\0b",
        b"caf\xe9\x01",
        b"only \x81 is no letter",
        b"\xff\xfea",
    ],
)
def test_what_nobody_can_tell_the_letters_of_is_not_guessed(data: bytes) -> None:
    assert text_of(data) is None


def test_a_table_that_excel_wrote_is_read_and_that_is_told(tmp_path: Path) -> None:
    (tmp_path / "t.csv").write_bytes("Ort;Preis\nKöln;5".encode("cp1252"))
    file = Workspace.open([str(tmp_path)]).read_text("t.csv")
    assert file.text == "Ort;Preis\nKöln;5" and file.notes == NOTE


def test_a_picture_under_another_name_is_told_to_be_one(tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_bytes(b"\x89PNG\r\n\x1a\n" + bytes(9))
    with pytest.raises(FileRefusedError, match=r"'notes\.txt' is a picture\. Name it among the pictures"):
        Workspace.open([str(tmp_path)]).read_text("notes.txt")


@pytest.mark.parametrize(
    ("page", "text"),
    [
        (b"<meta charset=iso-8859-1><p>\x93caf\xe9\x94</p>", "“café”"),
        (b"<p>caf\xe9</p>", "café"),
        ("<p>café</p>".encode(), "café"),
        ("<p>café</p>".encode("utf-16"), "café"),
        (b'<meta charset="utf-16"><p>hi</p>', "hi"),
        (b'<meta charset="idna"><p>hi</p>', "hi"),
        (b'<meta charset="undefined"><p>hi</p>', "hi"),
        (b'<meta charset="no such"><p>hi</p>', "hi"),
        (b'<meta charset="unicode_escape"><p>\\u0041</p>', "\\u0041"),
        (b"<head><title>T</title><meta charset=utf-8><body><p>hi</p>", "# T\n\nhi"),
        (b"<form runat=server><p>All of it</p><select><option>1</select></form>", "All of it"),
        (b"<header>Menu</header><article><header><h1>Head</h1></header><p>x</p></article>", "# Head\n\nx"),
        (b"<![if gte mso 9]><p>x</p><![endif]>", "x"),
        (b"<![nonsense <b>y</b>", "y"),
    ],
)
def test_a_page_is_read_as_a_browser_shows_it(page: bytes, text: str) -> None:
    assert page_of(page).text.strip() == text
