"""Documents of office programs as people really have them: reordered, annotated, changed, and with odd dates."""

from __future__ import annotations

import pytest
from office_files import A, S, W, archive, docx, paragraph

from core.files.documents import office_text

R = 'xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"'
ODF = 'xmlns:text="t" xmlns:table="tb" xmlns:office="o" xmlns:draw="d" xmlns:presentation="p" xmlns:dc="dc"'


def related(**targets: str) -> str:
    listed = "".join(f'<Relationship Id="{name}" Target="{target}"/>' for name, target in targets.items())
    return f"<Relationships>{listed}</Relationships>"


def odf(body: str) -> str:
    return office_text(archive({"content.xml": f"<doc {ODF}>{body}</doc>"})).text


def workbook(rows: str, styles: str = "", book: str = '<sheet name="A"/>', texts: str = "") -> bytes:
    parts = {
        "xl/workbook.xml": f"<workbook {S}>{book}</workbook>",
        "xl/worksheets/sheet1.xml": f"<worksheet {S}><sheetData>{rows}</sheetData></worksheet>",
        "xl/styles.xml": f"<styleSheet {S}>{styles}</styleSheet>",
        "xl/sharedStrings.xml": f"<sst {S}>{texts}</sst>",
    }
    return archive(parts)


def test_words_of_opendocument_stand_in_their_order() -> None:
    mixed = "<text:p>One <text:span>two</text:span>\n  three<text:s text:c='2'/>four<text:tab/>five</text:p>"
    assert odf(mixed) == "One two three  four\tfive"


def test_what_was_struck_out_of_opendocument_is_gone_and_notes_stand_behind_their_paragraph() -> None:
    gone = "<text:tracked-changes><text:deletion><text:p>Gone.</text:p></text:deletion></text:tracked-changes>"
    note = "<text:note><text:note-citation>1</text:note-citation><text:note-body><text:p>Why.</text:p></text:note-body>"
    said = "<office:annotation><dc:creator>Ann</dc:creator><text:p>Hm.</text:p></office:annotation>"
    found = odf(f"{gone}<text:p>Kept{note}</text:note>{said}, too.</text:p>")
    assert found == "Kept, too.\n[note] Why.\n[comment] Hm."


def test_cells_of_opendocument_keep_their_places_and_sheets_their_names() -> None:
    cell = "<table:table-cell><text:p>{}</text:p></table:table-cell>"
    gap = "<table:table-cell table:number-columns-repeated='2'/>"
    end = "<table:table-cell table:number-columns-repeated='16380'/>"
    cells = f"{cell.format('a')}{gap}{cell.format('d')}{end}"
    row = f"<table:table-row table:number-rows-repeated='2'>{cells}</table:table-row>"
    empty = f"<table:table-row table:number-rows-repeated='1048000'>{end}</table:table-row>"
    sheet = f"<office:spreadsheet><table:table table:name='Costs'>{row}{empty}</table:table></office:spreadsheet>"
    assert odf(sheet) == "[sheet Costs]\na |  |  | d\na |  |  | d"


def test_slides_of_opendocument_are_told_apart_from_their_notes() -> None:
    box = "<draw:frame><draw:text-box><text:p>{}</text:p></draw:text-box></draw:frame>"
    first = f"<draw:page>{box.format('One')}<presentation:notes>{box.format('Say')}</presentation:notes></draw:page>"
    second = f"<draw:page>{box.format('Two')}</draw:page>"
    found = odf(f"<office:presentation>{first}{second}</office:presentation>")
    assert found.splitlines() == ["[slide 1]", "One", "[notes]", "Say", "[slide 2]", "Two"]


def test_an_empty_cell_of_word_keeps_its_place_and_a_table_may_stand_in_a_table() -> None:
    def cell(body: str) -> str:
        return f"<w:tc>{body}</w:tc>"

    inner = f"<w:tbl><w:tr>{cell(paragraph('x'))}{cell(paragraph('y'))}</w:tr></w:tbl>"
    cells = cell(paragraph("a") + paragraph("b")) + cell("<w:p/>") + cell(inner)
    assert office_text(docx(f"<w:tbl><w:tr>{cells}</w:tr></w:tbl>")).text == "a b |  | x | y"


