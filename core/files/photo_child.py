"""One picture, made small enough to be sent and without what its camera wrote into it: a reader of `core/bounded.py`.

A picture of some kB can claim, and unpack to, gigabytes. It needs Pillow.
"""

from __future__ import annotations

import re
import struct

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KINDS = ("Jpeg", "Png", "Gif", "WebP", "Bmp", "Tiff", "Avif")
"""What is opened, by Pillow's modules. Nothing that is a program, such as EPS."""
_TURNED = (5, 6, 7, 8)
"""Orientations in which width and height change places (EXIF 2.32, tag 0x0112)."""
_QUALITIES = (90, 75, 50)
_ANY = 2**31
_PNG_PARTS = {
    b"IHDR": 13,
    b"PLTE": 768,
    b"IDAT": _ANY,
    b"IEND": 0,
    b"tRNS": 256,
    b"gAMA": 4,
    b"cHRM": 32,
    b"sRGB": 1,
    b"pHYs": 9,
    b"cICP": 4,
    b"sBIT": 4,
    b"bKGD": 6,
    b"acTL": 8,
    b"fcTL": 26,
    b"fdAT": _ANY,
}
"""Those that hold nothing but the picture, each with the most bytes it takes. All others are somebody's words."""
_SCAN = 0xDA
_JPEG_PARTS = {_SCAN, 0xDB, 0xDD, *range(0xC0, 0xD0)} - {0xC8}
_CODED_END = re.compile(rb"\xff[^\x00\xd0-\xd7]", re.DOTALL)


