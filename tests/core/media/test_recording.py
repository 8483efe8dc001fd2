"""What is heard and seen in a recording, and what ends in a sentence."""

from __future__ import annotations

import io
import math
import struct
import wave
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import anyio.abc
import PIL.Image
import pytest

from core.files.photo_child import is_bare
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


def film(seconds: int, *, kind: str = "mp4", sounds: int = 0, live: bool = False) -> bytes:
    """A film that is white on its left, of *kind*, with so many tracks of *sounds*; *live*: without its length."""
    import av
    import numpy

    out = io.BytesIO()
    with av.open(out, "w", format=kind, options={"live": "1"} if live else {}) as made:
        stream: Any = made.add_stream("mpeg4", rate=10)
        stream.width, stream.height, stream.pix_fmt = 1280, 720, "yuv420p"
        tracks: list[Any] = [made.add_stream("pcm_s16le", rate=16_000, layout="mono") for _ in range(sounds)]
        for number in range(seconds * 10):
            shade = numpy.full((720, 1280, 3), number % 100, dtype=numpy.uint8)
            shade[:, :640] = 255
            frame = av.VideoFrame.from_ndarray(shade, format="rgb24")
            frame.pts = number
            made.mux(stream.encode(frame))
            for track in tracks:
                hum = numpy.zeros((1, 1_600), dtype=numpy.int16) + number
                sound = av.AudioFrame.from_ndarray(hum, format="s16", layout="mono")
                sound.sample_rate, sound.pts = 16_000, number * 1_600
                made.mux(track.encode(sound))
        made.mux(stream.encode(None))
    return out.getvalue()


async def test_without_the_extra_it_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(recording, "find_spec", lambda name: None if name == "av" else find_spec("json"))
    with pytest.raises(RecordingError, match=r"moot-mcp\[voice\]"):
        await read_recording(tone(0.1))


def test_words_have_the_times_at_which_they_begin() -> None:
    spoken = (Spoken(0.0, 2.0, "Hello."), Spoken(3_725.4, 3_727.0, "Goodbye."))
    assert Recording(spoken).text == "[00:00] Hello.\n[1:02:05] Goodbye."


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
    assert all(is_bare(image.data) and len(image.data) < 60_000 for _, image in found.frames)


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


@installed
@pytest.mark.parametrize(
    "data",
    [
        b"ffconcat version 1.0\nfile mine.wav\n",
        b"v=0\no=- 0 0 IN IP4 127.0.0.1\ns=x\nc=IN IP4 127.0.0.1\nt=0 0\nm=audio 5004 RTP/AVP 0\n",
        b"#EXTM3U\n#EXT-X-TARGETDURATION:5\n#EXTINF:5,\nmine.wav\n#EXT-X-ENDLIST\n",
        b"[Reference]\nRef1=http://127.0.0.1:9/a.wmv\n",
    ],
    ids=["concat", "sdp", "hls", "asx"],
)
async def test_a_list_of_other_files_or_addresses_is_no_recording(
    data: bytes, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / "mine.wav").write_bytes(tone(1.0))
    with pytest.raises(RecordingError, match="cannot be read"):
        await read_recording(data)


@installed
async def test_pictures_of_a_film_that_does_not_say_its_length_come_from_all_of_it() -> None:
    found = await read_recording(film(6, kind="matroska", live=True), frames=3, listen=False)
    assert [at for at, _ in found.frames] == pytest.approx([1.0, 3.0, 5.0], abs=0.2)


@installed
async def test_of_a_film_that_breaks_off_what_there_is_is_read_and_its_end_is_told() -> None:
    whole = film(10, kind="matroska", sounds=1)
    found = await read_recording(whole[: len(whole) // 2], frames=2)
    assert len(found.frames) == 2 and found.frames[-1][0] < 5
    assert any("though it says that it has 10" in note for note in found.notes)


@installed
async def test_broken_sound_does_not_cost_the_pictures() -> None:
    found = await read_recording(
        film(4, kind="matroska", sounds=1).replace(b"A_PCM/INT/LIT", b"A_NOBODY/KNOW"), frames=2
    )
    assert len(found.frames) == 2 and any("its sound cannot be read" in note for note in found.notes)


@installed
async def test_sound_that_is_not_heard_and_words_that_nobody_said_are_told() -> None:
    found = await read_recording(film(4, kind="matroska", sounds=2), frames=2)
    assert "only the first of its 2 sound tracks" in found.notes
    assert "nothing is said in it, or nothing that could be understood" in found.notes


@installed
async def test_pictures_of_a_film_that_was_held_upright_are_upright() -> None:
    lying = film(2)
    place = lying.index(b"tkhd") + 44  # of the matrix (ISO 14496-12, 8.3.2), here a quarter turn to the right
    turned = lying[:place] + struct.pack(">9i", 0, 1 << 16, 0, -1 << 16, 0, 0, 0, 0, 1 << 30) + lying[place + 36 :]
    found = await read_recording(turned, frames=1, listen=False)
    with PIL.Image.open(io.BytesIO(found.frames[0][1].data)) as picture:
        grey = picture.convert("L")
    above, below = (grey.crop((0, top, 432, top + 100)).getextrema() for top in (0, 668))
    assert grey.size == (432, 768) and above[0] > 200 and below[1] < 120


@installed
async def test_sound_without_pictures_is_said_to_have_none() -> None:
    with pytest.raises(RecordingError, match="shows no pictures"):
        await read_recording(tone(0.5), frames=2, listen=False)


@installed
async def test_whoever_gives_up_leaves_no_process_behind(monkeypatch: pytest.MonkeyPatch) -> None:
    started: list[anyio.abc.Process] = []
    opened = anyio.open_process

    async def open_process(*args: Any, **options: Any) -> anyio.abc.Process:
        started.append(await opened(*args, **options))
        scope.cancel()
        return started[-1]

    monkeypatch.setattr("anyio._core._subprocesses.open_process", open_process)
    with anyio.CancelScope() as scope:
        await read_recording(tone(1.0))
    assert len(started) == 1 and started[0].returncode is not None
