"""What is said and seen in one recording: a reader of `core/bounded.py`, in a process that may be killed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_MOST_DECODED = 1_500
"""Frames, on the way to one picture."""
_RATE = 16_000
"""Samples a second that the model hears."""


class UnreadableError(Exception):
    """Why it cannot be read, in a word or two."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def read(data: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    """The `duration`, what was `spoken`, `frames`, and `notes` of what was left out; seconds."""
    import io

    import av

    notes: list[str] = []
    with av.open(io.BytesIO(data), metadata_errors="ignore") as container:
        if not container.streams.audio and not container.streams.video:
            raise UnreadableError("no streams")
        frames, seen_s = _frames(container, asked) if container.streams.video and asked["frames"] else ([], 0.0)
    spoken, heard_s = _spoken(data, asked, notes) if asked["listen"] else ([], 0.0)
    return {"duration": max(seen_s, heard_s), "spoken": spoken, "frames": frames, "notes": notes}


def _frames(container: Any, asked: dict[str, Any]) -> tuple[list[tuple[float, str]], float]:
    """Pictures at even distances, each decoded forward from the last whole one before it.

    What a file claims of its length is not believed: where there is nothing any more, it has ended.
    """
    stream = container.streams.video[0]
    stream.thread_count = 1
    claimed = float(container.duration / 1_000_000) if container.duration else 1.0
    seconds = min(claimed, float(asked["most_s"]))
    taken: list[tuple[float, str]] = []
    for number in range(asked["frames"]):
        target = seconds * (number + 0.5) / asked["frames"]
        frame = _frame_at(container, stream, target)
        if frame is None:
            break
        at = round(float(frame.time or 0.0), 2)
        if not taken or at > taken[-1][0]:
            taken.append((at, _jpeg(frame, asked["side"])))
    return taken, seconds


def _frame_at(container: Any, stream: Any, target: float) -> Any:
    """The picture shown at *target* seconds, or the last one before the end; None where there is none."""
    container.seek(int(target * 1_000_000), backward=True)
    last = None
    for number, frame in enumerate(container.decode(stream)):
        last = frame
        if float(frame.time or 0.0) >= target - 0.001 or number > _MOST_DECODED:
            break
    return last


def _jpeg(frame: Any, side: int) -> str:
    import base64
    from fractions import Fraction

    import av

    scale = min(1.0, side / max(frame.width, frame.height))
    width, height = (max(2, int(edge * scale) // 2 * 2) for edge in (frame.width, frame.height))
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = width, height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    small = frame.reformat(width=width, height=height, format="yuvj420p")
    small.pts = 0
    packets = [*encoder.encode(small), *encoder.encode(None)]
    return base64.b64encode(b"".join(bytes(packet) for packet in packets)).decode()


def _spoken(data: bytes, asked: dict[str, Any], notes: list[str]) -> tuple[list[tuple[float, float, str]], float]:
    """What is said, piece by piece, and for how long there was sound."""
    samples, cut = _samples(data, asked["most_s"])
    if samples is None:
        notes.append("it has no sound")
        return [], 0.0
    seconds = len(samples) / _RATE
    if cut:
        notes.append(f"only the first {asked['most_s'] // 60} minutes were listened to")
    _check_weights(asked["weights"], asked["sha256"])
    from faster_whisper import WhisperModel

    model = WhisperModel(asked["weights"], device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)
    pieces, _ = model.transcribe(samples, beam_size=1, condition_on_previous_text=False)
    found = [(round(one.start, 2), round(one.end, 2), one.text.strip()) for one in pieces if one.no_speech_prob < 0.8]
    notes.append("heard by a small English model on this machine: names and numbers may be wrong")
    return [one for one in found if one[2]], seconds


def _samples(data: bytes, most_s: int) -> tuple[Any, bool]:
    """The sound as numbers, at most so many seconds of it, and whether there was more; None where there is none."""
    import io

    import av
    import numpy

    pieces: list[Any] = []
    left = most_s * _RATE
    with av.open(io.BytesIO(data), metadata_errors="ignore") as container:
        if not container.streams.audio:
            return None, False
        container.streams.audio[0].thread_count = 1
        resampler = av.AudioResampler(format="s16", layout="mono", rate=_RATE)
        for frame in container.decode(container.streams.audio[0]):
            for piece in resampler.resample(frame):
                array = piece.to_ndarray().reshape(-1)[:left]
                pieces.append(array)
                left -= len(array)
            if left <= 0:
                return _joined(numpy, pieces), True
    return (_joined(numpy, pieces), False) if pieces else (None, False)


def _joined(numpy: Any, pieces: list[Any]) -> Any:
    return numpy.concatenate(pieces).astype(numpy.float32) / 32_768.0


def _check_weights(folder: str, wanted: str) -> None:
    import hashlib

    with open(f"{folder}/model.bin", "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
            raise UnreadableError("weights")
