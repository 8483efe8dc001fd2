"""What is spoken and filmed: its words and pictures go along with the question, and what fails is a sentence."""

from __future__ import annotations

import io
from typing import Any

import PIL.Image
import pytest
from open_telegram import telegram
from samples import PNG

from core.media import recording
from core.media.recording import Recording, RecordingError, Spoken
from core.values import Image
from server.telegram import bot as bot_module

HEARD = Recording((Spoken(0.0, 4.0, "What is two"), Spoken(4.0, 9.0, "and two?")), (), ("it was noisy",))
SEEN = Recording((Spoken(1.0, 2.0, "Look."),), tuple((at, Image(PNG, "image/png")) for at in (10.0, 30.0)))


def reads(monkeypatch: pytest.MonkeyPatch, found: Recording | RecordingError) -> list[int]:
    """Have recordings be read as *found*; the frames that were asked for."""
    frames_asked: list[int] = []

    async def read(data: bytes, *, frames: int = 0, seconds: int = 0, listen: bool = True) -> Recording:
        assert data == b"sound" and seconds > 0 and listen
        frames_asked.append(frames)
        if isinstance(found, RecordingError):
            raise found
        return found

    monkeypatch.setattr(bot_module, "can_listen", lambda: None)
    monkeypatch.setattr(recording, "read_recording", read)
    return frames_asked


@pytest.mark.parametrize(
    ("message", "name"),
    [
        ({"voice": {"mime_type": "audio/ogg"}}, "voice"),
        ({"audio": {"mime_type": "audio/mpeg", "file_name": "song.mp3"}}, "song"),
        ({"document": {"mime_type": "audio/x-wav", "file_name": "talk.wav"}}, "talk"),
        ({"document": {"file_name": "talk.MP3"}}, "talk"),
        ({"document": {"mime_type": "application/octet-stream", "file_name": "talk.opus"}}, "talk"),
    ],
)
async def test_what_is_said_goes_along_as_text(
    monkeypatch: pytest.MonkeyPatch, message: dict[str, dict[str, Any]], name: str
) -> None:
    frames_asked = reads(monkeypatch, HEARD)
    async with telegram({"gpt": ["Four."]}) as bot:
        file = {"file_id": bot.api.file(b"sound"), "file_size": 5}
        bot.api.write(**{kind: {**told, **file} for kind, told in message.items()})
        shown = await bot.api.answer("Four.")
        assert "[00:00] What is two\n[00:04] and two?" in bot.asked[0]
        assert f"Read: {name} (transcript).txt" in shown.text
        await bot.api.answer(": it was noisy.")
    assert frames_asked == [0]


async def test_a_video_goes_along_as_its_words_and_pictures(monkeypatch: pytest.MonkeyPatch) -> None:
    frames_asked = reads(monkeypatch, SEEN)
    async with telegram({"gpt": ["A cat."]}) as bot:
        bot.api.write(video_note={"file_id": bot.api.file(b"sound"), "file_size": 5})
        await bot.api.answer("A cat.")
        parts = bot.app.clients["gpt"].requests[0].messages[-1].parts
        assert len([part for part in parts if isinstance(part, Image)]) == 2 and "[00:01] Look." in bot.asked[0]
    assert frames_asked == [4]


async def test_a_recording_that_cannot_be_read_is_one_sentence(monkeypatch: pytest.MonkeyPatch) -> None:
    reads(monkeypatch, RecordingError("Nothing is said in the recording, or nothing that could be understood."))
    async with telegram() as bot:
        bot.api.write(voice={"file_id": bot.api.file(b"sound"), "file_size": 5})
        await bot.api.answer("Nothing is said in the recording")
        assert len(bot.api.said()) == 1 and not bot.asked


async def test_each_picture_of_a_short_video_goes_along(monkeypatch: pytest.MonkeyPatch) -> None:
    shown = [(at, Image(drawn(shade), "image/png")) for at, shade in ((1.5, 10), (2.5, 20), (3.44, 30), (3.46, 40))]
    reads(monkeypatch, Recording((), tuple(shown)))
    async with telegram({"gpt": ["A cat."]}) as bot:
        bot.api.write(video={"file_id": bot.api.file(b"sound"), "file_size": 5, "mime_type": "video/mp4"})
        await bot.api.answer("A cat.")
        parts = bot.app.clients["gpt"].requests[0].messages[-1].parts
    assert [part for part in parts if isinstance(part, Image)] == [image for _, image in shown]


async def test_an_empty_recording_is_said_to_be_empty(monkeypatch: pytest.MonkeyPatch) -> None:
    reads(monkeypatch, HEARD)
    async with telegram() as bot:
        bot.api.write(video_note={"file_id": bot.api.file(b""), "file_size": 0})
        await bot.api.answer("empty")
        assert len(bot.api.said()) == 1 and not bot.asked


def drawn(shade: int) -> bytes:
    out = io.BytesIO()
    PIL.Image.new("L", (8, 8), shade).save(out, "PNG")
    return out.getvalue()
