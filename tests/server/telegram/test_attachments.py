"""What people send as files: read by whoever knows the kind, in part where it is too long, and told so."""

from __future__ import annotations

from typing import Any

import pytest
from hostile_archives import word

from core.files import documents
from core.files.workspace import MAX_TEXT_BYTES
from server.telegram.attachments import CannotReadError, Found, Pictures, Texts, UnreadKindError
from server.telegram.incoming import SentFile


def sent(name: str, mime: str = "", kind: Any = "document") -> SentFile:
    return SentFile("f", kind, name, mime)


async def read(name: str, data: bytes) -> Found:
    return await Texts().read(sent(name), data)


async def test_a_text_that_is_too_long_goes_along_in_part_and_that_is_told() -> None:
    found = await read("log.txt", "é".encode() * MAX_TEXT_BYTES)
    (part,) = found.parts
    assert len(part.data) == MAX_TEXT_BYTES and part.data.decode() == "é" * (MAX_TEXT_BYTES // 2)
    assert found.note == "only its first 2 MB of text"


async def test_so_does_a_document_whose_text_is() -> None:
    found = await read("long.docx", word(f"<w:p><w:t>{'a' * (3 << 20)}</w:t></w:p>"))
    assert found.parts[0].name == "long.docx.txt" and len(found.parts[0].data) == MAX_TEXT_BYTES
    assert found.note == "only its first 2 MB of text"


async def test_a_text_in_utf_16_is_one() -> None:
    assert (await read("a.txt", "Grüße".encode("utf-16"))).parts[0].data.decode() == "Grüße"


async def test_a_page_is_what_a_person_reads_of_it_and_code_is_code() -> None:
    page = b"<html><body><script>evil()</script><p>Hello <a href='https://example.com/'>there</a></p></body></html>"
    assert (await read("a.html", page)).parts[0].data.decode() == "Hello [there](https://example.com/)\n"
    assert (await read("a.vue", page)).parts[0].data == page


async def test_what_the_extra_reads_is_said_where_it_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(documents, "can_read_foreign", lambda: False)
    with pytest.raises(CannotReadError, match=r"^It is of a kind \(DOC\) .* Install moot-mcp\[documents\]"):
        await read("old.doc", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + bytes(99))
    with pytest.raises(UnreadKindError):
        await read("a.exe", b"MZ\0\0")


@pytest.mark.parametrize(
    ("file", "expected"),
    [
        (sent("picture.jpg", "image/jpeg", "picture"), True),
        (sent("scan.tiff", "image/tiff"), True),
        (sent("photo.HEIC"), True),
        (sent("drawing.svg", "image/svg+xml"), False),
        (sent("a.pdf", "application/pdf"), False),
        (sent("voice", "audio/ogg", "voice"), False),
    ],
)
def test_pictures_are_known_by_what_telegram_says_of_them(file: SentFile, expected: bool) -> None:
    assert Pictures().takes(file) is expected
