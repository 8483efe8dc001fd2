"""Documents of Word, Excel, PowerPoint and OpenDocument: what is read of them, and what ends in a sentence."""

from __future__ import annotations

from pathlib import Path

import pytest
from office_files import A, S, W, archive, docx, paragraph

from core.files.documents import DocumentError, document_of, office_text
from core.files.workspace import FileRefusedError, Workspace


def test_a_document_of_word_is_its_paragraphs_headings_and_tables() -> None:
    cell = "<w:tc>{}</w:tc>"
    row = f"<w:tr>{cell.format(paragraph('Oslo'))}{cell.format(paragraph('700,000'))}</w:tr>"
    body = paragraph("Cities", "Heading1") + paragraph("Of Norway.") + f"<w:tbl>{row}</w:tbl>"
    assert office_text(docx(body)).text == "# Cities\nOf Norway.\nOslo | 700,000"


def test_runs_of_one_paragraph_are_one_line_and_what_was_struck_out_is_gone() -> None:
    runs = "<w:r><w:t>One </w:t></w:r><w:del><w:r><w:delText>two </w:delText></w:r></w:del><w:r><w:t>line</w:t></w:r>"
    assert office_text(docx(f"<w:p>{runs}<w:tab/></w:p>")).text == "One line"


def test_notes_comments_pictures_and_macros_are_told_of() -> None:
    comments = f"<w:comments {W}><w:comment>{paragraph('Why?')}</w:comment></w:comments>"
    parts = {"word/comments.xml": comments, "word/media/1.png": b"x", "word/vbaProject.bin": b"x"}
    found = document_of("a.docm", archive({"word/document.xml": docx_part("Text."), **parts}))
    assert found is not None and found.text == "Text.\n[comments]\nWhy?"
    assert found.notes == ("1 picture in it not read", "its macros are neither read nor run")


def docx_part(text: str) -> str:
    return f"<w:document {W}><w:body>{paragraph(text)}</w:body></w:document>"


def test_a_workbook_is_its_sheets_with_dates_and_texts_as_they_are_shown() -> None:
    cells = '<c r="A1" t="s"><v>0</v></c><c r="C1" s="1"><v>45992</v></c><c r="D1" t="b"><v>1</v></c>'
    second = '<c r="A2" t="inlineStr"><is><t>here</t></is></c><c r="B2"><f>1+1</f><v>2</v></c>'
    listed = '<sheet name="Plan"/><sheet name="Old" state="hidden"/>'
    rows = f"<row>{cells}</row><row>{second}</row>"
    parts = {
        "xl/workbook.xml": f"<workbook {S}><sheets>{listed}</sheets></workbook>",
        "xl/sharedStrings.xml": f"<sst {S}><si><t>When</t></si></sst>",
        "xl/styles.xml": f'<styleSheet {S}><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/></cellXfs></styleSheet>',
        "xl/worksheets/sheet1.xml": f"<worksheet {S}><sheetData>{rows}</sheetData></worksheet>",
        "xl/worksheets/sheet2.xml": f"<worksheet {S}><sheetData><row><c><v>7</v></c></row></sheetData></worksheet>",
    }
    assert office_text(archive(parts)).text == "[sheet Plan]\nWhen\t\t2025-12-01\tTRUE\nhere\t2\n[sheet Old, hidden]\n7"


def test_a_presentation_is_its_slides_in_order_with_what_is_said_to_them() -> None:
    def slide(text: str) -> str:
        return f"<p {A}><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p>"

    parts = {f"ppt/slides/slide{n}.xml": slide(f"Slide {n}") for n in (10, 2, 1)}
    parts["ppt/notesSlides/notesSlide2.xml"] = slide("Say this.")
    assert office_text(archive(parts)).text.splitlines() == [
        "[slide 1]", "Slide 1", "[slide 2]", "Slide 2", "[notes]", "Say this.", "[slide 3]", "Slide 10",
    ]  # fmt: skip


def test_a_text_of_opendocument_is_read() -> None:
    names = 'xmlns:text="urn:oasis:names:tc:opendocument:xmlns:text:1.0"'
    content = f"<doc {names}><text:h>Title</text:h><text:p>A <text:span>plain</text:span> text</text:p></doc>"
    assert "Title" in office_text(archive({"content.xml": content})).text


ODF_TEXT = "<d xmlns:text='urn:oasis:names:tc:opendocument:xmlns:text:1.0'><text:p>Hi</text:p></d>"


def deep(levels: int) -> str:
    return f"<w:document {W}>{'<w:p>' * levels}{'</w:p>' * levels}</w:document>"


@pytest.mark.parametrize(
    ("data", "said"),
    [
        (archive({"word/document.xml": f"<w:document {W}>".encode() + b" " * 300_000_000}), "more time or memory"),
        (archive({"word/document.xml": deep(5_000)}), "more time or memory"),
        (archive({"word/document.xml": '<!DOCTYPE a [<!ENTITY b "c">]><a>&b;</a>'}), "cannot be read (doctype)"),
        (archive({"word/document.xml": "<a><b></a>"}), "cannot be read"),
        (archive({"readme.txt": "hello"}), "cannot be read (kind)"),
        (docx(""), "holds no text"),
        (docx(paragraph("x"))[:200], "cannot be read"),
        (b"PK\x03\x04" + b"\0" * 5_000, "cannot be read"),
    ],
    ids=["bomb", "nested", "entities", "broken XML", "no document", "empty", "cut off", "garbage"],
)
def test_whatever_is_wrong_with_one_ends_in_a_sentence(data: bytes, said: str) -> None:
    with pytest.raises(DocumentError, match=said.replace("(", r"\(").replace(")", r"\)")):
        office_text(data, seconds=10)


def test_a_protected_or_old_one_is_told_apart() -> None:
    with pytest.raises(DocumentError, match="protected by a password, or of an old format"):
        document_of("a.docx", b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1" + b"\0" * 100)


def test_a_text_of_opendocument_that_a_password_locks_is_said_to_be_locked() -> None:
    listed = "<manifest:file-entry manifest:full-path='content.xml'><manifest:encryption-data/></manifest:file-entry>"
    for part in ("content.xml", "encrypted-package"):
        with pytest.raises(DocumentError, match="protected by a password"):
            office_text(archive({part: b"\x8f\x01", "META-INF/manifest.xml": listed}))


def test_a_list_of_parts_with_a_doctype_does_not_cost_the_text() -> None:
    listed = "<!DOCTYPE manifest:manifest PUBLIC '-//OpenOffice.org//DTD Manifest 1.0//EN' 'Manifest.dtd'><m/>"
    assert office_text(archive({"content.xml": ODF_TEXT, "META-INF/manifest.xml": listed})).text == "Hi"


def test_an_archive_that_only_claims_to_be_small_is_stopped_by_what_it_really_holds() -> None:
    data = bytearray(archive({"word/document.xml": f"<w:document {W}>" + "x" * 1_000_000}))
    with pytest.raises(DocumentError):
        office_text(bytes(data).replace((1_000_000).to_bytes(4, "little"), (10).to_bytes(4, "little")))


def test_files_of_the_workspace_are_read_so(tmp_path: Path) -> None:
    (tmp_path / "plan.docx").write_bytes(docx(paragraph("The plan.")))
    (tmp_path / "bad.xlsx").write_bytes(b"PK\x03\x04nothing")
    workspace = Workspace.open([str(tmp_path)])
    assert workspace.read_text("plan.docx").text == "The plan."
    with pytest.raises(FileRefusedError, match=r"'bad\.xlsx' cannot be read"):
        workspace.read_text("bad.xlsx")
