"""Paragraphs, headings, tables, slides and notes of Word, PowerPoint and OpenDocument."""

from __future__ import annotations

import re

from .office_archive import Out, Parts, UnreadableError, number_of

_HEADING = ("heading", "title", "titre", "überschrift", "berschrift", "título", "ttulo")
_LONGEST_ROW = 1_000
"""Cells; also how often one may say that it is repeated."""
_BLANK = re.compile(r"[ \t\r\n]+")
_UNSEEN = {"moveFrom", "Fallback", "rPh", "tracked-changes", "desc", "binary-data"}
"""What was moved away or struck out, and what says a second time, for other programs or by its sound, what is there."""
_ASIDE = {"note": "[note] ", "annotation": "[comment] ", "txbxContent": "", "text-box": ""}
"""What stands within a paragraph and has paragraphs of its own: it is told behind, in these words."""
_CELLS = ("tc", "table-cell", "covered-table-cell")
_CHANGES = ("ins", "del", "moveFrom", "tracked-changes")


class _Line:
    """What is said in one paragraph so far, and what its asides said, which come behind it."""

    def __init__(self) -> None:
        self.open, self.heading = 0, False
        self.said: list[str] = []
        self.behind: list[str] = []


class _Row:
    """The cells of one row, which may be repeated; empty ones only count once another one follows."""

    def __init__(self, times: int) -> None:
        self.times, self._gap = times, 0
        self.cells: list[str] = []

    def add(self, text: str, times: int) -> None:
        if not text.strip():
            self._gap = min(self._gap + times, _LONGEST_ROW)
            return
        for cell, count in (("", self._gap), (text, times)):
            self.cells.extend([cell] * min(count, _LONGEST_ROW - len(self.cells)))
        self._gap = 0


class Paragraphs:
    """Paragraphs, headings and tables of WordprocessingML, DrawingML and OpenDocument alike.

    Args:
        title: Stands before the first text there is.
        plain: Whether the text of a paragraph stands in it as it is (OpenDocument), rather than in elements of its own.
        seen: Texts that are known and not told again; None: all are told.
    """

    def __init__(self, out: Out, title: str = "", *, plain: bool = False, seen: set[str] | None = None) -> None:
        self._out, self._title, self._plain, self._seen = out, title, plain, seen
        self._lines = [_Line()]
        self._asides: list[list[str]] = []
        self._places: list[list[str]] = []
        """Of each cell and aside that is open, the blocks in it."""
        self._rows: list[_Row] = []
        self._repeated: list[int] = []
        self._hidden, self._written = 0, 0
        self.changed = False

    def walk(self, parts: Parts, name: str) -> None:
        """Read the part *name*."""
        parts.walk(name, self.begin, self.end, self.said)

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        self.changed = self.changed or tag in _CHANGES
        if self._hidden or tag in _UNSEEN:
            self._hidden += 1
        elif tag in _ASIDE:
            self._lines.append(_Line())
            self._places.append([])
        elif tag in ("tr", "table-row"):
            self._rows.append(_Row(number_of(attributes.get("number-rows-repeated", ""), 1)))
        elif tag in _CELLS:
            self._places.append([])
            self._lines.append(_Line())
            self._repeated.append(number_of(attributes.get("number-columns-repeated", ""), 1))
        else:
            self._within(tag, attributes)

    def _within(self, tag: str, attributes: dict[str, str]) -> None:
        line = self._lines[-1]
        if tag in ("p", "h"):
            line.open += 1
            line.heading = line.heading or tag == "h"
        elif tag == "t":
            self._written += 1
        elif tag == "tab" and not attributes:  # with attributes it says where tabulators are
            line.said.append("\t")
        elif tag == "s" and self._plain:
            line.said.append(" " * min(number_of(attributes.get("c", ""), 1), _LONGEST_ROW))
        elif tag in ("br", "line-break", "cr"):
            line.said.append("\n")
        elif tag == "noBreakHyphen":
            line.said.append("-")
        elif tag == "pStyle":
            line.heading = line.heading or attributes.get("val", "").lower().startswith(_HEADING)

    def said(self, text: str) -> None:
        if self._hidden:
            return
        if self._plain and self._lines[-1].open:
            self._lines[-1].said.append(_BLANK.sub(" ", text))
        elif self._written and not self._plain:
            self._lines[-1].said.append(text)

    def end(self, tag: str, _: str) -> None:
        if self._hidden:
            self._hidden -= 1
        elif tag in _ASIDE:
            self._lines.pop()
            blocks, mark = self._places.pop(), _ASIDE[tag]
            self._lines[-1].behind += [mark + " ".join(blocks)] if mark and blocks else blocks
            if not self._lines[-1].open:
                self._tell_asides()
        elif tag in _CELLS:
            self._lines.pop()
            self._end_cell(" ".join(self._places.pop()), self._repeated.pop())
        elif tag in ("tr", "table-row") and self._rows:
            self._end_row(self._rows.pop())
        elif tag == "t":
            self._written -= 1
        elif tag in ("p", "h"):
            self._paragraph()

    def _end_cell(self, text: str, times: int) -> None:
        if self._rows:
            self._rows[-1].add(text, times)
        elif text:
            self._add(text)

    def _end_row(self, row: _Row) -> None:
        text = " | ".join(row.cells)
        if not text:
            return
        for _ in range(row.times if row.times <= _LONGEST_ROW else 1):
            self._add(text)
        if row.times > _LONGEST_ROW:
            self._add(f"(that row {row.times:,} times)")

    def _paragraph(self) -> None:
        line = self._lines[-1]
        line.open = max(0, line.open - 1)
        text, line.said = "".join(line.said), []
        heading, line.heading = line.heading, False
        if self._places:
            text = " ".join(text.split())
        elif heading and text.strip():
            text = f"# {text.strip()}"
        self._add(text.strip(" ") if self._plain else text)
        self._tell_asides()

    def _tell_asides(self) -> None:
        behind, self._lines[-1].behind = self._lines[-1].behind, []
        for text in behind:
            self._add(text)

    def _add(self, text: str) -> None:
        if not text.strip():
            return
        if self._places:
            self._places[-1].append(text)
        elif self._seen is None or text not in self._seen:
            if self._seen is not None:
                self._seen.add(text)
            title, self._title = self._title, ""
            self._out.add(title)
            self._out.add(text)


