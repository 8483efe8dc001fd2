"""Voice notes, music and videos: the words with their times as a text, and a few pictures of a video.

Their words are heard by the AI of `telegram.transcribe` where one is named, else by the model on this machine, which
also steps in where that AI fails; pictures are always taken here.
"""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anyio
import anyio.to_thread

from core.errors import MootError
from core.untrusted import clean
from server.telegram.attachments import CannotReadError, Found, Part, sent_in_part
from server.telegram.incoming import SentFile

if TYPE_CHECKING:
    from ai.client import Transcribed
    from ai.runs.app import App
    from core.media.recording import Recording
    from core.values import Image

_AT_ONCE = 2
"""Each is a process that computes for a while; whoever sends another one waits."""
_FRAMES = 4
_SECONDS = 120
"""Of processor time for one, since others wait; some twenty minutes of speech."""
_ENDINGS = {
    "audio/mpeg": "mp3",
    "audio/mp3": "mp3",
    "audio/mp4": "m4a",
    "audio/x-m4a": "m4a",
    "audio/aac": "m4a",
    "audio/wav": "wav",
    "audio/x-wav": "wav",
    "audio/flac": "flac",
    "audio/x-flac": "flac",
    "audio/webm": "webm",
    "video/webm": "webm",
}
_CALLED = {
    **dict.fromkeys((".ogg", ".oga", ".opus"), "audio/ogg"),
    **dict.fromkeys((".mp4", ".m4v", ".mov", ".mkv", ".avi", ".3gp"), "video/mp4"),
    ".mp3": "audio/mpeg",
    ".m4a": "audio/mp4",
    ".aac": "audio/aac",
    ".wav": "audio/wav",
    ".flac": "audio/flac",
    ".webm": "video/webm",
}
"""Of files whose kind nobody told, by their endings."""
_NOTHING_SAID = "Nothing is said in the recording, or nothing that could be understood."


class Listener:
    """The AI that hears recordings. Each is a run of whoever sent it, within that person's budget."""

    def __init__(self, app: App, ai: str) -> None:
        self._app = app
        self.ai = ai

    async def heard(self, file: SentFile, data: bytes) -> Transcribed:
        """What is said in *data*.

        Raises:
            MootError: It cannot be heard there.
        """
        from ai.client import Sound

        told, seen = _kind(file), _is_film(file)
        ending = _ENDINGS.get(told, "mp4" if seen else "ogg")
        kind = told if told in _ENDINGS else "video/mp4" if seen else "audio/ogg"
        async with self._app.run("transcribe") as run:
            return await run.transcribe(self.ai, Sound(data, f"recording.{ending}", kind))


class Recordings:
    """Reads what is heard and seen.

    Args:
        listener: Hears it; None: the extra `voice` alone does.
    """

    def __init__(self, listener: Listener | None = None) -> None:
        self._listener = listener
        self._at_once = anyio.CapacityLimiter(_AT_ONCE)

    def takes(self, file: SentFile) -> bool:
        return file.kind in ("voice", "video") or bool(_kind(file))

    async def read(self, file: SentFile, data: bytes) -> Found:
        if not data:
            raise CannotReadError("It is empty. Send it anew.")
        name = Path(file.name).stem
        frames = _FRAMES if _is_film(file) else 0
        heard, failed = await self._heard(file, data)
        if heard is None:
            seen = await self._here(data, frames, listen=True, failed=failed)
            return found_in(name, seen, notes=[*failed, *seen.notes])
        notes = [f"heard by {self._listener.ai if self._listener else heard.model}"]
        if not heard.whole:
            notes.append("not to its end")
        pictures: tuple[tuple[float, Image], ...] = ()
        words = await anyio.to_thread.run_sync(words_of, heard)
        if frames:
            try:
                seen = await self._here(data, frames, listen=False, failed=[])
                pictures = seen.frames
                notes += seen.notes
            except CannotReadError as error:
                notes.append(f"its pictures were not looked at: {_inside(error)}")
        if not words and not pictures:
            raise CannotReadError(f"{_NOTHING_SAID} It was {notes[0]}.")
        return _found(name, words, pictures, notes)

    async def _heard(self, file: SentFile, data: bytes) -> tuple[Transcribed | None, list[str]]:
        """What the listener heard, or why it did not."""
        if self._listener is None:
            return None, []
        try:
            return await self._listener.heard(file, data), []
        except MootError as error:
            return None, [f"{self._listener.ai} did not hear it: {_inside(error)}"]

    async def _here(self, data: bytes, frames: int, *, listen: bool, failed: list[str]) -> Recording:
        """What is found on this machine.

        Raises:
            CannotReadError: Nothing; the sentence also says what *failed* before.
        """
        from core.media.recording import RecordingError, read_recording

        try:
            async with self._at_once:
                return await read_recording(data, frames=frames, seconds=_SECONDS, listen=listen)
        except RecordingError as error:
            raise CannotReadError(" ".join([*(f"{_sentence(why)}." for why in failed), str(error)])) from error


def _kind(file: SentFile) -> str:
    """What kind of sound or film *file* is, as it is told or by its ending; empty: it is none."""
    told = file.mime.lower()
    if told.startswith(("audio/", "video/")):
        return told
    return "" if told not in ("", "application/octet-stream") else _CALLED.get(Path(file.name.lower()).suffix, "")


def _is_film(file: SentFile) -> bool:
    return file.kind == "video" or _kind(file).startswith("video/")


def found_in(name: str, seen: Recording, notes: list[str]) -> Found:
    """The parts of *seen*, a recording called *name*."""
    return _found(name, seen.text, seen.frames, notes)


def words_of(heard: Transcribed) -> str:
    """What an AI heard, cleaned: a line for each piece with its time, where it told them."""
    from core.media.recording import clock

    lines = [f"[{clock(start)}] {text}" for start, _, text in heard.pieces]
    return clean("\n".join(lines) if lines else heard.text).strip()


def _found(name: str, words: str, frames: tuple[tuple[float, Image], ...], notes: list[str]) -> Found:
    told = sent_in_part(f"{name} (transcript).txt", words.encode("utf-8", "replace"), notes)
    pictures = [Part(f"{name}-{at:g}s.jpg", image.data, "picture") for at, image in frames]
    return Found((*(told.parts if words else ()), *pictures), told.note)


def _inside(error: Exception) -> str:
    """The sentences of *error* on the way into another one."""
    return str(error).rstrip(". ")


def _sentence(text: str) -> str:
    return text[:1].upper() + text[1:]
