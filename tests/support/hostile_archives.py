"""Office documents that somebody might send to do harm, and those that are only broken, each made here in a moment."""

from __future__ import annotations

import io
import struct
import warnings
import zipfile
from collections.abc import Mapping

from hostile_pdfs import Hostile

W = 'xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"'
S = 'xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"'
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"
PRIVATE = "root:x:0:0"
"""What no text may hold: it stands in a file of this machine that some of these name."""


def zipped(parts: Mapping[str, str | bytes], how: int = zipfile.ZIP_DEFLATED) -> bytes:
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how, compresslevel=9) as made:
        for name, content in parts.items():
            made.writestr(name, content)
    return out.getvalue()


def word(
    inside: str = "<w:p><w:r><w:t>Hello</w:t></w:r></w:p>",
    before: str = "",
    more: Mapping[str, str | bytes] | None = None,
) -> bytes:
    return zipped(
        {"word/document.xml": f"{before}<w:document {W}><w:body>{inside}</w:body></w:document>", **(more or {})}
    )


def workbook(rows: str, **more: str) -> bytes:
    sheet = f"<worksheet {S}><sheetData>{rows}</sheetData></worksheet>"
    return zipped({"xl/worksheets/sheet1.xml": sheet, **{f"xl/{name}.xml": part for name, part in more.items()}})


def bomb(size: int = 1 << 29, how: int = zipfile.ZIP_DEFLATED) -> bytes:
    """So many bytes of spaces in one part."""
    out = io.BytesIO()
    with zipfile.ZipFile(out, "w", how) as made, made.open("word/document.xml", "w", force_zip64=True) as part:
        part.write(f"<w:document {W}>".encode())
        piece = b" " * (1 << 22)
        for _ in range(size >> 22):
            part.write(piece)
    return out.getvalue()


def zips_in_zips(levels: int = 6, each: int = 16) -> bytes:
    data = zipped({"word/document.xml": b" " * (1 << 20)})
    for _ in range(levels):
        data = zipped({f"{number}.zip": data for number in range(each)})
    return data


def overlapping(times: int = 10_000) -> bytes:
    """Many entries of the list at the end that are all the same megabyte (the bomb of D. Fifield, 2019)."""
    data = zipped({"word/document.xml": b" " * (1 << 20)})
    start = data.index(b"PK\x01\x02")
    end = data.index(b"PK\x05\x06")
    entry, tail = data[start:end], bytearray(data[end:])
    count = min(times, 65_000)
    struct.pack_into("<HHL", tail, 8, count, count, len(entry) * count)
    return data[:start] + entry * count + bytes(tail)


def claiming(size: int, kept: bytes | None = None) -> bytes:
    """A document that says of its part that it has *size* bytes."""
    data = bytearray(kept or word())
    central = data.index(b"PK\x01\x02")
    for place in (central + 24, 22):
        struct.pack_into("<L", data, place, size)
    return bytes(data)


def flagged(bit: int, *, method: int | None = None) -> bytes:
    """A document with a flag set that says how its part is kept, or with another method."""
    data = bytearray(word())
    central = data.index(b"PK\x01\x02")
    for flags, kind in ((6, 8), (central + 8, central + 10)):
        struct.pack_into("<H", data, flags, struct.unpack_from("<H", data, flags)[0] | bit)
        if method is not None:
            struct.pack_into("<H", data, kind, method)
    return bytes(data)


def twice() -> bytes:
    out = io.BytesIO()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(out, "w") as made:
            for said in ("One", "Hello"):
                made.writestr("word/document.xml", f"<w:document {W}><w:p><w:t>{said}</w:t></w:p></w:document>")
    return out.getvalue()


def laughing(levels: int = 10) -> str:
    told = ['<!ENTITY a0 "ha">', *(f'<!ENTITY a{n} "{f"&a{n - 1};" * 10}">' for n in range(1, levels))]
    return f"<!DOCTYPE x [{''.join(told)}]>"


