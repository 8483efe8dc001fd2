"""Which text a file is that is one, and not always as it should be: programs of offices still write older encodings."""

from __future__ import annotations

_MARKS = {b"\xff\xfe": "utf-16", b"\xfe\xff": "utf-16", b"\xef\xbb\xbf": "utf-8-sig"}
_NO_LETTERS = {*range(32)} - {*b"\t\n\v\f\r\x1b"}
_MOST_ACCENTS = 0.4
"""To one letter without: where there are more, it is no western text but one in another encoding."""


def text_of(data: bytes) -> tuple[str, tuple[str, ...]] | None:
    """The text that *data* is, and what a reader of it must know; None where it is none, or nobody can tell which."""
    marked = next((encoding for mark, encoding in _MARKS.items() if data.startswith(mark)), "")
    try:
        text = data.decode(marked or "utf-8")
    except UnicodeDecodeError:
        return None if marked else _western(data)
    return None if "\0" in text else (text, ())


def _western(data: bytes) -> tuple[str, tuple[str, ...]] | None:
    """*data* as the encoding of western Windows, which Excel writes into a CSV, if it looks like that."""
    high = len(data) - len(data.translate(None, bytes(range(128, 256))))
    plain = sum(data.count(letter) for letter in b"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ")
    if data.translate(None, bytes(_NO_LETTERS)) != data or high > _MOST_ACCENTS * plain:
        return None
    try:
        return data.decode("windows-1252"), ("no UTF-8, so read as Windows-1252: check letters with accents",)
    except UnicodeDecodeError:
        return None
