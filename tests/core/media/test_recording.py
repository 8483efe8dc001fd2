"""What is heard and seen in a recording, and what ends in a sentence."""

from __future__ import annotations

import io
import math
import struct
import wave
from importlib.util import find_spec
from typing import Any

import pytest

from core.media import recording
from core.media.recording import Recording, RecordingError, Spoken, can_listen, read_recording

installed = pytest.mark.skipif(can_listen() is not None, reason="the extra 'voice' is not installed here")


def tone(seconds: float) -> bytes:
    """A recording in which nobody speaks."""
    out = io.BytesIO()
    with wave.open(out, "wb") as made:
        made.setnchannels(1)
        made.setsampwidth(2)
        made.setframerate(16_000)
        samples = (int(8_000 * math.sin(n / 10)) for n in range(int(seconds * 16_000)))
        made.writeframes(b"".join(struct.pack("<h", one) for one in samples))
    return out.getvalue()


def film(seconds: int) -> bytes:
    import av
    import numpy

    out = io.BytesIO()
    with av.open(out, "w", format="mp4") as made:
        stream: Any = made.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        for number in range(seconds * 10):
            shade = numpy.full((720, 1280, 3), number % 255, dtype=numpy.uint8)
            frame = av.VideoFrame.from_ndarray(shade, format="rgb24")
            frame.pts = number
            made.mux(stream.encode(frame))
        made.mux(stream.encode(None))
    return out.getvalue()


async def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "find_spec", lambda name: None if name == "av" else find_spec("json"))
    with pytest.raises(RecordingError, match=r"moot-mcp\[voice\]"):
        await read_recording(tone(0.1))


def test_words_have_the_times_at_which_they_begin() -> None:
    spoken = (Spoken(0.0, 2.0, "Hello."), Spoken(3_725.4, 3_727.0, "Goodbye."))
    assert Recording(4_000, spoken).text == "[00:00] Hello.\n[1:02:05] Goodbye."


async def test_a_file_that_is_too_large_is_refused_before_it_is_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "can_listen", lambda: None)
    monkeypatch.setattr(recording, "MOST_BYTES", 10)
    with pytest.raises(RecordingError, match="at most"):
        await read_recording(b"x" * 11)


@installed
async def test_a_recording_in_which_nobody_speaks_is_said_to_be_one() -> None:
    with pytest.raises(RecordingError, match="Nothing is said"):
        await read_recording(tone(1.0))


@installed
async def test_a_film_gives_pictures_at_even_distances_that_are_small_enough() -> None:
    found = await read_recording(film(6), frames=3)
    times = [at for at, _ in found.frames]
    assert times == pytest.approx([1.0, 3.0, 5.0], abs=0.2) and "it has no sound" in found.notes
    assert all(image.data.startswith(b"\xff\xd8") and len(image.data) < 60_000 for _, image in found.frames)


@installed
async def test_where_the_words_are_known_already_nobody_listens() -> None:
    found = await read_recording(film(2), frames=1, listen=False)
    assert len(found.frames) == 1 and not found.spoken and not found.notes


@installed
@pytest.mark.parametrize(
    "data", [b"", b"garbage" * 1_000, b"RIFF\xff\xff\xff\x7fWAVEfmt ", b"\x1aE\xdf\xa3" + b"\0" * 500]
)
async def test_what_is_no_recording_ends_in_a_sentence(data: bytes) -> None:
    with pytest.raises(RecordingError, match="cannot be read|holds neither"):
        await read_recording(data)


@installed
async def test_weights_that_are_others_are_not_used(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "_SHA256", "0" * 64)
    with pytest.raises(RecordingError, match="not the one it should be"):
        await read_recording(tone(0.5))