def outside() -> bytes:
    """A document that names files and addresses elsewhere, in every way that one may."""
    kinds = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
    rels = "".join(
        f'<Relationship Id="r{number}" Type="{kinds}/{kind}" Target="{target}" TargetMode="External"/>'
        for number, (kind, target) in enumerate(
            [
                ("attachedTemplate", "http://127.0.0.1:9/t.dotm"),
                ("aFChunk", "file:///etc/passwd"),
                ("image", "/etc/passwd"),
            ]
        )
    )
    field = (
        '<w:p><w:fldSimple w:instr="INCLUDETEXT /etc/passwd"/><w:t>Hello</w:t></w:p><w:altChunk r:id="r1" xmlns:r="r"/>'
    )
    return word(field, more={"word/_rels/document.xml.rels": f"<Relationships>{rels}</Relationships>"})


def _rows(count: int, inside: str = "") -> str:
    return f"<row>{inside}</row>" * count if inside else "<row/>" * count


_MANY = " ".join(f"a{number}='1'" for number in range(1_000_000))
_DEEP = "<w:p>" * 100_000
_ENTITY = '<!DOCTYPE x [<!ENTITY e SYSTEM "file:///etc/passwd">]>'
_SHARED = '<c t="s"><v>0</v></c>'
_CELL = '<c r="A1"><v>Hello</v></c>'
_ODS = (
    '<d xmlns:t="urn:oasis:names:tc:opendocument:xmlns:table:1.0"><t:table-row t:number-rows-repeated="1048576">'
    '<t:table-cell t:number-columns-repeated="16384"><p>Hello</p></t:table-cell></t:table-row></d>'
)
_SHOW = {f"ppt/slides/slide{n}.xml": f"<p><t>Hello {n}</t></p>" for n in range(1, 3_001)}

