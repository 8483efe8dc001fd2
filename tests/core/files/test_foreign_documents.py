"""Documents that the extra `documents` reads, pages of HTML, and what is said where the extra is missing."""

from __future__ import annotations

import os
import subprocess
import sys
import zipfile
from collections.abc import Mapping
from io import BytesIO
from pathlib import Path
from types import MappingProxyType

import pytest
from office_files import docx, paragraph

from core.bounded import command, environment
from core.files import documents
from core.files.documents import DocumentError, can_read_foreign, document_of, is_document
from core.files.page_child import page_text
from core.files.workspace import FileRefusedError, Workspace

installed = pytest.mark.skipif(not can_read_foreign(), reason="the extra 'documents' is not installed here")

RTF = rb"{\rtf1\ansi\f0\pard Hello \b bold\b0  world.\par {\field{\*\fldinst INCLUDETEXT /etc/passwd}{\fldrslt x}}\par}"
MAIL = b"\r\n".join(
    [
        b"From: ada@example.com",
        b"Subject: The plan",
        b"MIME-Version: 1.0",
        b"Content-Type: multipart/mixed; boundary=X",
        b"",
        b"--X",
        b"Content-Type: text/html",
        b"",
        b"<p>Look <a href='http://example.com/plan'>here</a>. <img src='http://127.0.0.1:9/seen.png'></p>",
        b"--X",
        b"Content-Type: application/octet-stream; name=a.bin",
        b"Content-Disposition: attachment; filename=a.bin",
        b"Content-Transfer-Encoding: base64",
        b"",
        b"aGVsbG8=",
        b"--X--",
        b"",
    ]
)
OLE = b"\xd0\xcf\x11\xe0\xa1\xb1\x1a\xe1"


SEEN = "<html xmlns='http://www.w3.org/1999/xhtml'><body><p>Look</p><img src='x.png' alt='a chart'/></body></html>"


def epub(more: Mapping[str, str] = MappingProxyType({})) -> bytes:
    container = '<container><rootfiles><rootfile full-path="c.opf"/></rootfiles></container>'
    listed = '<manifest><item id="a" href="a.xhtml" media-type="application/xhtml+xml"/></manifest>'
    parts = {
        "mimetype": "application/epub+zip",
        "META-INF/container.xml": container,
        "c.opf": f"<package>{listed}<spine><itemref idref='a'/></spine></package>",
        "a.xhtml": "<html xmlns='http://www.w3.org/1999/xhtml'><body><h1>One</h1><p>It began.</p></body></html>",
    }
    out = BytesIO()
    with zipfile.ZipFile(out, "w") as made:
        for name, part in {**parts, **more}.items():
            made.writestr(name, part)
    return out.getvalue()


@installed
@pytest.mark.parametrize(
    ("name", "data", "held"),
    [
        ("a.rtf", RTF, "Hello **bold** world."),
        ("old.doc", RTF, "Hello **bold** world."),
        ("a.eml", MAIL, "[here](http://example.com/plan)"),
        ("a.epub", epub(), "# One\n\nIt began."),
        ("a.fb2", b"<FictionBook><body><section><p>Hello</p></section></body></FictionBook>", "Hello"),
    ],
)
def test_it_is_read(name: str, data: bytes, held: str) -> None:
    document = document_of(name, data)
    assert document is not None and held in document.text and "root:x" not in document.text


@installed
@pytest.mark.parametrize(
    "data",
    [
        b"junk",
        OLE + bytes(5_000),
        OLE + b"\xff" * 5_000,
        b"\x89PNG\r\n\x1a\n" + bytes(99),
        b"RIFF\0\0\0\0WAVEfmt " + bytes(99),
        b"PK\x03\x04" + bytes(99),
        b"",
    ],
    ids=lambda data: repr(data[:6]),
)
@pytest.mark.parametrize("ending", [".msg", ".epub", ".xlsb", ".pages", ".hwp"])
def test_what_is_none_ends_in_a_sentence(ending: str, data: bytes) -> None:
    with pytest.raises(DocumentError, match="cannot be read|holds no text|is empty"):
        document_of(f"a{ending}", data)


@installed
@pytest.mark.parametrize("ending", [".doc", ".xls", ".ppt"])
@pytest.mark.parametrize("data", [OLE + bytes(5_000), OLE + b"\xff" * 5_000], ids=["empty", "full"])
def test_what_is_no_old_document_though_it_begins_like_one_ends_in_a_sentence(ending: str, data: bytes) -> None:
    with pytest.raises(DocumentError, match="broken, or of another kind"):
        document_of(f"a{ending}", data)


@installed
@pytest.mark.parametrize(
    ("name", "data"),
    [
        ("a.doc", OLE + bytes(504) + b"\xec\xa5\xc1\0" + bytes(7) + b"\1" + bytes(4_000)),
        ("a.xls", OLE + bytes(504) + "EncryptedPackage".encode("utf-16-le") + bytes(4_000)),
        ("a.ppt", OLE + bytes(600) + b"\xf6\x0f\x20\0\0\0\x14\0\0\0\xdf\xc4\xd1\xf3" + bytes(4_000)),
        ("a.epub", epub({"META-INF/encryption.xml": "<encryption/>", "a.xhtml": ""})),
    ],
)
def test_what_is_locked_is_said_to_be_so(name: str, data: bytes) -> None:
    with pytest.raises(DocumentError, match="protected by a password, or against copying"):
        document_of(name, data)


