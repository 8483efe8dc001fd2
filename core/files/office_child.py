"""The text of one document of Word, Excel, PowerPoint or OpenDocument: a reader of `core/bounded.py`, in a process that
may be killed.

Such a file is an archive of XML (ECMA-376; OASIS OpenDocument 1.3). Nothing in it is run or followed: no macro, no
link, no entity.
"""

from __future__ import annotations

TYPE_CHECKING = False
if TYPE_CHECKING:
    import zipfile
    from collections.abc import Callable, Iterator
    from typing import Any

_MOST_ENTRIES = 20_000
_DEEPEST = 256
_PIECE = 1_048_576
"""Bytes read at once: the parser looks again at what has not ended with every piece, such as a long comment."""
_WIDEST = 500
"""Columns that are shown as such; what stands further out is told with its column."""
_DATES = {*range(14, 23), *range(27, 37), *range(45, 48), *range(50, 59)}
"""Number formats of Excel that are dates or times (ECMA-376, part 1, 18.8.30)."""
_HEADING = ("heading", "title", "titre", "überschrift", "título")


class FullError(Exception):
    """There is no room for more text."""


class UnreadableError(Exception):
    """Why it cannot be read, in one word."""

    def __init__(self, problem: str) -> None:
        super().__init__(problem)
        self.problem = problem


def read(data: bytes, asked: dict[str, Any]) -> dict[str, Any]:
    """`blocks` of text, `notes` of what was not read, and whether it was `cut`."""
    import io
    import zipfile
    from contextlib import suppress

    with zipfile.ZipFile(io.BytesIO(data)) as archive:
        parts = Parts(archive, asked["unpacked_bytes"])
        out = Out(asked["characters"])
        for begins, read in _KINDS.items():
            if any(name.startswith(begins) for name in parts.names):
                with suppress(FullError):
                    read(parts, out)
                break
        else:
            raise UnreadableError("kind")
        pictures = sum("/media/" in name or name.startswith("Pictures/") for name in parts.names)
        if pictures:
            out.notes.append(f"{pictures} {'picture' if pictures == 1 else 'pictures'} in it not read")
        if any(name.lower().endswith("vbaproject.bin") for name in parts.names):
            out.notes.append("its macros are neither read nor run")
        return {"blocks": out.blocks, "notes": out.notes, "cut": out.left <= 0}


class Out:
    """The blocks of text so far, within *left* characters."""

    def __init__(self, left: int) -> None:
        self.left = left
        self.blocks: list[str] = []
        self.notes: list[str] = []

    def add(self, text: str) -> None:
        """Add a block.

        Raises:
            FullError: It fits in part only.
        """
        text = text.encode("utf-16-le", "surrogatepass").decode("utf-16-le", "replace").rstrip()
        if not text.strip():
            return
        self.blocks.append(text[: self.left])
        self.left -= len(text)
        if self.left <= 0:
            raise FullError


class Parts:
    """The parts of the archive, of which no more is unpacked than *most* bytes together, whatever they claim."""

    def __init__(self, archive: zipfile.ZipFile, most: int) -> None:
        self._archive = archive
        self._left = most
        self.names = archive.namelist()
        if len(self.names) > _MOST_ENTRIES:
            raise UnreadableError("entries")
        if any(one.flag_bits & 1 for one in archive.infolist()):
            raise UnreadableError("password")

    def walk(self, name: str, begin: Callable[[str, dict[str, str]], None], end: Callable[[str, str], None]) -> None:
        """Read the XML of the part *name*: *begin* has each element and its attributes, *end* its own text."""
        from xml.parsers import expat

        parser, depth = expat.ParserCreate(namespace_separator=" "), [0]
        texts: list[list[str]] = [[]]

        def started(tag: str, attributes: dict[str, str]) -> None:
            depth[0] += 1
            if depth[0] > _DEEPEST:
                raise UnreadableError("nesting")
            texts.append([])
            begin(_local(tag), {_local(key): value for key, value in attributes.items()})

        def ended(tag: str) -> None:
            depth[0] -= 1
            end(_local(tag), "".join(texts.pop()))

        def said(text: str) -> None:
            texts[-1].append(text)

        def doctype(*_: object) -> None:
            raise UnreadableError("doctype")

        parser.StartElementHandler, parser.EndElementHandler = started, ended
        parser.CharacterDataHandler, parser.StartDoctypeDeclHandler = said, doctype
        parser.buffer_text = True
        for piece in self._pieces(name):
            parser.Parse(piece, False)
        parser.Parse(b"", True)

    def _pieces(self, name: str) -> Iterator[bytes]:
        with self._archive.open(name) as part:
            while piece := part.read(_PIECE):
                self._left -= len(piece)
                if self._left < 0:
                    raise UnreadableError("unpacked")
                yield piece

    def numbered(self, begins: str) -> list[str]:
        """The parts `begins1.xml`, `begins2.xml`... in the order of their numbers."""
        found = {name: _number(name[len(begins) : -4], -1) for name in self.names if name.startswith(begins)}
        return sorted((name for name, number in found.items() if number >= 0), key=lambda name: found[name])