class UnreadableError(Exception):
    """Why it cannot be read, in one word."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def read(data: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    """The `picture` in base64, empty where *data* may go as it is, its `kind`, and what there `was` before."""
    import io
    import warnings
    from importlib import import_module

    from PIL import Image, UnidentifiedImageError

    warnings.simplefilter("ignore")
    Image.MAX_IMAGE_PIXELS = None  # the bound stands below, and for every kind the same
    for kind in _KINDS:
        import_module(f"PIL.{kind}ImagePlugin")
    try:
        picture = Image.open(io.BytesIO(data), formats=[kind.upper() for kind in _KINDS])
    except UnidentifiedImageError:
        raise UnreadableError("kind") from None
    width, height = picture.size
    if width * height > asked["pixels"]:
        raise UnreadableError("pixels")
    frames = 1 if picture.format in ("JPEG", "MPO") else int(getattr(picture, "n_frames", 1))
    turned = picture.format != "TIFF" and _orientation(picture) in _TURNED  # Pillow turns the size of a TIFF itself
    found: dict[str, Any] = {
        "was": [height, width] if turned else [width, height],
        "format": picture.format,
        "frames": frames,
        "told": _tells(picture, data),
    }
    if _fits(picture, data, asked) and frames == 1 and not found["told"]:
        picture.load()  # whether it is whole
        return found | {"picture": "", "kind": picture.get_format_mimetype(), "size": found["was"]}
    return found | _made(picture, asked)


def _orientation(picture: Any) -> Any:
    try:
        return picture.getexif().get(0x0112, 1)
    except (SyntaxError, ValueError, TypeError, struct.error):  # broken notes of a camera must not cost the picture
        picture.info.pop("exif", None)
        return 1


def _fits(picture: Any, data: bytes, asked: dict[str, Any]) -> bool:
    usual = picture.mode in ("L", "LA", "RGB", "RGBA", "P", "1")
    return (
        picture.format in ("JPEG", "PNG")
        and usual
        and max(picture.size) <= asked["side"]
        and len(data) <= asked["bytes"]
    )


def _tells(picture: Any, data: bytes) -> bool:
    """Whether there is more in it than what is seen: where it was taken, with what, a text, or something behind it."""
    if picture.format in ("PNG", "JPEG", "MPO"):
        return picture.format == "MPO" or not is_bare(data)
    return bool({str(key).lower() for key in picture.info} & {"exif", "xmp", "comment", "photoshop", "icc_profile"})


def is_bare(data: bytes) -> bool:
    """Whether *data* is a PNG or JPEG with nothing in it but what is seen."""
    return _is_bare_png(data) if data.startswith(b"\x89PNG") else data.startswith(b"\xff\xd8") and _is_bare_jpeg(data)


def _is_bare_png(data: bytes) -> bool:
    """Whether *data* has none but the parts that are needed to show it (PNG, third edition, section 11), and ends."""
    place = 8
    while place + 12 <= len(data):
        length, kind = int.from_bytes(data[place : place + 4]), data[place + 4 : place + 8]
        if length > _PNG_PARTS.get(kind, -1):
            return False
        place += 12 + length
        if kind == b"IEND":
            return place == len(data)
    return False


def _is_bare_jpeg(data: bytes) -> bool:
    """Whether *data* has none but the segments that are needed to show it (ITU-T T.81, annex B), and ends."""
    place = 2
    while place + 4 <= len(data):
        if data[place] != 0xFF:
            return False
        marker, length = data[place + 1], int.from_bytes(data[place + 2 : place + 4])
        if not _is_shown(marker, length, data[place + 4 : place + 18]):
            return False
        place += 2 + length
        if marker == _SCAN:
            coded = _CODED_END.search(data, place)
            if coded is None:
                return False
            place = coded.start()
        if data[place : place + 2] == b"\xff\xd9":
            return place + 2 == len(data)
    return False


def _is_shown(marker: int, length: int, begins: bytes) -> bool:
    if marker == 0xE0:  # with a small picture of itself it is longer
        return begins.startswith(b"JFIF\0") and length == 16
    if marker == 0xEE:
        return begins.startswith(b"Adobe") and length == 14
    return marker in _JPEG_PARTS


def _made(picture: Any, asked: dict[str, Any]) -> dict[str, Any]:
    import base64

    from PIL import Image, ImageOps

    side = asked["side"]
    lossy = picture.format in ("JPEG", "MPO", "WEBP", "AVIF")
    if picture.mode == "RGB":
        picture.draft("RGB", (side, side))
    small = _in_colours(picture)
    small.thumbnail((side, side), Image.Resampling.LANCZOS, reducing_gap=3.0)
    small = ImageOps.exif_transpose(small)
    for kind, encoded in _encodings(small, lossy=lossy):
        if len(encoded) <= asked["bytes"]:
            return {"picture": base64.b64encode(encoded).decode(), "kind": kind, "size": list(small.size)}
    raise UnreadableError("bytes")


def _in_colours(picture: Any) -> Any:
    """The picture with eight bits a colour."""
    picture.load()
    if picture.mode.startswith("I") or picture.mode == "F":
        return _in_eight_bits(picture)
    if picture.mode in ("L", "LA", "RGB", "RGBA"):
        return picture
    clear = "transparency" in picture.info or picture.mode in ("PA", "La", "RGBa")
    return picture.convert("RGBA" if clear else "RGB")


def _in_eight_bits(picture: Any) -> Any:
    """A picture in greys of sixteen bits or more; where any numbers may stand, from the least to the most."""
    wide = picture if picture.mode == "F" else picture.convert("I")
    least, most = (float(value) for value in wide.getextrema())
    usual = 256 if picture.mode == "F" and most > 1 else 65_536 if picture.mode != "F" else 0
    low, step = (0.0, 256 / usual) if least >= 0 and most < usual else (least, 255 / ((most - least) or 1))
    return wide.convert("F").point(lambda value: value * step - low * step).convert("L")


def _encodings(picture: Any, *, lossy: bool) -> Any:
    """*picture* as PNG, where it is drawn or clear in places, and as JPEG, ever smaller."""
    import io

    clear = picture.mode in ("LA", "RGBA") and picture.getchannel("A").getextrema()[0] < 255
    if clear or not lossy:
        out = io.BytesIO()
        _bare(picture).save(out, "PNG", optimize=True)
        yield "image/png", out.getvalue()
    opaque = _on_white(picture)
    for quality in _QUALITIES:
        out = io.BytesIO()
        opaque.save(out, "JPEG", quality=quality, optimize=True)
        yield "image/jpeg", out.getvalue()


def _on_white(picture: Any) -> Any:
    from PIL import Image

    if picture.mode not in ("LA", "RGBA"):
        return _bare(picture)
    white = Image.new("RGB", picture.size, "white")
    white.paste(picture.convert("RGB"), mask=picture.getchannel("A"))
    return white


def _bare(picture: Any) -> Any:
    """The picture with nothing but what is seen, so that nothing else is written."""
    bare = picture.copy()
    bare.info = {}
    return bare