def test_what_was_moved_and_a_box_of_text_are_read_once() -> None:
    moved = f"<w:p><w:moveFrom>{'<w:r><w:t>gone</w:t></w:r>'}</w:moveFrom><w:r><w:t>here</w:t></w:r></w:p>"
    box = f"<w:txbxContent>{paragraph('Boxed')}</w:txbxContent>"
    twice = f"<w:r><mc:AlternateContent xmlns:mc='m'><mc:Choice>{box}</mc:Choice><mc:Fallback>{box}</mc:Fallback>"
    body = f"{moved}<w:p><w:r><w:t>Around</w:t></w:r>{twice}</mc:AlternateContent></w:r></w:p>"
    found = office_text(docx(body))
    assert found.text == "here\nAround\nBoxed"
    assert found.notes == ("its tracked changes as if all were accepted",)


def test_edges_of_pages_are_read_once_and_what_is_not_read_is_counted() -> None:
    edge = f"<w:hdr {W}>{paragraph('Secret draft')}</w:hdr>"
    parts = {"word/header1.xml": edge, "word/header2.xml": edge, "word/charts/chart1.xml": "<c/>"}
    parts |= {
        "word/embeddings/a.xlsx": "x",
        "word/diagrams/data1.xml": "<d/>",
        "word/charts/_rels/chart1.xml.rels": "<r/>",
    }
    tabs = "<w:pPr><w:tabs><w:tab w:val='left' w:pos='720'/></w:tabs></w:pPr>"
    body = f"<w:p>{tabs}<w:r><w:t>non</w:t><w:noBreakHyphen/><w:t>stop</w:t></w:r></w:p>"
    found = office_text(archive({"word/document2.xml": f"<w:document {W}>{body}</w:document>", **parts}))
    assert found.text == "non-stop\n[headers and footers]\nSecret draft"
    assert found.notes == tuple(f"1 {kind} in it not read" for kind in ("chart", "diagram", "embedded file"))


def test_sheets_bear_the_names_that_the_workbook_gives_them() -> None:
    listed = '<sheets><sheet name="New" r:id="b"/><sheet name="Chart" r:id="c"/><sheet name="Old" r:id="a"/></sheets>'

    def sheet(value: int) -> str:
        return f"<worksheet {S}><sheetData><row><c><v>{value}</v></c></row></sheetData></worksheet>"

    parts = {
        "xl/workbook.xml": f"<workbook {S} {R}>{listed}</workbook>",
        "xl/_rels/workbook.xml.rels": related(
            a="worksheets/sheet1.xml", b="/xl/worksheets/Two.xml", c="chartsheets/sheet1.xml"
        ),
        "xl/worksheets/sheet1.xml": sheet(1),
        "xl/worksheets/Two.xml": sheet(2),
        "xl/chartsheets/sheet1.xml": "<chartsheet/>",
        "xl/worksheets/_rels/sheet1.xml.rels": related(n="../comments1.xml", d="../drawings/drawing1.xml"),
        "xl/comments1.xml": f"<c {S}><comment ref='B2'><text><r><t>Check </t></r><r><t>it</t></r></text></comment></c>",
        "xl/drawings/drawing1.xml": f"<d {A}><a:p><a:r><a:t>Boxed</a:t></a:r></a:p></d>",
    }
    assert office_text(archive(parts)).text.splitlines() == [
        "[sheet New]", "2", "[sheet Chart, not read: it holds no cells]", "[sheet Old]", "1",
        "[comment at B2] Check it", "[drawn on it]", "Boxed",
    ]  # fmt: skip


@pytest.mark.parametrize(
    ("code", "value", "shown"),
    [
        ("d\\-mmm;@", "45992", "2025-12-01"),
        ("[$-409]m/d;@", "45992", "2025-12-01"),
        ("h:mm AM/PM", "0.5", "12:00:00"),
        ("[h]:mm", "1.5", "36:00:00"),
        ("yyyy-mm-dd h:mm", "45992.25", "2025-12-01 06:00:00"),
        ('0.0" days"', "3.5", "3.5"),
        ("[Red]0.00", "7", "7"),
        ("General", "45992", "45992"),
        ("d/m/yyyy", "1", "1900-01-01"),
        ("d/m/yyyy", "-4", "-4"),
        ("d/m/yyyy", "1e300", "1e300"),
    ],
)
def test_numbers_are_dates_where_their_format_says_so(code: str, value: str, shown: str) -> None:
    quoted = code.replace('"', "&quot;")
    styles = f'<numFmts><numFmt numFmtId="170" formatCode="{quoted}"/></numFmts><cellXfs><xf numFmtId="170"/></cellXfs>'
    data = workbook(f'<row><c s="0"><v>{value}</v></c></row>', styles)
    assert office_text(data).text == f"[sheet A]\n{shown}"