def _local(name: str) -> str:
    return name.rpartition(" ")[2]


def _number(text: str, otherwise: int) -> int:
    """The whole number that *text* is, of at most nine digits."""
    return int(text) if text.isascii() and text.isdigit() and len(text) < 10 else otherwise


class Paragraphs:
    """Paragraphs, headings and tables of WordprocessingML, DrawingML and OpenDocument alike."""

    def __init__(self, out: Out, title: str = "") -> None:
        self._out, self._title = out, title
        self._line: list[str] = []
        self._cells: list[list[str]] = []
        self._rows = 0
        self._heading = False

    def begin(self, tag: str, attributes: dict[str, str]) -> None:
        if tag in ("tab", "s"):
            self._line.append("\t" if tag == "tab" else " ")
        elif tag in ("br", "line-break", "cr"):
            self._line.append("\n")
        elif tag in ("pStyle", "h"):
            self._heading = self._heading or tag == "h" or attributes.get("val", "").lower().startswith(_HEADING)
        elif tag in ("tr", "table-row"):
            self._cells.append([])

    def end(self, tag: str, text: str) -> None:
        if tag in ("t", "span", "a", "delText") or (tag in ("p", "h") and text.strip()):
            self._line.append(text if tag != "delText" else "")
        if tag in ("p", "h"):
            self._paragraph()
        elif tag in ("tr", "table-row") and self._cells:
            row = [cell for cell in self._cells.pop() if cell]
            if row:
                self._add(" | ".join(row))

    def _paragraph(self) -> None:
        text, self._line = "".join(self._line), []
        heading, self._heading = self._heading, False
        if self._cells:
            self._cells[-1].append(" ".join(text.split()))
        elif text.strip():
            self._add(f"# {text.strip()}" if heading else text)

    def _add(self, text: str) -> None:
        if self._cells:
            self._cells[-1].append(text)
        elif text.strip():
            title, self._title = self._title, ""  # stands before the first text there is
            self._out.add(title)
            self._out.add(text)


def word(parts: Parts, out: Out) -> None:
    """A document of Word, with its notes and comments behind."""
    for name, title in (
        ("word/document.xml", ""),
        ("word/footnotes.xml", "[footnotes]"),
        ("word/endnotes.xml", "[endnotes]"),
        ("word/comments.xml", "[comments]"),
    ):
        if name in parts.names:
            reader = Paragraphs(out, title)
            parts.walk(name, reader.begin, reader.end)


def slides(parts: Parts, out: Out) -> None:
    """A presentation of PowerPoint, slide by slide, with the speaker's notes."""
    for number, name in enumerate(parts.numbered("ppt/slides/slide"), 1):
        out.add(f"[slide {number}]")
        reader = Paragraphs(out)
        parts.walk(name, reader.begin, reader.end)
        notes = name.replace("slides/slide", "notesSlides/notesSlide")
        if notes in parts.names:
            out.add("[notes]")
            spoken = Paragraphs(out)
            parts.walk(notes, spoken.begin, spoken.end)


def opendocument(parts: Parts, out: Out) -> None:
    """A text, a table or a presentation of OpenDocument."""
    reader = Paragraphs(out)
    parts.walk("content.xml", reader.begin, reader.end)


def sheets(parts: Parts, out: Out) -> None:
    """A workbook of Excel: each sheet as lines of cells parted by tabs, as they were last calculated."""
    texts, dates = _shared_texts(parts), _date_styles(parts)
    names, hidden = _sheet_names(parts)
    for number, name in enumerate(parts.numbered("xl/worksheets/sheet"), 1):
        title = names[number - 1] if number <= len(names) else str(number)
        out.add(f"[sheet {title}{', hidden' if title in hidden else ''}]")
        parts.walk(name, *_Sheet(out, texts, dates).handlers())