def _told(out: Out, *readers: Paragraphs) -> None:
    if any(reader.changed for reader in readers):
        out.notes.append("its tracked changes as if all were accepted")


def word(parts: Parts, out: Out) -> None:
    """A document of Word, with its notes, comments, and what stands at the edges of its pages, behind."""
    body = next((name for name in ("word/document.xml", *parts.numbered("word/document")) if name in parts.names), "")
    if not body:
        raise UnreadableError("kind")
    main = Paragraphs(out)
    main.walk(parts, body)
    _told(out, main)
    for name, title in (
        ("word/footnotes.xml", "[footnotes]"),
        ("word/endnotes.xml", "[endnotes]"),
        ("word/comments.xml", "[comments]"),
    ):
        if name in parts.names:
            Paragraphs(out, title).walk(parts, name)
    seen: set[str] = set()
    for kind in ("header", "footer"):
        for name in parts.numbered(f"word/{kind}"):
            Paragraphs(out, "" if seen else "[headers and footers]", seen=seen).walk(parts, name)


def slides(parts: Parts, out: Out) -> None:
    """A presentation of PowerPoint, slide by slide as they are shown, with the speaker's notes."""
    for number, name in enumerate(_in_order(parts), 1):
        reader = _Slide(out, number)
        reader.walk(parts, name)
        if name.replace("slides/", "slides/_rels/") + ".rels" in parts.names:
            spoken = [other for other in parts.related(name).values() if "/notesSlides/" in other]
        else:
            spoken = [name.replace("slides/slide", "notesSlides/notesSlide")]
        for notes in spoken:
            if notes in parts.names:
                Paragraphs(out, "[notes]").walk(parts, notes)


class _Slide(Paragraphs):
    """One slide, whose outermost element says whether it is shown."""

    def __init__(self, out: Out, number: int) -> None:
        super().__init__(out)
        self._number = number

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        number, self._number = self._number, 0
        if number:
            self._out.add(f"[slide {number}{', hidden' if attributes.get('show') in ('0', 'false') else ''}]")
        super().begin(tag, attributes)


def _in_order(parts: Parts) -> list[str]:
    """The slides as they follow one another; where that is not told, by their numbers."""
    book, there = "ppt/presentation.xml", parts.numbered("ppt/slides/slide")
    if book not in parts.names:
        return there
    related, listed = parts.related(book), []

    def begin(tag: str, attributes: dict[str, str]) -> None:
        name = related.get(attributes.get("rid", ""), "")
        if tag == "sldId" and name and name not in listed:
            listed.append(name)

    parts.walk(book, begin, lambda tag, text: None)
    return listed or there


def opendocument(parts: Parts, out: Out) -> None:
    """A text, a table or a presentation of OpenDocument."""
    reader = _OpenDocument(out)
    reader.walk(parts, "content.xml")
    _told(out, reader)


class _OpenDocument(Paragraphs):
    """It says what it is before it says anything else, and calls its tables and slides by name."""

    def __init__(self, out: Out) -> None:
        super().__init__(out, plain=True)
        self._kind, self._slides = "", 0

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in ("spreadsheet", "presentation") and not self._kind:
            self._kind = tag
        elif tag == "table" and self._kind == "spreadsheet" and not self._places:
            self._out.add(f"[sheet {attributes.get('name', '')}]")
        elif tag == "page" and self._kind == "presentation":
            self._slides += 1
            self._out.add(f"[slide {self._slides}]")
        elif tag == "notes" and self._kind == "presentation":
            self._title = "[notes]"
        super().begin(tag, attributes)

    def end(self, tag: str, text: str) -> None:
        if tag == "notes":
            self._title = ""
        super().end(tag, text)