@installed
@pytest.mark.parametrize(
    ("name", "data", "note"),
    [
        ("a.eml", MAIL, "1 attached file in it not read"),
        ("a.epub", epub({"x.png": "x", "a.xhtml": SEEN}), "1 picture in it not read"),
        ("a.rtf", rb"{\rtf1 kept {\deleted gone}\par}", "what was struck out stands in its text, too"),
        ("a.rtf", rb"{\rtf1 kept {\*\annotation said}\par}", "its comments not read"),
    ],
)
def test_what_is_not_read_of_it_is_told(name: str, data: bytes, note: str) -> None:
    document = document_of(name, data)
    assert document is not None and note in document.notes


@installed
@pytest.mark.skipif(not Path("/proc/self/ns/net").exists(), reason="no namespaces of networks here")
def test_it_asks_nobody() -> None:
    """It reads the same where there is no network, not even a loopback."""
    code = f"import sys; sys.path[:] = {sys.path!r}; from core.files.documents import document_of as d;"
    code += f"print(d('a.eml', {MAIL!r}).text)"
    apart = ["unshare", "--net", "--map-root-user", sys.executable, "-c", code]
    done = subprocess.run(apart, capture_output=True, text=True, check=False)
    if "unshare" in done.stderr:
        pytest.skip("namespaces of networks may not be made here")
    assert "[here](http://example.com/plan)" in done.stdout


def test_without_the_extra_it_is_said_what_reads_them(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(documents, "can_read_foreign", lambda: False)
    for name in ("a.doc", "a.epub", "a.msg"):
        with pytest.raises(DocumentError, match=r"Install moot-mcp\[documents\]"):
            document_of(name, OLE + bytes(99))
    document = document_of("a.rtf", RTF)
    assert document is not None and document.text == RTF.decode() and "moot-mcp[documents]" in document.notes[0]
    (tmp_path / "old.xls").write_bytes(OLE + bytes(3 * 1024 * 1024))
    with pytest.raises(FileRefusedError, match=r"'old\.xls' is of a kind \(XLS\)"):
        Workspace.open([str(tmp_path)]).read_text("old.xls")


def test_an_old_document_that_is_a_page_is_read_as_one() -> None:
    document = document_of("report.doc", b"<html><body><h1>Report</h1><p>Fine.</p></body></html>")
    assert document is not None and document.text == "# Report\n\nFine.\n"


def test_what_is_only_called_an_old_document_is_read_as_what_it_is(tmp_path: Path) -> None:
    new = document_of("report.doc", docx(paragraph("Fine.")))
    assert new is not None and new.text == "Fine."
    (tmp_path / "table.xls").write_bytes(b"a\tb\n1\t2\n")
    assert Workspace.open([str(tmp_path)]).read_text("table.xls").text == "a\tb\n1\t2\n"


@installed
def test_a_page_that_was_saved_with_its_pictures_under_an_old_name_is_read() -> None:
    saved = MAIL.partition(b"Subject: The plan\r\n")[2]
    document = document_of("report.doc", saved)
    assert document is not None and "[here](http://example.com/plan)" in document.text


def test_documents_may_be_larger_than_texts() -> None:
    assert is_document("A.PDF") and is_document("a.docx") and is_document("a.epub") and not is_document("a.py")


PAGE = b"""<html><head><title>T</title><meta charset="latin-1"><script>evil()</script><style>p{}</style></head><body>
<nav><a href="https://example.com/menu">Menu</a></nav><p>Caf\xe9,
<a href="https://example.com/a?b=1">the <b>plan</b></a>
and <a href="/here">here</a>, <a href="javascript:alert(1)">no</a>,
<a href="https://example.com">https://example.com</a>.
</p><a href="https://example.com/b"><h2>News</h2></a><pre>a = <a href="https://example.com/c">b</a></pre></body></html>"""


def test_a_page_that_somebody_sends_is_what_a_person_reads_of_it_with_its_links() -> None:
    document = document_of("a.html", PAGE, pages=True)
    assert document is not None
    assert document.text.startswith(
        "# T\n\nCafé, [the plan](https://example.com/a?b=1) and here, no, https://example.com."
    )
    assert "## News" in document.text and "(https://example.com/b)" in document.text and "a = b" in document.text
    assert "evil" not in document.text and "Menu" not in document.text and "p{}" not in document.text


def test_a_page_of_a_project_is_code() -> None:
    assert document_of("a.html", PAGE) is None


@pytest.mark.parametrize(
    "data",
    [
        b"<div>" * 200_000 + b"x",
        b"<" * 300_000,
        b"<!--" * 100_000,
        b"<a href='" * 100_000,
        b"&#" * 200_000,
        b"\xff\xfe<",
    ],
    ids=lambda data: repr(data[:6]),
)
def test_a_page_made_to_do_harm_ends_in_a_sentence_or_its_text(data: bytes) -> None:
    try:
        document = documents.page_of(data, seconds=5)
    except DocumentError as error:
        assert str(error).endswith(".")  # noqa: PT017
    else:
        assert document.text.strip()


def test_links_without_words_and_those_made_for_machines_are_left_out() -> None:
    assert page_text("<a href='https://a.b/c'></a><a href='https://a.b/%s'>x</a>" % ("y" * 400)) == "x\n"


def test_the_process_that_reads_knows_no_key_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("OPENAI_API_KEY", "not for a parser")
    assert "OPENAI_API_KEY" not in environment() and environment().get("PATH") == os.environ.get("PATH")
    assert command()[0] == sys.executable
