"""PDF files: what their pages and forms say, and that none of them costs more than it may."""

from __future__ import annotations

import io
import zlib
from collections.abc import Callable
from pathlib import Path

import pypdf
import pytest
from pypdf.annotations import FreeText, Link
from pypdf.generic import ArrayObject, DictionaryObject, NameObject, NumberObject, TextStringObject

from core.files.documents import MAX_PDF_PAGES, DocumentError, document_of, is_pdf, pdf_text
from core.files.workspace import Workspace


def pdf(content: bytes, *, unpacks_to: bytes | None = None, pages: int = 1) -> bytes:
    """A PDF file whose pages share one stream: *content*, or one that *unpacks_to* something longer."""
    stream, packed = (content, b"") if unpacks_to is None else (zlib.compress(unpacks_to, 9), b"/Filter/FlateDecode")
    kids = b" ".join(b"%d 0 R" % number for number in range(10, 10 + pages))
    objects = {
        1: b"<</Type/Catalog/Pages 2 0 R>>",
        2: b"<</Type/Pages/Kids[%s]/Count %d>>" % (kids, pages),
        3: b"<</Length %d%s>>stream\n%s\nendstream" % (len(stream), packed, stream),
        4: b"<</Type/Font/Subtype/Type1/BaseFont/Helvetica>>",
    }
    page = b"<</Type/Page/Parent 2 0 R/MediaBox[0 0 300 300]/Contents 3 0 R/Resources<</Font<</F1 4 0 R>>>>>>"
    objects |= dict.fromkeys(range(10, 10 + pages), page)
    out, places = io.BytesIO(), {}
    out.write(b"%PDF-1.7\n")
    for number, body in objects.items():
        places[number] = out.tell()
        out.write(b"%d 0 obj\n%s\nendobj\n" % (number, body))
    start = out.tell()
    out.write(b"xref\n0 1\n0000000000 65535 f \n")
    for number, place in places.items():
        out.write(b"%d 1\n%010d 00000 n \n" % (number, place))
    out.write(b"trailer<</Size %d/Root 1 0 R>>\nstartxref\n%d\n%%%%EOF" % (10 + pages, start))
    return out.getvalue()


HELLO = b"BT /F1 12 Tf 10 100 Td (Hello) Tj ET"


def form(**fields: str) -> bytes:
    writer = pypdf.PdfWriter()
    writer.add_blank_page(100, 100)
    entries = [
        writer._add_object(
            DictionaryObject(
                {
                    NameObject("/FT"): NameObject("/Tx"),
                    NameObject("/T"): TextStringObject(name),
                    NameObject("/V"): TextStringObject(value),
                }
            )
        )
        for name, value in fields.items()
    ]
    writer._root_object[NameObject("/AcroForm")] = DictionaryObject({NameObject("/Fields"): ArrayObject(entries)})
    buffer = io.BytesIO()
    writer.write(buffer)
    return buffer.getvalue()


def test_a_plain_page_is_read_without_remarks() -> None:
    assert pdf_text(pdf(HELLO)).text == "[page 1]\nHello"
    assert pdf_text(pdf(HELLO)).notes == ()


def test_bytes_before_the_header_are_tolerated_as_viewers_do() -> None:
    assert pdf_text(b"Content-Type: application/pdf\r\n\r\n" + pdf(HELLO)).text == "[page 1]\nHello"


@pytest.mark.parametrize(
    ("name", "data", "expected"),
    [
        ("a.bin", b"%PDF-1.4", True),
        ("a.PDF", b"junk\n%PDF-1.4", True),
        ("a.py", b'HEADER = b"%PDF-1.4"', False),
        ("a.pdf", b"x" * 1100 + b"%PDF-1.4", False),
        ("a.pdf", b"plain words", False),
    ],
)
def test_only_what_is_a_pdf_is_taken_for_one(name: str, data: bytes, expected: bool) -> None:
    assert is_pdf(name, data) is expected


def test_what_was_filled_in_is_read_and_told() -> None:
    document = pdf_text(form(name="Ada Example", empty=""))
    assert document.text.endswith("[form]\nname: Ada Example")
    assert document.notes == (
        "with the form's 1 filled-in field",
        "page 1 without text: pictures of it are not read",
    )


def test_a_document_of_too_many_pages_is_refused() -> None:
    with pytest.raises(DocumentError, match=f"has {MAX_PDF_PAGES + 1} pages"):
        pdf_text(pdf(HELLO, pages=MAX_PDF_PAGES + 1))


def test_a_small_file_that_would_keep_a_parser_for_minutes_is_stopped() -> None:
    """Each operator is read by Python code; a few kB unpack to millions of them."""
    slow = pdf(b"", unpacks_to=b"BT /F1 12 Tf (x) Tj ET\n" * 3_000_000)
    assert len(slow) < 300_000
    with pytest.raises(DocumentError, match="more time or memory"):
        pdf_text(slow, seconds=1)


def test_a_broken_file_says_so() -> None:
    with pytest.raises(DocumentError, match="cannot be read"):
        pdf_text(b"%PDF-1.7 nothing")


def test_the_receipt_of_a_file_has_its_notes(tmp_path: Path) -> None:
    root = tmp_path / "project"
    root.mkdir()
    (root / "form.pdf").write_bytes(form(name="Ada"))
    assert Workspace.open([str(root)]).read_text("form.pdf").notes[0] == "with the form's 1 filled-in field"


def test_other_packages_of_the_same_names_do_not_come_in_between(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name in ("core", "moot"):
        (tmp_path / name).mkdir()
        (tmp_path / name / "__init__.py").write_text("raise SystemExit(3)")
    monkeypatch.syspath_prepend(tmp_path)
    assert "hello" in pdf_text(pdf(b"BT /F1 12 Tf 20 200 Td (hello) Tj ET")).text


def changed(change: Callable[[pypdf.PdfWriter], object]) -> bytes:
    writer = pypdf.PdfWriter(clone_from=io.BytesIO(pdf(b"BT /F1 12 Tf 9 9 Td (Hello) Tj ET")))
    change(writer)
    out = io.BytesIO()
    writer.write(out)
    return out.getvalue()


def test_what_somebody_noted_on_a_page_is_read() -> None:
    note = FreeText(text="Check this", rect=(1, 1, 9, 9))
    link = Link(rect=(1, 1, 9, 9), url="https://example.com/")
    data = changed(lambda writer: [writer.add_annotation(0, one) for one in (note, link)])
    assert pdf_text(data).text.split() == ["[page", "1]", "Hello", "[note]", "Check", "this"]


def test_a_broken_note_does_not_cost_the_page() -> None:
    data = changed(lambda writer: writer.pages[0].__setitem__(NameObject("/Annots"), NumberObject(7)))
    assert pdf_text(data).text.split()[2:4] == ["Hello", "[note]"]


def test_what_is_attached_or_pictured_is_told_not_to_be_read() -> None:
    assert pdf_text(changed(lambda writer: writer.add_attachment("a.txt", b"x"))).notes == ("1 attached file not read",)
    drawn = DictionaryObject({NameObject("/A"): DictionaryObject({NameObject("/Subtype"): NameObject("/Image")})})
    data = changed(lambda writer: writer.pages[0]["/Resources"].__setitem__(NameObject("/XObject"), drawn))
    assert pdf_text(data).notes == ("pictures on page 1 not read",)


@pytest.mark.parametrize("name", ["a.pdf", "a.docx", "a.ods", "a.msg"])
def test_an_empty_file_is_said_to_be_empty(name: str) -> None:
    with pytest.raises(DocumentError, match=r"^is empty"):
        document_of(name, b"")
