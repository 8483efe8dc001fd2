"""Pages, mails, books and old documents that somebody might send to do harm, and pictures."""

from __future__ import annotations

import io
import random
import struct
import zlib

from hostile_archives import OLE, zipped
from hostile_pdfs import Hostile

PICTURE = "picture"
"""What the text of a picture is that can be sent."""


def png(width: int, height: int, packed: bytes, *, depth: int = 8, before: bytes = b"") -> bytes:
    head = struct.pack(">LLBBBBB", width, height, depth, 2, 0, 0, 0)
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + before + chunk(b"IDAT", packed) + chunk(b"IEND", b"")


def chunk(kind: bytes, body: bytes) -> bytes:
    return struct.pack(">L", len(body)) + kind + body + struct.pack(">L", zlib.crc32(kind + body))


def drawn(width: int, height: int, mode: str, kind: str, **saving: object) -> bytes:
    from PIL import Image

    out = io.BytesIO()
    Image.new(mode, (width, height)).save(out, kind, **saving)
    return out.getvalue()


def moving(frames: int) -> bytes:
    from PIL import Image

    shown = [Image.effect_noise((20, 20), 50 + number % 50) for number in range(frames)]
    out = io.BytesIO()
    shown[0].save(out, "GIF", save_all=True, append_images=shown[1:])
    return out.getvalue()


def with_segments(count: int) -> bytes:
    """A photo with so many pieces of what a camera wrote."""
    data = drawn(50, 50, "RGB", "JPEG")
    return data[:2] + (b"\xff\xe1" + struct.pack(">H", 65_000) + b"Exif\0\0" + bytes(64_992)) * count + data[2:]


def looping_sectors() -> bytes:
    """A file of old Office whose table of sectors leads from each to the second."""
    head = OLE + bytes(16) + struct.pack("<HHHHH", 0x3E, 3, 0xFFFE, 9, 6) + bytes(6)
    head += struct.pack("<9I", 0, 1, 1, 0, 4_096, 1, 1, 0xFFFFFFFE, 0) + struct.pack("<109I", 0, *[0xFFFFFFFF] * 108)
    return head + struct.pack("<128I", *[1] * 128) * 2 + bytes(2_048)


def noise() -> bytes:
    return OLE + random.Random(18).randbytes(200_000)


def book(chapter: str | bytes, listed: str = "a.xhtml", before: str = "") -> bytes:
    item = f'<item id="a" href="{listed}" media-type="application/xhtml+xml"/>'
    return zipped(
        {
            "mimetype": "application/epub+zip",
            "META-INF/container.xml": '<container><rootfiles><rootfile full-path="c.opf"/></rootfiles></container>',
            "c.opf": f'{before}<package><manifest>{item}</manifest><spine><itemref idref="a"/></spine></package>',
            "a.xhtml": chapter,
        }
    )


_BOMB = zlib.compress(bytes(300 << 20), 9)
_ENTITY = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
_PARTS = b"".join(b"Content-Type: multipart/mixed; boundary=b%d\r\n\r\n--b%d\r\n" % (n, n) for n in range(20_000))

PICTURES = (
    Hostile("100 million pixels.png", lambda: drawn(9_999, 9_999, "RGBA", "PNG", compress_level=1), PICTURE),
    Hostile("100 million of 16 bits.png", lambda: drawn(9_999, 9_999, "I;16", "PNG", compress_level=1), PICTURE),
    Hostile("100 million pixels.jpg", lambda: drawn(9_990, 9_990, "CMYK", "JPEG"), PICTURE),
    Hostile("100 million pixels.tiff", lambda: drawn(9_990, 9_990, "RGB", "TIFF", compression="tiff_lzw"), PICTURE),
    Hostile("more pixels than there are.png", lambda: png(2**31 - 1, 2**31 - 1, b"")),
    Hostile("more than may be.png", lambda: png(20_000, 20_000, zlib.compress(bytes(1_000)))),
    Hostile("one pixel wide.png", lambda: drawn(1, 65_000, "L", "PNG"), PICTURE, may_be_refused=False),
    Hostile("a text of 300 MB.png", lambda: png(1, 1, b"", before=chunk(b"zTXt", b"a\0\0" + _BOMB))),
    Hostile("colours of 300 MB.png", lambda: png(1, 1, b"", before=chunk(b"iCCP", b"a\0\0" + _BOMB))),
    Hostile("300 MB of a few pixels.png", lambda: png(10, 10, _BOMB), PICTURE),
    Hostile("3,000 pictures.gif", lambda: moving(3_000), PICTURE),
    Hostile("65,535 pixels a side, it says.gif", lambda: b"GIF89a" + b"\xff" * 4 + bytes(30)),
    Hostile("a table in itself.tiff", lambda: b"II*\0\x08\0\0\0" + struct.pack("<HL", 0, 8)),
    Hostile("26 MB of a camera.jpg", lambda: with_segments(400), PICTURE),
    Hostile("cut off.jpg", lambda: drawn(500, 500, "RGB", "JPEG")[:900]),
    Hostile("a program.eps", lambda: b"%!PS-Adobe-3.0 EPSF-3.0\n%%BoundingBox: 0 0 9 9\n(/etc/passwd) run"),
)
PAGES = (
    Hostile("deep.html", lambda: b"<div>" * 500_000 + b"Hello", "Hello"),
    Hostile("beginnings.html", lambda: b"Hello" + b"<" * 500_000, "Hello"),
    Hostile("comments.html", lambda: b"Hello" + b"<!--" * 200_000, "Hello"),
    Hostile("links without an end.html", lambda: b"Hello" + b"<a href='" * 200_000, "Hello"),
    Hostile("signs.html", lambda: b"Hello" + b"&#" * 500_000, "Hello"),
    Hostile("only scripts.html", lambda: b"<script>" + b"x" * 1_000_000 + b"</script>"),
)
FOREIGN = (
    Hostile("groups in groups.rtf", lambda: b"{\\rtf1 " + b"{" * 1_000_000, ""),
    Hostile("2 GB, it says.rtf", lambda: b"{\\rtf1 \\bin2000000000 x}", ""),
    Hostile("20 MB of one word.rtf", lambda: b"{\\rtf1 " + b"a" * (20 << 20) + b"}", "aaa"),
    Hostile("parts in parts.eml", lambda: _PARTS, ""),
    Hostile("mails in mails.eml", lambda: b"Content-Type: message/rfc822\r\n\r\n" * 50_000, ""),
    Hostile("sectors in a loop.doc", looping_sectors, ""),
    Hostile("sectors in a loop.xls", looping_sectors, ""),
    Hostile("noise.ppt", noise, ""),
    Hostile("noise.msg", noise, ""),
    Hostile("deep.epub", lambda: book("<p>" * 200_000), ""),
    Hostile("400 MB.epub", lambda: book(b" " * (400 << 20)), ""),
    Hostile("a file of this machine.epub", lambda: book(f"{_ENTITY}<html><body>&e;Hello</body></html>"), "Hello"),
    Hostile("a chapter elsewhere.epub", lambda: book("x", "../../../../../../etc/passwd"), ""),
    Hostile("a file of this machine.fb2", f"{_ENTITY}<FictionBook><p>&e;</p></FictionBook>".encode, ""),
    Hostile("deep.fb2", lambda: b"<FictionBook><body>" + b"<section>" * 300_000, ""),
)
