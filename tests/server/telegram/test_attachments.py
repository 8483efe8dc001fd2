"""What people send as files: read by whoever knows the kind, in part where it is too long, and told so."""

from __future__ import annotations

import io
from pathlib import Path
from typing import Any

import pytest
from hostile_archives import word
from open_telegram import telegram
from PIL import Image
from samples import PNG

from core.files import documents
from core.files.workspace import MAX_TEXT_BYTES
from core.media import recording
from core.media.recording import Recording
from core.values import Image as Picture
from server.telegram import bot
from server.telegram.attachments import (
    CannotReadError,
    Found,
    Part,
    Pictures,
    Texts,
    UnreadKindError,
    _keep,
    _shared_out,
)
from server.telegram.incoming import SentFile, _file


def sent(name: str, mime: str = "", kind: Any = "document") -> SentFile:
    return SentFile("f", kind, name, mime)


async def read(name: str, data: bytes) -> Found:
    return await Texts(Pictures()).read(sent(name), data)


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


async def test_a_picture_under_another_name_is_one_and_an_empty_file_is_told_to_be_empty() -> None:
    out = io.BytesIO()
    Image.new("RGB", (9, 9)).save(out, "PNG")
    assert (await read("notes.txt", out.getvalue())).parts[0].kind == "picture"
    for name in ("a.txt", "a.bin"):
        with pytest.raises(CannotReadError, match="It is empty"):
            await read(name, b"")


async def test_a_table_in_an_older_encoding_is_read_and_that_is_told() -> None:
    found = await read("t.csv", "Ort;Preis\nKöln;5 €".encode("cp1252"))
    assert found.parts[0].data.decode() == "Ort;Preis\nKöln;5 €" and "Windows-1252" in found.note


@pytest.mark.parametrize("name", ["東" * 300 + ".txt", "../../x", "a\nb\0c.txt", "\u202egpj.exe", "....", ""])
def test_any_name_can_be_kept_and_stays_in_its_folder(tmp_path: Path, name: str) -> None:
    kept = _keep(tmp_path, "tg1-0", Part(name, b"x"))
    assert [path.name for path in tmp_path.iterdir()] == [kept] and kept.startswith("tg1-0-") and kept.isprintable()


@pytest.mark.parametrize(
    ("name", "called"),
    [
        ("plan.docx", "plan.docx"),
        (f"{'p' * 300}.docx", f"{'p' * 108}….docx"),
        (f"{'p' * 300}", f"{'p' * 119}…"),
        (f"a.{'p' * 300}", f"a.{'p' * 10}"),
        ("a\u202e\nb.pdf", "a b.pdf"),
    ],
)
def test_a_long_name_keeps_its_end_which_tells_what_the_file_is(name: str, called: str) -> None:
    assert _file({"file_id": "f", "file_name": name}, "document", "file", "").name == called


def of(*pictures: str, note: str = "") -> Found:
    return Found((Part("words.txt", b"x"), *(Part(name, b"x", "picture") for name in pictures)), note)


def test_more_pictures_than_go_along_with_one_question_are_shared_out_and_that_is_told() -> None:
    film = of("0s", "1s", "2s", "3s", note="no sound")
    shared = _shared_out([film, of("photo"), film, film])
    assert [[part.name for part in found.pictures] for found in shared] == [
        ["0s", "1s", "2s"],
        ["photo"],
        *[["0s", "1s", "2s"]] * 2,
    ]
    assert shared[0].note == "no sound, 3 of its 4 pictures, since 10 go along with one question"
    assert shared[1] == of("photo") and all(found.parts[0].name == "words.txt" for found in shared)
    assert [found.note for found in _shared_out([of(str(number)) for number in range(11)])][9:] == [
        "",
        "left out, since 10 go along with one question",
    ]


async def test_an_album_of_videos_is_answered(monkeypatch: pytest.MonkeyPatch) -> None:
    async def seen(data: bytes, **asked: Any) -> Recording:
        return Recording((), tuple((float(at), Picture(PNG, "image/png")) for at in range(4)))

    monkeypatch.setattr(bot, "can_listen", lambda: None)
    monkeypatch.setattr(recording, "read_recording", seen)
    async with telegram({"gpt": ["Cats."]}) as opened:
        for number in range(3):
            video = {"file_id": opened.api.file(b"film"), "file_size": 4, "mime_type": "video/mp4"}
            opened.api.write(video=video, media_group_id="a", **({} if number else {"caption": "What?"}))
        await opened.api.answer("3 of its 4 pictures")
        await opened.api.answer("Cats.")
        parts = opened.app.clients["gpt"].requests[0].messages[-1].parts
    assert sum(isinstance(part, Picture) for part in parts) == 10


async def test_a_panel_that_looks_at_no_pictures_says_so() -> None:
    async with telegram({"gpt": [], "claude": []}) as opened:
        photo = [{"file_id": opened.api.file(PNG), "width": 1, "height": 1, "file_size": len(PNG)}]
        command = [{"type": "bot_command", "offset": 0, "length": 7}]
        opened.api.write(photo=photo, caption="/debate What is it?", caption_entities=command)
        await opened.api.answer("looks at no pictures. Ask a single AI about them")
