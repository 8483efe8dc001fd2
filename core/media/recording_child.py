"""What is said and seen in one recording: a reader of `core/bounded.py`, in a process that may be killed."""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from typing import Any, TypeVar

    T = TypeVar("T")

_CONTAINERS = ",".join(
    [
        *("mov", "mp4", "m4a", "3gp", "3g2", "matroska", "webm", "avi", "asf", "flv", "mpegts", "mpeg", "mxf", "dv"),
        *("ogg", "mp3", "aac", "amr", "flac", "wav", "w64", "wv", "aiff", "caf", "au", "ac3", "eac3", "ape", "tta"),
    ]
)
"""What is opened, by ffmpeg's names. None that may lead to other files and addresses: concat, HLS, DASH, SDP..."""
_MOST_DECODED = 1_500
"""Frames, on the way to one picture."""
_RATE = 16_000
"""Samples a second that the model hears."""
_HEARD = "heard by a small English model on this machine: names and numbers may be wrong"
_LATE_S = 2.0
"""By which a recording may end before it says without a word about it."""
_SAYS_ITS_LENGTH = ("mov", "matroska", "avi", "flv", "wav", "asf")
"""Of the others it is guessed."""


class UnreadableError(Exception):
    """Why it cannot be read, in a word or two."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def read(data: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    """What was `spoken`, `frames`, and `notes` of what was left out; seconds."""
    notes: list[str] = []
    problems: list[str] = []
    with _opened(data) as container:
        has = container.streams
        if not has.audio and not has.video:
            raise UnreadableError("no streams")
        looks = bool(asked["frames"] and has.video)
        ends = _ends(container) if looks or asked["listen"] else {}
        frames = _tried("pictures", lambda: _frames(container, ends, asked), notes, problems) if looks else []
        listens = bool(asked["listen"] and has.audio)
        notes += _unread(container, ends, listens=listens)
    spoken = _tried("sound", lambda: _spoken(data, asked, notes), notes, problems) if listens else []
    if asked["listen"] and not listens:
        notes.append("it has no sound")
    if problems and not spoken and not frames:
        raise UnreadableError(problems[0])
    return {"spoken": spoken or [], "frames": frames or [], "notes": notes}


def _opened(data: bytes) -> Any:
    """The recording, which is read out of *data* alone."""
    import io

    import av

    alone = {"format_whitelist": _CONTAINERS, "protocol_whitelist": "none"}
    return av.open(io.BytesIO(data), metadata_errors="ignore", options=alone)


def _tried(what: str, find: Callable[[], T], notes: list[str], problems: list[str]) -> T | None:
    """What *find* gives; what is broken in one half of a recording must not cost the other."""
    try:
        return find()
    except MemoryError:
        raise
    except Exception as error:  # a decoder raises nearly anything
        problems.append(getattr(error, "problem", type(error).__name__))
        notes.append(f"its {what} cannot be read ({problems[-1]})")
        return None


def _ends(container: Any) -> dict[int, float]:
    """Where each stream really ends, in seconds: what a file claims of that is not believed."""
    found: dict[int, float] = {}
    lost: list[str] = []
    for packet in _packets(container, [*container.streams.audio, *container.streams.video], lost):
        if packet.pts is not None and packet.time_base is not None:
            end = float((packet.pts + (packet.duration or 0)) * packet.time_base)
            found[packet.stream_index] = max(found.get(packet.stream_index, 0.0), end)
    return found


def _unread(container: Any, ends: dict[int, float], *, listens: bool) -> list[str]:
    """What of the recording is not read, in words."""
    told = []
    if listens and len(container.streams.audio) > 1:
        told.append(f"only the first of its {len(container.streams.audio)} sound tracks")
    if container.streams.subtitles:
        told.append("its subtitles not read")
    claimed, end = float(container.duration or 0) / 1_000_000, max(ends.values(), default=0.0)
    if ends and container.format.name.startswith(_SAYS_ITS_LENGTH) and claimed - end > max(_LATE_S, claimed / 20):
        told.append(f"it ends after {end:,.0f} seconds, though it says that it has {claimed:,.0f}")
    return told


def _packets(container: Any, streams: list[Any], lost: list[str]) -> Iterator[Any]:
    """The packets of *streams*, as far as they can be read."""
    import av

    try:
        yield from container.demux(streams)
    except (av.FFmpegError, IndexError) as error:  # a damaged file may bring further streams along on its way
        lost.append(type(error).__name__)


def _decoded(container: Any, stream: Any, lost: list[str]) -> Iterator[Any]:
    """The frames of *stream* but for broken ones, which are *lost*."""
    import av

    for packet in _packets(container, [stream], lost):
        try:
            yield from packet.decode()
        except av.error.EOFError:
            return
        except av.FFmpegError as error:
            if isinstance(error, MemoryError):
                raise
            lost.append(type(error).__name__)


def _frames(container: Any, ends: dict[int, float], asked: dict[str, Any]) -> list[tuple[float, str]]:
    """Pictures at even distances, each decoded forward from the last whole one before it."""
    stream = container.streams.best("video")
    stream.thread_count = 1
    seconds = min(ends.get(stream.index) or 1.0, float(asked["most_s"]))
    taken: list[tuple[float, str]] = []
    lost: list[str] = []
    for number in range(asked["frames"]):
        frame = _frame_at(container, stream, seconds * (number + 0.5) / asked["frames"], lost)
        if frame is None:
            break
        at = round(float(frame.time or 0.0), 2)
        if not taken or at > taken[-1][0]:
            taken.append((at, _jpeg(frame, asked["side"])))
    if lost and not taken:
        raise UnreadableError(lost[0])
    return taken


def _frame_at(container: Any, stream: Any, target: float, lost: list[str]) -> Any:
    """The picture shown at *target* seconds, or the last one before the end; None where there is none."""
    container.seek(int(target * 1_000_000), backward=True)
    last = None
    for number, frame in enumerate(_decoded(container, stream, lost)):
        last = frame
        if float(frame.time or 0.0) >= target - 0.001 or number > _MOST_DECODED:
            break
    return last


def _jpeg(frame: Any, side: int) -> str:
    """*frame* made small and upright, in base64."""
    import base64
    from fractions import Fraction

    import av
    import numpy

    scale = min(1.0, side / max(frame.width, frame.height))
    width, height = (max(2, int(edge * scale) // 2 * 2) for edge in (frame.width, frame.height))
    small = frame.reformat(width=width, height=height, format="rgb24")
    if turns := round(frame.rotation / 90) % 4:
        small = av.VideoFrame.from_ndarray(
            numpy.ascontiguousarray(numpy.rot90(small.to_ndarray(), turns)), format="rgb24"
        )
    encoder = av.CodecContext.create("mjpeg", "w")
    encoder.width, encoder.height, encoder.pix_fmt = small.width, small.height, "yuvj420p"
    encoder.time_base = Fraction(1, 25)
    encoder.options = {"flags": "+bitexact"}  # or it writes its own name into the picture
    drawn = small.reformat(format="yuvj420p")
    drawn.pts = 0
    packets = [*encoder.encode(drawn), *encoder.encode(None)]
    return base64.b64encode(b"".join(bytes(packet) for packet in packets)).decode()


def _spoken(data: bytes, asked: dict[str, Any], notes: list[str]) -> list[tuple[float, float, str]]:
    """What is said, piece by piece. Only where somebody speaks is listened: the model makes up words for the rest."""
    samples, cut, lost = _samples(data, asked["most_s"])
    if samples is None:
        if lost:
            raise UnreadableError(lost[0])
        notes.append("it has no sound")
        return []
    if cut:
        notes.append(f"only the first {asked['most_s'] // 60} minutes were listened to")
    if lost:
        notes.append("parts of its sound are broken and were not heard")
    _check_weights(asked["weights"], asked["sha256"])
    from faster_whisper import WhisperModel

    model = WhisperModel(asked["weights"], device="cpu", compute_type="int8", cpu_threads=1, local_files_only=True)
    pieces, _ = model.transcribe(samples, beam_size=1, condition_on_previous_text=False, vad_filter=True)
    heard = [(round(one.start, 2), round(one.end, 2), one.text.strip()) for one in pieces if one.no_speech_prob < 0.8]
    found = [one for one in heard if one[2]]
    notes.append(_HEARD if found else "nothing is said in it, or nothing that could be understood")
    return found


def _samples(data: bytes, most_s: int) -> tuple[Any, bool, list[str]]:
    """The sound as numbers, at most so many seconds of it, whether there was more, and what was lost."""
    import numpy

    pieces: list[Any] = []
    lost: list[str] = []
    left = most_s * _RATE
    with _opened(data) as container:
        stream = container.streams.audio[0]
        stream.thread_count = 1
        for piece in _resampled(_decoded(container, stream, lost)):
            array = piece.to_ndarray().reshape(-1)[:left]
            pieces.append(array)
            left -= len(array)
            if left <= 0:
                break
    joined = numpy.concatenate(pieces).astype(numpy.float32) / 32_768.0 if pieces else None
    return joined, left <= 0, lost


def _resampled(frames: Iterator[Any]) -> Iterator[Any]:
    """*frames* as the model hears them; a recording may change its form on the way."""
    import av

    form: Any = None
    resampler: Any = None
    for frame in frames:
        if (now := (frame.format.name, frame.layout.name, frame.sample_rate)) != form:
            if resampler is not None:
                yield from resampler.resample(None)
            form, resampler = now, av.AudioResampler(format="s16", layout="mono", rate=_RATE)
        yield from resampler.resample(frame)
    if resampler is not None:
        yield from resampler.resample(None)


def _check_weights(folder: str, wanted: str) -> None:
    import hashlib

    with open(f"{folder}/model.bin", "rb") as file:
        if hashlib.file_digest(file, "sha256").hexdigest() != wanted:
            raise UnreadableError("weights")
