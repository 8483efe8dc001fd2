"""Pictures on their way to AIs that see: small enough, upright, of a kind that all take, and without their secrets."""

from __future__ import annotations

import io
import struct
import zlib
from pathlib import Path

import pytest
from PIL import Image, ImageDraw

from core.files import photos
from core.files.photos import LONGEST_SIDE, Photo, PictureError, photo_of, picture
from core.files.workspace import FileRefusedError, Workspace

GPS = {1: "N", 2: (52.0, 31.0, 12.0), 3: "E", 4: (13.0, 24.0, 18.0)}


def drawn(width: int, height: int, kind: str = "PNG", mode: str = "RGB", **saving: object) -> bytes:
    """A picture whose upper left quarter is red."""
    made = Image.new("RGB", (width, height), "blue")
    ImageDraw.Draw(made).rectangle((0, 0, width // 2, height // 2), fill="red")
    out = io.BytesIO()
    made.convert(mode).save(out, kind, **saving)
    return out.getvalue()


def from_a_camera(width: int, height: int, orientation: int) -> bytes:
    exif = Image.Exif()
    exif[0x0112] = orientation
    exif[0x010F] = "SecretCamera"
    exif.get_ifd(0x8825).update(GPS)
    return drawn(width, height, "JPEG", exif=exif)


def seen(photo: Photo) -> Image.Image:
    return Image.open(io.BytesIO(photo.image.data))


def red(shown: Image.Image, across: float, down: float) -> bool:
    colours = shown.convert("RGB").getpixel((int(shown.width * across), int(shown.height * down)))
    return isinstance(colours, tuple) and colours[0] > 200 and colours[2] < 60


def test_a_small_picture_goes_as_it_is() -> None:
    for data in (drawn(300, 200), drawn(300, 200, "JPEG")):
        assert photo_of(data, "p").image.data == data and photo_of(data, "p").notes == ()


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "WEBP"])
def test_a_large_one_is_scaled_and_that_is_told(kind: str) -> None:
    photo = photo_of(drawn(4_000, 1_000, kind), "p")
    assert seen(photo).size == (LONGEST_SIDE, 500) and red(seen(photo), 0.25, 0.25) and not red(seen(photo), 0.75, 0.75)
    assert photo.notes[0] == "scaled from 4,000 x 1,000 to 2,000 x 500 pixels"


def test_a_photo_stands_upright_and_tells_neither_where_nor_with_what_it_was_taken() -> None:
    photo = photo_of(from_a_camera(3_000, 1_500, orientation=6), "p.jpg")
    shown = seen(photo)
    assert shown.size == (1_000, 2_000) and red(shown, 0.75, 0.25) and not red(shown, 0.25, 0.25)
    assert not dict(shown.getexif()) and b"SecretCamera" not in photo.image.data
    assert photo.notes == (
        "scaled from 1,500 x 3,000 to 1,000 x 2,000 pixels",
        "without what its camera or program wrote into it",
    )


def test_what_is_written_into_a_small_one_is_taken_out_too() -> None:
    for data in (from_a_camera(30, 20, orientation=1), drawn(30, 20, "JPEG", comment=b"SecretCamera")):
        photo = photo_of(data, "p.jpg")
        assert b"SecretCamera" not in photo.image.data and len(photo.notes) == 1
    told = Image.new("RGB", (9, 9))
    out = io.BytesIO()
    from PIL.PngImagePlugin import PngInfo

    text = PngInfo()
    text.add_text("prompt", "SecretCamera")
    told.save(out, "PNG", pnginfo=text)
    assert b"SecretCamera" in out.getvalue() and b"SecretCamera" not in photo_of(out.getvalue(), "p.png").image.data


def test_what_lies_behind_a_photo_does_not_go_along() -> None:
    photo = photo_of(drawn(30, 20, "JPEG") + b"a film, as some telephones keep it there", "p.jpg")
    assert b"film" not in photo.image.data and photo.notes == ("without what its camera or program wrote into it",)


@pytest.mark.parametrize(
    ("kind", "mode", "expected", "note"),
    [
        ("BMP", "RGB", "image/png", "BMP made PNG"),
        ("TIFF", "CMYK", "image/png", "TIFF made PNG"),
        ("TIFF", "I;16", "image/png", "TIFF made PNG"),
        ("WEBP", "RGB", "image/jpeg", "WEBP made JPEG"),
        ("WEBP", "RGBA", "image/jpeg", "WEBP made JPEG"),
        ("GIF", "P", "image/png", "GIF made PNG"),
        ("JPEG", "CMYK", "image/jpeg", ""),
        ("PNG", "1", "image/png", ""),
        ("PNG", "LA", "image/png", ""),
    ],
)
def test_every_kind_is_one_that_all_ais_take(kind: str, mode: str, expected: str, note: str) -> None:
    photo = photo_of(drawn(40, 40, kind, mode), "p")
    assert (photo.image.media_type, ", ".join(photo.notes)) == (expected, note)
    assert seen(photo).format == expected.rpartition("/")[2].upper()