def test_a_workbook_of_old_macs_counts_its_days_from_1904() -> None:
    book = '<workbookPr date1904="1"/><sheet name="A"/>'
    styles = '<cellXfs><xf numFmtId="14"/></cellXfs>'
    assert office_text(workbook('<row><c s="0"><v>44530</v></c></row>', styles, book)).text == "[sheet A]\n2025-12-01"


def test_a_formula_that_was_never_calculated_stands_there_itself() -> None:
    found = office_text(workbook('<row><c r="A1"><v>2</v></c><c r="B1"><f>A1*2</f></c><c><f>1+1</f><v>2</v></c></row>'))
    assert found.text == "[sheet A]\n2\t=A1*2\t2"
    assert found.notes == ("1 of its formulas were never calculated and stand there themselves",)


def test_a_cell_is_one_cell_and_says_nothing_twice() -> None:
    texts = "<si><t>two_x000D_\nlines</t></si><si><t>東京</t><rPh><t>トウキョウ</t></rPh></si>"
    data = workbook('<row><c t="s"><v>0</v></c><c t="s"><v>1</v></c></row>', texts=texts)
    assert office_text(data).text == "[sheet A]\ntwo lines\t東京"


def test_slides_follow_one_another_as_they_are_shown_with_their_own_notes() -> None:
    def slide(text: str, more: str = "") -> str:
        return f"<p:sld xmlns:p='p' {A} {more}><a:p><a:r><a:t>{text}</a:t></a:r></a:p></p:sld>"

    shown = "<p:sldIdLst><p:sldId id='256' r:id='x'/><p:sldId id='257' r:id='y'/></p:sldIdLst>"
    parts = {
        "ppt/presentation.xml": f"<p:presentation xmlns:p='p' {R}>{shown}</p:presentation>",
        "ppt/_rels/presentation.xml.rels": related(y="slides/slide1.xml", x="slides/slide2.xml"),
        "ppt/slides/slide1.xml": slide("Last", "show='0'"),
        "ppt/slides/slide2.xml": slide("First"),
        "ppt/slides/_rels/slide1.xml.rels": related(l="../slideLayouts/slideLayout1.xml"),
        "ppt/slides/_rels/slide2.xml.rels": related(n="../notesSlides/notesSlide1.xml"),
        "ppt/notesSlides/notesSlide1.xml": slide("Said to the first"),
    }
    assert office_text(archive(parts)).text.splitlines() == [
        "[slide 1]", "First", "[notes]", "Said to the first", "[slide 2, hidden]", "Last",
    ]  # fmt: skip


def test_an_archive_written_with_paths_of_windows_is_read() -> None:
    assert office_text(archive({"word\\document.xml": f"<w:document {W}>{paragraph('Hi')}</w:document>"})).text == "Hi"


def test_a_broken_part_does_not_cost_the_others() -> None:
    found = office_text(
        archive({"word/document.xml": f"<w:document {W}>{paragraph('Hi')}</w:document>", "word/header1.xml": "<a>"})
    )
    assert found.text == "Hi" and found.notes == ("1 broken part of it not read to the end",)


def test_escaped_letters_that_nobody_sees_are_not_sent() -> None:
    data = workbook("<row><c t='inlineStr'><is><t>a_x0000__x0041__x001B_b</t></is></c></row>")
    assert office_text(data).text == "[sheet A]\na A b"


def test_empty_cells_cost_nothing_however_often_they_are_repeated() -> None:
    gap = "<table:table-row><table:table-cell table:number-columns-repeated='999999999'/></table:table-row>"
    row = "<table:table-row><table:table-cell><text:p>y</text:p></table:table-cell></table:table-row>"
    assert odf(f"<table:table>{gap * 100_000}{row}</table:table>") == "y"