ARCHIVES = (
    Hostile("512 MB of spaces.docx", bomb),
    Hostile("bzip2 of spaces.docx", lambda: bomb(how=zipfile.ZIP_BZIP2)),
    Hostile("lzma of spaces.docx", lambda: bomb(how=zipfile.ZIP_LZMA)),
    Hostile("zips in zips.docx", zips_in_zips),
    Hostile(
        "zips within.docx", lambda: word(more={"word/embeddings/a.zip": zips_in_zips(3)}), "Hello", may_be_refused=False
    ),
    Hostile("the same megabyte 10,000 times.docx", overlapping),
    Hostile("the same megabyte 65,000 times.docx", lambda: overlapping(65_000)),
    Hostile("2 GB, it says.docx", lambda: claiming(2**31), "Hello"),
    Hostile("4 GB, it says.docx", lambda: claiming(2**32 - 1), "Hello"),
    Hostile("10 bytes, it says.docx", lambda: claiming(10, word("<w:t>x</w:t>" * 100_000))),
    Hostile("65,000 entries.docx", lambda: zipped(dict.fromkeys(map(str, range(65_000)), b""), zipfile.ZIP_STORED)),
    Hostile("encrypted.docx", lambda: flagged(1)),
    Hostile("encrypted by Office.docx", lambda: OLE + bytes(4_096)),
    Hostile("packed in a way nobody knows.docx", lambda: flagged(0, method=99)),
    Hostile("deep.docx", lambda: word(_DEEP)),
    Hostile("a billion laughs.docx", lambda: word("<w:t>&a9;</w:t>", laughing())),
    Hostile(
        "a billion laughs in strings.xlsx", lambda: workbook(_SHARED, sharedStrings=laughing() + "<sst>&a9;</sst>")
    ),
    Hostile("a file of this machine.docx", lambda: word("<w:t>&e;</w:t>", _ENTITY)),
    Hostile(
        "a document type elsewhere.docx", lambda: word("<w:t>x</w:t>", '<!DOCTYPE x SYSTEM "http://127.0.0.1:9/">')
    ),
    Hostile("one string of 60 MB.docx", lambda: word(f"<w:p><w:t>{'a' * (60 << 20)}</w:t></w:p>"), "aaa"),
    Hostile(
        "one attribute of 60 MB.docx", lambda: word(f'<w:p w:a="{"a" * (60 << 20)}"><w:t>Hello</w:t></w:p>'), "Hello"
    ),
    Hostile("a million attributes.docx", lambda: word(f"<w:p {_MANY}><w:t>Hello</w:t></w:p>"), "Hello"),
    Hostile("comments of 60 MB.docx", lambda: word(f"<!--{'a' * (60 << 20)}--><w:p><w:t>Hello</w:t></w:p>"), "Hello"),
    Hostile(
        "names elsewhere.docx",
        lambda: word(more={f"{'../' * 9}etc/passwd": "x", "/etc/shadow": "x"}),
        "Hello",
        may_be_refused=False,
    ),
    Hostile("relations elsewhere.docx", outside, "Hello", may_be_refused=False),
    Hostile("one name twice.docx", twice, "Hello"),
    Hostile("macros.docm", lambda: word(more={"word/vbaProject.bin": OLE}), "Hello", may_be_refused=False),
    Hostile(
        "a million empty rows.xlsx",
        lambda: workbook(_rows(1_000_000) + f"<row>{_CELL}</row>"),
        "Hello",
        may_be_refused=False,
    ),
    Hostile("a million full rows.xlsx", lambda: workbook(_rows(1_000_000, _CELL)), "Hello"),
    Hostile(
        "the last cell there is.xlsx",
        lambda: workbook('<row r="1048576"><c r="XFD1048576"><v>Hello</v></c></row>'),
        "[XFD] Hello",
    ),
    Hostile(
        "a cell beyond that.xlsx", lambda: workbook(f'<row><c r="{"Z" * 100_000}1"><v>Hello</v></c></row>'), "Hello"
    ),
    Hostile(
        "a string shown a million times.xlsx",
        lambda: workbook(_rows(100_000, _SHARED * 10), sharedStrings=f"<sst><si><t>{'a' * 32_000}</t></si></sst>"),
        "aaa",
    ),
    Hostile(
        "strings that are none.xlsx",
        lambda: workbook('<row><c t="s"><v>-1</v></c><c t="s"><v>nine</v></c></row>'),
        "nine",
    ),
    Hostile(
        "numbers without an end.xlsx",
        lambda: workbook(
            f'<row><c s="0"><v>{"9" * 100_000}</v></c></row>', styles=('<s><cellXfs><xf numFmtId="14"/></cellXfs></s>')
        ),
        "999",
    ),
    Hostile(
        "styles that are none.xlsx",
        lambda: workbook(
            f"<row>{_CELL}</row>",
            styles=('<s><numFmt formatCode="yy" numFmtId="x"/><cellXfs><xf numFmtId="y"/></cellXfs></s>'),
        ),
        "Hello",
    ),
    Hostile(
        "cells of a table without an end.ods", lambda: zipped({"content.xml": _ODS}), "Hello", may_be_refused=False
    ),
    Hostile("3,000 slides.pptx", lambda: zipped(_SHOW), "Hello 3000", may_be_refused=False),
    Hostile(
        "a slide of 5,000 digits.pptx",
        lambda: zipped({f"ppt/slides/slide{'9' * 5_000}.xml": "<p><t>Hello</t></p>"}),
        "Hello",
    ),
    Hostile("half letters.docx", lambda: word("<w:p><w:t>&#xD83D;</w:t></w:p>")),
    Hostile("not XML.docx", lambda: zipped({"word/document.xml": bytes(range(256)) * 100})),
    Hostile("UTF-16 that is none.docx", lambda: zipped({"word/document.xml": b"\xff\xfe<\0w\0"})),
    Hostile("cut off.docx", lambda: word()[:150]),
    Hostile("a wrong sum.docx", lambda: word().replace(word()[14:18], b"\0\0\0\0")),
    Hostile("only a header.docx", lambda: b"PK\x03\x04"),
    Hostile("nothing in it.docx", lambda: zipped({"readme.txt": "x"})),
    Hostile("no letters.docx", lambda: word("")),
)
