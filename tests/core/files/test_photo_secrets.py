"""What a camera, a phone or a program hides in a picture: none of it is sent, wherever in the file it stands."""

from __future__ import annotations

import io
import struct
import zlib
from collections.abc import Iterator

import pytest
from PIL import Image

from core.files.photos import photo_of

SECRET = b"SecretPlace"


def saved(kind: str, mode: str = "RGB", size: tuple[int, int] = (30, 20), **how: object) -> bytes:
    out = io.BytesIO()
    Image.new(mode, size).save(out, kind, **how)
    return out.getvalue()


JPEG, PNG = saved("JPEG"), saved("PNG")


def segment(marker: int, said: bytes) -> bytes:
    return bytes([0xFF, marker]) + struct.pack(">H", len(said) + 2) + said


def chunk(kind: bytes, said: bytes) -> bytes:
    return struct.pack(">I", len(said)) + kind + said + struct.pack(">I", zlib.crc32(kind + said))


def hiding() -> Iterator[tuple[str, bytes]]:
    for marker in [*range(0xE0, 0xF0), 0xFE]:
        for place in (2, len(JPEG) - 2):
            yield f"JPEG {marker:x} at {place}", JPEG[:place] + segment(marker, b"XXXX\0" + SECRET) + JPEG[place:]
    yield "a second JPEG behind", JPEG + JPEG[:2] + segment(0xFE, SECRET) + JPEG[2:]
    yield "words in the JPEG between its segments", JPEG[:20] + b"\0\0" + SECRET + JPEG[20:]
    for kind in (b"tEXt", b"zTXt", b"iTXt", b"eXIf", b"caBX", b"prVt", b"iCCP", b"tIME", b"sPLT", b"pHYs"):
        for place in (33, len(PNG) - 12):
            yield f"PNG {kind.decode()} at {place}", PNG[:place] + chunk(kind, b"a\0\0" + SECRET) + PNG[place:]
    yield "words behind the PNG", PNG + SECRET


@pytest.mark.parametrize("data", [data for _, data in hiding()], ids=[name for name, _ in hiding()])
def test_nothing_but_what_is_seen_is_sent(data: bytes) -> None:
    photo = photo_of(data, "p")
    assert SECRET in data and SECRET not in photo.image.data
    assert photo.notes == ("without what its camera or program wrote into it",)


@pytest.mark.parametrize("how", [{}, {"progressive": True}, {"quality": 100}, {"restart_marker_rows": 1}])
def test_a_jpeg_that_hides_nothing_stays_as_it_is(how: dict[str, object]) -> None:
    noise = Image.effect_noise((300, 200), 90)
    out = io.BytesIO()
    noise.convert("RGB").save(out, "JPEG", **how)
    assert photo_of(out.getvalue(), "p").image.data == out.getvalue() and photo_of(out.getvalue(), "p").notes == ()


@pytest.mark.parametrize("most", [1.0, 255.0, 1e6])
def test_greys_in_any_numbers_are_seen(most: float) -> None:
    greys = Image.linear_gradient("L").convert("F").point(lambda value: value * (most / 255) + 0)
    out = io.BytesIO()
    greys.save(out, "TIFF")
    shown = Image.open(io.BytesIO(photo_of(out.getvalue(), "p").image.data))
    assert shown.getextrema() == (0, 255)


def test_the_size_of_a_turned_tiff_is_told_as_it_is_seen() -> None:
    exif = Image.Exif()
    exif[0x0112] = 6
    assert photo_of(saved("TIFF", exif=exif), "p").notes == ("TIFF made PNG",)


def test_a_screenshot_that_is_too_long_to_read_is_said_to_be() -> None:
    notes = photo_of(saved("PNG", size=(1_080, 20_000)), "p").notes
    assert notes[-1] == "what is small in it can hardly be read: send it in parts"
