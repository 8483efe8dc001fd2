"""Pictures as AIs take them: PNG or JPEG, no larger than any of them looks at, without what a camera wrote into them.

Where Pillow is not installed (the extra `pictures`), they go as they are, within the bounds.
"""

from __future__ import annotations

import base64
from dataclasses import dataclass
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from core.bounded import OutOfBoundsError, found_by
from core.errors import InvalidInputError
from core.files.photo_child import is_bare
from core.values import Image

LONGEST_SIDE = 2000
"""Pixels. Anthropic takes no more of each where many are sent, OpenAI scales to 2,048, and so do most to less."""
MAX_IMAGE_BYTES = 10 * 1024 * 1024
"""Of one that goes as it is."""
MAX_PHOTO_BYTES = 40 * 1024 * 1024
"""Of one that is made smaller."""
_MOST_BYTES = 3_750_000
"""Of one that is sent: 5 MB in base64, which is Anthropic's bound."""
_MOST_PIXELS = 100_000_000
_SECONDS = 20
_MEMORY_BYTES = 1536 * 1024 * 1024
_CHILD = Path(__file__).with_name("photo_child.py")
_MAGIC = {
    b"\x89PNG\r\n\x1a\n": "image/png",
    b"\xff\xd8\xff": "image/jpeg",
    b"GIF8": "image/gif",
}
ENDINGS = (".png", ".jpg", ".jpeg", ".gif", ".webp", ".bmp", ".tif", ".tiff", ".avif", ".heic", ".heif")
_HEIC = (b"ftypheic", b"ftypheix", b"ftyphevc", b"ftypmif1", b"ftypmsf1")


class PictureError(InvalidInputError):
    """A picture that is not sent; the message names it and says why."""


@dataclass(frozen=True, slots=True)
class Photo:
    """A picture as it is sent, and what was done to it or is known of it."""

    image: Image
    notes: tuple[str, ...] = ()


def can_scale() -> bool:
    """Whether Pillow is installed. Imports nothing."""
    return find_spec("PIL") is not None


def most_bytes() -> int:
    """How large a picture may be that somebody brings."""
    return MAX_PHOTO_BYTES if can_scale() else MAX_IMAGE_BYTES


def photo_of(data: bytes, name: str) -> Photo:
    """*data* as a picture to send; *name* is what it is called in an error. Blocks: call it in a thread.

    Raises:
        PictureError: It is none, broken, or larger than may be.
    """
    if not can_scale():
        note = "with what its camera or program wrote into it: install moot-mcp[pictures] to have that removed"
        return Photo(picture(data, name), () if is_bare(data) else (note,))
    if len(data) > MAX_PHOTO_BYTES:
        raise PictureError(f"{name} has {len(data):,} bytes; at most {MAX_PHOTO_BYTES:,} are read. Make it smaller.")
    found = _asked(data, name)
    match found:
        case {"picture": str(encoded), "kind": str(kind), "size": [int(), int()], "was": [int(), int()]}:
            return Photo(Image(base64.b64decode(encoded) or data, kind), _notes(found))
        case {"problem": "kind"}:
            raise PictureError(_no_picture(data, name))
        case {"problem": "pixels" | "MemoryError"}:
            raise PictureError(f"{name} has too many pixels; at most {_MOST_PIXELS:,} are read. Make it smaller.")
        case _:
            raise PictureError(f"{name} is a picture that cannot be read ({found.get('problem')}). Save it anew.")


def picture(data: bytes, name: str) -> Image:
    """*data* as a picture that goes as it is, whose kind it says itself; *name* is what it is called in an error.

    Raises:
        PictureError: It is none that AIs read, or too large.
    """
    if len(data) > MAX_IMAGE_BYTES:
        way_out = "Make it smaller" if can_scale() else "Make it smaller, or install moot-mcp[pictures], which does"
        raise PictureError(f"{name} has {len(data):,} bytes; at most {MAX_IMAGE_BYTES:,} are sent. {way_out}.")
    kind = _kind(data)
    if kind is None:
        raise PictureError(_no_picture(data, name))
    return Image(data, kind)


def is_picture(data: bytes) -> bool:
    """Whether *data* begins as a picture does that AIs read, whatever it is called."""
    return _kind(data) is not None


def _kind(data: bytes) -> str | None:
    if data[:4] == b"RIFF" and data[8:12] == b"WEBP":
        return "image/webp"
    return next((kind for magic, kind in _MAGIC.items() if data.startswith(magic)), None)


def _no_picture(data: bytes, name: str) -> str:
    if data[4:12] in _HEIC:
        return f"{name} is no picture that AIs read, but HEIC: save it as JPEG."
    if not data:
        return f"{name} is empty. Send it anew."
    if not can_scale() and data.startswith((b"BM", b"II*\0", b"MM\0*")):
        return f"{name} is no picture that AIs read: use PNG or JPEG, or install moot-mcp[pictures], which makes one."
    return f"{name} is no picture that AIs read: use PNG, JPEG, GIF or WebP."


def _asked(data: bytes, name: str) -> dict[str, Any]:
    bounds = {"pixels": _MOST_PIXELS, "side": LONGEST_SIDE, "bytes": _MOST_BYTES}
    try:
        return found_by(_CHILD, data, memory_bytes=_MEMORY_BYTES, seconds=_SECONDS, **bounds)
    except OutOfBoundsError:
        raise PictureError(
            f"{name} takes more time or memory than one picture may. Make it smaller, or save it as JPEG."
        ) from None
    except OSError as error:
        raise PictureError(
            f"{name} cannot be read now: no process can be started ({error.strerror}). Try again."
        ) from None


def _is_strip(size: list[int]) -> bool:
    return max(size) > 4 * min(size)


def _notes(found: dict[str, Any]) -> tuple[str, ...]:
    was, size = ("{:,} x {:,}".format(*found[which]) for which in ("was", "size"))
    notes = []
    if was != size:
        notes.append(f"scaled from {was} to {size} pixels")
        if _is_strip(found["was"]) and min(found["was"]) > 2 * min(found["size"]):
            notes.append("what is small in it can hardly be read: send it in parts")
    if found["kind"] != f"image/{found['format'].lower()}" and found["format"] != "MPO":
        notes.append(f"{found['format']} made {found['kind'].rpartition('/')[2].upper()}")
    if found["frames"] > 1:
        notes.append(f"only the first of its {found['frames']:,} pictures")
    if found["told"]:
        notes.append("without what its camera or program wrote into it")
    return tuple(notes)