def test_of_a_picture_that_moves_the_first_is_sent_and_that_is_told() -> None:
    frames = [Image.new("RGB", (20, 20), colour) for colour in ("red", "blue", "green")]
    out = io.BytesIO()
    frames[0].save(out, "GIF", save_all=True, append_images=frames[1:])
    photo = photo_of(out.getvalue(), "p.gif")
    assert red(seen(photo), 0.5, 0.5) and photo.notes == ("GIF made PNG", "only the first of its 3 pictures")


def test_what_is_clear_in_a_picture_stays_clear() -> None:
    out = io.BytesIO()
    Image.new("RGBA", (2_400, 20), (255, 0, 0, 0)).save(out, "PNG")
    assert seen(photo_of(out.getvalue(), "p.png")).mode == "RGBA"


def test_noise_that_no_png_packs_becomes_a_jpeg_within_the_bound() -> None:
    out = io.BytesIO()
    Image.effect_noise((2_000, 2_000), 100).convert("RGB").save(out, "PNG")
    photo = photo_of(out.getvalue(), "p.png")
    assert photo.image.media_type == "image/jpeg" and len(photo.image.data) <= 3_750_000
    assert photo.notes == ("PNG made JPEG",)


def png(width: int, height: int, packed: bytes) -> bytes:
    def chunk(kind: bytes, body: bytes) -> bytes:
        return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))

    head = struct.pack(">LLBBBBB", width, height, 8, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (png(60_000, 60_000, zlib.compress(bytes(1_000))), "too many pixels"),
        (png(2**31 - 1, 2**31 - 1, b""), "too many pixels"),
        (png(100, 100, zlib.compress(bytes(100))), "cannot be read"),
        (png(0, 0, b""), "cannot be read|no picture"),
        (drawn(500, 500, "JPEG")[:2_000], "cannot be read"),
        (drawn(500, 500, "GIF")[:30], "cannot be read|no picture"),
        (drawn(500, 500, "TIFF")[:60], "cannot be read|no picture"),
        (drawn(500, 500, "WEBP")[:100], "cannot be read|no picture"),
        (b"\xff\xd8\xff garbage", "no picture"),
        (b"\x89PNG\r\n\x1a\n garbage", "cannot be read|no picture"),
        (b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run", "no picture"),
        (b"<svg xmlns='http://www.w3.org/2000/svg'><image href='file:///etc/passwd'/></svg>", "no picture"),
        (b"\0\0\0\x18ftypheic\0\0\0\0mif1heic", "save it as JPEG"),
        (b"", "is empty"),
    ],
    ids=lambda value: str(value[:12]) if isinstance(value, bytes) else "",
)
def test_what_lies_about_itself_or_is_none_ends_in_a_sentence(data: bytes, said: str) -> None:
    with pytest.raises(PictureError, match=said):
        photo_of(data, "'p'")


def test_without_pillow_they_go_as_they_are_and_it_is_said_what_that_means(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(photos, "can_scale", lambda: False)
    data = from_a_camera(3_000, 20, orientation=1)
    assert photo_of(data, "p").image.data == data and "moot-mcp[pictures]" in photo_of(data, "p").notes[0]
    for refused in (drawn(9, 9, "BMP"), b"\xff\xd8\xff" + bytes(11 * 1024 * 1024)):
        with pytest.raises(PictureError, match=r"install moot-mcp\[pictures\]"):
            photo_of(refused, "p")


@pytest.mark.parametrize(
    ("data", "told"),
    [
        (drawn(9, 9), False),
        (drawn(9, 9, "JPEG"), False),
        (drawn(9, 9, "JPEG", comment=b"words"), True),
        (drawn(9, 9, "JPEG", icc_profile=b"words"), True),
        (drawn(9, 9, "JPEG") + b"words", True),
        (drawn(9, 9, "PNG", icc_profile=b"words"), True),
        (drawn(9, 9) + b"words", True),
        (drawn(9, 9, "WEBP", xmp=b"words"), True),
        (drawn(9, 9, "GIF", "P", comment=b"words"), True),
    ],
)
def test_without_pillow_whatever_else_stands_in_one_is_told(
    monkeypatch: pytest.MonkeyPatch, data: bytes, told: bool
) -> None:
    monkeypatch.setattr(photos, "can_scale", lambda: False)
    assert any("moot-mcp[pictures]" in note for note in photo_of(data, "p").notes) is told


def test_whoever_speaks_to_the_endpoint_has_its_pictures_sent_as_they_are() -> None:
    data = drawn(2_500, 20)
    assert picture(data, "p").data == data


def test_a_picture_of_the_workspace_is_made_smaller_and_a_broken_one_named(tmp_path: Path) -> None:
    (tmp_path / "large.png").write_bytes(drawn(2_500, 100))
    (tmp_path / "broken.jpg").write_bytes(drawn(99, 99, "JPEG")[:300])
    workspace = Workspace.open([str(tmp_path)])
    photo, private = workspace.read_image("large.png")
    assert seen(photo).size == (2_000, 80) and not private
    with pytest.raises(FileRefusedError, match=r"'broken\.jpg' is a picture that cannot be read"):
        workspace.read_image("broken.jpg")
    with pytest.raises(FileRefusedError, match=r"'large\.png' is a picture\. Name it among the pictures"):
        workspace.read_text("large.png")