class _Sheet:
    def __init__(self, out: Out, texts: list[str], dates: set[int]) -> None:
        self._out, self._texts, self._dates = out, texts, dates
        self._row: dict[int, str] = {}
        self._kind, self._style, self._column = "", -1, 0

    def handlers(self) -> tuple[Callable[[str, dict[str, str]], None], Callable[[str, str], None]]:
        return self._begin, self._end

    def _begin(self, tag: str, attributes: dict[str, str]) -> None:
        if tag == "row":
            self._row = {}
        elif tag == "c":
            self._kind, self._style = attributes.get("t", "n"), _number(attributes.get("s", ""), -1)
            self._column = _column(attributes.get("r", "")) or max(self._row, default=0) + 1

    def _end(self, tag: str, text: str) -> None:
        if tag in ("v", "t") and text:
            self._row[self._column] = self._row.get(self._column, "") + self._value(text, tag)
        elif tag == "row" and self._row:
            self._out.add("\t".join(_cells(self._row)))

    def _value(self, text: str, tag: str) -> str:
        if tag == "t":
            return text
        if self._kind == "s":
            number = _number(text, -1)
            return self._texts[number] if 0 <= number < len(self._texts) else f"(text {text[:9]} is missing)"
        if self._kind == "b":
            return "TRUE" if text == "1" else "FALSE"
        return _as_date(text) if self._kind == "n" and self._style in self._dates else text


def _cells(row: dict[int, str]) -> list[str]:
    """The cells of *row* in their places, and those far out with their columns."""
    last = max(column for column in row if column <= _WIDEST) if min(row) <= _WIDEST else 0
    near = [row.get(column, "") for column in range(1, last + 1)]
    return near + [f"[{_letters(column)}] {row[column]}" for column in sorted(row) if column > _WIDEST]


def _letters(column: int) -> str:
    letters = ""
    while column:
        column, letter = divmod(column - 1, 26)
        letters = chr(65 + letter) + letters
    return letters


def _column(reference: str) -> int:
    """The number of the column that a cell such as `AB12` stands in; 0 where it does not say."""
    number = 0
    for letter in reference[:4]:
        if not "A" <= letter <= "Z":
            break
        number = number * 26 + ord(letter) - 64
    return number if number <= 16_384 else 0


def _as_date(text: str) -> str:
    """A number of days since 1899-12-30 as Excel means it; the number itself where it is none."""
    from datetime import datetime, timedelta

    try:
        days = float(text)
        moment = datetime(1899, 12, 30) + timedelta(seconds=round(days * 86_400))
    except (ValueError, OverflowError):
        return text
    return moment.strftime("%Y-%m-%d") if days.is_integer() else moment.isoformat(" ", "seconds")


def _shared_texts(parts: Parts) -> list[str]:
    found: list[str] = []
    if "xl/sharedStrings.xml" not in parts.names:
        return found
    inside: list[str] = []

    def end(tag: str, text: str) -> None:
        if tag == "t":
            inside.append(text)
        elif tag == "si":
            found.append("".join(inside))
            inside.clear()

    parts.walk("xl/sharedStrings.xml", lambda tag, attributes: None, end)
    return found


def _date_styles(parts: Parts) -> set[int]:
    """The cell styles that show a number as a date."""
    own: set[int] = set()
    styles: list[int] = []
    inside = [False]

    def begin(tag: str, attributes: dict[str, str]) -> None:
        if tag == "numFmt":
            bare = attributes.get("formatCode", "").lower().split(";")[0]
            if any(sign in bare for sign in ("yy", "dd", "h:mm")):
                own.add(_number(attributes.get("numFmtId", ""), -1))
        elif tag == "cellXfs":
            inside[0] = True
        elif tag == "xf" and inside[0]:
            styles.append(_number(attributes.get("numFmtId", ""), 0))

    def end(tag: str, text: str) -> None:
        if tag == "cellXfs":
            inside[0] = False

    if "xl/styles.xml" in parts.names:
        parts.walk("xl/styles.xml", begin, end)
    return {number for number, style in enumerate(styles) if style in _DATES | own}


def _sheet_names(parts: Parts) -> tuple[list[str], set[str]]:
    names: list[str] = []
    hidden: set[str] = set()

    def begin(tag: str, attributes: dict[str, str]) -> None:
        if tag == "sheet":
            names.append(attributes.get("name", ""))
            if attributes.get("state") in ("hidden", "veryHidden"):
                hidden.add(names[-1])

    if "xl/workbook.xml" in parts.names:
        parts.walk("xl/workbook.xml", begin, lambda tag, text: None)
    return names, hidden


_KINDS: dict[str, Callable[[Parts, Out], None]] = {
    "word/document.xml": word,
    "xl/worksheets/": sheets,
    "ppt/slides/": slides,
    "content.xml": opendocument,
}
"""By what the archive holds, whatever the file is called."""
