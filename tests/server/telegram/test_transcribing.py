"""Recordings that an AI hears over real HTTP: its words go along, the receipt names it, and others help if it fails."""

from __future__ import annotations

import sqlite3
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager, closing
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread
import pytest
from fake_provider import FakeProvider
from open_telegram import telegram
from pydantic import SecretStr
from samples import PNG

from ai.runs.app import App, open_app
from core.config import AIConfig, BudgetLimits, Config, Defaults
from core.files.workspace import MAX_TEXT_BYTES
from core.media import recording
from core.media.recording import Recording, RecordingError, Spoken
from core.paths import data_dir
from core.values import Image
from server.telegram.attachments import CannotReadError
from server.telegram.incoming import SentFile
from server.telegram.recordings import Listener, Recordings

VOICE = SentFile("f", "voice", "voice", "audio/ogg")
FILM = SentFile("f", "video", "film.mp4", "video/mp4")
SEGMENTS = [{"start": 0.0, "end": 1.5, "text": " Two and"}, {"start": 61.5, "end": 63.0, "text": " two."}]


@asynccontextmanager
async def opened(provider: FakeProvider, budget: BudgetLimits | None = None) -> AsyncIterator[App]:
    row = AIConfig(provider="openai", base_url=provider.base_url, api_key=SecretStr("k"), model="chat-1")
    with anyio.fail_after(20):
        async with open_app(Config(rows={"ear": row}, defaults=Defaults(attempts=1, budget=budget))) as app:
            yield app


def here(monkeypatch: pytest.MonkeyPatch, found: Recording | RecordingError) -> list[tuple[int, bool]]:
    """Have this machine find *found*; the frames that it was asked for, and whether it was to listen."""
    asked: list[tuple[int, bool]] = []

    async def read(data: bytes, *, frames: int = 0, seconds: int = 0, listen: bool = True) -> Recording:
        asked.append((frames, listen))
        if isinstance(found, RecordingError):
            raise found
        return found

    monkeypatch.setattr(recording, "read_recording", read)
    return asked


def ledger() -> list[tuple[Any, ...]]:
    (path,) = list(Path(data_dir()).rglob("moot.db"))
    with closing(sqlite3.connect(path)) as connection:
        columns = "tool, ai, role, outcome, input_tokens, cost_usd"
        return connection.execute(f"SELECT {columns} FROM calls ORDER BY rowid").fetchall()


