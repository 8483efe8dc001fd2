"""One picture, made small enough to be sent and without what its camera wrote into it: a reader of `core/bounded.py`.

A picture of some kB can claim, and unpack to, gigabytes. It needs Pillow.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    from typing import Any

_KINDS = ("Jpeg", "Png", "Gif", "WebP", "Bmp", "Tiff", "Avif")
"""What is opened, by Pillow's modules. Nothing that is a program, such as EPS."""
_TURNED = (5, 6, 7, 8)
"""Orientations in which width and height change places (EXIF 2.32, tag 0x0112)."""
_QUALITIES = (90, 75, 50)


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
    orientation = picture.getexif().get(0x0112, 1)
    found: dict[str, Any] = {
        "was": [height, width] if orientation in _TURNED else [width, height],
        "format": picture.format,
        "frames": frames,
        "told": _tells(picture, data),
    }
    if _fits(picture, data, asked) and frames == 1 and not found["told"]:
        picture.load()  # whether it is whole
        return found | {"picture": "", "kind": picture.get_format_mimetype(), "size": found["was"]}
    return found | _made(picture, asked)


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
    written = {str(key).lower() for key in picture.info} & {"exif", "xmp", "comment", "photoshop", "xml:com.adobe.xmp"}
    more = picture.format in ("JPEG", "MPO") and not data.rstrip(b"\0").endswith(b"\xff\xd9")
    return bool(written) or bool(getattr(picture, "text", None)) or more or picture.format == "MPO"


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
    if picture.mode.startswith("I"):  # sixteen bits of grey
        return picture.convert("I").point(lambda value: value * (1 / 256)).convert("L")
    if picture.mode in ("L", "LA", "RGB", "RGBA"):
        return picture
    clear = "transparency" in picture.info or picture.mode in ("PA", "La", "RGBa")
    return picture.convert("RGBA" if clear else "RGB")


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
