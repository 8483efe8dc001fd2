"""PDF files that somebody might send to do harm, and those that are only broken, each made here in a moment."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable, Mapping
from dataclasses import dataclass

HELLO = b"BT /F1 12 Tf 10 100 Td (Hello) Tj ET"


@dataclass(frozen=True)
class Hostile:
    """A file, and how it has to end.

    Args:
        text: What its text holds where it is read. None: it has to be refused.
        may_be_refused: Whether a sentence is as good as that text.
    """

    name: str
    make: Callable[[], bytes]
    text: str | None = None
    may_be_refused: bool = True

    def right(self, text: str | None) -> bool:
        """Whether it may be read as *text*; None: be refused."""
        if text is None:
            return self.text is None or self.may_be_refused
        return self.text is not None and self.text in text


def stream(content: bytes, entries: bytes = b"") -> bytes:
    return b"<</Length %d%s>>stream\n%s\nendstream" % (len(content), entries, content)


def packed(content: bytes, entries: bytes = b"") -> bytes:
    return stream(zlib.compress(content, 9), b"/Filter/FlateDecode" + entries)


def page(contents: bytes = b"3 0 R", resources: bytes = b"/Font<</F1 4 0 R>>") -> bytes:
    return b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents %s/Resources<<%s>>>>" % (contents, resources)


def objects(content: bytes = HELLO, **more: bytes) -> dict[int, bytes]:
    """A file of one page; *more* replaces or adds objects by their number, as in `_2=...`."""
    made = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[10 0 R]/Count 1>>",
        3: stream(content),
        4: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
        10: page(),
    }
    return made | {int(name[1:]): body for name, body in more.items()}


def laid_out(made: Mapping[int, bytes], *, trailer: bytes = b"", shift: int = 0, start: int | None = None) -> bytes:
    """*made* as a file. *shift* makes all its offsets wrong by so many bytes, *start* that of its table."""
    out, places = io.BytesIO(), {}
    out.write(b"%PDF-1.7\n")
    for number, body in made.items():
        places[number] = out.tell()
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    table = out.tell()
    out.write(b"xref\n0 1\n0000000000 65535 f \n")
    for number, place in places.items():
        out.write(b"%d 1\n%010d 00000 n \n" % (number, place + shift))
    told = table if start is None else start
    out.write(b"trailer<</Size %d/Root 1 0 R%s>>\n" % (max(made) + 1, trailer.replace(b"TABLE", b"%d" % table)))
    out.write(b"startxref\n%d\n%%%%EOF" % told)
    return out.getvalue()


def pdf(content: bytes = HELLO, **more: bytes) -> bytes:
    return laid_out(objects(content, **more))


def many_pages(count: int) -> bytes:
    kids = b" ".join([b"10 0 R"] * count)
    return pdf(_2=b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, count))


def deep_tree(levels: int) -> bytes:
    made = objects(_2=b"<</Type/Pages/Kids[20 0 R]/Count 1>>")
    for level in range(20, 20 + levels):
        made[level] = b"<</Type/Pages/Kids[%d 0 R]/Count 1>>" % (level + 1)
    return laid_out(made | {20 + levels: page()})


def zeros(size: int, *, times: int) -> bytes:
    """So many zeros, packed so many *times* over."""
    packer = zlib.compressobj(9)
    piece = bytes(1 << 20)
    data = b"".join(packer.compress(piece) for _ in range(size >> 20)) + packer.flush()
    for _ in range(times - 1):
        data = zlib.compress(data, 9)
    return data


def chained(times: int) -> bytes:
    filters = b"/Filter[%s]" % (b"/FlateDecode" * times)
    return pdf(_3=stream(zeros(600 << 20, times=times), filters))


def doubling(levels: int) -> bytes:
    """Forms that each show the next one twice: 2 to the power of *levels* pieces of text."""
    made = objects(b"/X20 Do", _10=page(resources=b"/XObject<</X20 20 0 R>>"))
    for level in range(20, 20 + levels):
        below = b"/X%d Do /X%d Do" % (level + 1, level + 1)
        shown = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X%d %d 0 R>>>>" % (
            level + 1,
            level + 1,
        )
        made[level] = stream(below, shown)
    last = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</Font<</F1 4 0 R>>>>"
    return laid_out(made | {20 + levels: stream(HELLO, last)})


def form_in_itself() -> bytes:
    shown = b"/Type/XObject/Subtype/Form/BBox[0 0 9 9]/Resources<</XObject<</X 20 0 R>>/Font<</F1 4 0 R>>>>"
    return pdf(b"/X Do", _10=page(resources=b"/XObject<</X 20 0 R>>"), _20=stream(HELLO + b" /X Do", shown))


def font(ranges: bytes) -> bytes:
    """A page whose font says by *ranges* what its letters are."""
    told = b"begincmap 1 begincodespacerange <0000> <FFFF> endcodespacerange\n%s\nendcmap" % ranges
    return pdf(_4=b"<</Type/Font/Subtype/Type0/BaseFont/A/Encoding/Identity-H/ToUnicode 5 0 R>>", _5=packed(told))


def object_stream(inside: bytes, number: int) -> bytes:
    """A file whose page tree lies in a stream of objects, object 7, that extends itself."""
    head = b"%d 0 " % number
    body = stream(head + inside, b"/Type/ObjStm/N 1/First %d/Extends 7 0 R" % len(head))
    made = objects(_7=body)
    del made[2]
    out, places = io.BytesIO(), {}
    out.write(b"%PDF-1.7\n")
    for one, content in made.items():
        places[one] = out.tell()
        out.write(b"%d 0 obj\n%s\nendobj\n" % (one, content))
    table = out.tell()
    rows = [b"\x01" + places.get(one, 0).to_bytes(4, "big") + b"\0" for one in range(12)]
    rows[number] = b"\x02" + (7).to_bytes(4, "big") + b"\0"
    entries = b"/Type/XRef/W[1 4 1]/Size 12/Root 1 0 R"
    out.write(b"11 0 obj\n%s\nendobj\nstartxref\n%d\n%%%%EOF" % (stream(b"".join(rows), entries), table))
    return out.getvalue()


def endless_table() -> bytes:
    """A table of references that claims two thousand million entries."""
    entries = b"/Type/XRef/W[1 4 1]/Index[0 2000000000]/Size 2000000000/Root 1 0 R"
    return b"%%PDF-1.7\n1 0 obj\n%s\nendobj\nstartxref\n9\n%%%%EOF" % stream(b"\0" * 60, entries)


def looping_tables() -> bytes:
    """Two tables of references, each the one before the other."""
    first = laid_out(objects(), trailer=b"/Prev 9")
    second = b"xref\n0 1\n0000000000 65535 f \ntrailer<</Size 11/Root 1 0 R/Prev TABLE>>\n"
    at = first.index(b"xref\n0 1")
    added = len(second.replace(b"TABLE", b"%d" % (at + 90)))
    return b"%PDF-1.7\n" + second.replace(b"TABLE", b"%d" % (at + added)) + first[9:]


def locked(password: str) -> bytes:
    import pypdf

    writer = pypdf.PdfWriter(io.BytesIO(pdf()))
    writer.encrypt(user_password=password, owner_password="owner", algorithm="AES-256")
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def fields(value: bytes, *, kids: bytes = b"") -> bytes:
    catalog = b"<</Type/Catalog/Pages 2 0 R/AcroForm<</Fields[20 0 R]>>>>"
    return pdf(_1=catalog, _20=b"<</FT/Tx/T(name)/V(%s)%s>>" % (value, kids))


def in_front(count: int) -> bytes:
    """Beginnings of objects without an end, which whoever looks for them finds."""
    return b"%PDF-1.7\n" + b"1 0 obj <<\n" * count + b"startxref\n5\n%%EOF"


_LAUNCH = b"<</Type/Catalog/Pages 2 0 R/OpenAction<</S/Launch/F(/bin/sh)>>/AA<</O<</S/JavaScript/JS(app.alert(1))>>>>>>"
_SLOW = b"BT /F1 12 Tf (x) Tj ET\n"

PDFS = (
    Hostile("10,000 pages.pdf", lambda: many_pages(10_000)),
    Hostile(
        "two thousand million pages, it says.pdf",
        lambda: pdf(_2=b"<</Type/Pages/Kids[10 0 R]/Count 2000000000>>"),
        "Hello",
    ),
    Hostile("less than no pages, it says.pdf", lambda: pdf(_2=b"<</Type/Pages/Kids[10 0 R]/Count -5>>"), "Hello"),
    Hostile("a tree of pages in itself.pdf", lambda: pdf(_2=b"<</Type/Pages/Kids[2 0 R 10 0 R]/Count 2>>"), "Hello"),
    Hostile("a page in a page.pdf", lambda: pdf(_10=page()[:-2] + b"/Kids[10 0 R]>>"), "Hello"),
    Hostile("a tree of 5,000 levels.pdf", lambda: deep_tree(5_000), "Hello"),
    Hostile("a table before itself.pdf", lambda: laid_out(objects(), trailer=b"/Prev TABLE"), "Hello"),
    Hostile("tables before each other.pdf", looping_tables, "Hello"),
    Hostile("a table of 2,000,000,000 entries.pdf", endless_table),
    Hostile("a table beyond the end.pdf", lambda: laid_out(objects(), start=999_999_999), "Hello"),
    Hostile("a table before the beginning.pdf", lambda: laid_out(objects(), start=-7), "Hello"),
    Hostile("offsets that are wrong.pdf", lambda: laid_out(objects(), shift=3), "Hello"),
    Hostile("offsets far away.pdf", lambda: laid_out(objects(), shift=2_000_000_000), "Hello"),
    Hostile(
        "objects in a stream that extends itself.pdf",
        lambda: object_stream(b"<</Type/Pages/Kids[10 0 R]/Count 1>>", 2),
        "Hello",
    ),
    Hostile("a stream of objects in itself.pdf", lambda: object_stream(b"<</Type/Pages>>", 7)),
    Hostile("packed five times.pdf", lambda: chained(5)),
    Hostile("packed once.pdf", lambda: chained(1)),
    Hostile("a run of lengths.pdf", lambda: pdf(_3=stream(b"\x81a" * 5_000_000, b"/Filter/RunLengthDecode"))),
    Hostile("2 GB, it says.pdf", lambda: pdf().replace(b"/Length %d" % len(HELLO), b"/Length 2147483648"), "Hello"),
    Hostile("a length in itself.pdf", lambda: pdf(_3=b"<</Length 3 0 R>>stream\n%s\nendstream" % HELLO), "Hello"),
    Hostile(
        "rows of 2,000,000,000 columns.pdf",
        lambda: pdf(_3=packed(HELLO, b"/DecodeParms<</Predictor 12/Columns 2000000000>>")),
    ),
    Hostile("three million operators.pdf", lambda: pdf(_3=packed(_SLOW * 3_000_000))),
    Hostile("forms that show two each.pdf", lambda: doubling(40), "Hello"),
    Hostile("a form in itself.pdf", form_in_itself, "Hello"),
    Hostile(
        "letters of four thousand million.pdf", lambda: font(b"1 beginbfrange <00000000> <FFFFFFFF> <0041> endbfrange")
    ),
    Hostile(
        "letters of 5,000 ranges.pdf",
        lambda: font(b"5000 beginbfrange\n" + b"<0000> <FFFF> <0041>\n" * 5_000 + b"endbfrange"),
    ),
    Hostile("half letters.pdf", lambda: font(b"1 beginbfchar <0041> <D83D> endbfchar"), ""),
    Hostile("lists in lists.pdf", lambda: pdf(_9=b"[" * 200_000), "Hello"),
    Hostile("lists in lists of operands.pdf", lambda: pdf(b"[" * 200_000 + HELLO)),
    Hostile("tables in tables.pdf", lambda: pdf(_10=page()[:-2] + b"/A" + b"<</A" * 100_000), "Hello"),
    Hostile("a string of 20 MB.pdf", lambda: pdf(b"BT /F1 12 Tf (%s) Tj ET" % (b"a" * (20 << 20))), "aaa"),
    Hostile("a string without an end.pdf", lambda: pdf(b"BT /F1 12 Tf (" + b"\\(" * 500_000)),
    Hostile("a picture without an end.pdf", lambda: pdf(HELLO + b" BI /W 9 /H 9 ID " + b"E I" * 100_000), "Hello"),
    Hostile("beginnings of a million objects.pdf", lambda: in_front(1_000_000)),
    Hostile("a field in itself.pdf", lambda: fields(b"x", kids=b"/Kids[20 0 R]/Parent 20 0 R"), "Hello"),
    Hostile("a field of 20 MB.pdf", lambda: fields(b"v" * (20 << 20)), "Hello"),
    Hostile("a program to start.pdf", lambda: pdf(_1=_LAUNCH), "Hello", may_be_refused=False),
    Hostile("locked.pdf", lambda: locked("secret")),
    Hostile("locked with nothing.pdf", lambda: locked(""), "Hello", may_be_refused=False),
    Hostile("cut off.pdf", lambda: pdf()[:200]),
    Hostile("only a header.pdf", lambda: b"%PDF-1.7"),
    Hostile("zeros.pdf", lambda: b"%PDF-1.7\n" + bytes(5_000_000)),
)
