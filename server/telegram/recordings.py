"""Voice notes, music and videos, read here: the words with their times as a text, and a few pictures of a video."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING

import anyio

from server.telegram.attachments import CannotReadError, Found, Part
from server.telegram.incoming import SentFile

if TYPE_CHECKING:
    from core.media.recording import Recording

_AT_ONCE = 2
"""Each is a process that computes for a while; whoever sends another one waits."""
_FRAMES = 4
_SECONDS = 120
"""Of processor time for one, since others wait; some twenty minutes of speech."""


class Recordings:
    """Reads what is heard and seen. It needs the extra `voice`."""

    def __init__(self) -> None:
        self._at_once = anyio.CapacityLimiter(_AT_ONCE)

    def takes(self, file: SentFile) -> bool:
        return file.kind in ("voice", "video") or file.mime.startswith(("audio/", "video/"))

    async def read(self, file: SentFile, data: bytes) -> Found:
        from core.media.recording import RecordingError, read_recording

        frames = _FRAMES if file.kind == "video" or file.mime.startswith("video/") else 0
        try:
            async with self._at_once:
                heard = await read_recording(data, frames=frames, seconds=_SECONDS)
        except RecordingError as error:
            raise CannotReadError(str(error)) from error
        return found_in(Path(file.name).stem, heard)


def found_in(name: str, heard: Recording) -> Found:
    """The parts of *heard*, a recording called *name*."""
    parts = [Part(f"{name}-{at:.0f}s.jpg", image.data, "picture") for at, image in heard.frames]
    if heard.text:
        parts.insert(0, Part(f"{name} (transcript).txt", heard.text.encode("utf-8", "replace")))
    return Found(tuple(parts), ", ".join(heard.notes))