async def test_a_voice_note_is_heard_by_the_ai_that_is_named_and_written_into_the_ledger(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = here(monkeypatch, RecordingError("Not to be asked."))
    provider.spoken = {"text": "Two and two.", "usage": {"type": "tokens", "input_tokens": 40, "output_tokens": 5}}
    async with opened(provider) as app:
        found = await Recordings(Listener(app, "ear/gpt-4o-mini-transcribe")).read(VOICE, b"sound")
    assert [(part.name, part.data) for part in found.parts] == [("voice (transcript).txt", b"Two and two.")]
    assert found.note == "heard by ear/gpt-4o-mini-transcribe" and not asked
    (sent,) = provider.requests
    assert sent == {
        "model": "gpt-4o-mini-transcribe",
        "response_format": "json",
        "file": ("recording.ogg", "audio/ogg", b"sound"),
    }
    ((tool, ai, role, outcome, tokens, cost),) = await anyio.to_thread.run_sync(ledger)
    assert (tool, ai, role, outcome, tokens) == ("transcribe", "ear/gpt-4o-mini-transcribe", "transcript", "ok", 40)
    assert cost > 0


async def test_whisper_tells_the_times_and_what_is_billed_by_the_second_has_no_known_price(
    provider: FakeProvider,
) -> None:
    provider.spoken = {"text": "Two and two.", "segments": SEGMENTS, "usage": {"type": "duration", "seconds": 63}}
    async with opened(provider) as app:
        found = await Recordings(Listener(app, "ear/whisper-1")).read(VOICE, b"sound")
    assert found.parts[0].data == b"[00:00] Two and\n[01:01] two."
    assert provider.requests[0]["response_format"] == "verbose_json"
    assert (await anyio.to_thread.run_sync(ledger))[0][4:] == (None, None)


@pytest.mark.parametrize(
    ("segments", "told"),
    [
        ([{"start": 0.0, "end": 1.0, "text": "Two and"}], "Two and two."),
        ([{"start": 0.0, "end": 1.0, "text": "Two and"}, {"start": 1.0, "text": 2}, None], "Two and two."),
        ([{"start": 10**400, "end": float("inf"), "text": "Two and two."}], "[00:00] Two and two."),
    ],
    ids=["a part", "odd ones", "odd times"],
)
async def test_no_word_is_lost_to_pieces_that_are_told_oddly(
    provider: FakeProvider, segments: list[Any], told: str
) -> None:
    provider.spoken = {"text": "Two and two.", "segments": segments}
    async with opened(provider) as app:
        found = await Recordings(Listener(app, "ear/whisper-1")).read(VOICE, b"sound")
    assert found.parts[0].data.decode() == told


async def test_of_more_words_than_a_file_may_hold_the_first_go_along_and_it_is_told(provider: FakeProvider) -> None:
    provider.spoken = {"text": "\u4e8c" * 1_000_000}
    async with opened(provider) as app:
        found = await Recordings(Listener(app, "ear/whisper-1")).read(VOICE, b"sound")
    assert len(found.parts[0].data) <= MAX_TEXT_BYTES
    assert found.note == "heard by ear/whisper-1, only its first 2 MB of text"


@pytest.mark.parametrize("model", ["deaf", "gpt-4o-transcribe"])
async def test_where_it_fails_this_machine_listens_and_the_receipt_says_so(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch, model: str
) -> None:
    provider.spoken = {"nothing": "that anybody knows"}
    asked = here(monkeypatch, Recording((Spoken(0.0, 2.0, "Two."),), notes=("heard by a small model",)))
    async with opened(provider) as app:
        found = await Recordings(Listener(app, f"ear/{model}")).read(VOICE, b"sound")
    assert found.parts[0].data == b"[00:00] Two." and asked == [(0, True)]
    assert found.note.startswith(f"ear/{model} did not hear it: ") and found.note.endswith(", heard by a small model")


async def test_where_neither_can_one_sentence_says_why_of_both(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    here(monkeypatch, RecordingError("Recordings need the extra 'voice'."))
    async with opened(provider) as app:
        with pytest.raises(CannotReadError) as raised:
            await Recordings(Listener(app, "ear/deaf")).read(VOICE, b"sound")
    assert str(raised.value).startswith("Ear/deaf did not hear it: ")
    assert str(raised.value).endswith("Recordings need the extra 'voice'.")


async def test_an_ai_that_nobody_knows_is_named(provider: FakeProvider, monkeypatch: pytest.MonkeyPatch) -> None:
    here(monkeypatch, RecordingError("Recordings need the extra 'voice'."))
    async with opened(provider) as app:
        with pytest.raises(CannotReadError, match="nobody"):
            await Recordings(Listener(app, "nobody")).read(VOICE, b"sound")
    assert not provider.requests


async def test_a_budget_that_its_price_cannot_be_told_for_refuses_it_before_anything_is_sent(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    here(monkeypatch, Recording((Spoken(0.0, 2.0, "Two."),)))
    async with opened(provider, BudgetLimits(per_day_usd=1)) as app:
        found = await Recordings(Listener(app, "ear/whisper-1")).read(VOICE, b"sound")
    assert "did not hear it" in found.note and found.parts[0].data == b"[00:00] Two." and not provider.requests


async def test_of_a_video_the_ai_hears_the_words_and_this_machine_takes_the_pictures(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    asked = here(monkeypatch, Recording(frames=((3.0, Image(PNG, "image/png")),), notes=("it breaks off",)))
    async with opened(provider) as app:
        found = await Recordings(Listener(app, "ear/gpt-4o-transcribe")).read(FILM, b"film")
    assert found.note == "heard by ear/gpt-4o-transcribe, it breaks off"
    assert [part.name for part in found.parts] == ["film (transcript).txt", "film-3s.jpg"] and asked == [(4, False)]
    assert provider.requests[0]["file"] == ("recording.mp4", "video/mp4", b"film")


async def test_of_a_video_whose_pictures_cannot_be_taken_the_words_go_along(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    here(monkeypatch, RecordingError("Recordings need the extra 'voice'."))
    async with opened(provider) as app:
        found = await Recordings(Listener(app, "ear/gpt-4o-transcribe")).read(FILM, b"film")
    assert len(found.parts) == 1
    assert found.note.endswith("its pictures were not looked at: Recordings need the extra 'voice'")


async def test_silence_is_said_to_be_one(provider: FakeProvider) -> None:
    provider.spoken = {"text": " "}
    async with opened(provider) as app:
        with pytest.raises(CannotReadError, match="Nothing is said"):
            await Recordings(Listener(app, "ear/gpt-4o-transcribe")).read(VOICE, b"sound")


async def test_the_bot_has_its_voice_notes_heard_by_the_ai_of_its_settings(
    provider: FakeProvider, monkeypatch: pytest.MonkeyPatch
) -> None:
    here(monkeypatch, Recording((Spoken(0.0, 2.0, "What is two and two?"),)))
    async with telegram({"gpt": ["Four."]}, transcribe="gpt") as bot:  # a scripted AI, which hears nothing
        bot.api.write(voice={"file_id": bot.api.file(b"sound"), "file_size": 5, "mime_type": "audio/ogg"})
        await bot.api.answer("gpt did not hear it: This AI hears nothing")
        await bot.api.answer("Four.")
        assert "What is two and two?" in bot.asked[0]
